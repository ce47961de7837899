"""The best setting within a budget: quasi-random trials over the sliders' ranges, then steps around the best.

The first trials are what maps of the same function, budget and seed have computed (`known`), which cost nothing, and
the setting that is there. Half of the trials explore (a Sobol sequence; less by as many as are known), a quarter or
more refine in two rounds, the rest tries the best so far again on another seed, where the worse counts: the best of
many noisy medians flatters. Trials are on the spec's own seed, as a map's cells are; what was found is also reported
on a seed that no trial sees. Every trial is one setting, all of its runs, for the spec's forward passes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc

from hizoo_core import METHODS, describe
from hizoo_core.auto_rate import AUTO
from hizoo_core.base import HyperparameterError
from hizoo_core.noise import SEED_LIMIT
from viz_app.spec.fields import STEPS, field
from viz_app.spec.reader import bounds_error
from viz_app.spec.text import OptSpec, SpecError, wrong
from viz_app.tuning import known as known_cells
from viz_app.tuning import maps
from viz_app.tuning import spec as map_spec
from viz_app.tuning.spec import MapSpec

TRIALS = field("trials", "Trials", 8, 1_024, 64)
WIDTHS = (0.12, 0.05)  # standard deviation of a refining step, in units of the search space's side
SEEDS = (1_000, 1_001)  # after the spec's, which the trials have: of the second look at the best, and of the report


class Score(NamedTuple):
    """Smaller is better, compared field by field: does a run diverge; is the target missed, or left again; passes to
    it, or gap.
    """

    unreliable: bool
    missed: bool
    value: float


@dataclass(frozen=True)
class Figures:
    """What a setting reaches: median final gap (infinite if half of the runs diverge), median passes to the target
    (None unless half of the runs reach it), and the share of runs that diverge.
    """

    loss: float
    passes: int | None
    diverged: float
    target: float | None

    @property
    def score(self) -> Score:
        if self.passes is not None and self.target is not None and self.loss <= self.target:
            return Score(self.diverged > 0, False, self.passes)
        return Score(self.diverged > 0, True, self.loss)


def tune(
    spec: MapSpec,
    trials: int,
    cancelled: Callable[[], bool] | None = None,
    known: Mapping[Any, known_cells.Cell] | None = None,
) -> dict[str, Any]:
    """Search for the best setting of the spec's optimizer; what was found, what it reaches, what it cost.

    known: what settings reach in this spec's runs, by hyperparameters. "score" is of the spec's seed, as a map's cells
    are; "held_out" of a seed that no trial sees, "before" what the setting that was there reaches on that, and "better"
    whether "held_out" is better than it. "passed_over": the setting with the best score, where that is another: its
    figures on the spec's seed ("score") and on the second ("again"). Raises SpecError for trials out of range or beyond
    `map_spec.WORK`, and for a setting of which the budget does not pay a step.
    """
    if errors := bounds_error(TRIALS, trials):
        raise SpecError(errors)
    began = time.perf_counter()
    method, base = spec.opt.method, spec.opt.hyperparameters
    if not _affordable(spec, base):
        allowed = f"such that {spec.forwards:,} forward passes pay for 1 to {STEPS.high:,} steps"
        raise SpecError([wrong(f"opt.{method}.n", "n directions", base.n, allowed)])
    work = spec.forwards // 2 * spec.base.runs * spec.function.dim  # directions × dimensions of a trial
    if trials * work > map_spec.WORK:
        most = f"up to {map_spec.WORK // work:,} with {spec.forwards:,} forward passes in {spec.base.runs} runs"
        raise SpecError([wrong("trials", TRIALS.label, trials, f"{most} and {spec.function.dim:,} dimensions")])
    second_seed, last_seed = ((spec.base.seed + seed) % SEED_LIMIT for seed in SEEDS)
    axes = [_Searched(spec, name, values) for name, values in METHODS[method].on_points.searched.items()]
    rng = np.random.default_rng(0)
    again = max(1, trials // 8)

    def settings(points: np.ndarray) -> list[Any]:
        return [replace(base, **{a.name: a.value(t) for a, t in zip(axes, point, strict=True)}) for point in points]

    target = map_spec.default_target(spec)
    tried: list[tuple[np.ndarray | None, Any]] = [(_place(axes, each), each) for each in known or ()]
    found = [Figures(cell.loss, cell.passes, cell.diverged, target) for cell in (known or {}).values()]
    first = [] if base in (known or ()) else [(_place(axes, base), base)]
    there = sum(point is not None for point, _ in tried)
    explore = max(0 if there else 4, trials // 2 - there) - len(first)
    points = qmc.Sobol(len(axes), rng=rng).random_base2(int(np.ceil(np.log2(max(1, explore)))))[: max(0, explore)]
    fresh = first + list(zip(points, settings(points), strict=True))
    left = trials - len(fresh) - again
    made: list[Any] = []

    def run(fresh: Sequence[tuple[np.ndarray | None, Any]]) -> None:
        tried.extend(fresh)
        made.extend(each for _, each in fresh)
        found.extend(_run(spec, [each for _, each in fresh], spec.base.seed, cancelled))

    run(fresh)
    for count, width in zip((left // 2, left - left // 2), WIDTHS, strict=True):
        placed = [(found[i].score, point) for i, (point, _) in enumerate(tried) if point is not None]
        _, best = min(placed, key=lambda each: each[0])
        points = np.clip(best + rng.normal(scale=width, size=(count, len(axes))), 0.0, 1.0 - 1e-9)
        run(list(zip(points, settings(points), strict=True)))
    order = sorted(range(len(tried)), key=lambda i: found[i].score)
    finalists = list(dict.fromkeys(tried[i][1] for i in order))[:again]
    scores = {tried[i][1]: found[i] for i in reversed(order)}
    second = dict(zip(finalists, _run(spec, finalists, second_seed, cancelled), strict=True))
    winner = min(finalists, key=lambda each: max(scores[each].score, second[each].score))
    held_out, before = _run(spec, [winner, base], last_seed, cancelled)
    made += finalists
    passes = sum(map_spec.steps_of(spec.forwards, method, each) * METHODS[method].forwards(each) for each in made)
    top = finalists[0]
    return {
        "best": vars(winner),
        "opt": str(OptSpec(method, winner)),
        "score": _plain(scores[winner]),
        "held_out": _plain(held_out),
        "before": _plain(before),
        "better": held_out.score < before.score,
        "passed_over": None
        if scores[winner].score <= scores[top].score
        else {"best": vars(top), "score": _plain(scores[top]), "again": _plain(second[top])},
        "searched": [axis.name for axis in axes],
        "target": target,
        "known": len(known or ()),
        "spent": {
            "trials": len(made),
            "forwards": passes * spec.base.runs,
            "forwards_per_run": spec.forwards,
            "runs": spec.base.runs,
            "seconds": time.perf_counter() - began,
        },
    }


def _place(axes: Sequence["_Searched"], hyperparameters: Any) -> np.ndarray | None:
    """A setting's coordinates in the search space; None if it is not in it."""
    places = [axis.place(getattr(hyperparameters, axis.name)) for axis in axes]
    return None if None in places else np.array(places, dtype=float)


