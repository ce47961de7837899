"""LabSpec: what the estimator lab is asked, as a URL's query.

    f=quadratic:d=30&x0=1&n=8&alpha=0.1&mu=1e-3&noise=0&coords=0,29&estimators=paper,released&P=one&steps=300&samples=4096

All keys may be left out: f and x0 as in a run's spec, coords the least and the greatest true curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from functions import FunctionError, resolve
from hizoo_core import HyperparameterError, describe
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.hizoo import HiZOOHyperparameters
from viz_app.estimators.measure import Place, Probe, place_of
from viz_app.spec.runs import DEFAULT_FUNCTION, NOISE, SEED
from viz_app.spec.text import Error, SpecError, between, decimal, decimals, fault, read_pairs, short, whole, wrong

KEYS = ("f", "x0", "coords", "n", "alpha", "mu", "noise", "seed", "P", "estimators")
KEYS += ("steps", "samples", "runs", "alphas", "row")
STARTS = ("one", "truth")
STEPS = (1, 5_000)
SAMPLES = (64, 16_384)
RUNS = (4, 256)
ALPHAS = (2, 25)
COORDS = (1, 4)
FULL_HESSIAN = 300  # dimensions beyond which the lab does not follow


@dataclass(frozen=True)
class LabSpec:
    """A valid question. `alphas`: how many α from 0.001 to 1; `steps`: the horizon T; `start`: where P starts."""

    f: str
    place: Place
    probe: Probe
    estimators: tuple[str, ...]
    steps: int
    samples: int
    runs: int
    alphas: int
    row: int

    @property
    def grid(self) -> tuple[float, ...]:
        """The α that are tried, log-spaced: three significant digits, so that the page can name them."""
        return tuple(float(f"{alpha:.2e}") for alpha in np.geomspace(1e-3, 1.0, self.alphas))


def parse(query: str) -> LabSpec:
    """The LabSpec of a query. Raises SpecError listing all that is wrong with it."""
    errors: list[Error] = []
    given, opts = read_pairs(query, KEYS, errors)
    if opts:
        errors.append(fault("opt", f"{short(opts[0])!r}: the lab takes n, alpha and mu by themselves"))
    described = {each.name: each for each in describe(HiZOOHyperparameters)}

    def read(key: str, parser: Callable[[str], Any], default: Any, allowed: str) -> Any:
        try:
            return parser(given[key]) if key in given else default
        except ValueError as error:
            errors.append(wrong(key, repr(str(error) or short(given[key])), allowed))
            return default

    def within(span: tuple[float, float], kind: Callable[[str], Any]) -> Callable[[str], Any]:
        def parser(text: str) -> Any:
            value = kind(text)
            if not span[0] <= value <= span[1]:
                raise ValueError(short(text))
            return value

        return parser

    def hyperparameter(key: str, default: Any) -> Any:
        about = described[key]

        def parser(text: str) -> Any:
            value = (whole if about.integer else decimal)(text)
            try:
                return about.check(value)
            except HyperparameterError as error:
                raise ValueError(short(text)) from error

        return read(key, parser, default, about.allowed)

    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        if len(set(chosen)) < len(chosen) or not set(chosen) <= ESTIMATORS.keys():
            raise ValueError(short(text))
        return chosen

    def one_of(text: str) -> str:
        if text not in STARTS:
            raise ValueError(short(text))
        return text

    place = _place(given, read, errors)
    probe = Probe(
        n=hyperparameter("n", 8),
        alpha=hyperparameter("alpha", 0.1),
        mu=hyperparameter("mu", 1e-3),
        noise=read("noise", within(NOISE, decimal), 0.0, between(NOISE)),
        seed=read("seed", within(SEED, whole), 0, between(SEED)),
        start=read("P", one_of, "truth", "one of " + ", ".join(STARTS)),
    )
    spec = {
        "estimators": read("estimators", names, tuple(ESTIMATORS), "different ones of " + ", ".join(ESTIMATORS)),
        **{
            key: read(key, within(span, whole), default, between(span))
            for key, span, default in (
                ("steps", STEPS, 300),
                ("samples", SAMPLES, 4096),
                ("runs", RUNS, 32),
                ("alphas", ALPHAS, 13),
                ("row", (0, 100), 0),
            )
        },
    }
    if errors or place is None:
        raise SpecError(errors)
    return LabSpec(f=resolve(given.get("f", DEFAULT_FUNCTION)).spec, place=place, probe=probe, **spec)


def _place(given: dict[str, str], read: Callable[..., Any], errors: list[Error]) -> Place | None:
    """Where θ stands and what is shown; None after appending to `errors` what is wrong."""
    before = len(errors)
    try:
        function = resolve(given.get("f", DEFAULT_FUNCTION))
    except FunctionError as error:
        errors.append(fault(error.field, error.message))
        return None
    d = function.dim
    if d > FULL_HESSIAN:
        errors.append(wrong("f.d", d, f"2 to {FULL_HESSIAN}, since the lab takes the whole Hessian"))
        return None
    x0 = read("x0", decimals, function.start, f"{d} finite decimal numbers, or one for all coordinates")
    x0 = x0 * d if len(x0) == 1 else x0
    if len(x0) != d:
        errors.append(wrong("x0", f"{len(x0)} numbers", f"{d} finite decimal numbers, or one for all coordinates"))
        return None

    def coordinates(text: str) -> tuple[int, ...]:
        chosen = tuple(whole(item.strip()) for item in text.split(","))
        in_range = all(0 <= j < d for j in chosen)
        if not (COORDS[0] <= len(chosen) <= COORDS[1] and len(set(chosen)) == len(chosen) and in_range):
            raise ValueError(short(text))
        return chosen

    allowed = f"{COORDS[0]} to {COORDS[1]} different whole numbers from 0 to {d - 1}"
    coords = read("coords", coordinates, (), allowed)
    if len(errors) > before:
        return None
    place = place_of(given.get("f", DEFAULT_FUNCTION), x0, coords or (0,))
    with np.errstate(all="ignore"):
        sound = np.isfinite(place.objective.value(place.theta)) and np.isfinite(place.hessian).all()
    if not sound:
        errors.append(fault("x0", f"{short(given.get('x0', 'the start'))}: loss and Hessian must be finite there"))
        return None
    if coords:
        return place
    by_size = np.argsort(np.abs(place.truth), kind="stable")
    shown = tuple(sorted({int(by_size[0]), int(by_size[-1])}))
    return place_of(given.get("f", DEFAULT_FUNCTION), x0, shown)
