"""The app in a process of its own, and a Chromium to look at it: for the page's benchmarks and the browser tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def chromium() -> str:
    """Path of a Chromium: CHROMIUM of the environment, or one on PATH. Raises RuntimeError with what to do."""
    found = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not found:
        raise RuntimeError("no Chromium: set CHROMIUM to its path, or run `make test`, which installs it where it may")
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`python app.py`, answering when the constructor returns; RuntimeError if it ends or does not answer.

    `data` is the directory of its fine-tuning runs, by default one that goes with the server.
    """

    def __init__(self, port: int, data: Path | None = None):
        self._temporary = TemporaryDirectory()
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), "--data-dir", str(data or self._temporary.name)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"app.py ended at once: {self.process.communicate()[1]}")
            try:
                urllib.request.urlopen(f"{self.url}/api/list", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError("app.py does not answer")

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        self.process.communicate(timeout=20)
        self._temporary.cleanup()
