"""HiZOO-L: HiZOO whose P of a weight matrix is factored into rows and columns (arXiv 2402.15173). For models alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hizoo_core import hizoo
from hizoo_core.base import Hyperparameters, Method, ModelForm, changed
from hizoo_core.hizoo import HiZOOTraining
from hizoo_core.schedules import scheduled, unscheduled


@dataclass(frozen=True)
class HiZOOFactoredTraining(Hyperparameters):
    """HiZOO-L's settings for training a model; a value out of range raises HyperparameterError."""

    alpha: float = changed(HiZOOTraining, "alpha", 1e-2)
    n: int = changed(HiZOOTraining, "n", 4)
    lr: float | str = changed(HiZOOTraining, "lr", 1e-3)
    mu: float = changed(HiZOOTraining, "mu", 1e-3)
    warmup: int = changed(HiZOOTraining, "warmup", 0)
    estimator: str = changed(
        HiZOOTraining,
        "estimator",
        "paper",
        help="Formula of the curvature estimate: the paper's, or the one in the authors' released code.",
        choices=("paper", "released"),  # no `multiplicative`: the mean of m over a row is not the m of the row's P
    )
    floor: float = changed(HiZOOTraining, "floor", 1e-12)
    schedule: str = scheduled("η")
    alpha_schedule: str = scheduled("α")


def init(hp: HiZOOFactoredTraining, scalar: Callable[[float], Any]) -> hizoo.Constants:
    return hizoo.constants(hp, hp.alpha, scalar)


METHOD = Method(
    key="hizoo_l",
    name="HiZOO-L",
    summary="HiZOO with one P a row and one a column of each weight matrix, whose product stands for the diagonal.",
    forwards=hizoo.METHOD.forwards,
    stochastic=True,
    estimates_hessian=True,
    models=ModelForm(HiZOOFactoredTraining, "hizoo_core.torch_optim:HiZOOL", unscheduled),
)
