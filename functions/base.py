"""What a test function is: a frozen record, its value, gradient and Hessian compiled from one SymPy expression.

Kinks. |s| and √s have no derivative at s = 0. Here it is *defined* as 0 there (`Sign(0) = 0`, `InverseRoot(0) = 0`):
for the cones |x| and ‖x‖ that is the subgradient of least norm, so a method that stands on the tip stays there, and
nothing is NaN. The second derivative of |s| is 0 wherever it exists, and defined as 0 at the kink. max and min have the
derivatives of the argument that is taken, and the mean of both where the two are equal (for max(s, −s) that is 0).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.precedence import PRECEDENCE

Array = NDArray[np.float64]
Point = tuple[float, ...]
Domain = tuple[tuple[float, float], ...]

# No `real=True`: SymPy would rewrite √(x²) as Abs(x) and differentiate that into Dirac deltas. Kinks are made below.
X, Y = sp.symbols("x y")


class FunctionError(ValueError):
    """A function's spec is wrong.

    `field` says where ("f", "f.condition"), `message` names the value and what is allowed, and `position` is the offset
    of the offending character in an expression's text.
    """

    def __init__(self, field: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.field, self.message, self.position = field, message, position


class _Known(sp.Function):
    if TYPE_CHECKING:  # SymPy's own annotation says that calling a function makes a class

        def __new__(cls, *arguments: sp.Basic) -> Self: ...


class Absolute(_Known):
    """|s|, real."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sign(self.args[0])


class Sign(_Known):
    """The derivative of |s|: 0 at the kink."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)


class Root(_Known):
    """√s; NaN for s < 0."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return InverseRoot(self.args[0]) / 2


class InverseRoot(_Known):
    """1/√s, and 0 at the kink s = 0."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -(InverseRoot(self.args[0]) ** 3) / 2


class ExpMinus1(_Known):
    """exp(s) − 1 without cancellation near 0."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(self.args[0])


class Maximum(_Known):
    """The greater of two."""

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        return a if a == b else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        a, b = self.args
        return OfGreater(a, b, sp.diff(a, s), sp.diff(b, s))


class Minimum(_Known):
    """The smaller of two."""

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        return a if a == b else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        a, b = self.args
        return OfGreater(b, a, sp.diff(a, s), sp.diff(b, s))


class OfGreater(_Known):
    """OfGreater(a, b, p, q): p where a > b, q where b > a, their mean where a = b. Its own jump has no derivative."""

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr, p: sp.Expr, q: sp.Expr) -> sp.Expr | None:
        return p if p == q else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        a, b, p, q = self.args
        return OfGreater(a, b, sp.diff(p, s), sp.diff(q, s))


def _of_greater(a: Array, b: Array, p: Array, q: Array) -> Array:
    either = np.where(np.isnan(a) | np.isnan(b), np.nan, (p + q) / 2)
    return np.where(a > b, p, np.where(b > a, q, either))


def _inverse_root(s: Array) -> Array:
    root = np.sqrt(s)
    return np.divide(1.0, root, out=np.zeros_like(root), where=root != 0)


def _power(s: Array, n: int) -> Array:
    """sⁿ for n ≥ 1 by repeated squaring: numpy's own pow is some hundred times slower on arrays."""
    result = None
    while True:
        if n & 1:
            result = s if result is None else result * s
        n >>= 1
        if not n:
            return result  # pyright: ignore[reportReturnType]  # the highest bit has set it
        s = s * s


