import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from viz_app.finetuning.store import Log, LogError, LogFull, Setting, StepRow

ROOT = Path(__file__).parents[1]
HUNDRED = range(1, 101)


def row(step: int, **changes) -> StepRow:
    values = {"lr": 1e-3, "alpha": 1e-2, "loss": 0.6, "length": 0.1, "seconds": 0.2 * step, "scalars": (0.1, -0.2)}
    return StepRow(step, **(values | changes))


@pytest.fixture
def log(tmp_path: Path):
    log = Log(tmp_path / "data")
    yield log
    log.close()


def test_jobs_queue_by_device_and_age(log: Log):
    first, other, second = (log.create_job(spec, device) for spec, device in (("a", "cpu"), ("b", "mps"), ("c", "cpu")))
    assert [job.id for job in log.jobs()] == [second, other, first]
    assert log.job(first).state == "queued"
    taken = log.take_job("cpu")
    assert taken is not None
    assert (taken.id, taken.state, taken.spec) == (first, "running", "a")
    assert log.set_state(first, "finished", "done", only_from=("running",))
    assert not log.set_state(first, "paused", only_from=("running",))
    assert (log.job(first).state, log.job(first).message) == ("finished", "done")
    taken = log.take_job("cpu")
    assert taken is not None
    assert taken.id == second
    assert log.take_job("cpu") is None


def test_a_job_is_deleted_with_all_it_left_unless_it_runs(log: Log):
    job = log.create_job("a", "cpu")
    log.append(job, [(0, row(1))], [{"type": "x"}], [(0, Setting(1, 1.0, None))])
    log.save_checkpoint(job, 0, 1, b"x")
    log.post(job, {"command": "pause"})
    log.take_job("cpu")
    with pytest.raises(LogError, match="run 1 is running: stop it"):
        log.delete_job(job)
    log.set_state(job, "stopped")
    log.delete_job(job)
    assert log.jobs() == log.steps(job, 0) == log.chunks(job) == log.settings(job, 0) == log.open_commands() == []
    assert log.checkpoint(job, 0) is None
    with pytest.raises(LogError, match="there is no run 1"):
        log.job(job)
    with pytest.raises(LogError, match="has been deleted"):
        log.append(job, [(0, row(1))])


def test_steps_come_back_to_the_bit_and_in_order(log: Log):
    job = log.create_job("a")
    rows = [row(step, loss=1 / (step + 1), scalars=(1 / 3, -math.pi, 1e-300)) for step in HUNDRED]
    log.append(job, [(1, each) for each in rows])
    log.append(job, [(0, row(1, alpha=None, loss=math.nan, scalars=()))])
    assert log.steps(job, 1) == rows
    assert log.steps(job, 1, after=97) == rows[97:]
    (other,) = log.steps(job, 0)
    assert (other.alpha, other.scalars) == (None, ())
    assert math.isnan(other.loss)


def test_a_step_logged_once_is_never_logged_again(log: Log):
    job = log.create_job("a")
    log.append(job, [(0, row(1))])
    with pytest.raises(LogError, match="another process"):
        log.append(job, [(0, row(2)), (0, row(1))], [{"type": "x"}])
    assert len(log.steps(job, 0)) == 1
    assert log.chunks(job) == [], "all or nothing"


def test_chunks_are_numbered_without_a_gap_and_hold_no_infinity(log: Log):
    job, other = log.create_job("a"), log.create_job("b")
    assert log.append(job) is None
    assert [log.append(job, messages=[{"type": "x", "value": v}]) for v in (1.0, math.nan, [math.inf])] == [1, 2, 3]
    assert log.append(other, messages=[{"type": "y"}]) == 1
    chunks = log.chunks(job, after=1)
    assert [seq for seq, _ in chunks] == [2, 3]
    assert json.loads(chunks[0][1]) == {"seq": 2, "messages": [{"type": "x", "value": None}]}
    assert [message["value"] for message in log.messages(job)] == [1.0, None, [None]]


