"""θ in the parameters of a module: perturbed and updated in place, chunk by chunk, by several threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from hizoo_core.estimators import Estimator
from hizoo_core.preconditioner import Curvature, Piece, TorchArithmetic, WeightedSquares, matrix, working_dtype
from hizoo_core.reliability import Whole
from hizoo_core.workspace import SeededDirections, Workspace, join

CPU_CHUNK = 2**18  # numbers: much to compute for a call's cost, little enough for the cache
CHUNK = 2**21  # elsewhere: the launch of a kernel costs more than the cache saves
# Numbers of a tensor, and of all such tensors together, up to which θ is copied for the time of a step, so that it is
# restored bit for bit: norms, biases, adapters. The smallest come first. At most 4 MB in float32.
COPIED, COPIED_IN_ALL = 2**16, 2**20


def cut(tensor: torch.Tensor) -> Iterator[tuple[slice, slice]]:
    """The rows and the columns of a tensor's chunks: whole rows, or parts of a row that is longer than a chunk."""
    size = CPU_CHUNK if tensor.device.type == "cpu" else CHUNK
    rows, width = matrix(tensor).shape
    if width <= size:
        count = size // width
        for first in range(0, rows, count):
            yield slice(first, min(first + count, rows)), slice(0, width)
    else:
        for row in range(rows):
            for first in range(0, width, size):
                yield slice(row, row + 1), slice(first, min(first + size, width))


def dropped_bits(dtype: torch.dtype) -> int:
    """How many of float32's bits a narrower format goes without."""
    return 23 + round(math.log2(torch.finfo(dtype).eps))


def round_stochastically(x: torch.Tensor, u: torch.Tensor, dropped: int, bits: torch.Tensor, up: bool) -> None:
    """Drop x's last bits, in place, rounding up or down with the odds that make the mean x (x, u: float32).

    The random bits are u's last; `bits` is a buffer, int32. With `up` false they are inverted, so that adding δ and
    taking it away cancel: floor(−δ + 1 − ξ) = −floor(δ + ξ), in units of the last place.
    """
    mask = (1 << dropped) - 1
    whole = x.view(torch.int32)
    if x.device.type != "cpu":
        whole.clamp_(max=0x7FF00000)  # a GPU's NaN is 0x7FFFFFFF, and a sum beyond it a number
    torch.bitwise_and(u.view(torch.int32), 0xFFFF, out=bits)
    if dropped != 16:
        bits.bitwise_right_shift_(16 - dropped)
    if not up:
        bits.bitwise_xor_(mask)
    whole.add_(bits).bitwise_and_(~mask)


def small(counts: list[int]) -> set[int]:
    """The places of the tensors that are copied for the time of a step."""
    places, total = set(), 0
    for place in sorted(range(len(counts)), key=counts.__getitem__):
        total += counts[place]
        if counts[place] > COPIED or total > COPIED_IN_ALL:
            break
        places.add(place)
    return places


class Probes:
    """The losses of a step's 2n (+ 1) probes, however `_move_to` brings θ from one to the next."""

    def __init__(self, n: int, mu: float, centre: bool) -> None:
        self.n, self._mu, self._centre = n, mu, centre
        self._away: tuple[int, float] | None = None  # (i, ±1): θ is at the probe ±μ Σ^{1/2} u_i

    def _move_to(self, probe: tuple[int, float] | None) -> None:
        """Bring θ from the probe where it is to another one, in one pass."""
        raise NotImplementedError

    def restore(self) -> None:
        """Bring θ back from the probe where it is, as `ModuleParameters` says."""
        if self._away is not None:
            self._move_to(None)

    def probe(self, closure: Callable[[], Any], examples: list[torch.Tensor] | None = None) -> tuple[torch.Tensor, ...]:
        """The losses at θ (where the method wants it; 0-d), and (n,) at either side of it, in float64.

        With `examples` the closure may return the losses of several examples, whose mean is the loss; to the list each
        evaluation's are added, in the order of `auto_rate.from_examples`.

        Leaves θ at the last probe, to be restored by `update` or `restore`; if the closure raises, it is restored here.
        """
        losses: list[float] = []

        def evaluate() -> float:
            loss = closure()
            if examples is None:
                return float(loss)
            examples.append(torch.as_tensor(loss).detach().reshape(-1).double().cpu())
            return float(examples[-1].mean())

        try:
            if self._centre:
                losses.append(evaluate())
            for i in range(self.n):
                for side in (1.0, -1.0):
                    self._move_to((i, side))
                    losses.append(evaluate())
        except BaseException:
            self.restore()
            raise
        measured = torch.tensor(losses, dtype=torch.float64)
        pairs = measured[int(self._centre) :]
        return (measured[0], pairs[::2], pairs[1::2]) if self._centre else (pairs[::2], pairs[1::2])


