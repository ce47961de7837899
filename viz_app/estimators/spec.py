"""LabSpec: what the estimator lab is asked, as a URL's query.

    f=quadratic:d=30&x0=1&n=8&alpha=0.1&mu=1e-3&noise=0&coords=0,29&estimators=paper,released&P=one&steps=300&samples=4096

All keys may be left out: f and x0 as in a run's spec, coords those of the smallest and the greatest true curvature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import quote

import numpy as np

from functions import TestFunction
from hizoo_core import describe
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.hizoo import HiZOOHyperparameters
from viz_app.estimators.measure import Place, Probe, place_of
from viz_app.spec import fields
from viz_app.spec.fields import choice, field
from viz_app.spec.reader import Reader, named_point, undefined_error
from viz_app.spec.runs import UNESCAPED
from viz_app.spec.text import fault, number, short, whole, wrong

KEYS = ("f", "x0", "coords", "n", "alpha", "mu", "noise", "seed", "P", "estimators")
KEYS += ("steps", "samples", "runs", "alphas", "row")
_HIZOO = {each.name: each for each in describe(HiZOOHyperparameters)}
N = replace(
    _HIZOO["n"],
    default=8,
    slider=(1, 64),
    help="Random directions whose estimates a step averages. The spread falls as 1/√n.",
)
ALPHA = replace(
    _HIZOO["alpha"],
    default=0.1,
    slider=(1e-3, 1.0),
    help="Weight of the newest estimate in P. The time constant of P is 1/α steps.",
)
MU = replace(_HIZOO["mu"], default=1e-3, help="How far from θ the loss is probed, in units of 1/√P.")
P = choice("P", "P starts from", ("one", "truth"), "truth")
STEPS = field(
    "steps",
    "T, steps",
    1,
    5_000,
    300,
    help="Horizon: the number of steps in which P is to find the diagonal.",
    slider=(10, 5000),
    scale="log",
)
NOISE = replace(
    fields.NOISE,
    help="In each step the loss has an additional term ξ·θ, ξ ~ N(0, σ²), as a mini-batch's loss has. It is the same "
    "for all probes of the step, so it cancels in every second difference: the estimates stay the same.",
)
SEED = replace(fields.SEED, help="Seeds the random directions.")
SAMPLES = field("samples", "Samples", 64, 16_384, 4096)
RUNS = field("runs", "Runs", 4, 256, 32)
ALPHAS = field("alphas", "The number of α", 2, 25, 13)
ROW = field("row", "Row of the table", 0, 100, 0)
COORDS = (1, 4)
FULL_HESSIAN = 300  # dimensions beyond which the lab does not follow


@dataclass(frozen=True)
class LabSpec:
    """A valid question. `coords` are shown; `steps`: the horizon T; `alphas`: how many α from 0.001 to 1 are tried."""

    f: str
    x0: tuple[float, ...]
    coords: tuple[int, ...]
    probe: Probe
    estimators: tuple[str, ...]
    steps: int
    samples: int
    runs: int
    alphas: int
    row: int

    @cached_property
    def place(self) -> Place:
        """θ, and the Hessian there."""
        return place_of(self.f, self.x0, self.coords)

    @property
    def grid(self) -> tuple[float, ...]:
        """The α that are tried, log-spaced: three significant digits, so that the page can name them."""
        return tuple(float(f"{alpha:.2e}") for alpha in np.geomspace(1e-3, 1.0, self.alphas))

    def query(self) -> str:
        """Canonical text: every key explicit, shortest decimals, safe to paste as a URL's query."""
        probe = self.probe
        values = {
            "f": self.f,
            "x0": ",".join(map(number, self.x0)),
            "coords": ",".join(map(str, self.coords)),
            **{key: number(getattr(probe, key)) for key in ("n", "alpha", "mu", "noise", "seed")},
            "P": probe.start,
            "estimators": ",".join(self.estimators),
            **{key: str(getattr(self, key)) for key in ("steps", "samples", "runs", "alphas", "row")},
        }
        return "&".join(f"{key}={quote(value, safe=UNESCAPED)}" for key, value in values.items())

    __str__ = query


def parse(query: str) -> LabSpec:
    """The LabSpec of a query. Raises SpecError listing all that is wrong with it."""
    reader = Reader(query, (*KEYS, "opt"))
    if reader.opts:
        text = short(reader.opts[0])
        reader.errors.append(fault("opt", f"The lab has no optimizer “{text}”: it takes n, alpha and mu by themselves"))

    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        if len(set(chosen)) < len(chosen) or not set(chosen) <= ESTIMATORS.keys():
            raise ValueError
        return chosen

    probe = Probe(*(reader.number(each) for each in (N, ALPHA, MU, NOISE, SEED, P)))
    allowed = "different ones of " + ", ".join(ESTIMATORS)
    estimators = reader.read("estimators", "Estimators", names, tuple(ESTIMATORS), allowed)
    numbers = [reader.number(each) for each in (STEPS, SAMPLES, RUNS, ALPHAS, ROW)]
    function = reader.function()
    if function and function.dim > FULL_HESSIAN:
        allowed = f"2 to {FULL_HESSIAN}, since the lab takes the whole Hessian"
        reader.errors.append(wrong("f.d", "dimension", function.dim, allowed))
        function = None
    place = _place(reader, function) if function else None
    if reader.errors or function is None or place is None:
        reader.refuse()
    return LabSpec(function.spec, tuple(place.theta.tolist()), place.coords, probe, estimators, *numbers)


def _place(reader: Reader, function: TestFunction) -> Place | None:
    """Where θ stands and what is shown; None where something is wrong."""
    d = function.dim
    x0 = reader.start(function)

    def coordinates(text: str) -> tuple[int, ...]:
        chosen = tuple(whole(item.strip()) for item in text.split(","))
        in_range = all(0 <= j < d for j in chosen)
        if not (COORDS[0] <= len(chosen) <= COORDS[1] and len(set(chosen)) == len(chosen) and in_range):
            raise ValueError
        return chosen

    allowed = f"{COORDS[0]} to {COORDS[1]} different whole numbers from 0 to {d - 1}, e.g. 0, 1"
    coords = reader.read("coords", "Coordinates", coordinates, (), allowed)
    reader.errors += undefined_error(function, x0)
    place = place_of(function.spec, x0, coords)
    if not np.isfinite(place.hessian).all():
        point = named_point(function, x0)
        reader.errors.append(fault("x0", f"The function has no finite Hessian at the start ({point}): choose another"))
    if reader.errors:
        return None
    by_size = np.argsort(np.abs(place.diagonal), kind="stable")
    return place_of(function.spec, x0, coords or sorted({int(by_size[0]), int(by_size[-1])}))
