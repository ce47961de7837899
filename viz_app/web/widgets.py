"""The widgets of all pages' forms: a row for a setting, with its label, tooltip, slider, field or choice, and the
button that puts the preset back. The browser's side is assets/lab/web/widgets.mjs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context
from math import log10
from typing import Any

import dash_mantine_components as dmc
from dash import html

from functions.base import Parameter
from hizoo_core import Hyperparameter, describe
from viz_app.web import ids

FOUR_DIGITS = Context(prec=4, rounding=ROUND_HALF_UP)  # as JavaScript's toPrecision


@dataclass(frozen=True)
class Control:
    """One control: what its slider spans (`slider`, in the quantity's own unit) and how (`scale`)."""

    name: str
    label: str
    help: str
    slider: tuple[float, float]
    scale: str = "linear"
    integer: bool = False
    choices: tuple[str, ...] | None = None
    unit: str = ""

    @classmethod
    def of(cls, source: Hyperparameter | Parameter) -> Control:
        """Take it from an optimizer's hyperparameter or a function's parameter."""
        span = source.slider if isinstance(source, Hyperparameter) else (source.low, source.high)
        return cls(
            source.name,
            source.label,
            source.help,
            (float(span[0]), float(span[1])),
            source.scale,
            source.integer,
            source.choices,
            source.unit,
        )


def short(value: Any) -> str:
    """Write a number for a field, as the page's `scale.mjs` does: four significant digits, no padded exponent."""
    if not isinstance(value, int | float):
        return str(value)
    digits = float(FOUR_DIGITS.create_decimal(value))
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{digits:g}"
    mantissa, exponent = f"{digits:.3e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def method_card(slot: dict[str, Any], method: Any, buttons: list, folded: Collection[str]) -> html.Section:
    """The card of an optimizer: its name, `buttons`, and a row for each of the hyperparameters of `method`, those that
    are `folded` under "more". The slot has `slot` (its key), `name`, `colour` (a CSS variable), `passes` a step and
    `values`; without `on` it is on.
    """
    key = slot["slot"]
    head = html.Div(
        [
            tip(html.H2(slot["name"]), method.summary),
            html.Span(f"{slot['passes']} passes a step", className="passes", **attributes(data_passes=key)),
            *buttons,
        ],
        className="head",
    )
    return html.Section(
        [head, html.Div(method_rows(key, method, slot["values"], folded), className="body")],
        className="card optimizer" + ("" if slot.get("on", True) else " off"),
        style={"--colour": f"var({slot['colour']})"},
        **attributes(data_slot=key),
    )


def method_rows(slot: str, method: Any, values: dict[str, Any], folded: Collection[str]) -> list:
    """A row for each hyperparameter of a method, those that are `folded` under "more"."""
    controls = [Control.of(h) for h in describe(method.hyperparameters)]
    shown = [row(slot, c, values[c.name]) for c in controls if c.name not in folded]
    more = [row(slot, c, values[c.name]) for c in controls if c.name in folded]
    return [*shown, html.Details([html.Summary("more"), *more])] if more else shown


def duplicate_button(slot: str, name: str, disabled: bool = False) -> dmc.Tooltip:
    """Adds a copy of an optimizer."""
    button = html.Button(
        "+", id=ids.duplicate(slot), className="quiet", disabled=disabled, **attributes(aria_label=f"Duplicate {name}")
    )
    return tip(button, "Add a copy of this optimizer, to compare two settings")


def remove_button(slot: str, name: str, disabled: bool = False) -> html.Button:
    """Takes an optimizer away; the page's modules listen to it."""
    label = f"Remove {name}"
    return html.Button(
        "×", className="quiet", title=label, disabled=disabled, **attributes(data_remove=slot, aria_label=label)
    )


def row(slot: str, control: Control, value: Any, beside: Any = None, hidden: bool = False) -> html.Div:
    """One control: label with tooltip, slider or choice, field, reset. `beside` stands after the label."""
    label = row_label(control.label + (f", {control.unit}" if control.unit else ""), control.help)
    name = control.label if slot == "run" else f"{control.label} of {slot}"
    if control.choices:
        return html.Div(
            [
                html.Div([label, reset_button(slot, control.name, control.label)], className="choice-label"),
                dmc.SegmentedControl(
                    id=ids.choice(slot, control.name),
                    data=[{"value": c, "label": c.replace("_", " ")} for c in control.choices],
                    value=value,
                    fullWidth=True,
                    size="xs",
                    **attributes(aria_label=name),
                ),
            ],
            className="row choice",
            **attributes(data_field=f"{slot}.{control.name}"),
        )
    low, high = control.slider
    return html.Div(
        [
            html.Div([label, beside], className="with-unit") if beside else label,
            dmc.Slider(
                id=ids.slider(slot, control.name),
                **slider_scale(control, value),
                label=None,
                size=4,
                thumbSize=14,
                color="var(--colour)",
                updatemode="mouseup",  # while it moves, the page's modules watch it themselves: see sliders.mjs
                **attributes(aria_label=f"{name}, {short(low)} to {short(high)} {control.unit}".strip()),
            ),
            text_field(slot, control.name, name, short(value)),
            reset_button(slot, control.name, control.label),
        ],
        className="row",
        hidden=hidden,
        **attributes(data_field=f"{slot}.{control.name}"),
    )


def slider_scale(control: Control, value: Any) -> dict[str, float]:
    """A slider's min, max, step and value: decades for a log scale; the page's `scale.mjs` is the inverse. A value that
    is no number is at the slider's low end.
    """
    low, high = control.slider
    at = value if isinstance(value, int | float) else low
    if control.scale == "log":
        at = log10(at) if at > 0 else log10(low)
        low, high = log10(low), log10(high)
    step = 1.0 if control.integer and control.scale != "log" else (high - low) / 200
    return {"min": low, "max": high, "step": step, "value": min(max(at, low), high)}


def attributes(**named: str) -> dict[str, Any]:
    """Attributes with a hyphen (aria_label → aria-label), for which Python has no keyword."""
    return {name.replace("_", "-"): value for name, value in named.items()}


def text_row(
    slot: str, name: str, label: str, value: str, help: str, resets: bool = False, hidden: bool = False
) -> html.Div:
    """A control that only a text field can be; `resets`: it has a preset to go back to."""
    return field_row(slot, name, label, help, text_field(slot, name, label, value), resets, hidden)


def text_field(slot: str, name: str, label: str, value: str, **more: Any) -> dmc.TextInput:
    """A text field, which is heard when it is left, or at Enter."""
    return dmc.TextInput(
        id=ids.field(slot, name),
        value=value,
        size="xs",
        debounce=True,
        spellCheck=False,
        **attributes(aria_label=label),
        **more,
    )


def select_row(
    slot: str, name: str, label: str, options: list[dict[str, str]], value: str, help: str, hidden: bool = False
) -> html.Div:
    """One of many named values, which has a preset to go back to: a list that opens."""
    return field_row(slot, name, label, help, select(slot, name, label, options, value), True, hidden, "select")


def select(slot: str, name: str, label: str, options: list[dict[str, str]], value: str, **more: Any) -> dmc.Select:
    """A list that opens. A value that is none of its options is shown all the same."""
    known = any(option["value"] == value for option in options)
    return dmc.Select(
        id=ids.choice(slot, name),
        data=options if known else [*options, {"value": value, "label": value}],
        value=value,
        allowDeselect=False,
        size="xs",
        **attributes(aria_label=label),
        **more,
    )


def field_row(
    slot: str, name: str, label: str, help: str, widget: Any, resets: bool, hidden: bool = False, kind: str = ""
) -> html.Div:
    """A row of a label and a wide widget. `kind`: "select" where that is a list."""
    reset = [reset_button(slot, name, label)] if resets else []
    return html.Div(
        [row_label(label, help), widget, *reset],
        className=f"row text {kind}".strip(),
        hidden=hidden,
        **attributes(data_field=f"{slot}.{name}"),
    )


def row_label(text: str, help: str) -> dmc.Tooltip:
    """A label with its tooltip."""
    return tip(html.Label(text, **attributes(data_help=help)), help)


def reset_button(slot: str, name: str, label: str) -> html.Button:
    """Back to the preset; shown by the style sheet only where the value differs from it."""
    return html.Button(
        "↺",
        id=ids.reset(slot, name),
        className="reset",
        title="Back to the preset",
        **attributes(aria_label=f"Reset {label}"),
    )


def tip(child: Any, text: str) -> dmc.Tooltip:
    """Put a tooltip on a component."""
    return dmc.Tooltip(
        child,
        label=text,
        multiline=True,
        w=280,
        withArrow=True,
        openDelay=350,
        position="right",
        events={"hover": True, "focus": True, "touch": True},
    )
