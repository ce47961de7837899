"""What HTTP routes share: work in a thread that ends when the client has gone, and queries with a picture's keys."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from functions import FunctionError, resolve
from hizoo_core import Cancelled
from viz_app.spec.reader import DEFAULT_FUNCTION, Reader, split
from viz_app.spec.runs import DIMENSIONS
from viz_app.spec.text import SpecError, pairs, whole

POLL_SECONDS = 0.05
HEADERS = {"Cache-Control": "public, max-age=60"}  # pure, but for presets that change under an open browser
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
BINARY = "application/octet-stream"
CLIENT_GONE = 499

Cancelling = Callable[[], bool]
Work = Callable[[str, Cancelling], bytes]
T = TypeVar("T")


async def watch(request: Request, gone: threading.Event) -> None:
    """Set `gone` when the client has left."""
    while not await request.is_disconnected():
        await anyio.sleep(POLL_SECONDS)
    gone.set()


async def in_thread(request: Request, work: Callable[[Cancelling], bytes], slots: anyio.CapacityLimiter):
    """What `work` returns or raises, computed in a thread of one of the slots; None if the client left meanwhile."""
    gone = threading.Event()
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append(None if gone.is_set() else work(gone.is_set))
        except Cancelled:
            outcome.append(None)
        except Exception as error:  # carried over the task group, which would wrap it
            outcome.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, request, gone)
        await anyio.to_thread.run_sync(attempt, limiter=slots)
        tasks.cancel_scope.cancel()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


@dataclass(frozen=True)
class Queries:
    """Routes whose answers follow from their query, unless `headers` says else; they share the slots for work."""

    app: FastAPI
    slots: anyio.CapacityLimiter

    def add(self, path: str, work: Work, media_type: str, headers: dict[str, str] = HEADERS) -> None:
        """Answer GET requests with the bytes that `work(query, cancelled)` returns, or its SpecError with 422."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await in_thread(request, partial(work, query_of(request)), self.slots)
            except SpecError as error:
                return JSONResponse({"errors": error.errors}, 422)
            if body is None:
                return Response(status_code=CLIENT_GONE)
            return Response(body, media_type=media_type, headers=headers)

        self.app.add_api_route(path, endpoint, methods=["GET"], response_class=Response, include_in_schema=False)


def query_of(request: Request) -> str:
    """The query as text."""
    return request.scope["query_string"].decode("utf-8", "replace")


class View(Reader, Generic[T]):
    """A query's parameters of the picture, read apart from the rest, which `parse` reads; with the errors of both."""

    def __init__(self, query: str, names: tuple[str, ...], parse: Callable[[str], T]):
        own, rest = split(query, names)
        super().__init__(own, names)
        given = dict(pairs(rest))
        self.has_start = "x0" in given
        self._dim = DIMENSIONS[1]
        with suppress(FunctionError):  # which the spec reports
            self._dim = resolve(given.get("f", DEFAULT_FUNCTION)).dim
        self._spec: T | None = None
        try:
            self._spec = parse(rest)
        except SpecError as error:
            self.errors += error.errors

    def coordinates(self) -> tuple[int, int]:
        """Two different coordinates of the function; the first two by default."""
        last = self._dim - 1

        def parser(text: str) -> tuple[int, int]:
            a, b = (whole(item.strip()) for item in text.split(","))
            if a == b or not (0 <= a <= last and 0 <= b <= last):
                raise ValueError
            return a, b

        allowed = f"two different whole numbers from 0 to {last}, e.g. 0, 1"
        return self.read("coords", "Coordinates", parser, (0, 1), allowed)

    def spec(self) -> T:
        """The spec. Raises SpecError if it or any parameter read so far is wrong."""
        if self._spec is None or self.errors:
            raise SpecError(self.errors)
        return self._spec
