"""One step of one run, taken apart: everything that the optimizer saw, and what it made of it.

The run is walked to the step by the code that `optimize` runs; the step itself is made by the method on a witness of
its space, which hands everything through and keeps copies. So the numbers are the run's own, to the last bit. What a
method never forms (S, δ, m̂) its `terms` work out from them, with the formulas of its step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from hizoo_core import noise
from hizoo_core.auto_rate import AUTO
from hizoo_core.base import Cancelled, Hyperparameters, Made, Method, Objective, Probes
from hizoo_core.engine import walk
from hizoo_core.estimators import curvature, first_difference, second_difference, slope
from hizoo_core.methods import POINT_METHODS
from hizoo_core.spaces import BatchedPoints, NumpyArithmetic

__all__ = ["Probes", "StepAnatomy", "dissect"]

PIECE = 500  # steps whose directions are prepared at a time


@dataclass(frozen=True)
class StepAnatomy:
    """Step `step` (from 0) of run `run`, which leads from `theta` to `theta_next`, both (d,).

    hyperparameters: those in force at this step; of lr=auto the step's own η, or minus the η of the step before that
    this one takes back. state, state_next: the method's own vectors (P, m, v), each (d,),
    before and after. probes: of the methods that probe. seen: the vectors asked of the objective, "gradient" and
    "hessian_diagonal", each (d,). terms: what the formulas name on the way, each (d,). tilt: the ξ of this step's
    gradient noise, (d,): losses and gradient are those of L(θ) + ξ·θ. warming: a step of the warm-up, which leaves θ.
    """

    method: str
    hyperparameters: Hyperparameters
    step: int
    run: int
    theta: np.ndarray
    theta_next: np.ndarray
    state: dict[str, np.ndarray]
    state_next: dict[str, np.ndarray]
    probes: Probes | None
    seen: dict[str, np.ndarray]
    terms: dict[str, np.ndarray]
    tilt: np.ndarray | None
    warming: bool


def dissect(
    objective: Objective,
    method: str,
    hyperparameters: Any,
    start: Any,
    *,
    step: int,
    run: int = 0,
    seed: int = 0,
    changes: Sequence[tuple[int, Any]] = (),
    gradient_noise: float = 0.0,
    since: StepAnatomy | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> StepAnatomy:
    """Step `step` of run `run` of what `optimize` does with the same arguments, whatever its steps and runs.

    `since`, an earlier step of the same run, saves walking there from the start. A run that has diverged by then is
    walked on, and its numbers need not be finite. Raises ValueError for a run below 0, or a step below 0 or `since`;
    Cancelled soon after `cancelled()` has turned true.
    """
    if any(getattr(settings, "lr", None) == AUTO for settings in (hyperparameters, *(later for _, later in changes))):
        since = None  # what the rule has learned on the way is no part of an anatomy
    begin = since.step if since else 0
    for name, value, least in (("step", step, begin), ("run", run, 0)):
        if value < least:
            raise ValueError(f"{name} = {value!r}: must be {least} or more")
    record = POINT_METHODS[method]
    origin = np.array(since.theta if since else start, dtype=np.float64)
    lane = run if record.stochastic or gradient_noise else 0  # without noise every run is the same
    spaces = partial(
        BatchedPoints,
        record,
        objective=objective,
        start=origin,
        runs=slice(lane - lane % noise.runs_per_stream(origin.size), lane + 1),
        seed=seed,
        gradient_noise=gradient_noise,
        state=since.state if since else None,
    )
    plan = [(0, hyperparameters), *changes]
    ends = [k for k, _ in plan[1:]] + [step + 1]
    segments = [
        (max(first, begin), min(end, step + 1), [settings])
        for (first, settings), end in zip(plan, ends, strict=True)
        if first <= step and end > begin
    ]
    with np.errstate(all="ignore"):
        for first, end, _, space in walk(spaces, segments, PIECE):
            if cancelled is not None and cancelled():
                raise Cancelled
            for t in space.through(first, end):
                if t < step:
                    record.on_points.step(space, t)
                else:
                    return _made(_Witness(space), record, segments[-1][2][0], step, run)
    raise AssertionError("unreachable: the last segment ends behind the step")


def _made(witness: _Witness, method: Method, hp: Any, step: int, run: int) -> StepAnatomy:
    """Make the step, and say what it was made of."""
    theta, state = witness.theta(), witness.state()
    method.on_points.step(witness, step)  # pyright: ignore[reportArgumentType]  # a space in all that a method sees
    u, tilts = witness.drawn(step)
    probes = None if witness.losses is None else _probes(u[..., -1].copy(), hp.mu, theta, state, witness.losses)
    if witness.auto is not None:  # the step's own
        hp = replace(hp, lr=float(witness.auto.shown[-1, -1]))
    made = Made(hp, step, state, witness.state(), probes, witness.seen)
    return StepAnatomy(
        method=method.key,
        hyperparameters=hp,
        step=step,
        run=run,
        theta=theta,
        theta_next=witness.theta(),
        state=state,
        state_next=made.state_next,
        probes=probes,
        seen=witness.seen,
        terms=method.on_points.terms(made),
        tilt=None if tilts is None else tilts[:, -1].copy(),
        warming=step < getattr(hp, "warmup", 0),
    )


class _Witness:
    """A space that keeps copies of what its last run was shown."""

    def __init__(self, space: BatchedPoints) -> None:
        self._space = space
        self.losses: tuple[Any, ...] | None = None
        self.seen: dict[str, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def theta(self) -> np.ndarray:
        return self._space.block.theta[:, -1].copy()

    def state(self) -> dict[str, np.ndarray]:
        return {name: value[:, -1].copy() for name, value in self._space.block.state.items()}

    def probe(self) -> Sequence[Any]:
        losses = self._space.probe()
        width = self._space.block.theta.shape[-1]
        self.losses = tuple(np.reshape(loss, (-1, width))[:, -1].copy() for loss in losses)
        return losses

    def gradient(self) -> np.ndarray:
        gradient = self._space.gradient()
        self.seen["gradient"] = gradient[:, -1].copy()
        return gradient

    def hessian_diagonal(self) -> np.ndarray:
        diagonal = self._space.hessian_diagonal()
        self.seen["hessian_diagonal"] = diagonal[:, -1].copy()
        return diagonal


def _probes(
    u: np.ndarray, mu: float, theta: np.ndarray, state: dict[str, np.ndarray], losses: tuple[Any, ...]
) -> Probes:
    *centre, plus, minus = losses
    root = np.sqrt(state["P"]) if "P" in state else np.ones_like(theta)
    offsets = u * mu / root  # in the space's own order, so that the points are the probed ones to the bit
    xp = NumpyArithmetic
    return Probes(
        u=u,
        z=u / root,
        points_plus=theta + offsets,
        points_minus=theta - offsets,
        centre=float(centre[0][0]) if centre else None,
        plus=plus,
        minus=minus,
        g=slope(first_difference(xp, plus, minus, None), mu),
        c=curvature(second_difference(xp, centre[0], plus, minus, None), mu) if centre else None,
    )
