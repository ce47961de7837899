"""The three estimators against their expectations, by Monte Carlo, in standard errors."""

import numpy as np
import pytest
from objectives import Quadratic

from hizoo_core import METHODS, optimize
from hizoo_core.hizoo import looked
from hizoo_core.spaces import BatchedPoints

HiZOO = METHODS["hizoo"].hyperparameters
H = np.array([300.0, 7.0, -20.0])
P = np.array([50.0, 2.0, 400.0])


def one_estimate(estimator, n, objective, runs=40_000, sign=True):
    """S / P of one step from P, before any smoothing: (d, runs)."""
    hp = HiZOO(estimator=estimator, n=n, alpha=1.0, beta=1.0, mu=1e-2)
    space = BatchedPoints(METHODS["hizoo"], [hp], objective, np.array([0.3, -0.2, 0.1]), slice(0, runs), 0)
    space.block.state["P"][:] = P[:, None]
    space.block.root = np.sqrt(space.block.state["P"])
    for _ in space.through(0, 1):
        ((_, _, s),) = looked(space)
        return s
    raise AssertionError


def assert_mean(samples, expected):
    mean = samples.mean(axis=-1)
    error = samples.std(axis=-1) / np.sqrt(samples.shape[-1])
    np.testing.assert_array_less(np.abs(mean - expected), 4 * error)
    np.testing.assert_array_less(error, np.abs(expected) * 0.25 + 0.05)  # so that the line above can fail


@pytest.mark.parametrize("n", [1, 2, 5])
def test_paper_is_unbiased_before_its_absolute_value(n):
    assert_mean(one_estimate("paper", n, Quadratic(*H)), H / P)


@pytest.mark.parametrize("n", [2, 5])
def test_multiplicative_is_unbiased_sign_and_all(n):
    assert_mean(one_estimate("multiplicative", n, Quadratic(*H)), H / P)


def test_multiplicative_has_the_smaller_variance():
    objective = Quadratic(*np.abs(H))
    paper, multiplicative = (one_estimate(key, 4, objective).var(axis=-1) for key in ("paper", "multiplicative"))
    np.testing.assert_array_less(multiplicative, paper)


@pytest.mark.parametrize("n", [1, 3])
def test_released_adds_half_the_trace(n):
    # E = H_jj + ½ tr(Σ^{1/2} H Σ^{1/2}) P_j for a convex quadratic
    h = np.abs(H)
    assert_mean(one_estimate("released", n, Quadratic(*h)), h / P + 0.5 * (h / P).sum())


def fixed_theta(objective, estimator, n, alpha, steps, runs=16, seed=0):
    """P over the second half of a run that leaves θ alone: (steps, runs, d)."""
    hp = HiZOO(estimator=estimator, n=n, alpha=alpha, mu=1e-3, warmup=steps)
    start = np.full(objective.h.size, 0.01)
    trace = optimize(objective, "hizoo", hp, start, steps=steps, runs=runs, seed=seed)
    assert (trace.theta == start).all()
    return trace.h[steps // 2 :]


@pytest.mark.parametrize(("n", "alpha", "steps"), [(1, 0.003, 12_000), (32, 0.01, 5_000)])
def test_released_rests_at_one_plus_half_d_times_the_truth(n, alpha, steps):
    objective = Quadratic(20000, 2)
    ratio = fixed_theta(objective, "released", n, alpha, steps).mean(axis=(0, 1)) / objective.h
    np.testing.assert_allclose(ratio, 2.0, rtol=0.06)


@pytest.mark.parametrize(("n", "expected"), [(1, (1.63, 1.58)), (8, (1.15, 1.15)), (32, (1.01, 1.02))])
def test_the_absolute_value_biases_paper_and_n_shrinks_it(n, expected):
    objective = Quadratic(20000, 2)
    ratio = fixed_theta(objective, "paper", n, 0.01, 6000, seed=1).mean(axis=(0, 1)) / objective.h
    np.testing.assert_allclose(ratio, expected, rtol=0.08)  # measured with another seed


def test_multiplicative_finds_the_size_of_negative_curvature():
    h = np.logspace(0, 4, 10)
    objective = Quadratic(*np.where(np.arange(10) % 3 == 1, -h, h))
    ratio = fixed_theta(objective, "multiplicative", 8, 0.02, 1500) / h
    np.testing.assert_allclose(np.exp(np.log(ratio).mean()), 1.0, atol=0.06)
    assert np.log(ratio).std() < 0.3


def test_multiplicative_moves_p_by_at_most_a_half_in_the_logarithm():
    h = optimize(
        Quadratic(1e9, 1e-9), "hizoo", HiZOO(estimator="multiplicative", alpha=0.5, n=4, warmup=20), (1e-3, 1e-3),
        steps=20, runs=2,
    ).h  # fmt: skip
    change = np.diff(np.log(h), axis=0)
    assert np.abs(change).max() == pytest.approx(0.5)
