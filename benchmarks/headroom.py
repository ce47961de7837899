"""What curvature can gain, on functions and on language models, as Markdown tables.

    python -m benchmarks.headroom                                     functions and the bundled model
    python -m benchmarks.headroom --smollm2 DIR --sst2 FOLDER         and SmolLM2's last two layers on SST-2

R and the gains R(Σ)/R(1) at the start, at times on the way, and at the end of a MeZO run with its preset. DIR is a data
directory in which `python app.py --data-dir DIR model smollm2` has put the model, FOLDER holds SST-2's train.tsv and
dev.tsv. ± is a jackknife standard error over the rounds of all seeds together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from functions import resolve
from hizoo_core.headroom import best_of, bound, headroom
from viz_app.playground.runner import run

POINTS = (
    ("stiff_quadratic", (0.0, 1.0)),
    ("stiff_quadratic", (1.0, 1.0)),
    ("rotated_ellipse", (1.0, 1.0)),
    ("rotated_ellipse", (1.0, -1.0)),
    ("isotropic_bowl", (1.0, 0.5)),
    ("rosenbrock", (-1.2, 1.0)),
    ("double_well", None),
    ("quadratic:d=100", None),
)
BUNDLED = "task=reviews&tune=full&steps=200&eval=100000&truth=0&opt=mezo&seed={seed}"
SMOLLM2 = (
    "model=smollm2&task=sst2&data={sst2}&template=Review: {{text}}%0ASentiment:&words=negative,positive&train=512"
    "&tune=top:2&batch=32&steps=200&eval=100000&truth=0&opt=mezo:n=1,lr=4e-3&seed={seed}"
)
GAINS = ("tensor", "F^-1/2", "F^-1")


def of_functions() -> Iterator[str]:
    """Rows of the table of functions: at their points, and where a HiZOO run from there has lost 99 % of its loss."""
    yield "| function | point | R(1) | R(1/\\|H_jj\\|) | gain | any diagonal | gain of a step, n = 1 | n = 8 |"
    yield "| --- | --- | --: | --: | --: | --: | --: | --: |"
    for key, at in POINTS:
        function = resolve(key)
        theta = np.array(function.start if at is None else at)
        yield _function_row(key, "start" if at is None else f"({', '.join(f'{x:g}' for x in theta)})", theta)
        trace = run(f"f={key}&x0={','.join(map(repr, theta.tolist()))}&runs=1&opt=hizoo").traces[0]
        gap = trace.loss[:, 0] - (function.minimum or 0)
        if below := int(np.argmax(gap < gap[0] / 100)):
            yield _function_row(key, f"HiZOO, step {below}", trace.theta[below, 0])


def _function_row(key: str, where: str, theta: np.ndarray) -> str:
    function = resolve(key)
    g, h, hessian = function.gradient(theta), function.hessian_diagonal(theta), function.hessian(theta)
    with np.errstate(divide="ignore"):
        exact = 1 / np.abs(h)
    plain, own = float(headroom(g, h)), float(headroom(g, h, exact))
    steps = [float(best_of(g, hessian, exact, n).gain / best_of(g, hessian, 1.0, n).gain) for n in (1, 8)]
    cells = [f"{plain:.2g}", f"{own:.2g}", *(f"{x:,.3g}" for x in (own / plain, float(bound(g, h)) / plain, *steps))]
    return f"| `{key}` | {where} | {' | '.join(cells).replace('nan', '–')} |"


def of_model(title: str, spec: str, directory: Path, seeds: int, steps: tuple[int, ...], repeats: int) -> Iterator[str]:
    """Rows of the table of models. Trains `seeds` runs of a spec, and measures each at `steps`, `repeats` times."""
    from functions.language_model.headroom import Rounds
    from viz_app.finetuning import spec as specs
    from viz_app.finetuning.session import Session
    from viz_app.finetuning.store import Log

    together: dict[int, Rounds] = {}
    with Log(directory) as log:
        for seed in range(seeds):
            read = specs.parse(spec.format(seed=seed))
            session = Session(log.create_job(read.query(), "shell"), read, log)
            session.open()
            while session.advance():
                pass
            for step in steps:
                for _ in range(repeats):
                    found: dict[str, Any] = session.measure_headroom(0, step)
                print(f"{title}, seed {seed}, step {step}: {found['sentence']} {found['cost']}", file=sys.stderr)
                rounds = Rounds(**found["raw"])
                together.setdefault(step, Rounds(rounds.sizes)).add(rounds)
            session.close()
            log.change_state(session.job, "finished")
    for step, rounds in together.items():
        R, gains = rounds.headroom(), rounds.gains()
        spread = [row[0] for row in rounds.ratios() if row[0] is not None]
        low, high = np.quantile(spread, [0.25, 0.75])
        cells = [_measured(R["none"]), *(_measured(gains[name]) for name in GAINS), f"{low:.2g} to {high:.2g}"]
        yield f"| {title} | {step} | {' | '.join(cells)} | {len(rounds.s)} × {rounds.texts // len(rounds.s)} |"


def _measured(pair: list[Any]) -> str:
    value, error = pair
    return "–" if value is None else f"{value:.2g}" + ("" if error is None else f" ± {error:.1g}")


HEAD = (
    "| model | step | R(1) | 1/h per tensor, gain | F^-½, gain | F^-1, gain | r, middle half | rounds × texts |\n"
    "| --- | --: | --: | --: | --: | --: | --: | --: |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", metavar="DIR", type=Path, help="a data directory that has the model")
    parser.add_argument("--sst2", metavar="FOLDER", help="folder with SST-2's train.tsv and dev.tsv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1, help="times that each point is measured, 4 rounds each")
    parser.add_argument("--only", choices=("functions", "bundled", "smollm2"))
    arguments = parser.parse_args()
    wanted = (
        [arguments.only] if arguments.only else ["functions", "bundled", *(["smollm2"] if arguments.smollm2 else [])]
    )
    if "functions" in wanted:
        for row in of_functions():
            print(row)
        print()
    if wanted != ["functions"]:
        print(HEAD, flush=True)
    if "bundled" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            rows = of_model(
                "bundled, reviews", BUNDLED, Path(folder), arguments.seeds, (0, 20, 100, 200), arguments.repeats
            )
            for row in rows:
                print(row, flush=True)
    if "smollm2" in wanted:
        if not arguments.smollm2 or not arguments.sst2:
            parser.error("SmolLM2 needs --smollm2 DIR and --sst2 FOLDER")
        spec = SMOLLM2.replace("{sst2}", arguments.sst2)
        for row in of_model(
            "SmolLM2, SST-2, top 2", spec, arguments.smollm2, arguments.seeds, (0, 100, 200), arguments.repeats
        ):
            print(row, flush=True)


if __name__ == "__main__":
    main()
