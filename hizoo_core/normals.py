"""Normal numbers for a chunk of θ, drawn faster than torch draws them on a CPU.

Beside its forward passes, a step of MeZO is little more than drawing u three times. Most of torch's time for that goes
into the bits (a Mersenne twister: 2 of 2.7 ns a number, where this was written). SFC64 makes them in 0.8 ns, and
numpy's vectorised functions turn them into normal numbers by Box and Muller's formula, as torch does: 2.0 ns in all.
"""

from __future__ import annotations

import numpy as np

LEAST = 2**14  # numbers for which a dozen calls cost little beside the work
BLOCK = 2**15  # pairs at a time, for the cache
_UNIT, _TURN = np.float32(2.0**-31), np.float32(np.pi * 2.0**-31)
_HALF, _MINUS_TWO = np.float32(0.5), np.float32(-2.0)


def fill(out: np.ndarray, key: tuple[int, ...]) -> None:
    """Fill `out`, a vector of float32, with independent N(0, 1), a function of `key` alone.

    A radius is made of 31 bits, so that they reach to 6.6 standard deviations (torch's 24 bits: 5.8).
    """
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))
    scratch = np.empty((2, min(BLOCK, -(-out.size // 2))), np.float32)
    for start in range(0, out.size, 2 * BLOCK):
        block = out[start : start + 2 * BLOCK]
        pairs = -(-block.size // 2)
        bits = generator.integers(0, 2**64, size=pairs, dtype=np.uint64).view(np.int32)
        radius, angle = scratch[:, :pairs]
        np.copyto(radius, bits[:pairs], casting="unsafe")
        np.abs(radius, out=radius)
        radius += _HALF  # never the logarithm of zero
        radius *= _UNIT
        np.log(radius, out=radius)
        radius *= _MINUS_TWO
        np.sqrt(radius, out=radius)
        np.copyto(angle, bits[pairs:], casting="unsafe")
        angle *= _TURN
        first, second = block[:pairs], block[pairs:]
        np.cos(angle, out=first)
        first *= radius
        np.sin(angle[: second.size], out=second)
        second *= radius[: second.size]
