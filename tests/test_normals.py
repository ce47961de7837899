"""The random directions: their words, their distribution, and that neither a chunk nor a device matters."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from hizoo_core import MeZO, module_parameters, normals, workspace
from hizoo_core.normals import TILE, Source, Stream


def draw(stream, first=0, count=2**20, block=normals.BLOCK):
    out = np.full(count, np.nan, np.float32)
    Source(block).fill(out, stream, first)
    return out


def mix(x):
    """Stafford's variant 13 of a 64-bit finalizer, in Python's whole numbers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def by_definition(stream, element):
    """One number of a direction, as the module's text says, in float64."""
    tile, place = divmod(element, 2 * TILE)
    pair, whole = place % TILE, []
    for number in (pair, TILE + pair):
        word = mix((stream.start + (tile * TILE + number // 2) * stream.stride) % 2**64)
        half = word >> 32 * (number % 2) & 0xFFFFFFFF
        whole.append(half - 2**32 if half >= 2**31 else half)
    angle, v = np.pi * whole[0] / 2**31, (whole[1] ** 2 + 0.25) / 2**62
    return np.sqrt(-np.log(v)) * (np.sin(angle) if place >= TILE else np.cos(angle))


def test_they_are_what_the_definition_says():
    stream = Stream.of(3, 14, 1)
    elements = [0, 1, TILE - 1, TILE, 2 * TILE - 1, 2 * TILE, 5 * TILE + 77, 2**33 + 12345]
    for element in elements:
        assert draw(stream, element, 1)[0] == pytest.approx(by_definition(stream, element), rel=1e-5, abs=1e-6)


def test_the_words_are_those_of_splitmix():
    """The first outputs of SplitMix64 seeded with 1234567, as published with its reference implementation."""
    golden = 0x9E3779B97F4A7C15
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    stream = Stream(1234567 + golden, golden)
    for words in (normals.words(stream, 0, 5, "cpu").numpy().view(np.uint64), Source().words(stream, 0, 5)):
        assert words.tolist() == published


def test_torchs_words_are_numpys():
    for step, first in itertools.product(range(3), (0, TILE, 2**40 + 5)):
        stream = Stream.of(step, step, 2**20 + step)
        ours = Source().words(stream, first, 10_000)
        assert np.array_equal(ours, normals.words(stream, first, 10_000, "cpu").numpy().view(np.uint64))


@pytest.mark.parametrize(("first", "count"), [(0, 2**18), (12_345, 100_001), (2 * TILE - 1, 2), (7, 0), (2**31 + 1, 1)])
def test_other_devices_draw_the_same_numbers_but_for_rounding(first, count):
    stream = Stream.of(1, 2, 3)
    out = torch.full((count,), torch.nan)
    normals.fill_on_device(out, stream, first)
    np.testing.assert_allclose(out.numpy(), draw(stream, first, count), rtol=1e-5, atol=1e-6)


def test_a_device_draws_in_blocks(monkeypatch):
    stream, whole, parts = Stream.of(1, 2, 3), torch.empty(50_000), torch.empty(50_000)
    normals.fill_on_device(whole, stream, 11)
    monkeypatch.setattr(normals, "DEVICE_BLOCK", 7_001)
    normals.fill_on_device(parts, stream, 11)
    assert torch.equal(whole, parts)


def test_no_word_makes_a_number_that_is_not_finite():
    extreme = [-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1]
    angle, radius = np.array(list(itertools.product(extreme, extreme)), np.int32).T
    words = np.zeros((2, TILE), np.int32)
    words[:, : len(angle)] = angle, radius
    out = np.empty(2 * TILE, np.float32)
    source = Source()
    source._box_muller(words.reshape(-1).view(np.uint64), out)
    assert np.isfinite(out).all()
    assert np.abs(out).max() == pytest.approx(np.sqrt(64 * np.log(2)), rel=1e-6)  # 6.66, at r = 0


@pytest.mark.parametrize("first", [0, 1, 2 * TILE - 1, 2 * normals.BLOCK, 5 * normals.BLOCK + 3])
@pytest.mark.parametrize("count", [1, 2, 2 * TILE + 1, 2 * normals.BLOCK - 1, 2 * normals.BLOCK + 1])
def test_an_element_does_not_depend_on_what_is_drawn_with_it(first, count):
    stream = Stream.of(1, 2, 3)
    whole = draw(stream, 0, 14 * normals.BLOCK)
    for block in (TILE, normals.BLOCK, normals.SHARED_BLOCK):
        assert np.array_equal(draw(stream, first, count, block), whole[first : first + count])


def test_they_are_normal():
    x = np.concatenate([draw(Stream.of(7, step, 0)) for step in range(4)]).astype(np.float64)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert (x**power).mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / x.size))
    assert stats.kstest(x, "norm").pvalue > 1e-3
    assert 4.5 < np.abs(x).max() < 6.7


def test_the_tails_are_normal():
    x = np.abs(np.concatenate([draw(Stream.of(8, step, 1)) for step in range(8)]))
    for bound in (3.0, 4.0, 4.5):
        expected = 2 * stats.norm.sf(bound) * x.size
        assert abs((x > bound).sum() - expected) < 4 * np.sqrt(expected)


NEIGHBOURS = {"seed": (1, 0, 0), "step": (0, 1, 0), "direction": (0, 0, 1), "step and seed": (1, 1, 0)}


@pytest.mark.parametrize("other", NEIGHBOURS.values(), ids=NEIGHBOURS.keys())
def test_neighbouring_directions_are_independent(other):
    u, v = draw(Stream.of(0, 0, 0)), draw(Stream.of(*other))
    uncorrelated(u, v)
    uncorrelated(u[1:], v[:-1])
    uncorrelated(u[TILE:], v[:-TILE])


@pytest.mark.parametrize("lag", [1, 2, 3, 64, 576, 768, TILE - 1, TILE, TILE + 1, 2 * TILE, 2**16, 2**18])
def test_neighbouring_elements_are_independent(lag):
    u = draw(Stream.of(0, 0, 0))
    uncorrelated(u[lag:], u[:-lag])


def uncorrelated(u, v):
    for p, q in ((1, 1), (2, 2), (1, 2), (2, 1)):
        a, b = u.astype(np.float64) ** p, v.astype(np.float64) ** q
        assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / np.sqrt(a.size)


def test_one_element_is_normal_and_independent_over_the_steps():
    source, out = Source(), np.empty((4000, 8), np.float32)
    for step, row in enumerate(out):
        source.fill(row, Stream.of(0, step, 0), 100)
    assert stats.kstest(out.ravel(), "norm").pvalue > 1e-3
    joint = np.corrcoef(np.concatenate([out[1:], out[:-1]], 1).T)
    assert np.abs(joint - np.eye(16)).max() < 4.5 / np.sqrt(4000)


def test_every_bit_of_the_words_is_fair_and_so_are_its_changes():
    """The frequency and runs tests (NIST SP 800-22, 2.1 and 2.3) of each of the 64 bits, within and across streams."""
    within = Source().words(Stream.of(0, 0, 0), 0, 2**15)
    across = np.array([normals.words(Stream.of(0, step, 0), 0, 1, "cpu").item() for step in range(2**13)])
    for words in (within.view(np.int64), across):
        bits = (words[:, None] >> np.arange(64)) & 1
        count = len(words)
        assert np.abs(2 * bits.sum(0) - count).max() < 4.5 * np.sqrt(count)
        assert np.abs(2 * (bits[1:] != bits[:-1]).sum(0) - count).max() < 4.5 * np.sqrt(count)


def test_the_streams_differ():
    keys = itertools.product(range(30), range(100), range(20))
    streams = [Stream.of(*key) for key in keys]
    assert len({stream.start for stream in streams}) == len({stream.stride for stream in streams}) == len(streams)
    for stream in streams:
        assert stream.stride % 2 == 1
        assert (stream.stride ^ stream.stride >> 1).bit_count() >= 24


def parameters(dtype=torch.float32):
    """Small ones that are drawn together, a large one, and one that is cut."""
    return [
        torch.zeros(shape, dtype=dtype, requires_grad=True) for shape in [(3,), (50, 7), (300, 400), (5,), (2, 90_001)]
    ]


def flat(direction):
    return torch.cat([u.flatten() for u in direction])


def test_an_optimizer_numbers_its_elements_through():
    expected = draw(Stream.of(5, 4, 1), 0, 300_360)
    opt = MeZO(parameters(), n=2, seed=5)
    assert np.array_equal(flat(opt.direction(4, 1)).numpy(), expected)


@pytest.mark.parametrize("change", ["chunks", "windows", "kept", "float64", "bfloat16", "groups"])
def test_nothing_but_seed_step_direction_and_element_matters(change, monkeypatch):
    u = flat(MeZO(parameters(), n=2, seed=5).direction(4, 1))
    own = parameters({"float64": torch.float64, "bfloat16": torch.bfloat16}.get(change, torch.float32))
    if change == "chunks":
        monkeypatch.setattr(module_parameters, "CPU_CHUNK", 1000)
    elif change == "windows":
        monkeypatch.setattr(workspace, "WINDOW", 1)
    elif change == "kept":
        monkeypatch.setattr(workspace, "KEPT", 500)
    groups = [{"params": own[:2]}, {"params": own[2:], "lr": 0.5}] if change == "groups" else own
    assert torch.equal(u.double(), flat(MeZO(groups, n=2, seed=5).direction(4, 1)).double())


def test_freezing_a_parameter_leaves_the_others_their_directions():
    opt = MeZO(own := parameters(), seed=5)
    before = opt.direction(4, 0)
    own[1].requires_grad_(False)
    after = opt.direction(4, 0)
    for u, v in zip(before[:1] + before[2:], after, strict=True):
        assert torch.equal(u, v)


def test_small_tensors_are_drawn_together():
    opt = MeZO([torch.zeros(10, requires_grad=True) for _ in range(50)], n=3)
    pieces = opt._space(0)._pieces
    assert {piece.window for piece in pieces} == {range(500)}
    large = [torch.zeros(size, requires_grad=True) for size in (10, workspace.WINDOW, 20, 30)]
    windows = [piece.window for piece in MeZO(large)._space(0)._pieces]
    start = workspace.WINDOW + 10
    assert windows == [range(10), range(10, start), range(start, start + 50), range(start, start + 50)]
