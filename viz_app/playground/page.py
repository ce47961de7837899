"""The Playground: a landscape, the optimizers on it, and what they cost.

What is drawn is drawn in the browser (assets/lab): a control's change goes from there straight to /api/trace, so that
no answer queues behind another. Python makes the controls and opens specs.
"""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, MATCH, ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html
from dash.exceptions import PreventUpdate

from functions import FunctionError, resolve
from viz_app.spec.reader import DEFAULT_FUNCTION
from viz_app.spec.runs import RunSpec, SpecError, parse
from viz_app.spec.text import pairs
from viz_app.web import controls, ids
from viz_app.web.widgets import attributes

GRAPH: Any = {"displayModeBar": False, "responsive": True}  # the rest is the modules’ to say

# Until the page's modules draw, a figure shows nothing, not Plotly's default axes.
BLANK = {
    "data": [],
    "layout": {
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "autosize": True,
    },
}


def actions() -> list:
    """The header's buttons."""
    return [
        html.Div(
            [
                html.Button("History", id="show-history", title="The last runs of this browser: open, rewind, compare"),
                html.Button("Estimator lab", id="to-lab", title="The estimators of the Hessian at this start"),
                html.Button("Copy link", id="copy-link", title="A link that opens exactly this picture"),
                html.Button(
                    "3-D", id="show-3d", title="The surface in three dimensions, with every optimizer's first run"
                ),
                dmc.Menu(
                    [
                        dmc.MenuTarget(html.Button("Download")),
                        dmc.MenuDropdown(
                            [
                                dmc.MenuItem(html.Span("Table, CSV", id="download-csv")),
                                dmc.MenuItem(html.Span("Table, Parquet", id="download-parquet")),
                                dmc.MenuItem(html.Span("Picture, PNG", id="download-png")),
                            ]
                        ),
                    ],
                    keepMounted=True,
                ),
            ],
            className="actions",
        )
    ]


def layout() -> html.Main:
    """The page: controls left, landscape and player in the middle, charts right. The modules fill the empty parts."""
    return html.Main(
        [
            dcc.Store(id=ids.GO),
            dcc.Store(id=ids.PAGE),
            dcc.Store(id=ids.F),
            html.Aside(id=ids.CONTROLS, **attributes(aria_label="Controls")),
            html.Div(
                [
                    html.Section(
                        [html.Div(id="message", role="alert"), stage("landscape"), html.Div(id="key")],
                        className="card picture",
                    ),
                    html.Section(id="player", className="card", **attributes(aria_label="Player")),
                    html.Section(id="readings", className="card", **attributes(aria_label="Readings")),
                ],
                className="middle",
            ),
            html.Div(
                [
                    chart("loss", "Loss", segmented("clock", ["steps", "forward passes", "seconds"], "forward passes")),
                    chart(
                        "hessian",
                        "Diagonal Hessian",
                        segmented("hessian-view", ["over time", "sorted", "headroom", "auto η"], "over time"),
                        html.Div(id="headroom", hidden=True, **attributes(role="group", aria_label="Headroom")),
                    ),
                    html.Section(id="microscope", className="card", hidden=True, **attributes(aria_label="Microscope")),
                ],
                className="right",
            ),
            html.Aside(id="history", hidden=True, **attributes(aria_label="History")),
            html.Dialog(
                [
                    html.Button("✕", id="close-3d", className="quiet", **attributes(aria_label="Close")),
                    html.Div(id="surface"),
                ],
                id="dialog-3d",
            ),
        ]
    )


def stage(name: str) -> html.Div:
    """A Plotly figure with room for a canvas over it."""
    return html.Div(dcc.Graph(id=name, figure=BLANK, config=GRAPH), className="stage")


