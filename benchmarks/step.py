"""What a zeroth-order step costs beside its forward passes, at OPT-125m's shape; one JSON line a benchmark.

python -m benchmarks.step

The model has facebook/opt-125m's shape and random weights, the batch 16 texts of 64 tokens. All sides take turns in one
run, and a ratio is the median over the rounds.
"""

from __future__ import annotations

import ctypes
import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import OPTConfig, OPTForCausalLM

from hizoo_core.torch_optim import HiZOO, HiZOOL, MeZO

ROUNDS = 3
SHAPE = "OPT-125m's shape"


def main() -> None:
    """Print one JSON line a benchmark."""
    torch.manual_seed(0)
    model = OPTForCausalLM(OPTConfig()).eval()  # the defaults are facebook/opt-125m's shape
    parameters = list(model.parameters())
    tokens = torch.randint(4, 50_000, (16, 64))

    def forward(**options: int) -> torch.Tensor:
        logits = model(input_ids=tokens, **options).logits[:, -1]
        return torch.nn.functional.cross_entropy(logits, tokens[:, -1])

    def last_position() -> torch.Tensor:
        return forward(logits_to_keep=1)

    hizoo, mezo = HiZOO(parameters, lr=1e-7, alpha=1e-6), MeZO(parameters, lr=1e-7)
    P = [torch.ones_like(p, requires_grad=False) for p in parameters]
    seconds = take_turns(
        {
            "forward": last_position,
            "hizoo": lambda: hizoo.step(last_position),
            "mezo": lambda: mezo.step(last_position),
            "released": lambda: released(parameters, P, forward),
        }
    )
    hizoo_ratio, mezo_ratio = ratio(seconds, "hizoo", "forward") / 3, ratio(seconds, "mezo", "forward") / 2
    say("HiZOO's step against three forward passes", hizoo_ratio, "<= 1.25", hizoo_ratio <= 1.25)
    say("MeZO's step against two forward passes", mezo_ratio, "<= 1.25", mezo_ratio <= 1.25)
    faster = ratio(seconds, "released", "hizoo")
    say("HiZOO's step the released code's way against ours", faster, ">= 2.2", faster >= 2.2)
    P.clear()
    for name, optimizer in (("HiZOO", hizoo), ("MeZO", mezo), ("HiZOO-L", HiZOOL(parameters, lr=1e-7, alpha=1e-6))):
        megabytes = allocated(optimizer)
        say(f"{name}'s workspace beside weights, P and forward pass", megabytes, "<= 64", megabytes <= 64, unit="MB")
        if name == "HiZOO-L":
            kept = sum(value.numel() for state in optimizer.state.values() for value in state.values())
            percent = 100 * kept / model.num_parameters()
            say("HiZOO-L's P against the weights", percent, "< 1", percent < 1, unit="%")


def say(name: str, value: float, goal: str, met: bool, unit: str = "ratio") -> None:
    line = {"name": f"{SHAPE}: {name}", "value": round(value, 2), "unit": unit, "goal": goal, "met": met}
    print(json.dumps(line), flush=True)


def allocated(optimizer: HiZOO | HiZOOL | MeZO) -> float:
    """MB by which a step exceeds weights and P, at its peak; its loss takes none. (Linux: the kernel counts.)"""
    optimizer.step(lambda: 0.0)  # makes P
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed and not given back would hide what is taken
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    optimizer.step(lambda: 0.0)
    return (resident("VmHWM") - before) / 1024


def resident(which: str) -> int:
    """Kilobytes of memory in use now (VmRSS) or at the peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which))


def released(parameters: list[torch.nn.Parameter], P: list[torch.Tensor], forward: Callable[[], torch.Tensor]) -> None:
    """A step as the authors' code makes it: whole tensors with temporaries, four passes over θ and four forwards."""
    mu, lr, smoothing = 1e-3, 1e-7, 1e-6

    def perturb(factor: float) -> None:
        torch.manual_seed(1)
        for p, h in zip(parameters, P, strict=True):
            z = torch.normal(mean=0, std=1, size=p.data.size(), device=p.data.device, dtype=p.data.dtype)
            p.data = p.data + factor / torch.sqrt(h) * z * mu

    with torch.no_grad():
        loss = float(forward())
        perturb(1)
        plus = float(forward())
        perturb(-2)
        minus = float(forward())
        perturb(1)
        torch.manual_seed(1)
        for i, (p, h) in enumerate(zip(parameters, P, strict=True)):
            z = torch.normal(mean=0, std=1, size=p.data.size(), device=p.data.device, dtype=p.data.dtype)
            estimate = abs(plus + minus - 2 * loss) * h * z * z * smoothing / (2 * mu**2)
            P[i] = (1 - smoothing) * h + estimate
            p.data = p.data - lr * ((plus - minus) / (2 * mu) * z / torch.sqrt(P[i]))
        forward()  # the loss after the step, for their log


def take_turns(sides: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each side, ROUNDS times in turn, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(ROUNDS + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            with torch.no_grad():
                side()
            if round_:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(seconds: dict[str, list[float]], a: str, b: str) -> float:
    return statistics.median(x / y for x, y in zip(seconds[a], seconds[b], strict=True))


if __name__ == "__main__":
    main()
