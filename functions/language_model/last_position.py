"""A decoder's last layer, worked out at the last position alone, where nothing else is asked of the model.

Keys and values are needed of all positions; queries, the attention's output and the MLP of the last one only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from functions.language_model.groups import kind_of


@torch.no_grad()
def narrowed(layer: nn.Module, positional: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> list[Any]:
    """Make modules of a layer compute at the last position, and return them; none, and the layer as it was, unless it
    gives the same there as before: `output`, for the arguments `positional` and `named`, texts of several tokens. Each
    must be told how many texts there are (`texts`) before it is called. What they give elsewhere is of no use.
    """
    modules = list(_position_wise(layer))
    kinds = [type(module) for module in modules]
    for module, kind in zip(modules, kinds, strict=True):
        module.__class__, module.texts = _at_the_last(kind), len(positional[0])
    try:
        made = layer(*positional, **named)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):  # of an architecture that is not known
        made = None
    if made is not None and _same(*(each[0] if isinstance(each, tuple) else each for each in (made, output))):
        return modules
    for module, kind in zip(modules, kinds, strict=True):
        module.__class__ = kind
    return []


def _position_wise(layer: nn.Module) -> Iterator[Any]:
    """Those whose result at other positions nothing needs, told by their names: an MLP as a whole where it is one."""
    whole = ""
    for name, module in layer.named_modules():
        kind = kind_of(f"{name}.weight") if name else ""
        if whole and name.startswith(whole):
            continue
        if kind.startswith("mlp") or kind in ("attention q", "attention out"):
            whole = f"{name}."
            yield module


@cache
def _at_the_last(kind: type[nn.Module]) -> type[nn.Module]:
    """A class of modules that give at every position what `kind` gives at the last one. (A class, not a hook or a
    wrapper: so copies work, names stay, and peft finds the layers that it knows.)
    """

    def forward(self: Any, given: torch.Tensor, *others: Any) -> torch.Tensor:
        by_text = given.reshape(self.texts, -1, given.shape[-1])  # OPT's MLP is given all texts in one row
        made = kind.forward(self, by_text[:, -1:], *others)
        return made.expand(-1, by_text.shape[1], -1).reshape(*given.shape[:-1], -1)

    return type(kind.__name__, (kind,), {"forward": forward})


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Up to the rounding of two ways to multiply matrices."""
    near = max(1e-5, 8 * torch.finfo(b.dtype).eps)
    a, b = a[:, -1].float(), b[:, -1].float()
    return bool((a - b).abs().max() <= near * b.abs().max())
