"""GET /api/step: a step's numbers are the run's own, the slices are the loss, and errors name the field."""

import json

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from functions import resolve
from hizoo_core import Cancelled
from viz_app import api, parse, run
from viz_app.playground import microscope
from viz_app.spec.runs import SpecError

SPEC = (
    "f=double_well&x0=0.4,-0.2&steps=40&runs=3&seed=5"
    "&opt=hizoo:lr=0.1,mu=1e-3,alpha=0.1,n=3,estimator=paper,warmup=4"
    "&opt=mezo:lr=2e-4,mu=1e-3,n=2&opt=adam:lr=0.05&opt=newton_diag:lr=0.5"
    "&opt=hizoo:lr=0.05,mu=1e-3,alpha=0.1,n=2,estimator=multiplicative,warmup=10@20:lr=0.02,n=4"
)


def step(spec: str = SPEC, **where) -> dict:
    return json.loads(microscope.encode(parse(spec), **where))


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    api.add_routes(app)
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("of", parse(SPEC).labels)
@pytest.mark.parametrize(("t", "which"), [(0, 0), (3, 2), (19, 1), (20, 1), (39, 0)])
def test_its_numbers_are_the_runs_own(of, t, which):
    result = run(SPEC)
    trace = result.traces[result.labels.index(of)]
    answer = step(of=of, step=t, run=which)
    assert answer["theta"] == trace.theta[t, which].tolist()
    assert answer["theta_next"] == trace.theta[t + 1, which].tolist()
    assert answer["loss"] == pytest.approx(trace.loss[t, which], rel=1e-14)
    assert answer["loss_next"] == pytest.approx(trace.loss[t + 1, which], rel=1e-14)
    if trace.h is not None:
        assert answer["state"]["P"] == trace.h[t, which].tolist()
        assert answer["state_next"]["P"] == trace.h[t + 1, which].tolist()
    assert answer["warming"] == (t < {"hizoo": 4, "hizoo#2": 10}.get(of, 0))
    assert answer["passes"] == trace.forwards[t + 1] - trace.forwards[t]


def test_slices_run_through_the_measured_losses():
    reach = 0.5
    answer = step(of="hizoo", step=11, reach=reach)
    function, mu = resolve("double_well"), 1e-3
    assert len(answer["directions"]) == 3
    for direction in answer["directions"]:
        near, wide = direction["near"], direction["wide"]
        assert (near["from"], near["to"]) == (-2.5 * mu, 2.5 * mu)
        assert wide["to"] > reach
        s = np.linspace(near["from"], near["to"], len(near["loss"]))
        for at, loss in ((0, direction["centre"]), (mu, direction["plus"]), (-mu, direction["minus"])):
            assert near["loss"][int(np.argmin(np.abs(s - at)))] == pytest.approx(loss, rel=1e-13)
        s = np.linspace(wide["from"], wide["to"], len(wide["loss"]))
        points = np.array(answer["theta"]) + s[:, None] * np.array(direction["z"])
        np.testing.assert_allclose(wide["loss"], function.value(points), rtol=1e-12)


def test_a_method_without_probes_has_a_slice_along_its_step():
    answer = step(of="adam", step=5)
    assert answer["directions"] == []
    near = answer["path"]["near"]
    s = np.linspace(near["from"], near["to"], len(near["loss"]))
    assert near["loss"][int(np.argmin(np.abs(s)))] == pytest.approx(answer["loss"], rel=1e-12)
    assert near["loss"][int(np.argmin(np.abs(s - 1)))] == pytest.approx(answer["loss_next"], rel=1e-12)
    move = np.array(answer["theta_next"]) - np.array(answer["theta"])
    assert answer["path"]["slope"] == pytest.approx(float(np.array(answer["seen"]["gradient"]) @ move))


