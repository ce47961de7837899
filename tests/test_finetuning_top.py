"""Jobs that train the top layers alone, with the bundled model."""

import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch

from functions.language_model import model as models
from functions.language_model.states import States
from tests.lab_server import lab_in
from viz_app.cli import main
from viz_app.finetuning import table as tables
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


def test_the_pass_that_an_automatic_rate_adds_is_counted_like_every_other(tmp_path: Path):
    with Log(tmp_path) as log:
        job, messages = trained(log, "tune=top:1&steps=6&batch=4&eval=1000000&truth=0&device=cpu&opt=mezo:n=1,lr=auto")
        share, (run,) = plan(messages)["model"]["share"], plan(messages)["runs"]
        assert run["forwards_per_step"] == pytest.approx(3 * share)
        assert [row.forwards for row in log.steps(job, 0)] == pytest.approx(
            [run["filling"] + 3 * share * step for step in range(1, 7)]
        )


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
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(States, "save", save)
    log = Log(tmp_path)
    job, messages = trained(log, JOB)
    assert len(log.steps(job, 0)) == 6
    sentence = (
        "the states of the lower layers are kept in memory only, and the next job like this one computes them again: "
    )
    assert [message["message"] for message in messages if message["type"] == "note"] == [
        sentence + "No space left on device"
    ]
    monkeypatch.undo()
    monkeypatch.setattr("functions.language_model.states.ROOM", 100_000)
    job, messages = trained(log, JOB)
    assert len(log.steps(job, 0)) == 6
    (note,) = [message["message"] for message in messages if message["type"] == "note"]
    assert re.fullmatch(re.escape(sentence) + r"they take 0\.0 GB, and 0\.0001 GB may be kept on the disk", note)
    assert not (tmp_path / "states").exists()
    log.close()


def test_the_states_on_the_disk_are_listed_and_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "states"
    assert main(["states", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"nothing in {folder} (at most 4.0 GB)\n"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(bytes(3_000_000))
    (folder / "b.safetensors").write_bytes(bytes(1_000_000))
    os.utime(folder / "b.safetensors", (1, 1))
    assert main(["states", "--data-dir", str(tmp_path)]) == 0
    listed = f"a.safetensors  3 MB\nb.safetensors  1 MB\n4 MB of at most 4.0 GB in {folder}\n"
    assert capsys.readouterr().out == listed
    assert main(["states", "--clear", "--data-dir", str(tmp_path)]) == 0
    assert f"removed 4 MB in {folder}" in capsys.readouterr().out
    assert list(folder.iterdir()) == []
    (folder / "c").write_bytes(bytes(5))
    with lab_in(tmp_path) as lab:
        assert lab.http.get("/api/finetune/states").json() == {"files": 1, "bytes": 5, "limit": 4_000_000_000}
        foreign = lab.http.delete("/api/finetune/states", headers={"Origin": "http://elsewhere.example"})
        assert foreign.status_code == 403
        assert lab.http.delete("/api/finetune/states").json()["files"] == 0
    assert list(folder.iterdir()) == []


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


def test_the_clock_counts_parts_of_passes_and_the_reading_of_the_texts(tmp_path: Path):
    log = Log(tmp_path)
    job, messages = trained(log, JOB)
    layers = models.load("bundled", "cpu").module.config.num_hidden_layers
    assert layers == 4
    filling = 0.75 * 6  # six batches of 4 texts are read with three of the four layers
    planned = plan(messages)["runs"]
    assert [(run["forwards_per_step"], run["filling"]) for run in planned] == [(0.5, filling), (0.75, filling)]
    assert [row.forwards for row in log.steps(job, 0)] == [5, 5.5, 6, 6.5, 7, 7.5]
    assert [row.forwards for row in log.steps(job, 1)] == [5.25, 6, 6.75, 7.5, 8.25, 9]
    evaluated = [(each["run"], each["forwards"]) for each in messages if each["type"] == "evaluation"]
    assert sorted(evaluated) == [(0, 4.5), (0, 7.5), (1, 4.5), (1, 9.0)]
    assert plan(messages)["clock"] == (
        "A pass through the top 1 of 4 layers counts as 0.25 forward passes, and reading the training texts with the"
        " layers below, once, as 4.5"
    )
    again, twice = trained(log, JOB)
    assert plan(twice)["clock"] == plan(messages)["clock"] + ", though the result was on the disk"
    first, second = (tables.table(log, each).column("forwards").to_pylist() for each in (job, again))
    assert first == second == [4.5, 5, 5.5, 6, 6.5, 7, 7.5, 4.5, 5.25, 6, 6.75, 7.5, 8.25, 9]
    assert b",1,5,0." in tables.FORMATS["csv"](tables.table(log, job)), "whole numbers stay whole numbers"
    assert ", 9 forward passes," in tables.summary(log, job)[1]
    _, restricted = trained(log, JOB.replace("tune=top:1", "tune=layernorm&top=2"))
    assert plan(restricted)["runs"][0]["forwards_per_step"] == 1
    assert plan(restricted)["runs"][0]["filling"] == 3
    _, whole = trained(log, JOB.replace("top:1", "layernorm").replace("&opt=adam", ""))
    assert plan(whole)["clock"] == ""
    assert [row["forwards"] for row in steps(whole)] == [2, 4, 6, 8, 10, 12]
    log.close()


def test_no_more_texts_are_read_than_there_are(tmp_path: Path):
    log = Log(tmp_path)
    _, messages = trained(log, JOB.replace("steps=6", "steps=6&train=10").replace("&opt=adam", ""))
    assert plan(messages)["runs"][0]["filling"] == 0.75 * 10 / 4
    _, messages = trained(log, JOB.replace("steps=6", "steps=2&train=3").replace("&opt=adam", ""))
    assert plan(messages)["runs"][0]["filling"] == 0.75, "one batch, of fewer texts than the spec allows"
    log.close()


def test_a_log_of_before_goes_on_with_its_own_count(tmp_path: Path):
    log = Log(tmp_path)
    job, messages = trained(log, JOB, most=8)
    old = plan(messages)
    del old["clock"]
    for run, cost in zip(old["runs"], (2, 3), strict=True):
        run["forwards_per_step"] = cost
        del run["filling"]
    with sqlite3.connect(tmp_path / "runs.sqlite") as sql:
        ((seq, body),) = sql.execute(
            "SELECT seq, messages FROM chunks WHERE job = ? AND messages LIKE '%\"plan\"%'", [job]
        )
        stored = [old if message["type"] == "plan" else message for message in json.loads(body)]
        sql.execute("UPDATE chunks SET messages = ? WHERE job = ? AND seq = ?", [json.dumps(stored), job, seq])
    session = Session(job, parse(JOB), log)
    session.open()
    while session.advance():
        pass
    session.close()
    assert [row.forwards for row in log.steps(job, 0)][-1] == 12
    assert [row.forwards for row in log.steps(job, 1)][-1] == 18
    log.close()


def steps(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps of a job's messages."""
    chunks = [message for message in messages if message["type"] == "steps"]
    return [dict(zip(chunk["columns"], row, strict=True)) for chunk in chunks for row in chunk["rows"]]


def test_a_last_layer_that_works_at_all_positions_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("functions.language_model.top_layers.narrowed", lambda *layer: [])
    log = Log(tmp_path)
    _, messages = trained(log, JOB, most=1)
    assert [message["message"] for message in messages if message["type"] == "note"] == [
        "in the last layer (opt) all is computed at every position: it does not give the same at the last one"
        " alone, which would be faster"
    ]
    log.close()
