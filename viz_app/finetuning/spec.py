"""FinetuneSpec: everything a fine-tuning job depends on, as one text, in the conventions of `viz_app.spec.runs`.

    model=bundled&task=reviews&tune=full&forwards=2400&batch=32&seed=0&opt=hizoo:lr=2e-3,alpha=1e-2,n=4&opt=mezo&opt=adam

Keys left out take the preset of (model, task, tune); the canonical text (`FinetuneSpec.query`) spells out all that
matters for the job: `rank` with tune=lora, `prefix` with tune=prefix, `text_column` and `label_column` with task=table.
What the task or the machine decides (template, words, device=auto, dtype=auto) is left to them until the job starts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

from functions.language_model.adapters import PREFIXES, RANKS, TUNES
from functions.language_model.metrics import DIFFERENTIABLE, LOSSES
from functions.language_model.tasks import CLASSES, TASKS
from hizoo_core import describe
from hizoo_core.training_methods import METHODS, SCHEDULES
from viz_app.finetuning import presets
from viz_app.spec.runs import OPTIMIZERS, SEED
from viz_app.spec.text import (
    Error,
    OptSpec,
    SpecError,
    between,
    fault,
    labels,
    optimizer,
    plain,
    read_pairs,
    short,
    unknown,
    whole,
    wrong,
)

STEPS = (1, 100_000)
FORWARDS = (1, 1_000_000)
BATCH = (1, 512)
EVAL = (1, 1_000_000)
TRUTH = (0, 1_000)
SHOTS = (0, 10_000)
TEXT = 500  # characters of a model, path, template or column's name
EVALUATIONS = 20  # of a run whose spec does not say how many

DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?", re.ASCII)
DEFAULT_METHODS = ("hizoo", "mezo", "adam")

_SPANS = {
    "steps": STEPS,
    "forwards": FORWARDS,
    "batch": BATCH,
    "eval": EVAL,
    "truth": TRUTH,
    "shots": SHOTS,
    "rank": RANKS,
    "prefix": PREFIXES,
    "seed": SEED,
}
_TEXTS = ("model", "data", "template", "text_column", "label_column")
_CHOICES: dict[str, Iterable[str]] = {"task": TASKS, "tune": TUNES, "loss": LOSSES, "dtype": DTYPES}
KEYS = (
    *("model", "task", "data", "template", "words", "text_column", "label_column", "shots", "tune", "rank", "prefix"),
    *("loss", "steps", "forwards", "batch", "seed", "eval", "truth", "device", "dtype", "opt"),
)


@dataclass(frozen=True)
class FinetuneSpec:
    """A valid job; raises SpecError when made from values out of range.

    `data` is a path, "upload:ID" or empty; `template` and `words` are None for the task's own. Just one of `steps`
    (every run makes that many) and `forwards` (every run spends at most that many forward passes) is not None. `eval`
    counts forward passes between evaluations, `truth` evaluations between estimates of the true diagonal (0: none).
    """

    model: str
    task: str
    tune: str
    opts: tuple[OptSpec, ...]
    steps: int | None = None
    forwards: int | None = None
    batch: int = 32
    seed: int = 0
    eval: int = 120
    truth: int = 0
    shots: int = 0
    data: str = ""
    template: str | None = None
    words: tuple[str, ...] | None = None
    text_column: str = "text"
    label_column: str = "label"
    rank: int = 8
    prefix: int = 5
    loss: str = "cross_entropy"
    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if errors := _errors(vars(self)):
            raise SpecError(errors)

    @property
    def labels(self) -> tuple[str, ...]:
        """One name per run: its method, and from the second of a method on, "#2" after it."""
        return labels([opt.method for opt in self.opts])

    def forwards_per_step(self, run: int) -> int:
        """What a step of one run costs, in forward-pass equivalents."""
        return _cost(self.opts[run])

    def steps_of(self, run: int) -> int:
        """How many steps one run makes."""
        return self.steps if self.steps is not None else (self.forwards or 0) // self.forwards_per_step(run)

    @property
    def total_forwards(self) -> int:
        """Forward-pass equivalents of all runs together, evaluations apart."""
        return sum(self.steps_of(run) * self.forwards_per_step(run) for run in range(len(self.opts)))

    def query(self) -> str:
        """Canonical text: every key that matters explicit, shortest decimals, safe to paste as a URL's query."""
        length = "steps" if self.steps is not None else "forwards"
        keys = ["model", "task"]
        keys += [key for key in ("data", "template", "words") if getattr(self, key)]
        keys += ["text_column", "label_column"] if self.task == "table" else []
        keys += ["shots", "tune", *{"lora": ["rank"], "prefix": ["prefix"]}.get(self.tune, [])]
        keys += ["loss", length, "batch", "seed", "eval", "truth", "device", "dtype"]
        values = [(key, ",".join(self.words or ()) if key == "words" else str(getattr(self, key))) for key in keys]
        values += [("opt", str(opt)) for opt in self.opts]
        return "&".join(f"{key}={quote(value, safe=',:=/{}')}" for key, value in values)

    __str__ = query


