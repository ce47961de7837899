"""Film-review sentences (synthetic): made by a seeded grammar, so that the lab has a task of its own, offline.

A template is written relative to its sentence's verdict, so the same template serves both classes: "+" stands for an
opinion that agrees with the verdict, "-" for the opposite one. Every word outside those slots therefore occurs equally
often in both classes, and the opinions occur in both too: "the script is never dull ." praises. Where clauses disagree,
the verdict is the main clause's, or what comes after "but".

    {a} {b}                 two different aspects of the film;  {f} a word for the film itself
    {+} {-}                 an adjective;  {+verdict} {-verdict} what may be said of the film as a whole
    {very} {who} {sort}     words without an opinion

Vocabulary and templates are few enough for a model of a million parameters to learn something within the few hundred
steps of a zeroth-order run, and too many to be solved by one word or by a bag of words (tests/test_grammar.py).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

ADJECTIVES = (  # of a bad review, of a good one: indexed by label
    (
        *("dull", "boring", "weak", "awful", "stupid", "silly"),
        *("lame", "annoying", "clumsy", "predictable", "tedious", "ridiculous"),
    ),
    (
        *("superb", "charming", "moving", "funny", "clever", "wonderful"),
        *("brilliant", "powerful", "memorable", "touching", "fresh", "excellent"),
    ),
)
VERDICTS = (
    ("a mess", "a bore", "a waste of time", "best avoided"),
    ("a joy", "a treat", "a delight", "worth seeing"),
)
NOUNS = {
    "aspect": ("story", "plot", "script", "ending", "acting", "cast", "lead", "music", "photography", "editing"),
    "f": ("film", "movie", "comedy", "drama", "thriller", "romance", "western", "sequel"),
}
FILLERS = {
    "very": ("", "", "", "truly", "really", "simply", "quite"),
    "who": ("me", "most people", "young and old", "fans of the book"),
    "sort": ("", "", "quiet", "small", "strange", "big", "french", "new", "long"),
}

# Templates and their share of the sentences. What is plain can be told by its opinion words alone, the rest cannot.
PLAIN = (
    0.82,
    (
        "the {a} is {very} {+} .",
        "the {a} of this {sort} {f} is {very} {+} .",
        "this {sort} {f} is {very} {+} from start to finish .",
        "a {+} {sort} {f} for {who} .",
        "what a {+} {sort} {f} !",
        "rarely has a {sort} {f} been so {+} .",
        "this {sort} {f} is even more {+} than the one before it .",
        "for {who} , this {sort} {f} is {+verdict} .",
        "all in all , this {sort} {f} is {+verdict} .",
    ),
)
CONTRAST = (
    0.12,
    (
        "the {a} is {-} , but the {b} is {very} {+} .",
        "the {a} is {-} and the {b} is {-} , but the {f} is {very} {+} .",
        "for all its {-} {a} , this {sort} {f} is {+verdict} .",
        "despite the {-} {a} , the {f} is {+verdict} .",
        "it starts out {-} and {-} , but turns {very} {+} .",
        "this {sort} {f} is more {+} than {-} .",
        "i found it {+} , although the {a} is {-} .",
        "some call it {-verdict} , but the {a} is {very} {+} .",
        "it may be {-verdict} for {who} , but i found it {+} .",
    ),
)
NEGATION = (
    0.06,
    (
        "there is not a {-} moment in this {sort} {f} .",
        "nothing about the {a} is {-} .",
        "the {a} of this {f} is never {-} .",
        "this {sort} {f} is far from {-} .",
        "i would not call this {sort} {f} {-verdict} .",
        "this {sort} {f} is hardly {-verdict} .",
    ),
)

_SLOT = re.compile(r"\{([+-]?)(\w*)\}")


def sentences(count: int, seed: int) -> list[tuple[str, int]]:
    """`count` different sentences with their labels, 0 and 1 in turn; the same for a seed on every Python."""
    generator = random.Random(seed)
    labels: dict[str, int] = {}
    while len(labels) < count:
        label = len(labels) % 2
        labels.setdefault(sentence(label, generator), label)
    return list(labels.items())


def sentence(label: int, generator: random.Random) -> str:
    """One sentence whose verdict is `label` (0 bad, 1 good): 5 to 20 tokens, lower case, written as SST-2 is."""
    share = generator.random() - PLAIN[0]
    templates = PLAIN[1] if share < 0 else CONTRAST[1] if share < CONTRAST[0] else NEGATION[1]
    used: set[str] = set()

    def fill(slot: re.Match[str]) -> str:
        sign, name = slot.groups()
        if sign:
            choices = (VERDICTS if name else ADJECTIVES)[label if sign == "+" else 1 - label]
        else:
            choices = FILLERS.get(name) or NOUNS["f" if name == "f" else "aspect"]
        word = _pick([word for word in choices if word not in used], generator)
        used.add(word)
        return word

    words = _SLOT.sub(fill, _pick(templates, generator)).split()
    return " ".join(_with_articles(words))


def _pick(items: Sequence[str], generator: random.Random) -> str:
    """One of the items. Of `random.Random`, Python promises the stream of `random()` alone for versions to come."""
    return items[int(generator.random() * len(items))]


def _with_articles(words: Sequence[str]) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], "."], strict=True):
        yield "an" if word == "a" and following[0] in "aeiou" else word
