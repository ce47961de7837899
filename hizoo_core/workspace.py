"""What a pass over θ works with: its directions, drawn again whenever needed, and buffers that are kept."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hizoo_core import kernels, normals
from hizoo_core.preconditioner import Piece, working_dtype

# Up to this many numbers of u are drawn together, those of small neighbours, and kept for the step's next pass.
WINDOW = 2**16
KEPT = 2**21  # at most, in all, by each thread

Draw = Callable[[torch.Tensor, int, normals.Source], None]


class SeededDirections:
    """u_i of a step for tensors: drawn again whenever needed, a function of (seed, step, i, element)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def open(self, step: int, i: int) -> Draw:
        """A function (out, first, source) that fills a vector, float32 or float64, with u_i's elements from `first` on.

        The numbers are those of float32 in either.
        """
        stream = normals.Stream.of(self._seed, step, i)

        def draw(out: torch.Tensor, first: int, source: normals.Source) -> None:
            if out.dtype != torch.float32:
                single = torch.empty_like(out, dtype=torch.float32)
                draw(single, first, source)
                out.copy_(single)
            elif out.device.type == "cpu":
                source.fill(out.numpy(), stream, first)
            elif triton_kernels := kernels.module(out.device):
                kernels.launch_fill(triton_kernels, out, stream, first)
            else:
                normals.fill_on_device(out, stream, first)

        return draw


class Workspace:
    """What one thread works with: buffers of a piece's size, by name, and a source of normal numbers."""

    def __init__(self, draws: list[Draw], alone: bool) -> None:
        self._draws = draws
        self._most = most(len(draws))
        self._source = normals.Source(normals.BLOCK if alone else normals.SHARED_BLOCK)
        self._windows: dict[tuple[int, int], torch.Tensor] = {}
        self._buffers: dict[tuple[str, torch.device, torch.dtype], torch.Tensor] = {}

    def buffer(self, name: str, piece: Piece) -> torch.Tensor:
        theta = piece.theta
        count, dtype = theta.numel(), working_dtype(theta)
        key = (name, theta.device, dtype)
        if key not in self._buffers or self._buffers[key].numel() < count:
            self._buffers[key] = torch.empty(count, dtype=dtype, device=theta.device)
        return self._buffers[key][:count].view(theta.shape)

    def drawn_by(self, draw: Draw, piece: Piece) -> torch.Tensor:
        """The u of another step on a piece, until the next one is drawn."""
        u = self.buffer("another", piece)
        draw(u.view(-1), piece.first, self._source)
        return u

    def draw(self, piece: Piece, i: int) -> torch.Tensor:
        """u_i on a piece, until the next one is drawn; not to be changed."""
        theta, window = piece.theta, piece.window
        if len(window) > self._most:
            u = self.buffer("u", piece)
            self._draws[i](u.view(-1), piece.first, self._source)
            return u
        key = (i, window.start)
        if key not in self._windows:
            if sum(map(len, self._windows.values())) + len(window) > KEPT:
                self._windows.clear()
            drawn = torch.empty(len(window), dtype=working_dtype(theta), device=theta.device)
            self._draws[i](drawn, window.start, self._source)
            self._windows[key] = drawn
        return self._windows[key][piece.first - window.start :][: theta.numel()].view(theta.shape)


def most(n: int) -> int:
    """The longest window: those of n directions can be kept together."""
    return min(WINDOW, KEPT // n)


def join(pieces: list[Piece], n: int) -> None:
    """Give every piece its window: small ones that follow each other among u's elements share one."""
    longest = most(n)
    runs: list[list[Piece]] = []
    for piece in pieces:
        last = runs[-1] if runs else None
        if (
            last is not None
            and piece.first == last[-1].first + last[-1].theta.numel()
            and piece.first + piece.theta.numel() - last[0].first <= longest
            and (piece.theta.device, working_dtype(piece.theta)) == (last[0].theta.device, working_dtype(last[0].theta))
        ):
            last.append(piece)
        else:
            runs.append([piece])
    for run in runs:
        for piece in run:
            piece.window = range(run[0].first, run[-1].first + run[-1].theta.numel())
