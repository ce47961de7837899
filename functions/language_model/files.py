"""The directory that holds a model's files: the bundled one, one of this computer's, or one fetched from the hub."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.language_model.errors import LanguageModelError

BUNDLED = Path(__file__).parent / "bundled"
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
TOKENIZERS = ("tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model", "vocab.txt")
# What else of a repository is fetched; the weights are chosen from what it has.
SMALL_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
SHARDS = re.compile(r"(model-\d+-of-\d+\.safetensors|pytorch_model-\d+-of-\d+\.bin)")

ORIGIN = "origin.json"  # beside a model that was converted here

Progress = Callable[[str, int, int], None]


def unit_of(what: str) -> str:
    """What a Progress counts: bytes while files arrive, tensors while they are read."""
    return "bytes" if what.startswith("downloading") else "tensors"


@dataclass(frozen=True)
class Origin:
    """What a directory was converted from, by `conversion`. `storage` says how the file held the weights ("quantized to
    4 bits (Q4_1)"), `note` what to know of the tokenizer; `note` and `licence` may be empty.
    """

    title: str
    file: str
    storage: str
    quantized: bool
    licence: str
    note: str

    @property
    def sentence(self) -> str:
        """What to know of the weights."""
        changed = ", and dequantized to floating point: they are not the original ones" if self.quantized else ""
        return f"{self.title}: its weights were {self.storage}{changed}{f'. Note: {self.note}' if self.note else ''}"


def wrong(message: str) -> LanguageModelError:
    return LanguageModelError("model", message)


def find(source: str, progress: Progress | None) -> Path:
    """The directory with the model's files: the bundled one, the one named, or one of the hub's cache."""
    if source == "bundled":
        return BUNDLED
    path = Path(source).expanduser()
    if path.is_dir():
        _check_files(path, path.name)
        return path
    if path.exists():
        if path.suffix == ".gguf":
            raise wrong(f"{source} must be converted first: `python app.py model {source}` makes a directory of it")
        raise wrong(f"{source} is a file; give the directory that holds config.json, the weights and the tokenizer")
    if not HUB_ID.fullmatch(source):
        raise wrong(
            f"there is no directory {source!r}. A model is 'bundled', a directory in the hub's layout, or a hub id "
            "such as facebook/opt-125m"
        )
    return _cached(source) or _downloaded(source, progress)


def origin_of(folder: Path) -> Origin | None:
    """What a directory was converted from; None unless it was converted here."""
    path = folder / ORIGIN
    return Origin(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def _weights(names: Iterable[str]) -> list[str]:
    """The weight files to take out of these: safetensors if there are any, whole or in shards; else pickled ones."""
    present = set(names)
    for whole in ("model.safetensors", "pytorch_model.bin"):
        if whole in present:
            return [whole]
        if f"{whole}.index.json" in present:
            ending = whole.rpartition(".")[2]
            shards = sorted(name for name in present if SHARDS.fullmatch(name) and name.endswith(ending))
            return [f"{whole}.index.json", *shards]
    return []


def _check_files(folder: Path, name: str) -> None:
    """Raises LanguageModelError if config.json, the tokenizer or any weight file is missing."""
    _check({path.name for path in folder.iterdir()}, name)
    _check_shards(folder, name)


def _check(present: set[str], name: str) -> None:
    if "config.json" not in present:
        raise wrong(f"{name} has no config.json, so it is no model in the hub's layout")
    if not _weights(present):
        raise wrong(f"{name} has no weights: model.safetensors (or pytorch_model.bin) is missing")
    if not present.intersection(TOKENIZERS):
        raise wrong(f"{name} has no tokenizer: tokenizer.json (or vocab.json and merges.txt) is missing")


def _check_shards(folder: Path, name: str) -> None:
    present = {path.name for path in folder.iterdir()}
    index = _weights(present)[0]
    if index.endswith(".json"):
        missing = sorted(set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values()) - present)
        if missing:
            raise wrong(f"{name} lacks {len(missing)} of its weight files, {missing[0]} for one")


def _cached(source: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(source, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        _check_files(folder, source)
    except LanguageModelError:  # a download that was broken off: goes on with what is missing
        return None
    return folder


def _downloaded(source: str, progress: Progress | None) -> Path:
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]
        RepositoryNotFoundError,
    )

    where, what = constants.ENDPOINT, f"downloading {source}"
    try:
        listed = HfApi(endpoint=where).model_info(source, files_metadata=True, timeout=10).siblings or []
        sizes = {file.rfilename: file.size or 0 for file in listed}
        # config.json comes last, so that a download that was broken off is not taken for a whole one.
        wanted = [name for name in sizes if name in (*SMALL_FILES, *TOKENIZERS)] + _weights(sizes) + ["config.json"]
        _check(set(sizes), f"{source} on {where}")
        total, before, path = sum(sizes[name] for name in wanted), 0, Path()
        for name in wanted:

            def report(done: int, _: int, before: int = before) -> None:
                if progress is not None:
                    progress(what, before + done, total)

            report(0, 0)
            path = Path(hf_hub_download(source, name, endpoint=where, tqdm_class=reporting_bar(report)))
            before += sizes[name]
    except GatedRepoError as error:
        raise wrong(
            f"{source} is gated: accept its terms on {where}/{source} and log in with `hf auth login`, or give a local "
            "directory with its files"
        ) from error
    except RepositoryNotFoundError as error:
        raise wrong(
            f"{source} is neither a directory here nor a public model on {where}: an id is written owner/name, as in "
            "facebook/opt-125m"
        ) from error
    except (HTTPError, OSError, EntryNotFoundError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise wrong(
                f"the disk is full: {source} did not fit into the hub's cache, {constants.HF_HUB_CACHE}"
            ) from error
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        why = f"answered {status}" if status else "cannot be reached"
        raise wrong(
            f"{source} is not on this computer, or not in full, and {where} {why}. Without network give a directory "
            "that holds its files (config.json, model.safetensors, tokenizer), or take 'bundled', which needs none"
        ) from error
    _check_shards(path.parent, source)
    return path.parent


def reporting_bar(report: Callable[[int, int], object]) -> type:
    """A tqdm class that shows nothing and tells (done, total)."""
    from tqdm.std import tqdm

    class Reporter(tqdm):
        monitor_interval = 0  # no thread that watches the bar

        def __init__(self, *positional: Any, **named: Any) -> None:
            named.pop("name", None)
            super().__init__(*positional, **(named | {"gui": True, "leave": False, "disable": False}))

        def display(self, *_: Any, **__: Any) -> None: ...

        def update(self, n: float | None = 1) -> bool | None:
            super().update(n)
            report(int(self.n), int(self.total or 0))

        def __iter__(self) -> Iterator[Any]:
            for item in self.iterable or ():
                yield item
                self.update(1)

    return Reporter
