"""Every spec that can be parsed, written and parsed again, is itself: random valid specs of all four kinds."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions import FUNCTIONS
from functions.language_model.adapters import PREFIXES, RANKS, TUNES
from functions.language_model.metrics import LOSSES
from functions.language_model.tasks import TASKS
from hizoo_core import POINT_METHODS as METHODS
from hizoo_core import Hyperparameter, describe
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.training_methods import METHODS as TRAINING
from viz_app.estimators import spec as lab_spec
from viz_app.finetuning import spec as finetune_spec
from viz_app.spec import runs
from viz_app.spec.text import number
from viz_app.tuning import spec as map_spec

FORMULAS = (
    "100*(y-x^2)^2+(1-x)^2",
    "max(x,y)+|x-y|+√(x²+1)",
    "min(x, -y, 2) + ln(x^2+1)",
    "2x(y+1)+e^x",
    "sqrt(x^2+y^2)+3",
    "exp(-x)+sin(pi*y)+x^2",
)


def sometimes(key: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.one_of(st.just([]), values.map(lambda value: [f"{key}={quote(value, safe=',:=@')}"]))


def within(low: float, high: float) -> st.SearchStrategy[str]:
    if isinstance(low, int) and isinstance(high, int):
        return st.integers(low, high).map(str)
    return st.floats(low, high, allow_subnormal=False).map(lambda value: number(value + 0.0))


def setting(described: Hyperparameter) -> st.SearchStrategy[str]:
    if described.choices:
        return st.sampled_from(described.choices)
    low, high = described.slider
    return within(int(low), int(high)) if described.integer else within(max(low, described.low), high)


def settings_of(methods: Any, method: str, skip: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """lr=0.1,n=4: some settings of a method, in any order. `warmup` is none, so that every number of steps is right."""
    kinds = [each for each in describe(methods[method].hyperparameters) if each.name not in ("warmup", *skip)]
    some = st.lists(st.sampled_from(kinds), unique=True, max_size=4)
    texts = some.flatmap(lambda chosen: st.tuples(*(setting(each).map(f"{each.name}={{}}".format) for each in chosen)))
    fixed = ["warmup=0"] if any(each.name == "warmup" for each in describe(methods[method].hyperparameters)) else []
    fixed += ["n=2"] if "estimator" in (each.name for each in kinds) and "n" in skip else []
    return texts.map(lambda given: ",".join([*given, *fixed]))


@st.composite
def optimizers(draw: st.DrawFn, methods: Any, steps: int | None = None) -> str:
    """An optimizer; with `steps`, one that may fork before them."""
    method = draw(st.sampled_from(sorted(methods)))
    skip = ("n",) if "estimator" in (each.name for each in describe(methods[method].hyperparameters)) else ()
    text = f"{method}:{draw(settings_of(methods, method, skip))}"
    if steps:
        for at in sorted(draw(st.sets(st.integers(1, steps - 1), max_size=3))):
            change = draw(settings_of(methods, method, (*skip, "warmup")))
            text += f"@{at}:{change}" if draw(st.booleans()) else f"@{at}"
    return f"opt={text}"


@st.composite
def functions(draw: st.DrawFn) -> tuple[str, int]:
    """f=… and the number of its dimensions."""
    if draw(st.booleans()):
        return f"f=expr:{quote(draw(st.sampled_from(FORMULAS)))}", 2
    family = draw(st.sampled_from(list(FUNCTIONS.values())))
    chosen: dict[str, str] = {}
    for parameter in family.parameters:
        if draw(st.booleans()):
            if parameter.choices:
                chosen[parameter.name] = draw(st.sampled_from(parameter.choices))
            elif parameter.integer:
                chosen[parameter.name] = draw(st.integers(int(parameter.low), min(int(parameter.high), 40)).map(str))
            else:
                chosen[parameter.name] = draw(within(float(parameter.low), float(parameter.high)))
    if family.key == "block_quadratic":
        chosen |= {"d": "40", "blocks": str(draw(st.integers(2, 40)))}
    text = family.key + (":" + ",".join(f"{key}={value}" for key, value in chosen.items()) if chosen else "")
    dim = family.dim or int(chosen.get("d", next(p.default for p in family.parameters if p.name == "d")))
    return f"f={quote(text, safe=',:=')}", dim


@st.composite
def places(draw: st.DrawFn) -> list[str]:
    """f, and x0 now and then: one number for all coordinates, or one each."""
    text, dim = draw(functions())
    numbers = within(-3.0, 3.0)
    x0 = st.one_of(numbers, st.lists(numbers, min_size=dim, max_size=dim).map(",".join))
    return [text, *draw(sometimes("x0", x0))]


def query(draw: st.DrawFn, parts: list[str]) -> str:
    """The parts in any order, optimizers among them."""
    return "&".join(draw(st.permutations(parts)))


@st.composite
def run_specs(draw: st.DrawFn) -> str:
    steps = draw(st.integers(5, 2000))
    parts = [*draw(places()), f"steps={steps}", f"runs={draw(st.integers(1, 40))}"]
    parts += draw(sometimes("seed", within(0, 2**32 - 1))) + draw(sometimes("noise", within(0.0, 1e6)))
    parts += draw(st.lists(optimizers(METHODS, steps), max_size=4))
    return query(draw, parts)


@st.composite
def map_specs(draw: st.DrawFn) -> str:
    parts = [*draw(places()), f"forwards={draw(st.integers(200, 3000))}", "runs=2"]
    parts += draw(sometimes("seed", within(0, 2**32 - 1))) + draw(sometimes("target", within(1e-9, 1e9)))
    parts += draw(sometimes("noise", within(0.0, 1e6)))
    method = draw(st.sampled_from(sorted(METHODS)))
    kinds = {each.name: each for each in describe(METHODS[method].hyperparameters) if each.choices is None}
    kinds.pop("warmup", None)
    x, y = draw(st.permutations(sorted(kinds)))[:2]
    for key, name in (("x", x), ("y", y)):
        parts += draw(sometimes(key, axes(kinds[name]))) if draw(st.booleans()) else []
    parts.append(f"opt={method}:{draw(settings_of(METHODS, method, ('n', 'estimator')))}")
    given = {part[0] for part in parts if part[:2] in ("x=", "y=")}
    if len(given) == 1:  # the other, usual axis might be of the same hyperparameter
        parts = [part for part in parts if part[:2] not in ("x=", "y=")]
    return query(draw, parts)


def axes(described: Hyperparameter) -> st.SearchStrategy[str]:
    low, high = described.slider
    value = setting(described)
    listed = st.lists(value, min_size=1, max_size=4).map(",".join)
    count = st.integers(2, 5)
    ends = f"{number(max(low, described.low))}:{number(high)}" if not described.integer else f"{int(low)}:{int(high)}"
    spaced = count.map(f"{ends}:{{}}".format) if low > 0 or described.scale == "linear" else listed
    return st.one_of(listed, spaced).map(f"{described.name}={{}}".format)


@st.composite
def lab_specs(draw: st.DrawFn) -> str:
    text, dim = draw(functions())
    parts = [text, *draw(sometimes("x0", within(-2.0, 2.0)))]
    coords = st.lists(st.integers(0, dim - 1), min_size=1, max_size=min(4, dim), unique=True)
    parts += draw(sometimes("coords", coords.map(lambda chosen: ",".join(map(str, chosen)))))
    for key, values in {
        "n": within(1, 64),
        "alpha": within(0.0, 1.0),
        "mu": within(1e-9, 1.0),
        "noise": within(0.0, 1e6),
        "seed": within(0, 2**32 - 1),
        "P": st.sampled_from(("one", "truth")),
        "estimators": st.lists(st.sampled_from(sorted(ESTIMATORS)), unique=True, min_size=1).map(",".join),
        "steps": within(1, 5000),
        "samples": within(64, 16384),
        "runs": within(4, 256),
        "alphas": within(2, 25),
        "row": within(0, 100),
    }.items():
        parts += draw(sometimes(key, values))
    return query(draw, parts)


TEXT = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() == text)
WORD = st.text(min_size=1, max_size=6).filter(lambda text: "," not in text and text.strip() == text)


@st.composite
def finetune_specs(draw: st.DrawFn) -> str:
    task, tune = draw(st.sampled_from(sorted(TASKS))), draw(st.sampled_from(sorted(TUNES)))
    loss = draw(st.sampled_from(sorted(LOSSES)))
    parts = [f"task={task}", f"tune={tune}", f"loss={loss}"]
    if task == "table" or (task == "sst2" and draw(st.booleans())):
        parts.append(f"data={quote(draw(TEXT))}")
    length = draw(st.sampled_from(("steps", "forwards")))
    parts.append(f"{length}={draw(st.integers(200, 100_000))}")
    for key, values in {
        "model": TEXT,
        "template": TEXT.filter(lambda text: "{text}" not in text).map(lambda text: f"{{text}} {text}"),
        "words": st.lists(WORD, min_size=2, max_size=10, unique=True).map(",".join),
        "text_column": TEXT,
        "label_column": TEXT,
        "shots": within(0, 10_000),
        "train": within(0, 1_000_000),
        "rank": within(*RANKS),
        "prefix": within(*PREFIXES),
        "batch": within(1, 512),
        "seed": within(0, 2**32 - 1),
        "eval": within(1, 1_000_000),
        "truth": within(0, 1000),
        "device": st.sampled_from(("auto", "cpu", "mps", "cuda", "cuda:3")),
        "dtype": st.sampled_from(finetune_spec.DTYPES),
    }.items():
        parts += draw(sometimes(key, values))
    methods = {key: method for key, method in TRAINING.items() if loss == "cross_entropy" or method.zeroth_order}
    parts += draw(st.lists(optimizers(methods), max_size=4))
    return query(draw, parts)


KINDS = {
    "run": (run_specs(), runs.parse),
    "map": (map_specs(), map_spec.parse),
    "lab": (lab_specs(), lab_spec.parse),
    "fine-tuning": (finetune_specs(), finetune_spec.parse),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_written_and_read_again_is_itself(kind: str):
    specs, parse = KINDS[kind]
    seen: list[str] = []

    @settings(derandomize=True, deadline=None, max_examples=120, database=None)
    @given(specs)
    def check(text: str):
        spec = parse(text)
        again = parse(spec.query())
        assert again == spec
        assert again.query() == spec.query()
        seen.append(spec.query())

    check()
    assert len(set(seen)) > 60


@pytest.mark.parametrize("task", ["sst2", "table"])
def test_the_columns_of_a_folder_or_file_are_kept(task: str):
    spec = finetune_spec.parse(f"task={task}&data=my folder&text_column=sentence&label_column=My+label")
    assert (spec.text_column, spec.label_column) == ("sentence", "My+label")
    assert "&text_column=sentence&label_column=My%2Blabel&" in spec.query()
    assert finetune_spec.parse(spec.query()) == spec


def test_what_a_job_does_not_look_at_is_not_in_its_spec():
    plain = finetune_spec.parse("task=sst2")
    assert finetune_spec.parse("task=sst2&text_column=sentence&rank=3&prefix=7") == plain
    assert not any(f"{key}=" in plain.query() for key in ("text_column", "label_column", "rank", "prefix"))
    assert "rank=3" in finetune_spec.parse("tune=lora&rank=3").query()
