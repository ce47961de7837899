"""u_i of a step, number by number: a function of whole numbers, the same on every device and for every chunk of θ.

The words are SplitMix's (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the
64-bit word k of a direction is mix(start + k · stride), with a start and a stride of the direction's own, hashed from
(seed, step, i). The TILE words of a tile are 2 TILE numbers of 32 bits, the lower half of each word first; the first
TILE of them are angles, the others radii. They make the tile's 2 TILE elements by Box and Muller's formula, in float32:

    a, r: an angle and a radius, as signed whole numbers;  v = (r² + ¼) / 2^62;  φ = π a / 2^31
    u_k = √(−log v) · cos φ;    u_TILE+k = √(−log v) · sin φ

√v is uniform, of 31 bits, so that u reaches to 6.6 standard deviations. The words are equal to the bit everywhere; the
logarithm, the cosine and the sine are each device's own, and differ by rounding.

Philox4x32-10 is the usual choice; on a CPU, without a compiler, it would take half as long again as SplitMix:
`python -m benchmarks.noise` compares them with this and with torch's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

NAME = "splitmix64, box-muller 1"  # for a log: to be changed whenever the numbers change
TILE = 2**10  # words
# Words at a time, in whole tiles: for the cache; and where threads share the work, for few calls, which wait for each
# other (for Python's lock: with the smaller block two threads would be no faster than one).
BLOCK, SHARED_BLOCK = 2**15, 2**17
DEVICE_BLOCK = 2**20  # numbers at a time on another device, where they take 16 MB meanwhile
ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # shift, factor: Stafford's variant 13, as in SplitMix
LAST = 31
TURN, QUARTER, LARGEST = np.pi * 2.0**-31, 0.25, 2.0**62
_ROUNDS = tuple((np.uint64(shift), np.uint64(factor)) for shift, factor in ROUNDS)
_LAST = np.uint64(LAST)
_COUNT = np.arange(SHARED_BLOCK, dtype=np.uint64)
_TURN, _QUARTER, _LARGEST = np.float32(TURN), np.float32(QUARTER), np.float32(LARGEST)


@dataclass(frozen=True, slots=True)
class Stream:
    """The words of one direction."""

    start: int
    stride: int  # odd

    @classmethod
    def of(cls, seed: int, step: int, i: int) -> Stream:
        """Those of u_i of a step, both counted from 0."""
        start, stride = np.random.SeedSequence((seed, step, i)).generate_state(2, np.uint64).tolist()
        stride |= 1
        if (stride ^ stride >> 1).bit_count() < 24:  # too regular (Steele et al., `mixGamma`)
            stride ^= 0xAAAAAAAAAAAAAAAA
        return cls(start, stride)

    def at(self, word: int) -> int:
        """What `mix` turns into a word, from 0 to 2^64 − 1."""
        return (self.start + word * self.stride) % 2**64


def tiles(first: int, count: int) -> tuple[int, int]:
    """The first word, and the one after the last, of the tiles that hold these elements."""
    return first // (2 * TILE) * TILE, -(-(first + count) // (2 * TILE)) * TILE


class Source:
    """What one thread on the CPU draws with: buffers for a block of BLOCK words (1 MB) or of SHARED_BLOCK (4 MB)."""

    def __init__(self, block: int = BLOCK) -> None:
        self._block = block
        self._room(TILE)

    def _room(self, words: int) -> None:
        self._steps, self._x, self._shifted = np.empty((3, words), np.uint64)
        self._edge = np.empty(2 * words, np.float32)

    def fill(self, out: np.ndarray, stream: Stream, first: int) -> None:
        """Fill a vector of float32 with the elements first, first + 1, … of a direction."""
        begin, end = tiles(first, out.size)
        self._prepare(stream, min(self._block, end - begin))
        for word in range(begin, end, self._block):
            count = min(self._block, end - word)
            low, high = 2 * word - first, 2 * (word + count) - first  # in `out`, of which a tile may stick out
            whole = low >= 0 and high <= out.size
            block = out[low:high] if whole else self._edge[: 2 * count]
            self._box_muller(self._words(stream.at(word), count), block)
            if not whole:
                inside = slice(max(low, 0), min(high, out.size))
                out[inside] = block[inside.start - low : inside.stop - low]

    def words(self, stream: Stream, first: int, count: int) -> np.ndarray:
        """At most SHARED_BLOCK words of a stream from word `first` on: uint64, until the next call."""
        self._prepare(stream, count)
        return self._words(stream.at(first), count)

    def _prepare(self, stream: Stream, count: int) -> None:
        if self._x.size < count:
            self._room(count)
        np.multiply(_COUNT[:count], np.uint64(stream.stride), out=self._steps[:count])

    def _words(self, at: int, count: int) -> np.ndarray:
        x, shifted = self._x[:count], self._shifted[:count]
        np.add(self._steps[:count], np.uint64(at), out=x)
        for shift, factor in _ROUNDS:
            np.right_shift(x, shift, out=shifted)
            np.bitwise_xor(x, shifted, out=x)
            np.multiply(x, factor, out=x)
        np.right_shift(x, _LAST, out=shifted)
        return np.bitwise_xor(x, shifted, out=x)

    def _box_muller(self, x: np.ndarray, out: np.ndarray) -> None:
        """Normal numbers, two a word; x is overwritten."""
        angles, radii = x.view(np.int32).reshape(-1, 2, TILE).swapaxes(0, 1)
        angle, radius = self._shifted.view(np.float32)[: 2 * x.size].reshape(2, -1)
        np.copyto(angle.reshape(-1, TILE), angles, casting="unsafe")
        np.copyto(radius.reshape(-1, TILE), radii, casting="unsafe")
        np.multiply(angle, _TURN, out=angle)
        np.multiply(radius, radius, out=radius)
        np.add(radius, _QUARTER, out=radius)  # never the logarithm of zero
        np.divide(_LARGEST, radius, out=radius)
        np.log(radius, out=radius)
        np.sqrt(radius, out=radius)
        turned = x.view(np.float32).reshape(2, -1)
        np.cos(angle, out=turned[0])
        np.sin(angle, out=turned[1])
        tiles = out.reshape(-1, 2, TILE).transpose(1, 0, 2)
        np.multiply(turned.reshape(2, -1, TILE), radius.reshape(-1, TILE), out=tiles)


def fill_on_device(out: torch.Tensor, stream: Stream, first: int) -> None:
    """`Source.fill` in torch's operations, for a vector of float32 on any device."""
    for place in range(0, out.numel(), DEVICE_BLOCK):
        _fill_block(out[place : place + DEVICE_BLOCK], stream, first + place)


