"""The panels of the language-model page without a server's messages: records made up, and a sheet to draw them on."""

from pathlib import Path
from typing import Any

import plotly
from playwright.sync_api import Page

from viz_app.catalogue import catalogue

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SIZES = {
    "plane": (640, 380),
    "sentences": (640, 260),
    "hessian": (430, 340),
    "histogram": (430, 340),
    "memory": (430, 340),
    "loss": (430, 340),
    "accuracy": (430, 340),
}
COLUMNS = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"]
FRAME = "".join(
    f'<div class="opt-panel" id="opt-{name}" style="width:{width}px; height:{height}px"></div>'
    for name, (width, height) in SIZES.items()
)
OPEN = """async () => {
  document.documentElement.dataset.theme = "light";
  document.dispatchEvent(new Event("lab:theme"));
  const lab = async (name) => import(`/assets/lab/${name}.mjs`);
  const [
    { emptyRecord, fold }, { HessianMap }, { Histogram }, { Plane }, { Sentences }, { Memory }, curves, { readTheme },
  ] = await Promise.all(
      ["finetuning/record", "finetuning/hessian", "finetuning/histogram", "finetuning/plane", "finetuning/sentences",
       "finetuning/memory", "finetuning/curves", "web/theme"].map(lab));
  const made = {};
  window.sought = [];
  window.posted = [];
  window.refusal = "";
  const asks = {
    seek: (forwards) => window.sought.push(forwards),
    post: async (path) => {
      window.posted.push(path);
      return window.refusal;
    },
  };
  const Kinds = {
    plane: Plane, sentences: Sentences, hessian: HessianMap, histogram: Histogram, memory: Memory,
    loss: curves.LossCurves, accuracy: curves.AccuracyCurves,
  };
  for (const [name, Kind] of Object.entries(Kinds)) {
    made[name] = new Kind(document.getElementById(`opt-${name}`), asks);
  }
  window.panels = made;
  window.record = Object.assign(emptyRecord(), { over: [], own: { title: "", words: "" } });
  window.tell = (messages) => messages.forEach((message) => fold(window.record, message));
  window.show = (forwards, run) => {
    const theme = readTheme();
    const look = {
      theme,
      colours: ["--hizoo", "--mezo", "--extra-1"].map(theme.colour),
      titles: window.record.runs.map((run) => run.name),
    };
    const cursor = { run: run ?? null, forwards: forwards ?? 0, live: forwards === null };
    for (const panel of Object.values(made)) panel.show(window.record, look, cursor);
  };
}"""

GROUPS = [
    ("token embeddings", -1, "token embeddings", 40_000),
    ("layer 0 · attention q", 0, "attention q", 900),
    ("layer 0 · norms", 0, "norms", 60),
    ("layer 1 · attention q", 1, "attention q", 900),
    ("layer 1 · norms", 1, "norms", 60),
    ("final norm", 2, "final norm", 60),
]
SENTENCES = [("a film with nothing wrong in it", 1), ("not a good film", 0), ("hardly worth it", 0), ("great fun", 1)]
SURE = [[0.7, 0.3], [0.2, 0.8], [0.9, 0.1], [0.1, 0.9]]  # before tuning: the first two are wrong


def plan(**changes: Any) -> dict[str, Any]:
    methods = [("hizoo", "HiZOO", 9, True), ("mezo", "MeZO", 8, False)]
    return {
        "type": "plan",
        "spec": "model=bundled",
        "model": {"title": "bundled", "parameters": 50_000, "tuned": 50_000, "context": 64},
        "device": {"name": "cpu", "title": "CPU", "memory": None},
        "dtype": "float32",
        "task": {"title": "Film reviews", "synthetic": True, "classes": ["bad", "good"], "evaluated": 256},
        "zero_shot": {"loss": 0.7, "accuracy": 0.5, "f1": 0.5},
        "sentences": [{"text": text, "label": label} for text, label in SENTENCES],
        "runs": [
            {
                "label": label,
                "method": label,
                "name": name,
                "hyperparameters": {"n": 4, "pool": "none", "estimator": "paper"},
                "forwards_per_step": forwards,
                "steps": 100,
                "estimates_hessian": estimates,
            }
            for label, name, forwards, estimates in methods
        ],
        "groups": [dict(zip(("name", "layer", "kind", "count"), group, strict=True)) for group in GROUPS],
        **changes,
    }


