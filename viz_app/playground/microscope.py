"""One step of one optimizer as the microscope shows it: its numbers at the two shown coordinates, and the loss along
each of its directions.

    GET /api/step?SPEC&of=hizoo&step=12&run=0&coords=0,1&reach=50

`of` is an optimizer's label, `step` counts from 0, `run` too. Losses along a direction z are evenly spaced values of
L(θ + s z), as the optimizer sees L (with its noise, if any): "near" for |s| ≤ 2.5 μ, "wide" for |s| ≤ 1.2 `reach`, the
length to which a picture enlarges the probes. Of an optimizer that does not probe, the slice is along its step, in
units of that. Numbers that are not finite are null.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from functions import TestFunction, resolve
from hizoo_core import METHODS
from hizoo_core.anatomy import Probes, StepAnatomy, dissect
from viz_app.spec.runs import OptSpec, RunSpec, SpecError
from viz_app.spec.text import Error, unknown, wrong
from viz_app.web.finite import finite

MILESTONE = 250  # steps: of longer walks, the points at their multiples are kept
NEAR, WIDE = 2.5, 1.2  # in units of μ, and of `reach`
STEP_NEAR, STEP_WIDE = (-0.5, 1.5), (-4.0, 6.0)  # of a step's slice, in units of the step
SAMPLES = 101  # odd, and 2.5 is 50 of them: θ and both probes are among the near ones


def encode(
    spec: RunSpec,
    *,
    of: str,
    step: int,
    run: int = 0,
    coords: tuple[int, int] = (0, 1),
    reach: float = 1.0,
    cancelled: Callable[[], bool] | None = None,
) -> bytes:
    """The JSON described above. Raises SpecError for an `of`, `step` or `run` that the spec does not have, and
    `hizoo_core.Cancelled` soon after `cancelled()` has turned true.
    """
    errors: list[Error] = []
    if of not in spec.labels:
        errors.append(unknown("of", "optimizer of this run", of, spec.labels))
    for name, label, value, count in (("step", "Step", step, spec.steps), ("run", "Run", run, spec.runs)):
        if not 0 <= value < count:
            errors.append(wrong(name, label, value, f"0 to {name}s − 1 = {count - 1:,}"))
    if errors:
        raise SpecError(errors)
    opt = spec.opts[spec.labels.index(of)]
    with np.errstate(all="ignore"):
        anatomy = _anatomy(_Walk(spec.f, spec.x0, spec.seed, spec.noise, opt, run, cancelled), step)
        record = _record(spec.function, anatomy, list(coords), reach)
    place = {"of": of, "method": opt.method, "run": run, "step": step, "steps": spec.steps, "coords": coords}
    return _json(place | record).encode()


@dataclass(frozen=True)
class _Walk:
    """One run of one optimizer, as a key of what is kept of it; who asks is no part of the key."""

    f: str
    x0: tuple[float, ...]
    seed: int
    noise: float
    opt: OptSpec
    run: int
    cancelled: Callable[[], bool] | None = field(compare=False)

    def to(self, step: int, since: StepAnatomy | None) -> StepAnatomy:
        return dissect(
            resolve(self.f),
            self.opt.method,
            self.opt.hyperparameters,
            self.x0,
            step=step,
            run=self.run,
            seed=self.seed,
            changes=self.opt.changes,
            gradient_noise=self.noise,
            since=since,
            cancelled=self.cancelled,
        )


def _anatomy(walk: _Walk, step: int) -> StepAnatomy:
    milestone = step // MILESTONE
    return walk.to(step, _milestone(walk, milestone) if milestone else None)


@lru_cache(maxsize=256)
def _milestone(walk: _Walk, number: int) -> StepAnatomy:
    """Step number × MILESTONE, walked to from the milestone before it."""
    since = _milestone(walk, number - 1) if number > 1 else None
    return replace(walk.to(number * MILESTONE, since), probes=None)


def _record(function: TestFunction, anatomy: StepAnatomy, shown: list[int], reach: float) -> dict[str, Any]:
    """Everything but where the step is: vectors at the shown coordinates, slices in all of them."""
    hp: Any = anatomy.hyperparameters

    def pairs(vectors: dict[str, np.ndarray]) -> dict[str, list[float]]:
        numbers = {name for name in vectors if name in METHODS[anatomy.method].on_points.numbers}
        return {name: vector[shown].tolist() for name, vector in vectors.items() if name not in numbers}

    def seen(points: np.ndarray) -> np.ndarray:
        """The loss as the optimizer sees it in this step: (m, d) → (m,)."""
        value = function.value(points)
        return value if anatomy.tilt is None else value + points @ anatomy.tilt

    def along(z: np.ndarray, low: float, high: float) -> dict[str, Any]:
        s = np.linspace(low, high, SAMPLES)
        return {"from": low, "to": high, "loss": seen(anatomy.theta + s[:, None] * z).tolist()}

    record: dict[str, Any] = {
        "hyperparameters": vars(hp),
        "passes": METHODS[anatomy.method].forwards(hp),
        "dim": len(anatomy.theta),
        "theta": anatomy.theta[shown].tolist(),
        "theta_next": anatomy.theta_next[shown].tolist(),
        "loss": float(seen(anatomy.theta)),
        "loss_next": float(seen(anatomy.theta_next)),
        "state": pairs(anatomy.state),
        "state_next": pairs(anatomy.state_next),
        "terms": pairs(anatomy.terms),
        "seen": pairs(anatomy.seen),
        "tilt": None if anatomy.tilt is None else anatomy.tilt[shown].tolist(),
        "warming": anatomy.warming,
        "directions": [],
    }
    if anatomy.probes is None:
        move = anatomy.theta_next - anatomy.theta
        slope = float(anatomy.seen["gradient"] @ move)
        record["path"] = {"slope": slope, "near": along(move, *STEP_NEAR), "wide": along(move, *STEP_WIDE)}
        return record
    near, wide = NEAR * hp.mu, WIDE * reach
    record["directions"] = [
        _direction(anatomy.probes, i, shown) | {"near": along(z, -near, near), "wide": along(z, -wide, wide)}
        for i, z in enumerate(anatomy.probes.z)
    ]
    return record


def _direction(probes: Probes, i: int, shown: list[int]) -> dict[str, Any]:
    return {
        "u": probes.u[i, shown].tolist(),
        "z": probes.z[i, shown].tolist(),
        "centre": probes.centre,
        "plus": float(probes.plus[i]),
        "minus": float(probes.minus[i]),
        "g": float(probes.g[i]),
        "c": None if probes.c is None else float(probes.c[i]),
    }


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:  # rare, and looking at each number takes as long as writing it
        return json.dumps(finite(value), allow_nan=False, separators=(",", ":"))
