"""Trainer: what it finds, what it records, and that a run follows from its records."""

import copy
import dataclasses
import math
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from hizoo_core import HyperparameterError, describe, module_parameters
from hizoo_core.torch_optim import HiZOO, HiZOOL, MeZO
from hizoo_core.training import METHODS, Diverged, Trainer
from hizoo_core.training_methods import SCHEDULES

CASES = {
    "hizoo": ("hizoo", {"schedule": "cosine", "alpha_schedule": "linear", "warmup": 3}),
    "released": ("hizoo", {"estimator": "released", "n": 1, "floor": 0.5}),
    "multiplicative": ("hizoo", {"estimator": "multiplicative", "n": 2, "alpha": 0.1}),
    "reliable": ("hizoo", {"estimator": "reliable", "n": 1, "alpha": 0.1}),
    "row": ("hizoo", {"pool": "row", "warmup": 2}),
    "tensor": ("hizoo", {"pool": "tensor", "schedule": "linear"}),
    "tensor-multiplicative": ("hizoo", {"pool": "tensor", "estimator": "multiplicative"}),
    "hizoo_l": ("hizoo_l", {"schedule": "cosine"}),
    "hizoo_l-released": ("hizoo_l", {"estimator": "released", "n": 2}),
    "mezo": ("mezo", {"schedule": "cosine"}),
    "adam": ("adam", {"schedule": "cosine"}),
}
every_method = pytest.mark.parametrize(("method", "settings"), CASES.values(), ids=CASES.keys())
ZEROTH_ORDER = {key: case for key, case in CASES.items() if case[0] != "adam"}
every_zeroth_order = pytest.mark.parametrize(("method", "settings"), ZEROTH_ORDER.values(), ids=ZEROTH_ORDER.keys())
STEPS = 12


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks that cut rows and tensors; and one thread, since others would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 10)
    yield
    torch.set_num_threads(before)


def network(dtype=torch.float32):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.LayerNorm(12), nn.Tanh(), nn.Linear(12, 1)).to(dtype)
    x = torch.randn(32, 4, dtype=dtype)
    y = x[:, :1] * 2 - x[:, 1:2]
    return model, lambda: nn.functional.mse_loss(model(x), y)


def trainer_of(model, method, seed=5, **settings):
    hyperparameters = METHODS[method].hyperparameters(**{"lr": 0.02} | settings)
    return Trainer(dict(model.named_parameters()), method, hyperparameters, STEPS, seed)


def everything(trainer):
    """θ and the optimizer's state, copied."""
    values = [p.detach().clone() for p in trainer.parameters.values()]
    for p in trainer.parameters.values():
        values += [value.clone() for value in trainer._optimizer.state.get(p, {}).values()]
    return values


@every_method
def test_it_learns_and_records_what_it_did(method, settings):
    model, loss = network()
    trainer = trainer_of(model, method, **settings)
    before = loss().item()
    hp, n = trainer.hyperparameters, getattr(trainer.hyperparameters, "n", 0)
    calls = []

    def counted():
        assert torch.is_grad_enabled() == (method == "adam")
        calls.append(loss())
        return calls[-1]

    for t in range(STEPS):
        calls.clear()
        theta = torch.nn.utils.parameters_to_vector(model.parameters()).detach().double()
        record = trainer.advance(counted)
        moved = torch.nn.utils.parameters_to_vector(model.parameters()).detach().double() - theta
        losses = torch.stack(calls).double().detach()
        assert len(calls) == (1 if method == "adam" else METHODS[method].forwards(hp))
        assert record.step == t
        assert trainer.step == t + 1
        assert record.lr == hp.lr * SCHEDULES[hp.schedule](t / STEPS)
        assert record.length == pytest.approx(moved.norm().item(), rel=1e-3, abs=2e-6)
        assert len(record.first) == n
        if METHODS[method].estimates_hessian:
            assert record.alpha == hp.alpha * SCHEDULES[hp.alpha_schedule](t / STEPS)
            assert record.loss == losses[0].item()
            plus, minus = losses[1::2], losses[2::2]
            assert record.second == tuple((plus - losses[0] - (losses[0] - minus)).tolist())
            assert record.curvature(hp.mu) == pytest.approx(sum(record.second) / n / hp.mu**2)
        else:
            assert record.alpha is None
            assert record.second == ()
            assert record.loss == pytest.approx(losses.mean().item())
            assert math.isnan(record.curvature(1e-3))
        if n:
            plus, minus = losses[-2 * n :: 2], losses[1 - 2 * n :: 2]
            assert record.first == tuple((plus - minus).tolist())
            g = (plus - minus) / (2 * hp.mu)
            assert record.slope(hp.mu) == pytest.approx(g.square().mean().sqrt().item())
    assert loss().item() < before


