import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from functions.language_model.adapters import TUNES
from functions.language_model.tasks import TASKS
from hizoo_core.training_methods import METHODS
from viz_app.finetuning import presets
from viz_app.finetuning.spec import FinetuneSpec, catalogue, parse
from viz_app.spec.runs import DEFAULT_METHODS, SpecError

ROOT = Path(__file__).parents[1]


def errors(text: str) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    return {error["field"]: error["message"] for error in caught.value.errors}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?tune=lora&rank=2&opt=hizoo:n=2&opt=hizoo&opt=hizoo_l",
        "task=table&data=upload:ab12&words=bad,%20good&template={text}%20a+b%20%26%20c&text_column=My Text&tune=prefix",
        "model=facebook/opt-125m&steps=7&loss=f1&shots=16&train=20&held_out=0&device=cuda:1&dtype=bfloat16",
    ],
)
def test_the_canonical_text_reads_back_as_the_same_spec(text: str):
    spec = parse(text)
    assert parse(spec.query()) == spec
    assert " " not in spec.query()
    assert parse(spec.query()).query() == spec.query()


def test_keys_left_out_take_the_preset_and_what_does_not_matter_is_left_out():
    spec = parse("")
    preset = presets.for_run("bundled", "reviews", "full")
    assert (spec.model, spec.task, spec.tune, spec.forwards, spec.steps) == (
        "bundled", "reviews", "full", preset.forwards, None,
    )  # fmt: skip
    assert tuple(opt.method for opt in spec.opts) == DEFAULT_METHODS
    for opt in spec.opts:
        assert preset.opts[opt.method].items() <= vars(opt.hyperparameters).items()
    assert not any(f"&{key}=" in spec.query() for key in ("rank", "prefix", "text_column", "data", "words", "template"))
    assert "rank=8" in parse("tune=lora").query()
    assert "prefix=5" in parse("tune=prefix").query()
    assert parse("tune=full&rank=3").query() == parse("tune=full").query()
    assert [opt.method for opt in parse("loss=accuracy").opts] == ["hizoo", "mezo"]
    assert parse("template=").template is None


def test_a_budget_of_passes_gives_every_run_its_steps():
    spec = parse("forwards=100&opt=hizoo:n=4&opt=mezo:n=4&opt=adam&opt=mezo:n=1")
    assert [spec.forwards_per_step(run) for run in range(4)] == [9, 8, 3, 2]
    assert [spec.steps_of(run) for run in range(4)] == [11, 12, 33, 50]
    assert spec.total_forwards == 99 + 96 + 99 + 100
    assert spec.labels == ("hizoo", "mezo", "adam", "mezo#2")
    assert spec.eval == 5, "twenty evaluations unless told"
    assert parse("steps=100&opt=hizoo:n=4&opt=adam").eval == 45
    assert [parse("steps=7").steps_of(run) for run in range(3)] == [7, 7, 7]


