"""HiZOO in the batch: its formulas step by step, warm-up, floor, and its limits."""

import pickle

import numpy as np
import pytest
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, POINT_METHODS, HyperparameterError, describe, directions, optimize

HiZOO = METHODS["hizoo"].hyperparameters
MeZO = METHODS["mezo"].hyperparameters


def by_hand(objective, hp, start, steps, seed, run):
    """METHOD.md's formulas for one run, coordinate by coordinate where they are written so: θ and P after each step."""
    theta, P, m = np.array(start, dtype=float), np.ones(len(start)), np.zeros(len(start))
    history = [(theta.copy(), P.copy())]
    beta = hp.beta or min(1, 2 * hp.alpha)
    for t in range(steps):
        u = directions(seed, t, hp.n, run + 1, len(start))[:, run]
        root = P**-0.5
        l0 = objective.value(theta)
        plus = np.array([objective.value(theta + hp.mu * root * ui) for ui in u])
        minus = np.array([objective.value(theta - hp.mu * root * ui) for ui in u])
        g = (plus - minus) / (2 * hp.mu)
        c = (plus + minus - 2 * l0) / hp.mu**2
        if hp.estimator == "paper":
            S = np.abs(np.mean([0.5 * ci * P * (ui**2 - 1) for ci, ui in zip(c, u, strict=True)], axis=0))
            P = (1 - hp.alpha) * P + hp.alpha * S
        elif hp.estimator == "released":
            S = np.mean([0.5 * abs(ci) * P * ui**2 for ci, ui in zip(c, u, strict=True)], axis=0)
            P = (1 - hp.alpha) * P + hp.alpha * S
        else:
            others = [np.mean(np.delete(c, i)) for i in range(hp.n)]
            s = np.mean([0.5 * (c[i] - others[i]) * (u[i] ** 2 - 1) for i in range(hp.n)], axis=0)
            m = (1 - beta) * m + beta * s
            delta = np.clip(hp.alpha * (np.abs(m) - 1), -0.5, 0.5)
            P, m = P * np.exp(delta), m * np.exp(-delta)
        P = np.clip(P, hp.floor, 1 / hp.floor)
        if t >= hp.warmup:
            theta = theta - hp.lr * np.mean([gi * P**-0.5 * ui for gi, ui in zip(g, u, strict=True)], axis=0)
        history.append((theta.copy(), P.copy()))
    return (np.array(part) for part in zip(*history, strict=True))


@pytest.mark.parametrize(
    "hp",
    [
        HiZOO(estimator="paper", n=1, alpha=0.2, lr=0.01, mu=1e-2),
        HiZOO(estimator="paper", n=3, alpha=0.2, lr=0.01, mu=1e-2, warmup=4),
        HiZOO(estimator="released", n=1, alpha=0.2, lr=0.01, mu=1e-2, floor=0.9),
        HiZOO(estimator="released", n=4, alpha=0.1, lr=0.05, mu=1e-2),
        HiZOO(estimator="multiplicative", n=2, alpha=0.3, lr=0.01, mu=1e-2),
        HiZOO(estimator="multiplicative", n=5, alpha=0.1, beta=0.4, lr=0.01, mu=1e-2, warmup=3),
    ],
    ids=lambda hp: f"{hp.estimator}-{hp.n}",
)
@pytest.mark.parametrize("objective", [Quadratic(40.0, 0.5), Ripples()], ids=["quadratic", "ripples"])
def test_steps_follow_the_formulas(hp, objective):
    trace = optimize(objective, "hizoo", hp, (0.7, -1.2), steps=12, runs=3, seed=9)
    theta, P = by_hand(objective, hp, (0.7, -1.2), 12, 9, run=2)
    np.testing.assert_allclose(trace.theta[:, 2], theta, rtol=1e-9)
    np.testing.assert_allclose(trace.h[:, 2], P, rtol=1e-8)
    np.testing.assert_allclose(trace.loss[:, 2], [objective.value(point) for point in theta], rtol=1e-9)


@pytest.mark.parametrize("n", [1, 4])
def test_without_smoothing_it_is_mezo(n):
    objective = Ripples()
    settings = dict(n=n, lr=0.01, mu=1e-3)
    hizoo = optimize(objective, "hizoo", HiZOO(alpha=0.0, **settings), (0.5, 1.0), steps=60, runs=4, seed=2)
    mezo = optimize(objective, "mezo", MeZO(**settings), (0.5, 1.0), steps=60, runs=4, seed=2)
    assert (hizoo.h == 1).all()
    np.testing.assert_allclose(hizoo.theta, mezo.theta, rtol=1e-11, atol=1e-13)
    assert not np.array_equal(mezo.theta[0], mezo.theta[-1])


