"""Training in the shell's own process: a job is taken, its session is advanced, the log says how it ended."""

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from viz_app.finetuning import machine
from viz_app.finetuning.failures import in_words
from viz_app.finetuning.liveness import settled, shell_lock
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import STATES, Log, LogFull
from viz_app.shell import FAILED, INTERRUPTED, OK, WRONG_USE

QUEUE = "shell"  # the device that the log names for jobs trained here: no worker takes them
IDLE = tuple(state for state in STATES if state != "running")  # of jobs that may be taken from a worker's queue
RETRY = 1.0  # seconds between tries to write to a full disk


@dataclass(frozen=True)
class Failure:
    """How the training ended: the command's exit status, and a sentence unless that is OK."""

    status: int
    sentence: str


def progress_bar(total: int | None, unit: str, wanted: bool | None) -> tqdm:
    """On standard error; `wanted` None: on a terminal."""
    return tqdm(
        total=total,
        unit=unit,
        dynamic_ncols=True,
        leave=False,
        disable=None if wanted is None else not wanted,
        miniters=1,
        bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}, {rate_fmt}{postfix}]",
    )


def train(
    log: Log, job: int, session: Any, spec: FinetuneSpec, bar: tqdm, go_on: str, opened: Callable[[], None]
) -> Failure:
    """Advance a job's session until the end, an interrupt or an error; the log says which. `spec` says where and on
    which model; `go_on` is the sentence with the command that resumes it; `opened` is called once it is open.
    """
    from functions.language_model import LanguageModelError
    from functions.language_model.devices import pick_device
    from viz_app.finetuning.failures import SessionError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    settled(log, log.job(job))
    alive = shell_lock(log.directory, job)  # held as long as this process lives, whatever ends it
    taken = alive.acquire() and log.change_state(job, "running", only_from=IDLE, device=QUEUE)
    if not taken:
        alive.release()
        bar.close()
        return Failure(FAILED, f"run {job} is being trained by another process")
    try:
        machine.note_speed(log, pick_device(spec.device).name, spec.model)
        session.open()
        opened()
        while _advanced(session, bar):
            pass
        session.close()
        log.change_state(job, "finished")
        return Failure(OK, "")
    except KeyboardInterrupt:
        _keep(session)
        log.change_state(job, "stopped", f"interrupted; {go_on}")
        return Failure(INTERRUPTED, f"interrupted; what was trained is kept; {go_on}")
    except (LanguageModelError, SessionError) as error:
        _keep(session)
        log.change_state(job, "failed", error.message)
        return Failure(FAILED if error.field in ("memory", "fingerprint") else WRONG_USE, error.message)
    except Exception as error:
        _keep(session)
        details = log.directory / "shell.log"
        with details.open("a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
        sentence = f"{in_words(error)} (details in {details}); {go_on}"
        log.change_state(job, "failed", sentence)
        return Failure(FAILED, sentence)
    finally:
        bar.close()
        alive.release()


def _keep(session: Any) -> None:
    """Store the steps made since the last time; what ends the job must not be hidden by that failing too."""
    with contextlib.suppress(Exception):
        session.flush()


def _advanced(session: Any, bar: tqdm) -> bool:
    try:
        return session.advance()
    except LogFull as full:
        bar.write(f"app.py: {full}", file=sys.stderr)
        while True:
            time.sleep(RETRY)
            try:
                session.flush()
                return True
            except LogFull:
                continue
