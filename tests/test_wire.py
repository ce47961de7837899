import numpy as np
import pytest

from functions import resolve
from hizoo_core.headroom import best_of
from hizoo_core.noise import direction
from viz_app import run
from viz_app.playground.wire import decode, default_target, encode, encode_landscape, quantiles

SPEC = (
    "f=stiff_quadratic&x0=1,1&steps=40&runs=5&seed=3"
    "&opt=hizoo:lr=0.1,alpha=0.1,n=2,estimator=paper,warmup=4&opt=mezo:lr=1e-5,n=1&opt=adam"
)


def close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=2e-7, atol=1e-37)


def test_layout_is_aligned_and_whole():
    data = encode(run(SPEC))
    length = int.from_bytes(data[:4], "little")
    assert length % 4 == 0
    header, _ = decode(data)
    entries = [entry for optimizer in header["optimizers"] for entry in optimizer["arrays"].values()]
    ends = [entry["offset"] + 4 * int(np.prod(entry["shape"])) for entry in entries]
    assert [entry["offset"] for entry in entries] == [0, *ends[:-1]], "one after the other, without gaps"
    assert len(data) == 4 + length + ends[-1]


def test_header_says_what_ran():
    result = run(SPEC)
    header, _ = decode(encode(result, coords=(1, 0)))
    assert header["spec"] == result.spec.query()
    assert (header["runs"], header["steps"], header["recorded_every"]) == (5, 40, 1)
    assert header["coords"] == [1, 0]
    assert header["reference"] == 0
    assert header["initial_gap"] == 10001
    assert header["target"] == 1.0, "1e-4 of 10001, rounded down to a power of ten"
    hizoo, mezo, adam = header["optimizers"]
    assert [o["label"] for o in header["optimizers"]] == ["hizoo", "mezo", "adam"]
    assert (hizoo["passes_per_step"], mezo["n"], adam["n"], adam["mu"]) == (5, 1, None, None)
    assert hizoo["hyperparameters"]["warmup"] == 4
    assert len(hizoo["statuses"]) == 5
    assert set(hizoo["arrays"]) - set(adam["arrays"]) == {"h_q", "shown_h", "u"}


@pytest.mark.parametrize("coords", [(0, 1), (1, 0)])
def test_arrays_are_the_traces(coords: tuple[int, int]):
    result = run(SPEC)
    trace, pair = result.traces[0], list(coords)
    arrays = decode(encode(result, coords=coords))[1][0]
    close(arrays["step"], np.arange(41))
    close(arrays["forwards"], 5 * np.arange(41))
    close(arrays["path"], trace.theta[..., pair])
    close(arrays["gap"], trace.loss)
    close(arrays["gap_q"], np.quantile(trace.loss, [0.1, 0.5, 0.9], axis=1))
    close(arrays["distance"], np.median(np.linalg.norm(trace.theta, axis=-1), axis=1))
    close(arrays["h_q"], np.quantile(trace.h, [0.1, 0.5, 0.9], axis=1))
    close(arrays["true_h"], [[20000, 2]] * 41)
    close(arrays["shown_h"], trace.h[:, 0][:, pair])
    a, b = coords
    close(arrays["shown_hessian"], [[(20000, 2)[a], 0, (20000, 2)[b]]] * 41)
    u = [[direction(3, t, i, 5, 2)[0, pair] for i in range(2)] for t in range(41)]
    close(arrays["u"], u)


def test_directions_are_those_that_the_step_leaving_the_frame_used():
    result = run("f=booth&steps=6&runs=2&seed=5&opt=mezo:n=1,lr=1e-3,mu=1e-6")
    theta = result.traces[0].theta[:, 0]
    u = decode(encode(result))[1][0]["u"][:, 0]
    moves = np.diff(theta, axis=0)  # MeZO moves along its one direction
    cross = moves[:, 0] * u[:-1, 1] - moves[:, 1] * u[:-1, 0]
    np.testing.assert_allclose(cross, 0, atol=1e-6 * np.linalg.norm(moves, axis=1).max())


def test_mixed_second_derivatives_are_exact_on_the_shown_run():
    result = run("f=rosenbrock&steps=15&runs=2&opt=adam:lr=0.05")
    arrays = decode(encode(result, coords=(1, 0)))[1][0]
    hessian = result.function.hessian(result.traces[0].theta[:, 0])
    close(arrays["shown_hessian"], hessian[:, [1, 1, 0], [1, 0, 0]])


def test_gap_and_distance_are_measured_from_the_nearest_minimum():
    result = run("f=himmelblau&x0=2.5,2.5&steps=10&runs=1&opt=adam:lr=0.01")
    header, (arrays,) = decode(encode(result))
    minima = np.array(result.function.minima)
    assert len(minima) == 4
    close(arrays["distance"][0], np.linalg.norm(minima - 2.5, axis=1).min())
    assert header["initial_gap"] == pytest.approx(result.function.value(np.array([2.5, 2.5])))


