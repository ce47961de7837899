"""The one reader of query keys: every spec and every request is read by a `Reader`, which gathers all that is wrong."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

import numpy as np

from functions import FunctionError, TestFunction, resolve
from hizoo_core import Hyperparameter, HyperparameterError
from viz_app.spec.fields import START
from viz_app.spec.text import (
    MAX_TEXT,
    Defaults,
    Error,
    OptSpec,
    SpecError,
    between,
    decimals,
    fault,
    labels,
    named,
    number,
    numeric,
    pairs,
    short,
    unknown,
    wrong,
)

OPTIMIZERS = (1, 8)
DEFAULT_FUNCTION = "stiff_quadratic"


class Reader:
    """A query's values by key. `errors` lists what is wrong so far; a wrong value reads as its default.

    keys: those allowed; "opt" may repeat (`opts`), any other is an error the second time. Raises SpecError for a text
    that is too long, or no text at all.
    """

    def __init__(self, text: str, keys: Collection[str]):
        if len(text) > MAX_TEXT:
            raise SpecError([fault("spec", f"The spec has {len(text):,} characters; allowed are up to {MAX_TEXT:,}")])
        self.errors: list[Error] = []
        self.given: dict[str, str] = {}
        self.opts: list[str] = []
        for key, value in pairs(text):
            if key not in keys:
                self.errors.append(unknown(short(key), "key", key, keys))
            elif key == "opt":
                self.opts.append(value)
            elif key in self.given:
                self.errors.append(fault(key, f"{key} is given twice"))
            else:
                self.given[key] = value

    def read(
        self,
        key: str,
        label: str,
        parser: Callable[[str], Any],
        default: Any,
        allowed: str,
        verb: str = "must be",
    ) -> Any:
        """The key's value as `parser` reads it; its ValueError becomes the sentence with the label and what is allowed.

        A ValueError made with a text shows that text, any other the whole value.
        """
        if key not in self.given:
            return default
        try:
            return parser(self.given[key])
        except ValueError as error:
            shown = str(error) if len(error.args) == 1 else short(self.given[key])
            self.errors.append(wrong(key, label, shown, allowed, verb))
            return default

    def number(self, field: Hyperparameter, default: Any = None) -> Any:
        """The value of a number or choice, within its bounds; `default`, or the field's own, where it is left out."""
        if field.name in self.given:
            try:
                return numeric(field, self.given[field.name])
            except HyperparameterError as error:
                self.errors.append(fault(field.name, error.message))
        return field.default if default is None else default

    def function(self) -> TestFunction | None:
        """The function that `f` names; None after adding what is wrong with it."""
        try:
            return resolve(self.given.get("f", DEFAULT_FUNCTION))
        except FunctionError as error:
            self.errors.append(function_error(error))
            return None

    def start(self, function: TestFunction | None) -> tuple[float, ...]:
        """x0, one number standing for all coordinates; the function's own start where it is left out or wrong."""
        usual = function.start if function else (0.0,)
        dim = len(usual)
        x0 = self.read("x0", START, decimals, usual, start_allowed(dim), "needs")
        if len(x0) == 1:
            return x0 * dim
        if function and len(x0) != dim:
            self.errors.append(start_error(len(x0), dim))
            return usual
        return x0

    def optimizers(
        self,
        methods: Mapping[str, Any],
        usual: Collection[str],
        read: Callable[[Mapping[str, Any], str, str, str, Defaults, list[Error]], OptSpec | None],
        defaults: Defaults,
    ) -> tuple[OptSpec, ...]:
        """Every `opt` as `read` (`text.optimizer` or `text.forked`) reads it, the usual methods where there is none;
        without those that are wrong.
        """
        opts = self.opts
        if len(opts) > OPTIMIZERS[1]:
            self.errors.append(optimizers_error(len(opts)))
            opts = []
        chosen = [named(value) for value in opts] or [(method, "") for method in usual]
        names = labels([method for method, _ in chosen])
        found = (
            read(methods, method, text, f"opt.{short(name)}".rstrip("."), defaults, self.errors)
            for (method, text), name in zip(chosen, names, strict=True)
        )
        return tuple(opt for opt in found if opt)

    def refuse(self, more: Collection[Error] = ()) -> NoReturn:
        """Raise SpecError with all that is wrong, and with what else is found to be where nothing is said yet."""
        seen = {"opt", *(error["field"] for error in self.errors)}  # wrong optimizers are missing from those counted
        raise SpecError(self.errors + [error for error in more if error["field"] not in seen])


def split(text: str, keys: Collection[str]) -> tuple[str, str]:
    """The parts of a query that have these keys, and the rest; both are queries."""
    own, rest = [], []
    for part in text.strip().removeprefix("?").split("&"):
        for key, _ in pairs(part):
            (own if key in keys else rest).append(part)
    return "&".join(own), "&".join(rest)


def bounds_error(field: Hyperparameter, value: Any) -> list[Error]:
    """What is wrong with a value made in Python; empty if nothing is."""
    try:
        field.check(value)
    except HyperparameterError as error:
        return [fault(field.name, error.message)]
    return []


def optimizers_error(count: int) -> Error:
    return wrong("opt", "The number of optimizers", count, between(OPTIMIZERS))


def start_allowed(dim: int) -> str:
    if dim == 2:
        return "two numbers, e.g. 1, 1"
    return f"{dim:,} numbers with commas between them, or one for all coordinates"


def start_error(count: int, dim: int) -> Error:
    return fault("x0", f"{START} needs {start_allowed(dim)}; it has {count:,}")


def undefined_error(function: TestFunction, x0: tuple[float, ...]) -> list[Error]:
    """What is wrong with a start where the function has no finite value; empty if it has one."""
    with np.errstate(all="ignore"):
        value = float(function.value(np.array(x0, dtype=float)))
    if np.isfinite(value):
        return []
    what = "is not defined" if np.isnan(value) else "is infinite"
    usual = number(function.start[0]) if function.dim > 2 else ", ".join(map(number, function.start))
    place = named_point(function, x0)
    return [fault("x0", f"The function {what} at the start ({place}): choose another, e.g. {usual}")]


def named_point(function: TestFunction, x: tuple[float, ...]) -> str:
    """A point in words, its first coordinates if there are many: x = -1, y = 1."""
    shown = [f"{function.coordinate(j)} = {number(float(value))}" for j, value in enumerate(x[:4])]
    return ", ".join(shown + ["…"] * (len(x) > 4))


def function_error(error: FunctionError) -> Error:
    position = {} if error.position is None else {"position": error.position}
    return fault(error.field, error.message) | position
