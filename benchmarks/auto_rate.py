"""lr=auto against a search with 20 trials, at equal forward passes, over 5 seeds.

    python -m benchmarks.auto_rate                       the cases that need no SmolLM2; a table
    python -m benchmarks.auto_rate "bundled, full"       this case
    python -m benchmarks.auto_rate --data-dir DIR --sst2 DIR "SmolLM2, top:2"   with SmolLM2 (manual: Real models)
    python -m benchmarks.auto_rate --write FILE          the table between this file's markers

Functions: the search is `tune`'s, over the learning rate, n, and for HiZOO α and the warm-up, from the function's
preset; one search for each seed.
Models: a logarithmic grid of 8 learning rates (not 20, for the sake of time), of seed 1000, everything else as lr=auto
has it; its best learning rate is run on the seeds that lr=auto is run on. Both see the same minibatches and spend the
same passes, lr=auto's probes before its first move included. The ratio is of final losses (functions: gaps of the
median of 16 runs; models: on held-out texts); below 1 lr=auto is better. A gap below PRECISION of that at the start
counts as that.
"""

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks.estimators import interval
from benchmarks.tune_presets import insert
from hizoo_core import METHODS, optimize
from hizoo_core.auto_rate import AUTO
from viz_app.spec import presets
from viz_app.spec.runs import divergence_limit

MARKERS = ("<!-- table: python -m benchmarks.auto_rate -->", "<!-- /table -->")
TRIALS, SEEDS, SEARCH_SEED = 20, 5, 1000
RUNS = 16
PRECISION = 1e-12
NEAR = 1.1  # within 10 %
N = {"mezo": 2, "hizoo": 4}  # directions of lr=auto on functions
METHODS_JUDGED = ("mezo", "hizoo")


class Result(NamedTuple):
    """Of one case and method: losses of lr=auto and of the search by seed, and how many of lr=auto's runs diverged."""

    auto: list[float]
    searched: list[float]
    diverged: int
    found: str


@dataclass(frozen=True)
class OnFunction:
    f: str
    noise: float
    passes: int

    def judged(self, method: str, given: Any) -> Result:
        from viz_app.tuning import search
        from viz_app.tuning import spec as map_spec

        auto, searched, diverged, found = [], [], 0, []
        for seed in range(SEEDS):
            lr = presets.for_function(self.f.partition(":")[0]).optimizers[method]["lr"]
            text = f"f={self.f}&noise={self.noise:g}&forwards={self.passes}&runs={RUNS}&seed={seed}"
            text += f"&opt={method}:lr={lr}"
            spec = map_spec.parse(text)
            report = search.tune(spec, TRIALS)
            function = spec.function
            settings = METHODS[method].hyperparameters(lr=AUTO, n=N[method])
            trace = optimize(
                function,
                method,
                settings,
                np.array(spec.base.x0),
                steps=self.passes // METHODS[method].forwards(settings),
                runs=RUNS,
                seed=seed + search.SEEDS[1],  # as the search's report
                limit=divergence_limit(function),
                gradient_noise=self.noise,
            )
            least = PRECISION * (trace.loss[0, 0] - (function.minimum or 0.0))
            ended = np.where(np.isfinite(trace.loss[-1]), trace.loss[-1], np.inf) - (function.minimum or 0.0)
            auto.append(max(least, float(np.median(ended))))
            searched.append(max(least, report["held_out"]["loss"] or math.inf))
            diverged += sum(status.kind == "diverged" for status in trace.statuses)
            found.append(report["opt"].split(",mu")[0].split(":", 1)[1])
        return Result(auto, searched, diverged, found[0])


