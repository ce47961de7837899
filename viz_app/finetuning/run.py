"""One optimizer's run within a job: its steps so far, and how far its parameters have come."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from hizoo_core.auto_rate import AUTO
from hizoo_core.training import METHODS, StepRecord, Trainer, TrainingMethod
from viz_app.finetuning.steps import StepRow
from viz_app.finetuning.store import Setting
from viz_app.spec.runs import OptSpec


@dataclass
class Run:
    """`rows` are its steps so far, stored or about to be; `tuned` and `trainer` are None until it is its turn, and lag
    behind `rows` while they are made again after an interruption.

    cost: passes that a step makes, which budget and evaluations count. price: what they are in forward passes of the
    whole model, fewer where the top layers alone are passed through; filling: what reading the training texts with the
    layers below costs once, in the same. The fair clock (`forwards`) counts those two.
    """

    index: int
    label: str  # of its optimizer
    opt: OptSpec
    steps: int
    cost: int
    price: float = 0.0  # until the model is loaded
    filling: float = 0.0
    rows: list[StepRow] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    evaluated: dict[int, float] = field(default_factory=dict)  # step: held-out loss; in order
    ended: bool = False  # before its last step: it diverged, or memory ran out
    gone: bool = False  # no more of it in memory, which ran out
    tuned: Any = None
    trainer: Trainer | None = None
    repetition: int = 0  # of its seed
    seed: int | None = None  # where there are several
    saved: float = -math.inf  # when its checkpoint was stored
    saving: float = 0.0  # seconds that took

    @property
    def method(self) -> TrainingMethod:
        return METHODS[self.opt.method]

    @property
    def name(self) -> str:
        """As sentences call it."""
        return self.label if self.seed is None else f"{self.label} with seed {self.seed}"

    @property
    def made(self) -> int:
        """Steps that its parameters have made."""
        return self.trainer.step if self.trainer else 0

    @property
    def over(self) -> bool:
        return self.gone or (self.made == len(self.rows) and (self.ended or self.made == self.steps))

    @property
    def complete(self) -> bool:
        """Whether the log holds all of it."""
        return (self.ended or len(self.rows) == self.steps) and len(self.rows) in self.evaluated

    @property
    def seconds(self) -> float:
        return self.rows[-1].seconds if self.rows else 0.0

    def forwards(self, step: int) -> float:
        """Forward passes of the whole model that it has spent after a step, a gradient counted as two."""
        return self.filling + step * self.price

    def due(self, step: int, interval: int) -> bool:
        """Whether the step is to be evaluated: at 0, at each multiple of `interval` passes, and at the end."""
        ends = step == self.steps or (self.ended and step == len(self.rows))
        return step == 0 or ends or step * self.cost // interval > (step - 1) * self.cost // interval

    def base(self) -> Any:
        """The hyperparameters, as changed by hand."""
        hyperparameters = self.opt.hyperparameters
        for setting in self.settings:
            changes = {
                name: value for name, value in (("lr", setting.lr), ("alpha", setting.alpha)) if value is not None
            }
            hyperparameters = replace(hyperparameters, **changes)
        return hyperparameters

    @property
    def auto(self) -> bool:
        """Whether its learning rate is lr=auto's from here on."""
        return self.base().lr == AUTO

    def row(self, record: StepRecord, seconds: float) -> StepRow:
        """What is stored of a step that has just been made and took so long."""
        mu = getattr(self.opt.hyperparameters, "mu", math.nan)
        return StepRow(
            step=record.step + 1,
            forwards=self.forwards(record.step + 1),
            seconds=self.seconds + seconds,
            loss=record.loss,
            slope=record.slope(mu) if record.first else None,
            curvature=record.curvature(mu) if record.second else None,
            length=record.length,
            lr=record.lr,
            alpha=record.alpha,
            scalars=record.first + record.second + record.seen,
        )

    def record(self, row: StepRow) -> StepRecord:
        """What makes a stored step again."""
        n = self.opt.hyperparameters.n
        ends = n, 2 * n if self.method.estimates_hessian else n
        first, second, seen = row.scalars[: ends[0]], row.scalars[n : ends[1]], row.scalars[ends[1] :]
        return StepRecord(row.step - 1, row.lr, row.alpha, row.loss, first, second, row.length, seen)
