"""Session: one fine-tuning job, step by step, from its spec and its log. The engine of the worker and of the shell.

All runs of a job start from the same θ_0 and see the same minibatches and directions; whoever has spent the fewest
forward passes is next. What happens goes to the log as messages that a page draws, together with the scalars of each
step, from which everything can be rebuilt: after a crash (`open`), at any step (`at`, `weights`), for the plane of the
runs' end points. A page's messages are listed in `viz_app.finetuning.routes`.

Imports torch; a process that only looks at jobs needs `viz_app.finetuning.store` alone.
"""

import copy
import io
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from functions.language_model import LanguageModelError, adapters, memory, metrics, tasks, truth
from functions.language_model import model as models
from hizoo_core.training import METHODS, Diverged, StepRecord, Trainer, TrainingMethod
from viz_app.finetuning import hessian_groups as curvature
from viz_app.finetuning import plane as landscape
from viz_app.finetuning import spec as specs
from viz_app.finetuning.presets import BUNDLED
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log, Setting, StepRow
from viz_app.spec.runs import OptSpec

COLUMNS = ("step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha")  # of a chart's row
FLUSH = 0.25  # seconds between chunks
HELD_OUT = 256  # examples of an evaluation
HELD_OUT_BATCH = 64
SENTENCES = 24  # held-out ones whose predictions are followed
SURFACE = 32  # held-out examples of the loss surface
TRUTH = 32  # training examples that the true diagonal is estimated on
PROBES = 8  # of that estimate
KEPT = 200_000_000  # trainable numbers up to which θ_0 is kept; beyond, it is loaded again when needed
MEASURED = 20_000_000  # trainable numbers up to which the memory of methods that do not run is measured as well
SNAPSHOTS = 512 * 2**20  # bytes of parameters and optimizer states kept in memory, so that rebuilding starts nearby
LEAST_ANGLE = 1e-3  # radians between the two axes of a plane before they are made orthogonal
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
THREADS = torch.get_num_threads()
CHECKPOINT_SHARE = 20  # a checkpoint may take up to one part in so many of the time

Message = dict[str, Any]


class SessionError(ValueError):
    """What was asked cannot be done: `field` and `message` as in a SpecError."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message

    def __reduce__(self) -> tuple[type["SessionError"], tuple[str, str]]:
        return type(self), (self.field, self.message)


@dataclass
class Run:
    """One optimizer's run. `rows` are its steps so far, stored or about to be; `tuned` and `trainer` are None until it
    is its turn, and lag behind `rows` while they are made again after an interruption.
    """

    index: int
    label: str
    opt: OptSpec
    steps: int
    cost: int
    rows: list[StepRow] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    evaluated: dict[int, int] = field(default_factory=dict)  # step -> how many evaluations came before
    ended: bool = False  # before its last step: it diverged
    tuned: Any = None
    trainer: Trainer | None = None
    saved: float = -math.inf  # when its checkpoint was stored
    saving: float = 0.0  # seconds that took

    @property
    def method(self) -> TrainingMethod:
        return METHODS[self.opt.method]

    @property
    def made(self) -> int:
        """Steps that its parameters have made."""
        return self.trainer.step if self.trainer else 0

    @property
    def over(self) -> bool:
        return self.made == len(self.rows) and (self.ended or self.made == self.steps)

    @property
    def seconds(self) -> float:
        return self.rows[-1].seconds if self.rows else 0.0

    def due(self, step: int, interval: int) -> bool:
        """Whether the step is to be evaluated: at 0, at each multiple of `interval` passes, and at the end."""
        ends = step == self.steps or (self.ended and step == len(self.rows))
        return step == 0 or ends or step * self.cost // interval > (step - 1) * self.cost // interval

    def base(self) -> Any:
        """The hyperparameters, as changed by hand."""
        hyperparameters = self.opt.hyperparameters
        for setting in self.settings:
            changes = {
                name: value for name, value in (("lr", setting.lr), ("alpha", setting.alpha)) if value is not None
            }
            hyperparameters = replace(hyperparameters, **changes)
        return hyperparameters


@dataclass
class Scratch:
    """A tuned model in which past steps are rebuilt; which run's step it holds, unless it holds none."""

    tuned: Any
    run: Run | None = None
    trainer: Trainer | None = None
    at_origin: bool = True


