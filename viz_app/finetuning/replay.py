"""A run's parameters at any step that it made, from the log: replayed from the nearest copy that is kept."""

import copy
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hizoo_core.training import Trainer
from viz_app.finetuning import limits
from viz_app.finetuning.loading import Materials
from viz_app.finetuning.run import Run
from viz_app.finetuning.store import Log


class Checkpoints:
    """θ and the optimizer's state of runs that a log alone cannot rebuild."""

    def __init__(self, job: int, log: Log) -> None:
        self._job, self._log = job, log

    def newest(self, run: Run) -> tuple[int, bytes] | None:
        return None if run.method.zeroth_order else self._log.checkpoint(self._job, run.index)

    def due(self, run: Run) -> bool:
        wait = limits.CHECKPOINT_SHARE * run.saving
        return not run.method.zeroth_order and (run.over or time.monotonic() - run.saved > wait)

    def save(self, run: Run) -> None:
        assert run.trainer is not None
        started = time.monotonic()
        self._log.save_checkpoint(self._job, run.index, run.made, _checkpoint(run.tuned, run.trainer))
        run.saved = time.monotonic()
        run.saving = run.saved - started


@dataclass
class _Scratch:
    """A tuned model in which past steps are rebuilt; which run's step it holds, unless it holds none."""

    tuned: Any
    run: Run | None = None
    trainer: Trainer | None = None
    at_origin: bool = True


class Replay:
    """θ_0, copies of θ and the optimizers' states on the way, and a model in which steps are rebuilt.

    `origin` is θ_0; None in models with more than `limits.KEPT` trainable parameters, which are loaded again instead.
    """

    def __init__(
        self,
        materials: Materials,
        tuned: Any,
        runs: Sequence[Run],
        checkpoints: Checkpoints,
    ) -> None:
        self._materials, self._runs, self._checkpoints = materials, runs, checkpoints
        self._scratch = _Scratch(tuned)
        small = sum(p.numel() for p in tuned.parameters.values()) <= limits.KEPT
        self.origin = {name: p.detach().clone() for name, p in tuned.parameters.items()} if small else None
        self._kept: dict[tuple[int, int], tuple[dict[str, torch.Tensor], Any]] = {}

    def start(self, run: Run) -> None:
        """Give a run a model of its own at θ_0, or where its checkpoint is."""
        run.tuned = twin(self.at_origin())
        run.trainer = self._trainer(run, run.tuned)
        self._resume(run, run.tuned, run.trainer, len(run.rows))

    def settle(self, run: Run, trainer: Trainer) -> None:
        """Set what was changed by hand at this step."""
        for setting in run.settings:
            if setting.step == trainer.step:
                trainer.set(setting.lr, setting.alpha)

    def again(self, run: Run, tuned: Any, trainer: Trainer) -> None:
        """Make a step again that is in the log. Adam's is computed again."""
        self.settle(run, trainer)
        if run.method.zeroth_order:
            trainer.replay(run.record(run.rows[trainer.step]))
        else:
            trainer.advance(self._materials.loss(tuned, trainer.step))
        if trainer.step in run.evaluated:
            self.keep(run, tuned, trainer)

    def rebuilt(self, run: Run, step: int) -> tuple[Any, Trainer]:
        """A run's model and trainer as after a step: its own if it is there now, else in the scratch model."""
        if run.trainer and run.made == step:
            return run.tuned, run.trainer
        kept = max((at for index, at in self._kept if index == run.index and at <= step), default=0)
        scratch = self._scratch
        near = scratch.trainer if scratch.run is run else None
        if near is None or not kept <= near.step <= step:
            if (run.index, kept) in self._kept:
                theta, state = self._kept[run.index, kept]
                scratch.trainer = near = self._trainer(run, scratch.tuned)
                _restore(scratch.tuned, near, theta, state)
            else:
                scratch.trainer = near = self._trainer(run, self.at_origin())
                self._resume(run, scratch.tuned, near, step)
            scratch.run, scratch.at_origin = run, False
        while near.step < step:
            self.again(run, scratch.tuned, near)
        return scratch.tuned, near

    def theta(self, run: Run, step: int) -> Mapping[str, torch.Tensor]:
        """θ after a step: a copy that is kept, or until the next call of any method, the scratch model's."""
        kept = self._kept.get((run.index, step))
        return kept[0] if kept else self.rebuilt(run, step)[0].parameters

    def at_origin(self) -> Any:
        """The scratch model at θ_0."""
        scratch = self._scratch
        if not scratch.at_origin:
            if self.origin is not None:
                _write(scratch.tuned.parameters, self.origin)
            else:
                scratch.tuned = scratch.trainer = None  # there may be no room for two
                scratch.tuned = self._materials.loaded_again()
            scratch.run, scratch.trainer, scratch.at_origin = None, None, True
        return scratch.tuned

    def borrowed(self) -> Any:
        """The scratch model, to be written into."""
        scratch = self._scratch
        scratch.run, scratch.trainer, scratch.at_origin = None, None, False
        return scratch.tuned

    def keep(self, run: Run, tuned: Any, trainer: Trainer) -> None:
        """Keep a copy of θ and the optimizer's state; when there are too many, every other one of a run goes."""
        if (run.index, trainer.step) in self._kept:
            return
        theta = {name: p.detach() for name, p in tuned.parameters.items()}
        size = tensor_bytes(theta) + trainer.state_bytes()
        if size > limits.SNAPSHOTS / (2 * len(self._runs)):
            return  # two of every run do not fit: rebuilding starts from θ_0
        while self.kept_bytes() + size > limits.SNAPSHOTS:
            kept = {run.index: sorted(at for index, at in self._kept if index == run.index) for run in self._runs}
            most = max(kept, key=lambda index: len(kept[index]))
            for at in kept[most][::2]:
                del self._kept[most, at]
        self._kept[run.index, trainer.step] = _copied(theta), _copied(trainer.state_dict())

    def forget(self) -> None:
        """Keep no more copies of what has been passed."""
        self._kept.clear()

    def kept_bytes(self) -> int:
        return tensor_bytes(list(self._kept.values()))

    def _trainer(self, run: Run, tuned: Any) -> Trainer:
        seed = self._materials.spec.seed
        return Trainer(tuned.parameters, run.opt.method, run.opt.hyperparameters, run.steps, seed)

    def _resume(self, run: Run, tuned: Any, trainer: Trainer, most: int) -> None:
        """Go on from Adam's checkpoint, if there is one at step `most` or before."""
        if checkpoint := self._checkpoints.newest(run):
            step, blob = checkpoint
            if step <= most:
                saved = torch.load(io.BytesIO(blob), weights_only=True)
                _restore(tuned, trainer, saved["theta"], saved["state"])


def _checkpoint(tuned: Any, trainer: Trainer) -> bytes:
    """θ and the optimizer's state, as `Replay._resume` reads them."""
    buffer = io.BytesIO()
    torch.save({"theta": dict(tuned.parameters), "state": trainer.state_dict()}, buffer)
    return buffer.getvalue()


def twin(tuned: Any) -> Any:
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
    trainer.load_state_dict(state)


def _copied(value: Any) -> Any:
    """Tensors copied to the CPU, in whatever holds them."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    return value


def tensor_bytes(value: Any) -> int:
    """The size of the tensors in a nest of dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(tensor_bytes, value.values()))
    return sum(map(tensor_bytes, value)) if isinstance(value, list | tuple) else 0
