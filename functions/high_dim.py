"""Functions of d variables: one SymPy term, summed over the coordinates or over neighbouring pairs of them.

The derivatives of the sum are the term's own, put in their places: value, gradient and diagonal Hessian cost O(d).
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import sympy as sp

from .base import Array, Family, FunctionError, Parameter, TestFunction, compiled, latex_number

THETA, NEXT, H = sp.symbols("theta_j theta_{j+1} h_j")
Calculus = dict[str, Callable[[Array], Array]]  # value, gradient, hessian, hessian_diagonal


_SLAB = 1 << 15  # numbers (256 KiB): for larger temporaries the allocator maps fresh pages at every use


def _summed(summand: Callable[..., Array], *operands: Array) -> Array:
    """Sum a summand over the last axis, a slab of coordinates at a time (five times as fast as at once, if large)."""
    size, d = operands[0].size, operands[0].shape[-1]
    if size <= _SLAB:
        return summand(*operands).sum(axis=-1)
    width = max(1, _SLAB * d // size)
    total = np.zeros(operands[0].shape[:-1])
    for low in range(0, d, width):
        total += summand(*(operand[..., low : low + width] for operand in operands)).sum(axis=-1)
    return total


def over_coordinates(term: sp.Expr, h: Array) -> Calculus:
    """Σ_j term(θ_j; h_j), for h of shape (d,)."""
    first = sp.diff(term, THETA)
    summand, slope, curvature = (compiled((THETA, H), part) for part in (term, first, sp.diff(first, THETA)))
    j = np.arange(h.size)

    def value(x: Array) -> Array:
        return _summed(summand, x, h)

    def gradient(x: Array) -> Array:
        return slope(x, h)

    def hessian_diagonal(x: Array) -> Array:
        out = np.empty_like(x, np.float64)
        out[...] = curvature(x, h)
        return out

    def hessian(x: Array) -> Array:
        out = np.zeros((*x.shape, h.size))
        out[..., j, j] = curvature(x, h)
        return out

    return {"value": value, "gradient": gradient, "hessian": hessian, "hessian_diagonal": hessian_diagonal}


def over_neighbours(term: sp.Expr, d: int) -> Calculus:
    """Σ_{j<d} term(θ_j, θ_{j+1}); the Hessian is tridiagonal."""
    first = [sp.diff(term, symbol) for symbol in (THETA, NEXT)]
    second = (sp.diff(first[0], THETA), sp.diff(first[1], NEXT))
    summand, slopes, curvatures, mixed = (
        compiled((THETA, NEXT), part) for part in (term, first, second, sp.diff(first[0], NEXT))
    )
    i, j = np.arange(d - 1), np.arange(1, d)

    def value(x: Array) -> Array:
        return _summed(summand, x[..., :-1], x[..., 1:])

    def spread(parts: tuple[Array, Array], out: Array) -> Array:
        # Every pair's part goes to its first coordinate, then the other to its second.
        out[..., :-1], out[..., -1] = parts[0], 0.0
        out[..., 1:] += parts[1]
        return out

    def gradient(x: Array) -> Array:
        return spread(slopes(x[..., :-1], x[..., 1:]), np.empty_like(x, np.float64))

    def hessian_diagonal(x: Array) -> Array:
        return spread(curvatures(x[..., :-1], x[..., 1:]), np.empty_like(x, np.float64))

    def hessian(x: Array) -> Array:
        out = np.zeros((*x.shape, d))
        out[..., range(d), range(d)] = hessian_diagonal(x)
        out[..., i, j] = out[..., j, i] = mixed(x[..., :-1], x[..., 1:])
        return out

    return {"value": value, "gradient": gradient, "hessian": hessian, "hessian_diagonal": hessian_diagonal}


PAIRS_ANGLE = 0.5  # radians: 28.6°


def _turn_neighbours(x: Array, angle: float) -> Array:
    """Coordinates 0 and 1, 2 and 3, … turned by an angle; a last one without a neighbour stays."""
    c, s, even = np.cos(angle), np.sin(angle), x.shape[-1] // 2 * 2
    out = np.copy(x, order="K")
    a, b = x[..., 0:even:2], x[..., 1:even:2]
    out[..., 0:even:2], out[..., 1:even:2] = c * a - s * b, s * a + c * b
    return out


# Asked for at every evaluation and not kept in the function's closures, so that the functions that `resolve` keeps do
# not keep 8 MB each.
@lru_cache(maxsize=8)
def _random_rotation(d: int) -> Array:
    """(d, d): one orthogonal matrix of each size, uniformly distributed over all of them."""
    q, r = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def _turn(x: Array, R: Array) -> Array:
    # Not x @ R: the bits of a matrix product depend on how many points there are, those of a run must not.
    return np.einsum("...j,jk->...k", x, R)


# What x is turned by, and by what the result is turned back.
_TURNS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "pairs": (lambda x: _turn_neighbours(x, -PAIRS_ANGLE), lambda y: _turn_neighbours(y, PAIRS_ANGLE)),
    "random": (lambda x: _turn(x, _random_rotation(x.shape[-1])), lambda y: _turn(y, _random_rotation(y.shape[-1]).T)),
}


def rotated(h: Array, rotation: str) -> Calculus:
    """½ Σ_j h_j (Rθ)_j² for a rotation R of `_TURNS`."""
    turn, back = _TURNS[rotation]
    d = h.size
    diagonal = turn(np.eye(d)) ** 2 @ h

    def value(x: Array) -> Array:
        return (h * turn(x) ** 2).sum(axis=-1) / 2

    def gradient(x: Array) -> Array:
        return back(h * turn(x))

    def hessian_diagonal(x: Array) -> Array:
        out = np.empty_like(x, np.float64)
        out[...] = diagonal
        return out

    def hessian(x: Array) -> Array:
        out = np.empty((*x.shape, d))
        out[...] = gradient(np.eye(d))
        out[..., range(d), range(d)] = diagonal
        return out

    return {"value": value, "gradient": gradient, "hessian": hessian, "hessian_diagonal": hessian_diagonal}


def _everywhere(family: Family, d: int, latex: str, term: sp.Expr, start: float, minimum: float, calculus: Calculus):
    """The record of a function whose start, minimum and domain are the same in every coordinate."""
    return TestFunction(
        key=family.key,
        spec=family.key,
        name=family.name,
        dim=d,
        latex=latex,
        expression=term,
        domain=((-2.0, 2.0),) * d,
        start=(start,) * d,
        minima=((minimum,) * d,),
        local_minima=(),
        minimum=0.0,
        lesson=family.lesson,
        names=(),
        **calculus,
    )


def _quadratic(d: int, condition: float, spectrum: str, rotation: str) -> TestFunction:
    kappa = latex_number(condition)
    if spectrum == "log":
        h = np.geomspace(1.0, condition, d)
        which = rf"h_j = \kappa^{{j/{d - 1}}},\ \kappa = {kappa}"
    elif spectrum == "two_clusters":
        h = np.where(np.arange(d) < (d + 1) // 2, 1.0, condition)
        which = rf"h_j = 1 \text{{ for }} j < {(d + 1) // 2},\ {kappa} \text{{ from there on}}"
    else:
        h = np.where(np.arange(d) < d - 1, 1.0, condition)
        which = rf"h_j = 1,\ h_{{{d - 1}}} = {kappa}"
    term = H * THETA**2 / 2
    theta, calculus = r"\theta_j", over_coordinates(term, h)
    if rotation != "none":
        theta, calculus = r"(R\theta)_j", rotated(h, rotation)
        which += (
            rf",\ R \text{{ turns neighbours by }} {PAIRS_ANGLE:g}" if rotation == "pairs" else r",\ R \text{ random}"
        )
    latex = rf"\tfrac{{1}}{{2}}\sum_{{j=0}}^{{{d - 1}}} h_j\,{theta}^2,\quad {which}"
    return _everywhere(QUADRATIC, d, latex, term, 1.0, 0.0, calculus)


def _block_quadratic(d: int, blocks: int, condition: float) -> TestFunction:
    """Blocks of nearly equal size, the softest first.

    Inside a block the curvatures spread by a factor of 4 (or by κ, if that is less); the blocks are log-spaced so that
    the extremes of all are 1 and κ.
    """
    if blocks > d:
        raise FunctionError("f.blocks", f"blocks must be a whole number from 2 to d = {d}, not {blocks}")
    spread = min(4.0, condition)
    scale = np.geomspace(1.0, condition / spread, blocks)
    sizes = [len(part) for part in np.array_split(np.arange(d), blocks)]
    h = np.concatenate([s * np.geomspace(1.0, spread, size) for s, size in zip(scale, sizes, strict=True)])
    h[-1] = condition  # also where the last block has a single coordinate
    latex = (
        rf"\tfrac{{1}}{{2}}\sum_{{b=0}}^{{{blocks - 1}}}\sum_{{j\in b}} h_j\,\theta_j^2,\quad "
        rf"h_j \in [s_b, {latex_number(spread)}\,s_b],\ "
        rf"s_b = \rho^{{b/{blocks - 1}}},\ \rho = {latex_number(condition / spread)}"
    )
    term = H * THETA**2 / 2
    return _everywhere(BLOCK_QUADRATIC, d, latex, term, 1.0, 0.0, over_coordinates(term, h))


def _rosenbrock(d: int) -> TestFunction:
    latex = (
        rf"\sum_{{j=0}}^{{{d - 2}}} \left[100\,(\theta_{{j+1}}-\theta_j^2)^2 + (1-\theta_j)^2\right]"
        if d > 2
        else r"100\,(\theta_1-\theta_0^2)^2 + (1-\theta_0)^2"
    )
    term = 100 * (NEXT - THETA**2) ** 2 + (1 - THETA) ** 2
    return _everywhere(ROSENBROCK, d, latex, term, -0.5, 1.0, over_neighbours(term, d))


def _dimension(default: int) -> Parameter:
    return Parameter("d", "dimension", "d", default, "How many parameters θ has.", 2, 1000, scale="log", integer=True)


def _condition(default: float) -> Parameter:
    return Parameter(
        "condition",
        "κ condition",
        "κ",
        default,
        "Greatest curvature divided by the smallest.",
        1.0,
        1e8,
        scale="log",
    )


QUADRATIC = Family(
    "quadratic",
    "Quadratic",
    "high-dimensional",
    "Curvatures side by side over many orders of magnitude: every coordinate needs its own learning rate, and the "
    "noise of an estimate of so many grows with their number.",
    _quadratic,
    dim=None,
    parameters=(
        _dimension(30),
        _condition(1e4),
        Parameter(
            "spectrum",
            "spectrum",
            "h",
            "log",
            "How the curvatures lie between 1 and κ: evenly on a log axis, half at either end, or a single one at κ.",
            choices=("log", "two_clusters", "one_outlier"),
        ),
        Parameter(
            "rotation",
            "rotation",
            "R",
            "none",
            "How the axes of curvature lie to those of θ: along them, neighbours turned by 0.5 rad (28.6°), or all "
            "turned at random, which puts much of the curvature off the diagonal.",
            choices=("none", "pairs", "random"),
        ),
    ),
)

BLOCK_QUADRATIC = Family(
    "block_quadratic",
    "Block quadratic",
    "high-dimensional",
    "As in the layers of a transformer, curvature is alike within a block and far apart between blocks: one learning "
    "rate per block would nearly do.",
    _block_quadratic,
    dim=None,
    parameters=(
        _dimension(24),
        Parameter(
            "blocks", "blocks", "b", 4, "How many blocks the parameters fall into, at most d.", 2, 64, integer=True
        ),
        _condition(1e4),
    ),
)

ROSENBROCK = Family(
    "rosenbrock_nd",
    "Rosenbrock, d-dimensional",
    "high-dimensional",
    "A chain of curved valleys that couples neighbours: much of the curvature is off the diagonal, where a diagonal "
    "estimate cannot see it.",
    _rosenbrock,
    dim=None,
    parameters=(_dimension(10),),
)

HIGH_DIMENSIONAL: tuple[Family, ...] = (QUADRATIC, BLOCK_QUADRATIC, ROSENBROCK)
