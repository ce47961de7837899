"""Session: one fine-tuning job, step by step, from its spec and its log. The engine of the worker and of the shell.

All runs of a seed start from the same θ_0 and see the same minibatches and directions; whoever has spent the fewest
forward passes is next. One seed is trained after the other. What happens goes to the log as messages that a page draws,
together with the scalars of each step, from which everything can be rebuilt: after a crash (`open`), at any step (`at`,
`weights`), for the plane of the runs' end points (`survey`). The messages are listed in `viz_app.finetuning.routes`.

Imports torch; a process that only looks at jobs needs `viz_app.finetuning.store` alone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from functions.language_model import LanguageModelError, devices, export, metrics, stored
from hizoo_core import kernels
from hizoo_core.auto_rate import AUTO
from hizoo_core.training import Diverged
from viz_app.finetuning import comparison, fingerprint, forecast, headroom, journal, loading, local_models
from viz_app.finetuning import spec as specs
from viz_app.finetuning.failures import SessionError, enough_memory, is_out_of_memory, needs_less
from viz_app.finetuning.journal import Journal, Message
from viz_app.finetuning.remaining import Remaining
from viz_app.finetuning.repetitions import Repetitions
from viz_app.finetuning.replay import Checkpoints
from viz_app.finetuning.run import Run
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log, LogFull, Setting
from viz_app.finetuning.surface import Surface

__all__ = ["Session", "SessionError"]


class Session:
    """One job. After `open`, call `advance` until it returns False; the other methods may be called in between.

    `listen` is told every message as it happens, before it is stored. Errors: LanguageModelError and SessionError for
    what a person can put right, LogFull while nothing can be stored (`advance` then trains no further, and goes on once
    it can). Diagnostics that fail are told in a message "note", and the training goes on.
    """

    def __init__(
        self, job: int, spec: FinetuneSpec, log: Log, listen: Callable[[Message], None] = lambda message: None
    ) -> None:
        self.job, self.log, self.spec = job, log, spec
        self.runs = tuple(
            Run(
                index=i,
                label=spec.label_of(i),
                opt=spec.opt_of(i),
                steps=spec.steps_of(i),
                cost=spec.forwards_per_step(i),
                repetition=spec.repetition_of(i),
                seed=spec.seed + spec.repetition_of(i) if spec.runs > 1 else None,
            )
            for i in range(spec.count)
        )
        self._journal = Journal(job, log, listen)
        self._surface = Surface(self.runs[: len(spec.opts)], self._journal)
        self._begun = {0}  # seeds of which the log says what their runs are evaluated on
        self._compared = 1  # seeds over which the log compares the optimizers
        self._survey: Iterator[None] | None = None
        self.forecast: forecast.Forecast | None = None
        self._remaining: Remaining | None = None

    # The job

    def open(self, training: bool = True) -> None:
        """Load the model and the task, read the log, and say what is planned if that was not said before. Without
        `training`, the memory need only suffice for `at` and `weights`. Raises SessionError if the log's numbers would
        be others here.
        """
        plan = self._recall()
        with enough_memory(self.spec, self.runs, "loading"):
            device = self._device(plan)
            self._check(plan, fingerprint.of_code())
            spec = local_models.resolved(self.spec, self.log.directory)
            if plan is not None and spec.dtype == "auto":  # which may be another format on this device
                spec = replace(spec, dtype=plan["dtype"])
            states = self.log.directory / stored.FOLDER
            self._materials = loading.load(
                spec, device, self.log.data(spec.data), self._journal.progress, training, states
            )
        with enough_memory(self.spec, self.runs, "evaluating"):
            zero_shot = None if plan or self.spec.top else self._zero_shot(self._materials.model)
        with enough_memory(self.spec, self.runs, "loading"):
            tuned, read = self._materials.adapted(), 0
            self._set_clock(tuned, plan)
            checkpoints = Checkpoints(self.job, self.log)
            self._repetitions = Repetitions(self._materials, tuned, self.runs, checkpoints, self._journal)
            if training and self.spec.top:  # otherwise what is missing is read when it is asked for
                steps, seeds = max(run.steps for run in self.runs), range(self.spec.runs)
                texts = [text for number in seeds for text in self._repetitions.materials(number).read(steps)]
                read = self._materials.fill(tuned, texts, self._journal.progress, self._journal.note)
            if self.spec.top and not plan:
                zero_shot = self._zero_shot(tuned)  # the whole model's, which would take as long as the filling
            facts = fingerprint.fingerprint(self._materials, tuned)
            self._check(plan, facts)
        if zero_shot is not None:
            cost = headroom.planned(len(self._materials.task.train), self.spec.batch)
            plan = loading.plan(self.spec, self._materials, tuned, self.runs, zero_shot, facts, read)
            self._journal.say(plan | {"headroom": cost})
            if sentence := loading.works_everywhere(tuned):
                self._journal.note(sentence)
            if slower := kernels.missing(torch.device(self._materials.device)):
                self._journal.note(slower)
        self._journal.progress_over()
        with suppress(LogFull):  # `advance` will say so, and go on once there is space
            self.flush()
        texts, place = self._materials.texts, self._materials.device
        spec = replace(self._materials.spec, dtype=self.spec.dtype)  # as notes of the pace name it
        self.forecast = forecast.forecast(spec, self.log.notes(), lambda: texts, place)
        self._expect()

    def refresh(self) -> None:
        """Take up what another process has added to the log since: a shell may have trained the job on."""
        try:
            self.flush()
        except LogFull:
            return  # what is not stored yet was made here; `advance` will say so
        if self.log.count_steps(self.job) != sum(len(run.rows) for run in self.runs):
            self._survey = None
            self._recall()
            self._expect()

    def left(self) -> float | None:
        """Seconds that the training will still take, by the forecast and by what has been done since `open`."""
        return self._remaining.seconds() if self._remaining else None

    def _expect(self) -> None:
        self._remaining = Remaining(self.forecast, self.runs) if self.forecast else None

    def trained(self) -> bool:
        """Whether every run has ended and was measured."""
        return self._current() is None

    def advance(self) -> bool:
        """Do a small part of what is left: a step of the run whose turn it is, or an evaluation. False when there is
        nothing left.
        """
        timed = self._remaining.timed() if self._remaining else nullcontext()
        with enough_memory(self.spec, self.runs, "training", self._bytes), timed:
            number = self._current()
            self._compare(self.spec.runs if number is None else number)
            if number is None:
                self.flush()
                return False
            if number not in self._begun:
                for before in range(number):
                    self._repetitions.leave(before)
                self._repetitions.begin(number)
                self._begun.add(number)
            elif self._caught_up(number):
                running = [run for run in self._repetitions.runs(number) if not run.over]
                self._step(min(running, key=lambda run: run.made * run.cost))
        return True

    def _current(self) -> int | None:
        """The first seed of which something is left to do."""
        last = self.spec.runs - 1
        for number in range(self.spec.runs):
            runs, is_idle = self._repetitions.runs(number), self._repetitions.is_idle(number)
            done = all(run.over or (number < last and run.trainer is None and run.complete) for run in runs)
            if not (done and is_idle):
                return number
        return None

    def _compare(self, seeds: int) -> None:
        """Compare the optimizers over the seeds that are done, if that has not been said."""
        enough = seeds >= min(comparison.LEAST, self.spec.runs)
        if seeds > self._compared and enough and len(self.spec.opts) > 1:
            self.flush()
            self._journal.say(comparison.message(self.spec, comparison.outcomes(self.log.messages(self.job)), seeds))
        self._compared = max(seeds, self._compared)

    def survey(self) -> bool:
        """Do a small part of what is left of the loss over the plane of the end points of the first seed's runs, of a
        job that trains no more for now. False when there is nothing left.
        """
        with enough_memory(self.spec, self.runs, "surface"):
            if self._caught_up(0):
                replay = self._repetitions.at(0).replay
                survey, self._survey = self._survey or self._surface.parts(self._materials, replay), None
                if next(survey, self) is self:
                    self._journal.progress_over()
                    self.flush()
                    return False
                self._survey = survey
        return True

    def flush(self) -> None:
        """Store what has happened since the last time, in one transaction. After LogFull nothing is forgotten."""
        self._journal.flush()

    def close(self) -> None:
        """Store what there is and let go of the models."""
        self._journal.progress_over()
        self.flush()
        for run in self.runs:
            run.tuned = run.trainer = None
        self._survey = self._remaining = None
        del self._materials, self._repetitions
        devices.release()

    # What a person may ask in between

    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None:
        """Change a run's base learning rate or α from its next step on. Raises HyperparameterError and SessionError."""
        chosen = self._run(run)
        before = chosen.base()
        if alpha is not None and not hasattr(before, "alpha"):
            raise SessionError("alpha", f"{chosen.method.name} has no α to set")
        changes = {name: value for name, value in (("lr", lr), ("alpha", alpha)) if value is not None}
        after = replace(before, **changes)
        rate = None if after.lr == AUTO else after.lr
        setting = Setting(len(chosen.rows), rate, getattr(after, "alpha", None))
        chosen.settings = [old for old in chosen.settings if old.step != setting.step] + [setting]
        self._journal.setting(run, setting)
        self.flush()

    def estimate_truth(self, run: int) -> None:
        """Estimate the diagonal of the Hessian at a run's newest step, with Hutchinson's method."""
        chosen, step = self._run(run), len(self.runs[run].rows)
        with enough_memory(self.spec, self.runs, "reference"):
            here = self._repetitions.at(chosen.repetition)
            tuned, _ = here.replay.rebuilt(chosen, step)
            self._journal.say(here.measuring.diagnostics.reference(chosen, tuned, step))
        self.flush()

    def measure_headroom(self, run: int, step: int | None = None) -> Message:
        """What curvature could gain at a step of a run (its newest), in rounds beside those measured there before."""
        chosen = self._run(run, step or 0)
        step = len(chosen.rows) if step is None else step
        self.flush()
        known = [m for m in self.log.messages(self.job) if m["type"] == "headroom"]
        before = next((m for m in reversed(known) if (m["run"], m["step"]) == (run, step)), None)
        what = f"measuring the headroom at step {step} of {chosen.name}"
        with enough_memory(self.spec, self.runs, "reference"):
            here = self._repetitions.at(chosen.repetition)
            tuned, trainer = here.replay.rebuilt(chosen, step)
            told = partial(self._journal.progress, what, unit="texts")
            try:
                message = headroom.message(here.materials, chosen, tuned, trainer, step, before, told)
            except LanguageModelError as error:
                self._journal.note(f"no headroom at step {step} of {chosen.name}: {error.message}", run)
                self._journal.progress_over()
                raise
        self._journal.say(message)
        self._journal.progress_over()
        self.flush()
        return message

    def at(self, run: int, step: int) -> dict[str, Message | None]:
        """{"evaluation", "hessian"} of any step that was made, rebuilt from the log; "hessian" is None of a method
        without P, or if its summary fails.
        """
        chosen = self._run(run, step)
        with enough_memory(self.spec, self.runs, "evaluating"):
            here = self._repetitions.at(chosen.repetition)
            tuned, trainer = here.replay.rebuilt(chosen, step)
            evaluation = here.measuring.diagnostics.evaluation(chosen, tuned, step)
            return {"evaluation": evaluation, "hessian": here.measuring.hessian(chosen, tuned, trainer, step)}

    def weights(self, run: int, step: int) -> export.Weights:
        """Copies of the trainable parameters at any step that was made, on the CPU."""
        chosen = self._run(run, step)
        with enough_memory(self.spec, self.runs, "loading"):
            tuned, _ = self._repetitions.at(chosen.repetition).replay.rebuilt(chosen, step)
            return export.weights(tuned)

    def _run(self, index: int, step: int = 0) -> Run:
        if not 0 <= index < len(self.runs):
            raise SessionError("run", f"run = {index}: must be 0 to {len(self.runs) - 1}")
        run = self.runs[index]
        if not 0 <= step <= len(run.rows):
            raise SessionError(
                "step", f"step = {step}: must be 0 to {len(run.rows)}, the steps that {run.name} has made"
            )
        return run

    # Opening

    def _zero_shot(self, model: Any) -> metrics.Evaluation:
        return metrics.evaluate(model.module, self._materials.held_out)

    def _recall(self) -> Message | None:
        """Take up where the log ends. Returns the message "plan", if there is one."""
        plan = None
        for run in self.runs:
            run.rows = self.log.steps(self.job, run.index)
            run.settings = self.log.settings(self.job, run.index)
        for message in self.log.messages(self.job):
            kind, run = message["type"], message.get("run")
            self._journal.said.add(kind)
            if kind == "plan":
                plan = message
            elif kind == "evaluation":
                loss = message["loss"]
                self.runs[message["run"]].evaluated.setdefault(message["step"], torch.nan if loss is None else loss)
            elif kind == "seed":
                self._begun.add(message["repetition"])
            elif kind == "comparison":
                self._compared = message["seeds"]
            elif kind == "status" and run is not None:
                self.runs[run].ended |= message["state"] == "failed"
            else:
                self._surface.told(message)
        return plan

    def _set_clock(self, tuned: Any, plan: Message | None) -> None:
        """What the runs' steps cost by the fair clock: what the plan says, as the log's steps are counted by that."""
        share = loading.share_of(tuned)
        for run in self.runs:
            run.price, run.filling = share * run.cost, self._materials.filling(share, run.steps)
            if plan:
                planned = plan["runs"][run.index]
                run.price, run.filling = planned["forwards_per_step"], planned.get("filling", 0.0)

    def _device(self, plan: Message | None) -> str:
        """The spec's device; where it says "auto", the one that the job's queue or its log names, if it is here."""
        queue = self.log.job(self.job).device
        if self.spec.device != "auto" or specs.DEVICE.fullmatch(queue):
            return queue if self.spec.device == "auto" else self.spec.device
        name = plan["device"]["name"] if plan else "auto"
        return name if name in [device.name for device in devices.devices()] else "auto"

    def _check(self, plan: Message | None, facts: Message) -> None:
        """Refuse to go on with a log that is of another model or generator of random numbers."""
        if plan is None:
            return
        if found := fingerprint.differences(plan.get("fingerprint") or {}, facts):
            raise SessionError("fingerprint", fingerprint.mismatch(self.job, found))

    # Training

    def _caught_up(self, number: int) -> bool:
        """Do a part of what comes before the next step of a seed's runs (measuring, replaying the log), or say that
        nothing does.
        """
        if self._journal.due:
            self.flush()
        here, runs = self._repetitions.at(number), self._repetitions.runs(number)
        if here.measuring.measured():
            return False
        waiting = [run for run in runs if run.trainer is None and not run.gone]
        behind = waiting or [run for run in runs if run.made < len(run.rows) and not run.gone]
        if not behind:
            return True
        try:
            if waiting:
                here.replay.start(waiting[0])
                here.measuring.arrived(waiting[0])
            else:
                self._make_again(behind[0])
        except Exception as error:
            if not is_out_of_memory(error) or not behind[0].ended:
                raise
            self._let_go(behind[0])  # it makes no more steps; the others go on without it
        return False

    def _let_go(self, run: Run) -> None:
        """Give back what a run holds, which may be half changed; its log stays."""
        run.gone, run.tuned, run.trainer = True, None, None
        devices.release()

    def _make_again(self, run: Run) -> None:
        """As many steps of the log as fit between two chunks."""
        assert run.trainer is not None
        here, started = self._repetitions.at(run.repetition), time.monotonic()
        while run.made < len(run.rows):
            here.replay.again(run, run.tuned, run.trainer)
            if time.monotonic() - started > journal.FLUSH:
                break
        self._journal.progress(f"replaying {run.name} from the log", run.made, len(run.rows), "steps")
        if run.made == len(run.rows):
            self._journal.progress_over()
        here.measuring.arrived(run)

    def _bytes(self, spec: FinetuneSpec) -> int | None:
        """The peak of a job like this one on its device, by the forecast."""
        texts, place = self._materials.texts, self._materials.device
        made = forecast.forecast(spec, self.log.notes(), lambda: texts, place)
        return made.bytes if made else None

    def _end(self, run: Run, why: str) -> None:
        """Say that a run makes no more steps."""
        run.ended = True
        rest = "" if all(other.over or other.complete for other in self.runs) else "; the other runs go on"
        sentence = f"{why}. Step {len(run.rows)} is its last good one, kept in the log{rest}"
        self._journal.say({"type": "status", "state": "failed", "run": run.index, "message": sentence})

    def _step(self, run: Run) -> None:
        assert run.trainer is not None
        self._survey = None  # the runs' ends will be others
        here = self._repetitions.at(run.repetition)
        here.replay.settle(run, run.trainer)
        started = time.perf_counter()
        try:
            record = run.trainer.advance(here.materials.loss(run.tuned, run.made, run.auto))
        except Diverged as diverged:
            self._end(run, diverged.sentence)
        except Exception as error:
            if not is_out_of_memory(error) or all(
                other.over or other.complete for other in self.runs if other is not run
            ):
                raise
            tried = str(error).partition("\n")[0][:200]
            run.gone = True
            less = needs_less(self.spec, "training", self._bytes)
            self._end(run, f"out of memory at step {run.made + 1}{f' ({tried})' if tried else ''}. Needs less: {less}")
        else:
            row = run.row(record, time.perf_counter() - started)
            run.rows.append(row)
            self._journal.step(run.index, row)
            if readings := run.trainer.readings:
                self._journal.rate(run.index, row.step, readings)
        if run.gone:
            self._let_go(run)
        else:
            here.measuring.arrived(run)
