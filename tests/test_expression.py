"""The user's own f(x, y): what it may say, what it then computes, and what it must never do."""

import math
import random

import numpy as np
import pytest
import torch

from functions import FunctionError, TestFunction, expression, resolve

POINTS = np.random.default_rng(0).uniform(0.3, 1.7, (40, 2))
PYTHON = {
    name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "abs")
}
PYTHON |= {"max": np.maximum, "min": np.minimum, "atan": np.arctan, "pi": math.pi, "e": math.e, "__builtins__": {}}


def build(text: str) -> TestFunction:
    return resolve("expr:" + text)


def refused(text: str) -> FunctionError:
    with pytest.raises(FunctionError) as caught:
        build(text)
    error = caught.value
    assert error.field == "f"
    assert error.position is not None
    assert 0 <= error.position <= len(text)
    assert error.message.isprintable()
    assert len(error.message) < 300
    return error


def attempt(text: str) -> TestFunction | FunctionError:
    try:
        return expression.build(text)
    except FunctionError as error:
        return error


def python_value(text: str) -> np.ndarray:
    x, y = POINTS.T
    return eval(text, PYTHON, {"x": x, "y": y}) + 0 * x


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("100*(y-x^2)^2+(1-x)^2", "100*(y-x**2)**2+(1-x)**2"),
        ("x - y - 1", "x-y-1"),
        ("x / y / 2", "x/y/2"),
        ("x / y * 2", "x/y*2"),
        ("-x^2", "-(x**2)"),
        ("2 - -x", "2+x"),
        ("x * -y", "-x*y"),
        ("x^-2", "1/x**2"),
        ("x^-1.5", "x**-1.5"),
        ("x^(1/2) + y^0.5", "sqrt(x)+sqrt(y)"),
        ("x**3", "x**3"),
        ("x^16 + (y^4)^4", "x**16+y**16"),
        ("x^(2^3)", "x**8"),
        ("2x + 3(y + 1)(x - 2)y", "2*x+3*(y+1)*(x-2)*y"),
        ("2sin(pi*x)cos(y)", "2*sin(pi*x)*cos(y)"),
        ("1/2x", "0.5*x"),
        ("2e^x + 2e3x + 2exp(y)", "2*exp(x)+2000*x+2*exp(y)"),
        (".5x + 2.y + 1e-3", "0.5*x+2*y+0.001"),
        ("sinh(x)/cosh(y) + tanh(x*y) - atan(x) + tan(y/2)", "sinh(x)/cosh(y)+tanh(x*y)-atan(x)+tan(y/2)"),
        ("log(x) + sqrt(y) + abs(x - y) + exp(-x)", "log(x)+sqrt(y)+abs(x-y)+exp(-x)"),
        ("x", "x"),
        ("y + x - x", "y"),
        ("\tx +  y ", "x+y"),
        ("exp(log(2)*x)", "2**x"),
        ("max(x, y)", "max(x, y)"),
        ("min(2x, y^2, 1.2)", "min(min(2*x, y**2), 1.2)"),
        ("max(x*y, 1)^2 - 3min(x, y)x", "max(x*y, 1)**2-3*min(x,y)*x"),
        ("|x - y|", "abs(x-y)"),
        ("2|x||y - 1| + |y|x", "2*abs(x)*abs(y-1)+abs(y)*x"),
        ("||x - 1| - y|", "abs(abs(x-1)-y)"),
        ("x² + y³", "x**2+y**3"),
        ("x⁻²·y¹⁰", "y**10/x**2"),
        ("√x + √(x + y)² + 2√2", "sqrt(x)+x+y+2*sqrt(2)"),
        ("√√x", "x**0.25"),
        ("ln(x)", "log(x)"),
        ("x − y × π", "x-y*pi"),
    ],
)
def test_it_computes_what_is_written(text, python):
    function = build(text)
    found = function.value(POINTS)
    np.testing.assert_allclose(found, python_value(python), rtol=1e-12)
    assert not np.shares_memory(found, POINTS)
    h = 1e-6
    for j, step in enumerate(h * np.eye(2)):
        slope = (function.value(POINTS + step) - function.value(POINTS - step)) / (2 * h)
        np.testing.assert_allclose(function.gradient(POINTS)[:, j], slope, rtol=1e-5, atol=1e-5)
        curvature = (function.gradient(POINTS + step) - function.gradient(POINTS - step)) / (2 * h)
        smooth = function.hessian(POINTS)[..., j]
        np.testing.assert_allclose(smooth, curvature, rtol=1e-5, atol=1e-5)


