"""The estimator lab over HTTP; the query is a `viz_app.estimators.spec.LabSpec`.

Answers are JSON, with null for what is not a number.

    GET /api/lab/about?SPEC          θ, the shown coordinates with their names, and the true curvatures there
    GET /api/lab/distribution?SPEC   one step's estimates S of the shown entries
    GET /api/lab/against-n?SPEC      their mean and spread by n, and against-d by dimension, with P at |H_jj|
    GET /api/lab/running?SPEC        P over the steps at the chosen α
    GET /api/lab/against-alpha?SPEC  bias and spread of ln(P/|H_jj|) after `steps` steps, by α
    GET /api/lab/table?row=I         row I of the table of estimators, and how many rows there are

All but the first and the last are lists with an entry for each of `estimators`. A query that cannot be answered gets
422 and {"errors": [{"field", "message"}]}; the work is cancelled when the client has gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from functions import resolve
from viz_app.estimators import measure as lab
from viz_app.estimators import table as estimator_table
from viz_app.estimators.spec import ROW, RUNS, STEPS, LabSpec, parse
from viz_app.spec.text import SpecError, between, wrong
from viz_app.web.finite import finite
from viz_app.web.requests import MEDIA_TYPES, Cancelling, Queries

LONGEST = 2_000_000_000  # directions × dimensions of one answer at the fewest runs: a minute or so


def about(spec: LabSpec, cancelled: Cancelling) -> dict[str, Any]:
    place = spec.place
    return {
        "f": spec.f,
        "d": place.d,
        "x0": place.theta,
        "coords": place.coords,
        "names": [resolve(spec.f).coordinate(j) for j in place.coords],
        "truth": place.diagonal[list(place.coords)],
    }


def distribution(spec: LabSpec, cancelled: Cancelling) -> list[Any]:
    return lab.distribution(spec.place, spec.probe, spec.estimators, spec.samples, cancelled)


def against_n(spec: LabSpec, cancelled: Cancelling) -> list[Any]:
    return [lab.against_n(spec.place, spec.probe, name, spec.samples, cancelled) for name in spec.estimators]


def against_d(spec: LabSpec, cancelled: Cancelling) -> list[Any]:
    return [lab.against_d(spec.probe, name, spec.samples, cancelled) for name in spec.estimators]


def running(spec: LabSpec, cancelled: Cancelling) -> list[Any]:
    _check_steps(spec, 1)
    return [lab.running(spec.place, spec.probe, name, spec.steps, spec.runs, cancelled) for name in spec.estimators]


def against_alpha(spec: LabSpec, cancelled: Cancelling) -> list[Any]:
    _check_steps(spec, spec.alphas)
    return [
        lab.against_alpha(spec.place, spec.probe, name, spec.grid, spec.steps, spec.runs, cancelled)
        for name in spec.estimators
    ]


def _check_steps(spec: LabSpec, curves: int) -> None:
    """Raise SpecError if so many steps take too long for `curves` curves of each estimator."""
    a_step = curves * len(spec.estimators) * RUNS.low * spec.probe.n * spec.place.d
    if spec.steps * a_step > LONGEST:
        allowed = f"1 to {LONGEST // a_step:,} with n = {spec.probe.n} in {spec.place.d} dimensions"
        raise SpecError([wrong("steps", STEPS.label, spec.steps, allowed)])


def table(spec: LabSpec, cancelled: Cancelling) -> dict[str, Any]:
    rows = estimator_table.ROWS
    if spec.row >= len(rows):
        raise SpecError([wrong("row", ROW.label, spec.row, between((0, len(rows) - 1)))])
    return {"rows": len(rows), "row": estimator_table.measure(rows[spec.row], cancelled)}


ANSWERS: dict[str, Callable[[LabSpec, Cancelling], Any]] = {
    "about": about,
    "distribution": distribution,
    "against-n": against_n,
    "against-d": against_d,
    "running": running,
    "against-alpha": against_alpha,
    "table": table,
}


def add_routes(queries: Queries) -> None:
    """Add the routes above."""
    for name, work in ANSWERS.items():
        queries.add(f"/api/lab/{name}", partial(_answer, work), MEDIA_TYPES["json"])


def _answer(work: Callable[[LabSpec, Cancelling], Any], query: str, cancelled: Cancelling) -> bytes:
    return dumps(work(parse(query), cancelled))


def dumps(answer: Any) -> bytes:
    """JSON, with numpy's arrays as lists and null for what is not finite."""
    return json.dumps(finite(answer), ensure_ascii=False, allow_nan=False).encode()
