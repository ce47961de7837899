"""What every method is made of: its hyperparameters with their bounds, the space it works on, its record, and how a
run ends.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from hizoo_core.auto_rate import AUTO


class Objective(Protocol):
    """A loss on points of shape (..., d), in float64, vectorised over the leading axes."""

    def value(self, x: np.ndarray, /) -> np.ndarray: ...

    def gradient(self, x: np.ndarray, /) -> np.ndarray: ...

    def hessian_diagonal(self, x: np.ndarray, /) -> np.ndarray: ...


def must_be(label: str, shown: str, allowed: str, verb: str = "must be") -> str:
    """The one sentence for a wrong value: "η learning rate must be a number from 0 to 1, not -1"."""
    return f"{label} {verb} {allowed}, not {shown}"


class HyperparameterError(ValueError):
    """A hyperparameter outside its range.

    `field` is its name in code and specs; `message` names it as the screen does (`label`), with what is allowed and
    the value; str() is both: "lr: η learning rate must be a number from 0 to 1,000,000, not -1".
    """

    def __init__(self, field: str, value: object, allowed: str, label: str = "") -> None:
        self.field, self.value, self.allowed, self.label = field, value, allowed, label or field
        shown = f"“{value}”" if isinstance(value, str) else f"{value:.12g}" if isinstance(value, float) else str(value)
        self.message = must_be(self.label, shown, allowed)
        super().__init__(f"{field}: {self.message}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.value, self.allowed, self.label)


class Cancelled(Exception):
    """The caller's `cancelled()` turned true; nothing of the run is kept."""


@dataclass(frozen=True)
class Hyperparameter:
    """One field of a hyperparameter dataclass, as a control shows it.

    `low` and `high` are the bounds that raise an error, `slider` the comfortable range within them.
    """

    name: str
    label: str
    symbol: str
    help: str
    default: float | int | str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    slider: tuple[float, float] = (0.0, 1.0)
    scale: str = "linear"
    integer: bool = False
    choices: tuple[str, ...] | None = None
    unit: str = ""
    auto: bool = False  # "auto" is a value too

    @property
    def allowed(self) -> str:
        """The allowed values in words: "a number from 0 to 1"."""
        if self.choices is not None:
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if self.integer else "a number"
        lower = f"above {self.low:,.12g} and up to" if self.low_open else f"from {self.low:,.12g} to"
        return f"{kind} {lower} {self.high:,.12g}" + (", or auto" if self.auto else "")

    def error(self, value: object) -> HyperparameterError:
        """The error for a value that is not allowed."""
        return HyperparameterError(self.name, value, self.allowed, self.label)

    def check(self, value: Any) -> float | int | str:
        """The value in its own type, or a HyperparameterError."""
        if self.choices is not None:
            if value not in self.choices:
                raise self.error(value)
            return str(value)
        if self.auto and value == AUTO:
            return AUTO
        kind: Any = numbers.Integral if self.integer else numbers.Real
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(value)
        number = int(value) if self.integer else float(value)
        above = number > self.low if self.low_open else number >= self.low
        if not (above and number <= self.high):  # also refuses NaN
            raise self.error(value)
        return number


def hyperparameter(default: float | int | str, **description: Any) -> Any:
    """A dataclass field that carries its description; keywords as in `Hyperparameter`."""
    return dataclasses.field(default=default, metadata={"hyperparameter": description})


def changed(kind: type, name: str, default: float | int | str, **description: Any) -> Any:
    """A dataclass field described as the one of that name in another dataclass, but for what is given."""
    (field,) = (field for field in describe(kind) if field.name == name)
    kept = {key: value for key, value in vars(field).items() if key not in ("name", "default")}
    return hyperparameter(default, **kept | description)


def describe(hyperparameters: type) -> tuple[Hyperparameter, ...]:
    """The fields of a hyperparameter dataclass, in the order in which a screen shows them."""
    return tuple(
        Hyperparameter(name=field.name, default=cast(Any, field.default), **field.metadata["hyperparameter"])
        for field in dataclasses.fields(hyperparameters)
    )


class Hyperparameters:
    """Base of the frozen hyperparameter dataclasses: each field is checked against its own description."""

    def __post_init__(self) -> None:
        for described in describe(type(self)):
            object.__setattr__(self, described.name, described.check(getattr(self, described.name)))

    @property
    def unused(self) -> dict[str, str]:
        """Names of those that change nothing beside the others, each with what would use it: "estimator=…"."""
        return {}


@dataclass(slots=True)
class Block:
    """θ and the state, to be updated in place; `root` = √P, left by an update for the next probes; `move`: what the
    residuals say of θ as a whole, for the next update of P (see `reliability`).
    """

    theta: Any
    state: dict[str, Any]
    constants: Any
    root: Any = None
    move: Any = None


