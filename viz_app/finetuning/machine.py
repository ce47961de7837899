"""The devices of the machine and their speed, as notes of the log that a forecast reads."""

import time
from collections.abc import Callable
from typing import Any

from viz_app.finetuning import forecast as estimate
from viz_app.finetuning.store import Log


def find_devices(log: Log) -> None:
    """Note which devices there are, which one "auto" means, and how fast each is, as far as that is not known."""
    import torch

    from functions.language_model.model import pick_device

    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    names += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    devices = [pick_device(name) for name in names]
    found = [{"name": device.name, "title": device.title, "memory": device.memory} for device in devices]
    log.note(estimate.DEVICES, {"auto": pick_device("auto").name, "devices": found})
    for device in devices:
        if not log.notes(estimate.SPEED + device.name):
            log.note(estimate.SPEED + device.name, _speed(device.name))


def _speed(device: str) -> dict[str, float]:
    """A device's speed as `viz_app.finetuning.forecast` wants it, found in a fraction of a second."""
    import torch

    square = torch.randn(1024, 1024, device=device)
    dot = torch.zeros(8, device=device)
    line = torch.zeros(2**20, device=device)

    def timed(work: Callable[[], Any], repeats: int) -> float:
        def once() -> float:
            start = time.perf_counter()
            for _ in range(repeats):
                work()
            line[0].item()  # waits for the device
            return (time.perf_counter() - start) / repeats

        once()
        return min(once() for _ in range(3))

    return {
        "flops": 2 * 1024**3 / timed(lambda: square @ square, 2),
        "operation": timed(lambda: dot.add_(1.0), 200),
        "normal": timed(lambda: line.add_(torch.randn_like(line)), 2) / len(line),
    }
