"""The devices of the machine and their speed, as notes of the log that a forecast reads."""

from contextlib import suppress

from viz_app.finetuning import forecast, limits
from viz_app.finetuning.costs import walks
from viz_app.finetuning.presets import BUNDLED
from viz_app.finetuning.store import Log, LogFull

WALKED = 2**22  # parameters of the steps that are timed


def find_devices(log: Log) -> None:
    """Note which devices there are, which one "auto" means, and how fast each is."""
    from functions.language_model import devices

    found = [vars(device) for device in devices.devices()]
    log.note(forecast.DEVICES, {"auto": devices.pick_device("auto").name, "devices": found})
    for device in found:
        note_speed(log, device["name"], BUNDLED)
        note_speed(log, device["name"], "any other")


def note_speed(log: Log, device: str, model: str) -> None:
    """Measure in about a second how fast a device is for a model, and note it if there is room to."""
    with suppress(LogFull):
        log.note(forecast.speed_key(device, model), speed(device, model))


def speed(device: str, model: str) -> dict[str, float]:
    """What `functions.language_model.devices.speed` finds, with the threads that a session of the model uses; and
    seconds per parameter of a "walk", one of the passes over θ of a zeroth-order step.
    """
    import torch

    from functions.language_model import devices
    from hizoo_core.training import METHODS, Trainer

    before = torch.get_num_threads()
    torch.set_num_threads(1 if limits.single_threaded(model) else devices.THREADS)
    try:
        theta = {"theta": torch.nn.Parameter(torch.zeros(1024, WALKED // 1024, device=device))}
        trainer = Trainer(theta, "mezo", METHODS["mezo"].hyperparameters(n=1), 1, 0)
        zero = torch.zeros((), device=device)

        found = devices.speed(device, walk=lambda: trainer.advance(lambda: zero))
        return {**found, "walk": found["walk"] / (walks(1) * WALKED)}
    finally:
        torch.set_num_threads(before)
