"""What a job will take, said before it starts and without loading torch.

Where a job like it has run on this machine, its pace is noted (`pace`) and taken. Otherwise the time follows from the
model's size and from the device's speed as measured once, which is right to within a factor of two or three; the
sentence says which it is. All three are notes of the log, written by the worker:

    devices        {"auto": name, "devices": [{"name", "title", "memory"}]}
    speed:DEVICE   {"flops": a second, of a matrix product, "operation": seconds of one on next to nothing,
                   "normal": seconds to draw and add one normal number}
    pace:…         of jobs that ran through: {"loading": seconds, "evaluation": seconds of all that is not training, per
                   evaluation, "methods": {method: seconds per forward pass}}
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hizoo_core.training_methods import METHODS
from viz_app.finetuning.presets import BUNDLED
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.spec.runs import OptSpec

DEVICES, SPEED, PACE = "devices", "speed:", "pace:"

CONFIG = Path(__file__).resolve().parents[2] / "functions" / "language_model" / "bundled" / "config.json"
TYPICAL = {"flops": 4e10, "operation": 3e-6, "normal": 6e-9}  # a laptop's; until the device has been measured
TOKENS = {"reviews": 20, "sst2": 30, "table": 40}  # of a prompt in a minibatch, padding included
HELD_OUT = 512  # examples of an evaluation
SURFACE = 289, 64  # points of the loss surface, examples at each
LOADING = 3.0  # seconds
OPERATIONS = 30  # of a layer's forward pass
ACTIVATIONS = 13  # numbers per hidden one, token and layer that a backward pass keeps (measured: bundled model)
WORKSPACE = 4 * 2**20  # bytes of the chunks in which parameters are walked through (measured)


@dataclass(frozen=True)
class Size:
    """A transformer's measures, as its config.json gives them."""

    layers: int
    hidden: int
    inner: int
    vocabulary: int
    positions: int

    @property
    def parameters(self) -> int:
        per_layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.inner + self.inner + 5 * self.hidden
        return (self.vocabulary + self.positions) * self.hidden + self.layers * per_layer + 2 * self.hidden

    @property
    def computing(self) -> int:
        """Parameters that every token is multiplied with."""
        return self.parameters - (self.vocabulary + self.positions) * self.hidden

    def tuned(self, spec: FinetuneSpec) -> int:
        """Trainable parameters."""
        if spec.tune == "lora":
            return self.layers * 2 * 2 * spec.rank * self.hidden
        if spec.tune == "prefix":
            return self.layers * 2 * spec.prefix * self.hidden
        if spec.tune == "layernorm":
            return self.layers * (9 * self.hidden + self.inner) + 2 * self.hidden
        return self.parameters


def estimate(spec: FinetuneSpec, notes: Mapping[str, Any]) -> dict[str, Any]:
    """{"seconds", "bytes", "forwards", "measured", "sentence"}; seconds and bytes are None for a model that is not on
    this machine. `notes` are the log's.
    """
    device = spec.device if spec.device != "auto" else notes.get(DEVICES, {}).get("auto", "cpu")
    size = _size(spec.model)
    if size is None:
        sentence = f"{spec.model} is not on this machine yet: it will be downloaded first, and its size is not known"
        return {
            "seconds": None, "bytes": None, "forwards": spec.total_forwards, "measured": False, "sentence": sentence,
        }  # fmt: skip
    known = notes.get(pace_key(spec, device), {})
    measured = all(opt.method in known.get("methods", {}) for opt in spec.opts)
    if measured:
        spent = [known["methods"][opt.method] * _passes(spec, run) for run, opt in enumerate(spec.opts)]
        seconds = known["loading"] + sum(spent) + known["evaluation"] * _evaluations(spec)
    else:
        seconds = _seconds(spec, size, notes.get(SPEED + device, TYPICAL))
    memory = _bytes(spec, size, device)
    sentence = f"about {_duration(seconds)}; {_amount(memory)}"
    return {
        "seconds": seconds,
        "bytes": memory,
        "forwards": spec.total_forwards,
        "measured": measured,
        "sentence": sentence if measured else f"{sentence} (estimate)",
    }


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


def _seconds(spec: FinetuneSpec, size: Size, speed: Mapping[str, float]) -> float:
    def forward(examples: int) -> float:
        flops = 2 * size.computing * examples * TOKENS[spec.task]
        return flops / speed["flops"] + size.layers * OPERATIONS * speed["operation"]

    tuned = size.tuned(spec)
    total = LOADING + _evaluations(spec) * forward(HELD_OUT) + SURFACE[0] * forward(SURFACE[1])
    for run, opt in enumerate(spec.opts):
        walked = 2 * opt.directions + 1 if METHODS[opt.method].zeroth_order else 1  # times over the tuned parameters
        total += _passes(spec, run) * forward(spec.batch)  # Adam's backward counts as two
        total += spec.steps_of(run) * walked * tuned * speed["normal"]
    return total


def _bytes(spec: FinetuneSpec, size: Size, device: str) -> int:
    """Of the run that needs most: weights, state, and what a pass takes."""
    half = spec.dtype in ("bfloat16", "float16") or (spec.dtype == "auto" and device != "cpu")
    number = 2 if half else 4
    tuned, tokens = size.tuned(spec), spec.batch * TOKENS[spec.task]
    layer = tokens * (4 * size.hidden + size.inner) * number + tokens * TOKENS[spec.task] * number
    kept = tokens * size.hidden * size.layers * ACTIVATIONS * number

    def run(opt: OptSpec) -> int:
        if not METHODS[opt.method].zeroth_order:
            return tuned * (4 + 4 + number) + kept
        whole = opt.method == "hizoo" and getattr(opt.hyperparameters, "pool", "none") == "none"
        return (4 * tuned if whole else 0) + layer + min(WORKSPACE, 4 * tuned)

    return size.parameters * number + max(map(run, spec.opts))


def _size(model: str) -> Size | None:
    """The measures of a model that is on this machine: bundled, a folder, or in the hub's cache."""
    if model == BUNDLED:
        path: Path | None = CONFIG
    elif Path(model).expanduser().is_dir():
        path = Path(model).expanduser() / "config.json"
    else:
        path = _cached(model)
    if path is None or not path.is_file():
        return None
    config = json.loads(path.read_text("utf-8"))
    hidden = config.get("hidden_size") or config.get("n_embd")
    layers = config.get("num_hidden_layers") or config.get("n_layer")
    if not hidden or not layers:
        return None
    return Size(
        layers=layers,
        hidden=hidden,
        inner=config.get("ffn_dim") or config.get("intermediate_size") or config.get("n_inner") or 4 * hidden,
        vocabulary=config.get("vocab_size", 0),
        positions=config.get("max_position_embeddings", 0) if config.get("model_type") == "opt" else 0,
    )


def _cached(model: str) -> Path | None:
    """config.json in the hub's cache, laid out as huggingface_hub documents it."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    found = sorted((cache / f"models--{model.replace('/', '--')}" / "snapshots").glob("*/config.json"))
    return found[-1] if found else None


def _duration(seconds: float) -> str:
    """110 s, 25 min, 3.5 h: two digits are more than it is right to."""
    if seconds < 180:
        return f"{_rounded(seconds):.0f} s"
    return f"{_rounded(seconds / 60):.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _rounded(value: float) -> float:
    digits = max(0, math.floor(math.log10(max(value, 1))) - 1)
    return max(1.0, round(value / 10**digits) * 10**digits)


def _amount(size: int) -> str:
    return f"{size / 2**20:.0f} MB" if size < 2**30 else f"{size / 2**30:.1f} GB"
