"""Mean and standard deviation of one step's estimate S of a diagonal Hessian entry, exactly, on a quadratic.

Everything is relative to P: A = Σ^{1/2} H Σ^{1/2}, so that a_jj = H_jj / P_j, and what is returned is of S_j / P_j
(at P = |H_jj| that is relative to H_jj). With u ~ N(0, I), q = uᵀAu and w = u_j² − 1, the moments follow from
q = a u_j² + 2 u_j b + r, where b and r do not contain u_j: E b² = B = (A²)_jj − a², E r = t = tr A − a and
E r² = t² + 2F with F = ‖A‖² − 2(A²)_jj + a²:

    E[q² w²] = 78a² + 40B + 2t² + 4F + 20at        E[q w²] = 10a + 2t        E[q w] = 2a
    E[q² u_j⁴] = 105a² + 60B + 3t² + 6F + 30at      E[q u_j²] = 3a + t

At P = H_jj (A = I) the standard deviations of one direction are √((d² + 10d + 26)/2) for `paper` before the
absolute value is taken, about (d + 5)/√2, and, times √n for large n, √(d + 13) for `multiplicative`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Of S_j / P_j, each (d,)."""

    mean: np.ndarray
    sd: np.ndarray


def moments(estimator: str, a: np.ndarray, n: int) -> Moments | None:
    """For A = `a` (d, d) and n directions; `paper` before its absolute value.

    None where there is no formula: `released` takes |q|, whose moments are q's only if A has no negative eigenvalue;
    `multiplicative` needs two directions. `reliable`, whose estimate is P (e = 0), adds to it what `paper` finds in
    A − I.
    """
    if estimator == "reliable":
        found = moments("paper", a - np.eye(len(a)), n)
        return found and Moments(1.0 + found.mean, found.sd)
    diagonal, squares = np.diagonal(a), (a**2).sum(axis=1)
    trace, total = diagonal.sum(), squares.sum()
    b, t = squares - diagonal**2, trace - diagonal
    f = total - 2 * squares + diagonal**2
    if estimator == "released":
        if np.linalg.eigvalsh(a)[0] < -1e-9 * abs(trace):
            return None
        mean = (3 * diagonal + t) / 2
        second = (105 * diagonal**2 + 60 * b + 3 * t**2 + 6 * f + 30 * diagonal * t) / 4
        return Moments(mean, np.sqrt((second - mean**2) / n))
    qqww = 78 * diagonal**2 + 40 * b + 2 * t**2 + 4 * f + 20 * diagonal * t
    if estimator == "paper":
        return Moments(diagonal.copy(), np.sqrt((qqww / 4 - diagonal**2) / n))
    if n < 2:
        return None
    # Half the sample covariance of q and w, whose variance is μ₂₂/n − cov²(n−2)/(n(n−1)) + var q · var w /(n(n−1)).
    central = qqww - 2 * trace * (10 * diagonal + 2 * t) + 2 * trace**2
    variance = central / n - 4 * diagonal**2 * (n - 2) / (n * (n - 1)) + 4 * total / (n * (n - 1))
    return Moments(diagonal.copy(), np.sqrt(variance / 4))