def test_with_noise_the_slice_is_of_the_loss_that_the_step_saw():
    answer = step(SPEC.replace("seed=5", "seed=5&noise=2"), of="hizoo", step=11)
    for direction in answer["directions"]:
        near = direction["near"]
        s = np.linspace(near["from"], near["to"], len(near["loss"]))
        assert near["loss"][int(np.argmin(np.abs(s - 1e-3)))] == pytest.approx(direction["plus"], rel=1e-12)
        points = np.array(answer["theta"]) + s[:, None] * np.array(direction["z"])
        quiet = resolve("double_well").value(points)
        np.testing.assert_allclose(near["loss"], quiet + points @ np.array(answer["tilt"]), rtol=1e-12)


def test_long_runs_are_walked_from_milestones_to_the_same_numbers():
    spec = "f=booth&x0=2,2&steps=900&runs=2&seed=1&opt=hizoo:lr=0.01,n=2,estimator=multiplicative&opt=adam:lr=0.01"
    result = run(spec)
    for label, trace in zip(result.labels, result.traces, strict=True):
        for t in (899, 250, 249, 777):
            answer = step(spec, of=label, step=t, run=1)
            assert answer["theta_next"] == trace.theta[t + 1, 1].tolist()


def test_more_dimensions_show_the_chosen_coordinates():
    spec = "f=quadratic:d=12&steps=5&runs=1&seed=1&opt=hizoo:lr=0.01,n=2"
    trace = run(spec).traces[0]
    answer = step(spec, of="hizoo", step=4, coords=(7, 2))
    assert answer["theta"] == trace.theta[4, 0, [7, 2]].tolist()
    assert answer["dim"] == 12


def test_a_run_that_has_diverged_answers_with_null():
    spec = "f=expr:log(x)+y^2&x0=0.1,1&steps=40&runs=1&seed=0&opt=mezo:lr=1,mu=1e-3,n=1"
    assert run(spec).traces[0].statuses[0].kind == "diverged"
    answer = step(spec, of="mezo", step=39)
    assert answer["theta"][0] is None
    assert answer["directions"][0]["g"] is None


@pytest.mark.parametrize(
    ("where", "field", "words"),
    [
        (dict(of="hizoo#3", step=0), "of", "hizoo, mezo, adam, newton_diag, hizoo#2"),
        (dict(of="hizoo", step=40), "step", "Step must be 0 to steps − 1 = 39, not 40"),
        (dict(of="hizoo", step=-1), "step", "Step must be 0 to steps − 1 = 39, not -1"),
        (dict(of="hizoo", step=0, run=3), "run", "Run must be 0 to runs − 1 = 2, not 3"),
    ],
)
def test_what_the_run_does_not_have_is_named(where, field, words):
    with pytest.raises(SpecError) as caught:
        step(**where)
    assert [error["field"] for error in caught.value.errors] == [field]
    assert words in caught.value.errors[0]["message"]


def test_a_walk_whose_client_has_left_goes_no_further_and_leaves_nothing_behind():
    spec = parse("f=booth&steps=2000&runs=1&seed=12&opt=hizoo:n=2,lr=0.1")
    asked = []
    with pytest.raises(Cancelled):
        microscope.encode(spec, of="hizoo", step=1900, cancelled=lambda: len(asked) > 2 or asked.append(1))
    later = json.loads(microscope.encode(spec, of="hizoo", step=1900, cancelled=lambda: False))
    assert later["theta"] == run(spec).traces[0].theta[1900, 0].tolist()


def test_over_http_the_answer_is_the_same_and_every_error_is_listed(client):
    answer = client.get(f"/api/step?{SPEC}&of=hizoo%232&step=21&run=1&coords=1,0&reach=3")
    assert answer.status_code == 200
    assert answer.json() == step(of="hizoo#2", step=21, run=1, coords=(1, 0), reach=3.0)
    assert len(answer.json()["directions"]) == 4, "the fork's n"
    wrong = client.get(f"/api/step?{SPEC}&step=1.5&run=x&coords=0,0&reach=0&lr=3")
    assert wrong.status_code == 422
    assert {error["field"] for error in wrong.json()["errors"]} == {"step", "run", "coords", "reach", "lr"}
    assert "a whole number" in {error["field"]: error["message"] for error in wrong.json()["errors"]}["step"]
