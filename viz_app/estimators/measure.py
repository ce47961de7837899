"""The estimators of the diagonal Hessian at a fixed θ: pure functions from what is asked to plain numbers.

Every figure is of the code that the optimizers run: single estimates are read off `BatchedPoints`, where a step of
HiZOO finds them; estimates over time are `optimize` with every step a warm-up step, so that θ stays. Relative values
are divided by |H_jj|, the absolute value of the exact diagonal of the Hessian. None stands for what there is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functions import resolve
from hizoo_core import METHODS, Cancelled, noise, optimize
from hizoo_core.base import Objective
from hizoo_core.engine import STEP_NUMBERS
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.hizoo import looked
from hizoo_core.spaces import BatchedPoints
from hizoo_core.sweep import sweep
from viz_app.estimators.theory import moments

HIZOO = METHODS["hizoo"]
WORK = 20_000_000  # directions × dimensions of one curve, a second or so, unless its steps ask for more
BINS = 97  # odd, so that a single value lies in the middle of one
NARROW = 1e-6  # a span of S/|H_jj| below which it is rounding, and is drawn as one value
DIRECTIONS = (1, 2, 4, 8, 16, 32, 64)
DIMENSIONS = (2, 3, 5, 10, 20, 50, 100)
FRAMES = 160

Cancelling = Callable[[], bool]


@dataclass(frozen=True)
class Place:
    """Where the estimators are looked at: θ (d,), the Hessian there (d, d), its diagonal (d,), and what is shown."""

    objective: Objective
    theta: np.ndarray
    diagonal: np.ndarray
    hessian: np.ndarray
    coords: tuple[int, ...]

    @property
    def d(self) -> int:
        return self.theta.size

    @property
    def size(self) -> np.ndarray:
        """(d,): |H_jj|, 1 where it is 0 and P cannot be compared with it."""
        return np.where(self.diagonal == 0, 1.0, np.abs(self.diagonal))


@dataclass(frozen=True)
class Probe:
    """How they are looked at; `start` is where P stands or starts: "one" or "truth"."""

    n: int
    alpha: float
    mu: float
    noise: float = 0.0
    seed: int = 0
    start: str = "truth"

    def P(self, place: Place) -> np.ndarray:
        return place.size if self.start == "truth" else np.ones(place.d)


def signed(
    place: Place, probe: Probe, estimator: str, n: int, P: np.ndarray, count: int, cancelled: Cancelling
) -> np.ndarray:
    """(about count, d): single estimates S of one step with P as given, before `paper`'s absolute value, by HiZOO.

    With α = β = 1 the sum that the step smooths into P is S / P itself.
    """
    d = place.d
    settings = HIZOO.hyperparameters(n=n, alpha=1.0, beta=1.0, mu=probe.mu, estimator=estimator)
    steps, unit = noise.steps_per_stream(d), noise.runs_per_stream(d)
    runs = -(-count // steps)
    width = max(unit, STEP_NUMBERS // (d * (2 * n + 1)) // unit * unit)
    found = []
    for first in range(0, runs, width):
        group = slice(first, min(first + width, runs))
        space = BatchedPoints(
            HIZOO,
            [settings],
            place.objective,
            place.theta,
            group,
            probe.seed,
            gradient_noise=probe.noise,
            state={"P": P},
        )
        with np.errstate(all="ignore"):
            for _ in space.through(0, steps):
                if cancelled():
                    raise Cancelled
                ((_, _, s),) = looked(space)
                found.append(s.T.copy())
    signed_s = np.concatenate(found)
    if ESTIMATORS[estimator].predicts:  # its s is the error of what it predicts from, which is S = P at the start
        signed_s += 1.0
    return signed_s * P


def affordable(count: int, n: int, d: int, least: int = 64) -> int:
    """As many samples as asked for, or as WORK allows."""
    return max(least, min(count, WORK // (n * d)))


def distribution(
    place: Place, probe: Probe, estimators: Sequence[str], count: int, cancelled: Cancelling
) -> list[dict[str, Any]]:
    """Single estimates of the shown entries relative to |H_jj|: histogram, mean ± its standard error, spread.

    An entry's bins are the same for all estimators, so that their shares can be compared.
    """
    P, shown = probe.P(place), list(place.coords)
    count = affordable(count, probe.n, place.d)
    enough = [name for name in estimators if probe.n >= ESTIMATORS[name].least_n]
    found = {
        name: signed(place, probe, name, probe.n, P, count, cancelled)[:, shown] / place.size[shown] for name in enough
    }
    spans = [_span([s[:, k] for s in found.values()]) for k in range(len(shown))] if found else []
    return [
        _histograms(place, P, name, probe.n, found[name], spans)
        if name in found
        else {"estimator": name, "least_n": ESTIMATORS[name].least_n, "coordinates": []}
        for name in estimators
    ]


def _span(samples: Sequence[np.ndarray]) -> tuple[float, float]:
    """What holds 99 % of each of the samples."""
    sound = [s[np.isfinite(s)] for s in samples if np.isfinite(s).any()]
    if not sound:
        return -0.5, 0.5
    low = min(float(np.quantile(s, 0.005)) for s in sound)
    high = max(float(np.quantile(s, 0.995)) for s in sound)
    return (low, high) if high - low > NARROW else ((low + high - 1) / 2, (low + high + 1) / 2)


def _histograms(
    place: Place, P: np.ndarray, estimator: str, n: int, found: np.ndarray, spans: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    expected = _theory(place, P, estimator, n)
    answer = []
    for j, s, span in zip(place.coords, found.T, spans, strict=True):
        counts, edges = np.histogram(s, BINS, span)
        answer.append(
            {
                "coordinate": j,
                "truth": place.diagonal[j],
                "P": P[j],
                "edges": edges.tolist(),
                "share": (counts / s.size).tolist(),
                "mean": s.mean(),
                "mean_se": s.std() / np.sqrt(s.size),
                "sd": s.std(),
                "absolute_mean": np.abs(s).mean(),
                "theory": expected and [expected[0][j], expected[1][j]],
            }
        )
    return {"estimator": estimator, "samples": len(found), "coordinates": answer}


def _theory(place: Place, P: np.ndarray, estimator: str, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and standard deviation of S relative to |H_jj|, (d,) each."""
    root = np.sqrt(P)
    found = moments(estimator, place.hessian / root[:, None] / root, n)
    scale = P / place.size
    return None if found is None else (found.mean * scale, found.sd * scale)


