"""The estimator lab: theory against brute force, measurements against theory, and the optimizers' own numbers."""

import json

import numpy as np
import pytest

from functions import resolve
from hizoo_core import METHODS, Cancelled, noise, optimize
from hizoo_core.estimators import ESTIMATORS
from viz_app.estimators import measure as lab
from viz_app.estimators import routes as lab_api
from viz_app.estimators import table as estimator_table
from viz_app.estimators.measure import Place, Probe, place_of
from viz_app.estimators.spec import parse
from viz_app.estimators.theory import moments
from viz_app.spec.text import SpecError

STANDARD_ERRORS = 4.5  # of some forty comparisons with fixed seeds


def never() -> bool:
    return False


def symmetric(d: int, seed: int) -> np.ndarray:
    """A positive definite matrix with much of it off the diagonal."""
    factor = np.random.default_rng(seed).normal(size=(d, d))
    return factor @ factor.T / d + 0.3 * np.eye(d)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_theory_agrees_with_brute_force(estimator, n):
    a = symmetric(3, 1)
    found = moments(estimator, a, n)
    if n < ESTIMATORS[estimator].least_n:
        assert found is None
        return
    assert found is not None
    u = np.random.default_rng(2).normal(size=(400_000, n, 3))
    c = np.einsum("sij,jk,sik->si", u, a, u)
    if estimator == "released":
        s = (np.abs(c)[..., None] * u**2).mean(axis=1) / 2
    else:
        if estimator == "multiplicative":
            c = (c - c.mean(axis=1, keepdims=True)) * n / (n - 1)
        if estimator == "reliable":
            c -= (u**2).sum(axis=-1)
        s = (c[..., None] * (u**2 - 1)).mean(axis=1) / 2 + (estimator == "reliable")
    error = s.std(axis=0) / np.sqrt(len(s))
    assert (np.abs(s.mean(axis=0) - found.mean) < STANDARD_ERRORS * error).all()
    squares = (s - found.mean) ** 2
    error = squares.std(axis=0) / np.sqrt(len(s))
    assert (np.abs(squares.mean(axis=0) - found.sd**2) < STANDARD_ERRORS * error).all()


@pytest.mark.parametrize("d", [2, 10, 100, 1000])
def test_theory_at_the_exact_diagonal_is_what_the_notes_say(d):
    paper, control = (moments(name, np.eye(d), 10_000) for name in ("paper", "multiplicative"))
    released = moments("released", np.eye(d), 1)
    assert paper is not None
    assert control is not None
    assert released is not None
    assert 100 * paper.sd[0] == pytest.approx(np.sqrt((d * d + 10 * d + 26) / 2))
    assert 100 * paper.sd[0] == pytest.approx((d + 5) / np.sqrt(2), rel=0.011)
    assert 100 * control.sd[0] == pytest.approx(np.sqrt(d + 13), rel=1e-3)
    assert released.mean[0] == 1 + d / 2


def test_there_is_no_theory_of_released_for_a_saddle():
    assert moments("released", np.diag([1.0, -1.0]), 4) is None
    signed = moments("paper", np.diag([1.0, -1.0]), 4)
    assert signed is not None
    np.testing.assert_array_equal(signed.mean, [1.0, -1.0])


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("spec", ["quadratic:d=6", "quadratic:d=6,condition=100,rotation=random", "stiff_quadratic"])
def test_single_estimates_have_the_moments_of_theory(spec, estimator):
    place = place_of(spec, None, [0, 1])
    found = lab.against_n(place, Probe(8, 0.1, 1e-3), estimator, 16_000, never)
    for n, point in zip(found["x"], found["points"], strict=True):
        if n < ESTIMATORS[estimator].least_n:
            assert point is None
            continue
        rounding = 1e-5  # of the losses: all that is left of `reliable` where nothing lies off the diagonal
        assert abs(point["mean"] - point["theory_mean"]) < STANDARD_ERRORS * point["mean_se"] + rounding
        if n >= 8:  # with fewer the fourth moment, from which the error is taken, is itself too noisy
            assert abs(point["sd"] - point["theory_sd"]) < STANDARD_ERRORS * point["sd_se"] + rounding


def test_single_estimates_are_those_that_an_optimizer_smooths_into_P():
    place = place_of("rosenbrock_nd:d=3", None, [0])
    P = np.array([400.0, 300.0, 50.0])
    runs = noise.runs_per_stream(3)
    steps = noise.steps_per_stream(3)
    for estimator in ("paper", "released"):
        s = lab.signed(place, Probe(4, 1.0, 1e-3, seed=7), estimator, 4, P, runs * steps, never)
        settings = METHODS["hizoo"].hyperparameters(n=4, alpha=1.0, mu=1e-3, estimator=estimator, warmup=1)
        trace = optimize(place.objective, "hizoo", settings, place.theta, steps=1, runs=runs, seed=7, state={"P": P})
        assert trace.h is not None
        np.testing.assert_allclose(np.abs(s[:runs]), trace.h[1], rtol=1e-12)
    assert (lab.signed(place, Probe(4, 1.0, 1e-3), "paper", 4, P, 1000, never) < 0).any()


