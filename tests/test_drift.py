"""θ after many rounds of perturbing and restoring it without an update.

The bound. A displacement δ = μ u / √P and its opposite are each rounded on their own. While θ + δ stays in θ's binade
(between two powers of two) both roundings move θ by the same whole number of units in the last place, so a round leaves
no trace. An element drifts only as long as its displacements cross a power of two, and many do where |θ| < δ: then each
crossing rounds to the coarser side's unit, at most eps (|θ| + |δ|), with a random sign. So after R rounds

    |θ_R − θ_0| <= min(eps √R (|θ_0| + 4 μ/√P), 10 μ/√P)

where eps is the spacing of the format at 1: a random walk, and one that ends when the element has left the
neighbourhood (some 5 μ/√P on either side) of the power of two.
"""

import pytest
import torch

from hizoo_core.hizoo import HiZOOHyperparameters, init
from hizoo_core.module_parameters import ModuleParameters, SeededDirections
from hizoo_core.preconditioner import Elementwise

ROUNDS, COUNT, MU = 10_000, 400, 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_perturbing_and_restoring_stays_within_the_bound(dtype):
    generator = torch.Generator().manual_seed(1)
    # A network's weights, half of them small; half of each probed ten times as far as the others.
    deviation = torch.tensor([0.02, 0.1]).repeat_interleave(COUNT // 2)
    theta = (torch.randn(COUNT, generator=generator) * deviation).to(dtype)
    P = torch.tensor([1.0, 0.01]).repeat(COUNT // 2)
    start, probe = theta.double().clone(), MU / P.double().sqrt()
    constants = init(HiZOOHyperparameters(), float)
    directions = SeededDirections(0)
    for step in range(ROUNDS):
        space = ModuleParameters([(theta, Elementwise({"P": P}, constants))], 1, MU, step, directions, centre=False)
        space.probe(lambda: 0.0)
        space.restore()
    drift = (theta.double() - start).abs()
    walk = torch.finfo(dtype).eps * ROUNDS**0.5 * (start.abs() + 4 * probe)
    assert (drift <= torch.minimum(walk, 10 * probe)).all()
    # Typically it is far smaller: a tenth of that in the root mean square.
    assert (drift / walk).square().mean().sqrt() < 0.15
    if dtype == torch.float32:
        assert drift.max() < 1e-3 * MU


def test_within_a_binade_a_round_leaves_no_trace():
    # From 0.5 to 1, and never displaced across either end.
    theta = torch.linspace(0.55, 0.95, COUNT).bfloat16()
    start = theta.clone()
    constants = init(HiZOOHyperparameters(), float)
    state = {"P": torch.ones(COUNT)}
    for step in range(200):
        space = ModuleParameters(
            [(theta, Elementwise(state, constants))], 2, 5e-3, step, SeededDirections(0), centre=False
        )
        space.probe(lambda: 0.0)
        space.restore()
    # But for one in some 2^16 roundings, that falls between two numbers and goes to the even.
    assert (theta != start).sum() <= 4
    assert (theta.float() - start.float()).abs().max() <= torch.finfo(torch.bfloat16).eps / 2
