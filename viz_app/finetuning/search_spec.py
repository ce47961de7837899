"""SearchSpec: many fine-tuning jobs as one text, which differ in a few hyperparameters of their one optimizer.

    tune=layernorm&forwards=600&seeds=2&opt=hizoo&x=alpha=1e-4:0.1:4&y=n=1,2,4,8     a map: two axes, every cell a job
    tune=layernorm&forwards=600&opt=mezo&over=lr,n&trials=16                          a search for the best setting

The job is written as in `viz_app.finetuning.spec`, with a budget in forward passes, and an axis as in
`viz_app.spec.axes`. `seeds` jobs, of seed, seed + 1, …, make a cell. A search starts from the job's own setting, and
looks in the ranges of the axes, or else of the sliders. Loads no torch.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from hizoo_core import HyperparameterError, describe
from hizoo_core.base import Hyperparameter
from hizoo_core.noise import SEED_LIMIT
from hizoo_core.training_methods import METHODS
from viz_app.finetuning import spec as specs
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.spec import axes
from viz_app.spec.axes import Axis
from viz_app.spec.fields import field
from viz_app.spec.reader import Reader, split
from viz_app.spec.text import Error, OptSpec, SpecError, fault, number, pairs, unknown, wrong

CELLS = 400
SEEDS = field("seeds", "Seeds", 1, 16, 1)
TRIALS = field("trials", "Trials", 2, 256, 16)
KEYS = ("seeds", "x", "y", "over", "trials")
MARKS = ("x", "y", "over")  # keys of which a search's canonical text has at least two, and a job's none
OF_FUNCTIONS = ("f", "x0", "target", "noise")
EVALUATIONS = 8  # of a cell whose spec does not say how many
NEXT_SEED = 1_000  # from the spec's seed to the one on which a search's result is looked at again
COUNTS = (1, 2, 4, 8, 16, 32)  # of directions, as maps and searches try them
AROUND = 8.0  # the usual axis of a rate: from so many times less to so many times more than the job's own


def is_search(text: str) -> bool:
    """Whether a job's text is of a map or of a search, not of a single job."""
    return any(key in MARKS for key, _ in pairs(text))


def is_of_a_model(text: str) -> bool:
    """Whether a map's text is of a language model: it has a key that a function's has not."""
    keys = {key for key, _ in pairs(text)}
    shared = {"steps", "forwards", "runs", "seed", "opt", *KEYS, *OF_FUNCTIONS}
    return "f" not in keys and bool(keys & (set(specs.KEYS) - shared))


@dataclass(frozen=True)
class SearchSpec:
    """A valid map, or a search where `over` names what is searched. `base` is the job whose settings are varied, with
    one optimizer and a budget of forward passes.
    """

    base: FinetuneSpec
    x: Axis
    y: Axis
    seeds: int
    over: tuple[str, ...] = ()
    trials: int = 0

    @property
    def opt(self) -> OptSpec:
        return self.base.opts[0]

    @property
    def forwards(self) -> int:
        """Forward passes of every job."""
        assert self.base.forwards is not None
        return self.base.forwards

    @property
    def what(self) -> str:
        return "search" if self.over else "map"

    @property
    def title(self) -> str:
        """What is varied, in words."""
        if self.over:
            return f"search over {', '.join(self.over)}"
        return f"map of {self.x.name} and {self.y.name}, {len(self.x.values)} × {len(self.y.values)} cells"

    @cached_property
    def settings(self) -> tuple[Any, ...]:
        """Hyperparameters of the map's cells; cell (ix, iy) is at iy · len(x) + ix."""
        return axes.settings(self.opt.hyperparameters, self.x, self.y)

    @property
    def jobs(self) -> int:
        """How many jobs it has, if none is known or stopped early: a search ends with two on another seed."""
        return self.trials * self.seeds + 2 if self.over else len(self.settings) * self.seeds

    def job(self, hyperparameters: Any, number: int) -> FinetuneSpec:
        """The job of a setting with the seed that comes so many behind the spec's."""
        opt = OptSpec(self.opt.method, hyperparameters)
        return replace(self.base, opts=(opt,), seed=(self.base.seed + number) % SEED_LIMIT)

    def affords(self, hyperparameters: Any) -> bool:
        """Whether a setting makes a job: the budget pays its steps, and its warm-up fits into them."""
        try:
            self.job(hyperparameters, 0)
        except SpecError:
            return False
        return True

    def allows(self, name: str, value: Any) -> bool:
        """The same of the job's own setting with one value changed, which may be impossible beside its others."""
        try:
            return self.affords(replace(self.opt.hyperparameters, **{name: value}))
        except HyperparameterError:
            return False

    def field(self, name: str) -> Hyperparameter:
        """A hyperparameter of the optimizer."""
        return next(each for each in describe(type(self.opt.hyperparameters)) if each.name == name)

    @property
    def key(self) -> str:
        """The text under which it is computed: where the job stands along a map's axes does not change the map."""
        return self.query() if self.over else replace(self, base=self.job(self.settings[0], 0)).query()

    def query(self) -> str:
        """Canonical text: every key explicit."""
        given = [("seeds", str(self.seeds)), ("x", str(self.x)), ("y", str(self.y))]
        given += [("over", ",".join(self.over)), ("trials", str(self.trials))] if self.over else []
        return "&".join([self.base.query(), *(f"{key}={quote(value, safe=',:=')}" for key, value in given)])

    __str__ = query


