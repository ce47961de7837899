"""θ after many rounds of perturbing and restoring it without an update: small tensors bit for bit, large ones in place.

The bound for large ones. A displacement δ = μ u / √P and its opposite are each rounded on their own. While θ + δ stays
in θ's binade (between two powers of two, with θ's sign) both roundings move θ by the same whole number of units in the
last place, so a round leaves no trace. Elsewhere an error of at most about eps (|θ| + |δ|) remains, with mean zero. So
after R rounds

    |θ_R − θ_0| <= min(eps √R (|θ_0| + 4 μ/√P), 10 μ/√P)

where eps is the spacing of the format at 1: a random walk, and one that ends when the element has left the
neighbourhood (some 5 μ/√P on either side) of the power of two.
"""

import pytest
import torch

from hizoo_core import HiZOO, MeZO, module_parameters
from hizoo_core.hizoo import HiZOOHyperparameters, init
from hizoo_core.module_parameters import ModuleParameters
from hizoo_core.preconditioner import Curvature, Elementwise
from hizoo_core.workspace import SeededDirections

ROUNDS, COUNT, MU = 5_000, 400, 1e-3
CONSTANTS = init(HiZOOHyperparameters(), float)


@pytest.fixture
def in_place(monkeypatch):
    """No tensor is small enough to be copied."""
    monkeypatch.setattr(module_parameters, "COPIED", 0)


def rounds(theta, P, count, mu=MU, n=1):
    """Perturb and restore, `count` times."""
    for step in range(count):
        curvature = Elementwise({"P": P}, CONSTANTS) if P is not None else Curvature(CONSTANTS)
        space = ModuleParameters([(theta, curvature)], n, mu, step, SeededDirections(0), centre=False)
        space.probe(lambda: 0.0)
        space.restore()


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_perturbing_and_restoring_stays_within_the_bound(dtype):
    generator = torch.Generator().manual_seed(1)
    # A network's weights, half of them small; half of each probed ten times as far as the others.
    deviation = torch.tensor([0.02, 0.1]).repeat_interleave(COUNT // 2)
    theta = (torch.randn(COUNT, generator=generator) * deviation).to(dtype)
    P = torch.tensor([1.0, 0.01]).repeat(COUNT // 2)
    start, probe = theta.double().clone(), MU / P.double().sqrt()
    rounds(theta, P, ROUNDS)
    drift = (theta.double() - start).abs()
    walk = torch.finfo(dtype).eps * ROUNDS**0.5 * (start.abs() + 4 * probe)
    assert (drift <= torch.minimum(walk, 10 * probe)).all()
    # Typically it is far smaller: a tenth of that in the root mean square.
    assert (drift / walk).square().mean().sqrt() < 0.15
    if dtype == torch.float32:
        assert drift.max() < 1e-3 * MU


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_within_a_binade_a_round_leaves_no_trace(dtype):
    # From 0.5 to 1, and never displaced across either end.
    theta = torch.linspace(0.55, 0.95, COUNT).to(dtype)
    start = theta.clone()
    rounds(theta, torch.ones(COUNT), 200, mu=5e-3, n=2)
    # But for some in 2^14 roundings: a displacement that lies between two units is rounded with a bit more or less.
    assert (theta != start).sum() <= COUNT // 50
    assert (theta.float() - start.float()).abs().max() <= torch.finfo(dtype).eps / 2


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("weights", ["ones", "minus ones", "normal"])
def test_bfloat16_does_not_drift_to_one_side(weights):
    """With rounding to the nearest, 1.0 goes to 0.974 in 500 rounds, and normal weights shrink by 0.8 % in 1,000."""
    generator = torch.Generator().manual_seed(0)
    count, steps = (20_000, 500) if weights != "normal" else (400_000, 10)
    theta = torch.randn(count, generator=generator) * 0.02 if weights == "normal" else torch.ones(count)
    theta = (-theta if weights == "minus ones" else theta).bfloat16()
    start = theta.double().clone()
    rounds(theta, None, steps)
    outward = (theta.double() - start) * start.sign()
    assert outward.abs().max() > 0  # it is not exact
    known = 3e-8 * steps * start.abs().mean()  # of numbers that are a power of two (see ModuleParameters)
    assert abs(outward.mean()) <= 4 * outward.std() / count**0.5 + known
    if weights != "normal":
        assert abs(outward.mean()) < 2e-4


@pytest.mark.usefixtures("in_place")
def test_a_displacement_below_the_unit_is_made_in_the_mean():
    theta = torch.ones(40_000, dtype=torch.bfloat16)
    space = ModuleParameters([(theta, Curvature(CONSTANTS))], 1, MU, 0, SeededDirections(0), centre=False)
    seen = []

    def closure():
        seen.append(theta.double() - 1)
        return 0.0

    space.probe(closure)
    (u,) = space.direction(0)
    for side, moved in zip((1, -1), seen, strict=True):
        # Rounded to the nearest, hardly any of them would move: half a unit is 2 to 4 deviations.
        slope = (moved * u).mean() / u.double().square().mean()
        assert slope == pytest.approx(side * MU, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", [HiZOO, MeZO])
def test_small_tensors_come_back_bit_for_bit(dtype, make):
    norm = torch.nn.LayerNorm(300).to(dtype)
    matrix = torch.nn.Parameter((torch.randn(30, 40) * 0.02).to(dtype))
    parameters = [*norm.parameters(), matrix]
    before = [p.detach().clone() for p in parameters]
    optimizer = make(parameters, lr=0.0, n=2)
    for _ in range(500 if dtype == torch.bfloat16 else 20):
        optimizer.step(lambda: 1.0)
        assert all(map(torch.equal, before, parameters))


def test_which_tensors_are_copied(monkeypatch):
    monkeypatch.setattr(module_parameters, "COPIED", 10)
    monkeypatch.setattr(module_parameters, "COPIED_IN_ALL", 16)
    assert module_parameters.small([4, 11, 9, 3, 5]) == {0, 3, 4}  # 9 more would be 21
    assert module_parameters.small([10, 6, 1]) == {1, 2}
    assert module_parameters.small([11]) == module_parameters.small([]) == set()
