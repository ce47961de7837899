"""HiZOO and MeZO as torch optimizers: the same steps as in `optimize`, on the parameters of any module."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import torch
from torch.optim import Optimizer

from hizoo_core import hizoo, hizoo_l, mezo, noise
from hizoo_core.estimators import ESTIMATORS, first_difference, second_difference
from hizoo_core.hizoo import HiZOOTraining
from hizoo_core.hizoo_l import HiZOOFactoredTraining
from hizoo_core.module_parameters import ModuleParameters, SeededDirections
from hizoo_core.preconditioner import Curvature, Elementwise, Factored, Pooled, TorchArithmetic, matrix, working_dtype


@dataclass(frozen=True)
class Attempt:
    """The losses of one step's probes (at θ for HiZOO; then on either side, (n,)), their differences, and the length of
    the update; None if a loss is not finite, so that none was made.
    """

    losses: tuple[torch.Tensor, ...]
    first: torch.Tensor
    second: torch.Tensor | None
    length: float | None


class ZerothOrder(Optimizer):
    """What HiZOO and MeZO share: probing through a closure, and state that resumes bit for bit."""

    _init: ClassVar[Callable[[Any, Callable[[float], Any]], Any]]  # the constants of a group's hyperparameters
    _centre: ClassVar[bool] = True  # the loss at θ itself is probed too, and P estimated
    _kind: ClassVar[type]  # of the hyperparameters that check a group's settings
    # One probe displaces every group at once, so these cannot differ between groups.
    _common: ClassVar[tuple[str, ...]]

    def __init__(self, params: Iterable[Any], seed: int, **settings: Any) -> None:
        if not 0 <= seed < noise.SEED_LIMIT:
            raise ValueError(f"seed = {seed!r}: must be a whole number from 0 to {noise.SEED_LIMIT - 1}")
        checked = vars(self._kind(**settings))
        super().__init__(params, {**{name: checked[name] for name in settings}, "seed": seed, "step": 0})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own for anything but what one probe fixes for all groups.

        Raises HyperparameterError or ValueError, and leaves the optimizer as it was.
        """
        if self.param_groups:
            param_group = {**param_group, "step": self.param_groups[0]["step"]}
        super().add_param_group(param_group)
        try:
            self._check(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    def _check(self, group: dict[str, Any]) -> None:
        self._hyperparameters(group)
        for name in self._common:
            if group[name] != self.param_groups[0][name]:
                raise ValueError(f"{name} = {group[name]!r}: must be {self.param_groups[0][name]!r} in every group")
        for parameter in group["params"]:
            if not parameter.is_floating_point():
                raise ValueError(f"a parameter of dtype {parameter.dtype}: must be of real floating-point numbers")
            # Only a dense tensor without overlaps keeps its strides here.
            if torch.empty_like(parameter, device="meta").stride() != parameter.stride():
                raise ValueError(f"a parameter with strides {parameter.stride()}: must be dense in memory")

    def _hyperparameters(self, group: dict[str, Any]) -> Any:
        names = (field.name for field in dataclasses.fields(self._kind))
        return self._kind(**{name: group[name] for name in names if name in group})

    def _space(self, step: int) -> ModuleParameters:
        tensors = []
        for group in self.param_groups:
            self._check(group)
            constants = type(self)._init(self._hyperparameters(group), float)
            for parameter in group["params"]:
                if parameter.requires_grad and parameter.numel():
                    tensors.append((parameter, self._curvature(parameter, group, constants)))
        if not tensors:
            raise ValueError("no parameter requires a gradient: nothing to optimize")
        common = self.param_groups[0]
        directions = SeededDirections(common["seed"])
        return ModuleParameters(tensors, common["n"], common["mu"], step, directions, self._centre)

    def _curvature(self, parameter: torch.Tensor, group: dict[str, Any], constants: Any) -> Curvature:
        return Curvature(constants)

    def attempt(self, closure: Callable[[], Any]) -> Attempt:
        """Probe and, if every loss is finite, update; the step is not counted. Restores θ if the closure raises."""
        step = self.param_groups[0]["step"]
        space = self._space(step)
        losses = space.probe(closure)
        *centre, plus, minus = losses
        first = first_difference(TorchArithmetic, plus, minus, None)
        second = second_difference(TorchArithmetic, centre[0], plus, minus, None) if centre else None
        if not all(bool(loss.isfinite().all()) for loss in losses):
            space.restore()
            return Attempt(losses, first, second, None)
        return Attempt(losses, first, second, self._update(space, first, second, step))

    def repeat(self, first: torch.Tensor, second: torch.Tensor | None) -> float:
        """The update that these differences, (n,) each, made in this step, without a loss; the step is not counted.

        Returns its length.
        """
        step = self.param_groups[0]["step"]
        return self._update(self._space(step), first, second, step)

    def _update(self, space: ModuleParameters, first: torch.Tensor, second: torch.Tensor | None, step: int) -> float:
        common = self.param_groups[0]
        estimator = ESTIMATORS[common["estimator"]] if "estimator" in common else None
        return space.update(first, second, estimator, moves=step >= common.get("warmup", 0))

    def count(self) -> None:
        """Go on to the next step."""
        for group in self.param_groups:
            group["step"] += 1

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> torch.Tensor:  # type: ignore[override]
        """One step; `closure()` returns the loss (a number or a tensor of one element) on the same data each time.

        It is called without gradients, 2n + 1 times by HiZOO, 2n times by MeZO. Returns, as a 0-d float64 tensor, the
        loss at θ (HiZOO) or the mean of the probes' losses (MeZO). If any of the losses is not finite, θ and the state
        are left as they were, the loss is returned and the next step tries other directions. If the closure raises, θ
        is restored and the step not counted.
        """
        if closure is None:
            raise TypeError(f"{type(self).__name__}.step needs a closure that returns the loss: opt.step(closure)")
        losses = self.attempt(closure).losses
        self.count()
        return losses[0] if self._centre else torch.cat(losses).mean()

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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume: the next steps are, bit for bit, those that the optimizer that was saved would have made."""
        super().load_state_dict(state_dict)
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


class HiZOO(ZerothOrder):
    """HiZOO (arXiv 2402.15173): zeroth-order descent scaled by an estimate of the diagonal Hessian.

    Groups may have their own lr, alpha, beta, floor and pool. `state[p]["P"]` is the estimate, in float32 or float64:
    of p's shape, of one column with pool="row" (the last axis shares it), of one number with pool="tensor". The
    parameters that require a gradient when a step is made are the ones that move. For the meaning and the bounds of the
    settings see `describe(hizoo.HiZOOTraining)`; out of range they raise HyperparameterError.
    """

    _init = staticmethod(hizoo.init)
    _kind = HiZOOTraining
    _common = ("n", "mu", "estimator", "warmup", "seed")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        mu: float = 1e-3,
        alpha: float = 1e-4,
        n: int = 1,
        estimator: str = "paper",
        seed: int = 0,
        warmup: int = 0,
        beta: float = 0.0,
        floor: float = 1e-12,
        pool: str = "none",
    ) -> None:
        super().__init__(
            params,
            seed,
            lr=lr,
            mu=mu,
            alpha=alpha,
            n=n,
            estimator=estimator,
            warmup=warmup,
            beta=beta,
            floor=floor,
            pool=pool,
        )

    def _curvature(self, parameter: torch.Tensor, group: dict[str, Any], constants: Any) -> Curvature:
        pool = group["pool"]
        names = ("P", "m") if ESTIMATORS[group["estimator"]].keeps_m else ("P",)
        if pool == "none":
            shape = parameter.shape
        else:
            _rows_of(parameter)
            shape = (*parameter.shape[:-1], 1) if pool == "row" and parameter.dim() else (1,) * parameter.dim()
        state = self.state[parameter]
        for name in names:
            if name not in state:
                kept = parameter if pool == "none" else torch.empty(shape, device=parameter.device)
                value = hizoo.STATE[name]
                state[name] = torch.full_like(kept, value, dtype=working_dtype(parameter), requires_grad=False)
            elif state[name].shape != shape:
                raise ValueError(f"pool = {pool!r}: {name} has the shape {tuple(state[name].shape)} of another pool")
        own = {name: state[name] for name in names}
        return Elementwise(own, constants) if pool == "none" else Pooled(parameter, own, constants, group["n"])


class HiZOOL(ZerothOrder):
    """HiZOO-L: HiZOO whose P is factored for tensors of two or more axes, as Adafactor's is (arXiv 1804.04235).

    `state[p]` is there {"R": (…, 1), "C": (columns,)}, the row and the column means, for P_jk = R_j C_k / mean(R); a
    vector keeps {"P"} in full. For the settings see `describe(hizoo_l.HiZOOFactoredTraining)`.
    """

    _init = staticmethod(hizoo_l.init)
    _kind = HiZOOFactoredTraining
    _common = ("n", "mu", "estimator", "warmup", "seed")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        mu: float = 1e-3,
        alpha: float = 1e-4,
        n: int = 1,
        estimator: str = "paper",
        seed: int = 0,
        warmup: int = 0,
        floor: float = 1e-12,
    ) -> None:
        super().__init__(params, seed, lr=lr, mu=mu, alpha=alpha, n=n, estimator=estimator, warmup=warmup, floor=floor)

    def _curvature(self, parameter: torch.Tensor, group: dict[str, Any], constants: Any) -> Curvature:
        state, dtype = self.state[parameter], working_dtype(parameter)
        if parameter.dim() < 2:
            if "P" not in state:
                state["P"] = torch.ones_like(parameter, dtype=dtype, requires_grad=False)
            return Elementwise({"P": state["P"]}, constants)
        _rows_of(parameter)
        if "R" not in state:
            state["R"] = torch.ones((*parameter.shape[:-1], 1), dtype=dtype, device=parameter.device)
            state["C"] = torch.ones(parameter.shape[-1], dtype=dtype, device=parameter.device)
        return Factored(state, constants)


def _rows_of(parameter: torch.Tensor) -> None:
    if not parameter.is_contiguous():
        raise ValueError(f"a parameter with strides {parameter.stride()}: must be contiguous for P to have rows")


class MeZO(ZerothOrder):
    """MeZO (arXiv 2305.17333): zeroth-order descent along random directions. Groups may have their own lr."""

    _init = staticmethod(mezo.init)
    _centre = False
    _kind = mezo.MeZOHyperparameters
    _common = ("n", "mu", "seed")

    def __init__(self, params: Iterable[Any], lr: float = 1e-6, mu: float = 1e-3, n: int = 1, seed: int = 0) -> None:
        super().__init__(params, seed, lr=lr, mu=mu, n=n)
