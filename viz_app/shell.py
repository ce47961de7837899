"""What every command of the shell shares: its exit status, its one-line complaints, and where its output goes."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from viz_app import tables

OK, FAILED, WRONG_USE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


def complain(message: object, status: int) -> int:
    """Say in one line on standard error what is wrong, and pass the status on."""
    print(f"app.py: {message}", file=sys.stderr)
    return status


def unwritable(path: Path) -> str | None:
    """Why a file cannot be written, asked before minutes of work and not after; None if it seems it can."""
    if path.is_dir():
        return "it is a directory"
    if not path.parent.is_dir():
        return f"no directory {path.parent}"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return "permission denied"
    return None


def subcommand(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    description: str | None = None,
    epilog: str | None = None,
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    """Add a command, which `run` carries out, to a parser's; its parser, for arguments of its own."""
    parser = commands.add_parser(
        name,
        parents=list(parents),
        help=help,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    return parser


def data_option(help: str) -> argparse.ArgumentParser:
    """The data directory, as a parent of commands that may name it after themselves too."""
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data-dir", metavar="DIR", default=argparse.SUPPRESS, help=help)
    return data


def add_output(parser: argparse.ArgumentParser) -> None:
    """The options of a command that writes a table."""
    parser.add_argument("--out", metavar="FILE", default="-", help="file to write, or - for standard output (default)")
    parser.add_argument("--format", choices=tables.FORMATS, help="default: by FILE's suffix; csv for -")


def output(arguments: argparse.Namespace) -> tuple[str, int]:
    """The format asked for and OK, or a status other than that after saying why the file cannot be written."""
    try:
        kind = arguments.format or ("csv" if arguments.out == "-" else tables.format_of(arguments.out))
    except ValueError as error:
        return "", complain(f"--out: {error}; or name one with --format", WRONG_USE)
    if reason := None if arguments.out == "-" else unwritable(Path(arguments.out)):
        return kind, complain(f"cannot write {arguments.out}: {reason}", FAILED)
    return kind, OK


def write(out: str, data: bytes) -> int:
    """Write to a file, or to standard output for "-"; the status."""
    if out == "-":
        # Not sys.stdout.buffer: under PYTHONUNBUFFERED that is raw, and a short write to a pipe would go unnoticed.
        with open(sys.stdout.fileno(), "wb", closefd=False) as sink:
            sink.write(data)
        return OK
    try:
        Path(out).write_bytes(data)
    except OSError as error:
        return complain(f"cannot write {out}: {error.strerror}", FAILED)
    return OK
