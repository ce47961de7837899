"""Fine-tuning at the shell: `finetune` trains a spec and writes its table, `runs` lists and deletes, `weights` exports.

The same engine and the same log as the page's, so a run begun here can be looked at there.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from viz_app.finetuning import hints, local_models, model_command, search_command, shell_training, states_command
from viz_app.finetuning import spec as specs
from viz_app.finetuning import table as tables
from viz_app.finetuning.forecast import duration
from viz_app.finetuning.liveness import delete, settled, settled_shells
from viz_app.finetuning.search_spec import SearchSpec, is_search
from viz_app.finetuning.shell_training import QUEUE, Failure, progress_bar
from viz_app.finetuning.states import job_spec, spec_of
from viz_app.finetuning.store import Log, LogError
from viz_app.shell import (
    FAILED,
    OK,
    WRONG_USE,
    add_output,
    complain,
    data_option,
    output,
    subcommand,
    unwritable,
    write,
)
from viz_app.spec.runs import SpecError

FINETUNE_HELP = """\
SPEC says everything a job depends on, as the page's link does:

  model=bundled             the bundled model; smollm2, once `python app.py model smollm2` has got it; a hub id such
                            as facebook/opt-125m; or a local directory
  task=reviews              reviews (synthetic, bundled), sst2, or table with data=my.csv
  template='{text} it was'  words=terrible,great    the prompt, and one label word per class
  text_column=text  label_column=label              of a table
  shots=0  train=0          training texts per class, and in total (0: all); the seed draws them
  held_out=256              held-out texts that an evaluation looks at (0: all)
  tune=full                 full, lora (rank=8), prefix (prefix=5), layernorm
  forwards=2400             each run's budget of forward passes, or steps=400: each run's number of steps
  loss=cross_entropy        or accuracy, f1: these for zeroth-order methods only
  batch=32  seed=0  device=auto  dtype=auto
  runs=1                    so many seeds (up to 16): seed, seed + 1, …; what a seed draws is what a job of it draws
  eval=120                  forward passes between evaluations on held-out text
  truth=10                  evaluations between estimates of the true diagonal (0: none)
  opt=hizoo:lr=2e-3,n=4     a method with its hyperparameters; repeat it to compare

Keys left out take the preset of task and tune; `python app.py list` prints methods and bounds. Quote SPEC.

Columns: step, forwards, seconds, train_loss, val_loss, val_accuracy, slope, curvature, lr, p_q10, p_q50, p_q90; before
them optimizer, of several, and run (from 0), of several seeds. val_* and p_* are empty where nothing was evaluated.

  python app.py finetune 'tune=layernorm&steps=100&opt=mezo' --out run.csv

Ctrl-C keeps what was trained; --resume goes on with it. Exit status: 0 done (a run that diverges is a result),
1 failed or not written, 2 SPEC or usage wrong, 130 interrupted.
"""

WEIGHTS_HELP = """\
With tune=full and tune=layernorm, PATH is one safetensors file with the parameters under their names in the model:

  model.load_state_dict(safetensors.torch.load_file(PATH), strict=False)

With tune=lora and tune=prefix, PATH is a folder in peft's format (adapter_model.safetensors and adapter_config.json),
or a zip file of the same where PATH ends in .zip:

  peft.PeftModel.from_pretrained(model, PATH)

