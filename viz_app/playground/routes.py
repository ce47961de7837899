"""The Playground's HTTP interface: the spec is the query, the answer the same bytes as at the shell and in Python.

GET /api/run?SPEC              the run as JSON; /api/run.csv and /api/run.parquet as a table
GET /api/trace?SPEC            the run as the page draws it (viz_app.playground.wire); also coords=0,1, target=1e-3
GET /api/landscape?f=…         values on a grid (viz_app.playground.wire); also x0, coords, xrange, yrange, size
GET /api/step?SPEC&of=…        one step taken apart (viz_app.playground.microscope); also step, run, coords, reach
"""

from functools import partial

from viz_app import tables
from viz_app.playground import microscope, wire
from viz_app.playground.runner import run
from viz_app.spec import runs as specs
from viz_app.spec.fields import field
from viz_app.spec.text import decimals, positive, whole
from viz_app.web.requests import BINARY, MEDIA_TYPES, Cancelling, Queries, View

GRID = field("size", "Size of the grid", 2, 512, 160)


def add_routes(queries: Queries) -> None:
    """Add the routes above."""
    for name in tables.FORMATS:
        queries.add("/api/run" if name == "json" else f"/api/run.{name}", partial(_table, name), MEDIA_TYPES[name])
    queries.add("/api/trace", _trace, BINARY)
    queries.add("/api/landscape", _landscape, BINARY)
    queries.add("/api/step", _step, MEDIA_TYPES["json"])


def _table(name: str, query: str, cancelled: Cancelling) -> bytes:
    return run(query, cancelled=cancelled).encode(name)


def _trace(query: str, cancelled: Cancelling) -> bytes:
    view = View(query, ("coords", "target"), specs.parse)
    coords = view.coordinates()
    target = view.read("target", "Target", positive, None, "a number above 0")
    return wire.encode(run(view.spec(), cancelled=cancelled), coords=coords, target=target)


def _landscape(query: str, cancelled: Cancelling) -> bytes:
    view = View(query, ("coords", "xrange", "yrange", "size"), specs.parse)
    coords = view.coordinates()
    xrange, yrange = (
        view.read(name, name, _range, None, "two numbers, the lower first, e.g. -2, 2") for name in ("xrange", "yrange")
    )
    size = view.number(GRID)
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
    of = view.given.get("of")
    step, run = (
        view.read(name, label, whole, 0, "a whole number, counted from 0")
        for name, label in (("step", "Step"), ("run", "Run"))
    )
    coords = view.coordinates()
    reach = view.read("reach", "reach", positive, 1.0, "a number above 0")
    spec = view.spec()
    return microscope.encode(
        spec, of=of or spec.labels[0], step=step, run=run, coords=coords, reach=reach, cancelled=cancelled
    )


def _range(text: str) -> tuple[float, float]:
    low, high = decimals(text)
    if not low < high:
        raise ValueError
    return low, high
