"""The language-model page: one is fine-tuned with forward passes only, watched live.

Python makes the page's frame and the form's widgets (form.py); assets/lab/finetuning fills them. The list of jobs and
everything that moves talk to /api/finetune themselves, so that a job's messages never wait behind a callback.
"""

from typing import Any

from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html

from viz_app.finetuning import form
from viz_app.web import ids
from viz_app.web.widgets import attributes, tip

CURVES = {
    "loss": ("Loss", "Training and held-out loss of every optimizer"),
    "accuracy": ("Accuracy", "Share of the held-out texts that are classified correctly"),
    "steps": ("Each step", "Slope g, curvature c, length and learning rate of every step, on log axes"),
}
PANELS = {
    "hessian": ("Hessian", "HiZOO's P, group by group while it trains, beside a reference"),
    "histogram": ("Histogram", "How P spreads within each group of parameters"),
    "headroom": ("Headroom", "What curvature could gain at most here, measured with true gradients"),
    "memory": ("Memory", "What each method needs: forward passes only against Adam"),
}
CLOCKS = {"forward passes": "passes", "steps": "steps", "seconds": "seconds"}


def layout() -> html.Main:
    """The page: form left, trajectories and held-out sentences in the middle, charts right. The modules fill it."""
    return html.Main(
        [
            dcc.Store(id=ids.OPT_PAGE, data=True),
            dcc.Store(id=ids.OPT_ASKED),
            dcc.Store(id=ids.OPT_MADE),
            html.Div(dcc.Graph(id=ids.OPT_PLOTLY), hidden=True),  # a page with a graph gets plotly.js; none is on it
            html.Aside(
                [
                    html.Section(id="opt-jobs", className="card", hidden=True, **attributes(aria_label="Runs")),
                    html.Div(id=ids.OPT_FORM, role="form", **attributes(aria_label="What to train")),
                    html.Section(id="opt-models", className="card", hidden=True),
                    html.Section(id="opt-states", className="card", hidden=True),
                    start_card(),
                ],
                id="opt-controls",
                **attributes(aria_label="Controls"),
            ),
            html.Div(
                [
                    html.Section(
                        [html.Div(id="opt-message", role="alert"), place("plane")],
                        className="card opt-picture",
                        **attributes(aria_label="Trajectories on the loss surface"),
                    ),
                    html.Section(
                        place("sentences"),
                        className="card opt-text",
                        **attributes(aria_label="Held-out sentences whose prediction flips"),
                    ),
                    html.Section(id="opt-bar", className="card", **attributes(aria_label="Live")),
                ],
                className="middle",
            ),
            html.Div(
                [tabbed("curves", "Curves", CURVES, clock()), tabbed("inside", "Inside the method", PANELS)],
                className="right",
            ),
        ],
        className="opt",
    )


def start_card() -> html.Section:
    """Start, and beside it what it will take, or what is wrong."""
    button = html.Button("Start", id="opt-go", type="button", className="primary")
    help = "Put these runs into the queue of their device; they train side by side on the same minibatches"
    to_map = "Every cell of the map is this job with two settings changed, at the same budget of forward passes"
    link = tip(html.A("Map of settings", id="opt-map", href="/tuning?model=bundled"), to_map)
    return html.Section(
        [tip(button, help), html.P(id="opt-prediction", role="status"), link],
        id="opt-start",
        className="card",
        **attributes(aria_label="Start"),
    )


def place(name: str, hidden: bool = False, **named: str) -> html.Div:
    """The element that a panel's module fills, and over it what it will show, in words, while there is nothing yet."""
    return html.Div(
        [html.Div(id=f"opt-{name}", className="opt-panel"), html.Div(className="opt-empty", id=f"opt-{name}-empty")],
        className="opt-place",
        id=f"opt-{name}-place",
        hidden=hidden,
        **attributes(**named),
    )


def tabbed(name: str, title: str, panels: dict[str, tuple[str, str]], switch: Any = None) -> html.Section:
    """A card of panels of which one is shown."""
    first = next(iter(panels))
    tabs = [
        html.Button(
            label,
            id=f"opt-{key}-tab",
            role="tab",
            type="button",
            tabIndex=0 if key == first else -1,
            **attributes(aria_selected=str(key == first).lower(), aria_controls=f"opt-{key}-place", data_tip=tip),
        )
        for key, (label, tip) in panels.items()
    ]
    head = [html.Div(tabs, role="tablist", className="segments", **attributes(aria_label=title))]
    places = [place(key, hidden=key != first, role="tabpanel", aria_labelledby=f"opt-{key}-tab") for key in panels]
    return html.Section(
        [html.Div([*head, *([switch] if switch else [])], className="head"), *places],
        className="card opt-tabs",
        id=f"opt-{name}-card",
    )


def clock() -> html.Div:
    """What the curves are drawn against."""
    return html.Div(
        html.Select(
            [html.Option(label, value=name) for name, label in CLOCKS.items()],
            id="opt-clock",
            **attributes(
                aria_label="Horizontal axis",
                data_tip="What the curves are drawn against. Forward passes are the fair clock: a step "
                "takes a different number of them with each optimizer.",
            ),
        ),
        className="clock",
    )


def register() -> None:
    """Connect the page. Called once, by `create_app`; roles such as fields and sliders are the Playground's."""
    callback(
        output={"form": Output(ids.OPT_FORM, "children"), "made": Output(ids.OPT_MADE, "data")},
        inputs={"asked": Input(ids.OPT_ASKED, "data")},
        prevent_initial_call=True,
    )(form.widgets)
    # Its output never changes: without one, Dash would not call it for a page that a callback has put there.
    clientside_callback(
        ClientsideFunction("lab", "open"), Output(ids.OPT_PLOTLY, "className"), Input(ids.OPT_PAGE, "data")
    )
    clientside_callback(ClientsideFunction("lab", "made"), Input(ids.OPT_MADE, "data"), prevent_initial_call=True)
