"""Many settings side by side: each the run that `optimize` makes of it, to the last bit."""

from itertools import chain

import numpy as np
import pytest
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, Cancelled, engine, optimize
from hizoo_core import sweep as sweep_module
from hizoo_core.sweep import batches, sweep

STIFF = Quadratic(20000, 2)
HiZOO, MeZO, Adam = (METHODS[key].hyperparameters for key in ("hizoo", "mezo", "adam"))
GRIDS = {
    "paper": ("hizoo", [HiZOO(alpha=a, n=n, lr=0.05, warmup=3) for n in (1, 4, 16) for a in (0.01, 0.1, 1.0)]),
    "released": ("hizoo", [HiZOO(lr=lr, mu=mu, estimator="released") for lr in (1e-3, 0.1) for mu in (1e-4, 1e-2)]),
    "reliable": (
        "hizoo",
        [
            HiZOO(alpha=a, n=n, lr=0.02, mu=m, estimator="reliable")
            for n in (1, 3)
            for a, m in ((0.05, 1e-3), (0.3, 1e-2))
        ],
    ),
    "multiplicative": (
        "hizoo",
        [HiZOO(alpha=a, n=n, lr=0.05, estimator="multiplicative", warmup=n) for n in (2, 5) for a in (0.05, 0.3)],
    ),
    "mezo": ("mezo", [MeZO(lr=lr, mu=mu, n=2) for lr in (1e-6, 1e-5, 1e-4) for mu in (1e-4, 1e-2)]),
}


def all_cells(objective, method, settings, start, **options):
    """Batch and row by setting."""
    found = {}
    for batch in sweep(objective, method, settings, start, **options):
        for row, place in enumerate(batch.which.tolist()):
            assert place not in found
            found[place] = batch, row
    assert sorted(found) == list(range(len(settings)))
    return found


@pytest.mark.parametrize("sigma", [0.0, 2.0])
@pytest.mark.parametrize("objective", [STIFF, Ripples()], ids=["quadratic", "ripples"])
@pytest.mark.parametrize(("method", "settings"), GRIDS.values(), ids=GRIDS.keys())
def test_a_setting_among_many_is_the_same_run(method, settings, objective, sigma):
    options = {"seed": 7, "runs": 5, "limit": 1e3, "gradient_noise": sigma}
    cells = all_cells(objective, method, settings, (1, 1), forwards=1700, frames=20, **options)
    for place, (batch, row) in cells.items():
        steps = 1700 // METHODS[method].forwards(settings[place])
        alone = optimize(objective, method, settings[place], (1, 1), steps=steps, **options)
        assert batch.steps[0] == 0
        assert batch.steps[-1] == steps
        assert batch.passes == METHODS[method].forwards(settings[place])
        np.testing.assert_array_equal(batch.theta[:, row], alone.theta[batch.steps])
        np.testing.assert_array_equal(batch.loss[:, row], alone.loss[batch.steps])
        np.testing.assert_array_equal(batch.true_h[:, row], alone.true_h[batch.steps])
        if alone.h is not None:
            np.testing.assert_array_equal(batch.h[:, row], alone.h[batch.steps])
        stopped = [-1 if status.step is None else status.step for status in alone.statuses]
        np.testing.assert_array_equal(batch.stopped[row], stopped)


def test_adam_agrees_but_for_its_powers():
    settings = [Adam(lr=lr, beta2=beta2) for lr in (0.01, 0.1) for beta2 in (0.9, 0.99)]
    cells = all_cells(STIFF, "adam", settings, (1, 1), forwards=300, runs=3)
    for place, (batch, row) in cells.items():
        alone = optimize(STIFF, "adam", settings[place], (1, 1), steps=100, runs=3)
        np.testing.assert_allclose(batch.theta[:, row], alone.theta[batch.steps], rtol=1e-9, atol=1e-12)


