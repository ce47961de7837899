"""θ for one step on a CUDA device: all tensors in one launch of a kernel for each pass, by tables of their addresses.

The same steps as `ModuleParameters`, which says how θ comes back from the probes; by Triton's kernels, a pass reads and
writes θ (and P) once, and no temporary is of its size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import ModuleType
from typing import Any

import torch

from hizoo_core import kernels, normals
from hizoo_core.estimators import ESTIMATORS, Estimator
from hizoo_core.module_parameters import Probes, dropped_bits, small
from hizoo_core.preconditioner import Curvature, Elementwise, TorchArithmetic

KINDS = {"paper": 1, "released": 2, "multiplicative": 3}  # as in `triton_kernels`
ALIGNMENT = 16  # bytes of the addresses, and numbers that a tensor's length and place are multiples of, for wide loads


@dataclass(frozen=True)
class Tensor:
    """A parameter that is trained, its curvature, its group, and its first number's place among the elements of u."""

    theta: torch.Tensor
    curvature: Curvature
    group: int
    first: int


@dataclass(frozen=True)
class Sheet:
    """The tensors of one dtype: the kernels' `table` (of addresses, int64), which row of it each program `owner` has,
    copies of small tensors, the squared lengths of the programs' updates; and what the kernels are compiled for.
    """

    dtype: torch.dtype
    table: torch.Tensor
    owner: torch.Tensor
    copies: torch.Tensor
    lengths: torch.Tensor
    aligned: bool

    @property
    def dropped(self) -> int:
        return 0 if self.dtype == torch.float32 else dropped_bits(self.dtype)


