"""What is measured beside the training: the messages "evaluation", "hessian", "truth" and "memory"."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from functions.language_model import memory, metrics, truth
from hizoo_core.training import METHODS, Trainer
from viz_app.finetuning import hessian_groups, limits, plane
from viz_app.finetuning.journal import Message
from viz_app.finetuning.loading import Materials
from viz_app.finetuning.run import Run
from viz_app.spec.runs import OptSpec


class Diagnostics:
    """Of one job's models, as they are handed in. `origin` is θ_0, or None where it is not kept."""

    def __init__(self, materials: Materials, tuned: Any, origin: plane.Vector | None) -> None:
        self._materials, self._origin = materials, origin
        self._fixed = plane.RandomPlane(tuned.parameters, materials.spec.seed)

    def evaluation(self, run: Run, tuned: Any, step: int) -> Message:
        """On the held-out texts; and where the run is, on two fixed directions and in distance from θ_0."""
        result = metrics.evaluate(tuned.module, self._materials.held_out)
        distance = None
        if self._origin is not None:
            offset = plane.Offset(tuned.parameters, self._origin)
            distance = math.sqrt(plane.dot(offset, offset))
        return {
            "type": "evaluation",
            "run": run.index,
            "step": step,
            "forwards": run.forwards(step),
            "seconds": run.rows[step - 1].seconds if step else 0.0,
            "loss": result.loss,
            "accuracy": result.accuracy,
            "f1": result.f1,
            "probabilities": [[round(float(p), 5) for p in row] for row in result.probabilities[: limits.SENTENCES]],
            "position": list(self._fixed.position(tuned.parameters)),
            "distance": distance,
        }

    def hessian(self, run: Run, tuned: Any, trainer: Trainer, step: int) -> Message:
        """P in few numbers, of a method that has one."""
        shapes = {name: p.shape for name, p in tuned.parameters.items()}
        found = hessian_groups.summary(tuned.groups, shapes, trainer.curvature)
        known = [hessian_groups.reliability(group, shapes, trainer.reliability) for group in tuned.groups]
        told = {} if None in known else {"reliability": known}
        return {"type": "hessian", "run": run.index, "step": step, **found, **told}

    def reference(self, run: Run, tuned: Any, step: int) -> Message:
        """Hutchinson's estimate of the diagonal of the Hessian of the cross-entropy, whatever loss is trained on, on
        examples that stay the same.
        """
        batch = self._materials.batch(0, limits.REFERENCE)
        with torch.no_grad():
            started = time.perf_counter()
            metrics.loss(tuned.module, batch).item()
        forward = time.perf_counter() - started
        started = time.perf_counter()
        found = truth.hutchinson(tuned, batch, metrics.loss, limits.PROBES, self._materials.spec.seed)
        seconds = time.perf_counter() - started
        passes = f"{limits.PROBES} probes ≈ {seconds / forward:.0f} forward passes"
        return {
            "type": "truth",
            "run": run.index,
            "step": step,
            "groups": [_of_group(group, tuned, found) for group in tuned.groups],
            "probes": limits.PROBES,
            "seconds": seconds,
            "cost": f"{passes} of {len(batch.labels)} examples",
        }

    def memory(self, tuned: Any, label: str, opt: OptSpec) -> memory.Measurement:
        """What a step of one of the job's methods takes. `tuned` is left as it was."""
        # Directions come one after the other: more of them take time, and no memory.
        few = {"n": min(opt.directions, 2)} if METHODS[opt.method].zeroth_order else {}

        def make() -> Trainer:
            return Trainer(tuned.parameters, opt.method, replace(opt.hyperparameters, **few), 100, 0)

        makers: Mapping[str, Callable[[], Trainer]] = {label: make}
        batch = self._materials.batch(0, self._materials.spec.batch)
        return memory.measure(tuned, batch, metrics.loss, makers)


def _of_group(group: Any, tuned: Any, found: Mapping[str, tuple[float, float]]) -> list[float]:
    """[mean, standard error] of a group. Its parts share their probes, so their errors may all point one way: they are
    added, not squared.
    """
    sizes = {name: tuned.parameters[name].numel() for name in group.parameters}
    shares = {name: size / sum(sizes.values()) for name, size in sizes.items()}
    return [sum(share * found[name][part] for name, share in shares.items()) for part in (0, 1)]