The safetensors' metadata hold the spec, the run and the step.
"""


def add_commands(commands: Any) -> None:
    """Add `finetune`, `runs` and `weights` to a parser's commands."""
    data = [data_option("where runs are kept")]
    says = "Fine-tune a language model as SPEC says and write one row per step."
    help = "fine-tune a language model and write the table"
    finetune = subcommand(commands, "finetune", _finetune, help, says, FINETUNE_HELP, data)
    finetune.add_argument("spec", metavar="SPEC", nargs="?", help="see below")
    finetune.add_argument("--resume", metavar="ID", type=int, help="go on with a run that was interrupted")
    add_output(finetune)
    finetune.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="progress bar on standard error (default: on a terminal)",
    )

    help = "list the fine-tuning runs that are kept, newest first"
    runs = subcommand(commands, "runs", _runs, help, parents=data)
    runs.add_argument("--json", action="store_true", help="as JSON")
    runs.add_argument("--delete", metavar="ID", type=int, help="delete a run with all it left")

    model_command.add_command(commands, data)
    states_command.add_command(commands, data)

    says = "Export a run's trained parameters at any step, rebuilt from its log."
    help = "export a run's trained parameters at any step, rebuilt from its log"
    weights = subcommand(commands, "weights", _weights, help, says, WEIGHTS_HELP, data)
    weights.add_argument("id", metavar="ID", type=int, help="as `runs` lists it")
    weights.add_argument(
        "--run",
        type=int,
        default=0,
        help="which of its runs, from 0 (default %(default)s): one per optimizer, then those of the next seed",
    )
    weights.add_argument("--step", type=int, help="after which step (default: the last)")
    weights.add_argument("--out", metavar="PATH", required=True, help="file or folder to write, see below")


def _log(arguments: argparse.Namespace) -> Log:
    from viz_app.finetuning.desk import data_directory

    return Log(data_directory(arguments.data_dir))


def _finetune(arguments: argparse.Namespace) -> int:
    if (arguments.spec is None) == (arguments.resume is None):
        return complain("give either a SPEC or --resume ID", WRONG_USE)
    try:
        spec = specs.parse(arguments.spec) if arguments.spec is not None else None
    except SpecError as error:
        return complain(error, WRONG_USE)
    kind, status = output(arguments)
    if status:
        return status
    try:
        with _log(arguments) as log:
            if spec is None and is_search(log.job(arguments.resume).spec):
                return search_command.resume(arguments.resume, arguments)
            job = log.create_job(spec.query(), QUEUE) if spec else arguments.resume
            spec = spec or job_spec(log.job(job))
            failure = Failure(OK, "")
            if log.job(job).state != "finished":
                failure = train(log, job, spec, arguments)
            # Whatever ended the training, what there is of the table is written.
            if (failure.status == OK or any(log.steps(job, run) for run in range(spec.count))) and (
                status := write(arguments.out, tables.FORMATS[kind](tables.table(log, job)))
            ):
                return status
            if failure.status != OK:
                return complain(failure.sentence, failure.status)
            for line in tables.summary(log, job):
                print(line, file=sys.stderr)
    except LogError as error:
        return complain(error, FAILED)
    out = "adapter" if spec.adapter else "weights.safetensors"
    print(f"kept as run {job}: {hints.weights(job, log.directory, out)}", file=sys.stderr)
    return OK


def train(log: Log, job: int, spec: specs.FinetuneSpec, arguments: argparse.Namespace) -> Failure:
    """Train until the end, an interrupt or an error; the log says which."""
    from viz_app.finetuning.session import Session

    bar = progress_bar(spec.total_forwards, " forward passes", arguments.progress)
    shown = _Shown(bar, spec)
    session = Session(job, spec, log, shown)

    def opened() -> None:
        if session.forecast:
            bar.write(f"forecast: {session.forecast.sentence}", file=sys.stderr)
        shown.left = session.left

    go_on = f"go on with: {hints.resume(job, log.directory, arguments.out, arguments.format)}"
    return shell_training.train(log, job, session, spec, bar, go_on, opened)


