import threading

import numpy as np
import pytest

from hizoo_core import Cancelled, optimize
from viz_app import SpecError, parse, run
from viz_app.playground import runner

SPEC = "f=stiff_quadratic&x0=1,1&steps=30&runs=3&seed=1&opt=hizoo:n=2&opt=mezo&opt=adam&opt=hizoo:estimator=released"


@pytest.fixture(autouse=True)
def cold_cache():
    runner._cache.clear()


def test_a_result_is_what_optimize_computes():
    result, spec = run(SPEC), parse(SPEC)
    assert result.labels == ("hizoo", "mezo", "adam", "hizoo#2")
    assert (result.spec, result.function, result.recorded_every) == (spec, spec.function, 1)
    for trace, opt in zip(result.traces, spec.opts, strict=True):
        direct = optimize(spec.function, opt.method, opt.hyperparameters, np.ones(2), steps=30, runs=3, seed=1)
        np.testing.assert_array_equal(trace.theta, direct.theta)
        np.testing.assert_array_equal(trace.loss, direct.loss)
        assert trace.statuses == direct.statuses
    assert {label: len(statuses) for label, statuses in result.statuses.items()} == dict.fromkeys(result.labels, 3)


def test_the_same_spec_gives_the_same_bytes_with_and_without_cache():
    first = run(SPEC).to_csv()
    assert run(parse(SPEC)).to_csv() == first
    runner._cache.clear()
    assert run(parse(SPEC).query()).to_csv() == first


def test_only_the_optimizer_that_changed_is_computed_again(monkeypatch: pytest.MonkeyPatch):
    computed = []
    real = runner.optimize
    monkeypatch.setattr(
        runner, "optimize", lambda f, method, *rest, **more: computed.append(method) or real(f, method, *rest, **more)
    )
    run("f=booth&steps=5&opt=hizoo:alpha=0.1&opt=mezo&opt=adam")
    run("f=booth&steps=5&opt=hizoo:alpha=0.2&opt=adam")
    assert computed == ["hizoo", "mezo", "adam", "hizoo"]
    run("f=booth&steps=6&opt=adam")
    run("f=booth&steps=5&seed=1&opt=adam")
    assert computed[4:] == ["adam", "adam"]


