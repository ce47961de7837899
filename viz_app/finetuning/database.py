"""One SQLite file that several threads and processes share: transactions, and SQLite's errors in sentences."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from viz_app.finetuning import schema

BUSY = 30.0  # seconds to wait for another process's transaction; ours take milliseconds


class LogError(Exception):
    """The log cannot do what was asked; str() is a sentence that says what to do."""


class LogFull(LogError):
    """The disk is full. Nothing stored is lost, and the transaction that failed can be tried again."""


class Database:
    """A file with the tables of `schema`. Its directory is made if it is missing. Every method raises LogError.

    Transactions survive the death of the process, at once, in the middle of anything (write-ahead log; a loss of power
    may cost the last transactions, never the file).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(
                f"cannot make the data directory {path.parent}: {error.strerror}; choose another one with --data-dir"
            ) from error
        with self._said():
            self._connection = sqlite3.connect(
                path, timeout=BUSY, isolation_level=None, check_same_thread=False, cached_statements=64
            )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        refusal = None
        with self._said():
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")  # in WAL mode a killed process loses nothing with it
            self._connection.execute("PRAGMA foreign_keys=ON")
            if self._connection.execute("PRAGMA user_version").fetchone() != (schema.VERSION,):
                with self._transaction() as sql:
                    refusal = schema.prepare(sql)
        if refusal is not None:
            raise LogError(f"{self.path} {refusal}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
            raise log_error(error, self.path) from error


def is_held(error: sqlite3.Error) -> bool:
    """Whether another connection holds the file."""
    return getattr(error, "sqlite_errorname", "") in ("SQLITE_BUSY", "SQLITE_LOCKED")


def log_error(error: sqlite3.Error, path: Path) -> LogError:
    """What SQLite says of a file, as a sentence that says what to do."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or name == "SQLITE_IOERR_WRITE":
        return LogFull(
            f"the disk is full: {path} cannot grow. Nothing stored so far is lost; free some space"
            " (`python app.py runs` lists runs that could be deleted) and the training goes on"
        )
    if is_held(error):
        return LogError(f"{path} is held by another process for more than {BUSY:.0f} s: end that process")
    if name in ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_PERM"):
        return LogError(
            f"{path} cannot be opened for writing: give yourself the right to write there, or choose another"
            " data directory with --data-dir"
        )
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return LogError(f"{path} is no SQLite file, or a damaged one: move it away and start again")
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return LogError("that run has been deleted")
    if name == "SQLITE_CONSTRAINT_PRIMARYKEY":
        return LogError("another process trains this run: its steps are in the log already")
    return LogError(f"{path}: {error}")
