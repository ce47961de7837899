"""The look at a closure, and the line that its warning names."""

import pytest
import torch
from torch import nn

from hizoo_core import HiZOO
from hizoo_core.training import METHODS, Trainer


def test_a_closure_that_raises_at_first_is_looked_at_when_it_returns():
    p = nn.Parameter(torch.ones(50))
    opt, times = HiZOO([p], n=2), iter(range(100))

    def closure():
        if next(times) in (0, 2):  # the first call of the first step, the second one of the second
            raise OSError("a batch could not be read")
        return nn.functional.dropout(p, 0.5).square().sum()

    with pytest.raises(OSError, match="could not be read"):
        opt.step(closure)
    with pytest.warns(UserWarning, match="the loss draws random numbers"), pytest.raises(OSError, match="be read"):
        opt.step(closure)
    opt.step(closure)  # a second warning would be an error


def test_a_trainers_warning_names_the_line_that_calls_it():
    p = nn.Parameter(torch.ones(50))
    trainer = Trainer({"p": p}, "mezo", METHODS["mezo"].hyperparameters(), 10, 0)
    with pytest.warns(UserWarning, match="MeZO: the loss draws") as caught:
        trainer.advance(lambda: nn.functional.dropout(p, 0.5).square().sum())
    assert caught[0].filename == __file__
