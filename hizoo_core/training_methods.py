"""The methods that have a form for a model's parameters, as forms and command lines read them.

No torch here; `hizoo_core.training` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hizoo_core.base import HyperparameterError, Method, ModelForm
from hizoo_core.hizoo import POOLS
from hizoo_core.methods import View
from hizoo_core.schedules import SCHEDULES

__all__ = ["METHODS", "POOLS", "SCHEDULES", "HyperparameterError", "TrainingMethod", "lost_in_rounding"]


@dataclass(frozen=True)
class TrainingMethod:
    """One way to train: `forwards(hyperparameters)` is the cost of a step in forward-pass equivalents."""

    key: str
    name: str
    summary: str
    form: ModelForm
    forwards: Callable[[Any], int]
    zeroth_order: bool
    estimates_hessian: bool

    @property
    def hyperparameters(self) -> type:
        return self.form.hyperparameters


def _training_method(key: str, m: Method) -> TrainingMethod | None:
    if m.models is None:
        return None
    return TrainingMethod(key, m.name, m.summary, m.models, m.forwards, m.stochastic, m.estimates_hessian)


METHODS: Mapping[str, TrainingMethod] = View(_training_method)


def lost_in_rounding(lr: float, slope: float | None, length: float) -> bool:
    """Whether a step behind the warm-up was to move θ and left it where it was, its update being below θ's rounding.

    lr: the learning rate after the schedule. slope: of the probes, 0 where none of them changed the loss; None of a
    method with gradients. length: ‖θ_{t+1} − θ_t‖, after rounding.
    """
    return lr > 0 and slope != 0 and length == 0
