"""P beside one tensor of a module: none (MeZO), one an element, one a row or a tensor, or factored.

A tensor is seen as a matrix: its last axis makes the columns, all others together the rows; a vector is one row. A
chunk of it is a `Piece`: some whole rows, or a part of a long one. `scale` says by what its u is multiplied,
Σ^{1/2} = 1/√P, in any shape that broadcasts to the piece's. P of an element is updated together with the element; P
that elements share is updated before any of them moves, from sums that `watch` or `collect` gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from hizoo_core.estimators import observe
from hizoo_core.reliability import NUMBERS, Pool, Whole, learn


class TorchArithmetic:
    exp = staticmethod(torch.exp)
    clip = staticmethod(torch.clamp)

    @staticmethod
    def subtract(x: torch.Tensor, y: torch.Tensor, out: None) -> torch.Tensor:
        return x - y

    @staticmethod
    def absolute(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return torch.abs(x, out=out)

    @staticmethod
    def total(x: torch.Tensor) -> torch.Tensor:
        return x.sum(0)

    @staticmethod
    def hold(x: torch.Tensor, low: float, high: float) -> None:
        x.clamp_(low, high)


def working_dtype(tensor: torch.Tensor) -> torch.dtype:
    """The precision of P, u and the arithmetic: float32 for anything narrower."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def matrix(tensor: torch.Tensor) -> torch.Tensor:
    """A dense tensor's numbers in rows of its last axis' length, in the order of memory and without a copy."""
    width = tensor.shape[-1] if tensor.dim() else 1
    return tensor.detach().as_strided((tensor.numel() // max(1, width), width), (width, 1))


@dataclass(slots=True)
class Piece:
    """A chunk of θ: a view (rows, columns) of one tensor, `index` its place among all chunks of θ.

    `first` is its first number's place among the elements of u, `window` the elements that are drawn together.
    """

    index: int
    first: int
    theta: torch.Tensor
    rows: slice
    columns: slice
    curvature: Curvature
    window: range = range(0)


class WeightedSquares:
    """s = Σ_i weigh c_i (u_i² − offset) on one piece after the other, of u_i that are drawn one by one.

    `estimators.weights` are not formed: u² − offset would take another pass over the piece for each direction.
    """

    def __init__(self, coefficients: list[float], constants: Any) -> None:
        self._factors = [c * constants.weigh for c in coefficients]
        self._shift = constants.estimator.offset * constants.weigh * sum(coefficients)

    def add(self, i: int, u: torch.Tensor, s: torch.Tensor) -> None:
        """Take u_i into s; the first one overwrites it, the last one completes it."""
        if i == 0:
            torch.mul(u, u, out=s).mul_(self._factors[0])
        else:
            s.addcmul_(u, u, value=self._factors[i])
        if i == len(self._factors) - 1:
            s.sub_(self._shift)


class Curvature:
    """MeZO's: no P. The base of the others; one is made for each tensor and step."""

    elementwise = False  # P of an element is updated by `observe`, with the element itself
    watches = False  # `watch` has to see every u_i, which it does while the probes are drawn
    collects = False  # `collect` has to see every u_i after the losses are known

    def __init__(self, constants: Any) -> None:
        self.k = constants

    def add(self, piece: Piece) -> None:
        """Take note of the tensor's next piece."""

    def prepare(self) -> None:
        """All its pieces are known."""

    def scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor | None:
        """1/√P at the beginning of the step, None where there is no P; `out` is a buffer of the piece's shape."""
        return None

    def new_scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor | None:
        """1/√P after the update."""
        return None

    def seen(self) -> torch.Tensor:
        """Sums that a prediction of the second differences needs, after `watch` saw every u_i: see `Reliable`."""
        raise NotImplementedError

    def settle(self, coefficients: torch.Tensor, whole: Whole | None) -> None:
        """Update P that elements share; coefficients (n,): second differences, as the estimator prepares them; `whole`:
        what they say of θ as a whole, if the estimator predicts them.
        """

    def observe(self, piece: Piece, s: torch.Tensor) -> None:
        """Update P of a piece's elements from their sum, which is overwritten."""

    def watch(self, piece: Piece, i: int, u: torch.Tensor, out: torch.Tensor) -> None:
        """Gather what it needs of u_i on a piece; `out` is a buffer of the piece's shape."""

    def collect(
        self,
        coefficients: list[float],
        draw: Callable[[Piece, int], torch.Tensor],
        buffer: Callable[[str, Piece], torch.Tensor],
    ) -> None:
        """Gather what it needs of S over the whole tensor, one piece after the other."""


class Elementwise(Curvature):
    """One P an element, as in the paper."""

    elementwise = True

    def __init__(self, state: dict[str, torch.Tensor], constants: Any) -> None:
        super().__init__(constants)
        self.state = {name: matrix(value) for name, value in state.items()}
        self._pieces: dict[int, dict[str, torch.Tensor]] = {}

    def add(self, piece: Piece) -> None:
        self._pieces[piece.index] = {name: value[piece.rows, piece.columns] for name, value in self.state.items()}

    def scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor:
        return torch.rsqrt(self._pieces[piece.index]["P"], out=out)

    new_scale = scale

    def observe(self, piece: Piece, s: torch.Tensor) -> None:
        observe(TorchArithmetic, self._pieces[piece.index], self.k, s)


class Reliable(Elementwise):
    """`reliable` (see `reliability`): one P an element, which follows its tensor and all of θ as far as need be.

    Two vectors of θ's size, P and e, and for each tensor the four numbers of `reliability.NUMBERS`, those of the whole
    being the same in all of them.
    """

    watches = True

    def __init__(self, state: dict[str, torch.Tensor], constants: Any, n: int) -> None:
        super().__init__({name: state[name] for name in ("P", "e")}, constants)
        self._numbers, self._n = state["numbers"], n
        self._places: dict[int, int] = {}
        self._count = 0

    def add(self, piece: Piece) -> None:
        super().add(piece)
        self._places[piece.index] = len(self._places)
        self._count += piece.theta.numel()

    def prepare(self) -> None:
        # Of each piece: Σ (1 + e) u_i² and Σ u_i² for each direction, and Σ |1 + e|.
        self._sums = self.state["P"].new_zeros(2 * self._n + 1, len(self._places))

    def watch(self, piece: Piece, i: int, u: torch.Tensor, out: torch.Tensor) -> None:
        e, sums, n = self._pieces[piece.index]["e"], self._sums[:, self._places[piece.index]], self._n
        if i == 0:
            sums[2 * n] = torch.add(e, 1.0, out=out).abs_().sum()
        squares = torch.mul(u, u, out=out).view(-1)
        sums[n + i] = squares.sum()
        sums[i] = sums[n + i] + torch.dot(squares, e.view(-1))

    def seen(self) -> torch.Tensor:
        return self._sums.double().sum(1).cpu()

    def settle(self, coefficients: torch.Tensor, whole: Whole | None) -> None:
        assert whole is not None
        pool, n = None, self._n
        if self._count != whole.size:
            means = self.seen()[n:] / self._count
            mean = self.k.weigh * float(coefficients @ (means[:n] - 1.0))
            pool = Pool(mean, float(means[n]), self._count)
        numbers = dict(zip(NUMBERS, self._numbers.tolist(), strict=True))
        self._move, after = learn(numbers, self.k.alpha, whole, pool)
        self._numbers.copy_(self._numbers.new_tensor([after[name] for name in NUMBERS]))

    def observe(self, piece: Piece, s: torch.Tensor) -> None:
        observe(TorchArithmetic, self._pieces[piece.index], self.k, s, self._move)


class Pooled(Curvature):
    """One P a row or a tensor, from the mean of S over it (this project's variant, not the paper's).

    P is constant in a pool, so that mean needs no more than the mean of u² for each direction, which is gathered while
    u is drawn for the probes.
    """

    watches = True

    def __init__(self, tensor: torch.Tensor, state: dict[str, torch.Tensor], constants: Any, n: int) -> None:
        super().__init__(constants)
        self._state = {name: value.view(-1) for name, value in state.items()}
        P = self._state["P"]
        self._pools, self._size, self._n = P.numel(), tensor.numel() // P.numel(), n
        self._scale = self._new = P.rsqrt().view(-1, 1)
        self._slots: dict[int, slice] = {}
        self._count = 0  # slots: sums of u² over what of a pool lies in one piece

    def add(self, piece: Piece) -> None:
        rows, columns = piece.theta.shape
        count = rows if self._pools > 1 and columns == self._size else 1
        self._slots[piece.index] = slice(self._count, self._count + count)
        self._count += count

    def _at(self, scale: torch.Tensor, piece: Piece) -> torch.Tensor:
        return scale if self._pools == 1 else scale[piece.rows]

    def scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor:
        return self._at(self._scale, piece)

    def new_scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor:
        return self._at(self._new, piece)

    def prepare(self) -> None:
        self._squares = self._scale.new_zeros(self._n, self._count)

    def watch(self, piece: Piece, i: int, u: torch.Tensor, out: torch.Tensor) -> None:
        slots = self._squares[i, self._slots[piece.index]]
        if len(slots) == 1:
            torch.dot(u.view(-1), u.view(-1), out=slots[0])
        else:
            torch.sum(torch.mul(u, u, out=out), 1, out=slots)

    def settle(self, coefficients: torch.Tensor, whole: Whole | None) -> None:
        means = self._squares.view(self._n, self._pools, -1).sum(2) / self._size
        weights = (coefficients * self.k.weigh).to(means)
        observe(TorchArithmetic, self._state, self.k, weights @ (means - self.k.estimator.offset))
        self._new = self._state["P"].rsqrt().view(-1, 1)


class Factored(Curvature):
    """HiZOO-L: P_jk = R_j C_k / mean(R), with R and C the smoothed row and column means of S, as in Adafactor.

    S depends on both factors, so its means take a pass over u of their own.
    """

    collects = True

    def __init__(self, state: dict[str, torch.Tensor], constants: Any) -> None:
        super().__init__(constants)
        self._R, self._C = state["R"].view(-1, 1), state["C"].view(1, -1)
        self._bounds = constants.floor**0.5, constants.ceiling**0.5
        self._scale = self._new = self._roots()
        self._pieces: list[Piece] = []

    def _roots(self) -> tuple[torch.Tensor, torch.Tensor]:
        return (self._R.mean() / self._R).sqrt(), self._C.rsqrt()

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)

    def _at(self, roots: tuple[torch.Tensor, torch.Tensor], piece: Piece, out: torch.Tensor) -> torch.Tensor:
        torch.mul(roots[0][piece.rows], roots[1][:, piece.columns], out=out)
        return out.clamp_(*self._bounds)

    def scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor:
        return self._at(self._scale, piece, out)

    def new_scale(self, piece: Piece, out: torch.Tensor) -> torch.Tensor:
        return self._at(self._new, piece, out)

    def collect(
        self,
        coefficients: list[float],
        draw: Callable[[Piece, int], torch.Tensor],
        buffer: Callable[[str, Piece], torch.Tensor],
    ) -> None:
        squares = WeightedSquares(coefficients, self.k)
        self._row_sums, self._column_sums = torch.zeros_like(self._R), torch.zeros_like(self._C)
        for piece in self._pieces:
            s = buffer("s", piece)
            for i in range(len(coefficients)):
                squares.add(i, draw(piece, i), s)
            scale = self.scale(piece, buffer("scale", piece))
            self.k.estimator.finish(TorchArithmetic, s)
            s.div_(scale).div_(scale)  # α S / P → α S
            self._row_sums[piece.rows] += s.sum(1, keepdim=True)
            self._column_sums[:, piece.columns] += s.sum(0, keepdim=True)

    def settle(self, coefficients: torch.Tensor, whole: Whole | None) -> None:
        rows, columns = self._R.numel(), self._C.numel()
        for factor, sums in ((self._R, self._row_sums / columns), (self._C, self._column_sums / rows)):
            observe(TorchArithmetic, {"P": factor}, self.k, sums / factor)
        self._new = self._roots()


def materialised(R: torch.Tensor, C: torch.Tensor, floor: float) -> torch.Tensor:
    """P of a factored tensor in full: R of shape (…, 1), C of shape (columns,)."""
    return (R * (C / R.mean())).clamp_(floor, 1.0 / floor)
