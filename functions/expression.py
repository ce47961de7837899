"""A user's own f(x, y): text → tokens → SymPy, by precedence climbing over a closed grammar.

    sum      = product (("+" | "-") product)*
    product  = unary (("*" | "/") unary | power)*         the second form: 2x, 3(x+1), (x-1)(y+2), with no space between
    unary    = ("-" | "+") unary | power
    power    = atom (("^" | "**") ("-" | "+")* atom | superscript)?       the exponent is a number; no towers
    atom     = number | "x" | "y" | "pi" | "e" | function "(" sum ("," sum)* ")" | "(" sum ")" | "|" sum "|" | "√" atom

What has another usual form (x², |x|, √x, ln, π, ·, ×, −) is read as such and written in the canonical text in ASCII.

No text reaches Python's eval or SymPy's parser. Constant parts are folded in floats as they are read, so no number can
grow beyond its limit, and the limits below keep differentiating and compiling within seconds at the very worst.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NoReturn

import numpy as np
import sympy as sp

from .base import Absolute, FunctionError, Maximum, Minimum, Point, Root, TestFunction, X, Y, latex_number, plane
from .formula_tokens import Token, advice, tokens_of

KEY = "expr"
DOMAIN = ((-3.0, 3.0), (-3.0, 3.0))
START: Point = (-1.5, 1.8)
LESSON = "Your own function: its curvature decides whether a diagonal Hessian helps."

MAX_LENGTH = 300  # characters
MAX_NODES = 80  # numbers, names and operations
MAX_DEPTH = 20  # parentheses, functions and signs inside each other
MAX_EXPONENT = 16
MAX_DEGREE = 64  # product of the exponents of powers inside each other
MIN_NUMBER, MAX_NUMBER = 1e-12, 1e12
MAX_COEFFICIENT = 1e100  # SymPy multiplies out the numbers of (1e12 x)^16

# name: SymPy, the same on numbers, LaTeX around the arguments
_FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "sin": (sp.sin, math.sin, r"\sin\left(%s\right)"),
    "cos": (sp.cos, math.cos, r"\cos\left(%s\right)"),
    "tan": (sp.tan, math.tan, r"\tan\left(%s\right)"),
    "atan": (sp.atan, math.atan, r"\arctan\left(%s\right)"),
    "sinh": (sp.sinh, math.sinh, r"\sinh\left(%s\right)"),
    "cosh": (sp.cosh, math.cosh, r"\cosh\left(%s\right)"),
    "tanh": (sp.tanh, math.tanh, r"\tanh\left(%s\right)"),
    "exp": (sp.exp, math.exp, r"e^{%s}"),
    "log": (sp.log, math.log, r"\ln\left(%s\right)"),
    "sqrt": (Root, math.sqrt, r"\sqrt{%s}"),
    "abs": (Absolute, abs, r"\left\lvert %s\right\rvert"),
    "max": (lambda *several: reduce(Maximum, several), max, r"\max\left(%s\right)"),
    "min": (lambda *several: reduce(Minimum, several), min, r"\min\left(%s\right)"),
}
_OF_SEVERAL = ("max", "min")
_CONSTANTS = {"pi": (math.pi, r"\pi"), "e": (math.e, "e")}
_BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_VARIABLES = {"x": X, "y": Y}

# How tightly a piece of LaTeX holds together: what needs parentheses around it, and where.
_SUM, _PRODUCT, _POWER, _CALL, _ATOM = range(5)


@dataclass(frozen=True)
class _Part:
    """A parsed part of the expression."""

    symbolic: sp.Expr
    number: float | None  # its value, if it is constant
    latex: str
    level: int
    degree: int = 1

    def within(self, level: int) -> str:
        """Its LaTeX, in parentheses where `level` or tighter is needed."""
        return self.latex if self.level >= level else rf"\left({self.latex}\right)"


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = tokens_of(text)
        self.index = 0
        self.depth = 0
        self.nodes = 0
        self.canonical: list[str] = []
        self.open: list[str] = []  # parentheses and bars inside which the parser stands

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def take(self, written: str | None = None) -> Token:
        """The next token; `written`: how it stands in the canonical text, if not as it is."""
        token = self.token
        self.index += 1
        self.canonical.append(token.text if written is None else written)
        return token

    def fail(self, message: str, token: Token) -> NoReturn:
        where = f", position {token.start + 1}" if token.kind != "end" else ""
        raise FunctionError("f", f"Formula{where}: {message}", token.start)

    def unexpected(self, expected: str) -> NoReturn:
        token = self.token
        found = f"found “{token.text[:20]}”" if token.kind != "end" else "the expression ends"
        self.fail(f"{found} where {expected} is expected", token)

    def part(
        self,
        token: Token,
        symbolic: Callable[..., sp.Expr],
        numeric: Callable[..., float],
        operands: tuple[_Part, ...],
        latex: str,
        level: int,
        degree: int = 1,
    ) -> _Part:
        """The part that an operation makes of its operands; the error, if any, points at the operation."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.fail(f"the expression has more than {MAX_NODES} numbers, names and operations", token)
        numbers = [operand.number for operand in operands if operand.number is not None]
        degree = max((degree, *(operand.degree for operand in operands)))
        undefined = f"“{token.text}” has no real, finite value here"
        if len(numbers) == len(operands):
            try:
                value = numeric(*numbers)
            except (ValueError, ZeroDivisionError, OverflowError):
                self.fail(undefined, token)
        else:
            expr = symbolic(*(operand.symbolic for operand in operands))
            if expr.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
                self.fail(undefined, token)
            if any(abs(number) > MAX_COEFFICIENT for number in expr.atoms(sp.Number)):
                self.fail(f"a coefficient multiplies to more than {MAX_COEFFICIENT:g}", token)
            if not expr.is_number:
                return _Part(expr, None, latex, level, degree)
            value = float(expr)  # such as x - x
        if not abs(value) <= MAX_NUMBER:
            self.fail(f"a constant comes to {value:.3g}; numbers may go up to {MAX_NUMBER:g}", token)
        return _Part(sp.Integer(int(value)) if value.is_integer() else sp.Float(value), value, latex, level, degree)

    def nested(self, token: Token, parse: Callable[[], _Part]) -> _Part:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} levels of parentheses, functions and signs inside each other", token)
        part = parse()
        self.depth -= 1
        return part

    def whole(self) -> _Part:
        part = self.sum()
        if self.token.kind != "end":
            self.unexpected("an operator")
        return part

    def sum(self) -> _Part:
        left = self.product()
        while self.token.text in ("+", "-"):
            token = self.take()
            right = self.product()
            body = right.within(_PRODUCT) if token.text == "-" or right.latex.startswith("-") else right.latex
            latex = f"{left.latex} {token.text} {body}"
            left = self.part(token, _BINARY[token.text], _BINARY[token.text], (left, right), latex, _SUM)
        return left

    def product(self) -> _Part:
        left = self.unary()
        while True:
            token = self.token
            if token.text in ("*", "/"):
                self.take()
                right = self.unary()
            elif token.kind == "name" or token.text in ("(", "√") or (token.text == "|" and self.open[-1:] != ["|"]):
                if token.spaced:  # a "+" that was not URL-encoded arrives as a space: never guess at it
                    self.unexpected("an operator (one of + - * / ^)")
                self.canonical.append("*")
                right = self.power()
            else:
                return left
            if token.text == "/":
                latex = rf"\frac{{{left.latex}}}{{{right.latex}}}"
            else:
                factor = right.within(_PRODUCT)
                times = r" \cdot " if factor[0].isdigit() or factor.startswith((r"\frac", ".")) else r" "
                latex = left.within(_PRODUCT) + times + factor
            operation = _BINARY["/" if token.text == "/" else "*"]
            left = self.part(token, operation, operation, (left, right), latex, _PRODUCT)

    def unary(self) -> _Part:
        return self.signed(self.unary) if self.token.text in ("+", "-") else self.power()

    def signed(self, rest: Callable[[], _Part]) -> _Part:
        sign = self.take()
        operand = self.nested(sign, rest)
        if sign.text == "+":
            return operand
        return self.part(sign, lambda a: -a, lambda a: -a, (operand,), f"-{operand.within(_PRODUCT)}", _SUM)

    def power(self) -> _Part:
        base = self.atom()
        if self.token.kind == "superscript":
            first = token = self.take(f"^{self.token.text}")
            p = float(token.text)
            exponent = _Part(sp.Integer(int(p)), p, token.text, _ATOM)
        elif self.token.text == "^":
            token = self.take()
            first = self.token
            exponent = self.nested(first, self.exponent)
        else:
            return base
        if self.token.text == "^" or self.token.kind == "superscript":
            self.fail("powers of powers need parentheses: (x^2)^3", self.token)
        if base.symbolic == sp.Float(math.e) and exponent.number is None:
            return self.part(token, sp.exp, math.exp, (exponent,), f"e^{{{exponent.latex}}}", _POWER)
        p = exponent.number
        if p is None:
            self.fail("an exponent must be a number; for 2^x write exp(x*log(2))", first)
        if not (2 * p).is_integer() or abs(p) > MAX_EXPONENT:
            self.fail(
                f"the exponent is {p:.6g}, but must be a whole or half number from -{MAX_EXPONENT} to {MAX_EXPONENT}; "
                "for x^0.3, where x > 0, write exp(0.3*log(x))",
                first,
            )
        degree = base.degree * max(1, math.ceil(abs(p)))
        if degree > MAX_DEGREE:
            self.fail(f"powers inside each other multiply to {degree}, but may come to {MAX_DEGREE} at most", token)
        written = f"{{{p:.0f}}}" if p.is_integer() else f"{{{2 * p:.0f}/2}}"
        if base.level == _CALL and p > 0:  # sin²(x), as it is written
            latex = base.latex.replace(r"\left(", rf"^{written}\left(", 1)
        else:
            latex = f"{base.within(_ATOM)}^{written}"

        def raised(a: sp.Expr) -> sp.Expr:
            return a ** int(p) if p.is_integer() else Root(a) ** int(2 * p)

        return self.part(token, raised, lambda a: math.pow(a, p), (base,), latex, _POWER, degree)

    def exponent(self) -> _Part:
        return self.signed(self.exponent) if self.token.text in ("+", "-") else self.atom()

    def atom(self) -> _Part:
        token = self.token
        if token.kind == "number":
            self.take()
            value = float(token.text)
            if value != 0 and not MIN_NUMBER <= value <= MAX_NUMBER:
                self.fail(f"the number {token.text[:20]} is not 0 or from {MIN_NUMBER:g} to {MAX_NUMBER:g}", token)
            latex = latex_number(value)
            return self.part(token, sp.Float, lambda: value, (), latex, _PRODUCT if "cdot" in latex else _ATOM)
        if token.text == "(":
            self.take()
            inner = self.inside(token, self.sum)
            self.close(token)
            return inner
        if token.text == "|":
            self.take("abs(")
            inner = self.inside(token, self.sum)
            self.close(token)
            return self.call(token, "abs", (inner,))
        if token.text == "√":
            return self.root()
        if token.kind != "name":
            self.unexpected("a number, x, y, a function or “(”")
        self.take()
        if token.text in _VARIABLES:
            self.nodes += 1
            return _Part(_VARIABLES[token.text], None, token.text, _ATOM)
        if token.text in _CONSTANTS:
            value, latex = _CONSTANTS[token.text]
            return self.part(token, sp.Float, lambda: value, (), latex, _ATOM)
        if token.text not in _FUNCTIONS:
            self.fail(
                f"“{token.text[:20]}” is not known{advice(token.text, _FUNCTIONS, (*_VARIABLES, *_CONSTANTS))}", token
            )
        return self.call(token, token.text, self.arguments(token))

    def root(self) -> _Part:
        """√x or √(x + 1)."""
        sign = self.token
        bare = self.tokens[self.index + 1].text != "("
        self.take("sqrt(" if bare else "sqrt")
        inner = self.nested(sign, self.atom)
        if bare:
            self.canonical.append(")")
            if self.token.text == "^" or self.token.kind == "superscript":
                self.fail("the power of a root can be read in two ways: write √(x)^2 or √(x^2)", self.token)
        return self.call(sign, "sqrt", (inner,))

    def arguments(self, name: Token) -> tuple[_Part, ...]:
        """What stands in parentheses after a function's name."""
        opening = self.token
        if opening.text == "^" or opening.kind == "superscript":
            power = opening.text if opening.kind == "superscript" else self.tokens[self.index + 1].text
            if not power.isdigit():
                self.fail(
                    f"a power goes after the argument, as in {name.text}(x)^2, and there is no inverse {name.text}",
                    opening,
                )
            self.fail(f"a power goes after the argument: write {name.text}(x)^{power}", opening)
        if opening.text != "(":
            self.unexpected(f"“(” after {name.text}, as in {name.text}(x),")
        self.take()
        arguments = [self.inside(opening, self.sum)]
        while self.token.text == ",":
            if name.text not in _OF_SEVERAL:
                self.fail(f"{name.text} has one argument", self.token)
            self.take()
            arguments.append(self.inside(opening, self.sum))
        self.close(opening)
        if name.text in _OF_SEVERAL and len(arguments) < 2:
            self.fail(f"{name.text} needs two arguments or more: {name.text}(x, y)", name)
        return tuple(arguments)

    def call(self, token: Token, name: str, arguments: tuple[_Part, ...]) -> _Part:
        self.nodes += max(0, len(arguments) - 2)
        symbolic, numeric, template = _FUNCTIONS[name]
        level = _POWER if name in ("exp", "sqrt") else _ATOM if name in ("abs", *_OF_SEVERAL) else _CALL
        latex = template % ", ".join(argument.latex for argument in arguments)
        return self.part(token, symbolic, numeric, arguments, latex, level)

    def inside(self, opening: Token, parse: Callable[[], _Part]) -> _Part:
        """A part inside parentheses or bars."""
        self.open.append(opening.text)
        part = self.nested(opening, parse)
        self.open.pop()
        return part

    def close(self, opening: Token) -> None:
        closing = "|" if opening.text == "|" else ")"
        if self.token.text != closing:
            self.unexpected(f"an operator or “{closing}” for the “{opening.text}” at position {opening.start + 1}")
        self.take(")")