def test_settings_and_checkpoints(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("viz_app.finetuning.store.PART", 10)
    job = log.create_job("a")
    for setting in (Setting(3, 1.0, 2.0), Setting(3, 4.0, None), Setting(1, 5.0, 6.0)):
        log.append(job, settings=[(0, setting)])
    assert log.settings(job, 0) == [Setting(1, 5.0, 6.0), Setting(3, 4.0, None)]
    log.save_checkpoint(job, 0, 1, b"older" * 9)
    blob = bytes(range(25))
    log.save_checkpoint(job, 0, 2, blob)
    assert log.checkpoint(job, 0) == (2, blob)
    assert log.checkpoint(job, 1) is None


def test_commands_are_answered_once(log: Log):
    job, other = log.create_job("a", "cpu"), log.create_job("b", "mps")
    ids = [log.post(of, {"command": "at", "step": step}) for step, of in enumerate((job, other, job))]
    assert [command.body["step"] for command in log.open_commands(device="cpu")] == [0, 2]
    assert [command.id for command in log.open_commands(job=other)] == [ids[1]]
    threading.Timer(0.05, log.answer, (ids[0], {"loss": math.nan})).start()
    assert log.wait(ids[0], 5) == {"loss": None}
    log.answer(ids[1], b"bytes")
    assert log.wait(ids[1], 5) == b"bytes"
    assert log.wait(ids[1], 0) is None
    assert log.wait(ids[2], 0.01) is None
    assert log.open_commands() == [], "nobody waits for the last one any more"


def test_uploads_are_named_by_content_and_notes_by_key(log: Log):
    id = log.save_upload("my.csv", b"text,label\n")
    assert id == log.save_upload("again.csv", b"text,label\n")
    assert log.upload(id) == ("again.csv", b"text,label\n")
    with pytest.raises(LogError, match="there is no upload xyz"):
        log.upload("xyz")
    log.note("speed:cpu", 1.0)
    log.note("speed:cpu", {"a": math.inf})
    log.note("other", 2)
    assert log.notes("speed:") == {"speed:cpu": {"a": None}}


def test_several_threads_and_processes_write_at_once(log: Log):
    job = log.create_job("a")
    code = (
        "import sys; from viz_app.finetuning.store import Log, StepRow; log = Log(sys.argv[1])\n"
        "for i in range(1, 51): log.append(1, [(9, StepRow(i, 0, 0, 0, 0, 0, ()))], [{'type': 'x'}])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(log.directory)], cwd=ROOT)

    def work(run: int) -> None:
        for step in HUNDRED:
            log.append(job, [(run, row(step))], [{"type": "x"}])

    threads = [threading.Thread(target=work, args=(run,)) for run in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait(30) == 0
    assert [len(log.steps(job, run)) for run in (0, 1, 2, 9)] == [100, 100, 100, 50]
    assert [seq for seq, _ in log.chunks(job)] == list(range(1, 351))


def test_a_killed_process_loses_nothing_that_it_was_told_is_stored(tmp_path: Path):
    code = (
        "import sys; from viz_app.finetuning.store import Log, StepRow\n"
        "log = Log(sys.argv[1]); job = log.create_job('a')\n"
        "for i in range(1, 10**6): log.append(job, [(0, StepRow(i, 0, 0, 0, 0, 0, ()))], [{}]); print(i, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(30):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        last = max([last, *(int(line) for line in process.stdout.read().split()[:-1])])
    log = Log(tmp_path)
    steps = [each.step for each in log.steps(1, 0)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= last
    assert len(log.chunks(1, limit=10**6)) == len(steps), "a step and its chunk come together"
    log.close()


def test_a_step_takes_so_many_bytes(log: Log):
    """The log is kilobytes: 135 bytes a step and run with n = 4, of which the scalars are 64."""
    job = log.create_job("a")

    def pages() -> int:
        with sqlite3.connect(log.path) as sql:
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (size,) = sql.execute("SELECT sum(pgsize) FROM dbstat WHERE name = 'steps'").fetchone()
        sql.close()
        return size

    try:
        empty = pages()
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no dbstat")
    scalars = tuple(1 / (i + 3) for i in range(8))
    rows = [(0, row(step, loss=1 / step, length=1 / step, lr=1 / step, scalars=scalars)) for step in range(1, 2001)]
    log.append(job, rows)
    each = (pages() - empty) / len(rows)
    assert 120 < each < 150


def test_a_full_disk_is_a_sentence_and_loses_nothing(log: Log):
    job = log.create_job("a")
    log.append(job, [(0, row(1))], [{"type": "x"}])
    (pages,) = log._connection.execute("PRAGMA page_count").fetchone()
    log._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    many = [(0, row(step)) for step in range(2, 500)]
    with pytest.raises(LogFull, match=r"the disk is full.*Nothing stored so far is lost; free some space"):
        log.append(job, many, [{"type": "y"}])
    assert len(log.steps(job, 0)) == 1
    log._connection.execute("PRAGMA max_page_count = 100000")
    assert log.append(job, many, [{"type": "y"}]) == 2, "the same transaction, tried again"
    assert len(log.steps(job, 0)) == 499


def test_what_cannot_be_opened_is_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=r"cannot make the data directory .*--data-dir"):
        Log(tmp_path / "file")
    (tmp_path / "runs.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(LogError, match="no SQLite file"):
        Log(tmp_path)


def test_reading_does_not_wait_for_a_writer(log: Log):
    job = log.create_job("a")
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE jobs SET message = 'unfinished'")
    started = time.monotonic()
    assert log.job(job).message == ""
    assert time.monotonic() - started < 10, "less than the patience for a writer"
    other.execute("ROLLBACK")
    other.close()
