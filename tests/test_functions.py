"""The catalogue, against formulas written a second time in torch and against what each record claims of itself."""

import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.autograd.functional import hessian, jacobian

from functions import FUNCTIONS, FunctionError, resolve
from functions.base import latex_number
from functions.expression import build
from functions.high_dim import _SLAB, _random_rotation


def rotated(x, y, angle, condition):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    rotation = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    hessian = rotation @ torch.diag(torch.tensor([condition, 1.0], dtype=torch.float64)) @ rotation.T
    return 0.5 * (hessian[0, 0] * x * x + 2 * hessian[0, 1] * x * y + hessian[1, 1] * y * y)


def levy(t):
    w = 1 + (t - 1) / 4
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * torch.sin(torch.pi * w[:-1] + 1) ** 2)).sum()
    outer = (w[-1] - 1) ** 2 * (1 + torch.sin(2 * torch.pi * w[-1]) ** 2)
    return torch.sin(torch.pi * w[0]) ** 2 + inner + outer


def ackley(t):
    mean_square, mean_cosine = (t**2).mean(), torch.cos(2 * torch.pi * t).mean()
    return -20 * torch.exp(-0.2 * torch.sqrt(mean_square)) - torch.exp(mean_cosine) + math.e + 20


def weighted(h):
    return lambda t: 0.5 * (torch.tensor(h, dtype=torch.float64) * t**2).sum()


def turned_in_pairs(h, angle=-0.5):
    def value(t):
        parts = []
        for j in range(0, len(t) - 1, 2):
            parts.append(math.cos(angle) * t[j] - math.sin(angle) * t[j + 1])
            parts.append(math.sin(angle) * t[j] + math.cos(angle) * t[j + 1])
        return weighted(h)(torch.stack([*parts, *t[len(parts) :]]))

    return value


def turned_at_random(h):
    rotation = torch.tensor(_random_rotation(len(h)))
    return lambda t: weighted(h)(rotation.T @ t)


def rosenbrock(t):
    return sum(100 * (t[j + 1] - t[j] ** 2) ** 2 + (1 - t[j]) ** 2 for j in range(len(t) - 1))


# Independent of the catalogue: the forms of the literature, as functions of one point.
REFERENCE = {
    "double_well": lambda t: 8 * (t[0] - 1) ** 2 * (1.3 * t[0] ** 2 + 2 * t[0] + 1) + 0.5 * (t[1] - 4) ** 2,
    "absolute": lambda t: t.abs().sum(),
    "stiff_quadratic": lambda t: 1e4 * t[0] ** 2 + t[1] ** 2,
    "isotropic_bowl": lambda t: t @ t,
    "rotated_ellipse": lambda t: rotated(*t, 45, 100),
    "rotated_ellipse:angle=30,condition=2500": lambda t: rotated(*t, 30, 2500),
    "booth": lambda t: (t[0] + 2 * t[1] - 7) ** 2 + (2 * t[0] + t[1] - 5) ** 2,
    "rosenbrock": rosenbrock,
    "beale": lambda t: sum((c - t[0] + t[0] * t[1] ** k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))),
    "himmelblau": lambda t: (t[0] ** 2 + t[1] - 11) ** 2 + (t[0] + t[1] ** 2 - 7) ** 2,
    "three_hump_camel": lambda t: 2 * t[0] ** 2 - 1.05 * t[0] ** 4 + t[0] ** 6 / 6 + t[0] * t[1] + t[1] ** 2,
    "styblinski_tang": lambda t: (t**4 - 16 * t**2 + 5 * t).sum() / 2,
    "ackley": ackley,
    "rastrigin": lambda t: 20 + (t**2 - 10 * torch.cos(2 * torch.pi * t)).sum(),
    "levy": levy,
    "saddle": lambda t: t[0] ** 4 / 4 - t[0] ** 2 / 2 + t[1] ** 2 / 2,
    "monkey_saddle": lambda t: t[0] ** 3 - 3 * t[0] * t[1] ** 2,
    "quadratic": weighted([1e4 ** (j / 29) for j in range(30)]),
    "quadratic:d=7,condition=1e6,spectrum=two_clusters": weighted([1, 1, 1, 1, 1e6, 1e6, 1e6]),
    "quadratic:d=5,condition=50,spectrum=one_outlier": weighted([1, 1, 1, 1, 50]),
    "quadratic:d=5,condition=81,rotation=pairs": turned_in_pairs([1, 3, 9, 27, 81]),
    "quadratic:d=4,condition=1000,rotation=random": turned_at_random([1, 10, 100, 1000]),
    "block_quadratic:d=6,blocks=3,condition=400": weighted([1, 4, 10, 40, 100, 400]),
    "block_quadratic:d=3,blocks=3,condition=2": weighted([1, 1, 2]),
    "rosenbrock_nd": rosenbrock,
    "rosenbrock_nd:d=2": rosenbrock,
}
SPECS = sorted({*REFERENCE, *FUNCTIONS})
PLANE = [key for key, family in FUNCTIONS.items() if family.dim == 2]
KINKED = {"absolute", "ackley"}  # no gradient at the minimum
LOST_COUNT = {"ackley", "rastrigin", "levy"}  # too many local minima to list


