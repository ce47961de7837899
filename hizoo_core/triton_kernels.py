# type: ignore  (Triton is not everywhere, and its functions are not typed)
"""The kernels of `kernels` and `fused`, in Triton, which must be there: each a single pass over θ (and P).

A program has one tile of a direction's elements: 2 TILE of them, from TILE words, as `normals` defines them. In a block
of shape (TILE, 2) the first column is the tile's first half, the cosines; the second one the other, the sines. The
words, being whole numbers, are those of `normals` to the bit. The sine, the cosine and the logarithm are polynomials
(Cephes'), whose error is of the size of float32's rounding; the hardware's own are less exact. A multiplication and an
addition are one operation only where this says `fma` (see `kernels.EXACT`), so that u and each displacement are the
same to the bit in every kernel, as taking a displacement away again needs.
"""

# Triton's functions read their own source: no annotations but its own, and no `from __future__`.
import triton
import triton.language as tl

COLUMNS = 8  # of the table of tensors: θ, P and m (addresses), first, count, copy, program, group
NONE, PAPER, RELEASED, MULTIPLICATIVE = 0, 1, 2, 3  # what is done with P
CONSTANTS = 7  # of a group, after its slopes and its curvatures: shift, keep, floor, ceiling, decay, forget, alpha


@triton.jit
def _numbers(start, stride, word):
    """The 1024 halves of 512 words, as signed whole numbers."""
    x = start + (word + tl.arange(0, 512)).to(tl.uint64) * stride
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB
    x = x ^ (x >> 31)
    low = (x & 0xFFFFFFFF).to(tl.uint32).to(tl.int32, bitcast=True)
    return tl.interleave(low, (x >> 32).to(tl.uint32).to(tl.int32, bitcast=True))


@triton.jit
def _normals(start, stride, tile):
    """A tile's elements of u, (1024, 2)."""
    start, stride = start.to(tl.uint64, bitcast=True), stride.to(tl.uint64, bitcast=True)
    angle = _numbers(start, stride, tile * 1024)
    radius = _numbers(start, stride, tile * 1024 + 512).to(tl.float32)
    # The angle π a / 2^31 is `quarter` right angles, and x in [−π/4, π/4].
    quarter = (angle + (1 << 29)) >> 30
    x = (angle - (quarter << 30)).to(tl.float32) * 1.4629180792671596e-09
    z = x * x
    sine = tl.fma(x * z, tl.fma(z, tl.fma(z, -1.9515295891e-4, 8.3321608736e-3), -1.6666654611e-1), x)
    q = tl.fma(z, tl.fma(z, 2.443315711809948e-5, -1.388731625493765e-3), 4.166664568298827e-2)
    cosine = tl.fma(z * z, q, tl.fma(z, -0.5, 1.0))
    odd = (quarter & 1) != 0
    cos, sin = tl.where(odd, sine, cosine), tl.where(odd, cosine, sine)
    cos, sin = tl.where(((quarter + 1) & 2) != 0, -cos, cos), tl.where((quarter & 2) != 0, -sin, sin)
    # y = r² + ¼ = m 2^e with m in [√½, √2); −log v = (62 − e) log 2 − log m.
    y = (radius * radius + 0.25).to(tl.int32, bitcast=True)
    e = (y - 0x3F3504F3) >> 23
    f = (y - (e << 23)).to(tl.float32, bitcast=True) - 1
    p = tl.fma(f, 7.0376836292e-2, -1.1514610310e-1)
    p = tl.fma(p, f, 1.1676998740e-1)
    p = tl.fma(p, f, -1.2420140846e-1)
    p = tl.fma(p, f, 1.4249322787e-1)
    p = tl.fma(p, f, -1.6668057665e-1)
    p = tl.fma(p, f, 2.0000714765e-1)
    p = tl.fma(p, f, -2.4999993993e-1)
    p = tl.fma(p, f, 3.3333331174e-1)
    log = tl.fma(f * f, tl.fma(p, f, -0.5), f)
    length = tl.sqrt(tl.maximum(tl.fma((62 - e).to(tl.float32), 0.6931471805599453, -log), 0.0))
    return tl.join(cos * length, sin * length)


