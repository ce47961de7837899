"""The facts that the estimator lab's modules share with Python: assets/lab/estimators/catalogue.mjs reads them."""

from typing import Any

from hizoo_core import describe
from hizoo_core.estimators import ESTIMATORS
from hizoo_core.hizoo import HiZOOHyperparameters
from viz_app.estimators.spec import COORDS, P
from viz_app.estimators.table import ROWS

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
        "fields": fields(),
        "starts": [{"key": key, "label": START_LABELS[key]} for key in P.choices or ()],
        "levels": LEVELS,
        "rows": len(ROWS),
    }


def fields() -> list[dict[str, Any]]:
    """The numbers of a question in the order in which they are shown, each with its usual value."""
    described = {field.name: field for field in describe(HiZOOHyperparameters)}

    def hyperparameter(key: str, usual: str, slider: tuple[float, float], help: str) -> dict[str, Any]:
        field = described[key]
        scale = {"scale": field.scale, "integer": field.integer}
        return {"key": key, "label": field.label, "usual": usual, "slider": slider, **scale, "help": help}

    return [
        hyperparameter(
            "n", "8", (1, 64), "Random directions whose estimates a step averages. The spread falls as 1/√n."
        ),
        hyperparameter(
            "alpha", "0.1", (1e-3, 1.0), "Weight of the newest estimate in P. The time constant of P is 1/α steps."
        ),
        {
            "key": "steps",
            "label": "T, steps",
            "usual": "300",
            "slider": (10, 5000),
            "scale": "log",
            "integer": True,
            "help": "Horizon: the number of steps in which P is to find the diagonal.",
        },
        hyperparameter("mu", "0.001", (1e-6, 1.0), "How far from θ the loss is probed, in units of 1/√P."),
        {
            "key": "noise",
            "label": "σ gradient noise",
            "usual": "0",
            "slider": None,
            "help": "In each step the loss has an additional term ξ·θ, ξ ~ N(0, σ²), as a mini-batch's loss has. It is "
            "the same for all probes of the step, so it cancels in every second difference: the estimates stay the "
            "same.",
        },
        {"key": "seed", "label": "Seed", "usual": "0", "slider": None, "help": "Seeds the random directions."},
    ]
