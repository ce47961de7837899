"""One record a method. A new one is a file and an entry: here a toy, walked through every Python interface."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.csv
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from objectives import Ripples

from hizoo_core import METHODS, POINT_METHODS, describe, directions, optimize, training_methods
from hizoo_core.anatomy import dissect
from hizoo_core.base import Hyperparameters, Made, Method, ModelForm, PointForm, Space, changed, hyperparameter
from hizoo_core.estimators import first_difference
from hizoo_core.mezo import MeZOHyperparameters, MeZOTraining
from hizoo_core.schedules import unscheduled
from hizoo_core.training import Trainer
from viz_app import api, cli, run
from viz_app.finetuning import spec as finetune_spec
from viz_app.spec.runs import catalogue
from viz_app.web import controls

# What the toy's file would hold -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToyHyperparameters(Hyperparameters):
    n: int = changed(MeZOHyperparameters, "n", 2)
    lr: float = changed(MeZOHyperparameters, "lr", 1e-2)
    mu: float = changed(MeZOHyperparameters, "mu", 1e-3)
    most: float = hyperparameter(
        0.5, label="longest move", symbol="M", help="No coordinate moves by more.", low=0.0, high=1.0, slider=(0.01, 1)
    )


@dataclass(frozen=True)
class Constants:
    move: float
    most: Any


def init(hp: ToyHyperparameters, scalar: Callable[[float], Any]) -> Constants:
    return Constants(hp.lr / (2.0 * hp.n * hp.mu), scalar(hp.most))


def step(space: Space, t: int) -> None:
    plus, minus = space.probe()
    for block, slopes in space.sums(first_difference(space.of_losses, plus, minus, space.numbers[0])):
        block.theta -= space.xp.clip(slopes, -block.constants.most, block.constants.most)


def terms(made: Made) -> dict[str, np.ndarray]:
    assert made.probes is not None
    return {"ghat": (made.probes.g[:, None] * made.probes.u).mean(axis=0)}


METHOD = Method(
    key="toy",
    name="Clipped MeZO",
    summary="MeZO whose coordinates move by no more than a bound.",
    forwards=lambda hp: 2 * hp.n,
    stochastic=True,
    estimates_hessian=False,
    points=PointForm(
        hyperparameters=ToyHyperparameters,
        init=init,
        step=step,
        state={},
        axes=("lr=1e-3:1:3", "most=0.1,0.5"),
        searched={"lr": None, "most": (0.1, 0.3)},
        terms=terms,
    ),
    models=ModelForm(MeZOTraining, "hizoo_core.torch_optim:MeZO", unscheduled),
)

# ----------------------------------------------------------------------------------------------------------------------

SPEC = "f=booth&steps=20&runs=3&opt=toy:lr=0.3,most=0.2"


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(METHODS, "toy", METHOD)


@pytest.fixture
def client():
    app = FastAPI()
    api.add_routes(app)
    return TestClient(app)


def test_every_method_has_a_form_and_stands_under_its_key():
    assert list(METHODS) == ["hizoo", "hizoo_l", "mezo", "adam", "newton_diag"]
    assert list(POINT_METHODS) == ["hizoo", "mezo", "adam", "newton_diag"]
    assert list(training_methods.METHODS) == ["hizoo", "hizoo_l", "mezo", "adam"]
    for key, method in METHODS.items():
        assert method.key == key
        assert method.points or method.models
    for method in POINT_METHODS.values():
        names = {field.name for field in describe(method.hyperparameters)}
        searched, axes = method.on_points.searched, method.on_points.axes
        assert names >= {*searched, *(axis.partition("=")[0] for axis in axes)}


def test_a_method_for_models_alone_is_none_on_points():
    with pytest.raises(ValueError, match="method = 'hizoo_l': must be one of hizoo, mezo, adam, newton_diag"):
        optimize(Ripples(), "hizoo_l", None, (1, 1), steps=1)
    with pytest.raises(TypeError, match="HiZOO-L has no form on points"):
        _ = METHODS["hizoo_l"].hyperparameters
    assert "hizoo_l" not in POINT_METHODS
    with pytest.raises(KeyError):
        POINT_METHODS["hizoo_l"]
    with pytest.raises(KeyError):
        training_methods.METHODS["newton_diag"]


def test_hizoo_l_has_no_setting_that_does_nothing():
    fields = {field.name: field for field in describe(training_methods.METHODS["hizoo_l"].hyperparameters)}
    assert fields.keys() >= {"alpha", "n", "lr", "mu", "warmup", "estimator", "floor", "schedule", "alpha_schedule"}
    assert not fields.keys() & {"beta", "pool"}
    assert fields["estimator"].choices == ("paper", "released")
    with pytest.raises(finetune_spec.SpecError, match=r"opt\.hizoo_l\.beta"):
        finetune_spec.parse("opt=hizoo_l:beta=0.1")


@pytest.mark.usefixtures("toy")
def test_a_new_method_steps_by_its_formula():
    hp = ToyHyperparameters(lr=0.3, most=0.01)
    trace = optimize(Ripples(), "toy", hp, (0.7, -0.4), steps=3, runs=2, seed=5)
    theta, f = trace.theta[2, 1], Ripples().value
    u = directions(5, 2, 2, 2, 2)[:, 1]
    g = (f(theta + hp.mu * u) - f(theta - hp.mu * u)) / (2 * hp.mu)
    move = np.clip(0.3 * (g[:, None] * u).mean(axis=0), -0.01, 0.01)
    np.testing.assert_allclose(trace.theta[3, 1], theta - move, rtol=1e-9)
    assert np.abs(move).max() == 0.01
    anatomy = dissect(Ripples(), "toy", hp, (0.7, -0.4), step=2, run=1, seed=5)
    np.testing.assert_array_equal(anatomy.theta_next, trace.theta[3, 1])
    np.testing.assert_allclose(anatomy.terms["ghat"], (g[:, None] * u).mean(axis=0))


@pytest.mark.usefixtures("toy")
def test_a_new_method_runs_from_everywhere(client, tmp_path):
    whole = run(SPEC).to_csv()
    rows = pyarrow.csv.read_csv(io.BytesIO(whole))
    assert set(rows["optimizer"].to_pylist()) == {"toy"}
    assert max(rows["forwards"].to_pylist()) == 20 * 4
    assert rows["loss"][20].as_py() < rows["loss"][0].as_py()
    assert client.get(f"/api/run.csv?{SPEC}").content == whole
    assert cli.main(["run", SPEC, "--out", str(tmp_path / "run.csv")]) == 0
    assert (tmp_path / "run.csv").read_bytes() == whole
    assert client.get(f"/api/trace?{SPEC}").status_code == 200
    (error,) = client.get("/api/run?opt=toy:most=2").json()["errors"]
    assert error["field"] == "opt.toy.most"


@pytest.mark.usefixtures("toy")
def test_a_new_method_is_listed(client, capsys):
    listed = client.get("/api/list").json()["optimizers"]
    assert listed == json.loads(json.dumps(catalogue()["optimizers"]))
    (told,) = [each for each in listed if each["key"] == "toy"]
    assert told["name"] == "Clipped MeZO"
    assert [field["name"] for field in told["hyperparameters"]] == ["n", "lr", "mu", "most"]
    assert cli.main(["list"]) == 0
    points, _, training = capsys.readouterr().out.partition("Fine-tuning")
    assert "  toy: Clipped MeZO" in points
    assert "longest move" in points
    assert "  toy: Clipped MeZO" in training


@pytest.mark.usefixtures("toy")
def test_a_new_method_has_maps_and_can_be_tuned(client, tmp_path, capfd):
    query = "f=booth&runs=2&forwards=200&opt=toy"
    cells = client.get(f"/api/map?{query}").json()["cells"]
    assert [cell["most"] for cell in cells] == [0.1] * 3 + [0.5] * 3
    assert cli.main(["map", query, "--out", str(tmp_path / "map.csv")]) == 0
    assert pyarrow.csv.read_csv(tmp_path / "map.csv")["lr"].to_pylist() == [cell["lr"] for cell in cells]
    capfd.readouterr()
    query += "&seed=1"  # of which the server knows no cell of a map, as the shell
    assert cli.main(["tune", query, "--trials", "16"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["searched"] == ["lr", "most"]
    assert found["best"]["most"] in (0.1, 0.3, 0.5), "tried, or as it was"
    assert client.get(f"/api/tune?{query}&trials=16").json()["best"] == found["best"]


@pytest.mark.usefixtures("toy")
def test_a_new_method_is_under_the_microscope(client):
    answer = client.get(f"/api/step?{SPEC}&of=toy&step=7&run=1").json()
    assert answer["method"] == "toy"
    assert answer["passes"] == len(answer["directions"]) * 2 == 4
    g, u = (np.array([each[key] for each in answer["directions"]]) for key in ("g", "u"))
    np.testing.assert_allclose(answer["terms"]["ghat"], (g[:, None] * u).mean(axis=0))


@pytest.mark.usefixtures("toy")
def test_a_new_method_has_a_card():
    (slot,) = [each for each in controls.slots(run(SPEC).spec) if each["method"] == "toy"]
    assert (slot["name"], slot["on"], slot["passes"], slot["values"]["most"]) == ("Clipped MeZO", True, 4, 0.2)
    assert slot["colour"].startswith("--")
    assert "longest move" in str(controls.optimizer_card(slot))


@pytest.mark.usefixtures("toy")
def test_a_new_method_trains_a_model():
    spec = finetune_spec.parse("forwards=400&opt=toy:n=2,lr=0.1")
    assert finetune_spec.parse(spec.query()) == spec
    assert spec.steps_of(0) == 100
    (opt,) = spec.opts
    p = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    trainer = Trainer({"p": p}, "toy", opt.hyperparameters, steps=100, seed=0)
    records = [trainer.advance(lambda: (p**2).sum()) for _ in range(3)]
    assert records[2].loss < records[0].loss
    q = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    again = Trainer({"p": q}, "toy", opt.hyperparameters, steps=100, seed=0)
    for record in records:
        again.replay(record)
    torch.testing.assert_close(q, p)
    told = {each["key"]: SimpleNamespace(**each) for each in finetune_spec.catalogue()["methods"]}
    assert told["toy"].zeroth_order
    assert not told["toy"].estimates_hessian
