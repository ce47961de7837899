"""The facts that the estimator lab's modules share with Python: assets/lab/estimators/catalogue.mjs reads them."""

from typing import Any

from hizoo_core import Hyperparameter
from hizoo_core.estimators import ESTIMATORS
from viz_app.estimators.spec import ALPHA, COORDS, MU, NOISE, SEED, STEPS, N, P
from viz_app.estimators.table import ROWS
from viz_app.spec.text import number

# Variables of style.css, in the order of ESTIMATORS: the same colour in every chart of the lab.
COLOURS = ("--hizoo", "--extra-1", "--extra-2", "--extra-3", "--extra-4")

FUNCTION = "quadratic:d=10"  # what the lab opens with
START_LABELS = {"one": "P from 1", "truth": "P from the true diagonal"}

# What each chart asks for first, to be there at once, and then to be exact.
LEVELS: dict[str, list[dict[str, int]]] = {
    "distribution": [{"samples": 512}, {"samples": 8192}],
    "against-n": [{"samples": 256}, {"samples": 4096}],
    "against-d": [{"samples": 256}, {"samples": 4096}],
    "running": [{"runs": 8}, {"runs": 64}],
    "against-alpha": [{"alphas": 7, "runs": 6}, {"alphas": 13, "runs": 32}],
}


def catalogue() -> dict[str, Any]:
    """Plain values for JSON. A field without a slider is a text field alone."""
    return {
        "estimators": [
            {"key": key, "colour": COLOURS[i % len(COLOURS)], "leastN": estimator.least_n}
            for i, (key, estimator) in enumerate(ESTIMATORS.items())
        ],
        "function": FUNCTION,
        "coordinates": COORDS[1],
        "fields": [_field(record) for record in (N, ALPHA, STEPS, MU, NOISE, SEED)],  # in the order of the page
        "starts": [{"key": key, "label": START_LABELS[key]} for key in P.choices or ()],
        "levels": LEVELS,
        "rows": len(ROWS),
    }


def _field(record: Hyperparameter) -> dict[str, Any]:
    return {
        "key": record.name,
        "label": record.label,
        "usual": number(record.default),
        "slider": None if record in (NOISE, SEED) else record.slider,
        "scale": record.scale,
        "integer": record.integer,
        "help": record.help,
    }
