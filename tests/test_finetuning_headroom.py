"""The headroom of a fine-tuning job: at any step, in more rounds each time, stored with the job."""

from pathlib import Path

import pytest

from functions.language_model import headroom as measuring
from tests.lab_server import errors, lab_in
from tests.test_finetuning_session import one_thread, tiny  # noqa: F401
from tests.tiny_session import again, finished, messages, opened
from viz_app.finetuning.headroom import sentence
from viz_app.finetuning.session import SessionError
from viz_app.finetuning.store import Log

JOB = "steps=6&batch=4&eval=1000&truth=0&opt=hizoo:n=2,lr=0.05,alpha=0.1&opt=mezo:n=2,lr=0.05"


@pytest.fixture
def log(tmp_path: Path, tiny, monkeypatch: pytest.MonkeyPatch) -> Log:  # noqa: F811
    monkeypatch.setattr(measuring, "HALF", 8)
    return Log(tmp_path)


def keys(message) -> list[str]:
    return [row["key"] for row in message["R"]]


def test_it_is_measured_at_any_step_and_leaves_the_training_as_it_is(log: Log):
    session = finished(opened(log, JOB))
    before = [(row.step, row.loss) for row in log.steps(session.job, 0)]
    now, start = session.measure_headroom(0), session.measure_headroom(1, 0)
    assert (now["step"], start["step"], now["rounds"]) == (6, 0, measuring.ROUNDS)
    assert keys(now) == ["none", "P", "tensor", "F^-1/2", "F^-1"]
    assert keys(start) == ["none", "tensor", "F^-1/2", "F^-1"], "MeZO has no P"
    assert len(now["groups"]) == len(messages(session, "plan")[0]["groups"])
    assert f"{4 * 12:,} texts" in now["cost"]
    assert [(row.step, row.loss) for row in log.steps(session.job, 0)] == before
    assert start["R"] != now["R"], "θ is another"
    with pytest.raises(SessionError, match="must be 0 to 6"):
        session.measure_headroom(0, 7)


def test_P_is_that_of_the_step(log: Log):
    """At the start P = 1, and gains nothing."""
    session = finished(opened(log, JOB))
    start, end = session.measure_headroom(0, 0), session.measure_headroom(0)
    assert next(row for row in start["R"] if row["key"] == "P")["gain"][0] == pytest.approx(1)
    assert next(row for row in end["R"] if row["key"] == "P")["gain"][0] != pytest.approx(1, abs=1e-6)


def test_measuring_again_adds_rounds_also_after_the_job_was_opened_anew(log: Log):
    session = finished(opened(log, JOB))
    first = session.measure_headroom(0)
    second = again(session).measure_headroom(0)
    assert second["rounds"] == 2 * first["rounds"]
    assert second["raw"]["s"][: first["rounds"]] == first["raw"]["s"]
    assert second["raw"]["s"][first["rounds"] :] != first["raw"]["s"], "of other texts"
    assert [message["rounds"] for message in messages(session, "headroom")] == [4, 8]


@pytest.mark.parametrize(
    ("tune", "share"), [("top:1", 1 / 4), ("lora", 1), ("lora&top=1", 1 / 4), ("prefix", 1), ("layernorm&top=1", 1 / 4)]
)
def test_of_parts_of_the_bundled_model_and_of_any_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tune: str, share: float
):
    """Passes through the top layers alone cost their part of whole ones."""
    monkeypatch.setattr(measuring, "HALF", 4)
    job = f"tune={tune}&train=32&held_out=4&steps=1&batch=4&eval=1000&truth=0&runs=2&opt=hizoo:n=1,lr=1e-3"
    session = finished(opened(Log(tmp_path), job))
    found = [session.measure_headroom(run) for run in (0, 1)]
    assert all(row["value"][0] is not None for message in found for row in message["R"])
    assert found[0]["R"] != found[1]["R"], "the seeds have other texts"
    assert f"32 texts, twice forward and backward ≈ {share * 48:.0f} forward passes of 4 texts" in found[0]["cost"]
    ours = [group["count"] for group in messages(session, "plan")[0]["groups"]]
    assert found[0]["raw"]["sizes"] == ours


@pytest.mark.parametrize(
    ("plain", "gains", "says"),
    [
        ([0.2, 0.01], {"tensor": [1.3, 0.1], "F^-1": [0.7, 0.1]}, "would gain at most 1.3 ± 0.1 times here."),
        ([0.2, 0.01], {"F^-1": [1.2, 0.2]}, "nothing that can be told from noise here (1.2 ± 0.2 times)."),
        (
            [0.2, 0.01],
            {"tensor": [1.01, 0.1], "P": [0.9, 0.1]},
            "would gain nothing here; P as estimated gets 0.9 times.",
        ),
        ([0.2, 0.2], {"tensor": [5.0, 4.0]}, "cannot be told from noise"),
    ],
)
def test_one_sentence_says_what_it_comes_to(plain, gains, says):
    assert says in sentence({"none": plain}, gains)


def test_a_page_asks_for_it_by_run_and_step(tmp_path: Path):
    with lab_in(tmp_path) as lab:
        id = lab.start()
        lab.ended(id)
        answer = lab.http.post(f"/api/finetune/{id}/headroom?run=1&step=2")
        assert answer.status_code in (200, 202)
        lab.http.post(f"/api/finetune/{id}/headroom?run=0")
        lab.http.get(f"/api/finetune/{id}/at?run=0&step=1")  # answered after them
        asked = [m for m in lab.log.messages(id) if m["type"] == "headroom"]
        assert [(m["run"], m["step"]) for m in asked] == [(1, 2), (0, 4)]
        assert "step" in errors(lab.http.post(f"/api/finetune/{id}/headroom?step=5"), 422)
