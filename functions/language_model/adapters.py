"""What is tuned of a model: everything, the top layers, LoRA, a prefix, or layer norms and biases.

Importing this loads no torch: the page lists `TUNES` without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.language_model.errors import LanguageModelError
from functions.language_model.groups import Group, group

if TYPE_CHECKING:
    import torch

    from functions.language_model.model import LanguageModel
    from functions.language_model.states import States
    from functions.language_model.top_layers import TopLayers

TUNES: dict[str, str] = {
    "full": "Everything: all the weights of the model, embeddings included.",
    "lora": "LoRA: a low-rank change of the attention's query and value matrices; the model itself stays as it is.",
    "prefix": "A prefix: a few keys and values that every layer attends to before the text, started from real tokens.",
    "layernorm": "Layer norms and biases only: a few thousand numbers.",
    "top": "The top layers: all weights of the last few layers and of the norm after them.",
}
CUT = ("top", "lora", "layernorm")  # what may be restricted to the top layers
RANKS = (1, 256)
PREFIXES = (1, 64)

# Modules that make queries and values, by the names that architectures give them, where peft knows no better.
QUERY_VALUE = (("q_proj", "v_proj"), ("query_key_value",), ("qkv_proj",), ("c_attn",), ("Wqkv",), ("query", "value"))


@dataclass(frozen=True)
class Tuned:
    """A model with what is tuned of it.

    module: call it as module(input_ids=, attention_mask=, logits_to_keep=1).logits; it is in evaluation mode.
    parameters: the trainable ones alone, by name, in an order that depends on nothing but the model and the tune.
    groups: every trainable parameter in exactly one, ordered by layer.
    context: how many tokens a text may have, the prefix's places deducted.
    adapter: peft's configuration of the adapter; None where the model's own parameters are trained.
    """

    module: torch.nn.Module
    parameters: dict[str, torch.nn.Parameter]
    groups: tuple[Group, ...]
    context: int
    adapter: Any = None


def adapt(
    model: LanguageModel,
    tune: str,
    seed: int,
    rank: int = 8,
    prefix: int = 5,
    top: int = 0,
    states: States | None = None,
) -> Tuned:
    """Make of `model.module` what is tuned; the model given is changed or wrapped, so every run needs its own.

    seed decides LoRA's start and the tokens that the prefix starts from; torch's global generator is left alone.
    rank is LoRA's, prefix the number of places before the text. Adapters are in float32 whatever the model's dtype.
    top restricts the tunes in CUT to so many layers at the top (0: to none, which tune "top" does not allow), and to
    the norm after them; `states` then stand in the place of what lies below them, as `TopLayers` says.

    Raises LanguageModelError: field "tune", "rank" or "prefix".
    """
    if tune not in TUNES:
        raise LanguageModelError("tune", f"tune is {tune[:40]!r}, but must be one of {', '.join(TUNES)}")
    context, adapter, cut = model.context, None, None
    if tune == "top" or top:
        from functions.language_model.top_layers import TopLayers

        cut = TopLayers(model.module, top, states)
    if tune == "lora":
        module, adapter = _lora(model, seed, _checked("rank", rank, RANKS), cut)
    elif tune == "prefix":
        least, most = PREFIXES
        module, adapter = _prefix(model, seed, _checked("prefix", prefix, (least, min(most, context // 2))))
        context -= prefix
    else:
        module = model.module
        wanted = {id(p) for p in (_norms_and_biases(module) if tune == "layernorm" else module.parameters())}
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(id(parameter) in wanted and (cut is None or cut.holds(name)))
    # named_parameters() lists a tied tensor once, under its first name.
    parameters = {readable(name): p for name, p in module.named_parameters() if p.requires_grad}
    whole: Any = module if cut is None else cut
    return Tuned(whole.eval(), parameters, group(parameters), context, adapter)


def _checked(field: str, value: int, allowed: tuple[int, int]) -> int:
    low, high = allowed
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise LanguageModelError(field, f"{field} = {value!r}: must be a whole number from {low} to {high}")
    return value


def _norms_and_biases(module: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    for owner in module.modules():
        is_norm = "norm" in type(owner).__name__.lower()
        for name, parameter in owner.named_parameters(recurse=False):
            if is_norm or name.endswith("bias"):
                yield parameter


def _lora(model: LanguageModel, seed: int, rank: int, cut: TopLayers | None) -> tuple[torch.nn.Module, Any]:
    """LoRA on queries and values with the scale 2 of MeZO's runs; B starts at 0, so the model starts unchanged."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    targets = _query_and_value(model.module)
    for parameter in model.module.parameters():
        parameter.requires_grad_(False)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        bias="none",
        target_modules=targets,
        layers_to_transform=None if cut is None else [*range(cut.total - cut.top, cut.total)],
        # A Conv1D (GPT-2's) stores its matrix transposed; peft warns when it has to find that out by itself.
        fan_in_fan_out=any(type(owner).__name__ == "Conv1D" for owner in model.module.modules()),
    )
    with torch.random.fork_rng():
        module = inject_adapter_in_model(config, model.module)
    # peft draws A on the model's device, whose generator differs from the CPU's: drawn again, the same everywhere.
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
        if "lora_A" in name:
            bound = parameter.shape[1] ** -0.5  # kaiming_uniform_(a=√5), as peft and LoRA's authors draw it
            start = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
            with torch.no_grad():
                parameter.copy_(start)
    return module, config


