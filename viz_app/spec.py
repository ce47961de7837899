"""RunSpec: everything a run depends on, as one text that is a URL's query, a shell argument and a Python string.

    f=rotated_ellipse:angle=30&x0=1,1&steps=500&runs=16&seed=0&opt=hizoo:lr=0.1,alpha=0.01&opt=adam

Percent-escapes are decoded, but "+" is a plus, never a space: an expression's plus survives the shell and the URL.
Keys left out take the function's preset; the canonical text (`RunSpec.query`) spells all of them out, so that a link
means the same after the presets have changed.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from functions import FUNCTIONS, FunctionError, TestFunction, resolve
from hizoo_core import METHODS, HyperparameterError, describe
from viz_app import presets

STEPS = (1, 20_000)
RUNS = (1, 256)
SEED = (0, 2**32 - 1)
DIMENSIONS = (2, 1_000)
OPTIMIZERS = (1, 8)
WORK = 500_000_000  # steps × runs × directions × dimensions of one optimizer
DIVERGED = 1e6  # in widths of the domain, per coordinate
MAX_TEXT = 64 * 1024  # a thousand coordinates at full precision take some 20 kB

DEFAULT_FUNCTION = "stiff_quadratic"
DEFAULT_METHODS = ("hizoo", "mezo", "adam")
KEYS = ("f", "x0", "steps", "runs", "seed", "opt")

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

Error = dict[str, Any]  # {"field", "message"}, and "position" for a place in an expression


class SpecError(ValueError):
    """A spec that cannot be run. `errors` lists every wrong field, {"field", "message"}; str() is one line."""

    def __init__(self, errors: list[Error]):
        super().__init__("; ".join(_line(error) for error in errors))
        self.errors = errors


@dataclass(frozen=True)
class OptSpec:
    """One optimizer of a run: a key of `hizoo_core.METHODS` and an instance of that method's hyperparameters."""

    method: str
    hyperparameters: Any

    def __str__(self) -> str:
        given = asdict(self.hyperparameters).items()
        return f"{self.method}:" + ",".join(f"{name}={_text(value)}" for name, value in given if value is not None)

    @property
    def directions(self) -> int:
        return getattr(self.hyperparameters, "n", 1)


@dataclass(frozen=True)
class RunSpec:
    """A valid run; raises SpecError when made from values out of range. `f` is canonical, `x0` has one number per
    dimension of the function.
    """

    f: str
    x0: tuple[float, ...]
    steps: int
    runs: int
    seed: int
    opts: tuple[OptSpec, ...]

    def __post_init__(self) -> None:
        try:
            function = resolve(self.f)
        except FunctionError as error:
            raise SpecError([_function_error(error)]) from error
        if errors := _range_errors(function, self.x0, self.steps, self.runs, self.seed, self.opts):
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
        """Canonical text: every key explicit, shortest decimals, safe to paste as a URL's query."""
        same = len(self.x0) > 2 and len(set(self.x0)) == 1
        pairs = [
            ("f", self.f),
            ("x0", ",".join(map(_text, self.x0[:1] if same else self.x0))),
            *((key, str(getattr(self, key))) for key in ("steps", "runs", "seed")),
            *(("opt", str(opt)) for opt in self.opts),
        ]
        return "&".join(f"{key}={quote(value, safe=',:=')}" for key, value in pairs)

    __str__ = query


def labels(methods: list[str]) -> tuple[str, ...]:
    """Unique labels of a list of method keys, in order: hizoo, mezo, hizoo#2."""
    seen = [methods[:i].count(method) for i, method in enumerate(methods)]
    return tuple(f"{method}#{n + 1}" if n else method for method, n in zip(methods, seen, strict=True))


def divergence_limit(function: TestFunction) -> np.ndarray:
    """(d,) bound on |θ| beyond which a run counts as diverged: a million widths of the domain."""
    low, high = np.asarray(function.domain, dtype=float).T
    return DIVERGED * (high - low)


def pairs(text: str) -> list[tuple[str, str]]:
    """Key and value of every part of a query, decoded, in order; a leading "?" is allowed."""
    split = (part.partition("=") for part in text.strip().removeprefix("?").split("&") if part)
    return [(unquote(key), unquote(value)) for key, _, value in split]