class _Printer(NumPyPrinter):
    """NumPy code that is quick on small arrays too.

    A constant becomes a 0-d array made once (numpy takes 0.3 µs to convert a Python number at every use), and integer
    powers become multiplications.
    """

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True})
        self.constants: dict[str, Array] = {}

    def _print(self, expr: Any, **kwargs: Any) -> str:
        if not (isinstance(expr, sp.Expr) and expr.is_number):
            return super()._print(expr, **kwargs)
        name = f"c{len(self.constants)}_"
        self.constants[name] = np.array(float(expr))
        self.constants[name].flags.writeable = False
        return name

    def _print_Mul(self, expr: sp.Mul) -> str:
        number, rest = expr.as_independent(*expr.free_symbols, as_Add=False)
        if number == 1:
            return super()._print_Mul(expr)
        body = self.parenthesize(rest, PRECEDENCE["Mul"])
        return f"-{body}" if number == -1 else f"{self._print(number)}*{body}"

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if not isinstance(exponent, sp.Integer):
            return super()._print_Pow(expr, rational)
        n, body = abs(int(exponent)), self._print(base)
        code = f"({body})" if n == 1 else f"square({body})" if n == 2 else f"power_({body}, {n})"
        return code if exponent > 0 else f"({self._print(sp.Integer(1))}/{code})"


_NUMPY = {
    "Absolute": np.abs,
    "Sign": np.sign,
    "Root": np.sqrt,
    "InverseRoot": _inverse_root,
    "ExpMinus1": np.expm1,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "OfGreater": _of_greater,
    "power_": _power,
}


def compiled(symbols: Sequence[sp.Symbol], expressions: sp.Expr | Sequence[sp.Expr]) -> Callable[..., Any]:
    """Compile expressions to NumPy with common subexpressions taken out.

    The result takes one array per symbol and returns one per expression; what does not depend on the symbols comes back
    as a 0-d array, to be broadcast.
    """
    printer = _Printer()
    function = sp.lambdify(symbols, expressions, [_NUMPY, "numpy"], printer=printer, cse=True, docstring_limit=0)
    function.__globals__.update(printer.constants)
    return function


@dataclass(frozen=True, eq=False)
class TestFunction:
    """A function to minimise.

    Points are float64 arrays of shape (..., d), in any memory layout; nothing is copied into another one. Invalid
    operations (log of a negative number) give NaN with numpy's usual warning: silence it outside.
    """

    __test__: ClassVar[bool] = False  # its name would make pytest collect it

    key: str
    spec: str  # canonical: `resolve(spec)` makes this function again
    name: str
    dim: int
    latex: str
    expression: sp.Expr  # in d dimensions: the term that is summed over coordinates or neighbouring pairs
    domain: Domain
    start: Point
    minima: tuple[Point, ...]  # the known global minima
    local_minima: tuple[Point, ...]  # known minima that are not global
    minimum: float | None  # the value at the global minima; None if unknown, or if there is none
    lesson: str
    value: Callable[[Array], Array] = field(repr=False)  # (..., d) → (...)
    gradient: Callable[[Array], Array] = field(repr=False)  # (..., d) → (..., d)
    hessian: Callable[[Array], Array] = field(repr=False)  # (..., d) → (..., d, d)
    hessian_diagonal: Callable[[Array], Array] = field(repr=False)  # (..., d) → (..., d)
    names: tuple[str, ...] = ()  # of the coordinates, where they have names of their own

    def coordinate(self, j: int) -> str:
        """The name of coordinate j, counted from 0 as in the tables: x, y, or θ_j where it has none."""
        return self.names[j] if self.names else f"θ_{j}"