class _Shown:
    """Moves the bar with a session's messages."""

    def __init__(self, bar: tqdm, spec: specs.FinetuneSpec) -> None:
        self._bar, self._spec = bar, spec
        self._costs = [spec.forwards_per_step(run) for run in range(spec.count)]
        self.left: Callable[[], float | None] = lambda: None
        self._passes = [0] * spec.count
        self._loss = [""] * spec.count
        self._accuracy = [""] * spec.count

    def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "progress":
            counted = f": {message['done']:,} of {message['total']:,} {message['unit']}" if message["total"] else ""
            self._bar.set_description(message["message"] + counted)
        elif message["type"] == "plan" and message["clock"]:
            self._bar.write(message["clock"], file=sys.stderr)
        elif message["type"] == "note":
            self._bar.write(message["message"], file=sys.stderr)
        elif message.get("run") is not None:
            self._of_run(message["run"], message)
            spec, first = self._spec, message["run"] - message["run"] % len(self._spec.opts)
            runs = range(first, first + len(spec.opts))
            losses = [f"{spec.label_of(run)} {self._loss[run]}{self._accuracy[run]}" for run in runs]
            seed = f"seed {spec.repetition_of(first) + 1} of {spec.runs}" if spec.runs > 1 else ""
            left = self.left()
            said = "" if left is None else f"about {duration(left)} left"
            self._bar.set_postfix_str(", ".join(filter(None, [said, seed, *losses])))

    def _of_run(self, run: int, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "steps":
            newest = dict(zip(message["columns"], message["rows"][-1], strict=True))
            self._loss[run] = f"{newest['loss']:.3f}"
            self._move(run, newest["step"])
        elif kind == "evaluation":
            self._accuracy[run] = f" {message['accuracy']:.0%}"
            self._move(run, message["step"])
        elif kind == "status" and message["state"] == "failed":
            seed = f" with seed {self._spec.seed + self._spec.repetition_of(run)}" if self._spec.runs > 1 else ""
            self._bar.write(f"{self._spec.label_of(run)}{seed}: {message['message']}", file=sys.stderr)

    def _move(self, run: int, step: int) -> None:
        """Absolute: a resumed run's first message counts what was made before."""
        passes = step * self._costs[run]
        self._bar.update(passes - self._passes[run])
        self._passes[run] = passes


def _runs(arguments: argparse.Namespace) -> int:
    try:
        with _log(arguments) as log:
            if arguments.delete is not None:
                delete(log, settled(log, log.job(arguments.delete)))
            jobs = [settled_shells(log, job) for job in log.jobs()]
    except LogError as error:
        return complain(error, FAILED)
    if arguments.json:
        print(json.dumps([vars(job) for job in jobs], indent=2, ensure_ascii=False))
        return OK
    for job in jobs:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
        try:
            spec = spec_of(job)
            single = spec.base if isinstance(spec, SearchSpec) else spec
            what = f"{single.model} {single.task}/{single.tune}: {', '.join(single.labels)}"
            what += f", {spec.title}" if isinstance(spec, SearchSpec) else ""
        except LogError:  # of an older version of the app
            what = job.spec
        print(f"{job.id:>4}  {when}  {job.state:<8}  {what}{f'  ({job.message})' if job.message else ''}")
    if not jobs:
        print(f"no runs in {log.directory}", file=sys.stderr)
    return OK


def _weights(arguments: argparse.Namespace) -> int:
    from functions.language_model import LanguageModelError, export
    from viz_app.finetuning.session import Session, SessionError

    out = Path(arguments.out)
    try:
        with _log(arguments) as log:
            spec = job_spec(log.job(arguments.id))
            folder = spec.adapter and out.suffix != ".zip"
            if not (folder and out.is_dir()) and (reason := unwritable(out)):
                return complain(f"cannot write {out}: {reason}", FAILED)
            if folder and out.is_file():
                return complain(f"cannot write {out}: an adapter is a folder, and this is a file", FAILED)
            session = Session(arguments.id, spec, log)
            step = len(log.steps(arguments.id, arguments.run)) if arguments.step is None else arguments.step
            session.open(training=False)
            weights = session.weights(arguments.run, step)
            session.close()
            facts = {"spec": spec.query(), "run": str(arguments.run), "step": str(step)}
            export.save(weights, out, facts, local_models.source(spec.model, log.directory))
    except (LogError, LanguageModelError, SessionError) as error:
        return complain(getattr(error, "message", error), FAILED)
    except OSError as error:
        return complain(f"cannot write {out}: {error.strerror}", FAILED)
    kind = "" if weights.adapter is None else f" in peft's format, an adapter of {spec.model}:"
    print(f"{out}:{kind} {len(weights.tensors)} tensors, {weights.count:,} numbers, after step {step}", file=sys.stderr)
    return OK
