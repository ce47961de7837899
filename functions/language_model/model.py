"""A causal language model, ready for forward passes: the bundled one, one from the hub, or one in a directory."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from functions.language_model.devices import Device, devices, free_memory, has_bfloat16, pick_device, size
from functions.language_model.errors import LanguageModelError, NoRoom
from functions.language_model.files import BUNDLED, Progress, find, origin_of, reporting_bar, wrong

__all__ = ["BUNDLED", "DTYPES", "Device", "LanguageModel", "copy_model", "devices", "load", "pick_device", "size"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Models to name where one does not fit: parameters of facebook's OPT, largest first.
SIZES = {"opt-6.7b": 6.66e9, "opt-2.7b": 2.65e9, "opt-1.3b": 1.32e9, "opt-350m": 3.31e8, "opt-125m": 1.25e8}


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in evaluation mode, with its tokenizer.

    module: module(input_ids=, attention_mask=, logits_to_keep=1).logits. Positions follow from the mask, whatever the
        architecture, so a text padded on the left gives what it gives alone; nothing is cached.
    tokenizer: pads and truncates on the left and always has a padding token.
    parameter_count: tied tensors counted once. context: the most tokens a text may have.
    """

    module: Any
    tokenizer: Any
    source: str
    title: str
    device: Device
    dtype: torch.dtype
    parameter_count: int
    context: int


def load(
    source: str = "bundled",
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress | None = None,
    beside: int = 0,
) -> LanguageModel:
    """A model by its source: "bundled", a hub id, or a directory in the hub's layout.

    A hub id that is in the hub's cache in full is taken from there without asking the network; otherwise it is
    downloaded. dtype is "auto" (float32 on the CPU, bfloat16 or else float16 on a GPU), or a key of DTYPES.
    progress(what, done, total) is called with bytes while files are fetched, and with tensors while they are read.
    beside: bytes that training will take beside the weights; a model is refused before it is loaded if both together do
    not fit into the memory that is free. No code that comes with a model is run.

    Raises LanguageModelError, field "model", "device" or "dtype".
    """
    place = pick_device(device)
    number = _dtype(dtype, place)
    name = Path(source).name if Path(source).is_dir() else source
    folder = find(source, progress)
    with quiet(f"loading {name}", progress):
        config = causal_config(folder, name)
        parameters = _size(config)
        if parameters * number.itemsize + beside > free_memory(place):
            raise _no_room(name, place, number, parameters, beside)
        module = module_of(folder, config, name, place, number)
        tokenizer = _tokenizer(folder, name)
    rows = module.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise wrong(f"{name} has a tokenizer of {len(tokenizer):,} tokens, but embeddings of {rows:,} only")
    origin = origin_of(folder)
    if origin is not None:
        name = f"{origin.title}, weights {origin.storage}" if origin.quantized else origin.title
    title = f"{'bundled OPT' if source == 'bundled' else name}, {count(parameters)} parameters"
    # The tokenizer's is a huge number where it is unknown.
    context = min(getattr(config, "max_position_embeddings", 2048), tokenizer.model_max_length)
    return LanguageModel(module, tokenizer, source, title, place, number, parameters, context)


def copy_model(model: LanguageModel) -> LanguageModel:
    """The same with weights of its own; the tokenizer is shared."""
    return replace(model, module=deepcopy(model.module))


def count(number: float) -> str:
    """Parameters, for people: "1.33 M"."""
    for unit in ("", " k", " M"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} G"


def _dtype(wanted: str, device: Device) -> torch.dtype:
    if wanted == "auto":
        if device.name == "cpu":
            return torch.float32  # bfloat16 is several times slower there
        return torch.bfloat16 if has_bfloat16(device) else torch.float16
    if wanted not in DTYPES:
        raise LanguageModelError("dtype", f"dtype is {wanted[:40]!r}, but must be auto, {', '.join(DTYPES)}")
    if wanted == "bfloat16" and not has_bfloat16(device):
        raise LanguageModelError("dtype", f"{device.title} does not compute in bfloat16: take float16 or float32")
    return DTYPES[wanted]


@contextmanager
def quiet(what: str, progress: Progress | None) -> Iterator[None]:
    """Transformers' bars go to `progress`, and of its log only errors are shown, until the end of the block."""
    from transformers.utils import logging

    bar = reporting_bar(lambda done, total: progress and progress(what, done, total))
    hook = logging.set_tqdm_hook(lambda _, positional, named: bar(*positional, **named))
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logging.set_tqdm_hook(hook)


