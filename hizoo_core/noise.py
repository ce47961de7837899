"""The random directions: a function of (seed, step, direction, run) alone, so that every optimizer gets the same.

One stream of normal numbers serves `steps_per_stream(d)` steps of `runs_per_stream(d)` runs, with the run as its
slowest axis; its key is (seed, direction, steps' block, runs' block). So run r's numbers do not depend on how many runs
there are, nor direction i's on n, nor step t's on how many steps are made. The stream's length trades the cost of
keying it against the numbers thrown away when fewer are wanted.
"""

from __future__ import annotations

import numpy as np

SEED_LIMIT = 2**32
HALF = 2**31 + 1  # as a direction's number: the half of a batch's deviation from TILT (`spaces`)
TILT = 2**31  # as a direction's number: the linear term of its own that a step's loss has under gradient noise


def steps_per_stream(d: int) -> int:
    # 1000 numbers a run and not 1024: rows 8192 bytes apart would all fall into the same few cache sets.
    return max(4, 1000 // d)


def runs_per_stream(d: int) -> int:
    return max(1, 32_000 // (steps_per_stream(d) * d))


def _stream(seed: int, i: int, steps_block: int, runs_block: int, out: np.ndarray) -> None:
    """Fill `out` (runs, numbers a run) with the first runs of a stream."""
    key = np.random.SeedSequence((seed, i, steps_block, runs_block))
    np.random.Generator(np.random.SFC64(key)).standard_normal(out=out)


def draw(seed: int, steps_block: int, first_run: int, out: np.ndarray, first_direction: int = 0) -> None:
    """Fill `out` (steps, n, d, runs) with the u of the first steps, at most steps_per_stream(d), of one block of them.

    `first_run` must be a multiple of runs_per_stream(d); out[t, i, :, r] belongs to run first_run + r.
    """
    steps, n, d, runs = out.shape
    length = runs_per_stream(d)
    buffer = np.empty((min(length, runs), steps_per_stream(d) * d))
    for start in range(0, runs, length):
        numbers = buffer[: min(length, runs - start)]
        by_step = numbers[:, : steps * d].reshape(len(numbers), steps, d).transpose(1, 2, 0)
        for i in range(n):
            _stream(seed, first_direction + i, steps_block, (first_run + start) // length, numbers)
            out[:, i, :, start : start + length] = by_step


def direction(seed: int, step: int, i: int, runs: int, d: int) -> np.ndarray:
    """u_i of one step (both counted from 0) for runs 0 .. runs − 1: (runs, d), exactly as `optimize` uses it."""
    steps = steps_per_stream(d)
    length = runs_per_stream(d)
    numbers = np.empty((runs, steps * d))
    for start in range(0, runs, length):
        _stream(seed, i, step // steps, start // length, numbers[start : start + length])
    return numbers.reshape(runs, steps, d)[:, step % steps].copy()


def directions(seed: int, steps: range | int, n: int, runs: int, d: int) -> np.ndarray:
    """The u of one step, (n, runs, d), or of a range of steps, (steps, n, runs, d)."""
    if isinstance(steps, int):
        return np.stack([direction(seed, steps, i, runs, d) for i in range(n)])
    return np.stack([directions(seed, step, n, runs, d) for step in steps])
