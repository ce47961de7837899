"""`reliable`: what it learns from, that it comes to the truth, and that it does not run away where it cannot."""

import numpy as np
import pytest
import torch
from objectives import Quadratic
from test_estimators import H, P, assert_mean, fixed_theta, one_estimate

from hizoo_core import HiZOO
from hizoo_core.training_methods import METHODS as TRAINING


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_residuals_tell_the_error_of_the_estimate_without_bias(n):
    assert_mean(one_estimate("reliable", n, Quadratic(*H), runs=8_000), H / P - 1.0)


def test_at_the_truth_of_an_unrotated_quadratic_there_is_no_noise():
    assert np.abs(one_estimate("reliable", 1, Quadratic(*P), runs=100)).max() < 1e-6


@pytest.mark.parametrize(
    ("d", "n", "alpha", "steps"), [(2, 1, 0.05, 2000), (10, 1, 0.05, 2000), (100, 1, 0.02, 5000), (100, 8, 0.05, 1500)]
)
def test_it_comes_to_the_truth(d, n, alpha, steps):
    objective = Quadratic(*np.logspace(0, 4, d))
    log = np.log(fixed_theta(objective, "reliable", n, alpha, steps, runs=4) / objective.h)
    assert np.abs(np.median(log, axis=(0, 1))).max() < 0.1
    assert np.sqrt((log[-1] ** 2).mean()) < 0.15


@pytest.mark.parametrize("n", [1, 8])
def test_it_finds_the_size_of_negative_curvature(n):
    h = np.logspace(0, 4, 10)
    ratio = fixed_theta(Quadratic(*np.where(np.arange(10) % 3 == 1, -h, h)), "reliable", n, 0.05, 4000) / h
    assert np.sqrt((np.log(ratio[-1]) ** 2).mean()) < 0.15


class LowRank:
    """½ |V x|²: `d` elements, whose curvatures are made by `rank` rows of V, so that almost all is off the diagonal."""

    def __init__(self, d, rank):
        generator = torch.Generator().manual_seed(3)
        self.V = torch.randn(rank, d, dtype=torch.float64, generator=generator) * torch.logspace(-2, 0, d)
        self.h = (self.V**2).sum(0)


@pytest.mark.parametrize("n", [1, 4])
def test_p_of_small_tensors_does_not_run_away_where_their_curvature_is_lost_in_noise(n):
    """Where `multiplicative` grows without end, each tensor follows the whole."""
    sizes, loss = [3, 40, 1000], LowRank(1043, 2)

    def spread(estimator):
        parameters = [torch.nn.Parameter(torch.zeros(size, dtype=torch.float64)) for size in sizes]
        opt = HiZOO(
            parameters, lr=0.0, mu=1e-3, alpha=0.1, n=max(n, 2 * (estimator != "reliable")), estimator=estimator
        )
        for _ in range(200):
            opt.step(lambda: 0.5 * (loss.V @ torch.cat(parameters)).square().sum())
        found = torch.tensor([opt.state[p]["P"].mean() for p in parameters])
        return found, [opt.state[p].get("numbers") for p in parameters]

    P, numbers = spread("reliable")
    mean = loss.h.mean()
    assert (P / mean).log().abs().max() < 3
    assert numbers[0][2] > 0.9, "three elements cannot be told from noise"
    runaway, _ = spread("multiplicative")
    assert runaway.max() > 1e3 * mean


def test_several_tensors_make_the_steps_of_the_formulas():
    """Against the formulas of `reliability`, written out with plain numpy."""
    n, alpha, mu, sizes = 2, 0.2, 1e-2, [1, 3, 5]
    d, h = sum(sizes), np.logspace(0, 3, sum(sizes))
    cut = np.cumsum(sizes)[:-1]
    parameters = [torch.nn.Parameter(torch.full((size,), 0.1, dtype=torch.float64)) for size in sizes]
    opt = HiZOO(parameters, lr=0.0, mu=mu, alpha=alpha, n=n, estimator="reliable")
    P, m, R, p = np.ones(d), np.ones(d), 0.0, {"whole": 1e6}
    for step in range(30):
        u = np.stack([np.concatenate([x.numpy() for x in opt.direction(step, i)]) for i in range(n)])
        opt.step(lambda: 0.5 * (torch.from_numpy(h) * torch.cat(parameters) ** 2).sum())
        r = (u * u) @ (h / P - m)
        M, x, s = np.abs(m).mean(), r.mean() / d, r @ (u * u - 1) / (2 * n)
        noise = (max(R, (r**2).mean() / 25) if R else (r**2).mean()) / n
        R = max((r**2).mean(), 0.9 * R)
        whole = p["whole"]
        g_all = whole / (whole + noise / d**2)
        p["whole"] = ((1 - g_all) * whole + (alpha * M) ** 2) * np.exp(-2 * np.clip(alpha * (M - 1), -0.5, 0.5))
        M2 = min(M, abs(M + g_all * x)) ** 2
        noise /= M2

        def gain(key, of_mean, p=p):
            before = p.get(key, 1.0)
            g = before / (before + of_mean)
            p[key] = min(1.0, (1 - g) * before + alpha**2)
            return g

        def pace(excess, g, key, M2=M2, p=p):
            sure = np.maximum(0, 1 - 9 * p[key] * M2 / np.maximum(excess, 1e-15) ** 2)
            return (min(alpha, g) + (alpha - min(alpha, g)) * sure) * excess

        moves = []
        for t, (m_T, s_T) in enumerate(zip(np.split(m, cut), np.split(s, cut), strict=True)):
            level, g_T = np.abs(m_T).mean(), gain(f"T{t}", noise / (2 * m_T.size))
            tensor = pace(level - M, g_T, f"T{t}")
            g = gain(f"E{t}", noise / 2)
            m_T += g_all * x + g_T * (s_T.mean() - x) + g * (s_T - s_T.mean())
            moves.append(np.clip(alpha * (M - 1) + tensor + pace(np.abs(m_T) - level, g, f"E{t}"), -0.5, 0.5))
        delta = np.concatenate(moves)
        P, m = P * np.exp(delta), m * np.exp(-delta)
        found = torch.cat([opt.state[x]["P"] for x in parameters]).numpy()
        np.testing.assert_allclose(found, P, rtol=1e-6)


def test_it_takes_no_notice_of_pooling():
    hp = TRAINING["hizoo"].hyperparameters(estimator="reliable", pool="tensor")
    assert hp.unused["pool"] == "estimator=paper or released or multiplicative"
    parameters = [torch.nn.Parameter(torch.ones(3, 4))]
    opt = HiZOO(parameters, estimator="reliable", pool="tensor")
    opt.step(lambda: parameters[0].square().sum())
    assert opt.state[parameters[0]]["P"].shape == (3, 4)