def random_points(function, shape, seed=0):
    low, high = np.array(function.domain).T
    return np.random.default_rng(seed).uniform(low, high, (*shape, function.dim))


def test_every_function_has_a_reference():
    assert {spec.partition(":")[0] for spec in REFERENCE} == FUNCTIONS.keys()


@pytest.mark.parametrize("spec", sorted(REFERENCE))
def test_value_gradient_and_hessian_agree_with_autograd(spec):
    function, reference = resolve(spec), REFERENCE[spec]
    points = random_points(function, (3, 5))
    flat = torch.tensor(points.reshape(15, -1))
    expected = {
        "value": torch.stack([reference(t) for t in flat]),
        "gradient": torch.stack([jacobian(reference, t) for t in flat]),
        "hessian": torch.stack([hessian(reference, t) for t in flat]),
    }
    expected["hessian_diagonal"] = expected["hessian"].diagonal(dim1=-2, dim2=-1)
    for name, truth in expected.items():
        truth = truth.numpy()
        found = getattr(function, name)(points)
        assert found.dtype == np.float64
        assert found.shape == (3, 5, *truth.shape[1:])
        np.testing.assert_allclose(found.reshape(truth.shape), truth, rtol=1e-10, atol=1e-11 * np.abs(truth).max())


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 1, 3), (0,)])
def test_any_leading_shape_and_any_memory_layout(spec, shape):
    function = resolve(spec)
    points = random_points(function, shape)
    d = function.dim
    coordinate_major = np.moveaxis(np.ascontiguousarray(np.moveaxis(points, -1, 0)), 0, -1)
    before = points.copy()
    for name, tail in (("value", ()), ("gradient", (d,)), ("hessian_diagonal", (d,)), ("hessian", (d, d))):
        found = getattr(function, name)(points)
        assert np.shape(found) == shape + tail
        np.testing.assert_allclose(getattr(function, name)(coordinate_major), found, rtol=1e-13)
    np.testing.assert_array_equal(points, before)
    diagonal = np.diagonal(function.hessian(points), axis1=-2, axis2=-1)
    np.testing.assert_array_equal(diagonal, function.hessian_diagonal(points))


@pytest.mark.parametrize("runs", [1, 5])
@pytest.mark.parametrize("spec", SPECS)
def test_a_points_bits_do_not_depend_on_the_other_points(spec, runs):
    function = resolve(spec)
    probes = np.moveaxis(random_points(function, (17, 64)).transpose(2, 0, 1).copy(), 0, -1)  # as the optimizers ask
    few = np.moveaxis(probes[:3, :runs].transpose(2, 0, 1).copy(), 0, -1)
    for name in ("value", "gradient", "hessian_diagonal"):
        ask = getattr(function, name)
        np.testing.assert_array_equal(ask(probes)[:3, :runs], ask(few))


