"""Tune every optimizer of the language-model page with the same budget, and write viz_app/finetuning/presets.json.

    python -m benchmarks.tune_finetune                              tune the reviews, all tuning modes
    python -m benchmarks.tune_finetune reviews/full sst2/lora       these combinations only, keep the other entries
    python -m benchmarks.tune_finetune sst2/full --sst2 FOLDER      FOLDER holds train.tsv and dev.tsv
    python -m benchmarks.tune_finetune --report                     five seeds of every preset, on held-out text
    python -m benchmarks.tune_finetune --table --write docs/findings/language-model.md   between its markers

The rules, the same for every row:

- A trial is one setting, one seed, run for a number of forward passes (a backward pass counts as two), batch BATCH.
- Every optimizer gets the same trials by successive halving: ROUNDS of (settings kept, share of the budget, seeds). The
  first settings are a Sobol sequence over the row's search space. What a setting scores in a round is the worst
  cross-entropy of its seeds, on VALIDATION examples that are taken off the training set: held-out text is never seen.
- A zeroth-order step's noise grows with lr / n, so that quotient is searched instead of lr.
- The reported figures are of the held-out text and of seeds that no trial has used (REPORT_SEEDS). Each
  seed changes the directions, the minibatches and an adapter's start.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import time
import zlib
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc
from tqdm import tqdm

from benchmarks.tune_presets import Axis, insert

PRESETS = Path(__file__).resolve().parent.parent / "viz_app" / "finetuning" / "presets.json"
BATCH = 32
BUDGET = {"full": 1600, "lora": 1200, "prefix": 1200, "layernorm": 1200}
VALIDATION = 256
HELD_OUT = 1000  # at most; all of the reviews and of SST-2 dev
ROUNDS = ((5, 1 / 2, 1), (2, 1, 1))  # settings, share of the budget, seeds: 4.5 whole budgets a row
TUNE_SEED = 1000
REPORT_SEEDS = {"full": 5, "lora": 3, "prefix": 3, "layernorm": 3}  # seeds 0, 1, …
MARKERS = ("<!-- table: python -m benchmarks.tune_finetune -->", "<!-- /table -->")
TUNES = ("full", "lora", "prefix", "layernorm")
DIRECTIONS = Axis("n", (4, 8))

# The learning rate's range is shifted to where a mode's parameters live (METHOD: prefixes need more than weights do).
SCALE = {"full": 1.0, "lora": 3.0, "prefix": 30.0, "layernorm": 5.0}
MU = {"full": (1e-3,), "lora": (1e-3, 1e-2), "prefix": (1e-2, 1e-1), "layernorm": (1e-3, 1e-2)}


def rows(tune: str) -> dict[str, tuple[str, dict[str, Any], tuple[Axis, ...]]]:
    """Label → (method, what is fixed, what is searched)."""
    scale = SCALE[tune]
    lr = Axis("lr / n", low=4e-5 * scale, high=4e-4 * scale)
    preconditioned = Axis("lr / n", low=4e-5 * scale, high=2e-3 * scale)  # P may grow, and shortens the step
    mu = Axis("mu", MU[tune])
    alpha = Axis("alpha", low=1e-3, high=0.3)
    estimator = Axis("estimator", ("paper", "released", "multiplicative"))  # type: ignore[arg-type]
    pool = Axis("pool", ("none", "row", "tensor"))  # type: ignore[arg-type]
    cosine = {"schedule": "cosine"}
    table: dict[str, tuple[str, dict[str, Any], tuple[Axis, ...]]] = {
        "mezo": ("mezo", cosine, (lr, DIRECTIONS, mu)),
        "hizoo": ("hizoo", cosine, (preconditioned, DIRECTIONS, mu, alpha, estimator, pool)),
        "adam": ("adam", cosine, (Axis("lr", low=1e-4, high=1e-1 if tune != "full" else 1e-2),)),
    }
    if tune == "full":
        table["hizoo_paper"] = (
            "hizoo",
            {**cosine, "estimator": "paper", "pool": "none"},
            (preconditioned, DIRECTIONS, mu, alpha),
        )
    return table


@cache
def _bundled() -> Any:
    from functions.language_model.model import load

    return load("bundled", device="cpu")


@cache
def _task(key: str, folder: str | None, validation: bool) -> Any:
    """The task's examples, encoded; with `validation`, the held-out ones are taken off the training set."""
    from functions.language_model.tasks import encode, make

    task = make(key, data=folder)
    if validation:
        task = dataclasses.replace(task, train=task.train[VALIDATION:], held_out=task.train[:VALIDATION])
    model = _bundled()
    return encode(task, model.tokenizer, model.context)


def trial(job: tuple[Any, ...]) -> dict[str, Any]:
    """Train once; loss and accuracy before and after, and the seconds that the steps took."""
    import torch

    from functions.language_model.adapters import adapt
    from functions.language_model.metrics import evaluate, loss
    from functions.language_model.model import copy_model
    from hizoo_core.training import METHODS, Diverged, Trainer

    key, folder, tune, method, setting, forwards, seed, validation = job
    torch.set_num_threads(1)
    encoded = _task(key, folder, validation)
    tuned = adapt(copy_model(_bundled()), tune, seed)
    hyperparameters = METHODS[method].hyperparameters(**setting)
    steps = forwards // METHODS[method].forwards(hyperparameters)
    trainer = Trainer(tuned.parameters, method, hyperparameters, steps, seed)
    held_out = encoded.held_out(64, HELD_OUT)
    before = evaluate(tuned.module, held_out)
    seconds = 0.0
    for step in range(steps):
        batch = encoded.batch(step, BATCH, seed)
        began = time.perf_counter()
        try:
            trainer.advance(lambda batch=batch: loss(tuned.module, batch, "cross_entropy"))
        except Diverged:
            break
        seconds += time.perf_counter() - began
    after = evaluate(tuned.module, held_out)
    ended = {"loss": after.loss if math.isfinite(after.loss) else math.inf, "accuracy": after.accuracy}
    return {"zero_loss": before.loss, "zero_accuracy": before.accuracy, **ended, "seconds": seconds, "steps": steps}


