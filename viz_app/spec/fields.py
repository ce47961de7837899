"""The numbers that a spec says beside its optimizers': label on the screen, bounds, unit and help, in one place.

They are the same records as an optimizer's hyperparameters, so that the reader of specs, the messages, the controls
and the page's catalogue treat both alike. What only one feature's spec says stands in that feature's `spec` module.
"""

from typing import Any

from hizoo_core import Hyperparameter


def field(name: str, label: str, low: float, high: float, default: float, **more: Any) -> Hyperparameter:
    """A number from low to high; a whole one if the default is an int. More: see `hizoo_core.Hyperparameter`."""
    given = {"symbol": "", "help": "", "slider": (low, high), "integer": isinstance(default, int)} | more
    return Hyperparameter(name=name, label=label, low=low, high=high, default=default, **given)


def choice(name: str, label: str, choices: tuple[str, ...], default: str) -> Hyperparameter:
    """One of several words."""
    return Hyperparameter(name=name, label=label, symbol="", help="", default=default, choices=choices)


def span(number: Hyperparameter) -> tuple[float, float]:
    """The least and the greatest value of a number."""
    return number.low, number.high


STEPS = field(
    "steps",
    "Steps",
    1,
    20_000,
    500,
    help="Updates of θ per run. Steps are not comparable between optimizers: see the clock of the loss chart.",
    slider=(10, 5000),
    scale="log",
)
RUNS = field(
    "runs",
    "Runs",
    1,
    256,
    16,
    help="Independent runs from the same start with different random directions; charts show their median and "
    "10–90 % band.",
    scale="log",
)
SEED = field("seed", "Seed", 0, 2**32 - 1, 0)
NOISE = field(
    "noise",
    "Gradient noise σ",
    0,
    1_000_000,
    0.0,
    help="At every step a random linear term ξ·θ, ξ ~ N(0, σ²), is added to the loss, the same for all probes of that "
    "step and for all optimizers: mini-batch noise. The loss shown is the noiseless one.",
)
START = "Start"  # the label of x0
