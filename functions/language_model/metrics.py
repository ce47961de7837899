"""What a run minimises, and how well a model does: cross-entropy over label words, 1 − accuracy, 1 − macro F1.

No torch is imported until a loss is asked for, so that the page can list the losses without waiting for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from functions.language_model.tasks import Batch

LOSSES: dict[str, str] = {
    "cross_entropy": "Cross-entropy over the label words alone, at the last position; smooth, with a gradient.",
    "accuracy": "1 − accuracy of the batch: piecewise constant, so it has no gradient and needs a larger μ and batch.",
    "f1": "1 − macro F1 of the batch: piecewise constant too, and fair to rare classes.",
}
DIFFERENTIABLE = frozenset({"cross_entropy"})


@dataclass(frozen=True)
class Evaluation:
    """Of N texts in the order of the task: `loss` is the cross-entropy, `accuracy` and `f1` lie in [0, 1]; predictions
    (N,) int64; probabilities (N, classes) float32, over the label words alone.
    """

    loss: float
    accuracy: float
    f1: float
    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def figures(self) -> dict[str, float]:
        """Loss, accuracy and F1 as messages have them."""
        return {"loss": self.loss, "accuracy": self.accuracy, "f1": self.f1}


def losses(module: Any, batch: Batch) -> torch.Tensor:
    """The cross-entropy of every text of a batch, (B,): float32 on its device. Their mean is `loss`."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(scores(module, batch), batch.labels, reduction="none")


def loss(module: Any, batch: Batch, kind: str = "cross_entropy") -> torch.Tensor:
    """A key of LOSSES, as a float32 scalar on the batch's device; module is a causal language model, adapted or not."""
    from torch.nn.functional import cross_entropy

    found = scores(module, batch)
    if kind == "cross_entropy":
        return cross_entropy(found, batch.labels)
    predictions = found.argmax(1)
    if kind == "accuracy":
        return 1 - (predictions == batch.labels).float().mean()
    return 1 - _macro_f1(predictions, batch.labels, found.shape[1])


def evaluate(module: Any, batches: Iterable[Batch]) -> Evaluation:
    """One forward pass a batch, without gradients; F1 and accuracy are those of all batches together."""
    import torch
    from torch.nn.functional import log_softmax

    with torch.no_grad():
        parts = [(scores(module, batch).cpu(), batch.labels.cpu(), batch.rows) for batch in batches]
    order = torch.cat([rows for _, _, rows in parts]).argsort()
    found = torch.cat([part for part, _, _ in parts])[order]
    labels = torch.cat([part for _, part, _ in parts])[order]
    logarithms = log_softmax(found, 1)
    predictions = found.argmax(1)
    return Evaluation(
        loss=-logarithms.gather(1, labels[:, None]).mean().item(),
        accuracy=(predictions == labels).float().mean().item(),
        f1=_macro_f1(predictions, labels, found.shape[1]).item(),
        predictions=predictions.numpy(),
        probabilities=logarithms.exp().numpy(),
    )


def scores(module: Any, batch: Batch) -> torch.Tensor:
    """The label words' logits at the last position, (B, classes): float32, since bfloat16 has three digits to lose."""
    with _only(_head(module), batch.word_ids) as is_head:
        logits = module(input_ids=batch.ids, attention_mask=batch.mask, logits_to_keep=1).logits[:, -1]
    return (logits if is_head else logits[:, batch.word_ids]).float()


def _head(module: Any) -> Any:
    """What makes logits of states, of a causal language model that may be wrapped."""
    models = (each for each in module.modules() if hasattr(each, "get_output_embeddings"))
    return next((each.get_output_embeddings() for each in models), None)


@contextmanager
def _only(head: Any, words: torch.Tensor) -> Iterator[bool]:
    """Let a head compute the logits of these words alone, which saves all others of the vocabulary; whether it does:
    one that is not plain (an adapter's) computes all.
    """
    from torch import nn
    from torch.nn.functional import linear

    plain = type(head) is nn.Linear
    if plain:
        bias = None if head.bias is None else head.bias[words]
        vars(head)["forward"] = lambda states: linear(states, head.weight[words], bias)
    try:
        yield plain
    finally:
        if plain:
            del vars(head)["forward"]


def _macro_f1(predictions: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Mean of the classes' F1. A class that neither occurs nor is predicted is left out of it, as in scikit-learn."""
    from torch import bincount

    hits = bincount(labels[predictions == labels], minlength=classes).float()
    either = bincount(labels, minlength=classes) + bincount(predictions, minlength=classes)
    return (2 * hits / either)[either > 0].mean()
