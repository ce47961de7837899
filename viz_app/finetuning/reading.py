"""What a request to /api/finetune says, and how it is refused: {"errors": [{"field", "message"}]}."""

import ipaddress
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import Request

from functions.language_model.files import HUB_ID
from viz_app.finetuning import follow
from viz_app.finetuning import spec as specs
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.states import job_spec
from viz_app.finetuning.store import Job, LogError
from viz_app.spec.text import SpecError, decimal, pairs, whole
from viz_app.web.requests import query_of

Errors = list[dict[str, Any]]


class Refused(Exception):
    """A request that gets {"errors"} and a status."""

    def __init__(self, status: int, errors: Errors) -> None:
        super().__init__(errors)
        self.status, self.errors = status, errors


def refuse(status: int, field: str, message: str) -> Refused:
    return Refused(status, [{"field": field, "message": message}])


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """SQLite may have to wait for another process: never on the event loop."""
    return await anyio.to_thread.run_sync(partial(work, *arguments))


def read_spec(text: str, request: Request) -> FinetuneSpec:
    """The spec, or 422. Files and folders of this machine may be named from its own browser only."""
    try:
        spec = specs.parse(text)
    except SpecError as error:
        raise Refused(422, error.errors) from error
    if not is_local(request):
        here = "only a browser on the machine that serves this page may name a file of it"
        if spec.data and not spec.data.startswith("upload:"):
            raise refuse(422, "data", f"data is a path, and {here}: upload the table instead")
        if not HUB_ID.fullmatch(spec.model) or Path(spec.model).exists():
            raise refuse(422, "model", f"model is a folder, and {here}: give a model's name on the hub, or bundled")
    return spec


def is_local(request: Request) -> bool:
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


async def read_body(request: Request, most: int, field: str) -> bytes:
    """The body, read no further than it may be long."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            large = f"{most / 1e6:.0f} MB" if most >= 1e6 else f"{most:,} characters"
            raise refuse(413, field, f"is larger than {large}")
        parts.append(part)
    return b"".join(parts)


async def find_job(desk: Desk, request: Request) -> Job:
    """The run that the address names, or 404."""
    text = request.path_params["id"]
    try:
        return await in_thread(desk.log().job, whole(text))
    except ValueError as error:
        raise refuse(404, "id", f"{text[:40]!r} is no number of a run") from error
    except LogError as error:
        raise refuse(404, "id", str(error)) from error


def read_parameters(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """The query's values by name; each name once, and no others."""
    given: dict[str, str] = {}
    for key, value in pairs(query_of(request)):
        if key not in names:
            raise refuse(422, key[:40], f"{key[:40]!r} is no parameter; allowed: {', '.join(names)}")
        if key in given:
            raise refuse(422, key, f"{key} is given twice")
        given[key] = value
    return given


def read_run(job: Job, given: dict[str, str]) -> int:
    last = job_spec(job).count - 1
    text = given.get("run", "0")
    if not text.isdecimal() or not 0 <= int(text) <= last:
        raise refuse(422, "run", f"run = {text[:40]!r}: must be {f'0 to {last}' if last else '0'}")
    return int(text)


async def read_place(desk: Desk, request: Request, job: Job) -> tuple[int, int]:
    """A run and one of its steps; the newest where none is given."""
    given = read_parameters(request, ("run", "step"))
    run = read_run(job, given)
    steps = await in_thread(desk.log().steps, job.id, run)
    last = steps[-1].step if steps else 0
    text = given.get("step", str(last))
    if not text.isdecimal() or int(text) > last:
        raise refuse(422, "step", f"step = {text[:40]!r}: must be 0 to {last:,}, the steps that have been made")
    return run, int(text)


def read_number(name: str, text: str) -> float:
    try:
        return decimal(text)
    except ValueError as error:
        raise refuse(422, name, f"{name} = {text[:40]!r}: must be a finite decimal number") from error


def check_origin(request: Request) -> None:
    """Another site's page, open in the same browser, may not start or stop anything here."""
    if request.method not in ("GET", "HEAD") and not follow.same_origin(request.headers):
        raise refuse(403, "origin", "the request comes from another site's page")
