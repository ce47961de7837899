"""The normal numbers of large chunks: their distribution, their independence, and that a key fixes them."""

import math

import numpy as np
import pytest

from hizoo_core import normals


def draw(*key, count=2**17):
    out = np.full(count, np.nan, np.float32)
    normals.fill(out, key)
    return out


def test_they_are_normal():
    x = np.sort(np.concatenate([draw(7, chunk) for chunk in range(8)]).astype(np.float64))
    count = x.size
    # Moments 1 to 4, each with its standard error, and Kolmogorov and Smirnov's statistic (0.1 % critical value).
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert (x**power).mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / count))
    expected = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x[::64]])
    assert np.abs(expected - np.arange(0, count, 64) / count).max() < 1.95 / math.sqrt(count)
    assert 4.5 < np.abs(x).max() < 6.6


def test_they_are_independent_of_their_neighbours_and_of_their_pairs():
    x = draw(7, 0).astype(np.float64)
    pairs = x.reshape(-1, 2, normals.BLOCK)  # cosine and sine of one angle
    couples = [(x[1:], x[:-1]), (pairs[:, 0].ravel(), pairs[:, 1].ravel()), (x, draw(7, 1)), (x, draw(8, 0))]
    for a, b in couples:
        for power in (1, 2):
            assert abs(np.corrcoef(a**power, b**power)[0, 1]) < 4 / math.sqrt(a.size)


@pytest.mark.parametrize("count", [1, 2, 3, 2 * normals.BLOCK - 1, 2 * normals.BLOCK, 2 * normals.BLOCK + 1])
def test_any_number_of_them_is_filled_and_fixed_by_the_key(count):
    x = draw(1, 2, count=count)
    assert np.isfinite(x).all()
    assert np.array_equal(x, draw(1, 2, count=count))
