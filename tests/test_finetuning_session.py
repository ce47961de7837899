import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from functions.language_model import memory, metrics, tasks
from functions.language_model import model as models
from hizoo_core import HyperparameterError
from tests.tiny_session import Tiny, again, apart, finished, messages, opened, surveyed, theta, tiny_model, tiny_task
from viz_app.finetuning import journal, lengths, limits, replay
from viz_app.finetuning import table as finetune_table
from viz_app.finetuning.session import Session, SessionError
from viz_app.finetuning.spec import parse
from viz_app.finetuning.store import Log, LogFull

THREE = (
    "forwards=60&batch=4&eval=20&truth=0&opt=hizoo:n=2,lr=0.05,alpha=0.01,schedule=cosine"
    "&opt=mezo:n=2,lr=0.05,schedule=cosine&opt=adam:lr=0.02,schedule=constant"
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The fakes, and how often each was called."""
    calls = SimpleNamespace(loads=0, losses=0, data=None)
    task, encoded = tiny_task()
    loss = metrics.loss

    def load(source, device, dtype, progress=None, beside=0):
        calls.loads += 1
        if progress:
            progress("loading tiny", 1, 2)
        return tiny_model()

    def make(key, data, *rest):
        calls.data = data
        return task

    def counted(*arguments):
        calls.losses += 1
        return loss(*arguments)

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(tasks, "make", make)
    monkeypatch.setattr(tasks, "encode", lambda *_: encoded)
    monkeypatch.setattr(metrics, "loss", counted)
    monkeypatch.setattr(memory, "measure", lambda *_: SimpleNamespace(rows=(), how="not measured"))
    yield calls
    lengths._of.cache_clear()  # the forecasts' texts are the fake task's


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine take ten times as long as one alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    yield log
    log.close()


def test_a_job_says_what_the_page_draws(tiny: SimpleNamespace, log: Log):
    session = finished(opened(log, THREE))
    assert [seq for seq, _ in log.chunks(session.job)] == list(range(1, len(log.chunks(session.job)) + 1))
    kinds = [message["type"] for message in log.messages(session.job) if message["type"] != "progress"]
    assert kinds[0] == "plan"
    (plan,) = messages(session, "plan")
    assert [run["steps"] for run in plan["runs"]] == [12, 15, 20]
    assert [run["forwards_per_step"] for run in plan["runs"]] == [5, 4, 3]
    assert sum(group["count"] for group in plan["groups"]) == plan["model"]["tuned"] == 128
    assert len(plan["sentences"]) == limits.SENTENCES
    assert plan["task"]["synthetic"] is True
    assert 0 <= plan["zero_shot"]["accuracy"] <= 1
    for index, run in enumerate(session.runs):
        rows = [row for message in messages(session, "steps", index) for row in message["rows"]]
        assert [row[0] for row in rows] == list(range(1, run.steps + 1))
        assert [row[1] for row in rows] == [run.cost * row[0] for row in rows]
        assert all(a[2] < b[2] for a, b in pairwise(rows)), "seconds go on"
        assert (rows[0][5] is None) == (run.label != "hizoo"), "curvature"
        assert (rows[0][4] is None) == (run.label == "adam"), "slope"
        evaluations = messages(session, "evaluation", index)
        due = [step for step in range(run.steps + 1) if step in (0, run.steps) or step * run.cost % 20 < run.cost]
        assert [message["step"] for message in evaluations] == due
        assert [len(message["probabilities"]) for message in evaluations] == [limits.SENTENCES] * len(due)
        assert evaluations[0]["position"] == [0, 0]
        assert evaluations[0]["distance"] == 0 < evaluations[-1]["distance"]
        hessians = [message["step"] for message in messages(session, "hessian", index)]
        assert hessians == (due if run.label == "hizoo" else [])
    assert evaluations[-1]["loss"] < 0.9 * evaluations[0]["loss"], "Adam learns"
    assert len(messages(session, "memory")) == 1
    assert messages(session, "plane") == messages(session, "surface") == [], "only when asked for"
    assert not session.advance(), "and nothing is left"


def test_the_loss_surface_is_computed_when_asked(tiny: SimpleNamespace, log: Log):
    session = surveyed(finished(opened(log, THREE)))
    (plane,) = messages(session, "plane")
    assert [run["steps"][-1] for run in plane["runs"]] == [12, 15, 20]
    assert [len(run["points"]) for run in plane["runs"]] == [len(run["steps"]) for run in plane["runs"]]
    cells = [cell for message in messages(session, "surface") for cell in message["cells"]]
    assert len(cells) == len({(ix, iy) for ix, iy, _ in cells}) == 17 * 17
    assert [message["done"] for message in messages(session, "surface")][-1]
    assert messages(session, "progress")[-1] == {"type": "progress", "message": "", "done": 0, "total": 0, "unit": ""}
    assert (not session.survey(), len(messages(session, "plane"))) == (True, 1), "nothing is left"


def test_a_surface_goes_on_where_it_was_left_and_begins_anew_for_other_ends(
    tiny: SimpleNamespace, log: Log, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal, "FLUSH", 0.0)
    session = opened(log, "steps=9&batch=4&eval=1000&opt=mezo:n=2,lr=0.05&opt=adam:lr=0.02")
    while session.runs[1].made < 3:
        session.advance()
    while len(messages(session, "surface")) < 5:
        session.survey()
    session.close()
    new = surveyed(again(session))
    cells = [tuple(cell[:2]) for message in messages(new, "surface") for cell in message["cells"]]
    assert len(cells) == len(set(cells)) == 17 * 17
    assert len(messages(new, "plane")) == 1
    surveyed(finished(new))
    assert [[run["steps"][-1] for run in plane["runs"]] for plane in messages(new, "plane")] == [[2, 3], [9, 9]]
    assert sum(len(message["cells"]) for message in messages(new, "surface")) == 2 * 17 * 17


def test_whoever_has_spent_least_is_next(tiny: SimpleNamespace, log: Log):
    spent = {0: 0, 1: 0, 2: 0}

    def listen(message: dict[str, Any]) -> None:
        if message["type"] == "steps":
            run, passes = message["run"], message["rows"][-1][1]
            assert spent[run] == min(
                spent[other.index] for other in session.runs if other.index == run or not other.over
            )
            spent[run] = passes

    session = Session(log.create_job(THREE), parse(THREE), log, listen)
    session.open()
    finished(session)
    assert list(spent.values()) == [60, 60, 60]


def test_runs_share_minibatches_and_directions_and_start(tiny: SimpleNamespace, log: Log):
    session = finished(opened(log, "steps=5&batch=4&opt=mezo:n=2,lr=0.01&opt=mezo:n=2,lr=0.01&opt=hizoo:n=2,lr=0"))
    rows = [log.steps(session.job, run) for run in range(3)]
    assert [row.scalars for row in rows[0]] == [row.scalars for row in rows[1]]
    assert rows[0][0].scalars == pytest.approx(rows[2][0].scalars[:2], abs=1e-7)


def test_every_step_can_be_rebuilt_from_the_log_alone(tiny: SimpleNamespace, log: Log):
    more = "&opt=hizoo_l:n=2,lr=0.05&opt=hizoo:n=2,pool=row,estimator=multiplicative,lr=0.05"
    session = opened(log, THREE + more + "&opt=hizoo:n=1,estimator=reliable,alpha=0.1,lr=1e-3")
    live: dict[tuple[int, int], dict[str, torch.Tensor]] = {}
    while session.advance():
        for run in session.runs:
            if run.trainer:
                live[run.index, run.made] = theta(run)
    session.close()
    new = again(session)
    before = tiny.losses
    for (run, step), weights in reversed(live.items()):
        assert apart(new.weights(run, step).tensors, weights) < 1e-6
        if new.runs[run].method.zeroth_order:
            assert tiny.losses == before, "no loss is evaluated"
        before = tiny.losses
    told = messages(session, "hessian", 5)[-1]
    assert all(0.0 <= known <= 1.0 for known in told["reliability"])
    assert len(told["reliability"]) == len(told["quantiles"])
    assert "reliability" not in messages(session, "hessian", 0)[-1]
    drawn = messages(session, "evaluation", 0)[-2], messages(session, "hessian", 0)[-2]
    rebuilt = new.at(0, drawn[0]["step"])
    assert rebuilt["evaluation"]["loss"] == pytest.approx(drawn[0]["loss"], rel=1e-5)
    assert rebuilt["evaluation"]["seconds"] == drawn[0]["seconds"]
    for ours, theirs in zip(rebuilt["hessian"]["quantiles"], drawn[1]["quantiles"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert new.at(2, 3)["hessian"] is None


@pytest.mark.parametrize("cut", [1, 9, 30, 58, 90])
def test_a_killed_job_goes_on_where_its_log_ends(tiny: SimpleNamespace, log: Log, cut: int):
    whole = finished(opened(log, THREE))
    session = opened(log, THREE)
    for _ in range(cut):
        session.advance()
    if cut % 2:
        session.flush()
    stored = [log.steps(session.job, run) for run in range(3)]
    new = finished(again(session))
    for index, run in enumerate(new.runs):
        expected, rows = log.steps(whole.job, index), log.steps(new.job, index)
        assert rows[: len(stored[index])] == stored[index], "what was stored is as it was"
        assert [row.step for row in rows] == [row.step for row in expected]
        assert [row.loss for row in rows] == pytest.approx([row.loss for row in expected], abs=5e-4)
        assert apart(theta(run), theta(whole.runs[index])) < 1e-5
        for kind in ("evaluation", "hessian"):
            steps = [message["step"] for message in messages(new, kind, index)]
            assert steps == [message["step"] for message in messages(whole, kind, index)], "each once"
        drawn = [row[0] for message in messages(new, "steps", index) for row in message["rows"]]
        assert drawn == [row.step for row in rows], "each once"
    assert len(messages(new, "plan")) == len(messages(new, "memory")) == 1


def test_resuming_repeats_no_forward_passes(tiny: SimpleNamespace, log: Log):
    session = opened(log, "steps=10&eval=1000&batch=4&opt=hizoo:n=2&opt=mezo:n=2")
    while session.runs[1].made < 7:
        session.advance()
    session.close()
    new = again(session)
    tiny.losses = 0
    while not all(run.made == len(run.rows) > 0 for run in new.runs):
        new.advance()
    assert tiny.losses == 0


def test_an_automatic_rate_goes_on_where_its_log_ends(tiny: SimpleNamespace, log: Log):
    spec = "steps=14&eval=1000&batch=8&opt=mezo:n=2,lr=auto&opt=hizoo:n=2,lr=auto,pool=tensor"
    whole, cut = finished(opened(log, spec)), opened(log, spec)
    for _ in range(17):
        cut.advance()
    new = finished(again(cut))
    for index, run in enumerate(new.runs):
        assert log.steps(new.job, index)[-1].lr == log.steps(whole.job, index)[-1].lr > 0
        assert torch.equal(theta(run)["lm_head.weight"], theta(whole.runs[index])["lm_head.weight"])
        assert [message["step"] for message in messages(new, "rate", index)] == list(range(1, 15))
    assert finetune_table.table(log, new.job)["lr"][14].as_py() == log.steps(new.job, 0)[-1].lr


def test_changes_by_hand_are_recorded_and_survive(tiny: SimpleNamespace, log: Log):
    spec = "steps=8&batch=4&opt=hizoo:n=2,lr=0.05,alpha=0.01,schedule=cosine&opt=adam:lr=0.02,schedule=constant"
    session = opened(log, spec)
    while session.runs[1].made < 4:
        session.advance()
    made = [len(run.rows) for run in session.runs]
    session.set(0, lr=0.01, alpha=0.5)
    session.set(0, lr=0.02)
    session.set(1, lr=0.001)
    for run, lr, alpha in ((0, 0.01, 7.0), (1, 0.01, 0.5)):
        with pytest.raises((HyperparameterError, SessionError), match=r"alpha|α"):
            session.set(run, lr=lr, alpha=alpha)
    new = finished(again(session))
    assert [(m["run"], m["step"], m["lr"], m["alpha"]) for m in messages(new, "setting")] == [
        (0, made[0], 0.01, 0.5), (0, made[0], 0.02, 0.5), (1, made[1], 0.001, None),
    ]  # fmt: skip
    hizoo, adam = log.steps(new.job, 0), log.steps(new.job, 1)
    assert {row.alpha for row in hizoo[: made[0]]} == {0.01}
    assert {row.alpha for row in hizoo[made[0] :]} == {0.5}
    assert hizoo[made[0]].lr < 0.02
    assert [row.lr for row in adam] == [0.02] * made[1] + [0.001] * (8 - made[1])
    assert apart(again(new).weights(1, 8).tensors, theta(new.runs[1])) < 1e-6, "Adam's too"


def test_a_run_that_diverges_stops_alone_and_keeps_its_last_good_step(tiny: SimpleNamespace, log: Log, monkeypatch):
    session = opened(log, "steps=9&batch=4&opt=mezo:n=1,lr=0.01&opt=mezo:n=1,lr=0.01")
    loss, made = metrics.loss, 5

    def fails(module, *rest):
        sick = session.runs[0].made == made and module is session.runs[0].tuned.module
        return loss(module, *rest) * (float("nan") if sick else 1.0)

    monkeypatch.setattr(metrics, "loss", fails)
    finished(session)
    assert len(log.steps(session.job, 0)) == made
    assert len(log.steps(session.job, 1)) == 9
    (status,) = (message for message in messages(session, "status") if message["run"] == 0)
    assert f"diverged at step {made + 1}" in status["message"]
    assert f"Step {made} is its last good one" in status["message"]
    assert "the other runs go on" in status["message"]
    assert messages(session, "evaluation", 0)[-1]["step"] == made
    assert set(again(session).weights(0, made).tensors) == set(theta(session.runs[0]))
    steps = [len(log.steps(session.job, run)) for run in range(2)]
    finished(again(session))
    assert [len(log.steps(session.job, run)) for run in range(2)] == steps, "it stays ended"


def test_a_full_disk_pauses_the_training_and_loses_nothing(tiny: SimpleNamespace, log: Log, monkeypatch):
    monkeypatch.setattr(journal, "FLUSH", 0.0)
    session = opened(log, "steps=12&eval=1000&batch=4&opt=mezo:n=1")
    append = log.append

    def full(*_, **__):
        raise LogFull("the disk is full")

    while session.runs[0].made < 4:
        session.advance()
    log.append = full
    for _ in range(3):
        with pytest.raises(LogFull):
            session.advance()
    assert session.runs[0].made == 4
    log.append = append
    finished(session)
    assert [row.step for row in log.steps(session.job, 0)] == list(range(1, 13))


@pytest.mark.parametrize(
    "error", [RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), MemoryError()]
)
def test_out_of_memory_says_what_would_fit(tiny: SimpleNamespace, log: Log, monkeypatch, error: Exception):
    session = opened(log, THREE)
    while session.runs[0].made < 2:
        session.advance()

    def fail(*_):
        raise error

    monkeypatch.setattr(metrics, "loss", fail)
    with pytest.raises(
        SessionError, match=r"out of memory while training \(steps .* hizoo 2.* batch=2 in place of 4.*tune=layernorm"
    ) as said:
        finished(session)
    assert said.value.field == "memory"
    session.close()
    assert len(log.steps(session.job, 0)) == 2


def test_the_true_diagonal_is_estimated_now_and_then_and_when_asked(tiny: SimpleNamespace, log: Log):
    session = finished(opened(log, THREE.replace("truth=0", "truth=2")))
    truths = messages(session, "truth")
    evaluated = [message["step"] for message in messages(session, "evaluation", 0)]
    assert [(message["run"], message["step"]) for message in truths] == [(0, step) for step in evaluated[::2]]
    assert len(truths[0]["groups"]) == len(messages(session, "plan")[0]["groups"])
    assert "8 probes ≈" in truths[0]["cost"]
    session.estimate_truth(2)
    assert messages(session, "truth")[-1]["step"] == 20
    again(session).estimate_truth(1)
    assert [message["step"] for message in messages(session, "truth", 1)] == [15]


def test_snapshots_stay_within_their_budget(tiny: SimpleNamespace, log: Log, monkeypatch):
    monkeypatch.setattr(limits, "SNAPSHOTS", 12_000)
    session = finished(opened(log, THREE.replace("eval=20", "eval=5")))
    assert 3 <= len(session._repetitions.at(0).replay._kept) < 20
    assert session._repetitions.at(0).replay.kept_bytes() <= 12_000
    assert len(messages(surveyed(session), "plane")[0]["runs"][0]["points"]) == 13


def test_a_big_models_start_is_loaded_again_when_needed(tiny: SimpleNamespace, log: Log, monkeypatch):
    monkeypatch.setattr(limits, "KEPT", 100)
    session = finished(opened(log, "steps=6&batch=4&truth=0&opt=mezo:n=2,lr=0.05&opt=hizoo:n=2"))
    assert {message["distance"] for message in messages(session, "evaluation")} == {None}
    assert messages(session, "evaluation", 0)[-1]["position"] != [0, 0]
    assert "θ₀, which is not kept beyond 100" in messages(surveyed(session), "plane")[0]["note"]
    assert messages(session, "surface") == []
    session._repetitions.at(0).replay._kept.clear()
    loads = tiny.loads
    expected = [finetune_weights for finetune_weights in (session.at(0, 3), session.at(1, 2), session.at(0, 3))]
    assert expected[0] == expected[2]
    assert tiny.loads > loads


@pytest.mark.parametrize(
    ("opt", "note"), [("mezo:n=2,lr=0.05", "farthest point"), ("mezo:n=2,lr=0", "no run has moved")]
)
def test_one_run_has_a_plane_of_its_own(tiny: SimpleNamespace, log: Log, opt: str, note: str):
    session = surveyed(finished(opened(log, f"steps=6&batch=4&opt={opt}")))
    (plane,) = messages(session, "plane")
    assert note in plane["note"]
    assert bool(messages(session, "surface")) == bool(plane["runs"])
    if plane["runs"]:
        (run,) = plane["runs"]
        distances = [message["distance"] for message in messages(session, "evaluation", 0)]
        assert run["points"][-1] == pytest.approx([distances[-1], 0], abs=1e-5), "the x axis leads to the end"
        assert all(x**2 + y**2 <= d**2 * 1.001 + 1e-9 for (x, y), d in zip(run["points"], distances, strict=True))


def test_a_single_step_is_straight(tiny: SimpleNamespace, log: Log):
    session = surveyed(finished(opened(log, "steps=1&batch=4&opt=mezo:n=2,lr=0.05")))
    assert "random direction" in messages(session, "plane")[0]["note"]


def test_what_cannot_be_asked_is_said(tiny: SimpleNamespace, log: Log):
    session = opened(log, "steps=3&batch=4&opt=mezo:n=2")
    for run, step, words in ((1, 0, "run = 1: must be 0 to 0"), (0, 1, "step = 1: must be 0 to 0")):
        with pytest.raises(SessionError, match=words):
            session.at(run, step)
    assert session.at(0, 0)["evaluation"]["distance"] == 0


def test_an_uploaded_table_is_found_in_the_log(tiny: SimpleNamespace, log: Log):
    id = log.save_upload("my.csv", b"text,label\n")
    opened(log, f"task=table&data=upload:{id}&steps=1&opt=mezo")
    assert tiny.data == b"text,label\n"
    opened(log, "task=table&data=my.csv&steps=1&opt=mezo")
    assert tiny.data == "my.csv"
    opened(log, "steps=1&opt=mezo")
    assert tiny.data is None


def test_the_table_of_a_job(tiny: SimpleNamespace, log: Log):
    session = finished(opened(log, THREE))
    rows = finetune_table.table(log, session.job)
    assert rows.column_names == ["optimizer", *finetune_table.COLUMNS]
    assert rows.num_rows == 13 + 16 + 21
    text = finetune_table.csv_bytes(rows).decode().splitlines()
    assert text[0] == "optimizer," + ",".join(finetune_table.COLUMNS)
    assert text[1].startswith("hizoo,0,0,0,,")
    cells = dict(zip(text[0].split(","), text[5].split(","), strict=True))
    assert (cells["step"], cells["forwards"]) == ("4", "20")
    assert all(cells[name] for name in ("train_loss", "val_loss", "val_accuracy", "slope", "curvature", "p_q50"))
    assert text[2].endswith(",,,"), "not evaluated"
    assert json.loads(finetune_table.to_json(rows))["step"][0] == 0
    lines = finetune_table.summary(log, session.job)
    assert lines[0].startswith("hizoo  held-out loss")
    assert lines[0].endswith("finished")
    one = finished(opened(log, "steps=2&batch=4&opt=mezo"))
    assert finetune_table.table(log, one.job).column_names == list(finetune_table.COLUMNS)


def test_copies_share_what_is_not_tuned():
    module = Tiny()
    for name, p in module.named_parameters():
        p.requires_grad_(name.startswith("lm_head"))
    tuned = SimpleNamespace(module=module, parameters={n: p for n, p in module.named_parameters() if p.requires_grad})
    twin = replay.twin(tuned)
    assert twin.module.embed_tokens.weight is module.embed_tokens.weight
    assert twin.module.lm_head.weight is not module.lm_head.weight
    assert twin.parameters["lm_head.weight"] is twin.module.lm_head.weight
    assert copy.deepcopy(module).embed_tokens.weight is not module.embed_tokens.weight


@pytest.mark.parametrize("tune", ["full", "lora&rank=2", "prefix&prefix=2", "layernorm"])
def test_the_bundled_model_is_rebuilt_as_it_was(log: Log, tune: str):
    spec = f"steps=2&batch=4&truth=0&held_out=8&tune={tune}&opt=hizoo:n=1,lr=0.01&opt=adam"
    session = opened(log, spec)
    while not all(run.over for run in session.runs):
        session.advance()
    session.close()
    new = again(session)
    new.advance()
    live = opened(log, spec)
    while not all(run.over for run in live.runs):
        live.advance()
    for run in range(2):
        assert apart(new.weights(run, 2).tensors, theta(live.runs[run])) < 1e-5
        assert apart(new.weights(run, 0).tensors, theta(live.runs[run])) > 0