def _query_and_value(module: torch.nn.Module) -> list[str]:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    kind = str(module.config.model_type)  # type: ignore[union-attr]
    present = {name.rpartition(".")[2] for name, _ in module.named_modules()}
    known = KNOWN.get(kind)
    for names in ((*known,) if isinstance(known, list) else (), *QUERY_VALUE):
        if names and present.issuperset(names):
            return list(names)
    raise LanguageModelError(
        "tune", f"tune is 'lora', but no query and value matrices are known in a {kind} model: tune full or layernorm"
    )


def _prefix(model: LanguageModel, seed: int, length: int) -> tuple[torch.nn.Module, Any]:
    """A prefix without a projection, its keys and values started from those of real tokens.

    As MeZO's authors do: random token ids are run through the model once, and what its layers would have cached for
    them is where the prefix starts.
    """
    from peft import PrefixTuningConfig

    from functions.language_model.prefix import PrefixedModel

    start = _activations(model, _random_tokens(model, seed, length))
    if len({states.shape for pair in start for states in pair}) != 1:
        raise _no_prefix(model.module)  # peft's format has one shape for all
    for parameter in model.module.parameters():
        parameter.requires_grad_(False)
    heads, _, width = start[0][0].shape
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=length,
        num_layers=len(start),
        num_attention_heads=heads,
        token_dim=heads * width,
        prefix_projection=False,
    )
    return PrefixedModel(model.module, start), config


def _no_prefix(base: Any) -> LanguageModelError:
    return LanguageModelError(
        "tune", f"tune is 'prefix', but a {base.config.model_type} model takes no prefix of keys and values: tune lora"
    )


def _random_tokens(model: LanguageModel, seed: int, length: int) -> torch.Tensor:
    """(1, length) ids of tokens of the vocabulary that are no special ones."""
    import torch

    special = set(model.tokenizer.all_special_ids)
    rows = model.module.get_input_embeddings().num_embeddings  # may be more than the tokenizer has tokens
    ordinary = torch.tensor([i for i in range(min(len(model.tokenizer), rows)) if i not in special])
    chosen = torch.randint(len(ordinary), (1, length), generator=torch.Generator().manual_seed(seed))
    return ordinary[chosen].to(model.module.device)


def _activations(model: LanguageModel, ids: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Per layer, the keys and the values (heads, tokens, head width) that the model caches for `ids`, in float32."""
    import torch

    with torch.no_grad():
        out = model.module(input_ids=ids, use_cache=True, logits_to_keep=1)
    cached: Any = getattr(out, "cache", None)  # a state-space model has none, a hybrid not in every layer
    if not all(getattr(layer, "keys", None) is not None for layer in getattr(cached, "layers", [None])):
        raise _no_prefix(model.module)
    return [(layer.keys[0].float(), layer.values[0].float()) for layer in cached.layers]


def readable(name: str) -> str:
    """A parameter's name without what peft adds to LoRA's, which says nothing."""
    return name.removesuffix(".default.weight")
