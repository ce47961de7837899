"""Losses that draw random numbers, and modules in training mode: noticed, and the same for all probes of a step."""

import linecache

import pytest
import torch
from torch import nn

from hizoo_core import HiZOO, MeZO
from tests.test_torch_optim import every_optimizer


class Noisy(nn.Module):
    """A linear layer behind dropout and between norms, in training mode."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(8, 1)

    def forward(self, x):
        return self.last(self.drop(self.norm(self.first(x))))


def test_modules_in_training_mode_are_named_once():
    model, x = Noisy(), torch.randn(16, 4)
    opt = MeZO(model.parameters())
    with pytest.warns(UserWarning, match="MeZO: ") as caught:
        opt.step(lambda: model(x).square().mean())
    (warning,) = caught
    assert (warning.filename, linecache.getline(warning.filename, warning.lineno).strip()) == (
        __file__,
        "opt.step(lambda: model(x).square().mean())",
    )
    opt.step(lambda: model(x).square().mean())  # a second warning would be an error
    said = str(warning.message)
    assert "norm (BatchNorm1d) updates its running statistics at every probe" in said
    assert "drop (Dropout) draws random numbers" in said
    assert "model.eval()" in said
    model.eval()
    MeZO(model.parameters()).step(lambda: model(x).square().mean())


def test_dropout_as_a_function_is_noticed():
    p = nn.Parameter(torch.ones(50))
    opt = HiZOO([p], n=2)
    with pytest.warns(UserWarning, match="HiZOO: the loss draws random numbers"):
        opt.step(lambda: nn.functional.dropout(p, 0.5).square().sum())
    opt.step(lambda: nn.functional.dropout(p, 0.5).square().sum())


@every_optimizer
@pytest.mark.filterwarnings("ignore:.*draws random numbers")
def test_all_probes_of_a_step_see_the_same_random_numbers(make):
    p, seen = nn.Parameter(torch.ones(5)), []

    def closure():
        seen.append(torch.rand(3).tolist())
        return (p * p).sum()

    opt = make([p])
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    opt.step(closure)
    first, count = seen[0], len(seen)
    opt.step(closure)
    assert all(numbers == first for numbers in seen[:count])
    assert all(numbers == seen[count] for numbers in seen[count:])
    assert seen[count] != first
    assert torch.equal(torch.rand(2), expected)  # the generator is where it was
    again = make([p])
    again.step(closure)
    assert seen[-1] == first  # a function of (seed, step)

    def failing():
        torch.rand(1)
        raise RuntimeError

    state = torch.get_rng_state()
    with pytest.raises(RuntimeError):
        opt.step(failing)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.filterwarnings("ignore:.*draws random numbers")
def test_training_with_dropout_stays_finite():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 1))
    x = torch.randn(64, 4)
    opt = HiZOO(model.parameters(), lr=0.02, alpha=0.05, n=4)
    losses = [float(opt.step(lambda: nn.functional.mse_loss(model(x), x[:, :1]))) for _ in range(300)]
    assert sum(losses[-50:]) / 50 < 0.7 * losses[0]
