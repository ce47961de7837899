"""The directions: normal, independent, and a function of (seed, step, direction, run) alone."""

import numpy as np
import pytest
from scipy import stats

from hizoo_core import directions, noise


@pytest.mark.parametrize("d", [1, 2, 7, 300, 1000])
def test_a_direction_depends_on_its_own_position_alone(d):
    steps, runs = noise.steps_per_stream(d), noise.runs_per_stream(d)
    whole = np.empty((steps, 3, d, runs + 2))
    noise.draw(5, 1, 0, whole)
    fewer = np.empty((steps, 1, d, 1))
    noise.draw(5, 1, 0, fewer)
    np.testing.assert_array_equal(fewer[:, 0, :, 0], whole[:, 0, :, 0])  # fewer directions, fewer runs
    later = np.empty((steps, 2, d, 2))
    noise.draw(5, 1, runs, later)
    np.testing.assert_array_equal(later, whole[:, :2, :, runs:])  # a later group of runs
    alone = noise.direction(5, steps + 2, 1, runs + 1, d)
    np.testing.assert_array_equal(alone, whole[2, 1, :, : runs + 1].T)


def test_directions_stacks_single_ones():
    u = directions(3, range(124, 127), 2, 4, 2)
    assert u.shape == (3, 2, 4, 2)
    np.testing.assert_array_equal(u[1], directions(3, 125, 2, 4, 2))
    np.testing.assert_array_equal(u[2, 1], noise.direction(3, 126, 1, 4, 2))


def test_the_numbers_are_standard_normal():
    u = np.empty((noise.steps_per_stream(2), 4, 2, 40))
    noise.draw(0, 0, 0, u)
    assert stats.kstest(u.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest((u * u).sum(axis=2).ravel(), stats.chi2(2).cdf).pvalue > 1e-3


def test_streams_are_independent():
    # Neighbours in each of the four indices of a key, and in each of the axes within a stream.
    d, size = 2, noise.steps_per_stream(2)
    runs = noise.runs_per_stream(2)
    u = np.empty((size, 2, d, 2 * runs))
    noise.draw(0, 0, 0, u)
    later, other_seed = np.empty_like(u), np.empty_like(u)
    noise.draw(0, 1, 0, later)
    noise.draw(1, 0, 0, other_seed)
    pairs = {
        "seed": (u, other_seed),
        "block of steps": (u, later),
        "direction": (u[:, 0], u[:, 1]),
        "block of runs": (u[..., :runs], u[..., runs:]),
        "run": (u[..., :-1], u[..., 1:]),
        "step": (u[:-1], u[1:]),
        "coordinate": (u[:, :, 0], u[:, :, 1]),
    }
    for name, (a, b) in pairs.items():
        for f in (lambda x: x, lambda x: x * x - 1):
            products = f(a) * f(b)
            error = products.std() / np.sqrt(products.size)
            assert abs(products.mean()) < 4 * error, name
