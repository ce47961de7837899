"""Jobs whose process has died count as stopped: they may be deleted and resumed."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from viz_app import cli
from viz_app.finetuning.liveness import device_lock, server_lock, settled, shell_lock
from viz_app.finetuning.spec import parse
from viz_app.finetuning.store import Log

SPEC = "steps=2&batch=4&tune=layernorm&truth=0&opt=mezo:n=1,lr=0.01"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    yield log
    log.close()


def running(log: Log, device: str, state: str = "running") -> int:
    job = log.create_job(parse(SPEC).query(), device)
    log.change_state(job, state)
    return job


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_job_stops_when_neither_its_worker_nor_a_server_lives(log: Log, state: str):
    job = running(log, "cpu", state)
    for lock in (device_lock(log.directory, "cpu"), server_lock(log.directory)):
        assert lock.acquire()
        assert settled(log, log.job(job)).state == state, "it goes on by itself"
        lock.release()
    after = settled(log, log.job(job))
    assert after.state == "stopped"
    command = shlex.split(after.message.partition("go on with: ")[2])
    assert command == ["python", "app.py", "finetune", "--resume", str(job), "--data-dir", str(log.directory)]


def test_a_shells_job_stops_with_its_shell(log: Log):
    job = running(log, "shell")
    lock = shell_lock(log.directory, job)
    assert lock.acquire()
    assert settled(log, log.job(job)).state == "running"
    lock.release()
    assert settled(log, log.job(job)).state == "stopped"
    assert settled(log, log.job(job)).state == "stopped"
    assert [message["state"] for message in log.messages(job)] == ["running", "stopped"], "said once"


def test_the_shell_deletes_and_resumes_dead_jobs_and_no_others(
    log: Log, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from viz_app.finetuning.session import Session

    monkeypatch.setattr(Session, "open", lambda self: None)
    monkeypatch.setattr(Session, "close", lambda self: None)
    monkeypatch.setattr(Session, "advance", lambda self: False)
    data = ["--data-dir", str(log.directory)]
    for device, lock in (("shell", shell_lock(log.directory, 1)), ("cpu", device_lock(log.directory, "cpu"))):
        job = running(log, device)
        assert lock.acquire()
        assert cli.main(["runs", "--delete", str(job), *data]) == 1
        assert f"run {job} is running: stop it before you delete it" in capfd.readouterr().err
        assert cli.main(["finetune", "--resume", str(job), *data]) == 1
        assert f"run {job} is being trained by another process" in capfd.readouterr().err
        lock.release()
        assert cli.main(["finetune", "--resume", str(job), *data]) == 0
        assert (log.job(job).state, log.job(job).device) == ("finished", "shell")
        log.change_state(job, "running")
        assert cli.main(["runs", "--delete", str(job), *data]) == 0
    assert log.jobs() == []


def test_an_exception_at_the_shell_leaves_a_job_that_can_be_resumed(
    log: Log, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from viz_app.finetuning.session import Session

    def fails(self) -> bool:
        raise ArithmeticError("the third step is one too many")

    monkeypatch.setattr(Session, "open", lambda self: None)
    monkeypatch.setattr(Session, "advance", fails)
    data = ["--data-dir", str(log.directory)]
    assert cli.main(["finetune", SPEC, *data]) == 1
    error = capfd.readouterr().err
    assert "Traceback" not in error
    assert "Traceback" in (log.directory / "shell.log").read_text()
    sentence = "ArithmeticError: the third step is one too many (details in "
    assert error.splitlines()[-1].startswith(f"app.py: {sentence}")
    assert log.job(1).state == "failed"
    assert log.job(1).message.startswith(sentence)
    monkeypatch.setattr(Session, "advance", lambda self: False)
    monkeypatch.setattr(Session, "close", lambda self: None)
    assert cli.main(["finetune", "--resume", "1", *data]) == 0
    assert cli.main(["runs", "--delete", "1", *data]) == 0


@pytest.mark.parametrize(
    "command", [["finetune", "--resume", "1"], ["weights", "1", "--out", "w.safetensors"]], ids=lambda each: each[0]
)
def test_a_run_whose_spec_cannot_be_read_is_said_in_words(
    log: Log, capfd: pytest.CaptureFixture[str], command: list[str]
):
    log.create_job("steps=2&opt=mezo:gamma=1", "shell")
    assert cli.main([*command, "--data-dir", str(log.directory)]) == 1
    error = capfd.readouterr().err
    assert error.startswith(
        "app.py: run 1 was made by another version of HiZOO Lab: There is no hyperparameter “gamma”"
    )
