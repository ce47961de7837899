"""Settings for fine-tuning per task and what is trained, read from presets.json (by `benchmarks.tune_finetune`).

    {"task/tune": {"forwards": int, "batch": int, "opts": {method: {hyperparameter: value}},
                   "tuned": how each was found, "report": what each reached}}

The task "any" stands for every task that was not searched, with the bundled model; "other" for every other model, with
the papers' starting points, which suit models of a billion parameters and more. Where a method's settings were not
searched for just this model, task, tuning mode and loss, its learning rate is auto if it can be.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hizoo_core import describe
from hizoo_core.auto_rate import AUTO
from hizoo_core.training_methods import METHODS

PRESETS = Path(__file__).with_name("presets.json")
BUNDLED = "bundled"
TOP = 2  # layers that tune=top trains where no number is given
LOSS = "cross_entropy"  # with which settings were searched for


@dataclass(frozen=True)
class FinetunePreset:
    """What a spec that leaves keys out means. `truth`: evaluations between estimates of the diagonal Hessian through
    autograd; none but for the bundled model, as they take several times a run's memory. `tuned`: the methods whose
    settings were searched for, for this model, task and tuning mode, with the loss `loss`; other methods' settings,
    and those for another loss, are plausible.
    """

    forwards: int
    batch: int
    truth: int
    top: int
    opts: Mapping[str, Mapping[str, Any]]
    tuned: tuple[str, ...]
    loss: str = LOSS


def for_run(model: str, task: str, tune: str, loss: str = LOSS) -> FinetunePreset:
    """The preset of a model, task, tuning mode and loss; `tune` must be one of `adapters.TUNES`."""
    table = _table()
    basis = table[f"{'any' if model == BUNDLED else 'other'}/{tune}"]
    entry = table.get(f"{task}/{tune}", {}) if model == BUNDLED else {}
    tuned = tuple(method for method in entry.get("tuned", {}) if method in entry["opts"] and loss == LOSS)
    opts = basis["opts"] | entry.get("opts", {})
    if loss == LOSS:
        opts = {key: own if key in tuned or not _has_auto(key) else {**own, "lr": AUTO} for key, own in opts.items()}
    return FinetunePreset(
        forwards=entry.get("forwards", basis["forwards"]),
        batch=entry.get("batch", basis["batch"]),
        truth=10 if model == BUNDLED else 0,
        top=TOP if tune == "top" else 0,
        opts=opts,
        tuned=tuned,
    )


@cache
def _has_auto(method: str) -> bool:
    return any(each.auto for each in describe(METHODS[method].hyperparameters))


@cache
def _table() -> dict[str, Any]:
    return json.loads(PRESETS.read_text("utf-8"))
