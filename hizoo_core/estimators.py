"""Slope, curvature and the three estimators of the diagonal Hessian, as plain arithmetic on blocks.

The losses of the n directions give n first and n second differences; a space sums them over the directions, weighted
with u and with the estimator's function of u, into vectors of θ's shape. The constant factors lie in the weights: an
estimator's sum arrives as s = α S / P (`multiplicative`: β S / P), since every formula of S has the factor P. `xp` is
one of the two arithmetics of `hizoo_core.spaces`; all else is operators that numpy arrays and torch tensors share.
Formulas as in HiZOO (arXiv 2402.15173) and its authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def first_difference(xp: Any, plus: Any, minus: Any, out: Any) -> Any:
    """l+_i − l−_i = 2μ g_i, with g_i the projected gradient along Σ^{1/2} u_i; into `out` if that is not None."""
    return xp.subtract(plus, minus, out)


def second_difference(xp: Any, centre: Any, plus: Any, minus: Any, out: Any) -> Any:
    """l+_i + l−_i − 2 l0 = μ² c_i, with c_i the curvature along Σ^{1/2} u_i; into `out` if that is not None.

    Written as the difference of two differences: each is exact in floating point when its losses are within a factor
    of two (Sterbenz), so that no digit is lost beyond those that the losses themselves had lost.
    """
    difference = xp.subtract(plus, centre, out)
    difference -= centre - minus
    return difference


def _as_it_is(xp: Any, c: Any) -> None:
    pass


def _modulus(xp: Any, c: Any) -> None:
    xp.absolute(c, c)


def _leave_one_out(xp: Any, c: Any) -> None:
    # c_i − c̄_i, with c̄_i the mean of the others, is n/(n−1) times the distance from the mean of all.
    n = len(c)
    c -= xp.total(c) / n
    c *= n / (n - 1)


def _smooth_modulus(xp: Any, state: dict[str, Any], k: Any, s: Any) -> None:
    """P ← (1 − α) P + α |S|, s = α S / P."""
    xp.absolute(s, s)
    s += k.keep
    P = state["P"]
    P *= s


def _smooth(xp: Any, state: dict[str, Any], k: Any, s: Any) -> None:
    """P ← (1 − α) P + α S, s = α S / P."""
    s += k.keep
    P = state["P"]
    P *= s


def _multiply(xp: Any, state: dict[str, Any], k: Any, s: Any) -> None:
    """With s = β S / P: m ← (1 − β) m + s; P ← P exp δ, m ← m exp(−δ), δ = clip(α(|m| − 1), ±½). At rest |m| = 1."""
    P, m = state["P"], state["m"]
    m *= k.forget
    m += s
    growth = xp.exp(xp.clip((abs(m) - 1.0) * k.alpha, -0.5, 0.5))
    P *= growth
    m /= growth


@dataclass(frozen=True, slots=True)
class Estimator:
    """One formula of S.

    `prepare(xp, c)` makes of the second differences, in place, what is summed over the directions with the weights
    u² − offset; `apply(xp, state, k, s)` takes the sum into P in place (and may overwrite s).
    """

    prepare: Callable[[Any, Any], None]
    offset: float
    apply: Callable[[Any, dict[str, Any], Any, Any], None]
    least_n: int
    keeps_m: bool


ESTIMATORS: dict[str, Estimator] = {
    # S = |(1/n) Σ ½ c_i P_j (u_ij² − 1)|: before the modulus its expectation is H_jj for a quadratic.
    "paper": Estimator(_as_it_is, 1.0, _smooth_modulus, least_n=1, keeps_m=False),
    # S = (1/n) Σ ½ |c_i| P_j u_ij²: the fixed point for a convex quadratic is (1 + d/2) H_jj.
    "released": Estimator(_modulus, 0.0, _smooth, least_n=1, keeps_m=False),
    # This project's own: s = (1/n) Σ ½ (c_i − c̄_i)(u_ij² − 1), E[s] = H_jj / P_j, sign and all.
    "multiplicative": Estimator(_leave_one_out, 1.0, _multiply, least_n=2, keeps_m=True),
}