@pytest.mark.parametrize("layout", ["C", "coordinate-major"])
@pytest.mark.parametrize("spec", ["quadratic:d=50", "rosenbrock_nd:d=50"])
def test_a_sum_in_slabs_is_the_sum(spec, layout):
    function = resolve(spec)
    points = random_points(function, (2 * _SLAB // 50,))
    assert points.size > _SLAB
    singly = [function.value(point) for point in points[::97]]
    if layout != "C":
        points = np.asfortranarray(points)
    np.testing.assert_allclose(function.value(points)[::97], singly, rtol=1e-12)


@pytest.mark.parametrize("spec", SPECS)
def test_global_minima_are_minima(spec):
    function = resolve(spec)
    if function.minimum is None:
        assert not function.minima
        return
    assert function.minima
    for point in np.array(function.minima):
        assert function.value(point) == pytest.approx(function.minimum, rel=1e-14, abs=1e-25)
        assert np.linalg.eigvalsh(function.hessian(point)).min() >= 0
        if spec not in KINKED:
            np.testing.assert_allclose(function.gradient(point), 0, atol=1e-12 * (1 + function.hessian(point).max()))


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_in_the_domain_is_lower_than_the_minimum(spec):
    function = resolve(spec)
    if function.minimum is None:
        assert function.value(np.array([-1e3, 0.0])) < -1e8, "a function without a minimum falls without bound"
        return
    if function.dim == 2:
        points = np.stack(np.meshgrid(*(np.linspace(*side, 401) for side in function.domain)), axis=-1)
    else:
        points = random_points(function, (2000,))
    slack = 1e-13 * (1 + abs(function.minimum))
    assert function.value(points).min() >= function.minimum - slack
    for start in random_points(function, (6,), seed=1):
        found = minimize(function.value, start, jac=function.gradient, method="L-BFGS-B", bounds=function.domain)
        assert found.fun >= function.minimum - slack


@pytest.mark.parametrize("key", PLANE)
def test_local_minima_are_all_and_only_those_listed(key):
    function = resolve(key)
    for point in np.array(function.local_minima):
        assert function.value(point) > function.minimum + 1e-3
        np.testing.assert_allclose(function.gradient(point), 0, atol=1e-12)
        assert np.linalg.eigvalsh(function.hessian(point)).min() > 0
    if key in LOST_COUNT or function.minimum is None:
        return
    known = np.array(function.minima + function.local_minima)
    low, high = np.array(function.domain).T
    reached = set()
    for start in random_points(function, (30,), seed=2):
        found = minimize(function.value, start, jac=function.gradient, method="BFGS")
        if np.abs(found.jac).max() > 1e-5 or (found.x <= low).any() or (found.x >= high).any():
            continue  # a line search stalls on a kink, and Beale falls off to infinity
        distances = np.abs(known - found.x).max(axis=-1)
        assert distances.min() < 1e-3, f"an unlisted minimum at {found.x}"
        reached.add(int(distances.argmin()))
    assert reached == set(range(len(known))) or key in KINKED


@pytest.mark.parametrize("spec", SPECS)
def test_the_start_shows_something(spec):
    function = resolve(spec)
    start, (low, high) = np.array(function.start), np.array(function.domain).T
    assert start.shape == (function.dim,)
    assert (low < start).all()
    assert (start < high).all()
    assert all((low <= point).all() and (point <= high).all() for point in map(np.array, function.minima))
    assert np.abs(function.gradient(start)).max() > 1e-2
    if function.minimum is not None:
        assert function.value(start) > function.minimum + 0.1


def test_the_kinks_derivatives_are_zero_by_definition():
    absolute, ackley = resolve("absolute"), resolve("ackley")
    points = np.array([[0.0, 0.0], [0.0, -2.0], [1e-300, 0.0]])
    np.testing.assert_array_equal(absolute.gradient(points), [[0, 0], [0, -1], [1, 0]])
    assert not absolute.hessian(points).any()
    origin = np.zeros((2, 2))  # warnings are errors here, so 0/0 would show
    assert not ackley.value(origin).any()
    assert not ackley.gradient(origin).any()
    # What is left there is the smooth part's curvature, 2π²e: the dimple's, without the cone's tip.
    np.testing.assert_allclose(ackley.hessian(origin), np.broadcast_to(2 * np.pi**2 * np.e * np.eye(2), (2, 2, 2)))


def test_digits_survive_near_the_minimum():
    # The forms of the literature round to 0 or to a multiple of 4e-15 here.
    near = np.array([3e-9, 4e-9])
    assert resolve("rastrigin").value(near) == pytest.approx((1 + 20 * math.pi**2) * 25e-18, rel=1e-9)
    assert resolve("ackley").value(near) == pytest.approx(4 * 5e-9 / math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize(
    "spec", ["quadratic:d=1000", "quadratic:d=1000,spectrum=one_outlier", "block_quadratic:d=1000,blocks=12"]
)
def test_condition_is_the_ratio_of_curvatures(spec):
    curvature = resolve(spec).hessian_diagonal(np.ones(1000))
    assert curvature.min() == 1
    assert curvature.max() == pytest.approx(1e4, rel=1e-12)


def test_a_random_rotation_is_orthogonal_and_moves_the_curvature_off_the_diagonal():
    rotation = _random_rotation(30)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(30), atol=1e-12)
    hessian = resolve("quadratic:rotation=random").hessian(np.ones(30))
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), np.geomspace(1, 1e4, 30), rtol=1e-8)
    assert hessian.diagonal().max() / hessian.diagonal().min() < 30


