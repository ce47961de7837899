"""The shell's interface: `python app.py` serves; `run` computes a spec into a file; `list` prints what a spec may say;
and the commands of `viz_app.tuning.command` and `viz_app.finetuning.command`.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from viz_app.finetuning import command as finetune_cli
from viz_app.finetuning import headroom_command
from viz_app.finetuning import search_command as search_cli
from viz_app.finetuning import spec as finetune_spec
from viz_app.playground import headroom
from viz_app.playground.result import RunResult
from viz_app.playground.runner import run
from viz_app.shell import (
    BROKEN_PIPE,
    FAILED,
    INTERRUPTED,
    OK,
    WRONG_USE,
    add_output,
    complain,
    data_option,
    output,
    subcommand,
    write,
)
from viz_app.spec import runs as specs
from viz_app.spec.runs import RunSpec, SpecError
from viz_app.spec.text import whole
from viz_app.tables import encoded
from viz_app.tuning import command as map_cli

PROGRESS_AFTER = 0.5  # seconds; a bar for less would only flicker

HEADROOM_HELP = """\
SPEC is a function's, as `run` takes it, or a language model's, as `finetune` takes it: then it names task, model, tune
or another key that only those have. STEP is start, middle, end, or a number; the default is all three. A language model
is trained first, unless only its start is asked for, and what is measured is kept with the run.

Columns, of a function: optimizer, step, n, r_none, r_p, r_exact, r_most, lr_none, …, gain_none, …: R without a
preconditioner, with P, with the exact diagonal, and at most with any diagonal; the best learning rates; and what one
step then takes off the loss. Of a language model: optimizer, step, what, name, value, error, gain, gain_error.

  python app.py headroom 'f=stiff_quadratic&x0=0,1&opt=hizoo' --at start
  python app.py headroom 'task=reviews&tune=layernorm&steps=100&opt=mezo' --at start end

Exit status: 0 done, 1 failed or not written, 2 SPEC or usage wrong, 130 interrupted.
"""

RUN_HELP = """\
SPEC says everything a run depends on, as the page's link does:

  f=stiff_quadratic           the function; parameters follow: f=rotated_ellipse:angle=30,condition=100
  f=expr:(1-x)^2+100*(y-x^2)^2    or a formula of your own in x and y
  x0=1,1                      the start: one number per dimension, or one for all
  steps=500  runs=16  seed=0
  opt=hizoo:lr=0.1,alpha=0.1  an optimizer with its hyperparameters; repeat it to compare

Keys left out take the function's tuned preset; without any opt, hizoo, mezo and adam run. `python app.py list` prints
functions, optimizers and bounds. Quote SPEC: the shell reads & and ( otherwise.

Columns: optimizer, run, step, forwards, loss, theta_0.., h_0.., true_h_0..

  python app.py run 'f=stiff_quadratic&steps=500&opt=hizoo&opt=mezo' --out run.csv

Exit status: 0 done (a run that diverges is a result), 1 not written, 2 SPEC or usage wrong, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as of `… | head`; a second error while Python flushes at exit is avoided
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app.py", description="HiZOO Lab: watch HiZOO, MeZO and Adam run. Without a command, serves the app."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default %(default)s: this machine)")
    parser.add_argument("--port", type=port, default=8050, help="port to serve on (default %(default)s)")
    parser.add_argument("--debug", action="store_true", help="log every request")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where fine-tuning runs are kept (default: HIZOO_LAB_DATA of the environment, or lab-data here)",
    )
    parser.set_defaults(command=_serve)
    names = "run | map | tune | headroom | finetune | runs | weights | model | states | list"
    commands = parser.add_subparsers(title="commands", metavar=names)

    says = "Compute SPEC and write one row per optimizer, run and recorded step."
    runs = subcommand(commands, "run", _run, "compute a spec and write its table", says, RUN_HELP)
    runs.add_argument("spec", metavar="SPEC", help="see below")
    add_output(runs)
    runs.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="progress bar on standard error (default: on a terminal, for more than half a second's work)",
    )

    map_cli.add_commands(commands, search_cli)
    finetune_cli.add_commands(commands)

    rooms = subcommand(
        commands,
        "headroom",
        _headroom,
        "what curvature could gain, on a function or a language model",
        "Measure what curvature could gain at steps of the runs of SPEC.",
        HEADROOM_HELP,
        [data_option("where fine-tuning runs are kept")],
    )
    rooms.add_argument("spec", metavar="SPEC", help="as `run` or as `finetune` takes it")
    rooms.add_argument(
        "--at", nargs="+", type=place, default=["start", "middle", "end"], metavar="STEP", help="steps, see below"
    )
    rooms.add_argument("--rounds", type=positive_whole, default=4, help="of a language model (default %(default)s)")
    add_output(rooms)
    rooms.set_defaults(progress=None)

    lists = subcommand(commands, "list", _list, "print functions, optimizers and hyperparameters with their bounds")
    lists.add_argument("--json", action="store_true", help="as JSON")
    return parser


def port(text: str) -> int:
    if not 0 <= (number := whole(text)) <= 65_535:
        raise ValueError(text)
    return number


def place(text: str) -> str | int:
    """A step of a run: its number, or a name of it."""
    return text if text in ("start", "middle", "end") else whole(text)


def positive_whole(text: str) -> int:
    if (number := whole(text)) < 1:
        raise ValueError(text)
    return number


