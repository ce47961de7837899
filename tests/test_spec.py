import json
import math
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

import numpy as np
import pytest

from functions import FUNCTIONS, resolve
from hizoo_core import METHODS, describe
from viz_app.spec import presets
from viz_app.spec.runs import OptSpec, RunSpec, SpecError, catalogue, labels, parse


def errors(text: str) -> dict[str, str]:
    """Field → message of all that is wrong with a spec that must be wrong."""
    with pytest.raises(SpecError) as raised:
        parse(text)
    found = {error["field"]: error["message"] for error in raised.value.errors}
    assert len(found) == len(raised.value.errors), "one error a field"
    assert "\n" not in str(raised.value)
    assert all(field in str(raised.value) and message in str(raised.value) for field, message in found.items())
    return found


def test_reads_every_key_of_the_design():
    spec = parse(
        "f=stiff_quadratic&x0=1,-2.5&steps=40&runs=3&seed=7"
        "&opt=hizoo:lr=0.1,mu=1e-3,alpha=0.1,n=4,estimator=paper,warmup=20&opt=mezo:lr=3e-5,mu=1e-3,n=1&opt=adam:lr=0.05"
    )
    assert (spec.f, spec.x0, spec.steps, spec.runs, spec.seed) == ("stiff_quadratic", (1.0, -2.5), 40, 3, 7)
    assert [opt.method for opt in spec.opts] == ["hizoo", "mezo", "adam"]
    hizoo = spec.opts[0].hyperparameters
    assert (hizoo.lr, hizoo.mu, hizoo.alpha, hizoo.n, hizoo.estimator, hizoo.warmup) == (0.1, 1e-3, 0.1, 4, "paper", 20)
    assert spec.opts[2].hyperparameters.lr == 0.05


@pytest.mark.parametrize("key", FUNCTIONS)
def test_keys_left_out_take_the_preset(key: str):
    spec, preset, function = parse(f"f={key}"), presets.for_function(key), resolve(key)
    assert (spec.steps, spec.runs, spec.seed, spec.x0) == (preset.steps, preset.runs, 0, function.start)
    assert [opt.method for opt in spec.opts] == ["hizoo", "mezo", "adam"]
    for opt in spec.opts:
        assert opt.hyperparameters == METHODS[opt.method].hyperparameters(**preset.optimizers.get(opt.method, {}))
    assert parse(f"f={key}&opt=newton_diag").opts[0].method == "newton_diag"


def test_presets_are_per_method_and_given_values_win(monkeypatch: pytest.MonkeyPatch):
    preset = presets.Preset(70, 5, {"hizoo": {"lr": 0.25, "warmup": 60}, "mezo": {"mu": 0.5}})
    monkeypatch.setattr(presets, "_presets", lambda: {"booth": preset})
    spec = parse("f=booth&opt=hizoo:lr=0.75&opt=mezo&opt=hizoo")
    assert (spec.steps, spec.runs) == (70, 5)
    assert [opt.hyperparameters.lr for opt in spec.opts[::2]] == [0.75, 0.25]
    assert spec.opts[1].hyperparameters.mu == 0.5
    assert spec.opts[0].hyperparameters.warmup == 60
    assert parse("f=booth&steps=20&opt=hizoo").opts[0].hyperparameters.warmup == 20, "a preset gives way"
    assert list(errors("f=booth&steps=20&opt=hizoo:warmup=21")) == ["opt.hizoo.warmup"]
    assert parse("f=himmelblau").steps == presets.Preset().steps


