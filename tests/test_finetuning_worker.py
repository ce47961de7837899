import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from functions.language_model import LanguageModelError, NoRoom
from tests import fake_session
from tests.fake_session import FakeSession, scalars
from viz_app.finetuning import spec as specs
from viz_app.finetuning import worker, worker_process
from viz_app.finetuning.liveness import Lock, device_lock
from viz_app.finetuning.store import Log, LogFull, StepRow
from viz_app.finetuning.worker import Worker

FAKE = Path(fake_session.__file__)


def spec(steps: int = 6, seed: int = 0, opts: str = "opt=mezo&opt=adam") -> str:
    return specs.parse(f"steps={steps}&seed={seed}&device=cpu&{opts}").query()


@pytest.fixture
def log(tmp_path: Path):
    log = Log(tmp_path)
    FakeSession.opened = []
    yield log
    log.close()


Ask = tuple[Callable[[], bool], int, dict]  # when, about which job, what


def work(log: Log, session=FakeSession, idle: float = 0.2, asks: Iterable[Ask] = ()) -> list[dict]:
    """Let a worker of this process do all there is to do; what it reported. Each of `asks` is asked once, in their
    order, from between two steps of the worker itself: no test races with it. Answers are the reports' "answer".
    """
    reports: list[dict] = []
    waiting, asked = list(asks), []

    def report(doing: dict) -> None:
        reports.append(doing)
        while waiting and waiting[0][0]():
            _, job, body = waiting.pop(0)
            asked.append(log.post(job, body))

    Worker(log, "cpu", session, report).run(idle)
    assert not waiting, "the time to ask came for all"
    return reports + [{"job": None, "answer": log.take_answer(id)} for id in asked]


def answers(reports: list[dict]) -> list[dict]:
    return [report["answer"] for report in reports if "answer" in report]


def states(log: Log) -> list[str]:
    return [job.state for job in reversed(log.jobs())]


def statuses(log: Log, job: int) -> list[tuple[str, str]]:
    return [(m["state"], m["message"]) for m in log.messages(job) if m["type"] == "status"]


def check_steps(log: Log, job: int, steps: int, runs: int = 2) -> None:
    """Every step once, with its own numbers, and a chunk's row for each."""
    for run in range(runs):
        rows = log.steps(job, run)
        assert [row.step for row in rows] == list(range(1, steps + 1))
        assert [row.scalars for row in rows] == [scalars(job, run, step) for step in range(1, steps + 1)]
        drawn = [row[0] for m in log.messages(job) if m["type"] == "steps" and m["run"] == run for row in m["rows"]]
        assert drawn == list(range(1, steps + 1))


def test_jobs_run_one_after_another_oldest_first(log: Log):
    first, second = log.create_job(spec(), "cpu"), log.create_job(spec(), "cpu")
    other = log.create_job(spec(), "cuda:0")
    work(log)
    assert FakeSession.opened == [first, second]
    assert states(log) == ["finished", "finished", "queued"]
    check_steps(log, first, 6)
    check_steps(log, second, 6)
    assert [state for state, _ in statuses(log, first)] == ["running", "finished"]
    assert not log.steps(other, 0)


def test_an_interrupted_job_goes_on_before_younger_ones(log: Log):
    job, younger = log.create_job(spec(), "cpu"), log.create_job(spec(), "cpu")
    row = StepRow(1, 2, 0.1, 1.0, 0.5, None, 0.1, 1e-3, None, scalars(job, 0, 1))
    log.append(job, [(0, row)])
    log.change_state(job, "running")
    work(log)
    assert FakeSession.opened == [job, younger]
    check_steps(log, job, 6)


