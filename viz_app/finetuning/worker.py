"""The worker: trains the jobs of one device's queue, oldest first, and obeys between steps.

It talks through the log alone: jobs and commands come from there, steps, chunks and answers go there. A job that was
running when a worker ended stays "running" in the log, and the next worker goes on with it. `worker_process` runs one.

Commands (`Log.post`), each {"command": …}:

    pause, resume, stop                 the job's state
    set        run, lr, alpha           from the next step on; lr or alpha None: unchanged
    truth      run                      estimate the diagonal of the Hessian now
    headroom   run, step                measure what curvature could gain there
    at         run, step                answered with {"evaluation", "hessian"} of that step
    weights    run, step                answered with {"file": path of a safetensors file for the asker to remove}
    surface                             the loss over the plane of the runs' end points, of a job that does not train;
                                        computed while no job waits, answered when it is done

An answer is {} or the above, or {"errors": [{"field", "message"}]}.
"""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from functions.language_model import LanguageModelError
from viz_app.finetuning import forecast as estimate
from viz_app.finetuning import local_models
from viz_app.finetuning.failures import as_errors, in_words, trace
from viz_app.finetuning.open_sessions import NewSession, OpenSessions, Training
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.states import STATE_COMMANDS, SURVEYED, in_a_shell, is_ours, job_spec, spec_of, wrong_state
from viz_app.finetuning.store import Command, Job, Log, LogFull

POLL = 0.05  # seconds between looks for work
IDLE = 600.0  # seconds without work after which the memory is given back
SPACE = 1.0  # seconds between looks for space on a full disk

LOADING = "loading"  # no step is being made, and none is lost if the process ends
WAITING = {"job": None, "command": None, "doing": "waiting"}
DOING = {
    "set": "changing the learning rate",
    "truth": "estimating the diagonal of the Hessian",
    "headroom": "measuring the headroom",
    "at": "rebuilding a step from the log",
    "weights": "rebuilding weights from the log",
    "surface": "computing the loss surface",
}


class Worker:
    """Trains the jobs of one device. `session(job_id, spec, log)` makes a Training; `report` is told what is about to
    be done, {"job", "command", "doing"}; with "left" how long a job still takes, with "trouble" what the log cannot be
    told.
    """

    def __init__(
        self,
        log: Log,
        device: str,
        session: NewSession,
        report: Callable[[dict[str, Any]], None] = lambda doing: None,
    ) -> None:
        self.log, self.device = log, device
        self.closing = False  # a plain flag: a signal's handler may set it
        self._report = report
        self._sessions = OpenSessions(log, session)
        self._owed: dict[int, tuple[str, str]] = {}  # states that could not be written

    def run(self, idle: float = IDLE) -> None:
        """Work until `closing`, or until there has been nothing to do for `idle` seconds."""
        for job in self.log.jobs():
            if job.device == self.device:  # and nobody else's: this process holds the device's lock
                self.log.change_state(job.id, "queued", "interrupted; it resumes from the log", only_from=("running",))
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
        self._sessions.close_all()

    def _work(self) -> bool:
        """Obey what has been asked, then train the next job of the queue; whether there was anything to do."""
        for id, (state, sentence) in list(self._owed.items()):
            self._say(id, state, sentence)
            del self._owed[id]
        worked = self._obey()
        if not worked and not self.closing:
            if (job := self.log.take_job(self.device)) is not None:
                self._sessions.current = job.id
                self._train(job.id)
                self._sessions.current = None
                worked = True
            else:
                worked = self._survey()
        if worked:
            self._report(WAITING)
        return worked

    def _train(self, id: int) -> None:
        """Train a job until it ends, is paused or stopped, or the worker closes."""
        self._report({"job": id, "command": None, "doing": LOADING})
        try:
            single = isinstance(spec_of(self.log.job(id)), FinetuneSpec)
            anew = single and not any(self._seconds(id))
            started = time.monotonic()
            session = self._sessions.get(id)
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
        runs = (self.log.steps(id, run) for run in range(job_spec(self.log.job(id)).count))
        return [steps[-1].seconds if steps else 0.0 for steps in runs]

    def _note_pace(self, id: int, loading: float, whole: float) -> None:
        """How long a job took that ran through, for the next one's estimate; not if its model is gone by now, or the
        disk full: it has finished all the same.
        """
        with suppress(LanguageModelError, LogFull):
            spec = local_models.resolved(job_spec(self.log.job(id)), self.log.directory)
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
        trace(error)
        state, sentence = ("paused" if isinstance(error, LogFull) else "failed"), in_words(error, self.device)
        try:
            if (session := self._sessions.peek(id)) and not isinstance(error, LogFull):
                session.flush()
        except Exception as also:
            trace(also)
        try:
            self._say(id, state, sentence)
        except LogFull as full:
            trace(full)
            self._owed[id] = (state, sentence)
        self._sessions.close(id)

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
        return None if self._sessions.get(job.id).survey() else {}

    def _commands(self) -> list[Command]:
        return [command for command in self.log.open_commands() if self._is_mine(self.log.job(command.job))]

    def _attempted(self, command: Command, work: Callable[[Command], Any]) -> Any:
        """What `work` answers, or what it fails of."""
        try:
            return work(command)
        except LogFull:
            raise
        except Exception as error:
            trace(error)
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
        session = self._sessions.get(command.job, training=name not in ("at", "weights"))
        if name == "set":
            session.set(**arguments)
        elif name == "truth":
            session.estimate_truth(**arguments)
        elif name == "headroom":
            session.measure_headroom(**arguments)
        elif name == "at":
            return session.at(**arguments)
        else:
            return {"file": str(self._write(command, session.weights(**arguments)))}
        session.flush()
        return {}

    def _change_state(self, id: int, name: str) -> dict[str, Any]:
        before, after = STATE_COMMANDS[name]
        job = self.log.job(id)
        allowed = is_ours(job) and job.state in before
        if allowed and (session := self._sessions.peek(id)):
            session.flush()
            if after == "stopped" and session.trained():
                after = "finished"
        # A shell may take a job that does not run, now or since it was asked.
        if not (allowed and self.log.change_state(id, after, only_from=(job.state,))):
            job = self.log.job(id)
            sentence = wrong_state(job, name) if is_ours(job) else in_a_shell(job, self.log.directory)
            return {"errors": [{"field": "state", "message": sentence}]}
        if name == "stop":
            self._sessions.close(id)
        return {}

    def _write(self, command: Command, weights: Any) -> Path:
        """An `export.Weights` as a file in the data directory, under a name of its own; an adapter as a zip file."""
        from functions.language_model import export

        spec = job_spec(self.log.job(command.job))
        suffix = "safetensors" if weights.adapter is None else "zip"
        path = exports(self.log.directory) / f"{uuid.uuid4().hex}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        facts = {"spec": spec.query(), "run": str(command.body["run"]), "step": str(command.body["step"])}
        export.save(weights, path, facts, local_models.source(spec.model, self.log.directory))
        return path

    def _say(self, id: int, state: str, sentence: str) -> None:
        self.log.change_state(id, state, sentence)


def exports(directory: Path) -> Path:
    """Where weights wait for whoever asked for them."""
    return directory / "exports"
