"""Maps over HTTP.

    GET /api/map?SPEC              a grid of settings (viz_app.tuning.spec); /api/map.csv, /api/map.parquet: as a table
    GET /api/map/stream?SPEC       the same for the page: messages (viz_app.tuning.maps.stream) while it is computed
    GET /api/tune?SPEC&trials=64   the best setting within that many trials, and what it cost (viz_app.tuning.search)

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
from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from hizoo_core import Cancelled
from viz_app.spec.text import SpecError
from viz_app.tuning import known, maps
from viz_app.tuning import search as tune
from viz_app.tuning import spec as map_spec
from viz_app.tuning.spec import MapSpec
from viz_app.web.requests import BINARY, MEDIA_TYPES, Queries, View, query_of, watch

FRESH = {"Cache-Control": "no-store"}  # a search starts from what maps have computed by now


def add_routes(queries: Queries) -> None:
    """Add the routes above."""
    slots = queries.slots
    for name in maps.FORMATS:
        queries.add("/api/map" if name == "json" else f"/api/map.{name}", partial(_table, name), MEDIA_TYPES[name])
    queries.add("/api/tune", _tune, MEDIA_TYPES["json"], FRESH)

    @queries.app.get("/api/map/stream", include_in_schema=False)
    async def stream(request: Request) -> Response:
        try:
            spec, coords = await anyio.to_thread.run_sync(_asked, query_of(request), limiter=slots)
        except SpecError as error:
            return JSONResponse({"errors": error.errors}, 422)
        return StreamingResponse(_messages(request, spec, coords, slots), media_type=BINARY)


async def _messages(
    request: Request, spec: MapSpec, coords: tuple[int, int], slots: anyio.CapacityLimiter
) -> AsyncIterator[bytes]:
    gone = threading.Event()
    watching = asyncio.create_task(watch(request, gone))
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
    view = View(query, ("trials",), partial(map_spec.parse, searching=True))
    trials = view.number(tune.TRIALS)
    spec = view.spec()
    return json.dumps(tune.tune(spec, trials, cancelled, known.of(spec)), allow_nan=False).encode()


def _asked(query: str) -> tuple[MapSpec, tuple[int, int]]:
    """The map, and the two coordinates that its pictures show."""
    view = View(query, ("coords",), map_spec.parse)
    coords = view.coordinates()
    return view.spec(), coords
