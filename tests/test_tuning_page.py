"""What Python hands to the Tuning page."""

import pytest

from hizoo_core import POINT_METHODS
from viz_app.tuning import page as tuning
from viz_app.tuning import spec as map_spec
from viz_app.tuning.catalogue import axes_of, catalogue


@pytest.mark.parametrize("method", POINT_METHODS)
def test_every_axis_that_the_page_offers_makes_a_map(method):
    axes = catalogue()["axes"][method]
    for option in axes["options"]:
        other = next(axis for axis in axes["usual"].values() if axis["name"] != option["name"])
        x, y = f"{option['name']}={option['text']}", f"{other['name']}={other['text']}"
        spec = map_spec.parse(f"f=stiff_quadratic&runs=1&forwards=3000&opt={method}&x={x}&y={y}")
        assert len(spec.x.values) > 1


def test_an_opened_map_is_the_one_of_the_address():
    text = "f=quadratic:d=10&x0=1&runs=4&seed=7&forwards=600&target=0.5&opt=mezo:n=2&x=n=1,2&y=lr=1e-5:1e-3:3"
    page = tuning.open_map(text, None)["page"]
    assert (page["method"], page["forwards"], page["runs"], page["seed"], page["target"]) == ("mezo", 600, 4, 7, "0.5")
    assert page["methods"]["mezo"]["axes"] == {
        "x": {"name": "n", "text": "1,2"},
        "y": {"name": "lr", "text": "1e-5:1e-3:3"},
    }
    assert page["methods"]["adam"]["axes"] == axes_of("adam")["usual"]
    assert page["errors"] == []


def test_a_link_opens_with_all_of_its_digits():
    page = tuning.open_map("f=stiff_quadratic&x0=1.23456789,-0.1234567&target=0.0123456&noise=0.123456", None)["page"]
    assert (page["x0"], page["target"], page["noise"]) == ("1.23456789, -0.1234567", "0.0123456", 0.123456)


def test_a_wrong_address_opens_its_functions_usual_map_and_says_why():
    page = tuning.open_map("f=double_well&forwards=1&opt=hizoo", None)["page"]
    assert page["family"] == "double_well"
    assert [error["field"] for error in page["errors"]] == ["forwards"]
