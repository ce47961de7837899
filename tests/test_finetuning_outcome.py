"""How a run is said to have ended: at its best, diverged in effect, or never moved."""
# ruff: noqa: F811  (pytest takes fixtures by their names)

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.test_finetuning_session import finished, log, messages, one_thread, opened, tiny  # noqa: F401
from viz_app.finetuning import table
from viz_app.finetuning.outcome import verdict
from viz_app.finetuning.steps import StepRow
from viz_app.finetuning.store import Log

PLAN = [{"type": "plan"}]


def row(step: int, length: float = 0.1, slope: float | None = 2.0) -> StepRow:
    return StepRow(step, 2 * step, 0.1 * step, 0.7, slope, None, length, 1e-3, None)


def ended(log: Log, losses: list[float], message: str | None = None) -> str:
    """The summary of a run with these held-out losses, 25 steps apart."""
    steps = 25 * (len(losses) - 1)
    job = log.create_job(f"steps={steps}&opt=mezo")
    told = [
        {"type": "evaluation", "run": 0, "step": 25 * i, "forwards": 50 * i, "seconds": i, "loss": x, "accuracy": 0.5}
        for i, x in enumerate(losses)
    ]
    if message:
        told.append({"type": "status", "state": "finished", "run": 0, "message": message})
    log.append(job, [(0, row(step)) for step in range(1, steps + 1)], told)
    (line,) = table.summary(log, job)
    return line


def test_a_summary_names_the_best_step_if_it_is_not_the_last(log: Log):
    assert "held-out loss 0.693 → 0.534 (best 0.517 at step 50), accuracy" in ended(log, [0.693, 0.6, 0.517, 0.534])
    assert "best" not in ended(log, [0.693, 0.6])
    assert "held-out loss 0.693 → not finite (best 0.600 at step 25)" in ended(log, [0.693, 0.6, math.inf])
    line = ended(log, [0.693, 4e11], "diverged in effect: …")
    assert line.endswith(
        "0.693 → 4.00e+11 (best 0.693 at step 0), accuracy 50.0% → 50.0%, 50 forward passes, 1.0 s: diverged in"
        " effect: …"
    )


def test_what_finished_would_hide_is_called_by_its_name():
    moved, still = [row(1), row(2)], [row(1, length=0.0), row(2, length=0.0)]
    assert verdict([0.7, 0.5], moved, 1e-3, "float32") is None
    assert verdict([0.7, 0.9], moved, 1e-3, "float32") is None
    for loss, said in ((4e11, "4.00e+11"), (math.nan, "not finite"), (12.0, "12.000")):
        sentence = f"diverged in effect: the held-out loss is {said}, from 0.700 at the start"
        assert verdict([0.7, loss], moved, 1e-3, "float32") == sentence
    sentence = verdict([0.7, 0.7], still, 1e-9, "bfloat16")
    assert sentence is not None
    assert "have not moved: every step's length is 0" in sentence
    assert "lr = 1e-09" in sentence
    assert "a larger lr or dtype=float32" in sentence
    flat = verdict([0.7, 0.7], [row(1, 0.0, 0.0)], 1e-3, "float32")
    assert flat == "the parameters have not moved: no probe changed the loss; take a larger mu or batch"
    asked = [replace(each, lr=0.0) for each in still]
    assert verdict([0.7, 0.7], asked, 0.0, "float32") is None, "as asked"
    adam = [replace(each, slope=None) for each in still]
    assert "have not moved: every step's length is 0" in str(verdict([0.7, 0.7], adam, 1e-9, "bfloat16"))
    assert verdict([0.7, 0.7], [], 1e-3, "float32") is None, "all of it was warmup"


def test_a_run_that_diverged_in_effect_says_so(tiny: SimpleNamespace, log: Log):
    session = finished(opened(log, "steps=8&batch=4&truth=0&opt=mezo:n=1,lr=1e3&opt=mezo:n=1,lr=1e-3"))
    (status,) = messages(session, "status")
    assert (status["run"], status["state"]) == (0, "finished")
    assert status["message"].startswith("diverged in effect: the held-out loss is")
    lines = table.summary(log, session.job)
    assert "diverged in effect" in lines[0]
    assert lines[1].endswith("finished")
    from tests.test_finetuning_session import again

    new = finished(again(session))
    assert len(messages(new, "status")) == 1, "said once"


@pytest.mark.parametrize("opt", ["mezo:n=1,lr=1e-30", "hizoo:n=1,lr=1e-30", "adam:lr=1e-30"])
def test_parameters_that_do_not_move_are_in_the_status(log: Log, opt: str):
    spec = f"steps=3&batch=4&eval=2&truth=0&held_out=8&dtype=bfloat16&tune=layernorm&opt={opt}"
    session = finished(opened(log, spec))
    assert [each.length for each in log.steps(session.job, 0)] == [0.0] * 3
    (status,) = messages(session, "status")
    assert "the parameters have not moved" in status["message"]
    assert "bfloat16" in status["message"]
    assert any("the parameters have not moved" in note["message"] for note in messages(session, "note")), "at once"