@triton.jit
def _elements(begin, count):
    """Places of a tile's elements in a tensor, and which of them it has."""
    offset = begin + tl.arange(0, 1024)[:, None] + 1024 * tl.arange(0, 2)[None, :]
    return offset, (offset >= 0) & (offset < count)


@triton.jit
def _tile(table, owner, ALIGNED: tl.constexpr):
    """What this program has: its row of the table, its tile, the elements' places, and which of them there are."""
    program = tl.program_id(0)
    row = table + 8 * tl.load(owner + program)
    first, count = tl.load(row + 3), tl.load(row + 4)
    tile = first // 2048 + program - tl.load(row + 6)
    begin = tile * 2048 - first
    if ALIGNED:
        begin, count = tl.multiple_of(begin, 8), tl.multiple_of(count, 8)
    offset, inside = _elements(begin, count)
    return row, tile, offset, inside


@triton.jit
def _pointer(address, DTYPE: tl.constexpr, ALIGNED: tl.constexpr):
    pointer = tl.load(address).to(tl.pointer_type(DTYPE))
    if ALIGNED:
        pointer = tl.multiple_of(pointer, 16)
    return pointer


@triton.jit
def _rounded(x, u, up, DROPPED: tl.constexpr):
    """`module_parameters.round_stochastically`."""
    whole = tl.minimum(x.to(tl.int32, bitcast=True), 0x7FF00000)
    bits = (u.to(tl.int32, bitcast=True) & 0xFFFF) >> (16 - DROPPED)
    bits = tl.where(up, bits, bits ^ ((1 << DROPPED) - 1))
    return ((whole + bits) & (-(1 << DROPPED))).to(tl.float32, bitcast=True)


@triton.jit
def _displaced(x, u, scale, by, BACK: tl.constexpr, SCALED: tl.constexpr, DROPPED: tl.constexpr):
    """`ModuleParameters._displace`."""
    by_u = (by * u) * scale if SCALED else by * u
    if DROPPED == 0:
        x = x + by_u
    elif BACK:
        anchor = ((x.to(tl.int32, bitcast=True) & -0x800000) + 0xC00000).to(tl.float32, bitcast=True)
        x = x - anchor + _rounded(anchor + by_u, u, by > 0, DROPPED - 1)
    else:
        x = _rounded(x + by_u, u, by > 0, DROPPED)
    return x


@triton.jit(do_not_specialize=["first", "count", "start", "stride"])
def fill(out, first, count, start, stride):
    """The elements first, first + 1, … of the direction whose `normals.Stream` has this start and stride (signed)."""
    first = first.to(tl.int64)
    tile = first // 2048 + tl.program_id(0)
    offset, inside = _elements(tile * 2048 - first, count)
    tl.store(out + offset, _normals(start.to(tl.int64), stride.to(tl.int64), tile), mask=inside)


