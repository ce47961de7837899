"""A closure that sees the same random numbers in every evaluation of a step, and a warning if it depends on any."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_pre_hook

DRAWS = 2**32 - 1  # in a key: no direction has this number


@contextmanager
def same_draws(
    closure: Callable[[], Any],
    seed: int,
    step: int,
    devices: Iterable[torch.device],
    examined: Callable[[str], None] | None = None,
) -> Iterator[Callable[[], Any]]:
    """The closure, with torch's default generators seeded from (seed, step) before every call.

    These are the generators of the CPU and of the given CUDA or XPU devices; their states are put back at the end.
    The first call that returns is looked at, and `examined` is told what to warn of: that the closure drew random
    numbers, or that a module in training mode updated its running statistics; or "".
    """
    key = int(np.random.SeedSequence((seed, step, DRAWS)).generate_state(1, np.uint64)[0])
    generators = [torch.default_generator]
    for device in sorted({device for device in devices if device.type != "cpu"}, key=str):
        known = getattr(torch.get_device_module(device), "default_generators", ())
        generators += [known[device.index or 0]] if known else []
    before = [generator.get_state() for generator in generators]
    pending = examined

    def call() -> Any:
        nonlocal pending
        for generator in generators:
            generator.manual_seed(key)
        if pending is None:
            return closure()
        seeded = [generator.get_state() for generator in generators]
        with _training_modules() as found:
            result = closure()
        drew = any(not torch.equal(g.get_state(), state) for g, state in zip(generators, seeded, strict=True))
        tell, pending = pending, None
        tell(_message(found, drew))
        return result

    try:
        yield call
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def users_level() -> int:
    """The `stacklevel` with which the calling function warns of the nearest line outside of this package and torch."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("hizoo_core", "torch"):
        frame, level = frame.f_back, level + 1
    return level


@contextmanager
def _training_modules() -> Iterator[dict[str, str]]:
    """The modules that run in this thread and whose training mode makes a loss random or changes their buffers.

    Qualified names, as in `named_modules` of the outermost module that ran, and what each module does.
    """
    found: dict[str, str] = {}
    names: dict[nn.Module, str] = {}
    thread = threading.get_ident()

    def see(module: nn.Module, _arguments: Any) -> None:
        if threading.get_ident() != thread:
            return
        if module not in names:
            names.update((inner, name) for name, inner in module.named_modules())
        if module.training:
            name = f"{names[module]} ({type(module).__name__})" if names[module] else type(module).__name__
            if isinstance(module, _DropoutNd) and module.p:
                found[name] = "draws random numbers"
            elif isinstance(module, _NormBase) and module.running_mean is not None:
                found[name] = "updates its running statistics at every probe"

    handle = register_module_forward_pre_hook(see)
    try:
        yield found
    finally:
        handle.remove()


def _message(found: dict[str, str], drew: bool) -> str:
    """What to say of these modules and of a closure that drew random numbers; "" if there is nothing to say."""
    if not found and not drew:
        return ""
    parts = [f"{name} {what}" for name, what in list(found.items())[:3]]
    if len(found) > 3:
        parts.append(f"{len(found) - 3} more modules in training mode")
    if not found:
        parts.append("the loss draws random numbers")
    same = " All evaluations of a step get the same numbers, each step others." if drew else ""
    return f"{'; '.join(parts)}.{same} Call model.eval() before training, unless this is meant."
