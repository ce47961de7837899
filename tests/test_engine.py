"""The loop: recording, divergence, cancellation, and a run's independence of its company."""

import subprocess
import sys

import numpy as np
import pytest
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, Cancelled, engine, optimize

HiZOO = METHODS["hizoo"].hyperparameters
STIFF = Quadratic(20000, 2)
SETTINGS = {
    "hizoo-paper-1": ("hizoo", HiZOO(n=1, lr=0.01, warmup=10)),
    "hizoo-released-3": ("hizoo", HiZOO(n=3, lr=0.01, warmup=10, estimator="released")),
    "hizoo-reliable-1": ("hizoo", HiZOO(n=1, lr=0.01, warmup=10, estimator="reliable")),
    "hizoo-reliable-3": ("hizoo", HiZOO(n=3, lr=0.01, estimator="reliable")),
    "hizoo-multiplicative-16": ("hizoo", HiZOO(n=16, lr=0.01, warmup=10, estimator="multiplicative")),
    "mezo-1": ("mezo", METHODS["mezo"].hyperparameters(lr=1e-5)),
    "mezo-9": ("mezo", METHODS["mezo"].hyperparameters(lr=1e-5, n=9)),
    "adam": ("adam", METHODS["adam"].hyperparameters()),
    "newton_diag": ("newton_diag", METHODS["newton_diag"].hyperparameters()),
}
every_setting = pytest.mark.parametrize(("method", "hp"), SETTINGS.values(), ids=SETTINGS.keys())


@every_setting
def test_a_trace_has_its_shapes(method, hp):
    trace = optimize(STIFF, method, hp, (1, 1), steps=300, runs=3, record_every=7)
    np.testing.assert_array_equal(trace.steps, [*range(0, 300, 7), 300])
    assert trace.steps.dtype == trace.forwards.dtype == np.int64
    R = trace.steps.size
    assert trace.theta.shape == trace.true_h.shape == (R, 3, 2)
    assert trace.loss.shape == (R, 3)
    assert (trace.h is not None) == METHODS[method].estimates_hessian
    if trace.h is not None:
        assert trace.h.shape == (R, 3, 2)
        assert (trace.h[0] == 1).all()
    np.testing.assert_array_equal(trace.loss, STIFF.value(trace.theta))
    np.testing.assert_array_equal(trace.true_h, STIFF.hessian_diagonal(trace.theta))
    np.testing.assert_array_equal(trace.forwards, trace.steps * METHODS[method].forwards(hp))
    assert all(status.kind == "finished" and status.step is None for status in trace.statuses)
    for array in (trace.steps, trace.forwards, trace.theta, trace.loss, trace.true_h):
        assert not array.flags.writeable


@every_setting
@pytest.mark.parametrize("objective", [STIFF, Ripples()], ids=["quadratic", "ripples"])
def test_a_run_does_not_depend_on_its_company(method, hp, objective, monkeypatch):
    monkeypatch.setattr(engine, "STEP_NUMBERS", 500)  # so that there are several groups of runs
    traces = {runs: optimize(objective, method, hp, (1, 1), steps=270, runs=runs, seed=1) for runs in (1, 5, 64, 200)}
    for runs, trace in traces.items():
        for other in traces.values():
            common = min(runs, other.loss.shape[1])
            np.testing.assert_array_equal(trace.theta[:, :common], other.theta[:, :common])
            np.testing.assert_array_equal(trace.loss[:, :common], other.loss[:, :common])
            np.testing.assert_array_equal(trace.true_h[:, :common], other.true_h[:, :common])


@pytest.mark.parametrize("d", [7, 30])
def test_nor_in_many_dimensions(d):
    objective = Quadratic(*np.logspace(0, 3, d))
    hp = HiZOO(n=9, lr=0.01, estimator="multiplicative")
    alone = optimize(objective, "hizoo", hp, np.ones(d), steps=40, runs=1)
    among = optimize(objective, "hizoo", hp, np.ones(d), steps=40, runs=70)
    np.testing.assert_array_equal(alone.theta[:, 0], among.theta[:, 0])
    np.testing.assert_array_equal(alone.loss[:, 0], among.loss[:, 0])


