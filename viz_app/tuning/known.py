"""What this process's maps have computed, so that a search starts from it: a setting's figures follow from the spec.

Kept in memory: of the last KEPT combinations of function, start, runs, seed, noise, budget, target and optimizer, up to
SETTINGS settings each.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from viz_app.tuning import spec as map_spec
from viz_app.tuning.spec import MapSpec

KEPT = 16
SETTINGS = 10_000


class Cell(NamedTuple):
    """As `search.Figures`: median final gap, median passes to the target (None: not reached), share that diverged."""

    loss: float
    passes: int | None
    diverged: float


_known: OrderedDict[tuple[Any, ...], dict[Any, Cell]] = OrderedDict()
_lock = threading.Lock()


def _key(spec: MapSpec) -> tuple[Any, ...]:
    return (*spec.run, spec.opt.method, spec.forwards, map_spec.default_target(spec))


def remember(spec: MapSpec, cells: Iterable[tuple[Any, Cell]]) -> None:
    """Keep what some settings of a map reach, by their hyperparameters."""
    with _lock:
        key = _key(spec)
        mine = _known.setdefault(key, {})
        _known.move_to_end(key)
        mine.update(cells)
        for each in list(mine)[: max(0, len(mine) - SETTINGS)]:
            del mine[each]
        while len(_known) > KEPT:
            _known.popitem(last=False)


def of(spec: MapSpec) -> dict[Any, Cell]:
    """What is known of a spec's optimizer, by hyperparameters."""
    with _lock:
        return dict(_known.get(_key(spec), {}))