def parse(text: str) -> FinetuneSpec:
    """The FinetuneSpec that a text means. Raises SpecError listing all that is wrong with it, not only the first."""
    errors: list[Error] = []
    given, opts = read_pairs(text, KEYS, errors)

    values: dict[str, Any] = {"model": presets.BUNDLED, "task": "reviews", "tune": "full", "loss": "cross_entropy"}
    values |= {key: given[key] for key in (*_TEXTS, *_CHOICES, "device") if key in given}
    if not values.get("template"):
        values.pop("template", None)
    if words := tuple(word.strip() for word in given.get("words", "").split(",") if word.strip()):
        values["words"] = words
    for key, span in _SPANS.items():
        if key in given:
            try:
                values[key] = whole(given[key])
            except ValueError as error:
                errors.append(wrong(key, repr(str(error)), between(span)))

    tune = values["tune"] if values["tune"] in TUNES else "full"
    preset = presets.for_run(values["model"], values["task"], tune)
    values.setdefault("batch", preset.batch)
    values.setdefault("truth", preset.truth)
    if "steps" not in given and "forwards" not in given:
        values["forwards"] = preset.forwards

    if len(opts) > OPTIMIZERS[1]:
        errors.append(wrong("opt", f"{len(opts)} optimizers", between(OPTIMIZERS)))
        opts = []
    chosen = [value.partition(":") for value in opts] or [(method, "", "") for method in _methods_for(values["loss"])]
    names = labels([method for method, _, _ in chosen])
    values["opts"] = tuple(
        opt
        for (method, _, settings), name in zip(chosen, names, strict=True)
        if (
            opt := optimizer(
                METHODS,
                method,
                settings,
                f"opt.{short(name)}".rstrip("."),
                lambda method, _: preset.opts.get(method, {}),
                errors,
            )
        )
    )
    if "eval" not in given:
        spent = values.get("forwards") or values.get("steps", 1) * max(map(_cost, values["opts"]), default=1)
        values["eval"] = min(max(1, spent // EVALUATIONS), EVAL[1])
    if errors:
        seen = {"opt", *(error["field"] for error in errors)}
        raise SpecError(errors + [error for error in _errors(values) if error["field"] not in seen])
    return FinetuneSpec(**values)


def catalogue() -> dict[str, Any]:
    """What a spec may say, as plain values: methods with their hyperparameters, tasks, what is tuned, losses, limits,
    and the presets by "task/tune" (for the bundled model) and "other/tune" (for any other).
    """
    combinations = [(presets.BUNDLED, task, tune) for task in TASKS for tune in TUNES]
    combinations += [("other", "other", tune) for tune in TUNES]
    return {
        "methods": [
            {
                "key": method.key,
                "name": method.name,
                "summary": method.summary,
                "zeroth_order": method.zeroth_order,
                "estimates_hessian": method.estimates_hessian,
                "hyperparameters": [plain(parameter) for parameter in describe(method.hyperparameters)],
            }
            for method in METHODS.values()
        ],
        "default_methods": DEFAULT_METHODS,
        "tasks": TASKS,
        "tunes": TUNES,
        "losses": LOSSES,
        "schedules": list(SCHEDULES),
        "dtypes": DTYPES,
        "limits": _SPANS | {"optimizers": OPTIMIZERS, "words": CLASSES},
        "defaults": {
            field.name: field.default for field in fields(FinetuneSpec) if isinstance(field.default, int | float | str)
        },
        "presets": {f"{task}/{tune}": vars(presets.for_run(model, task, tune)) for model, task, tune in combinations},
    }


def _methods_for(loss: str) -> list[str]:
    """The methods that run where a spec names none; those without gradients for a loss that has none."""
    return [method for method in DEFAULT_METHODS if loss in DIFFERENTIABLE or METHODS[method].zeroth_order]


def _cost(opt: OptSpec) -> int:
    return METHODS[opt.method].forwards(opt.hyperparameters)


def _errors(values: Mapping[str, Any]) -> list[Error]:
    """All that is wrong with a spec's fields; those not given are at their defaults, which are right."""
    errors: list[Error] = []
    for key, span in _SPANS.items():
        value = values.get(key)
        if value is not None and not span[0] <= value <= span[1]:
            errors.append(wrong(key, value, between(span)))
    for key, choices in _CHOICES.items():
        if key in values and values[key] not in choices:
            errors.append(unknown(key, key, values[key], choices))
    for key in _TEXTS:
        value = values.get(key)
        if value is not None and len(value) > TEXT:
            errors.append(fault(key, f"has {len(value):,} characters; allowed: up to {TEXT}"))
        elif value == "" and key != "data":
            errors.append(fault(key, "is empty"))
    if not DEVICE.fullmatch(values.get("device", "auto")):
        errors.append(wrong("device", repr(short(values["device"])), "auto, cpu, mps, cuda or cuda:0, cuda:1, …"))

    data, task = values.get("data", ""), values["task"]
    if task == "reviews" and data:
        errors.append(fault("data", "is for task=sst2 and task=table; task=reviews makes its own sentences"))
    if task == "table" and not data:
        errors.append(fault("data", "is missing: task=table needs the path of a CSV or TSV, or an upload"))
    template = values.get("template")
    if template is not None and template.count("{text}") != 1:
        errors.append(wrong("template", repr(short(template)), "a text with {text} in it once"))
    words = values.get("words")
    if words is not None and not CLASSES[0] <= len(words) <= CLASSES[1]:
        errors.append(
            wrong("words", f"{len(words)} label words", f"{between(CLASSES)}, one per class, with commas between")
        )
    elif words is not None and len(set(words)) < len(words):
        errors.append(fault("words", "names a label word twice: every class needs its own"))

    errors += _length_errors(values.get("steps"), values.get("forwards"), values["opts"])
    if values.get("loss", "cross_entropy") in LOSSES.keys() - DIFFERENTIABLE:
        for label, opt in zip(labels([opt.method for opt in values["opts"]]), values["opts"], strict=True):
            if not METHODS[opt.method].zeroth_order:
                errors.append(
                    fault(
                        f"opt.{label}",
                        f"{METHODS[opt.method].name} needs a gradient, and loss={values['loss']} has none (it counts"
                        " errors, so it is flat almost everywhere); use loss=cross_entropy, or hizoo and mezo alone",
                    )
                )
    return errors


def _length_errors(steps: int | None, forwards: int | None, opts: tuple[OptSpec, ...]) -> list[Error]:
    """What is wrong with how long the runs are, and with how many there are."""
    if not OPTIMIZERS[0] <= len(opts) <= OPTIMIZERS[1]:
        return [wrong("opt", f"{len(opts)} optimizers", between(OPTIMIZERS))]
    if (steps is None) == (forwards is None):
        return [fault("steps", "give either steps or forwards, not both")]
    errors = []
    for label, opt in zip(labels([opt.method for opt in opts]), opts, strict=True):
        made = steps if steps is not None else (forwards or 0) // _cost(opt)
        warmup = getattr(opt.hyperparameters, "warmup", 0)
        if not made and not errors and steps is None:
            errors.append(wrong("forwards", forwards, f"at least {_cost(opt)}, which one step of {label} takes"))
        elif warmup > made:
            errors.append(wrong(f"opt.{label}.warmup", warmup, f"0 to the number of steps, {made:,}"))
        elif made > STEPS[1]:
            errors.append(fault("forwards", f"makes {made:,} steps of {label}; allowed: up to {STEPS[1]:,} steps"))
    return errors