def test_blocks_are_apart():
    curvature = np.log10(resolve("block_quadratic:d=40,blocks=4,condition=1e6").hessian_diagonal(np.ones(40)))
    jumps = np.diff(curvature)
    assert (jumps > 0.7).sum() == 3
    assert (np.sort(jumps)[:-3] < 0.1).all()


def test_rotating_the_ellipse_by_a_right_angle_swaps_the_axes():
    upright, turned = (resolve(f"rotated_ellipse:angle={angle}") for angle in (0, 90))
    points = random_points(upright, (10,))
    np.testing.assert_allclose(turned.value(points), upright.value(points[:, ::-1]), rtol=1e-12)
    np.testing.assert_allclose(upright.hessian_diagonal(points), np.broadcast_to([100.0, 1.0], (10, 2)))


@pytest.mark.parametrize("key", [key for key in PLANE if key not in ("levy", "rotated_ellipse")])
def test_the_latex_says_what_is_computed(key):
    function = resolve(key)
    text = re.sub(r"\\(cos) (2\\pi) ([xy])", r"\1(\2\3)", function.latex)
    for latex, plain in ((r"\tfrac{1}", "1/"), (r"\lvert", "abs("), (r"\rvert", ")"), ("{", "("), ("}", ")")):
        text = text.replace(latex, plain)
    text = re.sub(r"\\(,|left|right)|\s", "", text).replace("\\", "")
    text = re.sub(r"1/\((\d)\)", r"1/\1*", text).replace("*+", "+")
    text = re.sub(r"(?<=[xy])(?=[xye])|(?<=pi)(?=[xy])", "*", text)
    written = build(text)
    points = random_points(function, (50,))
    np.testing.assert_allclose(written.value(points), function.value(points), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spec", [*SPECS, "block_quadratic:condition=4e4"])
def test_words_and_signs(spec):
    function = resolve(spec)
    assert function.lesson.endswith(".")
    assert function.lesson.count(". ") == 0, "one sentence"
    assert 40 < len(function.lesson) < 200
    assert function.latex.count("{") == function.latex.count("}")
    assert function.latex.count(r"\left") == function.latex.count(r"\right")
    assert not re.search(r"\^\{[^{}]*\}\s*\^", function.latex), "a double superscript"


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("booth", "booth"),
        ("quadratic:condition=1e4,d=30", "quadratic"),
        (
            "quadratic: spectrum=two_clusters , condition=5e3, d=1e2",
            "quadratic:d=100,condition=5000,spectrum=two_clusters",
        ),
        ("rotated_ellipse:angle=30,condition=100", "rotated_ellipse:angle=30"),
        ("rotated_ellipse:angle=22.5", "rotated_ellipse:angle=22.5"),
    ],
)
def test_spec_is_canonical(given, canonical):
    function = resolve(given)
    assert function.spec == canonical
    assert resolve(canonical).spec == canonical
    assert resolve(given) is function, "cached"


@pytest.mark.parametrize(
    ("spec", "latex", "curvatures"),
    [
        ("quadratic:d=5,condition=81", (r"\sum_{j=0}^{4} h_j", r"h_j = \kappa^{j/4},\ \kappa = 81"), (1, 3, 9, 27, 81)),
        ("quadratic:d=5,condition=9,spectrum=two_clusters", (r"h_j = 1 \text{ for } j < 3,\ 9",), (1, 1, 1, 9, 9)),
        ("quadratic:d=3,condition=9,spectrum=one_outlier", (r"h_j = 1,\ h_{2} = 9",), (1, 1, 9)),
        ("block_quadratic:d=4,blocks=2,condition=8", (r"\sum_{b=0}^{1}", r"s_b = \rho^{b/1},\ \rho = 2"), (1, 4, 2, 8)),
        ("rosenbrock_nd:d=3", (r"\sum_{j=0}^{1} ", r"\theta_{j+1}-\theta_j^2"), (2, 202, 200)),
        ("rosenbrock_nd:d=2", (r"100\,(\theta_1-\theta_0^2)^2 + (1-\theta_0)^2",), (2, 200)),
    ],
)
def test_formulas_count_coordinates_from_0_as_tables_and_axes_do(spec, latex, curvatures):
    function = resolve(spec)
    assert all(part in function.latex for part in latex)
    np.testing.assert_allclose(function.hessian_diagonal(np.zeros(function.dim)), curvatures)
    assert [function.coordinate(j) for j in range(2)] == ["θ_0", "θ_1"]


