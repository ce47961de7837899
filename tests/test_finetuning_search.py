"""Maps and searches of a language-model job: what their cells are, what is not computed twice, and what they report."""

# ruff: noqa: F401, F811
import csv
import gc
import itertools
import json
import math
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from functions.language_model import model as models
from tests.test_finetuning_session import log, one_thread, tiny
from tests.tiny_session import finished, tiny_model
from viz_app import cli
from viz_app.finetuning import limits, search_routes
from viz_app.finetuning import search_results as results
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.search_plan import of_search
from viz_app.finetuning.search_spec import is_of_a_model, is_search, parse
from viz_app.finetuning.searching import Searching, SessionError
from viz_app.finetuning.session import Session
from viz_app.finetuning.states import job_spec
from viz_app.finetuning.store import Log, LogError
from viz_app.finetuning.worker import Worker
from viz_app.spec.text import SpecError

JOB = "forwards=60&batch=4&eval=20&device=cpu&opt=hizoo:n=2,lr=0.05,alpha=0.01"
MAP = f"{JOB}&x=alpha=0.01,0.1&y=n=1,2"


def begun(log: Log, text: str) -> Searching:
    spec = parse(text)
    session = Searching(log.create_job(spec.query(), "cpu"), spec, log)
    session.open()
    return session


def computed(log: Log, text: str) -> tuple[Searching, results.Cells]:
    session = begun(log, text)
    while session.advance():
        pass
    return session, results.own_cells(log, session.job)


# The spec


def test_the_canonical_text_reads_back_as_the_same_search():
    for text in (MAP, f"{JOB}&seeds=3", f"{JOB}&over=lr,n&trials=9", "model=bundled&opt=adam", "batch=4&opt=mezo"):
        spec = parse(text)
        assert parse(spec.query()) == spec
        assert is_search(spec.query())
        assert not is_search(spec.base.query())
    assert [axis.values for axis in (parse(MAP).x, parse(MAP).y)] == [(0.01, 0.1), (1, 2)]
    assert parse("batch=4&forwards=12&opt=mezo:n=1").y.values == (1, 2, 4), "of n what the budget pays"
    assert parse(f"{JOB}&trials=9").over == ("alpha", "n"), "a search varies what the map beside it varies"


@pytest.mark.parametrize("text", ["", "&over=n,lr&trials=4"])
def test_an_estimator_that_needs_two_directions_has_axes_and_trials_without_one(text: str):
    spec = parse(f"batch=4&forwards=60&opt=hizoo:n=4,estimator=multiplicative{text}")
    assert spec.y.values == (2, 4, 8)
    plan = of_search(spec, {}, [], lambda found: None) if spec.over else iter(())
    assert [job.opts[0].directions for job in itertools.islice(plan, 1)] == [4] * bool(text)


def test_a_model_is_told_from_a_function_by_its_keys():
    assert is_of_a_model("task=reviews&opt=mezo")
    assert is_of_a_model("tune=top:2&opt=mezo")
    assert not is_of_a_model("f=booth&opt=mezo")
    assert not is_of_a_model("opt=hizoo&seed=1&forwards=300&x=alpha=0.1,1")
    assert not is_of_a_model("opt=hizoo&runs=20"), "a key of both"
    assert is_of_a_model("tune=layernorm&runs=3")
    assert not is_of_a_model("f=booth&batch=3"), "the function's reader says that batch is no key"


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("batch=4&steps=9&opt=mezo", "steps", "A map has no steps of its own, they differ from cell to cell"),
        ("batch=4&opt=mezo&opt=adam", "opt", "A map is of one optimizer, not of 2 optimizers"),
        (f"{JOB}&y=alpha=0.1,0.2", "y", "Up must be another hyperparameter than Across"),
        (f"{JOB}&x=beta=0,0.9", "x", "changes nothing here: it is used by estimator=multiplicative alone"),
        (f"{JOB}&y=n=1,64", "forwards", "Budget must be at least 129, which one step of hizoo takes"),
        (f"{JOB}&x=alpha=1e-4:1:21&y=mu=1e-4:1:21", "x", "A map has up to 400 cells, not 21 × 21 = 441"),
        (f"{JOB}&y=lr=auto,0.1", "y", "must be a number from 0 to 1,000,000, not “auto”"),
        (f"{JOB}&over=rate", "over", "There is no hyperparameter “rate”."),
        (f"{JOB}&seeds=2&runs=3", "seeds", "Seeds are given twice: seeds=2 and runs=3"),
        (f"{JOB}&seeds=99", "seeds", "Seeds must be a whole number from 1 to 16"),
    ],
)
def test_what_is_wrong_with_a_search_is_said(text: str, field: str, message: str):
    with pytest.raises(SpecError) as raised:
        parse(text)
    assert [error["field"] for error in raised.value.errors] == [field]
    assert message in raised.value.errors[0]["message"]


