"""Who is alive: locks that a process holds until it dies, and jobs whose process has died without a word."""

import sqlite3
from pathlib import Path

from viz_app.finetuning import hints
from viz_app.finetuning.database import is_held, log_error
from viz_app.finetuning.states import is_ours
from viz_app.finetuning.store import Job, Log


class Lock:
    """A file that one process at a time holds until it dies or lets go. SQLite's lock, the same on every system.

    The file stays: were it removed, a process that has it open and one that makes it anew would both hold "it".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def acquire(self, timeout: float = 0.0) -> bool:
        """Whether it is held now; waits up to `timeout` seconds for whoever else holds it. Raises LogError for a file
        that cannot be made or is none of SQLite's.
        """
        if self._connection is not None:
            return True
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=timeout, isolation_level=None, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            if is_held(error):
                return False
            raise log_error(error, self.path) from error
        self._connection = connection
        return True

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def shell_lock(data: Path, job: int) -> Lock:
    """What a shell holds while it trains a job."""
    return Lock(data / f"shell-{job}.lock")


def device_lock(directory: Path, device: str) -> Lock:
    """Held by the one worker of a device."""
    return Lock(directory / f"worker-{device.replace(':', '-')}.lock")


def server_lock(directory: Path) -> Lock:
    """Held by the one server of a data directory that keeps workers."""
    return Lock(directory / "server.lock")


def settled(log: Log, job: Job) -> Job:
    """The job; stopped from now on if it is running or paused, and the process that would go on with it is dead."""
    if job.state not in ("running", "paused"):
        return job
    locks = [shell_lock(log.directory, job.id)]
    if is_ours(job):  # a server starts a new worker
        locks = [device_lock(log.directory, job.device), server_lock(log.directory)]
    try:
        if all([lock.acquire() for lock in locks]):
            go_on = hints.resume(job.id, log.directory)
            sentence = f"the process that trained it has ended; go on with: {go_on}"
            log.change_state(job.id, "stopped", sentence, only_from=(job.state,))
    finally:
        for lock in locks:
            lock.release()
    return log.job(job.id)


def settled_shells(log: Log, job: Job) -> Job:
    """`settled`, for a job that was begun in a shell: nobody else would say that it is dead, while a server takes up
    again what its workers left.
    """
    return job if is_ours(job) else settled(log, job)


def delete(log: Log, job: Job) -> None:
    """Remove a job and the file of its lock, which no job will ask for again. LogError if it is running or paused."""
    log.delete_job(job.id)
    shell_lock(log.directory, job.id).path.unlink(missing_ok=True)
