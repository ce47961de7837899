import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests import fake_session
from tests.test_finetuning_worker import check_steps, spec, until
from viz_app.finetuning import follow, reading, uploads, workers
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


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_in(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


def errors(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


# Jobs


def test_a_job_from_start_to_table(lab: Lab):
    id = lab.start()
    lab.ended(id)
    check_steps(lab.log, id, 4)
    job = lab.http.get(f"/api/finetune/{id}").json()
    assert job["labels"] == ["mezo", "adam"]
    assert job["device"] == "cpu", "auto is resolved when the job is queued"
    assert lab.http.get("/api/finetune").json()["jobs"][0] == job
    assert lab.http.get("/api/finetune").json()["note"] is None


def test_a_job_that_trains_says_how_long_it_still_takes(lab: Lab):
    id = lab.start(f"steps=100&seed={fake_session.SLOW}&opt=mezo")
    until(lambda: lab.http.get(f"/api/finetune/{id}").json()["left"] is not None)
    left = next(job["left"] for job in lab.http.get("/api/finetune").json()["jobs"] if job["id"] == id)
    assert re.fullmatch(r"about \S+ (s|min|h) left", left)
    lab.http.post(f"/api/finetune/{id}/stop")
    lab.ended(id, "stopped")
    assert lab.http.get(f"/api/finetune/{id}").json()["left"] is None


def test_options_hold_what_the_form_needs(lab: Lab):
    options = lab.http.get("/api/finetune/options").json()
    assert {method["key"] for method in options["methods"]} == {"hizoo", "hizoo_l", "mezo", "adam"}
    assert options["presets"]["reviews/full"]["forwards"] > 0
    assert options["transport"] == {"upload": uploads.UPLOAD, "paths": True}
    until(lambda: lab.http.get("/api/finetune/options").json()["auto"] == "cpu")


def test_estimates(lab: Lab):
    answer = lab.http.get("/api/finetune/estimate?forwards=2400").json()
    assert answer["forwards"] <= 3 * 2400
    assert answer["seconds"] > 1
    assert 2**28 < answer["bytes"] < 2**31
    assert answer["sentence"].endswith("(estimate)")
    twice = lab.http.get("/api/finetune/estimate?forwards=4800").json()
    assert 1.5 < twice["seconds"] / answer["seconds"] < 2.5
    far = lab.http.get("/api/finetune/estimate?model=facebook/opt-125m").json()
    assert far["seconds"] is None or far["seconds"] > answer["seconds"]  # None: not in this machine's hub cache
    assert "steps" in errors(lab.http.get("/api/finetune/estimate?steps=0"), 422)


def test_wrong_specs_are_422_with_every_field(lab: Lab):
    answer = lab.http.post("/api/finetune", content="steps=0&tune=all&opt=hizoo:lr=-1")
    assert set(errors(answer, 422)) == {"steps", "tune", "opt.hizoo.lr"}
    assert set(errors(lab.http.post("/api/finetune", content="task=table&data=upload:none"), 422)) == {"data"}
    assert "no such file" in errors(lab.http.post("/api/finetune", content="task=table&data=/nowhere.csv"), 422)["data"]
    assert (
        "must be auto or one of cpu" in errors(lab.http.post("/api/finetune", content="device=cuda:7"), 422)["device"]
    )
    for answer in (
        lab.http.get("/api/finetune/estimate?opt=hizzo"),
        lab.http.post("/api/finetune", content="opt=hizzo"),
    ):
        (message,) = errors(answer, 422).values()
        assert "Did you mean hizoo?" in message
    assert "is larger" in errors(lab.http.post("/api/finetune", content="x" * 70_000), 413)["spec"]


@pytest.mark.parametrize("id", ["999", "x", "-1", "1.5", "99999999999999999999999"])
def test_runs_that_are_not_there_are_404(lab: Lab, id: str):
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/stop"),
        ("GET", "/at?run=0&step=0"),
        ("GET", "/table.csv"),
    ]:
        assert set(errors(lab.http.request(method, f"/api/finetune/{id}{path}"), 404)) == {"id"}


@pytest.mark.parametrize("path", ["table.csv", "at?step=0", "weights.safetensors?step=0"])
def test_a_run_whose_spec_cannot_be_read_is_said_in_words(lab: Lab, path: str):
    id = lab.log.create_job("steps=2&opt=mezo:gamma=1", "shell")
    answer = lab.http.get(f"/api/finetune/{id}/{path}")
    assert "was made by another version of HiZOO Lab" in errors(answer, 503)["log"]


def test_commands_that_do_not_fit_the_state_are_409(lab: Lab):
    id = lab.start()
    lab.ended(id)
    for name in ("pause", "resume", "stop"):
        assert f"run {id} is finished" in errors(lab.http.post(f"/api/finetune/{id}/{name}"), 409)["state"]
    assert "state" in errors(lab.http.post(f"/api/finetune/{id}/set?run=0&lr=1"), 409)


def test_pause_set_resume_stop_delete(lab: Lab):
    id = lab.start("steps=500&opt=mezo&opt=adam")
    until(lambda: lab.steps(id) > 3)
    assert "state" in errors(lab.http.delete(f"/api/finetune/{id}"), 409)
    assert lab.http.post(f"/api/finetune/{id}/pause").json() == {"state": "paused"}
    made = lab.steps(id)
    time.sleep(0.1)
    assert lab.steps(id) == made
    assert lab.http.post(f"/api/finetune/{id}/set?run=1&lr=0.5").status_code == 200
    assert [(s.step, s.lr) for s in lab.log.settings(id, 1)] == [(len(lab.log.steps(id, 1)), 0.5)]
    wrong = {"run=2&lr=1": "run", "lr=-1": "lr", "lr=x": "lr", "": "lr", "alpha=0.1": "alpha", "lr=1&lr=2": "lr"}
    for query, field in (wrong | {"mu=1": "mu"}).items():
        assert set(errors(lab.http.post(f"/api/finetune/{id}/set?{query}"), 422)) == {field}
    assert lab.http.post(f"/api/finetune/{id}/resume").json()["state"] in ("queued", "running")
    until(lambda: lab.steps(id) > made)
    assert lab.http.post(f"/api/finetune/{id}/truth?run=0").status_code == 200
    assert lab.http.post(f"/api/finetune/{id}/stop").json() == {"state": "stopped"}
    assert lab.http.delete(f"/api/finetune/{id}").status_code == 204
    assert lab.http.get(f"/api/finetune/{id}").status_code == 404


def test_any_step_and_its_weights(lab: Lab):
    id = lab.start("steps=3&opt=mezo")
    lab.ended(id)
    answer = lab.http.get(f"/api/finetune/{id}/at?run=0&step=2").json()
    assert answer == {"evaluation": {"type": "evaluation", "run": 0, "step": 2}, "hessian": None}
    assert "0 to 3" in errors(lab.http.get(f"/api/finetune/{id}/at?run=0&step=4"), 422)["step"]
    answer = lab.http.get(f"/api/finetune/{id}/weights.safetensors?run=0&step=3")
    from safetensors.torch import load

    assert load(answer.content)["weight"].tolist() == [[3.0] * 3] * 2
    assert f"run-{id}-mezo-step-3.safetensors" in answer.headers["content-disposition"]
    until(lambda: not list((lab.directory / "exports").iterdir()))


def test_a_loss_surface_is_asked_for(lab: Lab):
    id = lab.start("steps=200&opt=mezo")
    sentence = errors(lab.http.post(f"/api/finetune/{id}/surface"), 409)["state"]
    assert "surface is for one that is paused or finished" in sentence
    lab.ended(id)
    assert lab.http.post(f"/api/finetune/{id}/surface").json() == {"state": "finished"}
    until(lambda: any(m["type"] == "surface" and m["done"] for m in lab.log.messages(id)))


def test_another_sites_page_can_start_nothing(lab: Lab):
    answer = lab.http.post("/api/finetune", content=SHORT, headers={"Origin": "http://elsewhere.example"})
    assert set(errors(answer, 403)) == {"origin"}
    same = {"Origin": f"http://127.0.0.1:{lab.port}"}
    assert lab.http.post("/api/finetune", content="steps=0", headers=same).status_code == 422
    with lab.watch(1, origin="http://elsewhere.example") as socket_, pytest.raises(ConnectionClosed) as closed:
        socket_.recv(timeout=5)
    assert closed.value.rcvd.code == follow.FORBIDDEN


def test_files_may_be_named_from_this_machine_only(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "table.csv").write_text("text,label\n")
    local = f"task=table&data={quote(str(tmp_path / 'table.csv'))}&steps=1"
    assert lab.http.get(f"/api/finetune/estimate?{local}").status_code == 200
    monkeypatch.setattr(reading, "is_local", lambda request: False)
    assert "upload the table" in errors(lab.http.get(f"/api/finetune/estimate?{local}"), 422)["data"]
    for model in (str(tmp_path), "../lab", "~/model", "viz_app"):
        assert "folder" in errors(lab.http.get(f"/api/finetune/estimate?model={quote(model)}"), 422)["model"]
    assert lab.http.get("/api/finetune/estimate?model=facebook/opt-125m&device=cpu").status_code == 200


def test_a_run_of_the_shell_can_be_looked_at_but_not_steered(lab: Lab):
    id = lab.log.create_job(spec(4), "shell")
    lab.log.change_state(id, "running")
    with lab.watch(id):
        for name in ("pause", "stop", "set?run=0&lr=1", "truth?run=0"):
            assert "belongs to a shell" in errors(lab.http.post(f"/api/finetune/{id}/{name}"), 409)["state"]
    answer = lab.http.get(f"/api/finetune/{id}/at?run=0&step=0")
    assert answer.json()["evaluation"]["step"] == 0
    assert lab.log.job(id).state == "running"
    lab.log.change_state(id, "finished")


# Uploads


def upload(lab: Lab, body: str, query: str = "name=my.csv") -> httpx.Response:
    return lab.http.post(f"/api/finetune/upload?{query}", content=body.encode())


def test_an_uploaded_table_is_checked_and_shown(lab: Lab):
    body = "label,text\n" + "".join(f"{'good' if i % 3 else 'bad'},sentence number {i}\n" for i in range(30))
    answer = upload(lab, body)
    assert answer.status_code == 200, answer.text
    table = answer.json()
    assert table["rows"] == 30
    assert table["columns"] == ["label", "text"]
    assert {c["name"]: c["count"] for c in table["classes"]} == {"bad": 10, "good": 20}
    assert len(table["preview"]) == uploads.PREVIEW
    assert set(table["preview"][0]) == {"text", "label"}
    lab.ended(lab.start(f"task=table&data=upload:{table['id']}&{SHORT}"))


@pytest.mark.parametrize(
    ("body", "query", "field"),
    [
        ("text,kind\na,b\n", "", "label_column"),
        ("review,label\na,b\n", "", "text_column"),
        ("text,label\na,yes\n,no\n", "", "data"),
        ("text,label\na,yes\nb,yes\n", "", "label_column"),
        ("text,label\na,yes\nb,no\n", "text_column=review", "text_column"),
        ("text,label\na,yes\nb,no\n", "colour=red", "colour"),
    ],
)
def test_tables_that_will_not_do(lab: Lab, body: str, query: str, field: str):
    answer = upload(lab, body, query)
    assert set(errors(answer, 422)) == {field}


def test_an_upload_has_a_limit(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "UPLOAD", 10**6)
    assert "larger than 1 MB" in errors(upload(lab, "x" * (10**6 + 1)), 413)["data"]


# Watching


def numbers(bodies: list[str]) -> list[int]:
    return [json.loads(body)["seq"] for body in bodies]


def test_every_chunk_once_and_in_order_over_lost_connections(lab: Lab):
    id = lab.start("steps=150&opt=mezo&opt=adam")
    got: list[str] = []
    while len(got) < 300:
        with lab.watch(id, numbers(got[-1:])[0] if got else 0) as socket_:
            for _ in range(37):
                try:
                    got.append(socket_.recv(timeout=0.2))
                except TimeoutError:
                    break
            if len(got) % 2:
                socket_.socket.shutdown(socket.SHUT_RDWR)  # dropped without a goodbye
    lab.ended(id)
    with lab.watch(id, len(got)) as rest:
        while len(got) < lab.log.chunks(id)[-1][0]:
            got.append(rest.recv(timeout=5))
    assert got == [body for _, body in lab.log.chunks(id)]
    assert numbers(got) == list(range(1, len(got) + 1))


def test_a_slow_client_holds_up_nobody(lab: Lab):
    other = lab.log.create_job(spec(), "shell")
    for _ in range(300):  # 30 MB: more than the sockets' buffers hold
        lab.log.append(other, messages=[{"type": "progress", "message": "x" * 100_000, "done": 0, "total": 0}])
    with lab.watch(other, max_size=None, max_queue=1, compression=None) as slow:
        time.sleep(0.3)
        id = lab.start()
        with lab.watch(id) as quick:
            assert numbers([quick.recv(timeout=5) for _ in range(5)]) == [1, 2, 3, 4, 5]
        lab.ended(id)
        assert numbers([slow.recv(timeout=10) for _ in range(300)]) == list(range(1, 301))


def test_a_deleted_run_closes_its_connections(lab: Lab):
    id = lab.start()
    lab.ended(id)
    with lab.watch(id, 10_000) as socket_:
        lab.http.delete(f"/api/finetune/{id}")
        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv(timeout=5)
    assert closed.value.rcvd.code == follow.GONE


@pytest.mark.parametrize("path", ["/api/finetune/x/live", "/api/finetune/1/live?have=x", "/api/finetune/9999/live"])
def test_what_cannot_be_watched_is_closed_with_a_reason(lab: Lab, path: str):
    with connect(f"ws://127.0.0.1:{lab.port}{path}", proxy=None) as socket_, pytest.raises(ConnectionClosed) as closed:
        socket_.recv(timeout=5)
    assert closed.value.rcvd.code == follow.GONE


# Deaths


def worker_of(lab: Lab) -> subprocess.Popen:
    return lab.desk.workers._processes["cpu"]._process


def sentences(lab: Lab, id: int) -> str:
    return " | ".join(m["message"] for m in lab.log.messages(id) if m["type"] == "status")


def test_a_killed_worker_is_reported_and_the_job_goes_on(lab: Lab):
    id = lab.start("steps=150&opt=mezo&opt=adam")
    for target in (3, 40):
        until(lambda target=target: lab.steps(id) > target)
        worker_of(lab).kill()
        until(lambda: "was killed (signal 9) at step" in sentences(lab, id))
    lab.ended(id)
    check_steps(lab.log, id, 150)
    assert "; it resumes from the log" in sentences(lab, id)


def test_a_worker_that_dies_again_and_again_fails_its_job(lab: Lab):
    bad, good = lab.start(f"{SHORT}&seed={fake_session.KILLED_AT_OPENING}"), lab.start()
    lab.ended(bad, "failed")
    message = lab.http.get(f"/api/finetune/{bad}").json()["message"]
    assert "was killed (signal 9), 3 times in a row without a new step" in message
    lab.ended(good)


def test_deaths_with_progress_between_them_do_not_count(lab: Lab):
    id = lab.start(f"steps=20&opt=mezo&seed={fake_session.KILLED_EVERY_5}")
    lab.ended(id)
    check_steps(lab.log, id, 20, runs=1)
    assert sentences(lab, id).count("was killed") == 4, "more than fail a job that makes no step"


def test_a_question_that_kills_the_worker_is_answered(lab: Lab):
    id = lab.start("steps=5&opt=mezo")
    lab.ended(id)
    message = errors(lab.http.get(f"/api/finetune/{id}/at?run=0&step=4"), 503)["worker"]
    assert "was killed (signal 9) while it was rebuilding a step from the log" in message
    assert lab.http.get(f"/api/finetune/{id}/at?run=0&step=3").status_code == 200


def test_stop_ends_a_step_that_does_not_end(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "STOP", 0.5)
    id = lab.start(f"{SHORT}&seed={fake_session.HANGS}")
    until(lambda: lab.steps(id) == 2)
    lab.http.post(f"/api/finetune/{id}/stop")
    lab.ended(id, "stopped")
    assert "the step did not end within" in lab.log.job(id).message
    lab.ended(lab.start())


def test_a_job_is_stopped_while_its_model_is_loading_and_the_others_go_on(lab: Lab):
    loading = [lab.start(f"{SHORT}&seed={fake_session.LOADS}") for _ in range(workers.DEATHS)]
    after = lab.start()
    for id in loading:
        until(lambda id=id: lab.desk.workers.doing("cpu") == {"job": id, "command": None, "doing": "loading"})
        lab.http.post(f"/api/finetune/{id}/stop")
        lab.ended(id, "stopped")
        assert lab.log.job(id).message == "stopped before the model was loaded"
    lab.ended(after)


def test_a_silent_worker_is_ended_and_its_job_goes_on(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    id = lab.start("steps=100&opt=mezo")
    until(lambda: lab.steps(id) > 3)
    with monkeypatch.context() as patch:  # the next worker may take longer than that to start
        patch.setattr(workers, "SILENCE", 2.0)
        os.kill(worker_of(lab).pid, signal.SIGSTOP)
        until(lambda: "gave no sign of life" in sentences(lab, id))
    lab.ended(id)
    check_steps(lab.log, id, 100, runs=1)


def test_a_job_for_a_device_that_is_not_there_fails_in_words(lab: Lab):
    id = lab.log.create_job(spec(), "cuda:5")  # of a time when there was one
    lab.desk.workers.wake()
    lab.ended(id, "failed")
    assert "there is no device cuda:5 on this machine (there is cpu)" in lab.log.job(id).message


def test_a_closed_server_leaves_its_job_to_the_next(tmp_path: Path):
    with lab_in(tmp_path) as first:
        id = first.start("steps=300&opt=mezo&opt=adam")
        until(lambda: first.steps(id) > 3)
        process = worker_of(first)
    assert process.wait(10) == 0
    log = Log(tmp_path)
    assert log.job(id).state == "running"
    with lab_in(tmp_path) as second:
        second.ended(id)
    check_steps(log, id, 300)
    log.close()


def test_of_two_servers_one_keeps_the_workers(tmp_path: Path):
    with lab_in(tmp_path) as first:
        first.ended(first.start())
        with lab_in(tmp_path) as second:
            until(lambda: second.http.get("/api/finetune").json()["note"] is not None)
            id = second.start()
            second.ended(id)
            check_steps(second.log, id, 4)
            assert second.desk.workers._processes == {}
            assert second.http.get(f"/api/finetune/{id}/at?run=0&step=1").status_code == 200


SERVER = """
import sys
from pathlib import Path
import uvicorn
from fastapi import FastAPI
from viz_app.finetuning import routes as live
app = FastAPI()
live.add_routes(app, Path(sys.argv[1]), (sys.executable, sys.argv[2]))
uvicorn.run(app, port=int(sys.argv[3]), log_level="error")
"""


def test_sigkill_of_the_server_loses_no_step(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = Log(tmp_path)
    id = log.create_job(spec(300), "cpu")
    arguments = [sys.executable, "-c", SERVER, str(tmp_path), fake_session.__file__, str(port)]
    environment = {**os.environ, "PYTHONPATH": str(workers.ROOT), "FAKE_STEP": "0.01"}
    with subprocess.Popen(arguments, env=environment) as server:
        until(lambda: len(log.steps(id, 0)) > 5)  # it takes up what it finds
        server.kill()
    time.sleep(1.0)
    made = len(log.steps(id, 0))
    time.sleep(0.3)
    assert len(log.steps(id, 0)) == made < 300, "the worker ends with its server"
    assert log.job(id).state == "running"
    with lab_in(tmp_path) as lab:
        lab.ended(id)
    check_steps(log, id, 300)
    log.close()


def test_nothing_is_made_before_somebody_trains(tmp_path: Path):
    directory = tmp_path / "lab"
    app = FastAPI()
    desk = live.add_routes(app, directory, COMMAND)
    desk.start()
    time.sleep(0.1)
    desk.close()
    assert not directory.exists()


def test_a_data_directory_that_cannot_be_made_is_503_in_words(tmp_path: Path):
    (tmp_path / "lab").write_text("in the way")
    app = FastAPI()
    live.add_routes(app, tmp_path / "lab", COMMAND)
    from starlette.testclient import TestClient

    assert "data directory" in errors(TestClient(app).get("/api/finetune"), 503)["log"]


def test_sigkill_of_a_real_worker_changes_nothing(tmp_path: Path):
    """The bundled model: what is trained over a killed worker is what is trained without."""
    text = "tune=layernorm&steps=12&batch=4&eval=1000000&truth=0&device=cpu&opt=mezo:n=1,lr=1e-2"
    with lab_in(tmp_path, workers.COMMAND) as lab:
        id, whole = lab.start(text), lab.start(text)
        until(lambda: lab.steps(id) >= 3, 60)
        worker_of(lab).kill()
        for job in (id, whole):
            until(lambda job=job: lab.steps(job) == 12, 60)
            lab.http.post(f"/api/finetune/{job}/stop")
        assert "was killed (signal 9) at step" in sentences(lab, id)
        ours, theirs = lab.log.steps(id, 0), lab.log.steps(whole, 0)
        assert [row.step for row in ours] == list(range(1, 13))
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.scalars == pytest.approx(other.scalars, abs=1e-5)