def point(
    place: Place, probe: Probe, estimator: str, n: int, coords: Sequence[int], count: int, cancelled: Cancelling
) -> dict[str, Any] | None:
    """Mean and spread of single estimates with P at |H_jj|, relative to H_jj, over some entries, with standard errors.

    None where the estimator needs a larger n.
    """
    if n < ESTIMATORS[estimator].least_n:
        return None
    P, columns = place.size, list(coords)
    count = affordable(count, n, place.d)
    s = (
        signed(place, probe, estimator, n, P, count, cancelled)[:, columns]
        / (place.size * np.sign(place.diagonal))[columns]
    )
    each = (s - s.mean(axis=0)) ** 2  # entries of one sample are correlated: errors are those of the samples' means
    variance = each.mean()
    absolute = np.abs(s)
    expected = _theory(place, P, estimator, n)
    sign = np.sign(place.diagonal)[columns]
    return {
        "mean": s.mean(),
        "mean_se": s.mean(axis=1).std() / np.sqrt(len(s)),
        "sd": np.sqrt(variance),
        "sd_se": each.mean(axis=1).std() / np.sqrt(len(s)) / (2 * np.sqrt(variance)),
        "absolute": absolute.mean(),
        "absolute_se": absolute.mean(axis=1).std() / np.sqrt(len(s)),
        "theory_mean": expected and (expected[0][columns] * sign).mean(),
        "theory_sd": expected and np.sqrt((expected[1][columns] ** 2).mean()),
        "samples": len(s),
    }


def against_n(place: Place, probe: Probe, estimator: str, count: int, cancelled: Cancelling) -> dict[str, Any]:
    """`point` for every n of DIRECTIONS at the shown entries (those whose H_jj is not 0)."""
    coords = [j for j in place.coords if place.diagonal[j] != 0]
    found = [point(place, probe, estimator, n, coords, count, cancelled) if coords else None for n in DIRECTIONS]
    return {"estimator": estimator, "coords": coords, "x": DIRECTIONS, "points": found}


def against_d(probe: Probe, estimator: str, count: int, cancelled: Cancelling) -> dict[str, Any]:
    """`point` on quadratics of every dimension of DIMENSIONS, over all entries: at P = |H_jj| all have one law."""
    found = []
    for d in DIMENSIONS:
        place = place_of(f"quadratic:d={d}", None, range(d))
        found.append(point(place, probe, estimator, probe.n, range(d), count, cancelled))
    return {"estimator": estimator, "x": DIMENSIONS, "points": found}


