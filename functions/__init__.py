"""The functions that are minimised: a catalogue, functions of d variables, and the user's own f(x, y).

from functions import resolve
bowl = resolve("rotated_ellipse:angle=30,condition=1000")
bowl.value(points), bowl.gradient(points), bowl.hessian_diagonal(points)    # points: (..., 2)
"""

from functools import lru_cache

from . import expression
from .base import Family, FunctionError, Parameter, TestFunction
from .high_dim import HIGH_DIMENSIONAL
from .surfaces import SURFACES

__all__ = ["FUNCTIONS", "Family", "FunctionError", "Parameter", "TestFunction", "resolve"]

FUNCTIONS: dict[str, Family] = {family.key: family for family in (*SURFACES, *HIGH_DIMENSIONAL)}


@lru_cache(maxsize=256)
def resolve(spec: str) -> TestFunction:
    """The function that a spec names: "booth", "quadratic:d=100,spectrum=log" or "expr:x^2 + 3y^2".

    Raises FunctionError: field "f" (unknown key, or an expression's fault, with its position in the text after
    "expr:"), or "f.<parameter>".
    """
    key, _, rest = spec.partition(":")
    if key == expression.KEY:
        return expression.build(rest)
    if key not in FUNCTIONS:
        known = ", ".join((*FUNCTIONS, expression.KEY + ":<f(x, y)>"))
        raise FunctionError("f", f"There is no function “{key[:40]}”. Allowed: {known}")
    given: dict[str, str] = {}
    for item in rest.split(",") if rest else ():
        name, equals, text = (part.strip() for part in item.partition("="))
        if not equals:
            raise FunctionError("f", f"“{item[:40]}” is not a parameter of the function: write name=value")
        if name in given:
            raise FunctionError(f"f.{name[:40]}", f"{name[:40]} is given twice")
        given[name] = text
    return FUNCTIONS[key].build(**given)
