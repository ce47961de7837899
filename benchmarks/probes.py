"""The 2n + 1 probes of an adapter as one batched forward pass, against one after another; one JSON line a case.

python -m benchmarks.probes

Batched: `torch.func.vmap` of `functional_call` over the adapter's parameters, stacked; everything else is shared. The
bundled model, 32 reviews, LoRA or a prefix; one thread, since on a busy machine the threads of small operations mostly
wait for each other, which is more often in many small passes than in a large one.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.func import functional_call, vmap

from functions.language_model.adapters import adapt
from functions.language_model.devices import wait
from functions.language_model.metrics import loss
from functions.language_model.model import load
from functions.language_model.tasks import encode, make

ROUNDS = 7


def main() -> None:
    """Print one JSON line a case: above 1, batching is faster."""
    torch.set_num_threads(1)
    for line in cases("cpu"):
        print(json.dumps(line), flush=True)


def cases(device: str, counts: Sequence[int] = (1, 4, 8)) -> Iterator[dict[str, object]]:
    """A line for each adapter and number of directions."""
    for tune in ("lora", "prefix"):
        model = load("bundled", device=device, dtype="float32")
        task = encode(make("reviews"), model.tokenizer, model.context)
        batch = task.batch(0, 32, 0).to(device)
        tuned = adapt(model, tune, seed=0)
        names = [
            name for name, p in tuned.module.named_parameters() if any(p is own for own in tuned.parameters.values())
        ]
        start = [p.detach() for p in map(tuned.module.get_parameter, names)]

        whole = Loss(tuned.module)

        def one(values: tuple[torch.Tensor, ...], whole=whole, names=names, batch=batch) -> torch.Tensor:
            return functional_call(
                whole, {f"module.{name}": p for name, p in zip(names, values, strict=True)}, (batch,)
            )

        for n in counts:
            torch.manual_seed(0)
            stacked = tuple(p + 1e-2 * torch.randn(2 * n + 1, *p.shape, device=device) for p in start)

            def in_turn(one=one, stacked=stacked) -> torch.Tensor:
                return torch.stack([one(values) for values in zip(*stacked, strict=True)])

            def batched(one=one, stacked=stacked) -> torch.Tensor:
                return vmap(one)(stacked)

            line: dict[str, object] = {"name": f"{2 * n + 1} probes of {tune}, one after another against batched"}
            try:
                with torch.no_grad():
                    torch.testing.assert_close(in_turn(), batched(), rtol=1e-4, atol=1e-5)
                    line |= {"value": round(faster(in_turn, batched, device), 2), "unit": "ratio"}
            except (RuntimeError, ValueError) as error:
                line["cannot"] = str(error).split("\n")[0]
            yield line


class Loss(torch.nn.Module):
    """The loss of a module on a batch, as a module: what is called with other parameters."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Any) -> torch.Tensor:
        return loss(self.module, batch)


def faster(a: Callable[[], object], b: Callable[[], object], device: str) -> float:
    """Seconds of a divided by seconds of b, the median over ROUNDS in turn."""
    ratios = []
    for _ in range(ROUNDS):
        seconds = []
        for side in (a, b):
            began = time.perf_counter()
            side()
            wait(device)
            seconds.append(time.perf_counter() - began)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
