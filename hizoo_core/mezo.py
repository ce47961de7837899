"""MeZO: zeroth-order descent along random directions (arXiv 2305.17333)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hizoo_core import auto_rate
from hizoo_core.base import Hyperparameters, Method, ModelForm, PointForm, Space, changed, hyperparameter
from hizoo_core.estimators import first_difference, second_difference
from hizoo_core.schedules import scheduled, unscheduled

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
COUNTS = (1, 2, 4, 8, 16, 32)  # of directions, as tuning tries them
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
    lr: float | str = hyperparameter(
        1e-4,
        label="η learning rate",
        symbol="η",
        help="Length of a step. The steepest direction bounds it from above, so the flat ones crawl. auto: each step's "
        "own, from the slopes and curvatures of its probes; takes the loss at θ too, one more forward pass a step.",
        auto=True,
        low=0.0,
        high=1e6,
        slider=(1e-7, 10.0),
        scale="log",
    )
    mu: float = hyperparameter(1e-3, **PERTURBATION_SCALE)


TRAINING_RATE: dict[str, Any] = dict(slider=(1e-6, 1e-1))
TRAINING_SCALE: dict[str, Any] = dict(
    help="How far from θ the loss is probed. Too large blurs slope and curvature, too small drowns them in rounding; "
    "a loss that counts errors needs a larger one.",
    slider=(1e-5, 1e-1),
)


@dataclass(frozen=True)
class MeZOTraining(MeZOHyperparameters):
    """MeZO's settings for training a model; a value out of range raises HyperparameterError."""

    n: int = changed(MeZOHyperparameters, "n", 4)
    lr: float | str = changed(
        MeZOHyperparameters,
        "lr",
        1e-3,
        help="Length of a step along the estimated gradient, whose noise grows with the number of parameters: the more "
        "of them, and the fewer directions, the smaller it has to be. auto: each step's own, from its probes; one more "
        "forward pass a step.",
        **TRAINING_RATE,
    )
    mu: float = changed(MeZOHyperparameters, "mu", 1e-3, **TRAINING_SCALE)
    schedule: str = scheduled("η")


@dataclass(frozen=True, slots=True)
class Constants:
    """What the formulas use of the hyperparameters."""

    move: float


def init(hp: MeZOHyperparameters, scalar: Callable[[float], Any]) -> Constants:
    return Constants(move=auto_rate.factor(hp.lr) / (2.0 * hp.n * hp.mu))


def step(space: Space, t: int) -> None:
    # The losses at θ + μ u_i, and at θ − μ u_i; before them with lr=auto the one at θ.
    *centre, plus, minus = space.probe()
    xp = space.of_losses
    g = first_difference(xp, plus, minus, space.numbers[0])
    if space.paced is not None:
        g = space.paced(centre[0], g, second_difference(xp, centre[0], plus, minus, None), True)
    for block, slopes in space.sums(g):
        theta = block.theta
        theta -= slopes


METHOD = Method(
    key="mezo",
    name="MeZO",
    summary="Zeroth-order descent: the slope along random directions stands in for the gradient.",
    forwards=lambda hp: 2 * hp.n + auto_rate.extra(hp),
    stochastic=True,
    estimates_hessian=False,
    points=PointForm(
        hyperparameters=MeZOHyperparameters,
        init=init,
        step=step,
        state={},
        axes=("lr=1e-7:1:12", "mu=1e-6:0.1:6"),
        searched={"lr": None, "n": COUNTS},
    ),
    models=ModelForm(MeZOTraining, "hizoo_core.torch_optim:MeZO", unscheduled),
)
