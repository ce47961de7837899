"""Gradient descent preconditioned by the exact diagonal Hessian's absolute value: what perfect knowledge would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizoo_core.base import Hyperparameters, Method, PointForm, Space, hyperparameter


@dataclass(frozen=True)
class NewtonDiagHyperparameters(Hyperparameters):
    """The exact diagonal's settings; a value out of range raises HyperparameterError."""

    lr: float = hyperparameter(
        0.5,
        label="η learning rate",
        symbol="η",
        help="Length of a step after it has been divided by the true curvature: 1 is Newton's step.",
        low=0.0,
        high=1e6,
        slider=(1e-3, 10.0),
        scale="log",
    )
    floor: float = hyperparameter(
        1e-3,
        label="floor on |H|",
        symbol="H_min",
        help="Least curvature divided by. Where the function is flat or linear this alone bounds the step.",
        low=1e-12,
        high=1e6,
        slider=(1e-6, 1e3),
        scale="log",
    )


def init(hp: NewtonDiagHyperparameters, scalar: Callable[[float], Any]) -> NewtonDiagHyperparameters:
    return hp


def divisor(diagonal: np.ndarray, floor: Any) -> np.ndarray:
    """max(|diag H|, floor)"""
    return np.maximum(np.abs(diagonal), floor)


def step(space: Space, t: int) -> None:
    """θ ← θ − η ∇L / max(|diag H|, floor)."""
    hp, theta = space.constants, space.block.theta
    theta -= hp.lr * space.gradient() / divisor(space.hessian_diagonal(), hp.floor)


METHOD = Method(
    key="newton_diag",
    name="Exact diagonal",
    summary="Gradient descent divided by the exact diagonal Hessian: an oracle, whose Hessian is not charged.",
    forwards=lambda hp: 3,  # one gradient, as for Adam; an exact Hessian would cost d more and is given away free
    stochastic=False,
    estimates_hessian=False,
    points=PointForm(
        hyperparameters=NewtonDiagHyperparameters,
        init=init,
        step=step,
        state={},
        axes=("lr=1e-3:10:12", "floor=1e-6,1e-4,1e-2,1,100,1000"),
        searched={"lr": None, "floor": None},
        terms=lambda made: {"divisor": divisor(made.seen["hessian_diagonal"], made.hyperparameters.floor)},
    ),
)
