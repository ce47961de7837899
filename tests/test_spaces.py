"""One algorithm, two spaces: numpy's batch and torch's parameters make the same steps with the same directions."""

import numpy as np
import pytest
import torch
from objectives import Quadratic, Ripples

from hizoo_core import METHODS, HiZOO, MeZO, directions, module_parameters, optimize, zeroth_order
from hizoo_core.module_parameters import ModuleParameters
from hizoo_core.normals import Source
from hizoo_core.preconditioner import Curvature
from hizoo_core.workspace import SeededDirections


def numpys_directions(run, shapes, d):
    """In place of SeededDirections: the directions that `optimize` gives one run, cut up for some chunks."""

    class Directions:
        def __init__(self, seed):
            self.seed = seed

        def open(self, step, i):
            numbers = torch.from_numpy(directions(self.seed, step, i + 1, run + 1, d)[i, run].copy())
            return lambda out, first, source: out.copy_(numbers[first : first + len(out)])

    return Directions


def torch_value(objective, x):
    if isinstance(objective, Quadratic):
        return 0.5 * (torch.from_numpy(objective.h) * x * x).sum()
    return torch.exp(torch.sin(x[0])) + x[0] ** 4 + x[1] * x[1] * torch.cos(x[1])


CASES = {
    "paper": ("hizoo", HiZOO, {"n": 1, "alpha": 0.1, "lr": 0.05, "estimator": "paper", "warmup": 5}),
    "paper-4": ("hizoo", HiZOO, {"n": 4, "alpha": 0.1, "lr": 0.05, "estimator": "paper"}),
    "released": ("hizoo", HiZOO, {"n": 3, "alpha": 0.05, "lr": 0.05, "estimator": "released", "floor": 0.3}),
    "multiplicative": ("hizoo", HiZOO, {"n": 2, "alpha": 0.2, "lr": 0.01, "estimator": "multiplicative"}),
    "multiplicative-5": (
        "hizoo",
        HiZOO,
        {"n": 5, "alpha": 0.1, "lr": 0.05, "beta": 0.5, "estimator": "multiplicative"},
    ),
    "reliable": ("hizoo", HiZOO, {"n": 1, "alpha": 0.1, "lr": 0.02, "estimator": "reliable"}),
    "reliable-4": ("hizoo", HiZOO, {"n": 4, "alpha": 0.2, "lr": 0.05, "estimator": "reliable", "warmup": 5}),
    "mezo": ("mezo", MeZO, {"n": 1, "lr": 0.01}),
    "mezo-3": ("mezo", MeZO, {"n": 3, "lr": 0.01}),
}


