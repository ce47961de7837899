"""The fused kernels against torch's own operations, in Triton's interpreter, on the CPU: the same directions, probes
and updates, but for rounding.
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from hizoo_core import HiZOO, MeZO, fused, kernels, module_parameters, normals
from hizoo_core.normals import TILE

ROOT = Path(__file__).resolve().parent.parent
# Small ones that are copied for a step, and larger ones that are put back in place; some begin within a tile.
SHAPES, COPIED = [(3,), (50, 7), (71, 30), (5,), (2, 1500), (1, 1), (64, 64)], {0, 1, 3}
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
MAKERS = {
    "mezo": lambda p: MeZO(p, lr=1e-4, n=2, seed=3),
    "decay": lambda p: MeZO([{"params": p[:3], "weight_decay": 0.1, "lr": 1e-3}, {"params": p[3:]}], maximize=True),
    "paper": lambda p: HiZOO(p, lr=1e-4, alpha=0.1, n=2),
    "released": lambda p: HiZOO(p, lr=1e-4, alpha=0.1, n=1, estimator="released"),
    "multiplicative": lambda p: HiZOO(p, lr=1e-4, alpha=0.1, n=3, estimator="multiplicative"),
    "bounds": lambda p: HiZOO(p, lr=1e-4, alpha=0.9, n=1, floor=0.95),
    "warm-up": lambda p: HiZOO(p, lr=1e-4, alpha=0.1, n=1, warmup=1),
}


@pytest.fixture(scope="module", autouse=True)
def interpreter():
    """Kernels that are decorated while this holds are Python, and run without a graphics card."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield


@pytest.fixture(scope="module")
def triton_kernels(interpreter):
    pytest.importorskip("triton", reason="Triton comes with torch's CUDA builds, on Linux")
    from hizoo_core import triton_kernels

    return triton_kernels


def test_whoever_has_no_graphics_card_is_told_nothing():
    assert kernels.module(torch.device("cpu")) is None
    assert kernels.missing(torch.device("cpu")) == ""


def test_parameters_that_have_left_the_card_are_torchs_again():
    tables = fused.Tables()
    tables._taken = fused.FusedParameters.__new__(fused.FusedParameters)  # as of the steps on the card
    assert tables.find([{"params": [torch.nn.Parameter(torch.zeros(3))]}], {}, lambda: []) is None


def test_a_group_may_be_empty():
    theta = torch.nn.Parameter(torch.ones(3))
    MeZO([{"params": []}, {"params": [theta]}], lr=0.1, n=1).step(lambda: theta.square().sum())
    assert not theta.equal(torch.ones(3))


def test_a_card_whose_kernels_do_not_work_makes_do_without(monkeypatch):
    def fails(*_):
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(kernels, "launch_fill", fails)
    with pytest.warns(UserWarning, match="no fused kernels on meta, steps take longer: "):
        assert kernels._tried.__wrapped__(torch.device("meta")).startswith("no fused kernels on meta")


@pytest.mark.usefixtures("triton_kernels")
def test_memory_that_runs_out_is_no_reason_to_do_without(monkeypatch):

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kernels, "launch_fill", full)
    with pytest.raises(torch.OutOfMemoryError):
        kernels._tried.__wrapped__(torch.device("cpu"))


@pytest.fixture
def small(monkeypatch):
    for module in (fused, module_parameters):
        monkeypatch.setattr(module, "small", lambda counts: COPIED)


@pytest.fixture
def using(monkeypatch, triton_kernels, small):
    """A context in which optimizers use the kernels."""

    def use(yes):
        monkeypatch.setattr(kernels, "module", lambda device: triton_kernels if yes else None)

    return use


def parameters(dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(shape, generator=generator) * 0.02 for shape in SHAPES]
    return [torch.nn.Parameter(each.to(dtype)) for each in drawn]


def flat(tensors):
    return torch.cat([each.detach().float().flatten() for each in tensors])


def alike(a, b, dtype):
    """Equal but for rounding: of narrow formats, whose rounding takes u's last bits, in a few elements by a unit."""
    a, b = flat(a), flat(b)
    if dtype == torch.float32:
        torch.testing.assert_close(a, b, rtol=1e-6, atol=3e-9)
    else:
        torch.testing.assert_close(a, b, rtol=3 * torch.finfo(dtype).eps, atol=1e-4)
        assert (a != b).double().mean() < 0.02


@pytest.mark.parametrize(("first", "count"), [(0, 5000), (12_345, 3001), (2 * TILE - 1, 2), (2**33 + 1, 1), (7, 0)])
def test_a_direction_is_the_same(triton_kernels, first, count):
    stream, out, expected = normals.Stream.of(3, 14, 1), torch.full((count,), torch.nan), torch.empty(count)
    kernels.launch_fill(triton_kernels, out, stream, first)
    normals.Source().fill(expected.numpy(), stream, first)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=2e-6)


def test_the_words_extremes_make_finite_numbers(triton_kernels):
    """A stream without a stride repeats one word: all zeros, all ones, and where the angle turns over."""
    for word in (0, 2**64 - 1, 2**31 * (1 + 2**32), (2**31 - 1) * (1 + 2**32), 2**29 * (1 + 2**32)):
        start = unmixed(word)
        out, expected = torch.empty(2 * TILE), torch.empty(2 * TILE)
        kernels.launch_fill(triton_kernels, out, normals.Stream(start, 0), 0)
        normals.Source().fill(expected.numpy(), normals.Stream(start, 0), 0)
        torch.testing.assert_close(out, expected, rtol=1e-6, atol=2e-6)


