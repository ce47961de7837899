"""What a session has to tell: to whoever listens at once, and in chunks to the log."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hizoo_core.auto_rate import READINGS
from viz_app.finetuning import steps
from viz_app.finetuning.steps import StepRow
from viz_app.finetuning.store import Log, LogFull, Setting

FLUSH = 0.25  # seconds between chunks

Message = dict[str, Any]


class Journal:
    """Collects steps, settings and messages of a job until they are stored, in one transaction. After LogFull nothing
    is forgotten. `said`: the types of all messages of the job.
    """

    def __init__(self, job: int, log: Log, listen: Callable[[Message], None]) -> None:
        self._job, self._log, self._listen = job, log, listen
        self._steps: list[tuple[int, StepRow]] = []
        self._settings: list[tuple[int, Setting]] = []
        self._messages: list[Message] = []
        self.said: set[str] = set()
        self._progressing = False
        self._flushed = time.monotonic()

    def step(self, run: int, row: StepRow) -> None:
        self._steps.append((run, row))
        self._listen(steps.message(run, [row.drawn()]))

    def rate(self, run: int, step: int, readings: Sequence[float]) -> None:
        """What lr=auto went by in a step: {"type": "rate", "run", "step", "s", "v", "tr", "q", "lr"}; None: unknown."""
        known = (x if math.isfinite(x) else None for x in readings)
        self.say({"type": "rate", "run": run, "step": step} | dict(zip(READINGS, known, strict=True)))

    def setting(self, run: int, setting: Setting) -> None:
        self._settings.append((run, setting))
        self.say({"type": "setting", "run": run, "step": setting.step, "lr": setting.lr, "alpha": setting.alpha})

    def say(self, message: Message) -> None:
        self._messages.append(message)
        self.said.add(message["type"])
        self._listen(message)

    def note(self, sentence: str, run: int | None = None) -> None:
        """Something that went wrong beside the training, which goes on."""
        self.say({"type": "note", "run": run, "message": sentence})

    def progress(self, what: str, done: int, total: int, unit: str) -> None:
        """How far something is that takes its time, counted in `unit`; `progress_over` must follow."""
        if self._messages and self._messages[-1]["type"] == "progress":
            self._messages.pop()  # only the newest is of use
        self.say({"type": "progress", "message": what, "done": done, "total": total, "unit": unit})
        self._progressing = True
        if self.due:
            with suppress(LogFull):  # what stores the steps will say so
                self.flush()

    def progress_over(self) -> None:
        if self._progressing:
            self.say({"type": "progress", "message": "", "done": 0, "total": 0, "unit": ""})
            self._progressing = False

    @property
    def due(self) -> bool:
        return time.monotonic() - self._flushed >= FLUSH

    def flush(self) -> None:
        """Store what there is."""
        if self._steps or self._messages or self._settings:
            self._log.append(self._job, self._steps, self._messages, self._settings)
            self._steps, self._messages, self._settings = [], [], []
        self._flushed = time.monotonic()