def test_presets_file_is_read(tmp_path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "presets.json"
    entry = {"steps": 9, "runs": 2, "optimizers": {"adam": {"lr": 0.125}}}
    path.write_text(json.dumps({"tuned_by": "a test", "functions": {"booth": entry}}))
    monkeypatch.setattr(presets, "PRESETS", path)
    presets._presets.cache_clear()
    try:
        assert parse("f=booth&opt=adam").query().startswith("f=booth&x0=")
        assert parse("f=booth&opt=adam").opts[0].hyperparameters.lr == 0.125
        assert parse("f=booth").steps == 9
    finally:
        presets._presets.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        *(f"f={key}" for key in FUNCTIONS),
        "f=rotated_ellipse:angle=30,condition=100&x0=0.1,1e-300",
        "f=quadratic:d=100&x0=0.5&opt=adam",
        "f=expr:100*(y-x^2)^2+(1-x)^2&opt=hizoo:estimator=multiplicative,n=4&opt=hizoo:estimator=released&opt=mezo",
        f"x0={math.pi!r},-1e-22&seed={2**32 - 1}",
        "f=booth&steps=300&noise=0.25&opt=hizoo:n=2@120:lr=0.05@200:alpha=0.5,n=8&opt=mezo@7&opt=adam@1:beta1=0",
    ],
)
def test_canonical_text_round_trips_and_is_explicit(text: str, monkeypatch: pytest.MonkeyPatch):
    spec = parse(text)
    canonical = spec.query()
    assert str(spec) == canonical
    changed = presets.Preset(3, 2, {"hizoo": {"lr": 0.123}, "mezo": {"lr": 0.123}, "adam": {"lr": 0.123}})
    monkeypatch.setattr(presets, "for_function", lambda key: changed)
    assert parse(canonical) == spec
    assert parse(canonical).query() == canonical
    assert set(canonical) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&=:,.-_%~@")
    assert [key for key, _ in parse_qsl(canonical)][:5] == ["f", "x0", "steps", "runs", "seed"]


def test_floats_are_written_in_the_fewest_digits():
    spec = parse("f=stiff_quadratic&x0=1.0,0.30000000000000004&opt=adam:lr=0.00001")
    assert "x0=1,0.30000000000000004&" in spec.query()
    assert ":lr=1e-5," in spec.query()
    assert "&x0=0.5&" in parse("f=quadratic:d=50&x0=0.5").query(), "one number for all coordinates stays one"


def test_plus_is_a_plus_raw_and_escaped():
    raw = parse("f=expr:(x+1)^2+y^2&opt=adam")
    escaped = parse("f=expr%3A%28x%2B1%29%5E2%2By%5E2&opt=adam")
    assert raw == escaped
    assert resolve(raw.f).value(np.array([0.0, 0.0])) == 1.0
    assert "+" not in raw.query()
    assert "+" in unquote(raw.query())


def test_minus_zero_is_zero_so_that_equal_specs_have_the_same_text():
    assert parse("x0=-0,1").query() == parse("x0=0,1").query()
    assert replace(parse("x0=0,1"), x0=(-0.0, 1)).query() == parse("x0=0,1").query()


def test_x0_broadcasts_and_a_question_mark_is_allowed():
    assert parse("?f=stiff_quadratic&x0=2").x0 == (2.0, 2.0)
    assert parse("f=quadratic:d=7&x0=-1").x0 == (-1.0,) * 7
    assert "x0 = 3 numbers: must be 2" in errors("f=stiff_quadratic&x0=1,2,3")["x0"]


