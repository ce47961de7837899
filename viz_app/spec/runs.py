"""RunSpec: everything a run depends on, as one text that is a URL's query, a shell argument and a Python string.

    f=rotated_ellipse:angle=30&x0=1,1&steps=500&runs=16&seed=0&opt=hizoo:lr=0.1,alpha=0.01&opt=adam

An optimizer may go on with other settings from a step on, its random directions staying the same:
`opt=hizoo:lr=0.1,n=4@120:lr=0.05`. `noise=σ` adds to every step's loss a random linear term ξ·θ, ξ ~ N(0, σ²).
Percent-escapes are decoded, but "+" is a plus, never a space: an expression's plus survives the shell and the URL.
Keys left out take the function's preset; the canonical text (`RunSpec.query`) spells all of them out, so that a link
means the same after the presets have changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from functions import FUNCTIONS, FunctionError, TestFunction, resolve
from hizoo_core import POINT_METHODS, describe
from hizoo_core.auto_rate import AUTO
from viz_app.spec import presets
from viz_app.spec.fields import NOISE, RUNS, SEED, START, STEPS, span
from viz_app.spec.reader import (
    OPTIMIZERS,
    Reader,
    bounds_error,
    function_error,
    optimizers_error,
    start_error,
    undefined_error,
)
from viz_app.spec.text import (
    Error,
    OptSpec,
    SpecError,
    between,
    fault,
    fork_error,
    forked,
    labels,
    number,
    plain,
    wrong,
)

DIMENSIONS = (2, 1_000)
WORK = 500_000_000  # steps × runs × directions × dimensions of one optimizer
DIVERGED = 1e6  # in widths of the domain, per coordinate

DEFAULT_METHODS = ("hizoo", "mezo", "adam")
KEYS = ("f", "x0", "steps", "runs", "seed", "noise", "opt")
UNESCAPED = ",:=@"  # in a value of a canonical query, besides letters, digits and _.-~
LIMITS = {
    **{field.name: span(field) for field in (STEPS, RUNS, SEED, NOISE)},
    "dimensions": DIMENSIONS,
    "optimizers": OPTIMIZERS,
    "work": WORK,
}
FORK_HELP = (
    "method:name=value,…; a fork is opt=hizoo:lr=0.1,n=4@120:lr=0.05: from step 120 on lr is 0.05, the rest and the "
    "random directions stay as they were. Several @ are allowed, their steps rising, each 1 to steps − 1."
)


@dataclass(frozen=True)
class RunSpec:
    """A valid run; raises SpecError when made from values out of range. `f` is canonical, `x0` has one number per
    dimension of the function, `noise` is the standard deviation of the gradient's noise.
    """

    f: str
    x0: tuple[float, ...]
    steps: int
    runs: int
    seed: int
    opts: tuple[OptSpec, ...]
    noise: float = 0.0

    def __post_init__(self) -> None:
        try:
            function = resolve(self.f)
        except FunctionError as error:
            raise SpecError([function_error(error)]) from error
        if errors := _errors(function, self.x0, self.steps, self.runs, self.seed, self.opts, self.noise):
            raise SpecError(errors)
        object.__setattr__(self, "f", function.spec)
        object.__setattr__(
            self, "x0", tuple(float(value) + 0.0 for value in self.x0)
        )  # −0 is 0: equal, so the same bytes

    @property
    def function(self) -> TestFunction:
        return resolve(self.f)

    @property
    def labels(self) -> tuple[str, ...]:
        """One name per optimizer: its method, and from the second of a method on, "#2" after it."""
        return labels([opt.method for opt in self.opts])

    def query(self) -> str:
        """Canonical text: every key but a zero noise explicit, shortest decimals, safe to paste as a URL's query."""
        same = len(self.x0) > 2 and len(set(self.x0)) == 1
        pairs = [
            ("f", self.f),
            ("x0", ",".join(map(number, self.x0[:1] if same else self.x0))),
            *((key, str(getattr(self, key))) for key in ("steps", "runs", "seed")),
            *([("noise", number(float(self.noise)))] if self.noise else []),
            *(("opt", str(opt)) for opt in self.opts),
        ]
        return "&".join(f"{key}={quote(value, safe=UNESCAPED)}" for key, value in pairs)

    __str__ = query


def divergence_limit(function: TestFunction) -> np.ndarray:
    """(d,) bound on |θ| beyond which a run counts as diverged: a million widths of the domain."""
    low, high = np.asarray(function.domain, dtype=float).T
    return DIVERGED * (high - low)


