"""HTTP: real models that this machine can get, and the one that it is getting."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from functions.language_model.packages import PACKAGED
from viz_app.finetuning import local_models
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import in_thread, refuse


async def listing(desk: Desk, request: Request) -> JSONResponse:
    return JSONResponse(await in_thread(_listed, desk))


def _listed(desk: Desk) -> dict[str, Any]:
    here = {made.name for made in local_models.here(desk.directory)}
    models = [
        {"name": name, "title": each.title, "about": each.about, "bytes": each.bytes, "here": name in here}
        for name, each in PACKAGED.items()
    ]
    return {"models": models, "getting": desk.getting.state}


async def get(desk: Desk, request: Request) -> JSONResponse:
    name = request.path_params["name"]
    if name not in PACKAGED:
        raise refuse(404, "model", f"{name[:40]!r} is none of {', '.join(PACKAGED)}")
    if not desk.getting.start(name):
        raise refuse(409, "model", f"{desk.getting.state.get('name', 'a model')} is being got already")
    return JSONResponse(await in_thread(_listed, desk), 202)