def test_labels_tell_repeated_methods_apart():
    assert labels(["hizoo", "mezo", "hizoo", "hizoo"]) == ("hizoo", "mezo", "hizoo#2", "hizoo#3")
    assert parse("opt=hizoo&opt=hizoo:lr=0.5").labels == ("hizoo", "hizoo#2")
    with pytest.raises(SpecError, match=r"^opt.hizoo#2.lr = -1.0: must be a number from 0"):
        parse("opt=hizoo&opt=hizoo:lr=-1")


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("steps=0", "steps", "steps = 0: must be 1 to 20,000"),
        ("steps=20001", "steps", "steps = 20001: must be 1 to 20,000"),
        ("steps=5.5", "steps", "steps = '5.5': must be 1 to 20,000"),
        ("steps=", "steps", "steps = '': must be 1 to 20,000"),
        ("steps=" + "9" * 5000, "steps", "999…': must be 1 to 20,000"),
        ("runs=257", "runs", "runs = 257: must be 1 to 256"),
        ("runs=0", "runs", "runs = 0: must be 1 to 256"),
        ("seed=-1", "seed", "seed = -1: must be 0 to 4,294,967,295"),
        ("seed=4294967296", "seed", "seed = 4294967296: must be 0 to 4,294,967,295"),
        ("x0=nan,1", "x0", "x0 = 'nan': must be 2 finite decimal numbers, or one for all coordinates"),
        ("x0=1,inf", "x0", "x0 = 'inf': must be 2 finite"),
        ("x0=1,1e999", "x0", "x0 = '1e999': must be 2 finite"),
        ("x0=0x10", "x0", "x0 = '0x10': must be 2 finite"),
        ("x0=1_0", "x0", "x0 = '1_0': must be 2 finite"),
        ("x0=1,", "x0", "x0 = '': must be 2 finite"),
        ("f=quadratic:d=30&x0=1,2", "x0", "x0 = 2 numbers: must be 30 finite decimal numbers, or one"),
        ("f=stiff_quadratic&x0=1e300,0", "x0", "x0 = 1e300 in coordinate 0: must be within ±"),
        ("steps=5&steps=6", "steps", "steps is given twice"),
        (f"steps=50&opt=mezo:{''.join(f'@{k}' for k in range(1, 34))}", "opt.mezo", "33 changes (@): must be up to 32"),
        ("stepz=5", "stepz", "'stepz' is no key, did you mean steps? allowed: f, x0, steps"),
        ("qqq=5", "qqq", "'qqq' is no key; allowed: f, x0, steps"),
        ("opt=hizo", "opt.hizo", "'hizo' is no optimizer, did you mean hizoo? allowed: hizoo, mezo"),
        ("opt=", "opt", "'' is no optimizer; allowed: hizoo, mezo"),
        ("opt=hizoo:alfa=1", "opt.hizoo.alfa", "'alfa' is no hyperparameter, did you mean alpha? allowed: "),
        ("opt=hizoo:lr=fast", "opt.hizoo.lr", "lr = 'fast': must be a number from 0"),
        ("opt=hizoo:lr=inf", "opt.hizoo.lr", "lr = 'inf': must be a number from 0"),
        ("opt=hizoo:lr=0.1,lr=0.2", "opt.hizoo.lr", "lr is given twice"),
        ("opt=hizoo:n=65", "opt.hizoo.n", "n = 65: must be a whole number from 1 to 64"),
        ("opt=hizoo:n=1.5", "opt.hizoo.n", "n = '1.5': must be a whole number from 1 to 64"),
        ("opt=hizoo:alpha=1.5", "opt.hizoo.alpha", "alpha = 1.5: must be a number from 0 to 1"),
        ("opt=mezo:mu=0", "opt.mezo.mu", "mu = 0.0: must be a number "),
        ("opt=hizoo:estimator=guess", "opt.hizoo.estimator", "'guess': must be one of paper, released, multiplicative"),
        ("opt=hizoo:estimator=multiplicative,n=1", "opt.hizoo.n", "n = 1: must be a whole number from 2 to 64"),
        ("steps=10&opt=hizoo:warmup=11", "opt.hizoo.warmup", "warmup = 11: must be 0 to the number of steps, 10"),
        ("noise=-1", "noise", "noise = -1: must be 0 to 1,000,000"),
        ("noise=1e7", "noise", "noise = 10000000: must be 0 to 1,000,000"),
        ("noise=loud", "noise", "noise = 'loud': must be 0 to 1,000,000"),
        ("opt=hizoo@0:lr=1", "opt.hizoo.@0", "from step 0: must be 1 to steps − 1"),
        ("opt=hizoo@9:lr=1@9:lr=2", "opt.hizoo.@9", "from step 9: must be above 9, the change before it"),
        ("opt=hizoo@soon", "opt.hizoo.@soon", "from step soon: must be a whole number"),
        ("steps=50&opt=mezo&opt=mezo@50:lr=1", "opt.mezo#2.@50", "from step 50: must be 1 to steps − 1 = 49"),
        ("opt=hizoo@120:lr=-1", "opt.hizoo.@120.lr", "lr = -1.0: must be a number from 0"),
        ("opt=adam@120:n=2", "opt.adam.@120.n", "'n' is no hyperparameter; allowed: lr"),
        (
            "opt=hizoo:estimator=multiplicative,n=2@5:n=1",
            "opt.hizoo.@5.n",
            "n = 1: must be a whole number from 2 to 64",
        ),
        ("steps=10&opt=hizoo:warmup=2@5:warmup=11", "opt.hizoo.@5.warmup", "warmup = 11: must be 0 to the number of"),
        ("&".join(["opt=adam"] * 9), "opt", "opt = 9 optimizers: must be 1 to 8"),
        ("f=no_such_function", "f", "no_such_function"),
        ("f=quadratic:d=1001", "f.d", "1001"),
        ("f=rotated_ellipse:angel=3", "f.angel", "angel"),
        ("x" * 70_000, "spec", "70,000"),
    ],
)
def test_an_error_names_field_value_and_range(text: str, field: str, message: str):
    found = errors(text)
    assert list(found) == [field]
    assert message in found[field]


