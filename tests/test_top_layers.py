"""The top layers alone: the loss of the whole model, for every architecture; what is kept, and what is trained."""

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from functions.language_model import export, top_layers
from functions.language_model.adapters import adapt
from functions.language_model.errors import LanguageModelError
from functions.language_model.model import LanguageModel, copy_model, load
from functions.language_model.states import States
from functions.language_model.top_layers import TopLayers, digest
from tests.architectures import TEXTS, configs, logits, made

OTHERS = configs(layers=3)


@pytest.fixture(scope="module")
def bundled() -> LanguageModel:
    return load("bundled", "cpu")


@pytest.fixture(scope="module", params=OTHERS)
def model(request: pytest.FixtureRequest, bundled: LanguageModel, tmp_path_factory) -> LanguageModel:
    return made(OTHERS[request.param], bundled, tmp_path_factory.mktemp(request.param))


class Exact(States):
    """Keeps states as they are."""

    def __setitem__(self, row: tuple[int, ...], states: torch.Tensor) -> None:
        self._of[row] = states


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """The greatest difference, as a part of the greatest number."""
    return float((a - b).abs().max() / b.abs().max())


def test_it_is_the_whole_model_up_to_the_rounding_of_what_is_kept(model: LanguageModel):
    whole = logits(model.module, model)
    exact = logits(TopLayers(copy_model(model).module, 1, Exact()), model)
    torch.testing.assert_close(exact, whole, rtol=1e-5, atol=1e-6)
    top = TopLayers(copy_model(model).module, 2)
    rounded = logits(top, model)
    assert 0 < apart(rounded, whole) < 2e-3
    alone = torch.cat([logits(top, model, [text]) for text in TEXTS])
    torch.testing.assert_close(alone, rounded, rtol=1e-4, atol=1e-5)
    assert len(top.states) == 3, "the same texts in other batches are the same states"


def test_after_a_change_of_the_top_it_is_the_changed_whole_model(model: LanguageModel):
    whole, top = copy_model(model).module, TopLayers(copy_model(model).module, 1, Exact())
    logits(top, model)
    with torch.no_grad():
        for name, parameter in whole.named_parameters():
            if top.holds(name):
                parameter.add_(0.05)
                top.module.get_parameter(name).add_(0.05)
    assert apart(logits(top, model), logits(whole, model)) < 1e-5
    assert apart(logits(whole, model), logits(model.module, model)) > 0.01


@pytest.mark.parametrize("tune", ["top", "lora", "layernorm"])
def test_what_is_trained_lies_above_the_cut(model: LanguageModel, tune: str):
    tuned = adapt(copy_model(model), tune, seed=0, top=2)
    assert tuned.parameters
    layers = {group.layer for group in tuned.groups if group.kind != "final norm"}
    assert layers == {1, 2}
    has_final_norm = any(group.kind == "final norm" for group in tuned.groups)
    assert has_final_norm == (tune != "lora" and model.module.config.model_type != "opt")
    assert {id(p) for p in tuned.module.parameters() if p.requires_grad} == {id(p) for p in tuned.parameters.values()}
    if tune != "top":
        every = adapt(copy_model(model), tune, seed=0)
        assert tuned.parameters.keys() < every.parameters.keys()
        assert all(tuned.parameters[name].shape == every.parameters[name].shape for name in tuned.parameters)
    for parameter in tuned.parameters.values():
        with torch.no_grad():
            parameter.add_(0.3)
    assert apart(logits(tuned.module, model), logits(model.module, model)) > 0.01


def test_gradients_are_those_of_the_whole_model(bundled: LanguageModel):
    batch = bundled.tokenizer(TEXTS, return_tensors="pt", padding=True)
    gradients = []
    for tune, top in (("full", 0), ("top", 1)):
        tuned = adapt(copy_model(bundled), tune, seed=0, top=top)
        out = tuned.module(input_ids=batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=1)
        out.logits.square().mean().backward()
        gradients.append({name: p.grad for name, p in tuned.parameters.items()})
    whole, above = gradients
    largest = max(float(gradient.abs().max()) for gradient in above.values())
    for name, gradient in above.items():
        torch.testing.assert_close(gradient, whole[name], rtol=0.02, atol=1e-3 * largest)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # calls that peft 0.21 itself makes by old names
def test_a_restricted_adapter_loads_in_peft(model: LanguageModel, tmp_path: Path):
    tuned = adapt(copy_model(model), "lora", seed=0, top=1)
    with torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.add_(0.3)
    export.save(export.weights(tuned), tmp_path / "adapter", {}, model.source)
    loaded = PeftModel.from_pretrained(copy_model(model).module, str(tmp_path / "adapter"))
    assert apart(logits(loaded, model), logits(tuned.module, model)) < 2e-3, "the rounding of the states alone"
    assert apart(logits(loaded, model), logits(model.module, model)) > 0.01


def test_copies_share_the_states_and_nothing_that_is_trained(bundled: LanguageModel):
    top = TopLayers(copy_model(bundled).module, 1)
    other = copy.deepcopy(top)
    counts = []
    assert top.fill([[5, 6, 7], [5, 6, 7], [8]], 32, lambda done, total: counts.append((done, total))) == 2
    assert counts == [(0, 2), (2, 2)]
    assert other.fill([[8], [5, 6, 7]], 32) == 0
    assert len(other.states) == 2
    assert top.share == 1 / bundled.module.config.num_hidden_layers


