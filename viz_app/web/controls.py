"""The controls of the Playground, made from the hyperparameters' own descriptions (name, range, scale, tooltip)."""

from __future__ import annotations

from dataclasses import asdict
from itertools import cycle
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import dcc, html

from functions import FUNCTIONS, TestFunction
from hizoo_core import METHODS, POINT_METHODS, describe
from viz_app.spec import presets
from viz_app.spec.fields import NOISE, RUNS, STEPS
from viz_app.spec.runs import OptSpec, RunSpec, labels, parse
from viz_app.spec.text import number
from viz_app.web import ids
from viz_app.web.catalogue import SPARE, colours
from viz_app.web.widgets import Control, attributes, duplicate_button, method_card, remove_button, row, text_row

SECONDARY = {"floor", "beta", "beta1", "beta2", "eps"}  # folded away under "more"


RUN_CONTROLS = (Control.of(STEPS), Control.of(RUNS))


def panel(spec: RunSpec, function: TestFunction, optimizers: list[dict[str, Any]]) -> list:
    """All cards of the left column, for an opened spec and its `slots`.

    A fork's card is made by the page's modules, which add and change forks while a slider moves: here stands the place
    for them, under what they were forked from.
    """
    cards: list = [function_card(spec, function)]
    for slot in optimizers:
        if slot["parent"] is None:
            forks = html.Div(className="forks", **attributes(data_forks=slot["slot"]))
            cards += [optimizer_card(slot), forks]
    return cards


def slots(spec: RunSpec) -> list[dict[str, Any]]:
    """The optimizers of the spec in its order, then the ones that are off, with their presets' values.

    A slot's key is the optimizer's label (`hizoo`, `hizoo#2`); colour is the name of a CSS variable. `values` are the
    settings at the end of the run, `step` the one from which they hold, `past` the settings before; `parent` is the
    slot that runs alike up to `step`, None where there is none.
    """
    tried = presets.trials(spec.f.partition(":")[0])
    chosen = {opt.method for opt in spec.opts}
    off = [opt for opt in preset_of(spec.f, *POINT_METHODS) if opt.method not in chosen]
    opts = [*spec.opts, *off]
    names = labels([opt.method for opt in opts])
    own = colours()
    free = [name for name in SPARE if name not in own.values()] or SPARE
    spare = cycle(free)  # for copies, of whatever method: different ones, while there are enough
    result = []
    for i, (opt, label) in enumerate(zip(opts, names, strict=True)):
        *past, (step, values) = opt.segments
        _, _, copy = label.partition("#")
        result.append(
            {
                "slot": label,
                "method": opt.method,
                "name": f"{METHODS[opt.method].name} {copy}".strip(),
                "on": i < len(spec.opts),
                "colour": next(spare) if copy else own[opt.method],
                "passes": METHODS[opt.method].forwards(opt.hyperparameters),
                "values": asdict(values),
                "step": step,
                "past": [{"step": first, "values": asdict(held)} for first, held in past],
                "parent": next(
                    (name for other, name in zip(opts[:i], names, strict=False) if follows(opt, other)), None
                ),
                "presets": presets_by_estimator(spec.f, opt.method),
                "trials": tried,
            }
        )
    order = list(METHODS)
    return sorted(result, key=lambda slot: (order.index(slot["method"]), slot["slot"]))


def follows(fork: OptSpec, opt: OptSpec) -> bool:
    """Whether `fork` goes as `opt` does up to its last change."""
    if fork.method != opt.method or not fork.changes:
        return False
    step = fork.changes[-1][0]
    return fork.segments[:-1] == tuple(segment for segment in opt.segments if segment[0] < step)


def preset_of(f: str, *opts: str) -> tuple[OptSpec, ...]:
    """What these optimizers, as a spec names them, mean on a function when nothing more is said."""
    return parse("&".join([f"f={quote(f)}", *(f"opt={text}" for text in opts)])).opts


def presets_by_estimator(f: str, method: str) -> dict[str, dict[str, Any]]:
    """A method's tuned hyperparameters on a function, by its estimators' names; under "" where it has none."""
    described = describe(METHODS[method].hyperparameters)
    names = next((h.choices for h in described if h.name == "estimator"), None)
    asked = {name: f"{method}:estimator={name}" for name in names} if names else {"": method}
    tuned = preset_of(f, *asked.values())
    return {name: asdict(opt.hyperparameters) for name, opt in zip(asked, tuned, strict=True)}


