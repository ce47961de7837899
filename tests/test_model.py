"""Loading a model: from every kind of place, and every way that it can go wrong is a sentence. No network is used."""

import io
import json
import pickle
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from functions.language_model import devices as device_module
from functions.language_model import model as model_module
from functions.language_model.devices import Device, pick_device, size
from functions.language_model.errors import LanguageModelError
from functions.language_model.model import BUNDLED, LanguageModel, copy_model, count, load

NAMES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def bundled() -> LanguageModel:
    return load("bundled", "cpu")


@pytest.fixture
def folder(tmp_path) -> Path:
    """The bundled model as a user's directory."""
    target = tmp_path / "my-opt"
    target.mkdir()
    for name in NAMES:
        shutil.copy(BUNDLED / name, target / name)
    return target


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """A hub cache of the test's own, and a hub that nobody answers for."""
    for module in (huggingface_hub.constants, huggingface_hub.file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "cache"), raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    endpoint(monkeypatch, "http://127.0.0.1:9")


def endpoint(monkeypatch, address: str) -> None:
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", address)


def fails(field: str, pattern: str, source: object, device: str = "cpu", dtype: str = "auto") -> str:
    with pytest.raises(LanguageModelError, match=pattern) as caught:
        load(str(source), device, dtype)
    assert caught.value.field == field
    assert "\n" not in caught.value.message
    return caught.value.message


def label_logits(model: LanguageModel) -> torch.Tensor:
    batch = model.tokenizer(["a fine film", "dull"], return_tensors="pt", padding=True)
    with torch.no_grad():
        out = model.module(input_ids=batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=1)
    assert out.get("past_key_values") is None
    return out.logits[:, -1].float()


# What is loaded


def test_the_bundled_model(bundled):
    assert bundled.title == "bundled OPT, 1.33 M parameters"
    assert bundled.dtype == torch.float32
    assert {parameter.dtype for parameter in bundled.module.parameters()} == {torch.float32}
    assert bundled.parameter_count == 1_334_272
    assert bundled.context == 128
    assert bundled.device.name == "cpu"
    assert not bundled.module.training
    assert label_logits(bundled).shape == (2, 4096)
    batch = bundled.tokenizer(["a fine film", "dull"], padding=True)
    assert batch.attention_mask[1][0] == 0  # padded on the left
    assert batch.input_ids[0][0] == bundled.tokenizer.bos_token_id


def test_a_directory_is_the_same_model(bundled, folder):
    seen = []
    model = load(str(folder), "cpu", progress=lambda *call: seen.append(call))
    assert model.title == "my-opt, 1.33 M parameters"
    torch.testing.assert_close(label_logits(model), label_logits(bundled))
    tensors = len(load_file(folder / "model.safetensors"))
    assert seen[-1] == ("loading my-opt", tensors, tensors)


def test_loading_prints_nothing_and_leaves_the_log_as_it_was(folder, capfd):
    before = transformers.utils.logging.get_verbosity()
    load(str(folder), "cpu")
    assert capfd.readouterr() == ("", "")
    assert transformers.utils.logging.get_verbosity() == before


