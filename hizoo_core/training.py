"""Training a module's parameters step by step: HiZOO, HiZOO-L, MeZO and Adam behind one `Trainer`."""

from __future__ import annotations

import copy
import dataclasses
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hizoo_core import estimators, noise
from hizoo_core.auto_rate import AUTO, Seen
from hizoo_core.base import HyperparameterError
from hizoo_core.preconditioner import materialised
from hizoo_core.reliability import NUMBERS, PRIOR
from hizoo_core.torch_optim import ZerothOrder
from hizoo_core.training_methods import METHODS, SCHEDULES, TrainingMethod, lost_in_rounding

__all__ = ["METHODS", "Diverged", "StepRecord", "Trainer", "TrainingMethod"]

AT_A_TIME = 2**22  # numbers of the tensors that Adam's update copies at a time; a larger tensor comes alone


@dataclass(frozen=True)
class StepRecord:
    """What one step was: with the seed, all that is needed to make it again.

    Args:
        step: its number, from 0.
        lr: the learning rate after the schedule.
        alpha: α after the schedule, None where there is none.
        loss: at θ (HiZOO, HiZOO-L, Adam), or the mean of the probes' (MeZO).
        first: l+_i − l−_i, one number a direction; none for Adam.
        second: l+_i + l−_i − 2 l0, one number a direction; none for MeZO and Adam.
        seen: with lr=auto, what else its rule went by: l+_i + l−_i − 2 l0 where `second` has them not, the variances of
            the slopes and of the curvatures, the loss at θ and its variance. `lr` is then the η it decided on, or minus
            the η of the step before, where that was taken back.
        length: ‖θ_{t+1} − θ_t‖, what remains of the update after rounding: 0 means that no parameter moved.
    """

    step: int
    lr: float
    alpha: float | None
    loss: float
    first: tuple[float, ...]
    second: tuple[float, ...]
    length: float
    seen: tuple[float, ...] = ()

    def slope(self, mu: float) -> float:
        """Root mean square over the directions of g_i = (l+_i − l−_i) / 2μ; NaN where there are none."""
        if not self.first:
            return math.nan
        return estimators.slope(math.sqrt(sum(x * x for x in self.first) / len(self.first)), mu)

    def curvature(self, mu: float) -> float:
        """Mean over the directions of c_i = (l+_i + l−_i − 2 l0) / μ²; NaN where there are none."""
        return estimators.curvature(sum(self.second) / len(self.second), mu) if self.second else math.nan


class Diverged(Exception):
    """A loss that is not finite. P and the step are as before it, θ as `HiZOO.step` says: small tensors bit for bit.

    Args:
        step: the number of the step, from 0.
        sentence: what happened, for the user.
    """

    def __init__(self, step: int, sentence: str) -> None:
        self.step = step
        self.sentence = sentence
        super().__init__(sentence)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.step, self.sentence)


def _flat(seen: Seen, estimates: bool) -> tuple[float, ...]:
    """`StepRecord.seen`."""
    parts = [] if estimates else [seen.c]
    parts += [seen.g_noise, seen.c_noise, seen.centre, seen.centre_noise]
    return tuple(float(x) for part in parts for x in part.reshape(-1))


