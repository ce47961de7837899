"""The seeds of a job: what the runs of each of them share, opened when it is their turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functions.language_model import metrics
from viz_app.finetuning import loading
from viz_app.finetuning.diagnostics import Diagnostics
from viz_app.finetuning.journal import Journal, Message
from viz_app.finetuning.loading import Materials
from viz_app.finetuning.measuring import Measuring
from viz_app.finetuning.replay import Checkpoints, Replay, twin
from viz_app.finetuning.run import Run


@dataclass(frozen=True)
class Repetition:
    """What the runs of one seed share."""

    number: int
    materials: Materials
    replay: Replay
    measuring: Measuring


class Repetitions:
    """Those of one job, counted from 0. The first stays open, as the others' θ_0 comes from its model; of the others
    those that train, and the one asked for last.
    """

    def __init__(
        self, first: Materials, tuned: Any, runs: Sequence[Run], checkpoints: Checkpoints, journal: Journal
    ) -> None:
        self._runs, self._checkpoints, self._journal = runs, checkpoints, journal
        self._materials = {0: first}
        self._open = {0: self._made(0, tuned)}

    def runs(self, number: int) -> list[Run]:
        return [run for run in self._runs if run.repetition == number]

    def materials(self, number: int) -> Materials:
        """Texts and batches of a seed."""
        if number not in self._materials:
            first = self._materials[0]
            self._materials[number] = first.of_seed(first.spec.seed + number)
        return self._materials[number]

    def at(self, number: int) -> Repetition:
        """One of them, opened."""
        if number not in self._open:
            for other in [other for other in self._open if other]:
                if not any(run.trainer for run in self.runs(other)):
                    del self._open[other]
            materials, first = self.materials(number), self._open[0]
            tuned = materials.adapted() if materials.spec.adapter else twin(first.replay.at_origin())
            self._open[number] = self._made(number, tuned)
        return self._open[number]

    def is_idle(self, number: int) -> bool:
        """Whether nothing waits to be measured of its runs."""
        return number not in self._open or self._open[number].measuring.idle

    def leave(self, number: int) -> None:
        """Let go of what its runs hold in memory; the log has them all."""
        for run in self.runs(number):
            run.tuned = run.trainer = None
        if number:
            self._open.pop(number, None)
        else:
            self._open[0].replay.forget()

    def begin(self, number: int) -> None:
        """Say of a seed beyond the first what its runs are evaluated on, as the plan does of the first."""
        here = self.at(number)
        materials, spec = here.materials, here.materials.spec
        tuned = here.replay.at_origin()
        module = materials.model.module if spec.adapter and not spec.top else tuned.module
        zero_shot = metrics.evaluate(module, materials.held_out)
        self._journal.say(seed(number, materials, zero_shot))

    def _made(self, number: int, tuned: Any) -> Repetition:
        materials, runs = self._materials[number], self.runs(number)
        replay = Replay(materials, tuned, runs, self._checkpoints)
        diagnostics = Diagnostics(materials, tuned, replay.origin)
        measuring = Measuring(replay, diagnostics, self._journal, self._checkpoints, runs, materials.spec)
        return Repetition(number, materials, replay, measuring)


def seed(number: int, materials: Materials, zero_shot: metrics.Evaluation) -> Message:
    """The message "seed"."""
    return {
        "type": "seed",
        "repetition": number,
        "seed": materials.spec.seed,
        "sentences": loading.sentences(materials.task),
        "zero_shot": zero_shot.figures,
    }