def test_dropout_is_off_and_a_padding_token_is_made_up(tmp_path, bundled):
    config = GPT2Config(vocab_size=4096, n_embd=16, n_layer=1, n_head=2, n_positions=32, bos_token_id=2, eos_token_id=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    shutil.copy(BUNDLED / "tokenizer.json", tmp_path / "gpt2")
    (tmp_path / "gpt2" / "tokenizer_config.json").write_text('{"tokenizer_class": "TokenizersBackend"}')
    model = load(str(tmp_path / "gpt2"), "cpu")
    assert model.tokenizer.pad_token is not None
    assert model.context == 32
    torch.testing.assert_close(label_logits(model), label_logits(model), rtol=0, atol=0)


def test_the_layout_of_the_hubs_opt(folder, bundled):
    """facebook/opt-125m has vocab.json and merges.txt instead of tokenizer.json, and pickled weights."""
    inner = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "vocab.json").write_text(json.dumps(inner["vocab"]), encoding="utf-8")
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in inner["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]), encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "add_prefix_space": False, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    model = load(str(folder), "cpu")
    assert model.tokenizer("a fine film").input_ids == bundled.tokenizer("a fine film").input_ids
    torch.testing.assert_close(label_logits(model), label_logits(bundled))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_halved_models(bundled, dtype):
    model = load("bundled", "cpu", dtype)
    assert model.module.dtype == getattr(torch, dtype)
    torch.testing.assert_close(label_logits(model), label_logits(bundled), rtol=0.1, atol=0.5)


def test_a_copy_has_weights_of_its_own(bundled):
    copy = copy_model(bundled)
    assert copy.tokenizer is bundled.tokenizer
    before = label_logits(bundled)
    torch.testing.assert_close(label_logits(copy), before)
    with torch.no_grad():
        next(copy.module.parameters()).zero_()
    torch.testing.assert_close(label_logits(bundled), before, rtol=0, atol=0)


# What cannot be loaded


def test_places_without_a_model(tmp_path, folder):
    fails("model", "there is no directory '/no/such'", "/no/such")
    fails("model", "is a file; give the directory", folder / "config.json")
    fails("model", "my-opt has no config.json", _without(folder, "config.json"))


@pytest.mark.parametrize(
    ("name", "pattern"), [("model.safetensors", "has no weights: model"), ("tokenizer.json", "has no tokenizer: tok")]
)
def test_missing_files(folder, name, pattern):
    fails("model", pattern, _without(folder, name))


def _without(folder: Path, name: str) -> Path:
    (folder / name).unlink()
    return folder


def test_a_missing_shard(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    fails("model", "lacks 1 of its weight files, model-00002-of-00002.safetensors", folder)


def test_corrupt_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    fails("model", "my-opt's weights cannot be read, get them again", folder)


def test_weights_that_lack_a_tensor_or_have_the_wrong_shape(folder):
    tensors = load_file(folder / "model.safetensors")
    name = "model.decoder.layers.1.fc1.weight"
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, folder / "model.safetensors")
    fails("model", f"lack 1 of the model's tensors, {name}", folder)
    save_file(tensors | {name: torch.zeros(2, 2)}, folder / "model.safetensors")
    fails("model", rf"{name} is \(2, 2\) instead of \(512, 128\)", folder)


def test_a_pickle_that_would_run_code_is_not_run(folder, tmp_path):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (folder / "model.safetensors").unlink()
    for dump in (pickle.dumps, _saved):
        (folder / "pytorch_model.bin").write_bytes(dump({"weight": Payload()}, protocol=2))
        fails("model", "holds more than tensors and is not read|cannot be read", folder)
        assert not (tmp_path / "ran").exists()


def _saved(value, protocol) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_protocol=protocol)
    return buffer.getvalue()


def test_models_of_another_kind(tmp_path, bundled):
    small = {"vocab_size": 64, "d_model": 16, "d_ff": 16, "num_layers": 1, "num_heads": 2, "d_kv": 8}
    T5ForConditionalGeneration(T5Config(**small)).save_pretrained(tmp_path / "t5")
    bert = BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertForMaskedLM(bert).save_pretrained(tmp_path / "bert")
    for name in ("t5", "bert"):
        shutil.copy(BUNDLED / "tokenizer.json", tmp_path / name)
    fails(
        "model",
        r"encoder-decoder model \(T5ForConditionalGeneration\); a causal language model .* wanted",
        tmp_path / "t5",
    )
    fails("model", r"an encoder \(BertForMaskedLM\).*causal language model .* is wanted", tmp_path / "bert")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("not json", "config.json is not a JSON object"),
        ("[1]", "config.json is not a JSON object"),
        ('{"model_type": "nonesuch"}', r"no model that transformers knows \(model_type nonesuch\)"),
        (
            '{"model_type": "own", "auto_map": {"AutoConfig": "code.Config"}}',
            "brings code of its own, which is not run",
        ),
    ],
)
def test_unusable_configurations(folder, text, pattern):
    (folder / "config.json").write_text(text)
    (folder / "code.py").write_text("raise SystemExit('ran')")
    fails("model", pattern, folder)


def test_quantized_weights(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    )
    fails("model", "is quantized", folder)


def test_a_tokenizer_that_does_not_fit(folder):
    (folder / "tokenizer.json").write_text("{}")
    fails("model", "my-opt's tokenizer cannot be read", folder)


