"""How long a job still takes: its forecast, corrected by what this session has done of it so far. Loads no torch."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from viz_app.finetuning.forecast import Forecast
from viz_app.finetuning.run import Run


class Remaining:
    """Of `runs`, which may have begun in an earlier session: what those did says nothing about this one's pace."""

    def __init__(self, made: Forecast, runs: Sequence[Run]) -> None:
        self._made, self._runs = made, runs
        self._steps, self._seconds = [len(run.rows) for run in runs], [run.seconds for run in runs]
        self._evaluated = self._evaluations()
        self._spent = 0.0  # seconds of training and measuring in this session

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Round a part of the job. What is made again from the log is no part of it."""
        again = any(_is_made_again(run) for run in self._runs)
        started = time.monotonic()
        try:
            yield
        finally:
            self._spent += 0.0 if again else time.monotonic() - started

    def seconds(self) -> float:
        """Seconds until the last evaluation."""
        made, total, trained, expected = self._made, 0.0, 0.0, 0.0
        steps = [len(run.rows) - first for run, first in zip(self._runs, self._steps, strict=True)]
        seconds = [run.seconds - first for run, first in zip(self._runs, self._seconds, strict=True)]
        for run, count, spent, whole in zip(self._runs, steps, seconds, made.training, strict=True):
            trained += spent
            expected += whole * count / run.steps
        pace = trained / expected if expected else 1.0  # above 1: slower than forecast
        for run, count, spent, whole in zip(self._runs, steps, seconds, made.training, strict=True):
            left = 0 if run.ended else run.steps - len(run.rows)
            total += left * (spent / count if count else pace * whole / run.steps)
        now = self._evaluations()
        last = [done if run.ended else most for run, done, most in zip(self._runs, now, made.evaluations, strict=True)]
        seen = made.measuring(now) - made.measuring(self._evaluated)
        slower = max(0.0, self._spent - trained) / seen if seen > 0 else pace
        return total + slower * max(0.0, made.measuring(last) - made.measuring(now))

    def _evaluations(self) -> list[int]:
        return [len(run.evaluated) for run in self._runs]


def _is_made_again(run: Run) -> bool:
    """Whether the log is ahead of a run in memory, unless it is there no more: it ran out of memory, or was done
    before the seed that trains now.
    """
    left = run.gone or (run.trainer is None and run.complete)
    return run.made < len(run.rows) and not left
