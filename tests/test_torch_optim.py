"""HiZOO and MeZO as torch optimizers: groups, schedulers, resumption, restoration."""

import io
import math

import pytest
import torch
from torch import nn

from hizoo_core import HiZOO, HiZOOL, HyperparameterError, MeZO, module_parameters

OPTIMIZERS = {
    "paper": lambda params, **kw: HiZOO(params, **{"lr": 0.02, "alpha": 0.1, "n": 2, "seed": 7} | kw),
    "multiplicative": lambda params, **kw: HiZOO(
        params, **{"lr": 0.02, "alpha": 0.1, "n": 3, "seed": 7, "estimator": "multiplicative"} | kw
    ),
    "reliable": lambda params, **kw: HiZOO(
        params, **{"lr": 0.02, "alpha": 0.1, "n": 2, "seed": 7, "estimator": "reliable"} | kw
    ),
    "mezo": lambda params, **kw: MeZO(params, **{"lr": 0.02, "n": 2, "seed": 7} | kw),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On a busy machine the threads of an operation on a few numbers wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


def model_and_closure(dtype=torch.float32):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).to(dtype)
    x = torch.randn(32, 4, dtype=dtype)
    y = x[:, :1] * 2 - x[:, 1:2]
    return model, lambda: nn.functional.mse_loss(model(x).double(), y.double()).detach()


def values(model):
    return [p.detach().clone() for p in model.parameters()]


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_learns_and_keeps_p_in_its_own_precision(make, dtype):
    model, closure = model_and_closure(dtype)
    # Eight bits of precision need longer probes.
    opt = make(model.parameters(), mu=0.1 if dtype == torch.bfloat16 else 1e-3)
    before = float(closure())
    for _ in range(100):
        loss = opt.step(closure)
        assert math.isfinite(loss)
    assert float(closure()) < 0.6 * before
    for p in model.parameters():
        assert p.dtype == dtype
        for name, value in opt.state[p].items():
            assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
            assert value.shape == ((4,) if name == "numbers" else p.shape)


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("chunk", [5, 2**16])
def test_it_resumes_bit_for_bit(make, dtype, chunk, monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", chunk)
    model, closure = model_and_closure(dtype)
    opt = make(model.parameters())
    for _ in range(5):
        opt.step(closure)
    file = io.BytesIO()
    torch.save((model.state_dict(), opt.state_dict()), file)
    for _ in range(5):
        opt.step(closure)

    file.seek(0)
    model_state, opt_state = torch.load(file)
    again, closure = model_and_closure(dtype)
    again.load_state_dict(model_state)
    resumed = make(again.parameters(), lr=0.5, seed=8)  # overwritten by what was saved
    resumed.load_state_dict(opt_state)
    for _ in range(5):
        resumed.step(closure)
    for p, q in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q)
        for name, value in opt.state[p].items():
            assert torch.equal(value, resumed.state[q][name]), name
    assert resumed.param_groups[0]["step"] == 10


def test_a_loaded_state_is_a_copy():
    model, closure = model_and_closure()
    opt = OPTIMIZERS["paper"](model.parameters())
    opt.step(closure)
    other = OPTIMIZERS["paper"](model.parameters())
    other.load_state_dict(opt.state_dict())
    p = next(model.parameters())
    kept = opt.state[p]["P"].clone()
    other.step(closure)
    assert torch.equal(opt.state[p]["P"], kept)


def test_what_an_estimator_keeps():
    kept = {"paper": {"P"}, "multiplicative": {"P", "m"}, "reliable": {"P", "e", "numbers"}, "mezo": set()}
    for key, names in kept.items():
        model, closure = model_and_closure()
        opt = OPTIMIZERS[key](model.parameters())
        opt.step(closure)
        assert {name for state in opt.state.values() for name in state} == names


