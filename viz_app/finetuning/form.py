"""The form of the language-model page: its widgets, made for what the page's modules say that they hold.

The modules keep the state (assets/lab/finetuning/formstate.mjs). They ask for widgets when a spec is opened and when an
optimizer comes or goes; any other change they put into the widgets themselves.
"""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html

from hizoo_core import describe
from hizoo_core.training_methods import METHODS
from viz_app.finetuning import spec as specs
from viz_app.finetuning.catalogue import FIELDS, MODELS, NAMES, PRIMARY, Field, colours
from viz_app.web import ids
from viz_app.web.widgets import (
    Control,
    attributes,
    duplicate_button,
    field_row,
    method_card,
    remove_button,
    row,
    select,
    select_row,
    short,
    text_field,
    text_row,
    tip,
)

RUN = "run"  # the first card, as its rows' ids call it
UNITS = [{"value": "forwards", "label": "passes"}, {"value": "steps", "label": "steps"}]  # of the budget
CHOICES: dict[str, tuple[str, ...]] = {
    "task": tuple(specs.TASKS),
    "tune": tuple(specs.TUNES),
    "loss": tuple(specs.LOSSES),
    "dtype": specs.DTYPES,
}
HELPS = {"tune": specs.TUNES, "loss": specs.LOSSES}  # of a choice's values


def widgets(asked: dict[str, Any]) -> dict[str, Any]:
    """The form's cards, and the number of the request. `asked` has `number`; `values` by field, texts where they are no
    numbers; `hidden`, the fields that do not matter now; `devices`, options of a list; `optimizers`, each as
    `method_card` takes it, with its `method`; and `full`, whether there may be no more of them.
    """
    optimizers, full = asked["optimizers"], asked["full"]
    alone = len(optimizers) == 1
    cards = [
        method_card(
            slot,
            METHODS[slot["method"]],
            [
                duplicate_button(slot["slot"], slot["name"], disabled=full),
                remove_button(slot["slot"], slot["name"], disabled=alone),
            ],
            {h.name for h in describe(METHODS[slot["method"]].hyperparameters)} - set(PRIMARY),
        )
        for slot in optimizers
    ]
    return {"form": [run_card(asked), *cards, adders(full)], "made": asked["number"]}


def run_card(asked: dict[str, Any]) -> html.Section:
    """What to train, and how long."""
    head = html.Div([html.H2("Train"), html.Span(id="opt-badge")], className="head")
    shown = [field(each, asked) for each in FIELDS if not each.more]
    folded = [field(each, asked) for each in FIELDS if each.more]
    fold = html.Details([html.Summary("texts, prompt, seeds, intervals, device"), *folded])
    return html.Section([head, *shown, fold], className="card", **attributes(data_slot=RUN))


def field(each: Field, asked: dict[str, Any]) -> html.Div:
    """The row of a field, hidden where it does not matter."""
    name, label, help = each.name, each.label, each.help
    value, hidden = asked["values"][name], name in asked["hidden"]
    if each.slider:
        low, high = each.slider
        control = Control(name, label, help, (low, high), each.scale, integer=True, unit=each.unit)
        return row(RUN, control, value, budget_unit(asked) if each.kind == "budget" else None, hidden)
    if each.kind == "choice":
        help = "\n".join([help, *HELPS.get(name, {}).values()])
        options = asked["devices"] if name == "device" else options_of(name)
        return select_row(RUN, name, label, options, short(value), help, hidden=hidden)
    if name == "model":
        suggestions = dmc.Autocomplete(
            id=ids.field(RUN, name),
            value=short(value),
            data=list(MODELS),
            debounce=True,
            size="xs",
            **attributes(aria_label=label),
        )
        return field_row(RUN, name, label, help, suggestions, resets=False)
    if each.kind == "data":
        return field_row(RUN, name, label, help, data_field(label, short(value)), resets=True, hidden=hidden)
    return text_row(RUN, name, label, str(value), help, resets=True, hidden=hidden)


def budget_unit(asked: dict[str, Any]) -> html.Div:
    """Passes or steps, beside the label."""
    unit = select(
        RUN, "budgetKind", "Unit of the budget", UNITS, asked["values"]["budgetKind"], comboboxProps={"width": 100}
    )
    return html.Div(unit, className="unit choice", **attributes(data_field="run.budgetKind"))


def options_of(name: str) -> list[dict[str, str]]:
    """The values of a choice, as they are shown."""
    return [{"value": key, "label": NAMES[name].get(key, key)} for key in CHOICES[name]]


def data_field(label: str, value: str) -> html.Div:
    """Where the texts come from: a path, or the button, whose file the page's modules take and send."""
    return html.Div(
        [
            text_field(RUN, "data", label, value),
            tip(
                html.Button("Upload…", type="button", **attributes(data_do="upload")),
                "Upload a CSV or TSV of at most 50,000 rows; or drop it on this card",
            ),
            html.P(className="uploaded"),
        ],
        className="data",
    )


def adders(full: bool) -> html.Div:
    """A button for every method, which adds it."""
    known = colours()
    buttons = [
        tip(
            html.Button(
                method.name,
                type="button",
                disabled=full,
                style={"--colour": f"var({known[method.key]})"},
                **attributes(data_add=method.key),
            ),
            f"{method.name}: {method.summary}",
        )
        for method in METHODS.values()
    ]
    group = [html.Span("Add"), *buttons]
    return html.Div(group, role="group", className="adders", **attributes(aria_label="Add an optimizer"))
