"""A worker as a process: one per device.

    python -m viz_app.finetuning.worker_process --data DIR --device cpu    until standard input closes, SIGTERM, idle
    python -m viz_app.finetuning.worker_process --data DIR --devices       finds and measures the devices, notes both

On standard output it says, in JSON lines, what it is doing, at least once a second, so that its starter knows what it
died of.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from viz_app.finetuning import spec as specs
from viz_app.finetuning.liveness import device_lock
from viz_app.finetuning.machine import find_devices, note_speed
from viz_app.finetuning.open_sessions import NewSession, Training
from viz_app.finetuning.search_spec import SearchSpec
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log
from viz_app.finetuning.worker import Worker

BEAT = 1.0  # seconds between signs of life
GRACE = 15.0  # seconds for the current step once the server is gone
NICE = 5  # the page's server goes first


class _Reporter:
    """Standard output: the newest report, when it changes and once a second; and the end of whoever listened."""

    def __init__(self, sink: Any, gone: Callable[[], None]) -> None:
        self._sink, self._gone = sink, gone
        self._last: dict[str, Any] = {"job": None, "command": None, "doing": "starting"}
        self._lock = threading.Lock()
        threading.Thread(target=self._beat, daemon=True).start()

    def __call__(self, doing: dict[str, Any]) -> None:
        if doing != self._last:
            self._last = doing
            self._write()

    def _beat(self) -> None:
        while True:
            self._write()
            time.sleep(BEAT)

    def _write(self) -> None:
        with self._lock:
            try:
                self._sink.write(json.dumps(self._last) + "\n")
                self._sink.flush()
            except (OSError, ValueError):
                self._gone()


def main(argv: Sequence[str] | None = None, session: NewSession | None = None) -> int:
    """Run the worker. `session` takes the place of `viz_app.finetuning.session.Session`, which loads torch."""
    parser = argparse.ArgumentParser(
        prog="python -m viz_app.finetuning.worker_process", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="data directory, which holds the log")
    parser.add_argument("--device", default="cpu", help="the device whose jobs are trained (default %(default)s)")
    parser.add_argument("--devices", action="store_true", help="find and measure the devices, and end")
    arguments = parser.parse_args(argv)

    with Log(arguments.data) as log:
        if arguments.devices:
            find_devices(log)
            return 0
        lock = device_lock(log.directory, arguments.device)
        # A server that was killed leaves its worker with one step to finish: wait for that, and no longer.
        if not lock.acquire(timeout=2 * GRACE):
            print(f"another worker trains on {arguments.device}", file=sys.stderr)
            return 0
        worker = Worker(log, arguments.device, session or _session, _Reporter(sys.stdout, lambda: _close(worker)))
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: _close(worker))
        threading.Thread(target=_watch_input, args=(worker,), daemon=True).start()
        if hasattr(os, "nice"):
            os.nice(NICE)
        worker.run()
        lock.release()
        return 0


def _session(job: int, spec: FinetuneSpec | SearchSpec, log: Log) -> Training:
    from viz_app.finetuning.searching import Searching  # load torch
    from viz_app.finetuning.session import Session

    device, single = log.job(job).device, spec if isinstance(spec, FinetuneSpec) else spec.base
    if specs.DEVICE.fullmatch(device):
        note_speed(log, device, single.model)  # it depends on what else the machine does
    return Session(job, spec, log) if isinstance(spec, FinetuneSpec) else Searching(job, spec, log)


def _close(worker: Worker) -> None:
    worker.closing = True


def _watch_input(worker: Worker) -> None:
    """The server holds the other end: when it closes, the step in hand is finished, and no more than that."""
    while os.read(sys.stdin.fileno(), 4096):  # not through its buffer, whose lock Python wants when it ends
        pass
    worker.closing = True
    time.sleep(GRACE)
    os._exit(1)  # whatever is in the log stays; the rest is one long step


if __name__ == "__main__":
    sys.exit(main())