def test_any_weight_below_the_cut_has_its_part_in_the_name(model: LanguageModel):
    changed = copy_model(model).module
    top = TopLayers(copy_model(model).module, 1)
    first = digest(changed, 1)
    assert first == digest(model.module, 1)
    assert first != digest(model.module, 2)
    for name, parameter in changed.named_parameters():
        place = parameter.detach().view(-1)[parameter.numel() // 3]
        before = float(place)
        place += 1e-3
        assert (digest(changed, 1) == first) == top.holds(name), name
        place.fill_(before)
    assert digest(changed, 1) == first
    changed.config.attention_dropout = 0.5
    assert digest(changed, 1) != first, "what a model makes of its weights is told by its configuration"


def test_states_too_large_for_float16_are_kept_as_they_are():
    states = States()
    states[1, 2] = torch.tensor([[1.0], [1e5]])
    states[1, 3] = torch.tensor([[1.0], [1e4]])
    assert states[1, 2].tolist() == [[1.0], [1e5]]
    assert (states[1, 2].dtype, states[1, 3].dtype) == (torch.float32, torch.float16)
    assert states.bytes == 8 + 4


def test_states_are_read_from_the_file_that_they_were_written_to(tmp_path: Path):
    file = tmp_path / "states" / "key.safetensors"
    states = States(file)
    states[1, 2] = torch.tensor([[0.5, 2.0], [3.0, -4.0]])
    states[7,] = torch.tensor([[0.25, 1e6]])
    states[9,] = torch.tensor([[0.25, 1.0]])
    states.save()
    again = States(file)
    assert set(again) == {(1, 2), (9,)}, "what is in float32 is computed again"
    assert again[1, 2].tolist() == [[0.5, 2.0], [3.0, -4.0]]
    assert again[9,].dtype == torch.float16
    again.save()
    again[1,] = torch.tensor([[1.0, 1.0]])
    again.save()
    assert set(States(file)) == {(1, 2), (9,), (1,)}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path):
    file = tmp_path / "key.safetensors"
    one, other = States(file), States(file)
    one[1,], other[2,] = torch.ones(1, 2), torch.zeros(1, 2)
    one.save()
    other.save()
    assert set(States(file)) == {(1,), (2,)}


def test_files_that_were_not_used_for_longest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for i, name in enumerate(("old", "older", "read", "new")):
        states = States(tmp_path / f"{name}.safetensors")
        states[i,] = torch.zeros(1, 18_000)
        states.save()
        os.utime(tmp_path / f"{name}.safetensors", (2000 - i, 2000 - i) if name != "new" else None)
    States(tmp_path / "read.safetensors")
    monkeypatch.setattr("functions.language_model.states.ROOM", 100_000)
    last = States(tmp_path / "last.safetensors")
    last[9,] = torch.zeros(1, 10_000)
    last.save()
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["last", "new", "read"]


COUNTS = {"tokens": torch.zeros(3), "lengths": torch.tensor([2, 2]), "states": torch.zeros(3, 2)}  # which do not fit


@pytest.mark.parametrize("spoilt", [b"", b"no safetensors at all", {"other": torch.zeros(1)}, COUNTS])
def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, spoilt: bytes | dict[str, torch.Tensor]):
    file = tmp_path / "key.safetensors"
    if isinstance(spoilt, dict):
        save_file(spoilt, file)
    else:
        file.write_bytes(spoilt)
    states = States(file)
    assert len(states) == 0
    states[3,] = torch.ones(1, 2)
    states.save()
    assert set(States(file)) == {(3,)}


def test_what_cannot_be_cut_is_refused(bundled: LanguageModel):
    layers = bundled.module.config.num_hidden_layers
    for top in (0, layers, -1):
        with pytest.raises(LanguageModelError, match=f"Top layers must be 1 to {layers - 1}, not {top}") as caught:
            adapt(copy_model(bundled), "top", seed=0, top=top)
        assert caught.value.field == "top"
    odd = copy_model(bundled)
    odd.module.config.num_hidden_layers = 17
    with pytest.raises(LanguageModelError, match="opt model is no list of layers that can be cut"):
        TopLayers(odd.module, 1)
    skipping = copy_model(bundled)
    skipping.module.model.decoder.layers[1].register_forward_pre_hook(lambda _, given: (given[0] + 1, *given[1:]))
    with pytest.raises(LanguageModelError, match="that can be cut"):
        TopLayers(skipping.module, 1)


def operations(module: Any, model: LanguageModel) -> int:
    """Of a pass whose states are known."""
    logits(module, model)
    with FlopCounterMode(display=False) as counter:
        logits(module, model)
    return counter.get_total_flops()


def test_the_last_layer_works_at_the_last_position_alone(model: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    made = [TopLayers(copy_model(model).module, top) for top in (1, 2)]
    monkeypatch.setattr(top_layers, "narrowed", lambda *layer: [])
    everywhere = [TopLayers(copy_model(model).module, top) for top in (1, 2)]
    assert all(each.narrowed for each in made)
    one, two, one_whole, two_whole = (operations(each, model) for each in (*made, *everywhere))
    assert one < 0.7 * one_whole, "the head included"
    assert two - one == two_whole - one_whole, "the others work everywhere"
    for a, b in zip(made, everywhere, strict=True):
        torch.testing.assert_close(logits(a, model), logits(b, model), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="logits_to_keep = 2"):
        made[0](torch.zeros(1, 3), torch.ones(1, 3), logits_to_keep=2)


def test_a_layer_that_needs_all_positions_works_at_all(bundled: LanguageModel):
    odd = copy_model(bundled)
    (layer,) = list(odd.module.model.decoder.layers)[-1:]
    layer.fc2.register_forward_hook(lambda _, given, made: made.view(2, -1, made.shape[-1]).cumsum(1).view_as(made))
    kinds = [type(part) for part in layer.modules()]
    odd_top = TopLayers(odd.module, 1, Exact())
    assert odd_top.narrowed == []
    assert [type(part) for part in layer.modules()] == kinds
