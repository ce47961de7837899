"""Fine-tuning over HTTP: the page's side of the log. Workers train (`viz_app.finetuning.workers`), pages ask and watch.

    GET    /api/finetune/options                what the form needs: `finetune_spec.catalogue()`, devices, limits
    GET    /api/finetune/estimate?SPEC          seconds and bytes it will take, and a sentence
    POST   /api/finetune                        body: SPEC → 201 {"id"}
    GET    /api/finetune                        {"jobs": […newest first], "note"}
    GET    /api/finetune/ID                     one job; DELETE removes one that is not running
    POST   /api/finetune/ID/pause|resume|stop   200 {"state"}, or 202 if the worker has not reacted yet
    POST   /api/finetune/ID/set?run=&lr=&alpha= from the next step on
    POST   /api/finetune/ID/truth?run=          estimate the true diagonal now
    GET    /api/finetune/ID/at?run=&step=       {"evaluation", "hessian"} of any step, rebuilt from the log
    GET    /api/finetune/ID/weights.safetensors?run=&step=
    GET    /api/finetune/ID/table.csv
    POST   /api/finetune/upload?name=           a CSV or TSV → {"id", "rows", "columns", "classes", "preview"}
    WS     /api/finetune/ID/live?have=N         every chunk beyond N, in order, each once, then the new ones (`follow`)

Errors: {"errors": [{"field", "message"}]} with 403 (another site's page), 404 (no such run), 409 (not in this state),
413, 422, 429, 503 (log, device or worker out of order), 504. Files and folders may be named by this machine's own
browser only.

Messages, the objects in a chunk's "messages". Numbers are finite or null; `run` is an optimizer's index in the spec.

    plan        spec, model, device, dtype, task, sentences, runs, groups, zero_shot: once, first
    steps       run, columns [step, forwards, seconds, loss, slope, curvature, length, lr, alpha], rows [[…], …]
    evaluation  run, step, forwards, seconds, loss, accuracy, f1, probabilities per sentence, position, distance
    hessian     run, step, quantiles [[q10, q50, q90, mean] per group], histogram {edges, counts per group}
    truth       run, step, groups [[mean, standard error] per group], probes, seconds, cost
    memory      rows [{name, weights, activations, gradients, state, workspace, peak}], how: bytes
    plane       kind, note, runs [{run, steps, points}]
    surface     kind, x, y, cells [[ix, iy, loss], …], done
    setting     run, step, lr, alpha
    status      state, run (or null: the job), message
    progress    message, done, total
"""

import contextlib
import csv
import ipaddress
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask

from functions.language_model import LanguageModelError
from hizoo_core import HyperparameterError
from viz_app.finetuning import follow, worker
from viz_app.finetuning import forecast as estimate
from viz_app.finetuning import spec as specs
from viz_app.finetuning import table as finetune_table
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Job, Log, LogError
from viz_app.finetuning.workers import COMMAND, Workers
from viz_app.spec.text import MAX_TEXT, SpecError, decimal, pairs

UPLOAD = 20 * 2**20  # bytes
PREVIEW = 5  # rows
ANSWER_POLL = 0.03
REACT = 2.0  # seconds that a button waits for the worker; after that the chunks will tell
REBUILD = 600.0  # seconds that a page waits for a step to be rebuilt
ASKING = 64  # pages that may wait for an answer at a time
STALE = 3600.0  # seconds after which weights that nobody fetched are removed
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)

Errors = list[dict[str, Any]]


def data_directory() -> Path:
    """Where the runs are kept: HIZOO_LAB_DATA of the environment, or lab-data in the working directory."""
    return Path(os.environ.get("HIZOO_LAB_DATA") or "lab-data")


class Refused(Exception):
    """A request that gets {"errors"} and a status."""

    def __init__(self, status: int, errors: Errors) -> None:
        super().__init__(errors)
        self.status, self.errors = status, errors