def test_the_usual_axis_gives_way_to_the_one_that_is_given():
    spec = parse("batch=4&opt=hizoo&x=n=1,2")
    assert (spec.x.name, spec.y.name) == ("n", "alpha")


# Cells


@pytest.mark.parametrize("lr", ["0.05", "auto"])
def test_a_cell_is_the_job_that_it_stands_for(tiny: SimpleNamespace, log: Log, lr: str):
    map_ = MAP.replace("lr=0.05", f"lr={lr}")
    search, cells = computed(log, f"{map_}&seeds=2")
    assert tiny.loads == 1, "the model is loaded once for all cells"
    assert len(cells) == 8
    for text in list(cells)[:1] + list(cells)[-1:]:
        cell = cells[text]
        spec = parse(map_).job(type(search.spec.opt.hyperparameters)(**cell["values"]), cell["seed"])
        assert spec.query() == text
        job = Session(log.create_job(text, "cpu"), spec, log)
        job.open()
        finished(job)
        evaluations = [m for m in log.messages(job.job) if m["type"] == "evaluation"]
        assert cell["curve"] == [[m["forwards"], m["loss"], m["accuracy"]] for m in evaluations]
        assert (cell["loss"], cell["accuracy"]) == (evaluations[-1]["loss"], evaluations[-1]["accuracy"])
        assert cell["forwards"] == spec.steps_of(0) * spec.forwards_per_step(0) <= 60


@pytest.mark.parametrize("tune", ["full", "lora&top=1"])
def test_a_large_model_is_in_memory_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tune: str):
    """θ_0 of one that is not kept is loaded again for every cell, and every seed of an adapter."""
    alive, before, load = weakref.WeakSet(), [], models.load

    def counted(*arguments):
        gc.collect()
        before.append(len(alive))
        model = load(*arguments)
        alive.add(model.module)
        return model

    monkeypatch.setattr(models, "load", counted)
    search = f"tune={tune}&train=8&held_out=8&batch=4&forwards=4&seeds=2&opt=mezo:n=1&x=lr=1e-4,1e-3&y=n=1"
    session, cells = computed(Log(tmp_path / "kept"), search)
    session.close()
    before.clear()
    monkeypatch.setattr(limits, "KEPT", 0)
    again = [cell["loss"] for cell in computed(Log(tmp_path / "again"), search)[1].values()]
    assert again == [cell["loss"] for cell in cells.values()]
    assert len(before) >= 4
    assert not any(before), "there may be no room for two"


def test_what_was_interrupted_goes_on_and_nothing_is_computed_twice(tiny: SimpleNamespace, log: Log):
    whole, expected = computed(log, f"{MAP}&batch=5".replace("batch=4&", ""))
    losses, tiny.losses = tiny.losses, 0
    text = whole.spec.query().replace("eval=20", "eval=30")  # another spec: nothing of the first may be taken over
    cut = begun(log, text)
    while len(cut.cells) < 2:
        cut.advance()
    for _ in range(4):
        cut.advance()  # into the third, which is begun again
    cut.flush()
    begun_again = tiny.losses
    again = Searching(cut.job, cut.spec, log)
    again.open()
    while again.advance():
        pass
    cells = results.own_cells(log, cut.job)
    assert [cell["loss"] for cell in cells.values()] == [cell["loss"] for cell in expected.values()]
    assert not any("from" in cell for cell in cells.values())
    assert tiny.losses < losses + begun_again
    assert again.trained()


def test_cells_of_other_maps_are_taken_over_unless_they_are_of_another_job_or_model(
    tiny: SimpleNamespace,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
):
    first, cells = computed(log, MAP)
    tiny.losses = 0
    _, wider = computed(log, MAP.replace("n=1,2", "n=1,2,4"))
    assert sum(cell.get("from") == first.job for cell in wider.values()) == 4
    assert len(wider) == 6
    assert {text: wider[text]["loss"] for text in cells} == {text: cell["loss"] for text, cell in cells.items()}
    _, other = computed(log, MAP.replace("batch=4", "batch=6"))
    assert not any("from" in cell for cell in other.values())

    def changed(*_, **__):
        model = tiny_model()
        with torch.no_grad():
            model.module.lm_head.weight.add_(0.1)
        return model

    monkeypatch.setattr(models, "load", changed)
    _, of_another = computed(log, MAP.replace("n=1,2", "n=2,4"))
    assert not any("from" in cell for cell in of_another.values())
    with pytest.raises(SessionError, match="the model's weights are not those that it started from"):
        Searching(first.job, first.spec, log).open()


