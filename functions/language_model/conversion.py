"""A GGUF file made into a directory in the hub's layout (config.json, safetensors, tokenizer) for `model.load`.

Transformers reads the file with the package gguf and dequantizes it; this is done once. What it leaves out is added
here: how the tokenizer splits text before it merges, where the file names a way that transformers does not know.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from functions.language_model import model as models
from functions.language_model.devices import pick_device, size
from functions.language_model.errors import LanguageModelError
from functions.language_model.files import ORIGIN, Origin, Progress, wrong

SPARE = 1.05  # times the weights: tokenizer and configuration
WHOLE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}  # types of tensors that are not quantized


def convert(file: Path, folder: Path, progress: Progress | None = None, title: str | None = None) -> Origin:
    """Make the directory `folder` of a GGUF file; `files.origin_of` knows it once it is complete.

    Weights become float32, or stay float16 or bfloat16 if the file has no others. `title` is the model's name unless
    the file gives one. Raises LanguageModelError, field "model": no GGUF or a broken one, an architecture that
    transformers cannot read, no causal language model, no room on the disk or in memory.
    """
    name = file.name
    reader = _reader(file)
    architecture = _text(reader, "general.architecture")
    if not architecture:
        raise wrong(f"{name} names no architecture, so it is no model")
    if (parts := _number(reader, "split.count")) > 1:
        raise wrong(f"{name} is one of {parts} parts: join them first, with llama.cpp's `llama-gguf-split --merge`")
    kinds = Counter()
    for tensor in reader.tensors:
        kinds[tensor.tensor_type.name] += int(tensor.n_elements)
    halves = {WHOLE[kind] for kind in kinds if kind in WHOLE and kind != "F32"}
    dtype = halves.pop() if set(kinds) <= set(WHOLE) and len(halves) == 1 else torch.float32
    needed = SPARE * sum(kinds.values()) * dtype.itemsize
    if (free := shutil.disk_usage(folder.parent).free) < needed:
        raise _full(folder, f"{name} becomes {size(needed)}, and {size(free)} are free")
    try:
        origin = Origin(
            title=title or _text(reader, "general.name") or file.stem,
            file=name,
            storage=_storage(kinds),
            quantized=not set(kinds) <= set(WHOLE),
            licence=_text(reader, "general.license"),
            note=_write(file, architecture, _text(reader, "tokenizer.ggml.pre"), folder, dtype, progress),
        )
        (folder / ORIGIN).write_text(json.dumps(asdict(origin), indent=2, ensure_ascii=False), "utf-8")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(folder, f"{name} did not fit") from error
        raise wrong(f"{name} could not be converted to {folder}: {error.strerror or error}") from error
    return origin


def _reader(file: Path) -> Any:
    import gguf

    if not file.is_file():
        raise wrong(f"there is no file {file}")
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise wrong(f"{file.name} is no GGUF file: it does not begin with the letters GGUF")
    try:
        return gguf.GGUFReader(file)
    except Exception as error:  # numpy, struct, enum and unicode errors, depending on where the file breaks off
        raise _broken(file.name, error) from error


def _broken(name: str, error: BaseException) -> LanguageModelError:
    return wrong(f"{name} is a broken GGUF file or one of an unknown kind, get it again: {models.first_line(error)}")


def _full(folder: Path, why: str) -> LanguageModelError:
    return wrong(f"the disk of {folder.parent} is full: {why}. Make room there, or take another data directory")


def _text(reader: Any, key: str) -> str:
    field = reader.get_field(key)
    return "" if field is None else str(field.contents())


def _number(reader: Any, key: str) -> int:
    field = reader.get_field(key)
    return 0 if field is None else int(field.contents())


def _storage(kinds: Counter[str]) -> str:
    """How most of the weights were stored, in words."""
    kind = kinds.most_common(1)[0][0] if kinds else "F32"
    if kind in WHOLE:
        return f"in {8 * WHOLE[kind].itemsize}-bit floating point ({kind})"
    bits = re.search(r"\d", kind)
    return f"quantized to {bits[0]} bits ({kind})" if bits else f"quantized ({kind})"


def _write(
    file: Path, architecture: str, splitting: str, folder: Path, dtype: torch.dtype, progress: Progress | None
) -> str:
    """Write the directory, and return what its user should know of the tokenizer; empty if nothing."""
    from transformers import AutoConfig, AutoTokenizer

    name, where = file.name, {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    # transformers' bar of the dequantizing goes to standard error, whatever its own settings say
    with models.quiet(f"converting {name}", progress), contextlib.redirect_stderr(io.StringIO()):
        try:
            config = AutoConfig.from_pretrained(**where)
        except Exception as error:  # ValueError, or what the first missing key leads to
            raise wrong(
                f"{name} holds a model of the architecture {architecture!r}, which transformers cannot read from a "
                f"GGUF file ({models.first_line(error)}); take a Llama, Mistral, Qwen, GPT-2, Phi or Gemma"
            ) from error
        config.save_pretrained(folder)
        config = models.causal_config(folder, name)
        try:
            module = models.module_of(file.parent, config, name, pick_device("cpu"), dtype, gguf_file=name)
        except LanguageModelError:
            raise
        except Exception as error:  # the package gguf's own, for types and names of tensors
            raise _broken(name, error) from error
        module.hf_quantizer, module.config.use_cache = None, True  # the weights are plain numbers by now
        del module.config.quantization_config
        module.save_pretrained(folder)
        try:
            tokenizer = AutoTokenizer.from_pretrained(**where)
        except Exception as error:
            raise wrong(f"{name}'s tokenizer cannot be read: {models.first_line(error)}") from error
        note = _split_as_named(tokenizer, splitting)
        tokenizer.save_pretrained(folder)
    return note


def _split_as_named(tokenizer: Any, splitting: str) -> str:
    """Split text as the file's `tokenizer.ggml.pre` says; a sentence where it says what nobody knows here.

    Transformers 5.24 knows several, and leaves the others with GPT-2's. "smollm" is that of SmolLM and SmolLM2, whose
    tokenizer.json sets every digit apart before GPT-2's pattern is applied; llama.cpp does the same under that name.
    """
    from tokenizers import pre_tokenizers

    backend = tokenizer.backend_tokenizer
    if splitting == "smollm":
        pieces = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        backend.pre_tokenizer = pre_tokenizers.Sequence(pieces)
    elif isinstance(backend.pre_tokenizer, pre_tokenizers.ByteLevel) and splitting not in ("", "default", "gpt-2"):
        return (
            f"its tokenizer splits text in a way ({splitting}) that transformers does not know: GPT-2's takes its "
            "place, and some texts may become other tokens than the model was trained with"
        )
    return ""