@pytest.mark.parametrize(
    ("text", "field", "parts"),
    [
        ("step=3", "step", ["There is no key “step”", "Did you mean steps?"]),
        ("batch=0", "batch", ["Batch must be a whole number from 1 to 512, not 0"]),
        ("batch=many", "batch", ["Batch must be a whole number from 1 to 512, not “many”"]),
        ("seed=1&seed=2", "seed", ["twice"]),
        ("steps=5&forwards=90", "steps", ["either steps or forwards"]),
        ("steps=0", "steps", ["1 to 100,000"]),
        ("forwards=8&opt=hizoo:n=4", "forwards", ["at least 9, which one step of hizoo takes"]),
        ("steps=5&opt=hizoo:warmup=6", "opt.hizoo.warmup", ["0 to the number of steps, 5"]),
        ("eval=0", "eval", ["1 to 1,000,000"]),
        ("truth=-1", "truth", ["0 to 1,000"]),
        ("shots=x", "shots", ["0 to 10,000"]),
        ("train=-5", "train", ["Training texts must be", "0 to 1,000,000"]),
        ("tune=lora&rank=0", "rank", ["1 to 256"]),
        ("tune=prefix&prefix=65", "prefix", ["1 to 64"]),
        ("tune=lore", "tune", ["Did you mean lora?"]),
        ("task=review", "task", ["Did you mean reviews?"]),
        ("loss=f2", "loss", ["Allowed: cross_entropy, accuracy, f1"]),
        ("dtype=float8", "dtype", ["bfloat16"]),
        ("device=gpu", "device", ["cuda"]),
        ("data=my.csv", "data", ["task=table"]),
        ("task=table", "data", ["is missing", "path of a CSV"]),
        ("template=it was", "template", ["{text}"]),
        ("words=good", "words", ["Label words must be 2 to 10 words", "e.g. bad, good", "not 1"]),
        ("words=good,good", "words", ["twice"]),
        ("model=", "model", ["Model is empty"]),
        ("model=" + "x" * 501, "model", ["Model may have up to 500 characters, not 501"]),
        ("loss=accuracy&opt=adam", "opt.adam", ["Adam needs a gradient", "loss=accuracy has none", "flat"]),
        ("loss=f1&opt=mezo&opt=adam", "opt.adam", ["loss=cross_entropy, or hizoo and mezo"]),
        ("opt=hizo", "opt.hizo", ["Did you mean hizoo?", "hizoo_l"]),
        ("opt=hizoo&opt=hizoo:lr=-1", "opt.hizoo#2.lr", ["from 0"]),
        ("opt=hizoo:pool=column", "opt.hizoo.pool", ["one of none, row, tensor"]),
        ("opt=mezo:alpha=1", "opt.mezo.alpha", ["There is no hyperparameter “alpha”"]),
        ("opt=mezo:lr=1,lr=2", "opt.mezo.lr", ["twice"]),
        ("&".join(["opt=mezo"] * 9), "opt", ["1 to 8"]),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(text: str, field: str, parts: list[str]):
    found = errors(text)
    assert list(found) == [field]
    assert all(part in found[field] for part in parts)


def test_everything_wrong_is_said_at_once():
    assert set(errors("batch=0&tune=x&opt=hizoo:n=0&opt=mezo:lr=x&steps=-1&words=a")) == {
        "batch", "tune", "opt.hizoo.n", "opt.mezo.lr", "steps", "words",
    }  # fmt: skip


def test_a_spec_made_in_python_is_checked_too():
    spec = parse("steps=3")
    with pytest.raises(SpecError, match=r"batch: Batch must be .*, not 513"):
        replace(spec, batch=513)
    with pytest.raises(SpecError, match="opt"):
        FinetuneSpec("bundled", "reviews", "full", (), steps=3)


def test_every_preset_is_a_spec_that_runs():
    entries = catalogue()["presets"]
    assert set(entries) == {f"{task}/{tune}" for task in (*TASKS, "other") for tune in TUNES}
    for name in entries:
        task, tune = name.split("/")
        model = "facebook/opt-125m" if task == "other" else "bundled"
        data = "&data=my.csv" if task == "table" else ""
        methods = "".join(f"&opt={method}" for method in METHODS)
        spec = parse(f"model={model}&task={'reviews' if task == 'other' else task}&tune={tune}{data}{methods}")
        assert spec.batch == entries[name]["batch"]
        assert all(spec.steps_of(run) > 1 for run in range(len(METHODS)))
    assert presets.for_run("facebook/opt-125m", "reviews", "full").tuned == ()


def test_the_catalogue_is_plain_and_complete():
    found = json.loads(json.dumps(catalogue()))
    assert [method["key"] for method in found["methods"]] == list(METHODS)
    assert found["limits"]["batch"] == [1, 512]
    assert found["defaults"]["loss"] == "cross_entropy"
    assert {"tasks", "tunes", "losses", "schedules", "dtypes"} <= set(found)


def test_reading_a_spec_loads_no_torch():
    code = "import sys; from viz_app.finetuning.spec import parse; parse(''); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"False\n"