def place_of(f: str, x0: Sequence[float] | None, coords: Sequence[int]) -> Place:
    """A point of a function; its start if `x0` is None."""
    function = resolve(f)
    theta = np.array(function.start if x0 is None else x0, dtype=float)
    with np.errstate(all="ignore"):
        hessian = function.hessian(theta)
    return Place(function, theta, np.diagonal(hessian).copy(), hessian, tuple(coords))


def held(
    place: Place,
    probe: Probe,
    estimator: str,
    alpha: float,
    *,
    steps: int,
    runs: int,
    every: int,
    cancelled: Cancelling | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Recorded steps (R,) and P / |H_jj| (R, runs, d) of a run of HiZOO that never leaves its warm-up."""
    settings = HIZOO.hyperparameters(n=probe.n, alpha=alpha, mu=probe.mu, estimator=estimator, warmup=steps)
    trace = optimize(
        place.objective,
        "hizoo",
        settings,
        place.theta,
        steps=steps,
        runs=runs,
        seed=probe.seed,
        record_every=every,
        cancelled=cancelled,
        gradient_noise=probe.noise,
        state={"P": probe.P(place)},
    )
    assert trace.h is not None
    return trace.steps, trace.h / place.size


def running(place: Place, probe: Probe, estimator: str, steps: int, runs: int, cancelled: Cancelling) -> dict[str, Any]:
    """P / |H_jj| over the steps: median and 10–90 % over runs, at the shown entries."""
    if probe.n < ESTIMATORS[estimator].least_n:
        return {"estimator": estimator, "least_n": ESTIMATORS[estimator].least_n, "coordinates": []}
    runs = affordable(runs, probe.n * steps, place.d, least=4)
    t, ratio = held(
        place, probe, estimator, probe.alpha, steps=steps, runs=runs, every=max(1, steps // FRAMES), cancelled=cancelled
    )
    low, median, high = np.quantile(ratio[..., list(place.coords)], (0.1, 0.5, 0.9), axis=1)
    return {
        "estimator": estimator,
        "runs": runs,
        "step": t.tolist(),
        "coordinates": [
            {"coordinate": j, "low": low[:, k].tolist(), "median": median[:, k].tolist(), "high": high[:, k].tolist()}
            for k, j in enumerate(place.coords)
        ],
    }


def against_alpha(
    place: Place, probe: Probe, estimator: str, alphas: Sequence[float], steps: int, runs: int, cancelled: Cancelling
) -> dict[str, Any]:
    """Bias and spread of ln(P / |H_jj|) after `steps` steps, over all entries whose H_jj is not 0, by α.

    Both are root mean squares over the entries; error² = bias² + spread², and 0.1 means about 10 % off. Without entries
    the lists are empty.
    """
    if probe.n < ESTIMATORS[estimator].least_n:
        return {"estimator": estimator, "least_n": ESTIMATORS[estimator].least_n, "alpha": [], "bias": [], "spread": []}
    entries = np.flatnonzero(place.diagonal)
    if not entries.size:
        return {"estimator": estimator, "alpha": [], "bias": [], "spread": []}
    runs = affordable(runs, probe.n * steps, place.d, least=4)
    settings = [
        HIZOO.hyperparameters(n=probe.n, alpha=alpha, mu=probe.mu, estimator=estimator, warmup=steps)
        for alpha in alphas
    ]
    bias2, variance = np.empty((2, len(settings)))
    for batch in sweep(
        place.objective,
        "hizoo",
        settings,
        place.theta,
        forwards=steps * HIZOO.forwards(settings[0]),
        runs=runs,
        seed=probe.seed,
        frames=2,
        gradient_noise=probe.noise,
        state={"P": probe.P(place)},
        cancelled=cancelled,
    ):
        assert batch.h is not None
        logarithm = np.log(batch.h[-1] / place.size)[..., entries]  # (K, runs, entries)
        spread = logarithm.var(axis=1, ddof=1)
        # The mean over runs has noise of its own, spread / runs, which is not bias.
        bias2[batch.which] = np.maximum((logarithm.mean(axis=1) ** 2 - spread / runs).mean(axis=-1), 0.0)
        variance[batch.which] = spread.mean(axis=-1)
    error = np.sqrt(bias2 + variance)
    best = int(np.nanargmin(error)) if np.isfinite(error).any() else None
    return {
        "estimator": estimator,
        "runs": runs,
        "steps": steps,
        "alpha": list(alphas),
        "bias": np.sqrt(bias2).tolist(),
        "spread": np.sqrt(variance).tolist(),
        "error": error.tolist(),
        "best": best,
    }
