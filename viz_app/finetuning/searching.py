"""A map or a search being computed: the model, its task and the states of its lower layers are loaded once, and every
job starts from θ_0 again. The engine of the worker and of the shell, beside `viz_app.finetuning.session`, whose numbers
a job's are: the same minibatches, directions and evaluations.

A job ends early when its loss is not finite, or when it is hopeless: at an evaluation behind a part AFTER of its budget
the held-out loss is more than HOPELESS times that of the start. It is told as such, and is never the best.

Imports torch.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from functions.language_model import devices, metrics, stored
from hizoo_core.training import Diverged, Trainer
from viz_app.finetuning import fingerprint, loading, local_models, search_plan
from viz_app.finetuning.failures import SessionError, enough_memory
from viz_app.finetuning.journal import Journal, Message
from viz_app.finetuning.loading import Materials
from viz_app.finetuning.outcome import number
from viz_app.finetuning.replay import Checkpoints, Replay
from viz_app.finetuning.run import Run
from viz_app.finetuning.search_results import Cells, known_cells, measure, named, own_cells
from viz_app.finetuning.search_spec import SearchSpec
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log, LogFull

AFTER = 0.25  # of the budget: before that, a method may still be finding its scale
HOPELESS = 1.5  # times the held-out loss at the start


class Searching:
    """One map or search. After `open`, call `advance` until it returns False. `listen` is told every message. Errors as
    those of `session.Session`.
    """

    def __init__(
        self, job: int, spec: SearchSpec, log: Log, listen: Callable[[Message], None] = lambda message: None
    ) -> None:
        self.job, self.spec, self.log = job, spec, log
        self.cells: Cells = {}
        self._journal = Journal(job, log, listen)
        self._first: list[str] = []
        self._starts: dict[int, Message] = {}  # by seed
        self._running: _Job | None = None
        self._done = False
        self._passes, self._seconds = 0, 0.0  # made since `open`, and what they took

    def open(self, training: bool = True) -> None:
        """Load the model and the task, take up what is known, and say it if that was not said before. Raises
        SessionError if the log's numbers would be others here.
        """
        spec = local_models.resolved(self.spec.base, self.log.directory)
        data, told, states = self.log.data(spec.data), self._journal.progress, self.log.directory / stored.FOLDER
        with enough_memory(spec, (), "loading"):
            self._materials = loading.load(spec, self._device(), data, told, True, states)
            self._begin(self._materials, self._materials.adapted())
        self._recall(fingerprint.fingerprint(self._materials, self._tuned))
        self._journal.progress_over()
        self.refresh()

    def refresh(self) -> None:
        """Take up what another process has added to the log since."""
        try:
            self.flush()
        except LogFull:
            return
        self.cells |= own_cells(self.log, self.job)
        if self._running is None:
            self._plan = (
                search_plan.of_search(self.spec, self.cells, self._first, self._journal.say)
                if self.spec.over
                else search_plan.of_map(self.spec, self.cells)
            )

    def advance(self) -> bool:
        """Do a small part of what is left: a step of a job, or an evaluation. False when there is nothing left."""
        started = time.monotonic()
        with enough_memory(self.spec.base, (), "training"):
            if self._journal.due:
                self.flush()
            if self._running is None:
                job = next((job for job in self._plan if job.query() not in self.cells), None)
                if job is None:
                    self._done = True
                    self._journal.progress_over()
                    self.flush()
                    return False
                self._start(job)
            else:
                self._go_on(self._running)
                self._seconds += time.monotonic() - started
        return True

    def _go_on(self, running: "_Job") -> None:
        before = running.forwards
        cell = running.advance()
        self._passes += max(running.forwards - before, 0)
        if cell is not None:
            self._running = None
            self.cells[cell["spec"]] = cell
            self._journal.say(cell)
        elif running.evaluated:
            self._told()

    def survey(self) -> bool:
        """There is no plane of end points."""
        return False

    def trained(self) -> bool:
        """Whether everything has been computed."""
        return self._done

    def left(self) -> float | None:
        """Seconds that it will still take, by the pace so far."""
        if not self._passes:
            return None
        made = sum("from" not in cell for cell in self.cells.values())
        jobs = search_plan.left_of(self.spec, self.cells, made)
        begun = self._running.forwards if self._running else 0
        return max(0, jobs * self.spec.forwards - begun) * self._seconds / self._passes

    def flush(self) -> None:
        """Store what has happened since the last time, in one transaction. After LogFull nothing is forgotten."""
        self._journal.flush()

    def close(self) -> None:
        """Store what there is and let go of the model. A job that has begun is begun again."""
        self._journal.progress_over()
        self.flush()
        self._running = None
        del self._materials, self._loaded, self._tuned, self._replay
        devices.release()

    def set(self, run: int, lr: float | None = None, alpha: float | None = None) -> None:
        self._refuse()

    def estimate_truth(self, run: int) -> None:
        self._refuse()

    def measure_headroom(self, run: int, step: int | None = None) -> Message:
        self._refuse()

    def at(self, run: int, step: int) -> dict[str, Any]:
        self._refuse()

    def weights(self, run: int, step: int) -> Any:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise SessionError("state", f"run {self.job} is a {self.spec.what} of many runs: open one of its cells")

    # Opening

    def _device(self) -> str:
        """The spec's device; where it says "auto", the one whose queue the job is in."""
        queue = self.log.job(self.job).device
        return self.spec.base.device if self.spec.base.device != "auto" or queue == "shell" else queue

    def _recall(self, facts: Message) -> None:
        """Take up where the log ends, or say what is planned, with the cells that other maps have computed."""

        def same(then: Mapping[str, Any]) -> bool:
            return not fingerprint.differences(then, facts)

        plans = [message for message in self.log.messages(self.job) if message["type"] == "plan"]
        if plans:
            if found := fingerprint.differences(plans[0]["fingerprint"], facts):
                raise SessionError("fingerprint", fingerprint.mismatch(self.job, found))
            self._first = plans[0]["first"]
            self.cells |= own_cells(self.log, self.job)
            return
        known = known_cells(self.log, self.job, same)
        self.cells |= {text: cell for text, cell in known.items() if self._is_of_this(cell)}
        self._first = list(self.cells) if self.spec.over else []
        model, dtype = self._materials.model, facts["dtype"]
        about = {"fingerprint": facts, "device": model.device.name, "dtype": dtype, "first": self._first}
        self._journal.say({"type": "plan", "spec": self.spec.query(), **about})
        for cell in self.cells.values():
            self._journal.say(cell)

    def _is_of_this(self, cell: Message) -> bool:
        """Whether a known cell is one of the map's; of a search, any setting of its optimizer with one of its seeds."""
        spec = self.spec
        kind = type(spec.opt.hyperparameters)
        try:
            hyperparameters = kind(**cell["values"])
        except (TypeError, ValueError):  # of another method, or of a version with other hyperparameters
            return False
        belongs = spec.over or hyperparameters in spec.settings
        return bool(belongs) and any(
            spec.job(hyperparameters, number).query() == cell["spec"] for number in range(spec.seeds)
        )

    # Computing

    def _begin(self, materials: Materials, tuned: Any) -> None:
        """Train `tuned` on `materials` from now on."""
        self._materials = materials
        self._loaded: Any = materials
        self._tuned: Any = tuned
        self._replay: Any = Replay(materials, tuned, (), Checkpoints(self.job, self.log))

    def _start(self, job: FinetuneSpec) -> None:
        """Begin a job, at θ_0 and on the texts of its seed."""
        if job.seed != self._materials.spec.seed:
            self._materials = self._materials.of_seed(job.seed)
            if job.adapter:  # which starts from random numbers
                self._tuned = self._replay = self._loaded = None  # there may be no room for two models
                self._begin(self._materials, self._materials.loaded_again())
        self._to_origin()
        run = Run(0, job.labels[0], job.opts[0], job.steps_of(0), job.forwards_per_step(0))
        if job.top:
            texts = self._materials.read(run.steps)
            self._materials.fill(self._tuned, texts, self._journal.progress, self._journal.note)
        if job.seed not in self._starts:
            found = metrics.evaluate(self._tuned.module, self._materials.held_out)
            start = {"seed": job.seed, **found.figures}
            self._starts[job.seed] = start
            self._journal.say({"type": "start", **start})
        self._replay.borrowed()
        self._running = _Job(job, run, self._materials, self._tuned, self._starts[job.seed])
        self._told()

    def _to_origin(self) -> None:
        """Bring `_tuned` to θ_0. Where that is not kept, `_loaded` loads its model again: nothing else may hold it."""
        self._tuned = None
        if self._materials is not self._loaded:
            self._materials.model = None
        self._tuned = self._replay.at_origin()
        self._materials.model = self._loaded.model

    def _told(self) -> None:
        """Say which job is being computed, and how far it is."""
        if (running := self._running) is None:
            return
        spec = self.spec
        seed = f", seed {running.job.seed}" if spec.seeds > 1 or running.job.seed != spec.base.seed else ""
        what = f"{named(spec, running.job.opts[0].hyperparameters)}{seed}"
        self._journal.progress(what, running.forwards, spec.forwards, "passes")