@every_zeroth_order
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_run_follows_from_its_records(method, settings, dtype):
    model, loss = network(dtype)
    mu = 1e-3 if dtype == torch.float32 else 2e-2
    start = copy.deepcopy(model.state_dict())
    live = trainer_of(model, method, mu=mu, **settings)
    records = []
    for t in range(STEPS):
        if t == STEPS // 2:
            live.set(lr=0.01, alpha=0.05 if METHODS[method].estimates_hessian else None)
        records.append(live.advance(loss))
    end, P = everything(live), [live.curvature(name) for name in live.parameters]

    model.load_state_dict(start)
    again = trainer_of(model, method, mu=mu, **settings)
    for record in records:
        again.replay(pickle.loads(pickle.dumps(record)))
    assert again.step == STEPS
    # Live θ is rounded once more for each probe that crosses a power of two.
    unit = torch.finfo(dtype).eps
    for a, b in zip(end, everything(again), strict=True):
        torch.testing.assert_close(a, b, rtol=8 * unit, atol=8 * unit * (1 if dtype == torch.float32 else mu))
    for a, name in zip(P, again.parameters, strict=True):
        if METHODS[method].estimates_hessian:
            torch.testing.assert_close(a, again.curvature(name))
        else:
            assert a is again.curvature(name) is None
    with pytest.raises(ValueError, match=f"record.step = 0: must be {STEPS}"):
        again.replay(records[0])
    with pytest.raises(ValueError, match="with n = "):
        again.replay(dataclasses.replace(records[0], step=STEPS, first=(0.0,) * 9))


@every_method
def test_it_resumes_exactly(method, settings):
    model, loss = network()
    trainer = trainer_of(model, method, **settings)
    for _ in range(5):
        trainer.advance(loss)
    trainer.set(lr=0.015)
    saved = copy.deepcopy((model.state_dict(), trainer.state_dict()))
    records = [trainer.advance(loss) for _ in range(4)]
    end = everything(trainer)

    model, loss = network()
    model.load_state_dict(saved[0])
    resumed = trainer_of(model, method, **settings)
    resumed.load_state_dict(saved[1])
    assert resumed.step == 5
    assert [resumed.advance(loss) for _ in range(4)] == records
    assert all(map(torch.equal, end, everything(resumed)))


@every_method
@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("failure", ["nan", "raises"])
def test_a_failed_step_leaves_everything_as_it_was(method, settings, call, failure):
    model, loss = network()
    trainer = trainer_of(model, method, **settings)
    trainer.advance(loss)
    trainer.advance(loss)
    before, calls = everything(trainer), []
    call = 0 if method == "adam" else call

    def failing():
        calls.append(None)
        if len(calls) == call + 1:
            if failure == "raises":
                raise RuntimeError("out of data")
            return loss() * math.nan
        return loss()

    if failure == "raises":
        with pytest.raises(RuntimeError, match="out of data"):
            trainer.advance(failing)
    else:
        with pytest.raises(Diverged) as caught:
            trainer.advance(failing)
        assert caught.value.step == 2
        sides = (["the loss"] if METHODS[method].estimates_hessian else []) + ["the loss at probe +1", "… −1"]
        which = "the loss" if method == "adam" else sides[call].replace("…", "the loss at probe")
        assert caught.value.sentence == f"diverged at step 3: {which} is nan; step 2 was the last good one"
        assert pickle.loads(pickle.dumps(caught.value)).sentence == caught.value.sentence
    assert trainer.step == 2
    assert all(map(torch.equal, before, everything(trainer)))
    trainer.advance(loss)
    assert trainer.step == 3


