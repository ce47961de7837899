"""Fine-tuning over HTTP: the page's side of the log. Workers train (`viz_app.finetuning.workers`), pages ask and watch.

    GET    /api/finetune/options                what the form needs: `spec.catalogue()`, devices, limits
    GET    /api/finetune/estimate?SPEC          seconds and bytes it will take, and a sentence
    POST   /api/finetune                        body: SPEC → 201 {"id"}
    GET    /api/finetune                        {"jobs": […newest first], "note"}
    GET    /api/finetune/search?SPEC            a map or a search (`search_routes`); POST /api/finetune computes it
    GET    /api/finetune/models                 {"models": [{"name", "title", "about", "bytes", "here"}], "getting":
                                                {} | {"name", "message", "done", "total", "unit"} | {"name", "error"}}
    POST   /api/finetune/models/NAME            get one that comes in a package: 202 with the same, 409 while busy
    GET    /api/finetune/states                 {"files", "bytes", "limit"} of what lower layers have computed, on
                                                the disk; DELETE clears it
    GET    /api/finetune/ID                     one job, with how long it will still train as "left"; DELETE removes one
                                                that is not running
    POST   /api/finetune/ID/pause|resume|stop   200 {"state"}, or 202 if the worker has not reacted yet
    POST   /api/finetune/ID/set?run=&lr=&alpha= from the next step on
    POST   /api/finetune/ID/truth?run=          estimate the diagonal of the Hessian now
    POST   /api/finetune/ID/headroom?run=&step= measure what curvature could gain there, in more rounds at each call
    POST   /api/finetune/ID/surface             compute the loss on the plane of the end points, while no job waits
    GET    /api/finetune/ID/at?run=&step=       {"evaluation", "hessian"} of any step, rebuilt from the log
    GET    /api/finetune/ID/weights.safetensors?run=&step=    a safetensors file; of an adapter, a zip file for peft
    GET    /api/finetune/ID/table.csv
    POST   /api/finetune/upload?name=           a CSV or TSV → {"id", "rows", "columns", "classes", "preview"}
    WS     /api/finetune/ID/live?have=N         every chunk beyond N, in order, each once, then the new ones (`follow`)

Errors: {"errors": [{"field", "message"}]} with 403 (another site's page), 404 (no such run), 409 (not in this state),
413, 422, 429, 503 (log, device or worker out of order), 504. Files and folders may be named by this machine's own
browser only.

Messages, the objects in a chunk's "messages". Numbers are finite or null; `run` counts the optimizers of
the spec, and with several seeds those of the first seed, of the second, and so on.

    plan        spec, model, clock, device, dtype, task, sentences, runs, groups, zero_shot: once, first
    steps       run, columns [step, forwards, seconds, loss, slope, curvature, length, lr, alpha], rows [[…], …]
    evaluation  run, step, forwards, seconds, loss, accuracy, f1, probabilities per sentence, position, distance
    hessian     run, step, quantiles [[q10, q50, q90, mean] per group], histogram {edges, counts per group}
    truth       run, step, groups [[mean, standard error] per group], probes, seconds, cost
    headroom    run, step, rounds, groups [[r, standard error] per group], sentence, cost, raw, and R [{key, name, value
                [R, standard error], gain [R over R without a preconditioner, standard error] or null}]
    memory      rows [{name, weights, activations, gradients, state, workspace, peak}], how: bytes
    plane       kind, note, runs [{run, steps, points}]
    surface     kind, x, y, cells [[ix, iy, loss], …], done
    setting     run, step, lr, alpha
    status      state, run (or null: the job), message; of a run: how it ended, "failed" before its last step
    seed        repetition, seed, sentences, zero_shot: of the second seed and those after it, when their runs begin
    comparison  seeds, pairs [{optimizers, sentence}]: whether the optimizers differ over so many seeds (`comparison`)
    note        run (or null), message: something beside the training that failed or wants a look
    start, cell, found    of maps and searches: see `search_results`
    progress    message, done, total, unit: what is counted; with an empty message when that is over
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from viz_app.finetuning import (
    follow,
    jobs,
    model_routes,
    search_routes,
    states,
    states_routes,
    steering,
    uploads,
)
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import Refused, check_origin
from viz_app.finetuning.store import LogError
from viz_app.finetuning.workers import COMMAND


def add_routes(app: FastAPI, directory: Path, command: tuple[str, ...] = COMMAND) -> Desk:
    """Add the routes above to an application, and the workers to its life. `command` starts a worker."""
    desk = Desk(directory, command)
    app.router.on_startup.append(desk.start)
    app.router.on_shutdown.append(desk.close)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(LogError, _log_error)

    def route(method: str, path: str, endpoint: Callable[..., Any]) -> None:
        app.add_api_route(
            f"/api/finetune{path}", endpoint, methods=[method], response_class=Response, include_in_schema=False
        )

    # The fixed names come before {id}, which would match them.
    route("GET", "/options", _bound(desk, jobs.options))
    route("GET", "/estimate", _bound(desk, jobs.estimate))
    route("GET", "/search", _bound(desk, search_routes.show))
    route("GET", "/models", _bound(desk, model_routes.listing))
    route("POST", "/models/{name}", _bound(desk, model_routes.get))
    route("GET", "/states", _bound(desk, states_routes.listing))
    route("DELETE", "/states", _bound(desk, states_routes.clear))
    route("POST", "/upload", _bound(desk, uploads.upload))
    route("POST", "", _bound(desk, jobs.create))
    route("GET", "", _bound(desk, jobs.listing))
    route("GET", "/{id}", _bound(desk, jobs.show))
    route("DELETE", "/{id}", _bound(desk, jobs.delete))
    for name in states.STATE_COMMANDS:
        route("POST", f"/{{id}}/{name}", _bound(desk, partial(steering.change_state, name)))
    route("POST", "/{id}/set", _bound(desk, steering.set_rate))
    route("POST", "/{id}/truth", _bound(desk, steering.truth))
    route("POST", "/{id}/headroom", _bound(desk, steering.headroom))
    route("POST", "/{id}/surface", _bound(desk, steering.surface))
    route("GET", "/{id}/at", _bound(desk, steering.at))
    route("GET", "/{id}/weights.safetensors", _bound(desk, steering.weights))
    route("GET", "/{id}/table.csv", _bound(desk, uploads.table))

    app.add_api_websocket_route("/api/finetune/{id}/live", follow.endpoint(desk.log))
    return desk


def _bound(desk: Desk, handler: Callable[[Desk, Request], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        check_origin(request)
        return await handler(desk, request)

    return endpoint


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse({"errors": error.errors}, error.status)


def _log_error(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"errors": [{"field": "log", "message": str(error)}]}, 503)
