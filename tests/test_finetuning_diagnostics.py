"""Diagnostics that fail leave a note and the training goes on; what is not asked for is not measured."""
# ruff: noqa: F811  (pytest takes fixtures by their names)

from pathlib import Path
from types import SimpleNamespace

import pytest

from functions.language_model import memory, truth
from functions.language_model.memory import Measurement, Row
from hizoo_core.training import Diverged
from tests.test_finetuning_session import finished, log, messages, one_thread, opened, tiny  # noqa: F401
from viz_app.finetuning import hessian_groups
from viz_app.finetuning.failures import SessionError, in_words, needs_less
from viz_app.finetuning.spec import parse
from viz_app.finetuning.store import Log

NO_MEMORY = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def notes(session) -> list[str]:
    return [message["message"] for message in messages(session, "note")]


@pytest.mark.parametrize("error", [NO_MEMORY, Diverged(3, "diverged: nan"), ZeroDivisionError("by nought")])
def test_a_reference_that_fails_is_a_note_and_is_not_tried_again(
    tiny: SimpleNamespace,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
):
    def fails(*_):
        tries.append(1)
        raise error

    tries: list[int] = []
    monkeypatch.setattr(truth, "hutchinson", fails)
    session = finished(opened(log, "steps=6&batch=4&eval=5&truth=1&opt=hizoo:n=2&opt=mezo:n=2"))
    assert [len(run.rows) for run in session.runs] == [6, 6]
    (note,) = notes(session)
    assert note.startswith("no reference for the diagonal Hessian at step 0 of hizoo")
    assert "truth=0 leaves it out" in note
    assert in_words(error) in note
    assert len(tries) == 1
    with pytest.raises((SessionError, Diverged, ZeroDivisionError)) as asked:  # by a button, which is told so
        session.estimate_truth(0)
    if error is NO_MEMORY:
        assert "differentiates twice" in str(asked.value)
        assert "batch" not in str(asked.value), "a smaller batch does not help"


def test_a_summary_of_p_that_fails_is_a_note(tiny: SimpleNamespace, log: Log, monkeypatch: pytest.MonkeyPatch):
    def fails(*_):
        raise ValueError("cannot convert float NaN to integer")

    monkeypatch.setattr(hessian_groups, "summary", fails)
    session = finished(opened(log, "steps=2&batch=4&truth=0&opt=hizoo:n=2"))
    assert len(session.runs[0].rows) == 2
    assert notes(session)[0].startswith("no summary of P at step 0 of hizoo: ValueError: cannot convert")
    assert session.at(0, 1)["hessian"] is None


def test_memory_is_measured_of_the_jobs_own_methods_and_each_may_fail(
    tiny: SimpleNamespace,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
):
    measured = []

    def measure(tuned, batch, loss, trainers):
        (label,) = trainers
        measured.append(label)
        if label == "adam":
            raise NO_MEMORY
        return Measurement((Row(label, 1, 2, 3, 4, 5, 6),), "counted")

    monkeypatch.setattr(memory, "measure", measure)
    finished(opened(log, "steps=2&batch=4&opt=mezo:n=2"))
    assert measured == ["mezo"], "no Adam that nobody asked for"
    measured.clear()
    session = finished(opened(log, "steps=2&batch=4&truth=0&opt=adam&opt=mezo:n=2"))
    assert measured == ["adam", "mezo"]
    (message,) = messages(session, "memory")
    assert [row["name"] for row in message["rows"]] == ["mezo"]
    assert [note for note in notes(session) if "memory" in note] == [
        "the memory of adam could not be measured: out of memory. The training is not affected"
    ]
    assert all(len(run.rows) == 2 for run in session.runs)


@pytest.mark.parametrize("tune", ["layernorm", "full", "lora&top=1"])
def test_a_job_in_float16_ends_in_words(log: Log, tune: str):
    """Adam in plain float16 divides by an ε of zero: its run ends, the others and the job go on."""
    spec = f"steps=2&batch=4&held_out=8&dtype=float16&tune={tune}&opt=mezo:n=1,lr=1e-4&opt=adam&opt=hizoo:n=1,lr=1e-4"
    session = finished(opened(log, spec))
    assert [run.over for run in session.runs] == [True, True, True]
    assert [len(session.runs[i].rows) for i in (0, 2)] == [2, 2]
    assert len(messages(session, "memory")) == 1


def test_truth_is_estimated_by_default_of_the_bundled_model_only(tmp_path: Path):
    assert parse("opt=hizoo").truth == 10
    assert parse(f"model={tmp_path}&opt=hizoo").truth == 0
    assert parse(f"model={tmp_path}&truth=3&opt=hizoo").truth == 3


def test_advice_names_what_helps_for_what_ran_out():
    spec = parse("tune=full&batch=8&dtype=float32&opt=hizoo&opt=adam")
    training = needs_less(spec, "training")
    assert training == (
        "batch=4 in place of 8, hizoo_l in place of hizoo, mezo in place of adam, tune=top:2, tune=layernorm, "
        "tune=lora, fewer optimizers side by side, dtype=bfloat16, a smaller model"
    )
    assert needs_less(spec, "loading") == "dtype=bfloat16, a smaller model"
    assert "batch" not in needs_less(spec, "evaluating")
    sized = needs_less(spec, "training", lambda other: 10**9 * other.batch + 10**8 * (other.tune == "top"))
    assert sized.startswith(
        "batch=4 in place of 8 (4.0 GB), hizoo_l in place of hizoo, mezo in place of adam, tune=top:2 (8.1"
    )
    assert needs_less(parse("tune=layernorm&batch=1&opt=mezo"), "training") == "a smaller model"