class Session:
    """One job. After `open`, call `advance` until it returns False; the other methods may be called in between.

    `listen` is told every message as it happens, before it is stored. Errors: LanguageModelError and SessionError for
    what a person can put right, LogFull while nothing can be stored (`advance` then trains no further, and goes on once
    it can).
    """

    def __init__(
        self, job: int, spec: str | FinetuneSpec, log: Log, listen: Callable[[Message], None] = lambda message: None
    ) -> None:
        self.job, self.log, self.listen = job, log, listen
        self.spec = spec = specs.parse(spec) if isinstance(spec, str) else spec
        self.runs = tuple(
            Run(i, label, opt, spec.steps_of(i), spec.forwards_per_step(i))
            for i, (label, opt) in enumerate(zip(spec.labels, spec.opts, strict=True))
        )
        self._steps: list[tuple[int, StepRow]] = []
        self._messages: list[Message] = []
        self._settings: list[tuple[int, Setting]] = []
        self._flushed = time.monotonic()
        self._todo: deque[Callable[[], None]] = deque()
        self._landscape: Iterator[None] | None = None
        self._snapshots: dict[tuple[int, int], tuple[dict[str, torch.Tensor], Any]] = {}
        self._memory_known = False
        self._paths: list[Message] | None = None  # the runs' points on the plane of their ends, once known
        self._cells: set[tuple[int, int]] = set()  # of the loss surface, those known

    # The job

    def open(self) -> None:
        """Load the model and the task, read the log, and say what is planned if that was not said before."""
        spec = self.spec
        known = list(self.log.messages(self.job))
        with self._enough_memory():
            device = self._device()
            # In so small a model, threads spend more on waiting for each other than they save.
            torch.set_num_threads(1 if spec.model == BUNDLED else THREADS)
            self._model = models.load(spec.model, device, spec.dtype, progress=self._progress)
            self._task = tasks.make(
                spec.task, self._data(), spec.template, spec.words, spec.shots, spec.seed, spec.label_column,
                spec.text_column,
            )  # fmt: skip
            room = self._model.context - (spec.prefix if spec.tune == "prefix" else 0)
            self._encoded = tasks.encode(self._task, self._model.tokenizer, room)
            place = self._model.device.name
            self._held_out = [batch.to(place) for batch in self._encoded.held_out(HELD_OUT_BATCH, HELD_OUT)]
            planned = any(message["type"] == "plan" for message in known)
            zero_shot = None if planned else metrics.evaluate(self._model.module, self._held_out)
            tuned = self._adapted(self._model)
            self._scratch = Scratch(tuned)
            small = sum(p.numel() for p in tuned.parameters.values()) <= KEPT
            self._origin = {name: p.detach().clone() for name, p in tuned.parameters.items()} if small else None
            self._fixed = landscape.RandomPlane(tuned.parameters, spec.seed)
        self._recall(known)
        if zero_shot is not None:
            self._emit(self._plan(tuned, zero_shot))
        self.flush()

    def trained(self) -> bool:
        """Whether every run has ended, though the loss on their plane may still be missing."""
        return all(run.over for run in self.runs)

    def advance(self) -> bool:
        """Do a small part of what is left: a step of the run whose turn it is, an evaluation, some points of the loss
        surface. False when there is nothing left.
        """
        if time.monotonic() - self._flushed >= FLUSH:
            self.flush()
        with self._enough_memory():
            if self._todo:
                self._todo.popleft()()
                return True
            if waiting := [run for run in self.runs if run.trainer is None]:
                self._start(waiting[0])
                return True
            if running := [run for run in self.runs if not run.over]:
                self._step(min(running, key=lambda run: run.made * run.cost))
                return True
            if self._landscape is None:
                self._landscape = self._survey()
            if next(self._landscape, self) is not self:
                return True
        self.flush()
        return False

    def flush(self) -> None:
        """Store what has happened since the last time, in one transaction. After LogFull nothing is forgotten."""
        if self._steps or self._messages or self._settings:
            rows: dict[int, list[list[Any]]] = {}
            for index, row in self._steps:
                rows.setdefault(index, []).append(self._drawn(self.runs[index], row))
            steps = [{"type": "steps", "run": index, "columns": COLUMNS, "rows": rows[index]} for index in sorted(rows)]
            self.log.append(self.job, self._steps, steps + self._messages, self._settings)
            self._steps, self._messages, self._settings = [], [], []
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Store what there is and let go of the models."""
        self.flush()
        for run in self.runs:
            run.tuned = run.trainer = None
        self._snapshots.clear()
        self._landscape = None
        del self._scratch, self._model, self._origin, self._held_out

    # What a person may ask in between

    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None:
        """Change a run's base learning rate or α from its next step on. Raises HyperparameterError and SessionError."""
        chosen = self._run(run)
        before = chosen.base()
        if alpha is not None and not hasattr(before, "alpha"):
            raise SessionError("alpha", f"{chosen.method.name} has no α to set")
        changes = {name: value for name, value in (("lr", lr), ("alpha", alpha)) if value is not None}
        after = replace(before, **changes)
        setting = Setting(len(chosen.rows), after.lr, getattr(after, "alpha", None))
        chosen.settings = [old for old in chosen.settings if old.step != setting.step] + [setting]
        self._settings.append((run, setting))
        self._emit({"type": "setting", "run": run, "step": setting.step, "lr": setting.lr, "alpha": setting.alpha})
        self.flush()

    def estimate_truth(self, run: int) -> None:
        """Estimate the true diagonal of the Hessian at a run's newest step, with Hutchinson's method."""
        chosen = self._run(run)
        with self._enough_memory():
            tuned, _ = self._rebuilt(chosen, len(chosen.rows))
            self._truth(chosen, tuned, len(chosen.rows))
        self.flush()

    def at(self, run: int, step: int) -> dict[str, Message | None]:
        """{"evaluation", "hessian"} of any step that was made, rebuilt from the log."""
        chosen = self._run(run, step)
        with self._enough_memory():
            evaluation, hessian = self._measured(chosen, *self._rebuilt(chosen, step), step)
        return {"evaluation": evaluation, "hessian": hessian}

    def weights(self, run: int, step: int) -> dict[str, torch.Tensor]:
        """Copies of the trainable parameters at any step that was made, on the CPU."""
        chosen = self._run(run, step)
        with self._enough_memory():
            tuned, _ = self._rebuilt(chosen, step)
            return {name: p.detach().to("cpu", copy=True).contiguous() for name, p in tuned.parameters.items()}

    # Opening

    def _device(self) -> str:
        """The spec's device, or where it says "auto", that of the queue which the job is in."""
        queue = self.log.job(self.job).device
        return queue if self.spec.device == "auto" and specs.DEVICE.fullmatch(queue) else self.spec.device

    def _data(self) -> str | bytes | None:
        kind, _, id = self.spec.data.partition("upload:")
        return self.log.upload(id)[1] if not kind and id else self.spec.data or None

    def _adapted(self, model: Any) -> Any:
        tuned = adapters.adapt(model, self.spec.tune, self.spec.seed, self.spec.rank, self.spec.prefix)
        tuned.module.eval()  # no dropout: the probes of a step must differ by their direction alone
        return tuned

    def _recall(self, known: list[Message]) -> None:
        """Take up where the log ends."""
        for run in self.runs:
            run.rows = self.log.steps(self.job, run.index)
            run.settings = self.log.settings(self.job, run.index)
        for message in known:
            if message["type"] == "evaluation":
                self.runs[message["run"]].evaluated.setdefault(
                    message["step"], len(self.runs[message["run"]].evaluated)
                )
            elif message["type"] == "status" and message["run"] is not None:
                self.runs[message["run"]].ended = True
            elif message["type"] == "surface":
                self._cells |= {(ix, iy) for ix, iy, _ in message["cells"]}
            elif message["type"] == "plane":
                self._paths = message["runs"]
            elif message["type"] == "memory":
                self._memory_known = True

    def _plan(self, tuned: Any, zero_shot: Any) -> Message:
        task, model = self._task, self._model
        sizes = {name: p.numel() for name, p in tuned.parameters.items()}
        return {
            "type": "plan",
            "spec": self.spec.query(),
            "model": {
                "title": model.title,
                "parameters": model.parameter_count,
                "tuned": sum(sizes.values()),
                "context": model.context,
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
                "evaluated": min(HELD_OUT, len(task.held_out)),
                "credit": task.credit,
            },
            "sentences": [{"text": example.text, "label": example.label} for example in task.held_out[:SENTENCES]],
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
                for run in self.runs
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

    # Training

    def _start(self, run: Run) -> None:
        """Give a run its own θ_0, from which it makes the log's steps again; Adam goes on from its checkpoint."""
        run.tuned = _twin(self._at_origin())
        run.trainer = self._trainer(run, run.tuned)
        self._resume(run, run.tuned, run.trainer, len(run.rows))
        if run.made == len(run.rows):
            self._arrived(run)

    def _resume(self, run: Run, tuned: Any, trainer: Trainer, most: int) -> None:
        """Go on from Adam's checkpoint, if there is one at step `most` or before."""
        if not run.method.zeroth_order and (checkpoint := self.log.checkpoint(self.job, run.index)):
            step, blob = checkpoint
            if step <= most:
                saved = torch.load(io.BytesIO(blob), weights_only=True)
                _restore(tuned, trainer, saved["theta"], saved["state"])

    def _step(self, run: Run) -> None:
        """One new step, or as many old ones as fit between two chunks."""
        assert run.trainer is not None
        if run.made < len(run.rows):
            started = time.monotonic()
            while run.made < len(run.rows) and time.monotonic() - started < FLUSH:
                self._again(run, run.tuned, run.trainer)
            self._progress(f"making {run.label}'s steps again from the log", run.made, len(run.rows))
        else:
            self._settle(run, run.trainer)
            started = time.perf_counter()
            try:
                record = run.trainer.advance(self._loss(run.tuned, run.made))
            except Diverged as diverged:
                run.ended = True
                rest = "" if all(other.over for other in self.runs) else "; the other runs go on"
                sentence = f"{diverged.sentence}. Step {run.made} is its last good one, kept in the log{rest}"
                self._emit({"type": "status", "state": "failed", "run": run.index, "message": sentence})
            else:
                seconds = run.seconds + time.perf_counter() - started
                scalars = record.first + record.second
                row = StepRow(run.made, record.lr, record.alpha, record.loss, record.length, seconds, scalars)
                run.rows.append(row)
                self._steps.append((run.index, row))
                self.listen({"type": "steps", "run": run.index, "columns": COLUMNS, "rows": [self._drawn(run, row)]})
        if run.made == len(run.rows):
            self._arrived(run)

    def _arrived(self, run: Run) -> None:
        """At the newest step: is there something to be measured?"""
        if run.made not in run.evaluated and run.due(run.made, self.spec.eval):
            self._todo.append(lambda: self._evaluate(run))

    def _evaluate(self, run: Run) -> None:
        assert run.trainer is not None
        self.flush()  # evaluations take long enough for a step to be lost in
        step, count = run.made, len(run.evaluated)
        evaluation, hessian = self._measured(run, run.tuned, run.trainer, step)
        run.evaluated[step] = count
        self._keep(run, run.tuned, run.trainer)
        self._emit(evaluation)
        if hessian:
            self._emit(hessian)
        self.flush()
        wait = CHECKPOINT_SHARE * run.saving
        if not run.method.zeroth_order and (run.over or time.monotonic() - run.saved > wait):
            self._save(run)
        if step and not self._memory_known:
            self._memory_known = True
            self._todo.append(self._measure_memory)
        if self.spec.truth and run.method.estimates_hessian and count % self.spec.truth == 0:
            self._todo.append(lambda: self._truth(run, run.tuned, step))

    def _save(self, run: Run) -> None:
        assert run.trainer is not None
        started = time.monotonic()
        buffer = io.BytesIO()
        torch.save({"theta": dict(run.tuned.parameters), "state": run.trainer.state_dict()}, buffer)
        self.log.save_checkpoint(self.job, run.index, run.made, buffer.getvalue())
        run.saved = time.monotonic()
        run.saving = run.saved - started

    def _loss(self, tuned: Any, step: int) -> Callable[[], torch.Tensor]:
        """The loss of the minibatch of a step, which is the same for every run."""
        batch = self._encoded.batch(step, self.spec.batch, self.spec.seed).to(self._model.device.name)
        return lambda: metrics.loss(tuned.module, batch, self.spec.loss)

    def _trainer(self, run: Run, tuned: Any) -> Trainer:
        return Trainer(tuned.parameters, run.opt.method, run.opt.hyperparameters, run.steps, self.spec.seed)

    def _settle(self, run: Run, trainer: Trainer) -> None:
        """What was changed by hand at this step."""
        for setting in run.settings:
            if setting.step == trainer.step:
                trainer.set(setting.lr, setting.alpha)

    # Measuring

    def _measured(self, run: Run, tuned: Any, trainer: Trainer, step: int) -> tuple[Message, Message | None]:
        """The messages "evaluation" and "hessian" (None for a method without P) of a run's model as it stands."""
        result = metrics.evaluate(tuned.module, self._held_out)
        distance = None
        if self._origin is not None:
            offset = landscape.Offset(tuned.parameters, self._origin)
            distance = math.sqrt(landscape.dot(offset, offset))
        where = {"run": run.index, "step": step}
        evaluation = {
            "type": "evaluation",
            **where,
            "forwards": step * run.cost,
            "seconds": run.rows[step - 1].seconds if step else 0.0,
            "loss": result.loss,
            "accuracy": result.accuracy,
            "f1": result.f1,
            "probabilities": [[round(float(p), 5) for p in row] for row in result.probabilities[:SENTENCES]],
            "position": list(self._fixed.position(tuned.parameters)),
            "distance": distance,
        }
        if not run.method.estimates_hessian:
            return evaluation, None
        shapes = {name: p.shape for name, p in tuned.parameters.items()}
        return evaluation, {"type": "hessian", **where, **curvature.summary(tuned.groups, shapes, trainer.curvature)}

    def _drawn(self, run: Run, row: StepRow) -> list[Any]:
        """A step as a chart's row, in the order of COLUMNS."""
        record, mu = _record(run, row), getattr(run.opt.hyperparameters, "mu", math.nan)
        slope, curve = record.slope(mu), record.curvature(mu)
        return [row.step, row.step * run.cost, row.seconds, row.loss, slope, curve, row.length, row.lr, row.alpha]

    def _truth(self, run: Run, tuned: Any, step: int) -> None:
        """Of the cross-entropy, which has a Hessian whatever loss is trained on, on examples that stay the same."""
        batch = self._encoded.batch(0, TRUTH, self.spec.seed).to(self._model.device.name)
        with torch.no_grad():
            started = time.perf_counter()
            metrics.loss(tuned.module, batch).item()
        forward = time.perf_counter() - started
        started = time.perf_counter()
        found = truth.hutchinson(tuned, batch, metrics.loss, PROBES, self.spec.seed)
        seconds = time.perf_counter() - started
        sizes = {name: p.numel() for name, p in tuned.parameters.items()}
        groups = []
        for group in tuned.groups:
            shares = {name: sizes[name] / sum(sizes[other] for other in group.parameters) for name in group.parameters}
            mean = sum(share * found[name][0] for name, share in shares.items())
            # A group's parts share their probes, so their errors may all point one way: they are added, not squared.
            groups.append([mean, sum(share * found[name][1] for name, share in shares.items())])
        self._emit(
            {
                "type": "truth",
                "run": run.index,
                "step": step,
                "groups": groups,
                "probes": PROBES,
                "seconds": seconds,
                "cost": f"{PROBES} probes ≈ {seconds / forward:.0f} forward passes of {len(batch.labels)} examples",
            }
        )

    def _measure_memory(self) -> None:
        """What a step of each run takes, and of the usual three where there is room to try them."""
        opts = dict(zip(self.spec.labels, self.spec.opts, strict=True))
        if sum(p.numel() for p in self._scratch.tuned.parameters.values()) <= MEASURED:
            others = [method for method in specs.DEFAULT_METHODS if method not in opts]
            opts |= {method: OptSpec(method, METHODS[method].hyperparameters()) for method in others}
        batch = self._encoded.batch(0, self.spec.batch, self.spec.seed).to(self._model.device.name)
        tuned = self._at_origin()

        def maker(opt: OptSpec) -> Callable[[], Trainer]:
            # Directions come one after the other: more of them take time, and no memory.
            few = {"n": min(opt.directions, 2)} if METHODS[opt.method].zeroth_order else {}
            return lambda: Trainer(tuned.parameters, opt.method, replace(opt.hyperparameters, **few), 100, 0)

        try:
            measured = memory.measure(tuned, batch, metrics.loss, {label: maker(opt) for label, opt in opts.items()})
        except LanguageModelError as error:  # not on this kind of device
            self._emit({"type": "memory", "rows": [], "how": error.message})
            return
        self._emit({"type": "memory", "rows": [vars(row) for row in measured.rows], "how": measured.how})

    # Rebuilding

    def _run(self, index: int, step: int = 0) -> Run:
        if not 0 <= index < len(self.runs):
            raise SessionError("run", f"run = {index}: must be 0 to {len(self.runs) - 1}")
        run = self.runs[index]
        if not 0 <= step <= len(run.rows):
            raise SessionError(
                "step", f"step = {step}: must be 0 to {len(run.rows)}, the steps that {run.label} has made"
            )
        return run

    def _rebuilt(self, run: Run, step: int) -> tuple[Any, Trainer]:
        """A run's model and trainer as after a step: its own if it is there now, else in the scratch model, from the
        nearest of what is kept. Adam's steps are computed again.
        """
        if run.trainer and run.made == step:
            return run.tuned, run.trainer
        kept = max((at for index, at in self._snapshots if index == run.index and at <= step), default=0)
        scratch = self._scratch
        near = scratch.trainer if scratch.run is run else None
        if near is None or not kept <= near.step <= step:
            if (run.index, kept) in self._snapshots:
                theta, state = self._snapshots[run.index, kept]
                scratch.trainer = near = self._trainer(run, scratch.tuned)
                _restore(scratch.tuned, near, theta, state)
            else:
                scratch.trainer = near = self._trainer(run, self._at_origin())
                self._resume(run, scratch.tuned, near, step)
            scratch.run, scratch.at_origin = run, False
        while near.step < step:
            self._again(run, scratch.tuned, near)
        return scratch.tuned, near

    def _again(self, run: Run, tuned: Any, trainer: Trainer) -> None:
        """Make a step again that is in the log."""
        self._settle(run, trainer)
        if run.method.zeroth_order:
            trainer.replay(_record(run, run.rows[trainer.step]))
        else:
            trainer.advance(self._loss(tuned, trainer.step))
        if trainer.step in run.evaluated:
            self._keep(run, tuned, trainer)

    def _at_origin(self) -> Any:
        """The scratch model at θ_0."""
        scratch = self._scratch
        if not scratch.at_origin:
            if self._origin is not None:
                _write(scratch.tuned.parameters, self._origin)
            else:
                scratch.tuned = None  # there may be no room for two
                scratch.tuned = self._adapted(models.load(self.spec.model, self._device(), self.spec.dtype))
            scratch.run, scratch.trainer, scratch.at_origin = None, None, True
        return scratch.tuned

    def _keep(self, run: Run, tuned: Any, trainer: Trainer) -> None:
        """Keep a copy of θ and the optimizer's state; when there are too many, every other one of a run goes."""
        if (run.index, trainer.step) in self._snapshots:
            return
        theta = {name: p.detach() for name, p in tuned.parameters.items()}
        size = _bytes(theta) + trainer.state_bytes()
        if size > SNAPSHOTS / (2 * len(self.runs)):
            return  # two of every run do not fit: rebuilding starts from θ_0
        while _bytes(list(self._snapshots.values())) + size > SNAPSHOTS:
            steps = [sorted(at for index, at in self._snapshots if index == other.index) for other in self.runs]
            most = max(range(len(steps)), key=lambda index: len(steps[index]))
            for at in steps[most][::2]:
                del self._snapshots[most, at]
        self._snapshots[run.index, trainer.step] = _copied(theta), _copied(trainer.state_dict())

    # The plane of the runs' end points

    def _survey(self) -> Iterator[None]:
        """Find the plane, project the runs' paths on it, compute the loss on it; yields now and then."""
        origin = self._origin
        if origin is None:
            self._emit_plane(f"no loss surface: it needs θ₀, which is not kept beyond {KEPT:,} tuned parameters", [])
            return
        moved = {run.label: landscape.Offset(run.tuned.parameters, origin) for run in self.runs}
        moved = {label: offset for label, offset in moved.items() if landscape.dot(offset, offset) > 0}
        if not moved:
            self._emit_plane("no loss surface: no run has moved", [])
            return
        (label, a), *others = moved.items()
        note = f"x runs from the start to the end of {label}"
        if others:
            other, b = max(others, key=lambda item: landscape.beside(a, item[1]))
            note += f", y at right angles to it in the plane that holds the end of {other}"
        else:
            run = next(run for run in self.runs if run.label == label)
            b = yield from self._farthest(run, a)
            note += ", y at right angles to it through the path's farthest point from that line"
        if landscape.beside(a, b) <= LEAST_ANGLE * math.sqrt(landscape.dot(b, b)):
            b = landscape.random_like(origin, self.spec.seed)
            note = f"x runs from the start to the end of {label}, y in a random direction: the paths are straight"
        plane = landscape.span(a, b)
        paths = self._paths
        if paths is None:
            paths = []
            for run in self.runs:
                points = []
                for step in sorted(run.evaluated):
                    points.append(plane.project(landscape.Offset(self._theta(run, step), origin)))
                    yield
                paths.append({"run": run.index, "steps": sorted(run.evaluated), "points": points})
            self._emit_plane(note, paths)
        yield from self._surface(plane, origin, [tuple(point) for path in paths for point in path["points"]])

    def _farthest(self, run: Run, a: landscape.Vector) -> Generator[None, None, landscape.Vector]:
        """The evaluated point of a run's path that is farthest from the line along `a`, as an offset from θ_0."""
        assert self._origin is not None
        best, height = a, -1.0
        for step in sorted(run.evaluated):
            offset = landscape.Offset(self._theta(run, step), self._origin)
            if (beside := landscape.beside(a, offset)) > height:
                best, height = {name: offset[name].clone() for name in offset}, beside
            yield
        return best

    def _theta(self, run: Run, step: int) -> landscape.Vector:
        kept = self._snapshots.get((run.index, step))
        return kept[0] if kept else self._rebuilt(run, step)[0].parameters

    def _surface(self, plane: landscape.Plane, origin: landscape.Vector, points: list[Any]) -> Iterator[None]:
        """The cross-entropy of some held-out examples over the plane, from coarse to fine."""
        x, y = landscape.axes(points)
        (batch,) = [batch.to(self._model.device.name) for batch in self._encoded.held_out(SURFACE, SURFACE)]
        scratch = self._scratch
        waiting = [cell for cell in landscape.cells() if cell not in self._cells]
        found: list[list[Any]] = []
        told = time.monotonic()
        for left, (ix, iy) in zip(range(len(waiting) - 1, -1, -1), waiting, strict=True):
            scratch.run, scratch.trainer, scratch.at_origin = None, None, False
            plane.place(scratch.tuned.parameters, origin, x[ix], y[iy])
            with torch.no_grad():
                found.append([ix, iy, float(metrics.loss(scratch.tuned.module, batch))])
            if not left or time.monotonic() - told > FLUSH:
                self._cells |= {(ix, iy) for ix, iy, _ in found}
                self._emit({"type": "surface", "kind": "ends", "x": x, "y": y, "cells": found, "done": not left})
                found, told = [], time.monotonic()
            yield

    def _emit_plane(self, note: str, paths: list[Message]) -> None:
        if self._paths is None:
            self._paths = paths
            self._emit({"type": "plane", "kind": "ends", "note": note, "runs": paths})

    # Messages, and what goes wrong

    def _emit(self, message: Message) -> None:
        self._messages.append(message)
        self.listen(message)

    def _progress(self, what: str, done: int, total: int) -> None:
        if self._messages and self._messages[-1]["type"] == "progress":
            self._messages.pop()  # only the newest is of use
        self._emit({"type": "progress", "message": what, "done": done, "total": total, "unit": "steps"})
        if time.monotonic() - self._flushed >= FLUSH:
            self.flush()

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        """Say what would fit when memory runs out."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            words = str(error).lower()  # torch on the CPU raises a plain RuntimeError
            if not isinstance(error, MemoryError) and not any(part in words for part in OUT_OF_MEMORY):
                raise
            spec = self.spec
            fits = [f"batch={spec.batch // 2} in place of {spec.batch}"] if spec.batch > 1 else []
            fits += ["tune=lora or tune=layernorm"] if spec.tune == "full" else []
            fits += ["fewer optimizers side by side"] if len(self.runs) > 1 else []
            fits += ["hizoo_l in place of hizoo"] if any(run.opt.method == "hizoo" for run in self.runs) else []
            fits += ["mezo in place of adam"] if any(run.opt.method == "adam" for run in self.runs) else []
            done = ", ".join(f"{run.label} {len(run.rows)}" for run in self.runs)
            raise SessionError(
                "memory",
                f"out of memory (steps made so far and kept in the log: {done}). What needs less:"
                f" {', '.join([*fits, 'a smaller model'])}",
            ) from error


def _record(run: Run, row: StepRow) -> StepRecord:
    half = len(row.scalars) // 2 if run.method.estimates_hessian else len(row.scalars)
    first, second = row.scalars[:half], row.scalars[half:]
    return StepRecord(row.step - 1, row.lr, row.alpha, row.loss, first, second, row.length)


def _twin(tuned: Any) -> Any:
    """An independent copy of what is tuned, in a model that shares everything else with the given one."""
    trainable = {id(p) for p in tuned.parameters.values()}
    shared = {id(p): p for p in tuned.module.parameters() if id(p) not in trainable}
    return copy.deepcopy(tuned, shared)


def _write(parameters: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])


def _restore(tuned: Any, trainer: Trainer, theta: Mapping[str, torch.Tensor], state: Any) -> None:
    _write(tuned.parameters, theta)
    trainer.load_state_dict(_copied(state))


def _copied(value: Any) -> Any:
    """Tensors copied to the CPU, in whatever holds them."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    return value


def _bytes(value: Any) -> int:
    """The size of the tensors in a nest of dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0
