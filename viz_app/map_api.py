"""The HTTP door of maps.

    GET /api/map?SPEC              a grid of settings (viz_app.map_spec); /api/map.csv, /api/map.parquet: as a table
    GET /api/map/stream?SPEC       the same for the page: messages (viz_app.maps.stream) while it is computed
    GET /api/tune?SPEC&trials=64   the best setting within that many trials, and what it cost (viz_app.tune)

A map whose client has gone is cancelled.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from hizoo_core import Cancelled
from viz_app import map_spec, maps, tune
from viz_app.map_spec import MapSpec
from viz_app.spec_text import SpecError, pairs, whole, wrong

POLL_SECONDS = 0.05
Work = Callable[[str, Callable[[], bool]], bytes]


def add_routes(app: FastAPI, door: Callable[[str, Work, str], None], slots: anyio.CapacityLimiter, media: dict) -> None:
    """Add the routes above. `door(path, work, media_type)` adds one that computes bytes from a query."""
    for name in maps.FORMATS:
        door("/api/map" if name == "json" else f"/api/map.{name}", partial(_table, name), media[name])
    door("/api/tune", _tune, media["json"])

    @app.get("/api/map/stream", include_in_schema=False)
    async def stream(request: Request) -> Response:
        query = request.scope["query_string"].decode("utf-8", "replace")
        try:
            spec, coords = await anyio.to_thread.run_sync(_with_coords, query, limiter=slots)
        except SpecError as error:
            return JSONResponse({"errors": error.errors}, 422)
        return StreamingResponse(_messages(request, spec, coords, slots), media_type="application/octet-stream")


async def _messages(
    request: Request, spec: MapSpec, coords: tuple[int, int], slots: anyio.CapacityLimiter
) -> AsyncIterator[bytes]:
    gone = threading.Event()

    async def watch() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(POLL_SECONDS)
        gone.set()

    watching = asyncio.create_task(watch())
    messages = maps.stream(spec, coords, gone.is_set)
    try:
        with suppress(Cancelled):
            while (message := await anyio.to_thread.run_sync(next, messages, b"", limiter=slots)) and not gone.is_set():
                yield message
    finally:
        gone.set()
        watching.cancel()


def _table(name: str, query: str, cancelled: Callable[[], bool]) -> bytes:
    return maps.FORMATS[name](maps.table(map_spec.parse(query), cancelled))


def _tune(query: str, cancelled: Callable[[], bool]) -> bytes:
    rest, given = _without(query, "trials")
    try:
        trials = whole(given) if given else 64
    except ValueError:
        raise SpecError([wrong("trials", repr(given), "a whole number")]) from None
    return json.dumps(tune.tune(map_spec.parse(rest), trials, cancelled), allow_nan=False).encode()


def _with_coords(query: str) -> tuple[MapSpec, tuple[int, int]]:
    """The map, and the two coordinates that its pictures show."""
    rest, given = _without(query, "coords")
    spec = map_spec.parse(rest)
    last = spec.function.dim - 1
    try:
        a, b = (whole(item) for item in (given or "0,1").split(","))
    except ValueError:
        a = b = -1
    if a == b or not (0 <= a <= last and 0 <= b <= last):
        raise SpecError([wrong("coords", repr(given), f"two different coordinates, each 0 to {last}")])
    return spec, (a, b)


def _without(query: str, name: str) -> tuple[str, str]:
    """A query without one of its keys, and that key's value."""
    parts = query.split("&")
    mine = [value for part in parts for key, value in pairs(part) if key == name]
    return "&".join(part for part in parts if not part.startswith(f"{name}=")), mine[-1] if mine else ""
