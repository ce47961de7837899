"""How a setting changes over a run that trains a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hizoo_core.base import hyperparameter

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 + 0.5 * math.cos(math.pi * done),
}
"""The factor on a setting at a fraction `done` of all steps, from 0 to (just below) 1."""

NAMES = ("schedule", "alpha_schedule")
"""The fields of hyperparameters that say which schedule lr and alpha have; the optimizers do not know them."""


def scheduled(of: str) -> Any:
    """A dataclass field: the schedule of the setting with this symbol."""
    return hyperparameter(
        "constant",
        label=f"{of} schedule",
        symbol=of,
        help=f"How {of} goes from its value to zero over the run: not at all, in a straight line, or as half a cosine.",
        choices=tuple(SCHEDULES),
    )


def unscheduled(hyperparameters: Any) -> dict[str, Any]:
    """The settings that an optimizer is made with."""
    return {name: value for name, value in vars(hyperparameters).items() if name not in NAMES}
