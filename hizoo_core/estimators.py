"""Slope, curvature and the estimators of the diagonal Hessian: each formula once, as plain arithmetic on blocks.

The losses of the n directions give n first and n second differences; a space sums them over the directions, weighted
with u and with the estimator's function of u, into vectors of θ's shape. The constant factors lie in the weights: an
estimator's sum arrives as s = α S / P (`multiplicative`: β S / P), since every formula of S has the factor P. `xp` is
one of the two arithmetics, of numpy (`spaces`) and of torch (`preconditioner`); all else is operators that arrays and
tensors share. Formulas as in HiZOO (arXiv 2402.15173) and its authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hizoo_core import reliability


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


def slope(first: Any, mu: float) -> Any:
    """g_i, the projected gradient along Σ^{1/2} u_i, from the first difference."""
    return first / (2 * mu)


def curvature(second: Any, mu: float) -> Any:
    """c_i, the curvature along Σ^{1/2} u_i, from the second difference."""
    return second / mu**2


def smoothing(P: Any, keep: Any, s: Any) -> None:
    """P ← (1 − α) P + α S in place, s = α S / P and keep = 1 − α; s is overwritten."""
    s += keep
    P *= s


def signed_smoothing(m: Any, forget: Any, s: Any) -> None:
    """M ← (1 − β) m + s in place, s = β S / P and forget = 1 − β."""
    m *= forget
    m += s


def exponent(xp: Any, m: Any, alpha: Any) -> Any:
    """δ = clip(α (|m| − 1), ±½), by which `multiplicative` moves ln P; at rest |m| = 1."""
    return xp.clip((abs(m) - 1.0) * alpha, -0.5, 0.5)


def _as_it_is(xp: Any, x: Any) -> Any:
    return x


def _absolute(xp: Any, x: Any) -> Any:
    return xp.absolute(x, x)


def _leave_one_out(xp: Any, c: Any) -> Any:
    # c_i − c̄_i, with c̄_i the mean of the others, is n/(n−1) times the distance from the mean of all.
    n = len(c)
    c -= xp.total(c) / n
    c *= n / (n - 1)
    return c


def _smooth_absolute(xp: Any, state: dict[str, Any], k: Any, s: Any, move: Any) -> None:
    xp.absolute(s, s)
    smoothing(state["P"], k.keep, s)


def _smooth(xp: Any, state: dict[str, Any], k: Any, s: Any, move: Any) -> None:
    smoothing(state["P"], k.keep, s)


def _multiply(xp: Any, state: dict[str, Any], k: Any, s: Any, move: Any) -> None:
    """P ← P exp δ, and m ← m exp(−δ), so that m stays the mean of S / P for the new P."""
    P, m = state["P"], state["m"]
    signed_smoothing(m, k.forget, s)
    growth = xp.exp(exponent(xp, m, k.alpha))
    P *= growth
    m /= growth


def _follow(xp: Any, state: dict[str, Any], k: Any, s: Any, move: Any) -> None:
    reliability.follow(xp, state, move, k.alpha, s)


@dataclass(frozen=True, slots=True)
class Estimator:
    """One formula of S.

    `prepare(xp, c)` makes of the second differences what is summed over the directions with the weights u² − offset;
    `finish(xp, s)` makes of a sum s = α S / P as it enters an average; both return arrays that they were given, changed
    in place. `apply(xp, state, k, s, move)` takes a sum, not yet finished, into P in place (and may overwrite s).
    `keeps_m`: the state has an m beside P, the smoothed s with its sign. `predicts`: it has an e instead, from which
    the second differences are predicted; only what is left of them is summed, and `move` is what `reliability.learn`
    made of it (None elsewhere).
    """

    prepare: Callable[[Any, Any], Any]
    offset: float
    finish: Callable[[Any, Any], Any]
    apply: Callable[[Any, dict[str, Any], Any, Any, Any], None]
    least_n: int = 1
    keeps_m: bool = False
    predicts: bool = False


ESTIMATORS: dict[str, Estimator] = {
    # S = |(1/n) Σ ½ c_i P_j (u_ij² − 1)|: before the absolute value its expectation is H_jj for a quadratic.
    "paper": Estimator(_as_it_is, 1.0, _absolute, _smooth_absolute),
    # S = (1/n) Σ ½ |c_i| P_j u_ij²: the fixed point for a convex quadratic is (1 + d/2) H_jj.
    "released": Estimator(_absolute, 0.0, _as_it_is, _smooth),
    # This project's own: s = (1/n) Σ ½ (c_i − c̄_i)(u_ij² − 1), E[s] = H_jj / P_j, sign and all.
    "multiplicative": Estimator(_leave_one_out, 1.0, _as_it_is, _multiply, least_n=2, keeps_m=True),
    # This project's own, see `reliability`: s = (1/n) Σ ½ r_i (u_ij² − 1), E[s] = H_jj / P_j − (1 + e_j).
    "reliable": Estimator(_as_it_is, 1.0, _as_it_is, _follow, predicts=True),
}


def weights(estimator: Estimator, u: Any) -> Any:
    """u² − offset: with what the prepared second differences are summed over the directions."""
    squares = u * u
    squares -= estimator.offset
    return squares


def estimate(xp: Any, estimator: Estimator, c: Any, u: Any) -> Any:
    """S / P (d,) of one step from the curvatures c (n,) along Σ^{1/2} u_i, with u (n, d); c is overwritten."""
    c = estimator.prepare(xp, c)
    return estimator.finish(xp, xp.total(c[:, None] * weights(estimator, u)) / (2 * len(c)))


def observe(xp: Any, state: dict[str, Any], k: Any, s: Any, move: Any = None) -> None:
    """Take a sum s over the directions into P, and hold P within its bounds, in place; s is overwritten."""
    k.estimator.apply(xp, state, k, s, move)
    xp.hold(state["P"], k.floor, k.ceiling)
