"""The only loop: a method on a batch of points, recorded, watched for divergence, and cancellable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from hizoo_core import noise
from hizoo_core.auto_rate import AUTO, READINGS
from hizoo_core.base import Cancelled, Method, Objective, Status
from hizoo_core.methods import POINT_METHODS
from hizoo_core.spaces import NEVER, BatchedPoints
from hizoo_core.trace import Trace

# Numbers in one step's probes for which numpy's cost per call has become small and the second-level cache still holds
# a step's working set; runs beyond that are advanced in a group of their own.
STEP_NUMBERS = 24_000
# Numbers whose probes are prepared, and whose results are checked, at a time: a millisecond or two, within the cache.
PIECE_NUMBERS = 100_000
# Numbers given to the objective in one of the calls made after the loop.
OBSERVED_NUMBERS = 1_000_000


def optimize(
    objective: Objective,
    method: str,
    hyperparameters: Any,
    start: Any,
    *,
    steps: int,
    runs: int = 1,
    seed: int = 0,
    record_every: int = 1,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int], None] | None = None,
    limit: np.ndarray | float | None = None,
    changes: Sequence[tuple[int, Any]] = (),
    gradient_noise: float = 0.0,
    state: Mapping[str, Any] | None = None,
) -> Trace:
    """Minimise `objective` from `start` (d,) in `runs` independent runs of `steps` steps.

    `limit`, a number or (d,), bounds |θ|: a run that passes it, or whose loss or θ is no longer finite, has diverged
    and stops; the others go on. `progress` is told how many steps are done, `cancelled` is asked every few milliseconds
    of work. In two or more dimensions a run's bits do not depend on how many runs there are, if the objective's do not.

    `changes` are pairs (k, hyperparameters), rising in k: from step k on (the first is 0) these hold instead, with θ,
    the state and the directions going on as they were. `gradient_noise` σ: in each step the losses that the method sees
    have a term ξ·θ more, ξ ~ N(0, σ²) of its own for each step and run and the same for every method; the recorded loss
    has none. `state`: starting values of the method's state by name, numbers or (d,); others start as always (P = 1).

    Raises ValueError for an argument out of range, TypeError for hyperparameters of another method, Cancelled.
    """
    record = checked_method(method, [hyperparameters, *(later for _, later in changes)])
    plan = ((0, hyperparameters), *changes)
    if any(not 0 <= a < b <= steps for (a, _), (b, _) in pairwise(plan)):
        raise ValueError(f"changes at {[k for k, _ in changes]}: must be rising steps from 1 to {steps}")
    for name, value, low, high in (
        ("steps", steps, 0, 2**31),
        ("runs", runs, 1, 2**31),
        ("seed", seed, 0, noise.SEED_LIMIT - 1),
        ("record_every", record_every, 1, 2**31),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} = {value!r}: must be from {low} to {high}")
    origin = checked_point(start)
    if not 0 <= gradient_noise < np.inf:
        raise ValueError(f"gradient_noise = {gradient_noise!r}: must be a number from 0 on")

    began = time.perf_counter()
    computed = runs if record.stochastic or gradient_noise else 1  # without noise every run is the same
    recorded = np.union1d(np.arange(0, steps + 1, record_every), steps)
    auto = any(getattr(settings, "lr", None) == AUTO for _, settings in plan)
    recording = Recording(record, objective, origin, recorded, computed, limit, auto=auto)
    segments = [(a, b, [settings]) for (a, settings), (b, _) in pairwise([*plan, (steps, None)])]
    with np.errstate(all="ignore"):  # a run that has diverged computes on with NaN beside those that have not
        advance(
            recording,
            segments,
            seed=seed,
            gradient_noise=gradient_noise,
            state=state,
            cancelled=cancelled,
            progress=progress,
        )
        seconds = time.perf_counter() - began
        true_h = recording.exact_hessian()
    recording.blank(true_h)
    statuses = recording.statuses()

    def every_run(array: np.ndarray) -> np.ndarray:
        return array if computed == runs else np.broadcast_to(array, (array.shape[0], runs, *array.shape[2:]))

    return Trace(
        method=method,
        hyperparameters=hyperparameters,
        steps=recording.steps,
        forwards=_spent(recorded, plan, record),
        theta=every_run(recording.theta),
        loss=every_run(recording.loss),
        h=None if recording.h is None else every_run(recording.h),
        true_h=every_run(true_h),
        statuses=statuses if computed == runs else statuses * runs,
        seconds=seconds,
        changes=tuple(changes),
        rates=recording.rates,
    )


def walk(
    spaces: Callable[[Sequence[Any]], BatchedPoints], segments: Sequence[tuple[int, int, Sequence[Any]]], piece: int
) -> Iterator[tuple[int, int, Sequence[Any], BatchedPoints]]:
    """Pieces of at most `piece` steps (first, end, settings, space), each within a segment and a block of directions.

    `spaces(settings)` makes a space; each takes over where the last has ended. `segments` are (first, end, settings).
    A caller makes the steps: `for t in space.through(first, end): method.on_points.step(space, t)`.
    """
    space = None
    for begin, stop, settings in segments:
        before, space = space, spaces(settings)
        if before is not None:
            space.resume(before)
        first = begin
        if stop == 0:
            yield 0, 0, settings, space  # no steps: the start alone
        while first < stop:
            end = min(first + piece, stop, (first // space.chunk + 1) * space.chunk)
            yield first, end, settings, space
            first = end


def advance(
    recording: Recording,
    segments: Sequence[tuple[int, int, Sequence[Any]]],
    *,
    seed: int,
    gradient_noise: float,
    state: Mapping[str, Any] | None,
    draw: Callable[[int, int, int, np.ndarray], None] = noise.draw,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Make every step of a recording, whose runs stand setting after setting: many runs of a single setting in groups,
    the runs of several settings (`sweep.batches`) side by side. Arguments as for `walk` and `optimize`.
    """
    method = recording.method
    cells, steps = len(segments[0][2]), segments[-1][1]
    runs = recording.runs // cells
    price = max(method.forwards(each) for _, _, settings in segments for each in settings)
    done = 0
    for group in _groups(runs, recording.d, price) if cells == 1 else [slice(0, runs)]:
        width = group.stop - group.start

        def report(t: int, done: int = done, width: int = width) -> None:
            if progress is not None:
                progress(int((done + t * width) / runs))

        spaces = partial(
            BatchedPoints,
            method,
            objective=recording.objective,
            start=recording.origin,
            runs=group,
            seed=seed,
            gradient_noise=gradient_noise,
            state=state,
            draw=draw,
            steps=steps,
        )
        lanes = slice(group.start * cells, group.stop * cells)
        _advance_lanes(recording, lanes, spaces, segments, cancelled, report)
        done += steps * width
    if progress is not None:
        progress(steps)