@every_optimizer
def test_the_closure_is_called_without_gradients_once_a_pass(make):
    model, closure = model_and_closure()
    opt = make(model.parameters())
    losses = []

    def counting():
        assert not torch.is_grad_enabled()
        losses.append(closure())
        return losses[-1]

    returned = opt.step(counting)
    n = opt.param_groups[0]["n"]
    if isinstance(opt, HiZOO):
        assert len(losses) == 2 * n + 1
        assert float(returned) == float(losses[0])
    else:
        assert len(losses) == 2 * n
        assert float(returned) == pytest.approx(float(torch.stack(losses).double().mean()))


def test_the_probes_are_along_direction():
    p = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64))
    q = nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
    opt = HiZOO([p, q], lr=0.01, mu=0.1, alpha=0.5, n=2)

    def closure():
        seen.append((p.detach().clone(), q.detach().clone()))
        return (p * p).sum() * 5 + (q * q).sum()

    for step in range(3):
        seen = []
        P = [opt.state[t]["P"].clone() if step else torch.ones_like(t) for t in (p, q)]
        opt.step(closure)
        for i in range(2):
            for theta, plus, minus, u, h in zip(*seen[0:1], seen[1 + 2 * i], seen[2 + 2 * i], opt.direction(step, i), P,
                                                strict=True):  # fmt: skip
                torch.testing.assert_close(plus, theta + 0.1 * u / h.sqrt())
                torch.testing.assert_close(minus, theta - 0.1 * u / h.sqrt())
    with pytest.raises(ValueError, match="i = 2"):
        opt.direction(0, 2)


def test_groups_have_their_own_settings():
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    opt = HiZOO([{"params": [a], "alpha": 0.0}, {"params": [b], "lr": 0.0}], lr=0.01, alpha=0.5)
    opt.step(lambda: (a * a).sum() + (b * b).sum())
    assert (opt.state[a]["P"] == 1).all()
    assert (opt.state[b]["P"] != 1).all()
    assert (a != 1).all()
    torch.testing.assert_close(b.detach(), torch.ones(3), rtol=0, atol=1e-6)


def test_what_one_probe_fixes_must_agree_between_groups():
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    opt = HiZOO([a])
    with pytest.raises(ValueError, match=r"n = 2: must be 1 in every group"):
        opt.add_param_group({"params": [b], "n": 2})
    with pytest.raises(HyperparameterError, match=r"alpha: α smoothing must be a number from 0 to 1, not 3"):
        opt.add_param_group({"params": [b], "alpha": 3})
    assert len(opt.param_groups) == 1
    opt.add_param_group({"params": [b]})  # still possible after the refusals


@every_optimizer
def test_a_group_added_later_joins(make):
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    opt = make([a])

    def closure():
        return (a * a).sum() + (b * b).sum()

    opt.step(closure)
    assert (b == 1).all()
    opt.add_param_group({"params": [b], "lr": 0.01})
    opt.step(closure)
    assert (b != 1).all()
    assert [group["step"] for group in opt.param_groups] == [2, 2]


@every_optimizer
def test_schedulers_work(make):
    model, closure = model_and_closure()
    opt = make(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4)
    rates = []
    for _ in range(4):
        opt.step(closure)
        scheduler.step()
        rates.append(opt.param_groups[0]["lr"])
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0)
    before = values(model)
    opt.step(closure)  # at a learning rate of zero
    for p, q in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(p, q.detach(), rtol=0, atol=1e-6)


@every_optimizer
def test_frozen_parameters_stay(make):
    model, closure = model_and_closure()
    opt = make(model.parameters())
    model[0].weight.requires_grad_(False)
    frozen = model[0].weight.clone()
    opt.step(closure)
    assert torch.equal(model[0].weight, frozen)
    assert len(opt.direction(0, 0)) == 3
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to optimize"):
        opt.step(closure)


@every_optimizer
@pytest.mark.parametrize("call", [0, 1, 3])
def test_an_exception_leaves_the_parameters_restored(make, call):
    model, closure = model_and_closure(torch.bfloat16)
    opt = make(model.parameters(), mu=0.1)
    opt.step(closure)
    before, calls = values(model), []

    def failing():
        calls.append(None)
        if len(calls) == call + 1:
            raise RuntimeError("out of data")
        return closure()

    with pytest.raises(RuntimeError, match="out of data"):
        opt.step(failing)
    assert all(map(torch.equal, before, model.parameters()))
    assert opt.param_groups[0]["step"] == 1