def usual(function: TestFunction | None, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that a spec need not give: those tuned for the function's family, beside what is given, and
    the learning rate "auto" where they were not tuned for just this function.
    """
    values = dict(presets.for_function(function.key if function else "").settings(method, given))
    fits = function is not None and presets.fits(function.spec)
    if not fits and any(each.auto for each in describe(POINT_METHODS[method].hyperparameters)):
        values["lr"] = AUTO
    return values


def parse(text: str) -> RunSpec:
    """The RunSpec that a text means. Raises SpecError listing all that is wrong with it, not only the first."""
    reader = Reader(text, KEYS)
    function = reader.function()
    preset = presets.for_function(function.key if function else "")
    x0 = reader.start(function)
    steps = reader.number(STEPS, preset.steps)
    runs = reader.number(RUNS, preset.runs)
    seed = reader.number(SEED)
    noise = reader.number(NOISE)

    def defaults(method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        values = usual(function, method, settings)
        if "warmup" in values:
            values["warmup"] = min(values["warmup"], steps)  # a preset's warm-up gives way to a short run
        return values

    opts = reader.optimizers(POINT_METHODS, DEFAULT_METHODS, forked, defaults)
    if reader.errors or function is None:
        reader.refuse(_errors(function, x0, steps, runs, seed, opts, noise))
    return RunSpec(function.spec, x0, steps, runs, seed, opts, noise)


def catalogue() -> dict[str, Any]:
    """What a spec may say, as plain values: functions with their parameters, optimizers with their hyperparameters,
    limits. Printed by `python app.py list`, served by GET /api/list.
    """
    return {
        "functions": [
            {
                "key": family.key,
                "name": family.name,
                "dim": family.dim,
                "group": family.group,
                "lesson": family.lesson,
                "parameters": [plain(parameter) for parameter in family.parameters],
            }
            for family in FUNCTIONS.values()
        ],
        "optimizers": [
            {
                "key": method.key,
                "name": method.name,
                "summary": method.summary,
                "hyperparameters": [plain(parameter) for parameter in describe(method.hyperparameters)],
            }
            for method in POINT_METHODS.values()
        ],
        "keys": {"noise": NOISE.help, "opt": FORK_HELP},
        "limits": LIMITS,
    }


def _errors(
    function: TestFunction | None,
    x0: tuple[float, ...],
    steps: int,
    runs: int,
    seed: int,
    opts: tuple[OptSpec, ...],
    noise: float,
) -> list[Error]:
    """All that is wrong with a run's values; what depends on the function is left out where there is none."""
    wrong_steps = bounds_error(STEPS, steps)
    errors = wrong_steps + bounds_error(RUNS, runs) + bounds_error(SEED, seed) + bounds_error(NOISE, noise)
    if not OPTIMIZERS[0] <= len(opts) <= OPTIMIZERS[1]:
        errors.append(optimizers_error(len(opts)))
    labelled = list(zip(labels([opt.method for opt in opts]), opts, strict=True))
    for label, opt in [] if wrong_steps else labelled:
        for at, hyperparameters in opt.segments:
            warmup = getattr(hyperparameters, "warmup", 0)
            place = f"opt.{label}.@{at}" if at else f"opt.{label}"
            if warmup > steps:
                errors.append(wrong(f"{place}.warmup", "warm-up", warmup, f"0 to the number of steps, {steps:,}"))
                break  # what comes later has only inherited it
            if at and not 0 < at < steps:
                errors.append(fork_error(place, at, f"1 to steps − 1 = {steps - 1:,}"))
    if function is None:
        return errors
    if not DIMENSIONS[0] <= function.dim <= DIMENSIONS[1]:
        errors.append(wrong("f", "The number of dimensions", function.dim, between(DIMENSIONS)))
    errors += _start_errors(function, x0)
    if not errors:
        label, opt = max(labelled, key=lambda item: item[1].directions)
        n, d = opt.directions, function.dim
        if (work := steps * runs * n * d) > WORK:
            instead = f" or runs to {WORK // (steps * n * d)}" if steps * n * d <= WORK else ""
            errors.append(
                fault(
                    "steps",
                    f"Steps × runs × directions × dimensions must be up to {WORK:,}, not {steps:,} × {runs} × {n} × "
                    f"{d:,} = {work:,} for {label}; lower steps to {WORK // (runs * n * d)}{instead}",
                )
            )
    return errors


def _start_errors(function: TestFunction, x0: tuple[float, ...]) -> list[Error]:
    if len(x0) != function.dim:
        return [start_error(len(x0), function.dim)]
    limit = divergence_limit(function)
    for j in np.flatnonzero(~(np.abs(x0) <= limit))[:1]:
        shown = f"{number(float(x0[j]))} for {function.coordinate(j)}"
        return [fault("x0", f"{START} must be within ±{limit[j]:,.12g}, not {shown}")]
    return undefined_error(function, x0)
