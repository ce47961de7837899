"""Many settings of one method at once: a map over hyperparameters, or the trials of a search.

Settings that differ in learning rate, perturbation scale, smoothing or decay alone are advanced side by side as one
batch, setting after setting, and share the directions that they have in common anyway. A run of a setting has the same
bits as `optimize` gives it (Adam's corrections apart, whose powers numpy rounds differently for arrays).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from hizoo_core import noise
from hizoo_core.auto_rate import AUTO
from hizoo_core.base import Method, Objective
from hizoo_core.engine import NEVER, STEP_NUMBERS, Recording, advance, checked_method, checked_point

# What may differ between settings of one batch; all else decides which numbers are drawn, or which formula runs.
SIDE_BY_SIDE = {"lr", "mu", "alpha", "beta", "beta1", "beta2", "eps"}
KEPT_NUMBERS = 2**23  # normal numbers kept for the next batch of settings, rather than drawn again
RECORDED_NUMBERS = 2**22  # most numbers of θ recorded of one setting: frames × runs × dimensions


@dataclass(frozen=True)
class Batch:
    """K settings that have been run, each for the same number of steps.

    which: (K,) their places in the list given. steps: (F,) recorded steps. passes: forward-pass equivalents a step.
    theta: (F, K, B, d), loss: (F, K, B), h: (F, K, B, d) or None, true_h: (F, K, B, d), all NaN once a run has stopped.
    stopped, reached: (K, B) the step at which a run diverged, or its loss first was at most the target; −1 for never.
    """

    which: np.ndarray
    steps: np.ndarray
    passes: int
    theta: np.ndarray
    loss: np.ndarray
    h: np.ndarray | None
    true_h: np.ndarray
    stopped: np.ndarray
    reached: np.ndarray


def sweep(
    objective: Objective,
    method: str,
    settings: Sequence[Any],
    start: Any,
    *,
    forwards: int,
    runs: int = 1,
    seed: int = 0,
    frames: int = 61,
    target: float | None = None,
    limit: np.ndarray | float | None = None,
    gradient_noise: float = 0.0,
    state: Mapping[str, Any] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Batch]:
    """Run each of `settings` for as many steps as `forwards` forward-pass equivalents pay, and yield batch after batch.

    About `frames` steps of each are recorded, evenly spaced, the first and the last among them (fewer of so many runs
    or dimensions that they would take more than RECORDED_NUMBERS); `target` is watched at every step. Other arguments
    as for `optimize`. Raises ValueError, TypeError and Cancelled as it does; ValueError also for a budget below a step.
    """
    record = checked_method(method, settings)
    origin = checked_point(start)
    d = origin.size
    most = max(map(record.forwards, settings), default=0)
    if most > forwards:
        raise ValueError(f"forwards = {forwards}: must be at least {most}, the price of a step")
    draws = noise.draw if d * runs * noise.steps_per_stream(d) > KEPT_NUMBERS else _Kept(KEPT_NUMBERS)
    computed = runs if record.stochastic or gradient_noise else 1
    frames = max(2, min(frames, RECORDED_NUMBERS // (d * computed)))
    for members in batches(record, settings, d, computed):
        chosen = [settings[i] for i in members]
        passes = record.forwards(chosen[0])
        steps = forwards // passes
        recorded = np.unique(np.linspace(0, steps, min(frames, steps + 1)).round().astype(np.int64))
        recording = Recording(record, objective, origin, recorded, len(chosen) * computed, limit, target)
        with np.errstate(all="ignore"):
            advance(
                recording,
                [(0, steps, chosen)],
                seed=seed,
                gradient_noise=gradient_noise,
                state=state,
                draw=draws,
                cancelled=cancelled,
            )
            true_h = recording.exact_hessian()
        recording.blank(true_h)

        def by_setting(array: np.ndarray, count: int = len(chosen)) -> np.ndarray:
            lanes = array.reshape(array.shape[0], count, computed, *array.shape[2:])
            return np.broadcast_to(lanes, (*lanes.shape[:2], runs, *lanes.shape[3:]))

        def steps_of(when: np.ndarray, count: int = len(chosen)) -> np.ndarray:
            return np.broadcast_to(np.where(when == NEVER, -1, when).reshape(count, computed), (count, runs))

        yield Batch(
            which=np.array(members),
            steps=recorded,
            passes=passes,
            theta=by_setting(recording.theta),
            loss=by_setting(recording.loss),
            h=None if recording.h is None else by_setting(recording.h),
            true_h=by_setting(true_h),
            stopped=steps_of(recording.stopped),
            reached=steps_of(np.where(recording.reached < recording.stopped, recording.reached, NEVER)),
        )


def batches(method: Method, settings: Sequence[Any], d: int, runs: int) -> Iterator[list[int]]:
    """Places of settings that can run side by side, in the order of their first; each batch fits the cache."""
    kinds: dict[Hashable, list[int]] = {}
    for i, each in enumerate(settings):
        kind = tuple(getattr(each, field.name) for field in fields(each) if field.name not in SIDE_BY_SIDE)
        kind += (getattr(each, "lr", None) == AUTO,)
        kinds.setdefault(kind, []).append(i)
    for members in kinds.values():
        most = max(1, STEP_NUMBERS // (d * method.forwards(settings[members[0]]) * runs))
        count = -(-len(members) // most)
        for part in np.array_split(members, count):
            yield part.tolist()


class _Kept:
    """`noise.draw` that keeps what it has drawn: the settings of one sweep ask for the same numbers again."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: dict[tuple[int, int, int, int], np.ndarray] = {}

    def __call__(self, seed: int, steps_block: int, first_run: int, out: np.ndarray, first_direction: int = 0) -> None:
        steps, n, d, runs = out.shape
        for i in range(n):
            key = (seed, steps_block, first_run, first_direction + i)
            kept = self._kept.get(key)
            if kept is None or len(kept) < steps:
                kept = np.empty((steps, 1, d, runs))
                noise.draw(seed, steps_block, first_run, kept, first_direction + i)
                if self._size + kept.size <= self._most:
                    self._kept[key] = kept
                    self._size += kept.size
            out[:, i] = kept[:steps, 0]
