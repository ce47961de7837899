"""A fine-tuning job as a table, read from its log: step, forwards, seconds, train_loss, val_loss, val_accuracy, slope,
curvature, lr, p_q10, p_q50, p_q90.

One row per step; step 0 is the start, before any training. Of jobs with several optimizers the first column is
`optimizer`, and of those with several seeds the next is `run`: 0 for the spec's seed, 1 for the one after it.
val_* and p_* (quantiles over all elements of P, the diagonal-Hessian estimate) are empty where nothing was evaluated,
and so is what a method does not have. `forwards` counts forward passes of the whole model: one through K of its L
layers is K/L, and reading the training texts with the others is counted once, from step 0 on. `seconds` is training
time, evaluations apart.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from viz_app.finetuning import comparison, outcome
from viz_app.finetuning.states import job_spec
from viz_app.finetuning.store import Log
from viz_app.tables import csv_bytes, parquet_bytes

COLUMNS = (
    *("step", "forwards", "seconds", "train_loss", "val_loss", "val_accuracy", "slope", "curvature", "lr"),
    *("p_q10", "p_q50", "p_q90"),
)


def table(log: Log, job: int) -> pa.Table:
    """All runs' rows; the schema's metadata holds the spec."""
    spec = job_spec(log.job(job))
    cells: list[dict[int, dict[str, Any]]] = [{} for _ in range(spec.count)]
    for message in log.messages(job):
        if message["type"] == "steps":
            for numbers in message["rows"]:
                made = dict(zip(message["columns"], numbers, strict=True))
                row = cells[message["run"]].setdefault(made["step"], {})
                row |= {name: made[name] for name in ("forwards", "seconds", "slope", "curvature", "lr")}
                row["train_loss"] = made["loss"]
        elif message["type"] == "evaluation":
            row = cells[message["run"]].setdefault(message["step"], {})
            row |= {"forwards": message["forwards"], "seconds": message["seconds"]}
            row |= {"val_loss": message["loss"], "val_accuracy": message["accuracy"]}
        elif message["type"] == "hessian":
            row = cells[message["run"]].setdefault(message["step"], {})
            row |= dict(zip(("p_q10", "p_q50", "p_q90"), message["all"], strict=False))
    rows = [
        {"optimizer": label, "run": repetition, "step": step, **run[step]}
        for index, label in enumerate(spec.labels)
        for repetition, run in enumerate(cells[index :: len(spec.opts)])
        for step in sorted(run)
    ]
    columns: dict[str, Any] = {
        name: pa.array([row.get(name) for row in rows], pa.int64() if name == "step" else pa.float64())
        for name in COLUMNS
    }
    if spec.runs > 1:
        columns = {"run": pa.array([row["run"] for row in rows], pa.int64())} | columns
    if len(spec.opts) > 1:
        columns = {"optimizer": pa.array([row["optimizer"] for row in rows], pa.string())} | columns
    return pa.table(columns).replace_schema_metadata({"spec": spec.query()})


def to_json(rows: pa.Table) -> bytes:
    """{"spec": …, column: [cells]}; null where a cell is empty."""
    document = {"spec": rows.schema.metadata[b"spec"].decode(), **rows.to_pydict()}
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


FORMATS: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": csv_bytes,
    "json": to_json,
    "parquet": parquet_bytes,
}


def summary(log: Log, job: int) -> list[str]:
    """One line per optimizer: held-out loss and accuracy before and after, and at its best if that is not the last;
    what it cost, and how it ended. With several seeds the medians with their 10–90 % bands, and how the optimizers
    compare.
    """
    spec = job_spec(log.job(job))
    evaluations: list[list[dict[str, Any]]] = [[] for _ in range(spec.count)]
    ended: dict[int, str] = {}
    compared: list[str] = []
    for message in log.messages(job):
        if message["type"] == "evaluation":
            evaluations[message["run"]].append(message)
        elif message["type"] == "status" and message["run"] is not None:
            ended[message["run"]] = message["message"]
        elif message["type"] == "comparison":
            compared = [pair["sentence"] for pair in message["pairs"]]
    width, lines = max(map(len, spec.labels)), []
    for index, label in enumerate(spec.labels):
        if spec.runs > 1:
            line = _over_seeds(evaluations[index :: len(spec.opts)])
        else:
            line = _line(evaluations[index], len(log.steps(job, index)), spec.steps_of(index), ended.get(index))
        lines.append(f"{label:<{width}}  {line}")
    return lines + compared


def _over_seeds(runs: list[list[dict[str, Any]]]) -> str:
    measured = [results for results in runs if results]
    if not measured:
        return "not evaluated yet"
    words = []
    for name, value, written in (
        ("held-out loss", _loss, outcome.number),
        ("accuracy", lambda evaluation: evaluation["accuracy"], "{:.1%}".format),
    ):
        before = written(float(np.median([value(results[0]) for results in measured])))
        low, middle, high = (written(each) for each in band([value(results[-1]) for results in measured]))
        words.append(f"{name} {before} → {middle} ({low} to {high})")
    seconds = sum(results[-1]["seconds"] for results in measured)
    return f"median of {len(measured)} seeds (10–90 %): {', '.join(words)}; {seconds:.1f} s in all"


def band(values: list[float]) -> list[float]:
    """The 10 % quantile, the median and the 90 % quantile."""
    low, high = comparison.BAND
    with np.errstate(invalid="ignore"):  # between two that are infinite
        return np.quantile(values, [low, 0.5, high]).tolist()


def _line(results: list[dict[str, Any]], made: int, planned: int, ended: str | None) -> str:
    if not results:
        return f"not evaluated yet; {made:,} of {planned:,} steps"
    first, last = results[0], results[-1]
    best = min(results, key=_loss)
    at_best = f" (best {outcome.number(_loss(best))} at step {best['step']:,})" if _loss(best) < _loss(last) else ""
    done = "finished" if made == planned else f"{made:,} of {planned:,} steps"
    passes = f"{last['forwards']:,.1f}".removesuffix(".0")
    return (
        f"held-out loss {outcome.number(_loss(first))} → {outcome.number(_loss(last))}{at_best}, accuracy"
        f" {first['accuracy']:.1%} → {last['accuracy']:.1%}, {passes} forward passes,"
        f" {last['seconds']:.1f} s: {ended or done}"
    )


def _loss(evaluation: dict[str, Any]) -> float:
    """What is not finite is null in a message."""
    return math.inf if evaluation["loss"] is None else evaluation["loss"]
