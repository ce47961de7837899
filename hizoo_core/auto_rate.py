"""lr=auto: the learning rate of each step from what the step's own forward passes tell (this project's own).

A step θ ← θ − η (1/n) Σ g_i z_i, z_i = Σ^½ u_i, changes the loss by −η (1/n) Σ g_i² + ½ η² Δ, where
Δ = (1/n²) Σ g_i² c_i + (1/n²) Σ_{i≠k} g_i g_k z_iᵀ H z_k, whose last sum has the expectation (1 − 1/n) q,
q = gᵀΣHΣg. Slope g_i and curvature c_i along every probe are known before the step is made, so its own best η is too,
but for q: E[g² c] = G tr + 2q, with G = E[g²] and tr = E[c]. A slope that carries minibatch noise of the variance v is,
on average, only ρ = s / G of it, s = G − v. So

    η = ρ (1/n) Σ g_i² / Δ

With n = 1 and exact losses that is Newton's step along the probe, which cannot overshoot on a quadratic. Elsewhere a
trust radius protects: the step's length in units of z, η √((1/n) Σ g_i²), is at most r, which is doubled where a step
of that length went well. Where the loss at θ is higher than before the last step by more than its noise explains, that
step is taken back, and r is half its length. Where the losses' running mean is higher than at its lowest by more than
their noise explains, r is halved every so many steps, and grows half as fast from then on.

All arrays have the runs last. Pure numpy: the same numbers for points and for a module's parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hizoo_core.estimators import curvature, slope

AUTO = "auto"  # as a value of lr
PROBES = 8  # are made before the first step that moves θ
SMOOTH = 0.1  # weight of the newest step in the running means of curvature, shares and the losses' noise
SMOOTH_NOISE = 0.03  # in those of G and v, whose difference s is small late in a run
LEAST_SHARE = 0.15  # ρ at least: s cannot be told from nothing where v is large
SETTLED = 20  # steps until the losses' running mean is known, at first and after each time that it was too high
SIGNIFICANT = 4.0  # standard deviations by which a loss is higher for sure
FIRST_RADIUS = 10.0  # in units of μ
SHRINK, GROW = 0.5, 2.0  # of the trust radius

READINGS = ("s", "v", "tr", "q", "lr")
"""What the rule goes by, as `AutoRate.shown` has it in this order."""


def factor(lr: float | str) -> float:
    """What stands for η in the constants of a method: 1 where the rule scales the slopes by η."""
    return 1.0 if lr == AUTO else float(lr)


def extra(hyperparameters: Any) -> int:
    """Forward passes that lr=auto adds to a step of a method that does not look at θ itself."""
    return int(hyperparameters.lr == AUTO)


@dataclass(frozen=True)
class Seen:
    """What a step's passes tell of B runs: the loss at θ (B,), slopes g and curvatures c (n, B), and the variances of
    these three as means over the examples of the batch, of the same shapes; zeros where the loss is exact.
    """

    centre: np.ndarray
    g: np.ndarray
    c: np.ndarray
    centre_noise: np.ndarray
    g_noise: np.ndarray
    c_noise: np.ndarray


class AutoRate:
    """The rule for B runs side by side, each on its own. `shown`: READINGS of the last step, (5, B)."""

    def __init__(self, runs: int, mu: Any) -> None:
        def of(value: float) -> np.ndarray:
            return np.full(runs, value)

        zeros = ("steps", "G", "v", "tr", "share", "noise", "lr", "length", "mean")
        self.state = {name: of(0.0) for name in zeros} | {"wait": of(SETTLED), "grow": of(GROW)}
        self.state |= {"centre": of(np.inf), "lowest": of(np.inf), "radius": of(FIRST_RADIUS) * mu}
        self.shown = np.zeros((len(READINGS), runs))

    def decide(self, seen: Seen, moves: bool = True) -> np.ndarray:
        """η of each run, (B,): 0 where θ is to stay, −η of the step before where that is to be taken back.

        `moves`: whether the step moves θ at all; in a warm-up of P none does.
        """
        with np.errstate(all="ignore"):
            return self._decide(seen, moves)

    def _decide(self, seen: Seen, moves: bool) -> np.ndarray:
        state, n = self.state, len(seen.g)
        squares, curvatures = seen.g**2, np.sqrt(seen.c**2 + seen.c_noise)
        G, tr = _mean(squares), _mean(curvatures)
        weighted = _mean(squares * curvatures)  # → G tr + 2q
        noise = np.maximum(seen.centre_noise, 0.0)
        least = state["centre"] + SIGNIFICANT * np.sqrt(noise + state["noise"]) + 1e-12 * np.abs(state["centre"])
        back = (state["lr"] > 0) & ~(seen.centre <= least)
        kept = np.where(back, 0.0, 1.0)  # nothing is learned at a θ that is left
        state["steps"] = state["steps"] + 1
        quick, slow = (kept * np.maximum(smooth, 1 / state["steps"]) for smooth in (SMOOTH, SMOOTH_NOISE))
        _follow(state, "G", G, slow)
        _follow(state, "v", _mean(seen.g_noise), slow)
        _follow(state, "tr", tr, quick)
        _follow(state, "noise", noise, quick)
        if n > 1:  # q / (G tr): in a mean weighted by g² over n directions, the part above tr is (n − 1)/(n + 2) of 2q
            _follow(state, "share", (weighted / (G * tr) - 1) / 2 * (n + 2) / (n - 1), quick)
        share = np.clip(state["share"], 0.0, 1.0)
        _follow(state, "mean", seen.centre, quick)
        spread = SIGNIFICANT * np.sqrt(SMOOTH / (2 - SMOOTH) * state["noise"]) + 1e-12 * np.abs(state["mean"])
        state["wait"] = np.maximum(state["wait"] - kept, 0.0)
        higher = ~back & (state["wait"] == 0) & (state["mean"] > state["lowest"] + spread)
        state["lowest"] = np.where(state["steps"] < SETTLED, state["mean"], np.minimum(state["lowest"], state["mean"]))
        state["wait"] = np.where(higher, SETTLED, state["wait"])
        state["grow"] = np.where(higher, 1 + SHRINK * (state["grow"] - 1), state["grow"])
        grown = np.maximum(state["radius"], state["grow"] * state["length"])  # if the last step went well
        state["radius"] = np.where(back, SHRINK * state["length"], np.where(higher, SHRINK * state["radius"], grown))
        rho = np.clip(1 - state["v"] / state["G"], LEAST_SHARE, 1.0)
        second = weighted / n + (1 - 1 / n) * share * G * tr
        best = np.minimum(rho * G / second, state["radius"] / np.sqrt(G))
        warm = moves & (state["steps"] * n >= PROBES)
        rate = np.where(back, -state["lr"], np.where(warm & np.isfinite(best), best, 0.0))
        state["length"] = np.maximum(rate, 0.0) * np.sqrt(G)
        state["centre"] = np.where(back, state["centre"], seen.centre)
        state["lr"] = np.maximum(rate, 0.0)
        s, q = np.maximum(state["G"] - state["v"], 0.0), share * state["G"] * state["tr"]
        self.shown = np.stack([s, state["v"], state["tr"], q if n > 1 else np.full_like(q, np.nan), rate])
        return rate


def _mean(x: np.ndarray) -> np.ndarray:
    return np.add.reduce(x, axis=0) / len(x)  # in order, so that a run's bits do not depend on the others


def _follow(state: dict[str, np.ndarray], name: str, new: np.ndarray, weight: np.ndarray) -> None:
    """Move a running mean towards what is new, where that is finite."""
    old = state[name]
    state[name] = np.where(np.isfinite(new) & (weight > 0), old + weight * (new - old), old)


def from_examples(losses: np.ndarray, first: Any, second: Any, mu: float) -> Seen:
    """What one run's batch tells. losses: those of its E examples (2n + 1, E), at θ, then at θ + μz_1, θ − μz_1,
    θ + μz_2, …; first, second: the differences of their means (n,). E = 1: the loss is exact.
    """
    centre, plus, minus = losses[0], losses[1::2], losses[2::2]

    def noise(each: np.ndarray) -> np.ndarray:
        count = each.shape[-1]
        return (each.var(axis=-1, ddof=1) / count if count > 1 else np.zeros(each.shape[:-1]))[..., None]

    return Seen(
        centre=np.array([centre.mean()]),
        g=slope(np.asarray(first), mu)[:, None],
        c=curvature(np.asarray(second), mu)[:, None],
        centre_noise=noise(centre),
        g_noise=noise(slope(plus - minus, mu)),
        c_noise=noise(curvature((plus - centre) - (centre - minus), mu)),
    )
