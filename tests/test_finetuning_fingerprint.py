"""A log is continued and rebuilt only where its numbers are the same."""
# ruff: noqa: F811  (pytest takes fixtures by their names)

import json
from types import SimpleNamespace

import pytest
import torch

from functions.language_model import model as models
from functions.language_model import tasks
from tests.test_finetuning_session import again, finished, log, messages, one_thread, opened, tiny, tiny_model  # noqa: F401
from viz_app.finetuning import fingerprint
from viz_app.finetuning.failures import SessionError
from viz_app.finetuning.store import Log

SPEC = "steps=4&batch=4&truth=0&opt=mezo:n=2"


def test_the_log_holds_all_that_the_numbers_depend_on(tiny: SimpleNamespace, log: Log):
    session = opened(log, SPEC)
    facts = messages(session, "plan")[0]["fingerprint"]
    assert set(facts) == {"device", "dtype", "weights", "examples", "start", "directions", "versions"}
    assert (facts["device"], facts["dtype"], len(facts["directions"])) == ("cpu", "float32", 2 + 7)
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
        monkeypatch.setattr(fingerprint, "directions", lambda *_: [0.25] * 9)
    monkeypatch.setattr(models, "load", lambda *_, **__: other)
    with pytest.raises(SessionError) as refused:
        again(session)
    assert refused.value.field == "fingerprint"
    assert refused.value.message.startswith(f"run {session.job} cannot be continued or rebuilt here: ")
    assert sentence in refused.value.message
    assert len(log.steps(session.job, 0)) == 2


def test_a_log_of_before_fingerprints_is_compared_in_what_it_says(tiny: SimpleNamespace, log: Log):
    session = opened(log, SPEC)
    session.close()
    (plan,) = messages(session, "plan")
    del plan["fingerprint"]

    def store(dtype: str, device: str) -> None:
        plan.update(dtype=dtype, device=plan["device"] | {"name": device})
        with log._transaction() as sql:
            sql.execute("UPDATE chunks SET messages = ?", (json.dumps([plan]),))

    store("float16", "cpu")
    with pytest.raises(SessionError, match="the model was in float16, and is in float32 here"):
        again(session)
    store("float32", "cuda:1")
    loads = tiny.loads
    with pytest.raises(SessionError, match="its steps were made on cuda, and this is cpu"):
        again(session)
    assert tiny.loads == loads, "said before a model is loaded"
    store("float32", "cpu")
    finished(again(session))


def test_numbers_that_are_only_rounded_differently_are_the_same():
    facts = {"start": [0.5, None], "directions": [1.0, -2.0], "device": "cpu"}
    assert not fingerprint.differences(facts, facts | {"directions": [1.00001, -2.0]})
    assert fingerprint.differences(facts, facts | {"directions": [1.1, -2.0]})
    assert fingerprint.differences(facts, facts | {"start": [0.5, 0.1]})
    assert fingerprint.differences(facts, {"device": "cuda"}) == ["its steps were made on cpu, and this is cuda"]


def test_a_direction_of_another_seed_or_chunk_differs(monkeypatch: pytest.MonkeyPatch):
    drawn = fingerprint.directions("cpu", 0)
    assert drawn == fingerprint.directions("cpu", 0)
    assert drawn != fingerprint.directions("cpu", 1)
    from hizoo_core import module_parameters

    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 2**17)
    assert drawn != fingerprint.directions("cpu", 0)
