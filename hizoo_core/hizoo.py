"""HiZOO: zeroth-order descent whose probes and steps are scaled by an estimate P of the diagonal Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizoo_core import auto_rate, reliability
from hizoo_core.base import (
    HyperparameterError,
    Hyperparameters,
    Made,
    Method,
    ModelForm,
    PointForm,
    Space,
    changed,
    hyperparameter,
)
from hizoo_core.estimators import (
    ESTIMATORS,
    Estimator,
    estimate,
    exponent,
    first_difference,
    observe,
    second_difference,
    signed_smoothing,
)
from hizoo_core.mezo import COUNTS, DIRECTIONS, PERTURBATION_SCALE, TRAINING_RATE, TRAINING_SCALE
from hizoo_core.schedules import scheduled, unscheduled
from hizoo_core.spaces import NumpyArithmetic

STATE = {"P": 1.0, "m": 0.0, "e": 0.0}  # of each element, at the start
POOLS: dict[str, str] = {
    "none": "one P an element, as in the paper",
    "row": "one P a row of a tensor: the last axis shares it",
    "tensor": "one P a tensor",
}


@dataclass(frozen=True)
class HiZOOHyperparameters(Hyperparameters):
    """HiZOO's settings; a value out of range raises HyperparameterError."""

    alpha: float = hyperparameter(
        0.1,
        label="α smoothing",
        symbol="α",
        help="Weight of the newest curvature estimate. Larger follows the curvature faster, and lets more noise in.",
        low=0.0,
        high=1.0,
        slider=(1e-4, 1.0),
        scale="log",
    )
    n: int = hyperparameter(4, **DIRECTIONS)
    lr: float | str = hyperparameter(
        0.1,
        label="η learning rate",
        symbol="η",
        help="Length of a step after it has been divided by the estimated curvature: near 1 it is Newton's step. auto: "
        "each step's own, from the slopes and curvatures of its probes.",
        auto=True,
        low=0.0,
        high=1e6,
        slider=(1e-4, 10.0),
        scale="log",
    )
    mu: float = hyperparameter(1e-3, **PERTURBATION_SCALE)
    warmup: int = hyperparameter(
        0,
        label="warm-up",
        symbol="k",
        help="First steps that update the curvature estimate and leave θ alone. Their passes are counted.",
        low=0,
        high=20_000,
        slider=(0, 100),
        integer=True,
        unit="steps",
    )
    estimator: str = hyperparameter(
        "paper",
        label="estimator",
        symbol="S",
        help="Formula of the curvature estimate: the paper's, the one in the authors' released code, or this project's "
        "own: multiplicative (needs n ≥ 2), and reliable, which lets a group's P differ as far as its curvature can be "
        "told from noise.",
        choices=tuple(ESTIMATORS),
    )
    beta: float = hyperparameter(
        0.0,
        label="β smoothing of s",
        symbol="β",
        help="Smoothing of the signed estimate before its absolute value is taken; 0 means 2α. Used by multiplicative "
        "alone.",
        low=0.0,
        high=1.0,
        slider=(0.0, 1.0),
    )
    floor: float = hyperparameter(
        1e-12,
        label="floor on P",
        symbol="P_min",
        help="P is held between this and its reciprocal.",
        low=1e-30,
        high=1.0,
        slider=(1e-12, 1.0),
        scale="log",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        least = ESTIMATORS[self.estimator].least_n
        if self.n < least:
            allowed = f"a whole number from {least} to 64 with estimator={self.estimator}"
            raise HyperparameterError("n", self.n, allowed, DIRECTIONS["label"])

    @property
    def unused(self) -> dict[str, str]:
        users = [name for name, estimator in ESTIMATORS.items() if estimator.keeps_m]
        return {} if self.estimator in users else {"beta": f"estimator={' or '.join(users)}"}


@dataclass(frozen=True)
class HiZOOTraining(HiZOOHyperparameters):
    """HiZOO's settings for training a model; a value out of range raises HyperparameterError."""

    alpha: float = changed(
        HiZOOHyperparameters,
        "alpha",
        1e-2,
        help="Weight of the newest curvature estimate in P. Larger follows the curvature faster and lets more noise "
        "in, which the absolute value turns into growth of P and so into shorter steps.",
        slider=(1e-8, 1.0),
    )
    n: int = changed(HiZOOHyperparameters, "n", 4)
    lr: float | str = changed(
        HiZOOHyperparameters,
        "lr",
        1e-3,
        help="Length of a step after it has been divided by √P twice: once in the probe, once in the update. auto: "
        "each step's own, from the slopes and curvatures of its probes.",
        **TRAINING_RATE,
    )
    mu: float = changed(HiZOOHyperparameters, "mu", 1e-3, **TRAINING_SCALE)
    schedule: str = scheduled("η")
    alpha_schedule: str = scheduled("α")
    pool: str = hyperparameter(
        "none",
        label="pooling of P",
        symbol="pool",
        help="One P for every element, or one for a row or for a whole tensor, from the mean of the estimates over it. "
        "Averaging cuts their noise. Pooling is this project's variant, not the paper's; reliable ignores it.",
        choices=tuple(POOLS),
    )

    @property
    def unused(self) -> dict[str, str]:
        others = [name for name, estimator in ESTIMATORS.items() if not estimator.predicts]
        return super().unused | ({} if self.estimator in others else {"pool": f"estimator={' or '.join(others)}"})


@dataclass(frozen=True, slots=True)
class Constants:
    """What the formulas use of the hyperparameters, each in the space's scalar type."""

    move: float
    weigh: float
    keep: Any
    alpha: Any
    forget: Any
    floor: Any
    ceiling: Any
    warmup: int
    estimator: Estimator


def constants(hp: Any, smoothing: float, scalar: Callable[[float], Any]) -> Constants:
    """Those of hyperparameters whose sums s are smoothed by `smoothing`, α or β."""
    return Constants(
        move=auto_rate.factor(hp.lr) / (2.0 * hp.n * hp.mu),  # η (1/n) Σ g_i u_i from the first differences
        weigh=smoothing / (2.0 * hp.n * hp.mu**2),  # α (1/n) Σ ½ c_i (u_i² − 1) from the second
        keep=scalar(1.0 - hp.alpha),
        alpha=scalar(hp.alpha),
        forget=scalar(1.0 - smoothing),
        floor=scalar(hp.floor),
        ceiling=scalar(1.0 / hp.floor),
        warmup=hp.warmup,
        estimator=ESTIMATORS[hp.estimator],
    )


def init(hp: HiZOOHyperparameters, scalar: Callable[[float], Any]) -> Constants:
    estimator = ESTIMATORS[hp.estimator]
    if estimator.predicts:
        return constants(hp, 1.0, scalar)
    return constants(hp, (hp.beta or min(1.0, 2.0 * hp.alpha)) if estimator.keeps_m else hp.alpha, scalar)


def looked(space: Space, moves: bool = True) -> Any:
    """Probe; the sums over the directions that make the step (η (1/n) Σ g_i u_i), and s (see `estimators`)."""
    # The losses at θ, at θ + μ Σ^{1/2} u_i, and at θ − μ Σ^{1/2} u_i.
    centre, plus, minus = space.probe()
    xp = space.of_losses
    row, next_row = space.numbers
    g = first_difference(xp, plus, minus, row)
    c = second_difference(xp, centre, plus, minus, next_row)
    if space.paced is not None:
        g = space.paced(centre, g, c, moves)
    estimator = space.constants.estimator
    return space.sums(g, estimator.prepare(xp, space.residuals(c) if estimator.predicts else c))


def step(space: Space, t: int) -> None:
    xp = space.xp
    for block, slopes, s in looked(space, t >= space.constants.warmup):
        k, state = block.constants, block.state
        observe(xp, state, k, s, block.move)
        block.root = root = xp.root(state["P"], block.root)
        if t >= k.warmup:
            # The new P scales the step; the probes were drawn with the old one.
            slopes /= root
            theta = block.theta
            theta -= slopes


def terms(made: Made) -> dict[str, np.ndarray]:
    """S of `paper` and `released`; s, the smoothed m (1 + e) and the exponent δ of `multiplicative` and `reliable`."""
    assert made.probes is not None
    assert made.probes.c is not None
    xp, hp = NumpyArithmetic, made.hyperparameters
    k = init(hp, float)
    if k.estimator.predicts:
        return _terms_of_reliable(hp, made)
    s = estimate(xp, k.estimator, made.probes.c.copy(), made.probes.u)
    if not k.estimator.keeps_m:
        return {"S": s * made.state["P"]}
    m = made.state["m"].copy()
    signed_smoothing(m, k.forget, (1.0 - k.forget) * s)
    return {"s": s, "m": m, "delta": exponent(xp, m, k.alpha)}


def _terms_of_reliable(hp: HiZOOHyperparameters, made: Made) -> dict[str, np.ndarray]:
    assert made.probes is not None
    assert made.probes.c is not None
    u, e = made.probes.u, made.state["e"]
    r = made.probes.c - (u * u) @ (1.0 + e)
    whole = reliability.Whole(r.mean(), (r * r).mean(), abs(1.0 + e).mean(), hp.n, e.size)
    move, _ = reliability.learn({name: made.state[name] for name in reliability.NUMBERS}, hp.alpha, whole, None)
    s = (r[:, None] * (u * u - 1.0)).sum(0) / (2 * hp.n)
    e = e + move.gain * s + move.shift
    return {"s": s, "m": 1.0 + e, "delta": reliability.exponent(NumpyArithmetic, e, move, hp.alpha)}


METHOD = Method(
    key="hizoo",
    name="HiZOO",
    summary="Zeroth-order descent that estimates the diagonal Hessian from the same probes and divides by it.",
    forwards=lambda hp: 2 * hp.n + 1,
    stochastic=True,
    estimates_hessian=True,
    points=PointForm(
        hyperparameters=HiZOOHyperparameters,
        init=init,
        step=step,
        state=STATE,
        numbers=reliability.NUMBERS,
        axes=("alpha=1e-4:1:12", "n=1,2,4,8,16,32"),
        searched={"lr": None, "alpha": None, "n": COUNTS, "warmup": (0, 10, 30)},
        terms=terms,
    ),
    models=ModelForm(HiZOOTraining, "hizoo_core.torch_optim:HiZOO", unscheduled),
)
