"""The tables of the log, and how a file of an older version becomes one of this.

jobs          what was asked for, and how it stands
steps         per run and step: its numbers (`StepRow`), each stored here and nowhere else
settings      learning rates and α changed while a run ran, with the step from which they hold
chunks        what a page draws, numbered from 1 without a gap: other messages, and which steps came with them as
              [[run, first, last], …]
checkpoints   θ and the optimizer's state where a log does not suffice (Adam), in parts
commands      from the page to the worker, with the worker's answer
uploads       tables that users brought, named by their content
notes         what was measured or found out, by key
"""

import json
import sqlite3

from viz_app.finetuning.steps import COLUMNS

# Kept in SQLite's user_version. 0 held every step twice, in `steps` and in `chunks`; specs of 0 and 1 may give HiZOO-L
# a beta, which it has no more.
VERSION = 2


def _kind(column: str) -> str:
    return "INTEGER" if column == "forwards" else "REAL"


_OF_JOB = "job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE"
_NUMBERS = ", ".join(f"{name} {_kind(name)}" for name in COLUMNS[1:])
_TABLES = f"""
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, spec TEXT NOT NULL, created REAL NOT NULL, state TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '', device TEXT NOT NULL);
CREATE TABLE steps (
    {_OF_JOB}, run INTEGER NOT NULL, step INTEGER NOT NULL, {_NUMBERS},
    scalars BLOB NOT NULL, PRIMARY KEY (job, run, step)) WITHOUT ROWID;
CREATE TABLE settings (
    {_OF_JOB}, run INTEGER NOT NULL, step INTEGER NOT NULL, lr REAL, alpha REAL,
    PRIMARY KEY (job, run, step)) WITHOUT ROWID;
CREATE TABLE chunks (
    {_OF_JOB}, seq INTEGER NOT NULL, steps TEXT NOT NULL, messages TEXT NOT NULL, PRIMARY KEY (job, seq));
CREATE TABLE checkpoints (
    {_OF_JOB}, run INTEGER NOT NULL, step INTEGER NOT NULL, part INTEGER NOT NULL, blob BLOB NOT NULL,
    PRIMARY KEY (job, run, step, part));
CREATE TABLE commands (id INTEGER PRIMARY KEY AUTOINCREMENT, {_OF_JOB}, body TEXT NOT NULL, answer BLOB);
CREATE TABLE uploads (id TEXT PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def prepare(sql: sqlite3.Connection) -> str | None:
    """Make the tables, or bring those of an older version up to date, in the transaction that is open. Returns a
    sentence if the file is of a later version, which this one must not touch.
    """
    (version,) = sql.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return None
    if version > VERSION:
        return f"was written by a later version of HiZOO Lab (format {version}, this one reads {VERSION}): use that one"
    if sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone():
        if version < 1:
            _store_steps_once(sql)
        for job, spec in sql.execute("SELECT id, spec FROM jobs").fetchall():
            sql.execute("UPDATE jobs SET spec = ? WHERE id = ?", (_without_beta(spec), job))
    else:
        for statement in _TABLES.split(";\n")[:-1]:
            sql.execute(statement)
    sql.execute(f"PRAGMA user_version = {VERSION}")
    return None


def _without_beta(spec: str) -> str:
    """A canonical spec of before version 2: HiZOO-L's beta was written, and never had an effect."""
    pieces = []
    for piece in spec.split("&"):
        method, colon, settings = piece.partition(":")
        if method == "opt=hizoo_l":
            settings = ",".join(each for each in settings.split(",") if not each.startswith("beta="))
            piece = method + colon + settings if settings else method
        pieces.append(piece)
    return "&".join(pieces)


def _store_steps_once(sql: sqlite3.Connection) -> None:
    """From version 0: a chunk's rows of steps, whose order was COLUMNS', go to the steps that they belong to."""
    for name in ("forwards", "slope", "curvature"):
        sql.execute(f"ALTER TABLE steps ADD COLUMN {name} {_kind(name)}")
    sql.execute("ALTER TABLE chunks RENAME COLUMN body TO messages")
    sql.execute("ALTER TABLE chunks ADD COLUMN steps TEXT NOT NULL DEFAULT '[]'")
    for job, seq, body in sql.execute("SELECT job, seq, messages FROM chunks").fetchall():
        spans, others = [], []
        for message in json.loads(body)["messages"]:
            if message["type"] != "steps":
                others.append(message)
                continue
            run, rows = message["run"], [dict(zip(COLUMNS, row, strict=False)) for row in message["rows"]]
            spans.append([run, rows[0]["step"], rows[-1]["step"]])
            sql.executemany(
                "UPDATE steps SET forwards = ?, slope = ?, curvature = ? WHERE job = ? AND run = ? AND step = ?",
                [(row["forwards"], row["slope"], row["curvature"], job, run, row["step"]) for row in rows],
            )
        texts = (json.dumps(value, separators=(",", ":")) for value in (spans, others))
        sql.execute("UPDATE chunks SET steps = ?, messages = ? WHERE job = ? AND seq = ?", (*texts, job, seq))
