"""A run, or a landscape, as bytes for the page: what the player draws from, reduced to what it can show.

Layout: uint32 little-endian length of the header; the header, UTF-8 JSON padded with spaces so that the data starts
at a multiple of 4; then float32 little-endian arrays. The header's "arrays" give each array's shape and its offset in
bytes from the start of the data.

Arrays of one optimizer (R frames, the same steps for all optimizers; B runs; d dimensions; (a, b) the coordinates
shown). NaN: the run has stopped, or the number does not exist. Positive numbers below float32's range are sent as its
smallest normal number, so that a log axis keeps them; numbers above it are +inf.

    step (R,)           recorded steps, first and last kept
    forwards (R,)       forward-pass equivalents spent by then
    path (R, B, 2)      θ_a, θ_b
    gap (R, B)          loss − minimum, or the loss where the minimum is unknown
    gap_q (3, R)        10, 50 and 90 % over runs; a diverged run counts as +inf, so that the median does not flatter
    distance (R,)       median distance to the nearest known global minimum, diverged runs as +inf; absent if unknown
    h_step (R',)        frames of h_q and true_h: those of `step`, thinned to 100 where d > 64
    h_q (3, R', d)      10, 50 and 90 % of P over the runs still alive; absent for methods without P
    true_h (R', d)      median over the runs still alive of the exact diagonal Hessian
    shown_h (R, 2)      run 0: P_a, P_b; absent for methods without P
    shown_hessian (R, 3)  run 0: H_aa, H_ab, H_bb; for d > 64 H_ab is left at 0 (header: "shown_hessian": "diagonal")
    rates (5, R)        medians over the runs still alive of s, v, tr, q and η (`hizoo_core.auto_rate.READINGS`) of the
                        step that led there; only with lr=auto
    headroom (R, 4)     run 0: log10 of R (hizoo_core.headroom) of no preconditioner, of Σ = 1/P, of Σ = 1/|H_jj|, and
                        the most of any diagonal; −inf where R is 0, NaN where it does not exist or there is no P
    gain (R, 3)         run 0: log10 of what one step of the method's n directions takes off the loss at the best
                        learning rate, in expectation on the local quadratic: with the first three of those Σ
    u (R, n, 2)         run 0: coordinates a, b of the directions drawn at that frame's θ; stochastic methods only,
                        and left out where drawing them again would take longer than the eye forgives. n is the largest
                        of the run's: a fork's step uses the first of them ("changes" in the header says how many)
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from functions import TestFunction
from hizoo_core import METHODS, Trace, headroom, noise
from viz_app.playground.result import RunResult
from viz_app.spec.runs import RunSpec
from viz_app.web.finite import finite

VERSION = 1
FRAMES = 1_001  # 1,000 steps and the start
CURVATURE_FRAMES = 100
DENSE_DIMENSIONS = 64  # above it, neither the whole Hessian nor every frame's diagonal is worth its time
DRAWN = 2**21  # normal numbers, some 20 ms
QUANTILES = (0.1, 0.5, 0.9)
LANDSCAPE_CHUNK = 2**21  # numbers of θ evaluated at once

Arrays = dict[str, np.ndarray]


def encode(
    result: RunResult, *, coords: tuple[int, int] = (0, 1), target: float | None = None, frames: int = FRAMES
) -> bytes:
    """All optimizers of a run. `target` is the gap (see `gap`) whose forward passes are counted; by default 1e-4 of
    the initial gap, rounded down to a power of ten, and none where the minimum is unknown.
    """
    function = result.function
    reference = function.minimum or 0.0
    initial = result.traces[0].loss[0, 0] - reference
    if target is None and function.minimum is not None:
        target = default_target(initial)
    packer = Packer()
    optimizers = []
    with np.errstate(all="ignore"):  # inf − inf, and numbers beyond float32: both mean what they become
        for label, trace in zip(result.labels, result.traces, strict=True):
            keep = _thin(len(trace.steps), frames)
            arrays = _arrays(function, result.spec, trace, keep, coords, reference)
            optimizers.append(_readings(label, trace, reference, target) | {"arrays": packer.add(arrays)})
    return packer.pack(
        {
            "version": VERSION,
            "spec": result.spec.query(),
            "function": result.describe_function(),
            "coords": coords,
            "reference": function.minimum,
            "target": target,
            "initial_gap": finite(initial),
            "recorded_every": result.recorded_every,
            "runs": result.spec.runs,
            "steps": result.spec.steps,
            "shown_hessian": "exact" if function.dim <= DENSE_DIMENSIONS else "diagonal",
            "optimizers": optimizers,
        }
    )


def encode_landscape(
    function: TestFunction,
    *,
    at: tuple[float, ...],
    coords: tuple[int, int],
    xrange: tuple[float, float],
    yrange: tuple[float, float],
    size: int,
) -> bytes:
    """Raw values on a grid over two coordinates, the others fixed at those of `at`: array z (size, size), row i at the
    i-th of `size` evenly spaced y from yrange[0] to yrange[1].
    """
    x, y = np.linspace(*xrange, size), np.linspace(*yrange, size)
    z = np.empty((size, size))
    rows = max(1, LANDSCAPE_CHUNK // (size * function.dim))
    with np.errstate(all="ignore"):
        for first in range(0, size, rows):
            part = slice(first, first + rows)
            theta = np.empty((len(y[part]), size, function.dim))
            theta[...] = at
            theta[..., coords[0]] = x
            theta[..., coords[1]] = y[part, None]
            z[part] = function.value(theta)
        packer = Packer()
        arrays = packer.add({"z": z})
    return packer.pack(
        {
            "version": VERSION,
            "f": function.spec,
            "coords": coords,
            "xrange": xrange,
            "yrange": yrange,
            "shape": z.shape,
            "minimum": function.minimum,
            "arrays": arrays,
        }
    )


def decode(data: bytes) -> tuple[dict[str, Any], list[Arrays]]:
    """Header and arrays of what `encode` (one dict per optimizer) or `encode_landscape` (one dict) made."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])

    def read(entry: Mapping[str, Any]) -> np.ndarray:
        offset = 4 + length + entry["offset"]
        return np.frombuffer(data, "<f4", math.prod(entry["shape"]), offset).reshape(entry["shape"])

    owners = header.get("optimizers", [header])
    return header, [{name: read(entry) for name, entry in owner["arrays"].items()} for owner in owners]