class ModuleParameters(Probes):
    """θ for one step.

    tensors: each parameter with its curvature; decays: for each, what the update subtracts of it, lr · weight_decay
    (none: 0); firsts: for each, its first number's place among the elements of u (none: one after the other). Nothing
    of the size of θ is allocated: θ is taken in chunks, and u is drawn again for every pass. One
    pass over θ serves for leaving one probe and entering the next, and one for the restoration and the update. Threads
    share the chunks out among them; no number depends on how many there are.

    How θ comes back from the probes. Tensors of at most COPIED numbers, up to COPIED_IN_ALL in all, bit for bit, from a
    copy. Larger ones by taking each displacement δ = ±μ Σ^{1/2} u_i away again, in an operation of its own. As long as
    θ + δ has θ's sign and lies between the same two powers of two, θ moves by a whole number of units in its last place
    that depends on δ alone, and comes back bit for bit (but for ties, one displacement in 100 in float32, in 10,000 in
    bfloat16). Elsewhere it comes back to within two units in the last place of |θ| + |δ| for each direction, with a
    mean error of zero, but for 16-bit numbers that are exactly a power of two: 10^6 ones, at lr = 0 and μ = 1e-3,
    moved towards 0 by 2e-8 (float16) and 3e-8 (bfloat16) a step. There a tie in the smaller unit below it pushes θ in;
    the opposite tie, which leaves θ where it is, is taken back in the larger unit above it and does not push θ out.

    float32 and float64 round to the nearest; narrower formats, whose unit may exceed δ, round
    stochastically (to the nearest, a θ at a power of two would always be pushed to the same side).
    """

    def __init__(
        self,
        tensors: Iterable[tuple[torch.Tensor, Curvature]],
        n: int,
        mu: float,
        step: int,
        directions: SeededDirections,
        centre: bool,
        decays: Sequence[float] = (),
        firsts: Sequence[int] = (),
    ) -> None:
        super().__init__(n, mu, centre)
        self._step, self._directions = step, directions
        self._draws = [directions.open(step, i) for i in range(n)]
        self._pieces: list[Piece] = []
        self._decays: list[float] = []  # a piece's
        self._copied: list[Piece] = []
        self._curvatures: list[Curvature] = []
        tensors = list(tensors)
        copied = small([tensor.numel() for tensor, _ in tensors])
        following = 0
        for place, (tensor, curvature) in enumerate(tensors):
            if not tensor.numel():
                continue
            theta = matrix(tensor)
            following = firsts[place] if firsts else following
            for rows, columns in cut(tensor):
                piece = Piece(len(self._pieces), following, theta[rows, columns], rows, columns, curvature)
                following += piece.theta.numel()
                curvature.add(piece)
                self._pieces.append(piece)
                self._decays.append(decays[place] if decays else 0.0)
                if place in copied:
                    self._copied.append(piece)
            curvature.prepare()
            self._curvatures.append(curvature)
        join(self._pieces, n)
        on_cpu = all(piece.theta.device.type == "cpu" for piece in self._pieces)
        large = sum(piece.theta.numel() for piece in self._pieces) >= CPU_CHUNK
        self._threads = torch.get_num_threads() if on_cpu and large else 1
        self._workspaces = [Workspace(self._draws, self._threads == 1) for _ in range(self._threads)]
        self._copies: dict[int, torch.Tensor] = {}  # θ of the small pieces, while it is away
        self._watched = False

    def _share(self, work: Callable[[Any, Workspace], None], items: list[Any]) -> None:
        """Do `work` on every item, on as many threads as torch uses for one of its own operations."""
        if not items:
            return
        remaining = iter(items)  # a list's iterator: each item goes to one thread

        def take(workspace: Workspace) -> None:
            for item in remaining:
                work(item, workspace)

        if self._threads == 1:
            take(self._workspaces[0])
            return
        # A thread that starts now makes its operations single-threaded, as this one does until it sets the number back.
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self._threads - 1) as executor:
                others = [executor.submit(take, workspace) for workspace in self._workspaces[1:]]
                take(self._workspaces[0])
                for other in others:
                    other.result()
        finally:
            torch.set_num_threads(self._threads)

    def direction(self, i: int) -> Iterator[torch.Tensor]:
        """u_i, chunk after chunk, each until the next."""
        return (self._workspaces[0].draw(piece, i) for piece in self._pieces)

    def _displace(
        self,
        x: torch.Tensor,
        piece: Piece,
        workspace: Workspace,
        u: torch.Tensor,
        scale: Any,
        factor: float,
        back: bool,
    ) -> None:
        """Add factor · Σ^{1/2} u to x, a piece's θ in u's precision, rounded to θ's own; `back`: to take it away again.

        A narrow format's displacement is rounded to the unit of the probe that it leads to or takes back, which is what
        lets a round trip cancel, or where θ's own unit is smaller, have a mean error near zero (see the class).
        """
        narrow = x.dtype != piece.theta.dtype
        moved = x
        if (
            narrow and back
        ):  # a number of x's sign and unit, from which no displacement below 2^exponent leaves its binade
            moved = workspace.buffer("anchor", piece)
            torch.bitwise_and(x.view(torch.int32), -0x800000, out=moved.view(torch.int32)).add_(0xC00000)
            x.sub_(moved)
        if scale is None:
            moved.add_(u, alpha=factor)
        else:
            moved.addcmul_(u, scale, value=factor)
        if narrow:
            dropped = dropped_bits(piece.theta.dtype) - back
            round_stochastically(moved, u, dropped, workspace.buffer("bits", piece).view(torch.int32), up=factor > 0)
            if back:
                x.add_(moved)

    def _move_to(self, probe: tuple[int, float] | None) -> None:
        moves: dict[int, list[tuple[float, bool]]] = {}
        if self._away is not None:
            moves.setdefault(self._away[0], []).append((-self._away[1] * self._mu, True))
        if probe is not None:
            moves.setdefault(probe[0], []).append((probe[1] * self._mu, False))
        watched = probe[0] if probe is not None and probe[1] > 0 else None

        def move(piece: Piece, workspace: Workspace) -> None:
            curvature, theta, own = piece.curvature, piece.theta, moves
            if piece.index in self._copies:  # from θ itself to the probe
                theta.copy_(self._copies[piece.index])
                own = {} if probe is None else {probe[0]: moves[probe[0]][-1:]}
            if not own:
                return
            narrow = theta.dtype != working_dtype(theta)
            x = workspace.buffer("x", piece).copy_(theta) if narrow else theta
            scale = curvature.scale(piece, workspace.buffer("scale", piece))
            for i, factors in own.items():
                u = workspace.draw(piece, i)
                for factor, back in factors:
                    self._displace(x, piece, workspace, u, scale, factor, back)
                if i == watched and curvature.watches:
                    curvature.watch(piece, i, u, workspace.buffer("s", piece))
            if narrow:
                theta.copy_(x)

        self._share(move, self._pieces)
        self._away = probe

    def restore(self) -> None:
        super().restore()
        self._copies = {}

    def probe(self, closure: Callable[[], Any], examples: list[torch.Tensor] | None = None) -> tuple[torch.Tensor, ...]:
        self._copies = {piece.index: piece.theta.clone() for piece in self._copied}
        losses = super().probe(closure, examples)
        self._watched = True
        return losses

    def update(
        self,
        first: torch.Tensor,
        second: torch.Tensor | None,
        estimator: Estimator | None,
        moves: bool,
        rate: float = 1.0,
        back: torch.Tensor | None = None,
    ) -> float:
        """Restore θ, bring P up to date and, if it `moves`, make the step of the given differences, (n,) each.

        `rate`: multiplies the step, decay included. `back`: the first differences of the step before this one; it is
        taken back instead, with `rate` as it was made (its decay stays). Returns the length of the step,
        ‖θ_{t+1} − θ_t‖.
        """
        self._watch()
        coefficients, whole = torch.zeros(self.n, dtype=torch.float64), None
        if second is not None and estimator is not None:
            coefficients = second.clone()
            if estimator.predicts:
                whole = self._predict(coefficients)
            coefficients = estimator.prepare(TorchArithmetic, coefficients)
        g, c = [rate * x for x in first.tolist()], coefficients.tolist()
        decays = [rate * decay for decay in self._decays]
        earlier: list[Any] = []
        if back is not None:
            g, decays = [-rate * x for x in back.tolist()], [0.0] * len(decays)
            earlier = [self._directions.open(self._step - 1, i) for i in range(self.n)]
        self._collect(c)
        for curvature in self._curvatures:
            curvature.settle(coefficients, whole)
        moved = [torch.zeros(())] * len(self._pieces)  # squares of the pieces' lengths
        squares = {x: WeightedSquares(c, x.k) for x in self._curvatures if x.elementwise}

        def descend(piece: Piece, workspace: Workspace) -> None:
            curvature, k, theta = piece.curvature, piece.curvature.k, piece.theta
            scale = curvature.scale(piece, workspace.buffer("scale", piece))
            total, s = workspace.buffer("total", piece), workspace.buffer("s", piece)
            away = self._away
            if piece.index in self._copies:
                theta.copy_(self._copies[piece.index])
                away = None
            narrow = theta.dtype != total.dtype
            x = workspace.buffer("x", piece).copy_(theta) if narrow else theta
            for i in range(self.n):
                u = workspace.draw(piece, i)
                if away is not None and away[0] == i:
                    self._displace(x, piece, workspace, u, scale, -away[1] * self._mu, back=True)
                if i == 0:
                    torch.mul(u, g[i] * k.move, out=total)
                else:
                    total.add_(u, alpha=g[i] * k.move)
                if curvature.elementwise:
                    squares[curvature].add(i, u, s)
            if curvature.elementwise:
                curvature.observe(piece, s)
            if earlier:  # with the P that the step before left
                total.zero_()
                for draw, slope in zip(earlier, g, strict=True):
                    total.add_(workspace.drawn_by(draw, piece), alpha=slope * k.move)
            if not moves:
                if narrow:
                    theta.copy_(x)
                return
            # The new P scales the step; the probes were drawn with the old one.
            if not earlier:
                scale = curvature.new_scale(piece, workspace.buffer("scale", piece))
            if scale is not None:
                total.mul_(scale)
            if decays[piece.index]:
                total.add_(x, alpha=decays[piece.index])
            after = torch.sub(x, total, out=s)
            if narrow:
                bits = workspace.buffer("bits", piece).view(torch.int32)
                round_stochastically(after, u, dropped_bits(theta.dtype), bits, up=True)
                after.copy_(theta.copy_(after))
            torch.sub(x, after, out=total)  # how far it does move, rounding and all
            if not narrow:
                theta.copy_(after)
            moved[piece.index] = torch.dot(total.view(-1), total.view(-1))

        self._share(descend, self._pieces)
        self._away, self._copies = None, {}
        return math.sqrt(float(torch.stack([x.to(moved[-1].device) for x in moved]).cpu().double().sum()))

    def _watch(self) -> None:
        """What P that elements share is updated from, if the probes have not seen it."""

        def watch(piece: Piece, workspace: Workspace) -> None:
            for i in range(self.n):
                piece.curvature.watch(piece, i, workspace.draw(piece, i), workspace.buffer("s", piece))

        if not self._watched:
            self._share(watch, [piece for piece in self._pieces if piece.curvature.watches])

    def _collect(self, c: list[float]) -> None:
        """The same of what takes a pass over u of its own."""

        def collect(curvature: Curvature, workspace: Workspace) -> None:
            curvature.collect(c, workspace.draw, workspace.buffer)

        self._share(collect, [curvature for curvature in self._curvatures if curvature.collects])

    def _predict(self, second: torch.Tensor) -> Whole:
        """Leave of the second differences what the state does not predict, in place."""
        seen = torch.stack([curvature.seen() for curvature in self._curvatures]).sum(0)
        size = sum(piece.theta.numel() for piece in self._pieces)
        second -= self._mu**2 * seen[: self.n]
        r = second / self._mu**2
        return Whole(float(r.mean()), float((r * r).mean()), float(seen[-1]) / size, self.n, size)