class Space(Protocol):
    """Where θ lives, as a method's step sees it.

    xp: the few functions that numpy and torch spell differently; of_losses: the same for the losses and their
    differences, which may be plain numbers. constants: what `PointForm.init` returned. block: θ as a whole. numbers:
    rows (n, runs) to put the differences into, or None. paced: with lr=auto, makes of the loss at θ, the first and
    second differences, and whether the step moves θ, the first differences times η; it may bring θ back to where it was
    before the last step. Else None.
    """

    xp: Any
    of_losses: Any
    constants: Any
    block: Block
    numbers: Any
    paced: Callable[[Any, Any, Any, bool], Any] | None

    def probe(self) -> Sequence[Any]:
        """The losses at θ (where method or lr=auto want it), at the θ + μ Σ^{1/2} u_i, at the θ − μ Σ^{1/2} u_i."""
        ...

    def sums(self, *numbers: Any) -> Iterable[tuple[Any, ...]]:
        """θ block by block, each with every row of differences summed over the directions with its own vectors."""
        ...

    def residuals(self, second: Any) -> Any:
        """What is left of the second differences beside those that the state's e predicts (see `reliability`)."""
        ...

    def gradient(self) -> Any: ...

    def hessian_diagonal(self) -> Any: ...


@dataclass(frozen=True)
class Probes:
    """The forward passes of a step: u, z = Σ^½ u and the points θ ± μ z are (n, d); losses, slopes g and curvatures c
    (n,). `centre` is the loss at θ and c comes from the second differences; None for a method that does not look there.
    """

    u: np.ndarray
    z: np.ndarray
    points_plus: np.ndarray
    points_minus: np.ndarray
    centre: float | None
    plus: np.ndarray
    minus: np.ndarray
    g: np.ndarray
    c: np.ndarray | None


@dataclass(frozen=True)
class Made:
    """A step that has been made, of one run: vectors (d,) of the state before and after it; the probes of a method that
    has any; what was asked of the objective, "gradient" and "hessian_diagonal".
    """

    hyperparameters: Any
    step: int
    state: dict[str, np.ndarray]
    state_next: dict[str, np.ndarray]
    probes: Probes | None
    seen: dict[str, np.ndarray]


@dataclass(frozen=True)
class PointForm:
    """A method on points (`optimize`).

    `step(space, t)` makes step t (from 0) on a space in place. `init(hyperparameters, scalar)` returns the constants
    that the step's formulas use, each passed through `scalar`. `state` names the arrays kept beside θ and their
    starting values, `numbers` what is kept once for each run. `axes` are the usual ones of a map, e.g. "lr=1e-4:1:12";
    `searched` says what tuning varies: a tuple of values, or None for the whole slider. `terms(made)` gives what the
    formulas name on the way through a step, (d,) each.
    """

    hyperparameters: type
    init: Callable[[Any, Callable[[float], Any]], Any]
    step: Callable[[Space, int], None]
    state: Mapping[str, float]
    axes: tuple[str, str]
    searched: Mapping[str, tuple[float, ...] | None]
    terms: Callable[[Made], dict[str, np.ndarray]] = lambda made: {}
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelForm:
    """A method on the parameters of a module (`training.Trainer`).

    `optimizer` names its torch.optim.Optimizer as "module:class", which is imported, and torch with it, when a model is
    trained. It is called with the parameters and `settings(hyperparameters)`; one that probes is a
    `torch_optim.ZerothOrder`, and is given a `seed` too, one that does not is a `torch.optim.Adam`.
    """

    hyperparameters: type
    optimizer: str
    settings: Callable[[Any], dict[str, Any]] = vars


@dataclass(frozen=True)
class Method:
    """One optimizer, with its form on points, on a module's parameters, or both.

    `forwards(hyperparameters)` is the cost of a step in forward-pass equivalents. `stochastic`: it probes the loss
    along random directions, and needs no gradient.
    """

    key: str
    name: str
    summary: str
    forwards: Callable[[Any], int]
    stochastic: bool
    estimates_hessian: bool
    points: PointForm | None = None
    models: ModelForm | None = None

    @property
    def on_points(self) -> PointForm:
        """Its form on points; raises TypeError if it has none."""
        if self.points is None:
            raise TypeError(f"{self.name} has no form on points")
        return self.points

    @property
    def hyperparameters(self) -> type:
        """The class of its hyperparameters on points; raises TypeError if it has no form there."""
        return self.on_points.hyperparameters


@dataclass(frozen=True)
class Status:
    """How one run ended: "finished", or "diverged" with the step; `floor_step`: the first step at which P was held."""

    kind: str
    step: int | None
    sentence: str
    floor_step: int | None = None
