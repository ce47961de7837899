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
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from functions import FunctionError, resolve
from hizoo_core import Cancelled
from viz_app import lab_api, map_api, microscope, tables, wire
from viz_app import spec as specs
from viz_app.runner import run
from viz_app.spec import RunSpec, SpecError
from viz_app.spec_text import decimal, pairs

HEADERS = {"Cache-Control": "public, max-age=60"}  # pure, but for presets that change under an open browser
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
BINARY = "application/octet-stream"
CLIENT_GONE = 499
POLL_SECONDS = 0.05
GRID = (2, 512)

Cancelling = Callable[[], bool]


def add_routes(app: FastAPI) -> None:
    """Add the routes above to an application."""
    slots = anyio.CapacityLimiter(max(2, os.cpu_count() or 1))

    async def answer(request: Request, work: Callable[[str, Cancelling], bytes], media_type: str) -> Response:
        query = request.scope["query_string"].decode("utf-8", "replace")
        try:
            body = await _in_thread(request, partial(work, query), slots)
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


async def _in_thread(request: Request, work: Callable[[Cancelling], bytes], slots: anyio.CapacityLimiter):
    """What `work` returns or raises, computed in a thread of one of the slots; None if the client left meanwhile."""
    gone = threading.Event()
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append(None if gone.is_set() else work(gone.is_set))
        except Cancelled:
            outcome.append(None)
        except Exception as error:  # carried over the task group, which would wrap it
            outcome.append(error)

    async def watch() -> None:
        while not await request.is_disconnected():
            await anyio.sleep(POLL_SECONDS)
        gone.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.to_thread.run_sync(attempt, limiter=slots)
        tasks.cancel_scope.cancel()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _table(name: str, query: str, cancelled: Cancelling) -> bytes:
    return tables.FORMATS[name](run(query, cancelled=cancelled))


def _trace(query: str, cancelled: Cancelling) -> bytes:
    view = _View(query, ("coords", "target"))
    coords = view.coordinates()
    target = view.read("target", _positive, None, "a number above 0")
    return wire.encode(run(view.spec(), cancelled=cancelled), coords=coords, target=target)


def _landscape(query: str, cancelled: Cancelling) -> bytes:
    view = _View(query, ("coords", "xrange", "yrange", "size"))
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
    view = _View(query, ("of", "step", "run", "coords", "reach"))
    of = view.read("of", str, None, "")
    step, run = (view.read(name, specs.whole, 0, "a whole number, counted from 0") for name in ("step", "run"))
    coords = view.coordinates()
    reach = view.read("reach", _positive, 1.0, "a number above 0")
    spec = view.spec()
    return microscope.encode(spec, of=of or spec.labels[0], step=step, run=run, coords=coords, reach=reach)


class _View:
    """A query's parameters of the picture, taken out before the rest is read as a spec; gathers the errors of both."""

    def __init__(self, query: str, names: tuple[str, ...]):
        parts = [(part, pair) for part in query.split("&") for pair in pairs(part)]
        self._given = [pair for _, pair in parts if pair[0] in names]
        self._errors: list[specs.Error] = []
        self._spec: RunSpec | None = None
        given = dict(pair for _, pair in parts)
        self.has_start = "x0" in given
        self._dim = specs.DIMENSIONS[1]
        with suppress(FunctionError):  # which the spec reports
            self._dim = resolve(given.get("f", specs.DEFAULT_FUNCTION)).dim
        try:
            self._spec = specs.parse("&".join(part for part, pair in parts if pair[0] not in names))
        except SpecError as error:
            self._errors += error.errors

    def read(self, name: str, parser: Callable[[str], Any], default: Any, allowed: str) -> Any:
        """The parameter as `parser` reads it; a ValueError, or a second value, becomes the error of this field."""
        values = [value for key, value in self._given if key == name]
        try:
            return parser(values[0]) if values else default
        except ValueError:
            self._errors.append({"field": name, "message": f"{name} = {values[0][:40]!r}: must be {allowed}"})
            return default
        finally:
            if len(values) > 1:
                self._errors.append({"field": name, "message": f"{name} is given twice"})

    def coordinates(self) -> tuple[int, int]:
        """Two different coordinates of the function; the first two by default."""
        last = self._dim - 1

        def parser(text: str) -> tuple[int, int]:
            a, b = (specs.whole(item) for item in text.split(","))
            if a == b or not (0 <= a <= last and 0 <= b <= last):
                raise ValueError(text)
            return a, b

        return self.read("coords", parser, (0, 1), f"two different coordinates, each 0 to {last}")

    def spec(self) -> RunSpec:
        """The spec. Raises SpecError if it or any parameter read so far is wrong."""
        if self._spec is None or self._errors:
            raise SpecError(self._errors)
        return self._spec


def _positive(text: str) -> float:
    if not (number := decimal(text)) > 0:
        raise ValueError(text)
    return number


def _range(text: str) -> tuple[float, float]:
    low, high = specs.decimals(text)
    if not low < high:
        raise ValueError(text)
    return low, high


def _size(text: str) -> int:
    if not GRID[0] <= (size := specs.whole(text)) <= GRID[1]:
        raise ValueError(text)
    return size
