"""HiZOO: zeroth-order descent whose probes and steps are scaled by an estimate P of the diagonal Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hizoo_core.base import HyperparameterError, Hyperparameters, Method, Space, hyperparameter
from hizoo_core.estimators import ESTIMATORS, Estimator, first_difference, second_difference
from hizoo_core.mezo import DIRECTIONS, PERTURBATION_SCALE


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
    lr: float = hyperparameter(
        0.1,
        label="η learning rate",
        symbol="η",
        help="Length of a step after it has been divided by the estimated curvature: near 1 it is Newton's step.",
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
        "multiplicative one (needs n ≥ 2).",
        choices=tuple(ESTIMATORS),
    )
    beta: float = hyperparameter(
        0.0,
        label="β smoothing of s",
        symbol="β",
        help="Smoothing of the signed estimate before its modulus is taken; 0 means 2α. Used by multiplicative alone.",
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
            raise HyperparameterError("n", self.n, f"a whole number from {least} to 64 with estimator={self.estimator}")


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


def init(hp: HiZOOHyperparameters, scalar: Callable[[float], Any]) -> Constants:
    estimator = ESTIMATORS[hp.estimator]
    beta = hp.beta or min(1.0, 2.0 * hp.alpha)
    smoothing = beta if estimator.keeps_m else hp.alpha
    return Constants(
        move=hp.lr / (2.0 * hp.n * hp.mu),  # η (1/n) Σ g_i u_i from the first differences
        weigh=smoothing / (2.0 * hp.n * hp.mu**2),  # α (1/n) Σ ½ c_i (u_i² − 1) from the second
        keep=scalar(1.0 - hp.alpha),
        alpha=scalar(hp.alpha),
        forget=scalar(1.0 - beta),
        floor=scalar(hp.floor),
        ceiling=scalar(1.0 / hp.floor),
        warmup=hp.warmup,
        estimator=estimator,
    )


def observe(xp: Any, state: dict[str, Any], k: Constants, s: Any) -> None:
    """Take a sum s over the directions (see `estimators`) into P, in place; s is overwritten."""
    k.estimator.apply(xp, state, k, s)
    xp.hold(state["P"], k.floor, k.ceiling)


def step(space: Space, t: int) -> None:
    # The losses at θ, at θ + μ Σ^{1/2} u_i, and at θ − μ Σ^{1/2} u_i.
    centre, plus, minus = space.probe()
    xp = space.xp
    row, next_row = space.numbers
    g = first_difference(xp, plus, minus, row)
    c = second_difference(xp, centre, plus, minus, next_row)
    estimator = space.constants.estimator
    estimator.prepare(xp, c)
    for block, slopes, s in space.sums(g, c):
        # As in `observe`, without the cost of its call.
        k, P = block.constants, block.state["P"]
        estimator.apply(xp, block.state, k, s)
        xp.hold(P, k.floor, k.ceiling)
        block.root = root = xp.root(P, block.root)
        if t >= k.warmup:
            # The new P scales the step; the probes were drawn with the old one.
            slopes /= root
            theta = block.theta
            theta -= slopes


METHOD = Method(
    key="hizoo",
    name="HiZOO",
    summary="Zeroth-order descent that estimates the diagonal Hessian from the same probes and divides by it.",
    hyperparameters=HiZOOHyperparameters,
    init=init,
    step=step,
    forwards=lambda hp: 2 * hp.n + 1,
    state={"P": 1.0, "m": 0.0},
    stochastic=True,
    estimates_hessian=True,
)