@every_setting
def test_nor_on_how_many_steps_are_made_recorded_or_checked_at_a_time(method, hp, monkeypatch):
    long = optimize(STIFF, method, hp, (1, 1), steps=530, runs=3)
    short = optimize(STIFF, method, hp, (1, 1), steps=260, runs=3)
    np.testing.assert_array_equal(long.theta[:261], short.theta)
    monkeypatch.setattr(engine, "PIECE_NUMBERS", 100)
    sparse = optimize(STIFF, method, hp, (1, 1), steps=530, runs=3, record_every=50)
    np.testing.assert_array_equal(long.theta[sparse.steps], sparse.theta)
    if sparse.h is not None:
        np.testing.assert_array_equal(long.h[sparse.steps], sparse.h)


def test_seeds_differ_and_repeat():
    first, again, other = (
        optimize(STIFF, "hizoo", HiZOO(), (1, 1), steps=5, runs=2, seed=seed).theta for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first[1:] != other[1:]).all()
    assert (first[1:, 0] != first[1:, 1]).all()


@pytest.mark.parametrize("record_every", [1, 40])
def test_divergence_stops_that_run_alone_and_names_the_step(record_every):
    hp = HiZOO(n=1, lr=0.03, alpha=0.05)  # no warm-up: some runs are thrown too far
    limit = 300.0
    free = optimize(STIFF, "hizoo", hp, (1, 1), steps=200, runs=40)
    trace = optimize(STIFF, "hizoo", hp, (1, 1), steps=200, runs=40, limit=limit, record_every=record_every)
    beyond = np.abs(free.theta).max(axis=-1) > limit
    kinds = {status.kind for status in trace.statuses}
    assert kinds == {"finished", "diverged"}
    for run, status in enumerate(trace.statuses):
        if not beyond[:, run].any():
            assert status.kind == "finished"
            np.testing.assert_array_equal(trace.theta[:, run], free.theta[trace.steps, run])
            continue
        step = int(beyond[:, run].argmax())
        assert (status.kind, status.step) == ("diverged", step)
        assert status.sentence.startswith(f"diverged at step {step}: |θ_")
        assert "is beyond 300" in status.sentence
        gone = trace.steps >= step
        for array in (trace.theta, trace.loss, trace.h, trace.true_h):
            assert np.isnan(array[gone, run]).all()
            assert np.isfinite(array[~gone, run]).all()


def test_a_limit_for_each_coordinate():
    trace = optimize(Quadratic(0, -1), "adam", SETTINGS["adam"][1], (5, 1), steps=100, limit=np.array([10.0, 1.5]))
    assert trace.statuses[0].sentence.startswith(f"diverged at step {trace.statuses[0].step}: |θ_1| = 1.5")


def test_a_loss_or_theta_that_is_not_finite_is_named():
    class Cliff(Quadratic):
        def value(self, x):
            return np.log(x[..., 0])

        def gradient(self, x):
            return np.ones(x.shape)

    status = optimize(Cliff(1, 1), "adam", METHODS["adam"].hyperparameters(lr=0.1), (0.45, 0), steps=20).statuses[0]
    assert (status.step, status.sentence) == (5, "diverged at step 5: loss is not finite")
    assert optimize(Cliff(1, 1), "adam", SETTINGS["adam"][1], (-1, 0), steps=3).statuses[0].step == 0

    class Hole(Quadratic):
        def gradient(self, x):
            return np.full(x.shape, np.nan)

    sentence = optimize(Hole(1, 1), "newton_diag", SETTINGS["newton_diag"][1], (1, 1), steps=3).statuses[0].sentence
    assert sentence == "diverged at step 1: θ is not finite"


