"""What a session trains and evaluates on: the model, the task in the model's tokens, the batches on its device."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from functions.language_model import adapters, devices, metrics, tasks
from functions.language_model import model as models
from functions.language_model.files import unit_of
from functions.language_model.states import States
from viz_app.finetuning import forecast, lengths, limits
from viz_app.finetuning.fingerprint import weights_hash
from viz_app.finetuning.lengths import Lengths
from viz_app.finetuning.spec import FinetuneSpec

Progress = Callable[[str, int, int, str], None]


@dataclass
class Materials:
    """A spec's model and task. `held_out`: the batches of an evaluation, on the model's device."""

    spec: FinetuneSpec
    model: Any
    task: Any
    encoded: Any
    texts: Lengths
    held_out: list[Any]
    weights: str  # `fingerprint.weights_hash` of the model
    states: States  # that enter the top layers, of a job that trains those alone

    @property
    def device(self) -> str:
        return self.model.device.name

    def adapted(self) -> Any:
        """What is trained of the model, which is changed or wrapped: once only."""
        spec = self.spec
        tuned = adapters.adapt(self.model, spec.tune, spec.seed, spec.rank, spec.prefix, spec.top, self.states)
        tuned.module.eval()  # no dropout: the probes of a step must differ by their direction alone
        return tuned

    def loaded_again(self) -> Any:
        """`adapted` at θ_0, where that was not kept."""
        device, self.model = self.device, None  # there may be no room for two
        self.model = models.load(self.spec.model, device, self.spec.dtype)
        return self.adapted()

    def batch(self, step: int, size: int) -> Any:
        """The training batch of a step, the same for every run."""
        return self.encoded.batch(step, size, self.spec.seed).to(self.device)

    def fill(self, tuned: Any, steps: int, progress: Progress) -> None:
        """Compute what enters the top layers, of the held-out texts and of those in the first `steps` batches, and
        store it. A disk that is full is no reason not to go on.
        """
        if not self.spec.top:
            return
        rows = [self.encoded.train_tokens[row] for row in self.encoded.rows(steps, self.spec.batch, self.spec.seed)]
        what = f"reading the texts with the lower {tuned.module.total - tuned.module.top} layers, once"
        held_out = self.encoded.held_out_tokens[: limits.HELD_OUT]

        def told(done: int, total: int) -> None:
            progress(what, done, total, "texts")

        if tuned.module.fill([*held_out, *rows], limits.LOWER_BATCH, told):
            with suppress(OSError):
                self.states.save()

    def loss(self, tuned: Any, step: int, each: bool = False) -> Callable[[], torch.Tensor]:
        """The spec's loss on the batch of a step; `each`: of every text of it, as lr=auto wants it."""
        batch = self.batch(step, self.spec.batch)
        if each:
            return lambda: metrics.losses(tuned.module, batch)
        return lambda: metrics.loss(tuned.module, batch, self.spec.loss)


def load(
    spec: FinetuneSpec,
    device: str,
    data: str | bytes | None,
    progress: Progress,
    training: bool = True,
    folder: Path | None = None,
) -> Materials:
    """Make the task and load the model, to train it or to rebuild single steps; `progress(what, done, total, unit)`.
    Where only the top layers are trained, the states that enter them are kept in `folder`. Raises LanguageModelError.
    """
    torch.set_num_threads(1 if limits.single_threaded(spec.model) else devices.THREADS)

    def told(what: str, done: int, total: int) -> None:
        progress(what, done, total, unit_of(what))

    columns = spec.label_column, spec.text_column
    task = tasks.make(spec.task, data, spec.template, spec.words, spec.shots, spec.seed, *columns, spec.train)
    texts = lengths.of_task(task, spec.model)
    needed = forecast.beside_the_weights(spec, texts, devices.pick_device(device).name, training)
    model = models.load(spec.model, device, spec.dtype, told, needed)
    room = model.context - (spec.prefix if spec.tune == "prefix" else 0)
    encoded = tasks.encode(task, model.tokenizer, room)
    kind = str(model.dtype).removeprefix("torch.")
    held_out = [batch.to(model.device.name) for batch in encoded.held_out(limits.HELD_OUT_BATCH, limits.HELD_OUT)]
    weights = weights_hash(model.module)
    states = States(folder / f"{weights}-{kind}-top{spec.top}.safetensors" if folder and spec.top else None)
    return Materials(spec, model, task, encoded, texts, held_out, weights, states)


def plan(spec: FinetuneSpec, materials: Materials, tuned: Any, runs: Any, zero_shot: Any, facts: Any) -> dict[str, Any]:
    """The job's first message: all that a page must know before the first step, and the fingerprint `facts`."""
    task, model = materials.task, materials.model
    sizes = {name: p.numel() for name, p in tuned.parameters.items()}
    return {
        "type": "plan",
        "spec": spec.query(),
        "fingerprint": facts,
        "model": {
            "title": model.title,
            "parameters": model.parameter_count,
            "tuned": sum(sizes.values()),
            "context": model.context,
            "share": getattr(tuned.module, "share", 1.0),
        },
        "device": {"name": model.device.name, "title": model.device.title, "memory": model.device.memory},
        "dtype": str(model.dtype).removeprefix("torch."),
        "task": {
            "key": task.key,
            "title": task.title,
            "synthetic": task.synthetic,
            "classes": task.classes,
            "words": task.words,
            "template": task.template,
            "train": len(task.train),
            "held_out": len(task.held_out),
            "evaluated": min(limits.HELD_OUT, len(task.held_out)),
            "credit": task.credit,
        },
        "sentences": [{"text": one.text, "label": one.label} for one in task.held_out[: limits.SENTENCES]],
        "runs": [
            {
                "label": run.label,
                "method": run.opt.method,
                "name": run.method.name,
                "hyperparameters": vars(run.opt.hyperparameters),
                "forwards_per_step": run.cost,
                "steps": run.steps,
                "estimates_hessian": run.method.estimates_hessian,
            }
            for run in runs
        ],
        "groups": [
            {
                "name": group.name,
                "layer": group.layer,
                "kind": group.kind,
                "count": sum(sizes[name] for name in group.parameters),
            }
            for group in tuned.groups
        ],
        "zero_shot": {"loss": zero_shot.loss, "accuracy": zero_shot.accuracy, "f1": zero_shot.f1},
    }
