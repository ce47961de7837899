"""A run as a table: `optimizer, run, step, forwards, loss, theta_0.., h_0.., true_h_0..`.

One row per optimizer, run and recorded step (step 0 is the start), in that order. Rows of a run that diverged end at
its last finite step. `h` is P, the optimizer's diagonal-Hessian estimate, and empty for methods that have none;
`true_h` is empty where the function has no finite second derivative. Floats are written in the shortest decimals that
read back as the same float64.
"""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from hizoo_core import Trace

if TYPE_CHECKING:
    from viz_app.runner import RunResult


def table(result: "RunResult") -> pa.Table:
    """All optimizers' rows; the schema's metadata holds the canonical spec and the stride between recorded steps."""
    parts = [_rows(label, trace) for label, trace in zip(result.labels, result.traces, strict=True)]
    metadata = {"spec": result.spec.query(), "recorded_every": str(result.recorded_every)}
    return pa.concat_tables(parts).replace_schema_metadata(metadata)


def to_csv(result: "RunResult") -> bytes:
    return csv_bytes(table(result))


def to_parquet(result: "RunResult") -> bytes:
    return parquet_bytes(table(result))


def to_json(result: "RunResult") -> bytes:
    """The table by optimizer and column, with statuses and hyperparameters beside it; null where a cell is empty."""
    document = {
        "spec": result.spec.query(),
        "function": describe_function(result),
        "recorded_every": result.recorded_every,
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
        for label, trace in zip(result.labels, result.traces, strict=True)
    )
    return _with(document, optimizers=b"[" + optimizers + b"]")


def describe_function(result: "RunResult") -> dict[str, Any]:
    """What a reader of a run needs to know of its function."""
    function = result.function
    return {"spec": function.spec, "name": function.name, "dim": function.dim, "minimum": function.minimum}


FORMATS: dict[str, Callable[["RunResult"], bytes]] = {"csv": to_csv, "json": to_json, "parquet": to_parquet}


def format_of(path: str | Path) -> str:
    """The key of FORMATS that a file's suffix names. Raises ValueError for any other."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise ValueError(f"{str(path)!r} ends in none of .{', .'.join(FORMATS)}")
    return suffix


def _rows(label: str, trace: Trace) -> pa.Table:
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
    return pa.table(columns)


def _json_columns(label: str, trace: Trace) -> Iterator[bytes]:
    """Members of a JSON object; the numbers are the CSV writer's, which unlike json's lets other threads run."""
    rows = _rows(label, trace)
    for name in rows.column_names[1:]:
        if trace.h is not None or not name.startswith("h_"):
            cells = csv_bytes(rows.select([name]), include_header=False, null_string="null")
            yield b'"%b":[%b]' % (name.encode(), cells.rstrip(b"\n").replace(b"\n", b","))


def parquet_bytes(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def csv_bytes(rows: pa.Table, **options: Any) -> bytes:
    """Comma-separated lines; no name and no label needs quotes."""
    sink = io.BytesIO()
    options |= {"quoting_style": "none", "quoting_header": "none"}
    pyarrow.csv.write_csv(rows, sink, pyarrow.csv.WriteOptions(**options))
    return sink.getvalue()


def _with(head: dict[str, Any], **members: bytes) -> bytes:
    """A JSON object, to which members that are JSON already are appended."""
    text = json.dumps(head, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
    return text[:-1] + b"".join(b',"%b":%b' % (name.encode(), value) for name, value in members.items()) + b"}"
