"""The methods that train a model's parameters, and their settings with the ranges that suit a language model.

No torch here: forms and command lines read these records; `hizoo_core.training` runs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hizoo_core import adam, hizoo, mezo
from hizoo_core.base import HyperparameterError, describe, hyperparameter


def _changed(kind: type, name: str, default: float | int | str, **description: Any) -> Any:
    """A field of a dataclass of the Playground, described as there but for what is given."""
    (field,) = (field for field in describe(kind) if field.name == name)
    kept = {key: value for key, value in vars(field).items() if key not in ("name", "default")}
    return hyperparameter(default, **kept | description)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 + 0.5 * math.cos(math.pi * done),
}
"""The factor on a setting at a fraction `done` of all steps, from 0 to (just below) 1."""

POOLS: dict[str, str] = {
    "none": "one P an element, as in the paper",
    "row": "one P a row of a tensor: the last axis shares it",
    "tensor": "one P a tensor",
}


def _schedule(of: str) -> dict[str, Any]:
    return dict(
        label=f"{of} schedule",
        symbol=of,
        help=f"How {of} goes from its value to zero over the run: not at all, in a straight line, or as half a cosine.",
        choices=tuple(SCHEDULES),
    )


_ZEROTH_ORDER_RATE: dict[str, Any] = dict(slider=(1e-6, 1e-1))
_SCALE: dict[str, Any] = dict(
    help="How far from θ the loss is probed. Too large blurs slope and curvature, too small drowns them in rounding; "
    "a loss that counts errors needs a larger one.",
    slider=(1e-5, 1e-1),
)


@dataclass(frozen=True)
class MeZOTraining(mezo.MeZOHyperparameters):
    """MeZO's settings for training a model; a value out of range raises HyperparameterError."""

    n: int = _changed(mezo.MeZOHyperparameters, "n", 4)
    lr: float = _changed(
        mezo.MeZOHyperparameters,
        "lr",
        1e-3,
        help="Length of a step along the estimated gradient, whose noise grows with the number of parameters: the more "
        "of them, and the fewer directions, the smaller it has to be.",
        **_ZEROTH_ORDER_RATE,
    )
    mu: float = _changed(mezo.MeZOHyperparameters, "mu", 1e-3, **_SCALE)
    schedule: str = hyperparameter("constant", **_schedule("η"))


@dataclass(frozen=True)
class HiZOOFactoredTraining(hizoo.HiZOOHyperparameters):
    """HiZOO-L's settings for training a model; a value out of range raises HyperparameterError."""

    alpha: float = _changed(
        hizoo.HiZOOHyperparameters,
        "alpha",
        1e-2,
        help="Weight of the newest curvature estimate in P. Larger follows the curvature faster and lets more noise "
        "in, which the modulus turns into growth of P and so into shorter steps.",
        slider=(1e-8, 1.0),
    )
    n: int = _changed(hizoo.HiZOOHyperparameters, "n", 4)
    lr: float = _changed(
        hizoo.HiZOOHyperparameters,
        "lr",
        1e-3,
        help="Length of a step after it has been divided by √P twice: once in the probe, once in the update.",
        **_ZEROTH_ORDER_RATE,
    )
    mu: float = _changed(hizoo.HiZOOHyperparameters, "mu", 1e-3, **_SCALE)
    estimator: str = _changed(
        hizoo.HiZOOHyperparameters,
        "estimator",
        "paper",
        help="Formula of the curvature estimate: the paper's, or the one in the authors' released code.",
        choices=("paper", "released"),
    )
    schedule: str = hyperparameter("constant", **_schedule("η"))
    alpha_schedule: str = hyperparameter("constant", **_schedule("α"))


@dataclass(frozen=True)
class HiZOOTraining(HiZOOFactoredTraining):
    """HiZOO's settings for training a model; a value out of range raises HyperparameterError."""

    estimator: str = _changed(hizoo.HiZOOHyperparameters, "estimator", "paper")
    pool: str = hyperparameter(
        "none",
        label="pooling of P",
        symbol="pool",
        help="One P for every element, or one for a row or for a whole tensor, from the mean of the estimates over it. "
        "Averaging cuts their noise. Pooling is this project's variant, not the paper's.",
        choices=tuple(POOLS),
    )


@dataclass(frozen=True)
class AdamTraining(adam.AdamHyperparameters):
    """Adam's settings for training a model; a value out of range raises HyperparameterError."""

    lr: float = _changed(adam.AdamHyperparameters, "lr", 1e-3, slider=(1e-5, 1e-1))
    schedule: str = hyperparameter("constant", **_schedule("η"))


@dataclass(frozen=True)
class TrainingMethod:
    """One way to train: `forwards(hyperparameters)` is the cost of a step in forward-pass equivalents."""

    key: str
    name: str
    summary: str
    hyperparameters: type
    forwards: Callable[[Any], int]
    zeroth_order: bool
    estimates_hessian: bool


METHODS: dict[str, TrainingMethod] = {
    "hizoo": TrainingMethod("hizoo", "HiZOO", hizoo.METHOD.summary, HiZOOTraining, hizoo.METHOD.forwards, True, True),
    "hizoo_l": TrainingMethod(
        "hizoo_l",
        "HiZOO-L",
        "HiZOO with one P a row and one a column of each weight matrix, whose product stands for the diagonal.",
        HiZOOFactoredTraining,
        hizoo.METHOD.forwards,
        True,
        True,
    ),
    "mezo": TrainingMethod("mezo", "MeZO", mezo.METHOD.summary, MeZOTraining, mezo.METHOD.forwards, True, False),
    "adam": TrainingMethod("adam", "Adam", adam.METHOD.summary, AdamTraining, adam.METHOD.forwards, False, False),
}

__all__ = [
    "METHODS",
    "POOLS",
    "SCHEDULES",
    "AdamTraining",
    "HiZOOFactoredTraining",
    "HiZOOTraining",
    "HyperparameterError",
    "MeZOTraining",
    "TrainingMethod",
]
