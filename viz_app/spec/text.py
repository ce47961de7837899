"""The words that specs are written in: pairs, numbers, optimizers with their settings, and what is wrong with them."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from hizoo_core import Hyperparameter, HyperparameterError, describe
from hizoo_core.auto_rate import AUTO
from hizoo_core.base import must_be

MAX_TEXT = 64 * 1024  # a thousand coordinates at full precision take some 20 kB
CHANGES = 32  # of one optimizer's settings in one run; each costs a chunk of directions

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

Error = dict[str, Any]  # {"field", "message"}, and "position" for a place in an expression
Defaults = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]  # from a method and the settings given, the others


class SpecError(ValueError):
    """A spec that cannot be run.

    `errors` lists every wrong field: {"field": its key, "message": a sentence that names it as the page does}; str() is
    one line.
    """

    def __init__(self, errors: list[Error]):
        super().__init__("; ".join(f"{error['field']}: {error['message']}" for error in errors))
        self.errors = errors


@dataclass(frozen=True)
class OptSpec:
    """One optimizer of a run: a key of `hizoo_core.METHODS` and an instance of that method's hyperparameters.

    changes: (step, hyperparameters) in rising order: what the method goes on with from that step on (a fork).
    """

    method: str
    hyperparameters: Any
    changes: tuple[tuple[int, Any], ...] = ()

    def __str__(self) -> str:
        """hizoo:lr=0.1,n=4@120:lr=0.05: all settings at the start, and what differs at each later step."""
        text = f"{self.method}:{_settings(asdict(self.hyperparameters))}"
        for (_, before), (step, after) in pairwise(self.segments):
            old = asdict(before)
            differs = _settings({name: value for name, value in asdict(after).items() if value != old[name]})
            text += f"@{step}" + (f":{differs}" if differs else "")
        return text

    @property
    def segments(self) -> tuple[tuple[int, Any], ...]:
        """(first step, hyperparameters) of every part of the run, the first one's step being 0."""
        return ((0, self.hyperparameters), *self.changes)

    @property
    def directions(self) -> int:
        """The most random directions that a step uses."""
        return max(getattr(hyperparameters, "n", 1) for _, hyperparameters in self.segments)


