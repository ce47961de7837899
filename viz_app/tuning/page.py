"""The Tuning page: a map over two hyperparameters of one optimizer, and the estimator lab.

As in the Playground, Python makes the controls and opens specs; assets/lab/tuning asks /api/map/stream and draws.
"""

from dataclasses import asdict
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html

from functions import FUNCTIONS, TestFunction, resolve
from hizoo_core import METHODS
from viz_app.playground.page import fallback, stage
from viz_app.spec.fields import NOISE
from viz_app.spec.runs import SpecError
from viz_app.spec.text import number
from viz_app.tuning import spec as map_spec
from viz_app.tuning.catalogue import AUTO, MEASURES, axes_of
from viz_app.tuning.spec import MapSpec
from viz_app.web import controls, ids
from viz_app.web.widgets import Control, attributes, method_rows, row, text_row

METHOD_CHOICE = ("hizoo", "mezo", "adam")
TABS = {"map": "Map", "estimators": "Estimator lab"}
HESSIAN_KEY = "— P, 10–90 % of the runs; - - the true diagonal"

BUDGET = Control(
    "forwards",
    "Budget",
    "Forward passes that every run of every cell may spend. Cells are compared at equal passes, not at equal steps: a "
    "step of HiZOO takes 2n + 1, of MeZO 2n, of Adam 3.",
    (100, 30_000),
    "log",
    True,
    unit="passes",
)
RUNS = Control("runs", "Runs", "Independent runs in every cell; the map shows their median.", (1, 64), "log", True)
TARGET = Control(
    "target",
    "Target",
    "Distance of the loss from its minimum at which a run has arrived. auto, or nothing: 1e-6 of the distance at the "
    "start, as a power of ten.",
    (1e-12, 1e12),
)
SEED_HELP = "Seeds every random direction; all cells and all optimizers share its directions."


def actions() -> list:
    """In the header: which of the page's two instruments is on."""
    return [
        dmc.SegmentedControl(
            id=ids.TUNING_TAB,
            data=[{"value": key, "label": label} for key, label in TABS.items()],
            value="map",
            size="xs",
            **attributes(aria_label="Map or estimators"),
        )
    ]


def layout() -> html.Main:
    """The page: controls left, the map in the middle, one cell's run right; or the lab. The modules fill them."""
    return html.Main(
        [
            dcc.Store(id=ids.TUNING_GO),
            dcc.Store(id=ids.TUNING_PAGE),
            dcc.Store(id=ids.F),
            html.Aside(
                [
                    html.Div(id=ids.TUNING_CONTROLS, style={"display": "contents"}),
                    html.Section(id="axes", className="card", **attributes(aria_label="Axes of the map")),
                    html.Section(id="tune", className="card", **attributes(aria_label="Tune")),
                ],
                id="tuning-left",
                **attributes(aria_label="Controls"),
            ),
            html.Div([map_card(), html.Section(id="strip", className="card")], className="middle"),
            html.Div(
                [
                    html.Section(
                        [
                            html.H2("Cell", id="cell-title"),
                            html.P(id="cell-note", className="note"),
                            stage("landscape"),
                        ],
                        className="card chart",
                        **attributes(aria_label="Median run of the cell"),
                    ),
                    html.Section(
                        [
                            html.H2("Loss", id="loss-title"),
                            html.P(id="loss-key", className="note"),
                            stage("loss-chart"),
                        ],
                        className="card chart",
                    ),
                    html.Section(
                        [
                            html.H2("P against the true diagonal"),
                            html.P(HESSIAN_KEY, className="note"),
                            stage("hessian-chart"),
                        ],
                        className="card chart",
                    ),
                ],
                className="right",
            ),
            html.Div(id="estimators"),
        ],
        className="tuning",
        **attributes(data_tab="map", data_method="hizoo"),
    )


def map_card() -> html.Section:
    """The map under its switch, the sentence on it below."""
    head = html.Div(
        [
            html.H2("Map"),
            dmc.SegmentedControl(
                id=ids.TUNING_MEASURE,
                data=[{"value": key, "label": label} for key, label in MEASURES.items()],
                value="passes",
                size="xs",
                **attributes(aria_label="What the map shows"),
            ),
        ],
        className="head",
    )
    return html.Section(
        [
            head,
            html.Div(id="message", role="alert"),
            html.Div(id="map"),
            html.Div(id="map-sentence", **attributes(aria_live="polite")),
        ],
        className="card map-card",
    )


def register() -> None:
    """Connect the page. Called once, by `create_app`; roles such as fields and sliders are the Playground's."""
    callback(
        output={"panel": Output(ids.TUNING_CONTROLS, "children"), "page": Output(ids.TUNING_PAGE, "data")},
        inputs={"search": State(ids.URL, "search"), "go": Input(ids.TUNING_GO, "data")},
    )(open_map)
    clientside_callback(ClientsideFunction("lab", "open"), Input(ids.TUNING_PAGE, "data"))
    for name, component in (("method", ids.TUNING_METHOD), ("tab", ids.TUNING_TAB)):
        clientside_callback(ClientsideFunction("lab", name), Input(component, "value"), prevent_initial_call=True)


