"""How a model's parameters are grouped, told from their names alone: by layer and kind. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# What a matrix of the attention makes, by the same names; and the order in which kinds are shown.
ATTENTION = {
    "q_proj": "q", "query": "q", "k_proj": "k", "key": "k", "v_proj": "v", "value": "v",
    "c_attn": "qkv", "query_key_value": "qkv", "qkv_proj": "qkv", "Wqkv": "qkv", "in_proj": "qkv",
    "out_proj": "out", "o_proj": "out", "c_proj": "out", "dense": "out",
}  # fmt: skip
KINDS = ("token embeddings", "position embeddings", "prefix", "attention", "mlp", "norms")


@dataclass(frozen=True)
class Group:
    """Trainable parameters that are shown as one: those of one kind in one layer.

    layer counts from 0, as in the parameters' names ("layer 2 · attention q" is `layers.2.self_attn.q_proj`); −1 means
    before the first layer (embeddings) and the number of layers means after the last (final norm, head).
    """

    name: str
    layer: int
    kind: str
    parameters: tuple[str, ...]


def group(parameters: Iterable[str]) -> tuple[Group, ...]:
    """Parameters by layer and kind, told from their names alone; a matrix and its bias are of one kind."""
    names = list(parameters)
    numbers = [re.search(r"\.(\d+)\.", f".{name}") for name in names]
    layers = 1 + max((int(number[1]) for number in numbers if number), default=-1)
    found: dict[tuple[int, str], list[str]] = {}
    for name, number in zip(names, numbers, strict=True):
        place = (int(number[1]), kind_of(f".{name}"[number.end() :])) if number else outside(name, layers)
        found.setdefault(place, []).append(name)
    return tuple(_group(*place, members, layers) for place, members in sorted(found.items(), key=_order))


def _group(layer: int, kind: str, members: list[str], layers: int) -> Group:
    if "norm" not in kind and all(name.endswith("bias") for name in members):
        kind += " bias"
    return Group(f"layer {layer} · {kind}" if 0 <= layer < layers else kind, layer, kind, tuple(members))


def _order(item: tuple[tuple[int, str], list[str]]) -> tuple[int, int, int]:
    """Embeddings, then each layer from its attention to its norms, queries first; then what comes after the layers."""
    (layer, kind), _ = item
    first = next((i for i, known in enumerate(KINDS) if kind.startswith(known)), len(KINDS))
    letter = kind.removeprefix("attention ")[:1] if kind.startswith("attention") else ""
    return layer, first, "qkvo".find(letter)


def kind_of(name: str) -> str:
    """Of a parameter by its name within its layer: "self_attn.q_proj.weight" is of "attention q"."""
    *owners, leaf = name.split(".")
    if not owners:
        return f"prefix {leaf}"
    owner, path = owners[-1], ".".join(owners)
    if re.search(r"norm|\bln_", path):
        return "norms"
    low_rank = f" {leaf.replace('_', ' ')}" if leaf.startswith("lora_") else ""
    if re.search(r"attn|attention", path):
        return f"attention {ATTENTION.get(owner, owner)}{low_rank}"
    if re.search(r"mlp|ffn|feed_forward|\bfc\d", path):
        return f"mlp {owner}{low_rank}"
    return f"{owner}{low_rank}"


def outside(name: str, layers: int) -> tuple[int, str]:
    """Layer (−1 or `layers`) and kind of a parameter that belongs to no layer."""
    owner = name.rpartition(".")[0].rpartition(".")[2]
    if owner.endswith("norm") and "embed" in owner:
        return -1, "embedding norm"
    if re.search(r"norm|\bln_", owner):
        return layers, "final norm"
    if re.search(r"pos|wpe", owner):
        return -1, "position embeddings"
    if re.search(r"emb|wte", owner):
        return -1, "token embeddings"
    if owner == "project_in":
        return -1, "input projection"
    return layers, {"lm_head": "head", "embed_out": "head", "project_out": "output projection"}.get(owner, owner)
