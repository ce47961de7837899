"""What HiZOO, HiZOO-L and MeZO share as torch optimizers: groups, probing through a closure, resumption."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch
from torch.optim import Optimizer

from hizoo_core import fused, noise
from hizoo_core.auto_rate import AUTO, AutoRate, Seen, factor, from_examples
from hizoo_core.base import HyperparameterError
from hizoo_core.closure import same_draws, users_level
from hizoo_core.estimators import ESTIMATORS, first_difference, second_difference
from hizoo_core.module_parameters import ModuleParameters
from hizoo_core.preconditioner import Curvature, TorchArithmetic, matrix, working_dtype
from hizoo_core.workspace import SeededDirections

Space = ModuleParameters | fused.FusedParameters


@dataclass(frozen=True)
class Attempt:
    """The losses of one step's probes (at θ for HiZOO; then on either side, (n,)), their differences, and the length of
    the update; None if a loss is not finite, so that none was made. `seen`, `rate`: of lr=auto, what the rule went by,
    and η (see `AutoRate.decide`).
    """

    losses: tuple[torch.Tensor, ...]
    first: torch.Tensor
    second: torch.Tensor | None
    length: float | None
    seen: Seen | None = None
    rate: float | None = None


class ZerothOrder(Optimizer):
    """What HiZOO and MeZO share: probing through a closure, and state that resumes bit for bit."""

    _init: ClassVar[Callable[[Any, Callable[[float], Any]], Any]]  # the constants of a group's hyperparameters
    _centre: ClassVar[bool] = True  # the loss at θ itself is probed too, and P estimated
    _kind: ClassVar[type]  # of the hyperparameters that check a group's settings
    # One probe displaces every group at once, so these cannot differ between groups.
    _common: ClassVar[tuple[str, ...]]
    # What lr="auto" remembers: its rule, and the last step's first differences and η.
    _auto: AutoRate | None = None
    _last: tuple[torch.Tensor, float] | None = None
    scale = 1.0  # of the η that lr="auto" decides on, for a schedule
    _examined = False  # whether the closure has been looked at for what makes a loss random

    def __init__(
        self, params: Iterable[Any], seed: int, weight_decay: float = 0.0, maximize: bool = False, **settings: Any
    ) -> None:
        if not 0 <= seed < noise.SEED_LIMIT:
            raise ValueError(f"seed = {seed!r}: must be a whole number from 0 to {noise.SEED_LIMIT - 1}")
        checked = vars(self._kind(**settings))
        own = {"weight_decay": weight_decay, "maximize": maximize, "seed": seed, "step": 0}
        self._tables = fused.Tables()
        super().__init__(params, {name: checked[name] for name in settings} | own)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._tables = fused.Tables()
        for group in self.param_groups:  # saved by a version without these
            group.setdefault("weight_decay", 0.0)
            group.setdefault("maximize", False)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own for anything but what one probe fixes for all groups.

        Args:
            param_group: "params" (as in the constructor), and any settings that differ from the constructor's.
                "initial_lr", which torch's schedulers read, may be among them.

        Raises:
            HyperparameterError: for a setting out of range.
            ValueError: without "params", for an unknown key, for a parameter that is listed twice, that is not of real
                floating-point numbers or not dense in memory, and for a setting that must be the same in every group.

        The optimizer is then as it was.
        """
        allowed = [*self.defaults, "params", "param_names", "initial_lr"]
        if "params" not in param_group:
            raise ValueError(f"a group needs 'params', the parameters it is of; this one has {', '.join(param_group)}")
        for key in param_group:
            if key not in allowed:
                known = ", ".join(name for name in self.defaults if name != "step")
                raise ValueError(f"{key!r} is no setting of {type(self).__name__}: a group may have params, {known}")
        if not isinstance(param_group["params"], torch.Tensor | set):  # torch refuses a set
            param_group = {**param_group, "params": list(param_group["params"])}
            _refuse_repetition(self.param_groups, param_group["params"])
        if self.param_groups:
            param_group = {**param_group, "step": self.param_groups[0]["step"]}
        super().add_param_group(param_group)
        try:
            self._check(self.param_groups[-1])
            _check_numbers(self.param_groups[-1]["params"])
        except ValueError:
            self.param_groups.pop()
            raise

    def _check(self, group: dict[str, Any]) -> None:
        self._hyperparameters(group)
        decay = group["weight_decay"]
        if not isinstance(decay, float | int) or isinstance(decay, bool) or not 0 <= decay < math.inf:
            raise HyperparameterError("weight_decay", decay, "a number from 0 on")
        if not isinstance(group["maximize"], bool):
            raise HyperparameterError("maximize", group["maximize"], "True or False")
        if (group["lr"] == AUTO) != (self.param_groups[0]["lr"] == AUTO):
            raise ValueError("lr = 'auto' decides for every group: give it to the optimizer, or to none")
        for name in self._common:
            if group[name] != self.param_groups[0][name]:
                raise ValueError(f"{name} = {group[name]!r}: must be {self.param_groups[0][name]!r} in every group")

    def _hyperparameters(self, group: dict[str, Any]) -> Any:
        names = (field.name for field in dataclasses.fields(self._kind))
        return self._kind(**{name: group[name] for name in names if name in group})

    def _constants(self, group: dict[str, Any]) -> Any:
        self._check(group)
        constants = type(self)._init(self._hyperparameters(group), float)
        return dataclasses.replace(constants, move=-constants.move) if group["maximize"] else constants

    # State that is made under inference_mode could not be changed outside it. Leaving the mode turns gradients on.
    @torch.inference_mode(False)
    @torch.no_grad()
    def _tensors(self) -> list[fused.Tensor]:
        tensors = []
        following = 0  # frozen parameters count, so that freezing one leaves the others' directions as they are
        for index, group in enumerate(self.param_groups):
            constants = self._constants(group)
            _check_numbers(group["params"])
            for parameter in group["params"]:
                if parameter.requires_grad and parameter.numel():
                    curvature = self._curvature(parameter, group, constants)
                    tensors.append(fused.Tensor(parameter, curvature, index, following))
                following += parameter.numel()
        if not tensors:
            raise ValueError("no parameter requires a gradient: nothing to optimize")
        return tensors

    def _decays(self) -> list[float]:
        return [factor(group["lr"]) * group["weight_decay"] for group in self.param_groups]

    @torch.inference_mode(False)
    @torch.no_grad()
    def _space(self, step: int) -> ModuleParameters:
        tensors, common, decays = self._tensors(), self.param_groups[0], self._decays()
        pairs = [(each.theta, each.curvature) for each in tensors]
        directions = SeededDirections(common["seed"])
        return ModuleParameters(
            pairs, common["n"], common["mu"], step, directions, self._centre or self._paced,
            [decays[each.group] for each in tensors], [each.first for each in tensors],
        )  # fmt: skip

    def _opened(self, step: int) -> Space:
        """θ for a step: in the hands of the kernels, or of torch, as always with lr="auto"."""
        if self._paced:
            return self._space(step)
        taken, common = self._tables.find(self.param_groups, self.state, self._tensors), self.param_groups[0]
        if taken is None:
            return self._space(step)
        constants = [self._constants(group) for group in self.param_groups]
        taken.open(common["seed"], step, common["n"], common["mu"], self._centre, constants, self._decays())
        return taken

    @property
    def _paced(self) -> bool:
        return self.param_groups[0]["lr"] == AUTO

    def _curvature(self, parameter: torch.Tensor, group: dict[str, Any], constants: Any) -> Curvature:
        return Curvature(constants)

    def attempt(self, closure: Callable[[], Any]) -> Attempt:
        """Probe and, if every loss is finite, update, else restore θ as `step` says. The step is not counted."""
        common, step = self.param_groups[0], self.param_groups[0]["step"]
        space = self._opened(step)
        devices = [parameter.device for group in self.param_groups for parameter in group["params"]]
        examined = None if self._examined else self._closure_examined
        examples: list[torch.Tensor] | None = [] if self._paced else None
        with same_draws(closure, common["seed"], step, devices, examined) as evaluate:
            losses = space.probe(evaluate, examples)
        *centre, plus, minus = losses
        first = first_difference(TorchArithmetic, plus, minus, None)
        second = second_difference(TorchArithmetic, centre[0], plus, minus, None) if centre else None
        if not all(bool(loss.isfinite().all()) for loss in losses):
            space.restore()
            return Attempt(losses, first, second, None)
        if examples is None:
            return Attempt(losses, first, second, self._update(space, first, second, step))
        seen = from_examples(torch.stack(examples).numpy(), first, second, common["mu"])
        rate = self.decide(seen, step)
        return Attempt(losses, first, second, self._update(space, first, second, step, rate), seen, rate)

    def decide(self, seen: Seen, step: int) -> float:
        """η of a step by the rule of lr="auto" (see `AutoRate.decide`), which remembers what it has seen."""
        common = self.param_groups[0]
        if self._auto is None:
            self._auto = AutoRate(1, common["mu"])
        rate = float(self._auto.decide(seen, step >= common.get("warmup", 0))[0])
        if rate < 0:
            assert self._last is not None
            return -self._last[1]
        return self.scale * rate

    @property
    def readings(self) -> list[float] | None:
        """The `auto_rate.READINGS` of the last step; None without lr="auto"."""
        return None if self._auto is None else self._auto.shown[:, 0].tolist()

    def _closure_examined(self, found: str) -> None:
        self._examined = True
        if found:
            warnings.warn(f"{type(self).__name__}: {found}", stacklevel=users_level())

    def repeat(self, first: torch.Tensor, second: torch.Tensor | None, rate: float | None = None) -> float:
        """The update that these differences, (n,) each, made in this step, without a loss; the step is not counted.

        `rate`: the η of a step made with lr="auto". Returns its length.
        """
        step = self.param_groups[0]["step"]
        return self._update(self._opened(step), first, second, step, rate)

    def _update(
        self,
        space: Space,
        first: torch.Tensor,
        second: torch.Tensor | None,
        step: int,
        rate: float | None = None,
    ) -> float:
        common = self.param_groups[0]
        estimator = ESTIMATORS[common["estimator"]] if "estimator" in common else None
        moves = step >= common.get("warmup", 0)
        if rate is None:
            return space.update(first, second, estimator, moves)
        back = self._last[0] if rate < 0 and self._last is not None else None
        self._last = first, rate
        assert isinstance(space, ModuleParameters)
        return space.update(first, second, estimator, moves, abs(rate), back)

    def count(self) -> None:
        """Go on to the next step."""
        for group in self.param_groups:
            group["step"] += 1

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> torch.Tensor:  # type: ignore[override]
        """Make one step, from forward passes alone.

        Args:
            closure: called without arguments and without gradients, 2n + 1 times by HiZOO and HiZOO-L, 2n times by
                MeZO (and once more with lr="auto"); returns the loss of the same data each time, a number or a tensor
                of one element. With lr="auto" it should return the losses of the batch's examples, (B,), whose mean
                is the loss and whose spread tells its noise; a single number is taken to be exact, so that it must be
                of all data, the same in every step. torch's random
                numbers (CPU, and the parameters' CUDA devices) are seeded from (seed, step) before every call, so that
                all evaluations of a step see the same dropout mask, and the generators' states are put back. The first
                step warns if the closure draws such numbers, or runs a BatchNorm that updates its running statistics:
                call model.eval() before. numpy's and Python's generators are left alone.

        Returns:
            The loss at θ (HiZOO) or the mean of the probes' losses (MeZO), as a 0-d float64 tensor.

        Raises:
            TypeError: without a closure.
            ValueError: if no parameter requires a gradient.

        If the closure raises, or a loss is not finite, nothing is learned from the step: P is as it was, and so is θ,
        bit for bit, in tensors of at most 2^16 numbers (2^20 in all, the smallest first). Larger tensors have been
        displaced and put back in place: about 9 of 10 of their numbers are as they were, and the others, whose
        displacement δ = μ u / √P reached another power of two or lay between two units, within two units in the last
        place of |θ| + |δ| for each direction, with no preferred side (but for 16-bit numbers that are exactly a power
        of two, which were measured to move towards 0 by 3e-8 of themselves a step). For weights of deviation 0.02,
        μ = 1e-3 and n = 1 that is at most 4e-9 in float32 and 2.5e-4 in bfloat16. After an exception the same step
        comes next; after a loss that is not finite, which is returned, the next one, with other directions.
        """
        if closure is None:
            raise TypeError(f"{type(self).__name__}.step needs a closure that returns the loss: opt.step(closure)")
        losses = self.attempt(closure).losses
        self.count()
        return losses[0] if self._centre or self._paced else torch.cat(losses).mean()

    def direction(self, step: int, i: int) -> list[torch.Tensor]:
        """u_i of a step (both counted from 0): one tensor for each parameter that requires a gradient, in order."""
        if not 0 <= i < self.param_groups[0]["n"]:
            raise ValueError(f"i = {i!r}: must be from 0 to n − 1 = {self.param_groups[0]['n'] - 1}")
        chunks = self._space(step).direction(i)
        directions = []
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad:
                    u = torch.empty_like(parameter, dtype=working_dtype(parameter), requires_grad=False)
                    vector, filled = matrix(u).view(-1), 0
                    while filled < u.numel():
                        chunk = next(chunks).view(-1)
                        vector[filled : filled + chunk.numel()] = chunk
                        filled += chunk.numel()
                    directions.append(u)
        return directions

    def state_dict(self) -> dict[str, Any]:
        """Copies of the state and of the groups' settings; later steps do not change them."""
        own = copy.deepcopy(super().state_dict())
        if self._auto is not None:
            last = None if self._last is None else (self._last[0].tolist(), self._last[1])
            own["auto"] = {"last": last} | {name: float(value[0]) for name, value in self._auto.state.items()}
        return own

    @torch.inference_mode(False)
    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume: the next steps are, bit for bit, those that the optimizer that was saved would have made.

        Args:
            state_dict: what `state_dict()` returned, for parameters of the same shapes in the same order. It is copied.

        Raises:
            ValueError: if the groups do not match.
        """
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "auto"})
        self._auto, self._last = None, None
        if auto := dict(state_dict.get("auto", {})):
            last = auto.pop("last")
            self._last = None if last is None else (torch.tensor(last[0], dtype=torch.float64), last[1])
            self._auto = AutoRate(1, self.param_groups[0]["mu"])
            self._auto.state = {name: np.array([value]) for name, value in auto.items()}
        # torch casts the state to the parameters' dtype, which would round the P of a bfloat16 parameter.
        keys = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        parameters = chain.from_iterable(group["params"] for group in self.param_groups)
        for key, parameter in zip(keys, parameters, strict=True):
            for name, value in state_dict["state"].get(key, {}).items():
                like = parameter if value.shape == parameter.shape else value
                own = torch.empty_like(
                    like, dtype=working_dtype(parameter), device=parameter.device, requires_grad=False
                )
                self.state[parameter][name] = own.copy_(value)


def _check_numbers(parameters: list[torch.Tensor]) -> None:
    """Raise ValueError unless all are of real numbers, and dense in memory."""
    for parameter in parameters:
        if not parameter.is_floating_point():
            raise ValueError(f"a parameter of dtype {parameter.dtype}: must be of real floating-point numbers")
        # Only a dense tensor without overlaps keeps its strides here.
        if torch.empty_like(parameter, device="meta").stride() != parameter.stride():
            raise ValueError(f"a parameter with strides {parameter.stride()}: must be dense in memory")


def _refuse_repetition(groups: list[dict[str, Any]], params: list[Any]) -> None:
    """Raise ValueError if one of a new group's parameters is in it twice, or in an earlier group."""
    known = {id(p): f"in group {i}" for i, group in enumerate(groups) for p in group["params"]}
    for i, each in enumerate(params):
        parameter = each[1] if isinstance(each, tuple) else each
        if id(parameter) in known:
            which = f"parameter {i} of the group, of shape {tuple(parameter.shape)}, is already {known[id(parameter)]}"
            raise ValueError(f"{which}: list every parameter once")
        known[id(parameter)] = f"parameter {i}"