def open_map(search: str | None, go: dict[str, str] | None) -> dict[str, Any]:
    """Controls and state for a map's spec: the address's at first, then those that the page asks for. A spec with
    errors opens its function's usual map, and the page shows what was wrong.
    """
    text = go["query"] if go else (search or "")
    try:
        spec, errors = map_spec.parse(text), []
    except SpecError as error:
        spec, errors = map_spec.parse(f"f={fallback(text).query().split('&')[0].removeprefix('f=')}"), error.errors
    base = spec.base
    family = base.f.partition(":")[0]
    methods = slots(spec)
    return {
        "panel": panel(spec, methods),
        "page": {
            "family": family,
            "text": base.f.partition(":")[2],
            "parameters": controls.function_parameters(base.f),
            "dim": spec.function.dim,
            "x0": controls.start_text(base.x0),
            "runs": base.runs,
            "seed": base.seed,
            "noise": base.noise,
            "forwards": spec.forwards,
            "target": target_text(spec),
            "method": spec.opt.method,
            "methods": methods,
            "ranges": ranges(spec),
            "preset": {
                "runs": 16,
                "forwards": 3000,
                "target": AUTO,
                "x0": controls.start_text(resolve(base.f if family == "expr" else family).start),
                "parameters": controls.function_parameters(family),
            },
            "minima": spec.function.minima,
            "localMinima": spec.function.local_minima,
            "errors": errors,
        },
    }


def slots(spec: MapSpec) -> dict[str, dict[str, Any]]:
    """The state of each optimizer: the spec's as the spec has it, the others with their presets and usual axes."""
    result = {}
    for key in dict.fromkeys([*METHOD_CHOICE, spec.opt.method]):
        own = key == spec.opt.method
        opt = spec.opt if own else controls.preset_of(spec.base.f, key)[0]
        given = {which: {"name": axis.name, "text": axis.text} for which, axis in (("x", spec.x), ("y", spec.y))}
        result[key] = {
            "values": asdict(opt.hyperparameters),
            "presets": controls.presets_by_estimator(spec.base.f, key),
            "axes": given if own else axes_of(key)["usual"],
        }
    return result


def target_text(spec: MapSpec) -> str:
    """The target as its field shows it."""
    return AUTO if spec.target is None else number(spec.target)


def ranges(spec: MapSpec) -> dict[str, dict[str, dict[str, Any]]]:
    """As `controls.ranges`, with this page's own sliders."""
    own = {
        c.name: {"scale": c.scale, "integer": c.integer, "low": c.slider[0], "high": c.slider[1]}
        for c in (BUDGET, RUNS)
    }
    return controls.ranges(spec.base) | {"run": own}


def panel(spec: MapSpec, methods: dict[str, dict[str, Any]]) -> list:
    """The cards of the left column: the function with budget and target; the optimizer."""
    switch = dmc.SegmentedControl(
        id=ids.TUNING_METHOD,
        data=[{"value": key, "label": METHODS[key].name} for key in methods],
        value=spec.opt.method,
        fullWidth=True,
        size="xs",
        **attributes(aria_label="Optimizer"),
    )
    bodies = [
        html.Div(
            method_rows(key, METHODS[key], slot["values"], controls.SECONDARY),
            className="method",
            **attributes(data_of=key),
        )
        for key, slot in methods.items()
    ]
    return [
        function_card(spec, spec.function),
        html.Section([switch, *bodies], className="card optimizer", **attributes(aria_label="Optimizer")),
    ]


def function_card(spec: MapSpec, function: TestFunction) -> html.Section:
    """Function and its parameters, budget, runs, target, start, seed."""
    base = spec.base
    key = base.f.partition(":")[0]
    family = FUNCTIONS.get(key)
    chosen = controls.function_parameters(base.f)
    rows: list = [html.H2("Function"), controls.function_choice(key)]
    if key == "expr":
        text = base.f.partition(":")[2]
        rows.append(text_row("function", "expr", "f(x, y)", text, controls.EXPRESSION_HELP))
    target = text_row("run", TARGET.name, TARGET.label, target_text(spec), TARGET.help, resets=True)
    rows += [
        html.Div(controls.formula(function), id=ids.FORMULA),
        *(row("function", Control.of(p), chosen[p.name]) for p in (family.parameters if family else ())),
        row("run", BUDGET, spec.forwards),
        row("run", RUNS, base.runs),
        target,
        html.Details(
            [
                html.Summary("start, seed, noise"),
                text_row("run", "x0", "Start", controls.start_text(base.x0), controls.START_HELP),
                text_row("run", "seed", "Seed", str(base.seed), SEED_HELP),
                text_row("run", "noise", NOISE.label, number(float(base.noise)), NOISE.help),
            ]
        ),
    ]
    return html.Section(rows, className="card", **attributes(data_slot="function"))