@every_optimizer
@pytest.mark.parametrize("call", [0, 2])
def test_a_loss_that_is_not_finite_moves_nothing(make, call):
    model, closure = model_and_closure(torch.bfloat16)
    opt = make(model.parameters(), mu=0.1)
    opt.step(closure)
    before, calls = values(model), []
    states = [{name: value.clone() for name, value in opt.state[p].items()} for p in model.parameters()]

    def overflowing():
        calls.append(None)
        return torch.tensor(math.inf) if len(calls) == call + 1 else closure()

    loss = opt.step(overflowing)
    assert math.isfinite(loss) == (isinstance(opt, HiZOO) and call > 0)
    for p, q, state in zip(before, model.parameters(), states, strict=True):
        assert torch.equal(p, q)
        for name, value in state.items():
            assert torch.equal(value, opt.state[q][name])
    assert opt.param_groups[0]["step"] == 2


@every_optimizer
def test_restoration_does_not_drift_beyond_rounding(make, monkeypatch):
    monkeypatch.setattr(module_parameters, "COPIED", 0)
    model, closure = model_and_closure()
    opt = make(model.parameters(), lr=0.0)
    before = values(model)
    rounds = 400
    for _ in range(rounds):
        opt.step(closure)
    for p, q in zip(before, model.parameters(), strict=True):
        # Each pass rounds once, by at most half a unit in the last place, in either direction.
        passes = rounds * (2 * opt.param_groups[0]["n"] + 1)
        unit = torch.finfo(torch.float32).eps * (p.abs() + 4e-3)
        assert ((q - p).abs() < 0.5 * unit * 5 * passes**0.5).all()


def test_channels_last_and_scalar_parameters():
    p = nn.Parameter(torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last))
    q = nn.Parameter(torch.tensor(2.0))
    opt = HiZOO([p, q], lr=0.01, alpha=0.0, n=4)

    def closure():
        return ((p * p).sum() + q * q).detach()

    before = float(closure())
    u = opt.direction(0, 0)
    assert [v.shape for v in u] == [p.shape, q.shape]
    for _ in range(100):
        opt.step(closure)
    assert float(closure()) < 0.5 * before


def test_wrong_uses_are_named():
    p = nn.Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match="empty parameter list"):
        HiZOO([])
    with pytest.raises(HyperparameterError, match=r"η learning rate must be .* 0 to 1,000,000, or auto, not -1"):
        MeZO([p], lr=-1)
    with pytest.raises(HyperparameterError, match=r"n directions must be a whole number from 2 to 64 with .*, not 1"):
        HiZOO([p], estimator="multiplicative")
    with pytest.raises(ValueError, match="seed = -1"):
        MeZO([p], seed=-1)
    with pytest.raises(TypeError, match=r"HiZOO\.step needs a closure"):
        HiZOO([p]).step()
    with pytest.raises(ValueError, match="real floating-point"):
        HiZOO([nn.Parameter(torch.ones(2, dtype=torch.complex64))])
    with pytest.raises(ValueError, match="dense in memory"):
        HiZOO([nn.Parameter(torch.ones(4, 4)[:, ::2])])


@every_optimizer
def test_a_snapshot_does_not_change_with_later_steps(make):
    model, closure = model_and_closure()
    opt = make(model.parameters())
    opt.step(closure)
    saved, theta = opt.state_dict(), values(model)
    opt.step(closure)
    end = values(model)
    for p, value in zip(model.parameters(), theta, strict=True):
        p.data.copy_(value)
    opt.load_state_dict(saved)
    opt.step(closure)
    assert all(map(torch.equal, end, values(model)))
    assert saved["param_groups"][0]["step"] == 1


