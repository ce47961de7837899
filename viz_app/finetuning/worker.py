"""The worker: trains the jobs of one device's queue, oldest first, and obeys between steps.

It talks through the log alone: jobs and commands come from there, steps, chunks and answers go there. A job that was
running when a worker ended stays "running" in the log, and the next worker goes on with it. `worker_process` runs one.

Commands (`Log.post`), each {"command": …}:

    pause, resume, stop                 the job's state
    set        run, lr, alpha           from the next step on; lr or alpha None: unchanged
    truth      run                      estimate the diagonal of the Hessian now
    at         run, step                answered with {"evaluation", "hessian"} of that step
    weights    run, step                answered with {"file": path of a safetensors file for the asker to remove}
    surface                             the loss over the plane of the runs' end points, of a job that does not train;
                                        computed while no job waits, answered when it is done

An answer is {} or the above, or {"errors": [{"field", "message"}]}.
"""

import sys
import time
import traceback
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from functions.language_model import NoRoom
from viz_app.finetuning import forecast as estimate
from viz_app.finetuning.failures import as_errors, in_words, is_out_of_memory
from viz_app.finetuning.states import STATE_COMMANDS, SURVEYED, is_ours, job_spec, status, wrong_state
from viz_app.finetuning.store import Command, Job, Log, LogFull

POLL = 0.05  # seconds between looks for work
IDLE = 600.0  # seconds without work after which the memory is given back
SPACE = 1.0  # seconds between looks for space on a full disk
SESSIONS = 2  # kept open: the one that trains, and the last one that was looked at

WAITING = {"job": None, "command": None, "doing": "waiting"}
DOING = {
    "set": "changing the learning rate",
    "truth": "estimating the diagonal of the Hessian",
    "at": "rebuilding a step from the log",
    "weights": "rebuilding weights from the log",
    "surface": "computing the loss surface",
}


class Training(Protocol):
    """What a worker needs of `viz_app.finetuning.session.Session`."""

    def open(self, training: bool = True) -> None: ...
    def advance(self) -> bool: ...
    def survey(self) -> bool: ...
    def trained(self) -> bool: ...
    def left(self) -> float | None: ...  # seconds
    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None: ...
    def estimate_truth(self, run: int) -> None: ...
    def at(self, run: int, step: int) -> dict[str, Any]: ...
    def weights(self, run: int, step: int) -> Any: ...  # an export.Weights
    def flush(self) -> None: ...
    def close(self) -> None: ...


