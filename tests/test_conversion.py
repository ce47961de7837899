"""A GGUF file becomes a directory whose model answers as the one that the file was written from."""

import shutil
from pathlib import Path

import pytest
import torch

from functions.language_model import conversion
from functions.language_model.errors import LanguageModelError
from functions.language_model.files import origin_of
from functions.language_model.model import count, load
from tests import tiny_gguf

TEXTS = ["  12 don't", "good good 2", "x"]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.F32.gguf")


def converted(file: Path, tmp_path: Path):
    folder = tmp_path / "made"
    origin = conversion.convert(file, folder)
    assert origin_of(folder) == origin
    return origin, load(str(folder), "cpu")


def answers(module, batch) -> torch.Tensor:
    with torch.no_grad():
        return module(**batch, logits_to_keep=1).logits[:, -1].float()


def refused(pattern: str, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with pytest.raises(LanguageModelError, match=pattern) as caught:
        conversion.convert(file, folder)
    assert caught.value.field == "model"
    assert "\n" not in caught.value.message
    assert origin_of(folder) is None


@pytest.mark.parametrize("tied", [True, False])
def test_the_converted_model_answers_as_the_original(tied: bool, tmp_path: Path):
    """Embeddings tied or not, the order of queries' and keys' rows (RoPE), fewer keys than queries."""
    original = tiny_gguf.llama(tied)
    origin, model = converted(tiny_gguf.write(tmp_path / "tiny.gguf", original), tmp_path)
    tied_there = model.module.lm_head.weight is model.module.model.embed_tokens.weight
    assert tied_there == tied
    batch = dict(model.tokenizer(TEXTS[:1], return_tensors="pt"))
    expected = answers(original, batch)
    assert torch.allclose(answers(model.module, batch), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    assert model.title == f"Tiny Llama, {count(original.num_parameters())} parameters"
    assert (model.context, origin.licence, origin.quantized, origin.note) == (256, "mit", False, "")
    assert origin.sentence == "Tiny Llama: its weights were in 32-bit floating point (F32)"


def test_the_tokenizer_is_the_files(file: Path, tmp_path: Path):
    """Merges, special tokens, and digits set apart before anything is merged, as SmolLM2's own tokenizer has it."""
    _, model = converted(file, tmp_path)
    tokens = [model.tokenizer.convert_ids_to_tokens(ids) for ids in model.tokenizer(TEXTS)["input_ids"]]
    assert tokens == [["ĠĠ", "1", "2", "Ġdon", "'t"], ["good", "Ġgood", "Ġ", "2"], ["x"]]
    assert model.tokenizer("<|im_end|>")["input_ids"] == [2]
    assert model.tokenizer.eos_token == "<|im_end|>"
    assert len(model.tokenizer) == len(tiny_gguf.TOKENS)


@pytest.mark.parametrize(("kind", "bits", "near"), [("Q8_0", 8, 0.01), ("Q4_1", 4, 0.1)])
def test_quantized_weights_are_near_and_are_called_so(kind: str, bits: int, near: float, tmp_path: Path):
    original = tiny_gguf.llama()
    origin, model = converted(tiny_gguf.write(tmp_path / "tiny.gguf", original, kind), tmp_path)
    exact = original.state_dict()
    for name, tensor in model.module.state_dict().items():
        error = float((tensor - exact[name]).pow(2).mean().sqrt() / exact[name].pow(2).mean().sqrt())
        assert error == 0 if "norm" in name else near / 10 < error < near, name
    assert origin.quantized
    assert f"quantized to {bits} bits ({kind}), and dequantized to floating point" in origin.sentence
    assert f"weights quantized to {bits} bits ({kind})" in model.title
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_weights_of_sixteen_bits_stay_so(kind: str, tmp_path: Path):
    from safetensors.torch import load_file

    origin, _ = converted(tiny_gguf.write(tmp_path / "tiny.gguf", kind=kind), tmp_path)
    stored = load_file(tmp_path / "made/model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {conversion.WHOLE[kind]}
    assert origin.storage == f"in 16-bit floating point ({kind})"
    assert not origin.quantized


def test_a_file_without_a_name_takes_its_own(tmp_path: Path):
    origin, _ = converted(tiny_gguf.write(tmp_path / "mine.gguf", **{"general.name": None}), tmp_path)
    assert (origin.title, origin.file) == ("mine", "mine.gguf")


def test_a_tokenizer_that_nobody_knows_is_said(tmp_path: Path):
    origin, _ = converted(tiny_gguf.write(tmp_path / "t.gguf", **{"tokenizer.ggml.pre": "viking"}), tmp_path)
    assert "Note: its tokenizer splits text in a way (viking) that transformers does not know" in origin.sentence


# What can be wrong with a file


def test_a_file_that_is_missing_or_no_gguf(tmp_path: Path):
    refused("there is no file .*nothing.gguf", tmp_path / "nothing.gguf", tmp_path)
    (tmp_path / "other.gguf").write_bytes(b"PK\x03\x04 a zip file")
    refused("other.gguf is no GGUF file: it does not begin with", tmp_path / "other.gguf", tmp_path)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.5, 0.999])
def test_a_file_that_breaks_off(file: Path, share: float, tmp_path: Path):
    """In the header, the metadata, the list of tensors, the weights, and the last of them."""
    whole = file.read_bytes()
    (tmp_path / "half.gguf").write_bytes(whole[: max(9, int(share * len(whole)))])
    refused("half.gguf is a broken GGUF file or one of an unknown kind", tmp_path / "half.gguf", tmp_path)


def test_a_file_of_a_later_format(file: Path, tmp_path: Path):
    changed = bytearray(file.read_bytes())
    changed[4] = 9
    (tmp_path / "later.gguf").write_bytes(changed)
    refused("broken GGUF file or one of an unknown kind.*version 9", tmp_path / "later.gguf", tmp_path)


def test_a_quantization_that_nobody_knows(file: Path, tmp_path: Path):
    shape = b"".join(number.to_bytes(8, "little") for number in (64, len(tiny_gguf.TOKENS)))
    name = b"token_embd.weight" + (2).to_bytes(4, "little") + shape
    changed = file.read_bytes().replace(name + bytes(4), name + (200).to_bytes(4, "little"))
    assert changed != file.read_bytes()
    (tmp_path / "kind.gguf").write_bytes(changed)
    refused("broken GGUF file or one of an unknown kind.*200", tmp_path / "kind.gguf", tmp_path)


def test_an_architecture_that_transformers_cannot_read(tmp_path: Path):
    path = tiny_gguf.write(tmp_path / "rwkv.gguf", architecture="rwkv6")
    refused("architecture 'rwkv6', which transformers cannot read from a GGUF file", path, tmp_path)


def test_one_part_of_several(tmp_path: Path):
    refused("one of 3 parts: join them first", tiny_gguf.write(tmp_path / "a.gguf", **{"split.count": 3}), tmp_path)


def test_weights_that_are_missing_or_do_not_fit(tmp_path: Path, monkeypatch):
    whole = tiny_gguf.tensors(tiny_gguf.llama())
    few = {name: tensor for name, tensor in whole.items() if name != "blk.1.ffn_up.weight"}
    monkeypatch.setattr(tiny_gguf, "tensors", lambda _: few)
    refused("lack 1 of the model's tensors, model.layers.1.mlp.up", tiny_gguf.write(tmp_path / "a.gguf"), tmp_path)
    shutil.rmtree(tmp_path / "made")
    monkeypatch.setattr(tiny_gguf, "tensors", lambda _: few | {"blk.1.ffn_up.weight": few["blk.0.attn_v.weight"]})
    refused("do not fit its config.json: model.layers.1.mlp.up", tiny_gguf.write(tmp_path / "b.gguf"), tmp_path)


def test_a_disk_without_room(file: Path, tmp_path: Path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refused("the disk of .* is full: tiny.F32.gguf becomes .* are free", file, tmp_path)
    monkeypatch.undo()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.LlamaForCausalLM.save_pretrained", full)
    refused("the disk of .* is full: tiny.F32.gguf did not fit", file, tmp_path)
