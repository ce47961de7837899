"""The search for the best setting: within its budget, no worse than what it started from, and honest about its cost."""

import numpy as np
import pytest

from viz_app import map_spec, run, tune
from viz_app.spec_text import SpecError

TEXT = "f=stiff_quadratic&x0=1,1&runs=5&seed=0&forwards=800&opt=hizoo:lr=1e-3,alpha=1e-3,n=1,warmup=0,estimator=paper"


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        (TEXT, ["lr", "alpha", "n", "warmup"]),
        ("f=double_well&runs=3&forwards=500&opt=mezo", ["lr", "n"]),
        ("f=booth&runs=2&forwards=300&opt=adam", ["lr", "beta2"]),
        ("f=booth&runs=2&forwards=300&opt=hizoo:estimator=multiplicative,n=4", ["lr", "alpha", "n", "warmup"]),
    ],
)
@pytest.mark.parametrize("trials", [8, 33])
def test_it_makes_as_many_trials_as_it_was_given(text, searched, trials):
    found = tune.tune(map_spec.parse(text), trials)
    assert found["spent"]["trials"] <= trials
    assert found["spent"]["trials"] >= trials - 1  # a finalist fewer, if two are alike
    assert found["searched"] == searched
    spec = map_spec.parse(text)
    most = trials * spec.base.runs * spec.forwards
    assert 0.8 * most < found["spent"]["forwards"] <= most
    assert map_spec.parse(f"{text.split('&opt=')[0]}&opt={found['opt']}").opt.hyperparameters == type(
        spec.opt.hyperparameters
    )(**found["best"])


def test_its_figures_are_those_of_a_run_that_no_trial_has_seen():
    spec = map_spec.parse(TEXT)
    found = tune.tune(spec, 32)
    passes = 2 * found["best"]["n"] + 1
    again = run(f"f=stiff_quadratic&x0=1,1&runs=5&seed=0&steps={800 // passes}&opt={found['opt']}").traces[0]
    assert found["held_out"]["loss"] == pytest.approx(float(np.median(again.loss[-1])), rel=1e-12)
    start = run(f"f=stiff_quadratic&x0=1,1&runs=5&seed=0&steps={800 // 3}&{TEXT.split('&')[-1]}").traces[0]
    assert found["before"]["loss"] == pytest.approx(float(np.median(start.loss[-1])), rel=1e-12)
    assert found["held_out"]["loss"] < found["before"]["loss"]


def test_the_same_search_finds_the_same():
    first, second = (tune.tune(map_spec.parse(TEXT), 16) for _ in range(2))
    assert first["opt"] == second["opt"]


@pytest.mark.parametrize("trials", [7, 1025])
def test_a_wrong_budget_is_named(trials):
    with pytest.raises(SpecError, match=f"trials = {trials}: must be 8 to 1,024"):
        tune.tune(map_spec.parse(TEXT), trials)