@dataclass(frozen=True)
class OnModel:
    model: str
    tune: str
    top: int
    passes: int
    lrs: tuple[float, float]
    trials: int
    train: int = 0
    alpha: float = 1e-2

    def judged(self, method: str, given: Any) -> Result:
        def run(lr: float | str, seed: int) -> float:
            return self.trained(method, lr, seed, given)

        grid = [float(f"{lr:.2g}") for lr in np.geomspace(*self.lrs, self.trials)]
        best = min(
            tqdm(grid, desc=f"{self.model} {self.tune} {method}", leave=False), key=lambda lr: run(lr, SEARCH_SEED)
        )
        seeds = range(given.seeds)
        auto = [run(AUTO, seed) for seed in seeds]
        return Result(auto, [run(best, seed) for seed in seeds], sum(map(math.isinf, auto)), f"lr={best:g}")

    def trained(self, method: str, lr: float | str, seed: int, given: Any) -> float:
        """The loss on held-out texts after training with this learning rate."""
        import torch

        from functions.language_model.adapters import adapt
        from functions.language_model.metrics import evaluate, loss, losses
        from functions.language_model.model import copy_model
        from hizoo_core.training import Diverged, Trainer

        torch.set_num_threads(1)
        encoded, model, states = _materials(self.model, self.train, self.top, given.sst2, given.data_dir)
        tuned = adapt(copy_model(model), self.tune, seed, 8, 5, self.top, states)
        own = {"alpha": self.alpha, "pool": "tensor"} if method == "hizoo" else {}
        form = METHODS[method].models
        assert form is not None
        settings = form.hyperparameters(lr=lr, schedule=given.schedule, n=given.n, **own)
        steps = self.passes // METHODS[method].forwards(settings)
        trainer = Trainer(tuned.parameters, method, settings, steps, seed)
        for step in range(steps):
            batch = encoded.batch(step, 32, seed)
            measure: Callable[..., Any] = losses if lr == AUTO else loss
            closure = partial(measure, tuned.module, batch)
            try:
                trainer.advance(closure)
            except Diverged:
                return math.inf
            if given.verbose and step % (steps // 20) == 0:
                shown = trainer.readings and [float(f"{x:.3g}") for x in trainer.readings]
                print(step, float(closure().detach().mean()), shown, flush=True)
        after = evaluate(tuned.module, encoded.held_out(64, 512)).loss
        return after if math.isfinite(after) else math.inf


CASES: dict[str, OnFunction | OnModel] = {
    "stiff_quadratic": OnFunction("stiff_quadratic", 0, 4_000),
    "quadratic, d = 30": OnFunction("quadratic:d=30", 0, 6_000),
    "quadratic, d = 30, noise 1": OnFunction("quadratic:d=30", 1, 6_000),
    "quadratic, d = 100": OnFunction("quadratic:d=100", 0, 6_000),
    "quadratic, d = 100, noise 1": OnFunction("quadratic:d=100", 1, 6_000),
    "rosenbrock": OnFunction("rosenbrock", 0, 3_000),
    "bundled, full": OnModel("bundled", "full", 0, 600, (1e-4, 1e-2), 8),
    "bundled, norms": OnModel("bundled", "layernorm", 0, 600, (1e-3, 1e-1), 8),
    "SmolLM2, top:2": OnModel("smollm2", "top", 2, 400, (1e-3, 3e-2), 8, 512),
    "SmolLM2, top:1, norms": OnModel("smollm2", "layernorm", 1, 400, (3e-3, 3e-1), 8, 512),
}


@cache
def _materials(model: str, train: int, top: int, sst2: str | None, data_dir: str | None) -> tuple[Any, Any, Any]:
    """The task in the model's tokens, the model, and the states that enter its top layers."""
    from functions.language_model import tasks
    from functions.language_model.model import load
    from functions.language_model.states import States

    if model == "bundled":
        task, loaded = tasks.make("reviews"), load("bundled", "cpu", "float32")
    else:
        from viz_app.finetuning import local_models
        from viz_app.finetuning import spec as specs

        given = local_models.resolved(specs.parse("model=smollm2&task=sst2&data=x&train=1"), Path(data_dir or "."))
        template, words = "Review: {text}\nSentiment:", ("negative", "positive")
        task = tasks.make("sst2", sst2, template, words, 0, 0, "label", "text", train)
        loaded = load(given.model, "cpu", "float32")
    return tasks.encode(task, loaded.tokenizer, loaded.context), loaded, States(None)


def row(name: str, method: str, result: Result) -> str:
    logs = np.log(np.array(result.auto) / np.array(result.searched))
    median = lambda values: f"{np.median(values):.3g}"  # noqa: E731
    low, high = interval(logs) if np.isfinite(logs).all() and len(logs) > 1 and logs.std() else (math.nan, math.nan)
    ratio = math.exp(float(logs.mean()))
    held = "yes" if ratio <= NEAR else "no"
    span = f"{low:.3g} to {high:.3g}" if math.isfinite(low) else "–"
    return (
        f"| {name} | {METHODS[method].name} | {median(result.auto)} | {median(result.searched)} ({result.found}) |"
        f" {ratio:.3g} | {span} | {held} | {result.diverged} |"
    )


HEAD = (
    "| case | method | lr=auto | search | ratio | 95 % interval | within 10 % | diverged |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="; ".join(CASES))
    parser.add_argument("--methods", nargs="+", default=METHODS_JUDGED, choices=METHODS_JUDGED)
    parser.add_argument("--data-dir", help="where SmolLM2 is")
    parser.add_argument("--sst2", help="the folder of SST-2")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the models' cases")
    parser.add_argument("--n", type=int, default=4, help="directions, of the models' cases")
    parser.add_argument("--schedule", default="cosine", help="of η, of the models' cases")
    parser.add_argument("--once", metavar="LR", help="train the models' cases once with this lr, of seed 0, and print")
    parser.add_argument("--verbose", action="store_true", help="print what lr=auto goes by")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between this file's markers")
    given = parser.parse_args()
    rows = [HEAD]
    for name in given.cases or [name for name, case in CASES.items() if getattr(case, "model", "") != "smollm2"]:
        case = CASES[name]
        for method in given.methods:
            if given.once:
                assert isinstance(case, OnModel)
                lr = AUTO if given.once == AUTO else float(given.once)
                print(
                    json.dumps({"case": name, "method": method, "lr": lr, "loss": case.trained(method, lr, 0, given)})
                )
                continue
            rows.append(row(name, method, case.judged(method, given)))
            print(rows[-1], flush=True)
    if given.write:
        given.write.write_text(insert(given.write.read_text("utf-8"), "\n".join(rows), MARKERS), "utf-8")


if __name__ == "__main__":
    main()
