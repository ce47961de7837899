"""What has come of a map's or a search's jobs, read from the log; as a table, and in words. Loads no torch.

Messages of such a job, beside "status", "note" and "progress":

    plan    spec, fingerprint, device, dtype, first: the cells that were known when it began (their specs)
    start   seed, loss, accuracy, f1: on held-out text, before any training
    cell    spec, values, seed, steps, forwards, loss, accuracy, f1, stopped, curve [[forwards, loss, accuracy], …],
            seconds, from: the job that has computed it, if another
    found   of a search, at its end: see `found`
"""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from hizoo_core.auto_rate import AUTO
from viz_app import tables
from viz_app.finetuning.outcome import number
from viz_app.finetuning.search_spec import NEXT_SEED, SearchSpec, is_search
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log
from viz_app.spec.text import OptSpec
from viz_app.spec.text import number as plain

Message = dict[str, Any]
Cells = dict[str, Message]  # by the text of the job that each is


def measure(spec: FinetuneSpec, message: Mapping[str, Any]) -> float:
    """What a job is judged by: its held-out loss, of the kind that it minimises; infinite where it was stopped early or
    is not finite.
    """
    if message.get("stopped") or message["loss"] is None:
        return math.inf
    if spec.loss == "cross_entropy":
        return message["loss"]
    return 1 - message[spec.loss]


MEASURES = {"cross_entropy": "held-out loss", "accuracy": "held-out 1 − accuracy", "f1": "held-out 1 − F1"}


def own_cells(log: Log, job: int) -> Cells:
    """The cells that a job has told of."""
    return {message["spec"]: message for message in log.messages(job) if message["type"] == "cell"}


def known_cells(log: Log, job: int, same: Callable[[Mapping[str, Any]], bool]) -> Cells:
    """The cells of other maps and searches whose fingerprint is the `same`, each with the job that computed it."""
    found: Cells = {}
    for other in log.jobs():
        if other.id == job or not is_search(other.spec):
            continue
        fits = False
        for message in log.messages(other.id):
            if message["type"] == "plan":
                fits = same(message["fingerprint"])
            elif message["type"] == "cell" and fits:
                found.setdefault(message["spec"], {"from": other.id, **message})
    return found


@dataclass(frozen=True)
class Setting:
    """What a setting reaches over its seeds. loss: the median of `measure`, with the least and the greatest; all are
    infinite if one of them was stopped, and `stopped` says why. `cells`: its messages.
    """

    hyperparameters: Any
    cells: tuple[Message, ...]
    loss: float
    low: float
    high: float
    stopped: str | None

    def median(self, key: str) -> float | None:
        """The median of a number of its cells."""
        values = [cell[key] for cell in self.cells if cell[key] is not None]
        return statistics.median(values) if values else None


def setting(spec: SearchSpec, cells: Cells, hyperparameters: Any, numbers: Iterable[int] | None = None) -> Setting:
    """Of those seeds of a setting that are known so far, by how far they are behind the spec's."""
    jobs = (spec.job(hyperparameters, number) for number in (range(spec.seeds) if numbers is None else numbers))
    told = tuple(cells[text] for job in jobs if (text := job.query()) in cells)
    stopped = next((cell["stopped"] for cell in told if cell["stopped"]), None)
    values = [math.inf] if stopped else [measure(spec.base, cell) for cell in told] or [math.nan]
    return Setting(hyperparameters, told, statistics.median(values), min(values), max(values), stopped)


def is_over(spec: SearchSpec, made: Setting) -> bool:
    """Whether a setting needs no more jobs: one that was stopped early is not tried with its other seeds."""
    return made.stopped is not None or len(made.cells) == spec.seeds


def table(spec: SearchSpec, cells: Cells) -> pa.Table:
    """One row per setting, of a map in the order of its rows, of a search in that of its trials. lr=auto is empty."""
    if spec.over:
        kind = type(spec.opt.hyperparameters)
        settings: Sequence[Any] = list(dict.fromkeys(kind(**cell["values"]) for cell in cells.values()))
    else:
        settings = spec.settings
    made = [setting(spec, cells, each) for each in settings]
    names = dict.fromkeys([spec.x.name, spec.y.name, *spec.over])

    def known(values: Iterable[Any]) -> pa.Array:
        return pa.array([None if v is None or not math.isfinite(v) else float(v) for v in values], pa.float64())

    def numbers(values: Iterable[Any]) -> pa.Array:
        return pa.array([None if value == AUTO else value for value in values])

    columns: dict[str, Any] = {
        "optimizer": pa.array([spec.opt.method] * len(made)),
        **{name: numbers(getattr(each, name) for each in settings) for name in names},
        "steps": pa.array([each.cells[0]["steps"] if each.cells else None for each in made], pa.int64()),
        "forwards": pa.array([max((c["forwards"] for c in each.cells), default=None) for each in made], pa.int64()),
        "seeds": pa.array([len(each.cells) for each in made], pa.int64()),
        "final_loss": known(each.loss for each in made),
        "lowest_loss": known(each.low for each in made),
        "highest_loss": known(each.high for each in made),
        "final_accuracy": known(None if each.stopped else each.median("accuracy") for each in made),
        "stopped": pa.array([each.stopped for each in made], pa.string()),
    }
    return pa.table(columns, metadata={"spec": spec.query()})