def test_pause_resume_and_stop_between_steps(log: Log):
    job, waiting = log.create_job(spec(200), "cpu"), log.create_job(spec(), "cpu")
    made: list[int] = []

    def after(steps: int) -> bool:
        return len(log.steps(job, 0)) > steps

    def queue_is_done() -> bool:
        """The queue does not wait for a paused job."""
        if log.job(waiting).state != "finished":
            return False
        assert log.job(job).state == "paused"
        made.append(len(log.steps(job, 0)))
        return True

    paused, resumed, stopped, refused, again = answers(work(log, asks=[
        (lambda: after(5), job, {"command": "pause"}),
        (queue_is_done, job, {"command": "resume"}),
        (lambda: after(made[0] + 3), job, {"command": "stop"}),
        (lambda: log.job(job).state == "stopped", job, {"command": "pause"}),
        (lambda: True, job, {"command": "resume"}),
    ]))  # fmt: skip
    assert paused == resumed == stopped == again == {}
    assert refused["errors"][0]["message"] == f"run {job} is stopped: pause is for one that is queued or running"
    assert 5 < made[0] < 20, "paused at once"
    assert states(log) == ["finished", "finished"]
    check_steps(log, job, 200)


def test_the_surface_is_computed_when_asked_and_gives_way_to_the_next_job(log: Log):
    job = log.create_job(spec(), "cpu")
    work(log)
    assert not any(message["type"] == "surface" for message in log.messages(job))
    surface = log.post(job, {"command": "surface"})
    younger = log.create_job(spec(20), "cpu")
    early = log.post(younger, {"command": "surface"})
    order: list[tuple[int, str]] = []
    for report in work(log):
        if report["job"] is not None and (not order or order[-1] != (report["job"], report["doing"])):
            order.append((report["job"], report["doing"]))
    assert order == [
        (younger, "loading"),
        (younger, "training"),
        (job, "computing the loss surface"),
        (younger, "computing the loss surface"),
    ]
    assert log.take_answer(surface) == log.take_answer(early) == {}
    cells = [message["cells"][0][0] for message in log.messages(job) if message["type"] == "surface"]
    assert cells == [0, 1, 2]
    assert states(log) == ["finished", "finished"]


def test_a_surface_that_fails_is_answered_and_the_job_stays_finished(log: Log, capsys):
    class Failing(FakeSession):
        def survey(self) -> bool:
            raise MemoryError

    job = log.create_job(spec(), "cpu")
    work(log)
    command = log.post(job, {"command": "surface"})
    work(log, Failing)
    answer = log.take_answer(command)
    assert isinstance(answer, dict)
    assert answer["errors"] == [{"field": "memory", "message": "out of memory on cpu"}]
    assert log.job(job).state == "finished"


def test_a_real_job_that_was_stopped_is_resumed_from_its_log(log: Log):
    text = "tune=layernorm&steps=12&batch=4&eval=1000000&truth=0&device=cpu&opt=mezo:n=1,lr=1e-2"
    job = log.create_job(specs.parse(text).query(), "cpu")
    made: list[StepRow] = []
    reports = itertools.count()  # one before each step; the log has a step later, when several are written at once

    def is_stopped() -> bool:
        made[:] = log.steps(job, 0)
        return log.job(job).state == "stopped"

    stopped, resumed = answers(work(log, worker_process._session, asks=[
        (lambda: next(reports) >= 5, job, {"command": "stop"}),
        (is_stopped, job, {"command": "resume"}),
    ]))  # fmt: skip
    assert stopped == resumed == {}
    assert 3 <= len(made) < 12
    assert log.steps(job, 0)[: len(made)] == made
    assert [row.step for row in log.steps(job, 0)] == list(range(1, 13))
    assert [state for state, _ in statuses(log, job)][-4:] == ["stopped", "queued", "running", "finished"]


def test_set_and_truth_are_for_the_next_step(log: Log):
    job = log.create_job(spec(100), "cpu")
    told, estimated, refused = answers(work(log, asks=[
        (lambda: len(log.steps(job, 1)) > 3, job, {"command": "set", "run": 1, "lr": 0.5}),
        (lambda: True, job, {"command": "truth", "run": 0}),
        (lambda: True, job, {"command": "set", "run": 0, "lr": 0.125}),
    ]))  # fmt: skip
    assert told == estimated == {}
    assert refused == {"errors": [{"field": "lr", "message": "lr must be something else, not 0.125"}]}
    assert log.job(job).state == "finished", "a command that fails leaves the job alone"
    (setting,) = log.settings(job, 1)
    assert setting.lr == 0.5
    assert 3 < setting.step < 10
    assert any(message["type"] == "truth" for message in log.messages(job))


