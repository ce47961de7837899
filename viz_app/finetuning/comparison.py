"""Whether optimizers that were run with the same seeds differ at the end, or tie. Loads no torch.

Runs of one seed share minibatches and directions, so they are compared seed by seed: of the differences between two
optimizers, one for each seed, the mean and Student's 95 % interval are taken. Where the interval holds 0 it is a tie.
Seeds in which one of the two diverged or ran out of memory are left out, and said. Three seeds are the least that are
compared. Accuracies are counted on N texts, so the differences' standard deviation is taken as at least that of
rounding, 1 / (N √6). No correction is made for comparing several pairs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from hizoo_core.training_methods import METHODS
from viz_app.finetuning.spec import FinetuneSpec

LEAST = 3  # seeds
CONFIDENCE = 0.95
BAND = (0.1, 0.9)  # the quantiles over seeds that charts and tables show, as the Playground does


@dataclass(frozen=True)
class Outcome:
    """The last evaluation of a run, in fractions of 1 for accuracies; `texts`: how many it was made on."""

    loss: float
    accuracy: float
    texts: int
    diverged: bool


@dataclass(frozen=True)
class Difference:
    """Mean of the differences between two optimizers, and its interval."""

    mean: float
    low: float
    high: float

    @property
    def is_tie(self) -> bool:
        return self.low <= 0 <= self.high


def outcomes(messages: Iterable[Mapping[str, Any]]) -> dict[int, Outcome]:
    """By run, of a log's messages."""
    texts, last, failed = 1, {}, set()
    for message in messages:
        kind = message["type"]
        if kind == "plan":
            texts = message["task"]["evaluated"]
        elif kind == "evaluation":
            last[message["run"]] = message
        elif kind == "status" and message["run"] is not None and message["state"] == "failed":
            failed.add(message["run"])
    return {
        run: Outcome(
            loss=math.nan if message["loss"] is None else message["loss"],
            accuracy=message["accuracy"],
            texts=texts,
            diverged=run in failed or message["loss"] is None,
        )
        for run, message in last.items()
    }


def difference(values: Sequence[float], least: float = 0.0) -> Difference:
    """Of two or more differences, whose standard deviation is taken as `least` or more."""
    count, mean = len(values), float(np.mean(values))
    spread = max(float(np.std(values, ddof=1)), least)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * spread / math.sqrt(count)
    return Difference(mean, mean - half, mean + half)


def message(spec: FinetuneSpec, found: Mapping[int, Outcome], seeds: int) -> dict[str, Any]:
    """The message "comparison": one sentence for each pair of optimizers, over the first so many seeds."""
    count = len(spec.opts)
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    return {
        "type": "comparison",
        "seeds": seeds,
        "pairs": [{"optimizers": [a, b], "sentence": _sentence(spec, found, seeds, a, b)} for a, b in pairs],
    }


def _sentence(spec: FinetuneSpec, found: Mapping[int, Outcome], seeds: int, a: int, b: int) -> str:
    first, second = _title(spec, a), _title(spec, b)
    pairs = [(found[r * len(spec.opts) + a], found[r * len(spec.opts) + b]) for r in range(seeds)]
    sound = [pair for pair in pairs if not any(each.diverged for each in pair)]
    left_out = len(pairs) - len(sound)
    out = f"; seeds left out in which one of them diverged or ran out of memory: {left_out}" if left_out else ""
    if len(sound) < LEAST:
        return f"{first} and {second}: {len(sound)} seeds are too few to compare{out}"
    step = 1 / sound[0][0].texts
    accuracy = difference([one.accuracy - two.accuracy for one, two in sound], step / math.sqrt(6))
    loss = difference([one.loss - two.loss for one, two in sound])
    said = [_said("accuracy", accuracy, 100, 1, " points"), _said("loss", loss, 1, 3, "")]
    return f"{first} against {second}, {len(sound)} seeds, 95 % intervals: {'; '.join(said)}{out}"


def _said(what: str, found: Difference, scale: float, digits: int, unit: str) -> str:
    values = (f"{scale * value:+.{digits}f}".replace("-", "−") for value in (found.mean, found.low, found.high))
    mean, low, high = values
    verdict = "a tie" if found.is_tie else "higher" if found.mean > 0 else "lower"
    return f"{what} {verdict}, {mean}{unit} ({low} to {high})"


def _title(spec: FinetuneSpec, optimizer: int) -> str:
    """As the page calls it: HiZOO 2 for hizoo#2."""
    _, _, number = spec.labels[optimizer].partition("#")
    return f"{METHODS[spec.opts[optimizer].method].name} {number}".strip()