def parse(text: str) -> RunSpec:
    """The RunSpec that a text means. Raises SpecError listing all that is wrong with it, not only the first."""
    if len(text) > MAX_TEXT:
        raise SpecError([_error("spec", f"has {len(text):,} characters; allowed: up to {MAX_TEXT:,}")])
    errors: list[Error] = []
    given: dict[str, str] = {}
    opts: list[str] = []
    for key, value in pairs(text):
        if key == "opt":
            opts.append(value)
        elif key not in KEYS:
            errors.append(_unknown(_short(key), "key", key, KEYS))
        elif key in given:
            errors.append(_error(key, f"{key} is given twice"))
        else:
            given[key] = value

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
            errors.append(_wrong(key, repr(str(error)), allowed))
            return default

    dim = function.dim if function else 1
    x0 = read("x0", decimals, function.start if function else (0.0,), _start_allowed(dim))
    if len(x0) == 1:
        x0 *= dim
    steps = read("steps", whole, preset.steps, _span(STEPS))
    runs = read("runs", whole, preset.runs, _span(RUNS))
    seed = read("seed", whole, 0, _span(SEED))

    if len(opts) > OPTIMIZERS[1]:
        errors.append(_wrong("opt", f"{len(opts)} optimizers", _span(OPTIMIZERS)))
        opts = []
    chosen = [value.partition(":") for value in opts] or [(method, "", "") for method in DEFAULT_METHODS]
    names = labels([method for method, _, _ in chosen])
    known = tuple(
        opt
        for (method, _, text), name in zip(chosen, names, strict=True)
        if (opt := _optimizer(method, text, f"opt.{_short(name)}".rstrip("."), preset, steps, errors))
    )
    if errors or function is None:
        seen = {"opt", *(error["field"] for error in errors)}  # the wrong ones are missing from those counted
        later = _range_errors(function, x0, steps, runs, seed, known)
        raise SpecError(errors + [error for error in later if error["field"] not in seen])
    return RunSpec(function.spec, x0, steps, runs, seed, known)


def decimals(text: str) -> tuple[float, ...]:
    """Comma-separated finite decimal numbers. Raises ValueError with the first that is none."""
    return tuple(decimal(item.strip()) for item in text.split(","))


def decimal(text: str) -> float:
    """A finite decimal number: no nan, inf, hexadecimal or underscores. Raises ValueError with the text."""
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(_short(text))
    return float(text) + 0.0  # −0 is 0