@every_method
def test_a_snapshot_does_not_change_with_later_steps(method, settings):
    model, loss = network()
    trainer = trainer_of(model, method, **settings)
    trainer.advance(loss)
    saved, theta = trainer.state_dict(), copy.deepcopy(model.state_dict())
    for _ in range(2):  # the second time from the same snapshot
        records = [trainer.advance(loss) for _ in range(3)]
        end = everything(trainer)
        model.load_state_dict(theta)
        trainer.load_state_dict(saved)
        assert [trainer.advance(loss) for _ in range(3)] == records
        assert all(map(torch.equal, end, everything(trainer)))
        model.load_state_dict(theta)
        trainer.load_state_dict(saved)


@every_zeroth_order
def test_an_update_below_the_rounding_is_said(method, settings):
    model, loss = network(torch.bfloat16)
    nn.init.ones_(model[1].bias)  # any update moves a zero
    trainer = trainer_of(model, method, **settings | {"lr": 1e-12, "mu": 0.1, "schedule": "constant", "warmup": 0}
                         if method != "mezo" else {"lr": 1e-12, "mu": 0.1})  # fmt: skip
    assert trainer.stalled is None
    records = [trainer.advance(loss)]
    assert trainer.stalled == "no parameter moved in the last step: the update is below the rounding of bfloat16"
    records += [trainer.advance(loss) for _ in range(2)]
    assert [record.length for record in records] == [0, 0, 0]
    assert trainer.stalled == "no parameter moved in the last 3 steps: the update is below the rounding of bfloat16"
    trainer.set(lr=0.0)  # not meant to move
    trainer.advance(loss)
    assert "last 3 steps" in trainer.stalled
    again = trainer_of(model, method, **vars(trainer.hyperparameters) | {"lr": 1e-12})
    for record in records:
        again.replay(record)
    assert again.stalled == trainer.stalled
    trainer.set(lr=0.05)
    assert trainer.advance(loss).length > 0
    assert trainer.stalled is None


def test_a_warm_up_is_no_stall():
    model, loss = network(torch.bfloat16)
    nn.init.ones_(model[1].bias)
    trainer = trainer_of(model, "hizoo", warmup=2, mu=0.1, lr=1e-12)
    seen = []
    for _ in range(3):
        assert trainer.advance(loss).length == 0
        seen.append(trainer.stalled is not None)
    assert seen == [False, False, True]


def test_a_parameter_with_two_names_is_refused():
    weight = nn.Parameter(torch.ones(3))
    for method in METHODS:
        with pytest.raises(ValueError, match="embed and head are one parameter: name every parameter once"):
            Trainer({"embed": weight, "head": weight}, method, METHODS[method].hyperparameters(), 1, 0)


def quadratic(h, method="hizoo", steps=250, **settings):
    """P on ½ Σ h θ² (h has two axes) with θ held fixed: its mean over all but the first 80 steps."""
    theta = nn.Parameter(torch.linspace(-1, 1, h.numel(), dtype=torch.float64).view_as(h))
    hp = METHODS[method].hyperparameters(lr=0.0, n=16, **settings)
    trainer = Trainer({"w": theta}, method, hp, steps, 0)
    seen = []
    for _ in range(steps):
        trainer.advance(lambda: 0.5 * (h * theta * theta).sum())
        seen.append(trainer.curvature("w").clone())
    return torch.stack(seen[80:]).mean(0)


