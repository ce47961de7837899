"""Gets a real model in a process of its own, as the server asks: that loads torch, and takes half a minute.

The process (`python -m viz_app.finetuning.getting --data DIR NAME`) says on standard output, in JSON lines, how far it
is: {"message", "done", "total", "unit"}; and at last {"error"}, or nothing more where all went well.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from functions.language_model import LanguageModelError
from functions.language_model.files import unit_of
from viz_app.finetuning import local_models

COMMAND = (sys.executable, "-m", "viz_app.finetuning.getting")
BEAT = 0.2  # seconds between reports at least
CLOSE = 5.0  # seconds for the process to clean up


class Getting:
    """Gets one model at a time for a data directory, until `close`. `state` is {} or {"name"} with the process's last
    words; {"name", "error"} once it has failed.
    """

    def __init__(self, directory: Path, command: Sequence[str] = COMMAND) -> None:
        self.directory = directory
        self.state: dict[str, Any] = {}
        self._command = tuple(command)
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        return self._process is not None

    def start(self, name: str) -> bool:
        """Begin to get a model; False if one is being got."""
        with self._lock:
            if self.is_busy:
                return False
            self.state = {"name": name, "message": "starting", "done": 0, "total": 0, "unit": ""}
            # A pipe that nobody reads meanwhile would hold the process up. `_listen` closes the file.
            errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
            self._process = subprocess.Popen(
                [*self._command, "--data", str(self.directory), name],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            threading.Thread(target=self._listen, args=(name, self._process, errors), daemon=True).start()
            return True

    def close(self) -> None:
        """End what is under way; nothing of it stays."""
        if (process := self._process) is not None:
            process.terminate()
            try:
                process.wait(CLOSE)
            except subprocess.TimeoutExpired:
                process.kill()

    def _listen(self, name: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        """Follow the process to its end. Lines that are not its own, which a library prints, are passed over."""
        last: dict[str, Any] = {}
        with process, errors:
            assert process.stdout is not None
            for line in process.stdout:
                with suppress(ValueError):
                    last = json.loads(line)
                    self.state = {"name": name, **last}
            process.wait()
            errors.seek(0)
            said = errors.read().strip().splitlines()
        if process.returncode and "error" not in last:
            why = (said or [f"exit status {process.returncode}"])[-1][:300]
            last = {"error": f"{name} could not be got: {why}"}
        self.state = {"name": name, "error": last["error"]} if "error" in last else {}
        self._process = None


def main(argv: Sequence[str] | None = None) -> int:
    """Get a model, and say how it goes."""
    parser = argparse.ArgumentParser(prog="python -m viz_app.finetuning.getting")
    parser.add_argument("--data", required=True, type=Path, help="data directory")
    parser.add_argument("name", help="of the model")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what has arrived is removed
    told = {"at": 0.0, "what": ""}

    def tell(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != told["what"] or now - told["at"] > BEAT:
            told.update(at=now, what=what)
            print(json.dumps({"message": what, "done": done, "total": total, "unit": unit_of(what)}), flush=True)

    try:
        local_models.get(arguments.name, arguments.data, tell)
    except LanguageModelError as error:
        print(json.dumps({"error": error.message}), flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