def _seen(record: StepRecord, mu: float) -> Seen:
    """What the rule of lr=auto went by in a step."""
    n = len(record.first)
    parts = [np.array(record.seen[i * n : (i + 1) * n])[:, None] for i in range(len(record.seen) // n)]
    first, second = np.array(record.first)[:, None], np.array(record.second)[:, None]
    *curvatures, g_noise, c_noise = parts[: (len(record.seen) - 2) // n]
    c = curvatures[0] if curvatures else estimators.curvature(second, mu)
    centre, centre_noise = np.array(record.seen[-2:-1]), np.array(record.seen[-1:])
    return Seen(centre, estimators.slope(first, mu), c, centre_noise, g_noise, c_noise)


class Trainer:
    """One run of a method on named parameters, for a known number of steps."""

    def __init__(
        self,
        parameters: Mapping[str, torch.nn.Parameter],
        method: str,
        hyperparameters: Any,
        steps: int,
        seed: int,
    ) -> None:
        """Set up a run; nothing is allocated before the first step.

        Args:
            parameters: what is trained, by name, each once.
            method: a key of METHODS: "hizoo", "hizoo_l", "mezo" or "adam".
            hyperparameters: of that method's own type, `METHODS[method].hyperparameters`, which describes them.
            steps: how many steps the schedules are stretched over, 1 or more; a longer run goes on at their ends.
            seed: of the directions, from 0 to 2^32 − 1.

        Raises:
            ValueError: for an unknown method, a seed out of its range, or a parameter with two names.
            TypeError: for hyperparameters of another method.
        """
        if method not in METHODS:
            raise ValueError(f"method = {method!r}: must be one of {', '.join(METHODS)}")
        self.method = METHODS[method]
        if type(hyperparameters) is not self.method.hyperparameters:
            raise TypeError(f"method {method!r} takes {self.method.hyperparameters.__name__}, not {hyperparameters!r}")
        if not 0 <= seed < noise.SEED_LIMIT:
            raise ValueError(f"seed = {seed!r}: must be a whole number from 0 to {noise.SEED_LIMIT - 1}")
        self.parameters = dict(parameters)
        names: dict[int, str] = {}
        for name, parameter in self.parameters.items():
            if names.setdefault(id(parameter), name) != name:
                raise ValueError(f"{names[id(parameter)]} and {name} are one parameter: name every parameter once")
        self.hyperparameters = hp = hyperparameters
        self.steps, self.step = steps, 0
        self._still = 0  # steps in a row that should have moved θ and did not
        tensors = list(self.parameters.values())
        form = self.method.form
        settings = form.settings(hp) | ({"seed": seed} if self.method.zeroth_order else {})
        self._optimizer = pkgutil.resolve_name(form.optimizer)(tensors, **settings)

    def set(self, lr: float | None = None, alpha: float | None = None) -> None:
        """Change base values (before the schedule) from the next step on; raises HyperparameterError."""
        changes = {name: value for name, value in (("lr", lr), ("alpha", alpha)) if value is not None}
        if "alpha" in changes and not hasattr(self.hyperparameters, "alpha"):
            raise HyperparameterError("alpha", alpha, f"left out ({self.method.name} has none)")
        self.hyperparameters = dataclasses.replace(self.hyperparameters, **changes)

    def _effective(self) -> tuple[float | str, float | None]:
        hp, done = self.hyperparameters, self.step / max(1, self.steps)
        factor = SCHEDULES[hp.schedule](done)
        if isinstance(self._optimizer, ZerothOrder):
            self._optimizer.scale = factor
        lr = AUTO if hp.lr == AUTO else hp.lr * factor
        alpha = hp.alpha * SCHEDULES[hp.alpha_schedule](done) if hasattr(hp, "alpha") else None
        return lr, alpha

    def _prepare(self, lr: float | str, alpha: float | None) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = lr
            if alpha is not None:
                group["alpha"] = alpha

    def advance(self, loss: Callable[[], torch.Tensor]) -> StepRecord:
        """Make one step.

        Args:
            loss: returns the loss of the same data each time it is called: 2n + 1 times (HiZOO, HiZOO-L) or 2n times
                (MeZO) without gradients and as `HiZOO.step` calls its closure, or once with them (Adam).

        Raises:
            Diverged: if a loss is not finite.
            ValueError: if Adam is given a loss without a gradient.

        After these, and after whatever `loss` raises, P and the step are as before; θ is restored (see `HiZOO.step`).
        """
        lr, alpha = self._effective()
        self._prepare(lr, alpha)
        if isinstance(self._optimizer, torch.optim.Adam):
            assert isinstance(lr, float)
            value, length = self._descend(self._optimizer, loss)
            record = StepRecord(self.step, lr, alpha, value, (), (), length)
        else:
            record = self._attempt(self._optimizer, loss, lr, alpha)
        self._count(record, record.length)
        return record

    def _count(self, record: StepRecord, length: float) -> None:
        """Go on to the next step, after a record's update of this length."""
        if length > 0:
            self._still = 0
        elif self.step >= getattr(self.hyperparameters, "warmup", 0):
            slope = record.slope(self.hyperparameters.mu) if record.first else None
            self._still += lost_in_rounding(record.lr, slope, length)
        self.step += 1

    @property
    def stalled(self) -> str | None:
        """A sentence for the user if the last steps' updates were too short to move any parameter; else None.

        Steps that are not meant to move θ (the learning rate is 0, the losses are equal, a warm-up) do not count.
        """
        if not self._still:
            return None
        dtypes = sorted({str(parameter.dtype).removeprefix("torch.") for parameter in self.parameters.values()})
        last = "the last step" if self._still == 1 else f"the last {self._still} steps"
        return f"no parameter moved in {last}: the update is below the rounding of {' and '.join(dtypes)}"

    @torch.no_grad()
    def _attempt(self, optimizer: ZerothOrder, loss: Callable[[], Any], lr: Any, alpha: Any) -> StepRecord:
        attempt = optimizer.attempt(loss)
        *centre, plus, minus = attempt.losses
        if attempt.length is None:
            named = [("the loss", centre[0])] if centre else []
            for i, pair in enumerate(zip(plus, minus, strict=True)):
                named += [(f"the loss at probe {sign}{i + 1}", of) for sign, of in zip("+−", pair, strict=True)]
            raise self._diverged(*next((what, float(of)) for what, of in named if not of.isfinite()))
        optimizer.count()
        second = () if attempt.second is None else tuple(attempt.second.tolist())
        value = float(centre[0]) if centre else float(torch.cat(attempt.losses).mean())
        first = tuple(attempt.first.tolist())
        if attempt.seen is None or attempt.rate is None:
            return StepRecord(self.step, lr, alpha, value, first, second, attempt.length)
        own = second if self.method.estimates_hessian else ()
        seen = _flat(attempt.seen, self.method.estimates_hessian)
        return StepRecord(self.step, attempt.rate, alpha, value, first, own, attempt.length, seen)

    def _descend(self, optimizer: torch.optim.Adam, loss: Callable[[], torch.Tensor]) -> tuple[float, float]:
        """Adam's step: the loss, and the step's length."""
        optimizer.zero_grad()
        with torch.enable_grad():
            measured = loss()
        value = float(measured.detach())
        if not math.isfinite(value):
            raise self._diverged("the loss", value)
        if not measured.requires_grad:
            raise ValueError("the loss has no gradient, and Adam needs one: choose cross-entropy, or a method without")
        try:
            measured.backward()
            norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters.values() if p.grad is not None])
            if not norm.isfinite():
                raise self._diverged("the gradient's norm", float(norm))
            return value, self._moved(optimizer)
        finally:
            optimizer.zero_grad()

    @torch.no_grad()
    def _moved(self, optimizer: torch.optim.Adam) -> float:
        """Adam's update, and how far it moved θ. Made a few tensors at a time, so that the copies which that needs are
        small: Adam leaves out what has no gradient.
        """
        waiting = [(p, p.grad) for p in self.parameters.values() if p.grad is not None]
        optimizer.zero_grad()
        lengths = []
        while waiting:
            now, count = [], 0
            while waiting and (not now or count + waiting[-1][0].numel() <= AT_A_TIME):
                parameter, parameter.grad = waiting.pop()
                now.append((parameter, parameter.detach().clone()))
                count += parameter.numel()
            optimizer.step()
            optimizer.zero_grad()
            lengths += [torch.linalg.vector_norm(old.sub_(p), dtype=torch.float32).double().cpu() for p, old in now]
        return float(torch.stack(lengths).norm()) if lengths else 0.0

    def _diverged(self, what: str, value: float) -> Diverged:
        sentence = f"diverged at step {self.step + 1}: {what} is {value}"
        return Diverged(self.step, sentence + (f"; step {self.step} was the last good one" if self.step else ""))

    @torch.no_grad()
    def replay(self, record: StepRecord) -> None:
        """Make a zeroth-order step again, without a loss.

        Args:
            record: what `advance` returned for it.

        Raises:
            ValueError: if it is not the step that comes next, not one of this method, or one of Adam's.
        """
        optimizer = self._optimizer
        if isinstance(optimizer, torch.optim.Adam):
            raise ValueError("Adam's steps cannot be made again from their records: load a checkpoint")
        if record.step != self.step:
            raise ValueError(f"record.step = {record.step}: must be {self.step}, the step that comes next")
        n = self.hyperparameters.n
        if (len(record.first), len(record.second)) != (n, n if self.method.estimates_hessian else 0):
            raise ValueError(f"the record of step {record.step} is not one of {self.method.name} with n = {n}")
        auto = bool(record.seen)
        self._prepare(AUTO if auto else record.lr, record.alpha)
        second = torch.tensor(record.second, dtype=torch.float64) if record.second else None
        if auto:
            self._effective()  # the schedule's factor
            optimizer.decide(_seen(record, self.hyperparameters.mu), self.step)
        rate = record.lr if auto else None
        length = optimizer.repeat(torch.tensor(record.first, dtype=torch.float64), second, rate)
        optimizer.count()
        self._count(record, length)

    @property
    def readings(self) -> list[float] | None:
        """The `auto_rate.READINGS` of the last step, of a run with lr=auto."""
        auto = self.hyperparameters.lr == AUTO and isinstance(self._optimizer, ZerothOrder)
        return self._optimizer.readings if auto else None

    def curvature(self, name: str) -> torch.Tensor | None:
        """P of one parameter, broadcastable to its shape; None if the method estimates none."""
        if not self.method.estimates_hessian:
            return None
        parameter = self.parameters[name]
        state = self._optimizer.state.get(parameter, {})
        if "R" in state:
            return materialised(state["R"], state["C"], self.hyperparameters.floor)
        return state["P"] if state else torch.ones((1,) * parameter.dim(), device=parameter.device)

    def reliability(self, name: str) -> float | None:
        """How far P of one parameter's tensor is known apart from the others': 0 (not at all) to 1; see
        `hizoo_core.reliability`. None if the estimator does not tell.
        """
        estimator = estimators.ESTIMATORS.get(getattr(self.hyperparameters, "estimator", ""))
        if estimator is None or not estimator.predicts:
            return None
        state = self._optimizer.state.get(self.parameters[name], {})
        tensor = float(state["numbers"][list(NUMBERS).index("tensor")]) if state else PRIOR
        return 1.0 - tensor / PRIOR if len(self.parameters) > 1 else 1.0

    def state_bytes(self) -> int:
        """Memory of what the method keeps beside the parameters: P, m, v, …"""
        values = (value for state in self._optimizer.state.values() for value in state.values())
        return sum(value.numel() * value.element_size() for value in values if isinstance(value, torch.Tensor))

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that the next steps depend on beside θ; later steps do not change them."""
        own = self._optimizer.state_dict()
        return {
            "step": self.step,
            "hyperparameters": dataclasses.asdict(self.hyperparameters),
            "optimizer": copy.deepcopy(own) if isinstance(self._optimizer, torch.optim.Adam) else own,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a trainer of the same method and parameters was.

        Args:
            state: what its `state_dict()` returned. It is copied.

        Raises:
            ValueError: if it is of other parameters.
        """
        self._still = 0
        self.step = state["step"]
        self.hyperparameters = self.method.hyperparameters(**state["hyperparameters"])
        self._optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