def test_a_tokenizer_with_more_tokens_than_embeddings(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    extra = {"id": 4096, "content": "<new>", "special": False}
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer["added_tokens"].append(extra | plain)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    fails("model", "tokenizer of 4,097 tokens, but embeddings of 4,096", folder)


def test_a_model_that_does_not_fit_says_what_would(monkeypatch):
    monkeypatch.setattr(model_module, "free_memory", lambda _: 4_000_000)
    message = fails("model", "1.33 M parameters: 5.34 MB in float32, and cpu has 4 MB free", "bundled")
    assert "about 800 k parameters" in message
    assert "dtype=bfloat16" in message


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_running_out_of_memory_while_loading(monkeypatch, error):
    def exhausted(*_, **__):
        raise error

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", exhausted)
    fails("model", "1.33 M parameters: 5.34 MB in float32, and cpu has .* free. Room is for about", "bundled")


def test_unknown_dtypes():
    fails("dtype", "dtype is 'int8', but must be auto, float32, bfloat16, float16", "bundled", dtype="int8")


# Devices


def test_the_cpu_is_always_there():
    cpu = pick_device("cpu")
    assert cpu.name == "cpu"
    assert cpu.title.startswith("CPU, ")
    assert 1e8 < device_module.free_memory(cpu) <= cpu.memory


def test_a_device_that_is_not_there_lists_what_is(monkeypatch):
    present = [Device("cuda:0", "NVIDIA H100", 85_000_000_000), Device("cpu", "CPU, 2 threads", 16_000_000_000)]
    monkeypatch.setattr(device_module, "devices", lambda: present)
    assert [pick_device(name).name for name in ("auto", "cuda", "cuda:0", "cpu")] == [
        "cuda:0",
        "cuda:0",
        "cuda:0",
        "cpu",
    ]
    with pytest.raises(LanguageModelError) as caught:
        pick_device("cuda:1")
    assert caught.value.field == "device"
    listed = "cuda:0 (NVIDIA H100, 85 GB); cpu (CPU, 2 threads, 16 GB)"
    assert caught.value.message == f"device is 'cuda:1', but this machine has: {listed}. auto takes the first"


def test_amounts_for_people():
    assert [size(n) for n in (12, 999_999, 2.68e6, 8.5e10, 3e15)] == [
        "12 bytes",
        "1 MB",
        "2.68 MB",
        "85 GB",
        "3e+03 TB",
    ]
    assert [count(n) for n in (6912, 1_334_272, 1.3e9)] == ["6.91 k", "1.33 M", "1.3 G"]


# The hub: a small one that runs here


class Hub(BaseHTTPRequestHandler):
    COMMIT = "0123456789abcdef0123456789abcdef01234567"
    gated = broken = False

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self):
        if self.broken:
            return self.send(503, b"", {})
        if self.gated:
            return self.send(403, b"", {"X-Error-Code": "GatedRepo"})
        if not self.path.startswith(("/api/models/someone/small-opt", "/someone/small-opt/resolve")):
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
        if self.path.startswith("/api"):
            siblings = [{"rfilename": name, "size": (BUNDLED / name).stat().st_size} for name in (*NAMES, "README.md")]
            body = {"id": "someone/small-opt", "sha": self.COMMIT, "siblings": siblings}
            return self.send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        name = self.path.rpartition("/")[2]
        assert name in NAMES  # nothing else is asked for
        return self.send(200, (BUNDLED / name).read_bytes(), {"ETag": f'"{name}"', "X-Repo-Commit": self.COMMIT})

    def send(self, status, body, headers):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch):
    handler = type("OneHub", (Hub,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    endpoint(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_from_the_hub_and_then_from_its_cache(hub, bundled, monkeypatch, capfd):
    seen = []
    model = load("someone/small-opt", "cpu", progress=lambda *call: seen.append(call))
    assert capfd.readouterr() == ("", "")
    assert model.title == "someone/small-opt, 1.33 M parameters"
    torch.testing.assert_close(label_logits(model), label_logits(bundled))
    fetched = [(done, total) for what, done, total in seen if what == "downloading someone/small-opt"]
    whole = sum((BUNDLED / name).stat().st_size for name in NAMES)
    assert {total for _, total in fetched} == {whole}
    assert fetched == sorted(fetched)
    assert fetched[0][0] == 0
    assert fetched[-1][0] == whole
    endpoint(monkeypatch, "http://127.0.0.1:9")
    torch.testing.assert_close(label_logits(load("someone/small-opt", "cpu")), label_logits(bundled))


def test_the_hub_cannot_be_reached():
    message = fails("model", "facebook/opt-125m is not on this computer", "facebook/opt-125m")
    assert "http://127.0.0.1:9 cannot be reached" in message
    assert "give a directory" in message
    assert "'bundled'" in message


def test_offline_mode(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    fails("model", "not on this computer.*cannot be reached", "facebook/opt-125m")


def test_what_the_hub_refuses(hub):
    fails("model", "neither a directory here nor a public model", "someone/else")
    hub.gated = True
    fails("model", "is gated: accept its terms", "someone/small-opt")
    hub.gated, hub.broken = False, True
    fails("model", "answered 503", "someone/small-opt")


def test_a_broken_download_is_taken_up_again(hub, bundled, tmp_path):
    load("someone/small-opt", "cpu")
    (weights,) = (tmp_path / "cache").glob("*/snapshots/*/model.safetensors")
    weights.resolve().unlink()
    weights.unlink()
    model = load("someone/small-opt", "cpu")
    torch.testing.assert_close(label_logits(model), label_logits(bundled))
