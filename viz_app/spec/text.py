"""The words that specs are written in: pairs, numbers, optimizers with their settings, and what is wrong with them."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from hizoo_core import HyperparameterError, describe

MAX_TEXT = 64 * 1024  # a thousand coordinates at full precision take some 20 kB
CHANGES = 32  # of one optimizer's settings in one run; each costs a chunk of directions

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

Error = dict[str, Any]  # {"field", "message"}, and "position" for a place in an expression


class SpecError(ValueError):
    """A spec that cannot be run. `errors` lists every wrong field, {"field", "message"}; str() is one line."""

    def __init__(self, errors: list[Error]):
        super().__init__("; ".join(_line(error) for error in errors))
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


def read_pairs(text: str, keys: Iterable[str], errors: list[Error]) -> tuple[dict[str, str], list[str]]:
    """The values of a query by key, and those of "opt", which may repeat; appends to `errors` all that is wrong.

    Raises SpecError for a text that is too long to be read at all.
    """
    if len(text) > MAX_TEXT:
        raise SpecError([fault("spec", f"has {len(text):,} characters; allowed: up to {MAX_TEXT:,}")])
    given: dict[str, str] = {}
    opts: list[str] = []
    for key, value in pairs(text):
        if key == "opt":
            opts.append(value)
        elif key not in keys:
            errors.append(unknown(short(key), "key", key, keys))
        elif key in given:
            errors.append(fault(key, f"{key} is given twice"))
        else:
            given[key] = value
    return given, opts


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


def optimizer(
    methods: Mapping[str, Any],
    method: str,
    text: str,
    field: str,
    defaults: Callable[[str, dict[str, Any]], Mapping[str, Any]],
    errors: list[Error],
) -> OptSpec | None:
    """The OptSpec of "lr=0.1,n=4", or None after appending to `errors` all that is wrong with it.

    methods: what may be named, each with its `hyperparameters`; defaults: from a method and the settings given, those
    that were left out.
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
            parameter = described[name]
            try:
                given[name] = value if parameter.choices else whole(value) if parameter.integer else decimal(value)
            except ValueError as error:
                errors.append(wrong(f"{field}.{name}", repr(str(error)), parameter.allowed))

    values = {**defaults(method, given), **given}
    while True:  # the dataclass names one field at a time: put that one aside and ask again
        try:
            hyperparameters = kind(**values)
            break
        except HyperparameterError as error:
            errors.append(fault(f"{field}.{error.field}", error.message))
            if values.pop(error.field, None) is None:
                return None
    return OptSpec(method, hyperparameters) if len(errors) == before else None


def forked(
    methods: Mapping[str, Any],
    method: str,
    text: str,
    field: str,
    defaults: Callable[[str, dict[str, Any]], Mapping[str, Any]],
    errors: list[Error],
) -> OptSpec | None:
    """As `optimizer`, for a text that may go on with other settings at later steps: "lr=0.1,n=4@120:lr=0.05".

    What a change leaves out stays as it was before.
    """
    first, *later = text.split("@")
    if len(later) > CHANGES:
        errors.append(wrong(field, f"{len(later)} changes (@)", f"up to {CHANGES}"))
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
            errors.append(fault(f"{field}.@{short(at)}", f"from step {error}: must be a whole number of steps"))
            return None
        if step <= segments[-1][0]:
            least = f"above {segments[-1][0]}, the change before it" if len(segments) > 1 else "1 to steps − 1"
            errors.append(fault(f"{field}.@{step}", f"from step {step}: must be {least}"))
            return None
        before = asdict(segments[-1][1])
        after = optimizer(methods, method, settings, f"{field}.@{step}", lambda *_, kept=before: kept, errors)
        if after is None:
            return None
        segments.append((step, after.hyperparameters))
    return OptSpec(method, segments[0][1], tuple(segments[1:]))


def fault(field: str, message: str) -> Error:
    return {"field": field, "message": message}


def wrong(field: str, value: object, allowed: str) -> Error:
    """The same words as `hizoo_core.HyperparameterError`: steps = 0: must be 1 to 20,000."""
    return fault(field, f"{field.rpartition('.')[2]} = {value}: must be {allowed}")


def unknown(field: str, kind: str, name: str, known: Iterable[str]) -> Error:
    """stepz: no such key, did you mean steps? One of f, x0, …"""
    names = list(known)
    close = get_close_matches(name, names, 1)
    guess = f", did you mean {close[0]}?" if close else ";"
    return fault(field, f"{short(name)!r} is no {kind}{guess} allowed: {', '.join(names)}")


def _line(error: Error) -> str:
    """opt.hizoo.lr = -1: must be …, from field opt.hizoo.lr and message lr = -1: must be …"""
    parent, dot, leaf = error["field"].rpartition(".")
    starts = error["message"].startswith(f"{leaf} ")
    return f"{parent}{dot}{error['message']}" if starts else f"{error['field']}: {error['message']}"


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
