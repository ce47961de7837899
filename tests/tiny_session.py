"""A session whose model is tiny and made up, and what tests ask of one."""

from types import SimpleNamespace
from typing import Any

import torch

from functions.language_model.tasks import Encoded, Example, Task
from viz_app.finetuning.run import Run
from viz_app.finetuning.session import Session
from viz_app.finetuning.spec import parse
from viz_app.finetuning.store import Log

VOCABULARY = 12


class Tiny(torch.nn.Module):
    """A language model of 128 numbers: the mean of the tokens' embeddings, a layer, logits."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embed_tokens = torch.nn.Embedding(VOCABULARY, 4)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4)])
        self.lm_head = torch.nn.Linear(4, VOCABULARY)
        for p in self.parameters():
            p.data.copy_(torch.randn(p.shape, generator=generator))

    def forward(self, input_ids, attention_mask, logits_to_keep):
        mask = attention_mask[:, :, None].float()
        mean = (self.embed_tokens(input_ids) * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        return SimpleNamespace(logits=self.lm_head(torch.tanh(self.layers[0](mean))))


def tiny_model() -> SimpleNamespace:
    device = SimpleNamespace(name="cpu", title="CPU", memory=1)
    facts = {"title": "tiny", "parameter_count": 128, "context": 16, "dtype": torch.float32, "tokenizer": None}
    return SimpleNamespace(module=Tiny(), device=device, **facts)


def tiny_task() -> tuple[Task, Encoded]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(2, VOCABULARY, (90, 5), generator=generator).tolist()
    examples = tuple(Example(" ".join(map(str, row)), int(sum(row) > 33)) for row in tokens)
    task = Task(
        "reviews", "Tiny", True, "made up", ("low", "high"), (" a", " b"), "{text} it was", examples[40:], examples[:40]
    )
    return task, Encoded(task, torch.tensor([0, 1]), tokens[40:], tokens[:40], 0)


def opened(log: Log, spec: str) -> Session:
    session = Session(log.create_job(parse(spec).query(), "cpu"), parse(spec), log)
    session.open()
    return session


def finished(session: Session) -> Session:
    while session.advance():
        pass
    return session


def surveyed(session: Session) -> Session:
    while session.survey():
        pass
    return session


def again(session: Session) -> Session:
    """The same job in a new process, the old one having been killed."""
    new = Session(session.job, session.spec, session.log)
    new.open()
    return new


def messages(session: Session, kind: str, run: int | None = None) -> list[dict[str, Any]]:
    found = [message for message in session.log.messages(session.job) if message["type"] == kind]
    return found if run is None else [message for message in found if message["run"] == run]


def theta(run: Run) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in run.tuned.parameters.items()}


def apart(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert list(a) == list(b)
    return max(float((a[name] - b[name]).abs().max()) for name in a)
