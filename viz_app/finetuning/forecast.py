"""How long a job will take and how much memory, said before it starts and without loading torch.

Where a job like it has run on this machine, its pace is noted (`pace`) and taken. Otherwise the time follows from the
model's and the texts' sizes (`costs`) and from the device's speed, which is measured anew whenever a server or a job
starts. While a job runs, `remaining` corrects the forecast by what has been done. Notes of the log, written by worker
and shell:

    devices        {"auto": name, "devices": [{"name", "title", "memory"}]}
    speed:DEVICE   what `machine.speed` measures, with one entry more for models that get a single thread
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
from viz_app.finetuning import architecture, lengths, limits
from viz_app.finetuning.costs import Costs, evaluations
from viz_app.finetuning.lengths import Lengths
from viz_app.finetuning.spec import FinetuneSpec

DEVICES, SPEED, PACE = "devices", "speed:", "pace:"

# A laptop's, until the device has been measured.
TYPICAL = {"flops": 1e11, "bytes": 2e10, "operation": 3e-6, "element": 5e-10, "walk": 3e-9}


def speed_key(device: str, model: str) -> str:
    """Key of the note of a device's speed, for a model."""
    return f"{SPEED}{device}{', one thread' if limits.single_threaded(model) else ''}"


@dataclass(frozen=True)
class Forecast:
    """Seconds of a job by what they go to, and its peak in bytes. `loading` ends with the evaluation before any
    training. Of each run: `training`, the seconds of all its steps; `evaluation` and `reference`, of one of them;
    `evaluations`, how many there will be, every `truth`-th of which brings a reference. `memory`: of the table of what
    the methods need. `measured`: the seconds follow from a job like it on this machine. `device`: whose memory the
    bytes are; None for the process's. `host`: bytes of the computer's memory that come to a device's, for the states
    that enter top layers.
    """

    loading: float
    training: tuple[float, ...]
    evaluation: tuple[float, ...]
    reference: tuple[float, ...]
    evaluations: tuple[int, ...]
    truth: int
    memory: float
    bytes: int
    measured: bool
    device: str | None = None
    host: int = 0

    def measuring(self, evaluations: Sequence[int]) -> float:
        """Seconds of all that is measured beside the training until each run has been evaluated so many times."""
        total = self.memory if max(evaluations) > 1 else 0.0
        for count, evaluation, reference in zip(evaluations, self.evaluation, self.reference, strict=True):
            total += count * evaluation + (math.ceil(count / self.truth) * reference if self.truth else 0.0)
        return total

    @property
    def seconds(self) -> float:
        return self.loading + sum(self.training) + self.measuring(self.evaluations)

    @property
    def sentence(self) -> str:
        where = "for the whole process" if self.device is None else f"of {self.device}'s memory"
        beside = f" and {amount(self.host)} of this computer's" if self.host else ""
        said = f"about {duration(self.seconds)}; {amount(self.bytes)} {where}{beside}"
        return said if self.measured else f"{said} (estimate)"


def estimate(
    spec: FinetuneSpec, notes: Mapping[str, Any], upload: Callable[[str], bytes] | None = None
) -> dict[str, Any]:
    """{"seconds", "bytes", "forwards", "measured", "sentence"}; seconds and bytes are None, and the sentence says why,
    for a model that is not on this machine and a table that cannot be read. `notes` are the log's, `upload` gives an
    uploaded table by its id.
    """
    answer: dict[str, Any] = {"seconds": None, "bytes": None, "forwards": spec.total_forwards, "measured": False}
    try:
        made = forecast(spec, notes, lambda: lengths.of(spec, upload))
    except LanguageModelError as error:
        return {**answer, "sentence": f"no forecast: {error.message}"}
    if made is None:
        sentence = f"{spec.model} is not on this machine yet: it will be downloaded first, and its size is not known"
        return {**answer, "sentence": sentence}
    return {
        **answer, "seconds": made.seconds, "bytes": made.bytes, "measured": made.measured, "sentence": made.sentence,
    }  # fmt: skip


