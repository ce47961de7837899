"""The text of a map: what it means, what is wrong with it, and that it says the same when read again."""

import pytest

from hizoo_core import POINT_METHODS
from viz_app import cli
from viz_app.spec.text import SpecError
from viz_app.tuning import spec as map_spec
from viz_app.tuning.spec import parse, without_effect

OPT = "opt=hizoo:alpha=0.1,n=4,lr=0.1,mu=1e-3,warmup=10,estimator=paper"
FULL = f"f=stiff_quadratic&x0=1,1&runs=4&seed=3&forwards=900&target=0.01&{OPT}&x=alpha=1e-3:1:4&y=n=1,2,8"


def test_a_map_has_a_cell_for_every_pair_of_values():
    spec = parse(FULL)
    assert spec.x.values == (0.001, 0.01, 0.1, 1.0)
    assert spec.y.values == (1, 2, 8)
    assert [(each.alpha, each.n) for each in spec.settings[:5]] == [
        (0.001, 1),
        (0.01, 1),
        (0.1, 1),
        (1.0, 1),
        (0.001, 2),
    ]
    assert {(each.lr, each.warmup) for each in spec.settings} == {(0.1, 10)}
    assert (spec.forwards, spec.target, spec.base.runs, spec.base.seed) == (900, 0.01, 4, 3)


def test_every_cell_spends_the_same_passes():
    spec = parse(FULL)
    for index, hyperparameters in enumerate(spec.settings):
        cell = spec.cell(index)
        passes = 2 * hyperparameters.n + 1
        assert cell.steps == 900 // passes
        assert cell.opts[0].hyperparameters == hyperparameters


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        f"{FULL}&noise=0.5",
        "",
        "f=absolute&opt=mezo",
        "opt=adam&x=lr=0.1:1:3&y=beta1=0:0.9:4",
        "opt=hizoo:estimator=multiplicative",
        "f=quadratic:d=30&opt=newton_diag",
        "f=expr:x^2%2By^2&forwards=200&opt=mezo",  # no preset: its learning rate is automatic, and costs a pass
    ],
)
def test_the_canonical_text_means_the_same(text):
    spec = parse(text)
    again = parse(spec.query())
    assert again == spec
    assert again.query() == spec.query()
    assert again.settings == spec.settings


def test_every_method_has_its_usual_axes_and_its_search():
    for method in POINT_METHODS:
        spec = parse(f"f=booth&opt={method}")
        assert len(spec.settings) == 72, "the same number of settings for all"


def test_usual_axes_leave_out_what_an_estimator_does_not_allow():
    assert parse("opt=hizoo:estimator=multiplicative,n=4").y.values == (2, 4, 8, 16, 32)
    assert parse("opt=hizoo:estimator=paper,n=4").y.values == (1, 2, 4, 8, 16, 32)


def test_whole_numbers_are_rounded_and_doubles_dropped():
    assert parse(f"{OPT}&y=n=1:4:9").y.values == (1, 2, 3, 4)
    assert parse(f"{OPT}&x=warmup=0:20:3").x.values == (0, 10, 20)


def test_a_ranges_ends_are_exact_and_its_values_stay_apart():
    assert parse("opt=adam&y=beta2=0.99:0.99999:4").y.values == (0.99, 0.9933, 0.9967, 0.99999)
    assert parse(f"{OPT}&x=alpha=0.99996:1:3").x.values == (0.99996, 0.99998, 1.0)
    assert parse(f"{OPT}&x=alpha=1e-4:1:3").x.values == (1e-4, 0.01, 1.0)
    assert len(parse(f"{OPT}&x=alpha=0.1:0.11:900&y=n=2,4").x.values) == 900


