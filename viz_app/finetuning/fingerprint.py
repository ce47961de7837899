"""What the numbers of a job depend on besides its spec, so that a log is not continued where they would be others.

Directions are the same on every device (`hizoo_core.normals`), so the device is not among it. A few of a direction's
numbers are kept all the same, and compared: a device that does not compute them as it should is found out. Versions
only serve to explain a difference.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from hizoo_core import normals
from hizoo_core.torch_optim import MeZO

HASHED = 2_000_000  # numbers of the weights that are hashed, evenly spaced: all of a small model's
PLACES = (0, 63, 2**11 - 1, 2**11, 2**16, 2**18 - 1, 2**18, 2**21)  # of a direction: on either side of some borders
EARLIER = "generators of an earlier version of this program"  # of logs from before `normals`
NEAR = 1e-3  # between numbers that two processors round differently, or that two generators drew: 1


def of_code() -> dict[str, Any]:
    """The part that is known before a model is loaded."""
    return {"noise": normals.NAME}


def fingerprint(materials: Any, tuned: Any) -> dict[str, Any]:
    """All facts about loaded materials (`loading.Materials`) and what is tuned at θ_0, as JSON values."""
    parameters = list(tuned.parameters.values())
    some = parameters[:: max(1, len(parameters) // 32)]
    return {
        **of_code(),
        "dtype": str(materials.model.dtype).removeprefix("torch."),
        "weights": materials.weights,
        "examples": _examples_hash(materials.encoded),
        "start": [float(p.detach().reshape(-1)[-1]) for p in some],
        "directions": directions(materials.device, materials.spec.seed),
        "versions": f"torch {torch.__version__}, numpy {np.__version__}",
    }


def directions(device: str, seed: int) -> list[float]:
    """Some numbers of the first direction, drawn on a device."""
    parameter = torch.nn.Parameter(torch.empty(PLACES[-1] + 1, device=device))
    (u,) = MeZO([parameter], n=1, seed=seed).direction(0, 0)
    return [float(u[place]) for place in PLACES]


def weights_hash(module: torch.nn.Module) -> str:
    """SHA-256, shortened, of the names, shapes and numbers of a module's parameters: some of them where many."""
    parameters = dict(module.named_parameters())
    stride = max(1, sum(p.numel() for p in parameters.values()) // HASHED)
    digest = hashlib.sha256()
    for name, p in parameters.items():
        digest.update(f"{name} {tuple(p.shape)}".encode())
        digest.update(p.detach().reshape(-1)[::stride].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _examples_hash(encoded: Any) -> str:
    labels = [[example.label for example in part] for part in (encoded.task.train, encoded.task.held_out)]
    whole = [encoded.word_ids.tolist(), encoded.train_tokens, encoded.held_out_tokens, labels]
    return hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode()).hexdigest()[:16]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two fingerprints, in words; facts that either lacks are passed over."""
    then = {"noise": EARLIER, **then}
    versions = f" ({then.get('versions', 'unknown versions')} then, {now.get('versions', 'unknown versions')} now)"
    words = {
        "noise": "its random directions are those of {then}, and this one draws others ({now})",
        "dtype": "the model was in {then}, and is in {now} here",
        "weights": "the model's weights are not those that it started from",
        "examples": "the task's texts, labels or tokens are not those that it was trained on",
        "start": f"the parameters start from other numbers{versions}",
        "directions": f"random directions are drawn differently{versions}",
    }
    found = {key: (then[key], now[key]) for key in words if key in then and key in now}
    differing = {key: pair for key, pair in found.items() if not _same(*pair)}
    if "weights" in differing or "noise" in differing:  # which the others follow from
        differing = {key: pair for key, pair in differing.items() if key not in ("start", "directions")}
    return [words[key].format(then=one, now=other) for key, (one, other) in differing.items()]


def _same(then: Any, now: Any) -> bool:
    if not isinstance(then, list):
        return then == now
    return len(then) == len(now) and all(map(_near, then, now))


def _near(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=NEAR, abs_tol=NEAR)


def mismatch(job: int, found: Iterable[str]) -> str:
    """The sentence that refuses to go on."""
    return (
        f"run {job} cannot be continued or rebuilt here: {'; '.join(found)}. Its numbers would be others than those in"
        " the log: do it where the run was begun, or start it again"
    )
