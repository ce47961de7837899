"""The axis of a map: one hyperparameter and its values, NAME=LOW:HIGH:COUNT or NAME=v1,v2,…"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from hizoo_core import Hyperparameter, HyperparameterError, describe
from hizoo_core.base import must_be
from viz_app.spec.text import Error, decimal, fault, number, numeric, short, unknown, whole, wrong

LABELS = {"x": "Across", "y": "Up"}  # the axes, as the page calls them


@dataclass(frozen=True)
class Axis:
    """One hyperparameter and its values along an axis; `text` is what the spec says of them."""

    parameter: Hyperparameter
    values: tuple[float | int, ...]
    text: str

    @property
    def name(self) -> str:
        return self.parameter.name

    def __str__(self) -> str:
        return f"{self.name}={self.text}"

    def describe(self) -> dict[str, Any]:
        """The axis as a page shows it."""
        given = asdict(self.parameter)
        return {key: given[key] for key in ("name", "label", "symbol", "unit", "scale")} | {"values": self.values}


def settings(hyperparameters: Any, x: Axis, y: Axis) -> tuple[Any, ...]:
    """Hyperparameters of a map's cells; cell (ix, iy) is at iy · len(x) + ix."""
    values = ((own, other) for other in y.values for own in x.values)
    return tuple(replace(hyperparameters, **{x.name: own, y.name: other}) for own, other in values)


def read(key: str, text: str, hyperparameters: type, most: int, errors: list[Error]) -> Axis | None:
    """The axis that a text says, with up to `most` values of a field of `hyperparameters`; None after adding what is
    wrong with it. `key` is "x" or "y".
    """
    name, _, values = text.partition("=")
    # An axis has numbers, not auto.
    known = {each.name: replace(each, auto=False) for each in describe(hyperparameters) if each.choices is None}
    if name not in known:
        errors.append(unknown(key, "hyperparameter", name, known))
        return None
    before = len(errors)
    chosen: list[Any] = []
    try:
        if ":" in values:
            chosen = _range(key, known[name], values, most, errors)
        else:
            chosen = [numeric(known[name], item) for item in values.split(",")]
    except HyperparameterError as error:
        errors.append(fault(key, error.message))
    return None if len(errors) > before else Axis(known[name], tuple(dict.fromkeys(chosen)), values)


def allowed(key: str, axis: Axis, hyperparameters: Any, given: bool, errors: list[Error]) -> Axis:
    """The axis, of whose values each must be allowed beside the other settings (n ≥ 2 with some estimators). Where the
    axis was not given, but is a method's usual one, those that are not are left out.
    """
    good, bad = [], None
    for value in axis.values:
        try:
            replace(hyperparameters, **{axis.name: value})
            good.append(value)
        except HyperparameterError as error:
            bad = bad or error
    if bad is None:
        return axis
    if given or not good:
        errors.append(fault(key, bad.message))
        return axis
    return Axis(axis.parameter, tuple(good), ",".join(map(number, good)))


def _range(key: str, parameter: Hyperparameter, text: str, most: int, errors: list[Error]) -> list[Any]:
    """The values of LOW:HIGH:COUNT: its ends as they are, and evenly spaced values between them, in few digits.

    Raises HyperparameterError for an end that the hyperparameter does not allow.
    """
    parts = text.split(":")
    form = f"{parameter.name}=LOW:HIGH:COUNT or {parameter.name}=v1,v2,…"
    try:
        if len(parts) != 3:
            raise ValueError
        low, high = map(whole if parameter.integer else decimal, parts[:2])
        count = whole(parts[2])
    except ValueError:
        errors.append(wrong(key, LABELS[key], f"{parameter.name}={short(text)}", form))
        return []
    parameter.check(low)
    parameter.check(high)
    log = parameter.scale == "log"
    if log and low <= 0:
        said = must_be(f"The low end of {parameter.label}", number(low), "above 0")
        errors.append(fault(key, f"{said}: this axis is logarithmic"))
    elif not low < high:
        errors.append(
            fault(key, f"The low end of {parameter.label}, {parts[0]}, must be below the high end, {parts[1]}")
        )
    elif not 2 <= count <= most:
        errors.append(wrong(key, f"The number of values of {parameter.label}", count, f"2 to {most:,}"))
    else:
        spaced = (np.geomspace if log else np.linspace)(low, high, count).tolist()
        if parameter.integer:
            return [round(value) for value in spaced]
        return [low, *_rounded(spaced)[1:-1], high]
    return []


def _rounded(values: Sequence[float]) -> list[float]:
    """Rising values with as few digits, from four on, as keep each within a tenth of the distance to its neighbours."""
    gaps = [b - a for a, b in pairwise(values)]
    tolerances = [min(near) / 10 for near in zip([gaps[0], *gaps], [*gaps, gaps[-1]], strict=True)]
    candidates = [[float(f"{value:.{digits}g}") for digits in range(4, 18)] for value in values]
    return [
        next(shorter for shorter in shorters if abs(shorter - value) <= tolerance)
        for value, shorters, tolerance in zip(values, candidates, tolerances, strict=True)
    ]
