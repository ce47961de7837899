"""The headroom of a model: its estimates against exact values of a classifier small enough to have them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from functions.language_model.adapters import Tuned
from functions.language_model.errors import LanguageModelError
from functions.language_model.groups import Group
from functions.language_model.headroom import Rounds, halves, measure

COUNT, CLASSES = 24, 3


class Classifier(nn.Module):
    """Logits of 3 words for a "text" of one number: its own features through two layers."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.features = torch.randn(COUNT, 4, generator=generator, dtype=torch.float64)
        self.first = nn.Parameter(torch.randn(5, 4, generator=generator, dtype=torch.float64))
        self.second = nn.Parameter(torch.randn(CLASSES, 5, generator=generator, dtype=torch.float64))
        self.unused = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, input_ids, attention_mask, logits_to_keep):
        logits = torch.tanh(self.features[input_ids[:, 0]] @ self.first.T) @ self.second.T
        return SimpleNamespace(logits=logits[:, None])


LABELS = torch.arange(COUNT) % CLASSES


@pytest.fixture(scope="module")
def tuned() -> Tuned:
    module = Classifier()
    groups = tuple(Group(name, 0, name, (name,)) for name in ("first", "second", "unused"))
    return Tuned(module, dict(module.named_parameters()), groups, 1)


def batch(rows):
    rows = torch.tensor(list(rows))
    return SimpleNamespace(ids=rows[:, None], mask=None, labels=LABELS[rows], word_ids=torch.arange(CLASSES), rows=rows)


def gradients(tuned: Tuned, row: int, label: int) -> dict[str, torch.Tensor]:
    logits = tuned.module(torch.tensor([[row]]), None, 1).logits[:, 0]
    value = nn.functional.cross_entropy(logits, torch.tensor([label]))
    found = torch.autograd.grad(value, list(tuned.parameters.values()), materialize_grads=True)
    return dict(zip(tuned.parameters, found, strict=True))


def exact(tuned: Tuned) -> tuple[np.ndarray, np.ndarray]:
    """(3,) of the mean over pairs of two examples of g_i·g_j, and of tr F, per parameter."""
    s, h = [], []
    for name in tuned.parameters:
        g = torch.stack([gradients(tuned, row, int(LABELS[row]))[name].flatten() for row in range(COUNT)])
        s.append(float((g.sum(0).square().sum() - g.square().sum()) / (COUNT * (COUNT - 1))))
        f = 0.0
        for row in range(COUNT):
            p = tuned.module(torch.tensor([[row]]), None, 1).logits[0, 0].softmax(0).detach()
            f += sum(float(p[c]) * float(gradients(tuned, row, c)[name].square().sum()) for c in range(CLASSES))
        h.append(f / COUNT)
    return np.array(s), np.array(h)


def test_slope_and_curvature_of_every_tensor_are_unbiased(tuned: Tuned):
    rounds = measure(tuned, batch, [halves(COUNT, 1, k, half=6) for k in range(300)], seed=3)
    for found, right in zip((rounds.s, rounds.h), exact(tuned), strict=True):
        values = np.array(found)
        errors = values.std(0) / math.sqrt(len(values))
        assert (np.abs(values.mean(0) - right) <= 4 * errors + 1e-9).all()
    assert rounds.ratios()[2] == [None, None], "no curvature along what is not used"
    s, h = exact(tuned)
    R, error = rounds.headroom()["none"]
    assert abs(R - s.sum() / h.sum()) < 4 * error
    assert rounds.texts == 300 * 12


def test_a_P_of_one_changes_nothing_and_a_P_equal_to_the_curvature_is_the_diagonal(tuned: Tuned):
    samples = [halves(COUNT, 1, k, half=6) for k in range(6)]
    ones = measure(tuned, batch, samples, seed=3, curvature=lambda name: torch.ones(1))
    assert ones.headroom()["P"] == pytest.approx(ones.headroom()["none"])
    assert ones.gains()["P"][0] == pytest.approx(1)
    means = np.array(ones.h).mean(0) / ones.sizes
    P = dict(zip(tuned.parameters, (means[0], means[1], 1.0), strict=True))
    own = measure(tuned, batch, samples, seed=3, curvature=lambda name: torch.tensor(P[name]))
    assert own.headroom()["P"][0] == pytest.approx(own.headroom()["tensor"][0])


def test_elementwise_headroom_is_that_of_the_exact_diagonal(tuned: Tuned):
    """With all examples in both halves of many rounds Σ is nearly 1/F: against F worked out exactly."""
    rounds = measure(tuned, batch, [halves(COUNT, 1, k, half=12) for k in range(150)], seed=3)
    F, mean = {}, {}
    for name in ("first", "second"):
        F[name] = torch.zeros_like(tuned.parameters[name])
        for row in range(COUNT):
            p = tuned.module(torch.tensor([[row]]), None, 1).logits[0, 0].softmax(0).detach()
            F[name] += sum(p[c] * gradients(tuned, row, c)[name].square() for c in range(CLASSES)) / COUNT
        g = torch.stack([gradients(tuned, row, int(LABELS[row]))[name] for row in range(COUNT)])
        mean[name] = (g.sum(0).square() - g.square().sum(0)) / (COUNT * (COUNT - 1))
    for key, power in (("F^-1/2", 0.5), ("F^-1", 1.0)):
        s = sum(float((mean[name] * F[name] ** -power).sum()) for name in F)
        t = sum(float((F[name] ** (1 - power)).sum()) for name in F)
        R, error = rounds.headroom()[key]
        assert abs(R - s / t) < 4 * error + 0.05 * abs(s / t)


def test_halves_share_nothing_and_rounds_share_nothing_until_all_were_used():
    seen = [row for k in range(3) for half in halves(100, 5, k, half=16) for row in half]
    assert len(seen) == len(set(seen)) == 96
    assert [len(half) for half in halves(7, 0, 4, half=16)] == [3, 3]
    assert set(halves(100, 5, 3, half=16)[0]) & set(seen)
    with pytest.raises(LanguageModelError, match="at least 2"):
        halves(1, 0, 0, half=4)


def test_more_rounds_are_added_to_those_before():
    one = Rounds([1], [[2.0], [4.0]], [[1.0], [1.0]], {"P": [[1.0, 1.0], [3.0, 1.0]]}, 10, 1.0)
    assert one.headroom()["none"] == pytest.approx([3, 1])
    one.add(Rounds([1], [[3.0]], [[1.0]], {"P": [[2.0, 1.0]]}, 5, 0.5))
    assert one.headroom()["P"][0] == pytest.approx(2)
    assert (len(one.s), one.texts, one.seconds) == (3, 15, 1.5)
    assert Rounds([1], [[2.0]], [[0.0]]).headroom()["none"] == [None, None]


def test_gradients_that_are_not_finite_are_said(tuned: Tuned):
    module = Classifier()
    with torch.no_grad():
        module.second.fill_(torch.inf)
    broken = Tuned(module, dict(module.named_parameters()), tuned.groups, 1)
    with pytest.raises(LanguageModelError, match="not finite"):
        measure(broken, batch, [halves(COUNT, 1, 0, half=6)], seed=3)
