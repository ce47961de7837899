"""Tune every optimizer on every catalogue function with the same budget, and write viz_app/spec/presets.json.

    python -m benchmarks.tune_presets                            tune everything
    python -m benchmarks.tune_presets levy beale                 tune these again, keep the other entries
    python -m benchmarks.tune_presets --table                    print the table of the presets file
    python -m benchmarks.tune_presets --table --write docs/findings/presets.md   between its markers

The rules, the same for every row of the table:

- A trial is one setting, 16 runs, run for the function's budget of forward passes, whatever that is in steps.
- A row gets TRIALS trials a function: a Sobol sequence over its search space, then rounds of shrinking Gaussian steps
  around the best so far, then the best FINALISTS once more on other seeds, where the worst score counts, since the
  best of many noisy medians flatters.
- The score is the median run's gap to the global minimum at the budget, relative to the gap at the start. Gaps below
  PRECISION count as equal; the setting that got there in fewest passes wins. A setting that loses a run
  (it diverges, or ends higher than it started) ranks behind every one that loses none.
- The figures that are reported are of HELD_OUT_SEED, which no trial has seen.
- A function that is unbounded below has no gap to score. Its settings are those with which the median run leaves the
  domain closest to half of the budget, so that the methods can be watched side by side; the table leaves it out.
"""

import argparse
import json
import math
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc
from tqdm import tqdm

from functions import FUNCTIONS, TestFunction, resolve
from hizoo_core import METHODS, Trace, describe, optimize
from hizoo_core.estimators import ESTIMATORS
from viz_app.spec.presets import PRESETS
from viz_app.spec.runs import divergence_limit

TUNE_SEED, CONFIRM_SEEDS, HELD_OUT_SEED = 1000, (1001, 1002), 0
EXPLORE, REFINE, FINALISTS = 128, (16, 16, 16), 8
TRIALS = EXPLORE + sum(REFINE) + FINALISTS * len(CONFIRM_SEEDS)
REFINE_WIDTHS = (0.12, 0.06, 0.03)  # standard deviation of a refining step, in units of the search space's side
RUNS = 16
PRECISION = 1e-12
MAX_STEPS = 750  # what the Playground plays by default at most
MARKERS = ("<!-- table: python -m benchmarks.tune_presets -->", "<!-- /table -->")


@dataclass(frozen=True, slots=True)
class Axis:
    """One searched hyperparameter: log-uniform in [low, high], or one of `choices`, from a coordinate in [0, 1]."""

    name: str
    choices: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0

    def value(self, t: float) -> float:
        if self.choices:
            return self.choices[min(int(t * len(self.choices)), len(self.choices) - 1)]
        return float(f"{self.low * (self.high / self.low) ** t:.1e}")  # two digits: what is tried is what is written


@dataclass(frozen=True, slots=True)
class Row:
    """One competitor: a method, what is fixed about it, and what is searched."""

    label: str
    method: str
    fixed: dict[str, Any]
    axes: tuple[Axis, ...]


def rows(dim: int) -> dict[str, Row]:
    """The competitors. Beyond two dimensions a step gets at least eight directions, so that a run fits the player."""
    directions = (1, 2, 4, 8) if dim == 2 else (8, 16, 32)

    def hizoo(estimator: str) -> Row:
        n = tuple(n for n in directions if n >= ESTIMATORS[estimator].least_n)
        axes = (slider("hizoo", "lr"), slider("hizoo", "alpha"), Axis("n", n), Axis("warmup", (0, 10, 30)))
        return Row(f"HiZOO `{estimator}`", "hizoo", {"estimator": estimator}, axes)

    return {
        "hizoo": hizoo("paper"),
        "released": hizoo("released"),
        "multiplicative": hizoo("multiplicative"),
        "mezo": Row("MeZO", "mezo", {}, (slider("mezo", "lr"), Axis("n", directions))),
        "adam": Row("Adam", "adam", {}, (slider("adam", "lr"), Axis("beta2", (0.9, 0.99, 0.999)))),
        "newton_diag": Row(
            "exact diagonal", "newton_diag", {}, (slider("newton_diag", "lr"), slider("newton_diag", "floor"))
        ),
    }


