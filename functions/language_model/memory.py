"""Bytes that training takes, measured: forward passes only against gradients, side by side.

Nothing here knows an optimizer: the caller hands in makers of trainers, and one at a time is made, measured and let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from functions.language_model import devices
from functions.language_model.adapters import Tuned
from functions.language_model.errors import LanguageModelError

Loss = Callable[[], torch.Tensor]


class Trainer(Protocol):
    """What is used of a trainer: one step on a loss, and what it keeps from step to step."""

    def advance(self, loss: Loss) -> object: ...

    def state_bytes(self) -> int: ...


@dataclass(frozen=True)
class Row:
    """What one method takes, in bytes.

    weights: the model's parameters and buffers, tuned or not, tied ones once. Counted.
    activations: the most that one forward pass of the batch holds beside the weights; with gradients that includes
        everything kept for the backward pass. Measured.
    gradients: one number for each tuned parameter, for methods that differentiate; 0 for the others. Counted.
    state: what the method keeps from step to step (P; Adam's two moments). Counted, by the method.
    workspace: the most that the method itself holds for a moment (directions, temporaries), measured on a step whose
        loss costs nothing; or, if that is more, what the backward pass holds beyond activations and gradients.
    states: what enters top layers, of all texts read so far, where that is in the same memory. Counted.
    peak: the most that weights, states, state and everything else came to at any one moment of a whole step. Measured.
        The parts are each at their own largest, which need not be at the same moment: so peak is at most their sum.
    """

    name: str
    weights: int
    activations: int
    gradients: int
    state: int
    workspace: int
    peak: int
    states: int = 0


@dataclass(frozen=True)
class Measurement:
    """A row for each method, and a sentence on how they were measured."""

    rows: tuple[Row, ...]
    how: str


def measure(
    tuned: Tuned,
    batch: Any,
    loss: Callable[[Any, Any], torch.Tensor],
    trainers: Mapping[str, Callable[[], Trainer]],
) -> Measurement:
    """Bytes of one training step, by method.

    loss(module, batch) is a scalar; trainers maps a method's name to a maker of a trainer of `tuned.parameters`. Each
    makes three steps: with n = 1, as more directions follow one another and take no more memory. Afterwards the
    parameters are as before, to the bit, and without gradients. A copy of them is held in the computer's memory
    meanwhile, which is not counted.

    Raises LanguageModelError (field "device") on a device whose peak cannot be read.
    """
    device = next(iter(tuned.parameters.values())).device
    meter = devices.peak(str(device))
    if meter is None:
        raise LanguageModelError("device", f"memory cannot be measured on {device.type}: take cpu or cuda")
    peak, how = meter
    weights = _bytes({id(t): t for t in (*tuned.module.parameters(), *tuned.module.buffers())}.values())
    kept = getattr(getattr(tuned.module, "states", None), "bytes", 0)
    if kept and device.type != "cpu":
        kept, how = (
            0,
            f"{how} Beside that, {kept / 1e6:.3g} MB of the lower layers' states are in the computer's memory.",
        )
    before = {name: parameter.detach().to("cpu", copy=True) for name, parameter in tuned.parameters.items()}

    def forward() -> torch.Tensor:
        return loss(tuned.module, batch)

    rows = []
    for name, make in trainers.items():
        try:
            rows.append(_row(name, make(), tuned, forward, weights, kept, peak))
        finally:
            with torch.no_grad():
                for key, parameter in tuned.parameters.items():
                    parameter.copy_(before[key])
                    parameter.grad = None
    return Measurement(tuple(rows), how)


def _row(
    name: str,
    trainer: Trainer,
    tuned: Tuned,
    forward: Loss,
    weights: int,
    kept: int,
    peak: Callable[[Callable[[], object]], int],
) -> Row:
    differentiates = False

    def observed() -> torch.Tensor:
        nonlocal differentiates
        differentiates |= torch.is_grad_enabled()
        return forward()

    trainer.advance(observed)  # makes the state, and what libraries allocate at their first use
    state = trainer.state_bytes()
    gradients = _bytes(tuned.parameters.values()) if differentiates else 0
    free: Loss = lambda: _costless(tuned, differentiates)  # noqa: E731
    with torch.set_grad_enabled(differentiates):
        activations = peak(forward)
    workspace = max(0, peak(lambda: trainer.advance(free)) - gradients)
    step = peak(lambda: trainer.advance(forward))
    workspace = max(workspace, step - activations - gradients)
    return Row(name, weights, activations, gradients, state, workspace, weights + kept + state + step, kept)


def _costless(tuned: Tuned, differentiates: bool) -> torch.Tensor:
    """A loss without a forward pass; if it is to be differentiated, every parameter's gradient is there, and zero."""
    parameters = tuned.parameters.values()
    zero = torch.zeros((), device=next(iter(parameters)).device)
    return zero + sum(parameter.sum() * 0.0 for parameter in parameters) if differentiates else zero


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
