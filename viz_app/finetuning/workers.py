"""The server's side of the workers: one process per device that has something to do, watched and started again.

A worker that dies takes nothing along but the step in hand: the log has the rest. The job it trained is told so in its
own chunks, and goes on in the next worker; after DEATHS deaths without a single new step, it has failed. Of several
servers on one data directory just one keeps workers; the others' jobs are done by it, too.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from viz_app.finetuning import forecast as estimate
from viz_app.finetuning import states
from viz_app.finetuning.liveness import Lock, server_lock
from viz_app.finetuning.store import FILE, Job, Log
from viz_app.finetuning.worker import LOADING

COMMAND = (sys.executable, "-m", "viz_app.finetuning.worker_process")
ROOT = Path(__file__).resolve().parents[2]
LOOK = 0.5  # seconds between looks at the log and the workers, unless woken
DEATHS = 3  # in a row without a new step, before a job has failed
SILENCE = 60.0  # seconds without a sign of life: a worker gives one every second
STOP = 20.0  # seconds for a step to end after a stop; then the process is ended
PROBE = 120.0  # seconds to find the devices; torch alone may take ten to load on a cold disk
CLOSE = 5.0  # seconds for workers to end with the server; they end by themselves all the same


class Workers:
    """Keeps workers for the jobs in a data directory, from `start` to `close`. `command` starts one."""

    def __init__(self, directory: Path, open_log: Callable[[], Log], command: Sequence[str] = COMMAND) -> None:
        self.directory = directory.absolute()
        self.elsewhere = False  # another server keeps the workers of this directory
        self._open_log, self._command = open_log, tuple(command)
        self._processes: dict[str, _Process] = {}
        self._deaths: dict[str, tuple[int, int]] = {}  # device: (deaths in a row, steps there were at the last)
        self._stops: dict[int, float] = {}  # stop command: when it was first seen unanswered
        self._woken, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._found: dict[str, Any] | None = None
        self._finding = threading.Lock()

    def start(self) -> None:
        """Take up the jobs that are there, and every later one."""
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now: something has been asked."""
        self._woken.set()

    def close(self) -> None:
        """Let the workers finish their step and end. What is not done stays in the log."""
        self._closing.set()
        self.wake()
        if self._thread is not None:
            self._thread.join(CLOSE + 10)

    def doing(self, device: str) -> dict[str, Any]:
        """What a device's worker does: {"doing"} and perhaps "job", "command", "trouble"; {} if there is none here."""
        process = self._processes.get(device)
        return {} if process is None else process.doing

    def devices(self) -> dict[str, Any]:
        """{"auto": name, "devices": [{"name", "title", "memory"}]}: as noted, or found now. RuntimeError with a
        sentence if they cannot be found.
        """
        return self._open_log().notes(estimate.DEVICES).get(estimate.DEVICES) or self.find_devices()

    def find_devices(self) -> dict[str, Any]:
        """The same, looked for once per server by a process of its own: torch is not loaded here."""
        with self._finding:
            self._found = self._found or self._find()
            return self._found

    def _find(self) -> dict[str, Any]:
        try:
            subprocess.run(
                [*self._command, "--data", str(self.directory), "--devices"],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=PROBE,
                check=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RuntimeError(f"no device can be used for training: {last}") from error
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"the devices could not be found within {PROBE:.0f} s: try again") from error
        return self._open_log().notes(estimate.DEVICES)[estimate.DEVICES]

    def _watch(self) -> None:
        lock: Lock | None = None
        while not self._closing.is_set():
            self._woken.wait(LOOK)
            self._woken.clear()
            try:
                if not (self.directory / FILE).exists():
                    continue  # nobody has trained anything yet
                lock = lock or server_lock(self.directory)
                self.elsewhere = not lock.acquire()
                if not self.elsewhere and not self._closing.is_set():
                    self._look(self._open_log())
            except Exception as error:  # a full disk, a log that is held: this thread must outlive them
                print(f"workers: {error}", file=sys.stderr)
                self._closing.wait(4 * LOOK)
        self._end()
        if lock is not None:
            lock.release()

    def _look(self, log: Log) -> None:
        for device, process in list(self._processes.items()):
            if (status := process.status()) is not None:
                del self._processes[device]
                process.close()
                self._ended(log, process, status)
        jobs = {job.id: job for job in log.jobs()}
        commands = [command for command in log.open_commands() if command.job in jobs]
        wanted = {job.device for job in jobs.values() if job.state in ("queued", "running") and states.is_ours(job)}
        for job in (jobs[command.job] for command in commands):
            wanted.add(job.device if states.is_ours(job) else self.devices()["auto"])
        for device in sorted(wanted - self._processes.keys()):
            if self._is_there(log, device):
                self._processes[device] = _Process(device, self._command, self.directory)
        self._enforce(log, {command.id: command.job for command in commands if command.body["command"] == "stop"})

    def _is_there(self, log: Log, device: str) -> bool:
        """Whether a device exists; if not, its jobs have failed and its commands are answered."""
        names = [found["name"] for found in self.devices()["devices"]]
        if device in names:
            return True
        sentence = f"there is no device {device} on this machine (there is {', '.join(names)}): start it again on one"
        self._give_up(log, [job for job in log.jobs() if job.device == device], sentence)
        for command in log.open_commands(device=device):
            log.answer(command.id, _refusal("device", sentence))
        return False

    # Deaths

    def _ended(self, log: Log, process: "_Process", status: int) -> None:
        """A worker is gone. Status 0: it had nothing to do, or was told to end."""
        if status == 0:
            self._deaths.pop(process.device, None)
            return
        how = process.how or _in_words(status)
        if (command := process.doing.get("command")) is not None:  # it would only kill the next one
            sentence = f"the worker {how} while it was {process.doing['doing']}: {_advice(process, status)}"
            log.answer(command, _refusal("worker", sentence))
        mine = [job for job in log.jobs() if job.device == process.device and job.state in ("queued", "running")]
        victims = [job for job in mine if job.state == "running"]
        steps = sum(log.count_steps(job.id) for job in victims)
        deaths, before = self._deaths.get(process.device, (0, -1))
        deaths = deaths + 1 if steps == before else 1
        self._deaths[process.device] = (deaths, steps)
        if deaths >= DEATHS:
            del self._deaths[process.device]
            sentence = f"the worker {how}, {DEATHS} times in a row without a new step: {_advice(process, status)}"
            self._give_up(log, victims or mine, sentence)
            return
        for job in victims:
            sentence = f"the worker {how} {_where(log, job)}; it resumes from the log"
            log.change_state(job.id, "running", sentence, only_from=("running",))

    def _give_up(self, log: Log, jobs: list[Job], sentence: str) -> None:
        for job in jobs:
            if job.state in ("queued", "running"):
                log.change_state(job.id, "failed", sentence, only_from=(job.state,))

    def _enforce(self, log: Log, stops: dict[int, int]) -> None:
        """End a worker that loads what is to be stopped, at once: it has nothing to finish. One that has not obeyed
        within STOP seconds as well; the log keeps what was trained.
        """
        now = time.monotonic()
        self._stops = {command: self._stops.get(command, now) for command in stops}
        for command, since in self._stops.items():
            job = stops[command]
            process = next((one for one in self._processes.values() if one.doing.get("job") == job), None)
            if process is None:
                continue
            if process.doing["doing"] == LOADING:
                sentence = "stopped before the model was loaded"
            elif now - since > STOP:
                sentence = f"stopped: the step did not end within {STOP:.0f} s, so the worker was ended"
            else:
                continue
            log.change_state(job, "stopped", sentence)
            log.answer(command, {})
            process.kill("was ended")
            process.close()
            del self._processes[process.device]  # it did not die: nothing is to be told or counted

    def _end(self) -> None:
        for process in self._processes.values():
            process.close()
        end = time.monotonic() + CLOSE
        for process in self._processes.values():
            process.wait(max(0.0, end - time.monotonic()))


