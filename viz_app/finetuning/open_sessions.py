"""The sessions that a worker keeps open: the one that trains, and the last one that was looked at."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from functions.language_model import NoRoom
from viz_app.finetuning.failures import is_out_of_memory, trace
from viz_app.finetuning.search_spec import SearchSpec
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.states import spec_of
from viz_app.finetuning.store import Log

SESSIONS = 2


class Training(Protocol):
    """What a worker needs of `viz_app.finetuning.session.Session`, and of `searching.Searching`."""

    def open(self, training: bool = True) -> None: ...
    def refresh(self) -> None: ...
    def advance(self) -> bool: ...
    def survey(self) -> bool: ...
    def trained(self) -> bool: ...
    def left(self) -> float | None: ...  # seconds
    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None: ...
    def estimate_truth(self, run: int) -> None: ...
    def measure_headroom(self, run: int, step: int | None = None) -> Any: ...  # the message
    def at(self, run: int, step: int) -> dict[str, Any]: ...
    def weights(self, run: int, step: int) -> Any: ...  # an export.Weights
    def flush(self) -> None: ...
    def close(self) -> None: ...


NewSession = Callable[[int, FinetuneSpec | SearchSpec, Log], Training]


class OpenSessions:
    """Up to SESSIONS of them, by the job's id, opened when first asked for; `new` makes one. `current` is the job that
    is being trained: others are closed to make room, but never its session.
    """

    def __init__(self, log: Log, new: NewSession) -> None:
        self.current: int | None = None
        self._log, self._new = log, new
        self._open: OrderedDict[int, Training] = OrderedDict()  # the least recently used first
        self._looking: set[int] = set()  # open ones that had room for no training

    def peek(self, id: int) -> Training | None:
        """A job's session if it is open, as it is."""
        return self._open.get(id)

    def get(self, id: int, training: bool = True) -> Training:
        """A job's session as the log has the job now: a shell may have trained it on. With room for `training`, or for
        the less that `at` and `weights` need.
        """
        if training and id in self._looking:
            self.close(id)
        if id in self._open:
            self._open[id].refresh()
        else:
            for other in self._others()[: max(0, len(self._open) - SESSIONS + 1)]:
                self.close(other)
            try:
                self._open[id] = self._opened(id, training)
            except Exception as error:
                if not (self._others() and (isinstance(error, NoRoom) or is_out_of_memory(error))):
                    raise
        if id not in self._open:  # the first attempt's memory is free by now: the exception held on to it
            for other in self._others():
                self.close(other)
            self._open[id] = self._opened(id, training)
        self._open.move_to_end(id)
        return self._open[id]

    def close(self, id: int) -> None:
        self._looking.discard(id)
        if session := self._open.pop(id, None):
            try:
                session.close()
            except Exception as error:
                trace(error)

    def close_all(self) -> None:
        for id in list(self._open):
            self.close(id)

    def _others(self) -> list[int]:
        """Whose sessions may be closed, the least recently used first."""
        return [id for id in self._open if id != self.current]

    def _opened(self, id: int, training: bool) -> Training:
        session = self._new(id, spec_of(self._log.job(id)), self._log)
        session.open(training)
        self._looking |= set() if training else {id}
        return session
