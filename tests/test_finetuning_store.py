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

from viz_app.finetuning import spec as specs
from viz_app.finetuning.steps import COLUMNS
from viz_app.finetuning.store import Log, LogError, LogFull, Setting, StepRow

ROOT = Path(__file__).parents[1]
HUNDRED = range(1, 101)


def row(step: int, **changes) -> StepRow:
    values = {"forwards": 3 * step, "seconds": 0.2 * step, "loss": 0.6, "slope": 2.0, "curvature": 9.0, "length": 0.1}
    return StepRow(step, **(values | {"lr": 1e-3, "alpha": 1e-2, "scalars": (0.1, -0.2)} | changes))


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
    assert log.change_state(first, "finished", "done", only_from=("running",))
    assert not log.change_state(first, "paused", only_from=("running",))
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
    log.change_state(job, "stopped")
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
    assert [seq for seq, _ in log.chunks(job)] == [1], "all or nothing"


def test_chunks_are_numbered_without_a_gap_and_hold_no_infinity(log: Log):
    job, other = log.create_job("a"), log.create_job("b")
    assert log.append(job) is None
    assert [log.append(job, messages=[{"type": "x", "value": v}]) for v in (1.0, math.nan, [math.inf])] == [1, 2, 3]
    assert log.append(other, messages=[{"type": "y"}]) == 1
    chunks = log.chunks(job, after=1)
    assert [seq for seq, _ in chunks] == [2, 3]
    assert json.loads(chunks[0][1]) == {"seq": 2, "messages": [{"type": "x", "value": None}]}
    assert [message["value"] for message in log.messages(job)] == [1.0, None, [None]]


def test_a_chunk_tells_of_steps_that_are_stored_once(log: Log):
    job = log.create_job("a")
    log.append(job, [(1, row(1, curvature=None)), (0, row(1)), (1, row(2, loss=math.nan))], [{"type": "x"}])
    ((_, body),) = log.chunks(job)
    columns = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"]
    assert json.loads(body)["messages"] == [
        {"type": "steps", "run": 0, "columns": columns, "rows": [[1, 3, 0.2, 0.6, 2.0, 9.0, 0.1, 1e-3, 1e-2]]},
        {
            "type": "steps",
            "run": 1,
            "columns": columns,
            "rows": [
                [1, 3, 0.2, 0.6, 2.0, None, 0.1, 1e-3, 1e-2],
                [2, 6, 0.4, None, 2.0, 9.0, 0.1, 1e-3, 1e-2],
            ],
        },
        {"type": "x"},
    ]
    assert list(COLUMNS) == columns
    ((stored,),) = log._read("SELECT steps || messages FROM chunks")
    assert stored == '[[0,1,1],[1,1,2]][{"type":"x"}]', "no number of a step is in it"


OLD = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, spec TEXT NOT NULL, created REAL NOT NULL, state TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '', device TEXT NOT NULL);
CREATE TABLE steps (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, run INTEGER NOT NULL, step INTEGER NOT NULL,
    lr REAL, alpha REAL, loss REAL, length REAL, seconds REAL, scalars BLOB NOT NULL,
    PRIMARY KEY (job, run, step)) WITHOUT ROWID;
CREATE TABLE settings (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, run INTEGER NOT NULL, step INTEGER NOT NULL,
    lr REAL, alpha REAL, PRIMARY KEY (job, run, step)) WITHOUT ROWID;
CREATE TABLE chunks (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, seq INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (job, seq));
INSERT INTO jobs VALUES (1, 'a', 0.0, 'stopped', '', 'cpu');
INSERT INTO steps VALUES (1, 0, 1, 1e-3, 1e-2, 0.7, 0.1, 0.2, x'000000000000F03F'),
    (1, 0, 2, 1e-3, 1e-2, 0.6, 0.1, 0.4, x'000000000000F03F');
INSERT INTO chunks VALUES (1, 1, '{"seq":1,"messages":[{"type":"plan","spec":"a"}]}');
INSERT INTO chunks VALUES (1, 2, '{"seq":2,"messages":[{"type":"steps","run":0,"rows":'
    || '[[1,3,0.2,0.7,2.0,9.0,0.1,0.001,0.01],[2,6,0.4,0.6,3.0,null,0.1,0.001,0.01]]},{"type":"evaluation"}]}');
"""


def test_a_log_of_an_older_version_is_brought_up_to_date_and_loses_nothing(tmp_path: Path):
    with sqlite3.connect(tmp_path / "runs.sqlite") as old:
        old.executescript(OLD)
    old.close()
    for _ in range(2):  # the second time there is nothing to do
        log = Log(tmp_path)
        first, second = log.steps(1, 0)
        assert first == StepRow(1, 3, 0.2, 0.7, 2.0, 9.0, 0.1, 1e-3, 1e-2, (1.0,))
        assert (second.forwards, second.slope, second.curvature) == (6, 3.0, None)
        plan, steps, evaluation = log.messages(1)
        assert (plan["type"], steps["type"], evaluation["type"]) == ("plan", "steps", "evaluation")
        assert steps["rows"] == [first.drawn(), second.drawn()]
        log.close()
    log = Log(tmp_path)
    log.append(1, [(0, row(3))])
    assert [each.step for each in log.steps(1, 0)] == [1, 2, 3]
    log._connection.execute("PRAGMA user_version = 9")
    log.close()
    with pytest.raises(LogError, match="later version of HiZOO Lab"):
        Log(tmp_path)


@pytest.mark.parametrize("version", [0, 1])
def test_old_jobs_of_hizoo_l_can_be_read_though_it_has_no_beta_any_more(tmp_path: Path, version: int):
    old_spec = "steps=2&opt=hizoo:alpha=0.1,beta=0.5&opt=hizoo_l:lr=0.01,beta=0,alpha=0.2&opt=hizoo_l:beta=0"
    if version:
        Log(tmp_path).close()
    with sqlite3.connect(tmp_path / "runs.sqlite") as old:
        if not version:
            old.executescript(OLD)
        old.execute("INSERT INTO jobs VALUES (7, ?, 0.0, 'stopped', '', 'cpu')", (old_spec,))
        old.execute(f"PRAGMA user_version = {version}")
    old.close()
    log = Log(tmp_path)
    spec = log.job(7).spec
    log.close()
    assert spec == "steps=2&opt=hizoo:alpha=0.1,beta=0.5&opt=hizoo_l:lr=0.01,alpha=0.2&opt=hizoo_l"
    assert [opt.method for opt in specs.parse(spec).opts] == ["hizoo", "hizoo_l", "hizoo_l"]


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
        "for i in range(1, 51): log.append(1, [(9, StepRow(i, 0, 0, 0, 0, 0, 0, 0, 0))], [{'type': 'x'}])"
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
        "for i in range(1, 10**6):\n"
        "    log.append(job, [(0, StepRow(i, 0, 0, 0, 0, 0, 0, 0, 0))], [{}]); print(i, flush=True)"
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
    """The log is kilobytes: 155 bytes a step and run with n = 4, of which the scalars are 64."""
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
    assert 140 < each < 170


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