def unmixed(word):
    """What SplitMix's finalizer makes that word of."""
    shifts, factors = (31, 27, 30), (pow(0x94D049BB133111EB, -1, 2**64), pow(0xBF58476D1CE4E5B9, -1, 2**64), 1)
    for shift, factor in zip(shifts, factors, strict=True):
        found = word
        for _ in range(3):
            found = word ^ found >> shift
        word = found * factor % 2**64
    return word


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["mezo", "paper"])
def test_the_probes_are_the_same(using, name, dtype):
    seen = {}
    for fused_ in (False, True):
        using(fused_)
        own, probes = parameters(dtype), []
        optimizer = MAKERS[name](own)
        for _ in range(2):  # the second time P is no longer one, and the tables are known
            optimizer.attempt(lambda own=own, probes=probes: probes.append([p.detach().clone() for p in own]) or 0.0)
            optimizer.count()
        if name == "paper":
            for value in (state["P"] for state in optimizer.state.values()):
                value.mul_(3.0)
            optimizer.attempt(lambda own=own, probes=probes: probes.append([p.detach().clone() for p in own]) or 0.0)
        seen[fused_] = [*probes, own]
    for ours, theirs in zip(seen[True], seen[False], strict=True):
        alike(ours, theirs, dtype)
    for place in COPIED:  # all losses were equal: θ is where it was
        assert torch.equal(seen[True][-1][place], parameters(dtype)[place])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, torch.float32) for name in MAKERS),
        *((name, dtype) for name in ("decay", "paper") for dtype in DTYPES[1:]),
    ],
)
def test_an_update_is_the_same(using, name, dtype):
    made = {}
    for fused_ in (False, True):
        using(fused_)
        own = parameters(dtype)
        optimizer = MAKERS[name](own)
        n = optimizer.param_groups[0]["n"]
        for step in range(2):
            first = torch.tensor([1e-3, -2e-3, 5e-4], dtype=torch.float64)[:n]
            second = None if isinstance(optimizer, MeZO) else torch.tensor([2e-6, -1e-6, 3e-6])[:n].double()
            length = optimizer.repeat(first, second)
            optimizer.count()
            assert (length == 0) == (name == "warm-up" and step == 0)
        made[fused_] = own, [state for state in optimizer.state.values()], length
    ours, theirs = made[True], made[False]
    alike(ours[0], theirs[0], dtype)
    assert ours[2] == pytest.approx(theirs[2], rel=1e-5 if dtype == torch.float32 else 1e-2)
    for state, other in zip(ours[1], theirs[1], strict=True):
        for key, value in state.items():
            torch.testing.assert_close(value, other[key], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_failing_loss_leaves_theta_as_it_was(using, dtype):
    using(True)
    own, calls = parameters(dtype), []

    def fails():
        calls.append(1)
        if len(calls) == 3:
            raise ArithmeticError
        return 0.0

    optimizer = HiZOO(own, n=2)
    with pytest.raises(ArithmeticError):
        optimizer.step(fails)
    for place, (parameter, before) in enumerate(zip(own, parameters(dtype), strict=True)):
        bound = 0.0 if place in COPIED else 1e-8 if dtype == torch.float32 else 4e-4
        assert (parameter - before).abs().max() <= bound


def test_the_tables_are_made_anew_when_something_moves(using):
    using(True)
    own = parameters()
    optimizer = HiZOO(own, n=1)
    taken = []
    for change in (None, None, "θ", None, "frozen", "state"):
        if change == "θ":
            own[2].data = own[2].data.clone()
        elif change == "frozen":
            own[0].requires_grad_(False)
        elif change == "state":
            optimizer.load_state_dict(optimizer.state_dict())
        optimizer.step(lambda: 0.0)
        taken.append(optimizer._tables._taken)
    assert [a is b for a, b in pairwise(taken)] == [True, False, True, False, False]


@pytest.mark.parametrize("change", ["float64", "pool", "two kinds"])
def test_what_the_kernels_cannot_take_torch_does(using, change):
    using(True)
    own = [p.detach().double().requires_grad_() for p in parameters()] if change == "float64" else parameters()
    groups = [{"params": own[:2], "pool": "tensor"}, {"params": own[2:]}] if change == "two kinds" else own
    optimizer = HiZOO(groups, n=1, pool="row" if change == "pool" else "none")
    optimizer.step(lambda: 0.0)
    assert optimizer._tables._taken is None


def test_the_kernels_compile_for_a_graphics_card(tmp_path):
    """For compute capability 9.0, an H100's: no card is needed. In a process of its own, without the interpreter."""
    pytest.importorskip("triton")
    script = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from hizoo_core import kernels, triton_kernels as k
tables = {"table": "*i64", "owner": "*i32", "streams": "*i64", "copies": "*bf16"}
compiled = {"DROPPED": 16, "DTYPE": k.tl.bfloat16, "ALIGNED": True}
for kernel, arguments, constants in (
    (k.fill, {"out": "*fp32", "first": "i32", "count": "i32", "start": "i64", "stride": "i64"}, {}),
    (k.move, tables | {"leave": "i32", "leave_by": "fp32", "enter": "i32", "enter_by": "fp32"},
     compiled | {"LEAVES": True, "ENTERS": True, "SAME": False, "SCALED": True}),
    (k.update, tables | {"factors": "*fp32", "lengths": "*fp32", "away": "i32", "back_by": "fp32"},
     compiled | {"N": 2, "MOVES": True, "KIND": 3}),
):
    names = kernel.arg_names
    signature = {name: arguments.get(name, "constexpr") for name in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    made = compile(ASTSource(kernel, signature, values), GPUTarget("cuda", 90, 32), options=kernels.EXACT)
    print(len(made.asm["cubin"]) > 1000)
"""
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(["", *sys.path])
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 3, done.stderr