def to_json(rows: pa.Table) -> bytes:
    return json.dumps({"spec": rows.schema.metadata[b"spec"].decode(), "cells": rows.to_pylist()}).encode()


FORMATS: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": tables.csv_bytes,
    "json": to_json,
    "parquet": tables.parquet_bytes,
}


def best(spec: SearchSpec, cells: Cells) -> Setting | None:
    """The map's best setting of those that are complete and were not stopped early; None if there is none."""
    made = [setting(spec, cells, each) for each in spec.settings]
    good = [each for each in made if is_over(spec, each) and math.isfinite(each.loss)]
    return min(good, key=lambda each: each.loss, default=None)


def in_words(spec: SearchSpec, made: Setting) -> str:
    """A setting's figures in a line."""
    if made.stopped:
        return f"stopped early: {made.stopped}"
    seeds = "" if len(made.cells) < 2 else f" (median of {len(made.cells)} seeds, {number(made.low)} to"
    seeds += f" {number(made.high)})" if seeds else ""
    accuracy = made.median("accuracy")
    share = "" if accuracy is None else f", accuracy {accuracy:.1%}"
    return f"{MEASURES[spec.base.loss]} {number(made.loss)}{seeds}{share}"


def named(spec: SearchSpec, hyperparameters: Any) -> str:
    """A setting by the hyperparameters that are varied, and by others that are not the spec's."""
    own = vars(spec.opt.hyperparameters)
    others = [name for name, value in vars(hyperparameters).items() if value != own[name]]
    names = dict.fromkeys([*(spec.over or (spec.x.name, spec.y.name)), *others])
    return ", ".join(f"{name}={plain(getattr(hyperparameters, name))}" for name in names)


def summary(spec: SearchSpec, cells: Cells) -> str:
    """The best cell of a map in a line."""
    made = best(spec, cells)
    if made is None:
        return "every cell was stopped early" if len(cells) >= len(spec.settings) else "no cell is complete"
    tied = [setting(spec, cells, each) for each in spec.settings]
    near = sum(each.low <= made.high for each in tied if each.stopped is None and each.cells) - 1
    others = "another cell" if near == 1 else f"{near} other cells"
    tie = f"; a tie with {others}: their seeds overlap" if spec.seeds > 1 and near > 0 else ""
    return f"best of {len(spec.settings)} cells: {named(spec, made.hyperparameters)}: {in_words(spec, made)}{tie}"


def found(spec: SearchSpec, cells: Cells, first: Sequence[str], winner: Any) -> Message:
    """What a search has found: the message "found".

    best, opt: the setting; loss, accuracy: what it reached with the spec's seeds, which every trial and every cell of a
    map beside it has; on_another_seed: [its loss, that of the setting that was there] on a seed that no trial has used,
    None where a job was stopped early; before: the loss of the setting that was there with the spec's seeds; known,
    made: settings that were known when it began, and that it has computed; forwards, seconds: spent on those.
    """
    kind, own = type(spec.opt.hyperparameters), spec.opt.hyperparameters
    made = setting(spec, cells, winner)
    mine = [cell for text, cell in cells.items() if "from" not in cell and text not in first]
    told = {kind(**cells[text]["values"]) for text in first if text in cells}
    again = [setting(spec, cells, each, (NEXT_SEED,)).loss for each in (winner, own)]
    before = setting(spec, cells, own)
    return {
        "type": "found",
        "best": vars(winner),
        "opt": str(OptSpec(spec.opt.method, winner)),
        "loss": made.loss,
        "accuracy": made.median("accuracy"),
        "before": before.loss,
        "on_another_seed": again,
        "same": winner == own,
        "better": again[0] < again[1],
        "searched": list(spec.over),
        "known": len(told),
        "made": len({kind(**cell["values"]) for cell in mine} - told),
        "forwards": sum(cell["forwards"] for cell in mine),
        "seconds": sum(cell["seconds"] for cell in mine),
        "sentence": _sentence(spec, made, before, again),
    }


def _sentence(spec: SearchSpec, made: Setting, before: Setting, again: Sequence[float]) -> str:
    """What a search has found, in words."""
    seeds = f"seeds {spec.base.seed} to {spec.base.seed + spec.seeds - 1}" if spec.seeds > 1 else "its seed"
    said = f"{named(spec, made.hyperparameters)}: {in_words(spec, made)}, the lowest of all that is known with {seeds}"
    if made.hyperparameters == before.hyperparameters:
        return f"nothing better found: the setting that was there stays, {said}"
    said += f"; the setting that was there: {in_words(spec, before)}"
    if again[0] < again[1]:
        return f"{said}. On a seed that no trial has used: {number(again[0])} against {number(again[1])}"
    return (
        f"{said}. But on a seed that no trial has used it is not better: {number(again[0])} against"
        f" {number(again[1])}, so the difference may be chance"
    )
