"""How long a job will take and how much memory, said before it starts and without loading torch.

Where a job like it has run on this machine, its pace is noted (`pace`) and taken. Otherwise the time follows from the
model's and the texts' sizes and from the device's speed, which is measured anew whenever a server or a job starts.
While a job runs, `left` corrects the forecast with the steps made. Notes of the log, written by worker and shell:

    devices        {"auto": name, "devices": [{"name", "title", "memory"}]}
    speed:DEVICE   {"flops": a second, of a matrix product, "operation": seconds of one on next to nothing,
                   "normal": seconds to draw and add one normal number}
    pace:…         of jobs that ran through: {"loading": seconds, "evaluation": seconds of all that is not training, per
                   evaluation, "methods": {method: seconds per forward pass}}

The time is that of the training with its evaluations and references; the loss surface is the page's, and not in it. The
memory is the process's peak on the CPU, the libraries included, and the device's on a GPU.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.language_model import LanguageModelError
from hizoo_core.training_methods import METHODS
from viz_app.finetuning import architecture, lengths, limits
from viz_app.finetuning.architecture import Size
from viz_app.finetuning.lengths import Lengths
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.spec.runs import OptSpec

DEVICES, SPEED, PACE = "devices", "speed:", "pace:"

TYPICAL = {"flops": 4e10, "operation": 3e-6, "normal": 6e-9}  # a laptop's; until the device has been measured
LOADING = 3.0  # seconds, of which libraries take most
READING = 5e8  # bytes of weights read a second
LIBRARIES = 480 * 2**20  # bytes of the process with torch, transformers and peft loaded (measured)

# Of a transformer's pass, measured over OPT, Llama, GPT-2 and NeoX of 1 to 60 M parameters.
OPERATIONS = 30  # of a layer's forward pass, however small the model
BACKWARD = 2.0  # forward passes that a backward pass costs
DOUBLE = 6.0  # forward passes that one probe of Hutchinson's estimate costs
KEPT = {False: (5, 2), True: (10, 4)}  # gated: numbers per hidden and per inner one that a layer keeps for each token
KEPT_DOUBLE = 4.0  # times as many for the graph of the gradient
CHECKPOINT = 3  # copies of θ and Adam's state while a checkpoint is stored
WORKSPACE = 4 * 2**20  # bytes of the chunks in which parameters are walked through


@dataclass(frozen=True)
class Forecast:
    """Seconds of a job by what they go to, and its peak in bytes. `training` has one entry per run; `measuring` is all
    that is evaluated beside it. `measured`: the seconds follow from a job like it on this machine.
    """

    loading: float
    training: tuple[float, ...]
    measuring: float
    bytes: int
    measured: bool

    @property
    def seconds(self) -> float:
        return self.loading + sum(self.training) + self.measuring

    @property
    def sentence(self) -> str:
        said = f"about {duration(self.seconds)}; {amount(self.bytes)}"
        return said if self.measured else f"{said} (estimate)"

    def left(self, shares: Sequence[float], seconds: Sequence[float], elapsed: float | None = None) -> float:
        """Seconds still to go once each run has made a share (0 to 1) of its steps in so many seconds of training.
        `elapsed`: seconds since the model was loaded, where that is known; what was not training went to measuring.
        """
        expected = sum(share * whole for share, whole in zip(shares, self.training, strict=True))
        if not expected:
            return sum(self.training) + self.measuring
        pace = sum(seconds) / expected  # above 1: slower than forecast
        total = 0.0
        for share, spent, whole in zip(shares, seconds, self.training, strict=True):
            total += (spent / share if share else pace * whole) * (1 - share)
        done = expected / sum(self.training)
        measuring = pace * self.measuring
        if elapsed is not None:  # as much weight to what was seen as there was of it
            seen = max(0.0, elapsed - sum(seconds)) / done
            measuring += min(1.0, 4 * done) * (seen - measuring)
        return total + (1 - done) * measuring


def estimate(
    spec: FinetuneSpec, notes: Mapping[str, Any], upload: Callable[[str], bytes] | None = None
) -> dict[str, Any]:
    """{"seconds", "bytes", "forwards", "measured", "sentence"}; seconds and bytes are None, and the sentence says why,
    for a model that is not on this machine and a table that cannot be read. `notes` are the log's, `upload` gives an
    uploaded table by its id.
    """
    answer: dict[str, Any] = {"seconds": None, "bytes": None, "forwards": spec.total_forwards, "measured": False}
    try:
        made = forecast(spec, notes, upload)
    except LanguageModelError as error:
        return {**answer, "sentence": f"no forecast: {error.message}"}
    if made is None:
        sentence = f"{spec.model} is not on this machine yet: it will be downloaded first, and its size is not known"
        return {**answer, "sentence": sentence}
    return {
        **answer, "seconds": made.seconds, "bytes": made.bytes, "measured": made.measured, "sentence": made.sentence,
    }  # fmt: skip


def forecast(
    spec: FinetuneSpec, notes: Mapping[str, Any], upload: Callable[[str], bytes] | None = None
) -> Forecast | None:
    """The forecast of a job; None for a model that is not on this machine. Raises LanguageModelError for its data."""
    size = architecture.size(spec.model)
    if size is None:
        return None
    device = spec.device if spec.device != "auto" else notes.get(DEVICES, {}).get("auto", "cpu")
    texts = lengths.of(spec, upload)
    job = _Job(spec, size, texts, device, notes.get(SPEED + device, TYPICAL))
    known = notes.get(pace_key(spec, device), {})
    if all(opt.method in known.get("methods", {}) for opt in spec.opts):
        training = tuple(known["methods"][opt.method] * _passes(spec, run) for run, opt in enumerate(spec.opts))
        return Forecast(known["loading"], training, known["evaluation"] * _evaluations(spec), job.bytes(), True)
    training = tuple(spec.steps_of(run) * job.step(opt) for run, opt in enumerate(spec.opts))
    return Forecast(job.loading(), training, job.measuring(), job.bytes(), False)


def beside_the_weights(spec: FinetuneSpec, upload: Callable[[str], bytes] | None = None) -> int:
    """Bytes that a job takes beside the model's weights and the libraries; 0 for a model of unknown size."""
    size = architecture.size(spec.model)
    return _Job(spec, size, lengths.of(spec, upload), spec.device, TYPICAL).beside() if size else 0


