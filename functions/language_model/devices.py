"""The devices of this machine: their titles, memory and speed, and all else that is asked of CUDA and MPS by name.

Nothing else in this project asks torch for either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch

from functions.language_model.errors import LanguageModelError

THREADS = torch.get_num_threads()  # as torch chooses them
ROUNDS = 12  # in which speeds are measured


@dataclass(frozen=True)
class Device:
    """Where a model computes: torch's name, what a person calls it, and its whole memory in bytes."""

    name: str
    title: str
    memory: int


def devices() -> list[Device]:
    """The devices of this machine, the fastest kind first; the CPU is always there, and last."""
    import psutil

    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(index)
        found.append(Device(f"cuda:{index}", card.name, card.total_memory))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", torch.mps.recommended_max_memory()))
    threads = torch.get_num_threads()
    title = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    return [*found, Device("cpu", title, psutil.virtual_memory().total)]


def free_memory(device: Device) -> int:
    """Bytes that can still be had there."""
    import psutil

    if device.name.startswith("cuda"):
        return torch.cuda.mem_get_info(device.name)[0]
    if device.name == "mps":
        return max(0, device.memory - torch.mps.driver_allocated_memory())
    return psutil.virtual_memory().available


def release() -> None:
    """Give back what the allocators of graphics cards hold in reserve, after an activity that failed."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def wait(device: str) -> None:
    """Until a device has done all that it was told to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def captured(device: str, work: Callable[[], object]) -> Callable[[], object] | None:
    """The work's launches in a CUDA graph, to be launched together; None where there are no such graphs."""
    if not device.startswith("cuda"):
        return None
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        for _ in range(3):  # libraries allocate and choose at their first uses
            work()
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device), torch.cuda.graph(graph):
        work()
    return graph.replay


def peak(device: str) -> tuple[Callable[[Callable[[], object]], int], str] | None:
    """A function that runs its argument and tells the most bytes held beyond those before, and how it does it; None
    where no such record is kept.
    """
    if device.startswith("cuda"):
        return lambda work: _cuda_peak(work, device), (
            "Measured on the GPU: peak of the bytes that CUDA's caching allocator had given out during one step; what "
            "it holds in reserve is not counted."
        )
    if device == "cpu":
        return _cpu_peak, (
            "Measured on the CPU: the largest running sum of the allocations that torch's profiler saw during one step."
        )
    return None


def _cuda_peak(work: Callable[[], object], device: str) -> int:
    wait(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    wait(device)
    return torch.cuda.max_memory_allocated(device) - before


def _cpu_peak(work: Callable[[], object]) -> int:
    from torch.profiler import ProfilerActivity, profile

    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler prints two lines each time
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    # Allocations one by one; profiler.events() has only their sums by operation.
    results: Any = profiler.profiler
    events = results.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return max(accumulate((change for _, change in changes), initial=0))


def pick_device(wanted: str = "auto") -> Device:
    """The device of that name: "auto" (CUDA, else MPS, else CPU), "cpu", "cuda", "cuda:1" or "mps".

    Raises LanguageModelError, field "device", which lists the devices there are.
    """
    present = devices()
    for device in present:
        if wanted in ("auto", device.name, device.name.removesuffix(":0")):
            return device
    listed = "; ".join(f"{device.name} ({device.title}, {size(device.memory)})" for device in present)
    raise LanguageModelError(
        "device", f"device is {wanted[:40]!r}, but this machine has: {listed}. auto takes the first"
    )


def has_bfloat16(device: Device) -> bool:
    if device.name.startswith("cuda"):
        with torch.cuda.device(device.name):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        torch.zeros(1, dtype=torch.bfloat16, device=device.name)
    except TypeError:  # MPS before macOS 14
        return False
    return True


def size(amount: float) -> str:
    """Bytes, for people: "2.68 MB"."""
    units = iter(("bytes", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while amount >= 999.5 and unit != "TB":
        amount, unit = amount / 1000, next(units)
    return f"{amount:.3g} {unit}"


def speed(device: str, **works: Callable[[], Any]) -> dict[str, float]:
    """How fast a device is when nothing else uses it, with as many threads as torch uses now: "flops" a second of a
    matrix product, "bytes" of weights a second where each is used once, seconds of an "operation" on next to nothing,
    seconds that an activation function takes for one "element", and seconds of each of `works`, by its name.

    Each is the best of several tries of a few milliseconds, which are spread over a second or two: on a busy machine
    some of them come between the other processes, while a mean measures those as well.
    """
    square = torch.randn(1024, 1024, device=device)
    weights = torch.randn(4096, 4096, device=device)
    dot = torch.zeros(8, device=device)
    line = torch.randn(2**17, device=device)
    repeated: dict[str, tuple[Callable[[], Any], int]] = {
        "product": (lambda: square @ square, 1),
        "vector": (lambda: weights @ weights[0], 1),
        "operation": (lambda: dot.add_(1.0), 200),
        "elements": (lambda: torch.nn.functional.gelu(line), 20),
        **{name: (work, 1) for name, work in works.items()},
    }

    def once(work: Callable[[], Any], repeats: int) -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            work()
        dot[0].item()  # waits for the device
        return (time.perf_counter() - started) / repeats

    rounds = [{name: once(*work) for name, work in repeated.items()} for _ in range(ROUNDS)]
    best = {name: min(seconds[name] for seconds in rounds) for name in repeated}
    return {
        "flops": 2 * 1024**3 / best["product"],
        "bytes": 4 * 4096**2 / best["vector"],
        "operation": best["operation"],
        "element": best["elements"] / len(line),
        **{name: best[name] for name in works},
    }
