"""What curvature could gain along a run on a function, as a table: `python app.py headroom SPEC`.

One row per optimizer and step, of its first run: `optimizer, step, n` and, for Σ = 1 (`none`), 1/P (`p`) and 1/|H_jj|
(`exact`), R (`r_…`, in units of the loss), the best learning rate (`lr_…`) and what one step of the optimizer's n
directions then takes off the loss (`gain_…`); `r_most` bounds R of any diagonal. Empty: it does not exist there, as
the loss is not convex along the probes or there is no P. The formulas: `hizoo_core.headroom`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from hizoo_core import headroom
from viz_app.playground.result import RunResult
from viz_app.playground.wire import settings_at

KINDS = ("none", "p", "exact")


def table(result: RunResult, steps: Sequence[int]) -> pa.Table:
    """Rows of the recorded steps nearest below those asked for; a run that diverged by then has none."""
    rows = []
    function, noise = result.function, result.spec.noise
    for label, trace in zip(result.labels, result.traces, strict=True):
        frames = sorted({int(np.searchsorted(trace.steps, step, "right")) - 1 for step in steps})
        for frame in frames:
            theta = trace.theta[frame, 0]
            if not np.isfinite(theta).all():
                continue
            g, h, hessian = function.gradient(theta), trace.true_h[frame, 0], function.hessian(theta)
            n = getattr(settings_at(trace, int(trace.steps[frame])), "n", 1)
            with np.errstate(divide="ignore"):
                exact = 1 / np.abs(h)
            estimated = None if trace.h is None else 1 / trace.h[frame, 0]
            row = {"optimizer": label, "step": int(trace.steps[frame]), "n": n, "r_most": float(headroom.bound(g, h))}
            for kind, variance in zip(KINDS, (np.ones_like(g), estimated, exact), strict=True):
                if variance is None:
                    continue
                R = float(headroom.headroom(g, h, variance, noise))
                best = headroom.best_of(g, hessian, variance, n, noise)
                row |= {f"r_{kind}": R}
                if np.isfinite(R) and R > 0:
                    row |= {f"lr_{kind}": float(best.lr), f"gain_{kind}": float(best.gain)}
            rows.append(row)
    names = ["r_none", "r_p", "r_exact", "r_most", *(f"{what}_{kind}" for what in ("lr", "gain") for kind in KINDS)]
    columns = {name: pa.array([row[name] for row in rows]) for name in ("optimizer", "step", "n")}
    for name in names:
        cells = [row.get(name) for row in rows]
        columns[name] = pa.array([x if x is not None and np.isfinite(x) else None for x in cells], pa.float64())
    return pa.table(columns).replace_schema_metadata({"spec": result.spec.query()})
