"""What is tuned, for OPT and for other architectures made small: the right parameters, grouped, starting as said."""

import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import (
    MambaConfig,
    MambaForCausalLM,
)

from functions.language_model import export
from functions.language_model.adapters import TUNES, _random_tokens, adapt
from functions.language_model.errors import LanguageModelError
from functions.language_model.groups import Group, group
from functions.language_model.model import LanguageModel, copy_model, load
from tests.architectures import TEXTS, configs, logits, made

TOP = {"top": 1}
OTHERS = {name: config for name, config in configs(layers=2).items() if name != "gemma2"}  # which takes no prefix


@pytest.fixture(scope="module")
def bundled() -> LanguageModel:
    return load("bundled", "cpu")


@pytest.fixture(scope="module", params=OTHERS)
def other(request, bundled, tmp_path_factory) -> LanguageModel:
    return made(OTHERS[request.param], bundled, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("tune", TUNES)
def test_padding_on_the_left_changes_nothing(bundled, tune):
    tuned = adapt(copy_model(bundled), tune, seed=0, top=TOP.get(tune, 0))
    together = logits(tuned.module, bundled)
    assert together.shape == (3, 4096)
    for text, row in zip(TEXTS, together, strict=True):
        torch.testing.assert_close(logits(tuned.module, bundled, [text])[0], row, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tune", [tune for tune in TUNES if tune != "top"])  # which has a test of its own
def test_it_goes_with_other_architectures(other, tune):
    model = copy_model(other)
    tuned = adapt(model, tune, seed=0)
    together = logits(tuned.module, model)
    alone = torch.cat([logits(tuned.module, model, [text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    if tune != "prefix":
        torch.testing.assert_close(together, logits(other.module, other), rtol=1e-5, atol=1e-5)
    grouped = [name for each in tuned.groups for name in each.parameters]
    assert sorted(grouped) == sorted(tuned.parameters)
    layers = {each.layer for each in tuned.groups}
    assert {0, 1} <= layers <= {-1, 0, 1, 2}
    assert len({each.name for each in tuned.groups}) == len(tuned.groups)


def test_full_is_every_parameter_once(bundled):
    tuned = adapt(copy_model(bundled), "full", seed=0)
    assert sum(parameter.numel() for parameter in tuned.parameters.values()) == bundled.parameter_count == 1_334_272
    assert "lm_head.weight" not in tuned.parameters  # tied to the embeddings
    names = [each.name for each in tuned.groups]
    assert names[:4] == ["token embeddings", "position embeddings", "layer 0 · attention q", "layer 0 · attention k"]
    assert names[4:9] == [
        f"layer 0 · {kind}" for kind in ("attention v", "attention out", "mlp fc1", "mlp fc2", "norms")
    ]
    assert names[-1] == "final norm"
    assert tuned.groups[-1].layer == 4
    assert tuned.groups[2] == Group(
        "layer 0 · attention q",
        0,
        "attention q",
        ("model.decoder.layers.0.self_attn.q_proj.weight", "model.decoder.layers.0.self_attn.q_proj.bias"),
    )


def test_layernorm_is_norms_and_biases_alone(bundled):
    model = copy_model(bundled)
    tuned = adapt(model, "layernorm", seed=0)
    assert sum(parameter.numel() for parameter in tuned.parameters.values()) == 6912
    assert all(name.endswith("bias") or "norm" in name for name in tuned.parameters)
    frozen = [name for name, parameter in model.module.named_parameters() if not parameter.requires_grad]
    assert len(frozen) + len(tuned.parameters) == len(list(model.module.parameters()))
    assert all(name.endswith("weight") and "norm" not in name for name in frozen)
    assert "attention q bias" in {each.kind for each in tuned.groups}


def test_lora_starts_as_the_model_and_its_seed_decides(bundled):
    tuned, same, other = (adapt(copy_model(bundled), "lora", seed, rank=4) for seed in (1, 1, 2))
    torch.testing.assert_close(logits(tuned.module, bundled), logits(bundled.module, bundled), rtol=1e-5, atol=1e-5)
    assert len(tuned.parameters) == 4 * 2 * 2
    name = "model.decoder.layers.0.self_attn.q_proj.lora_A"
    assert tuned.parameters[name].shape == (4, 128)
    assert torch.equal(tuned.parameters[name], same.parameters[name])
    assert not torch.equal(tuned.parameters[name], other.parameters[name])
    assert all(("lora_B" in key) == (not parameter.any()) for key, parameter in tuned.parameters.items())
    with torch.no_grad():
        tuned.parameters[name.replace("_A", "_B")].fill_(0.1)
    assert not torch.allclose(logits(tuned.module, bundled), logits(bundled.module, bundled))


def test_prefix_starts_from_real_tokens(bundled):
    """At its start, a prefix is exactly those tokens read before the text."""
    model = copy_model(bundled)
    tuned = adapt(model, "prefix", seed=3, prefix=4)
    tokens = _random_tokens(bundled, 3, 4)
    assert tokens.shape == (1, 4)
    assert not set(tokens[0].tolist()) & set(bundled.tokenizer.all_special_ids)
    ids = bundled.tokenizer(TEXTS[0], return_tensors="pt").input_ids
    with torch.no_grad():
        read = bundled.module(input_ids=torch.cat([tokens, ids], 1), logits_to_keep=1).logits[0, -1]
    torch.testing.assert_close(logits(tuned.module, bundled, TEXTS[:1])[0], read, rtol=1e-4, atol=1e-4)
    assert tuned.context == bundled.context - 4
    assert list(tuned.parameters)[:2] == ["prefix.layers.0.key", "prefix.layers.0.value"]
    assert {parameter.shape for parameter in tuned.parameters.values()} == {(4, 128)}


def test_a_prefix_that_moves_moves_the_logits(bundled):
    tuned = adapt(copy_model(bundled), "prefix", seed=0)
    before = logits(tuned.module, bundled)
    for name, parameter in tuned.parameters.items():
        with torch.no_grad():
            parameter.mul_(1.5)
        after = logits(tuned.module, bundled)
        assert after.isfinite().all()
        assert not torch.allclose(before, after, atol=1e-4), name
        before = after


@pytest.mark.parametrize("tune", TUNES)
def test_gradients_reach_what_is_tuned_and_nothing_else(bundled, tune):
    model = copy_model(bundled)
    tuned = adapt(model, tune, seed=0, top=TOP.get(tune, 0))
    batch = model.tokenizer(TEXTS, return_tensors="pt", padding=True)
    out = tuned.module(input_ids=batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=1).logits
    out[:, -1, 300].sum().backward()
    missing = {name for name, parameter in tuned.parameters.items() if parameter.grad is None}
    assert not missing
    tuned_ids = {id(parameter) for parameter in tuned.parameters.values()}
    assert all(parameter.grad is None for parameter in tuned.module.parameters() if id(parameter) not in tuned_ids)


@pytest.mark.parametrize("tune", TUNES)
def test_a_copy_is_independent_and_torchs_generator_is_left_alone(bundled, tune):
    before = logits(bundled.module, bundled)
    state = torch.get_rng_state()
    tuned = adapt(copy_model(bundled), tune, seed=0, top=TOP.get(tune, 0))
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.add_(0.1)
    torch.testing.assert_close(logits(bundled.module, bundled), before, rtol=0, atol=0)


@pytest.mark.parametrize("tune", ["lora", "prefix"])
def test_adapters_are_in_float32_on_a_halved_model(tune):
    model = load("bundled", "cpu", "bfloat16")
    tuned = adapt(model, tune, seed=0, top=TOP.get(tune, 0))
    assert {parameter.dtype for parameter in tuned.parameters.values()} == {torch.float32}
    assert logits(tuned.module, model).isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        ({"tune": "adapter"}, "tune", "must be one of full, lora, prefix, layernorm"),
        ({"tune": "lora", "rank": 0}, "rank", "rank = 0: must be a whole number from 1 to 256"),
        ({"tune": "lora", "rank": 2.5}, "rank", "must be a whole number"),
        ({"tune": "prefix", "prefix": 65}, "prefix", "from 1 to 64"),
    ],
)
def test_refuses_in_words(bundled, arguments, field, message):
    with pytest.raises(LanguageModelError, match=message) as caught:
        adapt(bundled, seed=0, **arguments)
    assert caught.value.field == field


def test_refuses_an_architecture_without_keys_and_values(bundled):
    module = MambaForCausalLM(MambaConfig(vocab_size=4096, hidden_size=16, num_hidden_layers=1, state_size=4)).eval()
    mamba = replace(bundled, module=module)
    for tune in ("lora", "prefix"):
        with pytest.raises(LanguageModelError, match="mamba") as caught:
            adapt(mamba, tune, seed=0)
        assert caught.value.field == "tune"


def test_groups_follow_from_names():
    names = ["transformer.h.10.attn.c_attn.weight", "transformer.h.10.mlp.c_fc.bias", "transformer.h.2.ln_1.weight"]
    found = group([*names, "lm_head.weight", "transformer.word_embeddings_layernorm.weight"])
    assert [(each.layer, each.kind) for each in found] == [
        (-1, "embedding norm"),
        (2, "norms"),
        (10, "attention qkv"),
        (10, "mlp c_fc bias"),
        (11, "head"),
    ]


def test_the_registry_is_read_without_torch():
    code = "import sys, functions.language_model.adapters; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.filterwarnings("ignore::FutureWarning")  # calls that peft 0.21 itself makes by old names
@pytest.mark.parametrize("tune", ["lora", "prefix"])
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_peft_loads_an_exported_adapter_with_the_same_predictions(other, tune, suffix, tmp_path):
    tuned = adapt(copy_model(other), tune, seed=0)
    with torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.3)
    out = tmp_path / f"adapter{suffix}"
    export.save(export.weights(tuned), out, {"step": "7"}, other.source)
    folder = tmp_path / "adapter"
    if suffix:
        zipfile.ZipFile(out).extractall(folder)
    assert sorted(file.name for file in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        assert file.metadata()["step"] == "7"
    loaded = PeftModel.from_pretrained(copy_model(other).module, str(folder)).eval()
    ours = logits(tuned.module, other)
    torch.testing.assert_close(logits(loaded, other), ours, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(other.module, other), ours, atol=1e-3)


@pytest.mark.parametrize("tune", ["full", "layernorm"])
def test_the_models_own_parameters_are_one_file_that_the_model_loads(bundled, tune, tmp_path):
    tuned = adapt(copy_model(bundled), tune, seed=0, top=TOP.get(tune, 0))
    with torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.add_(0.1)
    export.save(export.weights(tuned), tmp_path / "weights.safetensors", {"step": "7"}, bundled.source)
    fresh = copy_model(bundled)
    assert not fresh.module.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=False).unexpected_keys
    torch.testing.assert_close(logits(fresh.module, bundled), logits(tuned.module, bundled))