@pytest.mark.parametrize(("key", "optimizer", "settings"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize(
    ("objective", "shapes"),
    [(Ripples(), [1, 1]), (Quadratic(50.0, 4.0, 1.0, 0.3, 8.0), [2, 3])],
    ids=["ripples", "quadratic"],
)
def test_both_spaces_make_the_same_steps(key, optimizer, settings, objective, shapes, monkeypatch):
    d, run, seed, mu = sum(shapes), 2, 11, 1e-2
    if settings.get("estimator") == "reliable":
        shapes = [d]  # several tensors have a level of their own, which points have not
    start = np.linspace(0.7, -0.9, d)
    trace = optimize(
        objective, key, METHODS[key].hyperparameters(mu=mu, **settings), start, steps=80, runs=3, seed=seed
    )
    monkeypatch.setattr(zeroth_order, "SeededDirections", numpys_directions(run, shapes, d))
    parameters = [torch.nn.Parameter(part.clone()) for part in torch.from_numpy(start).split(shapes)]
    opt = optimizer(parameters, mu=mu, seed=seed, **settings)
    for t in range(80):
        loss = opt.step(lambda: torch_value(objective, torch.cat(parameters)))
        theta = torch.cat(parameters).detach().numpy()
        np.testing.assert_allclose(theta, trace.theta[t + 1, run], rtol=1e-9, atol=1e-9)
        if trace.h is not None:
            assert float(loss) == pytest.approx(trace.loss[t, run], rel=1e-9)
            P = torch.cat([opt.state[p]["P"] for p in parameters]).numpy()
            np.testing.assert_allclose(P, trace.h[t + 1, run], rtol=1e-9)
    assert np.abs(trace.theta[-1, run] - start).min() > 1e-3


def space_of(tensors, n=2, mu=0.1):
    return ModuleParameters([(t, Curvature(None)) for t in tensors], n, mu, 0, SeededDirections(3), centre=False)


def shapes_of(*shape):
    return [tuple(p.theta.shape) for p in space_of([torch.zeros(shape)])._pieces]


def test_chunks_are_whole_rows_where_a_row_fits(monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 7)
    assert shapes_of(5, 3) == [(2, 3), (2, 3), (1, 3)]
    assert shapes_of(2, 2, 2) == [(3, 2), (1, 2)]
    assert shapes_of(2, 10) == [(1, 7), (1, 3), (1, 7), (1, 3)]
    assert shapes_of(14) == [(1, 7), (1, 7)]
    assert shapes_of() == [(1, 1)]
    assert shapes_of(0) == shapes_of(3, 0) == []


def test_chunks_cover_every_number_once(monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 7)
    tensors = [torch.zeros(3, 5), torch.zeros(()), torch.zeros(14), torch.zeros(0), torch.zeros(2, 2, 2)]
    space = space_of(tensors)
    seen = []

    def closure():
        seen.append(torch.cat([t.flatten() for t in tensors]).clone())
        return 0.0

    space.probe(closure)
    space.restore()
    for i in range(2):
        u = torch.cat([chunk.flatten().clone() for chunk in space.direction(i)])
        torch.testing.assert_close(seen[2 * i], 0.1 * u)
        torch.testing.assert_close(seen[2 * i + 1], -0.1 * u)
    torch.testing.assert_close(torch.cat([t.flatten() for t in tensors]), torch.zeros(38), atol=1e-7, rtol=0)


def draw(seed, step, i, count=20_000, first=0, dtype=torch.float32):
    out = torch.empty(count, dtype=dtype)
    SeededDirections(seed).open(step, i)(out, first, Source())
    return out


def test_directions_in_torch_are_normal_and_differ():
    draws = [draw(0, step, i) for step in range(3) for i in range(2)] + [draw(1, 0, 0), draw(0, 0, 0, first=20_000)]
    matrix = np.corrcoef(torch.stack(draws).numpy())
    assert np.abs(matrix - np.eye(8)).max() < 4 / np.sqrt(20_000)
    assert torch.stack(draws).std() == pytest.approx(1, abs=0.01)
    assert torch.stack(draws).pow(4).mean() == pytest.approx(3, abs=0.06)
    assert torch.equal(draw(0, 2, 1), draws[5])


@pytest.mark.parametrize("settings", [{}, {"pool": "row"}, {"pool": "tensor"}])
def test_no_number_depends_on_the_threads(settings, monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 1000)
    before = torch.get_num_threads()

    def after_three_steps(threads):
        torch.manual_seed(0)
        tensors = [torch.randn(40, 60, requires_grad=True), torch.randn(2500, requires_grad=True)]
        opt = HiZOO(tensors, lr=1e-3, alpha=0.1, n=2, **settings)
        torch.set_num_threads(threads)
        for _ in range(3):
            # The loss must not depend on the number of threads either.
            opt.step(lambda: sum(float(t.detach().numpy().astype("f8").sum() ** 2) for t in tensors))
        assert torch.get_num_threads() == threads
        return [*tensors, *(opt.state[t]["P"] for t in tensors)]

    try:
        for one, three in zip(after_three_steps(1), after_three_steps(3), strict=True):
            assert torch.equal(one, three)
    finally:
        torch.set_num_threads(before)


def test_a_failure_in_a_thread_is_raised_and_the_threads_set_back(monkeypatch):
    monkeypatch.setattr(module_parameters, "CPU_CHUNK", 10)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        space = space_of([torch.zeros(100)])

        def fail(piece, workspace):
            raise MemoryError

        with pytest.raises(MemoryError):
            space._share(fail, space._pieces)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
