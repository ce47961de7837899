"""`reliable`: every group's curvature is learned as fast as the measured noise allows, and P follows what is learned.

This project's own estimator. Besides P it keeps e, with P (1 + e) the signed estimate of the diagonal of H. The second
differences are predicted from it, c_i ≈ Σ_j (1 + e_j) u_ij², and only what is left, the residuals r_i, teaches it:

    s_j = (1/n) Σ_i ½ r_i (u_ij² − 1)      its mean is the error H_jj / P_j − (1 + e_j), for a quadratic
    x   = (1/(n d)) Σ_i r_i                its mean is the error's mean over all d elements

The errors of θ as a whole, of a tensor T and of an element j are learned at gains of their own (least mean squares,
with the gain of a scalar Kalman filter): the noise of a group's mean is R / (n d²), R / (2n |T|), R / (2n) with
R the decaying peak of r² over the steps before (of this one, and gains would shrink where residuals are large, which
biases what they teach), its prior variance p, and

    g = p / (p + noise),   p ← min(p_0, (1 − g) p + α²),   e_j ← e_j + g_all x + g_T (s_T − x) + g_1 (s_j − s_T).

So an element that cannot be told from noise moves with its tensor, and a tensor with the whole. 1 − p, from 0 to 1, is
the group's reliability: the share of the prior variance (1: a factor of about e either way) that measurements have
removed. P then follows |1 + e| as `multiplicative` follows |m|, but the part that sets a group apart from what
it lies in at the rate min(α, g), unless the excess stands out of its own uncertainty: then faster, up to α. There is no
control variate to be taken from other directions, so n = 1 will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

PEAK = 0.9  # a step's share of the peak of r² that is left in the next one
PRIOR = 1.0  # variance of a group's curvature, relative to that of what it lies in, before anything is known
WIDE = 1e6  # the same of the whole, of which nothing is known
NUMBERS = {
    "R": 0.0,
    "whole": WIDE,
    "tensor": PRIOR,
    "own": PRIOR,
}  # of a θ or one of its tensors: R and each p, at first
TINY = 1e-15
CLEAR = 3.0  # standard deviations from which on an excess is followed faster than it was learned
FAR = 5.0  # √R: a residual beyond that is taken for as noisy as it is large
MOST = 1e30  # of R: float32 holds it


class Whole(NamedTuple):
    """What a step finds out about θ as a whole: mean and mean square of the residuals r_i, mean of |1 + e_j|."""

    mean: Any
    square: Any
    level: Any
    n: int
    size: int


class Pool(NamedTuple):
    """The same about one of several tensors: means of s_j and of |1 + e_j|."""

    mean: Any
    level: Any
    size: int


@dataclass(frozen=True, slots=True)
class Move:
    """What a step does to elements: e_j ← e_j + gain s_j + shift, and to ln P (see `apply`)."""

    gain: Any
    shift: Any
    base: Any
    level: Any
    slow: Any
    doubt: Any


def learn(numbers: dict[str, Any], alpha: Any, whole: Whole, pool: Pool | None) -> tuple[Move, dict[str, Any]]:
    """A step's move, and the numbers after it; all of them plain numbers, or arrays of one number for each run."""
    R, square, level = numbers["R"], np.minimum(whole.square, MOST), whole.level
    noise = np.where(R > 0, np.maximum(R, square / FAR**2), square) / whole.n
    after = dict(numbers, R=np.maximum(square, PEAK * R))
    base, mean = alpha * (level - 1.0), whole.mean / whole.size
    p = numbers["whole"]
    g = p / (p + noise / whole.size**2 + TINY**2)
    shift = g * mean
    # In units of 1 + e, which P's growth divides; it may be 0 by chance, so no unit itself.
    p = (1.0 - g) * p + (alpha * level) ** 2
    after["whole"] = np.minimum(WIDE, p * np.exp(-2.0 * np.clip(base, -0.5, 0.5)))
    scale = np.maximum(np.minimum(level, abs(level + shift)), TINY) ** 2
    noise = noise / scale

    def gain(name: str, of_mean: Any) -> Any:
        p = numbers[name]
        g = p / (p + of_mean + TINY**2)
        after[name] = np.minimum(PRIOR, (1.0 - g) * p + alpha**2)
        return g

    if pool is not None:
        g = gain("tensor", noise / (2 * pool.size))
        shift = shift + g * (pool.mean - mean)
        excess = pool.level - level
        base = base + _pace(np, excess, alpha, np.minimum(alpha, g), after["tensor"] * scale) * excess
        mean, level = pool.mean, pool.level
    g = gain("own", noise / 2)
    return Move(g, shift - g * mean, base, level, np.minimum(alpha, g), after["own"] * scale), after


def _pace(xp: Any, excess: Any, alpha: Any, slow: Any, doubt: Any) -> Any:
    """The rate slow + (α − slow) max(0, 1 − CLEAR² doubt / excess²) where the excess is positive, slow elsewhere."""
    positive = xp.clip(excess, TINY, None)
    return slow + (alpha - slow) * xp.clip(1.0 - CLEAR**2 * doubt / (positive * positive), 0.0, None)


def follow(xp: Any, state: dict[str, Any], move: Move, alpha: Any, s: Any) -> None:
    """Take a step's s into e, and P after it, in place; s is overwritten."""
    P, e = state["P"], state["e"]
    s *= move.gain
    s += move.shift
    e += s
    growth = xp.exp(exponent(xp, e, move, alpha))
    P *= growth
    e += 1.0
    e /= growth
    e -= 1.0


def exponent(xp: Any, e: Any, move: Move, alpha: Any) -> Any:
    """δ, at most ½ either way, by which ln P moves after e."""
    excess = abs(e + 1.0) - move.level
    return xp.clip(_pace(xp, excess, alpha, move.slow, move.doubt) * excess + move.base, -0.5, 0.5)
