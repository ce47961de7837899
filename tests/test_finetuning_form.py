"""The widgets of the language-model page's form: one for every field and setting, holding what the page says."""

from dataclasses import asdict
from typing import Any

import pytest

from hizoo_core.training_methods import METHODS
from viz_app.finetuning import form
from viz_app.finetuning.catalogue import FIELDS
from viz_app.web import widgets

VALUES = {field.name: "" for field in FIELDS} | {
    **{
        "model": "bundled",
        "task": "reviews",
        "tune": "full",
        "loss": "cross_entropy",
        "dtype": "auto",
        "device": "auto",
    },
    **{"budget": 2400, "budgetKind": "forwards", "batch": 32, "shots": 0, "eval": 120, "truth": 10, "rank": 8},
    **{"prefix": 5, "seed": "123456789"},
}


def asked(*methods: str, full: bool = False, **values: Any) -> dict[str, Any]:
    optimizers = [
        {
            **{"slot": key, "method": key, "name": METHODS[key].name, "colour": "--mezo", "passes": 3},
            "values": asdict(METHODS[key].hyperparameters()),
        }
        for key in methods
    ]
    devices = [{"value": "auto", "label": "auto: CPU"}]
    return {"number": 7, "values": VALUES | values, "hidden": ["rank"], "devices": devices} | {
        "optimizers": optimizers,
        "full": full,
    }


def found(made: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Every widget with an id of a pattern, by role, card and name."""
    result = {}

    def look(component: Any) -> None:
        for each in component if isinstance(component, list | tuple) else [component]:
            if not hasattr(each, "to_plotly_json"):
                continue
            props = each.to_plotly_json()["props"]
            if isinstance(props.get("id"), dict):
                place = props["id"]
                result[place["role"], place["slot"], place.get("name", "")] = props
            look(props.get("children"))

    look(made["form"])
    return result


def test_every_field_and_every_setting_of_every_method_has_a_widget():
    made = form.widgets(asked(*METHODS))
    assert made["made"] == 7
    places = {(card, name) for role, card, name in found(made) if role in ("field", "choice")}
    fields = {("run", field.name) for field in FIELDS} | {("run", "budgetKind")}
    settings = {(key, name) for key in METHODS for name in asdict(METHODS[key].hyperparameters())}
    assert places == fields | settings


def test_widgets_hold_what_the_page_says():
    widget = found(form.widgets(asked("mezo", batch="many", tune="half", rank=16)))
    assert widget["field", "run", "batch"]["value"] == "many"
    assert widget["slider", "run", "batch"]["value"] == widget["slider", "run", "batch"]["min"]
    assert widget["slider", "run", "rank"]["value"] == pytest.approx(1.20412, abs=1e-5), "log10 of 16"
    assert widget["field", "run", "seed"]["value"] == "123456789"
    tune = widget["choice", "run", "tune"]
    assert (tune["value"], tune["data"][-1]) == ("half", {"value": "half", "label": "half"}), "unknown, and shown"


def test_the_last_optimizer_stays_and_no_more_than_allowed_are_added():
    def disabled(made: dict[str, Any], text: str) -> list[bool]:
        cards = str(made["form"]).split("Button(")[1:]
        return ["disabled=True" in card.split(")")[0] for card in cards if text in card]

    one, two = form.widgets(asked("adam")), form.widgets(asked("adam", "mezo", full=True))
    assert disabled(one, "Remove ") == [True]
    assert disabled(two, "Remove ") == [False, False]
    assert disabled(one, "Duplicate ") == [False]
    assert disabled(two, "Duplicate ") == [True, True]


def test_short_writes_numbers_as_the_page_does():
    texts = [widgets.short(value) for value in (0, 0.00003, 123456, 0.12345, 1e-4, 12345, 3, -2e-4)]
    assert texts == ["0", "3e-5", "1.235e5", "0.1235", "1e-4", "12350", "3", "-2e-4"]


def test_a_unit_does_not_repeat_its_label():
    assert not [f.name for f in FIELDS if f.unit and f.unit.lower() in f.label.lower()]
