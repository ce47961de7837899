"""Several seeds in a job: each is what a job of that seed alone would be."""

import math
from pathlib import Path

import pytest
from tiny_session import again, apart, finished, messages, opened, surveyed

from viz_app.finetuning import architecture, comparison, costs, forecast
from viz_app.finetuning import table as tables
from viz_app.finetuning.lengths import Lengths
from viz_app.finetuning.session import Session
from viz_app.finetuning.spec import parse
from viz_app.finetuning.store import Log
from viz_app.spec.text import SpecError

SHORT = "held_out=24&forwards=9&batch=4&eval=6&truth=0&opt=mezo:n=1,lr=2e-3&opt=adam:lr=2e-3"


def drawn(session: Session, run: int) -> list[list[float]]:
    """A run's numbers, without its seconds."""
    return [[row.step, row.loss, row.length, *row.scalars] for row in session.log.steps(session.job, run)]


def alike(one: list[list[float]], other: list[list[float]]) -> bool:
    """Up to the rounding of float32 and of states kept in float16, which depends on what is computed at once."""
    pairs = zip(one, other, strict=True)
    return all(mine == pytest.approx(its, rel=3e-3, abs=1e-3) for mine, its in pairs)


@pytest.mark.parametrize("tune", ["layernorm", "lora", "top:1&train=20", "prefix&shots=4"])
def test_a_run_is_that_of_a_job_of_its_seed(tmp_path: Path, tune: str):
    together, alone = Log(tmp_path / "together"), Log(tmp_path / "alone")
    whole = finished(opened(together, f"{SHORT}&tune={tune}&seed=7&runs=2"))
    for repetition, seed in enumerate((7, 8)):
        one = finished(opened(alone, f"{SHORT}&tune={tune}&seed={seed}"))
        for optimizer in range(2):
            assert alike(drawn(whole, 2 * repetition + optimizer), drawn(one, optimizer))
            ours = messages(whole, "evaluation", 2 * repetition + optimizer)
            for mine, its in zip(ours, messages(one, "evaluation", optimizer), strict=True):
                assert mine["step"] == its["step"]
                assert alike(mine["probabilities"], its["probabilities"])
                assert alike([mine["position"]], [its["position"]])
        plan = messages(one, "plan")[0]
        told = messages(whole, "seed")[0] if repetition else messages(whole, "plan")[0]
        assert told["sentences"] == plan["sentences"]
        assert told["zero_shot"] == pytest.approx(plan["zero_shot"], rel=1e-5)
    assert not alike(drawn(whole, 0), drawn(whole, 2))


def test_every_seed_finds_learning_rates_of_its_own(tmp_path: Path):
    spec = "held_out=24&steps=3&batch=4&eval=999&truth=0&tune=layernorm&opt=mezo:n=8,lr=auto"
    together, alone = Log(tmp_path / "together"), Log(tmp_path / "alone")
    whole = finished(opened(together, f"{spec}&seed=7&runs=2"))
    rates = []
    for repetition, seed in enumerate((7, 8)):
        one = finished(opened(alone, f"{spec}&seed={seed}"))
        assert drawn(whole, repetition) == drawn(one, 0)
        told = messages(whole, "rate", repetition)
        assert [each | {"run": 0} for each in told] == messages(one, "rate", 0)
        rates.append([each["lr"] for each in told])
    assert any(rates[0])
    assert rates[0] != rates[1]


def test_a_text_is_read_once_for_all_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from functions.language_model.top_layers import TopLayers

    read: list[tuple[int, ...]] = []
    compute = TopLayers._compute
    monkeypatch.setattr(TopLayers, "_compute", lambda self, rows: (read.extend(rows), compute(self, rows))[1])
    data = "sentence\tlabel\n" + "".join(f"a film {i}\t{i % 2}\n" for i in range(60))
    (tmp_path / "t.tsv").write_text(data)
    spec = f"task=table&data={tmp_path / 't.tsv'}&text_column=sentence&train=20&tune=top:1&runs=3&{SHORT}"
    session = finished(opened(Log(tmp_path), spec))
    assert len(read) == len(set(read)) > 0
    assert all(len(session.log.steps(session.job, run)) for run in range(6))


def test_what_later_seeds_measure_counts_for_the_time_that_is_left(tmp_path: Path):
    session = opened(Log(tmp_path), f"{SHORT}&tune=layernorm&runs=2")
    while not any(run.evaluated for run in session.runs[2:]):
        session.advance()
    assert session._remaining is not None
    before = session._remaining._spent
    finished(session)
    assert session._remaining._spent > before


@pytest.mark.parametrize("cut", [4, 14, 30])
def test_a_killed_job_goes_on_in_its_seed(tmp_path: Path, cut: int):
    spec = f"{SHORT}&tune=layernorm&runs=3"
    log = Log(tmp_path)
    whole = finished(opened(log, spec))
    part = opened(log, spec)
    for _ in range(cut):
        part.advance()
    part.flush()
    rest = finished(again(part))
    assert [drawn(rest, run) for run in range(6)] == [drawn(whole, run) for run in range(6)]
    assert len(messages(rest, "seed")) == 2
    assert sum(message["type"] == "evaluation" for message in log.messages(rest.job)) == sum(
        message["type"] == "evaluation" for message in log.messages(whole.job)
    )


