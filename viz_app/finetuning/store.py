"""The log of fine-tuning jobs: one SQLite file that the server, the workers and the shell share.

A zeroth-order run is its spec, its seed and two numbers per direction and step, and that is what `steps` holds: θ and P
of any step follow from it (`hizoo_core.training.Trainer.replay`). The tables are described in `schema`.
"""

import hashlib
import json
import sqlite3
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viz_app.finetuning import hints
from viz_app.finetuning import steps as steps_of_runs
from viz_app.finetuning.database import Database, LogError, LogFull
from viz_app.finetuning.steps import COLUMNS, StepRow
from viz_app.web.finite import finite

__all__ = ["Command", "Job", "Log", "LogError", "LogFull", "Setting", "StepRow"]

FILE = "runs.sqlite"
STATES = ("queued", "running", "paused", "finished", "stopped", "failed")
PART = 64 * 2**20  # bytes of a checkpoint in one row: SQLite's own limit is 1e9
POLL = 0.02  # seconds between looks for an answer

_COLUMNS = ", ".join((*COLUMNS, "scalars"))


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


class Log(Database):
    """The file `runs.sqlite` of a data directory, which is made if it is missing. May be used from several threads and
    opened by several processes. Every method raises LogError.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        super().__init__(self.directory / FILE)

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
        raise LogError(f"there is no run {id}; `{hints.runs(self.directory)}` lists those there are")

    def change_state(
        self, id: int, state: str, message: str = "", only_from: Sequence[str] = STATES, device: str | None = None
    ) -> bool:
        """Change a job's state if it is in one of `only_from`, and tell it in a chunk; with `device` put it into that
        queue as well. Returns whether it was. In one transaction, so that of several processes just one takes a job.
        """
        assert state in STATES
        marks = ",".join("?" * len(only_from))
        with self._transaction() as sql:
            done = sql.execute(
                "UPDATE jobs SET state = ?, message = ?, device = coalesce(?, device)"
                f" WHERE id = ? AND state IN ({marks})",
                (state, message, device, id, *only_from),
            )
            if changed := done.rowcount == 1:
                _tell(sql, id, [_status(state, message)])
        return changed

    def take_job(self, device: str) -> Job | None:
        """The oldest queued job of a device, which is running from now on; None if there is none."""
        with self._transaction() as sql:
            jobs = [
                Job(*row)
                for row in sql.execute(
                    "UPDATE jobs SET state = 'running', message = '' WHERE id ="
                    " (SELECT min(id) FROM jobs WHERE state = 'queued' AND device = ?) RETURNING *",
                    (device,),
                )
            ]
            for job in jobs:
                _tell(sql, job.id, [_status("running", "")])
        return jobs[0] if jobs else None

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
    ) -> int | None:
        """Store (run, row) pairs, each run's in order, other messages and changed settings in one transaction, so that
        no page learns of a step that is not stored. Returns the number of the chunk that tells of the steps and
        messages; None if there are none. Numbers that are not finite become null.
        """
        spans: dict[int, list[int]] = {}
        with self._transaction() as sql:
            for run, row in steps:
                values = (*row.drawn(), array("d", row.scalars).tobytes())
                sql.execute(
                    f"INSERT INTO steps (job, run, {_COLUMNS}) VALUES (?, ?{', ?' * len(values)})", (job, run, *values)
                )
                spans.setdefault(run, [run, row.step, row.step])[2] = row.step
            sql.executemany(
                "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?, ?)",
                [(job, run, s.step, s.lr, s.alpha) for run, s in settings],
            )
            return _tell(sql, job, messages, [spans[run] for run in sorted(spans)]) if messages or spans else None

    def steps(self, job: int, run: int, after: int = 0, until: int | None = None) -> list[StepRow]:
        """The rows of one run's steps beyond `after`, up to and including `until`, in order."""
        return [
            steps_of_runs.row(numbers, _scalars(blob))
            for *numbers, blob in self._rows(_COLUMNS, job, run, after, until)
        ]

    def count_steps(self, job: int) -> int:
        """How many steps of all runs of a job are stored."""
        return self._read("SELECT count(*) FROM steps WHERE job = ?", job)[0][0]

    def _rows(self, columns: str, job: int, run: int, after: int, until: int | None) -> list[tuple[Any, ...]]:
        return self._read(
            f"SELECT {columns} FROM steps WHERE job = ?1 AND run = ?2 AND step > ?3 AND (?4 IS NULL OR step <= ?4)"
            " ORDER BY step",
            *(job, run, after, until),
        )

    def settings(self, job: int, run: int) -> list[Setting]:
        """What was changed by hand while a run ran, in order."""
        rows = self._read("SELECT step, lr, alpha FROM settings WHERE job = ? AND run = ? ORDER BY step", job, run)
        return [Setting(*row) for row in rows]

    def chunks(self, job: int, after: int = 0, limit: int = 1_000) -> list[tuple[int, str]]:
        """(number, JSON text {"seq": number, "messages": [...]}) of up to `limit` chunks beyond number `after`, in
        order: first the steps, one message for each run, then the rest.
        """
        stored = self._read(
            "SELECT seq, steps, messages FROM chunks WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", job, after, limit
        )
        return [(seq, self._chunk(job, seq, spans, messages)) for seq, spans, messages in stored]

    def _chunk(self, job: int, seq: int, spans: str, messages: str) -> str:
        told = []
        for run, first, last in json.loads(spans):
            told.append(_json(steps_of_runs.message(run, self._rows(", ".join(COLUMNS), job, run, first - 1, last))))
        if messages != "[]":
            told.append(messages[1:-1])
        return f'{{"seq":{seq},"messages":[{",".join(told)}]}}'

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
        body = answer if isinstance(answer, bytes) else _json(answer)
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

    def data(self, named: str) -> str | bytes | None:
        """What a spec's `data` names: the content of "upload:ID", a path, or None if it is empty."""
        kind, _, id = named.partition("upload:")
        return self.upload(id)[1] if not kind and id else named or None

    def note(self, key: str, value: Any) -> None:
        """Remember a JSON value under a key."""
        with self._transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, _json(value)))

    def notes(self, prefix: str = "") -> dict[str, Any]:
        """All values whose key starts with a prefix."""
        rows = self._read("SELECT key, value FROM notes WHERE substr(key, 1, ?) = ? ORDER BY key", len(prefix), prefix)
        return {key: json.loads(value) for key, value in rows}


def _status(state: str, message: str) -> dict[str, Any]:
    return {"type": "status", "state": state, "run": None, "message": message}


def _tell(
    sql: sqlite3.Connection, job: int, messages: Sequence[Mapping[str, Any]], spans: Sequence[list[int]] = ()
) -> int:
    """Add a chunk to a job, in the transaction that is open; its number."""
    (seq,) = sql.execute("SELECT coalesce(max(seq), 0) + 1 FROM chunks WHERE job = ?", (job,)).fetchone()
    sql.execute(
        "INSERT INTO chunks (job, seq, steps, messages) VALUES (?, ?, ?, ?)", (job, seq, _json(spans), _json(messages))
    )
    return seq


def _json(value: Any) -> str:
    return json.dumps(finite(value), allow_nan=False, separators=(",", ":"))


def _scalars(blob: bytes) -> tuple[float, ...]:
    values = array("d")
    values.frombytes(blob)
    return tuple(values)
