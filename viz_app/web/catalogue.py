"""The facts that the browser's modules share with Python: limits, methods with their settings and costs, functions,
and how a spec is written. Every fact stands where Python uses it; here they are put together.
"""

from dataclasses import replace
from typing import Any

from functions import FUNCTIONS
from hizoo_core import POINT_METHODS, Method, describe
from hizoo_core.auto_rate import AUTO
from hizoo_core.estimators import ESTIMATORS
from viz_app.spec import runs, text
from viz_app.spec.text import plain

# Variables of style.css: methods that have a colour of their own, and colours for others and for copies.
COLOURED = {"hizoo", "mezo", "adam", "newton_diag"}
SPARE = ("--extra-1", "--extra-2", "--extra-3", "--extra-4")

EXPRESSION = "100*(y-x^2)^2+(1-x)^2"  # what "Your own f(x, y)" starts with


def catalogue() -> dict[str, Any]:
    """What all pages share, as plain values for JSON. A feature's own facts are added by `viz_app.catalogue`."""
    return {
        "limits": {
            **runs.LIMITS,
            "changes": text.CHANGES,
        },
        "methods": {method.key: of_method(method) for method in POINT_METHODS.values()},
        "estimators": {name: {"leastN": estimator.least_n} for name, estimator in ESTIMATORS.items()},
        "functions": {
            family.key: {"name": family.name, "dim": family.dim, "parameters": [plain(p) for p in family.parameters]}
            for family in FUNCTIONS.values()
        },
        "spareColours": SPARE,
        "spec": {
            "keys": runs.KEYS,
            "unescaped": runs.UNESCAPED,
            "expression": EXPRESSION,
            "symbols": {"x0": "start", "noise": "σ"},
        },
    }


def of_method(method: Method) -> dict[str, Any]:
    """Name, colour, settings and the forward passes of a step: `fixed` + `perDirection` × n."""
    return {
        "name": method.name,
        "summary": method.summary,
        "colour": colours()[method.key],
        "cost": cost(method),
        "estimatesHessian": method.estimates_hessian,
        "fields": [plain(field) for field in describe(method.hyperparameters)],
    }


def cost(method: Any) -> dict[str, int]:
    """The forward passes of a step, which are linear in the number of directions n (a test checks every method), and
    how many more there are with lr=auto.
    """
    default = method.hyperparameters()
    passes = method.forwards(default)
    has_auto = any(field.auto for field in describe(type(default)))
    auto = method.forwards(replace(default, lr=AUTO)) - passes if has_auto else 0
    if not hasattr(default, "n"):
        return {"fixed": passes, "perDirection": 0, "auto": auto}
    each = method.forwards(replace(default, n=default.n + 1)) - passes
    return {"fixed": passes - each * default.n, "perDirection": each, "auto": auto}


def colours() -> dict[str, str]:
    """The CSS variable of every method's colour: its own, or one of the spare ones, in the order of METHODS."""
    others = [key for key in POINT_METHODS if key not in COLOURED]
    return {key: f"--{key}" for key in POINT_METHODS} | {key: SPARE[i % len(SPARE)] for i, key in enumerate(others)}
