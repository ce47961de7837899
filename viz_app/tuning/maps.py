"""A map computed: every cell's figures for the table, and what the page draws when a cell is hovered over."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from hizoo_core.sweep import Batch, sweep
from viz_app import tables
from viz_app.playground import wire
from viz_app.spec.runs import divergence_limit
from viz_app.spec.text import number
from viz_app.tuning import known
from viz_app.tuning import spec as map_spec
from viz_app.tuning.known import Cell
from viz_app.tuning.spec import MapSpec
from viz_app.web.finite import finite

FRAMES = 61  # recorded steps of a run; the bias is of them, and must not depend on who asks
THIN = 2  # every second of them is sent of maps with more than MANY cells
MANY = 400
COARSE_WORK = 20_000_000  # normal numbers, some 300 ms: more is shown coarse first
FLAT = 1e-12  # of a true curvature: the ratio of P to less means nothing


@dataclass(frozen=True)
class Cells:
    """K cells of a map. which: their places, iy · len(x) + ix. steps, passes_per_step: of each.

    passes: (K,) median over runs of the forward passes until the loss first was at the target, NaN unless half of the
    runs got there; reached: (K,) how many did. loss: (K,) median final gap, a diverged run's counting as infinite.
    diverged: (K,) share of runs. bias: (K,) geometric mean of P/|true diagonal| over coordinates, living runs and the
    second half of the recorded steps; NaN where there is none.
    """

    which: np.ndarray
    steps: int
    passes_per_step: int
    passes: np.ndarray
    reached: np.ndarray
    loss: np.ndarray
    diverged: np.ndarray
    bias: np.ndarray


def compute(spec: MapSpec, cancelled: Callable[[], bool] | None = None) -> Iterator[tuple[Cells, Batch]]:
    """All cells, in batches with what was recorded, coarse to fine where the whole takes longer than a moment."""
    settings = spec.settings
    for level in levels(spec):
        for cells, batch in run(spec, [settings[i] for i in level], spec.base.seed, cancelled):
            figures = zip(cells.loss.tolist(), cells.passes.tolist(), cells.diverged.tolist(), strict=True)
            told = (Cell(loss, None if np.isnan(passes) else int(passes), part) for loss, passes, part in figures)
            known.remember(spec, zip((settings[level[i]] for i in cells.which), told, strict=True))
            yield replace(cells, which=np.array(level)[cells.which]), batch


def run(
    spec: MapSpec, settings: Sequence[Any], seed: int, cancelled: Callable[[], bool] | None, frames: int = FRAMES
) -> Iterator[tuple[Cells, Batch]]:
    """Some settings of the spec's optimizer, in batches; `which` are their places in the list."""
    function = spec.function
    reference = function.minimum or 0.0
    target = map_spec.default_target(spec)
    for batch in sweep(
        function,
        spec.opt.method,
        settings,
        np.array(spec.base.x0),
        forwards=spec.forwards,
        runs=spec.base.runs,
        seed=seed,
        frames=frames,
        target=None if target is None else reference + target,
        limit=divergence_limit(function),
        gradient_noise=spec.base.noise,
        cancelled=cancelled,
    ):
        yield _figures(batch, reference), batch


