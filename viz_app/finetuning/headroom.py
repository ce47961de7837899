"""The message "headroom" of a run at one of its steps: what curvature could gain there, and what it cost to know."""

from collections.abc import Callable
from typing import Any

from functions.language_model import headroom
from hizoo_core.training import Trainer
from viz_app.finetuning import loading
from viz_app.finetuning.journal import Message
from viz_app.finetuning.loading import Materials
from viz_app.finetuning.run import Run

NOTHING = 1.05  # a gain below it is called none
NAMES = {
    "none": "no preconditioner",
    "P": "P as estimated",
    "tensor": "exact, per tensor",
    "F^-1/2": "exact, per element, root",
    "F^-1": "exact, per element",
}
"""What R is of, in the order in which it is shown."""


def planned(count: int, batch: int) -> dict[str, float]:
    """What measuring takes, of a task with `count` training texts: texts, and forward passes of `batch` of them through
    what is trained.
    """
    texts = 2 * headroom.ROUNDS * _half(count)
    return {"texts": texts, "passes": headroom.PASSES * texts / batch}


def _half(count: int) -> int:
    """Texts of a half, so that the first rounds share none."""
    return min(headroom.HALF, max(1, count // (2 * headroom.ROUNDS)))


def message(
    materials: Materials,
    run: Run,
    tuned: Any,
    trainer: Trainer,
    step: int,
    before: Message | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Message:
    """Measure `headroom.ROUNDS` more rounds than the message `before` holds, and say all of them together."""
    encoded = materials.encoded
    first = len(before["raw"]["s"]) if before else 0
    seed, count = materials.spec.seed, len(encoded.train_tokens)
    samples = [headroom.halves(count, seed, k, _half(count)) for k in range(first, first + headroom.ROUNDS)]

    found = headroom.measure(
        tuned,
        lambda rows: encoded.examples(rows).to(materials.device),
        samples,
        seed + first,
        trainer.curvature if run.method.estimates_hessian else None,
        progress,
    )
    if before:
        earlier = headroom.Rounds(**before["raw"])
        earlier.add(found)
        found = earlier
    R, gains = found.headroom(), found.gains()
    shown = [name for name in NAMES if name in R]
    passes = loading.share_of(tuned) * headroom.PASSES * found.texts / materials.spec.batch
    return {
        "type": "headroom",
        "run": run.index,
        "step": step,
        "rounds": len(found.s),
        "groups": found.ratios(),
        "R": [{"key": name, "name": NAMES[name], "value": R[name], "gain": gains.get(name)} for name in shown],
        "sentence": sentence(R, gains),
        "cost": f"{found.texts:,} texts, twice forward and backward ≈ {passes:,.0f} forward passes of "
        f"{materials.spec.batch} texts; {found.seconds:.0f} s",
        "raw": vars(found),
    }


def sentence(R: dict[str, headroom.Estimate], gains: dict[str, headroom.Estimate]) -> str:
    """What the exact diagonal gains at most, the best of its forms with its standard error, and what P gets of it."""
    plain, error = R["none"]
    if plain is None or error is None or plain <= 2 * error:
        return "The slope cannot be told from noise here: measure again for more rounds."
    exact = {name: gains[name] for name in ("tensor", "F^-1/2", "F^-1") if gains.get(name, [None])[0] is not None}
    best, uncertain = max(exact.values(), key=lambda gain: gain[0])
    span = f" ± {uncertain:.2g}" if uncertain is not None else ""
    said = "On this model and task the exact diagonal would gain "
    if best < NOTHING:
        said += "nothing here"
    elif uncertain is not None and best - 2 * uncertain < 1:  # the largest of several noisy figures, at that
        said += f"nothing that can be told from noise here ({best:.2g}{span} times)"
    else:
        said += f"at most {best:.2g}{span} times here"
    own = gains.get("P", [None])[0]
    return f"{said}." if own is None else f"{said}; P as estimated gets {own:.2g} times."
