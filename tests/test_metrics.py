"""Losses and readings over label words, against formulas of scikit-learn and torch written out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from functions.language_model import metrics
from functions.language_model.tasks import Batch
from tests.architectures import configs

WORDS = torch.tensor([7, 2, 9])


def batch_of(labels, rows=None):
    count = len(labels)
    ids = torch.ones(count, 4, dtype=torch.long)
    rows = torch.arange(count) if rows is None else torch.tensor(rows)
    return Batch(ids, torch.ones_like(ids), torch.tensor(labels), WORDS, rows)


class Scores(torch.nn.Module):
    """A model whose label words' logits at the last position are `scores` (B, 3), among ten words."""

    def __init__(self, scores, dtype=torch.float32):
        super().__init__()
        self.scores, self.dtype, self.calls = scores, dtype, []

    def forward(self, input_ids, attention_mask, logits_to_keep):
        self.calls.append(input_ids.shape)
        logits = torch.full((len(self.scores), logits_to_keep, 10), 50.0)  # other words do not count, however likely
        logits[:, -1, WORDS] = torch.as_tensor(self.scores, dtype=torch.float32)
        return SimpleNamespace(logits=logits.to(self.dtype))


def f1_by_hand(labels, predictions):
    """Macro F1 over the classes that occur or are predicted, one by one."""
    values = []
    for one in sorted({*labels, *predictions}):
        hits = sum(a == b == one for a, b in zip(labels, predictions, strict=True))
        precision = hits / max(1, predictions.count(one))
        recall = hits / max(1, labels.count(one))
        values.append(0 if hits == 0 else 2 * precision * recall / (precision + recall))
    return sum(values) / len(values)


def scores_for(predictions):
    return torch.nn.functional.one_hot(torch.tensor(predictions), 3).float()


def test_cross_entropy_is_over_the_label_words_alone():
    scores = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    labels = [0, 1, 2, 1, 0]
    loss = metrics.loss(Scores(scores), batch_of(labels))
    torch.testing.assert_close(loss, cross_entropy(scores, torch.tensor(labels)))
    assert loss.shape == ()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_loss_is_computed_in_float32(dtype):
    scores = torch.tensor([[1.0, 1.0078125, 0.5]])  # exact in either
    loss = metrics.loss(Scores(scores, dtype), batch_of([1]))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(scores, torch.tensor([1])))


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([0, 1, 2, 1], [0, 1, 2, 1]),
        ([0, 1, 2, 1], [1, 1, 1, 1]),  # two classes never predicted: F1 0 each
        ([0, 0, 1, 1], [0, 1, 1, 0]),  # class 2 neither occurs nor is predicted: left out
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([0, 0, 0, 0], [2, 2, 2, 2]),
    ],
)
def test_accuracy_and_f1_of_a_batch(labels, predictions):
    module, batch = Scores(scores_for(predictions)), batch_of(labels)
    right = np.mean(np.equal(labels, predictions))
    assert metrics.loss(module, batch, "accuracy").item() == pytest.approx(1 - right)
    assert metrics.loss(module, batch, "f1").item() == pytest.approx(1 - f1_by_hand(labels, predictions))
    assert metrics.evaluate(module, [batch]).f1 == pytest.approx(f1_by_hand(labels, predictions))


def test_what_is_differentiable_has_a_gradient_and_the_rest_has_none():
    assert set(metrics.LOSSES) == {"cross_entropy", "accuracy", "f1"}
    for kind in metrics.LOSSES:
        scores = torch.randn(4, 3, requires_grad=True)
        assert metrics.loss(Scores(scores), batch_of([0, 1, 2, 0]), kind).requires_grad is (
            kind in metrics.DIFFERENTIABLE
        )


def test_an_evaluation_is_of_all_batches_together_in_the_tasks_order():
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    labels = [0, 1, 2, 0, 1, 2]
    order = [4, 0, 5, 2, 1, 3]
    pieces = [order[:4], order[4:]]
    batches = [batch_of([labels[row] for row in piece], piece) for piece in pieces]

    class Shuffled(torch.nn.Module):
        turn = 0

        def forward(self, **inputs):
            piece = pieces[self.turn]
            self.turn += 1
            return Scores(scores[piece])(**inputs)

    evaluation = metrics.evaluate(Shuffled(), batches)
    expected = torch.softmax(scores, 1)
    assert evaluation.loss == pytest.approx(cross_entropy(scores, torch.tensor(labels)).item())
    assert evaluation.accuracy == pytest.approx((scores.argmax(1) == torch.tensor(labels)).float().mean().item())
    assert evaluation.f1 == pytest.approx(f1_by_hand(labels, scores.argmax(1).tolist()))
    np.testing.assert_array_equal(evaluation.predictions, scores.argmax(1))
    np.testing.assert_allclose(evaluation.probabilities, expected, rtol=1e-5)
    assert evaluation.probabilities.dtype == np.float32
    assert evaluation.predictions.dtype == np.int64


def test_a_loss_that_is_not_finite_stays_so():
    scores = torch.full((2, 3), torch.nan)
    assert metrics.loss(Scores(scores), batch_of([0, 1])).isnan()
    assert np.isnan(metrics.evaluate(Scores(scores), [batch_of([0, 1])]).loss)


@pytest.mark.parametrize("name", sorted(configs(2)))
def test_the_head_computes_the_label_words_logits_alone(name, monkeypatch):
    """They are those of all words, and the model is as it was afterwards; Adam's gradient is the same too."""
    model = AutoModelForCausalLM.from_config(configs(2)[name]).eval()
    batch = batch_of([0, 1, 2])
    whole = model(input_ids=batch.ids, attention_mask=batch.mask, logits_to_keep=1).logits[:, -1]
    loss = metrics.loss(model, batch)
    torch.testing.assert_close(loss, cross_entropy(whole[:, WORDS], batch.labels))
    parameters = list(model.parameters())
    losses = loss, cross_entropy(whole[:, WORDS], batch.labels)
    grads = [torch.autograd.grad(of, parameters, allow_unused=True) for of in losses]
    torch.testing.assert_close(*[[each for each in of if each is not None] for of in grads])
    kept, own = [], model.forward
    monkeypatch.setattr(model, "forward", lambda **given: kept.append(own(**given)) or kept[-1])
    metrics.loss(model, batch)
    assert kept[0].logits.shape == (3, 1, 3)
    assert own(input_ids=batch.ids, attention_mask=batch.mask, logits_to_keep=1).logits.shape[-1] == whole.shape[-1]
