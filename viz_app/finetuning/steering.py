"""HTTP: what is asked of a job's worker, and its answers."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask

from hizoo_core import HyperparameterError
from viz_app.finetuning import states, worker
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import (
    Refused,
    find_job,
    in_thread,
    read_number,
    read_parameters,
    read_place,
    read_run,
    refuse,
)
from viz_app.finetuning.store import Job

ANSWER_POLL = 0.03  # seconds between looks for an answer
REACT = 2.0  # seconds that a button waits for the worker; after that the chunks will tell
REBUILD = 600.0  # seconds that a page waits for a step to be rebuilt
ASKING = 64  # requests that may wait for an answer at a time
STALE = 3600.0  # seconds after which weights that nobody fetched are removed


async def change_state(name: str, desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    _check_ours(desk, job)
    if job.state not in states.STATE_COMMANDS[name][0]:
        raise refuse(409, "state", states.wrong_state(job, name))
    return await _commanded(desk, request, job, {"command": name})


def _check_ours(desk: Desk, job: Job) -> None:
    if not states.is_ours(job):
        raise refuse(409, "state", states.in_a_shell(job, desk.directory))


async def set_rate(desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    _check_ours(desk, job)
    if job.state not in ("running", "paused"):
        raise refuse(409, "state", f"run {job.id} is {job.state}: set is for one that is running or paused")
    given = read_parameters(request, ("run", "lr", "alpha"))
    run = read_run(job, given)
    changes = {name: read_number(name, given[name]) for name in ("lr", "alpha") if name in given}
    if not changes:
        raise refuse(422, "lr", "give lr, alpha or both")
    before = states.job_spec(job).opt_of(run)
    for name in changes:
        if not hasattr(before.hyperparameters, name):
            raise refuse(422, name, f"{before.method} has no {name}")
    try:
        replace(before.hyperparameters, **changes)
    except HyperparameterError as error:
        raise refuse(422, error.field, error.message) from error
    return await _commanded(desk, request, job, {"command": "set", "run": run, **changes})


async def truth(desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    _check_ours(desk, job)
    run = read_run(job, read_parameters(request, ("run",)))
    return await _commanded(desk, request, job, {"command": "truth", "run": run})


async def headroom(desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    _check_ours(desk, job)
    run, step = await read_place(desk, request, job)
    return await _commanded(desk, request, job, {"command": "headroom", "run": run, "step": step})


async def surface(desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    if job.state not in states.SURVEYED:
        raise refuse(409, "state", states.wrong_state(job, "surface"))
    return await _commanded(desk, request, job, {"command": "surface"})


async def at(desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    run, step = await read_place(desk, request, job)
    answer = await _ask(desk, request, job, {"command": "at", "run": run, "step": step}, REBUILD)
    if answer is None:
        raise refuse(504, "step", f"step {step} could not be rebuilt within {REBUILD:.0f} s")
    return JSONResponse(answer)


async def weights(desk: Desk, request: Request) -> FileResponse:
    job = await find_job(desk, request)
    run, step = await read_place(desk, request, job)
    await in_thread(_sweep, worker.exports(desk.directory))
    answer = await _ask(desk, request, job, {"command": "weights", "run": run, "step": step}, REBUILD)
    if answer is None:
        raise refuse(504, "step", f"step {step} could not be rebuilt within {REBUILD:.0f} s")
    path = Path(answer["file"])
    spec = states.job_spec(job)
    seed = f"-seed-{spec.seed + spec.repetition_of(run)}" if spec.runs > 1 else ""
    label = spec.label_of(run).replace("#", "-") + seed
    return FileResponse(
        path,
        media_type="application/zip" if path.suffix == ".zip" else "application/octet-stream",
        filename=f"run-{job.id}-{label}-step-{step}{path.suffix}",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _sweep(exports: Path) -> None:
    """Remove weights whose asker has left."""
    for path in exports.glob("*.*"):
        if time.time() - path.stat().st_mtime > STALE:
            path.unlink(missing_ok=True)


async def _commanded(desk: Desk, request: Request, job: Job, body: dict[str, Any]) -> JSONResponse:
    """Ask the worker, and wait a moment for what it says. Without an answer yet: 202, and the command stands."""
    answer = await _ask(desk, request, job, body, REACT, withdraw=False)
    state = (await in_thread(desk.log().job, job.id)).state
    return JSONResponse({"state": state}, 202 if answer is None else 200)


async def _ask(
    desk: Desk, request: Request, job: Job, body: dict[str, Any], timeout: float, withdraw: bool = True
) -> dict[str, Any] | None:
    """The worker's answer, or None after `timeout` seconds. A command whose asker leaves is withdrawn."""
    if desk.asking >= ASKING:
        raise refuse(429, "worker", f"{ASKING} others are waiting for an answer: try again in a moment")
    log = desk.log()
    command = await in_thread(log.post, job.id, body)
    desk.workers.wake()
    desk.asking += 1
    answer = None
    try:
        end = time.monotonic() + timeout
        while answer is None and time.monotonic() < end:
            if withdraw and await request.is_disconnected():
                raise refuse(499, "worker", "the asker has left")
            await anyio.sleep(ANSWER_POLL)
            answer = await in_thread(log.take_answer, command)
    finally:
        desk.asking -= 1
        if answer is None and withdraw:
            with anyio.CancelScope(shield=True):
                late = await in_thread(log.wait, command, 0.0)
            if late and "file" in late:
                Path(late["file"]).unlink(missing_ok=True)
    assert not isinstance(answer, bytes)
    if answer and "errors" in answer:
        field = answer["errors"][0]["field"]
        raise Refused({"state": 409, "worker": 503, "memory": 503, "log": 503}.get(field, 422), answer["errors"])
    return answer