def _headroom(arguments: argparse.Namespace) -> int:
    kind, status = output(arguments)
    if status:
        return status
    if search_cli.is_of_a_model(arguments.spec):
        found, status = headroom_command.measured(arguments, arguments.at, arguments.rounds)
        if found is None:
            return status
    else:
        try:
            spec = specs.parse(arguments.spec)
        except SpecError as error:
            return complain(error, WRONG_USE)
        found = headroom.table(
            _run_with_bar(spec, None), [headroom_command.step_of(step, spec.steps) for step in arguments.at]
        )
    return write(arguments.out, encoded(found, kind))


def _run(arguments: argparse.Namespace) -> int:
    try:
        spec = specs.parse(arguments.spec)
    except SpecError as error:
        return complain(error, WRONG_USE)
    kind, status = output(arguments)
    if status:
        return status
    result = _run_with_bar(spec, arguments.progress)
    if status := write(arguments.out, result.encode(kind)):
        return status
    for line in summary(result):
        print(line, file=sys.stderr)
    return OK


def _run_with_bar(spec: RunSpec, wanted: bool | None) -> RunResult:
    disable = None if wanted is None else not wanted  # None: tqdm asks whether standard error is a terminal
    with tqdm(
        total=spec.steps * len(spec.opts),
        unit="step",
        unit_scale=True,
        dynamic_ncols=True,
        leave=False,
        disable=disable,
        delay=0 if wanted else PROGRESS_AFTER,
    ) as bar:
        return run(spec, progress=lambda done, total: _move(bar, done))


def _move(bar: tqdm, done: int) -> None:
    bar.update(done - bar.n)


def summary(result: RunResult) -> list[str]:
    """One line per optimizer: the median final loss over all runs (a diverged one counts as infinite), what it cost,
    and how the runs ended.
    """
    lines = []
    width = max(map(len, result.labels))
    for label, trace in zip(result.labels, result.traces, strict=True):
        diverged = [status for status in trace.statuses if status.kind == "diverged"]
        final = np.where([status.kind == "diverged" for status in trace.statuses], np.inf, trace.loss[-1])
        middle = np.quantile(final, 0.5, method="higher" if len(diverged) else "linear")
        ended = "finished" if not diverged else f"{len(diverged)} {diverged[0].sentence}"
        lines.append(
            f"{label:<{width}}  median loss {middle:.3g} after {trace.forwards[-1]:,} forward passes;"
            f" {len(final)} {'run' if len(final) == 1 else 'runs'}: {ended}"
        )
    return lines


def _list(arguments: argparse.Namespace) -> int:
    catalogue, training = specs.catalogue(), finetune_spec.catalogue()
    if arguments.json:
        print(json.dumps(catalogue | {"finetune": training}, indent=2, ensure_ascii=False))
        return OK
    print("Functions (f=KEY or f=KEY:parameter=value,…)")
    for function in catalogue["functions"]:
        dim = f"{function['dim']} dimensions" if function["dim"] else "any number of dimensions"
        print(f"\n  {function['key']}: {function['name']} ({dim})\n      {function['lesson']}")
        _print_parameters(function["parameters"])
    print("\n  expr: a formula of your own in x and y, f=expr:100*(y-x^2)^2+(1-x)^2")
    print("\nOptimizers (opt=KEY or opt=KEY:hyperparameter=value,…)")
    for optimizer in catalogue["optimizers"]:
        print(f"\n  {optimizer['key']}: {optimizer['name']}\n      {optimizer['summary']}")
        _print_parameters(optimizer["hyperparameters"])
    for key, help in catalogue["keys"].items():
        print(f"\n{key}=…\n      {help}")
    limits = catalogue["limits"]
    print("\nLimits")
    for key in ("steps", "runs", "seed", "noise", "dimensions", "optimizers"):
        print(f"  {key:<12} {limits[key][0]:,} to {limits[key][1]:,}")
    print(f"  steps × runs × n × dimensions of one optimizer: up to {limits['work']:,}")
    print("\nFine-tuning (`python app.py finetune`): methods (opt=KEY or opt=KEY:hyperparameter=value,…)")
    for method in training["methods"]:
        print(f"\n  {method['key']}: {method['name']}\n      {method['summary']}")
        _print_parameters(method["hyperparameters"])
    for key in ("task", "tune", "loss"):
        print(f"\nFine-tuning: {key}")
        for name, sentence in training[{"loss": "losses"}.get(key, f"{key}s")].items():
            print(f"  {key}={name:<14} {sentence}")
    print("\nFine-tuning: limits")
    for key, (low, high) in training["limits"].items():
        print(f"  {key:<12} {low:,} to {high:,}")
    return OK


def _print_parameters(parameters: list[dict[str, Any]]) -> None:
    for parameter in parameters:
        choices = parameter["choices"]
        above = "above " if parameter.get("low_open") else ""
        allowed = " | ".join(choices) if choices else f"{above}{parameter['low']:g} to {parameter['high']:g}"
        print(f"      {parameter['name']:<12} {parameter['default']!s:<14} {allowed:<32} {parameter['label']}")


def _serve(arguments: argparse.Namespace) -> int:
    import uvicorn

    family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
    try:  # before the app is built, so that a taken port is said at once and in one line
        listener = socket.create_server((arguments.host, arguments.port), family=family)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]  # asked for without the address, which is named already
        where = f"{arguments.host}:{arguments.port}"
        return complain(f"cannot serve on {where}: {why}; choose others with --host and --port", FAILED)

    from viz_app.server import create_app

    host, port = listener.getsockname()[:2]
    print(f"HiZOO Lab: http://{f'[{host}]' if family == socket.AF_INET6 else host}:{port} (Ctrl-C stops)", flush=True)
    level = "info" if arguments.debug else "warning"
    uvicorn.Server(uvicorn.Config(create_app(arguments.data_dir).server, log_level=level)).run(sockets=[listener])
    return OK
