"""Hidden states of texts, kept in memory and, where a file is named, on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from functions.language_model.stored import ROOM

Row = tuple[int, ...]


class States:
    """The states that enter a layer, (tokens, width) per text, by the text's tokens: ragged, in float16, or in float32
    where one is too large for that. A copy of a model shares them.

    file: where they are read from now and written to by `save`; its name must say all that they depend on beside the
    tokens (weights, cut, precision). A file that cannot be read is as good as none.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._of: dict[Row, torch.Tensor] = {}
        self._saved = 0
        if file is not None:
            self._read(file)

    def __contains__(self, row: Row) -> bool:
        return row in self._of

    def __getitem__(self, row: Row) -> torch.Tensor:
        return self._of[row]

    def __setitem__(self, row: Row, states: torch.Tensor) -> None:
        half = states.half()
        self._of[row] = half.clone() if half.isfinite().all() else states.float()

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._of)

    def __deepcopy__(self, memo: Any) -> States:
        return self

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        return sum(states.nbytes for states in self._of.values())

    def save(self) -> None:
        """Write those that are new to the file, with all others and what another process has added meanwhile; the other
        files of its folder that were not used for longest go where all take more than ROOM. Raises OSError, also
        if they alone take more than that.
        """
        if self.file is not None and len(self) > self._saved:
            self._read(self.file)
        rows = [row for row, states in self._of.items() if states.dtype == torch.float16]
        if self.file is None or len(rows) == self._saved:
            return
        tensors = {
            "tokens": torch.tensor([token for row in rows for token in row], dtype=torch.int32),
            "lengths": torch.tensor([len(row) for row in rows], dtype=torch.int32),
            "states": torch.cat([self._of[row] for row in rows]),
        }
        size = sum(tensor.nbytes for tensor in tensors.values())
        if size > ROOM:
            raise OSError(f"they take {size / 1e9:.1f} GB, and {ROOM / 1e9:g} GB may be kept on the disk")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        written = self.file.with_suffix(f".{os.getpid()}")
        try:
            save_file(tensors, written)
            os.replace(written, self.file)
        except SafetensorError as error:  # its errors of the disk
            raise OSError(str(error)) from error
        finally:
            written.unlink(missing_ok=True)
        self._saved = len(rows)
        others = [path for path in self.file.parent.iterdir() if path != self.file]
        taken = self.file.stat().st_size
        for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
            taken += path.stat().st_size
            if taken > ROOM:
                path.unlink(missing_ok=True)

    def _read(self, file: Path) -> None:
        try:
            with safe_open(file, "pt") as stored:
                tokens, lengths, states = (stored.get_tensor(name) for name in ("tokens", "lengths", "states"))
            sizes = lengths.tolist()
            rows = [tuple(row.tolist()) for row in tokens.split(sizes)]
            found = dict(zip(rows, states.split(sizes), strict=True))
            os.utime(file)
        except (OSError, SafetensorError, RuntimeError, ValueError):
            return
        self._of = found | self._of
        self._saved = len(found)