def whole(text: str) -> int:
    """A whole number of at most 18 digits, which is beyond every limit here. Raises ValueError with the text."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(_short(text))
    return int(text)


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
                "parameters": [_plain(parameter) for parameter in family.parameters],
            }
            for family in FUNCTIONS.values()
        ],
        "optimizers": [
            {
                "key": method.key,
                "name": method.name,
                "summary": method.summary,
                "hyperparameters": [_plain(parameter) for parameter in describe(method.hyperparameters)],
            }
            for method in METHODS.values()
        ],
        "limits": {
            "steps": STEPS,
            "runs": RUNS,
            "seed": SEED,
            "dimensions": DIMENSIONS,
            "optimizers": OPTIMIZERS,
            "work": WORK,
        },
    }


def _optimizer(
    method: str, text: str, field: str, preset: presets.Preset, steps: int, errors: list[Error]
) -> OptSpec | None:
    """The OptSpec of "lr=0.1,n=4", or None after appending to `errors` all that is wrong with it."""
    if method not in METHODS:
        errors.append(_unknown(field, "optimizer", method, METHODS))
        return None
    kind = METHODS[method].hyperparameters
    described = {parameter.name: parameter for parameter in describe(kind)}
    given: dict[str, Any] = {}
    before = len(errors)
    for item in text.split(",") if text else ():
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in described:
            errors.append(_unknown(f"{field}.{_short(name)}", "hyperparameter", name, described))
        elif name in given:
            errors.append(_error(f"{field}.{name}", f"{name} is given twice"))
        else:
            parameter = described[name]
            try:
                given[name] = value if parameter.choices else whole(value) if parameter.integer else decimal(value)
            except ValueError as error:
                errors.append(_wrong(f"{field}.{name}", repr(str(error)), parameter.allowed))

    values = {**preset.settings(method, given), **given}
    if "warmup" in values and "warmup" not in given:
        values["warmup"] = min(values["warmup"], max(steps, 0))  # a preset's warm-up gives way to a short run
    while True:  # the dataclass names one field at a time: put that one aside and ask again
        try:
            hyperparameters = kind(**values)
            break
        except HyperparameterError as error:
            errors.append(_error(f"{field}.{error.field}", error.message))
            if values.pop(error.field, None) is None:
                return None
    return OptSpec(method, hyperparameters) if len(errors) == before else None


def _range_errors(
    function: TestFunction | None,
    x0: tuple[float, ...],
    steps: int,
    runs: int,
    seed: int,
    opts: tuple[OptSpec, ...],
) -> list[Error]:
    """Every number that is out of range; what depends on the function is left out where there is none."""
    errors = [
        _wrong(key, value, _span(span))
        for key, value, span in (("steps", steps, STEPS), ("runs", runs, RUNS), ("seed", seed, SEED))
        if not span[0] <= value <= span[1]
    ]
    if not OPTIMIZERS[0] <= len(opts) <= OPTIMIZERS[1]:
        errors.append(_wrong("opt", f"{len(opts)} optimizers", _span(OPTIMIZERS)))
    named = list(zip(labels([opt.method for opt in opts]), opts, strict=True))
    for label, opt in named:
        warmup = getattr(opt.hyperparameters, "warmup", 0)
        if warmup > steps:
            errors.append(_wrong(f"opt.{label}.warmup", warmup, f"0 to the number of steps, {steps:,}"))
    if function is None:
        return errors
    if not DIMENSIONS[0] <= function.dim <= DIMENSIONS[1]:
        errors.append(_wrong("f", f"a function of {function.dim:,} dimensions", _span(DIMENSIONS)))
    if len(x0) != function.dim:
        errors.append(_wrong("x0", f"{len(x0)} numbers", _start_allowed(function.dim)))
    else:
        limit = divergence_limit(function)
        beyond = np.flatnonzero(~(np.abs(x0) <= limit))
        for j in beyond[:1]:
            errors.append(_wrong("x0", f"{_text(x0[j])} in coordinate {j}", f"within ±{_text(limit[j])}"))
    if not errors:
        label, opt = max(named, key=lambda item: item[1].directions)
        n, d = opt.directions, function.dim
        if (work := steps * runs * n * d) > WORK:
            instead = f" or runs to {WORK // (steps * n * d)}" if steps * n * d <= WORK else ""
            errors.append(
                _error(
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
    return _error(error.field, error.message) | position


def _error(field: str, message: str) -> Error:
    return {"field": field, "message": message}


def _wrong(field: str, value: object, allowed: str) -> Error:
    """The same words as `hizoo_core.HyperparameterError`: steps = 0: must be 1 to 20,000."""
    return _error(field, f"{field.rpartition('.')[2]} = {value}: must be {allowed}")


def _unknown(field: str, kind: str, name: str, known: Iterable[str]) -> Error:
    """stepz: no such key, did you mean steps? One of f, x0, …"""
    names = list(known)
    close = get_close_matches(name, names, 1)
    guess = f", did you mean {close[0]}?" if close else ";"
    return _error(field, f"{_short(name)!r} is no {kind}{guess} allowed: {', '.join(names)}")


def _line(error: Error) -> str:
    """opt.hizoo.lr = -1: must be …, from field opt.hizoo.lr and message lr = -1: must be …"""
    parent, dot, leaf = error["field"].rpartition(".")
    starts = error["message"].startswith(f"{leaf} ")
    return f"{parent}{dot}{error['message']}" if starts else f"{error['field']}: {error['message']}"


def _plain(parameter: Any) -> dict[str, Any]:
    """A parameter's record; None for a bound that it has not, which JSON cannot say otherwise."""
    fields = asdict(parameter).items()
    return {name: None if isinstance(value, float) and math.isinf(value) else value for name, value in fields}


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _span(span: tuple[int, int]) -> str:
    return f"{span[0]:,} to {span[1]:,}"


def _text(value: Any) -> str:
    """Shortest text that reads back as the same value: 1, 0.1, 1e-5, 1e22."""
    if not isinstance(value, float):
        return str(value)
    return re.sub(r"e([+-])0*", lambda sign: "e" + sign[1].strip("+"), repr(float(value))).removesuffix(".0")