def forecast(
    spec: FinetuneSpec, notes: Mapping[str, Any], texts: Callable[[], Lengths], device: str | None = None
) -> Forecast | None:
    """The forecast of a job; None for a model that is not on this machine. `texts` finds their lengths; `device` is
    where the job trains, if that is known already. Raises what `texts` raises.
    """
    size = architecture.size(spec.model)
    if size is None:
        return None
    device = device or spec.place(notes.get(DEVICES, {}).get("auto", "cpu"))
    costs = Costs(spec, size, texts(), device, notes.get(speed_key(device, spec.model), TYPICAL))
    counts = tuple(evaluations(spec, run) for run in range(spec.count))
    where = None if device == "cpu" else device
    host = costs.cached_bytes() - costs.cached_here()
    known = notes.get(pace_key(spec, device), {})
    if all(opt.method in known.get("methods", {}) for opt in spec.opts):
        training = tuple(known["methods"][spec.opt_of(run).method] * _passes(spec, run) for run in range(spec.count))
        each, none = (known["evaluation"],) * spec.count, (0.0,) * spec.count
        return Forecast(known["loading"], training, each, none, counts, 0, 0.0, costs.bytes(), True, where, host)
    training = tuple(spec.steps_of(run) * costs.step(spec.opt_of(run)) for run in range(spec.count))
    each, references = costs.evaluations() * spec.runs, costs.references() * spec.runs
    return Forecast(
        costs.loading(), training, each, references, counts, spec.truth, costs.memory(),
        costs.bytes(), False, where, host,
    )  # fmt: skip


def beside_the_weights(spec: FinetuneSpec, texts: Lengths, device: str, training: bool = True) -> int:
    """Bytes that a job takes beside the model's weights and the libraries, or if it does not train, that rebuilding one
    of its steps takes; 0 for a model of unknown size.
    """
    size = architecture.size(spec.model)
    if size is None:
        return 0
    costs = Costs(spec, size, texts, device, TYPICAL)
    return costs.beside() if training else costs.rebuilding()


def pace_key(spec: FinetuneSpec, device: str) -> str:
    """Key of the note for jobs that take as long per forward pass as this one, on a device."""
    texts = (spec.task, spec.data, spec.template, spec.train, spec.shots)
    trained = (spec.tune, spec.top, spec.rank, spec.prefix, spec.loss, spec.dtype, spec.batch, spec.truth)
    alike = (spec.model, *texts, *trained)
    return PACE + " ".join(map(str, (*alike, device)))


def pace(
    before: Mapping[str, Any], spec: FinetuneSpec, training: Sequence[float], loading: float, whole: float
) -> dict[str, Any]:
    """The note after a job that ran through, given the one before it: `training` seconds of each run, seconds of
    `loading`, and of the `whole` job without it.
    """
    spent = {spec.opt_of(run).method: training[run] / _passes(spec, run) for run in range(spec.count)}
    counts = sum(evaluations(spec, run) for run in range(spec.count))
    evaluation = max(0.0, whole - sum(training)) / counts
    return {"loading": loading, "evaluation": evaluation, "methods": {**before.get("methods", {}), **spent}}


def _passes(spec: FinetuneSpec, run: int) -> int:
    return spec.steps_of(run) * spec.forwards_per_step(run)


def duration(seconds: float) -> str:
    """110 s, 25 min, 3.5 h: two digits are more than it is right to."""
    if seconds < 180:
        return f"{_rounded(seconds):.0f} s"
    return f"{_rounded(seconds / 60):.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _rounded(value: float) -> float:
    digits = max(0, math.floor(math.log10(max(value, 1))) - 1)
    return max(1.0, round(value / 10**digits) * 10**digits)


def amount(size: float) -> str:
    """Bytes, for people: 640 MB, 2.5 GB. 1 MB is 10^6 bytes, here and everywhere."""
    return f"{_rounded(size / 1e6):.0f} MB" if size < 9.95e8 else f"{size / 1e9:.1f} GB"