def parse(text: str, searching: bool = False) -> SearchSpec:
    """The SearchSpec that a text means: of a search if it says `over` or `trials`, or if `searching`. Raises SpecError
    listing what is wrong with it.
    """
    own, rest = split(text, KEYS)
    reader = Reader(own, KEYS)
    searching = searching or bool({"over", "trials"} & reader.given.keys())
    what, one = ("A search", "trial") if searching else ("A map", "cell")
    given = dict(pairs(rest))
    opts = [value for key, value in pairs(rest) if key == "opt"]
    if len(opts) > 1:
        reader.errors.append(fault("opt", f"{what} is of one optimizer, not of {len(opts)} optimizers"))
    if "steps" in given:
        message = f"{what} has no steps of its own, they differ from {one} to {one}"
        reader.errors.append(fault("steps", f"{message}: give the budget, as forwards=600"))
    seeds = reader.number(SEEDS)
    trials = reader.number(TRIALS) if searching else 0
    if reader.errors:
        reader.refuse()
    base = specs.parse(rest if opts else f"{rest}&opt=hizoo")
    assert base.forwards is not None
    interval = base.eval if "eval" in given else max(1, base.forwards // EVALUATIONS)
    if base.runs > 1:  # as a job says it
        if "seeds" in reader.given:
            reader.errors.append(fault("seeds", f"Seeds are given twice: {SEEDS.name}={seeds} and runs={base.runs}"))
        seeds = base.runs
    base = replace(base, truth=0, eval=interval, runs=1)

    usual = usual_axes(base)
    if "y" not in reader.given and reader.given.get("x", "").partition("=")[0] == usual["y"].partition("=")[0]:
        usual["y"] = usual["x"]
    kind = type(base.opts[0].hyperparameters)
    x, y = (axes.read(key, reader.given.get(key, usual[key]), kind, CELLS, reader.errors) for key in ("x", "y"))
    if x and y and x.name == y.name:
        allowed = f"another hyperparameter than {axes.LABELS['x']}"
        reader.errors.append(wrong("y", axes.LABELS["y"], y.name, allowed))
    over = _over(reader, x, y, kind) if searching and x and y else ()
    if x is None or y is None or reader.errors:
        reader.refuse()
    spec = SearchSpec(base, x, y, seeds, over, trials)
    if errors := _cell_errors(spec):
        raise SpecError(errors)
    return spec


def _over(reader: Reader, x: Axis, y: Axis, kind: type) -> tuple[str, ...]:
    """What is searched: what `over` names, or else what the axes vary."""
    known = [each.name for each in describe(kind) if each.choices is None]
    names = [name.strip() for name in reader.given.get("over", f"{x.name},{y.name}").split(",")]
    reader.errors += [unknown("over", "hyperparameter", name, known) for name in names if name not in known]
    return tuple(dict.fromkeys(names))


def _cell_errors(spec: SearchSpec) -> list[Error]:
    """The first thing for which a cell would be no job."""
    x, y = spec.x, spec.y
    if (cells := len(x.values) * len(y.values)) > CELLS:
        return [fault("x", f"A map has up to {CELLS} cells, not {len(x.values)} × {len(y.values)} = {cells:,}")]
    try:
        settings = spec.settings
    except HyperparameterError as error:
        which = next((key for key, axis in (("x", x), ("y", y)) if axis.name == error.field), "opt")
        return [fault(which, error.message)]
    for each in settings if not spec.over else (spec.opt.hyperparameters,):
        try:
            spec.job(each, 0)
        except SpecError as error:
            at = ", ".join(f"{axis.name}={number(getattr(each, axis.name))}" for axis in (x, y))
            return [fault(first["field"], f"{first['message']} (at {at})") for first in error.errors[:1]]
    if spec.over:
        return []
    unused = spec.opt.hyperparameters.unused
    return [
        fault(key, f"{axis.parameter.label} changes nothing here: it is used by {unused[axis.name]} alone")
        for key, axis in (("x", x), ("y", y))
        if axis.name in unused
    ]


def usual_axes(base: FinetuneSpec) -> dict[str, str]:
    """The axes where none are given: α (where the method has it) or the learning rate around the job's own value, and
    as many directions as its budget pays, or else another rate.
    """
    opt = base.opts[0]
    names = [each.name for each in describe(type(opt.hyperparameters)) if each.choices is None]
    first = "alpha" if "alpha" in names else "lr"
    second = "n" if "n" in names else next(name for name in names if name not in (first, "lr"))
    return {"x": f"{first}={around(opt, first)}", "y": f"{second}={around(opt, second, base.forwards)}"}


def around(opt: OptSpec, name: str, forwards: int | None = None) -> str:
    """Values of a hyperparameter around the one that it has; of n, those that the budget pays at least a step of."""
    hyperparameters = opt.hyperparameters
    if name == "n":
        counts = [n for n in COUNTS[:4] if _is_paid(opt, n, forwards)]
        return ",".join(map(str, counts or [hyperparameters.n]))
    parameter = next(each for each in describe(type(hyperparameters)) if each.name == name)
    value = getattr(hyperparameters, name)
    low, high = parameter.slider
    if isinstance(value, int | float) and value > 0 and parameter.scale == "log":
        low, high = max(parameter.low, value / AROUND), min(parameter.high, value * AROUND)
        return ",".join(number(float(f"{low * (high / low) ** (i / 4):.2g}")) for i in range(5))
    return f"{number(float(low) if not parameter.integer else int(low))}:{number(high)}:5"


def _is_paid(opt: OptSpec, n: int, forwards: int | None) -> bool:
    """Whether a budget pays a step of n directions, which some estimators do not allow."""
    try:
        cost = METHODS[opt.method].forwards(replace(opt.hyperparameters, n=n))
    except HyperparameterError:
        return False
    return forwards is None or cost <= forwards
