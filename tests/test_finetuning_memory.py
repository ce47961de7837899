"""Memory that runs out in the middle of a job: what is said, what goes on, what is kept."""
# ruff: noqa: F811  (pytest takes fixtures by their names)

from types import SimpleNamespace

import pytest
import torch

from functions.language_model import devices, metrics
from hizoo_core.training import METHODS, Trainer
from tests.test_finetuning_session import finished, log, one_thread, opened, tiny  # noqa: F401
from tests.tiny_session import again, apart, messages, surveyed, theta
from viz_app.finetuning import search_spec
from viz_app.finetuning.searching import Searching
from viz_app.finetuning.session import Session, SessionError
from viz_app.finetuning.store import Log

TWO = "forwards=40&batch=4&eval=20&truth=0&opt=hizoo:n=1,lr=0.05,alpha=0.01&opt=mezo:n=2,lr=0.05"
CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79 GiB\nof which 1 is free"


def run_out(monkeypatch: pytest.MonkeyPatch, session: Session, label: str, error: Exception) -> None:
    """From now on the losses of one run's model need more memory than there is."""
    (run,) = (run for run in session.runs if run.label == label)
    loss = metrics.loss

    def full(module, *rest):
        if run.tuned is not None and module is run.tuned.module:
            raise error
        return loss(module, *rest)

    monkeypatch.setattr(metrics, "loss", full)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(CUDA), MemoryError()], ids=["card", "host"])
def test_a_run_without_memory_ends_and_the_others_go_on(tiny: SimpleNamespace, log: Log, monkeypatch, error: Exception):
    session = opened(log, TWO)
    expected = finished(opened(log, TWO)).runs[1]
    while session.runs[0].made < 3:
        session.advance()
    freed = []
    monkeypatch.setattr(devices, "release", lambda: freed.append(session.runs[0].tuned is None))
    run_out(monkeypatch, session, "hizoo", error)
    finished(session)
    (status,) = messages(session, "status")
    assert (status["run"], status["state"]) == (0, "failed")
    assert status["message"].startswith("out of memory at step 4")
    assert ("(CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79 GiB)" in status["message"]) == (
        isinstance(error, torch.OutOfMemoryError)
    )
    assert "batch=2 in place of 4 (" in status["message"]
    assert "tune=layernorm (" in status["message"]
    assert status["message"].endswith("Step 3 is its last good one, kept in the log; the other runs go on")
    assert freed == [True], "after its model was let go of"
    assert session.trained()
    assert [len(log.steps(session.job, run)) for run in (0, 1)] == [3, 10]
    assert session.runs[1].rows[-1].loss == expected.rows[-1].loss
    evaluation = session.at(0, 3)["evaluation"]
    assert evaluation is not None
    new = finished(again(session))  # where there is enough memory
    assert new.runs[0].evaluated[3] == evaluation["loss"]
    assert [len(log.steps(session.job, run)) for run in (0, 1)] == [3, 10]
    assert apart(theta(new.runs[1]), theta(session.runs[1])) == 0


def test_a_job_whose_only_run_has_no_memory_fails(tiny: SimpleNamespace, log: Log, monkeypatch):
    session = opened(log, "steps=6&batch=4&truth=0&opt=mezo:n=1,lr=0.05")
    while session.runs[0].made < 2:
        session.advance()
    run_out(monkeypatch, session, "mezo", torch.OutOfMemoryError(CUDA))
    with pytest.raises(SessionError, match=r"while training .* mezo 2\). What needs less: batch=2 .* \(.*MB\)"):
        finished(session)
    freed = []
    monkeypatch.setattr(devices, "release", lambda: freed.append(True))
    session.close()
    assert freed == [True]
    monkeypatch.undo()
    assert len(log.steps(session.job, 0)) == 2


def test_a_map_without_memory_says_what_would_need_less(tiny: SimpleNamespace, log: Log, monkeypatch):
    spec = search_spec.parse("tune=full&batch=4&forwards=12&opt=mezo:n=1&x=lr=1e-3,1e-2&y=n=1,2")
    search = Searching(log.create_job(spec.key, "cpu"), spec, log)
    search.open()

    def full(*_):
        raise torch.OutOfMemoryError(CUDA)

    monkeypatch.setattr(metrics, "loss", full)
    with pytest.raises(SessionError, match=r"while training\. What needs less: batch=2 in place of 4"):
        finished(search)


def test_a_backward_pass_without_memory_leaves_no_gradients():
    class Full(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            raise torch.OutOfMemoryError(CUDA)

    first, second = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    trainer = Trainer({"a": first, "b": second}, "adam", METHODS["adam"].hyperparameters(), 5, 0)
    with pytest.raises(torch.OutOfMemoryError):
        trainer.advance(lambda: second.sum() + Full.apply(first).sum())
    assert first.grad is None
    assert second.grad is None
    assert trainer.step == 0


def test_a_job_goes_on_without_a_run_that_has_ended_and_cannot_be_made_again(
    tiny: SimpleNamespace, log: Log, monkeypatch
):
    session = opened(log, "steps=6&batch=4&eval=100&truth=0&opt=adam&opt=mezo:n=1,lr=0.05")
    while session.runs[0].made < 2:
        session.advance()
    run_out(monkeypatch, session, "adam", MemoryError())
    while not session.runs[0].gone:
        session.advance()
    session.flush()
    new = again(session)
    run_out(monkeypatch, new, "adam", MemoryError())
    finished(new)
    assert new.runs[0].gone
    surveyed(new)
    (plane,) = messages(new, "plane")
    assert [path["run"] for path in plane["runs"]] == [0, 1], "its end is rebuilt for the plane"
    assert [len(log.steps(new.job, run)) for run in (0, 1)] == [2, 6]