def test_random_expressions_agree_with_python():
    source = random.Random(1)

    def grow(depth: int) -> str:
        if depth == 0:
            return source.choice(["x", "y", "pi", "2", "0.75", "3.5"])
        kind = source.randrange(4)
        if kind == 0:
            name = source.choice(["sin", "cos", "atan", "tanh", "abs", "exp"])
            return f"{name}({grow(depth - 1)})"
        if kind == 1:
            return f"({grow(depth - 1)})^{source.choice([2, 3])}"
        left, right = grow(depth - 1), grow(source.randrange(depth))
        return f"({left}) {source.choice('+-*/')} ({right})" if kind == 2 else f"-({left})*({right})"

    compared = 0
    for _ in range(40):
        text = grow(4)
        with np.errstate(all="ignore"):
            truth = python_value(text.replace("^", "**"))
        if np.ptp(truth) > 1e-9 and np.abs(truth).max() < 1e9:
            np.testing.assert_allclose(build(text).value(POINTS), truth, rtol=1e-9, atol=1e-11)
            compared += 1
    assert compared > 15


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("100 * (y - x**2)**2 + (1 - x)^2", "100*(y-x^2)^2+(1-x)^2"),
        ("2x(y+1)", "2*x*(y+1)"),
        ("2e^x", "2*e^x"),
        (" +x - -y", "+x--y"),
        ("max( x , 2y,1)", "max(x,2*y,1)"),
        ("2|x|+√(x+1)²", "2*abs(x)+sqrt(x+1)^2"),
        ("√x·ln(y)−π⁰", "sqrt(x)*log(y)-pi^0"),
        ("x⁻²", "x^-2"),
    ],
)
def test_the_spec_is_canonical(text, canonical):
    function = build(text)
    assert function.spec == f"expr:{canonical}"
    again = resolve(function.spec)
    assert again.spec == function.spec
    assert again.expression == function.expression
    assert again.latex == function.latex
    assert not set(function.spec) & set("&=#?%; \t\"'<>")
    assert function.spec.isascii()


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("100*(y-x^2)^2+(1-x)^2", r"100 \left(y - x^{2}\right)^{2} + \left(1 - x\right)^{2}"),
        ("sin(x)^2/2", r"\frac{\sin^{2}\left(x\right)}{2}"),
        ("2*3*x", r"2 \cdot 3 x"),
        ("2*(1/3)*x", r"2 \cdot \frac{1}{3} x"),
        ("(x/y)^2", r"\left(\frac{x}{y}\right)^{2}"),
        ("sqrt(x)^3", r"\left(\sqrt{x}\right)^{3}"),
        ("x^(1/2)+x^-2", r"x^{1/2} + x^{-2}"),
        ("x-(y-1)", r"x - \left(y - 1\right)"),
        ("x+(y-1)", r"x + y - 1"),
        ("x+(-y)", r"x + \left(-y\right)"),
        ("-(x+y)", r"-\left(x + y\right)"),
        ("e^(x*y)-exp(-x)", r"e^{x y} - e^{-x}"),
        ("1e5*abs(x)", r"10^{5} \left\lvert x\right\rvert"),
        ("(-2)^2*x", r"\left(-2\right)^{2} x"),
        ("log(x)+pi*y", r"\ln\left(x\right) + \pi y"),
        ("max(x,y,1)^2", r"\max\left(x, y, 1\right)^{2}"),
        ("-min(x,y)", r"-\min\left(x, y\right)"),
        ("|x|²+√(x+1)", r"\left\lvert x\right\rvert^{2} + \sqrt{x + 1}"),
    ],
)
def test_latex_keeps_what_was_written(text, latex):
    assert build(text).latex == latex


def test_the_record():
    function = build("x^2+y^2")
    assert (function.key, function.dim, function.minima, function.minimum) == ("expr", 2, (), None)
    assert function.domain == ((-3, 3), (-3, 3))
    assert function.start == (-1.5, 1.8)


