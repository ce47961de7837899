"""The web application: Dash pages on a FastAPI server that also answers /api."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, callback, clientside_callback, dcc, html
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from viz_app import api
from viz_app.catalogue import catalogue
from viz_app.finetuning import desk as finetuning_desk
from viz_app.finetuning import page as opt
from viz_app.finetuning import routes as finetuning_routes
from viz_app.modelmap import page as modelmap
from viz_app.playground import page as playground
from viz_app.tuning import page as tuning
from viz_app.web import ids, theme
from viz_app.web.widgets import attributes

NAV, ACTIONS, FRAME = "nav", "actions", "frame"


@dataclass(frozen=True)
class Page:
    """A page under its title: what makes it, its buttons in the header, and what connects it (once)."""

    title: str
    layout: Callable[[], Any]
    actions: Callable[[], list]
    register: Callable[[], None]


PAGES = {
    "/": Page("Playground", playground.layout, playground.actions, playground.register),
    "/tuning": Page("Tuning", tuning.layout, tuning.actions, tuning.register),
    "/opt": Page("Language model", opt.layout, list, opt.register),
}
OF_A_MODEL = Page("Tuning", modelmap.layout, modelmap.actions, modelmap.register)
"""In place of /tuning where the address is of a language model's map."""


class Modules(StaticFiles):
    """The page's modules. A browser asks each time whether one has changed: else, after an update, it would for hours
    run some old ones with some new ones.
    """

    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(data: str | Path | None = None) -> Dash:
    """Build the app. `create_app().server` is the ASGI application. `data` is the directory of the fine-tuning runs
    (as `finetuning_desk.data_directory` takes it), made when first needed.
    """
    server = FastAPI(title="HiZOO Lab", docs_url=None, redoc_url=None)
    api.add_routes(server)
    finetuning_routes.add_routes(server, finetuning_desk.data_directory(data))
    server.mount("/assets/lab", Modules(directory=Path(__file__).parent / "assets" / "lab"))
    app = Dash(
        "viz_app",
        server=server,  # pyright: ignore[reportArgumentType]  # the annotation knows Flask only
        backend="fastapi",
        title="HiZOO Lab",
        update_title=None,  # pyright: ignore[reportArgumentType]  # the documented way to keep the title
        index_string=theme.index(catalogue()),
        assets_path_ignore=["lab"],  # modules: bridge.js imports them
        suppress_callback_exceptions=True,  # the controls are made by a callback
    )
    app.layout = layout
    callback(
        output={
            "nav": Output(NAV, "children"),
            "actions": Output(ACTIONS, "children"),
            "page": Output(FRAME, "children"),
        },
        inputs={"path": Input(ids.URL, "pathname"), "search": State(ids.URL, "search")},
    )(show_page)
    for page in (*PAGES.values(), OF_A_MODEL):
        page.register()
    clientside_callback(
        "(...values) => window.dash_clientside.lab.theme(...values)",
        Output(ids.MANTINE, "forceColorScheme"),
        Input(ids.THEME, "value"),
    )
    # Dash does this at the first request for "/"; a browser may well ask for another page first.
    app._setup_server()
    return app


def layout() -> dmc.MantineProvider:
    """Header and page."""
    as_if_absent = {"display": "contents"}
    return dmc.MantineProvider(
        [
            dcc.Location(id=ids.URL, refresh=False),
            html.Header(
                [
                    html.A("HiZOO Lab", href="/", className="brand"),
                    html.Nav(id=NAV),
                    html.Div(id=ACTIONS, style=as_if_absent),
                    dmc.SegmentedControl(
                        id=ids.THEME,
                        data=[{"value": name, "label": name.capitalize()} for name in theme.THEMES],
                        value="light",
                        size="xs",
                        **attributes(aria_label="Theme"),
                    ),
                ]
            ),
            html.Div(id=FRAME, style=as_if_absent),
        ],
        id=ids.MANTINE,
        theme=theme.MANTINE,
    )


def show_page(path: str | None, search: str | None = None) -> dict[str, list]:
    """The page of an address, its buttons in the header, and the links to all pages."""
    page = here = PAGES.get(path or "/")
    if path == "/tuning" and modelmap.is_of_a_model(search or ""):
        page = OF_A_MODEL
    return {
        "nav": [
            html.A(other.title, href=address, className="here" if other is here else None)
            for address, other in PAGES.items()
        ],
        "actions": _actions(page),
        "page": [page.layout() if page else nowhere(path)],
    }


def _actions(page: Page | None) -> list:
    """A page's buttons; on the functions' Tuning page, the way to the language model's, too."""
    if page is None:
        return []
    return [modelmap.kinds("function"), *page.actions()] if page is PAGES["/tuning"] else page.actions()


def nowhere(path: str | None) -> html.Main:
    """For an address that is none of the pages'."""
    words = [
        html.H2("There is no such page"),
        html.P([f"The app has no page {path}. ", html.A("Playground", href="/")]),
    ]
    return html.Main(html.Section(words, className="card"), style={"display": "block"})
