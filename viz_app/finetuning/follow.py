"""Watching a run: its chunks over a WebSocket, in order, each once.

The log is the queue: every client reads the chunks from there at its own pace, so that a slow one holds up nobody, and
one that comes back says which number it has (`have`) and goes on behind it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from fastapi import WebSocket, WebSocketDisconnect

from viz_app.finetuning.store import Log, LogError
from viz_app.spec.text import whole

POLL = 0.075  # seconds between looks for new chunks: one look for all who watch a run
AT_ONCE = 50  # chunks read for a client at a time
GONE = 4404  # close code: there is no such run, or no longer
FORBIDDEN = 4403  # close code: another site's page


def endpoint(open_log: Callable[[], Log]) -> Callable[[WebSocket], object]:
    """The WebSocket's end: /…/{id}/live?have=N."""
    runs: dict[int, _Run] = {}

    async def live(websocket: WebSocket) -> None:
        if not same_origin(websocket.headers):
            return await _turn_away(websocket, FORBIDDEN, "another site's page")
        try:
            id, have = whole(websocket.path_params["id"]), whole(websocket.query_params.get("have", "0"))
        except ValueError as error:
            return await _turn_away(websocket, GONE, f"{error} is no number")
        log = await _in_thread(open_log)
        await websocket.accept()
        async with _watched(runs, log, id) as run, anyio.create_task_group() as tasks:
            tasks.start_soon(_until_left, websocket, tasks.cancel_scope)
            with contextlib.suppress(WebSocketDisconnect):
                await _send(websocket, log, run, id, have)
            tasks.cancel_scope.cancel()
        return None

    return live


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from this server's own pages, or from no page at all."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def _turn_away(websocket: WebSocket, code: int, reason: str) -> None:
    await websocket.accept()  # a refused handshake could not say why
    await websocket.close(code, reason)


async def _until_left(websocket: WebSocket, scope: anyio.CancelScope) -> None:
    """A client that leaves is noticed by reading: nothing else is ever received."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()
    scope.cancel()


async def _send(websocket: WebSocket, log: Log, run: "_Run", id: int, have: int) -> None:
    """Send chunks beyond `have` until the run is deleted. The next ones are read when these have been taken."""
    while await run.beyond(have):
        for number, body in await _in_thread(log.chunks, id, have, AT_ONCE):
            await websocket.send_text(body)
            have = number
    await websocket.close(GONE, f"there is no run {id}")


class _Run:
    """The newest chunk's number of a run that somebody watches."""

    def __init__(self, log: Log, id: int) -> None:
        self.watchers = 0
        self._newest, self._gone = 0, False
        self._changed = asyncio.Event()
        self._looking = asyncio.create_task(self._look(log, id))

    def close(self) -> None:
        self._looking.cancel()

    async def _look(self, log: Log, id: int) -> None:
        while not self._gone:
            with contextlib.suppress(LogError):  # held by another process for long: look again
                newest, self._gone = await _in_thread(_newest, log, id, self._newest)
                if newest > self._newest or self._gone:
                    self._newest = newest
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(POLL)

    async def beyond(self, have: int) -> bool:
        """Wait for a chunk beyond number `have`; False if the run is gone."""
        while self._newest <= have and not self._gone:
            await self._changed.wait()
        return not self._gone


@asynccontextmanager
async def _watched(runs: dict[int, _Run], log: Log, id: int) -> AsyncIterator[_Run]:
    """The run, looked at for as long as somebody watches it."""
    if (run := runs.get(id)) is None:
        run = runs[id] = _Run(log, id)
    run.watchers += 1
    try:
        yield run
    finally:
        run.watchers -= 1
        if not run.watchers:
            del runs[id]
            run.close()


def _newest(log: Log, id: int, known: int) -> tuple[int, bool]:
    """(number of the newest chunk beyond `known`, or `known`; whether the run is gone)."""
    if chunks := log.chunks(id, known):
        return chunks[-1][0], False
    try:
        log.job(id)
    except LogError:
        return known, True
    return known, False


async def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    return await anyio.to_thread.run_sync(partial(work, *arguments))
