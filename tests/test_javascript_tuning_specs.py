"""Every spec that the Tuning page's modules can write is one that Python reads, as the page meant it."""

from dataclasses import asdict

import pytest

from functions import resolve
from tests.javascript import written
from viz_app.estimators import spec as estimator_spec
from viz_app.spec.runs import parse
from viz_app.tuning import page as tuning
from viz_app.tuning import spec as map_spec
from viz_app.tuning.catalogue import AUTO, axes_of
from viz_app.web import controls

OPENED = ("", "f=quadratic:d=10&opt=mezo", "f=expr:x^2%2By^2&opt=adam", "f=rosenbrock&x0=-1,1&opt=newton_diag")


@pytest.fixture(scope="module", params=[1, 2])
def specs(request: pytest.FixtureRequest) -> list[dict]:
    states = [tuning.open_map(text, None)["page"] for text in OPENED]
    found = written("tuning", request.param, given=states)
    assert len(found) == 12 * len(OPENED) + 40
    return found


def named(f: str, state: dict) -> bool:
    """Whether a function is a family's with the controls' parameters."""
    return f.partition(":")[0] == state["family"] and controls.function_parameters(f) == state["parameters"]


def start(text: str, f: str) -> tuple[float, ...]:
    function = resolve(f)
    numbers = tuple(float(part) for part in text.split(",")) if text else function.start
    return numbers * function.dim if len(numbers) == 1 else numbers


def test_a_map_is_the_one_of_the_controls(specs):
    for each in specs:
        if each["kind"] != "map":
            continue
        state = each["state"]
        spec = map_spec.parse(each["page"])
        slot = state["methods"][state["method"]]
        assert (spec.opt.method, asdict(spec.opt.hyperparameters)) == (state["method"], slot["values"])
        own = f"expr:{state['text']}"
        assert (
            resolve(spec.base.f).spec == resolve(own).spec if state["family"] == "expr" else named(spec.base.f, state)
        )
        told = (spec.base.runs, spec.base.seed, spec.base.noise, spec.forwards)
        assert told == tuple(state[key] for key in ("runs", "seed", "noise", "forwards"))
        assert spec.target == (None if state["target"] == AUTO else float(state["target"]))
        assert spec.base.x0 == start(state["x0"], spec.base.f)
        usual = axes_of(state["method"])["usual"]
        for which, axis in (("x", spec.x), ("y", spec.y)):
            asked = slot["axes"][which]
            assert axis.name == asked["name"]
            assert axis.text == asked["text"] or asked == usual[which], "an untouched axis leaves out forbidden values"
        assert map_spec.parse(spec.query()) == spec


def test_the_map_does_not_depend_on_where_the_controls_are_along_its_axes(specs):
    for each in specs:
        if each["kind"] == "map":
            page, alone = map_spec.parse(each["page"]), map_spec.parse(each["map"])
            assert (alone.x, alone.y, alone.settings) == (page.x, page.y, page.settings)


def test_the_other_optimizers_maps_and_other_functions_can_be_opened(specs):
    for each in specs:
        if each["kind"] != "map":
            continue
        state = each["state"]
        for other in each["others"]:
            spec = map_spec.parse(other["query"])
            assert spec.opt.method == other["method"]
            assert spec.x.name == other["axes"]["x"]["name"]
        moved = map_spec.parse(each["other"])
        axes = state["methods"][state["method"]]["axes"]
        assert (moved.x.name, moved.y.name) == (axes["x"]["name"], axes["y"]["name"])


def test_a_cells_link_opens_its_run(specs):
    for each in specs:
        if each["kind"] == "map":
            (opt,) = parse(each["run"]).opts
            assert asdict(opt.hyperparameters) == each["settings"]


def test_the_estimators_are_asked_what_their_controls_say(specs):
    for each in specs:
        if each["kind"] != "estimators":
            continue
        question = each["question"]
        assert each["back"] == question, "the address gives it back"
        spec = estimator_spec.parse(each["query"])
        assert spec.f.partition(":")[0] == question["f"].partition(":")[0]
        assert tuple(spec.place.theta) == start(question["x0"], question["f"])
        probe = {key: float(question[key]) for key in ("n", "alpha", "mu", "noise", "seed")}
        assert {key: getattr(spec.probe, key) for key in probe} == probe
        assert (spec.probe.start, list(spec.estimators)) == (question["P"], question["estimators"])
        assert spec.steps == int(question["steps"])
        if question["coords"]:
            assert spec.place.coords == tuple(int(part) for part in question["coords"].split(","))
