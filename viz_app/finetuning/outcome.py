"""What became of a run beyond "finished": it diverged in effect, or its parameters never moved. Loads no torch."""

import math
from collections.abc import Sequence

from hizoo_core.training_methods import lost_in_rounding
from viz_app.finetuning.steps import StepRow

DIVERGED = 10.0  # times the held-out loss at the start, or 10 where that is below 1


def verdict(losses: list[float], rows: Sequence[StepRow], lr: float | str, dtype: str) -> str | None:
    """A sentence if a run cannot be called simply finished. losses: on held-out text from the start to the end, NaN
    where not finite; rows: the steps behind the warm-up; lr: the base learning rate; dtype: the parameters'.
    """
    if any(row.lr > 0 for row in rows) and not any(row.length for row in rows):
        if not any(lost_in_rounding(row.lr, row.slope, row.length) for row in rows):
            return "the parameters have not moved: no probe changed the loss; take a larger mu or batch"
        lr = max(row.lr for row in rows) if isinstance(lr, str) else lr
        remedy = "a larger lr" if dtype == "float32" else "a larger lr or dtype=float32"
        return (
            f"the parameters have not moved: every step's length is 0, since with lr = {lr:g} the changes are lost in"
            f" {dtype}'s rounding; take {remedy}"
        )
    if len(losses) > 1 and not losses[-1] <= DIVERGED * max(1.0, losses[0]):
        return f"diverged in effect: the held-out loss is {number(losses[-1])}, from {number(losses[0])} at the start"
    return None


def number(loss: float) -> str:
    """A loss with three decimals, or three digits where it is large."""
    if not math.isfinite(loss):
        return "not finite"
    return f"{loss:.3f}" if abs(loss) < 1000 else f"{loss:.2e}"