def test_noise_that_a_step_shares_cancels_in_the_second_differences():
    place = place_of("quadratic:d=5", None, [0, 4])
    quiet, loud = (
        lab.signed(place, Probe(4, 0.1, 1e-3, noise=sigma), "paper", 4, place.size, 500, never) for sigma in (0.0, 10.0)
    )
    np.testing.assert_allclose(loud, quiet, rtol=1e-4, atol=1e-3 * np.abs(quiet).max())


def test_against_d_is_exact_where_theory_is():
    found = lab.against_d(Probe(8, 0.1, 1e-3), "released", 2_000, never)
    assert found["x"] == lab.DIMENSIONS
    for d, point in zip(found["x"], found["points"], strict=True):
        assert point["theory_mean"] == pytest.approx(1 + d / 2)
        rounding = 1e-5  # of the losses: all that is left of `reliable` where nothing lies off the diagonal
        assert abs(point["mean"] - point["theory_mean"]) < STANDARD_ERRORS * point["mean_se"] + rounding


def test_distribution_is_relative_to_the_absolute_value_of_a_negative_entry():
    place = place_of("saddle", (0.05, 1.5), [0, 1])
    assert place.diagonal[0] < 0
    (found,) = lab.distribution(place, Probe(8, 0.1, 1e-4), ["paper"], 8_000, never)
    first = found["coordinates"][0]
    assert first["mean"] == pytest.approx(-1, abs=STANDARD_ERRORS * first["mean_se"])
    assert sum(first["share"]) == pytest.approx(0.99, abs=0.005)
    assert len(first["edges"]) == len(first["share"]) + 1


def test_distributions_share_their_bins_and_estimates_of_nothing_are_one_bin():
    place = place_of("quadratic:d=4", None, [0])
    paper, released = lab.distribution(place, Probe(8, 0.1, 1e-3), ["paper", "released"], 1_000, never)
    assert paper["coordinates"][0]["edges"] == released["coordinates"][0]["edges"]
    flat = place_of("absolute", (1, 1), [0])  # a Hessian of 0, and of S only rounding is left
    (found,) = lab.distribution(flat, Probe(8, 0.1, 1e-3), ["paper"], 1_000, never)
    assert found["coordinates"][0]["edges"][-1] - found["coordinates"][0]["edges"][0] == pytest.approx(1)
    assert max(found["coordinates"][0]["share"]) > 0.98


def test_running_estimate_starts_where_it_is_told_and_multiplicative_finds_the_diagonal():
    place = place_of("quadratic:d=4", None, [0, 3])
    one, truth = (
        lab.running(place, Probe(8, 0.05, 1e-3, start=start), "multiplicative", 400, 16, never)
        for start in ("one", "truth")
    )
    assert [entry["median"][0] for entry in one["coordinates"]] == pytest.approx([1.0, 1e-4])
    assert [entry["median"][0] for entry in truth["coordinates"]] == pytest.approx([1.0, 1.0])
    for entry in one["coordinates"]:
        assert entry["low"][-1] < 1.1
        assert entry["high"][-1] > 0.9
        assert entry["median"][-1] == pytest.approx(1, abs=0.35)


def test_error_splits_into_bias_and_variance_and_the_best_alpha_lies_between():
    place = place_of("quadratic:d=4", None, [0, 3])
    found = lab.against_alpha(
        place, Probe(8, 0.1, 1e-3, start="one"), "multiplicative", (0.001, 0.03, 1.0), 300, 16, never
    )
    assert found["best"] == 1
    assert found["bias"][0] > 3 * found["spread"][0], "too slow: biased"
    assert found["spread"][2] > found["spread"][1], "too fast: noisy"
    np.testing.assert_allclose(found["error"], np.hypot(found["bias"], found["spread"]))


def test_all_alphas_side_by_side_are_those_of_single_runs():
    place, probe = place_of("quadratic:d=4", None, [0]), Probe(4, 0.1, 1e-3, start="one")
    found = lab.against_alpha(place, probe, "paper", (0.02, 0.2), 60, 8, never)
    for alpha, error in zip(found["alpha"], found["error"], strict=True):
        _, ratio = lab.held(place, probe, "paper", alpha, steps=60, runs=8, every=60)
        logarithm = np.log(ratio[-1])
        spread = logarithm.var(axis=0, ddof=1)
        square = max((logarithm.mean(axis=0) ** 2 - spread / 8).mean(), 0) + spread.mean()
        assert error == pytest.approx(np.sqrt(square))


def test_work_is_cancelled():
    place = place_of("quadratic:d=4", None, [0])
    with pytest.raises(Cancelled):
        lab.distribution(place, Probe(8, 0.1, 1e-3), ["paper"], 1000, lambda: True)
    with pytest.raises(Cancelled):
        lab.running(place, Probe(8, 0.1, 1e-3), "paper", 300, 8, lambda: True)


