"""The estimators side by side at a fixed θ: the settings whose figures the README and the method's notes quote.

`measure` computes one row anew: P over the second half of a run that never leaves its warm-up, on quadratics with
log-spaced curvatures from 1 to 10,000, P starting at 1. `quoted` is what a prototype gave: (low, high) bounds of the
estimate over the exact value, that the row is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from functions.high_dim import THETA, H, over_coordinates
from viz_app.estimators.measure import Place, Probe, held, place_of

RUNS = {2: 32, 10: 8, 100: 4}  # by dimension: as many as a second or two allow


@dataclass(frozen=True)
class Row:
    """One setting. `negative`: how many of the curvatures are negative; `note`: what a reader must know of it."""

    d: int
    n: int
    alpha: float
    estimator: str
    quoted: tuple[float, float]
    negative: int = 0
    note: str = ""

    @property
    def steps(self) -> int:
        """Long enough for the second half to be at rest.

        What `released` has overshot decays at the rate α / (1 + d/2): at its fixed point P_j = H_jj + ½ tr(A) P_j, so
        1 − ½ tr A = 1 / (1 + d/2) of a deviation is all that a time constant 1/α takes away.
        """
        slowness = 1 + self.d / 2 if self.estimator == "released" else 1
        return int(min(max(3_000, 20 * slowness / self.alpha), 20_000))


ROWS = (
    Row(2, 1, 0.001, "released", (2.00, 2.02), note="theory 1 + d/2 = 2"),
    Row(2, 32, 0.01, "released", (1.99, 2.01), note="theory 2"),
    Row(2, 1, 0.01, "paper", (1.52, 1.78)),
    Row(2, 8, 0.01, "paper", (1.15, 1.16)),
    Row(2, 32, 0.01, "paper", (1.00, 1.01)),
    Row(10, 32, 0.01, "released", (5.8, 6.5), note="theory 6"),
    Row(10, 8, 0.01, "paper", (2.55, 2.80)),
    Row(10, 32, 0.01, "paper", (1.54, 1.63)),
    Row(10, 8, 0.01, "multiplicative", (1.01, 1.01)),
    Row(100, 8, 0.01, "paper", (90, 106), note="90 by the prototype, 106 by README"),
    Row(100, 8, 0.01, "multiplicative", (1.05, 1.05)),
    Row(100, 32, 0.1, "paper", (17, 17)),
    Row(100, 32, 0.1, "multiplicative", (1.07, 1.07)),
    Row(10, 8, 0.02, "multiplicative", (0.99, 0.99), negative=3, note="three curvatures negative"),
)


def place(row: Row) -> Place:
    """The quadratic of a row, at its start, with every other of the first curvatures made negative."""
    known = place_of(f"quadratic:d={row.d},condition=1e4", None, range(row.d))
    if not row.negative:
        return known
    h = known.diagonal.copy()
    h[1 : 2 * row.negative : 2] *= -1
    objective = _Curvatures(**over_coordinates(H * THETA**2 / 2, h))
    return Place(objective, known.theta, h, np.diag(h), known.coords)


@dataclass(frozen=True)
class _Curvatures:
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    hessian: Callable[[np.ndarray], np.ndarray]
    hessian_diagonal: Callable[[np.ndarray], np.ndarray]


def measure(row: Row, cancelled: Callable[[], bool]) -> dict[str, Any]:
    """The row, and geometric means of P over |H_jj| over runs and steps: {geometric} over all entries, {low, high} the
    least and the greatest entry's own; {spread} the standard deviation of ln(P/|H_jj|) over entries and runs.
    """
    probe = Probe(row.n, row.alpha, mu=1e-3, start="one")
    _, ratio = held(
        place(row), probe, row.estimator, row.alpha, steps=row.steps, runs=RUNS[row.d], every=10, cancelled=cancelled
    )
    settled = ratio[len(ratio) // 2 :]
    logarithm = np.log(settled)
    each = np.exp(logarithm.mean(axis=(0, 1)))
    return asdict(row) | {
        "steps": row.steps,
        "runs": RUNS[row.d],
        "low": each.min(),
        "high": each.max(),
        "geometric": np.exp(logarithm.mean()),
        "spread": logarithm.std(axis=(1, 2)).mean(),
    }