def test_the_target_is_watched_at_every_step_and_not_after_a_divergence():
    settings = [HiZOO(alpha=0.1, n=2, lr=lr, warmup=10) for lr in (0.01, 0.1, 3.0)]
    options = {"seed": 1, "runs": 8, "limit": 50.0}
    cells = all_cells(STIFF, "hizoo", settings, (1, 1), forwards=2000, frames=3, target=0.3, **options)
    some = False
    for place, (batch, row) in cells.items():
        alone = optimize(STIFF, "hizoo", settings[place], (1, 1), steps=400, **options)
        with np.errstate(invalid="ignore"):
            hit = alone.loss <= 0.3
        np.testing.assert_array_equal(batch.reached[row], np.where(hit.any(axis=0), hit.argmax(axis=0), -1))
        some |= hit.any()
    assert some


def test_batches_hold_what_may_run_side_by_side():
    settings = [HiZOO(n=n, alpha=a, warmup=w) for n in (1, 2) for w in (0, 5) for a in (0.1, 0.2)]
    parts = list(batches(METHODS["hizoo"], settings, 2, 4))
    assert sorted(chain.from_iterable(parts)) == list(range(len(settings)))
    assert [{(settings[i].n, settings[i].warmup) for i in part} for part in parts] == [
        {(1, 0)}, {(1, 5)}, {(2, 0)}, {(2, 5)},
    ]  # fmt: skip
    many = list(batches(METHODS["hizoo"], [HiZOO(n=32, alpha=a) for a in np.linspace(0.1, 0.9, 40)], 2, 16))
    assert len(many) > 1
    assert max(map(len, many)) - min(map(len, many)) <= 1


def test_numbers_too_many_to_keep_are_drawn_again(monkeypatch):
    monkeypatch.setattr(sweep_module, "KEPT_NUMBERS", 2500)  # of 1,000 steps × 2 runs × 2 coordinates a direction
    settings = [HiZOO(n=n, alpha=0.1, lr=0.05) for n in (2, 4)]
    for place, (batch, row) in all_cells(STIFF, "hizoo", settings, (1, 1), forwards=900, runs=2).items():
        alone = optimize(STIFF, "hizoo", settings[place], (1, 1), steps=int(batch.steps[-1]), runs=2)
        np.testing.assert_array_equal(batch.theta[:, row], alone.theta[batch.steps])


def test_a_setting_too_large_for_a_batch_is_the_same_runs_in_groups(monkeypatch):
    monkeypatch.setattr(sweep_module, "RECORDED_NUMBERS", 10 * 7 * 200)
    for module in (engine, sweep_module):
        monkeypatch.setattr(module, "STEP_NUMBERS", 9 * 7 * 64)
    settings = [HiZOO(n=4, alpha=alpha, lr=0.05) for alpha in (0.1, 0.2)]
    objective, start = Quadratic(*np.logspace(0, 2, 7)), np.ones(7)
    cells = all_cells(objective, "hizoo", settings, start, forwards=270, runs=200, target=30.0)
    assert len(cells) == 2
    for place, (batch, row) in cells.items():
        assert len(batch.steps) == 10, "as many frames as are kept of one setting"
        alone = optimize(objective, "hizoo", settings[place], start, steps=30, runs=200)
        np.testing.assert_array_equal(batch.theta[:, row], alone.theta[batch.steps])
        hit = alone.loss <= 30.0
        np.testing.assert_array_equal(batch.reached[row], np.where(hit.any(axis=0), hit.argmax(axis=0), -1))


def test_wrong_settings_are_refused_and_cancellation_is_heard():
    with pytest.raises(TypeError, match="takes HiZOOHyperparameters"):
        next(sweep(STIFF, "hizoo", [HiZOO(), MeZO()], (1, 1), forwards=100))
    with pytest.raises(ValueError, match="must be a point"):
        next(sweep(STIFF, "hizoo", [HiZOO()], (1, np.nan), forwards=100))
    with pytest.raises(ValueError, match="forwards = 8: must be at least 9, the price of a step"):
        next(sweep(STIFF, "hizoo", [HiZOO(n=1), HiZOO(n=4)], (1, 1), forwards=8))
    with pytest.raises(Cancelled):
        next(sweep(STIFF, "hizoo", [HiZOO()], (1, 1), forwards=100, cancelled=lambda: True))