def test_warmup_moves_p_alone_and_its_passes_are_counted():
    hp = HiZOO(n=2, warmup=30, mu=1e-3)
    trace = optimize(Quadratic(20000, 2), "hizoo", hp, (1, 1), steps=40, runs=2)
    assert (trace.theta[:31] == 1).all()
    assert (trace.theta[31] != 1).all()
    assert (trace.h[30] != 1).all()
    np.testing.assert_array_equal(trace.forwards, 5 * np.arange(41))


def test_the_floor_holds_p_and_says_since_when():
    # Where the function is linear S is 0, so P = 0.5^t: 0.5^7 is the first below 0.01.
    class Plane(Quadratic):
        def value(self, x):
            return x[..., 0] + x[..., 1]

    trace = optimize(Plane(0, 0), "hizoo", HiZOO(alpha=0.5, n=1, floor=0.01, mu=0.5, lr=1e-6), (0, 0), steps=20)
    assert trace.h.min() == 0.01
    assert trace.statuses[0].floor_step == 7
    assert "P was held within 0.01 to 100 from step 7" in trace.statuses[0].sentence
    free = optimize(Quadratic(3, 2), "hizoo", HiZOO(lr=0.01), (1, 1), steps=20)
    assert free.statuses[0].floor_step is None


def test_the_ceiling_is_the_floors_reciprocal():
    trace = optimize(Quadratic(1e6, 1e6), "hizoo", HiZOO(alpha=1.0, floor=0.01, lr=0, n=2), (1, 1), steps=5, runs=4)
    assert trace.h.max() == 100
    assert all(status.floor_step is not None for status in trace.statuses)


def test_it_descends_the_stiff_valley_where_mezo_cannot():
    objective = Quadratic(20000, 2)
    hizoo = optimize(objective, "hizoo", HiZOO(warmup=20), (1, 1), steps=500, runs=8)
    best = min(
        np.median(optimize(objective, "mezo", MeZO(n=4, lr=lr), (1, 1), steps=500, runs=8).loss[-1])
        for lr in (1e-6, 1e-5, 3e-5, 6e-5)
    )
    assert np.median(hizoo.loss[-1]) < 1e-6 * best


@pytest.mark.parametrize(
    ("field", "value"),
    [("alpha", 1.5), ("alpha", float("nan")), ("n", 0), ("n", 2.5), ("n", True), ("lr", -1), ("lr", "1"), ("mu", 0),
     ("estimator", "adam"), ("floor", 0), ("warmup", -1), ("beta", 2)],
)  # fmt: skip
def test_a_setting_out_of_range_names_field_value_and_range(field, value):
    with pytest.raises(HyperparameterError) as error:
        HiZOO(**{field: value})
    assert (error.value.field, str(error.value.value)) == (field, str(value))
    (described,) = [d for d in describe(HiZOO) if d.name == field]
    shown = f"“{value}”" if isinstance(value, str) else value
    assert error.value.message == f"{described.label} must be {described.allowed}, not {shown}"
    assert str(error.value) == f"{field}: {error.value.message}"


def test_multiplicative_needs_two_directions():
    with pytest.raises(HyperparameterError, match=r"n directions must be a whole number from 2 to 64 with .*, not 1"):
        HiZOO(estimator="multiplicative", n=1)


def test_an_error_survives_pickling():

    with pytest.raises(HyperparameterError) as error:
        HiZOO(lr=-1)
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.field, again.value, again.message) == ("lr", -1, error.value.message)


@pytest.mark.parametrize("method", POINT_METHODS.values(), ids=lambda method: method.key)
def test_descriptions_are_consistent(method):
    for described in describe(method.hyperparameters):
        assert described.check(described.default) == described.default
        assert described.help
        if described.choices is None:
            low, high = described.slider
            assert described.low <= low < high <= described.high
            assert described.scale in ("linear", "log")
            assert described.scale == "linear" or low > 0
    assert [d.name for d in describe(HiZOO)][:6] == ["alpha", "n", "lr", "mu", "warmup", "estimator"]
