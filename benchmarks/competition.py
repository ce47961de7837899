"""The estimators compete: which is nearest the exact diagonal, and which optimizes fastest at equal forward passes.

    python -m benchmarks.competition                       what benchmarks/competition.json lacks, and then the tables
    python -m benchmarks.competition "Rosenbrock, d = 10"  this contest again
    python -m benchmarks.competition --quick               all contests with next to no budget; nothing is written
    python -m benchmarks.competition --report              the winners' held-out figures again, without a new search
    python -m benchmarks.competition --table --write FILE  the tables, between that file's markers

Every competitor of a contest is given the same number of settings, and reported on HELD_OUT_SEEDS, which none has seen.
The results file is written after every competitor, so that a run that was stopped goes on where it was. What was
computed by other rules than a contest now states is computed again; after a change of `competitor` name the contests.
Nothing depends on the clock or on earlier results.

Nearest the exact diagonal: θ stays at the start (every step a warm-up step), P starts at 1 and has PASSES forward
passes to find the diagonal; each of ALPHAS is tried and the least root mean square of ln(P/|H_jj|) wins.

Fastest: `Contest.settings` settings a competitor, of which two thirds are a Sobol sequence over its search space and
the rest Gaussian steps around the best so far. The score is the median run's gap to the minimum at the budget; a
setting that loses a run (it diverges or ends higher than it started) ranks behind every one that loses none. The best
FINALISTS run once more, with twice the runs, on CONFIRM_SEED, where the worse score counts: the best of many may be one
that was lucky not to diverge. The three estimators warm up for WARMUP steps, whose passes count.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc
from tqdm import tqdm

from benchmarks.competition_tables import COMPETING, LABELS, tables
from benchmarks.estimators import interval
from benchmarks.tune_presets import Axis, dumps, insert, lost_share, median_gap, passes_to_precision, start_gap
from functions import TestFunction, resolve
from hizoo_core import METHODS, Trace, optimize
from hizoo_core.estimators import ESTIMATORS
from viz_app.spec.runs import divergence_limit

RESULTS = Path(__file__).with_name("competition.json")
MARKERS = ("<!-- table: python -m benchmarks.competition -->", "<!-- /table -->")
TUNE_SEED, CONFIRM_SEED = 1000, 1001
HELD_OUT_SEEDS = (0, 1, 2, 3, 4)
FINALISTS = 6
MU, WARMUP = 1e-4, 30  # of the contest of speed
NEAREST_MU = 1e-3  # of the contest for the reference: there is no step that a smaller one would help
PRECISION = 1e-6  # of the gap at the start; the passes that it took are reported
REFINE_WIDTHS = (0.15, 0.07)  # standard deviations of the two rounds of refining, in units of the search space's side


@dataclass(frozen=True)
class Contest:
    """One function and budget of forward passes, for every competitor."""

    name: str
    f: str
    passes: int = 20_000
    gradient_noise: float = 0.0
    settings: int = 96
    tuning_runs: int = 4
    held_out_runs: int = 32


CONTESTS: dict[str, Contest] = {
    contest.name: contest
    for contest in (
        Contest("quadratic, d = 10", "quadratic:d=10"),
        Contest("quadratic, d = 30", "quadratic:d=30"),
        Contest("quadratic, d = 100", "quadratic:d=100"),
        Contest("quadratic, d = 1000", "quadratic:d=1000", 200_000, settings=48, tuning_runs=1, held_out_runs=8),
        Contest("d = 30, gradient noise 1", "quadratic:d=30", gradient_noise=1.0),
        Contest("d = 100, gradient noise 1", "quadratic:d=100", gradient_noise=1.0),
        Contest("d = 30, neighbours rotated by 0.5 rad", "quadratic:d=30,rotation=pairs"),
        Contest("d = 30, rotated at random", "quadratic:d=30,rotation=random"),
        Contest("Rosenbrock, d = 10", "rosenbrock_nd:d=10"),
        Contest("Rosenbrock, d = 50", "rosenbrock_nd:d=50"),
        Contest("Rosenbrock, d = 10, gradient noise 1", "rosenbrock_nd:d=10", gradient_noise=1.0),
    )
}


@dataclass(frozen=True)
class Nearness:
    """The settings of the contest for the exact diagonal; `runs` by dimension."""

    dimensions: tuple[int, ...] = (2, 10, 100, 1000)
    directions: tuple[int, ...] = (1, 2, 8, 32)
    alphas: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    passes: int = 20_000

    def runs(self, d: int) -> int:
        return 16 if d <= 100 else 4


class Competitor(NamedTuple):
    """A method, what is fixed about it, and what is searched; `reach` is the learning rate that is 1 on its axis."""

    method: str
    fixed: dict[str, Any]
    axes: tuple[Axis, ...]
    reach: float


def competitor(name: str, function: TestFunction) -> Competitor:
    """The search space of one competitor.

    A step along n Gaussian directions is stable up to a learning rate of about n / (n + d + 1) over the greatest
    curvature that it meets, which a preconditioner has made about 1: the axis of every learning rate is in that unit.
    `released` overestimates curvature by up to 1 + d/2, so the axis of the three estimators ends that much further up.
    """
    directions = (1, 2, 4, 8, 16, 32)
    d = function.dim
    if name == "newton_diag":
        return Competitor(name, {}, (Axis("lr", low=1e-3, high=1.0), Axis("floor", low=1e-3, high=1e3)), 1.0)
    if name == "mezo":
        sharpest = np.linalg.eigvalsh(function.hessian(np.asarray(function.start)))[-1]
        axes = (Axis("lr", low=1e-3, high=3.0), Axis("n", directions))
        return Competitor(name, {"mu": MU}, axes, 1.0 / float(sharpest))
    estimator = ESTIMATORS[name]
    axes = (
        Axis("lr", low=0.03, high=3.0 * (1 + d / 2)),
        Axis("alpha", low=1e-3, high=1.0),
        Axis("n", tuple(n for n in directions if n >= estimator.least_n)),
    )
    return Competitor("hizoo", {"mu": MU, "warmup": WARMUP, "estimator": name}, axes, 1.0)


def hyperparameters(who: Competitor, d: int, point: dict[str, Any]) -> Any:
    """The method's settings for values on its axes."""
    point = dict(point)
    n = point.get("n")
    unit = who.reach * (n / (n + d + 1) if n else 1.0)
    point["lr"] = float(f"{point['lr'] * unit:.2e}")  # what is tried is what is written
    return METHODS[who.method].hyperparameters(**who.fixed, **point)


