"""The web application: Dash pages on a FastAPI server that also answers /api."""

import dash_mantine_components as dmc
from dash import Dash, Input, Output, clientside_callback, dcc, html
from fastapi import FastAPI

from viz_app import api, ids, theme
from viz_app.controls import attributes
from viz_app.pages import playground


def create_app() -> Dash:
    """Build the app. `create_app().server` is the ASGI application."""
    server = FastAPI(title="HiZOO Lab", docs_url=None, redoc_url=None)
    api.add_routes(server)
    app = Dash(
        "viz_app",
        server=server,  # pyright: ignore[reportArgumentType]  # the annotation knows Flask only
        backend="fastapi",
        title="HiZOO Lab",
        update_title=None,  # pyright: ignore[reportArgumentType]  # the documented way to keep the title
        index_string=theme.INDEX,
        assets_path_ignore=["lab"],  # modules: bridge.js imports them
        suppress_callback_exceptions=True,  # the controls are made by a callback
    )
    app.layout = layout
    playground.register()
    clientside_callback(
        "(...values) => window.dash_clientside.lab.theme(...values)",
        Output(ids.MANTINE, "forceColorScheme"),
        Input(ids.THEME, "value"),
    )
    return app


def layout() -> dmc.MantineProvider:
    """Header and page."""
    return dmc.MantineProvider(
        [
            dcc.Location(id=ids.URL, refresh=False),
            html.Header(
                [
                    html.A("HiZOO Lab", href="/", className="brand"),
                    html.Nav([html.A("Playground", href="/", className="here")]),
                    *playground.actions(),
                    dmc.SegmentedControl(
                        id=ids.THEME,
                        data=[{"value": name, "label": name.capitalize()} for name in theme.THEMES],
                        value="light",
                        size="xs",
                        **attributes(aria_label="Theme"),
                    ),
                ]
            ),
            playground.layout(),
        ],
        id=ids.MANTINE,
        theme=theme.MANTINE,
    )
