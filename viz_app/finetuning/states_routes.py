"""HTTP: the states of lower layers that are kept on the disk, and clearing them."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from functions.language_model import stored
from viz_app.finetuning.desk import Desk
from viz_app.finetuning.reading import in_thread


async def listing(desk: Desk, request: Request) -> JSONResponse:
    return JSONResponse(await in_thread(_listed, desk.directory / stored.FOLDER))


async def clear(desk: Desk, request: Request) -> JSONResponse:
    folder = desk.directory / stored.FOLDER
    await in_thread(stored.clear, folder)
    return JSONResponse(await in_thread(_listed, folder))


def _listed(folder: Path) -> dict[str, Any]:
    found = stored.stored(folder)
    return {"files": len(found), "bytes": sum(size for _, size in found), "limit": stored.ROOM}
