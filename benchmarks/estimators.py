"""The estimators of the diagonal Hessian against the true diagonal, at a fixed θ, by the code that the optimizers run.

    python -m benchmarks.estimators                prints a Markdown table; about three minutes
    python -m benchmarks.estimators --write FILE   puts it between that file's markers
    python -m benchmarks.estimators --brief        `reliable` and `multiplicative` alone, few runs; about a minute

θ stays fixed because every step is a warm-up step. Read off over the second half of the steps of each run: the mean of
ln(P/|H_jj|) over elements and steps. A cell shows the geometric mean over the runs (1 is perfect), its 95 % interval
(Student's t over the runs), and in brackets the standard deviation of ln(P/|H_jj|) over elements and runs.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.tune_presets import insert
from functions import resolve
from hizoo_core import METHODS, optimize
from hizoo_core.estimators import ESTIMATORS

STEPS, RUNS, MU = 3_000, 64, 1e-3
SETTINGS = [(2, 1, 0.01), (2, 32, 0.01), (10, 8, 0.01), (10, 32, 0.01), (100, 8, 0.01), (100, 32, 0.1)]
BRIEF = [  # d, n, α, steps, runs
    (2, 1, 0.01, 3000, 8), (10, 1, 0.03, 3000, 8), (10, 8, 0.03, 3000, 8), (100, 1, 0.03, 5000, 8),
    (100, 8, 0.03, 3000, 8), (1000, 8, 0.03, 1500, 2),
]  # fmt: skip
MARKERS = ("<!-- table: python -m benchmarks.estimators -->", "<!-- /table -->")


def table() -> str:
    """The Markdown table, and by which rules it was made."""
    lines = [
        f"{STEPS:,} steps, {RUNS} runs, seed 0, μ = {MU:g}: geometric mean of P over the true diagonal, its 95 % "
        "interval, and in brackets the standard deviation of ln(P/|H_jj|) over elements and runs.",
        "",
        "| d | n | α | " + " | ".join(f"`{name}`" for name in ESTIMATORS) + " | theory for `released`, 1 + d/2 |",
        "| --- | --- | --- |" + " --- |" * (len(ESTIMATORS) + 1),
    ]
    for d, n, alpha in SETTINGS:
        cells = " | ".join(cell(d, n, alpha, name) for name in ESTIMATORS)
        lines.append(f"| {d} | {n} | {alpha} | {cells} | {1 + d / 2:g} |")
    return "\n".join(lines)


def brief() -> str:
    """The same of two estimators in less time: a line a setting."""
    lines = ["| d | n | α | steps | `reliable` | `multiplicative` |", "| --- | --- | --- | --- | --- | --- |"]
    for d, n, alpha, steps, runs in BRIEF:
        cells = " | ".join(cell(d, n, alpha, name, steps, runs) for name in ("reliable", "multiplicative"))
        lines.append(f"| {d} | {n} | {alpha} | {steps:,} | {cells} |")
    return "\n".join(lines)


def cell(d: int, n: int, alpha: float, estimator: str, steps: int = STEPS, runs: int = RUNS) -> str:
    """Mean, interval and spread of P over the true diagonal for one setting."""
    if n < ESTIMATORS[estimator].least_n:
        return f"needs n ≥ {ESTIMATORS[estimator].least_n}"
    function = resolve(f"quadratic:d={d},condition=1e4")
    hyperparameters = METHODS["hizoo"].hyperparameters(n=n, alpha=alpha, estimator=estimator, mu=MU, warmup=steps)
    trace = optimize(
        function, "hizoo", hyperparameters, function.start, steps=steps, runs=runs, seed=0, record_every=10
    )
    assert trace.h is not None
    half = len(trace.steps) // 2
    ratio = np.log(trace.h[half:] / np.abs(trace.true_h[half:]))
    low, high = interval(ratio.mean(axis=(0, 2)))
    return f"{np.exp(ratio.mean()):.3g}, {low:.3g} to {high:.3g} ({ratio.std(axis=(1, 2)).mean():.2f})"


def interval(logarithms: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a geometric mean, from the runs' own mean logarithms (Student's t)."""
    half = stats.t.ppf(0.975, len(logarithms) - 1) * logarithms.std(ddof=1) / math.sqrt(len(logarithms))
    return math.exp(logarithms.mean() - half), math.exp(logarithms.mean() + half)


def main() -> None:
    """Print the table, or write it into a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between this file's markers")
    parser.add_argument("--brief", action="store_true", help="two estimators, few runs")
    options = parser.parse_args()
    text = brief() if options.brief else table()
    if options.write:
        options.write.write_text(insert(options.write.read_text("utf-8"), text, MARKERS), "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
