"""What a job's state allows, and how a change of it is told."""

from typing import Any

from viz_app.finetuning import spec as specs
from viz_app.finetuning.store import Job, LogError
from viz_app.spec.text import SpecError

STATE_COMMANDS = {  # name: (states it is allowed in, state that follows)
    "pause": (("queued", "running"), "paused"),
    "resume": (("paused", "stopped", "failed"), "queued"),
    "stop": (("queued", "running", "paused"), "stopped"),
}

SURVEYED = ("paused", "finished", "stopped", "failed")  # states in which the loss surface may be computed


def is_ours(job: Job) -> bool:
    """Whether a job is for workers. One of the shell's trains in the shell's own process: its queue is no device's."""
    return specs.DEVICE.fullmatch(job.device) is not None


def job_spec(job: Job) -> specs.FinetuneSpec:
    """A job's spec; LogError if this version of the app cannot read it."""
    try:
        return specs.parse(job.spec)
    except SpecError as error:
        reasons = "; ".join(each["message"] for each in error.errors)
        raise LogError(f"run {job.id} was made by another version of HiZOO Lab: {reasons}") from error


def wrong_state(job: Job, command: str) -> str:
    """Why a job's state does not allow a command."""
    allowed = " or ".join(SURVEYED if command == "surface" else STATE_COMMANDS[command][0])
    return f"run {job.id} is {job.state}: {command} is for one that is {allowed}"


def status(state: str, sentence: str) -> dict[str, Any]:
    """The message that tells of a job's state."""
    return {"type": "status", "state": state, "run": None, "message": sentence}
