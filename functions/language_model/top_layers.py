"""The top layers of a decoder alone: the states that enter them are computed once per text and kept.

What lies below a cut does not change while only layers above it are trained, so that a forward pass through K of L
layers costs about K/L of a whole one. Works for every architecture of transformers whose decoder is a list of layers
that hand their states on, one to the next. In the last of them most is computed at the last position alone
(`last_position`), where that gives the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn

from functions.language_model.errors import LanguageModelError
from functions.language_model.groups import outside
from functions.language_model.last_position import narrowed
from functions.language_model.states import States

PASSED_OVER = ("_name_or_path", "transformers_version")  # of a configuration: where it lies, and who wrote it


class TopLayers(nn.Module):
    """A causal language model whose lowest layers are replaced by what they would give: call it as the model itself.

    module: the model, whose layers below the cut are taken out of it and kept here, as `lower`, for texts that are new.
    top: how many layers stay, from 1 to one less than there are. states: shared by copies of this module, and filled
    by `fill` or, for a text that was not, in passing. The loss is the whole model's up to the rounding of the states.

    Raises LanguageModelError, field "top" or "tune".
    """

    def __init__(self, module: Any, top: int, states: States | None = None) -> None:
        super().__init__()
        layers = _layers(module)
        if not 1 <= top < len(layers):
            raise LanguageModelError("top", f"Top layers must be 1 to {len(layers) - 1}, not {top}")
        gives_tuples, last = _hand_on(module, layers)
        self.narrowed = narrowed(layers[-1], *last)
        self.module, self.total, self.top = module, len(layers), top
        self.lower = nn.ModuleList(list(layers)[:-top]).requires_grad_(False)
        self.given = nn.ModuleList(_Given(layer, gives_tuples[i]) for i, layer in enumerate(self.lower))
        _put(layers, self.given)
        self.states = States() if states is None else states
        self._last: tuple[Any, Any] = None, None  # ids and the states of them: a step asks for the same batch often

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": (None, None)}  # a copy has no use for the last batch

    @property
    def share(self) -> float:
        """K/L, the part of a whole forward pass that one of these takes."""
        return self.top / self.total

    def holds(self, name: str) -> bool:
        """Whether a parameter of the model is one of a layer above the cut, or of the norm after them."""
        return _above(name, self.total, self.top)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int = 1) -> Any:
        """The model's output at the last position for (texts, tokens) ids, padded on the left, and their mask. Raises
        ValueError if other positions are asked for.
        """
        if logits_to_keep != 1:
            raise ValueError(f"logits_to_keep = {logits_to_keep}: the top layers alone give the last position")
        for each in self.narrowed:
            each.texts = len(input_ids)
        given: Any = self.given[-1]
        if self._last[0] is not input_ids:
            self._last = input_ids, self._entering(input_ids, attention_mask)
        given.states = self._last[1]
        try:
            return self.module(input_ids=input_ids, attention_mask=attention_mask, logits_to_keep=1)
        finally:
            given.states = None

    @torch.no_grad()
    def fill(
        self,
        texts: Iterable[Sequence[int]],
        at_once: int,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> int:
        """Compute the states of texts, given by their tokens, that are not kept yet, so many `at_once`; how many those
        were. `progress(done, total)` is called with counts of texts.
        """
        rows = {tuple(text) for text in texts}
        new = sorted((row for row in rows if row not in self.states), key=len)
        progress(0, len(new))
        for start in range(0, len(new), at_once):
            self._compute(new[start : start + at_once])
            progress(min(start + at_once, len(new)), len(new))
        return len(new)

    def _entering(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(texts, tokens, width) states that enter the top layers, 0 where a text is padded."""
        width, lengths = ids.shape[1], mask.sum(1).tolist()
        rows = [tuple(row[width - length :]) for row, length in zip(ids.tolist(), lengths, strict=True)]
        self.fill(rows, len(rows))
        found = [self.states[row] for row in rows]
        entering = torch.zeros(*ids.shape, found[0].shape[1], dtype=self.module.dtype)
        for place, states in zip(entering, found, strict=True):
            place[-len(states) :] = states
        return entering.to(ids.device)

    def _compute(self, rows: Sequence[tuple[int, ...]]) -> None:
        """Read some texts with the lower layers, and keep what would enter the others."""
        width, device = max(map(len, rows)), self.module.device
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        layers = _layers(self.module)
        _put(layers, self.lower)
        handle = layers[len(self.lower)].register_forward_pre_hook(_stop)
        try:
            self.module(input_ids=ids, attention_mask=mask, logits_to_keep=1)
        except _Reached as reached:
            for row, states in zip(rows, reached.states, strict=True):
                self.states[row] = states[-len(row) :].cpu()
        finally:
            handle.remove()
            _put(layers, self.given)