class _Process:
    """One worker: the process, what it says it does, and whether it still says so."""

    def __init__(self, device: str, command: tuple[str, ...], directory: Path) -> None:
        self.device = device
        self.doing: dict[str, Any] = {"job": None, "command": None, "doing": "starting"}
        self.how = ""  # how it ended, where the exit status does not say
        self.log_file = directory / f"worker-{device.replace(':', '-')}.log"  # tracebacks
        self._looks_since_sign = 0
        self._signs, self._seen = 0, 0
        self._last_look = time.monotonic()
        with self.log_file.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*command, "--data", str(directory), "--device", device],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        threading.Thread(target=self._listen, name=f"worker {device}", daemon=True).start()

    def status(self) -> int | None:
        """The exit status; None while it runs. One that has fallen silent is killed.

        Silence is counted in looks, not by the clock: after a laptop's sleep, hours have passed without any.
        """
        if self._signs != self._seen:
            self._seen, self._looks_since_sign = self._signs, 0
        elif time.monotonic() - self._last_look > 0.9 * LOOK:
            self._looks_since_sign += 1
            self._last_look = time.monotonic()
        if self._looks_since_sign * LOOK > SILENCE:
            self.kill(f"gave no sign of life for {SILENCE:.0f} s and was ended")
        return self._process.poll()

    def kill(self, how: str) -> None:
        self.how = how
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ask it to end: that is what the end of its standard input means."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return  # a long step; the process ends itself within worker_process.GRACE

    def last_words(self) -> str:
        """The last line of its standard error, where a traceback ends."""
        lines = self.log_file.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self.doing = json.loads(line)
                except ValueError:
                    continue  # a library's chatter
                self._signs += 1


def _environment() -> dict[str, str]:
    """The worker finds this checkout wherever the server was started; paths in specs keep their meaning.

    OpenMP's threads do not spin while they wait for one another: where the browser and the server want a core, too, a
    forward pass of the bundled model on two threads took 1.07 s with spinning, 0.10 s without.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _refusal(field: str, sentence: str) -> dict[str, Any]:
    return {"errors": [{"field": field, "message": sentence}]}


def _in_words(status: int) -> str:
    """An exit status as the rest of "the worker …"."""
    if status >= 0:
        return f"ended with exit status {status}"
    return f"was killed (signal {-status})"


def _advice(process: _Process, status: int) -> str:
    if status == -9 and not process.how:
        return "that is how a system ends a process when memory runs out; try a smaller batch or model"
    return process.last_words() or "its log says nothing"


def _where(log: Log, job: Job) -> str:
    """At which step a job stands: "at step 132", or of each run."""
    last = [(run, steps[-1].step) for run in range(8) if (steps := log.steps(job.id, run))]
    if not last:
        return "before the first step"
    return "at step " + ", ".join(f"{step}" for _, step in last) + (" of its runs" if len(last) > 1 else "")
