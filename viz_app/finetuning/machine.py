"""The devices of the machine and their speed, as notes of the log that a forecast reads."""

from viz_app.finetuning import forecast as estimate
from viz_app.finetuning.store import Log


def find_devices(log: Log) -> None:
    """Note which devices there are, which one "auto" means, and how fast each is now."""
    import torch

    from functions.language_model.devices import pick_device, speed

    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    names += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    devices = [pick_device(name) for name in names]
    found = [{"name": device.name, "title": device.title, "memory": device.memory} for device in devices]
    log.note(estimate.DEVICES, {"auto": pick_device("auto").name, "devices": found})
    for device in devices:
        log.note(estimate.SPEED + device.name, speed(device.name))