def test_any_step_of_any_seed_is_rebuilt(tmp_path: Path):
    session = finished(opened(Log(tmp_path), f"{SHORT}&tune=lora&runs=3"))
    assert session.trained()
    for run in (4, 0, 3):
        for message in messages(session, "evaluation", run):
            assert session.at(run, message["step"])["evaluation"]["loss"] == pytest.approx(message["loss"], abs=1e-5)
    assert apart(dict(session.weights(2, 0).tensors), dict(session.weights(4, 0).tensors)) > 0  # LoRA starts elsewhere
    surveyed(session)
    assert [path["run"] for path in messages(session, "plane")[-1]["runs"]] == [0, 1]


def test_the_table_has_a_row_per_run(tmp_path: Path):
    log = Log(tmp_path)
    session = finished(opened(log, f"{SHORT}&tune=layernorm&runs=3"))
    table = tables.table(log, session.job)
    assert table.column_names[:3] == ["optimizer", "run", "step"]
    rows = table.to_pylist()
    for index, label in enumerate(("mezo", "adam")):
        for run in range(3):
            own = [row for row in rows if (row["optimizer"], row["run"]) == (label, run)]
            assert [row["step"] for row in own] == list(range(len(own)))
            made = log.steps(session.job, 2 * run + index)
            assert [row["train_loss"] for row in own[1:]] == [step.loss for step in made]
    alone = finished(opened(log, f"{SHORT.split('&opt=adam')[0]}&tune=layernorm&runs=2"))
    assert tables.table(log, alone.job).column_names[:2] == ["run", "step"]


def test_a_summary_gives_median_and_band_and_compares(tmp_path: Path):
    log = Log(tmp_path)
    session = finished(opened(log, f"{SHORT}&tune=layernorm&runs=3"))
    mezo, adam, compared = tables.summary(log, session.job)
    finals = sorted(messages(session, "evaluation", run)[-1]["loss"] for run in (0, 2, 4))
    band = [0.8 * finals[0] + 0.2 * finals[1], finals[1], 0.2 * finals[1] + 0.8 * finals[2]]
    low, middle, high = (f"{value:.3f}" for value in band)
    assert f"→ {middle} ({low} to {high})" in mezo
    assert adam.startswith("adam")
    assert compared.startswith("MeZO against Adam, 3 seeds, 95 % intervals: accuracy ")
    assert [message["seeds"] for message in messages(session, "comparison")] == [3]


def test_students_interval_of_paired_differences():
    found = comparison.difference([0.02, 0.01, 0.03, 0.02])
    half = 3.182446 * math.sqrt(2 / 30000) / 2
    assert [found.mean, found.low, found.high] == pytest.approx([0.02, 0.02 - half, 0.02 + half], rel=1e-5)
    assert not found.is_tie
    assert comparison.difference([0.02, -0.01, 0.03, -0.02]).is_tie


def outcomes(values: dict[int, tuple[float, float]], diverged: tuple[int, ...] = ()) -> dict[int, comparison.Outcome]:
    return {run: comparison.Outcome(loss, accuracy, 256, run in diverged) for run, (loss, accuracy) in values.items()}


def sentence(values: list[tuple[float, float]], diverged: tuple[int, ...] = ()) -> str:
    spec = parse(f"opt=hizoo&opt=hizoo&runs={len(values) // 2}")
    found = outcomes(dict(enumerate(values)), diverged)
    (pair,) = comparison.message(spec, found, spec.runs)["pairs"]
    return pair["sentence"]


def test_one_text_more_in_every_seed_is_a_tie():
    said = sentence([(0.5, 0.75 + 1 / 256), (0.5, 0.75)] * 3)
    assert said.startswith("HiZOO against HiZOO 2, 3 seeds, 95 % intervals: accuracy a tie, +0.4 points")


def test_a_difference_larger_than_its_noise_is_none():
    said = sentence([(0.4, 0.85), (0.5, 0.75), (0.41, 0.84), (0.49, 0.76), (0.4, 0.86), (0.5, 0.75)])
    assert "accuracy higher, +9.7 points" in said
    assert "loss lower, −0.093" in said


def test_what_diverged_is_left_out_and_said():
    values = [(0.4, 0.85), (0.5, 0.75)] * 4
    assert "3 seeds" in sentence(values, diverged=(3,))
    assert sentence(values, diverged=(3,)).endswith("in which one of them diverged or ran out of memory: 1")
    assert "2 seeds are too few to compare" in sentence(values, diverged=(3, 4))


def test_costs_multiply():
    size = architecture.size("bundled")
    assert size is not None
    texts = Lengths((20,) * 500, (20,) * 100)
    one, four = (parse(f"model=x/y&task=sst2&train=100&tune=top:1&{SHORT}&runs={runs}") for runs in (1, 4))
    assert four.total_forwards == 4 * one.total_forwards
    assert four.count == 8
    single, several = (costs.Costs(spec, size, texts, "cpu", forecast.TYPICAL) for spec in (one, four))
    steps = one.steps_of(0) * 4
    assert single.cached() == 24 + steps
    assert several.cached() == 24 + 4 * steps
    assert several.beside() > single.beside()


def test_a_spec_with_seeds():
    spec = parse("runs=3&seed=5&opt=mezo&opt=adam")
    assert "&seed=5&runs=3&" in spec.query()
    assert parse(spec.query()) == spec
    assert [spec.label_of(run) for run in range(4)] == ["mezo", "adam", "mezo", "adam"]
    assert [spec.repetition_of(run) for run in range(6)] == [0, 0, 1, 1, 2, 2]
    assert "runs=" not in parse("runs=1").query()


@pytest.mark.parametrize("text", ["runs=0", "runs=17", "seed=4294967295&runs=2"])
def test_a_spec_with_wrong_seeds(text: str):
    with pytest.raises(SpecError):
        parse(text)