def default_target(initial_gap: float, decades: int = 4) -> float | None:
    """The initial gap less some decades, as a power of ten; None where there is no gap to close."""
    if not (math.isfinite(initial_gap) and initial_gap > 0):
        return None
    return float(f"1e{math.floor(math.log10(initial_gap)) - decades}")


class Packer:
    """Collects arrays, then writes the header and them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, arrays: Arrays) -> dict[str, dict[str, Any]]:
        """Queue arrays; their entries for the header."""
        entries = {}
        for name, array in arrays.items():
            narrow = np.ascontiguousarray(array, "<f4")
            tiny = np.finfo(np.float32).tiny
            np.maximum(narrow, tiny, out=narrow, where=array > 0)
            entries[name] = {"offset": self._size, "shape": array.shape}
            self._parts.append(narrow.tobytes())
            self._size += narrow.nbytes
        return entries

    def pack(self, header: dict[str, Any]) -> bytes:
        text = json.dumps(header, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 4)
        return b"".join([len(text).to_bytes(4, "little"), text, *self._parts])


def _readings(label: str, trace: Trace, reference: float, target: float | None) -> dict[str, Any]:
    """The table's numbers, at the full recorded resolution."""
    statuses, hyperparameters = trace.statuses, trace.hyperparameters
    diverged = [status.step for status in statuses if status.step is not None]
    floors = [status.floor_step for status in statuses if status.floor_step is not None]
    method = METHODS[trace.method]
    final = np.sort(np.where([status.kind == "diverged" for status in statuses], np.inf, trace.loss[-1]))
    return {
        "label": label,
        "method": trace.method,
        "passes_per_step": method.forwards(hyperparameters),
        "seconds": trace.seconds,
        "n": getattr(hyperparameters, "n", None),
        "mu": getattr(hyperparameters, "mu", None),
        "hyperparameters": vars(hyperparameters),
        "changes": [
            {"step": step, "passes_per_step": method.forwards(later), "hyperparameters": vars(later)}
            for step, later in trace.changes
        ],
        "statuses": [vars(status) for status in statuses],
        "diverged": len(diverged),
        "first_diverged_step": min(diverged, default=None),
        "floor_step": min(floors, default=None),
        "passes_to_target": None if target is None else _passes_to(trace, reference + target),
        "final_loss_median": finite(quantiles(final[None], np.array([len(final)]), (0.5,))[0, 0]),
    }


