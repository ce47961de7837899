"""A log is continued and rebuilt only where its numbers are the same."""
# ruff: noqa: F811  (pytest takes fixtures by their names)

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from functions.language_model import model as models
from functions.language_model import tasks
from hizoo_core import normals
from tests.test_finetuning_session import again, finished, log, messages, one_thread, opened, tiny, tiny_model  # noqa: F401
from viz_app.finetuning import fingerprint
from viz_app.finetuning.failures import SessionError
from viz_app.finetuning.store import Log

SPEC = "steps=4&batch=4&truth=0&opt=mezo:n=2"


def test_the_log_holds_all_that_the_numbers_depend_on(tiny: SimpleNamespace, log: Log):
    session = opened(log, SPEC)
    facts = messages(session, "plan")[0]["fingerprint"]
    assert set(facts) == {"noise", "dtype", "weights", "examples", "start", "directions", "versions"}
    assert (facts["noise"], facts["dtype"], len(facts["directions"])) == (normals.NAME, "float32", 8)
    assert torch.__version__ in facts["versions"]
    finished(again(session))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("weights", "the model's weights are not those that it started from"),
        ("dtype", "the model was in float32, and is in bfloat16 here"),
        ("examples", "the task's texts, labels or tokens are not those"),
        ("directions", "random directions are drawn differently (torch"),
    ],
)
def test_a_resume_that_would_give_other_numbers_is_refused(
    tiny: SimpleNamespace,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    sentence: str,
):
    session = opened(log, SPEC)
    while session.runs[0].made < 2:
        session.advance()
    session.close()
    other = tiny_model()
    if change == "weights":
        other.module.lm_head.weight.data[3, 2] += 1e-3
    elif change == "dtype":
        other.dtype, _ = torch.bfloat16, other.module.bfloat16()
    elif change == "examples":
        encoded = tasks.encode()
        encoded.train_tokens[7][0] += 1
    else:
        monkeypatch.setattr(fingerprint, "directions", lambda *_: [0.25] * 8)
    monkeypatch.setattr(models, "load", lambda *_, **__: other)
    with pytest.raises(SessionError) as refused:
        again(session)
    assert refused.value.field == "fingerprint"
    assert refused.value.message.startswith(f"run {session.job} cannot be continued or rebuilt here: ")
    assert sentence in refused.value.message
    assert len(log.steps(session.job, 0)) == 2


@pytest.mark.parametrize("earlier", ["with a fingerprint", "without one"])
def test_a_log_of_other_directions_is_refused_before_a_model_is_loaded(tiny: SimpleNamespace, log: Log, earlier: str):
    session = opened(log, SPEC)
    session.close()
    (plan,) = messages(session, "plan")
    facts = plan.pop("fingerprint")
    if earlier == "with a fingerprint":
        del facts["noise"]
        plan["fingerprint"] = facts | {"device": "cpu", "directions": [0.25] * 9}
    rewrite(log, plan)
    loads = tiny.loads
    with pytest.raises(SessionError, match="directions are those of generators of an earlier version of this program"):
        again(session)
    assert tiny.loads == loads


def rewrite(log: Log, plan: Any) -> None:
    """Store another plan in place of a job's, which has no other messages yet."""
    with log._transaction() as sql:
        sql.execute("UPDATE chunks SET messages = ?", (json.dumps([plan]),))


def test_a_log_of_another_device_goes_on(tiny: SimpleNamespace, log: Log, monkeypatch: pytest.MonkeyPatch):
    """Its steps were made with that device's logarithms and cosines, here torch's, and go on with numpy's."""
    spec = SPEC + "&opt=hizoo:n=2"
    straight = finished(opened(log, spec))
    with monkeypatch.context() as there:
        fill = normals.fill_on_device
        there.setattr(normals.Source, "fill", lambda _, out, *stream: fill(torch.from_numpy(out), *stream))
        session = opened(log, spec)
        while session.runs[1].made < 2:
            session.advance()
        session.close()
    made = log.steps(session.job, 0)
    resumed = finished(again(session))
    assert log.steps(session.job, 0)[: len(made)] == made
    for one, other in zip(straight.runs, resumed.runs, strict=True):
        for name, theta in one.tuned.parameters.items():
            torch.testing.assert_close(other.tuned.parameters[name], theta, rtol=1e-4, atol=1e-6)


def test_a_format_chosen_by_the_device_stays(tiny: SimpleNamespace, log: Log, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def load(source: str, device: str, dtype: str, *_: Any) -> SimpleNamespace:
        asked.append(dtype)
        model = tiny_model()
        model.dtype = torch.bfloat16
        return model

    monkeypatch.setattr(models, "load", load)
    session = opened(log, SPEC)
    session.close()
    again(session)
    assert asked == ["auto", "bfloat16"]


def test_numbers_that_are_only_rounded_differently_are_the_same():
    facts = {"start": [0.5, None], "directions": [1.0, -2.0], "noise": "this"}
    assert not fingerprint.differences(facts, facts | {"directions": [1.00001, -2.0]})
    assert fingerprint.differences(facts, facts | {"directions": [1.1, -2.0]})
    assert fingerprint.differences(facts, facts | {"start": [0.5, 0.1]})


def test_a_direction_of_another_seed_differs():
    drawn = fingerprint.directions("cpu", 0)
    assert drawn == fingerprint.directions("cpu", 0)
    assert drawn != fingerprint.directions("cpu", 1)
