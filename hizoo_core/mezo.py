"""MeZO: zeroth-order descent along random directions (arXiv 2305.17333)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hizoo_core.base import Hyperparameters, Method, Space, hyperparameter
from hizoo_core.estimators import first_difference

DIRECTIONS: dict[str, Any] = dict(
    label="n directions",
    symbol="n",
    help="Random directions probed in each step. More of them average noise away, and each costs two forward passes.",
    low=1,
    high=64,
    slider=(1, 32),
    scale="log",
    integer=True,
)
PERTURBATION_SCALE: dict[str, Any] = dict(
    label="μ perturbation",
    symbol="μ",
    help="How far from θ the loss is probed. Too large blurs the curvature, too small drowns it in rounding.",
    low=1e-12,
    high=1e3,
    slider=(1e-6, 1.0),
    scale="log",
)


@dataclass(frozen=True)
class MeZOHyperparameters(Hyperparameters):
    """MeZO's settings; a value out of range raises HyperparameterError."""

    n: int = hyperparameter(1, **DIRECTIONS)
    lr: float = hyperparameter(
        1e-4,
        label="η learning rate",
        symbol="η",
        help="Length of a step. The steepest direction bounds it from above, so the flat ones crawl.",
        low=0.0,
        high=1e6,
        slider=(1e-7, 10.0),
        scale="log",
    )
    mu: float = hyperparameter(1e-3, **PERTURBATION_SCALE)


@dataclass(frozen=True, slots=True)
class Constants:
    """What the formulas use of the hyperparameters."""

    move: float


def init(hp: MeZOHyperparameters, scalar: Callable[[float], Any]) -> Constants:
    return Constants(move=hp.lr / (2.0 * hp.n * hp.mu))


def step(space: Space, t: int) -> None:
    # The losses at θ + μ u_i, and at θ − μ u_i.
    plus, minus = space.probe()
    for block, slopes in space.sums(first_difference(space.xp, plus, minus, space.numbers[0])):
        theta = block.theta
        theta -= slopes


METHOD = Method(
    key="mezo",
    name="MeZO",
    summary="Zeroth-order descent: the slope along random directions stands in for the gradient.",
    hyperparameters=MeZOHyperparameters,
    init=init,
    step=step,
    forwards=lambda hp: 2 * hp.n,
    state={},
    stochastic=True,
    estimates_hessian=False,
)
