"""The map's speed: the whole against drawing its normal numbers alone, and what a visitor waits for.

python -m benchmarks.maps

The map of the goal: 12 × 6 settings (α × n), 16 runs a cell, 3,000 forward passes a run, on `stiff_quadratic`. Computed
with everything that the page draws from, and encoded. "Its normal numbers" are those that its cells use, each counted
for every cell; the map draws fewer, because cells share their directions.
"""

from __future__ import annotations

import statistics
import time
import urllib.request

from benchmarks.browser import closing_app
from benchmarks.browser import report as line
from benchmarks.engine import normal_numbers, ratio, repeat, report
from viz_app.tuning import maps
from viz_app.tuning import spec as map_spec

QUERY = (
    "f=stiff_quadratic&x0=1,1&runs=16&seed=0&forwards=3000&x=alpha=1e-4:1:12&y=n=1,2,4,8,16,32"
    "&opt=hizoo:alpha=0.1,n=4,lr=0.1,mu=1e-3,warmup=10,estimator=paper"
)
VISITS = 15


def main() -> None:
    """Print one JSON line a benchmark."""
    spec = map_spec.parse(QUERY)
    numbers = spec.function.dim * spec.base.runs * sum(spec.cell(i).steps * s.n for i, s in enumerate(spec.settings))
    whole, drawing = repeat(lambda: list(maps.stream(spec)), lambda: normal_numbers(numbers))
    report("map, 72 cells, against drawing its normal numbers alone", ratio(whole, drawing), "<= 3", 3, at_least=False)
    first, last = [], []
    with closing_app() as server:
        for _ in range(VISITS):
            began = time.perf_counter()
            with urllib.request.urlopen(f"{server.url}/api/map/stream?{QUERY}") as answer:
                read_message(answer)  # the header
                read_message(answer)
                first.append(1000 * (time.perf_counter() - began))
                while read_message(answer):
                    pass
                last.append(1000 * (time.perf_counter() - began))
    line("map, first cells over HTTP, median", statistics.median(first), "ms", "< 300", statistics.median(first) < 300)
    line("map, all cells over HTTP, median", statistics.median(last), "ms", "< 3000", statistics.median(last) < 3000)


def read_message(answer) -> bytes:
    """One message of the stream; empty at its end."""
    return answer.read(int.from_bytes(answer.read(4), "little"))


if __name__ == "__main__":
    main()
