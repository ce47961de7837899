"""The headroom: against steps that were made, and against values worked out by hand."""

import numpy as np
import pytest

from functions import resolve
from hizoo_core.headroom import best_of, best_step, bound, headroom, ratios

STIFF = np.array([20000.0, 2.0])


def slope(*theta: float) -> np.ndarray:
    return STIFF * theta


def test_a_gradient_along_the_flat_direction_leaves_curvature_a_headroom_of_thousands():
    g = slope(0, 1)
    assert headroom(g, STIFF) == pytest.approx(4 / 20002)
    assert headroom(g, STIFF, 1 / STIFF) == pytest.approx(1)
    assert bound(g, STIFF) == pytest.approx(2)


def test_a_gradient_along_the_stiff_direction_leaves_none():
    g = slope(1, 1)
    assert headroom(g, STIFF) == pytest.approx(19998, rel=1e-4)
    assert headroom(g, STIFF, 1 / STIFF) == pytest.approx(10001)
    assert headroom(g, STIFF) < bound(g, STIFF) == pytest.approx(20000)


def test_it_is_a_weighted_mean_of_the_ratios_and_never_above_the_bound():
    random = np.random.default_rng(1)
    g, h, variance = random.normal(size=(50, 7)), random.exponential(size=(50, 7)), random.exponential(size=(50, 7))
    of_all = headroom(g, h, variance)
    np.testing.assert_allclose(of_all, np.average(ratios(g, h), axis=-1, weights=variance * h))
    assert (of_all <= bound(g, h)).all()
    most = np.where(ratios(g, h) == ratios(g, h).max(-1, keepdims=True), 1.0, 1e-9)
    np.testing.assert_allclose(headroom(g, h, most / h), bound(g, h), rtol=1e-6)


def test_where_the_ratios_are_flat_nothing_gains():
    h = np.array([1e-3, 1.0, 1e3])
    g = np.sqrt(2 * h)
    for variance in (1.0, 1 / h, np.array([5.0, 0.1, 3.0])):
        assert headroom(g, h, variance) == pytest.approx(2)


def test_noise_counts_against_it():
    """s²/((s + v) tr(ΣH)), v = σ² tr Σ."""
    g, h, variance = np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.array([2.0, 0.5])
    s, v = 2 * 1 + 0.5 * 4, 0.3**2 * 2.5
    assert headroom(g, h, variance, 0.3) == pytest.approx(s**2 / ((s + v) * 8.5))
    assert headroom(0 * g, h, variance, 0.3) == 0


@pytest.mark.parametrize(
    ("g", "h", "plain", "exact", "most"),
    [
        ((1.0, 1.0), (-3.0, 2.0), np.nan, np.nan, np.inf),  # falls for ever along the probes
        ((1.0, 1.0), (-1.0, 2.0), 2.0, np.nan, np.inf),  # tr(Σ H) = −1 + 1
        ((1.0, 1.0), (0.0, 0.0), np.nan, np.nan, np.inf),
        ((1.0, 0.0), (2.0, 0.0), 0.5, np.nan, 0.5),  # 1/|H_jj| is infinite, and a slope of 0 is not gained from
        ((0.0, 0.0), (2.0, 1.0), 0.0, 0.0, 0.0),
    ],
)
def test_what_is_not_convex_is_said_so(g, h, plain, exact, most):
    g, h = np.array(g), np.array(h)
    with np.errstate(divide="ignore"):
        found = headroom(g, h), headroom(g, h, 1 / np.abs(h)), bound(g, h)
    np.testing.assert_equal([float(each) for each in found], [plain, exact, most])
    assert np.isnan(ratios(g, h)[h < 0]).all()


def test_signs_that_cancel_but_for_rounding_leave_no_best_step():
    random = np.random.default_rng(0)
    h = random.exponential(size=(100, 2)) * (1, -1)
    assert np.isnan(headroom(np.ones((100, 2)), h, 1 / np.abs(h))).all()


@pytest.mark.parametrize("noise", [0.0, 2.0])
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("curved", [False, True], ids=["plain", "preconditioned"])
def test_the_best_step_is_the_best_of_steps_that_were_made(n: int, noise: float, curved: bool):
    """On a rotated ellipse: the mean decrease of 200,000 steps, and that half and twice the rate gain less."""
    function = resolve("rotated_ellipse:angle=30,condition=20")
    theta = np.array([1.0, -0.4])
    g, hessian = function.gradient(theta), function.hessian(theta)
    variance = 1 / hessian.diagonal() if curved else np.ones(2)
    best = best_of(g, hessian, variance, n, noise)
    random = np.random.default_rng(5)
    z = random.normal(size=(200_000, n, 2)) * np.sqrt(variance)
    seen = g + noise * random.normal(size=(len(z), 1, 2))
    steps = ((seen * z).sum(-1, keepdims=True) * z).mean(axis=1)

    def decrease(lr: float) -> tuple[float, float]:
        made = function.value(theta) - function.value(theta - lr * steps)
        return made.mean(), made.std() / len(made) ** 0.5

    mean, error = decrease(float(best.lr))
    assert abs(mean - best.gain) < 4 * error
    assert decrease(best.lr / 2)[0] < mean
    assert decrease(best.lr * 2)[0] < mean


def test_without_q_a_step_gains_half_n_times_the_headroom():
    assert best_step(s=3.0, t=5.0, q=0.0, n=4).gain == pytest.approx(4 / 2 * 3 / 5)
    assert best_step(s=3.0, t=5.0, q=0.0, n=4, v=6.0).gain == pytest.approx(4 / 2 * 9 / (9 * 5))
    assert np.isnan(best_step(s=3.0, t=-5.0, q=0.0).gain)
