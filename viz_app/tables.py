"""Tables as bytes in the formats that every command, route and result offers.

Floats are written in the shortest decimals that read back as the same float64.
"""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

FORMATS = ("csv", "json", "parquet")


def format_of(path: str | Path) -> str:
    """The member of FORMATS that a file's suffix names. Raises ValueError for any other."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise ValueError(f"{str(path)!r} ends in none of .{', .'.join(FORMATS)}")
    return suffix


def parquet_bytes(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def json_bytes(rows: pa.Table) -> bytes:
    """One object a row; null where a cell is empty."""
    return json.dumps(rows.to_pylist(), allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def encoded(rows: pa.Table, kind: str) -> bytes:
    """A table of plain names and numbers in a member of FORMATS."""
    return {"csv": csv_bytes, "json": json_bytes, "parquet": parquet_bytes}[kind](rows)


def csv_bytes(rows: pa.Table, **options: Any) -> bytes:
    """Comma-separated lines; no name and no label needs quotes."""
    sink = io.BytesIO()
    options |= {"quoting_style": "none", "quoting_header": "none"}
    pyarrow.csv.write_csv(rows, sink, pyarrow.csv.WriteOptions(**options))
    return sink.getvalue()
