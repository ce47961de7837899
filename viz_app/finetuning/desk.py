"""What the HTTP routes share: the log of jobs, opened when first needed, and the workers."""

import os
import threading
from pathlib import Path

from viz_app.finetuning import hints
from viz_app.finetuning.getting import Getting
from viz_app.finetuning.store import Log
from viz_app.finetuning.workers import COMMAND, Workers


def data_directory(given: str | Path | None = None) -> Path:
    """Where the runs are kept: as given, HIZOO_LAB_DATA of the environment, or lab-data in the working directory."""
    return Path(given or os.environ.get("HIZOO_LAB_DATA") or hints.DEFAULT)


class Desk:
    """The log, the workers and the real models of a data directory, from `start` to `close`; `command` starts a worker.
    `asking` counts the requests that wait for a worker's answer.
    """

    def __init__(self, directory: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.directory = directory
        self.workers = Workers(directory, self.log, command)
        self.getting = Getting(directory.absolute())
        self.asking = 0
        self._log: Log | None = None
        self._lock = threading.Lock()

    def log(self) -> Log:
        with self._lock:
            if self._log is None:
                self._log = Log(self.directory)
            return self._log

    def start(self) -> None:
        self.workers.start()

    def close(self) -> None:
        self.workers.close()
        self.getting.close()
        with self._lock:
            if self._log is not None:
                self._log.close()
