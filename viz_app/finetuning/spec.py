"""FinetuneSpec: everything a fine-tuning job depends on, as one text, in the conventions of `viz_app.spec.runs`.

    model=bundled&task=reviews&tune=full&forwards=2400&batch=32&seed=0&opt=hizoo:lr=2e-3,alpha=1e-2,n=4&opt=mezo&opt=adam

Keys left out take the preset of (model, task, tune); the canonical text (`FinetuneSpec.query`) spells out all that
matters for the job: `rank` with tune=lora, `prefix` with tune=prefix, `top` with tune=top and where it restricts lora
or layernorm, `text_column` and `label_column` with data. tune=top:2 is short for tune=top&top=2.
What the task or the machine decides (template, words, device=auto, dtype=auto) is left to them until the job starts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

from functions.language_model.adapters import CUT, PREFIXES, RANKS, TUNES
from functions.language_model.metrics import DIFFERENTIABLE, LOSSES
from functions.language_model.tasks import CLASSES, TASKS
from hizoo_core import describe
from hizoo_core.auto_rate import AUTO
from hizoo_core.training_methods import METHODS, SCHEDULES
from viz_app.finetuning import presets
from viz_app.spec.fields import SEED, choice, field, span
from viz_app.spec.reader import OPTIMIZERS, Reader, bounds_error, optimizers_error
from viz_app.spec.runs import DEFAULT_METHODS
from viz_app.spec.text import Error, OptSpec, SpecError, between, fault, labels, optimizer, plain, short, unknown, wrong

TEXT = 500  # characters of a model, path, template or column's name
EVALUATIONS = 20  # of a run whose spec does not say how many

DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?", re.ASCII)

NUMBERS = {
    each.name: each
    for each in (
        field("steps", "Budget", 1, 100_000, 100, unit="steps"),
        field("forwards", "Budget", 1, 1_000_000, 2400, unit="passes"),
        field("batch", "Batch", 1, 512, 32, unit="texts"),
        field("eval", "Evaluate", 1, 1_000_000, 120, unit="passes"),
        field("truth", "Reference", 0, 1_000, 10, unit="evaluations"),
        field("shots", "Shots", 0, 10_000, 0, unit="a class"),
        field("train", "Training texts", 0, 1_000_000, 0, unit="texts"),
        field("held_out", "Held-out texts", 0, 1_000_000, 256, unit="texts"),
        field("top", "Top layers", 0, 1_000, 0, unit="layers"),
        field("rank", "LoRA rank", *RANKS, 8),
        field("prefix", "Prefix", *PREFIXES, 5, unit="tokens"),
        field("runs", "Seeds", 1, 16, 1, unit="seeds"),
        SEED,
    )
}
CHOICES = {
    each.name: each
    for each in (
        choice("task", "Task", tuple(TASKS), "reviews"),
        choice("tune", "Trainable", tuple(TUNES), "full"),
        choice("loss", "Loss", tuple(LOSSES), "cross_entropy"),
        choice("dtype", "Precision", DTYPES, "auto"),
    )
}
TEXTS = {
    "model": "Model",
    "data": "Data",
    "template": "Template",
    "text_column": "Text column",
    "label_column": "Label column",
}
WORDS = "Label words"
LABELS = {
    **{name: each.label for name, each in (NUMBERS | CHOICES).items()},
    **TEXTS,
    "words": WORDS,
    "device": "Device",
    "budget": "Budget",
}
"""What the form calls its fields."""
MOST_STEPS = int(NUMBERS["steps"].high)
KEYS = (
    *("model", "task", "data", "template", "words", "text_column", "label_column", "shots", "train", "held_out"),
    *("tune", "top", "rank", "prefix", "loss", "steps", "forwards", "batch", "seed", "runs"),
    *("eval", "truth", "device", "dtype", "opt"),
)


@dataclass(frozen=True)
class FinetuneSpec:
    """A valid job; raises SpecError when made from values out of range.

    `data` is a path, "upload:ID" or empty; `template` and `words` are None for the task's own. Just one of `steps`
    (every run makes that many) and `forwards` (every run spends at most that many forward passes) is not None. Both
    count passes through what is trained, the top layers alone if it is those: `Run.forwards` counts whole ones. `eval`
    counts forward passes between evaluations in the same way, `truth` evaluations between estimates of the true
    diagonal (0: none). `held_out` is how many of the held-out texts an evaluation looks at, the first ones (0: all).
    `top` restricts the tunes in `adapters.CUT` to so many layers at the top (0: to none). What does not matter (`rank`
    without tune=lora, `prefix` without tune=prefix, the columns without data) is set to its default, so that equal jobs
    are equal specs.

    With `runs` seeds, each optimizer is run once for each of seed, seed + 1, …, and all that the seed decides is drawn
    as in a job of that seed alone. Runs are counted seed by seed, each with all optimizers in their order.
    """

    model: str
    task: str
    tune: str
    opts: tuple[OptSpec, ...]
    steps: int | None = None
    forwards: int | None = None
    batch: int = 32
    seed: int = 0
    runs: int = 1
    eval: int = 120
    truth: int = 0
    shots: int = 0
    train: int = 0
    held_out: int = 256
    data: str = ""
    template: str | None = None
    words: tuple[str, ...] | None = None
    text_column: str = "text"
    label_column: str = "label"
    top: int = 0
    rank: int = 8
    prefix: int = 5
    loss: str = "cross_entropy"
    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if errors := _errors(vars(self)):
            raise SpecError(errors)
        usual = {each.name: each.default for each in fields(self)}
        for key in _without_effect(self):
            object.__setattr__(self, key, usual[key])

    @property
    def labels(self) -> tuple[str, ...]:
        """One name per run: its method, and from the second of a method on, "#2" after it."""
        return labels([opt.method for opt in self.opts])

    @property
    def adapter(self) -> bool:
        """Whether what is trained is an adapter, beside the model's own parameters."""
        return self.tune in ("lora", "prefix")

    @property
    def count(self) -> int:
        """How many runs there are: of each optimizer one for each seed."""
        return len(self.opts) * self.runs

    def opt_of(self, run: int) -> OptSpec:
        return self.opts[run % len(self.opts)]

    def label_of(self, run: int) -> str:
        return self.labels[run % len(self.opts)]

    def repetition_of(self, run: int) -> int:
        """Which of the seeds a run has, from 0."""
        return run // len(self.opts)

    def forwards_per_step(self, run: int) -> int:
        """What a step of one run costs, in forward passes through what is trained, a gradient counted as two."""
        return _cost(self.opt_of(run))

    def steps_of(self, run: int) -> int:
        """How many steps one run makes."""
        return self.steps if self.steps is not None else (self.forwards or 0) // self.forwards_per_step(run)

    @property
    def total_forwards(self) -> int:
        """Forward-pass equivalents of all runs together, evaluations apart."""
        return sum(self.steps_of(run) * self.forwards_per_step(run) for run in range(self.count))

    def query(self) -> str:
        """Canonical text: every key that matters explicit, shortest decimals, safe to paste as a URL's query."""
        length = "steps" if self.steps is not None else "forwards"
        keys = ["model", "task"]
        keys += [key for key in ("data", "template", "words") if getattr(self, key)]
        left_out = _without_effect(self)
        keys += [key for key in ("text_column", "label_column") if key not in left_out]
        keys += [
            "shots",
            "train",
            "held_out",
            "tune",
            *(key for key in ("top", "rank", "prefix") if key not in left_out),
        ]
        keys += ["loss", length, "batch", "seed", *(["runs"] if self.runs > 1 else [])]
        keys += ["eval", "truth", "device", "dtype"]
        values = [(key, ",".join(self.words or ()) if key == "words" else str(getattr(self, key))) for key in keys]
        values += [("opt", str(opt)) for opt in self.opts]
        return "&".join(f"{key}={quote(value, safe=',:=/{}')}" for key, value in values)

    __str__ = query

    def place(self, auto: str) -> str:
        """The name of the device that `device` means; `auto` is what "auto" means."""
        return {"auto": auto, "cuda": "cuda:0"}.get(self.device, self.device)


