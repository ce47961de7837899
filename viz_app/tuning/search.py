"""The best setting within a budget: quasi-random trials over the sliders' ranges, then steps around the best.

The first trial is the setting that is there. Half of the trials explore (a Sobol sequence), a quarter refine in two
rounds, the rest tries the best so far again on another seed, where the worse counts: the best of many noisy medians
flatters. The figures reported are of the spec's own seed, which no trial sees. Every trial is one setting, all of its
runs, for the spec's forward passes.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc

from hizoo_core import METHODS, describe
from hizoo_core.base import HyperparameterError
from hizoo_core.noise import SEED_LIMIT
from viz_app.spec.fields import STEPS, field
from viz_app.spec.reader import bounds_error
from viz_app.spec.text import OptSpec, SpecError, wrong
from viz_app.tuning import maps
from viz_app.tuning import spec as map_spec
from viz_app.tuning.spec import MapSpec

TRIALS = field("trials", "Trials", 8, 1_024, 64)
WIDTHS = (0.12, 0.05)  # standard deviation of a refining step, in units of the search space's side
SEEDS = (1_000, 1_001)  # after the spec's: of the trials, and of the second look at the best


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


def tune(spec: MapSpec, trials: int, cancelled: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Search for the best setting of the spec's optimizer; what was found, what it reaches, what it cost.

    "score" is of the trials' seed, "held_out" of the spec's own, "before" what the setting that was there reaches on
    that, and "better" whether "held_out" is better than it. Raises SpecError for trials out of range or beyond
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
    first_seed, second_seed = ((spec.base.seed + seed) % SEED_LIMIT for seed in SEEDS)
    searched = METHODS[method].on_points.searched
    axes = [_axis(spec, name, values) for name, values in searched.items()]
    rng = np.random.default_rng(0)
    explore, again = max(4, trials // 2), max(1, trials // 8)
    refine = [(trials - explore - again) // 2, trials - explore - again - (trials - explore - again) // 2]

    def settings(points: np.ndarray) -> list[Any]:
        return [
            replace(base, **{name: value(t) for (name, value), t in zip(axes, point, strict=True)}) for point in points
        ]

    points = qmc.Sobol(len(axes), rng=rng).random_base2(int(np.ceil(np.log2(explore))))[: explore - 1]
    tried = [(None, base), *zip(points, settings(points), strict=True)]
    found = _run(spec, [each for _, each in tried], first_seed, cancelled)
    for count, width in zip(refine, WIDTHS, strict=True):
        best = min((i for i, (point, _) in enumerate(tried) if point is not None), key=lambda i: found[i].score)
        steps = rng.normal(scale=width, size=(count, len(axes)))
        points = np.clip(tried[best][0] + steps, 0.0, 1.0 - 1e-9)
        fresh = list(zip(points, settings(points), strict=True))
        tried += fresh
        found += _run(spec, [each for _, each in fresh], first_seed, cancelled)
    order = sorted(range(len(tried)), key=lambda i: found[i].score)
    finalists = list(dict.fromkeys(tried[i][1] for i in order))[:again]
    first = {tried[i][1]: found[i] for i in reversed(order)}
    second = _run(spec, finalists, second_seed, cancelled)
    scores = [max(first[each].score, other.score) for each, other in zip(finalists, second, strict=True)]
    winner = finalists[min(range(len(finalists)), key=lambda i: scores[i])]
    held_out, before = _run(spec, [winner, base], spec.base.seed, cancelled)
    made = [each for _, each in tried] + finalists
    passes = sum(map_spec.steps_of(spec.forwards, method, each) * METHODS[method].forwards(each) for each in made)
    return {
        "best": vars(winner),
        "opt": str(OptSpec(method, winner)),
        "score": _plain(first[winner]),
        "held_out": _plain(held_out),
        "before": _plain(before),
        "better": held_out.score < before.score,
        "searched": list(searched),
        "target": map_spec.default_target(spec),
        "spent": {
            "trials": len(made),
            "forwards": passes * spec.base.runs,
            "forwards_per_run": spec.forwards,
            "runs": spec.base.runs,
            "seconds": time.perf_counter() - began,
        },
    }


def _axis(spec: MapSpec, name: str, values: tuple[float, ...] | None) -> tuple[str, Callable[[float], Any]]:
    """A searched hyperparameter: its value from a coordinate in [0, 1)."""
    if values is None:
        low, high = next(h.slider for h in describe(type(spec.opt.hyperparameters)) if h.name == name)
        return name, lambda t: float(f"{low * (high / low) ** t:.2g}")
    allowed = _allowed(spec, name, values)
    if name == "warmup":  # which must fit, whatever n it meets
        directions = METHODS[spec.opt.method].on_points.searched["n"]
        expensive = replace(spec.opt.hyperparameters, n=max(_allowed(spec, "n", directions or ())))
        allowed = [value for value in allowed if value <= map_spec.steps_of(spec.forwards, spec.opt.method, expensive)]
    return name, lambda t: allowed[min(int(t * len(allowed)), len(allowed) - 1)]


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