class FusedParameters(Probes):
    """θ for one step after the other: `open` begins one.

    tensors: as of `ModuleParameters`, on one device, each without P or with one an element, all with one estimator.
    """

    def __init__(self, tensors: Sequence[Tensor], triton_kernels: ModuleType) -> None:
        self._kernels = triton_kernels
        self._device = tensors[0].theta.device
        self._kind = _kind(tensors[0].curvature)
        copied = small([each.theta.numel() for each in tensors])
        ordered = sorted(enumerate(tensors), key=lambda each: str(each[1].theta.dtype))
        groups = groupby(ordered, key=lambda each: each[1].theta.dtype)
        self._sheets = [self._sheet(dtype, list(each), copied) for dtype, each in groups]

    def _sheet(self, dtype: torch.dtype, tensors: list[tuple[int, Tensor]], copied: set[int]) -> Sheet:
        rows, owners, copies = [], [], 0
        for place, tensor in tensors:
            begin, end = normals.tiles(tensor.first, tensor.theta.numel())
            state = tensor.curvature.state if isinstance(tensor.curvature, Elementwise) else {}
            addresses = [state[name].data_ptr() if name in state else 0 for name in ("P", "m")]
            copy = copies if place in copied else -1
            copies += tensor.theta.numel() if place in copied else 0
            first = tensor.theta.data_ptr(), *addresses, tensor.first, tensor.theta.numel()
            rows.append([*first, copy, len(owners), tensor.group])
            owners += [len(rows) - 1] * ((end - begin) // normals.TILE)
        aligned = all(x % ALIGNMENT == 0 for row in rows for x in (*row[:5], max(0, row[5])))
        return Sheet(
            dtype,
            torch.tensor(rows, dtype=torch.int64, device=self._device),
            torch.tensor(owners, dtype=torch.int32, device=self._device),
            torch.empty(max(1, copies), dtype=dtype, device=self._device),
            torch.empty(len(owners), dtype=torch.float32, device=self._device),
            aligned,
        )

    def open(
        self, seed: int, step: int, n: int, mu: float, centre: bool, constants: Sequence[Any], decays: Sequence[float]
    ) -> None:
        """Begin a step; `constants` and `decays` are the groups'."""
        super().__init__(n, mu, centre)
        self._constants, self._decays = constants, decays
        streams = [normals.Stream.of(seed, step, i) for i in range(n)]
        words = [[normals.signed(stream.start), normals.signed(stream.stride)] for stream in streams]
        self._streams = torch.tensor(words, device=self._device)

    def _launch(self, kernel: Any, own: Callable[[Sheet], tuple[Any, ...]], *arguments: Any, **compiled: Any) -> None:
        with kernels.on(self._device):
            for sheet in self._sheets:
                dtype = getattr(self._kernels.tl, str(sheet.dtype).removeprefix("torch."))
                kernel[(len(sheet.owner),)](
                    sheet.table, sheet.owner, self._streams, sheet.copies, *own(sheet), *arguments,
                    DROPPED=sheet.dropped, DTYPE=dtype, ALIGNED=sheet.aligned, **compiled, **kernels.EXACT,
                )  # fmt: skip

    def _move_to(self, probe: tuple[int, float] | None) -> None:
        leave, enter = self._away or (0, 0.0), probe or (0, 0.0)
        ways = {
            "LEAVES": self._away is not None,
            "ENTERS": probe is not None,
            "SAME": self._away is not None and leave[0] == enter[0],
        }
        arguments = leave[0], -leave[1] * self._mu, enter[0], enter[1] * self._mu
        self._launch(self._kernels.move, lambda sheet: (), *arguments, SCALED=self._kind > 0, **ways)
        self._away = probe

    def update(
        self, first: torch.Tensor, second: torch.Tensor | None, estimator: Estimator | None, moves: bool
    ) -> float:
        """As `ModuleParameters.update`."""
        coefficients = torch.zeros(self.n, dtype=torch.float64)
        if second is not None and estimator is not None:
            coefficients = estimator.prepare(TorchArithmetic, second.clone())
        g, c = first.tolist(), coefficients.tolist()
        rows = [_factors(g, c, k, decay) for k, decay in zip(self._constants, self._decays, strict=True)]
        factors = torch.tensor(rows, dtype=torch.float32, device=self._device)
        away, side = self._away or (-1, 0.0)
        self._launch(
            self._kernels.update, lambda sheet: (factors, sheet.lengths), away, -side * self._mu,
            N=self.n, MOVES=moves, KIND=self._kind,
        )  # fmt: skip
        self._away = None
        return math.sqrt(sum(float(sheet.lengths.sum(dtype=torch.float64)) for sheet in self._sheets)) if moves else 0.0


def _factors(g: list[float], c: list[float], k: Any, decay: float) -> list[float]:
    """What the kernel `update` multiplies the directions' u and u² with, and a group's constants."""
    slopes = [x * k.move for x in g]
    if not hasattr(k, "estimator"):
        return [*slopes, *(0.0 for _ in c), 0.0, 1.0, 0.0, math.inf, decay, 0.0, 0.0]
    curvatures = [x * k.weigh for x in c]
    shift = k.estimator.offset * k.weigh * sum(c)
    return [*slopes, *curvatures, shift, k.keep, k.floor, k.ceiling, decay, k.forget, k.alpha]


def _kind(curvature: Curvature) -> int:
    """What the kernels do with P: a number of theirs, −1 if they cannot."""
    if type(curvature) is Curvature:
        return 0
    names = {id(estimator): name for name, estimator in ESTIMATORS.items()}
    known = KINDS.get(names.get(id(curvature.k.estimator), ""), -1)
    return known if type(curvature) is Elementwise else -1


def taken(tensors: Sequence[Tensor], triton_kernels: ModuleType) -> FusedParameters | None:
    """Those tensors for the kernels, if they can take them all."""
    devices, kinds = {each.theta.device for each in tensors}, {_kind(each.curvature) for each in tensors}
    narrow = all(each.theta.dtype in (torch.float32, torch.bfloat16, torch.float16) for each in tensors)
    fit = len(devices) == len(kinds) == 1 and kinds != {-1} and narrow
    return FusedParameters(tensors, triton_kernels) if fit else None


class Tables:
    """The kernels' tables of an optimizer's tensors, kept as long as nothing moves in memory."""

    def __init__(self) -> None:
        self._known: list[Any] = []
        self._taken: FusedParameters | None = None

    def find(
        self, groups: Sequence[dict[str, Any]], state: Mapping[Any, dict[str, Any]], tensors: Callable[[], list[Tensor]]
    ) -> FusedParameters | None:
        """The parameters for the kernels; None where they cannot take them. `tensors` makes what is missing of P."""
        devices = (parameter.device for group in groups for parameter in group["params"])
        triton_kernels = kernels.module(next(devices, torch.device("cpu")))
        if triton_kernels is None:  # also where they have left the graphics card since
            return None
        if self._known != _whereabouts(groups, state):
            self._taken = taken(tensors(), triton_kernels)
            self._known = _whereabouts(groups, state)
        return self._taken


def _whereabouts(groups: Sequence[dict[str, Any]], state: Mapping[Any, dict[str, Any]]) -> list[Any]:
    """What the tables depend on."""
    found: list[Any] = []
    for group in groups:
        found.append((group.get("pool"), group.get("estimator")))
        for parameter in group["params"]:
            found.append((parameter.data_ptr(), parameter.requires_grad))
            found += [value.data_ptr() for value in state.get(parameter, {}).values()]
    return found
