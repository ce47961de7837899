"""The HTTP door: the spec is the query, the answer the same bytes as at the shell and in Python.

    GET /api/run?SPEC              the run as JSON; /api/run.csv and /api/run.parquet as a table
    GET /api/trace?SPEC            the run as the page draws it (viz_app.wire); also coords=0,1 and target=1e-3
    GET /api/landscape?f=…         values on a grid (viz_app.wire); also x0, coords, xrange, yrange, size
    GET /api/step?SPEC&of=…        one step taken apart (viz_app.microscope); also step, run, coords, reach
    /api/map, /api/tune            see viz_app.map_api
    /api/lab/…                     see viz_app.lab_api
    GET /api/list                  functions, optimizers and their hyperparameters

A query that cannot be run is answered with 422 and {"errors": [{"field", "message"}]}. A run whose client has gone
is cancelled.
"""

import os
from collections.abc import Callable
from functools import partial

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from viz_app import lab_api, map_api, microscope, tables, wire
from viz_app import spec as specs
from viz_app.answers import Cancelling, View, in_thread
from viz_app.runner import run
from viz_app.spec import SpecError
from viz_app.spec_text import positive

HEADERS = {"Cache-Control": "public, max-age=60"}  # pure, but for presets that change under an open browser
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
BINARY = "application/octet-stream"
CLIENT_GONE = 499
GRID = (2, 512)


def add_routes(app: FastAPI) -> None:
    """Add the routes above to an application."""
    slots = anyio.CapacityLimiter(max(2, os.cpu_count() or 1))

    async def answer(request: Request, work: Callable[[str, Cancelling], bytes], media_type: str) -> Response:
        query = request.scope["query_string"].decode("utf-8", "replace")
        try:
            body = await in_thread(request, partial(work, query), slots)
        except SpecError as error:
            return JSONResponse({"errors": error.errors}, 422)
        if body is None:
            return Response(status_code=CLIENT_GONE)
        return Response(body, media_type=media_type, headers=HEADERS)

    def door(path: str, work: Callable[[str, Cancelling], bytes], media_type: str) -> None:
        async def endpoint(request: Request) -> Response:
            return await answer(request, work, media_type)

        app.add_api_route(path, endpoint, methods=["GET"], response_class=Response, include_in_schema=False)

    for name in tables.FORMATS:
        door("/api/run" if name == "json" else f"/api/run.{name}", partial(_table, name), MEDIA_TYPES[name])
    door("/api/trace", _trace, BINARY)
    door("/api/landscape", _landscape, BINARY)
    door("/api/step", _step, MEDIA_TYPES["json"])

    map_api.add_routes(app, door, slots, MEDIA_TYPES)
    lab_api.add_routes(door)

    @app.get("/api/list", include_in_schema=False)
    def catalogue() -> JSONResponse:
        return JSONResponse(specs.catalogue(), headers=HEADERS)


def _table(name: str, query: str, cancelled: Cancelling) -> bytes:
    return tables.FORMATS[name](run(query, cancelled=cancelled))


def _trace(query: str, cancelled: Cancelling) -> bytes:
    view = View(query, ("coords", "target"), specs.parse)
    coords = view.coordinates()
    target = view.read("target", positive, None, "a number above 0")
    return wire.encode(run(view.spec(), cancelled=cancelled), coords=coords, target=target)


def _landscape(query: str, cancelled: Cancelling) -> bytes:
    view = View(query, ("coords", "xrange", "yrange", "size"), specs.parse)
    coords = view.coordinates()
    xrange, yrange = (view.read(name, _range, None, "two numbers, the lower first") for name in ("xrange", "yrange"))
    size = view.read("size", _size, 160, f"a whole number from {GRID[0]} to {GRID[1]}")
    spec = view.spec()  # of which only f and x0 matter
    function = spec.function
    at = spec.x0 if view.has_start or not function.minima else function.minima[0]
    return wire.encode_landscape(
        function,
        at=at,
        coords=coords,
        xrange=xrange or function.domain[coords[0]],
        yrange=yrange or function.domain[coords[1]],
        size=size,
    )


def _step(query: str, cancelled: Cancelling) -> bytes:
    view = View(query, ("of", "step", "run", "coords", "reach"), specs.parse)
    of = view.read("of", str, None, "")
    step, run = (view.read(name, specs.whole, 0, "a whole number, counted from 0") for name in ("step", "run"))
    coords = view.coordinates()
    reach = view.read("reach", positive, 1.0, "a number above 0")
    spec = view.spec()
    return microscope.encode(
        spec, of=of or spec.labels[0], step=step, run=run, coords=coords, reach=reach, cancelled=cancelled
    )


def _range(text: str) -> tuple[float, float]:
    low, high = specs.decimals(text)
    if not low < high:
        raise ValueError(text)
    return low, high


def _size(text: str) -> int:
    if not GRID[0] <= (size := specs.whole(text)) <= GRID[1]:
        raise ValueError(text)
    return size
