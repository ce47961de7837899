"""HOW a loss is minimised: HiZOO, MeZO, Adam, and the exact diagonal as their yardstick.

`optimize` runs them on batches of points in numpy; `HiZOO`, `HiZOOL` and `MeZO` are torch optimizers, and torch is
imported only when one of these is asked for, or `hizoo_core.training`, which trains a model's parameters with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hizoo_core.base import (
    Cancelled,
    Hyperparameter,
    HyperparameterError,
    Method,
    Status,
    describe,
)
from hizoo_core.engine import optimize
from hizoo_core.methods import METHODS, POINT_METHODS
from hizoo_core.noise import directions
from hizoo_core.trace import Trace

if TYPE_CHECKING:
    from hizoo_core.torch_optim import HiZOO, HiZOOL, MeZO

__all__ = [
    "METHODS",
    "POINT_METHODS",
    "Cancelled",
    "HiZOO",
    "HiZOOL",
    "Hyperparameter",
    "HyperparameterError",
    "MeZO",
    "Method",
    "Status",
    "Trace",
    "describe",
    "directions",
    "optimize",
]


def __getattr__(name: str) -> Any:
    if name in ("HiZOO", "HiZOOL", "MeZO"):
        from hizoo_core import torch_optim

        return getattr(torch_optim, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