def test_steps_and_weights_of_a_finished_job(log: Log):
    job = log.create_job(spec(), "cpu")
    work(log)
    FakeSession.opened = []
    at, weights = log.post(job, {"command": "at", "run": 1, "step": 3}), log.post(job, {
        "command": "weights", "run": 0, "step": 6,
    })  # fmt: skip
    reports = work(log)
    assert log.take_answer(at) == {"evaluation": {"type": "evaluation", "run": 1, "step": 3}, "hessian": None}
    answer = log.take_answer(weights)
    assert isinstance(answer, dict)
    from safetensors import safe_open

    with safe_open(answer["file"], "pt") as file:
        assert file.get_tensor("weight").tolist() == [[6.0] * 3] * 2
        assert file.metadata()["spec"] == log.job(job).spec
        assert file.metadata()["step"] == "6"
    assert FakeSession.opened == [job], "opened once for both"
    assert {"job": job, "command": at, "doing": "rebuilding a step from the log"} in reports


def test_a_session_that_is_looked_at_does_not_close_the_one_in_training(log: Log):
    old = [log.create_job(spec(1), "cpu") for _ in range(3)]
    work(log)
    FakeSession.opened = []
    job = log.create_job(spec(150), "cpu")
    looked = answers(work(log, asks=[
        (lambda: len(log.steps(job, 0)) > 3, other, {"command": "at", "run": 0, "step": 1}) for other in [*old, *old]
    ]))  # fmt: skip
    assert all("evaluation" in answer for answer in looked)
    assert FakeSession.opened.count(job) == 1
    check_steps(log, job, 150)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            LanguageModelError("words", "the label word 'marvellous' is 2 tokens"),
            "the label word 'marvellous' is 2 tokens",
        ),
        (MemoryError(), "out of memory on cpu"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory on cpu"),
        (ZeroDivisionError("by nought"), "ZeroDivisionError: by nought"),
    ],
)
def test_a_job_that_fails_says_why_and_the_next_one_runs(log: Log, capsys, error: Exception, sentence: str):
    class Failing(FakeSession):
        def advance(self) -> bool:
            if self.job == 1 and len(self.rows[0]) == 2:
                raise error
            return super().advance()

    log.create_job(spec(), "cpu"), log.create_job(spec(), "cpu")
    work(log, Failing)
    assert states(log) == ["failed", "finished"]
    assert sentence in log.job(1).message
    assert statuses(log, 1)[-1] == ("failed", log.job(1).message)
    assert len(log.steps(1, 0)) == 2, "what was trained stays"
    assert type(error).__name__ in capsys.readouterr().err, "the traceback is in the worker's log"


def test_a_job_whose_spec_cannot_be_read_fails_in_words(log: Log):
    job = log.create_job("steps=2&opt=mezo:gamma=1", "cpu")
    at = log.post(job, {"command": "at", "run": 0, "step": 0})
    work(log)
    sentence = "run 1 was made by another version of HiZOO Lab: There is no hyperparameter “gamma”"
    assert log.job(job).state == "failed"
    assert log.job(job).message.startswith(sentence)
    answer = log.take_answer(at)
    assert isinstance(answer, dict)
    assert answer["errors"][0]["message"].startswith(sentence)


@pytest.mark.parametrize("error", [MemoryError(), NoRoom("model", "takes 2 GB, and cpu has 1 GB free")])
def test_memory_is_made_free_before_a_job_fails_for_want_of_it(log: Log, error: Exception):
    class Large(FakeSession):
        alive = 0

        def open(self, training: bool = True) -> None:
            if Large.alive:
                raise error
            Large.alive += 1
            super().open(training)

        def close(self) -> None:
            Large.alive -= 1
            super().close()

    log.create_job(spec(), "cpu"), log.create_job(spec(), "cpu")
    work(log, Large)
    assert states(log) == ["finished", "finished"]


