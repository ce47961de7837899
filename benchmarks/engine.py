"""The engine's speed as ratios, both sides interleaved in one run and repeated; one JSON line a benchmark.

python -m benchmarks.engine
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from functions import resolve
from hizoo_core import METHODS, optimize

STEPS = 1000
SETTINGS: dict[str, Any] = {"alpha": 0.1, "lr": 0.1, "mu": 1e-3, "warmup": 20}
REPEATS = 15


def main() -> None:
    """Print one JSON line a benchmark."""
    one, plain, many = repeat(lambda: ours(1, n=1), plainly, lambda: ours(64, n=1))
    report("HiZOO, one run: eager torch's time against ours", ratio(plain, one), ">= 8", 8, at_least=True)
    report("HiZOO, 64 runs against one", ratio(many, one), "<= 2", 2, at_least=False)
    large, noise = repeat(lambda: ours(1024, n=4), lambda: normal_numbers(1024 * 4 * 2 * STEPS))
    report(
        "HiZOO, 1,024 runs, n = 4, against drawing the numbers alone",
        ratio(large, noise),
        "<= 2.5",
        2.5,
        at_least=False,
    )


def ours(runs: int, n: int) -> None:
    hyperparameters = METHODS["hizoo"].hyperparameters(n=n, **SETTINGS)
    function = resolve("stiff_quadratic")
    optimize(function, "hizoo", hyperparameters, function.start, steps=STEPS, runs=runs, seed=0)


def plainly() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """METHOD's formulas (`paper`, n = 1) as one would write them down, for one run; returns what a Trace records."""
    alpha, lr, mu, warmup = SETTINGS["alpha"], SETTINGS["lr"], SETTINGS["mu"], SETTINGS["warmup"]

    def loss(x: torch.Tensor) -> torch.Tensor:
        return 10000 * x[0] ** 2 + x[1] ** 2

    generator = torch.Generator().manual_seed(0)
    theta = torch.tensor(resolve("stiff_quadratic").start, dtype=torch.float64)
    P = torch.ones_like(theta)
    thetas, losses, hs = [theta], [], [P]
    for t in range(STEPS):
        u = torch.randn(2, generator=generator, dtype=torch.float64)
        z = u / P.sqrt()
        l0, plus, minus = loss(theta), loss(theta + mu * z), loss(theta - mu * z)
        slope = (plus - minus) / (2 * mu)
        curvature = (plus + minus - 2 * l0) / mu**2
        S = (0.5 * curvature * P * (u**2 - 1)).abs()
        P = ((1 - alpha) * P + alpha * S).clamp(1e-12, 1e12)
        if t >= warmup:
            theta = theta - lr * slope * u / P.sqrt()
        thetas.append(theta)
        losses.append(l0)
        hs.append(P)
    losses.append(loss(theta))
    return torch.stack(thetas), torch.stack(losses), torch.stack(hs)


def normal_numbers(count: int) -> None:
    generator = np.random.default_rng(0)
    buffer = np.empty(2**16)
    for start in range(0, count, buffer.size):
        generator.standard_normal(out=buffer[: min(buffer.size, count - start)])


def repeat(*sides: Callable[[], object]) -> list[list[float]]:
    """Seconds of each side, REPEATS times in turn, after one round that is not counted."""
    torch.set_num_threads(1)  # two numbers are no work to share
    seconds: list[list[float]] = [[] for _ in sides]
    for round_ in range(REPEATS + 1):
        for side, taken in zip(sides, seconds, strict=True):
            began = time.perf_counter()
            side()
            if round_:
                taken.append(time.perf_counter() - began)
    return seconds


def ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def report(name: str, value: float, goal: str, bound: float, *, at_least: bool) -> None:
    met = value >= bound if at_least else value <= bound
    print(json.dumps({"name": name, "value": round(value, 2), "unit": "ratio", "goal": goal, "met": met}), flush=True)


if __name__ == "__main__":
    main()
