"""A step taken apart is the step that was made: against the trace, exactly, and against the formulas."""

import numpy as np
import pytest
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, POINT_METHODS, optimize
from hizoo_core.anatomy import dissect

START = (0.7, -0.4)
SETTINGS = {
    "paper, n = 1": ("hizoo", dict(estimator="paper", n=1, lr=0.05, alpha=0.1)),
    "paper, n = 4": ("hizoo", dict(estimator="paper", n=4, lr=0.05, alpha=0.1, warmup=3)),
    "released, n = 1": ("hizoo", dict(estimator="released", n=1, lr=0.05, alpha=0.1)),
    "released, n = 4": ("hizoo", dict(estimator="released", n=4, lr=0.05, alpha=0.1)),
    "multiplicative, n = 2": ("hizoo", dict(estimator="multiplicative", n=2, lr=0.05, alpha=0.1)),
    "multiplicative, n = 4": ("hizoo", dict(estimator="multiplicative", n=4, lr=0.05, alpha=0.1, beta=0.3)),
    "reliable, n = 1": ("hizoo", dict(estimator="reliable", n=1, lr=0.05, alpha=0.1)),
    "reliable, n = 4": ("hizoo", dict(estimator="reliable", n=4, lr=0.05, alpha=0.2)),
    "mezo, n = 1": ("mezo", dict(n=1, lr=0.01)),
    "mezo, n = 4": ("mezo", dict(n=4, lr=0.01)),
    "adam": ("adam", dict(lr=0.05)),
    "newton_diag": ("newton_diag", dict(lr=0.5)),
}
RUNS, STEPS = 35, 12  # more runs than one stream of two dimensions serves


def settings(name: str):
    method, values = SETTINGS[name]
    return method, METHODS[method].hyperparameters(**values)


def test_every_method_can_be_dissected():
    assert POINT_METHODS.keys() == {method for method, _ in SETTINGS.values()}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("run", "step"), [(0, 0), (0, 11), (2, 2), (2, 7), (33, 5)])
def test_it_is_the_step_of_the_trace_to_the_bit(name, run, step):
    method, hp = settings(name)
    trace = optimize(Ripples(), method, hp, START, steps=STEPS, runs=RUNS, seed=7)
    anatomy = dissect(Ripples(), method, hp, START, step=step, run=run, seed=7)
    np.testing.assert_array_equal(anatomy.theta, trace.theta[step, run])
    np.testing.assert_array_equal(anatomy.theta_next, trace.theta[step + 1, run])
    if trace.h is not None:
        np.testing.assert_array_equal(anatomy.state["P"], trace.h[step, run])
        np.testing.assert_array_equal(anatomy.state_next["P"], trace.h[step + 1, run])
        assert anatomy.warming == (step < getattr(hp, "warmup", 0))
        assert anatomy.warming == bool((anatomy.theta_next == anatomy.theta).all())


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("step", [3, 6, 7, 11])
def test_changed_settings_and_noise_are_the_traces_too(name, step):
    method, hp = settings(name)
    later = [(6, METHODS[method].hyperparameters(**{**SETTINGS[name][1], "lr": 0.02})), (7, hp)]
    if hasattr(hp, "n"):
        later[0] = (6, METHODS[method].hyperparameters(**{**SETTINGS[name][1], "lr": 0.02, "n": 5}))
    extras = dict(seed=3, changes=later, gradient_noise=0.5)
    trace = optimize(Ripples(), method, hp, START, steps=STEPS, runs=3, **extras)
    anatomy = dissect(Ripples(), method, hp, START, step=step, run=2, **extras)
    np.testing.assert_array_equal(anatomy.theta, trace.theta[step, 2])
    np.testing.assert_array_equal(anatomy.theta_next, trace.theta[step + 1, 2])
    assert anatomy.hyperparameters == (later[0][1] if step == 6 else hp)
    if anatomy.probes:
        assert len(anatomy.probes.u) == anatomy.hyperparameters.n


@pytest.mark.parametrize("name", SETTINGS)
def test_walking_on_from_an_earlier_step_leads_to_the_same_numbers(name):
    method, hp = settings(name)
    extras = dict(seed=5, run=4, changes=[(520, METHODS[method].hyperparameters(**{**SETTINGS[name][1], "lr": 1e-3}))])
    whole = dissect(Ripples(), method, hp, START, step=530, **extras)
    for middle in (0, 7, 499, 500, 520, 530):
        since = dissect(Ripples(), method, hp, START, step=middle, **extras)
        again = dissect(Ripples(), method, hp, START, step=530, since=since, **extras)
        np.testing.assert_array_equal(again.theta_next, whole.theta_next)
        for key, value in whole.state_next.items():
            np.testing.assert_array_equal(again.state_next[key], value)
    with pytest.raises(ValueError, match="step = 529: must be 530 or more"):
        dissect(Ripples(), method, hp, START, step=529, since=whole, **extras)