def test_room_for_training_is_asked_for_where_it_is_needed(log: Log):
    rooms: list[bool] = []

    class Noted(FakeSession):
        def open(self, training: bool = True) -> None:
            rooms.append(training)
            super().open(training)

    job = log.create_job(spec(), "cpu")
    work(log, Noted)
    assert rooms == [True]
    for command in ({"command": "at", "run": 0, "step": 1}, {"command": "weights", "run": 0, "step": 1}):
        log.post(job, command)
    log.post(job, {"command": "truth", "run": 0})
    log.post(job, {"command": "at", "run": 0, "step": 2})
    work(log, Noted)
    assert rooms == [True, False, True], "one session looks, another estimates the diagonal and looks"


def test_a_full_disk_pauses_and_loses_nothing(log: Log, monkeypatch: pytest.MonkeyPatch):
    full = threading.Event()
    append = log.append

    def refusing(*arguments, **named):
        if full.is_set():
            raise LogFull("the disk is full: free some space")
        return append(*arguments, **named)

    class Holding(FakeSession):
        """Keeps a step that could not be stored, as the real one does."""

        held: ClassVar[list] = []

        def advance(self) -> bool:
            if len(self.rows[0]) == 3 and not self.held:
                self.held.append("a step")
                full.set()
                self.flush()
            return super().advance()

        def flush(self) -> None:
            if self.held == ["a step"]:
                log.append(self.job, messages=[{"type": "held"}])
                self.held[:] = ["stored"]

    monkeypatch.setattr(log, "append", refusing)
    monkeypatch.setattr(worker, "SPACE", 0.05)
    job = log.create_job(spec(), "cpu")
    reports: list[dict] = []
    thread = threading.Thread(target=Worker(log, "cpu", Holding, reports.append).run, args=(0.2,))
    thread.start()
    until(lambda: any("trouble" in report for report in reports))
    time.sleep(0.2)
    assert len(log.steps(job, 0)) == 3
    full.clear()
    thread.join(20)
    assert log.job(job).state == "finished"
    check_steps(log, job, 6)
    assert [message["type"] for message in log.messages(job)].count("held") == 1
    assert ("running", "there is space on the disk again: the training goes on") in statuses(log, job)


def test_a_lock_is_held_once_and_let_go(tmp_path: Path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


class Process:
    """A worker with the fake session, in a process of its own."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(FAKE), "--data", str(directory), "--device", "cpu"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(FAKE.parent.parent), **environment},
        )

    def end(self, expected: int) -> str:
        """Wait for its end; its standard error."""
        with self.process:
            _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == expected, errors
        return errors.decode()


@pytest.mark.parametrize("how", ["stdin", "SIGTERM"])
def test_a_worker_ends_with_its_server_and_the_next_one_goes_on(log: Log, tmp_path: Path, how: str):
    job = log.create_job(spec(60), "cpu")
    running = Process(tmp_path, FAKE_STEP="0.01")
    until(lambda: len(log.steps(job, 0)) > 5)
    line = json.loads(running.process.stdout.readline())
    assert line["doing"] in ("starting", "waiting", "loading", "training")
    if how == "stdin":
        running.process.stdin.close()
        running.process.stdin = None
    else:
        running.process.terminate()
    running.end(0)
    assert log.job(job).state == "running"
    assert len(log.steps(job, 0)) < 60
    work(log)
    assert log.job(job).state == "finished"
    check_steps(log, job, 60)


def test_sigkill_loses_no_stored_step_and_repeats_none(log: Log, tmp_path: Path):
    job, made = log.create_job(spec(60), "cpu"), tmp_path / "made"
    for target in (5, 15, 25):
        running = Process(tmp_path, FAKE_STEP="0.01", FAKE_LOG=str(made))
        until(lambda target=target: len(log.steps(job, 0)) > target)
        running.process.kill()
        running.end(-signal.SIGKILL)
    work(log)
    check_steps(log, job, 60)
    lines = made.read_text().splitlines()
    again = len(lines) - len(set(lines))
    assert again <= 3, "only a step that was made and not yet stored is made again"


def test_a_device_has_one_worker(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    job = log.create_job(spec(), "cpu")
    lock = device_lock(tmp_path, "cpu")
    assert lock.acquire()
    monkeypatch.setattr(worker_process, "GRACE", 0.05)
    assert worker_process.main(["--data", str(tmp_path), "--device", "cpu"], FakeSession) == 0
    assert log.job(job).state == "queued"
    lock.release()


def until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