def levels(spec: MapSpec) -> list[list[int]]:
    """The cells in the order of their computation: every third column of every second row first, if all take long."""
    columns, cells = len(spec.x.values), len(spec.settings)
    directions = spec.forwards // 2 * cells * spec.base.runs * spec.function.dim
    if directions <= COARSE_WORK:
        return [list(range(cells))]
    coarse = [(i % columns) % 3 == 1 and (i // columns) % 2 == 0 for i in range(cells)]
    parts = [[i for i in range(cells) if coarse[i] == first] for first in (True, False)]
    return [part for part in parts if part]


def _figures(batch: Batch, reference: float) -> Cells:
    stopped = batch.stopped >= 0
    runs = stopped.shape[1]
    final = np.sort(np.where(stopped, np.inf, batch.loss[-1] - reference), axis=1)
    hit = batch.reached >= 0
    passes = np.sort(np.where(hit, batch.reached * float(batch.passes), np.inf), axis=1)[:, (runs - 1) // 2]
    reached = hit.sum(axis=1)
    bias = np.full(len(batch.which), np.nan)
    if batch.h is not None:
        late = batch.steps >= batch.steps[-1] / 2
        truth = np.abs(batch.true_h[late])
        with np.errstate(all="ignore"):
            ratio = np.log(batch.h[late] / np.where(truth > FLAT, truth, np.nan))
        known = np.isfinite(ratio)
        count = known.sum(axis=(0, 2, 3))
        total = np.where(known, ratio, 0.0).sum(axis=(0, 2, 3))
        bias = np.exp(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return Cells(
        which=batch.which,
        steps=int(batch.steps[-1]),
        passes_per_step=batch.passes,
        passes=np.where(2 * reached >= runs, passes, np.nan),
        reached=reached,
        loss=_median(final),
        diverged=stopped.mean(axis=1),
        bias=bias,
    )


def _median(ordered: np.ndarray) -> np.ndarray:
    """Median along axis 1 of sorted values that may be infinite."""
    runs = ordered.shape[1]
    low, high = ordered[:, (runs - 1) // 2], ordered[:, runs // 2]
    with np.errstate(invalid="ignore"):
        return np.where(low == high, low, (low + high) / 2)


# ---- for the shell and the HTTP table ----


def table(
    spec: MapSpec,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int], object] | None = None,
) -> pa.Table:
    """One row per cell, in the order of the map's rows: settings of the axes, and the figures of `Cells`.

    `progress` is told how many more cells are done.
    """
    cells = []
    for part, _ in compute(spec, cancelled):
        cells.append(part)
        if progress is not None:
            progress(len(part.which))
    order = np.argsort(np.concatenate([part.which for part in cells]))

    def column(values: Callable[[Cells], Any]) -> np.ndarray:
        return np.concatenate([np.broadcast_to(values(part), part.which.shape) for part in cells])[order]

    def known(values: np.ndarray) -> pa.Array:
        return pa.array(values, mask=~np.isfinite(values))

    settings = spec.settings
    return pa.table(
        {
            "optimizer": pa.array([spec.opt.method] * len(settings)),
            **{axis.name: pa.array([getattr(each, axis.name) for each in settings]) for axis in (spec.x, spec.y)},
            "steps": column(lambda part: part.steps),
            "forwards": column(lambda part: part.steps * part.passes_per_step),
            "runs": np.full(len(settings), spec.base.runs),
            "passes_to_target": known(column(lambda part: part.passes)),
            "reached": column(lambda part: part.reached),
            "final_gap": known(column(lambda part: part.loss)),
            "diverged_share": column(lambda part: part.diverged),
            "hessian_bias": known(column(lambda part: part.bias)),
        },
        metadata={"spec": spec.query(), "target": json.dumps(map_spec.default_target(spec))},
    )


def summary(spec: MapSpec, rows: pa.Table) -> str:
    """The best cell in a line: the fewest passes to the target among those that end there, or the lowest final gap."""
    target = map_spec.default_target(spec)
    gaps, passes = (rows[name].to_numpy(zero_copy_only=False) for name in ("final_gap", "passes_to_target"))
    if np.isnan(gaps).all():
        return "in every cell at least half of the runs diverged"
    there = np.isfinite(passes) & (gaps <= (np.inf if target is None else target))
    best = int(np.nanargmin(np.where(there, passes, np.nan))) if there.any() else int(np.nanargmin(gaps))
    cell = rows.slice(best, 1).to_pylist()[0]
    setting = ", ".join(f"{axis.name}={number(cell[axis.name])}" for axis in (spec.x, spec.y))
    if there.any():
        return f"best of {rows.num_rows} cells: {setting}: {cell['passes_to_target']:.4g} forward passes to {target:g}"
    missed = "" if target is None else f"nothing reaches a gap of {target:g} and stays there; "
    measure = "final loss (no minimum is known)" if spec.function.minimum is None else "final gap"
    return f"{missed}lowest of {rows.num_rows} cells: {setting}: {measure} {cell['final_gap']:.4g}"


def to_json(rows: pa.Table) -> bytes:
    metadata = rows.schema.metadata
    return json.dumps(
        {
            "spec": metadata[b"spec"].decode(),
            "target": json.loads(metadata[b"target"]),
            "cells": rows.to_pylist(),
        },
        allow_nan=False,
    ).encode()


FORMATS: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": tables.csv_bytes,
    "json": to_json,
    "parquet": tables.parquet_bytes,
}


# ---- for the page ----


def stream(
    spec: MapSpec, coords: tuple[int, int] = (0, 1), cancelled: Callable[[], bool] | None = None
) -> Iterator[bytes]:
    """The map as messages, each a uint32 little-endian length and what `wire.Packer` packs: "map", "cells" …, "end".

    Arrays of a "cells" message: those of `Cells`, and by cell with F frames what `wire` has by optimizer, of the run
    that ended in the median: step (K, F), path (K, F, 2), shown_h (K, F, 2), shown_hessian (K, F, 3); and over runs
    gap_q (K, 3, F), h_q (K, 3, F, 2) and true_h (K, F, 2) at the coordinates shown.
    """
    function = spec.function
    reference = function.minimum
    total = len(spec.settings)
    packer = wire.Packer()
    yield _message(
        packer,
        {
            "kind": "map",
            "version": wire.VERSION,
            "spec": spec.query(),
            "method": spec.opt.method,
            "hyperparameters": vars(spec.opt.hyperparameters),
            "x": spec.x.describe(),
            "y": spec.y.describe(),
            "forwards": spec.forwards,
            "runs": spec.base.runs,
            "target": map_spec.default_target(spec),
            "reference": reference,
            "initial_gap": finite(map_spec.initial_gap(spec)),
            "function": {"spec": function.spec, "name": function.name, "dim": function.dim, "minimum": reference},
            "coords": coords,
            "cells": total,
        },
    )
    done = spent = 0
    for cells, batch in compute(spec, cancelled):
        done += len(cells.which)
        spent += len(cells.which) * spec.base.runs * cells.steps * cells.passes_per_step
        packer = wire.Packer()
        arrays = packer.add(_drawn(spec, cells, batch, coords, reference or 0.0))
        yield _message(
            packer,
            {
                "kind": "cells",
                "done": done,
                "total": total,
                "cells": cells.which.tolist(),
                "steps": [cells.steps] * len(cells.which),
                "passes_per_step": [cells.passes_per_step] * len(cells.which),
                "arrays": arrays,
            },
        )
    yield _message(wire.Packer(), {"kind": "end", "spent": spent})


def _message(packer: wire.Packer, header: dict[str, Any]) -> bytes:
    body = packer.pack(header)
    return len(body).to_bytes(4, "little") + body


def _drawn(
    spec: MapSpec, cells: Cells, batch: Batch, coords: tuple[int, int], reference: float
) -> dict[str, np.ndarray]:
    shown = list(coords)
    if len(spec.settings) > MANY:
        batch = _thinned(batch)
    frames, count, runs = batch.loss.shape
    stopped = ~np.isfinite(batch.loss)
    gaps = np.where(stopped, np.inf, batch.loss - reference)
    median = np.argsort(np.where(batch.stopped >= 0, np.inf, gaps[-1]), axis=1, kind="stable")[:, (runs - 1) // 2]
    chosen = (slice(None), np.arange(count), median)
    theta = batch.theta[chosen]  # (F, K, d)
    true_h = batch.true_h[chosen]
    everyone = np.full(frames * count, runs)

    def by_cell(array: np.ndarray) -> np.ndarray:
        return np.moveaxis(array, 1, 0)

    def over_runs(values: np.ndarray, counts: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        ordered = np.sort(values, axis=2).reshape(frames * count, runs, *values.shape[3:])
        with np.errstate(invalid="ignore"):  # inf − inf
            quantiles = wire.quantiles(ordered, counts, levels)
        return quantiles.reshape(len(levels), frames, count, *values.shape[3:])

    alive = (~stopped).sum(axis=2).ravel()
    hessian = wire.shown_hessian(
        spec.function, theta.reshape(frames * count, -1), true_h.reshape(frames * count, -1), coords
    )
    arrays = {
        "passes": cells.passes,
        "reached": cells.reached.astype(float),
        "loss": cells.loss,
        "diverged": cells.diverged,
        "bias": cells.bias,
        "step": np.broadcast_to(batch.steps.astype(float), (count, frames)),
        "path": by_cell(theta[..., shown]),
        "gap_q": np.moveaxis(over_runs(gaps, everyone, wire.QUANTILES), 2, 0),
        "true_h": by_cell(over_runs(batch.true_h[..., shown], alive, (0.5,))[0]),
        "shown_hessian": by_cell(hessian.reshape(frames, count, 3)),
    }
    if batch.h is not None:
        arrays["h_q"] = np.moveaxis(over_runs(batch.h[..., shown], alive, wire.QUANTILES), 2, 0)
        arrays["shown_h"] = by_cell(batch.h[chosen][..., shown])
    return arrays


def _thinned(batch: Batch) -> Batch:
    """Every second recorded step, and the last."""
    last = len(batch.steps) - 1
    kept = [*range(0, last, THIN), last]
    h = None if batch.h is None else batch.h[kept]
    return replace(
        batch, steps=batch.steps[kept], theta=batch.theta[kept], loss=batch.loss[kept], h=h, true_h=batch.true_h[kept]
    )