@triton.jit(do_not_specialize=["leave", "enter"])
def move(
    table,
    owner,
    streams,
    copies,
    leave,
    leave_by,
    enter,
    enter_by,
    LEAVES: tl.constexpr,
    ENTERS: tl.constexpr,
    SAME: tl.constexpr,
    SCALED: tl.constexpr,
    DROPPED: tl.constexpr,
    DTYPE: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """Bring θ from a probe of direction `leave` to one of `enter`; tensors with a copy come from that, and if θ is at
    no probe, θ is copied first.
    """
    row, tile, offset, inside = _tile(table, owner, ALIGNED)
    theta = _pointer(row, DTYPE, ALIGNED) + offset
    copy = tl.load(row + 5)
    kept = inside & (copy >= 0)
    P_at = _pointer(row + 1, tl.float32, ALIGNED) + offset
    scale = tl.rsqrt(tl.load(P_at, mask=inside, other=1.0)) if SCALED else 1.0
    value = tl.load(theta, mask=inside, other=0.0)
    if LEAVES:
        value = tl.where(kept, tl.load(copies + copy + offset, mask=kept, other=0.0), value)
    else:
        tl.store(copies + copy + offset, value, mask=kept)
    x = value.to(tl.float32)
    if LEAVES:
        u = _normals(tl.load(streams + 2 * leave), tl.load(streams + 2 * leave + 1), tile)
        x = tl.where(kept, x, _displaced(x, u, scale, leave_by, True, SCALED, DROPPED))
    if ENTERS:
        if not SAME:
            u = _normals(tl.load(streams + 2 * enter), tl.load(streams + 2 * enter + 1), tile)
        x = _displaced(x, u, scale, enter_by, False, SCALED, DROPPED)
    tl.store(theta, x.to(DTYPE), mask=inside)


@triton.jit(do_not_specialize=["away"])
def update(
    table,
    owner,
    streams,
    copies,
    factors,
    lengths,
    away,
    back_by,
    N: tl.constexpr,
    MOVES: tl.constexpr,
    KIND: tl.constexpr,
    DROPPED: tl.constexpr,
    DTYPE: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """Restore θ from a probe of direction `away` (−1: none), bring P up to date and, if it MOVES, make the step."""
    SCALED: tl.constexpr = KIND != 0
    row, tile, offset, inside = _tile(table, owner, ALIGNED)
    theta = _pointer(row, DTYPE, ALIGNED) + offset
    P_at = _pointer(row + 1, tl.float32, ALIGNED) + offset
    copy = tl.load(row + 5)
    kept = inside & (copy >= 0) & (away >= 0)
    factor = factors + tl.load(row + 7) * (2 * N + 7)
    constant = factor + 2 * N
    value = tl.load(theta, mask=inside, other=0.0)
    x = tl.where(kept, tl.load(copies + copy + offset, mask=kept, other=0.0), value).to(tl.float32)
    P = tl.load(P_at, mask=inside, other=1.0) if SCALED else 1.0
    scale = tl.rsqrt(P) if SCALED else 1.0
    total = tl.zeros([1024, 2], tl.float32)
    s = tl.zeros([1024, 2], tl.float32)
    u = tl.zeros([1024, 2], tl.float32)
    for i in range(N):
        u = _normals(tl.load(streams + 2 * i), tl.load(streams + 2 * i + 1), tile)
        if i == away:
            x = tl.where(kept, x, _displaced(x, u, scale, back_by, True, SCALED, DROPPED))
        total += u * tl.load(factor + i)
        if SCALED:
            s += u * u * tl.load(factor + N + i)
    if SCALED:
        s -= tl.load(constant)
        if KIND == 1:
            s = tl.abs(s)
        if KIND == 3:
            m_at = _pointer(row + 2, tl.float32, ALIGNED) + offset
            m = tl.load(m_at, mask=inside, other=1.0) * tl.load(constant + 5) + s
            power = (tl.abs(m) - 1) * tl.load(constant + 6)
            growth = tl.exp(tl.where(power < -0.5, -0.5, tl.where(power > 0.5, 0.5, power)))
            tl.store(m_at, m / growth, mask=inside)
            P *= growth
        else:
            P *= s + tl.load(constant + 1)
        low, high = tl.load(constant + 2), tl.load(constant + 3)
        P = tl.where(low > P, low, tl.where(high < P, high, P))
        tl.store(P_at, P, mask=inside)
    if MOVES:
        if SCALED:
            total *= tl.rsqrt(P)
        total += x * tl.load(constant + 4)
        after = x - total
        if DROPPED > 0:
            after = _rounded(after, u, True, DROPPED)
        after = after.to(DTYPE)
        tl.store(theta, after, mask=inside)
        moved = x - after.to(tl.float32)
        tl.store(lengths + tl.program_id(0), tl.sum(tl.where(inside, moved * moved, 0.0)))
    else:
        tl.store(theta, x.to(DTYPE), mask=inside)