def test_when_every_run_has_diverged_the_loop_stops():
    calls = []

    class Counting(Quadratic):
        def value(self, x):
            calls.append(x.shape)
            return super().value(x)

    optimize(Counting(2e4, 2), "mezo", METHODS["mezo"].hyperparameters(lr=100), (1, 1), steps=20_000, runs=2, limit=1e6)
    assert len(calls) < 1500


def test_deterministic_methods_are_computed_once():
    shapes = set()

    class Counting(Quadratic):
        def gradient(self, x):
            shapes.add(x.shape)
            return super().gradient(x)

    trace = optimize(Counting(3, 2), "adam", SETTINGS["adam"][1], (1, 1), steps=4, runs=50)
    assert shapes == {(1, 2)}
    assert trace.theta.shape == (5, 50, 2)
    assert len(trace.statuses) == 50


@every_setting
def test_the_objective_is_given_coordinate_major_batches(method, hp):
    class Strict(Quadratic):
        def value(self, x):
            assert x.dtype == np.float64
            assert x[..., 0].flags.c_contiguous
            assert x[..., 1].flags.c_contiguous
            return super().value(x)

    optimize(Strict(3, 2), method, hp, (1, 1), steps=20, runs=9, record_every=3)


def test_progress_is_reported_and_cancellation_heard(monkeypatch):
    monkeypatch.setattr(engine, "STEP_NUMBERS", 500)
    reports = []
    optimize(STIFF, "hizoo", HiZOO(), (1, 1), steps=600, runs=200, progress=reports.append)
    assert reports == sorted(reports)
    assert reports[-1] == 600
    assert len(reports) > 5
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        optimize(STIFF, "hizoo", HiZOO(), (1, 1), steps=600, runs=200, cancelled=lambda: next(answers))


def test_no_steps_is_the_start_alone():
    trace = optimize(STIFF, "hizoo", HiZOO(), (1, 2), steps=0)
    np.testing.assert_array_equal(trace.theta, [[[1, 2]]])
    assert trace.statuses[0].kind == "finished"


@pytest.mark.parametrize(
    ("change", "named"),
    [({"steps": -1}, "steps = -1"), ({"runs": 0}, "runs = 0"), ({"seed": 2**32}, "seed = 4294967296"),
     ({"record_every": 0}, "record_every = 0"), ({"method": "sgd"}, "method = 'sgd'"),
     ({"start": (1, np.inf)}, "start = "), ({"start": ((1, 1),)}, "start = ")],
)  # fmt: skip
def test_a_wrong_argument_is_named(change, named):
    arguments = {"method": "hizoo", "start": (1, 1), "steps": 3, "runs": 1, "seed": 0} | change
    method, start = arguments.pop("method"), arguments.pop("start")
    with pytest.raises(ValueError, match="must be") as error:
        optimize(STIFF, method, HiZOO(), start, **arguments)
    assert str(error.value).startswith(named)


def test_hyperparameters_of_another_method_are_refused():
    with pytest.raises(TypeError, match="takes AdamHyperparameters"):
        optimize(STIFF, "adam", HiZOO(), (1, 1), steps=1)


