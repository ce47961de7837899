"""MeZO in the batch."""

import numpy as np
import pytest
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, directions, optimize

MeZO = METHODS["mezo"].hyperparameters


@pytest.mark.parametrize("n", [1, 2, 9])
def test_steps_follow_the_formulas(n):
    objective, hp = Ripples(), MeZO(n=n, lr=0.02, mu=1e-2)
    trace = optimize(objective, "mezo", hp, (0.4, 0.9), steps=10, runs=5, seed=4)
    theta = np.array([0.4, 0.9])
    for t in range(10):
        u = directions(4, t, n, 5, 2)[:, 3]
        slopes = [(objective.value(theta + hp.mu * ui) - objective.value(theta - hp.mu * ui)) / (2 * hp.mu) for ui in u]
        theta = theta - hp.lr * np.mean([g * ui for g, ui in zip(slopes, u, strict=True)], axis=0)
        np.testing.assert_allclose(trace.theta[t + 1, 3], theta, rtol=1e-10)
    assert trace.h is None
    np.testing.assert_array_equal(trace.forwards, 2 * n * np.arange(11))


def test_a_step_is_the_gradient_on_average():
    # E[g u] = ∇L exactly for a quadratic
    objective, runs = Quadratic(5, -3, 1), 10_000
    trace = optimize(objective, "mezo", MeZO(lr=1.0, n=2), (1.0, 2.0, -1.0), steps=1, runs=runs)
    moved = trace.theta[0] - trace.theta[1]
    error = moved.std(axis=0) / np.sqrt(runs)
    np.testing.assert_array_less(np.abs(moved.mean(axis=0) - objective.gradient(trace.theta[0, 0])), 4 * error)
