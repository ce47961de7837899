"""MapSpec: a grid over two hyperparameters of one optimizer, as one text: the run's spec with a budget and two axes.

    f=stiff_quadratic&runs=16&seed=0&forwards=3000&opt=hizoo:lr=0.1&x=alpha=1e-4:1:12&y=n=1,2,4,8,16,32

An axis is NAME=LOW:HIGH:COUNT, spaced as the hyperparameter's slider is (whole numbers rounded, doubles dropped), or
NAME=v1,v2,…. Every cell spends the same forward passes, so that each has its own number of steps, and is a run that
`viz_app.spec.runs` allows. What is left out takes the function's preset and the method's usual axes; the canonical text
spells it out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np

from functions import TestFunction
from hizoo_core import METHODS, POINT_METHODS, Hyperparameter, HyperparameterError, describe
from viz_app.playground import wire
from viz_app.spec import presets
from viz_app.spec import runs as specs
from viz_app.spec.runs import RunSpec
from viz_app.spec.text import (
    Error,
    OptSpec,
    SpecError,
    between,
    decimal,
    fault,
    number,
    pairs,
    positive,
    short,
    unknown,
    whole,
    wrong,
)

FORWARDS = (10, 200_000)
CELLS = 2_000
WORK = 2_000_000_000  # cells × runs × directions in all steps × dimensions: a minute or so
KEYS = ("forwards", "steps", "target", "x", "y")


@dataclass(frozen=True)
class Axis:
    """One hyperparameter and its values along an axis; `text` is what the spec says of them."""

    parameter: Hyperparameter
    values: tuple[float | int, ...]
    text: str

    @property
    def name(self) -> str:
        return self.parameter.name

    def __str__(self) -> str:
        return f"{self.name}={self.text}"


@dataclass(frozen=True)
class MapSpec:
    """A valid map. `base` is the run of the settings around which it is drawn ("you are here")."""

    base: RunSpec
    forwards: int
    x: Axis
    y: Axis
    target: float | None

    @property
    def function(self) -> TestFunction:
        return self.base.function

    @property
    def opt(self) -> OptSpec:
        return self.base.opts[0]

    @cached_property
    def settings(self) -> tuple[Any, ...]:
        """Hyperparameters of every cell; cell (ix, iy) is at iy · len(x) + ix."""
        return tuple(
            replace(self.opt.hyperparameters, **{self.x.name: x, self.y.name: y})
            for y in self.y.values
            for x in self.x.values
        )

    def cell(self, index: int) -> RunSpec:
        """The run that a cell stands for."""
        hyperparameters = self.settings[index]
        steps = steps_of(self.forwards, self.opt.method, hyperparameters)
        return replace(self.base, steps=steps, opts=(OptSpec(self.opt.method, hyperparameters),))

    def query(self) -> str:
        """Canonical text: every key explicit."""
        run = [part for part in self.base.query().split("&") if not part.startswith(("steps=", "opt="))]
        given = [("forwards", str(self.forwards)), ("target", number(self.target) if self.target is not None else "")]
        given += [("opt", str(self.opt)), ("x", str(self.x)), ("y", str(self.y))]
        return "&".join(run + [f"{key}={quote(value, safe=',:=')}" for key, value in given if value])

    __str__ = query


def steps_of(forwards: int, method: str, hyperparameters: Any) -> int:
    """How many steps a budget of forward passes pays."""
    return forwards // METHODS[method].forwards(hyperparameters)


def parse(text: str) -> MapSpec:
    """The MapSpec that a text means. Raises SpecError listing what is wrong with it."""
    errors: list[Error] = []
    own: dict[str, str] = {}
    rest = []
    opts = []
    for part in text.strip().removeprefix("?").split("&"):
        for key, value in pairs(part):
            if key in own:
                errors.append(fault(key, f"{key} is given twice"))
            if key in KEYS:
                own[key] = value
            else:
                rest.append(part)
                opts += [value] if key == "opt" else []
    if len(opts) > 1:
        errors.append(wrong("opt", f"{len(opts)} optimizers", "one: a map is of one optimizer"))
        raise SpecError(errors)

    def read(key: str, parser: Callable[[str], Any], default: Any, allowed: str) -> Any:
        try:
            return parser(own[key]) if key in own else default
        except ValueError as error:
            errors.append(wrong(key, repr(str(error)), allowed))
            return default

    if "steps" in own:
        errors.append(fault("steps", "steps differ from cell to cell: give the budget, as forwards=3000"))
    forwards = read("forwards", whole, 3000, between(FORWARDS))
    if not FORWARDS[0] <= forwards <= FORWARDS[1]:
        errors.append(wrong("forwards", forwards, between(FORWARDS)))
        forwards = 3000
    target = read("target", positive, None, "a number above 0")

    method = (opts or ["hizoo"])[0].partition(":")[0]
    axes = [_axis(key, own, method, errors) for key in ("x", "y")] if method in POINT_METHODS else [None, None]
    if not opts:
        rest.append("opt=hizoo")
    x, y = axes
    # Steps of the dearest cell: what a warm-up must fit into.
    family = dict(pairs("&".join(rest))).get("f", specs.DEFAULT_FUNCTION).partition(":")[0]
    steps = forwards // _dearest(method, (opts or [""])[0], family, (x, y)) if method in POINT_METHODS else 1
    base = None
    try:
        base = specs.parse("&".join([*rest, f"steps={min(max(1, steps), specs.STEPS[1])}"]))
    except SpecError as error:
        errors += [_of_map(each, forwards) for each in error.errors]
    if base and base.opts[0].changes:
        errors.append(fault("opt", "a map is of one setting: opt must not change at a step (@)"))
    if x and y and x.name == y.name:
        errors.append(fault("y", f"y = {y.name}: must be another hyperparameter than x"))
    if base is None or x is None or y is None or errors:
        raise SpecError(errors)
    x, y = (_allowed(key, axis, base.opts[0], key in own, errors) for key, axis in (("x", x), ("y", y)))
    if errors:
        raise SpecError(errors)
    spec = MapSpec(base, forwards, x, y, target)
    if error := _cells_error(spec):
        raise SpecError([error])
    return spec


def _cells_error(spec: MapSpec) -> Error | None:
    """The first thing for which a cell would be no run that `viz_app.spec.runs` allows, or all of them too much."""
    method, forwards, x, y = METHODS[spec.opt.method], spec.forwards, spec.x, spec.y
    if (cells := len(x.values) * len(y.values)) > CELLS:
        return wrong("x", f"{len(x.values)} × {len(y.values)} = {cells:,} cells", f"up to {CELLS:,} cells")
    try:
        settings = spec.settings
    except HyperparameterError as error:  # of two values that do not go together
        return fault(error.field, error.message)
    dearest = max(settings, key=method.forwards)
    if (price := method.forwards(dearest)) > forwards:
        allowed = f"at least {price:,}, the passes of one step at n = {getattr(dearest, 'n', 1)}"
        return wrong("forwards", forwards, allowed)
    steps = [steps_of(forwards, spec.opt.method, each) for each in settings]
    for each, count in zip(settings, steps, strict=True):
        if getattr(each, "warmup", 0) > count:
            where = next((key for key, axis in (("x", x), ("y", y)) if axis.name == "warmup"), "opt")
            allowed = f"0 to {count}, the steps that {forwards:,} passes pay at n = {each.n}"
            return wrong(where, f"warmup={each.warmup}", allowed)
    if max(steps) > specs.STEPS[1]:
        price = min(map(method.forwards, settings))
        most = (specs.STEPS[1] + 1) * price - 1
        allowed = (
            f"up to {most:,}, since a run has up to {specs.STEPS[1]:,} steps and a cell's cost only {price} passes"
        )
        return wrong("forwards", f"{forwards:,}", allowed)
    directions = [getattr(each, "n", 1) * count for each, count in zip(settings, steps, strict=True)]
    numbers = spec.base.runs * spec.function.dim
    if max(directions) * numbers > specs.WORK:
        return _too_long(forwards)
    if (work := sum(directions) * numbers) > WORK:
        return fault(
            "forwards",
            f"cells × runs × directions × dimensions = {work:,}: must be up to {WORK:,}; lower forwards to "
            f"{max(FORWARDS[0], forwards * WORK // work):,}, or runs, or the number of cells",
        )
    return None


def describe_axis(axis: Axis) -> dict[str, Any]:
    """An axis as the page shows it."""
    given = asdict(axis.parameter)
    return {key: given[key] for key in ("name", "label", "symbol", "unit", "scale")} | {"values": axis.values}


def default_target(spec: MapSpec) -> float | None:
    """The gap to reach: the one given, else 1e-6 of the initial gap as a power of ten; None without a known minimum.

    Two decades below the Playground's: at 1e-4 of its start `stiff_quadratic` is through with one coordinate only.
    """
    function = spec.function
    if spec.target is not None or function.minimum is None:
        return spec.target
    return wire.default_target(initial_gap(spec), decades=6)


def initial_gap(spec: MapSpec) -> float:
    """The loss at the start above the minimum, or above 0 where that is not known; it need not be finite."""
    with np.errstate(all="ignore"):
        return float(spec.function.value(np.array(spec.base.x0))) - (spec.function.minimum or 0.0)


def _of_map(error: Error, forwards: int) -> Error:
    """What is wrong with a map's run, in the map's words: its steps come from its budget."""
    if error["field"] == "steps":
        return _too_long(forwards)
    if error["field"].endswith(".warmup") and "number of steps" in error["message"]:
        words = "the number of steps"
        return error | {
            "message": error["message"].replace(words, f"{words} that {forwards:,} passes pay in every cell")
        }
    return error


def _too_long(forwards: int) -> Error:
    allowed = f"less, or runs fewer: one cell may have steps × runs × directions × dimensions up to {specs.WORK:,}"
    return wrong("forwards", f"{forwards:,}", allowed)


def _axis(key: str, own: Mapping[str, str], method: str, errors: list[Error]) -> Axis | None:
    # Of the usual axes alone, settings that the method does not allow (n = 1) are left out.
    text = own.get(key, METHODS[method].on_points.axes["xy".index(key)])
    name, _, values = text.partition("=")
    known = {
        parameter.name: parameter
        for parameter in describe(METHODS[method].hyperparameters)
        if parameter.choices is None
    }
    if name not in known:
        errors.append(unknown(key, f"hyperparameter of {method}", name, known))
        return None
    parameter = known[name]
    before = len(errors)
    if ":" in values:
        chosen = _range(key, parameter, values, errors)
    else:
        chosen = []
        for item in values.split(","):
            try:
                chosen.append(whole(item) if parameter.integer else decimal(item))
            except ValueError:
                errors.append(wrong(key, f"{name}={short(item)!r}", parameter.allowed))
    for value in chosen:
        try:
            parameter.check(value)
        except HyperparameterError as error:
            errors.append(fault(key, error.message))
            break
    if len(errors) > before:
        return None
    distinct = tuple(dict.fromkeys(chosen))
    if not distinct:
        errors.append(fault(key, f"{key} = {short(text)}: has no value"))
        return None
    return Axis(parameter, distinct, values)


def _range(key: str, parameter: Hyperparameter, text: str, errors: list[Error]) -> list[Any]:
    """The values of LOW:HIGH:COUNT: its ends as they are, and evenly spaced values between them, in few digits."""
    parts = text.split(":")
    form = f"{parameter.name}=LOW:HIGH:COUNT or {parameter.name}=v1,v2,…"
    try:
        if len(parts) != 3:
            raise ValueError
        low, high = map(whole if parameter.integer else decimal, parts[:2])
        count = whole(parts[2])
    except ValueError:
        errors.append(wrong(key, f"{parameter.name}={short(text)}", form))
        return []
    try:
        parameter.check(low)
        parameter.check(high)
    except HyperparameterError as error:
        errors.append(fault(key, error.message))
        return []
    log = parameter.scale == "log"
    if log and low <= 0:
        errors.append(wrong(key, f"{parameter.name}={text}, low {number(low)}", "above 0: this axis is logarithmic"))
    elif not low < high:
        errors.append(wrong(key, f"{parameter.name}={text}", f"a range with low below high ({form})"))
    elif not 2 <= count <= CELLS:
        errors.append(wrong(key, f"{parameter.name}={text}, count {count}", between((2, CELLS))))
    else:
        spaced = (np.geomspace if log else np.linspace)(low, high, count).tolist()
        if parameter.integer:
            return [round(value) for value in spaced]
        return [low, *_rounded(spaced)[1:-1], high]
    return []


def _rounded(values: Sequence[float]) -> list[float]:
    """Rising values with as few digits, from four on, as keep each within a tenth of the distance to its neighbours."""
    gaps = [b - a for a, b in pairwise(values)]
    tolerances = [min(near) / 10 for near in zip([gaps[0], *gaps], [*gaps, gaps[-1]], strict=True)]
    candidates = [[float(f"{value:.{digits}g}") for digits in range(4, 18)] for value in values]
    return [
        next(shorter for shorter in shorters if abs(shorter - value) <= tolerance)
        for value, shorters, tolerance in zip(values, candidates, tolerances, strict=True)
    ]


def _allowed(key: str, axis: Axis, opt: OptSpec, given: bool, errors: list[Error]) -> Axis:
    """The axis, of whose values each must be allowed beside the other settings (n ≥ 2 with some estimators)."""
    good, bad = [], None
    for value in axis.values:
        try:
            replace(opt.hyperparameters, **{axis.name: value})
            good.append(value)
        except HyperparameterError as error:
            bad = bad or error
    if bad is None:
        return axis
    if given or not good:
        errors.append(fault(key, bad.message))
        return axis
    return Axis(axis.parameter, tuple(good), ",".join(map(number, good)))


def _dearest(method: str, opt: str, family: str, axes: Sequence[Axis | None]) -> int:
    """The price of a step of the dearest cell: the number of directions decides. Wrong values are found elsewhere."""
    given: dict[str, Any] = {}
    for item in opt.partition(":")[2].split(","):
        name, _, value = item.partition("=")
        given[name] = value
    values = {**presets.for_function(family).settings(method, given), **given}
    counts = [value for axis in axes if axis and axis.name == "n" for value in axis.values] or [values.get("n", 1)]
    try:
        return max(1, *(METHODS[method].forwards(SimpleNamespace(n=int(n))) for n in counts))
    except ValueError:
        return 1
