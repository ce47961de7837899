"""Prefix tuning: a few keys and values that every layer attends to before the text (Li and Liang 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache


class PrefixedModel(nn.Module):
    """A causal language model that reads every text after a prefix of keys and values.

    start: per layer, keys and values, each of shape (heads, tokens, head width), the same for all layers. Each is a
    parameter of its own, so that layers can be shown one by one. They are cast to the model's dtype in each pass.
    """

    def __init__(self, base: Any, start: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self.heads = start[0][0].shape[0]
        self.prefix = nn.Module()
        self.prefix.layers = nn.ModuleList(_Layer(_flat(keys), _flat(values)) for keys, values in start)
        self.base = base

    @property
    def tokens(self) -> int:
        """How many places before the text the prefix takes."""
        return next(self.prefix.parameters()).shape[0]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **options: Any) -> Any:
        """The base model's output for (texts, tokens) ids and their mask."""
        texts = len(input_ids)
        states = [self._states(parameter, texts) for parameter in self.prefix.parameters()]
        cache = DynamicCache(list(zip(states[::2], states[1::2], strict=True)))
        mask = torch.cat([attention_mask.new_ones(texts, self.tokens), attention_mask], dim=1)
        return self.base(input_ids=input_ids, attention_mask=mask, cache=cache, **options)

    def _states(self, parameter: torch.Tensor, texts: int) -> torch.Tensor:
        """(tokens, heads × width) → (texts, heads, tokens, width)."""
        states = parameter.to(self.base.dtype).unflatten(1, (self.heads, -1)).transpose(0, 1)
        return states.expand(texts, -1, -1, -1)


class _Layer(nn.Module):
    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.key, self.value = nn.Parameter(keys), nn.Parameter(values)  # `parameters()` keeps this order


def _flat(states: torch.Tensor) -> torch.Tensor:
    """(heads, tokens, width) → (tokens, heads × width)."""
    return states.transpose(0, 1).flatten(1)