def test_the_numpy_side_does_not_import_torch():
    code = "import sys, hizoo_core; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CHANGES = {
    "paper": ("hizoo", HiZOO(n=2, lr=0.05, warmup=10), HiZOO(n=2, lr=0.2, alpha=0.5)),
    "another n": ("hizoo", HiZOO(n=4, lr=0.05, warmup=10), HiZOO(n=1, lr=0.05)),
    "multiplicative": (
        "hizoo",
        HiZOO(n=4, lr=0.02, estimator="multiplicative", warmup=40),
        HiZOO(n=3, lr=0.1, estimator="multiplicative"),
    ),
    "reliable": (
        "hizoo",
        HiZOO(n=2, lr=0.02, estimator="reliable", warmup=40),
        HiZOO(n=1, lr=0.05, estimator="reliable"),
    ),
    "mezo": ("mezo", METHODS["mezo"].hyperparameters(lr=1e-5), METHODS["mezo"].hyperparameters(lr=1e-6)),
    "adam": ("adam", METHODS["adam"].hyperparameters(), METHODS["adam"].hyperparameters(lr=0.5)),
}


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("k", [1, 130, 500])
@pytest.mark.parametrize(("method", "before", "after"), CHANGES.values(), ids=CHANGES.keys())
def test_a_run_changed_at_a_step_goes_on_from_there(method, before, after, k, sigma):
    options = {"steps": 700, "runs": 3, "gradient_noise": sigma}
    old = optimize(STIFF, method, before, (1, 1), **options)
    same = optimize(STIFF, method, before, (1, 1), changes=((k, before),), **options)
    np.testing.assert_array_equal(old.theta, same.theta)  # whatever the state is, it was carried over
    new = optimize(STIFF, method, before, (1, 1), changes=((k, after),), **options)
    np.testing.assert_array_equal(old.theta[: k + 1], new.theta[: k + 1])
    assert (new.theta[k + 1] != old.theta[k + 1]).any()
    price = [METHODS[method].forwards(each) for each in (before, after)]
    steps = np.arange(701)
    np.testing.assert_array_equal(new.forwards, np.minimum(steps, k) * price[0] + np.maximum(steps - k, 0) * price[1])
    assert new.changes == ((k, after),)


def test_changes_must_rise_within_the_run():
    for steps in ((0,), (5, 5), (7, 3), (11,)):
        with pytest.raises(ValueError, match="changes at"):
            optimize(STIFF, "hizoo", HiZOO(), (1, 1), steps=10, changes=[(k, HiZOO()) for k in steps])
    with pytest.raises(TypeError, match="takes HiZOOHyperparameters"):
        optimize(STIFF, "hizoo", HiZOO(), (1, 1), steps=10, changes=[(3, METHODS["mezo"].hyperparameters())])


@pytest.mark.parametrize("method", ["hizoo", "mezo", "adam", "newton_diag"])
def test_gradient_noise_is_a_linear_term_of_its_own_in_every_step(method):
    """On a flat loss θ moves by nothing else: all methods see the same ξ, and a run's does not depend on the others."""
    flat = Quadratic(0, 0)
    hp = METHODS[method].hyperparameters(**({"lr": 1.0} | ({"n": 2} if method in ("hizoo", "mezo") else {})))
    few = optimize(flat, method, hp, (0, 0), steps=40, runs=2, gradient_noise=3.0)
    many = optimize(flat, method, hp, (0, 0), steps=40, runs=5, gradient_noise=3.0)
    np.testing.assert_array_equal(few.theta, many.theta[:, :2])
    assert (few.theta[1:, 0] != few.theta[1:, 1]).all()
    assert (few.loss == 0).all(), "the recorded loss has no noise"
    half = optimize(flat, method, hp, (0, 0), steps=1, runs=2, gradient_noise=1.5)
    if method in ("mezo", "newton_diag"):  # linear in ξ
        np.testing.assert_allclose(half.theta[1], few.theta[1] / 2, rtol=1e-9)


def test_gradient_noise_has_the_standard_deviation_asked_for():
    hp = METHODS["newton_diag"].hyperparameters(lr=1.0, floor=1.0)
    trace = optimize(Quadratic(0, 0), "newton_diag", hp, (0, 0), steps=2000, runs=20, gradient_noise=0.5)
    steps = np.diff(trace.theta, axis=0)
    assert abs(steps.std() / 0.5 - 1) < 4 / np.sqrt(2 * steps.size)
    assert abs(steps.mean()) < 4 * 0.5 / np.sqrt(steps.size)
    with pytest.raises(ValueError, match="gradient_noise = -1"):
        optimize(STIFF, "hizoo", HiZOO(), (1, 1), steps=1, gradient_noise=-1)


def test_the_state_may_start_elsewhere():
    truth = np.array([20000.0, 2.0])
    trace = optimize(STIFF, "hizoo", HiZOO(alpha=0.0), (1, 1), steps=3, runs=2, state={"P": truth})
    assert (trace.h == truth).all()
