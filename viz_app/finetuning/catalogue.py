"""What the browser is told about fine-tuning: methods, tasks, presets, limits, the form's fields, the spec's keys.

What depends on the machine (devices, uploads) is in `GET /api/finetune/options`.
"""

from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

from hizoo_core.training_methods import METHODS
from viz_app.finetuning import limits
from viz_app.finetuning import spec as specs
from viz_app.web import catalogue as catalogue_of_pages
from viz_app.web.catalogue import COLOURED, cost

# Variables of style.css. For other methods and for copies the spare ones, and those of methods that train no model.
COLOURS = {key: f"--{key}" for key in METHODS if key in COLOURED} | {"hizoo_l": "--extra-2"}
_FREE = iter(sorted(f"--{key}" for key in COLOURED - METHODS.keys()))
SPARE = tuple(next(_FREE) if colour in COLOURS.values() else colour for colour in catalogue_of_pages.SPARE)

PRIMARY = (
    "alpha",
    "n",
    "lr",
    "estimator",
    "pool",
)  # settings that an optimizer's card shows; the others are in its fold
MODELS = ("bundled", "smollm2", "facebook/opt-125m", "facebook/opt-350m", "facebook/opt-1.3b")
"""Suggested; any hub id may be typed."""

COLUMNS: list[dict[str, list[str] | None]] = [{"task": ["table"]}, {"task": ["sst2"], "data": None}]
ONLY: dict[str, list[dict[str, list[str] | None]]] = {
    "data": [{"task": ["sst2", "table"]}],
    "text_column": COLUMNS,
    "label_column": COLUMNS,
    "top": [{"tune": ["top", "lora", "layernorm"]}],
    "rank": [{"tune": ["lora"]}],
    "prefix": [{"tune": ["prefix"]}],
}
"""Keys that matter only where, in one of these cases, others have one of these values; None: any but an empty one."""


@dataclass(frozen=True)
class Field:
    """A field of the form. `kind`: "choice", "text", "number" (with a slider), "budget" or "data". `more`: it is in the
    card's fold.
    """

    name: str
    kind: str
    help: str
    slider: tuple[int, int] | None = None
    scale: str = "linear"
    unit: str = ""
    more: bool = False

    @property
    def label(self) -> str:
        """As errors call it."""
        return specs.LABELS[self.name]