def test_a_hopeless_cell_is_stopped_early_and_never_the_best(tiny: SimpleNamespace, log: Log):
    search, cells = computed(
        log, "forwards=80&batch=4&eval=8&seeds=2&device=cpu&opt=mezo:n=1,lr=0.05&x=lr=0.05,30,1e6&y=mu=1e-3,1e-2"
    )
    rows = results.table(search.spec, cells).to_pylist()
    good, hopeless, infinite = rows[:3]
    assert (good["stopped"], good["seeds"], good["forwards"]) == (None, 2, 80)
    assert "more than 1.5 times" in hopeless["stopped"]
    assert hopeless["final_loss"] is hopeless["final_accuracy"] is None
    assert 20 <= hopeless["forwards"] < 80
    assert hopeless["seeds"] == 1, "its other seed is left out"
    assert infinite["stopped"]
    assert results.summary(search.spec, cells).startswith("best of 6 cells: lr=0.05, mu=")
    only = [cell for cell in cells.values() if cell["stopped"]]
    assert all(results.measure(search.spec.base, cell) == math.inf for cell in only)


def test_a_map_for_1_minus_accuracy_is_judged_by_that(tiny: SimpleNamespace, log: Log):
    search, cells = computed(
        log, "loss=accuracy&forwards=40&batch=8&device=cpu&opt=mezo:n=2,mu=0.1&x=lr=1e-3,1e-2&y=n=2"
    )
    row = results.table(search.spec, cells).to_pylist()[0]
    assert row["final_loss"] == pytest.approx(1 - row["final_accuracy"])


# Searches


def test_a_search_begins_with_what_maps_know_and_is_never_worse(tiny: SimpleNamespace, log: Log):
    map_, cells = computed(log, f"{MAP}&seeds=2")
    text = f"{MAP}&seeds=2&over=alpha,n,lr&trials=4"
    search, own = computed(log, text)
    (found,) = (message for message in log.messages(search.job) if message["type"] == "found")
    assert (found["known"], found["made"]) == (4, 4)
    assert {text for text, cell in own.items() if "from" in cell} == set(cells)
    best = results.best(map_.spec, cells)
    assert best is not None
    assert found["loss"] <= best.loss
    made = results.setting(search.spec, own, type(search.spec.opt.hyperparameters)(**found["best"]))
    assert (found["loss"], len(made.cells)) == (made.loss, 2), "with the map's seeds and budget"
    assert found["sentence"].count("held-out loss") == (1 if found["same"] else 2)
    seeds = {cell["seed"] for cell in own.values()}
    assert seeds == {0, 1, 1000}, "what was found is looked at again on a seed that no trial has used"
    assert found["better"] == (found["on_another_seed"][0] < found["on_another_seed"][1])


def test_a_search_over_the_learning_rate_may_start_from_auto(tiny: SimpleNamespace, log: Log):
    search, cells = computed(log, f"{JOB.replace('lr=0.05', 'lr=auto')}&over=lr&trials=4")
    rates = [cell["values"]["lr"] for cell in cells.values() if not cell["seed"]]
    assert rates[0] == "auto"
    assert len({*rates[1:]}) == 3
    assert results.table(search.spec, cells)["lr"].to_pylist() == [None, *rates[1:]]


def test_an_interrupted_search_finds_the_same(tiny: SimpleNamespace, tmp_path: Path):
    text = f"{JOB}&over=lr,n&trials=5"
    with Log(tmp_path / "whole") as log:
        whole, cells = computed(log, text)
        (found,) = (message for message in log.messages(whole.job) if message["type"] == "found")
    assert found["made"] <= 6
    with Log(tmp_path / "cut") as log:
        cut = begun(log, text)
        while len(cut.cells) < 3:
            cut.advance()
        cut.flush()
        again = Searching(cut.job, cut.spec, log)
        again.open()
        while again.advance():
            pass
        assert list(results.own_cells(log, cut.job)) == list(cells)
        (same,) = (message for message in log.messages(cut.job) if message["type"] == "found")
    assert {**found, "seconds": 0} == {**same, "seconds": 0}