class Desk:
    """What the routes share: the log, opened when first needed, and the workers."""

    def __init__(self, directory: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.directory = directory
        self.workers = Workers(directory, self.log, command)
        self.asking = 0
        self._log: Log | None = None
        self._lock = threading.Lock()

    def log(self) -> Log:
        with self._lock:
            if self._log is None:
                self._log = Log(self.directory)
            return self._log

    def start(self) -> None:
        self.workers.start()

    def close(self) -> None:
        self.workers.close()
        with self._lock:
            if self._log is not None:
                self._log.close()


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
    route("GET", "/options", _bound(desk, _options))
    route("GET", "/estimate", _bound(desk, _estimate))
    route("POST", "/upload", _bound(desk, _upload))
    route("POST", "", _bound(desk, _create))
    route("GET", "", _bound(desk, _jobs))
    route("GET", "/{id}", _bound(desk, _show))
    route("DELETE", "/{id}", _bound(desk, _delete))
    for name in worker.STATE_COMMANDS:
        route("POST", f"/{{id}}/{name}", _bound(desk, partial(_change_state, name)))
    route("POST", "/{id}/set", _bound(desk, _set))
    route("POST", "/{id}/truth", _bound(desk, _truth))
    route("GET", "/{id}/at", _bound(desk, _at))
    route("GET", "/{id}/weights.safetensors", _bound(desk, _weights))
    route("GET", "/{id}/table.csv", _bound(desk, _table))

    app.add_api_websocket_route("/api/finetune/{id}/live", follow.endpoint(desk.log))
    return desk


def _bound(desk: Desk, handler: Callable[[Desk, Request], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        _same_origin(request)
        return await handler(desk, request)

    return endpoint


async def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """SQLite may have to wait for another process: never on the event loop."""
    return await anyio.to_thread.run_sync(partial(work, *arguments))


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse({"errors": error.errors}, error.status)


def _log_error(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"errors": [{"field": "log", "message": str(error)}]}, 503)


def _refuse(status: int, field: str, message: str) -> Refused:
    return Refused(status, [{"field": field, "message": message}])


# Jobs


async def _options(desk: Desk, request: Request) -> JSONResponse:
    threading.Thread(target=_find_devices, args=(desk,), daemon=True).start()  # it takes seconds: be ready for a start
    known = await _in_thread(desk.log().notes, estimate.DEVICES)
    devices = known.get(estimate.DEVICES, {"auto": None, "devices": []})
    limits = {"upload": UPLOAD, "paths": _is_local(request)}
    return JSONResponse({**specs.catalogue(), **devices, "transport": limits})


def _find_devices(desk: Desk) -> None:
    with contextlib.suppress(RuntimeError, LogError):  # which a start will report
        desk.workers.find_devices()


async def _estimate(desk: Desk, request: Request) -> JSONResponse:
    spec = _parse(_query(request), request)
    return JSONResponse(await _in_thread(_estimated, desk, spec))


def _estimated(desk: Desk, spec: FinetuneSpec) -> dict[str, Any]:
    return estimate.estimate(spec, desk.log().notes())


async def _create(desk: Desk, request: Request) -> JSONResponse:
    text = (await _body(request, MAX_TEXT, "spec")).decode("utf-8", "replace")
    spec = _parse(text, request)
    return JSONResponse({"id": await _in_thread(_created, desk, spec)}, 201)


def _created(desk: Desk, spec: FinetuneSpec) -> int:
    log = desk.log()
    _check_data(log, spec)
    try:
        found = desk.workers.devices()
    except RuntimeError as error:
        raise _refuse(503, "device", str(error)) from error
    names = [device["name"] for device in found["devices"]]
    device = {"auto": found["auto"], "cuda": "cuda:0"}.get(spec.device, spec.device)
    if device not in names:
        raise _refuse(422, "device", f"device = {spec.device!r}: must be auto or one of {', '.join(names)}")
    id = log.create_job(spec.query(), device)
    desk.workers.wake()
    return id


def _check_data(log: Log, spec: FinetuneSpec) -> None:
    """What can be said of the data without loading a model: minutes earlier than the worker could."""
    if not spec.data:
        return
    kind, _, id = spec.data.partition("upload:")
    try:
        if not kind and id:
            log.upload(id)
        elif not Path(spec.data).expanduser().exists():
            raise _refuse(422, "data", f"data = {spec.data!r}: there is no such file or folder")
    except LogError as error:
        raise _refuse(422, "data", str(error)) from error


async def _jobs(desk: Desk, request: Request) -> JSONResponse:
    return JSONResponse(await _in_thread(_listed, desk))


def _listed(desk: Desk) -> dict[str, Any]:
    log = desk.log()
    jobs = [_without_shell(log, job) for job in log.jobs()]
    note = (
        "Another HiZOO Lab keeps the workers of this data directory: it does what is asked here"
        if desk.workers.elsewhere
        else None
    )
    return {"jobs": [_plain(desk, job, jobs) for job in jobs], "note": note}


def _without_shell(log: Log, job: Job) -> Job:
    """The job; stopped if it was begun in a shell that has been killed."""
    if job.state != "running" or worker.is_ours(job):
        return job
    lock = worker.shell_lock(log.directory, job.id)
    if not lock.acquire():
        return job
    sentence = f"its shell has ended; go on with: python app.py finetune --resume {job.id}"
    log.append(
        job.id,
        messages=[{"type": "status", "state": "stopped", "run": None, "message": sentence}],
        state=("stopped", sentence),
    )
    lock.release()
    lock.path.unlink(missing_ok=True)
    return log.job(job.id)


async def _show(desk: Desk, request: Request) -> JSONResponse:
    job = await _job(desk, request)
    return JSONResponse(_plain(desk, job, await _in_thread(desk.log().jobs)))


async def _delete(desk: Desk, request: Request) -> Response:
    job = await _job(desk, request)
    try:
        await _in_thread(desk.log().delete_job, job.id)
    except LogError as error:
        raise _refuse(409, "state", str(error)) from error
    return Response(status_code=204)


def _plain(desk: Desk, job: Job, jobs: list[Job]) -> dict[str, Any]:
    doing = desk.workers.doing(job.device)
    message = job.message
    if doing.get("job") == job.id and "trouble" in doing:
        message = doing["trouble"]  # what the log cannot be told: the disk is full
    elif job.state == "queued" and not message:
        before = sum(o.state in ("queued", "running") and o.device == job.device and o.id < job.id for o in jobs)
        message = f"waits for {before} on {job.device}" if before else ""
    return {**vars(job), "message": message, "labels": _labels(job)}


def _labels(job: Job) -> list[str]:
    try:
        return list(specs.parse(job.spec).labels)
    except SpecError:  # of a version with other bounds
        return []


# Commands


async def _change_state(name: str, desk: Desk, request: Request) -> JSONResponse:
    job = await _job(desk, request)
    _check_ours(job)
    if job.state not in worker.STATE_COMMANDS[name][0]:
        raise _refuse(409, "state", worker.wrong_state(job, name))
    return await _commanded(desk, request, job, {"command": name})


def _check_ours(job: Job) -> None:
    if not worker.is_ours(job):
        resume = f"Ctrl-C there pauses it, and python app.py finetune --resume {job.id} goes on"
        raise _refuse(409, "state", f"run {job.id} was begun in a shell: {resume}")


async def _set(desk: Desk, request: Request) -> JSONResponse:
    job = await _job(desk, request)
    _check_ours(job)
    if job.state not in ("running", "paused"):
        raise _refuse(409, "state", f"run {job.id} is {job.state}: set is for one that is running or paused")
    given = _parameters(request, ("run", "lr", "alpha"))
    run = _run(job, given)
    changes = {name: _number(name, given[name]) for name in ("lr", "alpha") if name in given}
    if not changes:
        raise _refuse(422, "lr", "give lr, alpha or both")
    before = specs.parse(job.spec).opts[run]
    for name in changes:
        if not hasattr(before.hyperparameters, name):
            raise _refuse(422, name, f"{before.method} has no {name}")
    try:
        replace(before.hyperparameters, **changes)
    except HyperparameterError as error:
        raise _refuse(422, error.field, error.message) from error
    return await _commanded(desk, request, job, {"command": "set", "run": run, **changes})


async def _truth(desk: Desk, request: Request) -> JSONResponse:
    job = await _job(desk, request)
    _check_ours(job)
    run = _run(job, _parameters(request, ("run",)))
    return await _commanded(desk, request, job, {"command": "truth", "run": run})


async def _at(desk: Desk, request: Request) -> JSONResponse:
    job = await _job(desk, request)
    run, step = await _place(desk, request, job)
    answer = await _ask(desk, request, job, {"command": "at", "run": run, "step": step}, REBUILD)
    if answer is None:
        raise _refuse(504, "step", f"step {step} could not be rebuilt within {REBUILD:.0f} s")
    return JSONResponse(answer)


async def _weights(desk: Desk, request: Request) -> FileResponse:
    job = await _job(desk, request)
    run, step = await _place(desk, request, job)
    await _in_thread(_sweep, worker.exports(desk.directory))
    answer = await _ask(desk, request, job, {"command": "weights", "run": run, "step": step}, REBUILD)
    if answer is None:
        raise _refuse(504, "step", f"step {step} could not be rebuilt within {REBUILD:.0f} s")
    path = Path(answer["file"])
    label = specs.parse(job.spec).labels[run].replace("#", "-")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=f"run-{job.id}-{label}-step-{step}.safetensors",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _sweep(exports: Path) -> None:
    """Remove weights whose asker has left."""
    for path in exports.glob("*.safetensors"):
        if time.time() - path.stat().st_mtime > STALE:
            path.unlink(missing_ok=True)


async def _commanded(desk: Desk, request: Request, job: Job, body: dict[str, Any]) -> JSONResponse:
    """Ask the worker, and wait a moment for what it says. Without an answer yet: 202, and the command stands."""
    answer = await _ask(desk, request, job, body, REACT, withdraw=False)
    state = (await _in_thread(desk.log().job, job.id)).state
    return JSONResponse({"state": state}, 202 if answer is None else 200)


async def _ask(
    desk: Desk, request: Request, job: Job, body: dict[str, Any], timeout: float, withdraw: bool = True
) -> dict[str, Any] | None:
    """The worker's answer, or None after `timeout` seconds. A command whose asker leaves is withdrawn."""
    if desk.asking >= ASKING:
        raise _refuse(429, "worker", f"{ASKING} others are waiting for an answer: try again in a moment")
    log = desk.log()
    command = await _in_thread(log.post, job.id, body)
    desk.workers.wake()
    desk.asking += 1
    answer = None
    try:
        end = time.monotonic() + timeout
        while answer is None and time.monotonic() < end:
            if withdraw and await request.is_disconnected():
                raise _refuse(499, "worker", "the asker has left")
            await anyio.sleep(ANSWER_POLL)
            answer = await _in_thread(log.take_answer, command)
    finally:
        desk.asking -= 1
        if answer is None and withdraw:
            with anyio.CancelScope(shield=True):
                late = await _in_thread(log.wait, command, 0.0)
            if late and "file" in late:
                Path(late["file"]).unlink(missing_ok=True)
    assert not isinstance(answer, bytes)
    if answer and "errors" in answer:
        field = answer["errors"][0]["field"]
        raise Refused({"state": 409, "worker": 503, "memory": 503, "log": 503}.get(field, 422), answer["errors"])
    return answer


# Tables


async def _upload(desk: Desk, request: Request) -> JSONResponse:
    given = _parameters(request, ("name", "text_column", "label_column"))
    body = await _body(request, UPLOAD, "data")
    return JSONResponse(await _in_thread(_uploaded, desk, given, body))


def _uploaded(desk: Desk, given: dict[str, str], body: bytes) -> dict[str, Any]:
    from functions.language_model import tasks  # checks without torch

    columns = _columns(body)
    text_column, label_column = given.get("text_column") or "text", given.get("label_column") or "label"
    try:
        task = tasks.make("table", data=body, text_column=text_column, label_column=label_column)
    except LanguageModelError as error:
        raise Refused(422, [{"field": error.field, "message": error.message, "columns": columns}]) from error
    examples = [*task.train, *task.held_out]
    counts = Counter(example.label for example in examples)
    name = Path(given.get("name") or "table.csv").name[:200]
    return {
        "id": desk.log().save_upload(name, body),
        "name": name,
        "rows": len(examples),
        "columns": columns,
        "classes": [{"name": name, "count": counts[label]} for label, name in enumerate(task.classes)],
        "words": task.words,
        "preview": [{"text": e.text, "label": task.classes[e.label]} for e in examples[:PREVIEW]],
    }


def _columns(body: bytes) -> list[str]:
    """The names in a table's first line."""
    line = body[: 2**16].decode("utf-8-sig", "replace").lstrip("\r\n").partition("\n")[0]
    delimiter = max(",\t;", key=line.count)
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


async def _table(desk: Desk, request: Request) -> Response:
    job = await _job(desk, request)
    body = await _in_thread(lambda: finetune_table.csv_bytes(finetune_table.table(desk.log(), job.id)))
    headers = {"Content-Disposition": f'attachment; filename="run-{job.id}.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


# What a request says


def _query(request: Request) -> str:
    return request.scope["query_string"].decode("utf-8", "replace")


def _parse(text: str, request: Request) -> FinetuneSpec:
    """The spec, or 422. Files and folders of this machine may be named from its own browser only."""
    try:
        spec = specs.parse(text)
    except SpecError as error:
        raise Refused(422, error.errors) from error
    if not _is_local(request):
        here = "only a browser on the machine that serves this page may name a file of it"
        if spec.data and not spec.data.startswith("upload:"):
            raise _refuse(422, "data", f"data is a path, and {here}: upload the table instead")
        if not HUB_ID.fullmatch(spec.model) or Path(spec.model).exists():
            raise _refuse(422, "model", f"model is a folder, and {here}: give a model's name on the hub, or bundled")
    return spec


def _is_local(request: Request) -> bool:
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


async def _body(request: Request, most: int, field: str) -> bytes:
    """The body, read no further than it may be long."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            large = f"{most / 2**20:.0f} MB" if most >= 2**20 else f"{most:,} characters"
            raise _refuse(413, field, f"is larger than {large}")
        parts.append(part)
    return b"".join(parts)


async def _job(desk: Desk, request: Request) -> Job:
    """The run that the address names, or 404."""
    text = request.path_params["id"]
    try:
        return await _in_thread(desk.log().job, specs.whole(text))
    except ValueError as error:
        raise _refuse(404, "id", f"{text[:40]!r} is no number of a run") from error
    except LogError as error:
        raise _refuse(404, "id", str(error)) from error


def _parameters(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """The query's values by name; each name once, and no others."""
    given: dict[str, str] = {}
    for key, value in pairs(_query(request)):
        if key not in names:
            raise _refuse(422, key[:40], f"{key[:40]!r} is no parameter; allowed: {', '.join(names)}")
        if key in given:
            raise _refuse(422, key, f"{key} is given twice")
        given[key] = value
    return given


def _run(job: Job, given: dict[str, str]) -> int:
    last = len(specs.parse(job.spec).opts) - 1
    text = given.get("run", "0")
    if not text.isdecimal() or not 0 <= int(text) <= last:
        raise _refuse(422, "run", f"run = {text[:40]!r}: must be {f'0 to {last}' if last else '0'}")
    return int(text)


async def _place(desk: Desk, request: Request, job: Job) -> tuple[int, int]:
    """A run and one of its steps; the newest where none is given."""
    given = _parameters(request, ("run", "step"))
    run = _run(job, given)
    steps = await _in_thread(desk.log().steps, job.id, run)
    last = steps[-1].step if steps else 0
    text = given.get("step", str(last))
    if not text.isdecimal() or int(text) > last:
        raise _refuse(422, "step", f"step = {text[:40]!r}: must be 0 to {last:,}, the steps that have been made")
    return run, int(text)


def _number(name: str, text: str) -> float:
    try:
        return decimal(text)
    except ValueError as error:
        raise _refuse(422, name, f"{name} = {text[:40]!r}: must be a finite decimal number") from error


def _same_origin(request: Request) -> None:
    """Another site's page, open in the same browser, may not start or stop anything here."""
    if request.method not in ("GET", "HEAD") and not follow.same_origin(request.headers):
        raise _refuse(403, "origin", "the request comes from another site's page")
