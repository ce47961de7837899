"""`map` and `tune` at the shell for language models: the same engine and log as the page's, so that what was computed
here is seen there, and a second call goes on with what an interrupted one has left.
"""

import argparse
import json
import sys
from typing import Any

from tqdm import tqdm

from viz_app.finetuning import hints
from viz_app.finetuning import search_results as results
from viz_app.finetuning.desk import data_directory
from viz_app.finetuning.forecast import duration
from viz_app.finetuning.search_spec import SearchSpec, is_of_a_model, parse
from viz_app.finetuning.shell_training import QUEUE, Failure, progress_bar, train
from viz_app.finetuning.states import spec_of
from viz_app.finetuning.store import Log, LogError
from viz_app.shell import FAILED, OK, WRONG_USE, complain, output, write
from viz_app.spec.text import SpecError

__all__ = ["HELP", "is_of_a_model", "job_of", "map_command", "resume", "tune_command"]

HELP = """\
A SPEC with model=, task=, tune= or another key of `python app.py finetune -h` is a language model's: every cell is that
job with two hyperparameters changed, and spends forwards=600 passes (default: its preset's). Beside the job's keys:

  seeds=2                a cell's runs, of seed, seed + 1, …: its loss is their median
  x=…  y=…               axes as above; without them α (or the learning rate) around the job's own value, and n
  over=lr,n              what `tune` varies: over the axis where there is one, else over the slider's range

Cells are kept in the data directory. Ctrl-C keeps what is computed, and the same command goes on with it; `tune` starts
from the cells that maps of the same job have computed. A cell whose loss is not finite, or after a quarter of its
budget more than 1.5 times that of the start, is stopped early: it is empty in the table, and "stopped" says why.

  python app.py map 'tune=layernorm&forwards=600&seeds=2&opt=hizoo&x=alpha=1e-4:0.1:4&y=n=1,2,4,8' --out map.csv
  python app.py tune 'tune=layernorm&forwards=600&opt=mezo&over=lr,n' --trials 16
"""


def map_command(text: str, arguments: argparse.Namespace) -> int:
    """Compute a language model's map, or what is missing of it, and write its table."""
    try:
        spec = parse(text)
        if spec.over:
            return complain("over= and trials= are for `tune`", WRONG_USE)
    except SpecError as error:
        return complain(error, WRONG_USE)
    return _computed(spec, None, arguments)


def tune_command(text: str, trials: int | None, arguments: argparse.Namespace) -> int:
    """Look for a language-model job's best setting, and print what was found as JSON."""
    try:
        spec = parse(text if trials is None else f"{text}&trials={trials}", searching=True)
    except SpecError as error:
        return complain(error, WRONG_USE)
    return _computed(spec, None, arguments)


def resume(job: int, arguments: argparse.Namespace) -> int:
    """Go on with one by its number."""
    return _computed(None, job, arguments)


def _computed(spec: SearchSpec | None, job: int | None, arguments: argparse.Namespace) -> int:
    try:
        with Log(data_directory(arguments.data_dir)) as log:
            if spec is None:
                assert job is not None
                found = spec_of(log.job(job))
                assert isinstance(found, SearchSpec)
                spec = found
            kind, status = ("json", OK) if spec.over else output(arguments)
            if status:
                return status
            job = job or job_of(log, spec) or log.create_job(spec.key, QUEUE)
            failure = Failure(OK, "") if log.job(job).state == "finished" else _train(log, job, spec)
            cells = results.own_cells(log, job)
            if spec.over:
                said = [message for message in log.messages(job) if message["type"] == "found"]
                if said and (status := write("-", (json.dumps(said[-1], indent=2) + "\n").encode())):
                    return status
                lines = [message["sentence"] for message in said]
            else:
                # Whatever ended it, what there is of the table is written.
                if cells and (status := write(arguments.out, results.FORMATS[kind](results.table(spec, cells)))):
                    return status
                lines = [results.summary(spec, cells)]
            if failure.status != OK:
                return complain(failure.sentence, failure.status)
            for line in lines:
                print(line, file=sys.stderr)
            print(f"kept as run {job}: {hints.forget(job, log.directory)} computes it anew next time", file=sys.stderr)
            return OK
    except LogError as error:
        return complain(error, FAILED)


def job_of(log: Log, spec: SearchSpec) -> int | None:
    """The newest job of the same map or search; None if there is none."""
    text = spec.key
    return next((job.id for job in log.jobs() if job.spec == text), None)


def _train(log: Log, job: int, spec: SearchSpec) -> Failure:
    from viz_app.finetuning.searching import Searching

    bar = progress_bar(spec.jobs, " jobs", None)
    shown = _Shown(bar, spec)
    session = Searching(job, spec, log, shown)
    shown.session = session
    go_on = f"the same command goes on, and so does: {hints.resume(job, log.directory)}"
    return train(log, job, session, spec.base, bar, go_on, lambda: None)


class _Shown:
    """Moves the bar with the messages."""

    def __init__(self, bar: tqdm, spec: SearchSpec) -> None:
        self.session: Any = None
        self._bar, self._spec, self._lowest = bar, spec, float("inf")

    def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "progress" and message["message"]:
            passes = f": {message['done']:,} of {message['total']:,} {message['unit']}" if message["total"] else ""
            self._bar.set_description(message["message"] + passes)
        elif message["type"] == "cell":
            self._lowest = min(self._lowest, results.measure(self._spec.base, message))
            self._bar.update(1)
        left = self.session.left()
        said = "" if left is None else f"about {duration(left)} left"
        best = f"lowest {self._lowest:.3f}" if self._lowest < float("inf") else ""
        self._bar.set_postfix_str(", ".join(filter(None, [said, best])))