def _passes_to(trace: Trace, loss: float) -> dict[str, int | None]:
    """Forward passes until a run's recorded loss first was at most `loss`: the (lower) median over all runs, None
    unless half of them got there, and how many did.
    """
    reached = trace.loss <= loss  # (R, B); False where NaN
    hit = reached.any(axis=0)
    passes = np.where(hit, trace.forwards[reached.argmax(axis=0)], np.iinfo(np.int64).max)
    median = int(np.sort(passes)[(len(passes) - 1) // 2])
    return {"median": median if 2 * hit.sum() >= len(passes) else None, "reached": int(hit.sum())}


def _arrays(
    function: TestFunction, spec: RunSpec, trace: Trace, keep: np.ndarray, coords: tuple[int, int], reference: float
) -> Arrays:
    shown = list(coords)
    stochastic = METHODS[trace.method].stochastic
    distinct = slice(None) if stochastic or spec.noise else slice(1)  # without noise every run is the same
    coarse = keep if function.dim <= DENSE_DIMENSIONS else keep[_thin(len(keep), CURVATURE_FRAMES)]
    theta, gap, steps = _take(trace.theta, keep), _take(trace.loss, keep) - reference, trace.steps[keep]
    stopped = ~np.isfinite(gap[:, distinct])
    everyone = np.full(len(keep), stopped.shape[1])
    alive = (~np.isnan(_take(trace.theta[:, distinct, 0], coarse))).sum(axis=1)

    def over_runs(values: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        return quantiles(np.sort(np.where(stopped, np.inf, values), axis=1), everyone, levels)

    def over_alive(values: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        return quantiles(np.sort(_take(values[:, distinct], coarse), axis=1), alive, levels)

    arrays = {
        "step": steps,
        "forwards": trace.forwards[keep],
        "path": theta[..., shown],
        "gap": gap,
        "gap_q": over_runs(gap[:, distinct], QUANTILES),
        "h_step": trace.steps[coarse],
        "true_h": over_alive(trace.true_h, (0.5,))[0],
        **headrooms(function, spec.noise, theta[:, 0], trace, keep),
        "shown_hessian": shown_hessian(function, theta[:, 0], _take(trace.true_h[:, 0], keep), coords),
    }
    if function.minima:
        arrays["distance"] = over_runs(_distance(theta[:, distinct], function.minima), (0.5,))[0]
    if trace.h is not None:
        arrays["h_q"] = over_alive(trace.h, QUANTILES)
        arrays["shown_h"] = _take(trace.h[:, 0], keep)[:, shown]
    if trace.rates is not None:
        known = [_take(each, keep) for each in trace.rates]
        counts = [(~np.isnan(each)).sum(axis=1) for each in known]
        arrays["rates"] = np.stack(
            [quantiles(np.sort(x, axis=1), n, (0.5,))[0] for x, n in zip(known, counts, strict=True)]
        )
    if stochastic:
        n = max(getattr(held, "n", 1) for held in (trace.hyperparameters, *(later for _, later in trace.changes)))
        u = _directions(spec.seed, steps, n, function.dim, coords)
        arrays |= {} if u is None else {"u": u}
    return arrays


def _distance(theta: np.ndarray, points: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """(R, B): Euclidean distance to the nearest of the points; one coordinate at a time, as θ lies in memory."""
    nearest = np.full(theta.shape[:2], np.inf)
    for point in points:
        square = np.zeros_like(nearest)
        for j, value in enumerate(point):
            square += np.square(theta[..., j] - value)
        np.minimum(nearest, square, out=nearest)
    return np.sqrt(nearest)


def _directions(seed: int, steps: np.ndarray, n: int, d: int, coords: tuple[int, int]) -> np.ndarray | None:
    """(R, n, 2): `hizoo_core.noise.direction` of run 0, drawn a stream at a time; None if that is too many numbers."""
    per_stream = noise.steps_per_stream(d)
    blocks, which = np.unique(steps // per_stream, return_inverse=True)
    if len(blocks) * per_stream * n * d > DRAWN:
        return None
    u = np.empty((len(blocks), per_stream, n, 2))
    drawn = np.empty((per_stream, n, d, 1))
    for i, block in enumerate(blocks):
        noise.draw(seed, int(block), 0, drawn)
        u[i] = drawn[:, :, list(coords), 0]
    return u[which, steps % per_stream]


def shown_hessian(
    function: TestFunction, theta: np.ndarray, diagonal: np.ndarray, coords: tuple[int, int]
) -> np.ndarray:
    """(R, 3): H_aa, H_ab, H_bb at theta (R, d), whose diagonal Hessian is known."""
    a, b = coords
    mixed = np.zeros(len(theta))
    if function.dim <= DENSE_DIMENSIONS:
        mixed = function.hessian(theta)[:, a, b]
    return np.stack([diagonal[:, a], mixed, diagonal[:, b]], axis=1)


def headrooms(function: TestFunction, noise: float, theta: np.ndarray, trace: Trace, keep: np.ndarray) -> Arrays:
    """The arrays `headroom` and `gain`, at run 0's θ (R, d)."""
    g, h = function.gradient(theta), _take(trace.true_h[:, 0], keep)
    variances = np.ones_like(g), 1 / np.abs(h)
    if trace.h is not None:
        variances = variances[0], 1 / _take(trace.h[:, 0], keep), variances[1]
    n = np.array([getattr(settings_at(trace, step), "n", 1) for step in trace.steps[keep]])
    plain, *others = (headroom.headroom(g, h, variance, noise) for variance in variances)
    steps, *more = (_gain(function, theta, g, h, variance, n, noise) for variance in variances)
    if trace.h is None:
        none = np.full(len(theta), np.nan)
        others, more = [none, *others], [none, *more]
    most = headroom.bound(g, h)
    return {
        "headroom": np.log10(np.stack([plain, *others, most], axis=1)),
        "gain": np.log10(np.stack([steps, *more], axis=1)),
    }


def settings_at(trace: Trace, step: int) -> Any:
    """The hyperparameters of the step that leaves `step`."""
    return next((later for at, later in reversed(trace.changes) if at <= step), trace.hyperparameters)


def _gain(
    function: TestFunction, theta: np.ndarray, g: np.ndarray, h: np.ndarray, variance: np.ndarray, n: Any, noise: float
) -> np.ndarray:
    """(R,): what one step gains at the best learning rate, NaN where R does not exist."""
    move = variance * g
    q = (move * hessian_times(function, theta, move)).sum(-1)
    s, t, v, w = (g * move).sum(-1), (h * variance).sum(-1), variance.sum(-1), (h * variance**2).sum(-1)
    gain = headroom.best_step(s, t, q, n, noise**2 * v, noise**2 * w).gain
    return np.where(np.isnan(headroom.headroom(g, h, variance, noise)), np.nan, np.where(s == 0, 0.0, gain))


def hessian_times(function: TestFunction, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """H x (R, d) at θ (R, d): in many dimensions by central differences of the gradient, right to some six digits."""
    if function.dim <= DENSE_DIMENSIONS:
        return np.einsum("rij,rj->ri", function.hessian(theta), x)
    size = np.sqrt(np.square(x).sum(-1, keepdims=True))
    reach = 1e-5 * (1 + np.abs(theta).max(-1, keepdims=True)) / np.where(size > 0, size, 1.0)
    return (function.gradient(theta + reach * x) - function.gradient(theta - reach * x)) / (2 * reach)


def _thin(count: int, most: int) -> np.ndarray:
    """Indices 0, k, 2k, … and the last: at most `most` of `count`."""
    stride = max(1, -(-(count - 1) // (most - 1)))
    return np.append(np.arange(0, count - 1, stride), count - 1)


def _take(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Some frames of values (R, …), without a copy where that is all of them."""
    return values if len(frames) == len(values) else values[frames]


def quantiles(ordered: np.ndarray, counts: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """(levels, R, …): linearly interpolated quantiles of the first counts[r] of ordered[r] (R, B, …), which is sorted
    along axis 1, NaN last; NaN where the count is 0. A sort and this take a tenth of numpy.quantile's time.
    """
    frame = np.arange(len(ordered))
    quantiles = []
    for level in levels:
        position = np.maximum(counts - 1, 0) * level
        below = position.astype(int)
        low = ordered[frame, below]
        high = ordered[frame, np.minimum(below + 1, np.maximum(counts - 1, 0))]
        weight = (position - below).reshape(-1, *[1] * (ordered.ndim - 2))
        between = np.where(weight > 0, low + weight * (high - low), low)
        quantiles.append(np.where(low == high, low, between))  # inf − inf
    return np.stack(quantiles)