def compete(contest: Contest, method: str, settings: Any, seed: int, runs: int) -> Trace:
    """One setting for the contest's budget."""
    function = resolve(contest.f)
    steps = contest.passes // METHODS[method].forwards(settings)
    return optimize(
        function,
        method,
        settings,
        np.asarray(function.start),
        steps=steps,
        runs=runs,
        seed=seed,
        record_every=max(1, steps // 400),
        gradient_noise=contest.gradient_noise,
        limit=divergence_limit(function),
    )


def fastest(contest: Contest, name: str) -> dict[str, Any]:
    """The winner of a competitor's settings, and its figures on the held-out seeds. Deterministic."""
    who = competitor(name, resolve(contest.f))
    return held_out(contest, who, search(contest, name, who))


def search(contest: Contest, name: str, who: Competitor) -> Any:
    """The best of a competitor's settings."""
    function = resolve(contest.f)
    rng = np.random.default_rng(zlib.crc32(f"{contest.f}/{contest.gradient_noise}/{name}".encode()))
    tried: list[tuple[tuple[bool, float], np.ndarray, Any]] = []

    def score(settings: Any, seed: int, runs: int) -> tuple[bool, float]:
        trace = compete(contest, who.method, settings, seed, runs)
        return lost_share(trace) > 0, float(median_gap(function, trace)[-1])

    def attempt(point: np.ndarray) -> None:
        values = {axis.name: axis.value(t) for axis, t in zip(who.axes, point, strict=True)}
        settings = hyperparameters(who, function.dim, values)
        tried.append((score(settings, TUNE_SEED, contest.tuning_runs), point, settings))

    rounds = [contest.settings // 6] * len(REFINE_WIDTHS)
    for point in qmc.Sobol(len(who.axes), rng=rng).random_base2(max(1, contest.settings.bit_length()))[
        : contest.settings - sum(rounds)
    ]:
        attempt(point)
    for count, width in zip(rounds, REFINE_WIDTHS, strict=True):
        best = min(tried, key=lambda trial: trial[0])[1]
        for step in rng.normal(scale=width, size=(count, len(who.axes))):
            attempt(np.clip(best + step, 0.0, 1.0))
    assert len(tried) == contest.settings

    finalists = dict.fromkeys(settings for _, _, settings in sorted(tried, key=lambda trial: trial[0]))
    first = {settings: found for found, _, settings in tried}
    confirmed = {
        settings: max(first[settings], score(settings, CONFIRM_SEED, 2 * contest.tuning_runs))
        for settings in list(finalists)[:FINALISTS]
    }
    return min(confirmed, key=lambda settings: confirmed[settings])


def held_out(contest: Contest, who: Competitor, winner: Any) -> dict[str, Any]:
    """What a setting reaches on each held-out seed: the median run's gap ("gap" the median over the seeds, "gaps" each
    seed's, None where it is not finite), the share of all runs that were lost, and the passes to PRECISION (the median
    over the seeds; None if one seed's median run does not get there).
    """
    function = resolve(contest.f)
    gaps, lost, passes = [], [], []
    for seed in HELD_OUT_SEEDS:
        trace = compete(contest, who.method, winner, seed, contest.held_out_runs)
        medians = median_gap(function, trace)
        gaps.append(float(medians[-1]))
        lost.append(lost_share(trace))
        passes.append(passes_to_precision(medians, trace.forwards, PRECISION * start_gap(function)))
    names = (*(axis.name for axis in who.axes), *who.fixed)
    reached = [each for each in passes if each is not None]
    middle = float(np.median(gaps))
    return {
        "setting": {key: getattr(winner, key) for key in names},
        "gap": middle if math.isfinite(middle) else None,
        "gaps": [gap if math.isfinite(gap) else None for gap in gaps],
        "lost": float(np.mean(lost)),
        "passes": int(np.median(reached)) if len(reached) == len(passes) else None,
    }


def report_again(contest: Contest, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The figures of a winner that is known, on the held-out seeds."""
    who = competitor(name, resolve(contest.f))
    return held_out(contest, who, METHODS[who.method].hyperparameters(**entry["setting"]))


def nearest(d: int, n: int, estimator: str, rules: Nearness) -> dict[str, Any] | None:
    """The estimator's best α for d and n, and its figures on the held-out seeds; None where it needs a larger n."""
    if n < ESTIMATORS[estimator].least_n:
        return None
    logarithms = {alpha: _estimate(d, n, estimator, alpha, TUNE_SEED, rules) for alpha in rules.alphas}
    alpha = min(logarithms, key=lambda alpha: _rms(logarithms[alpha]))
    found = np.concatenate([_estimate(d, n, estimator, alpha, seed, rules) for seed in HELD_OUT_SEEDS])
    return {
        "alpha": alpha,
        "error": _rms(found),
        "factor": math.exp(float(found.mean())),
        "spread": float(found.std()),
        "interval": list(interval(found.mean(axis=1))),
    }


def _estimate(d: int, n: int, estimator: str, alpha: float, seed: int, rules: Nearness) -> np.ndarray:
    """(runs, d): ln(P/|H_jj|) at the end of the budget."""
    function = resolve(f"quadratic:d={d}")
    steps = rules.passes // (2 * n + 1)
    settings = METHODS["hizoo"].hyperparameters(n=n, alpha=alpha, estimator=estimator, mu=NEAREST_MU, warmup=steps)
    trace = optimize(
        function,
        "hizoo",
        settings,
        np.asarray(function.start),
        steps=steps,
        runs=rules.runs(d),
        seed=seed,
        record_every=max(1, steps),
    )
    assert trace.h is not None
    return np.log(trace.h[-1] / np.abs(trace.true_h[-1]))


def _rms(logarithms: np.ndarray) -> float:
    return float(np.sqrt((logarithms**2).mean()))


def tasks(contests: Iterable[Contest], rules: Nearness) -> Iterator[tuple[str, str, str, Any]]:
    """(section, row, competitor, what computes its entry), in the order of the tables."""
    for d in rules.dimensions:
        for n in rules.directions:
            for name in COMPETING:
                yield "nearest", f"d = {d}, n = {n}", name, (nearest, d, n, name, rules)
    for contest in contests:
        for name in LABELS:
            yield "fastest", contest.name, name, (fastest, contest, name)


def compute(document: dict[str, Any], todo: list[tuple[str, str, str, Any]], save: Any) -> None:
    """Fill in the entries that the document lacks, and save it after each."""
    missing = [task for task in todo if task[2] not in document[task[0]].get(task[1], {})]
    for section, row, name, (work, *arguments) in tqdm(missing, unit="competitor", disable=None):
        document[section].setdefault(row, {})[name] = work(*arguments)
        save(document)


def start_document(contests: Iterable[Contest], rules: Nearness) -> dict[str, Any]:
    """An empty results file that says by which rules it is filled."""
    return {
        "made_by": "python -m benchmarks.competition",
        "seeds": {"tuned": [TUNE_SEED, CONFIRM_SEED], "held_out": list(HELD_OUT_SEEDS)},
        "precision": PRECISION,
        "runs": f"{rules.runs(2)} ({rules.runs(1000)} at d = 1000)",
        "rules": {
            "nearest": {name: list(value) if isinstance(value, tuple) else value for name, value in vars(rules).items()}
            | {"mu": NEAREST_MU}
        },
        "contests": {
            contest.name: {name: value for name, value in vars(contest).items() if name != "name"}
            | {"finalists": FINALISTS, "mu": MU, "warmup": WARMUP, "start": start_gap(resolve(contest.f))}
            for contest in contests
        },
        "nearest": {},
        "fastest": {},
    }


QUICK = Nearness(dimensions=(2, 10), directions=(1, 8), alphas=(0.03, 0.3), passes=600)


def quick(contest: Contest) -> Contest:
    """The same contest with so small a budget that it takes a moment and says nothing."""
    return replace(contest, passes=300, settings=6, tuning_runs=2, held_out_runs=2)


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "contests", nargs="*", metavar="CONTEST", help="rows to compute again (default: what is missing)"
    )
    parser.add_argument("--quick", action="store_true", help="next to no budget; prints the tables and writes nothing")
    parser.add_argument("--report", action="store_true", help="the winners' held-out figures again, without a search")
    parser.add_argument("--table", action="store_true", help="print the tables of the results file, compute nothing")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between this file's markers")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if unknown := sorted(set(options.contests) - set(CONTESTS)):
        parser.error(f"unknown contest {', '.join(map(repr, unknown))}: one of {', '.join(map(repr, CONTESTS))}")
    if options.quick:
        contests, rules = [quick(contest) for contest in CONTESTS.values()], QUICK
        document = start_document(contests, rules)
        compute(document, list(tasks(contests, rules)), lambda document: None)
    else:
        contests, rules = list(CONTESTS.values()), Nearness()
        document = start_document(contests, rules)
        if RESULTS.exists():
            found = json.loads(RESULTS.read_text("utf-8"))
            for name, rules_then in found["contests"].items():  # what was computed by other rules is computed again
                if rules_then == document["contests"].get(name) and name in found["fastest"]:
                    document["fastest"][name] = found["fastest"][name]
            if found["rules"] == document["rules"]:
                document["nearest"] = found["nearest"]
        for name in options.contests:
            document["fastest"].pop(name, None)
        if options.report:
            entries = [(CONTESTS[row], name) for row in document["fastest"] for name in document["fastest"][row]]
            for contest, name in tqdm(entries, unit="competitor", disable=None):
                row = document["fastest"][contest.name]
                row[name] = report_again(contest, name, row[name])
        if not options.table:
            compute(document, list(tasks(contests, rules)), _save)
            for section in ("nearest", "fastest"):  # the rows in the tables' order, whenever they were computed
                order = dict.fromkeys(row for which, row, _, _ in tasks(contests, rules) if which == section)
                document[section] = {row: document[section][row] for row in order}
            _save(document)
    text = tables(document)
    if options.write:
        options.write.write_text(insert(options.write.read_text("utf-8"), text, MARKERS), "utf-8")
    else:
        print(text)


def _save(document: dict[str, Any]) -> None:
    RESULTS.write_text(dumps(document), "utf-8")


if __name__ == "__main__":
    main()
