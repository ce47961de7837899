"""lr=auto: the formulas of its rule, what it reaches, that it never overshoots for long, and that logs replay it."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from functions import resolve
from hizoo_core import METHODS, HiZOO, HyperparameterError, MeZO, optimize
from hizoo_core.anatomy import dissect
from hizoo_core.auto_rate import AUTO, READINGS, AutoRate, Seen, from_examples
from hizoo_core.sweep import sweep
from hizoo_core.training import Trainer
from viz_app import run
from viz_app.finetuning import presets
from viz_app.finetuning import spec as finetune_spec
from viz_app.playground.wire import decode, encode
from viz_app.spec.runs import parse
from viz_app.spec.text import SpecError


def seen(centre, g, c, g_noise=0.0, centre_noise=0.0):
    g, c = np.array(g, float).reshape(-1, 1), np.array(c, float).reshape(-1, 1)
    return Seen(np.array([centre]), g, c, np.array([centre_noise]), np.full_like(g, g_noise), np.zeros_like(c))


def settled(readings, steps=40):
    """A rule that has seen the same readings so often that its means stand still."""
    rule = AutoRate(1, mu=1.0)
    rule.state["radius"] = np.array([np.inf])
    for _ in range(steps):
        rate = rule.decide(readings)
    return rule, float(rate[0])


def test_with_one_direction_and_exact_losses_the_step_is_newtons_along_the_probe():
    _, rate = settled(seen(1.0, [3.0], [7.0]))
    assert rate == pytest.approx(1 / 7)


def test_the_noise_of_the_slopes_shortens_the_step_by_the_share_of_the_signal():
    _, rate = settled(seen(1.0, [2.0], [5.0], g_noise=1.0))
    assert rate == pytest.approx((4 - 1) / 4 / 5)


def test_several_directions_divide_the_curvature_and_add_q():
    # G = 4, tr = 5, E[g² c] = 4 · 5: q = 0, so that η = n / tr.
    _, rate = settled(seen(1.0, [2.0, 2.0], [5.0, 5.0]))
    assert rate == pytest.approx(2 / 5)
    # All curvature along the gradient: weighted = (16·8 + 0)/2, G = 8, tr = 4 and so q = G tr (2 − 1)/2 · 4.
    rule, rate = settled(seen(1.0, [4.0, 0.0], [8.0, 0.0]))
    assert dict(zip(READINGS, rule.shown[:, 0], strict=True)) == pytest.approx(
        {"s": 8, "v": 0, "tr": 4, "q": 8 * 4, "lr": rate}
    )
    assert rate == pytest.approx(8 / (64 / 2 + 1 / 2 * 32))


def test_a_step_after_which_the_loss_is_higher_is_taken_back_and_the_next_is_shorter():
    rule, rate = settled(seen(1.0, [3.0], [7.0]))
    (back,) = rule.decide(seen(1.1, [9.0], [7.0]))
    assert back == -rate
    (again,) = rule.decide(seen(1.0, [3.0], [7.0]))
    assert again == pytest.approx(rate / 2)


def test_a_higher_loss_within_its_noise_is_no_reason_to_go_back():
    rule, _ = settled(seen(1.0, [3.0], [7.0], centre_noise=0.01))
    assert rule.decide(seen(1.5, [3.0], [7.0], centre_noise=0.01))[0] > 0
    assert rule.decide(seen(2.2, [3.0], [7.0], centre_noise=0.01))[0] < 0


def test_the_noise_of_a_batch_comes_from_its_examples():
    rng = np.random.default_rng(0)
    mu, slopes = 1e-3, rng.normal(2.0, 3.0, 50)
    centre = rng.normal(1.0, 0.1, 50)
    losses = np.stack([centre, centre + mu * slopes, centre - mu * slopes])
    means = losses.mean(axis=1)
    found = from_examples(losses, [means[1] - means[2]], [means[1] + means[2] - 2 * means[0]], mu)
    assert found.g[0, 0] == pytest.approx(slopes.mean())
    assert found.g_noise[0, 0] == pytest.approx(slopes.var(ddof=1) / 50)
    assert found.centre_noise[0] == pytest.approx(centre.var(ddof=1) / 50)


@pytest.mark.parametrize(("method", "most"), [("mezo", 1e-6), ("hizoo", 1e-12)])
def test_it_reaches_the_minimum_of_an_ill_conditioned_quadratic_from_its_first_rate(method, most):
    function = resolve("stiff_quadratic")
    settings = METHODS[method].on_points.hyperparameters(lr=AUTO, n=1)
    trace = optimize(function, method, settings, function.start, steps=1300, runs=8)
    assert {status.kind for status in trace.statuses} == {"finished"}
    assert np.median(trace.loss[-1]) < most


@pytest.mark.parametrize("f", ["absolute", "rosenbrock", "beale", "ackley", "styblinski_tang"])
@pytest.mark.parametrize(("method", "more"), [("mezo", {}), ("hizoo", {}), ("hizoo", {"estimator": "reliable"})])
def test_exact_losses_never_end_higher_than_they_began(f, method, more):
    function = resolve(f)
    settings = METHODS[method].on_points.hyperparameters(lr=AUTO, **more)
    trace = optimize(function, method, settings, function.start, steps=300, runs=8)
    assert {status.kind for status in trace.statuses} == {"finished"}
    assert (trace.loss[-1] < trace.loss[0]).all()


def test_gradient_noise_is_told_from_the_slope():
    """E[(ζ·z)²] = σ² tr Σ: at a minimum all of G is noise."""
    function = resolve("isotropic_bowl")
    settings = METHODS["mezo"].on_points.hyperparameters(lr=AUTO, n=4)
    minimum = np.array(function.minima[0], float)
    trace = optimize(function, "mezo", settings, minimum, steps=200, runs=32, gradient_noise=2.0)
    v = trace.rates[READINGS.index("v"), -1]
    assert v.mean() == pytest.approx(2.0**2 * 2, rel=0.25)


OF_POINTS = [("mezo", {"n": 2}), ("hizoo", {"n": 1, "estimator": "reliable"}), ("hizoo", {"estimator": "reliable"})]


@pytest.mark.parametrize(("method", "more"), OF_POINTS)
def test_the_learning_rates_of_a_run_do_not_depend_on_the_other_runs_or_on_side_by_side_settings(method, more):
    function = resolve("rosenbrock")
    settings = METHODS[method].on_points.hyperparameters(lr=AUTO, **more)
    few, many = (optimize(function, method, settings, function.start, steps=40, runs=runs) for runs in (2, 5))
    assert np.array_equal(few.theta, many.theta[:, :2])
    assert np.array_equal(few.rates, many.rates[:, :, :2], equal_nan=True)
    pair = [settings, dataclasses.replace(settings, lr=1e-4)]
    forwards = 40 * METHODS[method].forwards(settings)
    swept = sweep(function, method, pair, function.start, forwards=forwards, runs=2)
    found = {int(i): batch.theta[-1, k] for batch in swept for k, i in enumerate(batch.which)}
    assert np.array_equal(found[0], few.theta[-1])


def test_mezo_pays_for_the_loss_at_the_centre_and_the_trace_says_the_rates():
    result = run("f=rosenbrock&steps=30&runs=3&opt=mezo:lr=auto,n=2&opt=hizoo")
    assert result.traces[0].forwards[-1] == 30 * 5
    table = result.table()
    rates = [row["lr"] for row in table.to_pylist() if row["optimizer"] == "mezo" and row["run"] == 0]
    assert rates[0] is None
    assert any(rate > 0 for rate in rates[1:])
    _, (mezo, hizoo) = decode(encode(result))
    assert mezo["rates"].shape == (5, 31)
    assert "rates" not in hizoo
    assert "lr" not in run("f=rosenbrock&steps=3&opt=mezo").table().column_names


def test_a_step_taken_apart_has_its_own_rate():
    function = resolve("rosenbrock")
    settings = METHODS["mezo"].on_points.hyperparameters(lr=AUTO, n=1)
    trace = optimize(function, "mezo", settings, function.start, steps=30, runs=1)
    step = int(np.flatnonzero(trace.rates[-1, :, 0] > 0)[-1]) - 1
    made = dissect(function, "mezo", settings, function.start, step=step)
    assert made.hyperparameters.lr == trace.rates[-1, step + 1, 0]
    expected = made.theta - made.hyperparameters.lr * made.probes.g[0] * made.probes.u[0]
    np.testing.assert_allclose(made.theta_next, expected, rtol=1e-12)


# Modules ------------------------------------------------------------------------------------------------------------


class Stretched(torch.nn.Module):
    """½ Σ h_j θ_j², for each of some examples with its own linear term."""

    def __init__(self):
        super().__init__()
        self.theta = torch.nn.Parameter(torch.ones(6, dtype=torch.float64))
        self.h = torch.logspace(0, 2, 6, dtype=torch.float64)

    def losses(self, step=None, count=16):
        noise = torch.zeros(count, 6, dtype=torch.float64)
        if step is not None:
            noise = 3 * torch.randn(count, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        return (self.h * self.theta**2).sum() / 2 + noise @ self.theta


@pytest.mark.parametrize("kind", [MeZO, HiZOO])
def test_a_module_with_exact_losses_goes_down_at_every_step_that_is_kept(kind):
    model = Stretched()
    optimizer = kind([model.theta], lr=AUTO, n=2)
    losses = [float(optimizer.step(lambda: model.losses().mean())) for _ in range(200)]
    assert losses[-1] < 1e-2 * losses[0]
    assert sum(after > before for before, after in pairwise(losses)) < 20


RELIABLE = ("hizoo", {"alpha": 0.1, "estimator": "reliable"})


@pytest.mark.parametrize(
    ("method", "more"), [("mezo", {}), ("hizoo", {"alpha": 0.1}), ("hizoo", {"pool": "tensor"}), RELIABLE]
)
def test_a_step_taken_back_brings_the_module_to_where_it_was(method, more):
    model = Stretched()
    settings = METHODS[method].models.hyperparameters(lr=AUTO, n=2, **more)
    trainer = Trainer({"theta": model.theta}, method, settings, 60, seed=1)
    for _ in range(20):
        before = model.theta.detach().clone()
        trainer.advance(model.losses)
    moved = model.theta.detach().clone()
    assert not torch.equal(before, moved)
    record = trainer.advance(lambda: 1e3 + model.losses())  # as if the step had been far too long
    assert record.lr < 0
    torch.testing.assert_close(model.theta.detach(), before, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("method", "more"), [("mezo", {}), ("hizoo", {"alpha": 0.1}), ("hizoo_l", {}), RELIABLE])
def test_records_make_the_same_steps_again_and_the_rule_goes_on_bit_for_bit(method, more):
    settings = METHODS[method].models.hyperparameters(lr=AUTO, n=2, schedule="cosine", **more)

    def trained(model):
        return Trainer({"theta": model.theta}, method, settings, 60, seed=1)

    first, second = Stretched(), Stretched()
    one, other = trained(first), trained(second)
    bump = 25  # a step whose loss is far higher, so that one is taken back
    records = [one.advance(lambda t=t: first.losses(t) + 1e3 * (t == bump)) for t in range(40)]
    assert any(record.lr < 0 for record in records)
    for record in records:
        other.replay(record)
    assert torch.equal(first.theta, second.theta)
    third = Stretched()
    third.theta.data.copy_(first.theta)
    resumed = trained(third)
    resumed.load_state_dict(one.state_dict())
    after = [(t.advance(lambda m=m: m.losses(99)), m.theta) for t, m in
             ((one, first), (other, second), (resumed, third))]  # fmt: skip
    assert after[0][0] == after[1][0] == after[2][0]
    assert torch.equal(after[0][1], after[1][1])
    assert torch.equal(after[0][1], after[2][1])


def test_the_fused_kernels_which_cannot_take_a_step_back_are_left_out(monkeypatch):
    model = Stretched()
    asked = []
    monkeypatch.setattr("hizoo_core.fused.Tables.find", lambda *given: asked.append(given))
    for lr in (AUTO, 1e-3):
        MeZO([model.theta], lr=lr).step(lambda: model.losses().mean())
    assert len(asked) == 1, "with a learning rate that is given they are asked for"


def test_all_groups_share_one_automatic_rate():
    model = Stretched()
    extra = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match="for every group"):
        MeZO([{"params": [model.theta]}, {"params": [extra], "lr": 1e-3}], lr=AUTO)


# Specs and presets --------------------------------------------------------------------------------------------------


def test_specs_say_auto_and_only_where_there_is_one():
    spec = parse("f=rosenbrock&opt=mezo:lr=auto&opt=adam")
    assert spec.opts[0].hyperparameters.lr == AUTO
    assert "opt=mezo:n=1,lr=auto" in spec.query()
    assert parse(spec.query()) == spec
    with pytest.raises(SpecError, match="number from 0 to 1,000,000, not “auto”"):
        parse("f=rosenbrock&opt=adam:lr=auto")
    with pytest.raises(SpecError, match="number from 0 to 1,000,000, or auto, not “automatic”"):
        parse("f=rosenbrock&opt=mezo:lr=automatic")
    with pytest.raises(HyperparameterError):
        METHODS["mezo"].on_points.hyperparameters(n="auto")


def test_a_fork_may_go_on_with_a_rate_that_is_given():
    result = run("f=rosenbrock&steps=40&runs=2&opt=mezo:lr=auto@20:lr=1e-5")
    rates = result.traces[0].rates[-1]
    assert np.isfinite(rates[1:21]).all()
    assert np.isnan(rates[21:]).all()
    assert result.traces[0].forwards[-1] == 20 * 3 + 20 * 2


def test_functions_that_were_not_tuned_start_with_auto_and_tuned_ones_with_their_preset():
    def rates(f):
        return [opt.hyperparameters.lr for opt in parse(f"f={f}&opt=hizoo&opt=mezo&opt=adam").opts]

    assert rates("expr:x^2%2By^2") == [AUTO, AUTO, 0.05]
    assert rates("quadratic:d=100")[:2] == [AUTO, AUTO]
    assert all(isinstance(rate, float) for rate in rates("quadratic") + rates("rosenbrock"))


def test_models_that_were_not_searched_start_with_auto():
    preset = presets.for_run("facebook/opt-125m", "sst2", "full")
    assert {method: preset.opts[method]["lr"] for method in ("hizoo", "hizoo_l", "mezo")} == dict.fromkeys(
        ("hizoo", "hizoo_l", "mezo"), AUTO
    )
    assert preset.opts["adam"]["lr"] != AUTO
    assert presets.for_run("bundled", "reviews", "full").opts["mezo"]["lr"] != AUTO
    spec = finetune_spec.parse("model=facebook/opt-125m&task=reviews&steps=10&opt=mezo:n=2")
    assert spec.forwards_per_step(0) == 5


@pytest.mark.parametrize("loss", ["accuracy", "f1"])
def test_a_loss_that_counts_errors_has_no_automatic_rate(loss):
    with pytest.raises(SpecError, match="needs a loss with a curvature"):
        finetune_spec.parse(f"loss={loss}&opt=mezo:lr=auto")
    finetune_spec.parse(f"model=facebook/opt-125m&loss={loss}&opt=mezo")  # its default is a number
