"""MapSpec: a grid over two hyperparameters of one optimizer, as one text: the run's spec with a budget and two axes.

    f=stiff_quadratic&runs=16&seed=0&forwards=3000&opt=hizoo:lr=0.1&x=alpha=1e-4:1:12&y=n=1,2,4,8,16,32

An axis is NAME=LOW:HIGH:COUNT, spaced as the hyperparameter's slider is (whole numbers rounded, doubles dropped), or
NAME=v1,v2,…. Every cell spends the same forward passes, so that each has its own number of steps, and is a run that
`viz_app.spec.runs` allows. What is left out takes the function's preset and the method's usual axes; the canonical text
spells it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np

from functions import TestFunction
from hizoo_core import METHODS, POINT_METHODS, HyperparameterError
from hizoo_core.base import must_be
from viz_app.playground import wire
from viz_app.spec import axes
from viz_app.spec import runs as specs
from viz_app.spec.axes import LABELS, Axis
from viz_app.spec.fields import STEPS, field
from viz_app.spec.reader import Reader, split
from viz_app.spec.runs import RunSpec
from viz_app.spec.text import Error, OptSpec, SpecError, fault, number, pairs, positive, wrong

FORWARDS = field("forwards", "Budget", 10, 200_000, 3000, unit="passes")
CELLS = 2_000
WORK = 2_000_000_000  # cells × runs × directions in all steps × dimensions: a minute or so
KEYS = ("forwards", "steps", "target", "x", "y")
TARGET = "Target"


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
        return axes.settings(self.opt.hyperparameters, self.x, self.y)

    def cell(self, index: int) -> RunSpec:
        """The run that a cell stands for."""
        hyperparameters = self.settings[index]
        steps = steps_of(self.forwards, self.opt.method, hyperparameters)
        return replace(self.base, steps=steps, opts=(OptSpec(self.opt.method, hyperparameters),))

    @property
    def run(self) -> list[str]:
        """What every cell has of the run, as parts of its text: all but the steps and the optimizer."""
        return [part for part in self.base.query().split("&") if not part.startswith(("steps=", "opt="))]

    def query(self) -> str:
        """Canonical text: every key explicit."""
        given = [("forwards", str(self.forwards)), ("target", number(self.target) if self.target is not None else "")]
        given += [("opt", str(self.opt)), ("x", str(self.x)), ("y", str(self.y))]
        return "&".join(self.run + [f"{key}={quote(value, safe=',:=')}" for key, value in given if value])

    __str__ = query


def steps_of(forwards: int, method: str, hyperparameters: Any) -> int:
    """How many steps a budget of forward passes pays."""
    return forwards // METHODS[method].forwards(hyperparameters)


def parse(text: str, searching: bool = False) -> MapSpec:
    """The MapSpec that a text means, of a map or, if `searching`, of a search for the best setting. Raises SpecError
    listing what is wrong with it.
    """
    what, one = ("A search", "trial") if searching else ("A map", "cell")
    own, rest = split(text, KEYS)
    reader = Reader(own, KEYS)
    opts = [value for key, value in pairs(rest) if key == "opt"]
    if len(opts) > 1:
        reader.errors.append(fault("opt", f"{what} is of one optimizer, not of {len(opts)} optimizers"))
        reader.refuse()
    if "steps" in reader.given:
        message = f"{what} has no steps of its own, they differ from {one} to {one}"
        reader.errors.append(fault("steps", f"{message}: give the budget, as forwards=3000"))
    forwards = reader.number(FORWARDS)
    target = reader.read("target", TARGET, positive, None, "a number above 0")

    method = (opts or ["hizoo"])[0].partition(":")[0]
    x, y = [_axis(key, reader, method) for key in ("x", "y")] if method in POINT_METHODS else [None, None]
    rest += "" if opts else "&opt=hizoo"
    # Steps of the most expensive cell: what a warm-up must fit into.
    function = Reader(rest, specs.KEYS).function()
    steps = forwards // _highest_price(method, (opts or [""])[0], function, (x, y)) if method in POINT_METHODS else 1
    base = None
    try:
        base = specs.parse(f"{rest}&steps={min(max(1, steps), STEPS.high)}")
    except SpecError as error:
        reader.errors += [_of_map(each, forwards) for each in error.errors]
    if base and base.opts[0].changes:
        reader.errors.append(fault("opt", f"{what} starts from one setting: the optimizer must not fork (@)"))
    if x and y and x.name == y.name:
        reader.errors.append(wrong("y", LABELS["y"], y.name, f"another hyperparameter than {LABELS['x']}"))
    if base is None or x is None or y is None or reader.errors:
        reader.refuse()
    # Of the usual axes alone, settings that the method does not allow (n = 1) are left out.
    x, y = (
        axes.allowed(key, axis, base.opts[0].hyperparameters, key in reader.given, reader.errors)
        for key, axis in (("x", x), ("y", y))
    )
    if reader.errors:
        reader.refuse()
    spec = MapSpec(base, forwards, x, y, target)
    if error := _cells_error(spec):
        raise SpecError([error])
    return spec


def _cells_error(spec: MapSpec) -> Error | None:
    """The first thing for which a cell would be no run that `viz_app.spec.runs` allows, or all of them too much."""
    method, forwards, x, y = METHODS[spec.opt.method], spec.forwards, spec.x, spec.y
    if (cells := len(x.values) * len(y.values)) > CELLS:
        return fault("x", f"A map has up to {CELLS:,} cells, not {len(x.values)} × {len(y.values)} = {cells:,}")
    try:
        settings = spec.settings
    except HyperparameterError as error:  # of two values that do not go together
        return fault(error.field, error.message)
    expensive = max(settings, key=method.forwards)
    if (price := method.forwards(expensive)) > forwards:
        return _budget(forwards, f"at least {price:,}, the passes of one step at n = {getattr(expensive, 'n', 1)}")
    steps = [steps_of(forwards, spec.opt.method, each) for each in settings]
    for each, count in zip(settings, steps, strict=True):
        if getattr(each, "warmup", 0) > count:
            where = next((key for key, axis in (("x", x), ("y", y)) if axis.name == "warmup"), "opt")
            allowed = f"0 to {count:,}, the steps that {forwards:,} passes pay for at n = {each.n}"
            return wrong(where, "warm-up", each.warmup, allowed)
    if max(steps) > STEPS.high:
        price = min(map(method.forwards, settings))
        most = (int(STEPS.high) + 1) * price - 1
        why = f"since a run has up to {STEPS.high:,} steps and one of a cell costs only {price} passes"
        return _budget(forwards, f"up to {most:,}, {why}")
    directions = [getattr(each, "n", 1) * count for each, count in zip(settings, steps, strict=True)]
    numbers = spec.base.runs * spec.function.dim
    if max(directions) * numbers > specs.WORK:
        return _too_long(forwards)
    if (work := sum(directions) * numbers) > WORK:
        return fault(
            "forwards",
            f"Cells × runs × directions × dimensions must be up to {WORK:,}, not {work:,}; lower {FORWARDS.label} to "
            f"{max(int(FORWARDS.low), forwards * WORK // work):,}, or the runs, or the number of cells",
        )
    return None


def without_effect(spec: MapSpec) -> list[Error]:
    """The axes along which all cells are the same, as errors."""
    unused = spec.opt.hyperparameters.unused
    return [
        fault(key, f"{axis.parameter.label} changes nothing here: it is used by {unused[axis.name]} alone")
        for key, axis in (("x", spec.x), ("y", spec.y))
        if axis.name in unused
    ]


def _budget(forwards: int, allowed: str) -> Error:
    return fault("forwards", must_be(FORWARDS.label, f"{forwards:,}", allowed))


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
        said = error["message"].replace(words, f"{words} that {forwards:,} passes pay for in every cell")
        return error | {"message": said}
    return error


def _too_long(forwards: int) -> Error:
    most = f"one cell may have steps × runs × directions × dimensions up to {specs.WORK:,}"
    return fault("forwards", f"{FORWARDS.label} must be lower than {forwards:,}, or the runs fewer: {most}")


def _axis(key: str, reader: Reader, method: str) -> Axis | None:
    """The axis that x or y names, or the method's usual one; None after adding what is wrong with it."""
    form = METHODS[method].on_points
    text = reader.given.get(key, form.axes["xy".index(key)])
    return axes.read(key, text, form.hyperparameters, CELLS, reader.errors)


def _highest_price(method: str, opt: str, function: TestFunction | None, axes: Sequence[Axis | None]) -> int:
    """The price of a step of the most expensive cell, which has the most directions. Wrong values are found later."""
    given: dict[str, Any] = {}
    for item in opt.partition(":")[2].split(","):
        name, _, value = item.partition("=")
        given[name] = value
    values = {**specs.usual(function, method, given), **given}
    usual = getattr(METHODS[method].hyperparameters(), "n", 1)
    counts = [value for axis in axes if axis and axis.name == "n" for value in axis.values] or [values.get("n", usual)]
    try:
        return max(1, *(METHODS[method].forwards(SimpleNamespace(n=int(n), lr=values.get("lr"))) for n in counts))
    except ValueError:
        return 1