def test_every_cell_is_a_run_that_is_allowed():
    spec = parse("opt=mezo:n=1&forwards=40001")
    assert {spec.cell(i).steps for i in range(len(spec.settings))} == {20_000}


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("x=alpha=0:1:12", "x", "The low end of α smoothing must be above 0, not 0: this axis is logarithmic"),
        ("x=warmup=-1e308:1e308:3", "x", "LOW:HIGH:COUNT"),
        ("y=n=1:128:8", "y", "n directions must be a whole number from 1 to 64, not 128"),
        ("y=n=1.5:8:3", "y", "LOW:HIGH:COUNT"),
        ("opt=mezo:n=0", "opt.mezo.n", "n directions must be a whole number from 1 to 64, not 0"),
        ("opt=mezo:n=1&forwards=40002", "forwards", "up to 40,001, since a run has up to 20,000 steps"),
        (
            "opt=hizoo:warmup=60",
            "opt.hizoo.warmup",
            "steps that 3,000 passes pay for in every cell, 46, not 60",
        ),
        ("x=alpha=1:0.1:12", "x", "low end of α smoothing, 1, must be below the high end, 0.1"),
        ("x=alpha=0.1:0.1:3", "x", "low end of α smoothing, 0.1, must be below the high end, 0.1"),
        ("x=alpha=1e-4:1", "x", "LOW:HIGH:COUNT"),
        ("x=alpha=a,b", "x", "α smoothing must be a number from 0 to 1, not “a”"),
        ("x=alpha=", "x", "α smoothing must be a number from 0 to 1, not “”"),
        ("x=alpha=0.1,2", "x", "α smoothing must be a number from 0 to 1, not 2"),
        ("x=alpha=1e-3:1:1", "x", "The number of values of α smoothing must be 2 to 2,000, not 1"),
        ("x=alpha=1e-3:1:50&y=lr=1e-3:1:50", "x", "A map has up to 2,000 cells, not 50 × 50 = 2,500"),
        ("x=alfa=0.1:1:3", "x", "Did you mean alpha"),
        ("x=estimator=paper", "x", "no hyperparameter"),
        ("x=n=1,2&y=n=1,2", "y", "another hyperparameter"),
        ("opt=hizoo:estimator=multiplicative,n=4&y=n=1,2", "y", "from 2 to 64"),
        ("y=n=0,4", "y", "n directions must be a whole number from 1 to 64, not 0"),
        ("opt=hizoo&opt=mezo", "opt", "one optimizer"),
        ("opt=sgd", "opt.sgd", "sgd"),
        ("opt=hizoo:n=4@20:lr=0.1", "opt", "one setting"),
        ("steps=100", "steps", "forwards=3000"),
        ("forwards=5", "forwards", "Budget must be a whole number from 10 to 200,000, not 5"),
        ("forwards=100&y=n=1,64", "forwards", "at least 129, the passes of one step at n = 64"),
        ("forwards=many", "forwards", "10 to 200,000"),
        ("target=0", "target", "Target must be a number above 0, not “0”"),
        ("forwards=100&x=warmup=0,50&y=n=1,8", "x", "the steps that 100 passes pay"),
        ("seed=-1", "seed", "0 to"),
        ("x=n=1,2&x=n=1,3", "x", "given twice"),
        ("f=quadratic:d=1000&forwards=200000&runs=256", "forwards", "Budget must be lower than 200,000, or the runs"),
        ("f=quadratic:d=1000&forwards=9000&runs=256&y=n=64,4", "forwards", "dimensions up to 500,000,000"),
        (f"forwards=150000&runs=16&x=alpha=1e-3:1:50&y=lr=1e-3:1:40&{OPT}", "forwards", "lower Budget to 70,315"),
    ],
)
def test_what_is_wrong_is_named(text, field, words):
    with pytest.raises(SpecError) as error:
        parse(text)
    found = [each["message"] for each in error.value.errors if each["field"] == field]
    assert found, error.value.errors
    assert any(words in message for message in found), found


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["map", "f=stiff_quadratic&opt=hizoo:estimator=paper", "--x", "beta=0.1,0.2", "--y", "n=1,2"],
         "x: β smoothing of s changes nothing here: it is used by estimator=multiplicative alone"),
        (["tune", "steps=100"],
         "steps: A search has no steps of its own, they differ from trial to trial: give the budget, as forwards=3000"),
        (["tune", "opt=hizoo&opt=mezo"], "opt: A search is of one optimizer, not of 2 optimizers"),
        (["tune", "opt=hizoo:n=4@1:lr=1"], "opt: A search starts from one setting: the optimizer must not fork (@)"),
    ],
)  # fmt: skip
def test_the_shell_says_what_is_wrong_in_the_words_of_the_command(command, said, capsys):
    assert cli.main(command) == 2
    assert capsys.readouterr().err == f"app.py: {said}\n"


def test_what_an_estimator_uses_may_be_an_axis():
    text = "opt=hizoo:estimator=multiplicative,n=4&x=beta=0.1,0.2&y=n=2,4"
    assert without_effect(parse(text)) == []


def test_the_target_is_a_power_of_ten_six_decades_down():
    assert map_spec.default_target(parse("f=stiff_quadratic&x0=1,1")) == 0.01
    assert map_spec.default_target(parse("f=stiff_quadratic&x0=1,1&target=0.5")) == 0.5
    assert map_spec.default_target(parse("f=monkey_saddle")) is None
