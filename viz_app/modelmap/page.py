"""The Tuning page of a language-model job (/tuning with such a job's spec): a map of settings, computed by the worker.

Python makes the frame; assets/lab/modelmap fills it and talks to /api/finetune.
"""

from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html

from viz_app.finetuning.search_spec import SEEDS, TRIALS, is_of_a_model
from viz_app.web.widgets import attributes

__all__ = ["actions", "is_of_a_model", "kinds", "layout", "register"]

START = "/tuning?model=bundled&tune=layernorm&forwards=400&opt=hizoo"
PAGE, PLOTLY = "modelmap-page", "modelmap-plotly"


def kinds(chosen: str) -> html.Div:
    """What the map is of, as links."""
    links = {"function": ("Function", "/tuning"), "model": ("Language model", START)}
    return html.Div(
        [
            html.A(label, href=address, className="here" if key == chosen else None)
            for key, (label, address) in links.items()
        ],
        className="kinds",
        **attributes(role="group", aria_label="What is tuned"),
    )


def actions() -> list:
    """In the header: the way to the functions' maps."""
    return [kinds("model")]


def layout() -> html.Main:
    """The page: the job and its axes left, the map in the middle, one cell's curves right."""
    sections = {"mm-job": "Job", "axes": "Axes of the map", "mm-run": "Compute", "tune": "Tune"}
    return html.Main(
        [
            dcc.Store(id=PAGE, data=True),
            html.Div(dcc.Graph(id=PLOTLY), hidden=True),  # a page with a graph gets plotly.js; none is on it
            html.Aside(
                [
                    html.Section(id=name, className="card", **attributes(aria_label=label))
                    for name, label in sections.items()
                ],
                id="tuning-left",
                **attributes(
                    aria_label="Controls",
                    data_seeds=f"{SEEDS.low:g} {SEEDS.high:g}",
                    data_trials=f"{TRIALS.low:g} {TRIALS.high:g}",
                ),
            ),
            html.Div(
                html.Section(
                    [
                        html.Div(id="mm-head", className="head"),
                        html.Div(id="message", role="alert"),
                        html.Div(id="map"),
                        html.Div(id="map-sentence", **attributes(aria_live="polite")),
                    ],
                    className="card map-card",
                ),
                className="middle",
            ),
            html.Div(
                [
                    html.Section(id="mm-cell", className="card", **attributes(aria_label="Cell")),
                    *(
                        html.Section(
                            [html.H2(title), html.Div(className="stage", id=f"mm-{name}")], className="card chart"
                        )
                        for name, title in (
                            ("loss", "Held-out loss"),
                            ("accuracy", "Held-out accuracy"),
                        )
                    ),
                ],
                className="right",
            ),
        ],
        className="tuning modelmap",
        **attributes(data_tab="map"),
    )


def register() -> None:
    """Connect the page. Called once, by `create_app`."""
    # Its output never changes: without one, Dash would not call it for a page that a callback has put there.
    clientside_callback(ClientsideFunction("lab", "open"), Output(PLOTLY, "className"), Input(PAGE, "data"))
