"""What a job's state allows, and how a change of it is told."""

from typing import Any

from viz_app.finetuning import spec as specs
from viz_app.finetuning.store import Job

STATE_COMMANDS = {  # name: (states it is allowed in, state that follows)
    "pause": (("queued", "running"), "paused"),
    "resume": (("paused", "stopped", "failed"), "queued"),
    "stop": (("queued", "running", "paused"), "stopped"),
}

SURVEYED = ("paused", "finished", "stopped", "failed")  # states in which the loss surface may be computed


def is_ours(job: Job) -> bool:
    """Whether a job is for workers. One of the shell's trains in the shell's own process: its queue is no device's."""
    return specs.DEVICE.fullmatch(job.device) is not None


def wrong_state(job: Job, command: str) -> str:
    """Why a job's state does not allow a command."""
    allowed = " or ".join(SURVEYED if command == "surface" else STATE_COMMANDS[command][0])
    return f"run {job.id} is {job.state}: {command} is for one that is {allowed}"


def status(state: str, sentence: str) -> dict[str, Any]:
    """The message that tells of a job's state."""
    return {"type": "status", "state": state, "run": None, "message": sentence}
