"""One step of a run, as it is stored and as it is drawn: nothing else says which numbers those are, in what order."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class StepRow:
    """One step, counted from 1: what a chart shows, and in `scalars` what `Trainer.replay` needs.

    forwards: forward passes of the whole model that the run has spent by then (`Run.forwards`); seconds: its training
    time by then. slope, curvature: of the probes (`StepRecord`), None where a method has none. lr, alpha: the effective
    ones, after the schedule; alpha None where there is none. scalars: the first differences, then the second ones,
    then with lr=auto `StepRecord.seen`.
    """

    step: int
    forwards: float
    seconds: float
    loss: float
    slope: float | None
    curvature: float | None
    length: float
    lr: float
    alpha: float | None
    scalars: tuple[float, ...] = ()

    def drawn(self) -> list[Any]:
        """Its numbers in the order of COLUMNS."""
        return [getattr(self, name) for name in COLUMNS]


COLUMNS = tuple(field.name for field in fields(StepRow) if field.name != "scalars")


def row(numbers: Sequence[Any], scalars: tuple[float, ...]) -> StepRow:
    """The step with these numbers in the order of COLUMNS. A loss or length of None, as SQLite stores NaN, is NaN."""
    named = dict(zip(COLUMNS, numbers, strict=True))
    for name in ("loss", "length"):
        named[name] = math.nan if named[name] is None else named[name]
    return StepRow(**named, scalars=scalars)


def message(run: int, rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """The message that tells a page of steps: {"type": "steps", "run", "columns": COLUMNS, "rows": [[…], …]}."""
    return {"type": "steps", "run": run, "columns": COLUMNS, "rows": list(rows)}
