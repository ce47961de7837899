"""The three estimators of the diagonal Hessian against the truth, at a fixed θ, by the code that the optimizers run.

    python -m benchmarks.estimators        prints a Markdown table; about a minute

θ stays fixed because every step is a warm-up step. Read off over the second half of the steps: the geometric mean over
elements and runs of P/|truth| (1 is perfect), and in brackets the standard deviation of its natural logarithm.
"""

from __future__ import annotations

import numpy as np

from functions import resolve
from hizoo_core import METHODS, optimize

STEPS, RUNS = 3_000, 4
SETTINGS = [(2, 1, 0.01), (2, 32, 0.01), (10, 8, 0.01), (10, 32, 0.01), (100, 8, 0.01), (100, 32, 0.1)]
ESTIMATORS = ("paper", "released", "multiplicative")


def main() -> None:
    """Print the table."""
    print("| d | n | α | " + " | ".join(f"`{name}`" for name in ESTIMATORS) + " | theory for `released` |")
    print("| --- | --- | --- |" + " --- |" * (len(ESTIMATORS) + 1))
    for d, n, alpha in SETTINGS:
        cells = [cell(d, n, alpha, name) for name in ESTIMATORS]
        print(f"| {d} | {n} | {alpha} | " + " | ".join(cells) + f" | {1 + d / 2:g} |", flush=True)


def cell(d: int, n: int, alpha: float, estimator: str) -> str:
    """Mean and spread of log(P/truth) for one setting."""
    if estimator == "multiplicative" and n == 1:
        return "needs n ≥ 2"
    function = resolve(f"quadratic:d={d},condition=1e4")
    hyperparameters = METHODS["hizoo"].hyperparameters(n=n, alpha=alpha, estimator=estimator, warmup=STEPS)
    trace = optimize(
        function, "hizoo", hyperparameters, function.start, steps=STEPS, runs=RUNS, seed=0, record_every=10
    )
    assert trace.h is not None
    half = len(trace.steps) // 2
    ratio = np.log(trace.h[half:] / np.abs(trace.true_h[half:]))
    spread = ratio.std(axis=(1, 2)).mean()
    return f"{np.exp(ratio.mean()):.2f} ({spread:.2f})"


if __name__ == "__main__":
    main()
