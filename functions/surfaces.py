"""The catalogue of functions of two variables. Data: each entry is its SymPy expression and what is known about it.

Formulas are written so that they lose no digits at the minimum (20 sin²(πx) for 10 − 10 cos(2πx), expm1 for e^s − 1):
on a logarithmic axis the last digits are what one looks at.
"""

import math
from functools import partial

import sympy as sp

from .base import Absolute, ExpMinus1, Family, Parameter, Root, TestFunction, X, Y, latex_number, plane


def _square(half_width: float) -> tuple[tuple[float, float], ...]:
    return ((-half_width, half_width), (-half_width, half_width))


def _surface(key: str, name: str, group: str, lesson: str, expression: sp.Expr, **known) -> Family:
    make = partial(plane, key=key, name=name, lesson=lesson, expression=sp.sympify(expression), **known)
    return Family(key, name, group, lesson, make)


def _rotated_ellipse(angle: float, condition: float) -> TestFunction:
    c, s = (sp.Float(f(math.radians(angle))) for f in (math.cos, math.sin))
    return plane(
        key=ELLIPSE.key,
        name=ELLIPSE.name,
        lesson=ELLIPSE.lesson,
        expression=sp.Float(condition) / 2 * (c * X + s * Y) ** 2 + (c * Y - s * X) ** 2 / 2,
        latex=rf"\tfrac{{1}}{{2}}\left({latex_number(condition)}\,u^2 + v^2\right),\quad "
        r"u = x\cos\varphi + y\sin\varphi,\ v = y\cos\varphi - x\sin\varphi,\ "
        rf"\varphi = {latex_number(angle)}^\circ",
        domain=_square(2),
        start=(1.6, 0.4),
        minima=((0.0, 0.0),),
    )


ELLIPSE = Family(
    "rotated_ellipse",
    "Rotated ellipse",
    "convex",
    "The stiff direction lies between the axes, so the difference in curvature is off the Hessian's diagonal, and no "
    "rescaling of x and y removes it: at 45° a diagonal preconditioner gains nothing.",
    _rotated_ellipse,
    parameters=(
        Parameter(
            "angle",
            "angle",
            "φ",
            45.0,
            "Direction of the greatest curvature, counter-clockwise from the x axis. At 0° or 90° the Hessian is "
            "diagonal.",
            0.0,
            180.0,
            unit="°",
        ),
        Parameter(
            "condition",
            "κ condition",
            "κ",
            100.0,
            "Greatest curvature divided by the smallest.",
            1.0,
            1e6,
            scale="log",
        ),
    ),
)

# The wells of ½(t⁴ − 16t² + 5t): the outer roots of its derivative 2t³ − 16t + 5/2, by the cosine formula.
_DEEP, _SHALLOW = (
    2 * math.sqrt(8 / 3) * math.cos(math.acos(-15 / 64 * math.sqrt(3 / 8)) / 3 + turn)
    for turn in (2 * math.pi / 3, 0.0)
)
# The outer wells of the camel: y = −x/2 and x⁴ − 4.2x² + 3.5 = 0.
_CAMEL = math.sqrt(2.1 + math.sqrt(0.91))

_W, _V = 1 + (X - 1) / 4, 1 + (Y - 1) / 4

