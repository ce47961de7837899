"""What went wrong, as the sentence that a page or a shell shows. Loads no torch."""

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from viz_app.finetuning.forecast import amount
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import LogError
from viz_app.spec.text import SpecError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class SessionError(ValueError):
    """What was asked cannot be done: `field` and `message` as in a SpecError."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message

    def __reduce__(self) -> tuple[type["SessionError"], tuple[str, str]]:
        return type(self), (self.field, self.message)


def is_out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()  # torch on the CPU and on MPS raises a plain RuntimeError
    return isinstance(error, MemoryError) or any(part in words for part in _OUT_OF_MEMORY)


Bytes = Callable[[FinetuneSpec], int | None]


def needs_less(spec: FinetuneSpec, activity: str, bytes_of: Bytes = lambda spec: None) -> str:
    """What makes an activity that ran out of memory ("loading", "training", "evaluating") need less; with how much a
    whole job would then need, where `bytes_of` a spec knows.
    """
    methods = {opt.method for opt in spec.opts}
    fits: list[tuple[str, dict[str, Any]]] = []
    if activity == "training":
        fits += [(f"batch={spec.batch // 2} in place of {spec.batch}", {"batch": spec.batch // 2})] * (spec.batch > 1)
        fits += [("hizoo_l in place of hizoo", {})] * ("hizoo" in methods)
        fits += [("mezo in place of adam", {})] * ("adam" in methods)
    if activity in ("training", "evaluating"):
        if spec.tune == "full":
            fits += [("tune=top:2", {"tune": "top", "top": 2}), ("tune=layernorm", {"tune": "layernorm"})]
            fits += [("tune=lora", {"tune": "lora"})]
        fits += [("fewer optimizers side by side", {})] * (len(spec.opts) > 1)
    fits += [("dtype=bfloat16", {"dtype": "bfloat16"})] * (spec.dtype == "float32")
    named = []
    for name, changes in fits:
        size = bytes_of(replace(spec, **changes)) if changes else None
        named.append(f"{name} ({amount(size)})" if size else name)
    return ", ".join([*named, "a smaller model"])


_DOING = {
    "loading": "loading the model or copying its parameters",
    "evaluating": "evaluating on held-out texts",
    "training": "training",
    "surface": "computing the loss surface",
    "reference": "estimating the diagonal Hessian",
}
_APART = {
    "surface": "The runs are not affected, and the surface can be left out",
    "reference": (
        "The runs are not affected. The estimate differentiates twice, which takes several times a run's memory"
    ),
}


@contextmanager
def enough_memory(
    spec: FinetuneSpec, runs: Sequence[Any], activity: str, bytes_of: Bytes = lambda spec: None
) -> Iterator[None]:
    """Say what would need less when memory runs out in an activity, a key of _DOING. `runs` have `name`, `rows` and
    `repetition`.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, SessionError) or not is_out_of_memory(error):
            raise
        done = ", ".join(f"{run.name} {len(run.rows)}" for run in runs if run.rows or not run.repetition)
        remedy = _APART.get(activity) or f"What needs less: {needs_less(spec, activity, bytes_of)}"
        kept = f" (steps made so far and kept in the log: {done})" if done else ""
        where = f"out of memory while {_DOING[activity]}{kept}"
        raise SessionError("memory", f"{where}. {remedy}") from error


def in_words(error: BaseException, device: str | None = None) -> str:
    """One sentence for any exception; `device` is that of the worker that it was raised in."""
    return "; ".join(entry["message"] for entry in as_errors(error, device))


def as_errors(error: BaseException, device: str | None = None) -> list[dict[str, Any]]:
    """An exception as the page's [{"field", "message"}]."""
    if isinstance(error, SpecError):
        return error.errors
    field, message = getattr(error, "field", None), getattr(error, "message", None)
    if isinstance(field, str) and isinstance(message, str):  # LanguageModelError, HyperparameterError, SessionError
        return [{"field": field, "message": message}]
    if isinstance(error, LogError):
        return [{"field": "log", "message": str(error)}]
    if is_out_of_memory(error):
        return [{"field": "memory", "message": f"out of memory{f' on {device}' if device else ''}"}]
    sentence = getattr(error, "sentence", None)  # Diverged
    if isinstance(sentence, str):
        return [{"field": "loss", "message": sentence}]
    lines = str(error).strip().splitlines()
    details = f" (details in {device}'s worker log)" if device else ""
    sentence = f"{type(error).__name__}{f': {lines[0][:200]}' if lines else ''}{details}"
    return [{"field": "worker", "message": sentence}]


def trace(error: BaseException) -> None:
    """Print an exception to standard error, which is a worker's log file."""
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