def test_frames_are_thinned_alike_and_keep_first_and_last():
    result = run("f=booth&steps=101&runs=2&opt=hizoo:n=1,estimator=paper&opt=adam")
    _, (hizoo, adam) = decode(encode(result, frames=12))
    assert hizoo["step"].tolist() == [*range(0, 101, 10), 101]
    assert len(hizoo["step"]) == 12
    np.testing.assert_array_equal(hizoo["step"], adam["step"])
    close(hizoo["path"], result.traces[0].theta[hizoo["step"].astype(int)])
    assert hizoo["u"].shape == (12, 1, 2)


def test_a_diverged_run_counts_as_infinite_in_the_band_and_as_absent_in_the_curvature():
    result = run("f=stiff_quadratic&steps=300&runs=4&opt=mezo:lr=0.5&opt=hizoo:lr=1e6,n=1,estimator=paper")
    header, (mezo, hizoo) = decode(encode(result))
    entry = header["optimizers"][0]
    assert entry["diverged"] == 4
    assert entry["first_diverged_step"] == min(status.step for status in result.statuses["mezo"])
    assert entry["final_loss_median"] is None
    assert np.isnan(mezo["gap"][-1]).all()
    assert np.isposinf(mezo["gap_q"][:, -1]).all()
    assert np.isposinf(mezo["distance"][-1])
    assert np.isfinite(mezo["gap_q"][:, 0]).all()
    assert header["optimizers"][1]["diverged"] == 4
    assert np.isnan(hizoo["h_q"][:, -1]).all()


def test_passes_to_target_need_half_of_the_runs():
    result = run("f=stiff_quadratic&x0=1,1&steps=400&runs=5&opt=newton_diag:lr=0.5&opt=mezo:lr=1e-30")
    header, _ = decode(encode(result, target=0.5))
    newton, mezo = (optimizer["passes_to_target"] for optimizer in header["optimizers"])
    loss, forwards = result.traces[0].loss, result.traces[0].forwards
    first = [int(forwards[np.flatnonzero(loss[:, b] <= 0.5)[0]]) for b in range(5)]
    assert newton == {"median": int(np.median(first)), "reached": 5}
    assert mezo == {"median": None, "reached": 0}


def test_passes_to_target_at_exactly_half():
    result = run("f=rastrigin&x0=2.2,2.2&steps=300&runs=4&seed=2&opt=mezo:lr=1e-3,mu=1e-3,n=1")
    loss, forwards = result.traces[0].loss, result.traces[0].forwards
    best = np.sort(loss.min(axis=0))
    middle = (best[1] + best[2]) / 2
    assert best[1] < middle < best[2], "two runs get below it"
    readings = decode(encode(result, target=middle - result.function.minimum))[0]["optimizers"][0]["passes_to_target"]
    first = sorted(int(forwards[np.argmax(loss[:, b] <= middle)]) for b in range(4) if loss[:, b].min() <= middle)
    assert readings == {"median": first[1], "reached": 2}
    none = decode(encode(result, target=best[0] - result.function.minimum))[0]["optimizers"][0]["passes_to_target"]
    assert none == {"median": None, "reached": 1}


def test_without_a_known_minimum_the_gap_is_the_loss_and_there_is_no_target():
    result = run("f=expr:x^3+y^2&x0=1,1&steps=5&runs=1&opt=adam:lr=0.1")
    header, (arrays,) = decode(encode(result))
    assert (header["reference"], header["target"]) == (None, None)
    assert header["optimizers"][0]["passes_to_target"] is None
    assert "distance" not in arrays
    close(arrays["gap"], result.traces[0].loss)


def test_small_numbers_stay_positive_on_the_wire():
    result = run("f=isotropic_bowl&x0=1e-30,0&steps=1&runs=1&opt=adam:lr=1e-40")
    assert 0 < result.traces[0].loss[0, 0] < 1e-50
    gap = decode(encode(result))[1][0]["gap"]
    assert gap[0, 0] == np.finfo(np.float32).tiny


@pytest.mark.parametrize(("gap", "target"), [(10001, 1), (9999, 0.1), (1e-3, 1e-7), (0, None), (float("inf"), None)])
def test_default_target(gap: float, target: float | None):
    assert default_target(gap) == target


def test_high_dimension_thins_curvature_alone():
    result = run("f=quadratic:d=100&x0=1&steps=300&runs=3&opt=hizoo:lr=1e-6,n=1,estimator=paper&opt=adam:lr=1e-3")
    header, (hizoo, adam) = decode(encode(result, coords=(3, 97)))
    assert header["shown_hessian"] == "diagonal"
    assert len(hizoo["step"]) == 301
    assert hizoo["h_step"].tolist() == [*range(0, 300, 4), 300]
    chosen = hizoo["h_step"].astype(int)
    close(hizoo["h_q"], np.quantile(result.traces[0].h[chosen], [0.1, 0.5, 0.9], axis=1))
    close(adam["true_h"], np.median(result.traces[1].true_h[chosen], axis=1))
    close(hizoo["path"], result.traces[0].theta[..., [3, 97]])
    close(hizoo["u"][7, 0], direction(0, 7, 0, 3, 100)[0, [3, 97]])


