"""What curvature can gain at a point: the best expected decrease of one zeroth-order step, for any diagonal Σ.

The step is θ ← θ − η ĝ, ĝ = (1/n) Σ_i (aᵀΣ^{1/2}u_i) Σ^{1/2}u_i, u_i ~ N(0, I), where a is the gradient g, or g and a
minibatch's noise of covariance C/B, the same for all directions of the step. On a quadratic with Hessian H,

    s = gᵀΣg    v = tr(ΣC)/B    t = tr(ΣH)    q = gᵀΣHΣg    w = tr(ΣHΣC)/B
    E ĝᵀHĝ = ((s + v) t + 2 (q + w)) / n + (1 − 1/n) (q + w)        η* = s / E ĝᵀHĝ        gain = ½ η* s

(the moments of Gaussian quadratic forms). Where q and w are small beside (s + v) t, the gain is (n/2) R with
R = s² / ((s + v) t): without noise gᵀΣg / tr(ΣH), a mean of r_j = g_j² / H_jj with the weights Σ_j H_jj. So no diagonal
Σ gains more than max_j r_j, and where r is flat none gains anything, however uneven H is.

Negative curvature. Where t ≤ 0 the quadratic has no best step: it falls for ever along the probes. R is then NaN, and
so is r_j where H_jj < 0, or where it is 0 and g_j is not: `bound` is infinite there.

Arrays: g, h = diag(H) and Σ's diagonal `variance` are (…, d); results (…). A variance of inf (1/|H_jj| where H_jj = 0)
gives NaN. v may be any number ≥ 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Best", "best_of", "best_step", "bound", "headroom", "ratios"]


ROUNDING = 1e-12  # of its terms' sizes, below which a trace is taken to be 0


@dataclass(frozen=True)
class Best:
    """The best learning rate, and the expected decrease of the loss by one step with it; NaN where there is none."""

    lr: Any
    gain: Any


def headroom(g: Any, h: Any, variance: Any = 1.0, noise: float = 0.0) -> np.ndarray:
    """R(Σ), in units of the loss: 2/n of what one step can gain. `noise` is σ of a gradient noise N(0, σ²) per element,
    the C/B = σ² I of the formulas.
    """
    with np.errstate(all="ignore"):
        s, t = (np.square(g) * variance).sum(-1), (h * variance).sum(-1)
        t = np.where(t > ROUNDING * np.abs(h * variance).sum(-1), t, np.nan)  # as 1/|H_jj| makes of signs that cancel
        v = noise**2 * (variance * np.ones_like(g)).sum(-1) if noise else 0.0
        of_noise = s / (s + v) if noise else 1.0
        return of_noise * s / t


def ratios(g: Any, h: Any) -> np.ndarray:
    """r_j = g_j² / H_jj, (…, d); NaN where the loss is not convex along j (H_jj < 0, or 0 beside a slope), and where
    there is neither slope nor curvature.
    """
    with np.errstate(all="ignore"):
        return np.where(h > 0, np.square(g) / h, np.nan)


def bound(g: Any, h: Any) -> np.ndarray:
    """The largest R of any diagonal Σ, without noise: max_j r_j; inf where the loss is not convex along some j."""
    flat = (h == 0) & (g == 0)
    known = np.where(flat, 0.0, ratios(g, h))
    return np.where(np.isnan(known).any(-1), np.inf, known.max(-1))


def best_step(s: Any, t: Any, q: Any, n: int = 1, v: Any = 0.0, w: Any = 0.0) -> Best:
    """η* and its gain from s, t, q, v, w as above, with n ≥ 1 directions."""
    with np.errstate(all="ignore"):
        curvature = ((s + v) * t + 2 * (q + w)) / n + (1 - 1 / n) * (q + w)
        lr = np.where(np.asarray(curvature) > 0, s / np.asarray(curvature), np.nan)
        return Best(lr, lr * s / 2)


def best_of(g: np.ndarray, hessian: np.ndarray, variance: Any = 1.0, n: int = 1, noise: float = 0.0) -> Best:
    """`best_step` at a point with gradient g (d,) and the whole Hessian (d, d), Σ's diagonal `variance` (d,) or one
    number, and gradient noise as in `headroom`.
    """
    variance = np.broadcast_to(np.asarray(variance, dtype=float), g.shape)
    with np.errstate(all="ignore"):
        step, diagonal = variance * g, hessian.diagonal()
        v, w = noise**2 * variance.sum(), noise**2 * (diagonal * variance**2).sum()
        return best_step(g @ step, (variance * diagonal).sum(), step @ hessian @ step, n, v, w)
