"""What is measured when a run arrives at a step, and when: an evaluation, and diagnostics that may fail."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from functions.language_model import devices
from hizoo_core.training import Trainer
from viz_app.finetuning import outcome
from viz_app.finetuning.diagnostics import Diagnostics
from viz_app.finetuning.failures import enough_memory, in_words
from viz_app.finetuning.journal import Journal, Message
from viz_app.finetuning.replay import Checkpoints, Replay
from viz_app.finetuning.run import Run
from viz_app.finetuning.spec import FinetuneSpec


class Measuring:
    """The measurements of one job that are due. Diagnostics that fail are told in a message "note", with what leaves
    them out, and the training goes on; an evaluation that fails ends it.
    """

    def __init__(
        self,
        replay: Replay,
        diagnostics: Diagnostics,
        journal: Journal,
        checkpoints: Checkpoints,
        runs: Sequence[Run],
        spec: FinetuneSpec,
    ) -> None:
        self.diagnostics = diagnostics
        self._replay, self._journal, self._checkpoints = replay, journal, checkpoints
        self._runs, self._spec = runs, spec
        self._todo: deque[Callable[[], None]] = deque()
        self._reference_failed = False

    def arrived(self, run: Run) -> None:
        """Put an evaluation on the list if the newest step of a run is due for one."""
        if run.made == len(run.rows) and run.made not in run.evaluated and run.due(run.made, self._spec.eval):
            self._todo.append(lambda: self._evaluate(run))

    @property
    def idle(self) -> bool:
        """Whether nothing is on the list."""
        return not self._todo

    def measured(self) -> bool:
        """Whether something was on the list; then it has been done."""
        if self.idle:
            return False
        self._journal.flush()  # measuring takes long enough for a step to be lost in
        self._todo.popleft()()
        return True

    def hessian(self, run: Run, tuned: Any, trainer: Trainer, step: int) -> Message | None:
        """The message "hessian"; None of a method without P, or if it fails."""
        if not run.method.estimates_hessian:
            return None
        what = f"no summary of P at step {step} of {run.name}"
        return self._attempt(what, lambda: self.diagnostics.hessian(run, tuned, trainer, step), run.index)

    def _evaluate(self, run: Run) -> None:
        assert run.trainer is not None
        step, count = run.made, len(run.evaluated)
        if step in run.evaluated:  # by another process meanwhile
            return
        with enough_memory(self._spec, self._runs, "evaluating"):
            evaluation = self.diagnostics.evaluation(run, run.tuned, step)
        run.evaluated[step] = evaluation["loss"]
        self._replay.keep(run, run.tuned, run.trainer)
        self._journal.say(evaluation)
        if hessian := self.hessian(run, run.tuned, run.trainer, step):
            self._journal.say(hessian)
        self._judge(run)
        if self._checkpoints.due(run):
            self._todo.append(lambda: self._checkpoints.save(run))
        if step:
            self._todo.append(self._memory)
        if self._spec.truth and run.method.estimates_hessian and count % self._spec.truth == 0:
            self._todo.append(lambda: self._reference(run, step))

    def _judge(self, run: Run) -> None:
        """Say of a run that has made its last step, or just its first ones, what "finished" would hide."""
        if run.ended or not run.made:
            return
        warmup = getattr(run.opt.hyperparameters, "warmup", 0)
        dtype = str(next(iter(run.tuned.parameters.values())).dtype).removeprefix("torch.")
        losses = [run.evaluated[step] for step in sorted(run.evaluated)]
        sentence = outcome.verdict(losses, run.rows[warmup:], run.base().lr, dtype)
        if sentence and run.over:
            self._journal.say({"type": "status", "state": "finished", "run": run.index, "message": sentence})
        elif sentence and len(losses) == 2:
            self._journal.note(f"{run.name} at step {run.made}: {sentence}", run.index)

    # Diagnostics

    def _attempt(self, what: str, work: Callable[[], Message], run: int) -> Message | None:
        """What `work` measures, or None after a note that says why it could not be measured."""
        try:
            return work()
        except Exception as error:
            sentence = in_words(error)
        devices.release()
        self._journal.note(f"{what}: {sentence}. The training is not affected", run)
        return None

    def _reference(self, run: Run, step: int) -> None:
        if self._reference_failed:
            return
        what = (
            f"no reference for the diagonal Hessian at step {step} of {run.name}, and none is tried again (it"
            " differentiates twice, which takes several times a run's memory; truth=0 leaves it out from the start)"
        )
        message = self._attempt(what, lambda: self.diagnostics.reference(run, run.tuned, step), run.index)
        self._reference_failed = message is None
        if message:
            self._journal.say(message)

    def _memory(self) -> None:
        """What a step of each of the job's methods takes, once."""
        if "memory" in self._journal.said:
            return
        rows, how = [], "Not measured."
        for run in self._runs:

            def work(run: Run = run) -> Message:
                return vars(self.diagnostics.memory(self._replay.at_origin(), run.label, run.opt))

            if found := self._attempt(f"the memory of {run.label} could not be measured", work, run.index):
                rows += [vars(row) for row in found["rows"]]
                how = found["how"]
        self._journal.say({"type": "memory", "rows": rows, "how": how})