def evaluation(run: int, step: int, chances: list[list[float]], position: tuple[float, float]) -> list[dict[str, Any]]:
    forwards = step * (9 if run == 0 else 8)
    row = [step, forwards, 0.1 * step, 0.6, 1.0, 2.0, 0.01, 1e-3, 1e-2]
    return [
        *([{"type": "steps", "run": run, "columns": COLUMNS, "rows": [row]}] if step else []),
        {
            "type": "evaluation",
            "run": run,
            "step": step,
            "forwards": forwards,
            "loss": 0.6,
            "accuracy": 0.5 + 0.01 * step,
            "f1": 0.5,
            "probabilities": chances,
            "position": position,
            "distance": 10 * (position[0] ** 2 + position[1] ** 2) ** 0.5,
        },
    ]


def hessian(step: int, means: list[float], spread: float = 2.0) -> dict[str, Any]:
    edges = [-3 + 0.5 * i for i in range(13)]
    rows = [[0] * 12 for _ in means]
    for row in rows:
        if spread == 1:
            row[6] = 100
        else:
            row[4:9] = [10, 30, 60, 30, 10]
    quantiles = [[mean / spread, mean, mean * spread, mean] for mean in means]
    histogram = {"edges": edges, "counts": rows}
    return {"type": "hessian", "run": 0, "step": step, "quantiles": quantiles, "histogram": histogram}


def truth(step: int, means: list[float]) -> dict[str, Any]:
    groups = [[mean, 0.1 * abs(mean)] for mean in means]
    cost = "8 probes ≈ 40 forward passes"
    return {"type": "truth", "run": 0, "step": step, "groups": groups, "probes": 8, "seconds": 3.14, "cost": cost}


RISING = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


class Panels:
    """The panels on an otherwise empty page of the served app."""

    def __init__(self, page: Page, url: str):
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error.stack)))
        page.goto(f"{url}/assets/style.css")  # the app's origin, and nothing that runs
        styles = "".join(
            f'<link rel="stylesheet" href="/assets/{name}.css">' for name in ("style", "opt", "opt-panels")
        )
        page.set_content(f"<html><head>{styles}</head><body></body></html>")
        page.add_script_tag(path=PLOTLY)
        page.evaluate("(known) => (window.labCatalogue = known)", catalogue())  # what a page of the app carries

    def open(self) -> None:
        """New panels that know of nothing."""
        self.problems.clear()
        self.page.mouse.move(0, 0)
        self.page.evaluate("window.scrollTo(0, 0)")
        self.page.evaluate(
            "(html) => (document.body.innerHTML = html)",
            f'<main class="opt planned" style="display: block">{FRAME}</main>',
        )
        self.page.evaluate(OPEN)

    def tell(self, *messages: dict[str, Any]) -> None:
        self.page.evaluate("(messages) => window.tell(messages)", list(messages))

    def show(self, forwards: int | None = None, run: int | None = None) -> None:
        """Show a moment, or with None the newest."""
        self.page.evaluate("([forwards, run]) => window.show(forwards, run)", [forwards, run])

    def text(self, name: str, part: str = "") -> str:
        return self.page.locator(f"#opt-{name} {part}").first.inner_text()

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def rows(self) -> list[list[str]]:
        """The sentences shown: cells from left to right."""
        rows = self.page.locator("#opt-sentences tbody tr")
        return [rows.nth(i).locator("th, td").all_inner_texts() for i in range(rows.count())]

    def pixel(self, name: str, x: float, y: float) -> list[int]:
        """Red, green, blue and opacity of a panel's canvas, at a place in the figure's own units."""
        return self.page.evaluate(
            """([name, x, y]) => {
              const { overlay } = window.panels[name].figure;
              const ratio = window.devicePixelRatio;
              return [...overlay.context.getImageData(overlay.px(x) * ratio, overlay.py(y) * ratio, 1, 1).data];
            }""",
            [name, x, y],
        )

    def colour(self, variable: str) -> list[int]:
        """A colour of the style sheet, as a pixel."""
        value = self.page.evaluate(
            "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", variable
        )
        return [*(int(value[i : i + 2], 16) for i in (1, 3, 5)), 255]
