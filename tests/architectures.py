"""Other architectures than the bundled model's, made small, with its tokenizer."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PhiConfig,
    PretrainedConfig,
    Qwen2Config,
)

from functions.language_model.model import LanguageModel, load

TEXTS = ["a fine film it was", "dull , and sad , and far too long for what it has to say . it was", "good . it was"]
TINY: dict[str, Any] = {"vocab_size": 4096, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}


def configs(layers: int) -> dict[str, PretrainedConfig]:
    wide: dict[str, Any] = {**TINY, "hidden_size": 32, "num_hidden_layers": layers, "num_attention_heads": 4}
    gated: dict[str, Any] = {**wide, "intermediate_size": 64, "num_key_value_heads": 2}
    return {
        # As opt-350m: embeddings narrower than the layers, norms after them.
        "opt": OPTConfig(**wide, word_embed_proj_dim=16, ffn_dim=64, do_layer_norm_before=False),
        "gpt2": GPT2Config(**TINY, n_embd=32, n_layer=layers, n_head=4, n_positions=64),
        "llama": LlamaConfig(**gated),
        "gpt_neox": GPTNeoXConfig(**wide, intermediate_size=64),
        "phi": PhiConfig(**wide, intermediate_size=64),
        "bloom": BloomConfig(**TINY, hidden_size=32, n_layer=layers, n_head=4),
        "qwen2": Qwen2Config(**gated),
        "gemma2": Gemma2Config(**gated, head_dim=8, sliding_window=4),  # its layers see differently far
    }


def made(config: PretrainedConfig, bundled: LanguageModel, folder: Path) -> LanguageModel:
    """A model of random weights, always the same, with the tokenizer of `bundled`."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    bundled.tokenizer.save_pretrained(folder)
    return load(str(folder), "cpu")


def logits(module: Any, model: LanguageModel, texts: list[str] = TEXTS) -> torch.Tensor:
    """(texts, vocabulary) at the last position."""
    batch = model.tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        return module(input_ids=batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=1).logits[:, -1]