def plane(
    key: str,
    name: str,
    latex: str,
    expression: sp.Expr,
    domain: Domain,
    start: Point,
    lesson: str,
    minima: tuple[Point, ...] = (),
    local_minima: tuple[Point, ...] = (),
    minimum: float | None = 0.0,
) -> TestFunction:
    """The test function of two variables that a SymPy expression in x and y describes."""
    slope_x, slope_y = (sp.diff(expression, symbol) for symbol in (X, Y))
    loss = compiled((X, Y), expression)
    slopes = compiled((X, Y), (slope_x, slope_y))
    curvatures = compiled((X, Y), (sp.diff(slope_x, X), sp.diff(slope_y, Y)))
    mixed = compiled((X, Y), sp.diff(slope_x, Y))

    def value(x: Array) -> Array:
        return loss(x[..., 0], x[..., 1])

    def copied_value(x: Array) -> Array:
        return +value(x)

    def gradient(x: Array) -> Array:
        out = np.empty_like(x, np.float64)
        out[..., 0], out[..., 1] = slopes(x[..., 0], x[..., 1])
        return out

    def hessian_diagonal(x: Array) -> Array:
        out = np.empty_like(x, np.float64)
        out[..., 0], out[..., 1] = curvatures(x[..., 0], x[..., 1])
        return out

    def hessian(x: Array) -> Array:
        out = np.empty((*x.shape, 2))
        out[..., (0, 1), (0, 1)] = hessian_diagonal(x)
        out[..., 0, 1] = out[..., 1, 0] = mixed(x[..., 0], x[..., 1])
        return out

    return TestFunction(
        key=key,
        spec=key,
        name=name,
        dim=2,
        latex=latex,
        expression=expression,
        domain=domain,
        start=start,
        minima=minima,
        local_minima=local_minima,
        minimum=minimum,
        lesson=lesson,
        # A bare symbol's value would be a view of the caller's own θ, which moves.
        value=copied_value if expression.is_Symbol else value,
        gradient=gradient,
        hessian=hessian,
        hessian_diagonal=hessian_diagonal,
        names=("x", "y"),
    )


@dataclass(frozen=True)
class Parameter:
    """A number or a choice that a family of functions depends on. `low` and `high` are inclusive."""

    name: str
    label: str
    symbol: str
    default: float | int | str
    help: str
    low: float = 0.0
    high: float = 0.0
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False
    choices: tuple[str, ...] | None = None
    unit: str = ""

    @property
    def allowed(self) -> str:
        if self.choices is not None:
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if self.integer else "a number"
        return f"{kind} from {self.low:,.12g} to {self.high:,.12g}"

    def check(self, value: Any) -> float | int | str:
        """The value in its own type; also from text. Raises FunctionError with the range when it is not allowed."""
        number = math.nan
        if self.choices is not None:
            if value in self.choices:
                return value
        else:
            with suppress(TypeError, ValueError):
                number = float(value)
            if self.low <= number <= self.high and (not self.integer or number.is_integer()):
                return int(number) if self.integer else number
        shown = str(value)[:40] if not math.isnan(number) else f"“{str(value)[:40]}”"
        raise FunctionError(f"f.{self.name}", f"{self.label} must be {self.allowed}, not {shown}")


@dataclass(frozen=True)
class Family:
    """An entry of the catalogue: one function, or one for every choice of its parameters."""

    key: str
    name: str
    group: str
    lesson: str
    make: Callable[..., TestFunction] = field(repr=False)
    dim: int | None = 2  # None: chosen by the parameter d
    parameters: tuple[Parameter, ...] = ()

    def build(self, **given: Any) -> TestFunction:
        """The function for these parameters, defaults for the rest. Raises FunctionError naming the wrong parameter."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                has = f"Its parameters are {', '.join(known)}" if known else "It has none"
                raise FunctionError(f"f.{name[:40]}", f"{self.key} has no parameter “{name[:40]}”. {has}")
        values = {name: p.check(given.get(name, p.default)) for name, p in known.items()}
        return replace(self.make(**values), spec=self._spec(values))

    def _spec(self, values: Mapping[str, Any]) -> str:
        chosen = [f"{p.name}={_text(values[p.name])}" for p in self.parameters if values[p.name] != p.default]
        return f"{self.key}:{','.join(chosen)}" if chosen else self.key


def _text(value: float | int | str) -> str:
    """The shortest text that reads back as the same value."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    return str(value)


def latex_number(value: float) -> str:
    r"""A number as papers set it, to 12 digits: 0.5, 10^{4}, 2.5 \cdot 10^{-7}."""
    mantissa, _, exponent = f"{value:.11e}".partition("e")
    mantissa, power = mantissa.rstrip("0").rstrip("."), int(exponent)
    round_number = mantissa in ("1", "-1")
    if -4 <= power < (4 if round_number else 7):
        return f"{value:.12g}"
    factor = mantissa[:-1] if round_number else rf"{mantissa} \cdot "
    return f"{factor}10^{{{power}}}"