@every_optimizer
def test_a_first_step_in_inference_mode_leaves_a_state_for_later_ones(make):
    model, closure = model_and_closure()
    opt = make(model.parameters())
    with torch.inference_mode():
        opt.step(closure)
    for _ in range(2):
        opt.step(closure)
    with torch.inference_mode():
        opt.load_state_dict(opt.state_dict())
        opt.step(closure)
    opt.step(closure)
    other, closure = model_and_closure()
    usual = make(other.parameters())
    for _ in range(5):
        usual.step(closure)
    assert all(map(torch.equal, values(model), values(other)))
    assert all(p.requires_grad and not p.is_inference() for p in model.parameters())


@every_optimizer
def test_unknown_settings_of_a_group_are_named(make):
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match=r"'Alpha' is no setting of \w+: a group may have params, lr, "):
        make([{"params": [a], "Alpha": 0.1}])
    opt = make([{"params": [a], "initial_lr": 0.1}])
    with pytest.raises(ValueError, match="'momentum' is no setting"):
        opt.add_param_group({"params": [b], "momentum": 0.9})
    with pytest.raises(ValueError, match=r"a group needs 'params', the parameters it is of; this one has lr, mu"):
        opt.add_param_group({"lr": 1, "mu": 0.1})
    assert len(opt.param_groups) == 1


@every_optimizer
def test_a_parameter_listed_twice_is_refused(make):
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match=r"parameter 2 of the group, of shape \(3,\), is already parameter 0: list"):
        make([a, b, a])
    with pytest.raises(ValueError, match="is already parameter 0"):
        make([("a", a), ("again", a)])
    with pytest.raises(ValueError, match="is already in group 0"):
        make([{"params": [a]}, {"params": iter([b, a])}])
    make(dict(a=a, b=b).items())  # names are fine


@pytest.mark.parametrize("make", [HiZOO, HiZOOL, MeZO])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weight_decay_takes_lr_times_itself_off_each_number(make, dtype):
    """θ ← θ − η (g + λ θ), as in the authors' trainers: the decay is not scaled by P."""
    theta = torch.linspace(-2, 2, 12, dtype=dtype).view(3, 4)
    p, q, kept = (nn.Parameter(theta.clone()) for _ in range(3))
    settings = {"mu": 1e-1, "lr": 0.125}
    opt = make([{"params": [p], "weight_decay": 0.5}, {"params": [kept]}], **settings)
    plain = make([{"params": [q]}, {"params": [kept.detach().clone().requires_grad_()]}], **settings)
    for optimizer, parameter in ((opt, p), (plain, q)):
        optimizer.step(lambda parameter=parameter: (parameter.double() ** 2).sum())
    with torch.no_grad():
        # In bfloat16 both are rounded, by less than a unit.
        torch.testing.assert_close(p, q - 0.0625 * theta, rtol=1e-12 if dtype == torch.float64 else 2**-6, atol=2**-7)
    with pytest.raises(HyperparameterError, match="weight_decay must be a number from 0 on, not -1"):
        make([p], weight_decay=-1)


SIGNLESS = [make for name, make in OPTIMIZERS.items() if name != "reliable"]  # which begins with positive curvature


@pytest.mark.parametrize("make", [*SIGNLESS, lambda params, **kw: HiZOOL(params, lr=0.02, n=2, **kw)])
def test_maximize_is_minimizing_the_opposite(make):
    ends = []
    for sign in (1, -1):
        model, closure = model_and_closure(torch.float64)
        opt = make(model.parameters(), maximize=sign < 0, weight_decay=0.1)
        for _ in range(5):
            opt.step(lambda closure=closure, sign=sign: sign * closure())
        ends.append(values(model))
    assert all(map(torch.equal, *ends))
    with pytest.raises(HyperparameterError, match="maximize must be True or False, not 1"):
        make(model.parameters(), maximize=1)


def test_a_state_saved_before_there_was_weight_decay_is_loaded():
    model, closure = model_and_closure()
    opt = OPTIMIZERS["paper"](model.parameters())
    opt.step(closure)
    saved = opt.state_dict()
    for group in saved["param_groups"]:
        del group["weight_decay"], group["maximize"]
    opt.load_state_dict(saved)
    opt.step(closure)
    assert opt.param_groups[0]["weight_decay"] == 0.0
    assert opt.param_groups[0]["maximize"] is False
