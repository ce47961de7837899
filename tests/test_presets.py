"""The presets file: complete, valid, what the Playground uses, and what the manual's table was made from."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import tune_presets
from functions import FUNCTIONS, resolve
from hizoo_core import METHODS, POINT_METHODS
from viz_app.spec.runs import parse

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = json.loads(tune_presets.PRESETS.read_text("utf-8"))


def test_every_function_has_a_preset():
    assert list(DOCUMENT["functions"]) == list(FUNCTIONS)
    assert list(DOCUMENT["report"]) == list(FUNCTIONS)


@pytest.mark.parametrize("key", FUNCTIONS)
def test_a_spec_that_names_only_the_function_runs_the_tuned_settings(key):
    preset = DOCUMENT["functions"][key]
    spec = parse(f"f={key}&" + "&".join(f"opt={method}" for method in POINT_METHODS))
    assert (spec.steps, spec.runs) == (preset["steps"], preset["runs"])
    for opt in spec.opts:
        assert opt.hyperparameters == METHODS[opt.method].hyperparameters(**preset["optimizers"][opt.method])


def test_naming_an_estimator_takes_the_settings_tuned_for_it():
    tuned = DOCUMENT["functions"]["quadratic"]["estimators"]["multiplicative"]
    opt = parse("f=quadratic&opt=hizoo:estimator=multiplicative,mu=1e-4").opts[0]
    assert opt.hyperparameters == METHODS["hizoo"].hyperparameters(**tuned, mu=1e-4)


@pytest.mark.parametrize("key", FUNCTIONS)
def test_every_row_is_valid_and_was_searched_within_its_space(key):
    for name, row in tune_presets.rows(resolve(key).dim).items():
        source = DOCUMENT["functions"][key]["optimizers" if name in METHODS else "estimators"]
        METHODS[row.method].hyperparameters(**source[name])
        assert set(source[name]) == set(row.fixed) | {axis.name for axis in row.axes}
        for axis in row.axes:
            low, high = (min(axis.choices), max(axis.choices)) if axis.choices else (axis.low, axis.high)
            assert low <= source[name][axis.name] <= high


def test_readme_has_the_table_of_the_presets_file():
    readme = (ROOT / "docs" / "findings" / "presets.md").read_text("utf-8")
    assert tune_presets.insert(readme, tune_presets.table(DOCUMENT)) == readme


def test_a_figure_of_the_table_can_be_measured_again():
    function = resolve("stiff_quadratic")
    setting = DOCUMENT["functions"]["stiff_quadratic"]["optimizers"]["mezo"]
    trace = tune_presets.run(function, tune_presets.rows(2)["mezo"], setting, tune_presets.HELD_OUT_SEED)
    reported = DOCUMENT["report"]["stiff_quadratic"]["scores"]["mezo"]
    assert tune_presets.median_gap(function, trace)[-1] == pytest.approx(reported["median_gap"], rel=1e-3)
    assert tune_presets.lost_share(trace) == reported["lost"]


def test_the_search_finds_newtons_step_and_repeats_itself():
    function, row = resolve("isotropic_bowl"), tune_presets.rows(2)["newton_diag"]
    setting = tune_presets.search(function, row, "newton_diag")
    assert setting["lr"] == pytest.approx(1.0, abs=0.15)
    assert tune_presets.search(function, row, "newton_diag") == setting


def fake_trace(final: float, diverged: int = 0, reached: int = 10**9) -> Any:
    """16 runs of 11 records over 1500 passes from 3 to `final`, reached after `reached` passes or at the end."""
    forwards = np.linspace(0, 1500, 11).astype(int)
    loss = np.where(forwards[:, None] >= reached, final, 3.0) * np.ones((11, 16))
    loss[-1] = final
    loss[1:, :diverged] = np.nan
    return SimpleNamespace(loss=loss, forwards=forwards)


def test_scores_rank_lost_runs_last_then_the_gap_then_the_passes():
    ranked = [
        fake_trace(1e-30, reached=400),
        fake_trace(0.0, reached=1200),
        fake_trace(1e-6),
        fake_trace(0.1),
        fake_trace(1e-30, diverged=1, reached=400),
        fake_trace(4.0),
        fake_trace(1e-30, diverged=9),
    ]
    scores = [tune_presets.score(resolve("isotropic_bowl"), trace) for trace in ranked]
    assert scores == sorted(set(scores))


def test_the_median_counts_a_stopped_run_as_infinite():
    gaps = tune_presets.median_gap(resolve("isotropic_bowl"), fake_trace(0.1, diverged=9))
    assert np.isfinite(gaps[0])
    assert np.isinf(gaps[-1])


def test_a_run_that_is_not_lower_than_its_start_is_lost():
    assert tune_presets.lost_share(fake_trace(0.1, diverged=4)) == 0.25
    assert tune_presets.lost_share(fake_trace(3.5)) == 1.0


def test_a_file_without_markers_is_refused():
    with pytest.raises(ValueError, match="no place for the table"):
        tune_presets.insert("# A file", "| a |")
