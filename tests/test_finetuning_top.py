"""Jobs that train the top layers alone, with the bundled model."""

from pathlib import Path
from typing import Any

import pytest
import torch

from functions.language_model import model as models
from functions.language_model.states import States
from viz_app.finetuning.session import Session
from viz_app.finetuning.spec import parse
from viz_app.finetuning.store import Log
from viz_app.spec.runs import SpecError

JOB = "tune=top:1&steps=6&batch=4&eval=1000000&truth=0&device=cpu&opt=mezo:n=1,lr=1e-3&opt=adam"


def trained(log: Log, text: str, most: int = 1000) -> tuple[int, list[dict[str, Any]]]:
    """A job that advanced up to so many times, and its messages."""
    job = log.create_job(parse(text).query())
    session = Session(job, parse(text), log)
    session.open()
    for _ in range(most):
        if not session.advance():
            break
    session.close()
    return job, list(log.messages(job))


def plan(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return next(message for message in messages if message["type"] == "plan")


def test_it_trains_from_what_the_whole_model_starts_from_and_reads_no_text_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    counts: list[int] = []
    fill = States.__setitem__
    monkeypatch.setattr(States, "__setitem__", lambda self, *pair: (counts.append(1), fill(self, *pair))[1])
    log = Log(tmp_path)
    job, messages = trained(log, JOB)
    first = len(counts)
    _, whole = trained(log, JOB.replace("top:1", "layernorm"))
    assert plan(messages)["zero_shot"] == pytest.approx(plan(whole)["zero_shot"], abs=2e-3)
    layers = models.load("bundled", "cpu").module.config.num_hidden_layers
    assert plan(messages)["model"]["share"] == 1 / layers
    assert plan(whole)["model"]["share"] == 1
    assert [len(log.steps(job, run)) for run in (0, 1)] == [6, 6]
    losses = [message["loss"] for message in messages if message["type"] == "evaluation" and message["run"] == 1]
    assert losses[-1] < losses[0]
    assert 256 < first <= 256 + 24, "the held-out texts and those of six batches"
    again, _ = trained(log, JOB)
    assert len(counts) == first, "what was read is on the disk"
    assert [row.scalars for row in log.steps(again, 0)] == [row.scalars for row in log.steps(job, 0)]
    log.close()


def test_it_goes_on_from_its_log_and_its_weights_are_those_of_the_top(tmp_path: Path):
    log = Log(tmp_path)
    whole, _ = trained(log, JOB)
    job, _ = trained(log, JOB, most=8)
    assert 0 < len(log.steps(job, 0)) < 6
    session = Session(job, parse(JOB), log)
    session.open()
    while session.advance():
        pass
    assert [row.scalars for row in log.steps(job, 0)] == [row.scalars for row in log.steps(whole, 0)]
    weights = session.weights(0, 3).tensors
    last = models.load("bundled", "cpu").module.config.num_hidden_layers - 1
    assert all(f"layers.{last}." in name or "final_layer_norm" in name for name in weights)
    assert any("fc1" in name for name in weights)
    session.close()
    log.close()


def test_a_full_disk_costs_the_next_job_time_and_this_one_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def save(self: States) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(States, "save", save)
    log = Log(tmp_path)
    job, _ = trained(log, JOB)
    assert len(log.steps(job, 0)) == 6
    log.close()


def test_other_weights_have_other_states(tmp_path: Path):
    log = Log(tmp_path)
    trained(log, JOB)
    folder = tmp_path / "model"
    bundled = models.load("bundled", "cpu")
    with torch.no_grad():
        bundled.module.get_input_embeddings().weight.mul_(1.01)
    bundled.module.save_pretrained(folder)
    bundled.tokenizer.save_pretrained(folder)
    trained(log, f"model={folder}&task=reviews&{JOB}")
    trained(log, JOB.replace("top:1", "top:2"))
    assert len(list((tmp_path / "states").iterdir())) == 3
    log.close()


def test_how_a_spec_says_it():
    spec = parse("tune=top:3")
    assert (spec.tune, spec.top) == ("top", 3)
    assert spec == parse("tune=top&top=3") == parse(spec.query())
    assert parse("tune=top").top == 2
    assert parse("tune=lora&top=2").top == 2
    assert "top=" not in parse("tune=lora").query()
    assert parse("tune=full&top=2") == parse("tune=full")
    assert parse("tune=prefix&top=2") == parse("tune=prefix")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tune=top:0", "Top layers must be 1 or more with tune=top, not 0"),
        ("tune=top:two", "Top layers must be"),
        ("tune=top:-1", "Top layers must be"),
        ("tune=top:2&top=3", "top is given twice"),
        ("tune=lora:2", "There is no tune “lora:2”"),
    ],
)
def test_what_it_refuses(text: str, sentence: str):
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert any(sentence in error["message"] for error in caught.value.errors), caught.value.errors