FIELDS = (
    Field("model", "text", "“bundled” is the small OPT model that comes with the app. “smollm2” is a real "
          "one of 135 million parameters, once it was got. Or the id of any causal language model on the Hugging Face "
          "hub, such as facebook/opt-125m, or a local directory of one."),
    Field("task", "choice", "The texts to classify. The film reviews are synthetic: a seeded grammar makes "
          "them. SST-2 is real and comes from the hub or from a folder. Your own file is a CSV or TSV with a text and "
          "a label column."),
    Field("data", "data", "Path of a CSV or TSV on the server's machine, or upload one: the button, or drop a "
          "file here. For SST-2 empty means the hub."),
    Field("text_column", "text", "Name of the column that holds the texts."),
    Field("label_column", "text", "Name of the column that holds the labels: two to ten different "
          "ones."),
    Field("tune", "choice", "Which parameters are trained. Zeroth-order noise grows with their number; the "
          "model's other weights stay as they are."),
    Field("top", "number", "Only the last layers are trained. What lies below is computed once per text and kept, so a "
          "forward pass through 2 of 30 layers costs a fifteenth of a whole one. 0 takes all layers (LoRA, norms).",
          (0, 8)),
    Field("rank", "number", "Rank of LoRA's low-rank changes: the number of trainable parameters is "
          "proportional to it.", (1, 64), "log"),
    Field("prefix", "number", "Trained keys and values put in front of every layer's, in tokens.", (1, 32),
          unit="tokens"),
    Field("loss", "choice", "What is minimised. 1 − accuracy and 1 − F1 have no gradient, so Adam cannot take "
          "them; zeroth-order methods can, with a larger μ and batch."),
    Field("budget", "budget", "What every optimizer may spend: equal forward passes (fair: a step costs "
          "each method a different number of them, which stands on its card), or equal steps. With top layers "
          "alone a pass goes through these, and the charts count it as part of a whole one.", (100, 20_000), "log"),
    Field("batch", "number", "Texts in a step's minibatch, the same ones for every optimizer and for all "
          "probes of a step. Larger means less noise and slower steps.", (1, 128), "log", "texts"),
    Field("shots", "number", "Few-shot: so many training texts of each class. 0 takes all of them.", (0, 256),
          unit="a class", more=True),
    Field("train", "number", "How many training texts are used in total: drawn by the seed, each class in proportion. "
          "0 takes all of them.", (0, 2_000), more=True),
    Field("held_out", "number", "How many held-out texts an evaluation looks at, the first ones of the task's. "
          "0 takes all of them.", (0, 1_000), more=True),
    Field("template", "text", "How a text becomes a prompt: {text} stands for it, and the label word "
          "follows at the end. Empty takes the task's own, “{text} it was”.", more=True),
    Field("words", "text", "One word for each class, separated by commas, each a single token of the "
          "model. Empty takes the task's own.", more=True),
    Field("seed", "text", "Seeds the minibatches and every random direction. The same seed gives the same run "
          "on the same machine.", more=True),
    Field("runs", "number", "Each optimizer is run once for each of so many seeds, the one above and those after "
          "it, one after the other. Charts show the median and the 10–90 % band over them, and the optimizers are "
          "compared seed by seed. The time multiplies.", (1, 16), more=True),
    Field("eval", "number", "Evaluate on held-out texts every so many forward passes. Evaluations cost "
          "time, but are not counted as passes.", (20, 2_000), "log", "passes", more=True),
    Field("truth", "number", "Estimate the diagonal of the Hessian with Hutchinson's method, through "
          "autograd, every so many evaluations. 0: never. It costs tens of forward passes each time.", (0, 20),
          unit="evals", more=True),
    Field("device", "choice", "Where it is computed. Auto takes a GPU (CUDA, then MPS) where there is one, "
          "else the CPU.", more=True),
    Field("dtype", "choice", "Of the weights. Auto: float32 on the CPU, bfloat16 or float16 on a GPU; P "
          "is always float32.", more=True),
)  # fmt: skip

NAMES = {
    "task": {"reviews": "film reviews (synthetic)", "sst2": "SST-2 film reviews", "table": "your own file"},
    "tune": {
        "full": "everything",
        "lora": "LoRA",
        "prefix": "a prefix",
        "layernorm": "norms and biases",
        "top": "the top layers",
    },
    "loss": {"cross_entropy": "cross-entropy", "accuracy": "1 − accuracy", "f1": "1 − F1"},
    "dtype": {"auto": "automatic"},
}
"""Values of choices as they are shown, where that is not the value itself."""


def colours() -> dict[str, str]:
    """The CSS variable of every method's colour: its own, or one of the spare ones."""
    spare = cycle(SPARE)
    return {key: COLOURS.get(key) or next(spare) for key in METHODS}


def catalogue() -> dict[str, Any]:
    """Plain values for JSON: `finetuning.spec.catalogue()` with what the page adds."""
    known = specs.catalogue()
    own = colours()
    return known | {
        "methods": [
            method | {"colour": own[method["key"]], "cost": cost(METHODS[method["key"]])} for method in known["methods"]
        ],
        "spareColours": SPARE,
        "fields": [asdict(field) | {"label": field.label} for field in FIELDS],
        "names": NAMES,
        "only": ONLY,
        "keys": specs.KEYS,
        "evaluations": specs.EVALUATIONS,
        "surface": {"cells": limits.GRID**2, "texts": limits.SURFACE},
    }
