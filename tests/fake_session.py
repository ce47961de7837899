"""A training session without a model: quick steps whose numbers follow from job, run and step. `python
tests/fake_session.py` is a worker with it; a spec's seed says how a job goes wrong (WRONG).
"""

import os
import signal
import sys
import time
from typing import Any, ClassVar

from hizoo_core import HyperparameterError
from viz_app.finetuning import forecast as estimate
from viz_app.finetuning import worker_process
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log, Setting, StepRow

PAUSE = float(os.environ.get("FAKE_STEP", "0.002"))
LOG = os.environ.get("FAKE_LOG")  # a file that gets a line for each step that is made, stored or not

KILLED_AT_OPENING, KILLED_ONCE, KILLED_EVERY_5, RAISES, NO_MEMORY, SLOW, HANGS, LOADS = range(901, 909)


def scalars(job: int, run: int, step: int) -> tuple[float, ...]:
    return (job * 1.0, run * 0.5, step * 0.25)


class FakeSession:
    opened: ClassVar[list[int]] = []

    def __init__(self, job: int, spec: FinetuneSpec, log: Log) -> None:
        self.job, self.log, self.spec = job, log, spec
        self.rows: list[list[StepRow]] = []

    def open(self, training: bool = True) -> None:
        FakeSession.opened.append(self.job)
        if self.spec.seed == KILLED_AT_OPENING:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.spec.seed == LOADS:
            time.sleep(3600)
        if self.spec.seed == NO_MEMORY:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        self.refresh()
        if not self.log.chunks(self.job, limit=1):
            self.log.append(self.job, messages=[{"type": "plan", "spec": self.spec.query()}])

    def refresh(self) -> None:
        self.rows = [self.log.steps(self.job, run) for run in range(self.spec.count)]

    def trained(self) -> bool:
        return all(len(rows) >= self.spec.steps_of(run) for run, rows in enumerate(self.rows))

    def left(self) -> float | None:
        return 100.0 * (self.spec.steps_of(0) - len(self.rows[0]))

    def advance(self) -> bool:
        open_runs = [run for run, rows in enumerate(self.rows) if len(rows) < self.spec.steps_of(run)]
        if not open_runs:
            return False
        run = min(open_runs, key=lambda run: len(self.rows[run]))
        step = len(self.rows[run]) + 1
        if self.spec.seed == RAISES and step == 3:
            raise ArithmeticError("the third step is one too many")
        if self.spec.seed == HANGS and step == 3:
            time.sleep(1000)
        time.sleep(50 * PAUSE if self.spec.seed == SLOW else PAUSE)
        if LOG:
            with open(LOG, "a") as lines:
                lines.write(f"{self.job} {run} {step}\n")
        row = StepRow(step, step * 2, step * PAUSE, 1 / step, 0.5, None, 0.1, 1e-3, None, scalars(self.job, run, step))
        self.log.append(self.job, [(run, row)])
        self.rows[run].append(row)
        if self.spec.seed == KILLED_EVERY_5 and step % 5 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def survey(self) -> bool:
        """Three parts of a surface; a fourth call finds nothing left."""
        time.sleep(PAUSE)
        parts = sum(message["type"] == "surface" for message in self.log.messages(self.job))
        if parts < 3:
            self.log.append(self.job, messages=[{"type": "surface", "cells": [[parts, 0, 0.5]], "done": parts == 2}])
        return parts < 3

    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None:
        if lr == 0.125:
            raise HyperparameterError("lr", lr, "something else")
        setting = Setting(len(self.rows[run]), lr, alpha)
        message = {"type": "setting", "run": run, "step": setting.step, "lr": lr, "alpha": alpha}
        self.log.append(self.job, messages=[message], settings=[(run, setting)])

    def estimate_truth(self, run: int) -> None:
        self.log.append(self.job, messages=[{"type": "truth", "run": run, "step": len(self.rows[run])}])

    def measure_headroom(self, run: int, step: int | None = None) -> None:
        self.log.append(self.job, messages=[{"type": "headroom", "run": run, "step": step}])

    def at(self, run: int, step: int) -> dict[str, Any]:
        if step == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"evaluation": {"type": "evaluation", "run": run, "step": step}, "hessian": None}

    def weights(self, run: int, step: int) -> Any:
        import torch

        from functions.language_model.export import Weights

        return Weights({"weight": torch.full((2, 3), float(step))})

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.rows = []


def main() -> int:
    if "--devices" not in sys.argv:
        return worker_process.main(session=FakeSession)
    log = Log(sys.argv[sys.argv.index("--data") + 1])
    log.note(estimate.DEVICES, {"auto": "cpu", "devices": [{"name": "cpu", "title": "a CPU", "memory": 2**30}]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
