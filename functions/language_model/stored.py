"""The files of hidden states in a folder: how many bytes there are, and clearing them. Loads no torch."""

from pathlib import Path

FOLDER = "states"  # of a data directory
ROOM = 4_000_000_000  # bytes of files that a folder may hold


def stored(folder: Path) -> list[tuple[str, int]]:
    """The files of a folder, those that were used last first: name and bytes."""
    found = [(path, path.stat()) for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [(path.name, facts.st_size) for path, facts in sorted(found, key=lambda each: -each[1].st_mtime)]


def clear(folder: Path) -> None:
    """Remove them. What a job has read is in its memory."""
    for name, _ in stored(folder):
        (folder / name).unlink(missing_ok=True)
