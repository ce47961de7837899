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
    assert errors("f=stiff_quadratic&x0=1,2,3")["x0"] == "Start needs two numbers, e.g. 1, 1; it has 3"


def test_labels_tell_repeated_methods_apart():
    assert labels(["hizoo", "mezo", "hizoo", "hizoo"]) == ("hizoo", "mezo", "hizoo#2", "hizoo#3")
    assert parse("opt=hizoo&opt=hizoo:lr=0.5").labels == ("hizoo", "hizoo#2")
    with pytest.raises(SpecError, match=r"^opt.hizoo#2.lr: η learning rate must be .* 1,000,000, or auto, not -1$"):
        parse("opt=hizoo&opt=hizoo:lr=-1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f=expr:log(x)&x0=-1,1", "is not defined at the start (x = -1, y = 1): choose another, e.g. 1.5, 1.8"),
        ("f=expr:1/x%2By&x0=0,1", "is infinite at the start (x = 0, y = 1): choose another, e.g. -1.5, 1.8"),
    ],
)
def test_a_start_where_the_function_is_not_finite_is_an_error_of_the_start(text: str, message: str):
    assert errors(text) == {"x0": f"The function {message}"}
    assert parse(text.partition("&")[0]).x0, "its own start is finite"


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("steps=0", "steps", "Steps must be a whole number from 1 to 20,000, not 0"),
        ("steps=20001", "steps", "Steps must be a whole number from 1 to 20,000, not 20001"),
        ("steps=5.5", "steps", "Steps must be a whole number from 1 to 20,000, not “5.5”"),
        ("steps=", "steps", "Steps must be a whole number from 1 to 20,000, not “”"),
        ("steps=" + "9" * 5000, "steps", "not “999999999999999999999999999999999999999…”"),
        ("runs=257", "runs", "Runs must be a whole number from 1 to 256, not 257"),
        ("runs=0", "runs", "Runs must be a whole number from 1 to 256, not 0"),
        ("seed=-1", "seed", "Seed must be a whole number from 0 to 4,294,967,295, not -1"),
        ("seed=4294967296", "seed", "Seed must be a whole number from 0 to 4,294,967,295, not 4294967296"),
        ("x0=nan,1", "x0", "Start needs two numbers, e.g. 1, 1, not “nan”"),
        ("x0=1,inf", "x0", "Start needs two numbers, e.g. 1, 1, not “inf”"),
        ("x0=1,1e999", "x0", "Start needs two numbers, e.g. 1, 1, not “1e999”"),
        ("x0=0x10", "x0", "Start needs two numbers, e.g. 1, 1, not “0x10”"),
        ("x0=1_0", "x0", "Start needs two numbers, e.g. 1, 1, not “1_0”"),
        ("x0=1,", "x0", "Start needs two numbers, e.g. 1, 1, not “”"),
        (
            "f=quadratic:d=30&x0=1,2",
            "x0",
            "30 numbers with commas between them, or one for all coordinates; it has 2",
        ),
        ("f=stiff_quadratic&x0=1e300,0", "x0", "Start must be within ±3,000,000, not 1e300 for x"),
        ("steps=5&steps=6", "steps", "steps is given twice"),
        (
            f"steps=50&opt=mezo:{''.join(f'@{k}' for k in range(1, 34))}",
            "opt.mezo",
            "forks (@) must be up to 32, not 33",
        ),
        ("stepz=5", "stepz", "There is no key “stepz”. Did you mean steps? Allowed: f, x0, steps"),
        ("qqq=5", "qqq", "There is no key “qqq”. Allowed: f, x0, steps"),
        ("opt=hizo", "opt.hizo", "There is no optimizer “hizo”. Did you mean hizoo? Allowed: hizoo, mezo"),
        ("opt=", "opt", "There is no optimizer “”. Allowed: hizoo, mezo"),
        ("opt=hizoo:alfa=1", "opt.hizoo.alfa", "There is no hyperparameter “alfa”. Did you mean alpha? Allowed: "),
        (
            "opt=hizoo:lr=fast",
            "opt.hizoo.lr",
            "η learning rate must be a number from 0 to 1,000,000, or auto, not “fast”",
        ),
        (
            "opt=hizoo:lr=inf",
            "opt.hizoo.lr",
            "η learning rate must be a number from 0 to 1,000,000, or auto, not “inf”",
        ),
        ("opt=hizoo:lr=0.1,lr=0.2", "opt.hizoo.lr", "lr is given twice"),
        ("opt=hizoo:n=65", "opt.hizoo.n", "n directions must be a whole number from 1 to 64, not 65"),
        ("opt=hizoo:n=1.5", "opt.hizoo.n", "n directions must be a whole number from 1 to 64, not “1.5”"),
        ("opt=hizoo:alpha=1.5", "opt.hizoo.alpha", "α smoothing must be a number from 0 to 1, not 1.5"),
        ("opt=mezo:mu=0", "opt.mezo.mu", "μ perturbation must be a number from 1e-12 to 1,000, not 0"),
        (
            "opt=hizoo:estimator=guess",
            "opt.hizoo.estimator",
            "must be one of paper, released, multiplicative, reliable, not “guess”",
        ),
        (
            "opt=hizoo:estimator=multiplicative,n=1",
            "opt.hizoo.n",
            "from 2 to 64 with estimator=multiplicative, not 1",
        ),
        ("steps=10&opt=hizoo:warmup=11", "opt.hizoo.warmup", "must be 0 to the number of steps, 10, not 11"),
        ("noise=-1", "noise", "Gradient noise σ must be a number from 0 to 1,000,000, not -1"),
        ("noise=1e7", "noise", "Gradient noise σ must be a number from 0 to 1,000,000, not 10000000"),
        ("noise=loud", "noise", "Gradient noise σ must be a number from 0 to 1,000,000, not “loud”"),
        ("opt=hizoo@0:lr=1", "opt.hizoo.@0", "A fork's first step must be 1 to steps − 1, not 0"),
        (
            "opt=hizoo@9:lr=1@9:lr=2",
            "opt.hizoo.@9",
            "first step must be above 9, that of the fork before it, not 9",
        ),
        ("opt=hizoo@soon", "opt.hizoo.@soon", "A fork's first step must be a whole number, not “soon”"),
        (
            "steps=50&opt=mezo&opt=mezo@50:lr=1",
            "opt.mezo#2.@50",
            "first step must be 1 to steps − 1 = 49, not 50",
        ),
        (
            "opt=hizoo@120:lr=-1",
            "opt.hizoo.@120.lr",
            "η learning rate must be a number from 0 to 1,000,000, or auto, not -1",
        ),
        ("opt=adam@120:n=2", "opt.adam.@120.n", "There is no hyperparameter “n”. Allowed: lr"),
        (
            "opt=hizoo:estimator=multiplicative,n=2@5:n=1",
            "opt.hizoo.@5.n",
            "from 2 to 64 with estimator=multiplicative, not 1",
        ),
        (
            "steps=10&opt=hizoo:warmup=2@5:warmup=11",
            "opt.hizoo.@5.warmup",
            "must be 0 to the number of steps, 10, not 11",
        ),
        ("&".join(["opt=adam"] * 9), "opt", "The number of optimizers must be 1 to 8, not 9"),
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
    with pytest.raises(SpecError, match=r"^steps: Steps must be .*, not -1; runs: Runs must be .*, not 0$"):
        replace(spec, steps=-1, runs=0)
    with pytest.raises(SpecError, match="opt: The number of optimizers must be 1 to 8, not 0"):
        replace(spec, opts=())
    with pytest.raises(SpecError, match=r"^f: There is no function “nonsense”"):
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