def test_max_and_min_have_the_derivatives_of_what_is_taken():
    function = build("max(x^2, 3y) + min(x*y, exp(1000x), 2)")
    points = torch.tensor(np.random.default_rng(3).uniform(-2, 2, (50, 2)), requires_grad=True)

    def value(z: torch.Tensor) -> torch.Tensor:
        x, y = z[..., 0], z[..., 1]
        cut = torch.where(x > 0.01, torch.inf, torch.exp(1000 * torch.clamp(x, max=0.01)))
        return torch.maximum(x**2, 3 * y) + torch.minimum(torch.minimum(x * y, cut), torch.tensor(2.0))

    (gradient,) = torch.autograd.grad(value(points).sum(), points)
    found = points.detach().numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # exp(1000 x) is infinite where it is not taken
        np.testing.assert_allclose(function.value(found), value(points).detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(function.gradient(found), gradient.numpy(), rtol=1e-12)
        hessian = [torch.autograd.functional.hessian(value, point).numpy() for point in points.detach()]
        np.testing.assert_allclose(function.hessian(found), hessian, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(function.hessian_diagonal(found), np.diagonal(hessian, axis1=1, axis2=2))


def test_where_two_are_equal_the_derivative_is_their_mean():
    tie = np.array([0.5, 0.5])
    np.testing.assert_array_equal(build("max(x,y)").gradient(tie), [0.5, 0.5])
    np.testing.assert_array_equal(build("min(2x,2y)").gradient(tie), [1.0, 1.0])
    np.testing.assert_array_equal(build("max(x,-x)+y").gradient(np.zeros(2)), [0.0, 1.0])
    np.testing.assert_array_equal(build("max(x,y)").hessian(tie), np.zeros((2, 2)))
    assert build("max(x,x)").expression == build("x").expression
    with np.errstate(invalid="ignore"):
        assert np.isnan(build("max(log(x),y)").gradient(np.array([-1.0, 1.0]))).any()


@pytest.mark.parametrize("text", ["log(x)+y^2", "sqrt(x-1)*y", "x+y^0.5", "sqrt(-x-2.5)+y", "1/(x+1.5)"])
def test_the_start_is_where_the_function_is_finite(text):
    function = build(text)
    start = np.array(function.start)
    assert np.isfinite(function.value(start))
    assert np.isfinite(function.gradient(start)).all()


def test_a_users_cone_has_no_nan_at_its_tip():
    cone = build("sqrt(x^2+y^2)")
    origin = np.zeros(2)
    assert cone.value(origin) == 0
    assert not cone.gradient(origin).any()
    assert not cone.hessian(origin).any()


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("", 0, "expression ends"),
        ("   ", 3, "expression ends"),
        ("x+", 2, "expression ends"),
        ("x+*y", 2, "“*”"),
        ("(x", 2, "“)” for the “(” at position 1"),
        ("x)", 1, "“)”"),
        ("()", 1, "“)”"),
        ("x y", 2, "operator"),
        ("(x)2", 3, "“2”"),
        ("1.2.3x", 3, "“.3”"),
        ("100*(y-x^2)^2 (1-x)^2", 14, "operator"),  # a "+" that a URL turned into a space
        ("xy", 0, "“xy”"),
        ("y+foo(x)", 2, "“foo”"),
        ("X", 0, "write x"),
        ("sin x", 4, "“(” after sin, as in sin(x)"),
        ("sin + x", 4, "“(” after sin, as in sin(x)"),
        ("sin()", 4, "“)”"),
        ("2xy", 1, "“xy” is not known: write x*y"),
        ("xsin(x)", 0, "write x*sin"),
        ("sinx", 0, "write sin(x)"),
        ("pixy", 0, "write pi*x*y"),
        ("X+y", 0, "“X” is not known: write x"),
        ("Ln(x)", 0, "write ln"),
        ("x + z", 4, "“z” is not known: this function has two coordinates, x and y"),
        ("x_1+y", 0, "this function has two coordinates, x and y"),
        ("x2+y", 0, "two coordinates, x and y; for a power write x^2"),
        ("theta_0", 0, "this function has two coordinates, x and y"),
        ("arctan(x)", 0, "did you mean atan?"),
        ("pow(x,2)", 0, "write x^2"),
        ("sin^2(x)", 3, "write sin(x)^2"),
        ("cos³(x)", 3, "write cos(x)^3"),
        ("sin^-1(x)", 3, "there is no inverse sin"),
        ("log10(x)", 0, "write log(x)/log(10)"),
        ("lg(x)", 0, "write log(x)/log(10)"),
        ("log2(x)", 0, "write log(x)/log(2)"),
        ("√x²", 2, "write √(x)^2 or √(x^2)"),
        ("max(x)", 0, "max needs two arguments or more: max(x, y)"),
        ("sin(x, y)", 5, "sin has one argument"),
        ("x²³", 1, "23"),
        ("x²^3", 2, "parentheses"),
        ("|x", 2, "“|” for the “|” at position 1"),
        ("x^y", 2, "must be a number"),
        ("2^x", 2, "exp(x*log(2))"),
        ("x^17", 2, "17"),
        ("x^-16.5", 2, "-16.5"),
        ("x^0.3", 2, "whole or half"),
        ("x^(1/3)", 2, "write exp(0.3*log(x))"),
        ("x^2^3", 3, "parentheses"),
        ("x + 9^9^9", 7, "parentheses"),
        ("((x^16)^4)^2", 10, "128"),
        ("1e13*x", 0, "1e+12"),
        ("x + 1e-13", 4, "1e-12"),
        ("x*(9^16)", 4, "1e+12"),
        ("x+exp(99)", 2, "1e+12"),
        ("x+exp(999)", 2, "no real, finite value"),
        ("((1e12x)^16)^4", 8, "1e+100"),
        ("(1e12x)^8(1e12y)^8", 9, "1e+100"),
        ("x/(y-y)", 1, "no real, finite value"),
        ("x+1/0", 3, "no real, finite value"),
        ("x*log(-1)", 2, "no real, finite value"),
        ("x*sqrt(-1)", 2, "no real, finite value"),
        ("x*(-8)^0.5", 6, "no real, finite value"),
        ("3", 0, "constant 3"),
        ("x-x", 0, "constant 0"),
        ("0*x", 0, "constant 0"),
        ("x^0", 0, "constant 1"),
        ("pi(2)", 0, "constant 6.28"),
        ("sqrt(-1-x^2)", 0, "no finite value"),
        ("log(-exp(x))", 0, "no finite value"),
        ("exp(800*(x^2+1))", 0, "no finite value"),
    ],
)
def test_an_error_points_at_its_place(text, position, part):
    error = refused(text)
    assert error.position == position
    assert part in error.message
