"""What a batch of runs leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from hizoo_core.base import Hyperparameters, Status


@dataclass(frozen=True)
class Trace:
    """R recorded steps of B runs in d dimensions; the arrays are read-only.

    steps: (R,) indices of the recorded steps, 0 (the start) and the last one included. forwards: (R,) forward-pass
    equivalents spent by then. theta: (R, B, d). loss: (R, B), read off the recorded θ by an observer, at no charge.
    h: (R, B, d), P after that step (1 at the start), or None for a method that has none. true_h: (R, B, d), the exact
    diagonal Hessian at θ. statuses: one a run; from the step at which a run diverged on, its entries are NaN.
    rates: (5, R, B), the `auto_rate.READINGS` that led to that step, of a run with lr=auto, else None; NaN at the start
    and under a learning rate that was given. seconds: wall time of the loop. changes: (k, hyperparameters), rising in
    k: those that held from step k on.
    """

    method: str
    hyperparameters: Hyperparameters
    steps: np.ndarray
    forwards: np.ndarray
    theta: np.ndarray
    loss: np.ndarray
    h: np.ndarray | None
    true_h: np.ndarray
    statuses: tuple[Status, ...]
    seconds: float
    changes: tuple[tuple[int, Hyperparameters], ...] = ()
    rates: np.ndarray | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