@pytest.mark.parametrize("estimator", ["paper", "multiplicative"])
@pytest.mark.parametrize(("pool", "expected"), [("row", [[2.0], [5.0]]), ("tensor", [[3.5]])])
def test_a_pool_finds_the_mean_of_its_diagonal(estimator, pool, expected, monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 2)  # a row takes two pieces
    h = torch.tensor([[1.0, 2, 3], [4, 5, 6]], dtype=torch.float64)
    P = quadratic(h, estimator=estimator, pool=pool, alpha=0.04)
    torch.testing.assert_close(P, torch.tensor(expected, dtype=torch.float64), rtol=0.15, atol=0)


def test_the_factors_find_a_rank_one_diagonal():
    h = torch.outer(torch.tensor([1.0, 4.0], dtype=torch.float64), torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    P = quadratic(h, method="hizoo_l", estimator="released", alpha=0.1)
    # The fixed point of `released` is (1 + d/2) H, whose elements differ by a factor of 20. So few steps
    # are noisy; the test below compares each to its formula.
    torch.testing.assert_close(P, (1 + h.numel() / 2) * h, rtol=0.4, atol=0)


@pytest.mark.parametrize(("method", "pool"), [("hizoo", "row"), ("hizoo", "tensor"), ("hizoo_l", None)])
@pytest.mark.parametrize("estimator", ["paper", "released"])
@pytest.mark.parametrize("chunk", [4, 5, 100])
def test_shared_p_follows_its_formula(method, pool, estimator, chunk, monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", chunk)  # parts of a row; whole rows; all of them
    theta = nn.Parameter(torch.linspace(-1, 1, 15, dtype=torch.float64).view(3, 5))
    h = torch.arange(1.0, 16, dtype=torch.float64).view(3, 5)
    alpha, mu, n, lr = 0.3, 1e-2, 3, 1e-2
    settings = {"pool": pool} if pool else {}
    hp = METHODS[method].hyperparameters(alpha=alpha, mu=mu, n=n, lr=lr, estimator=estimator, **settings)
    trainer = Trainer({"w": theta}, method, hp, 9, 0)
    R, C = torch.ones(3, 1, dtype=torch.float64), torch.ones(1, 5, dtype=torch.float64)
    P = torch.ones(3, 5, dtype=torch.float64)
    for t in range(3):
        start = theta.detach().clone()
        us = [trainer._optimizer.direction(t, i)[0] for i in range(n)]
        record = trainer.advance(lambda: (h * theta**4).sum())
        S, step = torch.zeros_like(P), torch.zeros_like(P)
        for u, first, second in zip(us, record.first, record.second, strict=True):
            c = abs(second) / mu**2 if estimator == "released" else second / mu**2
            S += 0.5 * c * P * (u**2 - (1 if estimator == "paper" else 0)) / n
            step += lr * first / (2 * mu) * u / n
        if method == "hizoo_l":
            R = (1 - alpha) * R + alpha * S.abs().mean(1, keepdim=True)
            C = (1 - alpha) * C + alpha * S.abs().mean(0, keepdim=True)
            P = R * C / R.mean()
        else:
            mean = S.mean(1, keepdim=True) if pool == "row" else S.mean()
            P = (1 - alpha) * P + alpha * mean.abs()
        torch.testing.assert_close(trainer.curvature("w").expand(3, 5), P)
        torch.testing.assert_close(theta.detach(), start - step / P.sqrt())


def test_every_method_probes_in_the_same_directions():
    model, _ = network()
    parameters = list(model.parameters())
    optimizers = [MeZO(parameters, n=2, seed=9), HiZOOL(parameters, n=2, seed=9)]
    optimizers += [HiZOO(parameters, n=2, seed=9, pool=pool) for pool in ("none", "row", "tensor")]
    for step in range(2):
        wanted, *others = [optimizer.direction(step, 1) for optimizer in optimizers]
        for other in others:
            assert all(map(torch.equal, wanted, other))


def test_what_is_kept_beside_the_parameters():
    sizes = {}
    for key, (method, settings) in {
        **{pool: ("hizoo", {"pool": pool}) for pool in ("none", "row", "tensor")},
        **{method: (method, {}) for method in ("hizoo_l", "mezo", "adam")},
    }.items():
        model = nn.Linear(50, 40)
        trainer = trainer_of(model, method, **settings)
        assert trainer.state_bytes() == 0
        trainer.advance(lambda model=model: model(torch.ones(50)).square().sum())
        sizes[key] = trainer.state_bytes()
    floats = {"none": 2040, "row": 41, "tensor": 2, "hizoo_l": 130, "mezo": 0, "adam": 2 * 2040 + 2}
    assert sizes == {key: 4 * count for key, count in floats.items()}


def test_curvature_broadcasts_to_the_parameter():
    for key, (method, settings) in CASES.items():
        model, loss = network()
        trainer = trainer_of(model, method, **settings)
        for _ in range(2):  # before the first step and after it
            for name, parameter in trainer.parameters.items():
                P = trainer.curvature(name)
                assert (P is None) == (not METHODS[method].estimates_hessian), key
                if P is not None:
                    assert (P.expand(parameter.shape) > 0).all(), key
            trainer.advance(loss)


def test_pooled_p_keeps_its_shape_and_precision_when_loaded():
    parameter = nn.Parameter(torch.ones(6, 4, dtype=torch.bfloat16))
    opt = HiZOO([parameter], pool="row", mu=0.1)
    opt.step(lambda: parameter.float().square().sum())
    again = HiZOO([parameter], pool="row", mu=0.1)
    again.load_state_dict(opt.state_dict())
    assert torch.equal(again.state[parameter]["P"], opt.state[parameter]["P"])
    assert again.state[parameter]["P"].dtype == torch.float32
    opt.param_groups[0]["pool"] = "tensor"
    with pytest.raises(ValueError, match="shape \\(6, 1\\) of another pool"):
        opt.step(lambda: 0.0)


def test_wrong_uses_are_named():
    model, loss = network()
    parameters = dict(model.named_parameters())
    with pytest.raises(ValueError, match="method = 'sgd': must be one of hizoo, hizoo_l, mezo, adam"):
        Trainer(parameters, "sgd", None, 1, 0)
    with pytest.raises(TypeError, match="takes MeZOTraining"):
        Trainer(parameters, "mezo", METHODS["adam"].hyperparameters(), 1, 0)
    with pytest.raises(ValueError, match="seed = -1"):
        Trainer(parameters, "mezo", METHODS["mezo"].hyperparameters(), 1, -1)
    with pytest.raises(HyperparameterError, match="estimator must be one of paper, released, not “multiplicative”"):
        METHODS["hizoo_l"].hyperparameters(estimator="multiplicative")
    with pytest.raises(HyperparameterError, match="pooling of P must be one of none, row, tensor, not “column”"):
        METHODS["hizoo"].hyperparameters(pool="column")
    with pytest.raises(ValueError, match="contiguous for P to have rows"):
        HiZOO([nn.Parameter(torch.ones(3, 4).t())], pool="row").step(lambda: 0.0)
    mezo = trainer_of(model, "mezo")
    with pytest.raises(HyperparameterError, match=r"η learning rate must be .* 0 to 1,000,000, or auto, not -1"):
        mezo.set(lr=-1)
    with pytest.raises(HyperparameterError, match=r"alpha must be left out \(MeZO has none\), not 0\.1"):
        mezo.set(alpha=0.1)
    adam = trainer_of(model, "adam")
    with pytest.raises(ValueError, match="the loss has no gradient"):
        adam.advance(lambda: loss().detach())
    with pytest.raises(ValueError, match="load a checkpoint"):
        adam.replay(adam.advance(loss))


def test_the_forms_need_no_torch():
    code = "import sys, hizoo_core.training_methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_every_setting_is_described(method):
    defaults = method.hyperparameters()
    for described in describe(method.hyperparameters):
        assert described.help
        assert getattr(defaults, described.name) == described.default
        if not described.choices:
            assert described.low <= described.slider[0] <= described.default <= described.slider[
                1
            ] <= described.high or (described.name == "beta2")
    assert method.forwards(defaults) == {"hizoo": 9, "hizoo_l": 9, "mezo": 8, "adam": 3}[method.key]
