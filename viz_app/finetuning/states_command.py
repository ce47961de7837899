"""`python app.py states`: the states of lower layers that are kept on the disk, and clearing them."""

import argparse
from collections.abc import Sequence
from typing import Any

from functions.language_model import stored
from viz_app.finetuning.forecast import amount
from viz_app.shell import FAILED, OK, complain, subcommand

STATES_HELP = """\
A job that trains the top layers alone (tune=top:K, or top=K with lora or layernorm) keeps on the disk what its texts
are to the layers below, so that the next job starts sooner. The files that were not used for longest go by themselves
where all take more than the limit. Nothing is lost by clearing them: what is missing is computed again.

  python app.py states
  python app.py states --clear

Exit status: 0 done, 1 failed.
"""


def add_command(commands: Any, data: Sequence[argparse.ArgumentParser]) -> None:
    """Add `states` to a parser's commands; `data` has the option for the data directory."""
    help = "list or clear what the layers below top layers have computed"
    says = "List or clear the states of lower layers."
    command = subcommand(commands, "states", _states, help, says, STATES_HELP, data)
    command.add_argument("--clear", action="store_true", help="remove them")


def _states(arguments: argparse.Namespace) -> int:
    from viz_app.finetuning.desk import data_directory

    folder = data_directory(arguments.data_dir) / stored.FOLDER
    try:
        found = stored.stored(folder)
        if arguments.clear:
            stored.clear(folder)
    except OSError as error:
        return complain(f"cannot clear {folder}: {error.strerror}", FAILED)
    for name, size in found:
        print(f"{name}  {amount(size)}")
    total = amount(sum(size for _, size in found))
    done = f"removed {total}" if arguments.clear else f"{total} of at most {amount(stored.ROOM)}"
    print(f"{done} in {folder}" if found else f"nothing in {folder} (at most {amount(stored.ROOM)})")
    return OK
