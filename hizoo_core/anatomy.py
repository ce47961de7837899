"""One step of one run, taken apart: everything that the optimizer saw, and what it made of it.

The run is walked to the step by the code that `optimize` runs; the step itself is made by the method on a witness of
its space, which hands everything through and keeps copies. So the numbers are the run's own, to the last bit. What a
method never forms (S, δ, m̂) is worked out from them by the formulas as papers write them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hizoo_core import noise
from hizoo_core.base import Cancelled, Hyperparameters, Objective
from hizoo_core.engine import METHODS, walk
from hizoo_core.spaces import BatchedPoints

PIECE = 500  # steps whose directions are prepared at a time


@dataclass(frozen=True)
class Probes:
    """The forward passes of a step: u, z = Σ^½ u and the points θ ± μ z are (n, d); losses, slopes g and curvatures c
    (n,). `centre` is the loss at θ and c comes from the second differences; None for a method that does not look there.
    """

    u: np.ndarray
    z: np.ndarray
    points_plus: np.ndarray
    points_minus: np.ndarray
    centre: float | None
    plus: np.ndarray
    minus: np.ndarray
    g: np.ndarray
    c: np.ndarray | None


@dataclass(frozen=True)
class StepAnatomy:
    """Step `step` (from 0) of run `run`, which leads from `theta` to `theta_next`, both (d,).

    hyperparameters: those in force at this step. state, state_next: the method's own vectors (P, m, v), each (d,),
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
    begin = since.step if since else 0
    for name, value, least in (("step", step, begin), ("run", run, 0)):
        if value < least:
            raise ValueError(f"{name} = {value!r}: must be {least} or more")
    record = METHODS[method]
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
                    record.step(space, t)
                else:
                    return _made(_Witness(space), method, segments[-1][2][0], step, run)
    raise AssertionError("unreachable: the last segment ends behind the step")


def _made(witness: _Witness, method: str, hp: Any, step: int, run: int) -> StepAnatomy:
    """Make the step, and say what it was made of."""
    theta, state = witness.theta(), witness.state()
    METHODS[method].step(witness, step)  # pyright: ignore[reportArgumentType]  # a space in all that a method sees
    u, tilts = witness.drawn(step)
    probes = None if witness.losses is None else _probes(u[..., -1].copy(), hp.mu, theta, state, witness.losses)
    return StepAnatomy(
        method=method,
        hyperparameters=hp,
        step=step,
        run=run,
        theta=theta,
        theta_next=witness.theta(),
        state=state,
        state_next=witness.state(),
        probes=probes,
        seen=witness.seen,
        terms=TERMS[method](hp, step, state, probes, witness.seen),
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

    def probe(self) -> tuple[Any, ...]:
        losses = self._space.probe()
        self.losses = tuple(np.atleast_1d(loss[..., -1]).copy() for loss in losses)
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
    middle = centre[0][0] if centre else None
    # As in `estimators`: the difference of two differences loses no further digit.
    c = None if middle is None else ((plus - middle) - (middle - minus)) / mu**2
    return Probes(
        u=u,
        z=u / root,
        points_plus=theta + offsets,
        points_minus=theta - offsets,
        centre=None if middle is None else float(middle),
        plus=plus,
        minus=minus,
        g=(plus - minus) / (2 * mu),
        c=c,
    )


def _hizoo_terms(hp: Any, step: int, state: dict[str, np.ndarray], probes: Probes | None, seen: Any) -> dict[str, Any]:
    """S of `paper` and `released`; s, the smoothed m and the exponent δ of `multiplicative`."""
    assert probes is not None
    assert probes.c is not None
    P, c, square = state["P"], probes.c[:, None], probes.u**2
    if hp.estimator == "paper":
        return {"S": np.abs((c * (square - 1)).mean(axis=0) * P / 2)}
    if hp.estimator == "released":
        return {"S": (np.abs(c) * square).mean(axis=0) * P / 2}
    others = (c.sum(axis=0) - c) / (hp.n - 1)
    s = ((c - others) * (square - 1)).mean(axis=0) / 2
    beta = hp.beta or min(1.0, 2 * hp.alpha)
    m = (1 - beta) * state["m"] + beta * s
    return {"s": s, "m": m, "delta": np.clip(hp.alpha * (np.abs(m) - 1), -0.5, 0.5)}


def _adam_terms(hp: Any, step: int, state: dict[str, np.ndarray], probes: Any, seen: dict[str, Any]) -> dict[str, Any]:
    """The two moments after the step, and both with their bias corrected."""
    gradient = seen["gradient"]
    m = hp.beta1 * state["m"] + (1 - hp.beta1) * gradient
    v = hp.beta2 * state["v"] + (1 - hp.beta2) * gradient**2
    return {"m": m, "v": v, "m_hat": m / (1 - hp.beta1 ** (step + 1)), "v_hat": v / (1 - hp.beta2 ** (step + 1))}


def _newton_terms(hp: Any, step: int, state: Any, probes: Any, seen: dict[str, Any]) -> dict[str, Any]:
    """The curvature that is divided by."""
    return {"divisor": np.maximum(np.abs(seen["hessian_diagonal"]), hp.floor)}


def _no_terms(hp: Any, step: int, state: Any, probes: Any, seen: Any) -> dict[str, Any]:
    return {}


TERMS = {"hizoo": _hizoo_terms, "mezo": _no_terms, "adam": _adam_terms, "newton_diag": _newton_terms}