def _check_length(length: int, position: int) -> None:
    if length > MAX_LENGTH:
        raise FunctionError("f", f"The formula has {length} characters, but may have {MAX_LENGTH} at most", position)


def build(text: str) -> TestFunction:
    """The function x, y ↦ `text` on [-3, 3]². Its minima are not known.

    Raises FunctionError with field "f" and the offset of the fault in `text`; for a constant, or an expression that is
    finite nowhere on the domain, the offset is 0.
    """
    _check_length(len(text), MAX_LENGTH)
    parser = _Parser(text)
    part = parser.whole()
    canonical = "".join(parser.canonical)
    _check_length(len(canonical), len(text))  # longer than the text where signs of multiplication were left out
    if part.number is not None:
        raise FunctionError("f", f"The formula is the constant {part.number:g}: it must depend on x or y", 0)
    function = plane(
        key=KEY,
        name=f"f(x, y) = {canonical}",
        latex=part.latex,
        expression=part.symbolic,
        domain=DOMAIN,
        start=START,
        minimum=None,
        lesson=LESSON,
    )
    return replace(function, spec=f"{KEY}:{canonical}", start=_start(function))


def _start(function: TestFunction) -> Point:
    """The usual start, a mirror image of it, or the nearest grid point: the first with a finite value and gradient."""
    ticks = np.linspace(-3.0, 3.0, 61)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    grid = grid[np.argsort(np.square(grid - START).sum(axis=-1), kind="stable")]
    mirrors = np.array(START) * [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    points = np.concatenate([mirrors, grid])
    with np.errstate(all="ignore"):
        finite = np.isfinite(function.value(points)) & np.isfinite(function.gradient(points)).all(axis=-1)
    if not finite.any():
        raise FunctionError("f", "The formula has no finite value and gradient anywhere for x and y from -3 to 3", 0)
    x, y = points[finite.argmax()]
    return float(x), float(y)
