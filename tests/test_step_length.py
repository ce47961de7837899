"""How far a step moves θ: measured, after rounding, by every method."""

import pytest
import torch
from torch import nn

from hizoo_core import training
from hizoo_core.training_methods import SCHEDULES
from tests.test_training import STEPS, every_method, everything, network, small_chunks, trainer_of  # noqa: F401


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@every_method
def test_the_length_is_what_the_parameters_moved(method, settings, dtype, monkeypatch):
    """In 16 bits, of an update that rounding changes by half; and 0 of one that it takes away, in every format."""
    monkeypatch.setattr(training, "AT_A_TIME", 50)
    for lr in (1e-3, 1e-12):
        model, loss = network(dtype)
        nn.init.ones_(model[1].bias)  # any update moves a zero
        trainer = trainer_of(model, method, **settings | {"lr": lr, "mu": 0.1, "warmup": 0, "schedule": "constant"}
                             if method == "hizoo" else {"lr": lr})  # fmt: skip
        before = [p.detach().double().clone() for p in model.parameters()]
        length = trainer.advance(loss).length
        moved = [p.detach().double() - old for p, old in zip(model.parameters(), before, strict=True)]
        assert length == pytest.approx(float(torch.cat([x.flatten() for x in moved]).norm()), rel=1e-2)
        assert (length > 0) == (lr == 1e-3)
        assert (trainer.stalled is None) == (length > 0)


def test_adams_update_does_not_depend_on_how_many_tensors_it_is_made_with(monkeypatch):
    ends = []
    for at_a_time in (1, 50, 10**6):
        monkeypatch.setattr(training, "AT_A_TIME", at_a_time)
        model, loss = network()
        trainer = trainer_of(model, "adam", schedule="cosine")
        lengths = [trainer.advance(loss).length for _ in range(3)]
        ends.append((lengths, everything(trainer)))
    model, loss = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(3):
        optimizer.param_groups[0]["lr"] = 0.02 * SCHEDULES["cosine"](step / STEPS)
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    for lengths, end in ends:
        assert lengths == pytest.approx(ends[0][0], rel=1e-6)
        assert all(map(torch.equal, end, ends[0][1]))
        assert all(map(torch.equal, end, model.parameters()))
