"""HiZOO and MeZO as torch optimizers: the same steps as in `optimize`, on the parameters of any module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from hizoo_core import hizoo, hizoo_l, mezo, reliability
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.hizoo import HiZOOTraining
from hizoo_core.hizoo_l import HiZOOFactoredTraining
from hizoo_core.preconditioner import Curvature, Elementwise, Factored, Pooled, Reliable, working_dtype
from hizoo_core.zeroth_order import ZerothOrder

__all__ = ["HiZOO", "HiZOOL", "MeZO", "ZerothOrder"]


class HiZOO(ZerothOrder):
    """HiZOO (arXiv 2402.15173): zeroth-order descent scaled by an estimate of the diagonal Hessian.

    A `torch.optim.Optimizer`; a step takes 2n + 1 evaluations of the loss and no gradient. Groups may have their own
    lr, alpha, beta, floor, pool, weight_decay and maximize. `state[p]["P"]` is the estimate, in float32 or float64: of
    p's shape, of one column with pool="row", of one number with pool="tensor"; "multiplicative" keeps "m" of the same
    shape, "reliable" "e" of p's shape and four "numbers" (`reliability.NUMBERS`). The parameters that require a
    gradient when a step is made are the ones that move. Use model.eval(): see `step`, which also says what a failed
    step leaves.
    """

    _init = staticmethod(hizoo.init)
    _kind = HiZOOTraining
    _common = ("n", "mu", "estimator", "warmup", "seed")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | str = 1e-3,
        mu: float = 1e-3,
        alpha: float = 1e-4,
        n: int = 1,
        estimator: str = "paper",
        seed: int = 0,
        warmup: int = 0,
        beta: float = 0.0,
        floor: float = 1e-12,
        pool: str = "none",
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        """Set up the optimizer; nothing is allocated before the first step.

        Args:
            params: the parameters, an iterable of tensors, of (name, tensor) pairs, or of groups: dicts with "params"
                and settings of their own. Real floating-point tensors, dense in memory, each once.
            lr: learning rate η, from 0 to 1e6, or "auto" (of all groups): each step's own, see `auto_rate` and `step`.
            mu: perturbation scale μ, from 1e-12 to 1e3; the same in every group. 1e-3 suits float32 weights, 1e-2 to
                1e-1 a loss that counts errors.
            alpha: smoothing α of the estimate P, from 0 to 1.
            n: random directions a step, from 1 to 64; the same in every group. A step calls the closure 2n + 1 times.
            estimator: formula of the Hessian estimate, the same in every group: "paper" (the paper's), "released" (the
                authors' code's), "multiplicative" (this project's, for n of at least 2) or "reliable" (this project's:
                P of a group differs from the others' as far as its curvature can be told from noise).
            seed: of the directions, from 0 to 2^32 − 1; the same in every group.
            warmup: first steps that update P and leave θ alone, from 0 to 20,000; the same in every group.
            beta: smoothing of the signed estimate, from 0 to 1, for "multiplicative" alone; 0 means 2 α.
            floor: P is held between this, from 1e-30 to 1, and its reciprocal.
            pool: what shares one P: "none" (one an element, the paper's), "row" (the last axis shares it) or "tensor";
                this project's variant. "row" and "tensor" need contiguous parameters; "reliable" takes no notice of it.
            weight_decay: λ from 0 on, in θ ← θ − η (g + λ θ): the decay is not scaled by P, and
                is made with the step (not during the warm-up). As in the authors' trainers, which leave out biases and
                norms: give those a group with weight_decay=0.
            maximize: climb instead of descend; the decay still shrinks θ.

        Raises:
            HyperparameterError: a setting out of its range; a ValueError that names it, its value and what is allowed.
            ValueError: a seed out of its range; no parameters, or one listed twice, not real floating-point, or not
                dense; an unknown key in a group, or a setting that may not differ between groups.
        """
        super().__init__(
            params,
            seed,
            weight_decay,
            maximize,
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
        estimator = ESTIMATORS[group["estimator"]]
        pool = "none" if estimator.predicts else group["pool"]
        names = ("P", "m") if estimator.keeps_m else ("P", "e") if estimator.predicts else ("P",)
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
        if estimator.predicts:
            if "numbers" not in state:
                state["numbers"] = state["P"].new_tensor(list(reliability.NUMBERS.values()))
            return Reliable(state, constants, group["n"])
        own = {name: state[name] for name in names}
        return Elementwise(own, constants) if pool == "none" else Pooled(parameter, own, constants, group["n"])


class HiZOOL(ZerothOrder):
    """HiZOO-L: HiZOO whose P is factored for tensors of two or more axes, as Adafactor's is (arXiv 1804.04235).

    A `torch.optim.Optimizer`; a step takes 2n + 1 evaluations of the loss and no gradient. Groups may have their own
    lr, alpha, floor, weight_decay and maximize. `state[p]` is {"R": (…, 1), "C": (columns,)}, the row and the column
    means, for P_jk = R_j C_k / mean(R) (p must be contiguous); a vector keeps {"P"} in full. Use model.eval(): see
    `step`, which also says what a failed step leaves.
    """

    _init = staticmethod(hizoo_l.init)
    _kind = HiZOOFactoredTraining
    _common = ("n", "mu", "estimator", "warmup", "seed")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | str = 1e-3,
        mu: float = 1e-3,
        alpha: float = 1e-4,
        n: int = 1,
        estimator: str = "paper",
        seed: int = 0,
        warmup: int = 0,
        floor: float = 1e-12,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        """Set up the optimizer; nothing is allocated before the first step.

        Args:
            params: the parameters, an iterable of tensors, of (name, tensor) pairs, or of groups: dicts with "params"
                and settings of their own. Real floating-point tensors, dense in memory, each once.
            lr: learning rate η, from 0 to 1e6, or "auto" (of all groups): each step's own, see `auto_rate` and `step`.
            mu: perturbation scale μ, from 1e-12 to 1e3; the same in every group. 1e-3 suits float32 weights, 1e-2 to
                1e-1 a loss that counts errors.
            alpha: smoothing α of the estimate P, from 0 to 1.
            n: random directions a step, from 1 to 64; the same in every group. A step calls the closure 2n + 1 times.
            estimator: formula of the Hessian estimate, the same in every group: "paper" (the paper's) or "released"
                (the authors' code's).
            seed: of the directions, from 0 to 2^32 − 1; the same in every group.
            warmup: first steps that update P and leave θ alone, from 0 to 20,000; the same in every group.
            floor: P is held between this, from 1e-30 to 1, and its reciprocal.
            weight_decay: λ from 0 on, in θ ← θ − η (g + λ θ): the decay is not scaled by P, and
                is made with the step (not during the warm-up). As in the authors' trainers, which leave out biases and
                norms: give those a group with weight_decay=0.
            maximize: climb instead of descend; the decay still shrinks θ.

        Raises:
            HyperparameterError: a setting out of its range; a ValueError that names it, its value and what is allowed.
            ValueError: a seed out of its range; no parameters, or one listed twice, not real floating-point, or not
                dense; an unknown key in a group, or a setting that may not differ between groups.
        """
        settings = dict(lr=lr, mu=mu, alpha=alpha, n=n, estimator=estimator, warmup=warmup, floor=floor)
        super().__init__(params, seed, weight_decay, maximize, **settings)

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
    """MeZO (arXiv 2305.17333): zeroth-order descent along random directions.

    A `torch.optim.Optimizer`; a step takes 2n evaluations of the loss and no gradient, and nothing is kept beside the
    parameters. Groups may have their own lr, weight_decay and maximize. Use model.eval(): see `step`, which also says
    what a failed step leaves.
    """

    _init = staticmethod(mezo.init)
    _centre = False
    _kind = mezo.MeZOHyperparameters
    _common = ("n", "mu", "seed")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | str = 1e-6,
        mu: float = 1e-3,
        n: int = 1,
        seed: int = 0,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        """Set up the optimizer; nothing is allocated before the first step.

        Args:
            params: the parameters, an iterable of tensors, of (name, tensor) pairs, or of groups: dicts with "params"
                and settings of their own. Real floating-point tensors, dense in memory, each once.
            lr: learning rate η, from 0 to 1e6, or "auto" (of all groups): each step's own, see `auto_rate` and `step`.
            mu: perturbation scale μ, from 1e-12 to 1e3; the same in every group. 1e-3 suits float32 weights, 1e-2 to
                1e-1 a loss that counts errors.
            n: random directions a step, from 1 to 64; the same in every group. A step calls the closure 2n times.
            seed: of the directions, from 0 to 2^32 − 1; the same in every group.
            weight_decay: λ from 0 on, in θ ← θ − η (g + λ θ). As in the authors' trainer, which leaves out biases and
                norms: give those a group with weight_decay=0.
            maximize: climb instead of descend; the decay still shrinks θ.

        Raises:
            HyperparameterError: a setting out of its range; a ValueError that names it, its value and what is allowed.
            ValueError: a seed out of its range; no parameters, or one listed twice, not real floating-point, or not
                dense; an unknown key in a group, or a setting that may not differ between groups.
        """
        super().__init__(params, seed, weight_decay, maximize, lr=lr, mu=mu, n=n)