def chart(name: str, title: str, switch: dmc.SegmentedControl, *instead: html.Div) -> html.Section:
    """A card with a chart, and what its switch may show in place of it."""
    head = html.Div([html.H2(title, id=f"{name}-title"), switch], className="head")
    return html.Section(
        [head, stage(f"{name}-chart"), *instead, html.P(id=f"{name}-note", className="note")], className="card chart"
    )


def segmented(name: str, options: list[str], value: str) -> dmc.SegmentedControl:
    """A switch between a chart's views."""
    return dmc.SegmentedControl(id=name, data=options, value=value, size="xs")


def lab(name: str) -> ClientsideFunction:
    """A function that assets/bridge.js offers."""
    return ClientsideFunction("lab", name)


def register() -> None:
    """Connect the page. Called once, by `create_app`."""
    callback(
        output={"panel": Output(ids.CONTROLS, "children"), "page": Output(ids.PAGE, "data")},
        inputs={"search": State(ids.URL, "search"), "go": Input(ids.GO, "data")},
    )(open_spec)
    callback(Output(ids.FORMULA, "children"), inputs={"f": Input(ids.F, "data")}, prevent_initial_call=True)(
        show_formula
    )

    clientside_callback(lab("open"), Input(ids.PAGE, "data"))
    clientside_callback(lab("chooseFunction"), Input(ids.FUNCTION, "value"), prevent_initial_call=True)
    clientside_callback(lab("clock"), Input("clock", "value"), prevent_initial_call=True)
    clientside_callback(lab("hessianView"), Input("hessian-view", "value"), prevent_initial_call=True)
    # Enter takes what stands in a field also where that is not new: it was refused, or the server was away.
    for role, props in (("field", ("value", "n_submit")), ("choice", ("value",)), ("reset", ("n_clicks",))):
        pattern = {"role": role, "slot": MATCH, "name": MATCH}
        clientside_callback(lab(role), *(Input(pattern, prop) for prop in props), prevent_initial_call=True)
    clientside_callback(lab("switch"), Input({"role": "switch", "slot": MATCH}, "checked"), prevent_initial_call=True)
    clientside_callback(
        lab("duplicate"), Input({"role": "duplicate", "slot": ALL}, "n_clicks"), prevent_initial_call=True
    )


def open_spec(search: str | None, go: dict[str, str] | None) -> dict[str, Any]:
    """Controls and state for a spec: the address's at first, then those that the page asks for. A spec with errors
    opens its function with presets, and the page shows what was wrong.
    """
    text = go["query"] if go else (search or "")
    try:
        spec, errors = parse(text), []
    except SpecError as error:
        spec, errors = fallback(text), error.errors
    function = resolve(spec.f)
    family = spec.f.partition(":")[0]
    slots = controls.slots(spec)
    preset = spec if family == "expr" else parse(f"f={family}")
    return {
        "panel": controls.panel(spec, function, slots),
        "page": {
            "family": family,
            "text": spec.f.partition(":")[2],
            "parameters": controls.function_parameters(spec.f),
            "dim": function.dim,
            "x0": controls.start_text(spec.x0),
            "steps": spec.steps,
            "runs": spec.runs,
            "seed": spec.seed,
            "noise": spec.noise,
            "slots": slots,
            "ranges": controls.ranges(spec),
            "preset": {
                "steps": preset.steps,
                "runs": preset.runs,
                "x0": controls.start_text(preset.x0),
                "parameters": controls.function_parameters(family),
            },
            "minima": function.minima,
            "localMinima": function.local_minima,
            "errors": errors,
        },
    }


def fallback(text: str) -> RunSpec:
    """The nearest thing to a spec that cannot be parsed: its function if that one is good, with presets."""
    f = dict(pairs(text)).get("f", DEFAULT_FUNCTION)
    try:
        return parse(f"f={f}")
    except SpecError:
        return parse("")


def show_formula(f: str) -> list:
    """Formula and lesson while the function's parameters or its text change; the last good ones on an error."""
    try:
        return controls.formula(resolve(f))
    except FunctionError:
        raise PreventUpdate from None