def _advance_lanes(
    recording: Recording,
    lanes: slice,
    spaces: Callable[[Sequence[Any]], BatchedPoints],
    segments: Sequence[tuple[int, int, Sequence[Any]]],
    cancelled: Callable[[], bool] | None,
    progress: Callable[[int], None],
) -> None:
    """Make every step of some lanes of a recording (a lane: one run of one setting), until all of them have stopped."""
    method, step = recording.method, recording.method.on_points.step
    most = max(method.forwards(each) for _, _, settings in segments for each in settings)
    piece = max(1, PIECE_NUMBERS // (recording.d * most * (lanes.stop - lanes.start)))
    history = decided = np.empty(0)
    for first, end, settings, space in walk(spaces, segments, piece):
        if not len(history):
            history = np.empty((min(piece, space.chunk), *space.recorded.shape))
            decided = np.full((len(history), len(READINGS), lanes.stop - lanes.start), np.nan)
            recording.keep(0, 1, lanes, space.recorded[None])
        if end == 0:
            return
        if cancelled is not None and cancelled():
            raise Cancelled
        recorded = space.recorded
        for t in space.through(first, end):
            step(space, t)
            history[t - first] = recorded
            if space.auto is not None:
                decided[t - first] = space.auto.shown
        alive = recording.keep(first + 1, end + 1, lanes, history, getattr(settings[0], "floor", None))
        if recording.rates is not None:
            if space.auto is None:
                decided[:] = np.nan
            recording.keep_rates(first + 1, end + 1, lanes, decided)
        progress(end)
        if not alive:
            return


def _groups(runs: int, d: int, price: int) -> list[slice]:
    """Runs to be advanced together, `price` evaluations a step each: even groups of whole streams' runs."""
    unit = noise.runs_per_stream(d)
    units = -(-runs // unit)
    count = -(-units // max(1, STEP_NUMBERS // (d * price * unit)))
    edges = [round(i * units / count) * unit for i in range(count + 1)]
    return [slice(a, min(b, runs)) for a, b in pairwise(edges)]


def checked_method(key: str, settings: Sequence[Any]) -> Method:
    """The method of a name, which all settings must be of."""
    if key not in POINT_METHODS:
        raise ValueError(f"method = {key!r}: must be one of {', '.join(POINT_METHODS)}")
    record = POINT_METHODS[key]
    for each in settings:
        if type(each) is not record.hyperparameters:
            raise TypeError(f"method {key!r} takes {record.hyperparameters.__name__}, not {each!r}")
    return record


def checked_point(start: Any) -> np.ndarray:
    origin = np.array(start, dtype=np.float64)
    if origin.ndim != 1 or not origin.size or not np.isfinite(origin).all():
        raise ValueError(f"start = {start!r}: must be a point (d,) of finite numbers")
    return origin


def _spent(steps: np.ndarray, plan: Sequence[tuple[int, Any]], method: Method) -> np.ndarray:
    """Forward-pass equivalents after some steps: each part of a plan has its own price."""
    ends = [first for first, _ in plan[1:]] + [NEVER]
    parts = zip(plan, ends, strict=True)
    return np.add.reduce([(np.clip(steps, a, b) - a) * method.forwards(settings) for (a, settings), b in parts])


class Recording:
    """The arrays of a trace while they are filled, and the step at which each run stopped.

    With `target`, also the step at which each run's loss was first at most that (`reached`).
    """

    def __init__(
        self,
        method: Method,
        objective: Objective,
        origin: np.ndarray,
        steps: np.ndarray,
        runs: int,
        limit: np.ndarray | float | None,
        target: float | None = None,
        auto: bool = False,
    ) -> None:
        self.method, self.objective, self.target = method, objective, target
        self.origin, self.steps, self.runs, self.d = origin, steps, runs, origin.size
        shape = (self.d, steps.size, runs)
        # Not filled: what is kept covers every step before a run stops, and `blank` the others.
        self.theta = np.empty(shape).transpose(1, 2, 0)
        self.loss = np.empty(shape[1:])
        self.h = np.empty(shape).transpose(1, 2, 0) if method.estimates_hessian else None
        self.rates = np.full((len(READINGS), *shape[1:]), np.nan) if auto else None
        self.limit = np.broadcast_to(np.finfo(np.float64).max if limit is None else limit, (self.d,))
        self.stopped, self.held, self.reached = (np.full(runs, NEVER) for _ in range(3))
        self.causes: dict[int, str] = {}
        self.bounds: dict[int, tuple[float, float]] = {}

    def keep(self, first: int, end: int, runs: slice, history: np.ndarray, floor: float | None = None) -> bool:
        """Check steps first .. end − 1 of some runs (history: (steps, [P,] θ, d, runs)) and keep the recorded ones.

        Returns whether any of these runs is still going.
        """
        history = history[: end - first]
        a, b = np.searchsorted(self.steps, (first, end))
        kept = slice(None) if b - a == end - first else self.steps[a:b] - first
        # Coordinate-major, like every array given to an objective: x[..., j] is contiguous.
        points = np.ascontiguousarray(history[:, -1].swapaxes(0, 1)).transpose(1, 2, 0)
        loss = self.objective.value(points)
        self.theta[a:b, runs] = points[kept]
        self.loss[a:b, runs] = loss[kept]
        if self.h is not None:
            h = history[:, 0]
            self.h[a:b, runs] = h[kept].swapaxes(1, 2)
            if floor is not None and not (h.min() > floor and h.max() < 1.0 / floor):
                for run in self._first(self.held, runs, first, ((h <= floor) | (h >= 1.0 / floor)).any(axis=1)):
                    self.bounds[run] = (floor, 1.0 / floor)
        if self.target is not None:
            self._first(self.reached, runs, first, loss <= self.target)
        within = (np.abs((points.min(axis=(0, 1)), points.max(axis=(0, 1)))) <= self.limit).all()
        if not (within and np.isfinite(loss).all()):
            sound = np.isfinite(loss) & (np.abs(points) <= self.limit).all(axis=-1)
            for run in self._first(self.stopped, runs, first, ~sound):
                t = self.stopped[run] - first
                self.causes[run] = self._cause(points[t, run - runs.start], loss[t, run - runs.start])
        return bool((self.stopped[runs] == NEVER).any())

    def keep_rates(self, first: int, end: int, runs: slice, decided: np.ndarray) -> None:
        """Keep what lr=auto went by in the recorded ones of steps first .. end − 1: decided (steps, 5, runs)."""
        assert self.rates is not None
        a, b = np.searchsorted(self.steps, (first, end))
        self.rates[:, a:b, runs] = decided[self.steps[a:b] - first].swapaxes(0, 1)

    @staticmethod
    def _first(when: np.ndarray, runs: slice, first: int, event: Any) -> list[int]:
        """Note in `when` the step of each run's first event (steps, runs); return the runs for which it is new."""
        new = np.flatnonzero(event.any(axis=0) & (when[runs] == NEVER))
        when[runs.start + new] = first + event[:, new].argmax(axis=0)
        return (runs.start + new).tolist()

    def _cause(self, theta: np.ndarray, loss: Any) -> str:
        if not np.isfinite(theta).all():
            return "θ is not finite"
        if not np.isfinite(loss):
            return "loss is not finite"
        j = int(np.argmax(np.abs(theta) > self.limit))
        return f"|θ_{j}| = {abs(theta[j]):.3g} is beyond {self.limit[j]:.3g}"

    def exact_hessian(self) -> np.ndarray:
        """diag(H) at the recorded θ: (R, B, d)."""
        out = np.empty((self.d, self.steps.size, self.runs)).transpose(1, 2, 0)
        rows = max(1, OBSERVED_NUMBERS // (self.runs * self.d))
        for start in range(0, self.steps.size, rows):
            out[start : start + rows] = self.objective.hessian_diagonal(self.theta[start : start + rows])
        return out

    def blank(self, true_h: np.ndarray) -> None:
        """NaN in every entry of a run from the step at which it stopped on."""
        if (self.stopped == NEVER).all():
            return
        gone = self.steps[:, None] >= self.stopped
        for array in (self.theta, self.loss, self.h, true_h):
            if array is not None:
                array[gone] = np.nan
        if self.rates is not None:
            self.rates[:, gone] = np.nan

    def statuses(self) -> tuple[Status, ...]:
        return tuple(
            self._status(run, int(stopped), int(held))
            for run, (stopped, held) in enumerate(zip(self.stopped, self.held, strict=True))
        )

    def _status(self, run: int, stopped: int, held: int) -> Status:
        floor_step = held if held < stopped else None
        if stopped == NEVER:
            sentence = f"finished {self.steps[-1]} steps"
            if floor_step is not None:
                low, high = self.bounds[run]
                sentence += f"; P was held within {low:g} to {high:g} from step {floor_step}"
            return Status("finished", None, sentence, floor_step)
        return Status("diverged", stopped, f"diverged at step {stopped}: {self.causes[run]}", floor_step)
