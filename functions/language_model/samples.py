"""Which of a task's examples are trained on and which are held out: draws that a seed decides."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from functions.language_model.errors import LanguageModelError

HELD_OUT_SHARE, HELD_OUT_MOST = 0.2, 512  # of a table

Examples = Sequence["Example"]


@dataclass(frozen=True)
class Example:
    text: str
    label: int


def split(examples: Examples, classes: Sequence[str], generator: random.Random) -> tuple[list[Example], list[Example]]:
    """Training and held-out examples, shuffled: every class in proportion, one at least, and no text in both."""
    share = min(HELD_OUT_SHARE, (HELD_OUT_MOST - len(classes)) / len(examples))
    mixed = shuffled(examples, generator)
    wanted = {label: max(1, int(share * count)) for label, count in Counter(e.label for e in examples).items()}
    held_out = []
    for example in mixed:
        if wanted[example.label]:
            wanted[example.label] -= 1
            held_out.append(example)
    texts = {example.text for example in held_out}
    train = [example for example in mixed if example.text not in texts]
    check_every_class(train, classes)
    return train, held_out


def check_every_class(train: Examples, classes: Sequence[str]) -> None:
    present = {example.label for example in train}
    for label, name in enumerate(classes):
        if label not in present:
            message = (
                f"class {name[:40]!r} has too few texts: two different ones at least, one to train on and one held out"
            )
            raise LanguageModelError("data", message)


def few(train: Examples, classes: Sequence[str], shots: int, generator: random.Random) -> tuple[Example, ...]:
    """`shots` examples of each class. Raises LanguageModelError: field "shots"."""
    counts = Counter(example.label for example in train)
    most = min(counts.values())
    if not 0 < shots <= most:
        scarce = classes[min(counts, key=lambda label: counts[label])]
        message = f"shots is {shots}, but must be 0 (all) to {most}: class {scarce[:40]!r} has {most} training texts"
        raise LanguageModelError("shots", message)
    return _drawn(train, dict.fromkeys(counts, shots), generator)


def limited(train: Examples, size: int, generator: random.Random) -> tuple[Example, ...]:
    """`size` examples: each class in proportion, by largest remainders, and at least one. Raises LanguageModelError:
    field "train".
    """
    counts = Counter(example.label for example in train)
    most = len(train)
    if not len(counts) <= size <= most:
        message = (
            f"train is {size:,}, but must be 0 (all) or {len(counts)} to {most:,}: there are {most:,} training texts"
        )
        raise LanguageModelError("train", message)
    exact = {label: size * count / most for label, count in counts.items()}
    wanted = {label: max(1, int(share)) for label, share in exact.items()}
    while (missing := size - sum(wanted.values())) > 0:
        wanted[max(wanted, key=lambda label: exact[label] - wanted[label])] += 1
    for _ in range(-missing):  # where rare classes were rounded up to one
        wanted[max(wanted, key=lambda label: wanted[label])] -= 1
    return _drawn(train, wanted, generator)


def _drawn(train: Examples, wanted: Mapping[int, int], generator: random.Random) -> tuple[Example, ...]:
    """So many training examples of each label."""
    left, drawn = dict(wanted), []
    for example in shuffled(train, generator):
        if left[example.label]:
            left[example.label] -= 1
            drawn.append(example)
    return tuple(drawn)


def shuffled(items: Examples, generator: random.Random) -> list[Example]:
    return sorted(items, key=lambda _: generator.random())  # random() is the stream that Python promises to keep
