"""Maps over HTTP: tables, the page's stream, errors in words, and a client that has left."""

import json

import anyio
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from test_tuning_maps import TEXT, decoded

from viz_app import api
from viz_app.tuning import known, maps
from viz_app.tuning import routes as map_api
from viz_app.tuning import search as tune
from viz_app.tuning import spec as map_spec


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    api.add_routes(app)
    return TestClient(app)


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_the_table_is_the_shells(client, name):
    answer = client.get(f"/api/map{'' if name == 'json' else '.' + name}?{TEXT}")
    assert answer.status_code == 200
    assert answer.content == maps.FORMATS[name](maps.table(map_spec.parse(TEXT)))


def test_json_says_which_map_it_is(client):
    answer = client.get(f"/api/map?{TEXT}").json()
    assert answer["spec"] == map_spec.parse(TEXT).query()
    assert answer["target"] == map_spec.default_target(map_spec.parse(TEXT))
    assert [cell["alpha"] for cell in answer["cells"][:4]] == [0.001, 0.01, 0.1, 1.0]


def test_the_stream_is_a_sequence_of_messages(client):
    body = client.get(f"/api/map/stream?{TEXT}&coords=1,0").content
    messages = []
    while body:
        length = 4 + int.from_bytes(body[:4], "little")
        messages.append(body[:length])
        body = body[length:]
    header, cells, end = decoded(messages)
    assert header["coords"] == [1, 0]
    assert sorted(cells) == list(range(12))
    assert end["kind"] == "end"


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/api/map", "x=alpha=0:1:12", "x"),
        ("/api/map/stream", "x=alpha=1:0.5:12", "x"),
        ("/api/map/stream", "coords=0,7", "coords"),
        ("/api/map/stream", "coords=1,1", "coords"),
        ("/api/map.csv", "forwards=1", "forwards"),
        ("/api/tune", "trials=2", "trials"),
        ("/api/tune", "trials=many", "trials"),
        ("/api/tune", "opt=sgd", "opt.sgd"),
    ],
)
def test_a_wrong_query_is_answered_in_words(client, path, query, field):
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_tune_finds_and_says_what_it_cost(client):
    found = client.get(f"/api/tune?{TEXT}&trials=12").json()
    spec = map_spec.parse(TEXT)
    expected = tune.tune(spec, 12, known=known.of(spec))  # of the maps that other tests have asked for
    found["spent"].pop("seconds")
    expected["spent"].pop("seconds")
    assert found == json.loads(json.dumps(expected))


def test_a_map_whose_client_has_left_is_computed_no_further():
    """The client leaves during the first batch: within a few pieces of work nothing is computed any more."""
    spec = map_spec.parse("f=stiff_quadratic&runs=64&forwards=60000&opt=hizoo:lr=0.1,n=4,alpha=0.1&x=alpha=1e-3:1:9")
    left = False

    class Request:
        async def is_disconnected(self):
            return left

    async def visit() -> int:
        nonlocal left
        slots = anyio.CapacityLimiter(1)
        messages = map_api._messages(Request(), spec, (0, 1), slots)
        await anext(messages)  # the header, before anything is computed
        received = 0
        async with anyio.create_task_group() as tasks:

            async def leave() -> None:
                nonlocal left
                await anyio.sleep(0.1)
                left = True

            tasks.start_soon(leave)
            async for _ in messages:
                received += 1
        async with slots:  # the thread has ended
            return received

    received = anyio.run(visit)
    assert received == 0, "the first batch was not finished"
