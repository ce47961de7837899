"""HiZOO and MeZO as torch optimizers: the same steps as in `optimize`, on the parameters of any module."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, ClassVar

import torch
from torch.optim import Optimizer

from hizoo_core import hizoo, mezo, noise
from hizoo_core.base import Hyperparameters, Method
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.spaces import ModuleParameters, SeededDirections, flat, working_dtype


class _ZerothOrder(Optimizer):
    """What HiZOO and MeZO share: probing through a closure, and state that resumes bit for bit."""

    _method: ClassVar[Method]
    _update: ClassVar[Any]
    # One probe displaces every group at once, so these cannot differ between groups.
    _common: ClassVar[tuple[str, ...]]

    def __init__(self, params: Iterable[Any], hyperparameters: Hyperparameters, seed: int) -> None:
        if not 0 <= seed < noise.SEED_LIMIT:
            raise ValueError(f"seed = {seed!r}: must be a whole number from 0 to {noise.SEED_LIMIT - 1}")
        super().__init__(params, {**vars(hyperparameters), "seed": seed, "step": 0})

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
        names = (field.name for field in dataclasses.fields(self._method.hyperparameters))
        return self._method.hyperparameters(**{name: group[name] for name in names})

    def _space(self, step: int) -> ModuleParameters:
        tensors = []
        for group in self.param_groups:
            self._check(group)
            constants = self._method.init(self._hyperparameters(group), float)
            for parameter in group["params"]:
                if parameter.requires_grad:
                    tensors.append((parameter, self._state(parameter, group), constants))
        if not tensors:
            raise ValueError("no parameter requires a gradient: nothing to optimize")
        common = self.param_groups[0]
        directions = SeededDirections(common["seed"])
        return ModuleParameters(tensors, common["n"], common["mu"], step, directions, self._method.estimates_hessian)

    def _state(self, parameter: torch.Tensor, group: dict[str, Any]) -> dict[str, torch.Tensor]:
        state = self.state[parameter]
        for name, value in self._method.state.items():
            wanted = name != "m" or ESTIMATORS[group["estimator"]].keeps_m
            if wanted and name not in state:
                state[name] = torch.full_like(parameter, value, dtype=working_dtype(parameter), requires_grad=False)
        return state

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
        step = self.param_groups[0]["step"]
        space = self._space(step)
        losses = space.probe(closure)
        if all(bool(loss.isfinite().all()) for loss in losses):
            self._update(space, losses, step)
        else:
            space.restore()
        for group in self.param_groups:
            group["step"] = step + 1
        return losses[0] if self._method.estimates_hessian else torch.cat(losses).mean()

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
                    vector, filled = flat(u), 0
                    while filled < u.numel():
                        chunk = next(chunks)
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
                own = torch.empty_like(parameter, dtype=working_dtype(parameter), requires_grad=False)
                self.state[parameter][name] = own.copy_(value)


class HiZOO(_ZerothOrder):
    """HiZOO (arXiv 2402.15173): zeroth-order descent scaled by an estimate of the diagonal Hessian.

    Groups may have their own lr, alpha, beta and floor. `state[p]["P"]` is the estimate, of p's shape, in float32 or
    float64. The parameters that require a gradient when a step is made are the ones that move. For the meaning and the
    bounds of the settings see `describe(METHODS["hizoo"].hyperparameters)`; out of range they raise
    HyperparameterError.
    """

    _method = hizoo.METHOD
    _update = staticmethod(hizoo.update)
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
    ) -> None:
        hp = hizoo.HiZOOHyperparameters(
            alpha=alpha, n=n, lr=lr, mu=mu, warmup=warmup, estimator=estimator, beta=beta, floor=floor
        )
        super().__init__(params, hp, seed)


class MeZO(_ZerothOrder):
    """MeZO (arXiv 2305.17333): zeroth-order descent along random directions. Groups may have their own lr."""

    _method = mezo.METHOD
    _update = staticmethod(mezo.update)
    _common = ("n", "mu", "seed")

    def __init__(self, params: Iterable[Any], lr: float = 1e-6, mu: float = 1e-3, n: int = 1, seed: int = 0) -> None:
        super().__init__(params, mezo.MeZOHyperparameters(n=n, lr=lr, mu=mu), seed)