def ranges(spec: RunSpec) -> dict[str, dict[str, dict[str, Any]]]:
    """What the page's modules must know of each control: {card: {name: {scale, integer, low, high}}}."""
    family = FUNCTIONS.get(spec.f.partition(":")[0])
    tables = {
        method.key: [Control.of(h) for h in describe(method.hyperparameters)] for method in POINT_METHODS.values()
    }
    tables["run"] = list(RUN_CONTROLS)
    tables["function"] = [Control.of(p) for p in family.parameters] if family else []
    return {
        card: {
            c.name: {"scale": c.scale, "integer": c.integer, "low": c.slider[0], "high": c.slider[1]}
            for c in controls
            if c.choices is None
        }
        for card, controls in tables.items()
    }


def function_parameters(f: str) -> dict[str, float | str]:
    """The parameters of a catalogue function's spec, defaults filled in; empty for a user's expression."""
    key, _, text = f.partition(":")
    family = FUNCTIONS.get(key)
    if family is None:
        return {}
    given = dict(part.split("=", 1) for part in text.split(",") if part)
    return {
        p.name: (given.get(p.name, p.default) if p.choices else float(given.get(p.name, p.default)))
        for p in family.parameters
    }


def function_card(spec: RunSpec, function: TestFunction) -> html.Section:
    """Choice of the function, its formula, its parameters, start, steps and runs."""
    key = spec.f.partition(":")[0]
    family = FUNCTIONS.get(key)
    parameters = [Control.of(p) for p in family.parameters] if family else []
    chosen = function_parameters(spec.f)
    rows: list = [
        html.H2("Function"),
        function_choice(key),
    ]
    if key == "expr":
        rows.append(text_row("function", "expr", "f(x, y)", spec.f.partition(":")[2], EXPRESSION_HELP))
    rows += [
        html.Div(formula(function), id=ids.FORMULA),
        *(row("function", c, chosen[c.name]) for c in parameters),
        *(row("run", c, getattr(spec, c.name)) for c in RUN_CONTROLS),
        text_row("run", "x0", "Start", start_text(spec.x0), START_HELP),
        text_row("run", "seed", "Seed", str(spec.seed), "Seeds every random direction. The same seed gives the same "
                 "picture on the same machine; all optimizers share its directions."),
        text_row("run", "noise", NOISE.label, number(float(spec.noise)), NOISE.help),
    ]  # fmt: skip
    if function.dim > 2:
        rows.append(text_row("view", "coords", "Coordinates", "0, 1", "The two coordinates (counted from 0) that the "
                             "picture projects on; the others stay at the minimum in the contours."))  # fmt: skip
    return html.Section(rows, className="card", **attributes(data_slot="function"))


def function_choice(key: str) -> dmc.Select:
    """The list of functions, by group, with the user's own at its end."""
    options: dict[str, list[dict[str, str]]] = {}
    for entry in FUNCTIONS.values():
        options.setdefault(entry.group, []).append({"value": entry.key, "label": entry.name})
    data = [{"group": group, "items": items} for group, items in options.items()]
    data.append({"group": "your own", "items": [{"value": "expr", "label": "Your own f(x, y)"}]})
    return dmc.Select(
        id=ids.FUNCTION,
        data=data,
        value=key,
        allowDeselect=False,
        searchable=True,
        size="xs",
        maxDropdownHeight=420,
        **attributes(aria_label="Function to minimise"),
    )


EXPRESSION_HELP = (
    "Numbers, x, y, + - * / ^ and parentheses; sin, cos, tan, exp, log, sqrt, abs, tanh …; pi, e. "
    "Example: 100*(y-x^2)^2 + (1-x)^2"
)
START_HELP = "Where every run starts: numbers separated by commas. Click the picture, or drag the ring on it."


def formula(function: TestFunction) -> list:
    """Formula, where-clauses on lines of their own, and the sentence on what the function teaches."""
    lines = function.latex.split(r",\quad", 1)
    return [
        dcc.Markdown("\n\n".join(f"${line.strip()}$" for line in lines), mathjax=True, className="formula"),
        html.P(function.lesson, className="lesson", title=function.lesson),
    ]


def start_text(x0: tuple[float, ...]) -> str:
    """The start as typed: one number where all coordinates share it. Exact: what is computed is what stands there."""
    return number(x0[0]) if len(x0) > 2 and len(set(x0)) == 1 else ", ".join(map(number, x0))


def optimizer_card(slot: dict[str, Any]) -> html.Section:
    """One optimizer of the Playground: its switch, its hyperparameters; folded to a line while it is off."""
    key, name = slot["slot"], slot["name"]
    switch = dmc.Switch(
        id=ids.switch(key),
        checked=slot["on"],
        size="xs",
        color=f"var({slot['colour']})",
        **attributes(aria_label=f"{name} on or off"),
    )
    buttons = [duplicate_button(key, name), *([remove_button(key, name)] if "#" in key else []), switch]
    return method_card(slot, METHODS[slot["method"]], buttons, SECONDARY)
