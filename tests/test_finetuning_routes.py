import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import fake_session
from tests.lab_server import COMMAND, SHORT, Lab, errors, lab_in
from tests.test_finetuning_worker import check_steps, spec, until
from viz_app.finetuning import follow, reading, uploads
from viz_app.finetuning import routes as live


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_in(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


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