def test_all_errors_are_listed_at_once():
    found = errors(
        "f=stiff_quadratic&x0=1,2,3&steps=0&runs=999&seed=-1&colour=red"
        "&opt=hizoo:lr=-1,alpha=7,n=0,mu=x&opt=mezo:lr=-1,nn=2&opt=sgd"
    )
    assert set(found) == {
        *("x0", "steps", "runs", "seed", "colour", "opt.hizoo.lr", "opt.hizoo.alpha", "opt.hizoo.n", "opt.hizoo.mu"),
        *("opt.mezo.lr", "opt.mezo.nn", "opt.sgd"),
    }
    assert set(errors("f=nonsense&steps=0&opt=hizoo:lr=-1")) == {"f", "steps", "opt.hizoo.lr"}


def test_an_expression_error_says_where():
    with pytest.raises(SpecError) as raised:
        parse("f=expr:x^2+sin(z)&steps=0")
    by_field = {error["field"]: error for error in raised.value.errors}
    assert by_field["f"]["position"] == "x^2+sin(z)".index("z")
    assert "position" not in by_field["steps"]


def test_the_cap_on_work_says_what_to_lower_and_to_what():
    text = "f=quadratic:d=1000&x0=1&runs={runs}&steps={steps}&opt=adam&opt=mezo:n=4"
    message = errors(text.format(runs=50, steps=20000))["steps"]
    assert "4,000,000,000 for mezo" in message
    assert "lower steps to 2500 or runs to 6" in message
    assert parse(text.format(runs=50, steps=2500)).steps == 2500
    assert parse(text.format(runs=6, steps=20000)).runs == 6
    assert "steps" in errors(text.format(runs=50, steps=2501))
    assert "steps" in errors(text.format(runs=7, steps=20000))
    assert parse("steps=20000&runs=256&f=stiff_quadratic&opt=adam").steps == 20000


def test_a_runspec_made_by_hand_is_checked_too():
    spec = parse("f=booth")
    assert replace(spec, steps=3, opts=spec.opts[1:]).opts[0].method == "mezo"
    with pytest.raises(SpecError, match=r"^steps = -1: .*; runs = 0: "):
        replace(spec, steps=-1, runs=0)
    with pytest.raises(SpecError, match="opt = 0 optimizers"):
        replace(spec, opts=())
    with pytest.raises(SpecError, match=r"^f is 'nonsense'"):
        RunSpec("nonsense", (0.0,), 1, 1, 0, (OptSpec("adam", METHODS["adam"].hyperparameters()),))


def test_catalogue_is_plain_and_complete():
    plain = json.loads(json.dumps(catalogue(), allow_nan=False))
    assert [function["key"] for function in plain["functions"]] == list(FUNCTIONS)
    for optimizer in plain["optimizers"]:
        described = describe(METHODS[optimizer["key"]].hyperparameters)
        assert [h["name"] for h in optimizer["hyperparameters"]] == [h.name for h in described]
        assert all(h["choices"] or h["low"] <= h["high"] for h in optimizer["hyperparameters"])


def test_a_fork_is_its_changes_and_says_only_them():
    text = "steps=300&opt=hizoo:lr=0.1,n=4,alpha=0.2,estimator=paper"
    plain = parse(text).opts[0]
    fork = parse(text + "@120:lr=0.05@200:n=8,lr=0.1").opts[0]
    first, second = (values for _, values in fork.changes)
    assert fork.hyperparameters == plain.hyperparameters
    assert [step for step, _ in fork.changes] == [120, 200]
    assert first == replace(plain.hyperparameters, lr=0.05)
    assert second == replace(plain.hyperparameters, n=8), "a change goes on from the one before it"
    assert str(fork) == f"{plain}@120:lr=0.05@200:n=8,lr=0.1"
    assert (plain.directions, fork.directions) == (4, 8)
    assert fork != plain


def test_the_limit_of_work_counts_the_most_directions_of_a_fork():
    few = "f=quadratic:d=1000&x0=1&steps=500&runs=250&opt=mezo:n=1"
    assert parse(few).opts[0].directions == 1
    assert "500 × 250 × 8 × 1,000" in errors(few + "@400:n=8")["steps"]


def test_noise_is_written_only_where_there_is_some():
    assert "noise" not in parse("f=booth").query()
    assert parse("f=booth&noise=0") == parse("f=booth")
    assert "&noise=0.001&" in parse("f=booth&noise=0.001").query()
    assert parse("f=booth&noise=0.001").noise == 0.001