@pytest.mark.parametrize("name", [name for name in SETTINGS if "n =" in name])
@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_the_points_are_where_the_losses_were_taken(name, sigma):
    method, hp = settings(name)
    anatomy = dissect(Ripples(), method, hp, START, step=9, run=1, seed=7, gradient_noise=sigma)
    probes = anatomy.probes
    assert probes is not None

    def seen(points: np.ndarray) -> np.ndarray:
        tilt = 0.0 if anatomy.tilt is None else (points * anatomy.tilt).sum(axis=-1)
        return Ripples().value(points) + tilt

    exact = dict(rtol=0, atol=0) if sigma == 0 else dict(rtol=1e-14)
    np.testing.assert_allclose(probes.plus, seen(probes.points_plus), **exact)
    np.testing.assert_allclose(probes.minus, seen(probes.points_minus), **exact)
    np.testing.assert_allclose(probes.g, (probes.plus - probes.minus) / (2 * hp.mu))
    np.testing.assert_allclose(probes.points_plus - anatomy.theta, hp.mu * probes.z, rtol=1e-9)
    if probes.centre is None:
        assert method == "mezo"
    else:
        np.testing.assert_allclose(probes.centre, seen(anatomy.theta), **exact)
        # The parabola with these g and c goes through the three points.
        for s, losses in ((hp.mu, probes.plus), (-hp.mu, probes.minus)):
            parabola = probes.centre + probes.g * s + probes.c * s**2 / 2
            np.testing.assert_allclose(parabola, losses, rtol=1e-14)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_terms_make_the_step(name):
    """The formulas of METHOD, with the terms shown, give P, m, v and θ after the step, within rounding."""
    method, hp = settings(name)
    a = dissect(Ripples(), method, hp, START, step=8, run=1, seed=7)
    close = dict(rtol=1e-9, atol=1e-12)
    if method == "adam":
        for key in ("m", "v"):
            np.testing.assert_allclose(a.state_next[key], a.terms[key], **close)
        move = -hp.lr * a.terms["m_hat"] / (np.sqrt(a.terms["v_hat"]) + hp.eps)
    elif method == "newton_diag":
        move = -hp.lr * a.seen["gradient"] / a.terms["divisor"]
    else:
        assert a.probes is not None
        root = np.ones(2)
        if method == "hizoo":
            P = a.state["P"]
            if hp.estimator == "multiplicative":
                growth = np.exp(a.terms["delta"])
                P = P * growth
                np.testing.assert_allclose(a.state_next["m"], a.terms["m"] / growth, **close)
            elif hp.estimator == "reliable":
                growth = np.exp(a.terms["delta"])
                P = P * growth
                np.testing.assert_allclose(a.state_next["e"], a.terms["m"] / growth - 1, **close)
            else:
                P = (1 - hp.alpha) * P + hp.alpha * a.terms["S"]
            np.testing.assert_allclose(a.state_next["P"], P, **close)
            root = np.sqrt(P)
        move = -hp.lr * (a.probes.g[:, None] * a.probes.u).mean(axis=0) / root
    np.testing.assert_allclose(a.theta_next - a.theta, move, **close)


def test_it_works_in_many_dimensions_and_beyond_the_first_stream():
    h = np.logspace(0, 3, 60)
    hp = METHODS["hizoo"].hyperparameters(n=3, lr=0.01, alpha=0.02)
    trace = optimize(Quadratic(*h), "hizoo", hp, np.ones(60), steps=40, runs=40, seed=1)
    for run, step in ((0, 39), (31, 17), (39, 16)):
        anatomy = dissect(Quadratic(*h), "hizoo", hp, np.ones(60), step=step, run=run, seed=1)
        np.testing.assert_array_equal(anatomy.theta_next, trace.theta[step + 1, run])


@pytest.mark.parametrize(("name", "values"), [("step", dict(step=-1)), ("run", dict(step=0, run=-1))])
def test_what_is_below_zero_is_refused(name, values):
    with pytest.raises(ValueError, match=f"{name} = -1: must be 0 or more"):
        dissect(Ripples(), *settings("adam"), START, **values)