def _setting(axes: tuple[Axis, ...], point: np.ndarray) -> dict[str, Any]:
    setting: dict[str, Any] = {axis.name: axis.value(t) for axis, t in zip(axes, point, strict=True)}
    if (quotient := setting.pop("lr / n", None)) is not None:
        setting["lr"] = float(f"{quotient * setting['n']:.1e}")
    return setting


def search(key: str, folder: str | None, tune: str, label: str, pool: Any) -> dict[str, Any]:
    """The setting that survives ROUNDS."""
    method, fixed, axes = rows(tune)[label]
    rng = np.random.default_rng(zlib.crc32(f"{key}/{tune}/{label}".encode()))
    points = qmc.Sobol(len(axes), rng=rng).random(ROUNDS[0][0])
    settings = [fixed | _setting(axes, point) for point in points]
    for number, (kept, share, seeds) in enumerate(ROUNDS):
        settings = settings[:kept]
        budget = round(BUDGET[tune] * share)
        seed = TUNE_SEED + 10 * number
        jobs = [(key, folder, tune, method, s, budget, seed + i, True) for s in settings for i in range(seeds)]
        results = list(
            tqdm(pool.imap(trial, jobs), total=len(jobs), desc=f"{key}/{tune} {label} {budget}", leave=False)
        )
        worst = [max(r["loss"] for r in results[i * seeds : (i + 1) * seeds]) for i in range(len(settings))]
        order = sorted(range(len(settings)), key=worst.__getitem__)
        settings = [settings[i] for i in order]
        for i, setting in zip(order, settings, strict=True):
            print(f"{key}/{tune} {label} {budget}: {worst[i]:.3f} {setting}", flush=True)
    return {"method": method, **settings[0]}


def report(key: str, folder: str | None, tune: str, preset: dict[str, Any], pool: Any) -> dict[str, Any]:
    """Medians over the seeds 0, 1, … on held-out text."""
    setting = {name: value for name, value in preset.items() if name != "method"}
    jobs = [
        (key, folder, tune, preset["method"], setting, BUDGET[tune], seed, False) for seed in range(REPORT_SEEDS[tune])
    ]
    results = pool.map(trial, jobs, chunksize=1)
    middle = {name: statistics.median(result[name] for result in results) for name in results[0]}
    worst = {"worst_loss": max(r["loss"] for r in results), "worst_accuracy": min(r["accuracy"] for r in results)}
    return {name: round(value, 4) for name, value in {**middle, **worst}.items()} | {"seeds": len(results)}


def table(presets: dict[str, Any]) -> str:
    """The manual's table of what was reached."""
    names = {
        "mezo": "MeZO",
        "hizoo": "HiZOO",
        "adam": "Adam",
        "hizoo_paper": "HiZOO `paper`, no pool",
    }
    lines = [
        "| task | tuned | method | setting | held-out loss | accuracy | worst seed | forward passes | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --: | --: |",
    ]
    for key, preset in presets.items():
        for label, got in preset.get("report", {}).items():
            setting = preset["tuned"][label].items()
            shown = ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in setting if k != "method")
            cells = (
                *key.split("/"),
                names[label],
                shown,
                f"{got['zero_loss']:.3f} → {got['loss']:.3f}",
                f"{got['zero_accuracy']:.0%} → {got['accuracy']:.0%}",
                f"{got['worst_loss']:.3f}, {got['worst_accuracy']:.0%}",
                f"{preset['forwards']:,}",
                f"{got['seconds']:.0f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """The command line; see above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("combinations", nargs="*", help="task/tune, such as reviews/full")
    parser.add_argument("--sst2", help="folder with SST-2's train.tsv and dev.tsv")
    parser.add_argument("--labels", nargs="*", help="tune these rows only: mezo hizoo adam hizoo_paper")
    parser.add_argument("--report", action="store_true", help="run the seeds of the report instead of tuning")
    parser.add_argument("--table", action="store_true", help="print the table")
    parser.add_argument("--write", type=Path, help="put the table between its markers in this file")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    presets = json.loads(PRESETS.read_text(encoding="utf-8"))
    if arguments.table:
        text = table(presets)
        if arguments.write:
            readme = insert(arguments.write.read_text(encoding="utf-8"), text, MARKERS)
            arguments.write.write_text(readme, encoding="utf-8")
        else:
            print(text)
        return
    combinations = arguments.combinations or [f"reviews/{tune}" for tune in TUNES]
    with get_context("spawn").Pool(arguments.processes) as pool:
        for combination in combinations:
            key, tune = combination.split("/")
            folder = arguments.sst2 if key == "sst2" else None
            for label in arguments.labels or rows(tune):
                presets = json.loads(PRESETS.read_text(encoding="utf-8"))  # another run may have written meanwhile
                entry = presets.setdefault(combination, {})
                entry.update(forwards=BUDGET[tune], batch=BATCH)
                if not arguments.report:
                    found = search(key, folder, tune, label, pool)
                    entry.setdefault("tuned", {})[label] = found
                    if label == found["method"]:
                        entry.setdefault("opts", {})[label] = {k: v for k, v in found.items() if k != "method"}
                result = report(key, folder, tune, entry["tuned"][label], pool)
                entry.setdefault("report", {})[label] = result
                print(combination, label, result, flush=True)
                PRESETS.write_text(json.dumps(presets, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
