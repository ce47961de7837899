"""HTTP: tables that users bring, and the table of a job to take away."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from functions.language_model import LanguageModelError
from viz_app.finetuning import search_results
from viz_app.finetuning import table as tables
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import Refused, find_job, in_thread, read_body, read_parameters
from viz_app.finetuning.search_spec import SearchSpec
from viz_app.finetuning.states import spec_of
from viz_app.finetuning.store import Job

UPLOAD = 20_000_000  # bytes
PREVIEW = 5  # rows


async def upload(desk: Desk, request: Request) -> JSONResponse:
    given = read_parameters(request, ("name", "text_column", "label_column"))
    body = await read_body(request, UPLOAD, "data")
    return JSONResponse(await in_thread(_uploaded, desk, given, body))


def _uploaded(desk: Desk, given: dict[str, str], body: bytes) -> dict[str, Any]:
    from functions.language_model import tasks  # checks without torch

    columns = _columns(body)
    text_column, label_column = given.get("text_column") or "text", given.get("label_column") or "label"
    try:
        task = tasks.make("table", data=body, text_column=text_column, label_column=label_column)
    except LanguageModelError as error:
        raise Refused(422, [{"field": error.field, "message": error.message, "columns": columns}]) from error
    examples = [*task.train, *task.held_out]
    counts = Counter(example.label for example in examples)
    name = Path(given.get("name") or "table.csv").name[:200]
    return {
        "id": desk.log().save_upload(name, body),
        "name": name,
        "rows": len(examples),
        "columns": columns,
        "classes": [{"name": name, "count": counts[label]} for label, name in enumerate(task.classes)],
        "words": task.words,
        "preview": [{"text": e.text, "label": task.classes[e.label]} for e in examples[:PREVIEW]],
    }


def _columns(body: bytes) -> list[str]:
    """The names in a table's first line."""
    line = body[: 2**16].decode("utf-8-sig", "replace").lstrip("\r\n").partition("\n")[0]
    delimiter = max(",\t;", key=line.count)
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


async def table(desk: Desk, request: Request) -> Response:
    job = await find_job(desk, request)
    body = await in_thread(lambda: tables.csv_bytes(_table(desk, job)))
    headers = {"Content-Disposition": f'attachment; filename="run-{job.id}.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


def _table(desk: Desk, job: Job) -> Any:
    spec = spec_of(job)
    if isinstance(spec, SearchSpec):
        return search_results.table(spec, search_results.own_cells(desk.log(), job.id))
    return tables.table(desk.log(), job.id)
