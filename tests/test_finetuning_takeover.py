"""One job, several processes: who takes it, what a worker's session makes of another's steps, and a full disk."""
# ruff: noqa: F811  (pytest takes fixtures by their names)

import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fake_session import FakeSession
from tests.test_finetuning_session import THREE, again, apart, finished, log, messages, one_thread, opened, tiny  # noqa: F401
from tests.test_finetuning_worker import answers, spec, states, statuses, work
from viz_app import cli
from viz_app.finetuning import spec as specs
from viz_app.finetuning import worker
from viz_app.finetuning.liveness import Lock, delete, settled, shell_lock
from viz_app.finetuning.session import Session
from viz_app.finetuning.states import is_ours
from viz_app.finetuning.store import Log, LogError, LogFull

SHORT = "steps=2&batch=4&tune=layernorm&truth=0&opt=mezo:n=1,lr=0.01"


def test_of_a_shell_and_a_worker_one_alone_takes_a_queued_job(tmp_path: Path):
    """Two processes' logs, both at once, many times."""
    page, shell = Log(tmp_path), Log(tmp_path)
    for _ in range(30):
        job = page.create_job(spec(), "cpu")
        took: dict[str, bool] = {}
        start = threading.Barrier(2)

        def take(job=job, took=took, start=start):
            start.wait()
            took["worker"] = page.take_job("cpu") is not None

        thread = threading.Thread(target=take)
        thread.start()
        start.wait()
        took["shell"] = shell.change_state(job, "running", only_from=("queued",), device="shell")
        thread.join()
        assert took["shell"] != took["worker"]
        assert page.job(job).device == ("shell" if took["shell"] else "cpu")
        assert statuses(page, job) == [("running", "")], "told by the one that took it"
        page.change_state(job, "finished")
    page.close()
    shell.close()


