"""The facts that the Tuning page's modules share with Python: assets/lab/tuning/catalogue.mjs reads them."""

from typing import Any

from hizoo_core import POINT_METHODS, Hyperparameter, describe
from viz_app.spec.fields import span as bounds
from viz_app.tuning.search import TRIALS
from viz_app.tuning.spec import CELLS

MEASURES = {"passes": "passes to target", "loss": "final loss", "diverged": "diverged", "bias": "Hessian bias"}
AUTO = "auto"  # what the target's field shows while the spec gives none
COUNT = 12  # values of an axis for which nothing better is known


def catalogue() -> dict[str, Any]:
    """Plain values for JSON.

    `axes`: of each method {"usual": {"x", "y"}, "options": one for each hyperparameter that an axis may vary}, each an
    axis as {"name", "text"}; an option also has the allowed values in words.
    """
    return {
        "cells": CELLS,
        "measures": MEASURES,
        "auto": AUTO,
        "trials": {"allowed": bounds(TRIALS), "usual": TRIALS.default},
        "axes": {method: axes_of(method) for method in POINT_METHODS},
    }


def axes_of(method: str) -> dict[str, Any]:
    """The axes of a method's usual map, and an axis for each hyperparameter with numbers: the usual one if it is one of
    them, else its slider's range.
    """
    form = POINT_METHODS[method].on_points
    usual = [dict(zip(("name", "text"), axis.split("=", 1), strict=True)) for axis in form.axes]
    texts = {axis["name"]: axis["text"] for axis in usual}
    described = [field for field in describe(form.hyperparameters) if field.choices is None]
    return {
        "usual": dict(zip("xy", usual, strict=True)),
        "options": [
            {"name": field.name, "text": texts.get(field.name, span(field)), "allowed": field.allowed}
            for field in described
        ],
    }


def span(parameter: Hyperparameter) -> str:
    """An axis along the range of a hyperparameter's slider."""
    low, high = parameter.slider
    return f"{low:g}:{high:g}:{COUNT}"
