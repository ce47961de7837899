"""The log of fine-tuning jobs: one SQLite file that the server, the workers and the shell share.

A zeroth-order run is its spec, its seed and two numbers per direction and step, and that is what `steps` holds: θ and P
of any step follow from it (`hizoo_core.training.Trainer.replay`). Everything that is stored goes in transactions that
survive the death of the process, at once, in the middle of anything (write-ahead log; a loss of power may cost the last
transactions, never the file).

    jobs          what was asked for, and how it stands
    steps         per run and step: the scalars, the step's effective lr and α, its loss, length and seconds
    settings      learning rates and α changed while a run ran, with the step from which they hold
    chunks        what a page draws: {"seq": n, "messages": [...]}, numbered from 1 without a gap
    checkpoints   θ and the optimizer's state where a log does not suffice (Adam), in parts
    commands      from the page to the worker, with the worker's answer
    uploads       tables that users brought, named by their content
    notes         what was measured or found out, by key
"""

import hashlib
import json
import math
import sqlite3
import threading
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viz_app.web.finite import finite

FILE = "runs.sqlite"
STATES = ("queued", "running", "paused", "finished", "stopped", "failed")
BUSY = 30.0  # seconds to wait for another process's transaction; ours take milliseconds
PART = 64 * 2**20  # bytes of a checkpoint in one row: SQLite's own limit is 1e9
POLL = 0.02  # seconds between looks for an answer

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, spec TEXT NOT NULL, created REAL NOT NULL, state TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '', device TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS steps (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, run INTEGER NOT NULL, step INTEGER NOT NULL,
    lr REAL, alpha REAL, loss REAL, length REAL, seconds REAL, scalars BLOB NOT NULL,
    PRIMARY KEY (job, run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, run INTEGER NOT NULL, step INTEGER NOT NULL,
    lr REAL, alpha REAL, PRIMARY KEY (job, run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, seq INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (job, seq));
CREATE TABLE IF NOT EXISTS checkpoints (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, run INTEGER NOT NULL, step INTEGER NOT NULL,
    part INTEGER NOT NULL, blob BLOB NOT NULL, PRIMARY KEY (job, run, step, part));
CREATE TABLE IF NOT EXISTS commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    body TEXT NOT NULL, answer BLOB);
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class LogError(Exception):
    """The log cannot do what was asked; str() is a sentence that says what to do."""


class LogFull(LogError):
    """The disk is full. Nothing stored is lost, and the transaction that failed can be tried again."""


@dataclass(frozen=True)
class Job:
    """A row of `jobs`. `created` in seconds since 1970; `message` a sentence about the state, or empty."""

    id: int
    spec: str
    created: float
    state: str
    message: str
    device: str


@dataclass(frozen=True)
class StepRow:
    """One step of one run, counted from 1: what `Trainer.replay` needs, and what a chart shows.

    `lr` and `alpha` are the effective ones, after the schedule; `alpha` is None where there is none. `seconds` is the
    run's training time up to and including this step. `scalars` are the first differences, then the second ones.
    """

    step: int
    lr: float
    alpha: float | None
    loss: float
    length: float
    seconds: float
    scalars: tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """A run's base lr and α as changed by hand; they hold for the steps after `step`."""

    step: int
    lr: float | None
    alpha: float | None


@dataclass(frozen=True)
class Command:
    """Something asked of the worker that has no answer yet. `body` is {"command": name, …}."""

    id: int
    job: int
    body: dict[str, Any]


class Log:
    """The file `runs.sqlite` of a data directory, which is made if it is missing. May be used from several threads and
    opened by several processes. Every method raises LogError.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.path = self.directory / FILE
        self._lock = threading.RLock()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(
                f"cannot make the data directory {directory}: {error.strerror}; choose another one with --data-dir"
            ) from error
        with self._said():
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")  # in WAL mode a killed process loses nothing with it
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    # Jobs

    def create_job(self, spec: str, device: str = "auto") -> int:
        """Queue a job for a device's worker and return its id. `spec` is a canonical `FinetuneSpec.query()`."""
        with self._transaction() as sql:
            row = sql.execute(
                "INSERT INTO jobs (spec, created, state, device) VALUES (?, ?, 'queued', ?)",
                (spec, time.time(), device),
            )
            assert row.lastrowid is not None
            return row.lastrowid

    def jobs(self) -> list[Job]:
        """All of them, newest first."""
        return [Job(*row) for row in self._read("SELECT * FROM jobs ORDER BY id DESC")]

    def job(self, id: int) -> Job:
        for row in self._read("SELECT * FROM jobs WHERE id = ?", id):
            return Job(*row)
        raise LogError(f"there is no run {id}; `python app.py runs` lists those there are")

    def set_state(self, id: int, state: str, message: str = "", only_from: Sequence[str] = STATES) -> bool:
        """Change a job's state if it is in one of `only_from`, and say whether it was."""
        assert state in STATES
        marks = ",".join("?" * len(only_from))
        with self._transaction() as sql:
            done = sql.execute(
                f"UPDATE jobs SET state = ?, message = ? WHERE id = ? AND state IN ({marks})",
                (state, message, id, *only_from),
            )
            return done.rowcount == 1

    def take_job(self, device: str) -> Job | None:
        """The oldest queued job of a device, which is running from now on; None if there is none."""
        with self._transaction() as sql:
            row = sql.execute(
                "UPDATE jobs SET state = 'running', message = '' WHERE id ="
                " (SELECT min(id) FROM jobs WHERE state = 'queued' AND device = ?) RETURNING *",
                (device,),
            ).fetchall()
        return Job(*row[0]) if row else None

    def delete_job(self, id: int) -> None:
        """Remove a job with its steps, chunks and checkpoints. LogError if it is running or paused."""
        job = self.job(id)
        with self._transaction() as sql:
            done = sql.execute("DELETE FROM jobs WHERE id = ? AND state NOT IN ('running', 'paused')", (id,))
        if not done.rowcount:
            raise LogError(f"run {id} is {job.state}: stop it before you delete it")

    # What a run leaves

    def append(
        self,
        job: int,
        steps: Iterable[tuple[int, StepRow]] = (),
        messages: Sequence[Mapping[str, Any]] = (),
        settings: Iterable[tuple[int, Setting]] = (),
        state: tuple[str, str] | None = None,
    ) -> int | None:
        """Store (run, row) pairs, a chunk with the messages (none if there are none), changed settings and the job's
        (state, message) in one transaction, so that no page learns of a step that is not stored. Returns the chunk's
        number. Numbers that are not finite become null.
        """
        body = json.dumps([finite(message) for message in messages], allow_nan=False, separators=(",", ":"))
        with self._transaction() as sql:
            sql.executemany(
                "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (job, run, s.step, s.lr, s.alpha, s.loss, s.length, s.seconds, array("d", s.scalars).tobytes())
                    for run, s in steps
                ],
            )
            sql.executemany(
                "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?, ?)",
                [(job, run, s.step, s.lr, s.alpha) for run, s in settings],
            )
            if state is not None:
                sql.execute("UPDATE jobs SET state = ?, message = ? WHERE id = ?", (*state, job))
            if not messages:
                return None
            (seq,) = sql.execute("SELECT coalesce(max(seq), 0) + 1 FROM chunks WHERE job = ?", (job,)).fetchone()
            sql.execute("INSERT INTO chunks VALUES (?, ?, ?)", (job, seq, f'{{"seq":{seq},"messages":{body}}}'))
            return seq

    def steps(self, job: int, run: int, after: int = 0) -> list[StepRow]:
        """The rows of one run's steps beyond `after`, in order."""
        rows = self._read(
            "SELECT step, lr, alpha, loss, length, seconds, scalars FROM steps"
            " WHERE job = ? AND run = ? AND step > ? ORDER BY step",
            job,
            run,
            after,
        )
        return [
            StepRow(step, _number(lr), alpha, _number(loss), _number(length), _number(seconds), _scalars(blob))
            for step, lr, alpha, loss, length, seconds, blob in rows
        ]

    def settings(self, job: int, run: int) -> list[Setting]:
        """What was changed by hand while a run ran, in order."""
        rows = self._read("SELECT step, lr, alpha FROM settings WHERE job = ? AND run = ? ORDER BY step", job, run)
        return [Setting(*row) for row in rows]

    def chunks(self, job: int, after: int = 0, limit: int = 1_000) -> list[tuple[int, str]]:
        """(number, JSON text) of up to `limit` chunks beyond number `after`, in order."""
        return self._read(
            "SELECT seq, body FROM chunks WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", job, after, limit
        )

    def messages(self, job: int) -> Iterator[dict[str, Any]]:
        """Every message of every chunk of a job, in order."""
        after = 0
        while chunks := self.chunks(job, after, limit=100):
            after = chunks[-1][0]
            for _, body in chunks:
                yield from json.loads(body)["messages"]

    def save_checkpoint(self, job: int, run: int, step: int, blob: bytes) -> None:
        """Store a run's newest checkpoint in place of all older ones."""
        parts = [blob[start : start + PART] for start in range(0, len(blob), PART)]
        with self._transaction() as sql:
            sql.execute("DELETE FROM checkpoints WHERE job = ? AND run = ?", (job, run))
            sql.executemany(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)",
                [(job, run, step, number, part) for number, part in enumerate(parts)],
            )

    def checkpoint(self, job: int, run: int) -> tuple[int, bytes] | None:
        """(step, blob) of a run's newest checkpoint."""
        rows = self._read("SELECT step, blob FROM checkpoints WHERE job = ? AND run = ? ORDER BY part", job, run)
        return (rows[0][0], b"".join(blob for _, blob in rows)) if rows else None

    # Commands

    def post(self, job: int, body: Mapping[str, Any]) -> int:
        """Ask something of a job's worker; `wait` for the answer with the number returned."""
        with self._transaction() as sql:
            row = sql.execute("INSERT INTO commands (job, body) VALUES (?, ?)", (job, json.dumps(body)))
            assert row.lastrowid is not None
            return row.lastrowid

    def open_commands(self, device: str | None = None, job: int | None = None) -> list[Command]:
        """What nobody has answered yet, oldest first: of all jobs, of a device's, or of one job."""
        rows = self._read(
            "SELECT commands.id, job, body FROM commands JOIN jobs ON jobs.id = job WHERE answer IS NULL"
            " AND (?1 IS NULL OR device = ?1) AND (?2 IS NULL OR job = ?2) ORDER BY commands.id",
            device,
            job,
        )
        return [Command(id, of, json.loads(body)) for id, of, body in rows]

    def answer(self, command: int, answer: Mapping[str, Any] | bytes) -> None:
        """Answer a command with a JSON object or with bytes."""
        body = answer if isinstance(answer, bytes) else json.dumps(finite(answer), allow_nan=False)
        with self._transaction() as sql:
            sql.execute("UPDATE commands SET answer = ? WHERE id = ?", (body, command))

    def take_answer(self, command: int) -> dict[str, Any] | bytes | None:
        """The answer to a command, which is then forgotten; None while there is none."""
        rows = self._read("SELECT answer FROM commands WHERE id = ? AND answer IS NOT NULL", command)
        if not rows:
            return None
        with self._transaction() as sql:
            sql.execute("DELETE FROM commands WHERE id = ?", (command,))
        (answer,) = rows[0]
        return answer if isinstance(answer, bytes) else json.loads(answer)

    def wait(self, command: int, timeout: float) -> dict[str, Any] | bytes | None:
        """`take_answer`, within `timeout` seconds; None if none came, and the command is withdrawn."""
        end = time.monotonic() + timeout
        while (answer := self.take_answer(command)) is None and time.monotonic() < end:
            time.sleep(POLL)
        if answer is None:
            with self._transaction() as sql:
                sql.execute("DELETE FROM commands WHERE id = ?", (command,))
        return answer

    # Uploads and notes

    def save_upload(self, name: str, body: bytes) -> str:
        """Store a file that a user brought and return its id, which its content gives: `data=upload:ID`."""
        id = hashlib.sha256(body).hexdigest()[:12]
        with self._transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?)", (id, name, body))
        return id

    def upload(self, id: str) -> tuple[str, bytes]:
        """(name, content) of an upload."""
        for row in self._read("SELECT name, body FROM uploads WHERE id = ?", id):
            return row
        raise LogError(f"there is no upload {id}: upload the table again")

    def note(self, key: str, value: Any) -> None:
        """Remember a JSON value under a key."""
        with self._transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, json.dumps(finite(value))))

    def notes(self, prefix: str = "") -> dict[str, Any]:
        """All values whose key starts with a prefix."""
        rows = self._read("SELECT key, value FROM notes WHERE substr(key, 1, ?) = ? ORDER BY key", len(prefix), prefix)
        return {key: json.loads(value) for key, value in rows}

    # SQLite

    def _read(self, query: str, *values: Any) -> list[Any]:
        with self._lock, self._said():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._said():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Turn SQLite's errors into sentences."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._sentence(error) from error

    def _sentence(self, error: sqlite3.Error) -> LogError:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL" or name == "SQLITE_IOERR_WRITE":
            return LogFull(
                f"the disk is full: {self.path} cannot grow. Nothing stored so far is lost; free some space"
                " (`python app.py runs` lists runs that could be deleted) and the training goes on"
            )
        if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            return LogError(f"{self.path} is held by another process for more than {BUSY:.0f} s: end that process")
        if name in ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_PERM"):
            return LogError(
                f"{self.path} cannot be opened for writing: give yourself the right to write there, or choose another"
                " data directory with --data-dir"
            )
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            return LogError(f"{self.path} is no SQLite file, or a damaged one: move it away and start again")
        if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
            return LogError("that run has been deleted")
        if name == "SQLITE_CONSTRAINT_PRIMARYKEY":
            return LogError("another process trains this run: its steps are in the log already")
        return LogError(f"{self.path}: {error}")


def _number(value: Any) -> Any:
    """SQLite stores NaN as NULL."""
    return math.nan if value is None else value


def _scalars(blob: bytes) -> tuple[float, ...]:
    values = array("d")
    values.frombytes(blob)
    return tuple(values)
