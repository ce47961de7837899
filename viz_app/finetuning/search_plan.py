"""Which job of a map or of a search comes next. Loads no torch.

A plan is a generator of jobs; it is sent nothing, but finds every job that it has named among the cells when it goes
on. It follows from the spec, from the cells that were known at first, and from what the jobs reached: after an
interruption it is gone through again, and what is known is not computed twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import qmc

from hizoo_core import HyperparameterError
from hizoo_core.auto_rate import AUTO
from viz_app.finetuning.search_results import Cells, Setting, found, is_over, setting
from viz_app.finetuning.search_spec import COUNTS, NEXT_SEED, SearchSpec
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.spec.axes import Axis

Plan = Iterator[FinetuneSpec]
WIDTHS = (0.15, 0.05)  # standard deviation of the first and the last refining step, in units of the space's side
TRIES = 20  # draws of a setting that has not been tried yet


def of_map(spec: SearchSpec, cells: Cells) -> Plan:
    """Every cell with the first seed, then with the next: a whole map is there early. A setting that was stopped early
    is not tried with its other seeds.
    """
    for number in range(spec.seeds):
        for each in spec.settings:
            if not setting(spec, cells, each).stopped:
                yield spec.job(each, number)


def of_search(spec: SearchSpec, cells: Cells, first: Sequence[str], say: Callable[[dict[str, Any]], None]) -> Plan:
    """Trials at the spec's seeds: the setting that is there, a Sobol sequence, then steps around the best so far.
    Settings of which all seeds were known at first (`first`: their jobs) are trials, too, and make as many of the
    Sobol sequence's needless. At the end the best and the setting that was there are tried on a seed that no trial has
    used, and what was found is said.
    """
    own, kind = spec.opt.hyperparameters, type(spec.opt.hyperparameters)
    coordinates = [_Coordinate(spec, name) for name in spec.over]
    tried: dict[Any, Setting] = {}

    def tries(hyperparameters: Any) -> Plan:
        made = setting(spec, cells, hyperparameters)
        for number in range(spec.seeds):
            if not is_over(spec, made):
                yield spec.job(hyperparameters, number)
                made = setting(spec, cells, hyperparameters)
        tried[hyperparameters] = made

    for text in first:
        made = setting(spec, {text: cells[text] for text in first}, kind(**cells[text]["values"]))
        if is_over(spec, made):
            tried[made.hyperparameters] = made
    known = sum(all(c.place(each) is not None for c in coordinates) for each in tried)
    left = spec.trials
    if own not in tried:
        yield from tries(own)
        left -= 1

    def at(point: Sequence[float], around: Any = own) -> Any:
        values = {c.name: c.value(float(t)) for c, t in zip(coordinates, point, strict=True)}
        with suppress(HyperparameterError):
            if spec.affords(made := replace(around, **values)):
                return made
        return own

    rng = np.random.default_rng(0)
    explore = max(0, left // 2 - known)
    points = qmc.Sobol(len(coordinates), rng=rng).random(max(1, 2 ** int(np.ceil(np.log2(4 * explore + 1)))))
    fresh = [each for each in dict.fromkeys(map(at, points)) if each not in tried]
    for each in fresh[:explore]:
        yield from tries(each)
    left -= len(fresh[:explore])
    for trial in range(left):
        best = min(tried, key=lambda each: tried[each].loss)
        places = ((c.place(best), c.place(own), 0.5) for c in coordinates)  # the middle where both are beyond the range
        centre = np.array([next(place for place in each if place is not None) for each in places])
        width = WIDTHS[0] * (WIDTHS[1] / WIDTHS[0]) ** (trial / max(1, left - 1))
        for _ in range(TRIES):
            steps = rng.normal(scale=width, size=len(coordinates))
            made = at(np.clip(centre + steps, 0.0, 1.0 - 1e-9).tolist(), best)
            if made not in tried:
                yield from tries(made)
                break
    winner = min(tried, key=lambda each: (tried[each].loss, each != own))
    for each in dict.fromkeys((winner, own)):
        yield spec.job(each, NEXT_SEED)
    say(found(spec, cells, first, winner))


def left_of(spec: SearchSpec, cells: Cells, made: int) -> int:
    """About how many jobs are still to be done; `made`: those that a search has computed."""
    if spec.over:
        return max(1, spec.jobs - made)
    known = [setting(spec, cells, each) for each in spec.settings]
    return sum(spec.seeds - len(each.cells) for each in known if not each.stopped)


class _Coordinate:
    """A searched hyperparameter as a number from 0 to 1: over the span of the axis that varies it, or over its
    slider's.
    """

    def __init__(self, spec: SearchSpec, name: str) -> None:
        self.name = name
        parameter = spec.field(name)
        axis: Axis | None = next((axis for axis in (spec.x, spec.y) if axis.name == name), None)
        values = axis.values if axis else COUNTS if name == "n" else parameter.slider
        own = spec.opt.hyperparameters
        self._allowed = None
        if parameter.integer:
            counts = range(int(min(values)), int(max(values)) + 1) if name != "n" else sorted({*values, own.n})
            good = [each for each in counts if spec.allows(name, each)]
            self._allowed = good or [getattr(own, name)]
        self._low, self._high = min(values), max(values)
        self._log = parameter.scale == "log" and self._low > 0

    def value(self, t: float) -> Any:
        """The value at a place in [0, 1), in few digits."""
        if self._allowed is not None:
            return self._allowed[min(int(t * len(self._allowed)), len(self._allowed) - 1)]
        low, high = self._low, self._high
        return float(f"{low * (high / low) ** t if self._log else low + (high - low) * t:.2g}")

    def place(self, hyperparameters: Any) -> float | None:
        """The place of a setting's value; None where it is beyond the range, or auto."""
        value = getattr(hyperparameters, self.name)
        if value == AUTO:
            return None
        if self._allowed is not None:
            return (self._allowed.index(value) + 0.5) / len(self._allowed) if value in self._allowed else None
        if not self._low <= value <= self._high or self._low == self._high:
            return 0.0 if value == self._low else None
        if self._log:
            return float(np.log(value / self._low) / np.log(self._high / self._low))
        return (value - self._low) / (self._high - self._low)
