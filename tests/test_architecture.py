"""Sizes read from config.json alone against the models that transformers makes of them."""

import json

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    Qwen2Config,
)

from functions.language_model import adapters
from functions.language_model.model import load
from viz_app.finetuning import architecture
from viz_app.finetuning import spec as specs

TINY = {"vocab_size": 1000, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
WIDE = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
CONFIGS = {
    "opt": OPTConfig(**TINY, **WIDE, ffn_dim=256, max_position_embeddings=64, word_embed_proj_dim=64),
    # As opt-350m: narrow embeddings, norms after the layers.
    "opt-350m": OPTConfig(
        **TINY, **WIDE, ffn_dim=128, max_position_embeddings=64, word_embed_proj_dim=32, do_layer_norm_before=False
    ),
    "gpt2": GPT2Config(**TINY, n_embd=64, n_layer=3, n_head=4, n_positions=64),
    "llama": LlamaConfig(**TINY, **WIDE, intermediate_size=160, num_key_value_heads=2),
    "llama-tied": LlamaConfig(**TINY, **WIDE, intermediate_size=160, num_key_value_heads=1, tie_word_embeddings=True),
    "mistral": MistralConfig(**TINY, **WIDE, intermediate_size=160, num_key_value_heads=2),
    "qwen2": Qwen2Config(**TINY, **WIDE, intermediate_size=160, num_key_value_heads=2),
    "gpt_neox": GPTNeoXConfig(**TINY, **WIDE, intermediate_size=256),
    "phi": PhiConfig(**TINY, **WIDE, intermediate_size=256),
    "bloom": BloomConfig(**TINY, hidden_size=64, n_layer=3, n_head=4),
}


@pytest.fixture(params=CONFIGS)
def both(request, tmp_path):
    """The measures read from the file, and the module."""
    config = CONFIGS[request.param]
    config.save_pretrained(tmp_path)
    with torch.random.fork_rng():
        return architecture.size(str(tmp_path)), AutoModelForCausalLM.from_config(config).eval()


def test_parameters_are_counted_as_the_model_has_them(both):
    size, module = both
    assert size.parameters == sum(p.numel() for p in module.parameters())
    norms = [p for p in adapters._norms_and_biases(module)]
    assert size.norms_and_biases == sum(p.numel() for p in norms)


def test_operations_are_counted_as_torch_counts_them(both):
    size, module = both
    ids = torch.zeros(3, 20, dtype=torch.long)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(input_ids=ids, attention_mask=torch.ones_like(ids), logits_to_keep=1, use_cache=False)
    assert size.forward(3, 20) == pytest.approx(counter.get_total_flops(), rel=0.02)


@pytest.mark.parametrize(
    ("tune", "top"),
    [*((tune, 0) for tune in adapters.TUNES if tune != "top"), ("top", 1), ("top", 3), ("lora", 2), ("layernorm", 1)],
)
def test_trainable_parameters_are_those_of_the_adapted_model(tune, top):
    tuned = adapters.adapt(load("bundled", "cpu"), tune, seed=0, top=top)
    size = architecture.size("bundled")
    assert size.trainable(specs.parse(f"tune={tune}&top={top}")) == sum(p.numel() for p in tuned.parameters.values())


def test_a_folder_without_a_model_has_no_size(tmp_path):
    assert architecture.size(str(tmp_path)) is None
    assert architecture.size("nobody/nothing-of-the-kind") is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert architecture.size(str(tmp_path)) is None