def row(d, n, alpha, estimator, negative=0):
    return next(
        each
        for each in estimator_table.ROWS
        if (each.d, each.n, each.alpha, each.estimator, each.negative) == (d, n, alpha, estimator, negative)
    )


@pytest.mark.parametrize(
    ("which", "low", "high"),
    [
        ((2, 32, 0.01, "paper"), 0.97, 1.05),
        ((2, 8, 0.01, "paper"), 1.08, 1.22),
        ((10, 8, 0.01, "multiplicative"), 0.93, 1.06),
        ((10, 8, 0.02, "multiplicative", 3), 0.93, 1.06),
    ],
    ids=str,
)
def test_rows_of_the_table(which, low, high):
    found = estimator_table.measure(row(*which), never)
    assert low < found["geometric"] < high


def test_three_curvatures_of_the_last_row_are_negative():
    place: Place = estimator_table.place(row(10, 8, 0.02, "multiplicative", 3))
    assert (place.diagonal < 0).sum() == 3
    np.testing.assert_array_equal(place.objective.hessian_diagonal(place.theta), place.diagonal)


def test_a_question_is_read_and_its_usual_entries_are_the_extremes():
    spec = parse("f=quadratic:d=5&x0=2&n=3&alpha=0.5&P=one&estimators=released&steps=40")
    assert spec.place.theta.tolist() == [2.0] * 5
    assert spec.place.coords == (0, 4)
    assert (spec.probe.n, spec.probe.alpha, spec.probe.start) == (3, 0.5, "one")
    assert spec.estimators == ("released",)
    assert spec.grid[0] == 0.001
    assert spec.grid[-1] == 1.0


@pytest.mark.parametrize(
    ("query", "field", "parts"),
    [
        ("n=0", "n", ["0", "1 to 64"]),
        ("alpha=2", "alpha", ["2", "0 to 1"]),
        ("mu=x", "mu", ["μ perturbation must be a number from 1e-12 to 1,000, not “x”"]),
        ("coords=0,2", "coords", ["“0,2”", "from 0 to 1, e.g. 0, 1"]),
        ("coords=0,0", "coords", ["“0,0”", "different"]),
        ("x0=1,2,3", "x0", ["Start needs two numbers, e.g. 1, 1; it has 3"]),
        ("f=nonsense", "f", ["nonsense"]),
        ("f=quadratic:d=1000", "f.d", ["1000", "300"]),
        ("P=zero", "P", ["zero", "one, truth"]),
        ("estimators=papier", "estimators", ["papier", "paper"]),
        ("steps=6000", "steps", ["6000", "5,000"]),
        ("samples=1", "samples", ["1", "64"]),
        ("step=5", "step", ["steps"]),
        (
            "f=expr:log(x)%2By&x0=-1,1",
            "x0",
            ["not defined at the start (x = -1, y = 1)", "e.g. 1.5, 1.8"],
        ),
    ],
)
def test_a_wrong_question_is_named(query, field, parts):
    with pytest.raises(SpecError) as caught:
        parse(query)
    assert [error["field"] for error in caught.value.errors] == [field]
    for part in parts:
        assert part in caught.value.errors[0]["message"]


@pytest.mark.parametrize(
    ("query", "names", "truth"),
    [
        ("f=stiff_quadratic", ["x", "y"], [20000, 2]),
        ("f=expr:x^2%2B3y^2&coords=1", ["y"], [6]),
        ("f=quadratic:d=30,condition=100&coords=29,0", ["θ_29", "θ_0"], [100, 1]),
    ],
)
def test_the_shown_coordinates_have_the_names_of_the_function(query, names, truth):
    about = lab_api.about(parse(query), never)
    assert about["names"] == names
    np.testing.assert_allclose(about["truth"], truth)


def test_curves_that_would_take_longer_than_a_minute_are_refused():
    spec = parse("f=quadratic:d=300&n=64&steps=5000&alphas=13")
    with pytest.raises(SpecError, match="T, steps must be 1 to 500 with n = 64 in 300 dimensions, not 5000"):
        lab_api.against_alpha(spec, never)


@pytest.mark.parametrize("name", lab_api.ANSWERS)
def test_every_route_answers_json_without_nan(name):
    # An entry of 0, and an n that is too small for one of the estimators.
    spec = parse("f=absolute&x0=1,1&samples=64&runs=4&alphas=2&steps=10&row=4&n=1")
    answer = json.loads(lab_api.dumps(lab_api.ANSWERS[name](spec, never)))
    assert answer
    if isinstance(answer, list):
        assert [each["estimator"] for each in answer] == list(ESTIMATORS)


def test_the_place_is_the_functions_start_unless_said():
    assert place_of("booth", None, [0]).theta.tolist() == list(resolve("booth").start)