# The page, the worker and the shell


def test_the_page_is_told_what_a_map_means_and_a_second_start_goes_on_with_it(tmp_path: Path):
    desk = Desk(tmp_path)
    told = search_routes._described(desk, parse(MAP))
    assert (told["job"], told["x"]["values"], told["y"]["text"]) == (None, (0.01, 0.1), "1,2")
    assert told["sentence"].startswith("4 runs of 60 passes, about ")
    assert {each["name"] for each in told["usual"]} >= {"alpha", "n", "lr", "mu"}
    id = search_routes.created(desk, parse(MAP), "cpu")
    desk.log().change_state(id, "stopped")
    elsewhere = parse(MAP.replace("alpha=0.01&", "alpha=0.5&"))  # the job stands elsewhere on the same map
    assert search_routes.created(desk, elsewhere, "cpu") == id
    assert search_routes._described(desk, elsewhere)["job"] == id
    assert desk.log().job(id).state == "queued"
    assert search_routes.created(desk, parse(MAP.replace("batch=4", "batch=5")), "cpu") != id
    desk.close()


def test_a_worker_computes_maps_in_its_queue(tiny: SimpleNamespace, log: Log):
    id = log.create_job(parse(MAP).query(), "cpu")
    reports: list[dict] = []
    Worker(log, "cpu", lambda job, spec, log: Searching(job, spec, log), reports.append).run(0.1)  # type: ignore[arg-type]
    assert log.job(id).state == "finished"
    assert len(results.own_cells(log, id)) == 4
    assert any("left" in report for report in reports)
    with pytest.raises(LogError, match=f"run {id} is a map, not a single run: open one of its cells"):
        job_spec(log.job(id))


def test_a_map_that_was_stopped_goes_on_where_it_was(tiny: SimpleNamespace, log: Log):
    id = log.create_job(parse(MAP).query(), "cpu")

    class Stopping(Searching):
        def advance(self) -> bool:
            if len(self.cells) == 2 and not any(m["type"] == "status" and m["state"] == "stopped" for m in said(id)):
                self.log.post(id, {"command": "stop"})
            return super().advance()

    def said(job: int) -> list[dict]:
        return list(log.messages(job))

    def work() -> None:
        Worker(log, "cpu", lambda job, spec, log: Stopping(job, spec, log)).run(0.1)  # type: ignore[arg-type]

    work()
    assert log.job(id).state == "stopped"
    assert len(results.own_cells(log, id)) == 2
    log.change_state(id, "queued", device="cpu")
    work()
    assert log.job(id).state == "finished"
    assert len([m for m in said(id) if m["type"] == "cell"]) == 4, "each computed once"


def test_the_shell_writes_the_map_and_a_second_call_computes_nothing(
    tiny: SimpleNamespace,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
):
    command = ["map", JOB, "--x", "alpha=0.01,0.1", "--y", "n=1,2", "--data-dir", str(tmp_path / "data")]
    assert cli.main([*command, "--out", str(tmp_path / "map.csv")]) == 0
    said = capfd.readouterr().err
    assert "best of 4 cells: alpha=" in said
    rows = list(csv.DictReader((tmp_path / "map.csv").read_text().splitlines()))
    assert [(row["alpha"], row["n"], row["steps"]) for row in rows] == [
        ("0.01", "1", "20"), ("0.1", "1", "20"), ("0.01", "2", "12"), ("0.1", "2", "12"),
    ]  # fmt: skip
    losses = tiny.losses
    assert cli.main([*command, "--out", str(tmp_path / "map.json")]) == 0
    assert tiny.losses == losses
    cells = json.loads((tmp_path / "map.json").read_bytes())["cells"]
    assert [cell["final_loss"] for cell in cells] == [float(row["final_loss"]) for row in rows]
    assert cli.main(["finetune", "--resume", "1", "--data-dir", str(tmp_path / "data")]) == 0
    assert cli.main(["tune", f"{JOB}&over=lr", "--trials", "2", "--data-dir", str(tmp_path / "data")]) == 0
    found = json.loads(capfd.readouterr().out.partition("{")[2].join(["{", ""]))
    assert (found["known"], found["searched"]) == (4, ["lr"])
    assert cli.main(["map", f"{JOB}&y=n=99", "--data-dir", str(tmp_path / "data")]) == 2
