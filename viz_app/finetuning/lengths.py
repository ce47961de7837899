"""How many texts a task has and how long they are in tokens, found without torch: what a forward pass costs follows."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from functions.language_model import tasks
from viz_app.finetuning import architecture
from viz_app.finetuning.spec import FinetuneSpec

SST2 = 67_349, 872, 40  # training and held-out texts, tokens of a batch's longest (measured with OPT's tokenizer)
SAMPLE = 5000  # texts that are made into tokens: of more, so many in their order stand for all
CHARACTERS = 4.2  # per token, where the model's tokenizer is not at hand as tokenizer.json


@dataclass(frozen=True)
class Lengths:
    """Tokens of every training and held-out text, in ascending order."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]

    def width(self, batch: int) -> float:
        """Expected tokens of the longest of `batch` training texts: a batch is padded to that."""
        count, below, expected = len(self.train), 0, 0.0
        for length, texts in Counter(self.train).items():  # ascending
            shares = [((below + more) / count) ** min(batch, count) for more in (0, texts)]
            expected += length * (shares[1] - shares[0])
            below += texts
        return expected

    def cut(self, most: int) -> "Lengths":
        """Of texts of which only so many tokens are read."""
        return Lengths(*(tuple(min(length, most) for length in part) for part in (self.train, self.held_out)))

    def padded(self, texts: int, batch: int) -> list[tuple[int, int]]:
        """(texts, tokens of each) of the batches in which the first `texts` held-out texts (0: all) are evaluated."""
        count = min(texts or len(self.held_out), len(self.held_out))
        chosen = [self.held_out[int((i + 0.5) * len(self.held_out) / count)] for i in range(count)]
        return [(len(piece), piece[-1]) for i in range(0, count, batch) if (piece := chosen[i : i + batch])]


def of(spec: FinetuneSpec, upload: Callable[[str], bytes] | None = None) -> Lengths:
    """The lengths of a job's texts. `upload` gives an uploaded table by its id. Raises LanguageModelError."""
    kind, _, id = spec.data.partition("upload:")
    given = not kind and bool(id)
    stamp = 0.0 if given or not spec.data or not Path(spec.data).exists() else Path(spec.data).stat().st_mtime
    body = upload(id) if given and upload is not None else None
    return _of(
        spec.model, spec.task, spec.data, stamp, body, spec.template, spec.words, spec.shots, spec.seed,
        spec.label_column, spec.text_column, spec.train,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _of(
    model: str, task: str, data: str, stamp: float, body: bytes | None, template: str | None,
    words: tuple[str, ...] | None, shots: int, seed: int, label_column: str, text_column: str, limit: int,
) -> Lengths:  # fmt: skip
    if task == "sst2" and not data:  # reading it may mean to download it
        train, held_out, width = SST2
        return Lengths((width,) * (limit or 2 * shots or train), (width,) * held_out)
    made = tasks.make(task, body or data or None, template, words, shots, seed, label_column, text_column, limit)
    return of_task(made, model)


def of_task(task: tasks.Task, model: str) -> Lengths:
    """The lengths of a task's texts in a model's tokens."""
    parts = []
    for examples in (task.train, task.held_out):
        chosen = examples[:: -(-len(examples) // SAMPLE)]
        found = sorted(_tokens(model, [task.prompt(example.text) for example in chosen]))
        parts.append(tuple(found[i * len(found) // len(examples)] for i in range(len(examples))))
    return Lengths(*parts)


def _tokens(model: str, texts: Sequence[str]) -> list[int]:
    folder = architecture.find(model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return [math.ceil(len(text) / CHARACTERS) + 1 for text in texts]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