def _without_effect(spec: FinetuneSpec) -> set[str]:
    """Keys that a job like this does not look at."""
    keys = set() if spec.data else {"text_column", "label_column"}
    if spec.tune not in CUT or not spec.top:
        keys.add("top")
    return keys | ({"rank", "prefix"} - {{"lora": "rank"}.get(spec.tune, spec.tune)})


def parse(text: str) -> FinetuneSpec:
    """The FinetuneSpec that a text means. Raises SpecError listing all that is wrong with it, not only the first."""
    reader = Reader(text, KEYS)
    given = reader.given
    if given.get("tune", "").startswith("top:"):
        if "top" in given:
            reader.errors.append(fault("top", "top is given twice"))
        given["tune"], _, given["top"] = given["tune"].partition(":")
    values: dict[str, Any] = {"model": presets.BUNDLED}
    values |= {key: given[key] for key in (*TEXTS, "device") if key in given}
    if not values.get("template"):
        values.pop("template", None)
    if words := tuple(word.strip() for word in given.get("words", "").split(",") if word.strip()):
        values["words"] = words
    values |= {key: reader.number(each) for key, each in NUMBERS.items() if key in given}
    for key, each in CHOICES.items():
        values[key] = given.get(key, each.default)
        if values[key] not in (each.choices or ()):
            reader.errors.append(unknown(key, key, values[key], each.choices or ()))
            values[key] = each.default

    preset = presets.for_run(values["model"], values["task"], values["tune"], values["loss"])
    values.setdefault("batch", preset.batch)
    values.setdefault("truth", preset.truth)
    values.setdefault("top", preset.top)
    if "steps" not in given and "forwards" not in given:
        values["forwards"] = preset.forwards
    usual = _methods_for(values["loss"])
    values["opts"] = reader.optimizers(METHODS, usual, optimizer, lambda method, _: preset.opts.get(method, {}))
    if "eval" not in given:
        spent = values.get("forwards") or values.get("steps", 1) * max(map(_cost, values["opts"]), default=1)
        values["eval"] = min(max(1, spent // EVALUATIONS), int(NUMBERS["eval"].high))
    if reader.errors:
        reader.refuse(_errors(values))
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
        "limits": {key: span(each) for key, each in NUMBERS.items()} | {"optimizers": OPTIMIZERS, "words": CLASSES},
        "defaults": {
            each.name: each.default for each in fields(FinetuneSpec) if isinstance(each.default, int | float | str)
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
    for key, each in NUMBERS.items():
        if values.get(key) is not None:
            errors += bounds_error(each, values[key])
    for key, each in CHOICES.items():
        if values.get(key, each.default) not in (each.choices or ()):
            errors.append(unknown(key, key, values[key], each.choices or ()))
    for key, label in TEXTS.items():
        value = values.get(key)
        if value is not None and len(value) > TEXT:
            errors.append(fault(key, f"{label} may have up to {TEXT} characters, not {len(value):,}"))
        elif value == "" and key != "data":
            errors.append(fault(key, f"{label} is empty"))
    if not DEVICE.fullmatch(values.get("device", "auto")):
        allowed = "auto, cpu, mps, cuda or cuda:0, cuda:1, …"
        errors.append(wrong("device", LABELS["device"], short(values["device"]), allowed))

    data, task = values.get("data", ""), values["task"]
    if task == "reviews" and data:
        errors.append(fault("data", "Data is for task=sst2 and task=table; task=reviews makes its own sentences"))
    if task == "table" and not data:
        errors.append(fault("data", "Data is missing: task=table needs the path of a CSV or TSV, or an upload"))
    template = values.get("template")
    if template is not None and template.count("{text}") != 1:
        allowed = "a text with {text} in it once, e.g. {text} It was"
        errors.append(wrong("template", TEXTS["template"], short(template), allowed))
    words = values.get("words")
    if words is not None and not CLASSES[0] <= len(words) <= CLASSES[1]:
        allowed = f"{between(CLASSES)} words, one per class, with commas between them, e.g. bad, good"
        errors.append(wrong("words", WORDS, len(words), allowed))
    elif words is not None and len(set(words)) < len(words):
        errors.append(fault("words", f"{WORDS} must differ: every class needs its own, but one is given twice"))

    last, most = values.get("seed", 0) + values.get("runs", 1) - 1, int(SEED.high)
    if not errors and last > most:
        allowed = f"up to {most - values['runs'] + 1:,} with {values['runs']} seeds"
        errors.append(wrong("seed", SEED.label, values["seed"], allowed))

    if values["tune"] == "top" and not values.get("top"):
        errors.append(wrong("top", LABELS["top"], 0, "1 or more with tune=top"))

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
            elif opt.hyperparameters.lr == AUTO:
                sentence = (
                    f"lr=auto needs a loss with a curvature, and loss={values['loss']} counts errors: give a number"
                )
                errors.append(fault(f"opt.{label}.lr", sentence))
    return errors


def _length_errors(steps: int | None, forwards: int | None, opts: tuple[OptSpec, ...]) -> list[Error]:
    """What is wrong with how long the runs are, and with how many there are."""
    if not OPTIMIZERS[0] <= len(opts) <= OPTIMIZERS[1]:
        return [optimizers_error(len(opts))]
    if (steps is None) == (forwards is None):
        return [fault("steps", "The budget is either steps or forwards, not both")]
    errors = []
    for label, opt in zip(labels([opt.method for opt in opts]), opts, strict=True):
        made = steps if steps is not None else (forwards or 0) // _cost(opt)
        warmup = getattr(opt.hyperparameters, "warmup", 0)
        if not made and not errors and steps is None:
            allowed = f"at least {_cost(opt)}, which one step of {label} takes"
            errors.append(wrong("forwards", "Budget", forwards, allowed))
        elif warmup > made:
            errors.append(wrong(f"opt.{label}.warmup", "warm-up", warmup, f"0 to the number of steps, {made:,}"))
        elif made > MOST_STEPS:
            allowed = f"up to {MOST_STEPS:,} steps of {label}"
            errors.append(wrong("forwards", "Budget", made, allowed))
    return errors