def _settings(values: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={number(value)}" for name, value in values.items() if value is not None)


def labels(methods: list[str]) -> tuple[str, ...]:
    """Unique labels of a list of method keys, in order: hizoo, mezo, hizoo#2."""
    seen = [methods[:i].count(method) for i, method in enumerate(methods)]
    return tuple(f"{method}#{n + 1}" if n else method for method, n in zip(methods, seen, strict=True))


def named(text: str) -> tuple[str, str]:
    """Method and settings of an optimizer's text: "hizoo:lr=0.1" or "hizoo@120:lr=0.05"."""
    method = re.split("[:@]", text, maxsplit=1)[0]
    return method, text.removeprefix(method).removeprefix(":")


def pairs(text: str) -> list[tuple[str, str]]:
    """Key and value of every part of a query, decoded, in order; a leading "?" is allowed."""
    split = (part.partition("=") for part in text.strip().removeprefix("?").split("&") if part)
    return [(unquote(key), unquote(value)) for key, _, value in split]


def decimals(text: str) -> tuple[float, ...]:
    """Comma-separated finite decimal numbers. Raises ValueError with the first that is none."""
    return tuple(decimal(item.strip()) for item in text.split(","))


def decimal(text: str) -> float:
    """A finite decimal number: no nan, inf, hexadecimal or underscores. Raises ValueError with the text."""
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(short(text))
    return float(text) + 0.0  # −0 is 0


def positive(text: str) -> float:
    """A decimal number above 0. Raises ValueError with the text."""
    if not (value := decimal(text)) > 0:
        raise ValueError(short(text))
    return value


def whole(text: str) -> int:
    """A whole number of at most 18 digits, which is beyond every limit here. Raises ValueError with the text."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(short(text))
    return int(text)


def numeric(field: Hyperparameter, text: str) -> Any:
    """The value of a number or choice that a text says. Raises HyperparameterError, which shows the text as given."""
    try:
        value: Any = (
            text if field.choices or (field.auto and text == AUTO) else whole(text) if field.integer else decimal(text)
        )
    except ValueError:
        raise field.error(short(text)) from None
    if field.choices and text not in field.choices:
        raise field.error(short(text))
    return field.check(value)


def optimizer(
    methods: Mapping[str, Any], method: str, text: str, field: str, defaults: Defaults, errors: list[Error]
) -> OptSpec | None:
    """The OptSpec of "lr=0.1,n=4", or None after appending to `errors` all that is wrong with it.

    methods: what may be named, each with its `hyperparameters`; defaults: the settings that the text leaves out.
    """
    if method not in methods:
        errors.append(unknown(field, "optimizer", method, methods))
        return None
    kind = methods[method].hyperparameters
    described = {parameter.name: parameter for parameter in describe(kind)}
    given: dict[str, Any] = {}
    before = len(errors)
    for item in text.split(",") if text else ():
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in described:
            errors.append(unknown(f"{field}.{short(name)}", "hyperparameter", name, described))
        elif name in given:
            errors.append(fault(f"{field}.{name}", f"{name} is given twice"))
        else:
            given[name] = None
            try:
                given[name] = numeric(described[name], value)
            except HyperparameterError as error:
                errors.append(fault(f"{field}.{name}", error.message))
    if len(errors) > before:
        return None
    try:
        return OptSpec(method, kind(**{**defaults(method, given), **given}))
    except HyperparameterError as error:  # of two settings that do not go together
        errors.append(fault(f"{field}.{error.field}", error.message))
        return None


def forked(
    methods: Mapping[str, Any], method: str, text: str, field: str, defaults: Defaults, errors: list[Error]
) -> OptSpec | None:
    """As `optimizer`, for a text that may go on with other settings at later steps: "lr=0.1,n=4@120:lr=0.05".

    What a change leaves out stays as it was before.
    """
    first, *later = text.split("@")
    if len(later) > CHANGES:
        errors.append(wrong(field, "The number of forks (@)", len(later), f"up to {CHANGES}"))
        return None
    opt = optimizer(methods, method, first, field, defaults, errors)
    if opt is None:
        return None
    segments = list(opt.segments)
    for change in later:
        at, _, settings = change.partition(":")
        try:
            step = whole(at.strip())
        except ValueError as error:
            errors.append(fork_error(f"{field}.@{short(at)}", str(error), "a whole number"))
            return None
        if step <= segments[-1][0]:
            least = f"above {segments[-1][0]}, that of the fork before it" if len(segments) > 1 else "1 to steps − 1"
            errors.append(fork_error(f"{field}.@{step}", step, least))
            return None
        before = asdict(segments[-1][1])
        after = optimizer(methods, method, settings, f"{field}.@{step}", lambda *_, kept=before: kept, errors)
        if after is None:
            return None
        segments.append((step, after.hyperparameters))
    return OptSpec(method, segments[0][1], tuple(segments[1:]))


def fault(field: str, message: str) -> Error:
    return {"field": field, "message": message}


def wrong(field: str, label: str, value: object, allowed: str, verb: str = "must be") -> Error:
    """A field's error in the one sentence for wrong values (`hizoo_core.base.must_be`); text is shown in quotes."""
    shown = f"“{value}”" if isinstance(value, str) else number(value)
    return fault(field, must_be(label, shown, allowed, verb))


def fork_error(field: str, value: object, allowed: str) -> Error:
    return wrong(field, "A fork's first step", value, allowed)


def unknown(field: str, kind: str, name: str, known: Iterable[str]) -> Error:
    """There is no key “stepz”. Did you mean steps? Allowed: f, x0, …"""
    names = list(known)
    close = get_close_matches(name, names, 1)
    guess = f" Did you mean {close[0]}?" if close else ""
    return fault(field, f"There is no {kind} “{short(name)}”.{guess} Allowed: {', '.join(names)}")


def plain(parameter: Any) -> dict[str, Any]:
    """A parameter's record; None for a bound that it has not, which JSON cannot say otherwise."""
    fields = asdict(parameter).items()
    return {name: None if isinstance(value, float) and math.isinf(value) else value for name, value in fields}


def short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def between(span: tuple[int, int]) -> str:
    return f"{span[0]:,} to {span[1]:,}"


def number(value: Any) -> str:
    """Shortest text that reads back as the same value: 1, 0.1, 1e-5, 1e22."""
    if not isinstance(value, float):
        return str(value)
    return re.sub(r"e([+-])0*", lambda sign: "e" + sign[1].strip("+"), repr(float(value))).removesuffix(".0")
