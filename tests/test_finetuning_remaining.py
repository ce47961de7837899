"""How long a job still takes, from its forecast and from what has been done; and what a worker says and notes of it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.test_finetuning_worker import spec, work
from viz_app.finetuning import forecast, remaining
from viz_app.finetuning import spec as specs
from viz_app.finetuning.run import Run
from viz_app.finetuning.store import Log


@pytest.fixture
def log(tmp_path: Path):
    log = Log(tmp_path)
    yield log
    log.close()


def running(steps: int, made: int, seconds: float, evaluated: int = 1) -> Run:
    run = Run(0, "mezo", specs.parse("opt=mezo").opts[0], steps, 2)
    run.rows = [SimpleNamespace(seconds=seconds)] * made  # pyright: ignore[reportAttributeAccessIssue]
    run.trainer = SimpleNamespace(step=made)  # pyright: ignore[reportAttributeAccessIssue]
    run.evaluated = dict.fromkeys(range(evaluated), 0.5)
    return run


def test_what_is_left_is_corrected_by_what_was_done(monkeypatch):
    """Two runs of 100 s and 50 s, 10 evaluations each of 1 s, and a table of memory of 4 s."""
    made = forecast.Forecast(3.0, (100.0, 50.0), (1.0, 1.0), (0.0, 0.0), (10, 10), 0, 4.0, 0, False)
    clock = [0.0]
    monkeypatch.setattr(remaining.time, "monotonic", lambda: clock[0])

    def left(first: tuple[int, float], second: tuple[int, float], evaluated: int, spent: float) -> float:
        runs = [running(10, 0, 0.0, 0), running(10, 0, 0.0, 0)]
        found = remaining.Remaining(made, runs)
        with found.timed():
            clock[0] += spent
        for run, now in zip(runs, (first, second), strict=True):
            vars(run).update(vars(running(10, *now, evaluated)))
        return found.seconds()

    assert left((0, 0), (0, 0), 0, 0) == 174
    assert left((5, 50), (5, 25), 5, 75 + 14) == pytest.approx(75 + 10), "as forecast"
    assert left((5, 150), (5, 75), 5, 225 + 14) == pytest.approx(225 + 10), "steps take three times as long"
    assert left((5, 50), (5, 25), 5, 75 + 42) == pytest.approx(75 + 30), "evaluations do"
    assert left((5, 100), (0, 0), 5, 100 + 14) == pytest.approx(100 + 100 + 10), "the second by the first's pace"
    assert left((10, 100), (10, 50), 10, 200) == 0


def test_what_an_earlier_session_did_says_nothing_about_the_pace(monkeypatch):
    made = forecast.Forecast(3.0, (100.0,), (1.0,), (0.0,), (10,), 0, 0.0, 0, False)
    run = running(10, 5, 500.0, 5)
    found = remaining.Remaining(made, [run])
    assert found.seconds() == pytest.approx(50 + 5)
    clock = iter([0.0, 1000.0, 1011.0])
    monkeypatch.setattr(remaining.time, "monotonic", lambda: next(clock))
    run.trainer = None
    with found.timed():  # makes the five steps again
        pass
    vars(run).update(vars(running(10, 6, 510.0, 6)))
    with found.timed():
        pass
    assert found.seconds() == pytest.approx(4 * 10 + 4)
    run.ended = True
    assert found.seconds() == 0, "it has diverged"


def test_it_says_how_long_a_job_still_takes(log: Log):
    job = log.create_job(spec(3, opts="opt=mezo"), "cpu")
    said = [report["left"] for report in work(log) if report.get("doing") == "training" and report["job"] == job]
    assert said == ["about 5 min left", "about 3 min left", "about 100 s left", "about 1 s left"]


def test_the_pace_of_a_job_that_ran_through_is_noted(log: Log):
    job = log.create_job(spec(), "cpu")
    text = log.job(job).spec
    before = forecast.estimate(specs.parse(text), log.notes())
    work(log)
    after = forecast.estimate(specs.parse(text), log.notes())
    assert (before["measured"], after["measured"]) == (False, True)
    assert "(estimate)" in before["sentence"]
    assert "(estimate)" not in after["sentence"]
    assert after["seconds"] < 1 < before["seconds"]