def test_a_shell_takes_no_job_that_a_worker_has_just_taken(
    log: Log, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """The worker takes it after the shell has looked at its state."""
    job = log.create_job(specs.parse(SHORT).query(), "cpu")
    acquire = Lock.acquire

    def late(lock: Lock, timeout: float = 0.0) -> bool:
        log.take_job("cpu")
        return acquire(lock, timeout)

    monkeypatch.setattr(Lock, "acquire", late)
    assert cli.main(["finetune", "--resume", str(job), "--data-dir", str(log.directory)]) == 1
    assert f"run {job} is being trained by another process" in capfd.readouterr().err
    assert (log.job(job).state, log.job(job).device) == ("running", "cpu")


def test_a_command_of_the_page_does_not_touch_a_job_that_a_shell_has_taken_since(log: Log):
    job = log.create_job(spec(), "cpu")
    log.note("devices", {"auto": "cpu", "devices": []})
    log.change_state(job, "paused")
    command = log.post(job, {"command": "stop"})
    log.change_state(job, "running", device="shell")
    work(log)
    answer = log.take_answer(command)
    assert isinstance(answer, dict)
    assert answer["errors"][0]["message"].startswith(f"run {job} belongs to a shell: Ctrl-C there interrupts it")
    assert log.job(job).state == "running"
    assert not is_ours(log.job(job))


def test_a_worker_looks_at_the_steps_that_a_shell_has_added(log: Log):
    """The session that it keeps of a job was opened before them."""
    job, other = log.create_job(spec(3), "cpu"), log.create_job(spec(100), "cpu")
    log.note("devices", {"auto": "cpu", "devices": []})
    seen: list[int] = []

    class Counting(FakeSession):
        def at(self, run: int, step: int) -> dict:
            seen.append(len(self.rows[run]))
            return super().at(run, step)

    def shell_has_trained() -> bool:
        log.append(job, [(0, replace(log.steps(job, 0)[-1], step=4))])
        return True

    look = {"command": "at", "run": 0, "step": 1}
    reports = work(log, Counting, asks=[
        (lambda: len(log.steps(other, 0)) > 3, job, look), (lambda: bool(seen) and shell_has_trained(), job, look)
    ])  # fmt: skip
    assert seen == [3, 4]
    assert all("evaluation" in answer for answer in answers(reports))


def test_an_open_session_takes_up_what_another_process_trained(tiny: SimpleNamespace, log: Log):
    session = opened(log, THREE)
    while min(run.made for run in session.runs) < 4:
        session.advance()
    session.flush()
    shell = finished(again(session))
    session.refresh()
    loads = tiny.loads
    for run in range(3):
        last = shell.runs[run].steps
        assert session.at(run, last)["evaluation"] == shell.at(run, last)["evaluation"]
        ours, theirs = (each.weights(run, last).tensors for each in (session, shell))
        assert apart(dict(ours), dict(theirs)) < 1e-6
    count = len(log.chunks(session.job))
    assert not any(message["type"] == "evaluation" for message in _rest(finished(session), count)), "nothing twice"
    assert tiny.loads == loads, "the model was not loaded again"
    assert len(messages(session, "memory")) == 1


def _rest(session: Session, chunks: int) -> list[dict]:
    return [m for _, body in session.log.chunks(session.job, after=chunks) for m in json.loads(body)["messages"]]


def test_a_disk_that_is_full_while_a_job_is_opened_pauses_it(
    tiny: SimpleNamespace, log: Log, monkeypatch: pytest.MonkeyPatch
):
    append, tries = log.append, []

    def refusing(*arguments, **named):
        if len(tries) < 4:
            tries.append(log.job(job).state)
            raise LogFull("the disk is full: free some space")
        return append(*arguments, **named)

    monkeypatch.setattr(log, "append", refusing)
    monkeypatch.setattr(worker, "SPACE", 0.01)
    job = log.create_job(specs.parse(SHORT).query(), "cpu")
    reports = work(log, Session)
    assert states(log) == ["finished"]
    assert {"job": job, "command": None, "doing": "paused", "trouble": "the disk is full: free some space"} in reports
    told = statuses(log, job)
    assert [state for state, _ in told] == ["running", "paused", "running", "finished"]
    assert told[1][1] == "the disk is full: free some space"
    assert tries[-1] == "paused"
    assert [m["type"] for m in log.messages(job)].count("plan") == 1
    assert [row.step for row in log.steps(job, 0)] == [1, 2]


def test_a_disk_that_is_full_while_a_shell_opens_a_job_does_not_fail_it(
    tiny: SimpleNamespace, log: Log, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    append, left = Log.append, [None] * 4

    def refusing(self, *arguments, **named):
        if left:
            left.pop()
            raise LogFull("the disk is full: free some space")
        return append(self, *arguments, **named)

    monkeypatch.setattr(Log, "append", refusing)
    monkeypatch.setattr("viz_app.finetuning.shell_training.RETRY", 0.01)
    assert cli.main(["finetune", SHORT, "--data-dir", str(log.directory)]) == 0
    assert "app.py: the disk is full: free some space" in capfd.readouterr().err
    assert states(log) == ["finished"]
    assert [m["type"] for m in log.messages(1)].count("plan") == 1


def test_a_locks_file_stays_so_that_nobody_holds_another_of_its_name(log: Log, tmp_path: Path):
    first, second, third = (shell_lock(tmp_path, 1) for _ in range(3))
    assert first.acquire()
    assert not second.acquire()
    assert cli.main(["finetune", SHORT, "--data-dir", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "shell-1.lock").exists(), "as a shell leaves it"
    first.release()
    assert second.acquire()
    assert not third.acquire()
    second.release()
    job = log.create_job(spec(), "shell")
    delete(log, log.job(job))
    assert not shell_lock(log.directory, job).path.exists(), "no job will ask for it again"


def test_a_lock_that_cannot_be_made_says_why(log: Log, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(LogError, match=r"nowhere/lock cannot be opened for writing: give yourself the right"):
        Lock(tmp_path / "nowhere" / "lock").acquire()
    (tmp_path / "lock").write_text("something else, and long enough to be looked at" * 100)
    with pytest.raises(LogError, match="is no SQLite file"):
        Lock(tmp_path / "lock").acquire()
    job = log.create_job(specs.parse(SHORT).query(), "shell")
    shell_lock(log.directory, job).path.mkdir()
    assert cli.main(["finetune", "--resume", str(job), "--data-dir", str(log.directory)]) == 1
    assert "cannot be opened for writing" in capfd.readouterr().err
    log.change_state(job, "running")
    with pytest.raises(LogError):
        settled(log, log.job(job))
