"""What a job's state allows."""

from pathlib import Path

from viz_app.finetuning import hints, search_spec
from viz_app.finetuning import spec as specs
from viz_app.finetuning.search_spec import SearchSpec
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
    """A single job's spec; LogError if it is a map or a search, or if this version of the app cannot read it."""
    spec = spec_of(job)
    if isinstance(spec, SearchSpec):
        raise LogError(f"run {job.id} is a {spec.what}, not a single run: open one of its cells")
    return spec


def spec_of(job: Job) -> specs.FinetuneSpec | SearchSpec:
    """The spec of any job; LogError if this version of the app cannot read it."""
    try:
        return search_spec.parse(job.spec) if search_spec.is_search(job.spec) else specs.parse(job.spec)
    except SpecError as error:
        reasons = "; ".join(each["message"] for each in error.errors)
        raise LogError(f"run {job.id} was made by another version of HiZOO Lab: {reasons}") from error


def in_a_shell(job: Job, directory: Path) -> str:
    """Why a job that is not for workers takes no command."""
    goes_on = hints.resume(job.id, directory)
    return f"run {job.id} belongs to a shell: Ctrl-C there interrupts it, and {goes_on} goes on"


def wrong_state(job: Job, command: str) -> str:
    """Why a job's state does not allow a command."""
    allowed = " or ".join(SURVEYED if command == "surface" else STATE_COMMANDS[command][0])
    return f"run {job.id} is {job.state}: {command} is for one that is {allowed}"