def test_cache_is_bounded_in_bytes():
    traces = [run(f"f=booth&steps=50&runs=4&seed={seed}&opt=adam").traces[0] for seed in range(3)]
    size = runner._size(traces[0])
    assert size >= 51 * 4 * (2 + 1 + 2) * 8
    cache = runner._TraceCache(2 * size)
    for key, trace in enumerate(traces):
        cache.put(key, trace)
        cache.get(0)  # stays the most recently used
    assert [cache.get(key) is not None for key in range(3)] == [True, False, True]
    small = runner._TraceCache(size - 1)
    assert small.put("too large", traces[0]) is traces[0]
    assert small.get("too large") is None


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("f=stiff_quadratic&steps=20000&runs=16", 1),
        ("f=stiff_quadratic&steps=20000&runs=256", 3),
        ("f=quadratic:d=1000&steps=1900&runs=256&x0=1", 127),
        ("f=quadratic:d=1000&steps=15&runs=256&x0=1", 1),
    ],
)
def test_recorded_steps_fit_the_budget(text: str, every: int):
    spec = parse(text + "&opt=adam")
    assert runner.record_every(spec) == every
    per_step = spec.runs * len(spec.x0)
    assert (-(-spec.steps // every) + 1) * per_step <= runner.RECORDED
    assert every == 1 or (-(-spec.steps // (every - 1)) + 1) * per_step > runner.RECORDED, "no coarser than needed"


def test_a_coarse_record_keeps_first_and_last_step():
    result = run("f=quadratic:d=1000&steps=50&runs=256&x0=0.1&opt=adam:lr=0.001")
    assert result.recorded_every == 4
    assert result.traces[0].steps.tolist() == [*range(0, 50, 4), 50]


def test_one_run_that_leaves_a_million_domain_widths_is_stopped_and_said():
    result = run("f=stiff_quadratic&steps=200&runs=2&opt=mezo:lr=1&opt=adam")
    diverged = result.statuses["mezo"]
    assert {status.kind for status in diverged} == {"diverged"}
    assert all(status.step is not None and str(status.step) in status.sentence for status in diverged)
    low, high = np.array(result.function.domain).T
    theta = result.traces[0].theta[np.isfinite(result.traces[0].loss)]
    assert np.all(np.abs(theta) <= 1e6 * (high - low))
    assert {status.kind for status in result.statuses["adam"]} == {"finished"}


def test_progress_ends_at_all_steps_of_all_optimizers():
    seen = []
    run(SPEC, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (120, 120)
    assert seen == sorted(seen)


def test_cancelling_stops_a_long_run():
    asked = threading.Event()

    def cancelled() -> bool:
        asked.set()
        return True

    with pytest.raises(Cancelled):
        run("f=ackley&steps=20000&runs=256&opt=hizoo:n=32", cancelled=cancelled)
    assert asked.is_set()


def test_a_wrong_spec_is_an_error_not_a_run():
    with pytest.raises(SpecError, match="steps"):
        run("steps=0")


FORK = "f=stiff_quadratic&x0=1,1&steps=60&runs=3&seed=1&opt=hizoo:lr=0.1,alpha=0.1,n=2,warmup=5,estimator=paper"


@pytest.mark.parametrize(
    "opt", ["hizoo:lr=0.1,alpha=0.1,n=2,estimator=multiplicative", "mezo:lr=1e-5,n=2", "adam:lr=0.05"]
)
def test_a_fork_is_the_old_run_up_to_its_step_and_another_after_it(opt: str):
    spec = f"f=stiff_quadratic&x0=1,1&steps=60&runs=3&seed=1&noise=0.5&opt={opt}"
    (plain,), (fork,) = run(spec).traces, run(f"{spec}@40:lr=1e-3").traces
    np.testing.assert_array_equal(fork.theta[:41], plain.theta[:41])
    assert (fork.theta[41:] != plain.theta[41:]).all(axis=-1).all()
    again = run(f"{spec}@40").traces[0]
    np.testing.assert_array_equal(again.theta, plain.theta)


def test_a_fork_of_another_n_pays_another_price_from_its_step_on():
    forwards = run(FORK + "@40:n=8").traces[0].forwards
    np.testing.assert_array_equal(forwards, np.append(5 * np.arange(41), 200 + 17 * np.arange(1, 21)))


def test_a_fork_is_computed_beside_the_old_run_which_is_not_computed_again(monkeypatch: pytest.MonkeyPatch):
    computed = []
    real = runner.optimize
    monkeypatch.setattr(
        runner, "optimize", lambda *given, **more: computed.append(more["changes"]) or real(*given, **more)
    )
    old = run(FORK).traces[0]
    both = run(FORK + "&" + FORK.rpartition("&")[2] + "@40:lr=0.2")
    assert [len(changes) for changes in computed] == [0, 1]
    assert both.traces[0] is old
    run(FORK + "@40:lr=0.3")
    run(FORK + "@41:lr=0.2")
    run(FORK + "@40:lr=0.2")
    assert len(computed) == 4, "step and settings are part of the key"


def test_gradient_noise_moves_every_optimizer_and_leaves_the_recorded_loss_exact():
    spec = FORK + "&opt=mezo:lr=1e-5,n=1&opt=adam:lr=0.05"
    quiet, noisy = run(spec), run(spec + "&noise=50")
    for before, after in zip(quiet.traces, noisy.traces, strict=True):
        np.testing.assert_array_equal(after.theta[0], before.theta[0])
        assert (after.theta[-1] != before.theta[-1]).all()
        np.testing.assert_allclose(after.loss, noisy.function.value(after.theta))
    assert len({tuple(point) for point in noisy.traces[2].theta[-1]}) == 3, "Adam's runs differ by their noise alone"
