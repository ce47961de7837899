"""The module that holds a prefix's keys and values, one parameter each a layer."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import nn


class LayeredPrefix(nn.Module):
    """In the place of peft's PrefixEncoder, which keeps all layers in one matrix: here they can be shown one by one.

    start: per layer, keys and values, each of shape (tokens, heads × head width).
    """

    def __init__(self, start: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(keys, values) for keys, values in start)

    @property
    def embedding(self) -> SimpleNamespace:
        """Read by peft for the device that the prefix is on."""
        return SimpleNamespace(weight=next(self.parameters()))

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """(texts, tokens) → (texts, tokens, layers × 2 × width): a layer's keys, its values, as peft cuts it."""
        flat = torch.cat([*self.parameters()], dim=1)
        return flat.expand(len(places), -1, -1)


class _Layer(nn.Module):
    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.key, self.value = nn.Parameter(keys), nn.Parameter(values)  # `parameters()` keeps this order
