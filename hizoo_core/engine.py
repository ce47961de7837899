"""The only loop: a method on a batch of points, recorded, watched for divergence, and cancellable."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from hizoo_core import adam, hizoo, mezo, newton_diag, noise
from hizoo_core.base import Cancelled, Hyperparameters, Method, Objective, Status
from hizoo_core.spaces import BatchedPoints
from hizoo_core.trace import Trace

METHODS: dict[str, Method] = {
    "hizoo": hizoo.METHOD,
    "mezo": mezo.METHOD,
    "adam": adam.METHOD,
    "newton_diag": newton_diag.METHOD,
}

# Numbers in one step's probes for which numpy's cost per call has become small and the second-level cache still holds
# a step's working set; runs beyond that are advanced in a group of their own.
STEP_NUMBERS = 24_000
# Numbers whose probes are prepared, and whose results are checked, at a time: a few milliseconds of work.
PIECE_NUMBERS = 250_000
# Numbers given to the objective in one of the calls made after the loop.
OBSERVED_NUMBERS = 1_000_000
NEVER = np.iinfo(np.int64).max


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
) -> Trace:
    """Minimise `objective` from `start` (d,) in `runs` independent runs of `steps` steps.

    `limit`, a number or (d,), bounds |θ|: a run that passes it, or whose loss or θ is no longer finite, has diverged
    and stops; the others go on. `progress` is told how many steps are done, `cancelled` is asked every few milliseconds
    of work. In two or more dimensions a run's bits do not depend on how many runs there are, if the objective's do not.

    Raises ValueError for an argument out of range, TypeError for hyperparameters of another method, Cancelled.
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: must be one of {', '.join(METHODS)}")
    record = METHODS[method]
    if type(hyperparameters) is not record.hyperparameters:
        raise TypeError(f"method {method!r} takes {record.hyperparameters.__name__}, not {hyperparameters!r}")
    for name, value, low, high in (
        ("steps", steps, 0, 2**31),
        ("runs", runs, 1, 2**31),
        ("seed", seed, 0, noise.SEED_LIMIT - 1),
        ("record_every", record_every, 1, 2**31),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} = {value!r}: must be from {low} to {high}")
    origin = np.array(start, dtype=np.float64)
    if origin.ndim != 1 or not origin.size or not np.isfinite(origin).all():
        raise ValueError(f"start = {start!r}: must be a point (d,) of finite numbers")

    began = time.perf_counter()
    computed = runs if record.stochastic else 1  # without noise every run is the same
    recording = _Recording(record, hyperparameters, objective, origin, steps, computed, record_every, limit)
    with np.errstate(all="ignore"):  # a run that has diverged computes on with NaN beside those that have not
        _advance(recording, hyperparameters, seed, cancelled, progress)
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
        forwards=recording.steps * record.forwards(hyperparameters),
        theta=every_run(recording.theta),
        loss=every_run(recording.loss),
        h=None if recording.h is None else every_run(recording.h),
        true_h=every_run(true_h),
        statuses=statuses if computed == runs else statuses * runs,
        seconds=seconds,
    )


def _advance(
    recording: _Recording,
    hyperparameters: Hyperparameters,
    seed: int,
    cancelled: Callable[[], bool] | None,
    progress: Callable[[int], None] | None,
) -> None:
    """Make every step of every run, group after group of runs."""
    method, steps, d = recording.method, recording.last, recording.d
    step = method.step
    step_numbers = d * method.forwards(hyperparameters)
    unit = noise.runs_per_stream(d)
    groups = _split(recording.runs, unit, max(1, STEP_NUMBERS // (step_numbers * unit)))
    done = 0
    for runs in groups:
        width = runs.stop - runs.start
        space = BatchedPoints(method, hyperparameters, recording.objective, recording.origin, runs, seed)
        piece = min(space.chunk, max(1, PIECE_NUMBERS // (step_numbers * width)))
        history = np.empty((piece, *space.recorded.shape))
        history[0] = recorded = space.recorded
        alive = recording.keep(0, 1, runs, history)
        for chunk in range(0, steps, space.chunk):
            end = min(chunk + space.chunk, steps)
            for first in range(chunk, end, piece):
                if not alive:
                    break
                if cancelled is not None and cancelled():
                    raise Cancelled
                last = min(first + piece, end)
                for t in space.through(first, last):
                    step(space, t)
                    history[t - first] = recorded
                alive = recording.keep(first + 1, last + 1, runs, history)
                if progress is not None:
                    progress(int((done + last * width) / recording.runs))
        done += steps * width
    if progress is not None:
        progress(steps)


def _split(runs: int, unit: int, most: int) -> list[slice]:
    """Groups of at most `most` units of runs, as even as units allow."""
    units = -(-runs // unit)
    count = -(-units // most)
    edges = [round(i * units / count) * unit for i in range(count + 1)]
    return [slice(a, min(b, runs)) for a, b in pairwise(edges)]


class _Recording:
    """The arrays of a trace while they are filled, and the step at which each run stopped."""

    def __init__(
        self,
        method: Method,
        hyperparameters: Any,
        objective: Objective,
        origin: np.ndarray,
        steps: int,
        runs: int,
        every: int,
        limit: np.ndarray | float | None,
    ) -> None:
        self.method, self.objective, self.origin = method, objective, origin
        self.last, self.runs, self.d = steps, runs, origin.size
        self.steps = np.union1d(np.arange(0, steps + 1, every), steps)
        shape = (self.d, self.steps.size, runs)
        self.theta = np.full(shape, np.nan).transpose(1, 2, 0)
        self.loss = np.full(shape[1:], np.nan)
        self.h = np.full(shape, np.nan).transpose(1, 2, 0) if method.estimates_hessian else None
        self.limit = np.broadcast_to(np.finfo(np.float64).max if limit is None else limit, (self.d,))
        self.stopped = np.full(runs, NEVER)
        self.held = np.full(runs, NEVER)
        self.causes: dict[int, str] = {}
        floor = getattr(hyperparameters, "floor", np.nan)
        self.bounds = (floor, 1.0 / floor)

    def keep(self, first: int, end: int, runs: slice, history: np.ndarray) -> bool:
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
            low, high = self.bounds
            if first and not (h.min() > low and h.max() < high):
                self._first(self.held, runs, first, ((h <= low) | (h >= high)).any(axis=1))
        within = (np.abs((points.min(axis=(0, 1)), points.max(axis=(0, 1)))) <= self.limit).all()
        if not (within and np.isfinite(loss).all()):
            sound = np.isfinite(loss) & (np.abs(points) <= self.limit).all(axis=-1)
            for run in self._first(self.stopped, runs, first, ~sound):
                t = self.stopped[run] - first
                self.causes[run] = self._cause(points[t, run - runs.start], loss[t, run - runs.start])
        return bool((self.stopped[runs] == NEVER).any())

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

    def statuses(self) -> tuple[Status, ...]:
        return tuple(
            self._status(run, int(stopped), int(held))
            for run, (stopped, held) in enumerate(zip(self.stopped, self.held, strict=True))
        )

    def _status(self, run: int, stopped: int, held: int) -> Status:
        floor_step = held if held < stopped else None
        if stopped == NEVER:
            sentence = f"finished {self.last} steps"
            if floor_step is not None:
                low, high = self.bounds
                sentence += f"; P was held within {low:g} to {high:g} from step {floor_step}"
            return Status("finished", None, sentence, floor_step)
        return Status("diverged", stopped, f"diverged at step {stopped}: {self.causes[run]}", floor_step)