def digest(module: Any, top: int) -> str:
    """Of all that the states below the top layers depend on beside the texts: the model's configuration, and each
    parameter below the cut. SHA-256, shortened.
    """
    total = getattr(module.config, "num_hidden_layers", 0)
    below = [(name, p) for name, p in module.named_parameters() if not _above(name, total, top)]

    def of_one(parameter: torch.Tensor) -> bytes:
        numbers = parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return hashlib.sha256(numbers).digest()  # type: ignore[arg-type]

    config = {key: value for key, value in module.config.to_dict().items() if key not in PASSED_OVER}
    whole = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    with ThreadPoolExecutor() as threads:  # hashing lets other threads run
        for (name, p), found in zip(below, threads.map(of_one, [p for _, p in below]), strict=True):
            whole.update(f"{name} {tuple(p.shape)} {p.dtype}".encode() + found)
    return whole.hexdigest()[:16]


def _above(name: str, total: int, top: int) -> bool:
    """Whether a parameter is one of the top layers', or of the norm after them."""
    number = re.search(r"\.(\d+)\.", name)
    return int(number[1]) >= total - top if number else outside(name, total)[1] == "final norm"


class _Given(nn.Module):
    """Stands for a layer below the cut; the highest of them gives `states`. A model may look at a layer's plain
    attributes (Gemma: attention_type), so it has those of the layer.
    """

    states: torch.Tensor | None = None

    def __init__(self, layer: nn.Module, gives_tuple: bool) -> None:
        super().__init__()
        own = vars(self)
        own.update({name: value for name, value in vars(layer).items() if name not in own and name[0] != "_"})
        self._gives_tuple = gives_tuple

    def forward(self, hidden: torch.Tensor, *positional: Any, **named: Any) -> Any:
        given = hidden if self.states is None else self.states
        return (given,) if self._gives_tuple else given


class _Reached(Exception):
    def __init__(self, states: torch.Tensor) -> None:
        self.states = states
        super().__init__()


def _stop(layer: nn.Module, positional: tuple[Any, ...]) -> None:
    raise _Reached(positional[0])


def _put(layers: nn.ModuleList, first: Iterable[nn.Module]) -> None:
    """Make these the first ones of the list."""
    for i, layer in enumerate(first):
        layers[i] = layer


def _layers(module: Any) -> nn.ModuleList:
    """The list of a decoder's layers."""
    count = getattr(module.config, "num_hidden_layers", None)
    lists = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each) == count]
    if len(lists) != 1:
        raise _cannot(module)
    return lists[0]


@torch.no_grad()
def _hand_on(module: Any, layers: nn.ModuleList) -> tuple[list[bool], tuple[tuple[Any, ...], dict[str, Any], Any]]:
    """Whether each layer gives a tuple; and the arguments of the last one with what it gave for them. Refuses a model
    whose layers do more than hand their states on to the next.
    """
    seen: list[tuple[Any, Any]] = []
    last: Any = None

    def hook(layer: nn.Module, positional: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        nonlocal last
        last = positional, named, output
        seen.append((positional[0] if positional else None, output))

    handles = [layer.register_forward_hook(hook, with_kwargs=True) for layer in layers]
    try:
        ids = torch.arange(2 * 8, device=module.device).view(2, 8)
        module(input_ids=ids, attention_mask=torch.ones_like(ids), logits_to_keep=1)
    finally:
        for handle in handles:
            handle.remove()
    tuples = [isinstance(output, tuple) for _, output in seen]
    outputs = [output[0] if is_tuple else output for (_, output), is_tuple in zip(seen, tuples, strict=True)]
    if len(seen) != len(layers) or any(given is not made for (given, _), made in zip(seen[1:], outputs, strict=False)):
        raise _cannot(module)
    return tuples, last


def _cannot(module: Any) -> LanguageModelError:
    kind = module.config.model_type
    return LanguageModelError(
        "tune", f"tune is 'top', but a {kind} model is no list of layers that can be cut: take lora, layernorm or full"
    )