SURFACES: tuple[Family, ...] = (
    _surface(
        "double_well",
        "Double well",
        "paper",
        "Across x the curvature changes size and even sign, along y it stays 1: the diagonal Hessian has to be "
        "learned again on the way.",
        8 * (X - 1) ** 2 * (sp.Rational(13, 10) * X**2 + 2 * X + 1) + (Y - 4) ** 2 / 2,
        latex=r"8(x-1)^2(1.3x^2+2x+1) + \tfrac{1}{2}(y-4)^2",
        domain=((-1.6, 2.2), (-1.5, 6.0)),
        start=(0.35, -0.2),
        minima=((1.0, 4.0),),
        local_minima=((-17 / 26, 4.0),),
    ),
    _surface(
        "absolute",
        "Absolute value",
        "paper",
        "There is no curvature to find: away from the axes the Hessian is 0, and only a probe that straddles a kink "
        "sees any.",
        Absolute(X) + Absolute(Y),
        latex=r"\lvert x\rvert + \lvert y\rvert",
        domain=_square(2),
        start=(1.5, 0.8),
        minima=((0.0, 0.0),),
    ),
    _surface(
        "stiff_quadratic",
        "Stiff quadratic",
        "paper",
        "x is 10,000 times stiffer than y: a learning rate that x survives hardly moves y, unless each is divided by "
        "its own curvature.",
        10000 * X**2 + Y**2,
        latex=r"10\,000\,x^2 + y^2",
        domain=_square(1.5),
        start=(1.0, 1.0),
        minima=((0.0, 0.0),),
    ),
    _surface(
        "isotropic_bowl",
        "Isotropic bowl",
        "convex",
        "Curvature is the same in every direction, so there is nothing to gain from it, and the extra forward pass "
        "that measures it is wasted.",
        X**2 + Y**2,
        latex=r"x^2 + y^2",
        domain=_square(2),
        start=(1.5, 1.0),
        minima=((0.0, 0.0),),
    ),
    ELLIPSE,
    _surface(
        "booth",
        "Booth",
        "convex",
        "Mildly ill-conditioned, and entirely off the diagonal: x and y are equally stiff, yet the bowl is stretched "
        "along x = −y.",
        (X + 2 * Y - 7) ** 2 + (2 * X + Y - 5) ** 2,
        latex=r"(x+2y-7)^2 + (2x+y-5)^2",
        domain=_square(10),
        start=(-7.0, 6.0),
        minima=((1.0, 3.0),),
    ),
    _surface(
        "rosenbrock",
        "Rosenbrock",
        "valley",
        "The stiff direction turns along the curved valley, so each step leaves behind the curvature that was "
        "learned for it.",
        100 * (Y - X**2) ** 2 + (1 - X) ** 2,
        latex=r"100\,(y-x^2)^2 + (1-x)^2",
        domain=((-2.0, 2.0), (-1.0, 3.0)),
        start=(-1.2, 1.0),
        minima=((1.0, 1.0),),
    ),
    _surface(
        "beale",
        "Beale",
        "valley",
        "A flat plain between steep walls: curvature grows a millionfold towards the corners, so one learning rate "
        "is either explosive there or idle here.",
        (sp.Rational(3, 2) - X + X * Y) ** 2
        + (sp.Rational(9, 4) - X + X * Y**2) ** 2
        + (sp.Rational(21, 8) - X + X * Y**3) ** 2,
        latex=r"(1.5-x+xy)^2 + (2.25-x+xy^2)^2 + (2.625-x+xy^3)^2",
        domain=_square(4.5),
        start=(3.5, -2.0),
        minima=((3.0, 0.5),),
    ),
    _surface(
        "himmelblau",
        "Himmelblau",
        "many minima",
        "From near the top of the hill the random directions decide: runs that differ only in their noise end in "
        "different ones of four equal minima.",
        (X**2 + Y - 11) ** 2 + (X + Y**2 - 7) ** 2,
        latex=r"(x^2+y-11)^2 + (x+y^2-7)^2",
        domain=_square(5),
        start=(-0.3, -0.9),
        minima=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.779310253377747, -3.283185991286170),
            (3.584428340330492, -1.848126526964404),
        ),
    ),
    _surface(
        "three_hump_camel",
        "Three-hump camel",
        "many minima",
        "Three wells in a row and negative curvature between them: a preconditioner that takes the absolute "
        "value walks through, one that kept the sign would climb.",
        2 * X**2 - sp.Rational(21, 20) * X**4 + X**6 / 6 + X * Y + Y**2,
        latex=r"2x^2 - 1.05x^4 + \tfrac{1}{6}x^6 + xy + y^2",
        domain=_square(2.5),
        start=(-1.1, 2.2),
        minima=((0.0, 0.0),),
        local_minima=((_CAMEL, -_CAMEL / 2), (-_CAMEL, _CAMEL / 2)),
    ),
    _surface(
        "styblinski_tang",
        "Styblinski–Tang",
        "many minima",
        "Each coordinate chooses between two wells by itself, and the Hessian is exactly diagonal: the best case for "
        "a diagonal estimate on a function that is not convex.",
        (X**4 - 16 * X**2 + 5 * X + Y**4 - 16 * Y**2 + 5 * Y) / 2,
        latex=r"\tfrac{1}{2}\left(x^4-16x^2+5x\right) + \tfrac{1}{2}\left(y^4-16y^2+5y\right)",
        domain=_square(5),
        start=(-0.4, 0.4),
        minima=((_DEEP, _DEEP),),
        local_minima=((_DEEP, _SHALLOW), (_SHALLOW, _DEEP), (_SHALLOW, _SHALLOW)),
        minimum=_DEEP**4 - 16 * _DEEP**2 + 5 * _DEEP,
    ),
    _surface(
        "ackley",
        "Ackley",
        "many minima",
        "A cone covered in dimples: curvature speaks of the dimple and the slope of the cone, so the perturbation "
        "scale decides which of the two a probe sees.",
        -20 * ExpMinus1(-Root((X**2 + Y**2) / 2) / 5)
        - sp.E * ExpMinus1(-(sp.sin(sp.pi * X) ** 2) - sp.sin(sp.pi * Y) ** 2),
        latex=r"20 + e - 20\,e^{-0.2\sqrt{(x^2+y^2)/2}} - e^{(\cos 2\pi x+\cos 2\pi y)/2}",
        domain=_square(5),
        start=(-3.4, 2.3),
        minima=((0.0, 0.0),),
    ),
    _surface(
        "rastrigin",
        "Rastrigin",
        "many minima",
        "A bowl under a grid of ripples: measured finely the curvature is the ripples' (about 400), measured "
        "coarsely the bowl's (2).",
        X**2 + 20 * sp.sin(sp.pi * X) ** 2 + Y**2 + 20 * sp.sin(sp.pi * Y) ** 2,
        latex=r"20 + x^2 - 10\cos 2\pi x + y^2 - 10\cos 2\pi y",
        domain=_square(5.12),
        start=(2.4, -3.4),
        minima=((0.0, 0.0),),
    ),
    _surface(
        "levy",
        "Lévy",
        "many minima",
        "Long ripples across x and short ones across y: ill-conditioning and local minima at once, so a good "
        "preconditioner alone does not find the best well.",
        sp.sin(sp.pi * _W) ** 2
        + (_W - 1) ** 2 * (1 + 10 * sp.sin(sp.pi * _W + 1) ** 2)
        + (_V - 1) ** 2 * (1 + sp.sin(2 * sp.pi * _V) ** 2),
        latex=r"\sin^2\pi u + (u-1)^2\left(1+10\sin^2(\pi u+1)\right) + (v-1)^2\left(1+\sin^2 2\pi v\right),\quad "
        r"u = \tfrac{x+3}{4},\ v = \tfrac{y+3}{4}",
        domain=_square(10),
        start=(-6.0, 7.0),
        minima=((1.0, 1.0),),
    ),
    _surface(
        "saddle",
        "Saddle",
        "saddle",
        "Between two minima the curvature along x is negative: an estimate that kept the sign would be drawn to the "
        "saddle; its absolute value is pushed away from it.",
        X**4 / 4 - X**2 / 2 + Y**2 / 2,
        latex=r"\tfrac{1}{4}x^4 - \tfrac{1}{2}x^2 + \tfrac{1}{2}y^2",
        domain=_square(2),
        start=(0.05, 1.5),
        minima=((-1.0, 0.0), (1.0, 0.0)),
        minimum=-0.25,
    ),
    _surface(
        "monkey_saddle",
        "Monkey saddle",
        "saddle",
        "At the origin slope and Hessian both vanish, so a preconditioner has nothing to divide by; beyond it there "
        "is no floor, and a run that gets away diverges.",
        X**3 - 3 * X * Y**2,
        latex=r"x^3 - 3xy^2",
        domain=_square(2),
        start=(1.2, 0.05),
        minimum=None,
    ),
)
