"""A transformer's measures, read from its config.json without loading torch: parameters, floating-point operations."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from functions.language_model import files
from viz_app.finetuning.presets import BUNDLED
from viz_app.finetuning.spec import FinetuneSpec


@dataclass(frozen=True)
class Size:
    """A decoder's measures. `embedding` is the width of the token embeddings, `positions` the rows of learned position
    embeddings (0: none), `gated` an MLP of three matrices instead of two. `biases` are those of one layer's matrices,
    `norm` the parameters of one norm, `norms` how many norms there are in a layer and `outer_norms` outside of the
    layers. `fused`: queries, keys and values are made by one matrix.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    inner: int
    vocabulary: int
    embedding: int
    positions: int
    context: int
    gated: bool
    fused: bool
    tied: bool
    biases: int
    norm: int
    norms: int
    outer_norms: int
    head_bias: bool

    @property
    def matrices(self) -> int:
        """Elements of the matrices of one layer."""
        attention = 2 * self.hidden * self.head_width * (self.heads + self.kv_heads)
        return attention + (3 if self.gated else 2) * self.hidden * self.inner

    @property
    def computing(self) -> int:
        """Parameters that every token is multiplied with."""
        return self.layers * self.matrices + (2 * self.embedding * self.hidden if self.embedding != self.hidden else 0)

    @property
    def parameters(self) -> int:
        tables = (1 if self.tied else 2) * self.vocabulary * self.embedding + self.positions * self.hidden
        return self.computing + tables + self.norms_and_biases

    @property
    def norms_and_biases(self) -> int:
        per_layer = self.biases + self.norms * self.norm
        return self.layers * per_layer + self.outer_norms * self.norm + (self.vocabulary if self.head_bias else 0)

    def trainable(self, spec: FinetuneSpec) -> int:
        """Trainable parameters of a job."""
        layers = min(spec.top, self.layers) or self.layers
        if spec.tune == "lora":
            query, value = self.heads * self.head_width, self.kv_heads * self.head_width
            out = query + 2 * value if self.fused else query + value
            return layers * spec.rank * ((1 if self.fused else 2) * self.hidden + out)
        if spec.tune == "prefix":
            return self.layers * 2 * spec.prefix * self.kv_heads * self.head_width
        if spec.top:
            each = self.biases + self.norms * self.norm + (self.matrices if spec.tune == "top" else 0)
            return layers * each + min(1, self.outer_norms) * self.norm
        return self.norms_and_biases if spec.tune == "layernorm" else self.parameters

    def forward(self, texts: int, width: float, prefix: int = 0) -> float:
        """Floating-point operations of a forward pass of `texts` texts of `width` tokens, the logits of the last
        position alone included.
        """
        tokens = texts * width
        attention = 4 * tokens * (width + prefix) * self.heads * self.head_width
        return 2 * tokens * self.computing + self.layers * attention + 2 * texts * self.embedding * self.vocabulary


def find(model: str) -> Path | None:
    """The folder of a model that is on this machine: bundled, a folder, or in the hub's cache."""
    if model == BUNDLED:
        return files.BUNDLED
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder if (folder / "config.json").is_file() else None
    # As huggingface_hub documents the layout of its cache.
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    found = sorted((cache / f"models--{model.replace('/', '--')}" / "snapshots").glob("*/config.json"))
    return found[-1].parent if found else None


def read(config: Mapping[str, Any]) -> Size | None:
    """The measures that a config.json gives; None if it is not that of a decoder."""

    def first(*names: str) -> Any:
        return next((config[name] for name in names if config.get(name) is not None), None)

    kind = config.get("model_type")
    hidden, layers = first("hidden_size", "n_embd"), first("num_hidden_layers", "n_layer")
    heads = first("num_attention_heads", "n_head")
    if not (hidden and layers and heads):
        return None
    kv_heads, width = first("num_key_value_heads") or heads, first("head_dim") or hidden // heads
    inner = first("ffn_dim", "intermediate_size", "n_inner") or 4 * hidden
    root = config.get("rms_norm_eps") is not None  # the norms of Llama and its kin have no bias, nor have the matrices
    qkv = (heads + 2 * kv_heads) * width
    before = config.get("do_layer_norm_before", True) and not config.get("_remove_final_layer_norm", False)
    biased = config.get("enable_bias", config.get("attention_bias", not root or kind == "qwen2"))
    biases = (qkv + (0 if kind == "qwen2" else hidden) if biased else 0) + (0 if root else inner + hidden)
    learned = {"opt": 2, "gpt2": 0}.get(str(kind))
    context = first("max_position_embeddings", "n_positions", "seq_length") or 2048
    return Size(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_width=width,
        inner=inner,
        vocabulary=config.get("vocab_size", 0),
        embedding=config.get("word_embed_proj_dim") or hidden,
        positions=0 if learned is None else context + learned,
        context=context,
        gated=root,
        fused=kind in ("gpt2", "gpt_neox", "bloom"),
        tied=config.get("tie_word_embeddings", kind in ("opt", "gpt2", "bloom")),
        biases=biases,
        norm=hidden if root else 2 * hidden,
        norms=1 if kind == "phi" else 2,
        outer_norms={"bloom": 2}.get(str(kind), int(before)),
        head_bias=kind == "phi",
    )


def size(model: str) -> Size | None:
    """The measures of a model that is on this machine, its context as the tokenizer has it if that is shorter."""
    folder = find(model)
    made = read(json.loads((folder / "config.json").read_text("utf-8"))) if folder else None
    if folder is None or made is None:
        return None
    tokenizer = folder / "tokenizer_config.json"
    longest = json.loads(tokenizer.read_text("utf-8")).get("model_max_length") if tokenizer.is_file() else None
    return replace(made, context=min(made.context, int(longest or made.context)))
