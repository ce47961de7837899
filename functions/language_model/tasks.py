"""What a model is tuned on: texts with labels, a template that makes prompts of them, and one label word per class.

    task = make("reviews", seed=0)                              # synthetic; or "sst2", or "table" and a file
    encoded = encode(task, model.tokenizer, model.context)
    metrics.loss(model.module, encoded.batch(step=0, size=32, seed=0))

`make` reads and checks without torch: the page calls it for a file that somebody uploads.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.language_model import grammar, samples, tables
from functions.language_model.errors import LanguageModelError
from functions.language_model.samples import Example

if TYPE_CHECKING:
    import torch

TASKS: dict[str, str] = {
    "reviews": "Film-review sentences (synthetic)",
    "sst2": "SST-2: sentences of film reviews",
    "table": "A table of your own",
}
TEMPLATE = "{text} it was"
VERDICTS = (" terrible", " great")
# Not the words that the bundled model has been pre-trained with, so that its answers have something to learn.
REVIEW_WORDS = (" bad", " good")
BINARY = (("0", "1"), ("negative", "positive"), ("neg", "pos"))  # classes whose words are the verdicts unless given

REVIEWS = 4000, 512  # training, held-out
ROWS = 50_000
CLASSES = 2, 10  # of a table, at least and at most
SST2 = "stanfordnlp/sst2"
SST2_FILES = ("data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet")
COMMON = ("good", "bad", "great", "terrible", "yes", "no", "right", "wrong", "high", "low")  # suggested as label words

Data = tables.Source | None


@dataclass(frozen=True)
class Task:
    """`classes` and `words` (each with its leading space) go by label; `template` has "{text}" once, and ends where the
    label word follows.
    """

    key: str
    title: str
    synthetic: bool
    credit: str
    classes: tuple[str, ...]
    words: tuple[str, ...]
    template: str
    train: tuple[Example, ...]
    held_out: tuple[Example, ...]

    def prompt(self, text: str) -> str:
        return self.template.replace("{text}", text)


def make(
    task: str = "reviews",
    data: Data = None,
    template: str | None = None,
    words: Sequence[str] | None = None,
    shots: int = 0,
    seed: int = 0,
    label_column: str = "label",
    text_column: str = "text",
    train: int = 0,
) -> Task:
    """The task of a key of TASKS. Raises LanguageModelError: field "task", "data", "text_column", "label_column",
    "template", "words", "shots" or "train".

    data: for "sst2" a folder with train.tsv and dev.tsv, or None for the hub's files; for both, and for "table", one
    CSV or TSV (a path, or a file's bytes), of which a fifth (at most 512 rows, each class in proportion) is held out.
    words: one per class, in the order of `classes`; shots: so many training examples per class, 0 for all of them;
    train: so many of those in total, each class in proportion and at least once, 0 for all.
    The seed decides what is drawn: the synthetic sentences, what is held out of a table, its order, the few shots,
    and which examples `train` leaves.
    """
    if task not in TASKS:
        raise LanguageModelError("task", f"task is {str(task)[:40]!r}, but must be one of {', '.join(TASKS)}")
    generator = random.Random(f"{task} {seed}")
    if isinstance(data, (str, Path)):
        data = Path(data).expanduser()
    if task == "reviews":
        made = _reviews(data, seed)
    elif task == "sst2":
        made = _sst2(data, text_column, label_column, generator)
    else:
        made = _table(data, text_column, label_column, generator)
    if template is not None:
        made = replace(made, template=_checked_template(template))
    if words is not None:
        made = replace(made, words=_checked_words(words, made.classes))
    if shots:
        made = replace(made, train=samples.few(made.train, made.classes, shots, generator))
    return replace(made, train=samples.limited(made.train, train, generator)) if train else made


@dataclass(frozen=True)
class Batch:
    """B prompts of a task, left-padded to the longest: ids and mask (B, T), labels (B,) int64, the classes' label words
    (classes,), and which rows of the task's examples they are (B,), which stays on the CPU.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    word_ids: torch.Tensor
    rows: torch.Tensor

    def to(self, device: Any) -> Batch:
        moved = (part.to(device) for part in (self.ids, self.mask, self.labels, self.word_ids))
        return Batch(*moved, rows=self.rows)


@dataclass(frozen=True)
class Encoded:
    """A task in one tokenizer's tokens: one list of token ids per example, label word not included."""

    task: Task
    word_ids: torch.Tensor
    train_tokens: list[list[int]]
    held_out_tokens: list[list[int]]
    padding: int

    @cached_property
    def labels(self) -> tuple[int, ...]:
        return tuple(example.label for example in self.task.train)

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """The training batch of a step, counted from 0; the whole set, in its order, where size is larger.

        Batches are consecutive pieces of one endless row of permutations, so every example comes once an epoch, every
        batch has its share of each class, and a batch depends on nothing but (step, size, seed).
        """
        count = len(self.train_tokens)
        if size >= count:
            return self._batch(self.task.train, self.train_tokens, range(count))
        places = [divmod(place, count) for place in range(step * size, (step + 1) * size)]
        orders = {epoch: _order(self.labels, seed, epoch) for epoch in {epoch for epoch, _ in places}}
        rows = [orders[epoch][place] for epoch, place in places]
        return self._batch(self.task.train, self.train_tokens, rows)

    def examples(self, rows: Sequence[int]) -> Batch:
        """Training examples by their rows."""
        return self._batch(self.task.train, self.train_tokens, rows)

    def rows(self, steps: int, size: int, seed: int) -> set[int]:
        """The training examples of the first `steps` batches."""
        count = len(self.train_tokens)
        if size >= count or steps * size >= count:
            return set(range(count))
        return {int(row) for step in range(steps) for row in self.batch(step, size, seed).rows}

    def held_out(self, size: int = 64, limit: int | None = None) -> list[Batch]:
        """The first `limit` held-out examples, those of similar length together: less padding to compute."""
        rows = sorted(range(len(self.held_out_tokens))[:limit], key=lambda row: len(self.held_out_tokens[row]))
        pieces = [rows[i : i + size] for i in range(0, len(rows), size)]
        return [self._batch(self.task.held_out, self.held_out_tokens, piece) for piece in pieces]

    def _batch(self, examples: Sequence[Example], tokens: list[list[int]], rows: Sequence[int]) -> Batch:
        import torch

        width = max(len(tokens[row]) for row in rows)
        missing = [width - len(tokens[row]) for row in rows]
        return Batch(
            ids=torch.tensor([[self.padding] * pad + tokens[row] for pad, row in zip(missing, rows, strict=True)]),
            mask=torch.tensor([[0] * pad + [1] * (width - pad) for pad in missing]),
            labels=torch.tensor([examples[row].label for row in rows]),
            word_ids=self.word_ids,
            rows=torch.tensor(rows),
        )


@lru_cache(maxsize=8)
def _order(labels: tuple[int, ...], seed: int, epoch: int) -> list[int]:
    """A permutation in which each class is spread evenly. A batch with more of one class than its share mostly pulls at
    the model's preference for one label word, and a zeroth-order step's noise grows with the whole gradient.
    """
    generator = random.Random(f"order {seed} {epoch}")
    rows: dict[int, list[tuple[float, int]]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append((generator.random(), row))
    places = []
    for drawn in (rows[label] for label in sorted(rows)):
        offset = generator.random()
        places += [((k + offset) / len(drawn), row) for k, (_, row) in enumerate(sorted(drawn))]
    return [row for _, row in sorted(places)]


def encode(task: Task, tokenizer: Any, context: int) -> Encoded:
    """The task's prompts as tokens, at most `context` each: of a longer one the text loses its beginning.

    Raises LanguageModelError: field "words" unless every label word is one token of its own, "template" if the template
    leaves no room for a text.
    """
    import torch

    word_ids = _word_ids(task, tokenizer)
    head = _tokens(tokenizer, [task.template.partition("{text}")[0].rstrip()])[0]
    alone = len(_tokens(tokenizer, [task.prompt("")])[0])
    if alone >= context:
        message = f"the template alone is {alone} tokens, and the model reads {context}: shorten it"
        raise LanguageModelError("template", message)

    def encoded(examples: Sequence[Example]) -> list[list[int]]:
        rows = _tokens(tokenizer, [task.prompt(example.text) for example in examples])
        return [_cut(row, head, context) for row in rows]

    padding = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id  # masked: any token would do
    return Encoded(task, torch.tensor(word_ids), encoded(task.train), encoded(task.held_out), padding)


def _tokens(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, return_attention_mask=False, verbose=False)["input_ids"]  # no warning of a long text


def _cut(row: list[int], head: list[int], context: int) -> list[int]:
    """The row without the first tokens of its text: what comes before (</s>, the template's head) stays."""
    excess = len(row) - context
    if excess <= 0:
        return row
    kept = next((i for i, (token, other) in enumerate(zip(row, head, strict=False)) if token != other), len(head))
    return row[:kept] + row[kept + excess :]


def _word_ids(task: Task, tokenizer: Any) -> list[int]:
    prompt = task.prompt("text")
    words = {name: _continuation(tokenizer, prompt, word) for name, word in zip(task.classes, task.words, strict=True)}
    faults = []
    for (name, tokens), word in zip(words.items(), task.words, strict=True):
        if len(tokens) != 1 or tokens[0] == tokenizer.unk_token_id:
            pieces = " + ".join(repr(tokenizer.decode([token])) for token in tokens)
            faults.append(
                f"the label word {word.strip()[:40]!r} of class {name[:40]!r} is {len(tokens)} tokens of this model "
                f"({pieces[:200]}), but must be one; name another as its label word: "
                f"{_suggestion(tokenizer, prompt, word, task.words)}"
            )
    if faults:
        raise LanguageModelError("words", "; ".join(faults))
    ids = [tokens[0] for tokens in words.values()]
    for i, token in enumerate(ids):
        if token in ids[:i]:
            twins = f"{task.words[ids.index(token)].strip()[:40]!r} and {task.words[i].strip()[:40]!r}"
            raise LanguageModelError("words", f"the label words {twins} are the same token of this model: change one")
    return ids


def _continuation(tokenizer: Any, prompt: str, word: str) -> list[int]:
    """The tokens that the word adds to the prompt: asked in place, as tokenizers treat its space differently."""
    before, after = _tokens(tokenizer, [prompt, prompt + word])
    shared = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    return after[shared:]


def _suggestion(tokenizer: Any, prompt: str, word: str, taken: Sequence[str]) -> str:
    """Single tokens that are spelled like the word, and common ones."""
    known = {token[1:] for token in tokenizer.get_vocab() if token[:1] in "Ġ▁" and token[1:].isalpha()}
    stem = word.strip()
    alike = get_close_matches(stem.lower(), [one for one in known if one[:1].lower() == stem[:1].lower()], 4, 0.5)
    free = [one for one in dict.fromkeys([*alike, *COMMON]) if one in known and " " + one not in taken]
    usable = [one for one in free if len(_continuation(tokenizer, prompt, " " + one)) == 1]
    return f"try {', '.join(usable[:8])}" if usable else "try a shorter one"


def _reviews(data: Data, seed: int) -> Task:
    if data is not None:
        raise LanguageModelError("data", "data is given, but task=reviews makes its own sentences: use task=table")
    sentences = [Example(*pair) for pair in grammar.sentences(sum(REVIEWS), seed)]
    train, held_out = sentences[REVIEWS[1] :], sentences[: REVIEWS[1]]
    made = _task("reviews", "Synthetic: made by this project's grammar", ("negative", "positive"), train, held_out)
    return replace(made, words=REVIEW_WORDS)


def _sst2(data: Data, text_column: str, label_column: str, generator: random.Random) -> Task:
    if data is None:
        parts = [_hub(path) for path in SST2_FILES]
    elif isinstance(data, bytes) or Path(data).is_file():
        parts = [tables.read(data, text_column, label_column)]
    else:
        parts = [tables.read(Path(data) / name, text_column, label_column) for name in ("train.tsv", "dev.tsv")]
    for row in itertools.chain(*parts):
        if row.label not in ("0", "1"):
            message = f"row {row.number}: the label is {row.label[:40]!r}, but must be 0 (negative) or 1 (positive)"
            raise LanguageModelError("data", message)
    examples = [[Example(row.text, int(row.label)) for row in rows] for rows in parts]
    classes = ("negative", "positive")
    train, held_out = examples if len(examples) == 2 else samples.split(examples[0], classes, generator)
    samples.check_every_class(train, classes)
    return _task(
        "sst2", "Stanford Sentiment Treebank, Socher et al. 2013", classes, train, samples.shuffled(held_out, generator)
    )


def _table(data: Data, text_column: str, label_column: str, generator: random.Random) -> Task:
    if data is None:
        raise LanguageModelError("data", "task=table needs data: the path of a CSV or TSV file, or an upload")
    rows = tables.read(data, text_column, label_column, ROWS)
    names = _classes({row.label for row in rows}, label_column)
    classes = tuple(dict.fromkeys(names.values()))
    examples = [Example(row.text, classes.index(names[row.label])) for row in rows]
    train, held_out = samples.split(examples, classes, generator)
    source = "an uploaded table" if isinstance(data, bytes) else Path(data).name
    return _task("table", f"The user's own: {source}", classes, train, held_out)


def _task(key: str, credit: str, classes: tuple[str, ...], train: list[Example], held_out: list[Example]) -> Task:
    verdicts = tuple(name.lower() for name in classes) in BINARY
    words = VERDICTS if verdicts else tuple(" " + name for name in classes)
    return Task(key, TASKS[key], key == "reviews", credit, classes, words, TEMPLATE, tuple(train), tuple(held_out))


def _classes(labels: set[str], label_column: str) -> dict[str, str]:
    """The class of each label as written, in the order of the classes: by value if all are numbers (then 1.0 is 1, as
    some programs write whole numbers), else alphabetical.
    """
    try:
        values = {label: float(label) for label in labels}
    except ValueError:
        values = {}
    if values and all(map(math.isfinite, values.values())):
        named = {label: repr(value).removesuffix(".0") for label, value in sorted(values.items(), key=lambda i: i[1])}
    else:
        named = {label: label for label in sorted(labels)}
    found = list(dict.fromkeys(named.values()))
    least, most = CLASSES
    if not least <= len(found) <= most:
        some = ", ".join(repr(name[:40]) for name in found[:5]) + (", …" if len(found) > 5 else "")
        held = f"{len(found)} different labels ({some})"
        message = f"column {label_column[:40]!r} holds {held}, but must hold {least} to {most}"
        raise LanguageModelError("label_column", message)
    return named


def _checked_template(template: str) -> str:
    found = template.count("{text}")
    if found != 1:
        message = (
            f"the template {template[:60]!r} has {{text}} {found} times, but must have it once, as in {TEMPLATE!r}"
        )
        raise LanguageModelError("template", message)
    return template.strip()  # the label word brings its own space


def _checked_words(words: Sequence[str], classes: tuple[str, ...]) -> tuple[str, ...]:
    stripped = [word.strip() for word in words]
    if len(stripped) != len(classes):
        message = (
            f"{len(stripped)} label words are given for {len(classes)} classes ({', '.join(classes)[:200]}): one each"
        )
        raise LanguageModelError("words", message)
    for i, word in enumerate(stripped):
        if not word:
            raise LanguageModelError("words", f"the label word of class {classes[i][:40]!r} is empty")
        if word in stripped[:i]:
            message = f"the label word {word[:40]!r} stands for two classes: each needs its own"
            raise LanguageModelError("words", message)
    return tuple(" " + word for word in stripped)


def _hub(path: str) -> list[tables.Row]:
    import pyarrow.parquet
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    try:  # what lies here already needs no network; without one, the hub's library tries for half a minute
        cached = try_to_load_from_cache(SST2, path, repo_type="dataset")
        file = cached if isinstance(cached, str) else hf_hub_download(SST2, path, repo_type="dataset")
    except OSError as error:  # what the hub's library raises for a missing network, file or permission
        message = (
            f"SST-2 cannot be had from the hub ({type(error).__name__}): without network, give data=FOLDER, a folder "
            "with train.tsv and dev.tsv, each with the columns label (0 or 1) and text"
        )
        raise LanguageModelError("data", message) from error
    table = pyarrow.parquet.read_table(file, columns=["sentence", "label"])
    pairs = zip(table["sentence"].to_pylist(), table["label"].to_pylist(), strict=True)
    return [tables.Row(number, text.strip(), str(label)) for number, (text, label) in enumerate(pairs, 1)]
