"""The language-model page's presets are those that the committed search writes, and the manual's table is theirs."""

import json
from pathlib import Path

import pytest

from benchmarks import tune_finetune
from hizoo_core.training_methods import METHODS
from viz_app.finetuning.presets import PRESETS, for_run

ENTRIES = json.loads(PRESETS.read_text("utf-8"))
SEARCHED = [(key, label) for key, entry in ENTRIES.items() for label in entry.get("tuned", {})]


def test_readme_shows_the_table_of_the_presets_file():
    readme = (Path(tune_finetune.__file__).parent.parent / "docs" / "findings" / "language-model.md").read_text("utf-8")
    _, _, rest = readme.partition(tune_finetune.MARKERS[0])
    assert rest.partition(tune_finetune.MARKERS[1])[0].strip() == tune_finetune.table(ENTRIES)


@pytest.mark.parametrize(("key", "label"), SEARCHED, ids=str)
def test_a_preset_lies_in_the_space_that_was_searched(key, label):
    tune = key.partition("/")[2]
    method, fixed, axes = tune_finetune.rows(tune)[label]
    setting = dict(ENTRIES[key]["tuned"][label])
    assert setting.pop("method") == method
    METHODS[method].hyperparameters(**setting)  # in range
    assert fixed.items() <= setting.items()
    for axis in axes:
        if axis.name == "lr / n":
            assert axis.low * 0.9 <= setting["lr"] / setting["n"] <= axis.high * 1.1
        elif axis.choices:
            assert setting[axis.name] in axis.choices
        else:
            assert axis.low * 0.9 <= setting[axis.name] <= axis.high * 1.1


def test_every_row_of_a_case_is_given_the_same_trials_and_reported_over_the_same_seeds():
    assert SEARCHED, "nothing is tuned"
    for key, entry in ENTRIES.items():
        seeds = {got["seeds"] for got in entry.get("report", {}).values()}
        assert not seeds or seeds == {tune_finetune.REPORT_SEEDS[key.partition("/")[2]]}
        assert set(entry.get("report", {})) == set(entry.get("tuned", {}))


@pytest.mark.parametrize(
    ("case", "tuned"),
    [
        (("bundled", "reviews", "full"), ("mezo", "hizoo", "adam")),
        (("bundled", "reviews", "full", "cross_entropy"), ("mezo", "hizoo", "adam")),
        (("bundled", "reviews", "full", "f1"), ()),
        (("bundled", "reviews", "full", "accuracy"), ()),
        (("bundled", "table", "full"), ()),
        (("bundled", "sst2", "lora"), ()),
        (("facebook/opt-125m", "reviews", "full"), ()),
        (("/models/mine", "reviews", "layernorm"), ()),
    ],
)
def test_only_what_was_searched_for_is_called_tuned(case, tuned):
    assert for_run(*case).tuned == tuned
