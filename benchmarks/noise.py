"""What a direction costs on the CPU: our numbers against torch's normal_, drawn chunk by chunk by the same threads.

python -m benchmarks.noise

Both sides take turns in one run; a value is the median over the rounds of ours divided by theirs. The last line
compares the words alone with numpy's Philox4x64-10, the usual generator whose words are a function of their number.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from hizoo_core import workspace
from hizoo_core.module_parameters import ModuleParameters
from hizoo_core.normals import BLOCK, Source, Stream
from hizoo_core.preconditioner import Curvature, Piece
from hizoo_core.workspace import Draw, SeededDirections

COUNTS = (10**4, 10**6, 10**8)
NUMBERS = 10**7  # drawn by each side in a round, at least
ROUNDS = 9


class Torchs(SeededDirections):
    """u from torch's generator, seeded for each chunk."""

    def open(self, step: int, i: int) -> Draw:
        def draw(out: torch.Tensor, first: int, source: Source) -> None:
            out.normal_(generator=torch.Generator().manual_seed(first))

        return draw


def main() -> None:
    """Print one JSON line a benchmark."""
    workspace.KEPT = 0  # else the numbers of small tensors would be drawn once a step
    before = torch.get_num_threads()
    for count in COUNTS:
        theta = torch.zeros(count)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            ours, torchs = (drawing(theta, directions) for directions in (SeededDirections(0), Torchs(0)))
            compare(f"{count:,} numbers, threads: {threads}", "normal_", ours, torchs, count)
    torch.set_num_threads(before)
    stream, source = Stream.of(0, 0, 0), Source()
    philox = np.random.Philox(key=0)
    ours = lambda: source.words(stream, 0, BLOCK)  # noqa: E731
    compare("the words of 65,536 numbers", "Philox", ours, lambda: philox.random_raw(BLOCK), 2 * BLOCK)


def drawing(theta: torch.Tensor, directions: SeededDirections) -> Callable[[], object]:
    """Draws one direction for θ, which is left alone."""
    space = ModuleParameters([(theta, Curvature(None))], 1, 1e-3, 0, directions, centre=False)

    def draw(piece: Piece, own: workspace.Workspace) -> None:
        own.draw(piece, 0)

    return lambda: space._share(draw, space._pieces)


def compare(name: str, other: str, ours: Callable[[], object], theirs: Callable[[], object], count: int) -> None:
    repeats = max(1, NUMBERS // count)
    seconds: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for round_ in range(ROUNDS + 1):
        for side, taken in seconds.items():
            began = time.perf_counter()
            for _ in range(repeats):
                side()
            if round_:
                taken.append((time.perf_counter() - began) / repeats / count)
    value = statistics.median(a / b for a, b in zip(seconds[ours], seconds[theirs], strict=True))
    nanoseconds = {
        key: round(1e9 * statistics.median(side), 2)
        for key, side in (("ours", seconds[ours]), (other, seconds[theirs]))
    }
    line = {
        "name": f"{name}: ours against {other}",
        "value": round(value, 2),
        "unit": "ratio",
        "goal": "<= 1",
        "met": value <= 1,
    }
    print(json.dumps(line | {"ns a number": nanoseconds}), flush=True)


if __name__ == "__main__":
    main()