def slider(method: str, name: str) -> Axis:
    """The whole range of a control in the Playground: nothing is known beforehand about where the best value lies."""
    low, high = next(h.slider for h in describe(METHODS[method].hyperparameters) if h.name == name)
    return Axis(name, low=low, high=high)


ZEROTH_ORDER = ("hizoo", "released", "multiplicative", "mezo")
SHOWN = ("hizoo", "mezo", "adam")  # what the Playground starts with: each is to be seen until it has spent its budget


class Score(NamedTuple):
    """Smaller is better; compared field by field."""

    unreliable: bool
    value: float


def budget(function: TestFunction) -> int:
    """Forward passes of a trial: a few hundred steps of HiZOO with a handful of directions."""
    return 1500 if function.dim == 2 else 12_000


def start_gap(function: TestFunction) -> float:
    assert function.minimum is not None
    return float(function.value(np.asarray(function.start))) - function.minimum


def run(function: TestFunction, row: Row, setting: dict[str, Any], seed: int) -> Trace:
    method = METHODS[row.method]
    hyperparameters = method.hyperparameters(**row.fixed, **setting)
    steps = budget(function) // method.forwards(hyperparameters)
    start = np.asarray(function.start)
    every = max(1, steps // 500)
    return optimize(
        function,
        row.method,
        hyperparameters,
        start,
        steps=steps,
        runs=RUNS,
        seed=seed,
        record_every=every,
        limit=divergence_limit(function),
    )


def lost_share(trace: Trace) -> float:
    """The share of runs that diverged or ended higher than they started."""
    return float(np.mean(~(trace.loss[-1] <= trace.loss[0])))


def median_gap(function: TestFunction, trace: Trace) -> np.ndarray:
    """(R,): the median run's gap to the minimum, a stopped run's counting as infinite."""
    gaps = np.where(np.isnan(trace.loss), np.inf, np.maximum(trace.loss - function.minimum, 0.0))
    return np.median(gaps, axis=1)


def passes_to_precision(gaps: np.ndarray, forwards: np.ndarray, target: float) -> int | None:
    """Forward passes after which the gap stays at or below the target; None if it is above at the end."""
    above = np.flatnonzero(~(gaps <= target))
    first = 0 if above.size == 0 else int(above[-1]) + 1
    return int(forwards[first]) if first < len(gaps) else None


def exit_passes(function: TestFunction, trace: Trace) -> float:
    """Forward passes after which the median run has left the domain; infinite if it has not."""
    low, high = np.asarray(function.domain).T
    inside = ((trace.theta >= low) & (trace.theta <= high)).all(axis=-1)  # False once a run is NaN
    first_out = np.where(inside.all(axis=0), np.inf, trace.forwards[np.argmin(inside, axis=0)])
    return float(np.median(first_out))


def score(function: TestFunction, trace: Trace) -> Score:
    if function.minimum is None:
        passes = exit_passes(function, trace)
        return Score(False, abs(math.log(max(passes, 1) / (budget(function) / 2))))
    start, gaps = start_gap(function), median_gap(function, trace)
    unreliable = lost_share(trace) > 0
    passes = passes_to_precision(gaps, trace.forwards, PRECISION * start)
    if passes is None:
        return Score(unreliable, math.log10(gaps[-1] / start))
    return Score(unreliable, math.log10(PRECISION) - 1 + passes / budget(function))


def search(function: TestFunction, row: Row, name: str) -> dict[str, Any]:
    """The winning setting of TRIALS trials: explore, refine, confirm. Deterministic."""
    rng = np.random.default_rng(zlib.crc32(f"{function.key}/{name}".encode()))
    trials = 0
    tried: list[tuple[Score, np.ndarray, dict[str, Any]]] = []

    def setting(point: np.ndarray) -> dict[str, Any]:
        return {axis.name: axis.value(t) for axis, t in zip(row.axes, point, strict=True)}

    def attempt(point: np.ndarray) -> None:
        nonlocal trials
        trials += 1
        tried.append((score(function, run(function, row, setting(point), TUNE_SEED)), point, setting(point)))

    for point in qmc.Sobol(len(row.axes), rng=rng).random(EXPLORE):
        attempt(point)
    for count, width in zip(REFINE, REFINE_WIDTHS, strict=True):
        best = min(tried, key=lambda trial: trial[0])[1]
        for step in rng.normal(scale=width, size=(count, len(row.axes))):
            attempt(np.clip(best + step, 0.0, 1.0))

    tried.sort(key=lambda trial: trial[0])
    distinct = {tuple(candidate.items()): (first, candidate) for first, _, candidate in reversed(tried)}
    confirmed = []
    for first, candidate in sorted(distinct.values(), key=lambda entry: entry[0])[:FINALISTS]:
        again = [score(function, run(function, row, candidate, seed)) for seed in CONFIRM_SEEDS]
        trials += len(again)
        confirmed.append((max(first, *again), candidate))
    assert trials == TRIALS
    return min(confirmed, key=lambda entry: entry[0])[1]


def tune(task: tuple[str, str]) -> tuple[str, str, dict[str, Any], dict[str, Any] | None]:
    """(function key, row) → the winner and its figures on the held-out seed (None where there is no minimum)."""
    key, name = task
    function = resolve(key)
    row = rows(function.dim)[name]
    winner = search(function, row, name)
    if function.minimum is None:
        return key, name, row.fixed | winner, None
    trace = run(function, row, winner, HELD_OUT_SEED)
    gaps = median_gap(function, trace)
    figures = {
        "median_gap": float(gaps[-1]) if np.isfinite(gaps[-1]) else None,
        "lost": lost_share(trace),
        "passes_to_precision": passes_to_precision(gaps, trace.forwards, PRECISION * start_gap(function)),
    }
    return key, name, row.fixed | winner, figures


def assemble(key: str, results: dict[str, tuple[dict[str, Any], dict[str, Any] | None]]) -> tuple[dict, dict]:
    """One function's rows → (its preset, for viz_app.spec.presets; its report, from which the table is made)."""
    function = resolve(key)
    optimizers = {name: setting for name, (setting, _) in results.items() if name in METHODS}
    passes = [METHODS[name].forwards(METHODS[name].hyperparameters(**optimizers[name])) for name in SHOWN]
    steps = min(MAX_STEPS, max(budget(function) // count for count in passes))
    report = {
        "dim": function.dim,
        "budget_forwards": budget(function),
        "start_gap": None if function.minimum is None else start_gap(function),
        "scores": {name: figures for name, (_, figures) in results.items()} if function.minimum is not None else {},
    }
    estimators = {name: setting for name, (setting, _) in results.items() if name not in METHODS}
    return {"steps": steps, "runs": RUNS, "optimizers": optimizers, "estimators": estimators}, report


def tune_all(keys: Sequence[str], workers: int) -> dict[str, Any]:
    """The whole presets file, with the entries of functions that are not in `keys` as they stand."""
    document = json.loads(PRESETS.read_text("utf-8")) if PRESETS.exists() else {"functions": {}, "report": {}}
    # The slow tasks first, so that no worker ends alone with one.
    order = sorted(keys, key=lambda key: -budget(resolve(key)))
    tasks = [(key, name) for key in order for name in rows(resolve(key).dim)]
    results: dict[str, dict[str, Any]] = {key: {} for key in keys}
    with Pool(workers) as pool:
        for key, name, setting, figures in tqdm(pool.imap_unordered(tune, tasks), total=len(tasks), unit="search"):
            results[key][name] = (setting, figures)
    presets, reports = document["functions"], document["report"]
    for key in keys:
        ordered = {name: results[key][name] for name in rows(resolve(key).dim)}
        presets[key], reports[key] = assemble(key, ordered)
    return {
        "tuned_by": "python -m benchmarks.tune_presets",
        "trials": TRIALS,
        "runs": RUNS,
        "precision": PRECISION,
        "seeds": {"tuned": [TUNE_SEED, *CONFIRM_SEEDS], "held_out": HELD_OUT_SEED},
        "functions": {key: presets[key] for key in FUNCTIONS if key in presets},
        "report": {key: reports[key] for key in FUNCTIONS if key in reports},
    }


def dumps(document: dict[str, Any]) -> str:
    """JSON with one setting, or one score, a line."""
    spread = json.dumps(document, indent=1)
    return re.sub(r"[{\[]\n[^{}\[\]]+[}\]]", lambda match: " ".join(match[0].split()), spread) + "\n"


def cell(figures: dict[str, Any], start: float, precision: float) -> str:
    gap, passes = figures["median_gap"], figures["passes_to_precision"]
    if gap is None:
        return "diverged"
    text = f"{gap / start:.1e}" if passes is None else f"≤ {precision:.0e} at {passes:,}"
    return text + (f" ({figures['lost']:.0%} lost)" if figures["lost"] else "")


def merit(figures: dict[str, Any]) -> tuple[float, float, float]:
    """The order of the entries of one row: precision reached early, then the gap as it is printed, then lost runs."""
    gap, passes = figures["median_gap"], figures["passes_to_precision"]
    if passes is not None:
        return passes, 0.0, figures["lost"]
    return math.inf, math.inf if gap is None else float(f"{gap:.1e}"), figures["lost"]


def table(document: dict[str, Any]) -> str:
    """The Markdown table of the held-out figures; the best of the zeroth-order methods in each row in bold."""
    reports = {key: report for key, report in document["report"].items() if report["scores"]}
    labels = {name: row.label for name, row in rows(2).items()}
    lines = [
        "| function | passes | " + " | ".join(labels.values()) + " |",
        "| --- | --: |" + " --: |" * len(labels),
    ]
    for key, report in reports.items():
        scores = report["scores"]
        best = min(merit(scores[name]) for name in ZEROTH_ORDER)
        cells = []
        for name in labels:
            text = cell(scores[name], report["start_gap"], document["precision"])
            cells.append(f"**{text}**" if name in ZEROTH_ORDER and merit(scores[name]) == best else text)
        lines.append(f"| `{key}` | {report['budget_forwards']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert(text: str, content: str, markers: tuple[str, str] = MARKERS) -> str:
    """`text` with what stands between the markers replaced; ValueError if it has no markers."""
    before, opening, rest = text.partition(markers[0])
    _, closing, after = rest.partition(markers[1])
    if not opening or not closing:
        raise ValueError(f"no place for the table: {markers[0]} … {markers[1]} not found")
    return f"{before}{opening}\n\n{content}\n\n{closing}{after}"


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="keys to tune (default: all)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--table", action="store_true", help="print the table of the presets file instead of tuning")
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --table: put it between this file's markers")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if unknown := sorted(set(options.functions) - set(FUNCTIONS)):
        parser.error(f"unknown function {', '.join(unknown)}: one of {', '.join(FUNCTIONS)}")
    if not options.table:
        document = tune_all(options.functions or list(FUNCTIONS), options.workers)
        PRESETS.write_text(dumps(document), "utf-8")
    elif options.write:
        content = table(json.loads(PRESETS.read_text("utf-8")))
        options.write.write_text(insert(options.write.read_text("utf-8"), content), "utf-8")
    else:
        print(table(json.loads(PRESETS.read_text("utf-8"))))


if __name__ == "__main__":
    main()
