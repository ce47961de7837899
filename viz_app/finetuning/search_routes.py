"""HTTP: maps and searches of language-model jobs. They are created, watched and stopped as any job of /api/finetune.

GET  /api/finetune/search?SPEC    what the text means (`_described`), which job computes it, and how long it takes
POST /api/finetune                body: SPEC → {"id"}: the job of the same text, which goes on if it was stopped, or a
new one
"""

from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from functions.language_model import LanguageModelError
from hizoo_core import describe
from viz_app.finetuning import forecast, lengths, local_models, search_spec
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import Refused, in_thread, read_spec
from viz_app.finetuning.search_command import job_of
from viz_app.finetuning.search_spec import SearchSpec
from viz_app.finetuning.store import Log
from viz_app.spec.text import SpecError
from viz_app.web.requests import query_of


def read_search(text: str, request: Request) -> SearchSpec:
    """The spec, or 422; files of this machine as for single jobs."""
    try:
        spec = search_spec.parse(text)
    except SpecError as error:
        raise Refused(422, error.errors) from error
    read_spec(spec.base.query(), request)
    return spec


async def show(desk: Desk, request: Request) -> JSONResponse:
    spec = read_search(query_of(request), request)
    return JSONResponse(await in_thread(_described, desk, spec))


def _described(desk: Desk, spec: SearchSpec) -> dict[str, Any]:
    """The map in plain values. text: canonical, as the job has it. base: a single job's text, of the setting that is
    there. job: the id of the job of this text, or null. usual: an axis of each hyperparameter, around its value.
    """
    log = desk.log()
    opt = spec.opt
    names = [each for each in describe(type(opt.hyperparameters)) if each.choices is None]
    return {
        "text": spec.query(),
        "base": spec.base.query(),
        "job": job_of(log, spec),
        "x": {**spec.x.describe(), "text": spec.x.text},
        "y": {**spec.y.describe(), "text": spec.y.text},
        "method": opt.method,
        "hyperparameters": vars(opt.hyperparameters),
        "forwards": spec.forwards,
        "seeds": spec.seeds,
        "seed": spec.base.seed,
        "loss": spec.base.loss,
        "over": spec.over,
        "trials": spec.trials,
        "usual": [
            {"name": each.name, "label": each.label, "text": search_spec.around(opt, each.name, spec.forwards)}
            for each in names
        ],
        "sentence": estimate(desk, log, spec),
    }


def estimate(desk: Desk, log: Log, spec: SearchSpec) -> str:
    """How long it will take, in words: the sum over its jobs, where none is stopped early or known."""
    what = f"{spec.jobs:,} runs of {spec.forwards:,} passes"
    try:
        here = replace(spec, base=local_models.resolved(spec.base, desk.directory))
        texts = lengths.of(here.base, lambda id: log.upload(id)[1])
        notes = log.notes("devices") | log.notes(forecast.SPEED)
        settings = [spec.opt.hyperparameters] if spec.over else spec.settings
        jobs = [forecast.forecast(here.job(each, 0), notes, lambda: texts) for each in settings]
    except LanguageModelError as error:
        return f"{what}; {error.message}"
    made = [job for job in jobs if job is not None]
    if not made:
        return f"{what}; {spec.base.model} is not on this machine yet: it will be downloaded first"
    seconds = sum(job.seconds - job.loading for job in made) * spec.jobs / len(made) + made[0].loading
    return f"{what}, about {forecast.duration(seconds)} (estimate)"


def created(desk: Desk, spec: SearchSpec, device: str) -> int:
    """The job of a map or a search: the one that there is, set going again if it has ended too early, or a new one."""
    log = desk.log()
    id = job_of(log, spec)
    if id is None:
        id = log.create_job(spec.key, device)
    else:
        log.change_state(id, "queued", only_from=("stopped", "failed", "paused"), device=device)
    desk.workers.wake()
    return id
