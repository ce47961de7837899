"""The methods that have a form for a model's parameters, as forms and command lines read them.

No torch here; `hizoo_core.training` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hizoo_core import methods
from hizoo_core.base import HyperparameterError, ModelForm
from hizoo_core.hizoo import POOLS
from hizoo_core.schedules import SCHEDULES

__all__ = ["METHODS", "POOLS", "SCHEDULES", "HyperparameterError", "TrainingMethod"]


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


class _TrainingMethods(Mapping[str, TrainingMethod]):
    """What `methods.METHODS` says of them whenever they are asked for."""

    def __getitem__(self, key: str) -> TrainingMethod:
        m = methods.METHODS[key]
        if m.models is None:
            raise KeyError(key)
        return TrainingMethod(key, m.name, m.summary, m.models, m.forwards, m.stochastic, m.estimates_hessian)

    def __iter__(self) -> Iterator[str]:
        return (key for key, method in methods.METHODS.items() if method.models is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


METHODS: Mapping[str, TrainingMethod] = _TrainingMethods()
