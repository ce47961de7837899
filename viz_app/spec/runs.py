"""RunSpec: everything a run depends on, as one text that is a URL's query, a shell argument and a Python string.

    f=rotated_ellipse:angle=30&x0=1,1&steps=500&runs=16&seed=0&opt=hizoo:lr=0.1,alpha=0.01&opt=adam

An optimizer may go on with other settings from a step on, its random directions staying the same:
`opt=hizoo:lr=0.1,n=4@120:lr=0.05`. `noise=σ` adds to every step's loss a random linear term ξ·θ, ξ ~ N(0, σ²).
Percent-escapes are decoded, but "+" is a plus, never a space: an expression's plus survives the shell and the URL.
Keys left out take the function's preset; the canonical text (`RunSpec.query`) spells all of them out, so that a link
means the same after the presets have changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from functions import FUNCTIONS, FunctionError, TestFunction, resolve
from hizoo_core import POINT_METHODS, describe
from viz_app.spec import presets
from viz_app.spec.text import (
    Error,
    OptSpec,
    SpecError,
    between,
    decimal,
    decimals,
    fault,
    forked,
    labels,
    named,
    number,
    plain,
    read_pairs,
    short,
    whole,
    wrong,
)

STEPS = (1, 20_000)
RUNS = (1, 256)
SEED = (0, 2**32 - 1)
NOISE = (0, 1_000_000)  # standard deviation of a gradient entry
DIMENSIONS = (2, 1_000)
OPTIMIZERS = (1, 8)
WORK = 500_000_000  # steps × runs × directions × dimensions of one optimizer
DIVERGED = 1e6  # in widths of the domain, per coordinate

DEFAULT_FUNCTION = "stiff_quadratic"
DEFAULT_METHODS = ("hizoo", "mezo", "adam")
KEYS = ("f", "x0", "steps", "runs", "seed", "noise", "opt")
UNESCAPED = ",:=@"  # in a value of a canonical query, besides letters, digits and _.-~
NOISE_HELP = (
    "At every step a random linear term ξ·θ, ξ ~ N(0, σ²), is added to the loss, the same for all probes of that step "
    "and for all optimizers: mini-batch noise. The loss shown is the noiseless one."
)
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
            raise SpecError([_function_error(error)]) from error
        if errors := _range_errors(function, self.x0, self.steps, self.runs, self.seed, self.opts, self.noise):
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


def parse(text: str) -> RunSpec:
    """The RunSpec that a text means. Raises SpecError listing all that is wrong with it, not only the first."""
    errors: list[Error] = []
    given, opts = read_pairs(text, KEYS, errors)

    function = None
    try:
        function = resolve(given.get("f", DEFAULT_FUNCTION))
    except FunctionError as error:
        errors.append(_function_error(error))
    preset = presets.for_function(function.key if function else "")

    def read(key: str, parser: Callable[[str], Any], default: Any, allowed: str) -> Any:
        try:
            return parser(given[key]) if key in given else default
        except ValueError as error:
            errors.append(wrong(key, repr(str(error)), allowed))
            return default

    dim = function.dim if function else 1
    x0 = read("x0", decimals, function.start if function else (0.0,), _start_allowed(dim))
    if len(x0) == 1:
        x0 *= dim
    steps = read("steps", whole, preset.steps, between(STEPS))
    runs = read("runs", whole, preset.runs, between(RUNS))
    seed = read("seed", whole, 0, between(SEED))
    noise = read("noise", decimal, 0.0, between(NOISE))

    def defaults(method: str, settings: dict[str, Any]) -> dict[str, Any]:
        values = dict(preset.settings(method, settings))
        if "warmup" in values:
            values["warmup"] = min(values["warmup"], max(steps, 0))  # a preset's warm-up gives way to a short run
        return values

    if len(opts) > OPTIMIZERS[1]:
        errors.append(wrong("opt", f"{len(opts)} optimizers", between(OPTIMIZERS)))
        opts = []
    chosen = [named(value) for value in opts] or [(method, "") for method in DEFAULT_METHODS]
    names = labels([method for method, _ in chosen])
    known = tuple(
        opt
        for (method, text), name in zip(chosen, names, strict=True)
        if (opt := forked(POINT_METHODS, method, text, f"opt.{short(name)}".rstrip("."), defaults, errors))
    )
    if errors or function is None:
        seen = {"opt", *(error["field"] for error in errors)}  # the wrong ones are missing from those counted
        later = _range_errors(function, x0, steps, runs, seed, known, noise)
        raise SpecError(errors + [error for error in later if error["field"] not in seen])
    return RunSpec(function.spec, x0, steps, runs, seed, known, noise)


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
        "keys": {"noise": NOISE_HELP, "opt": FORK_HELP},
        "limits": {
            "steps": STEPS,
            "runs": RUNS,
            "seed": SEED,
            "noise": NOISE,
            "dimensions": DIMENSIONS,
            "optimizers": OPTIMIZERS,
            "work": WORK,
        },
    }


def _range_errors(
    function: TestFunction | None,
    x0: tuple[float, ...],
    steps: int,
    runs: int,
    seed: int,
    opts: tuple[OptSpec, ...],
    noise: float,
) -> list[Error]:
    """Every number that is out of range; what depends on the function is left out where there is none."""
    errors = [
        wrong(key, value, between(span))
        for key, value, span in (("steps", steps, STEPS), ("runs", runs, RUNS), ("seed", seed, SEED))
        if not span[0] <= value <= span[1]
    ]
    if not NOISE[0] <= noise <= NOISE[1]:
        errors.append(wrong("noise", number(noise), between(NOISE)))
    if not OPTIMIZERS[0] <= len(opts) <= OPTIMIZERS[1]:
        errors.append(wrong("opt", f"{len(opts)} optimizers", between(OPTIMIZERS)))
    labelled = list(zip(labels([opt.method for opt in opts]), opts, strict=True))
    for label, opt in labelled:
        for at, hyperparameters in opt.segments:
            warmup = getattr(hyperparameters, "warmup", 0)
            place = f"opt.{label}.@{at}" if at else f"opt.{label}"
            if warmup > steps:
                errors.append(wrong(f"{place}.warmup", warmup, f"0 to the number of steps, {steps:,}"))
                break  # what comes later has only inherited it
            if at and not 0 < at < steps:
                errors.append(fault(place, f"from step {at}: must be 1 to steps − 1 = {steps - 1:,}"))
    if function is None:
        return errors
    if not DIMENSIONS[0] <= function.dim <= DIMENSIONS[1]:
        errors.append(wrong("f", f"a function of {function.dim:,} dimensions", between(DIMENSIONS)))
    if len(x0) != function.dim:
        errors.append(wrong("x0", f"{len(x0)} numbers", _start_allowed(function.dim)))
    else:
        limit = divergence_limit(function)
        beyond = np.flatnonzero(~(np.abs(x0) <= limit))
        for j in beyond[:1]:
            errors.append(wrong("x0", f"{number(x0[j])} in coordinate {j}", f"within ±{number(limit[j])}"))
    if not errors:
        label, opt = max(labelled, key=lambda item: item[1].directions)
        n, d = opt.directions, function.dim
        if (work := steps * runs * n * d) > WORK:
            instead = f" or runs to {WORK // (steps * n * d)}" if steps * n * d <= WORK else ""
            errors.append(
                fault(
                    "steps",
                    f"steps × runs × directions × dimensions = {steps:,} × {runs} × {n} × {d:,} = {work:,} for {label}:"
                    f" must be up to {WORK:,}; lower steps to {WORK // (runs * n * d)}{instead}",
                )
            )
    return errors


def _start_allowed(dim: int) -> str:
    return f"{dim} finite decimal numbers, or one for all coordinates"


def _function_error(error: FunctionError) -> Error:
    position = {} if error.position is None else {"position": error.position}
    return fault(error.field, error.message) | position
