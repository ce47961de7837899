"""Fine-tuning at the shell: `finetune` trains a spec and writes its table, `runs` lists and deletes, `weights` exports.

The same engine and the same log as the page's, so a run begun here can be looked at there.
"""

import argparse
import json
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tqdm import tqdm

from viz_app.finetuning import spec as specs
from viz_app.finetuning import table as tables
from viz_app.finetuning.failures import in_words
from viz_app.finetuning.liveness import settled, shell_lock
from viz_app.finetuning.states import status as status_message
from viz_app.finetuning.store import Log, LogError, LogFull
from viz_app.shell import FAILED, INTERRUPTED, OK, WRONG_USE, add_output, complain, output, unwritable, write
from viz_app.spec.runs import SpecError

QUEUE = "shell"  # the device that the log names for jobs begun here: no worker takes them
RETRY = 1.0  # seconds between tries to write to a full disk

FINETUNE_HELP = """\
SPEC says everything a job depends on, as the page's link does:

  model=bundled             the bundled model, a hub id such as facebook/opt-125m, or a local directory
  task=reviews              reviews (synthetic, bundled), sst2, or table with data=my.csv
  template='{text} it was'  words=terrible,great    the prompt, and one label word per class
  text_column=text  label_column=label  shots=0     of a table; examples per class (0: all)
  tune=full                 full, lora (rank=8), prefix (prefix=5), layernorm
  forwards=2400             each run's budget of forward passes, or steps=400: each run's number of steps
  loss=cross_entropy        or accuracy, f1: these for zeroth-order methods only
  batch=32  seed=0  device=auto  dtype=auto
  eval=120                  forward passes between evaluations on held-out text
  truth=10                  evaluations between estimates of the diagonal Hessian through autograd, which take
                            several times a run's memory (0: none, as for any model but the bundled one)
  opt=hizoo:lr=2e-3,n=4     a method with its hyperparameters; repeat it to compare

Keys left out take the preset of task and tune; `python app.py list` prints methods and bounds. Quote SPEC.

Columns: step, forwards, seconds, train_loss, val_loss, val_accuracy, slope, curvature, p_q10, p_q50, p_q90; with
several optimizers, optimizer before them. val_* and p_* are empty where nothing was evaluated.

  python app.py finetune 'tune=layernorm&steps=100&opt=mezo' --out run.csv

Ctrl-C keeps what was trained; --resume goes on with it. Exit status: 0 done (a run that diverges is a result),
1 failed or not written, 2 SPEC or usage wrong, 130 interrupted.
"""


def add_commands(commands: Any) -> None:
    """Add `finetune`, `runs` and `weights` to a parser's commands."""
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data-dir", metavar="DIR", default=argparse.SUPPRESS, help="where runs are kept")

    finetune = commands.add_parser(
        "finetune",
        parents=[data],
        help="fine-tune a language model and write the table",
        description="Fine-tune a language model as SPEC says and write one row per step.",
        epilog=FINETUNE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    finetune.add_argument("spec", metavar="SPEC", nargs="?", help="see below")
    finetune.add_argument("--resume", metavar="ID", type=int, help="go on with a run that was interrupted")
    add_output(finetune)
    finetune.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="progress bar on standard error (default: on a terminal)",
    )
    finetune.set_defaults(command=_finetune)

    runs = commands.add_parser("runs", parents=[data], help="list the fine-tuning runs that are kept, newest first")
    runs.add_argument("--json", action="store_true", help="as JSON")
    runs.add_argument("--delete", metavar="ID", type=int, help="delete a run with all it left")
    runs.set_defaults(command=_runs)

    weights = commands.add_parser(
        "weights", parents=[data], help="export a run's tuned weights at any step, rebuilt from its log"
    )
    weights.add_argument("id", metavar="ID", type=int, help="as `runs` lists it")
    weights.add_argument("--run", type=int, default=0, help="which of its optimizers, from 0 (default %(default)s)")
    weights.add_argument("--step", type=int, help="after which step (default: the last)")
    weights.add_argument("--out", metavar="FILE", required=True, help="safetensors file to write")
    weights.set_defaults(command=_weights)


def _log(arguments: argparse.Namespace) -> Log:
    from viz_app.finetuning.routes import data_directory

    return Log(arguments.data_dir or data_directory())


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
        log = _log(arguments)
        job = log.create_job(spec.query(), QUEUE) if spec else arguments.resume
        spec = spec or specs.parse(log.job(job).spec)
        if log.job(job).state != "finished" and (status := _train(log, job, spec, arguments)):
            return status
        if status := write(arguments.out, tables.FORMATS[kind](tables.table(log, job))):
            return status
        for line in tables.summary(log, job):
            print(line, file=sys.stderr)
    except LogError as error:
        return complain(error, FAILED)
    print(f"kept as run {job}: python app.py weights {job} --run 0 --out weights.safetensors", file=sys.stderr)
    return OK


