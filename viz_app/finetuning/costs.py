"""What a fine-tuning job costs: seconds of its steps, evaluations and diagnostics, and bytes. Loads no torch.

The seconds are those of a device that does nothing else. A forward pass is floating-point operations, weights that come
from memory, activations that are gone through element by element, and operations each of which costs something however
small its tensors. What a layer has of the last two was counted over OPT, Llama, GPT-2 and NeoX of 1 to 50 M parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hizoo_core.estimators import ESTIMATORS
from hizoo_core.training_methods import METHODS
from viz_app.finetuning import limits
from viz_app.finetuning.architecture import Size
from viz_app.finetuning.lengths import Lengths
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.spec.runs import OptSpec

LOADING = 3.7  # seconds, of which libraries take most
READING = 5e8  # bytes of weights read a second
STORING = 1.1e8  # bytes of a checkpoint stored a second
LIBRARIES = 500_000_000  # bytes of the process with torch, transformers and peft loaded (measured)

# Of a layer's forward pass.
OPERATIONS, OPERATIONS_OF_LORA = 70, 60
PACKED = 2  # times that a matrix product moves its weights: it brings them into another order first
ELEMENTS = 12, 4  # activation functions' worth of work per hidden and per inner number

WHOLE = ("full", "top")  # tunes with gradients of all weights that are passed through
# By whether the tune is one of these; otherwise no gradients of the weights are needed.
BACKWARD = {True: 2.0, False: 1.1}  # forward passes that a backward pass costs
DOUBLE = {True: 7.0, False: 2.8}  # forward passes that one probe of Hutchinson's estimate costs

# Walks over θ that something takes as long as.
ADAM, SUMMARY, POSITION = 2, 6, 4  # its update; the summary of P; a run's position and distance

KEPT = {False: (5, 2), True: (10, 4)}  # gated: numbers per hidden and per inner one that a layer keeps for each token
KEPT_DOUBLE = 4.0  # times as many for the graph of the gradient
CHECKPOINT = 3  # copies of θ and Adam's state while a checkpoint is stored
WORKSPACE = 4 * 2**20  # bytes of the chunks in which parameters are walked through


def walks(directions: int) -> int:
    """Passes over θ of a zeroth-order step: out, across and back along each direction, and the update."""
    return 3 * directions + 1


def evaluations(spec: FinetuneSpec, run: int) -> int:
    """How often a run is evaluated, as `run.Run.due` says: at its start, as often as the spec says, and at its end."""
    steps, cost = spec.steps_of(run), spec.forwards_per_step(run)
    at_end = steps * cost // spec.eval > (steps - 1) * cost // spec.eval
    return 1 + min(steps, steps * cost // spec.eval) + (not at_end)


@dataclass(frozen=True)
class Costs:
    """The arithmetic of one job: what its parts cost on a device of such a speed (`machine.speed`)."""

    spec: FinetuneSpec
    size: Size
    lengths: Lengths
    device: str
    speed: Mapping[str, float]

    @cached_property
    def texts(self) -> Lengths:
        """As long as they are in the model's context."""
        return self.lengths.cut(self.size.context - self.prefix)

    @cached_property
    def passed(self) -> Size:
        """What a forward pass goes through: the layers at the top alone, if those are what is trained."""
        return replace(self.size, layers=min(self.spec.top, self.size.layers)) if self.spec.top else self.size

    @property
    def prefix(self) -> int:
        return self.spec.prefix if self.spec.tune == "prefix" else 0

    @property
    def inner(self) -> int:
        return self.size.inner * (2 if self.size.gated else 1)

    # Seconds

    def pass_(self, texts: int, width: float, through: Size | None = None) -> float:
        """Seconds of a forward pass."""
        size, speed, lora = through or self.passed, self.speed, self.spec.tune == "lora"
        elements = ELEMENTS[0] * size.hidden + ELEMENTS[1] * self.inner + (ELEMENTS[0] * size.hidden if lora else 0)
        operations = OPERATIONS + (OPERATIONS_OF_LORA if lora else 0)
        per_layer = texts * width * elements * speed["element"] + operations * speed["operation"]
        return (
            size.forward(texts, width, self.prefix) / speed["flops"]
            + PACKED * size.computing * self.number / speed["bytes"]
            + size.layers * per_layer
        )

    def batch(self) -> tuple[int, float]:
        """Texts of a minibatch, and tokens of each, padding included."""
        return min(self.spec.batch, len(self.lengths.train)), self.texts.width(self.spec.batch)

    def walk(self) -> float:
        """Seconds of a pass over θ."""
        return self.size.trainable(self.spec) * self.speed["walk"]

    def step(self, opt: OptSpec, directions: int | None = None) -> float:
        """Seconds of one step of a method, or of one with so many directions."""
        forward, method = self.pass_(*self.batch()), METHODS[opt.method]
        if not method.zeroth_order:
            return (1 + BACKWARD[self.spec.tune in WHOLE]) * forward + ADAM * self.walk()
        n = directions or opt.directions
        passes = method.forwards(opt.hyperparameters) - 2 * (opt.directions - n)
        return passes * forward + walks(n) * self.walk()

    def loading(self) -> float:
        """Until the first step, the evaluation of the model as it is included."""
        return LOADING + self.size.parameters * self.number / READING + self.filling() + self.evaluation()

    def cached(self) -> int:
        """Texts whose states enter the top layers, read once."""
        if not self.spec.top:
            return 0
        spec, texts = self.spec, len(self.lengths.train)
        read = min(texts, max(map(spec.steps_of, range(spec.count))) * spec.batch)
        own = spec.train or spec.shots or spec.task == "reviews"  # every seed draws others
        held_out = sum(count for count, _ in self.held_out()) * (spec.runs if spec.task == "reviews" else 1)
        return held_out + (spec.runs * read if own else min(texts, spec.runs * read))

    def filling(self) -> float:
        """Seconds of reading them with the lower layers, as if no earlier job had left any on the disk."""
        lower = replace(self.size, layers=self.size.layers - self.passed.layers)
        batches = self.cached() / limits.LOWER_BATCH
        return batches * self.pass_(limits.LOWER_BATCH, self.texts.width(1), lower) if batches else 0.0

    def evaluation(self) -> float:
        return sum(self.pass_(*batch) for batch in self.held_out())

    def evaluations(self) -> tuple[float, ...]:
        """Seconds of one evaluation of each run, with its summary of P and the checkpoint that follows."""
        found = []
        for run, opt in enumerate(self.spec.opts):
            seconds = self.evaluation() + POSITION * self.walk()
            if METHODS[opt.method].estimates_hessian:
                seconds += SUMMARY * self.walk()
            if not METHODS[opt.method].zeroth_order:
                seconds += self.checkpoints(run, opt)
            found.append(seconds)
        return tuple(found)

    def checkpoints(self, run: int, opt: OptSpec) -> float:
        """Seconds per evaluation: at the first and the last one, and in between no more than a share of the time."""
        saving, count = (self.own + self.state(opt)) / STORING, evaluations(self.spec, run)
        training = sum(self.spec.steps_of(i) * self.step(each) for i, each in enumerate(self.spec.opts))
        return saving * min(1.0, (2 + training / (limits.CHECKPOINT_SHARE * saving)) / count)

    def references(self) -> tuple[float, ...]:
        """Seconds of one reference of each run, Hutchinson's estimate; 0 where there is none."""
        passes = 2 + BACKWARD[self.spec.tune in WHOLE] + limits.PROBES * DOUBLE[self.spec.tune in WHOLE]
        seconds = passes * self.pass_(limits.REFERENCE, self.texts.width(limits.REFERENCE))
        return tuple(seconds * METHODS[opt.method].estimates_hessian for opt in self.spec.opts)

    def memory(self) -> float:
        """Seconds of the table of memory: per run, two steps of two directions at most, and parts of a third."""
        total = 0.0
        for opt in self.spec.opts:
            n = min(opt.directions, 2) if METHODS[opt.method].zeroth_order else None
            parts = self.pass_(*self.batch()) + (walks(n) if n else ADAM) * self.walk()
            total += 2 * self.step(opt, n) + parts
        return total

    # Bytes

    @property
    def number(self) -> int:
        """Bytes of one of the model's numbers."""
        half = self.spec.dtype in ("bfloat16", "float16") or (self.spec.dtype == "auto" and self.device != "cpu")
        return 2 if half else 4

    @property
    def own(self) -> int:
        """Bytes of what is trained."""
        return self.size.trainable(self.spec) * (4 if self.spec.adapter else self.number)

    def bytes(self) -> int:
        """The peak of the process on the CPU, or of the device's memory."""
        weights = self.size.parameters * self.number
        return weights + self.beside() + (LIBRARIES if self.device == "cpu" else 0)

    def beside(self) -> int:
        """Of θ_0, each optimizer's copy of what is trained, states, snapshots, and the most that comes and goes."""
        states = [self.state(opt) for opt in self.spec.opts]
        kept = (len(self.spec.opts) + self.origin()) * self.own + sum(states) + self.snapshots(states)
        if self.spec.runs > 1:  # one seed after the other trains; the first one's model stays beside
            kept += (1 + self.origin()) * self.own
        return kept + self.cached_here() + self.passing()

    def cached_bytes(self) -> int:
        """Of the states that enter the top layers: in float16, in the computer's memory whatever the device."""
        return int(2 * self.cached() * self.texts.width(1) * self.size.hidden)

    def cached_here(self) -> int:
        """The same, of the device's memory."""
        return self.cached_bytes() if self.device == "cpu" else 0

    def origin(self) -> int:
        """Copies of what is trained beside the runs'."""
        return (self.size.trainable(self.spec) <= limits.KEPT) + self.spec.adapter

    def rebuilding(self) -> int:
        """The same, if all that is done is to rebuild a step of one run and to evaluate it."""
        needs = []
        for opt in self.spec.opts:
            state, held_out = self.state(opt), [self.forward_bytes(*batch) for batch in self.held_out()]
            moments = [*held_out, min(WORKSPACE, 4 * self.size.trainable(self.spec))]
            if not METHODS[opt.method].zeroth_order:  # its steps are made again with their gradients
                moments.append(self.own + self.kept_bytes(*self.batch()))
            needs.append(self.cached_here() + self.origin() * self.own + state + self.snapshots([state]) + max(moments))
        return max(needs)

    def state(self, opt: OptSpec) -> int:
        """Bytes that a method keeps from step to step."""
        trained = self.size.trainable(self.spec)
        if not METHODS[opt.method].zeroth_order:
            return 2 * 4 * trained
        if opt.method != "hizoo":
            return 0
        estimator = ESTIMATORS[opt.hyperparameters.estimator]
        if opt.hyperparameters.pool != "none" and not estimator.predicts:
            return 0
        return 4 * trained * (2 if estimator.keeps_m or estimator.predicts else 1)  # P, and m or e

    def snapshots(self, states: Sequence[int]) -> int:
        """Bytes of the copies that the session keeps of θ and of the state, on the CPU; none of that at the start."""
        if self.device != "cpu":
            return 0
        total, most = 0, limits.SNAPSHOTS / (2 * len(self.spec.opts))
        for run, state in enumerate(states):
            total += self.own if self.own <= most else 0
            total += (evaluations(self.spec, run) - 1) * (self.own + state) if self.own + state <= most else 0
        return min(total, limits.SNAPSHOTS)

    def held_out(self) -> list[tuple[int, int]]:
        return self.texts.padded(self.spec.held_out, limits.HELD_OUT_BATCH)

    def passing(self) -> int:
        """The most bytes that a step, an evaluation, the table of memory or a reference holds for a moment."""
        spec, (texts, width) = self.spec, self.batch()
        step = self.forward_bytes(texts, width) + min(WORKSPACE, 4 * self.size.trainable(spec))
        moments = [step, *(self.forward_bytes(*batch) for batch in self.held_out())]
        for opt in spec.opts:
            at_once, state = step, self.state(opt)
            if not METHODS[opt.method].zeroth_order:
                at_once = self.own + self.kept_bytes(texts, width)
                moments.append(CHECKPOINT * (self.own + state))
            moments.append(self.own + state + at_once)  # the table of memory: a copy of θ, and a trainer of its own
        if spec.truth and any(METHODS[opt.method].estimates_hessian for opt in spec.opts):
            examples, width = limits.REFERENCE, self.texts.width(limits.REFERENCE)
            moments.append(3 * self.own + int(KEPT_DOUBLE * self.kept_bytes(examples, width)))
        return max(moments)

    def forward_bytes(self, texts: int, width: float) -> int:
        """Bytes of a forward pass without gradients: those of one layer, the logits of the last position, and behind a
        prefix the keys and values of all layers.
        """
        size = self.passed
        numbers = texts * width * (6 * size.hidden + 2 * self.inner + size.heads * width) + 2 * texts * size.vocabulary
        if self.prefix:
            numbers += 2 * size.layers * size.kv_heads * size.head_width * texts * (width + self.prefix)
        return int(self.number * numbers)

    def kept_bytes(self, texts: int, width: float) -> int:
        """Bytes of what a forward pass keeps for the backward pass."""
        hidden, inner = KEPT[self.size.gated]
        numbers = hidden * self.size.hidden + inner * self.size.inner
        return int(texts * width * self.passed.layers * numbers * self.number)
