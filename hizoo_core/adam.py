"""Adam (arXiv 1412.6980) with bias correction: the first-order method to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizoo_core.base import Hyperparameters, Made, Method, ModelForm, PointForm, Space, changed, hyperparameter
from hizoo_core.schedules import scheduled


@dataclass(frozen=True)
class AdamHyperparameters(Hyperparameters):
    """Adam's settings; a value out of range raises HyperparameterError."""

    lr: float = hyperparameter(
        0.05,
        label="η learning rate",
        symbol="η",
        help="Roughly the distance that every coordinate moves in a step, whatever its gradient.",
        low=0.0,
        high=1e6,
        slider=(1e-4, 10.0),
        scale="log",
    )
    beta1: float = hyperparameter(
        0.9,
        label="β₁ decay, g",
        symbol="β₁",
        help="How much of the running mean of the gradient is kept in each step: momentum.",
        low=0.0,
        high=0.9999999,
        slider=(0.0, 0.999),
    )
    beta2: float = hyperparameter(
        0.999,
        label="β₂ decay, g²",
        symbol="β₂",
        help="How much of the running mean of the squared gradient is kept in each step.",
        low=0.0,
        high=0.9999999,
        slider=(0.5, 0.9999),
    )
    eps: float = hyperparameter(
        1e-8,
        label="ε",
        symbol="ε",
        help="Added to the root of the squared gradient's mean, so that nothing is divided by zero.",
        low=0.0,
        high=1.0,
        low_open=True,
        slider=(1e-12, 1e-2),
        scale="log",
    )


@dataclass(frozen=True)
class AdamTraining(AdamHyperparameters):
    """Adam's settings for training a model; a value out of range raises HyperparameterError."""

    lr: float = changed(AdamHyperparameters, "lr", 1e-3, slider=(1e-5, 1e-1))
    schedule: str = scheduled("η")


def correction(beta: float, t: int) -> float:
    """The weight that the gradients seen have in a running mean from 0 after step t (from 0)."""
    return 1.0 - beta ** (t + 1)


def init(hp: AdamHyperparameters, scalar: Callable[[float], Any]) -> AdamHyperparameters:
    return hp


def step(space: Space, t: int) -> None:
    hp, block, gradient = space.constants, space.block, space.gradient()
    m, v, theta = block.state["m"], block.state["v"], block.theta
    m += (gradient - m) * (1.0 - hp.beta1)
    v *= hp.beta2
    v += (1.0 - hp.beta2) * gradient * gradient
    # torch's order of operations: ε is added after the root has been corrected.
    root = v**0.5 / correction(hp.beta2, t) ** 0.5 + hp.eps
    theta -= hp.lr / correction(hp.beta1, t) * (m / root)


def terms(made: Made) -> dict[str, np.ndarray]:
    """The two moments after the step, and both with their bias corrected."""
    hp, m, v = made.hyperparameters, made.state_next["m"], made.state_next["v"]
    return {
        "m": m,
        "v": v,
        "m_hat": m / correction(hp.beta1, made.step),
        "v_hat": v / correction(hp.beta2, made.step),
    }


METHOD = Method(
    key="adam",
    name="Adam",
    summary="First-order descent with momentum, each coordinate scaled by its gradient's running root mean square.",
    forwards=lambda hp: 3,  # a forward pass, and a backward pass counted as two
    stochastic=False,
    estimates_hessian=False,
    points=PointForm(
        hyperparameters=AdamHyperparameters,
        init=init,
        step=step,
        state={"m": 0.0, "v": 0.0},
        axes=("lr=1e-4:10:12", "beta2=0.5,0.9,0.97,0.99,0.997,0.999"),
        searched={"lr": None, "beta2": (0.9, 0.97, 0.99, 0.997, 0.999)},
        terms=terms,
    ),
    models=ModelForm(
        AdamTraining, "torch.optim:Adam", lambda hp: {"lr": hp.lr, "betas": (hp.beta1, hp.beta2), "eps": hp.eps}
    ),
)