class _Searched:
    """A searched hyperparameter as a coordinate in [0, 1): over its slider where `values` is None, else one of those
    that the other settings and the budget allow.
    """

    def __init__(self, spec: MapSpec, name: str, values: tuple[float, ...] | None) -> None:
        self.name = name
        self._span = next(h.slider for h in describe(type(spec.opt.hyperparameters)) if h.name == name)
        self._allowed = None if values is None else _allowed(spec, name, values)
        if self._allowed and name == "warmup":  # which must fit, whatever n it meets
            directions = METHODS[spec.opt.method].on_points.searched["n"]
            expensive = replace(spec.opt.hyperparameters, n=max(_allowed(spec, "n", directions or ())))
            most = map_spec.steps_of(spec.forwards, spec.opt.method, expensive)
            self._allowed = [value for value in self._allowed if value <= most]

    def value(self, t: float) -> Any:
        """The value at a coordinate."""
        if self._allowed is not None:
            return self._allowed[min(int(t * len(self._allowed)), len(self._allowed) - 1)]
        low, high = self._span
        return float(f"{low * (high / low) ** t:.2g}")

    def place(self, value: Any) -> float | None:
        """A coordinate of a value; None where it is beyond what is searched, or auto."""
        if value == AUTO:
            return None
        if self._allowed is not None:
            return (self._allowed.index(value) + 0.5) / len(self._allowed) if value in self._allowed else None
        low, high = self._span
        return float(np.log(value / low) / np.log(high / low)) if low <= value < high else None


def _allowed(spec: MapSpec, name: str, values: tuple[float, ...]) -> list[float]:
    """The values that the other settings and the budget allow; that of the spec if they allow none of these."""
    allowed = []
    for value in values:
        with suppress(HyperparameterError):
            if _affordable(spec, replace(spec.opt.hyperparameters, **{name: value})):
                allowed.append(value)
    return allowed or [getattr(spec.opt.hyperparameters, name)]


def _affordable(spec: MapSpec, hyperparameters: Any) -> bool:
    """Whether the budget pays a step of a setting, and not more of them than a run may have."""
    return 1 <= map_spec.steps_of(spec.forwards, spec.opt.method, hyperparameters) <= STEPS.high


def _run(spec: MapSpec, settings: list[Any], seed: int, cancelled: Callable[[], bool] | None) -> list[Figures]:
    """The figures of some settings, in their order."""
    target = map_spec.default_target(spec)
    figures: dict[int, Figures] = {}
    for cells, _ in maps.run(spec, settings, seed, cancelled, frames=2):
        for place, loss, passes, diverged in zip(cells.which, cells.loss, cells.passes, cells.diverged, strict=True):
            spent = None if np.isnan(passes) else int(passes)
            figures[int(place)] = Figures(float(loss), spent, float(diverged), target)
    return [figures[i] for i in range(len(settings))]


def _plain(figures: Figures) -> dict[str, Any]:
    loss = figures.loss if np.isfinite(figures.loss) else None
    return {"loss": loss, "passes": figures.passes, "diverged": figures.diverged}
