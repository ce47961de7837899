"""The worker: one process per device that trains the jobs of its queue, oldest first, and obeys between steps.

    python -m viz_app.finetuning.worker --data DIR --device cpu    until standard input closes, SIGTERM, idle minutes
    python -m viz_app.finetuning.worker --data DIR --devices       finds the devices, measures their speed, notes both

It talks through the log alone: jobs and commands come from there, steps, chunks and answers go there. On standard
output it says, in JSON lines, what it is doing, at least once a second, so that its starter knows what it died of. A
job that was running when a worker ended stays "running" in the log, and the next worker goes on with it.

Commands (`Log.post`), each {"command": …}:

    pause, resume, stop                 the job's state
    set        run, lr, alpha           from the next step on; lr or alpha None: unchanged
    truth      run                      estimate the true diagonal now
    at         run, step                answered with {"evaluation", "hessian"} of that step
    weights    run, step                answered with {"file": path of a file for the asker to remove}

An answer is {} or the above, or {"errors": [{"field", "message"}]}.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from viz_app.finetuning import forecast as estimate
from viz_app.finetuning import spec as specs
from viz_app.finetuning.store import Command, Job, Log, LogError, LogFull
from viz_app.spec.runs import SpecError

POLL = 0.05  # seconds between looks for work
BEAT = 1.0  # seconds between signs of life
IDLE = 600.0  # seconds without work after which the memory is given back
GRACE = 15.0  # seconds for the current step once the server is gone
SPACE = 1.0  # seconds between looks for space on a full disk
SESSIONS = 2  # kept open: the one that trains, and the last one that was looked at
NICE = 5  # the page's server goes first

WAITING = {"job": None, "command": None, "doing": "waiting"}
OUT_OF_MEMORY = (
    "out of memory on {device}: take a smaller batch, tune=lora or layernorm, MeZO in place of HiZOO or Adam, or a"
    " smaller model, and start again. What was trained so far is in the log"
)
DOING = {
    "set": "changing the learning rate",
    "truth": "estimating the true diagonal",
    "at": "rebuilding a step from the log",
    "weights": "rebuilding weights from the log",
}


class Training(Protocol):
    """What a worker needs of `viz_app.finetuning.session.Session`."""

    def open(self) -> None: ...
    def advance(self) -> bool: ...
    def trained(self) -> bool: ...
    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None: ...
    def estimate_truth(self, run: int) -> None: ...
    def at(self, run: int, step: int) -> dict[str, Any]: ...
    def weights(self, run: int, step: int) -> Any: ...  # an export.Weights
    def flush(self) -> None: ...
    def close(self) -> None: ...


class Lock:
    """A file that one process at a time holds until it dies or lets go. SQLite's lock, the same on every system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def acquire(self, timeout: float = 0.0) -> bool:
        """Whether it is held now; waits up to `timeout` seconds for whoever else holds it."""
        if self._connection is not None:
            return True
        connection = sqlite3.connect(self.path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def shell_lock(data: Path, job: int) -> Lock:
    """What a shell holds while it trains a job."""
    return Lock(data / f"shell-{job}.lock")


class Worker:
    """Trains the jobs of one device. `session(job_id, spec, log)` makes a Training; `report` is told what is about to
    be done, {"job", "command", "doing"}, and with "trouble" what the log cannot be told.
    """

    def __init__(
        self,
        log: Log,
        device: str,
        session: Callable[[int, str, Log], Training],
        report: Callable[[dict[str, Any]], None] = lambda doing: None,
    ) -> None:
        self.log, self.device = log, device
        self.closing = False  # a plain flag: a signal's handler may set it
        self._new_session, self._report = session, report
        self._sessions: OrderedDict[int, Training] = OrderedDict()  # open ones, the least recently used first
        self._current: int | None = None  # the job that is being trained
        self._owed: dict[int, tuple[str, str]] = {}  # states that could not be written

    def run(self, idle: float = IDLE) -> None:
        """Work until `closing`, or until there has been nothing to do for `idle` seconds."""
        for job in self.log.jobs():
            if job.device == self.device:  # and nobody else's: this process holds the device's lock
                self.log.set_state(job.id, "queued", "interrupted; it resumes from the log", only_from=("running",))
        last = time.monotonic()
        while not self.closing and time.monotonic() - last < idle:
            try:
                worked = self._work()
            except LogFull as full:  # nothing could be written; nothing was lost, so try again
                self._report(WAITING | {"trouble": str(full)})
                worked = False
            if worked:
                last = time.monotonic()
            else:
                time.sleep(POLL)
        for id in list(self._sessions):
            self._close(id)

    def _work(self) -> bool:
        """Obey what has been asked, then train the next job of the queue; whether there was anything to do."""
        for id, (state, sentence) in list(self._owed.items()):
            self._say(id, state, sentence)
            del self._owed[id]
        asked = self._obey()
        if (job := None if asked or self.closing else self.log.take_job(self.device)) is not None:
            self._current = job.id
            self._train(job.id)
            self._current = None
        if asked or job is not None:
            self._report(WAITING)
        return asked or job is not None

    def _train(self, id: int) -> None:
        """Train a job until it ends, is paused or stopped, or the worker closes."""
        self._report({"job": id, "command": None, "doing": "loading"})
        try:
            anew = not any(self._seconds(id))
            self._say(id, "running", "")
            started = time.monotonic()
            session = self._session(id)
            loaded = time.monotonic()
            while not self.closing:
                self._report({"job": id, "command": None, "doing": "training"})
                try:
                    if not session.advance():
                        session.flush()
                        self._say(id, "finished", "")
                        if anew:
                            self._note_pace(id, loaded - started, time.monotonic() - loaded)
                        return
                    self._obey()
                except LogFull as full:
                    self._wait_for_space(id, session, str(full))
                if self.log.job(id).state != "running":
                    return
            session.flush()
        except Exception as error:
            self._fail(id, error)

    def _seconds(self, id: int) -> list[float]:
        """Seconds that each run of a job has trained so far."""
        runs = (self.log.steps(id, run) for run in range(len(specs.parse(self.log.job(id).spec).opts)))
        return [steps[-1].seconds if steps else 0.0 for steps in runs]

    def _note_pace(self, id: int, loading: float, whole: float) -> None:
        """How long a job took that ran through, for the next one's estimate."""
        spec = specs.parse(self.log.job(id).spec)
        key = estimate.pace_key(spec, self.device)
        before = self.log.notes(key).get(key, {})
        self.log.note(key, estimate.pace(before, spec, self._seconds(id), loading, whole))

    def _wait_for_space(self, id: int, session: Training, sentence: str) -> None:
        """The disk is full: say so, keep what is not stored yet, and go on once it can be."""
        self._report({"job": id, "command": None, "doing": "paused", "trouble": sentence})
        said = False
        while not self.closing:
            try:
                if not said:
                    self._say(id, "paused", sentence)  # a small row often still fits
                    said = True
                session.flush()
                self._say(id, "running", "there is space on the disk again: the training goes on")
                return
            except LogFull:
                time.sleep(SPACE)

    def _fail(self, id: int, error: Exception) -> None:
        """A job could not go on: its state, a sentence, and the worker lives on."""
        self._trace(error)
        state, sentence = ("paused" if isinstance(error, LogFull) else "failed"), _sentence(error, self.device)
        try:
            if id in self._sessions and not isinstance(error, LogFull):
                self._sessions[id].flush()
        except Exception as also:
            self._trace(also)
        try:
            self._say(id, state, sentence)
        except LogFull as full:
            self._trace(full)
            self._owed[id] = (state, sentence)
        self._close(id)

    # Commands

    def _obey(self) -> bool:
        """Answer all open commands of this device's jobs; whether there were any."""
        commands = [command for command in self.log.open_commands() if self._is_mine(self.log.job(command.job))]
        for command in commands:
            if self.closing:
                break
            try:
                answer = self._answer(command)
            except LogFull:
                raise
            except Exception as error:
                self._trace(error)
                answer = {"errors": _errors(error, self.device)}
            self.log.answer(command.id, answer)
        return bool(commands)

    def _is_mine(self, job: Job) -> bool:
        """Questions about the shell's jobs are for the device that "auto" means."""
        if is_ours(job):
            return job.device == self.device
        return self.log.notes(estimate.DEVICES).get(estimate.DEVICES, {}).get("auto") == self.device

    def _answer(self, command: Command) -> dict[str, Any]:
        name, arguments = command.body["command"], {**command.body}
        del arguments["command"]
        if name in STATE_COMMANDS:
            return self._change_state(command.job, name)
        self._report({"job": command.job, "command": command.id, "doing": DOING[name]})
        session = self._session(command.job)
        if name == "set":
            session.set(**arguments)
        elif name == "truth":
            session.estimate_truth(**arguments)
        elif name == "at":
            return session.at(**arguments)
        else:
            return {"file": str(self._write(command, session.weights(**arguments)))}
        session.flush()
        return {}

    def _change_state(self, id: int, name: str) -> dict[str, Any]:
        before, after = STATE_COMMANDS[name]
        job = self.log.job(id)
        if job.state not in before:
            return {"errors": [{"field": "state", "message": wrong_state(job, name)}]}
        message = ""
        if id in self._sessions:
            self._sessions[id].flush()
            if after == "stopped" and self._sessions[id].trained():
                after, message = "finished", "the loss on the plane of the end points was left unfinished"
        self._say(id, after, message)
        if name == "stop":
            self._close(id)
        return {}

    def _write(self, command: Command, weights: Any) -> Path:
        """An `export.Weights` as a file in the data directory, under a name of its own; an adapter as a zip file."""
        from functions.language_model import export

        spec = specs.parse(self.log.job(command.job).spec)
        suffix = "safetensors" if weights.adapter is None else "zip"
        path = exports(self.log.directory) / f"{uuid.uuid4().hex}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        facts = {"spec": spec.query(), "run": str(command.body["run"]), "step": str(command.body["step"])}
        export.save(weights, path, facts, spec.model)
        return path

    # Sessions

    def _session(self, id: int) -> Training:
        """A job's open session. Others are closed to make room for it, but never that of the job in training."""
        if id not in self._sessions:
            for other in self._others()[: max(0, len(self._sessions) - SESSIONS + 1)]:
                self._close(other)
            try:
                self._sessions[id] = self._opened(id)
            except Exception as error:
                if not (self._others() and _is_out_of_memory(error)):
                    raise
        if id not in self._sessions:  # the first attempt's memory is free by now: the exception held on to it
            for other in self._others():
                self._close(other)
            self._sessions[id] = self._opened(id)
        self._sessions.move_to_end(id)
        return self._sessions[id]

    def _others(self) -> list[int]:
        """Whose sessions may be closed, the least recently used first."""
        return [id for id in self._sessions if id != self._current]

    def _opened(self, id: int) -> Training:
        session = self._new_session(id, self.log.job(id).spec, self.log)
        session.open()
        return session

    def _close(self, id: int) -> None:
        if session := self._sessions.pop(id, None):
            try:
                session.close()
            except Exception as error:
                self._trace(error)

    def _say(self, id: int, state: str, sentence: str) -> None:
        self.log.append(id, messages=[_status(state, sentence)], state=(state, sentence))

    def _trace(self, error: Exception) -> None:
        traceback.print_exception(error, file=sys.stderr)
        sys.stderr.flush()


STATE_COMMANDS = {  # name: (states it is allowed in, state that follows)
    "pause": (("queued", "running"), "paused"),
    "resume": (("paused", "stopped", "failed"), "queued"),
    "stop": (("queued", "running", "paused"), "stopped"),
}


def is_ours(job: Job) -> bool:
    """Whether a job is for workers. One of the shell's trains in the shell's own process: its queue is no device's."""
    return specs.DEVICE.fullmatch(job.device) is not None


def wrong_state(job: Job, command: str) -> str:
    """Why a job's state does not allow a command."""
    allowed = " or ".join(STATE_COMMANDS[command][0])
    return f"run {job.id} is {job.state}: {command} is for one that is {allowed}"


def exports(directory: Path) -> Path:
    """Where weights wait for whoever asked for them."""
    return directory / "exports"


def device_lock(directory: Path, device: str) -> Lock:
    """Held by the one worker of a device."""
    return Lock(directory / f"worker-{device.replace(':', '-')}.lock")


def log_file(directory: Path, device: str) -> Path:
    """Where a device's worker writes its tracebacks."""
    return directory / f"worker-{device.replace(':', '-')}.log"


def _status(state: str, sentence: str) -> dict[str, Any]:
    return {"type": "status", "state": state, "run": None, "message": sentence}


def _is_out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()  # torch on the CPU and on MPS raise a plain RuntimeError
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


def _sentence(error: Exception, device: str) -> str:
    return "; ".join(entry["message"] for entry in _errors(error, device))


def _errors(error: Exception, device: str) -> list[dict[str, Any]]:
    """An exception as the page's [{"field", "message"}]."""
    if isinstance(error, SpecError):
        return error.errors
    field, message = getattr(error, "field", None), getattr(error, "message", None)
    if isinstance(field, str) and isinstance(message, str):  # LanguageModelError, HyperparameterError
        return [{"field": field, "message": message}]
    if isinstance(error, LogError):
        return [{"field": "log", "message": str(error)}]
    if _is_out_of_memory(error):
        return [{"field": "memory", "message": OUT_OF_MEMORY.format(device=device)}]
    last = str(error).strip().splitlines()
    detail = f": {last[0][:200]}" if last else ""
    return [{"field": "worker", "message": f"{type(error).__name__}{detail} (details in {device}'s worker log)"}]


# The process


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


def main(argv: Sequence[str] | None = None, session: Callable[[int, str, Log], Training] | None = None) -> int:
    """Run the worker. `session` takes the place of `viz_app.finetuning.session.Session`, which loads torch."""
    parser = argparse.ArgumentParser(
        prog="python -m viz_app.finetuning.worker", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="data directory, which holds the log")
    parser.add_argument("--device", default="cpu", help="the device whose jobs are trained (default %(default)s)")
    parser.add_argument("--devices", action="store_true", help="find and measure the devices, and end")
    arguments = parser.parse_args(argv)

    log = Log(arguments.data)
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


def _session(job: int, spec: str, log: Log) -> Training:
    from functions.language_model.devices import speed  # loads torch
    from viz_app.finetuning.session import Session

    device = log.job(job).device
    if specs.DEVICE.fullmatch(device):
        log.note(estimate.SPEED + device, speed(device))  # it depends on what else the machine does
    return Session(job, spec, log)


def _close(worker: Worker) -> None:
    worker.closing = True


def _watch_input(worker: Worker) -> None:
    """The server holds the other end: when it closes, the step in hand is finished, and no more than that."""
    while sys.stdin.buffer.read(4096):
        pass
    worker.closing = True
    time.sleep(GRACE)
    os._exit(1)  # whatever is in the log stays; the rest is one long step


# Devices


def find_devices(log: Log) -> None:
    """Note which devices there are, which one "auto" means, and how fast each is now."""
    import torch

    from functions.language_model.devices import pick_device, speed

    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    names += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    devices = [pick_device(name) for name in names]
    found = [{"name": device.name, "title": device.title, "memory": device.memory} for device in devices]
    log.note(estimate.DEVICES, {"auto": pick_device("auto").name, "devices": found})
    for device in devices:
        log.note(estimate.SPEED + device.name, speed(device.name))


if __name__ == "__main__":
    sys.exit(main())
