"""What the browser is told about limits, methods and functions."""

import json
import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from functions import FUNCTIONS
from hizoo_core import METHODS, POINT_METHODS, describe
from viz_app.catalogue import catalogue
from viz_app.estimators import spec as questions
from viz_app.server import create_app
from viz_app.spec.runs import KEYS, OPTIMIZERS, parse
from viz_app.web import catalogue as web
from viz_app.web import theme


def test_the_page_carries_the_catalogue(tmp_path):
    with TestClient(create_app(tmp_path).server) as client:
        page = client.get("/").text
    (text,) = re.findall(r'<script id="catalogue" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(text) == json.loads(json.dumps(catalogue()))


def test_text_in_the_catalogue_cannot_end_its_script():
    frame = theme.index({"name": "</script>{%scripts%}"})
    assert frame.count("</script>") == theme.INDEX.count("</script>")
    assert frame.count("{%") == theme.INDEX.count("{%")


@pytest.mark.parametrize("method", POINT_METHODS.values(), ids=lambda method: method.key)
def test_the_cost_of_a_step_holds_for_every_number_of_directions(method):
    told = web.catalogue()["methods"][method.key]["cost"]
    default = method.hyperparameters()
    for n in range(2, 65):
        values = replace(default, n=n) if hasattr(default, "n") else default
        assert method.forwards(values) == told["fixed"] + told["perDirection"] * n


def test_it_says_what_the_specs_and_methods_say():
    told = web.catalogue()
    assert told["limits"]["optimizers"] == OPTIMIZERS == (1, 8)
    assert told["limits"]["steps"] == (1, 20_000)
    assert told["estimators"] == {
        "paper": {"leastN": 1}, "released": {"leastN": 1}, "multiplicative": {"leastN": 2},
            "reliable": {"leastN": 1},
    }  # fmt: skip
    assert list(told["functions"]) == list(FUNCTIONS)
    assert tuple(told["spec"]["keys"]) == KEYS
    assert parse(f"f=expr:{told['spec']['expression']}").f == f"expr:{told['spec']['expression']}"
    for key, method in POINT_METHODS.items():
        names = [field["name"] for field in told["methods"][key]["fields"]]
        assert names == [field.name for field in describe(method.hyperparameters)]


def test_every_method_has_a_colour_of_the_style_sheet(monkeypatch):
    monkeypatch.setitem(METHODS, "toy", replace(METHODS["mezo"], key="toy"))
    monkeypatch.setitem(METHODS, "toy2", replace(METHODS["mezo"], key="toy2"))
    colours = web.colours()
    assert (colours["mezo"], colours["toy"], colours["toy2"]) == ("--mezo", "--extra-1", "--extra-2")


def test_a_question_to_the_lab_as_its_form_opens_it_is_what_its_spec_takes_where_nothing_is_said():
    told = {field["key"]: field for field in catalogue()["estimatorsTab"]["fields"]}
    query = "&".join(f"{key}={field['usual']}" for key, field in told.items())
    assert questions.parse(f"f=quadratic&{query}") == questions.parse("f=quadratic")
    records = (questions.N, questions.ALPHA, questions.STEPS, questions.MU, questions.NOISE, questions.SEED)
    assert [field["label"] for field in told.values()] == [record.label for record in records]
    assert all(field["help"] for field in told.values())
