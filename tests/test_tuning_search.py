"""The search for the best setting: within its budget, no worse than what it started from, and honest about its cost."""

import numpy as np
import pytest

from viz_app import run
from viz_app.spec.text import SpecError
from viz_app.tuning import known, maps
from viz_app.tuning import search as tune
from viz_app.tuning import spec as map_spec

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


def test_its_figures_are_those_of_runs_on_the_specs_seed_and_on_one_that_no_trial_has_seen():
    spec = map_spec.parse(TEXT)
    found = tune.tune(spec, 32)
    passes = 2 * found["best"]["n"] + 1
    text = f"f=stiff_quadratic&x0=1,1&runs=5&steps={800 // passes}&opt={found['opt']}"
    for seed, name in ((0, "score"), (1001, "held_out")):
        again = run(f"{text}&seed={seed}").traces[0]
        assert found[name]["loss"] == pytest.approx(float(np.median(again.loss[-1])), rel=1e-12)
    start = run(f"f=stiff_quadratic&x0=1,1&runs=5&seed=1001&steps={800 // 3}&{TEXT.split('&')[-1]}").traces[0]
    assert found["before"]["loss"] == pytest.approx(float(np.median(start.loss[-1])), rel=1e-12)
    assert found["held_out"]["loss"] < found["before"]["loss"]


def test_the_same_search_finds_the_same():
    first, second = (tune.tune(map_spec.parse(TEXT), 16) for _ in range(2))
    assert first["opt"] == second["opt"]


@pytest.mark.parametrize("seed", [1_000, 1_001, 2**32 - 1])
def test_trials_have_the_specs_seed_and_the_report_one_that_no_trial_has(seed, monkeypatch):
    seen = []

    def run(spec, settings, seed, *rest, original=maps.run, **options):
        seen.append(seed)
        return original(spec, settings, seed, *rest, **options)

    monkeypatch.setattr(maps, "run", run)
    tune.tune(map_spec.parse(TEXT.replace("seed=0", f"seed={seed}")), 8)
    assert set(seen[:-2]) == {seed}, "as the cells of a map beside it have"
    assert len({seed, *seen[-2:]}) == 3
    assert max(seen) < 2**32


def test_the_cells_of_maps_are_the_first_trials_and_are_not_computed_again(monkeypatch):
    spec = map_spec.parse(f"{TEXT}&x=alpha=1e-3,0.1&y=lr=1e-3,1e-2,0.1")
    cells = maps.table(spec).to_pylist()
    computed = []

    def run(spec, settings, seed, *rest, original=maps.run, **options):
        computed.extend((seed, each) for each in settings)
        return original(spec, settings, seed, *rest, **options)

    monkeypatch.setattr(maps, "run", run)
    found = tune.tune(spec, 16, known=known.of(spec))
    assert found["known"] == 6
    assert not [each for seed, each in computed if seed == 0 and each in spec.settings]
    assert found["spent"]["trials"] <= 16
    best = min(cell["final_gap"] for cell in cells if cell["final_gap"] is not None)
    told = found["passed_over"]
    assert found["score"]["loss"] <= best or (told and told["again"]["loss"] > found["score"]["loss"])
    assert known.of(map_spec.parse(TEXT.replace("seed=0", "seed=1"))) == {}, "of other runs nothing is taken over"
    assert known.of(map_spec.parse(TEXT.replace("forwards=800", "forwards=900"))) == {}


def test_a_search_may_start_from_auto_which_no_axis_has():
    text = "f=stiff_quadratic&forwards=800&runs=4&opt=mezo:lr=auto"
    found = tune.tune(map_spec.parse(text, searching=True), 8)
    assert found["best"]["lr"] == "auto" or found["score"]["loss"] < found["before"]["loss"]
    with pytest.raises(SpecError, match="from 0 to 1,000,000, not “auto”"):
        map_spec.parse(f"{text}&x=lr=auto,0.1")


def test_a_cell_that_is_better_on_the_maps_seed_alone_is_passed_over_and_said():
    spec = map_spec.parse(TEXT)
    lucky = type(spec.opt.hyperparameters)(lr=1e-4, alpha=1e-3, n=1, warmup=0, estimator="paper")
    found = tune.tune(spec, 16, known={lucky: known.Cell(1e-30, None, 0.0)})
    assert found["passed_over"]["best"] == vars(lucky)
    assert found["passed_over"]["score"]["loss"] == 1e-30
    assert found["passed_over"]["again"]["loss"] > found["score"]["loss"]


def test_no_trial_spends_more_than_the_budget():
    spec = map_spec.parse("f=isotropic_bowl&runs=2&forwards=12&x=alpha=0.1&y=n=1,2&opt=hizoo:n=1,warmup=0")
    found = tune.tune(spec, 64)
    assert 2 * found["best"]["n"] + 1 <= 12
    assert found["spent"]["forwards"] > 0.7 * found["spent"]["trials"] * 2 * 12
    dear = map_spec.parse("f=isotropic_bowl&runs=2&forwards=50&x=alpha=0.1&y=n=1,2&opt=hizoo:n=32,warmup=0")
    with pytest.raises(
        SpecError,
        match=r"n directions must be such that 50 forward passes pay for 1 to 20,000 steps, not 32",
    ):
        tune.tune(dear, 8)


def test_better_is_the_searchs_own_verdict():
    # Both touch the target, and neither ends there: the lower loss is better, not the earlier touch.
    noisy = "f=stiff_quadratic&x0=1,1&runs=4&seed=1&forwards=1500&noise=30&target=0.05"
    found = tune.tune(map_spec.parse(f"{noisy}&opt=adam:lr=0.15,beta1=0.9,beta2=0.9,eps=1e-8"), 16)
    assert found["before"]["loss"] > 0.05
    assert found["held_out"]["loss"] < found["before"]["loss"]
    assert found["held_out"]["passes"] > found["before"]["passes"]
    assert found["better"]


def test_a_search_of_hours_is_refused():
    spec = map_spec.parse("f=quadratic:d=1000&runs=256&forwards=3800&opt=mezo:n=1&x=lr=1e-3&y=mu=1e-3")
    with pytest.raises(
        SpecError,
        match="Trials must be up to 4 with 3,800 forward passes in 256 runs and",
    ):
        tune.tune(spec, 1024)


@pytest.mark.parametrize("trials", [7, 1025])
def test_a_wrong_budget_is_named(trials):
    with pytest.raises(SpecError, match=f"trials: Trials must be a whole number from 8 to 1,024, not {trials}"):
        tune.tune(map_spec.parse(TEXT), trials)