def test_quantiles_agree_with_numpy_over_the_first_counts():
    values = np.sort(np.random.default_rng(0).normal(size=(6, 9, 2)), axis=1)
    counts = np.array([9, 1, 2, 5, 8, 9])
    ours = quantiles(values, counts, (0.1, 0.5, 0.9))
    for r, count in enumerate(counts):
        np.testing.assert_allclose(ours[:, r], np.quantile(values[r, :count], [0.1, 0.5, 0.9], axis=0))
    unknown = quantiles(np.full((1, 3), np.nan), np.array([0]), (0.5,))
    assert np.isnan(unknown).all()


@pytest.mark.parametrize("f", ["rosenbrock", "quadratic:d=1000"])
def test_landscape_is_the_function_on_a_grid(f: str):
    function = resolve(f)
    at = tuple(np.linspace(-1, 1, function.dim))
    data = encode_landscape(function, at=at, coords=(1, 0), xrange=(-2, 3), yrange=(0, 1), size=48)
    header, (arrays,) = decode(data)
    assert header["shape"] == [48, 48]
    assert (header["xrange"], header["yrange"], header["minimum"]) == ([-2, 3], [0, 1], function.minimum)
    theta = np.array(at)
    theta[1], theta[0] = np.linspace(-2, 3, 48)[5], np.linspace(0, 1, 48)[40]
    close(arrays["z"][40, 5], function.value(theta))


def test_a_fork_says_its_changes_and_sends_the_directions_of_its_largest_n():
    opt = "hizoo:lr=0.1,alpha=0.1,n=2,estimator=paper"
    header, (old, fork) = decode(encode(run(f"f=booth&steps=30&runs=2&seed=3&opt={opt}&opt={opt}@20:n=6,lr=0.05")))
    assert [len(entry["changes"]) for entry in header["optimizers"]] == [0, 1]
    change = header["optimizers"][1]["changes"][0]
    assert (change["step"], change["passes_per_step"]) == (20, 13)
    assert (change["hyperparameters"]["n"], change["hyperparameters"]["lr"]) == (6, 0.05)
    close(fork["forwards"], [*range(0, 101, 5), *range(113, 231, 13)])
    close(fork["path"][:21], old["path"][:21])
    assert (old["u"].shape, fork["u"].shape) == ((31, 2, 2), (31, 6, 2))
    close(fork["u"][:, :2], old["u"])


def test_with_gradient_noise_an_optimizer_without_random_directions_has_a_band_too():
    result = run("f=booth&steps=20&runs=5&noise=3&opt=adam:lr=0.05")
    low, median, high = decode(encode(result))[1][0]["gap_q"]
    close(median, np.median(result.traces[0].loss, axis=1))
    assert (low[2:] < median[2:]).all(), "the first step is of one length, whatever the gradient"
    assert (median[2:] < high[2:]).all()


def test_the_headroom_is_that_of_the_first_run_at_every_frame():
    result = run(SPEC)
    trace, (first, second, _) = result.traces[0], decode(encode(result))[1]
    theta, P = trace.theta[:, 0], trace.h[:, 0]
    h = np.array([20000.0, 2.0])
    g = theta * h
    plain = (g**2).sum(-1) / h.sum()
    estimated = (g**2 / P).sum(-1) / (h / P).sum(-1)
    exact = (g**2 / h).sum(-1) / 2
    np.testing.assert_allclose(
        first["headroom"], np.log10(np.stack([plain, estimated, exact, (g**2 / h).max(-1)], 1)), rtol=1e-5, atol=1e-6
    )
    assert np.isnan(second["headroom"][:, 1]).all(), "MeZO has no P"
    noisy = decode(encode(run(SPEC.replace("seed=3", "seed=3&noise=500"))))[1][0]["headroom"][0]
    s = 20000.0**2 + 4
    assert noisy[0] == pytest.approx(np.log10(s**2 / ((s + 2 * 500**2) * 20002)), rel=1e-5)


@pytest.mark.parametrize("f", ["rotated_ellipse", "quadratic:d=80,rotation=random"])
def test_the_gain_of_a_step_counts_the_whole_hessian(f: str):
    """In many dimensions H is not formed; the step's n is that of the fork from step 3 on."""
    result = run(f"f={f}&steps=6&runs=2&opt=hizoo:n=2,alpha=0.1,lr=0.1@3:n=5")
    theta, P, function = result.traces[0].theta[:, 0], result.traces[0].h[:, 0], result.function
    found = decode(encode(result))[1][0]["gain"]
    for frame, n in ((0, 2), (2, 2), (3, 5), (6, 5)):
        g, hessian = function.gradient(theta[frame]), function.hessian(theta[frame])
        exact = 1 / hessian.diagonal()
        right = [best_of(g, hessian, variance, n).gain for variance in (1.0, 1 / P[frame], exact)]
        np.testing.assert_allclose(found[frame], np.log10(right), rtol=1e-4, atol=1e-5)