def _fill_block(out: torch.Tensor, stream: Stream, first: int) -> None:
    begin, end = tiles(first, out.numel())
    angle, radius = words(stream, begin, end - begin, out.device).view(torch.int32).view(-1, 2, TILE).float().unbind(1)
    angle = angle * TURN
    radius = radius.square().add_(QUARTER).reciprocal_().mul_(LARGEST).log_()
    radius.clamp_(min=0).sqrt_()  # where a division rounds carelessly, log 1 may be below 0
    pairs = torch.stack((angle.cos().mul_(radius), angle.sin_().mul_(radius)), 1)
    out.copy_(pairs.view(-1)[first - 2 * begin :][: out.numel()])


def words(stream: Stream, first: int, count: int, device: torch.device | str) -> torch.Tensor:
    """`count` words of a stream from word `first` on: int64."""
    # torch's 64-bit numbers are signed, and its shift to the right fills up with the sign.
    x = torch.arange(count, device=device).mul_(signed(stream.stride)).add_(signed(stream.at(first)))
    for shift, factor in ROUNDS:
        x = _fold(x, shift).mul_(signed(factor))
    return _fold(x, LAST)


def _fold(x: torch.Tensor, shift: int) -> torch.Tensor:
    return x.bitwise_xor_(x.bitwise_right_shift(shift).bitwise_and_((1 << 64 - shift) - 1))


def signed(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x