@dataclass(frozen=True)
class _Job:
    """The arithmetic of one job: what its parts cost."""

    spec: FinetuneSpec
    size: Size
    texts: Lengths
    device: str
    speed: Mapping[str, float]

    # Seconds

    def pass_(self, texts: int, width: float) -> float:
        """Seconds of a forward pass."""
        prefix = self.spec.prefix if self.spec.tune == "prefix" else 0
        flops = self.size.forward(texts, min(width, self.size.context), prefix)
        return flops / self.speed["flops"] + self.size.layers * OPERATIONS * self.speed["operation"]

    def batch(self) -> tuple[int, float]:
        """Texts of a minibatch, and tokens of each, padding included."""
        return min(self.spec.batch, len(self.texts.train)), self.texts.width(self.spec.batch)

    def step(self, opt: OptSpec) -> float:
        """Seconds of one step of a method."""
        forward, trained = self.pass_(*self.batch()), self.size.trainable(self.spec)
        if not METHODS[opt.method].zeroth_order:
            return (1 + BACKWARD) * forward + trained * self.speed["normal"]
        walks = 3 * opt.directions + 1  # out, across and back along a direction, and the update
        return METHODS[opt.method].forwards(opt.hyperparameters) * forward + walks * trained * self.speed["normal"]

    def loading(self) -> float:
        return LOADING + self.size.parameters * self.number / READING

    def measuring(self) -> float:
        """Seconds of evaluations, of references, and of the table of memory."""
        spec = self.spec
        batches = self.texts.padded(limits.HELD_OUT, limits.HELD_OUT_BATCH)
        trained = self.size.trainable(spec)
        evaluation = sum(self.pass_(*batch) for batch in batches) + 4 * trained * self.speed["normal"]
        reference = self.pass_(limits.REFERENCE, self.texts.width(limits.REFERENCE))
        reference *= 2 + BACKWARD + DOUBLE * limits.PROBES
        counts = [1 + _passes(spec, run) // spec.eval for run in range(len(spec.opts))]
        total = (1 + sum(counts)) * evaluation
        for opt, count in zip(spec.opts, counts, strict=True):
            if spec.truth and METHODS[opt.method].estimates_hessian:
                total += math.ceil(count / spec.truth) * reference
        return total

    # Bytes

    @property
    def number(self) -> int:
        """Bytes of one of the model's numbers."""
        spec = self.spec
        half = spec.dtype in ("bfloat16", "float16") or (spec.dtype == "auto" and self.device not in ("cpu", "auto"))
        return 2 if half else 4

    def bytes(self) -> int:
        """The peak of the process on the CPU, or of the device's memory."""
        weights = self.size.parameters * self.number
        return weights + self.beside() + (LIBRARIES if self.device in ("cpu", "auto") else 0)

    def beside(self) -> int:
        """Of θ_0, each run's copy of what is trained, states, snapshots, and the largest of what comes and goes."""
        spec, trained = self.spec, self.size.trainable(self.spec)
        own = trained * (4 if spec.tune in ("lora", "prefix") else self.number)
        copies = len(spec.opts) + (trained <= limits.KEPT) + (spec.tune in ("lora", "prefix"))
        states = [self.state(opt) for opt in spec.opts]
        return copies * own + sum(states) + self.snapshots(own, states) + self.passing(own)

    def state(self, opt: OptSpec) -> int:
        """Bytes that a method keeps from step to step."""
        trained = self.size.trainable(self.spec)
        if not METHODS[opt.method].zeroth_order:
            return 2 * 4 * trained
        return 4 * trained if opt.method == "hizoo" and opt.hyperparameters.pool == "none" else 0

    def snapshots(self, own: int, states: Sequence[int]) -> int:
        """Bytes of the copies that the session keeps of θ and the state, on the CPU."""
        if self.device not in ("cpu", "auto"):
            return 0
        total = 0
        for run, state in enumerate(states):
            if own + state <= limits.SNAPSHOTS / (2 * len(states)):
                total += (own + state) * (2 + _passes(self.spec, run) // self.spec.eval)
        return min(total, limits.SNAPSHOTS)

    def passing(self, own: int) -> int:
        """The most bytes that a step, an evaluation or a reference holds for a moment."""
        spec, size = self.spec, self.size
        texts, width = self.batch()
        moments = [self.forward_bytes(*batch) for batch in self.texts.padded(limits.HELD_OUT, limits.HELD_OUT_BATCH)]
        moments.append(self.forward_bytes(texts, width) + min(WORKSPACE, 4 * size.trainable(spec)))
        if any(not METHODS[opt.method].zeroth_order for opt in spec.opts):
            moments.append(own + self.kept_bytes(texts, width))
            moments.append(CHECKPOINT * (own + 2 * 4 * size.trainable(spec)))
        if spec.truth and any(METHODS[opt.method].estimates_hessian for opt in spec.opts):
            examples, width = limits.REFERENCE, self.texts.width(limits.REFERENCE)
            moments.append(3 * own + int(KEPT_DOUBLE * self.kept_bytes(examples, width)))
        return max(moments)

    def forward_bytes(self, texts: int, width: float) -> int:
        """Bytes of a forward pass without gradients: those of one layer, and the logits of the last position."""
        inner = self.size.inner * (2 if self.size.gated else 1)
        layer = texts * width * (6 * self.size.hidden + 2 * inner + self.size.heads * width)
        return int(self.number * (layer + 2 * texts * self.size.vocabulary))

    def kept_bytes(self, texts: int, width: float) -> int:
        """Bytes of what a forward pass keeps for the backward pass."""
        hidden, inner = KEPT[self.size.gated]
        numbers = hidden * self.size.hidden + inner * self.size.inner
        return int(texts * width * self.size.layers * numbers * self.number)


def pace_key(spec: FinetuneSpec, device: str) -> str:
    """Key of the note for jobs that take as long per forward pass as this one, on a device."""
    alike = (spec.model, spec.task, spec.data, spec.tune, spec.rank, spec.prefix, spec.loss, spec.dtype, spec.batch)
    return PACE + " ".join(map(str, (*alike, device)))


def pace(
    before: Mapping[str, Any], spec: FinetuneSpec, training: Sequence[float], loading: float, whole: float
) -> dict[str, Any]:
    """The note after a job that ran through, given the one before it: `training` seconds of each run, seconds of
    `loading`, and of the `whole` job without it.
    """
    spent = {opt.method: training[run] / _passes(spec, run) for run, opt in enumerate(spec.opts)}
    evaluation = max(0.0, whole - sum(training)) / _evaluations(spec)
    return {"loading": loading, "evaluation": evaluation, "methods": {**before.get("methods", {}), **spent}}


def _passes(spec: FinetuneSpec, run: int) -> int:
    return spec.steps_of(run) * spec.forwards_per_step(run)


def _evaluations(spec: FinetuneSpec) -> float:
    """Of all runs: at their starts, and as often as the spec says."""
    return sum(1 + _passes(spec, run) / spec.eval for run in range(len(spec.opts)))


def duration(seconds: float) -> str:
    """110 s, 25 min, 3.5 h: two digits are more than it is right to."""
    if seconds < 180:
        return f"{_rounded(seconds):.0f} s"
    return f"{_rounded(seconds / 60):.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _rounded(value: float) -> float:
    digits = max(0, math.floor(math.log10(max(value, 1))) - 1)
    return max(1.0, round(value / 10**digits) * 10**digits)


def amount(size: int) -> str:
    """Bytes, for people: 640 MB, 2.5 GB."""
    return f"{size / 2**20:.0f} MB" if size < 2**30 else f"{size / 2**30:.1f} GB"
