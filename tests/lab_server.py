"""A server of the language-model page's routes, with workers that train nothing."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from websockets.sync.client import ClientConnection, connect

from tests import fake_session
from tests.test_finetuning_worker import until
from viz_app.finetuning import routes as live
from viz_app.finetuning.store import Log

COMMAND = (sys.executable, fake_session.__file__)
SHORT = "steps=4&opt=mezo&opt=adam"


class Lab:
    """A real server on a data directory, with workers that train the fake session."""

    def __init__(self, directory: Path, command: tuple[str, ...]) -> None:
        self.directory = directory
        app = FastAPI()
        self.desk = live.add_routes(app, directory, command)
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws_ping_interval=None))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started or not self.thread.is_alive())
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)
        self.log = Log(directory)

    def close(self) -> None:
        self.http.close()
        self.server.should_exit = True
        self.thread.join(20)
        self.log.close()

    def start(self, text: str = SHORT) -> int:
        answer = self.http.post("/api/finetune", content=text)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def state(self, id: int) -> str:
        return self.http.get(f"/api/finetune/{id}").json()["state"]

    def ended(self, id: int, state: str = "finished") -> None:
        until(lambda: self.state(id) in ("finished", "failed", "stopped"))
        assert self.state(id) == state, self.log.job(id).message

    def watch(self, id: int, have: int = 0, **options) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/api/finetune/{id}/live?have={have}", proxy=None, **options)

    def steps(self, id: int) -> int:
        return len(self.log.steps(id, 0))


@contextmanager
def lab_in(directory: Path, command: tuple[str, ...] = COMMAND) -> Iterator[Lab]:
    lab = Lab(directory, command)
    try:
        yield lab
    finally:
        lab.close()


def errors(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


# Jobs
