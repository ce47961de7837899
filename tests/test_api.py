import json
import os
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from functions import FUNCTIONS
from viz_app import api, cli, run
from viz_app.playground import routes, runner, wire
from viz_app.spec.runs import catalogue
from viz_app.web import requests
from viz_app.web import requests as answers

SPEC = "f=rotated_ellipse:angle=20&x0=1,0.5&steps=25&runs=3&seed=9&opt=hizoo:n=2&opt=mezo&opt=adam&opt=hizoo"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a real server, so that addresses and disconnections are those of a browser."""
    app = FastAPI()
    api.add_routes(app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize(
    ("path", "name"), [("/api/run", "json"), ("/api/run.csv", "csv"), ("/api/run.parquet", "parquet")]
)
def test_doors_agree_to_the_bit(client: httpx.Client, path: str, name: str, tmp_path):
    runner._cache.clear()
    answer = client.get(f"{path}?{SPEC}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == requests.MEDIA_TYPES[name].split(";")[0]
    runner._cache.clear()
    assert cli.main(["run", SPEC, "--out", str(tmp_path / f"run.{name}")]) == 0
    assert (tmp_path / f"run.{name}").read_bytes() == answer.content
    runner._cache.clear()
    assert getattr(run(SPEC), f"to_{name}")() == answer.content


def test_a_plus_in_the_address_is_a_plus(client: httpx.Client):
    formula = "expr:(x+1)^2+y^2"
    raw = client.get(f"/api/run?f={formula}&steps=2&opt=adam").json()
    escaped = client.get(f"/api/run?f={quote(formula, safe='')}&steps=2&opt=adam").json()
    assert raw == escaped == json.loads(run(f"f={formula}&steps=2&opt=adam").to_json())


@pytest.mark.parametrize("path", ["/api/run", "/api/run.csv", "/api/run.parquet", "/api/trace", "/api/landscape"])
def test_a_wrong_spec_is_422_with_every_field(client: httpx.Client, path: str):
    answer = client.get(f"{path}?steps=0&opt=hizoo:lr=-1&f=expr:x%2B")
    assert answer.status_code == 422
    errors = {error["field"]: error for error in answer.json()["errors"]}
    assert set(errors) == {"f", "steps", "opt.hizoo.lr"}
    assert "1 to 20,000" in errors["steps"]["message"]
    assert isinstance(errors["f"]["position"], int)


def test_trace_is_the_encoded_run(client: httpx.Client):
    answer = client.get(f"/api/trace?{SPEC}&coords=1,0&target=0.125")
    header, arrays = wire.decode(answer.content)
    expected, expected_arrays = wire.decode(wire.encode(run(SPEC), coords=(1, 0), target=0.125))
    assert header == expected
    assert (header["coords"], header["target"]) == ([1, 0], 0.125)
    for ours, theirs in zip(arrays, expected_arrays, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize(
    ("view", "field"),
    [
        ("coords=0,2", "coords"),
        ("coords=1,1", "coords"),
        ("coords=1", "coords"),
        ("coords=-1,0", "coords"),
        ("coords=a,b", "coords"),
        ("target=0", "target"),
        ("target=nan", "target"),
        ("target=1&target=2", "target"),
        ("colour=1", "colour"),
    ],
)
def test_view_parameters_of_a_trace_are_checked(client: httpx.Client, view: str, field: str):
    answer = client.get(f"/api/trace?f=booth&{view}&runs=0")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {field, "runs"}


def test_landscape_defaults_and_window(client: httpx.Client):
    header, (arrays,) = wire.decode(client.get("/api/landscape?f=booth").content)
    assert header["shape"] == [160, 160]
    assert [tuple(header["xrange"]), tuple(header["yrange"])] == list(run("f=booth&steps=1").function.domain)
    assert arrays["z"].min() >= 0
    text = "/api/landscape?f=quadratic:d=5,condition=100&coords=4,1&xrange=-2,2&yrange=0,1&size=3"
    function = run("f=quadratic:d=5,condition=100&steps=1").function
    grid = np.zeros((3, 3, 5))
    grid[..., 4], grid[..., 1] = np.array([-2, 0, 2]), np.array([[0], [0.5], [1]])
    assert function.minima == ((0,) * 5,)
    np.testing.assert_allclose(wire.decode(client.get(text).content)[1][0]["z"], function.value(grid), rtol=1e-6)
    grid[..., [0, 2, 3]] = 1
    moved = wire.decode(client.get(f"{text}&x0=1").content)[1][0]["z"]
    np.testing.assert_allclose(moved, function.value(grid), rtol=1e-6)


@pytest.mark.parametrize("view", ["size=1", "size=513", "xrange=1,0", "xrange=1", "yrange=0,inf", "coords=0,9"])
def test_landscape_parameters_are_checked(client: httpx.Client, view: str):
    answer = client.get(f"/api/landscape?f=booth&{view}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [view.partition("=")[0]]


def test_list_is_the_catalogue(client: httpx.Client):
    answer = client.get("/api/list").json()
    assert answer == json.loads(json.dumps(catalogue()))
    assert [function["key"] for function in answer["functions"]] == list(FUNCTIONS)


def test_a_run_stops_when_its_client_leaves(client: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    ended: list[str] = []
    finished = threading.Event()
    real = routes.run

    def watched(*args, **kwargs):
        try:
            return real(*args, **kwargs)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        finally:
            finished.set()

    monkeypatch.setattr(routes, "run", watched)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/api/run?f=ackley&steps=20000&runs=190&opt=hizoo:n=64", timeout=0.5)
    assert finished.wait(10)
    assert ended == ["Cancelled"]
    assert client.get("/api/list").status_code == 200


def test_a_run_that_waits_its_turn_leaves_the_queue_with_its_client(client: httpx.Client, monkeypatch):
    entered, release = threading.Semaphore(0), threading.Event()
    asked: list[str] = []

    def busy(spec, *, cancelled):
        asked.append(spec)
        entered.release()
        release.wait(10)
        return run("steps=1&opt=adam")

    monkeypatch.setattr(routes, "run", busy)
    slots = max(2, os.cpu_count() or 1)
    address = str(client.base_url)
    holders = [
        threading.Thread(target=lambda k=k: httpx.get(f"{address}/api/run?seed={k}", trust_env=False))
        for k in range(slots)
    ]
    try:
        for holder in holders:
            holder.start()
        assert all(entered.acquire(timeout=5) for _ in holders)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/api/run?seed=99", timeout=0.3)
        assert client.get("/api/list").status_code == 200, "the server still answers"
        time.sleep(4 * answers.POLL_SECONDS)
    finally:
        release.set()
        for holder in holders:
            holder.join(10)
    assert client.get("/api/run?seed=100").status_code == 200
    assert sorted(asked) == sorted(["seed=100", *(f"seed={k}" for k in range(slots))])