class Worker:
    """Trains the jobs of one device. `session(job_id, spec, log)` makes a Training; `report` is told what is about to
    be done, {"job", "command", "doing"}; with "left" how long a job still takes, with "trouble" what the log cannot be
    told.
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
        self._looking: set[int] = set()  # open ones that had room for no training
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
        worked = self._obey()
        if not worked and not self.closing:
            if (job := self.log.take_job(self.device)) is not None:
                self._current = job.id
                self._train(job.id)
                self._current = None
                worked = True
            else:
                worked = self._survey()
        if worked:
            self._report(WAITING)
        return worked

    def _train(self, id: int) -> None:
        """Train a job until it ends, is paused or stopped, or the worker closes."""
        self._report({"job": id, "command": None, "doing": "loading"})
        try:
            anew = not any(self._seconds(id))
            self._say(id, "running", "")
            started = time.monotonic()
            session = self._session(id, training=True)
            loaded = time.monotonic()
            while not self.closing:
                left = session.left()
                said = {} if left is None else {"left": f"about {estimate.duration(left)} left"}
                self._report({"job": id, "command": None, "doing": "training", **said})
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
        runs = (self.log.steps(id, run) for run in range(len(job_spec(self.log.job(id)).opts)))
        return [steps[-1].seconds if steps else 0.0 for steps in runs]

    def _note_pace(self, id: int, loading: float, whole: float) -> None:
        """How long a job took that ran through, for the next one's estimate."""
        spec = job_spec(self.log.job(id))
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
        state, sentence = ("paused" if isinstance(error, LogFull) else "failed"), in_words(error, self.device)
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
        commands = [command for command in self._commands() if command.body["command"] != "surface"]
        for command in commands:
            if self.closing:
                break
            self.log.answer(command.id, self._attempted(command, self._answer))
        return bool(commands)

    def _survey(self) -> bool:
        """Compute a part of the first loss surface that was asked for; whether one was."""
        commands = [command for command in self._commands() if command.body["command"] == "surface"]
        if not commands:
            return False
        answer = self._attempted(commands[0], self._surveyed)
        if answer is not None:
            self.log.answer(commands[0].id, answer)
        return True

    def _surveyed(self, command: Command) -> dict[str, Any] | None:
        """{} when the surface is complete, None before."""
        job = self.log.job(command.job)
        if job.state not in SURVEYED:
            return {"errors": [{"field": "state", "message": wrong_state(job, "surface")}]}
        self._report({"job": job.id, "command": command.id, "doing": DOING["surface"]})
        return None if self._session(job.id, training=True).survey() else {}

    def _commands(self) -> list[Command]:
        return [command for command in self.log.open_commands() if self._is_mine(self.log.job(command.job))]

    def _attempted(self, command: Command, work: Callable[[Command], Any]) -> Any:
        """What `work` answers, or what it fails of."""
        try:
            return work(command)
        except LogFull:
            raise
        except Exception as error:
            self._trace(error)
            return {"errors": as_errors(error, self.device)}

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
        session = self._session(command.job, training=name not in ("at", "weights"))
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
        if id in self._sessions:
            self._sessions[id].flush()
            if after == "stopped" and self._sessions[id].trained():
                after = "finished"
        self._say(id, after, "")
        if name == "stop":
            self._close(id)
        return {}

    def _write(self, command: Command, weights: Any) -> Path:
        """An `export.Weights` as a file in the data directory, under a name of its own; an adapter as a zip file."""
        from functions.language_model import export

        spec = job_spec(self.log.job(command.job))
        suffix = "safetensors" if weights.adapter is None else "zip"
        path = exports(self.log.directory) / f"{uuid.uuid4().hex}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        facts = {"spec": spec.query(), "run": str(command.body["run"]), "step": str(command.body["step"])}
        export.save(weights, path, facts, spec.model)
        return path

    # Sessions

    def _session(self, id: int, training: bool) -> Training:
        """A job's open session, with room for `training` or for less. Others are closed to make room for it, but never
        that of the job in training.
        """
        if training and id in self._looking:
            self._close(id)
        if id not in self._sessions:
            for other in self._others()[: max(0, len(self._sessions) - SESSIONS + 1)]:
                self._close(other)
            try:
                self._sessions[id] = self._opened(id, training)
            except Exception as error:
                if not (self._others() and (isinstance(error, NoRoom) or is_out_of_memory(error))):
                    raise
        if id not in self._sessions:  # the first attempt's memory is free by now: the exception held on to it
            for other in self._others():
                self._close(other)
            self._sessions[id] = self._opened(id, training)
        self._sessions.move_to_end(id)
        return self._sessions[id]

    def _others(self) -> list[int]:
        """Whose sessions may be closed, the least recently used first."""
        return [id for id in self._sessions if id != self._current]

    def _opened(self, id: int, training: bool) -> Training:
        session = self._new_session(id, job_spec(self.log.job(id)).query(), self.log)
        session.open(training)
        self._looking |= set() if training else {id}
        return session

    def _close(self, id: int) -> None:
        self._looking.discard(id)
        if session := self._sessions.pop(id, None):
            try:
                session.close()
            except Exception as error:
                self._trace(error)

    def _say(self, id: int, state: str, sentence: str) -> None:
        self.log.append(id, messages=[status(state, sentence)], state=(state, sentence))

    def _trace(self, error: Exception) -> None:
        traceback.print_exception(error, file=sys.stderr)
        sys.stderr.flush()


def exports(directory: Path) -> Path:
    """Where weights wait for whoever asked for them."""
    return directory / "exports"