def causal_config(folder: Path, name: str) -> Any:
    """The configuration of a causal language model; anything else raises LanguageModelError that says what it is."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = str(raw.get("model_type"))
    except (ValueError, AttributeError) as error:
        raise wrong(f"{name}'s config.json is not a JSON object: {error}") from error
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, OSError) as error:
        if raw.get("auto_map"):
            raise wrong(f"{name} ({kind}) brings code of its own, which is not run here; take an OPT model") from error
        raise wrong(f"{name}'s config.json describes no model that transformers knows (model_type {kind})") from error
    what = (raw.get("architectures") or [kind])[0]
    wanted = "a causal language model (OPT, GPT-2, Llama, …) is wanted"
    family = type(config)
    if config.is_encoder_decoder:
        raise wrong(f"{name} is an encoder-decoder model ({what}); {wanted}")
    if family in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False):
        raise wrong(f"{name} is an encoder ({what}), which sees the words after a gap as well; {wanted}")
    if family not in MODEL_FOR_CAUSAL_LM_MAPPING or "ForConditionalGeneration" in what:
        raise wrong(f"{name} is a {what} and no plain language model; {wanted}")
    if getattr(config, "quantization_config", None):
        raise wrong(f"{name} is quantized, and its weights cannot be moved a little; take one in floating point")
    return config


def _size(config: Any) -> int:
    """How many parameters such a model has; nothing of their size is allocated."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in AutoModelForCausalLM.from_config(config).parameters())


def _no_room(name: str, device: Device, dtype: torch.dtype, parameters: int, beside: int = 0) -> NoRoom:
    kind = str(dtype).removeprefix("torch.")
    free, weights = free_memory(device), parameters * dtype.itemsize
    if beside and weights < free:
        return NoRoom(
            "model",
            f"{name} takes {size(weights)} in {kind}, and this job {size(beside)} beside it, but {device.name} has "
            f"{size(free)} free: take tune=lora or layernorm, a smaller batch, fewer optimizers, or truth=0",
        )
    room = 0.8 * free / dtype.itemsize  # some of it is for activations
    fits = next((f"facebook/{other}" for other, number in SIZES.items() if number < room), "bundled")
    halved = ", or dtype=bfloat16 with half the bytes" if dtype.itemsize == 4 else ""
    return NoRoom(
        "model",
        f"{name} has {count(parameters)} parameters: {size(weights)} in {kind}, and {device.name} "
        f"has {size(free)} free. Room is for about {count(room)} parameters: take {fits}{halved}",
    )


def module_of(
    folder: Path, config: Any, name: str, device: Device, dtype: torch.dtype, gguf_file: str | None = None
) -> Any:
    """The module of a directory, or of a GGUF file in it, complete and in evaluation mode. Raises LanguageModelError
    for weights that are missing, of other shapes, unreadable or too large.
    """
    from pickle import UnpicklingError

    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        # Attention is left to transformers, which takes torch's SDPA where the architecture has it: on the CPU as fast
        # as its "eager" at 24 tokens a text, and up to a fifth faster from 64 on.
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below
            trust_remote_code=False,
            weights_only=True,
            gguf_file=gguf_file,
        )
        module, report = loaded[0].to(device.name), loaded[1]
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not re.search("out of memory|can't allocate memory", str(error)):
            raise wrong(f"{name}'s weights do not fit its config.json: {first_line(error)}") from error
        raise _no_room(name, device, dtype, _size(config)) from error
    except UnpicklingError as error:
        raise wrong(f"{name}'s pytorch_model.bin holds more than tensors and is not read; take safetensors") from error
    except (SafetensorError, OSError, EOFError, ValueError, KeyError) as error:
        raise wrong(f"{name}'s weights cannot be read, get them again: {first_line(error)}") from error
    missing = sorted(report["missing_keys"])
    if report["mismatched_keys"]:
        tensor, found, expected = min(report["mismatched_keys"])
        raise wrong(
            f"{name}'s weights do not fit its config.json: {tensor} is {tuple(found)} instead of {tuple(expected)}"
        )
    if missing:
        raise wrong(f"{name}'s weights lack {len(missing)} of the model's tensors, {missing[0]} for one")
    parameters = inspect.signature(module.forward).parameters
    if "logits_to_keep" not in parameters:
        raise wrong(f"{name} ({type(module).__name__}) cannot give the logits of the last position alone")
    if "position_ids" in parameters:
        module.register_forward_pre_hook(_positions_from_mask, with_kwargs=True)
    module.config.use_cache = False
    return module.eval()


def _positions_from_mask(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Positions counted from a text's first token, as OPT does; most architectures count the padding too."""
    mask, ids = named.get("attention_mask"), named.get("input_ids")
    if mask is not None and ids is not None and named.get("position_ids") is None:
        named["position_ids"] = (mask.long().cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    return positional, named


def _tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # each kind of tokenizer fails in its own way, the Rust library with a bare Exception
        raise wrong(f"{name}'s tokenizer cannot be read: {first_line(error)}") from error
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    if tokenizer.pad_token is None:  # GPT-2's and Llama's: any token does, since the mask hides it
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
