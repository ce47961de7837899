"""What a spec computes, and its table: `optimizer, run, step, forwards, loss, theta_0.., h_0.., true_h_0..`, and
`lr`, the learning rate of the step that led there, of a run in which an optimizer has lr=auto.

One row per optimizer, run and recorded step (step 0 is the start), in that order. Rows of a run that diverged end at
its last finite step. `h` is P, the optimizer's diagonal-Hessian estimate, and empty for methods that have none;
`true_h` is empty where the function has no finite second derivative.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from functions import TestFunction
from hizoo_core import Status, Trace
from hizoo_core.auto_rate import READINGS
from viz_app.spec.runs import RunSpec
from viz_app.tables import csv_bytes, format_of, parquet_bytes


@dataclass(frozen=True)
class RunResult:
    """What a spec computes: one Trace per optimizer, in the spec's order, under `labels`."""

    spec: RunSpec
    function: TestFunction
    labels: tuple[str, ...]
    traces: tuple[Trace, ...]
    recorded_every: int

    @property
    def statuses(self) -> dict[str, tuple[Status, ...]]:
        """How each run of each optimizer ended."""
        return {label: trace.statuses for label, trace in zip(self.labels, self.traces, strict=True)}

    def table(self) -> pa.Table:
        """All optimizers' rows; the schema's metadata holds the spec and the stride between recorded steps."""
        rates = any(trace.rates is not None for trace in self.traces)
        parts = [_rows(label, trace, rates) for label, trace in zip(self.labels, self.traces, strict=True)]
        metadata = {"spec": self.spec.query(), "recorded_every": str(self.recorded_every)}
        return pa.concat_tables(parts).replace_schema_metadata(metadata)

    def to_csv(self) -> bytes:
        return csv_bytes(self.table())

    def to_parquet(self) -> bytes:
        return parquet_bytes(self.table())

    def to_json(self) -> bytes:
        """The table by optimizer and column, with statuses and hyperparameters; null where a cell is empty."""
        document = {
            "spec": self.spec.query(),
            "function": self.describe_function(),
            "recorded_every": self.recorded_every,
        }
        optimizers = b",".join(
            _with(
                {
                    "label": label,
                    "method": trace.method,
                    "hyperparameters": vars(trace.hyperparameters),
                    "changes": [{"step": step, "hyperparameters": vars(later)} for step, later in trace.changes],
                    "statuses": [vars(status) for status in trace.statuses],
                },
                columns=b"{" + b",".join(_json_columns(label, trace)) + b"}",
            )
            for label, trace in zip(self.labels, self.traces, strict=True)
        )
        return _with(document, optimizers=b"[" + optimizers + b"]")

    def encode(self, kind: str) -> bytes:
        """The table as a member of `viz_app.tables.FORMATS`."""
        return {"csv": self.to_csv, "json": self.to_json, "parquet": self.to_parquet}[kind]()

    def write(self, path: str | Path) -> None:
        """Write the table in the format that the suffix names: .csv, .json or .parquet."""
        Path(path).write_bytes(self.encode(format_of(path)))

    def describe_function(self) -> dict[str, Any]:
        """What a reader of a run needs to know of its function."""
        function = self.function
        return {"spec": function.spec, "name": function.name, "dim": function.dim, "minimum": function.minimum}


def _rows(label: str, trace: Trace, rates: bool) -> pa.Table:
    finite = np.isfinite(trace.loss).T & np.isfinite(trace.theta).all(axis=-1).T  # (B, R): run first, then step
    run, record = np.nonzero(finite)
    columns: dict[str, Any] = {
        "optimizer": pa.array(np.full(run.size, label), pa.string()),
        "run": run,
        "step": trace.steps[record],
        "forwards": trace.forwards[record],
        "loss": trace.loss.T[finite],
    }
    for name, values in (("theta", trace.theta), ("h", trace.h), ("true_h", trace.true_h)):
        for j in range(trace.theta.shape[-1]):
            if values is None:
                columns[f"{name}_{j}"] = pa.nulls(run.size, pa.float64())
            else:
                cells = values[:, :, j].T[finite]
                columns[f"{name}_{j}"] = pa.array(cells, mask=~np.isfinite(cells))
    if rates:
        lr = np.full(trace.loss.shape, np.nan) if trace.rates is None else trace.rates[READINGS.index("lr")]
        columns["lr"] = pa.array(lr.T[finite], mask=~np.isfinite(lr.T[finite]))
    return pa.table(columns)


def _json_columns(label: str, trace: Trace) -> Iterator[bytes]:
    """Members of a JSON object; the numbers are the CSV writer's, which unlike json's lets other threads run."""
    rows = _rows(label, trace, trace.rates is not None)
    for name in rows.column_names[1:]:
        if trace.h is not None or not name.startswith("h_"):
            cells = csv_bytes(rows.select([name]), include_header=False, null_string="null")
            yield b'"%b":[%b]' % (name.encode(), cells.rstrip(b"\n").replace(b"\n", b","))


def _with(head: dict[str, Any], **members: bytes) -> bytes:
    """A JSON object, to which members that are JSON already are appended."""
    text = json.dumps(head, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
    return text[:-1] + b"".join(b',"%b":%b' % (name.encode(), value) for name, value in members.items()) + b"}"
