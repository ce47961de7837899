"""HTTP: what can be trained, how long it would take, and the jobs that there are."""

import contextlib
import threading
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from functions.language_model import LanguageModelError
from viz_app.finetuning import forecast, liveness, local_models, search_routes
from viz_app.finetuning import spec as specs
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import find_job, in_thread, is_local, read_body, read_spec, refuse
from viz_app.finetuning.search_spec import SearchSpec, is_search
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.states import spec_of
from viz_app.finetuning.store import Job, Log, LogError
from viz_app.finetuning.uploads import UPLOAD
from viz_app.spec.text import MAX_TEXT
from viz_app.web.requests import query_of


async def options(desk: Desk, request: Request) -> JSONResponse:
    threading.Thread(target=_find_devices, args=(desk,), daemon=True).start()  # it takes seconds: be ready for a start
    known = await in_thread(desk.log().notes, forecast.DEVICES)
    devices = known.get(forecast.DEVICES, {"auto": None, "devices": []})
    limits = {"upload": UPLOAD, "paths": is_local(request)}
    return JSONResponse({**specs.catalogue(), **devices, "transport": limits})


def _find_devices(desk: Desk) -> None:
    with contextlib.suppress(RuntimeError, LogError):  # which a start will report
        desk.workers.find_devices()


async def estimate(desk: Desk, request: Request) -> JSONResponse:
    spec = read_spec(query_of(request), request)
    return JSONResponse(await in_thread(_estimated, desk, spec))


def _estimated(desk: Desk, spec: FinetuneSpec) -> dict[str, Any]:
    log = desk.log()
    spec = _resolved(desk, spec)
    return forecast.estimate(spec, log.notes(), lambda id: log.upload(id)[1])


async def create(desk: Desk, request: Request) -> JSONResponse:
    text = (await read_body(request, MAX_TEXT, "spec")).decode("utf-8", "replace")
    spec = search_routes.read_search(text, request) if is_search(text) else read_spec(text, request)
    return JSONResponse({"id": await in_thread(_created, desk, spec)}, 201)


def _created(desk: Desk, asked: FinetuneSpec | SearchSpec) -> int:
    log = desk.log()
    spec = asked.base if isinstance(asked, SearchSpec) else asked
    _resolved(desk, spec)
    _check_data(log, spec)
    try:
        found = desk.workers.devices()
    except RuntimeError as error:
        raise refuse(503, "device", str(error)) from error
    names = [device["name"] for device in found["devices"]]
    device = spec.place(found["auto"])
    if device not in names:
        raise refuse(422, "device", f"device = {spec.device!r}: must be auto or one of {', '.join(names)}")
    if isinstance(asked, SearchSpec):
        return search_routes.created(desk, asked, device)
    id = log.create_job(spec.query(), device)
    desk.workers.wake()
    return id


def _resolved(desk: Desk, spec: FinetuneSpec) -> FinetuneSpec:
    """With a model's directory in place of its name; 422 with an instruction if it was not got yet."""
    try:
        return local_models.resolved(spec, desk.directory)
    except LanguageModelError as error:
        raise refuse(422, error.field, error.message) from error


def _check_data(log: Log, spec: FinetuneSpec) -> None:
    """What can be said of the data without loading a model: minutes earlier than the worker could."""
    if not spec.data:
        return
    kind, _, id = spec.data.partition("upload:")
    try:
        if not kind and id:
            log.upload(id)
        elif not Path(spec.data).expanduser().exists():
            raise refuse(422, "data", f"data = {spec.data!r}: there is no such file or folder")
    except LogError as error:
        raise refuse(422, "data", str(error)) from error


async def listing(desk: Desk, request: Request) -> JSONResponse:
    return JSONResponse(await in_thread(_listed, desk))


def _listed(desk: Desk) -> dict[str, Any]:
    log = desk.log()
    jobs = [liveness.settled_shells(log, job) for job in log.jobs()]
    note = (
        "Another HiZOO Lab keeps the workers of this data directory: it does what is asked here"
        if desk.workers.elsewhere
        else None
    )
    return {"jobs": [_plain(desk, job, jobs) for job in jobs], "note": note}


async def show(desk: Desk, request: Request) -> JSONResponse:
    job = await find_job(desk, request)
    return JSONResponse(_plain(desk, job, await in_thread(desk.log().jobs)))


async def delete(desk: Desk, request: Request) -> Response:
    job = await find_job(desk, request)
    try:
        await in_thread(_deleted, desk.log(), job)
    except LogError as error:
        raise refuse(409, "state", str(error)) from error
    return Response(status_code=204)


def _deleted(log: Log, job: Job) -> None:
    liveness.delete(log, liveness.settled_shells(log, job))


def _plain(desk: Desk, job: Job, jobs: list[Job]) -> dict[str, Any]:
    doing = desk.workers.doing(job.device)
    message = job.message
    if doing.get("job") == job.id and "trouble" in doing:
        message = doing["trouble"]  # what the log cannot be told: the disk is full
    elif job.state == "queued" and not message:
        before = sum(o.state in ("queued", "running") and o.device == job.device and o.id < job.id for o in jobs)
        message = f"waits for {before} on {job.device}" if before else ""
    left = doing.get("left") if doing.get("job") == job.id and job.state == "running" else None
    labels, search = _labels(job)
    return {**vars(job), "message": message, "labels": labels, "left": left, "search": search}


def _labels(job: Job) -> tuple[list[str], str | None]:
    """The names of a job's runs, and what a map or a search varies; None of a single job."""
    try:
        spec = spec_of(job)
    except LogError:  # of a version with other bounds
        return [], None
    return (list(spec.base.labels), spec.title) if isinstance(spec, SearchSpec) else (list(spec.labels), None)
