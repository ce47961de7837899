"""`python app.py headroom SPEC` of a language model: trains the job, and measures what curvature could gain on its way.

One row per optimizer, step and quantity: `optimizer, step, what, name, value, error, gain, gain_error`. `what` is "R"
(of a preconditioner, named) or "r" (of a tensor); `gain` is R over R without one; errors are standard errors. With
several seeds the second column is `run`, as in the table of a job.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from viz_app.finetuning import command
from viz_app.finetuning import spec as specs
from viz_app.finetuning.failures import in_words
from viz_app.finetuning.spec import FinetuneSpec
from viz_app.finetuning.store import Log, LogError
from viz_app.shell import FAILED, OK, WRONG_USE, complain
from viz_app.spec.runs import SpecError

COLUMNS = ("optimizer", "step", "what", "name", "value", "error", "gain", "gain_error")


Places = Sequence[str | int]


def measured(arguments: argparse.Namespace, steps: Places, rounds: int) -> tuple[pa.Table | None, int]:
    """The table and OK, or None and a status after saying why. `steps`: "start", "middle", "end" or numbers."""
    from viz_app.finetuning.desk import data_directory

    try:
        spec = specs.parse(arguments.spec)
    except SpecError as error:
        return None, complain(error, WRONG_USE)
    try:
        with Log(data_directory(arguments.data_dir)) as log:
            job = log.create_job(spec.query(), command.QUEUE)
            if any(step not in ("start", 0) for step in steps):
                failure = command.train(log, job, spec, arguments)
                if failure.status != OK:
                    return None, complain(failure.sentence, failure.status)
            else:
                log.change_state(job, "stopped", "only its start was measured")
            return _measured(log, job, spec, steps, rounds), OK
    except LogError as error:
        return None, complain(error, FAILED)
    except Exception as error:  # a model that does not load, a step that was not made: one line, as `finetune` says it
        return None, complain(in_words(error), FAILED)


def _measured(log: Log, job: int, spec: FinetuneSpec, steps: Places, rounds: int) -> pa.Table:
    from functions.language_model.headroom import ROUNDS
    from viz_app.finetuning.session import Session

    session = Session(job, spec, log)
    session.open()
    groups = [g["name"] for m in log.messages(job) if m["type"] == "plan" for g in m["groups"]]
    rows: list[dict[str, Any]] = []
    for run in range(spec.count):
        repetition, last = spec.repetition_of(run), len(log.steps(job, run))
        named = {"optimizer": spec.label_of(run), "run": repetition}
        title = named["optimizer"] if spec.runs == 1 else f"{named['optimizer']} with seed {spec.seed + repetition}"
        places = sorted({step_of(step, last) for step in steps})
        if beyond := [place for place in places if place > last]:
            print(f"{title} has no step {', '.join(map(str, beyond))}: its last one is {last}", file=sys.stderr)
        for place in (place for place in places if place <= last):
            for _ in range(-(-rounds // ROUNDS)):
                message = session.measure_headroom(run, place)
            print(f"{title}, step {place}: {message['sentence']} ({message['cost']})", file=sys.stderr)
            rows += [named | row for row in _rows(message, groups)]
    session.close()
    names = [*COLUMNS[:1], *(["run"] if spec.runs > 1 else []), *COLUMNS[1:]]
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    return pa.table(columns).replace_schema_metadata({"spec": spec.query()})


def step_of(step: str | int, last: int) -> int:
    """The number of a step that may be given by a name."""
    return {"start": 0, "middle": last // 2, "end": last}[step] if isinstance(step, str) else step


def _rows(message: dict[str, Any], groups: Sequence[str]) -> list[dict[str, Any]]:
    place = {"step": message["step"]}
    found = []
    for row in message["R"]:
        (value, error), (gain, gain_error) = row["value"], row["gain"] or (None, None)
        named = {"what": "R", "name": row["name"].replace(",", ""), "value": value, "error": error}
        found.append(place | named | {"gain": gain, "gain_error": gain_error})
    for name, (value, error) in zip(groups, message["groups"], strict=True):
        found.append(place | {"what": "r", "name": name, "value": value, "error": error})
    return found
