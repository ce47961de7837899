"""Adam against torch's, and the exact diagonal against its formula."""

import numpy as np
import pytest
import torch
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, optimize

Adam = METHODS["adam"].hyperparameters
NewtonDiag = METHODS["newton_diag"].hyperparameters


@pytest.mark.parametrize("hp", [Adam(), Adam(lr=0.01, beta1=0.5, beta2=0.9, eps=1e-3), Adam(beta1=0.0)])
def test_adam_is_torchs(hp):
    theta = torch.tensor([0.8, -1.3], dtype=torch.float64)
    opt = torch.optim.Adam([theta], lr=hp.lr, betas=(hp.beta1, hp.beta2), eps=hp.eps)
    trace = optimize(Ripples(), "adam", hp, (0.8, -1.3), steps=400)
    for t in range(400):
        theta.grad = torch.from_numpy(Ripples().gradient(theta.numpy()))
        opt.step()
        np.testing.assert_allclose(trace.theta[t + 1, 0], theta.numpy(), rtol=0, atol=1e-10)
    assert trace.forwards[-1] == 1200


def test_newton_diag_divides_by_the_absolute_value():
    trace = optimize(Ripples(), "newton_diag", NewtonDiag(lr=0.3), (0.2, 2.0), steps=5)
    theta = np.array([0.2, 2.0])
    for t in range(5):
        h = Ripples().hessian_diagonal(theta)
        theta = theta - 0.3 * Ripples().gradient(theta) / np.maximum(np.abs(h), 1e-3)
        np.testing.assert_allclose(trace.theta[t + 1, 0], theta, rtol=1e-12)
    assert Ripples().hessian_diagonal(np.array([0.2, 2.0]))[1] < 0
    assert trace.forwards[-1] == 15


def test_newton_diag_solves_a_quadratic_in_one_step():
    trace = optimize(Quadratic(2e4, 2, 1e-2), "newton_diag", NewtonDiag(lr=1), (1, -1, 1), steps=1)
    np.testing.assert_allclose(trace.theta[1], 0, atol=1e-15)


def test_newton_diag_is_held_by_its_floor():
    trace = optimize(Quadratic(1e-6, 1), "newton_diag", NewtonDiag(lr=1, floor=0.5), (1, 1), steps=1)
    np.testing.assert_allclose(trace.theta[1, 0], [1 - 2e-6, 0])