def _train(log: Log, job: int, spec: specs.FinetuneSpec, arguments: argparse.Namespace) -> int:
    """Train until the end; a status other than OK says that it did not come to that."""
    from functions.language_model import LanguageModelError
    from viz_app.finetuning.session import Session, SessionError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    if settled(log, log.job(job)).state == "running":
        return complain(f"run {job} is being trained by another process", FAILED)
    alive = shell_lock(log.directory, job)  # held as long as this process lives, whatever ends it
    if not alive.acquire():
        return complain(f"run {job} is being trained by another shell", FAILED)
    log.move_job(job, QUEUE)  # so that no worker takes up what was begun on the page

    def tell(state: str, sentence: str) -> None:
        log.append(job, messages=[status_message(state, sentence)], state=(state, sentence))

    out = "" if arguments.out == "-" else f" --out {arguments.out}"
    go_on = f"go on with: python app.py finetune --resume {job}{out}"
    disable = None if arguments.progress is None else not arguments.progress
    with tqdm(
        total=spec.total_forwards, unit="pass", dynamic_ncols=True, leave=False, disable=disable, miniters=1
    ) as bar:
        session = Session(job, spec, log, _Shown(bar, spec.labels))
        try:
            tell("running", "")
            session.open()
            while _advanced(session, bar):
                pass
            session.close()
            tell("finished", "")
        except KeyboardInterrupt:
            session.flush()
            tell("stopped", f"interrupted; {go_on}")
            bar.close()
            return complain(f"interrupted; what was trained is kept; {go_on}", INTERRUPTED)
        except (LanguageModelError, SessionError) as error:
            tell("failed", error.message)
            bar.close()
            return complain(error.message, FAILED if error.field in ("memory", "fingerprint") else WRONG_USE)
        except Exception as error:  # a fault of ours: the traceback, and a run that can be resumed or deleted
            tell("failed", in_words(error))
            bar.close()
            traceback.print_exc()
            return complain(f"{in_words(error)}; what was trained is kept; {go_on}", FAILED)
        finally:
            alive.release()
            alive.path.unlink(missing_ok=True)
    return OK


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


class _Shown:
    """Moves the bar with a session's messages."""

    def __init__(self, bar: tqdm, labels: tuple[str, ...]) -> None:
        self._bar, self._labels = bar, labels
        self._passes = [0] * len(labels)
        self._loss = [""] * len(labels)
        self._accuracy = [""] * len(labels)

    def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "progress":
            counted = f": {message['done']:,} of {message['total']:,} {message['unit']}" if message["total"] else ""
            self._bar.set_description(message["message"] + counted)
        elif message["type"] == "note":
            self._bar.write(message["message"], file=sys.stderr)
        elif message.get("run") is not None:
            self._of_run(message["run"], message)
            shown = zip(self._labels, self._loss, self._accuracy, strict=True)
            self._bar.set_postfix_str(", ".join(f"{label} {loss}{accuracy}" for label, loss, accuracy in shown))

    def _of_run(self, run: int, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "steps":
            newest = dict(zip(message["columns"], message["rows"][-1], strict=True))
            self._loss[run] = f"{newest['loss']:.3f}"
            self._move(run, newest["forwards"])
        elif kind == "evaluation":
            self._accuracy[run] = f" {message['accuracy']:.0%}"
            self._move(run, message["forwards"])
        elif kind == "status" and message["state"] == "failed":
            self._bar.write(f"{self._labels[run]}: {message['message']}", file=sys.stderr)

    def _move(self, run: int, passes: int) -> None:
        """Absolute: a resumed run's first message counts what was made before."""
        self._bar.update(passes - self._passes[run])
        self._passes[run] = passes


def _runs(arguments: argparse.Namespace) -> int:
    try:
        log = _log(arguments)
        if arguments.delete is not None:
            settled(log, log.job(arguments.delete))
            log.delete_job(arguments.delete)
        jobs = log.jobs()
    except LogError as error:
        return complain(error, FAILED)
    if arguments.json:
        print(json.dumps([vars(job) for job in jobs], indent=2, ensure_ascii=False))
        return OK
    for job in jobs:
        spec = specs.parse(job.spec)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
        what = f"{spec.model} {spec.task}/{spec.tune}: {', '.join(spec.labels)}"
        print(f"{job.id:>4}  {when}  {job.state:<8}  {what}{f'  ({job.message})' if job.message else ''}")
    if not jobs:
        print(f"no runs in {log.directory}", file=sys.stderr)
    return OK


def _weights(arguments: argparse.Namespace) -> int:
    if reason := unwritable(Path(arguments.out)):
        return complain(f"cannot write {arguments.out}: {reason}", FAILED)
    from safetensors.torch import save_file

    from functions.language_model import LanguageModelError
    from viz_app.finetuning.session import Session, SessionError

    try:
        log = _log(arguments)
        spec = log.job(arguments.id).spec
        session = Session(arguments.id, spec, log)
        step = len(log.steps(arguments.id, arguments.run)) if arguments.step is None else arguments.step
        session.open()
        weights = session.weights(arguments.run, step)
        session.close()
        facts = {"spec": spec, "run": str(arguments.run), "step": str(step), "format": "pt"}
        save_file(weights, arguments.out, facts)
    except (LogError, LanguageModelError, SessionError) as error:
        return complain(getattr(error, "message", error), FAILED)
    except OSError as error:
        return complain(f"cannot write {arguments.out}: {error.strerror}", FAILED)
    count = sum(tensor.numel() for tensor in weights.values())
    print(f"{arguments.out}: {len(weights)} tensors, {count:,} numbers, after step {step}", file=sys.stderr)
    return OK