class _Job:
    """One job of the search, from θ_0 on."""

    def __init__(self, job: FinetuneSpec, run: Run, materials: Materials, tuned: Any, start: Mapping[str, Any]) -> None:
        self.job = job
        self.evaluated = False  # by the last call of `advance`
        self._run, self._materials, self._tuned, self._start = run, materials, tuned, start
        self._curve: list[Sequence[float | None]] = [[0, start["loss"], start["accuracy"]]]
        hyperparameters = job.opts[0].hyperparameters
        self._trainer = Trainer(tuned.parameters, job.opts[0].method, hyperparameters, run.steps, job.seed)
        self._began = time.monotonic()

    @property
    def forwards(self) -> int:
        """Forward passes so far."""
        return self._trainer.step * self._run.cost

    def advance(self) -> Message | None:
        """Make a step, and evaluate if that is due; the message "cell" when the job is over."""
        run, trainer = self._run, self._trainer
        self.evaluated = False
        try:
            trainer.advance(self._materials.loss(self._tuned, trainer.step, run.auto))
        except Diverged as diverged:
            return self._cell({"loss": None, "accuracy": None, "f1": None}, diverged.sentence)
        if not run.due(trainer.step, self.job.eval):
            return None
        self.evaluated = True
        found = metrics.evaluate(self._tuned.module, self._materials.held_out)
        self._curve.append([self.forwards, found.loss, found.accuracy])
        stopped = self._hopeless(found.figures)
        return self._cell(found.figures, stopped) if stopped or trainer.step == run.steps else None

    def _hopeless(self, reached: Message) -> str | None:
        now, before = (measure(self.job, figures) for figures in (reached, self._start))
        if not math.isfinite(now):
            return f"the held-out loss is {now} after {self.forwards:,} passes"
        early = self._trainer.step < AFTER * self._run.steps
        if early or now <= HOPELESS * before or before == 0:  # without an error at the start there is no measure
            return None
        limit = f"more than {HOPELESS:g} times {number(before)}, that of the start"
        return f"the held-out loss is {number(now)} after {self.forwards:,} passes, {limit}"

    def _cell(self, reached: Message, stopped: str | None) -> Message:
        return {
            "type": "cell",
            "spec": self.job.query(),
            "values": vars(self.job.opts[0].hyperparameters),
            "seed": self.job.seed,
            "steps": self._trainer.step,
            "forwards": self.forwards,
            **reached,
            "stopped": stopped,
            "curve": self._curve,
            "seconds": time.monotonic() - self._began,
        }
