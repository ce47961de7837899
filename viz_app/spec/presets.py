"""Tuned defaults per function, read from presets.json, which `benchmarks` writes and nobody edits by hand.

    {"tuned_by": command,
     "functions": {key: {"steps": int, "runs": int, "optimizers": {method: {hyperparameter: value}},
      "estimators": {estimator: the same for hizoo with another than its default estimator}}}}

Keys are those of `functions.FUNCTIONS`: a function's parameters were at their defaults when it was tuned.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PRESETS = Path(__file__).with_name("presets.json")


@dataclass(frozen=True)
class Preset:
    """What a spec that leaves keys out means; hyperparameters that were not tuned keep their dataclass's default."""

    steps: int = 500
    runs: int = 16
    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    estimators: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settings(self, method: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was tuned for a method, or for the estimator that the given hyperparameters name."""
        return self.estimators.get(given.get("estimator", ""), self.optimizers.get(method, {}))


def for_function(key: str) -> Preset:
    """The preset of a family (`TestFunction.key`); the plain defaults for one that was never tuned, such as `expr`."""
    return _presets().get(key, Preset())


def fits(spec: str) -> bool:
    """Whether a function as its canonical spec names it was tuned: a family's, at its default parameters."""
    return spec in _presets()


def trials(key: str) -> int | None:
    """How many settings of each optimizer were tried for a family's presets; None for one that was never tuned."""
    return json.loads(PRESETS.read_text("utf-8"))["trials"] if key in _presets() else None


@cache
def _presets() -> dict[str, Preset]:
    if not PRESETS.exists():
        return {}
    tuned = json.loads(PRESETS.read_text("utf-8"))["functions"]
    return {key: Preset(**entry) for key, entry in tuned.items()}
