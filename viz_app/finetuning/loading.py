"""What a session trains and evaluates on: the model, the task in the model's tokens, the batches on its device."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from functions.language_model import adapters, devices, metrics, tasks
from functions.language_model import model as models
from functions.language_model.files import unit_of
from functions.language_model.states import States
from functions.language_model.top_layers import digest
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
    data: str | bytes | None = None

    @property
    def device(self) -> str:
        return self.model.device.name

    def adapted(self) -> Any:
        """What is trained of the model, which is changed or wrapped: once only. With several seeds an adapter gets a
        model of its own, which shares all numbers with this one.
        """
        spec, model = self.spec, self.model
        if spec.adapter and spec.runs > 1:
            shared = {id(p): p for p in model.module.parameters()}
            model = replace(model, module=copy.deepcopy(model.module, shared))
        tuned = adapters.adapt(model, spec.tune, spec.seed, spec.rank, spec.prefix, spec.top, self.states)
        tuned.module.eval()  # no dropout: the probes of a step must differ by their direction alone
        return tuned

    def loaded_again(self) -> Any:
        """`adapted` at θ_0, where that was not kept."""
        device, self.model = self.device, None  # there may be no room for two
        self.model = models.load(self.spec.model, device, self.spec.dtype)
        return self.adapted()

    def of_seed(self, seed: int) -> "Materials":
        """The same for another seed: the model is shared, and all else that the seed decides is drawn as in a job of
        that seed.
        """
        spec = replace(self.spec, seed=seed)
        task = _task(spec, self.data)
        if task == self.task:
            return replace(self, spec=spec)
        encoded, held_out = _encoded(spec, task, self.model)
        return replace(self, spec=spec, task=task, encoded=encoded, held_out=held_out)

    def batch(self, step: int, size: int) -> Any:
        """The training batch of a step, the same for every run."""
        return self.encoded.batch(step, size, self.spec.seed).to(self.device)

    def filling(self, share: float, steps: int) -> float:
        """What it costs to read the training texts of the first `steps` batches with the layers below the top ones,
        which are `share` of all: in forward passes of a batch through the whole model. That of the held-out texts is no
        part of it, as evaluations are not counted.
        """
        count = len(self.encoded.train_tokens)
        return (1 - share) * min(count, steps * self.spec.batch) / min(count, self.spec.batch)

    def read(self, steps: int) -> list[list[int]]:
        """The tokens of the held-out texts and of those in the first `steps` batches."""
        rows = self.encoded.rows(steps, self.spec.batch, self.spec.seed)
        held_out = self.encoded.held_out_tokens[: self.spec.held_out or None]
        return [*held_out, *(self.encoded.train_tokens[row] for row in rows)]

    def fill(self, tuned: Any, texts: Iterable[list[int]], progress: Progress, note: Callable[[str], None]) -> int:
        """Compute what enters the top layers, of these texts, and store it; how many those were that were not stored
        yet. Where there is no room, a `note` says so.
        """
        what = f"reading the texts with the lower {tuned.module.total - tuned.module.top} layers, once"

        def told(done: int, total: int) -> None:
            progress(what, done, total, "texts")

        read = tuned.module.fill(texts, limits.LOWER_BATCH, told)
        if read:
            try:
                self.states.save()
            except OSError as error:
                note(
                    "the states of the lower layers are kept in memory only, and the next job like this one computes"
                    f" them again: {error.strerror or error}"
                )
        return read

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

    task = _task(spec, data)
    texts = lengths.of_task(task, spec.model)
    needed = forecast.beside_the_weights(spec, texts, devices.pick_device(device).name, training)
    model = models.load(spec.model, device, spec.dtype, told, needed)
    encoded, held_out = _encoded(spec, task, model)
    kind = str(model.dtype).removeprefix("torch.")
    file = None
    if folder and spec.top:
        file = folder / f"{digest(model.module, spec.top)}-{kind}-top{spec.top}.safetensors"
    return Materials(spec, model, task, encoded, texts, held_out, weights_hash(model.module), States(file), data)


def _task(spec: FinetuneSpec, data: str | bytes | None) -> tasks.Task:
    columns = spec.label_column, spec.text_column
    return tasks.make(spec.task, data, spec.template, spec.words, spec.shots, spec.seed, *columns, spec.train)


def _encoded(spec: FinetuneSpec, task: tasks.Task, model: Any) -> tuple[tasks.Encoded, list[Any]]:
    """The task in the model's tokens, and the batches of an evaluation on its device."""
    room = model.context - (spec.prefix if spec.tune == "prefix" else 0)
    encoded = tasks.encode(task, model.tokenizer, room)
    batches = encoded.held_out(limits.HELD_OUT_BATCH, spec.held_out or None)
    return encoded, [batch.to(model.device.name) for batch in batches]


def clock(tuned: Any, runs: Any, read: int) -> str:
    """How the fair clock counts a job that passes through the top layers alone, after `read` texts were read with the
    others; empty for one that passes through all.
    """
    if (share := share_of(tuned)) == 1:
        return ""
    top, total = tuned.module.top, tuned.module.total
    filling = max(run.filling for run in runs)
    return (
        f"A pass through the top {top} of {total} layers counts as {share:.3g} forward passes, and reading the training"
        f" texts with the layers below, once, as {filling:.3g}{'' if read else ', though the result was on the disk'}"
    )


def share_of(tuned: Any) -> float:
    """K/L, the part of a forward pass of the whole model that one through its top K of L layers counts as; else 1."""
    return getattr(tuned.module, "share", 1.0)


def works_everywhere(tuned: Any) -> str | None:
    """A sentence about top layers of which nothing can be left out at the other positions than the last one."""
    if getattr(tuned.module, "narrowed", True):
        return None
    kind = tuned.module.module.config.model_type
    return (
        f"in the last layer ({kind}) all is computed at every position: it does not give the same at the last one"
        " alone, which would be faster"
    )


def plan(
    spec: FinetuneSpec, materials: Materials, tuned: Any, runs: Any, zero_shot: Any, facts: Any, read: int
) -> dict[str, Any]:
    """The job's first message: all that a page must know before the first step, and the fingerprint `facts`. `read`:
    how many texts the layers below the top ones have just read.
    """
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
            "share": share_of(tuned),
        },
        "clock": clock(tuned, runs, read),
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
            "evaluated": min(spec.held_out or len(task.held_out), len(task.held_out)),
            "credit": task.credit,
        },
        "sentences": sentences(task),
        "runs": [
            {
                "label": run.label,
                "repetition": run.repetition,
                "seed": spec.seed + run.repetition,
                "method": run.opt.method,
                "name": run.method.name,
                "hyperparameters": vars(run.opt.hyperparameters),
                "forwards_per_step": run.price,
                "filling": run.filling,
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
        "zero_shot": zero_shot.figures,
    }


def sentences(task: tasks.Task) -> list[dict[str, Any]]:
    """The held-out texts whose predictions the page follows."""
    return [{"text": one.text, "label": one.label} for one in task.held_out[: limits.SENTENCES]]
