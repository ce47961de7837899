"""Hutchinson's estimate against exact Hessians, computed entry by entry."""

import math

import pytest
import torch
from torch import nn

from functions.language_model.adapters import Tuned, adapt
from functions.language_model.errors import LanguageModelError
from functions.language_model.model import load
from functions.language_model.truth import hutchinson


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(4, 3, generator=generator))
        self.second = nn.Parameter(torch.randn(4, generator=generator))
        self.shift = nn.Parameter(torch.randn(2, generator=generator))  # the loss is linear in it
        self.unused = nn.Parameter(torch.randn(3, generator=generator))

    def forward(self, x):
        return torch.tanh(x @ self.first.T) @ self.second + self.shift.sum()


def tiny():
    module = Tiny()
    return Tuned(module, dict(module.named_parameters()), (), 0), torch.randn(5, 3, generator=torch.manual_seed(1))


def loss(module, x):
    return (module(x) - module.shift.sum().detach()).mean() + (
        torch.tanh(x @ module.first.T) @ module.second
    ).square().mean()


def exact_diagonal(module, x):
    values = dict(module.named_parameters())

    def of(flat):
        pieces, at = {}, 0
        for name, value in values.items():
            pieces[name] = flat[at : at + value.numel()].view_as(value)
            at += value.numel()
        hidden = torch.tanh(x @ pieces["first"].T) @ pieces["second"]
        return (hidden + pieces["shift"].sum() - module.shift.sum().detach()).mean() + hidden.square().mean()

    flat = torch.cat([value.detach().flatten() for value in values.values()])
    diagonal = torch.autograd.functional.hessian(of, flat).diagonal()
    sizes = [value.numel() for value in values.values()]
    return dict(zip(values, (part.mean().item() for part in diagonal.split(sizes)), strict=True))


def test_the_estimate_is_the_exact_mean_within_its_standard_error():
    tuned, x = tiny()
    truth = exact_diagonal(tuned.module, x)
    estimate = hutchinson(tuned, x, loss, probes=600, seed=3)
    assert list(estimate) == list(truth)
    for name in ("first", "second"):
        mean, error = estimate[name]
        assert 0 < error < 0.2 * abs(truth["first"]) + 0.2 * abs(truth["second"])
        assert abs(mean - truth[name]) < 4 * error, name
    assert estimate["shift"] == estimate["unused"] == (0.0, 0.0)


def test_the_standard_error_falls_with_the_root_of_the_probes():
    tuned, x = tiny()
    few, many = (hutchinson(tuned, x, loss, probes, seed=0)["first"][1] for probes in (50, 800))
    assert few / many == pytest.approx(4, rel=0.35)


def test_the_seed_decides():
    tuned, x = tiny()
    assert hutchinson(tuned, x, loss, 4, seed=1) == hutchinson(tuned, x, loss, 4, seed=1)
    assert hutchinson(tuned, x, loss, 4, seed=1) != hutchinson(tuned, x, loss, 4, seed=2)
    assert math.isnan(hutchinson(tuned, x, loss, 1, seed=1)["first"][1])


def test_a_diagonal_hessian_is_found_by_one_probe():
    module = nn.ParameterDict({"w": nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))})
    scale = torch.tensor([1.0, 10.0, -4.0])
    tuned = Tuned(module, dict(module.named_parameters()), (), 0)
    found = hutchinson(tuned, None, lambda m, _: 0.5 * (scale * m["w"] ** 2).sum(), probes=3, seed=0)
    assert found["w"] == pytest.approx((7 / 3, 0.0), abs=1e-6)


def test_refuses_what_it_cannot_do():
    tuned, x = tiny()
    with pytest.raises(LanguageModelError, match="at least 1") as caught:
        hutchinson(tuned, x, loss, 0, seed=0)
    assert caught.value.field == "truth"
    with pytest.raises(LanguageModelError, match="no gradient") as caught:
        hutchinson(tuned, x, lambda module, x: (module(x) > 0).float().mean(), 1, seed=0)
    assert caught.value.field == "loss"


def test_a_curvature_that_is_not_finite_is_refused():
    module = nn.ParameterDict({"w": nn.Parameter(torch.tensor([1.0, 2.0]))})
    tuned = Tuned(module, dict(module.named_parameters()), (), 0)
    with pytest.raises(LanguageModelError, match="not finite in float32"):
        hutchinson(tuned, None, lambda m, _: 3e38 * (m["w"] ** 4).sum(), probes=2, seed=0)


@pytest.mark.parametrize("tune", ["full", "prefix"])
def test_attention_is_differentiated_twice_and_nothing_is_left_behind(tune):
    model = load("bundled", "cpu")
    tuned = adapt(model, tune, seed=0)
    batch = model.tokenizer(["a film"], return_tensors="pt")

    def label_loss(module, batch):
        logits = module(input_ids=batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=1).logits
        return -logits[0, -1].log_softmax(-1)[300]

    found = hutchinson(tuned, batch, label_loss, 2, seed=0)
    assert set(found) == set(tuned.parameters)
    assert all(math.isfinite(mean) and math.isfinite(error) for mean, error in found.values())
    assert all(parameter.grad is None for parameter in tuned.parameters.values())
