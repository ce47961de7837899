"""The shell's commands about settings: `map` computes a grid of them, `tune` looks for the best."""

import argparse
import json
import sys
from typing import Any, Protocol
from urllib.parse import quote

from tqdm import tqdm

from viz_app.shell import OK, WRONG_USE, add_output, complain, data_option, output, subcommand, write
from viz_app.spec.text import SpecError
from viz_app.tuning import maps
from viz_app.tuning import search as tune
from viz_app.tuning import spec as map_spec

HELP = """\
SPEC is a run's (see `python app.py run -h`) of one optimizer, with a budget in place of steps:

  forwards=3000      forward passes of every run of every cell
  target=1e-4        the gap to the minimum that is to be reached (default: 1e-6 of the first one)
  x=…  y=…           the axes, if --x and --y do not name them

An axis is NAME=LOW:HIGH:COUNT, spaced as the page's slider is (whole numbers rounded, doubles dropped), or
NAME=v1,v2,…, with NAME any number of the optimizer's (alpha, n, lr, mu, warmup, …). Without --x and --y: alpha and n
for hizoo, lr and mu for mezo, lr and beta2 for adam.

Columns of the map: optimizer, the two axes, steps, forwards, runs, passes_to_target (median over runs until the loss
first was there; empty unless half of them got there), reached (runs), final_gap (median above the minimum, or the loss
itself where no minimum is known; empty if half diverged), diverged_share, hessian_bias (geometric mean of P over the
true diagonal in the second half of the runs).

  python app.py map 'f=stiff_quadratic&opt=hizoo' --x alpha=1e-4:1:12 --y n=1,2,4,8,16,32 --out map.csv

Exit status: 0 done, 1 not written, 2 SPEC or usage wrong, 130 interrupted.
"""


class OfModels(Protocol):
    """What answers for specs of language models."""

    @property
    def HELP(self) -> str: ...

    def is_of_a_model(self, text: str) -> bool: ...
    def map_command(self, text: str, arguments: argparse.Namespace) -> int: ...
    def tune_command(self, text: str, trials: int | None, arguments: argparse.Namespace) -> int: ...


def add_commands(commands: Any, of_models: OfModels) -> None:
    """Add `map` and `tune` to the shell's commands."""
    data = [data_option("where a language model's are kept")]
    text = HELP.replace("\nExit status", f"\n{of_models.HELP}\nExit status")
    maps_ = subcommand(
        commands,
        "map",
        lambda arguments: _map(arguments, of_models),
        "compute a grid of settings and write its table",
        "Run one optimizer with every setting of a grid, for equal forward passes; one row per cell.",
        text,
        data,
    )
    maps_.add_argument("spec", metavar="SPEC", help="see below")
    maps_.add_argument("--x", metavar="AXIS", help="the axis that varies fastest")
    maps_.add_argument("--y", metavar="AXIS", help="the other axis")
    add_output(maps_)
    tunes = subcommand(
        commands,
        "tune",
        lambda arguments: _tune(arguments, of_models),
        "look for the best setting of an optimizer within a budget",
        "Try settings of one optimizer at equal forward passes, print the best as JSON, and what it cost.",
        text,
        data,
    )
    tunes.add_argument("spec", metavar="SPEC", help="see below")
    tunes.add_argument(
        "--trials",
        type=int,
        help=f"settings to try, {tune.TRIALS.low:,} to {tune.TRIALS.high:,} (default {tune.TRIALS.default}); "
        "of a language model 2 to 256 (default 16)",
    )


def _map(arguments: argparse.Namespace, of_models: OfModels) -> int:
    text = arguments.spec
    for key in ("x", "y"):
        if (axis := getattr(arguments, key)) is not None:
            text += f"&{key}={quote(axis, safe=',:=')}"
    if of_models.is_of_a_model(text):
        return of_models.map_command(text, arguments)
    try:
        spec = map_spec.parse(text)
        if errors := map_spec.without_effect(spec):
            raise SpecError(errors)
    except SpecError as error:
        return complain(error, WRONG_USE)
    kind, status = output(arguments)
    if status:
        return status
    with tqdm(total=len(spec.settings), unit="cell", dynamic_ncols=True, leave=False, disable=None, delay=0.5) as bar:
        rows = maps.table(spec, progress=bar.update)
    if status := write(arguments.out, maps.FORMATS[kind](rows)):
        return status
    print(maps.summary(spec, rows), file=sys.stderr)
    return OK


def _tune(arguments: argparse.Namespace, of_models: OfModels) -> int:
    if of_models.is_of_a_model(arguments.spec):
        return of_models.tune_command(arguments.spec, arguments.trials, arguments)
    trials = int(tune.TRIALS.default) if arguments.trials is None else arguments.trials
    try:
        found = tune.tune(map_spec.parse(arguments.spec, searching=True), trials)
    except SpecError as error:
        return complain(error, WRONG_USE)
    return write("-", (json.dumps(found, indent=2) + "\n").encode())