def test_the_coordinates_of_a_plane_have_names():
    for spec in ("booth", "rotated_ellipse:angle=10", "expr:x^2+y^2"):
        assert [resolve(spec).coordinate(j) for j in range(2)] == ["x", "y"]


@pytest.mark.parametrize(
    ("spec", "field", "parts"),
    [
        ("nonsense", "f", ["There is no function “nonsense”", "stiff_quadratic", "expr"]),
        ("", "f", ["“”", "booth"]),
        ("__class__", "f", ["“__class__”"]),
        ("booth:a=1", "f.a", ["booth has no parameter “a”. It has none"]),
        ("quadratic:dim=3", "f.dim", ["no parameter “dim”. Its parameters are d, condition, spectrum"]),
        ("quadratic:d=1", "f.d", ["dimension must be a whole number from 2 to 1,000, not 1"]),
        ("quadratic:d=1001", "f.d", ["dimension must be a whole number from 2 to 1,000, not 1001"]),
        ("quadratic:d=2.5", "f.d", ["dimension must be a whole number from 2 to 1,000, not 2.5"]),
        ("quadratic:d=nan", "f.d", ["dimension must be a whole number from 2 to 1,000, not “nan”"]),
        ("quadratic:condition=inf", "f.condition", ["κ condition must be a number from 1 to 100,000,000, not inf"]),
        ("quadratic:condition=0.5", "f.condition", ["κ condition must be a number from 1 to 100,000,000, not 0.5"]),
        ("quadratic:condition=", "f.condition", ["κ condition must be a number from 1 to 100,000,000, not “”"]),
        (
            "quadratic:spectrum=flat",
            "f.spectrum",
            ["must be one of log, two_clusters, one_outlier, not “flat”"],
        ),
        ("quadratic:d=3,d=4", "f.d", ["twice"]),
        ("quadratic:d", "f", ["“d”", "name=value"]),
        ("block_quadratic:d=3", "f.blocks", ["blocks must be a whole number from 2 to d = 3, not 4"]),
        ("rotated_ellipse:angle=181", "f.angle", ["angle must be a number from 0 to 180, not 181"]),
    ],
)
def test_a_wrong_spec_names_field_value_and_range(spec, field, parts):
    with pytest.raises(FunctionError) as caught:
        resolve(spec)
    assert caught.value.field == field
    assert str(caught.value) == caught.value.message
    for part in parts:
        assert part in caught.value.message


def test_errors_do_not_echo_long_input():
    for spec in ("a" * 10_000, "quadratic:" + "b" * 10_000, "quadratic:d=" + "9" * 10_000):
        with pytest.raises(FunctionError) as caught:
            resolve(spec)
        assert len(caught.value.message) < 500


@pytest.mark.parametrize("key", FUNCTIONS)
def test_a_family_describes_its_parameters(key):
    family = FUNCTIONS[key]
    assert family.key == key
    assert (family.dim is None) == any(parameter.name == "d" for parameter in family.parameters)
    for parameter in family.parameters:
        assert parameter.check(str(parameter.default)) == parameter.default
        if parameter.choices is None:
            assert parameter.low < parameter.high
            assert parameter.scale == "linear" or parameter.low > 0
    assert family.build().spec == key


def test_a_function_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        resolve("booth").minimum = 1.0


@pytest.mark.parametrize(
    ("value", "latex"),
    [
        (0.0, "0"),
        (0.5, "0.5"),
        (100.0, "100"),
        (1e4, "10^{4}"),
        (20000.0, "20000"),
        (-1e5, "-10^{5}"),
        (2.5e-7, r"2.5 \cdot 10^{-7}"),
    ],
)
def test_latex_number(value, latex):
    assert latex_number(value) == latex
