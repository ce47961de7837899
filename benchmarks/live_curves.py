"""Whether Plotly keeps up with a job that trains: the loss chart of three runs in headless Chromium, live and paused.

python -m benchmarks.live_curves

A job of 5,000 steps a run is fed into the language-model page's own modules, in messages as its socket sends them (13 a
second) and as fast as a small model steps (500 steps a second and run); the chart is shown four times a second, as the
page does. Figures: the longest time that the page is busy without a break (a frame's interval), how long one drawing
takes, and the same with every point drawn instead of at most about 500 a curve.
"""

from __future__ import annotations

import json
from pathlib import Path

import plotly
from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import report
from benchmarks.served import CHROMIUM_FLAGS, Server, chromium, free_port
from viz_app.catalogue import catalogue

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
STEPS = 5_000
PASSES = 9

PAGE = """async ({ steps, passes }) => {
  const lab = (name) => import(`/assets/lab/${name}.mjs`);
  const [{ emptyRecord, fold }, { LossCurves }, { lookOf }, { figureOf }, pictures] = await Promise.all(
    ["record", "curves", "look", "livechart", "pictures"].map((name) => lab(`finetuning/${name}`)));
  const run = (label) => ({
    label, method: label, name: label, hyperparameters: {}, forwards_per_step: passes, steps, estimates_hessian: false,
  });
  const record = emptyRecord();
  fold(record, {
    type: "plan", spec: "", model: { title: "", tuned: 1 }, task: { classes: [], evaluated: 256 }, sentences: [],
    groups: [], runs: ["hizoo", "mezo", "adam"].map(run), zero_shot: { loss: 0.7, accuracy: 0.5, f1: 0.5 },
  });
  const columns = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"];
  const panel = new LossCurves(document.querySelector("#opt-loss"), { seek() {}, post: async () => "" });
  const lossAt = (step, i) => 0.7 - 0.3 * (step / steps) + 0.1 * Math.sin(step * (0.7 + i));
  let made = 0;
  const feed = (more) => {
    const last = Math.min(steps, made + more);
    for (let i = 0; i < 3; i++) {
      const rows = [];
      for (let step = made + 1; step <= last; step++) {
        rows.push([step, step * passes, step / 500, lossAt(step, i), 1, 1, 0.1, 1e-3, null]);
      }
      fold(record, { type: "steps", run: i, columns, rows });
      for (let step = made; step < last; step++) {
        if (step % (steps / 20)) continue;
        const when = { run: i, step, forwards: step * passes, seconds: step / 500 };
        fold(record, { type: "evaluation", ...when, loss: lossAt(step, 0), accuracy: 0.5, f1: 0.5, probabilities: [] });
      }
    }
    made = last;
  };
  const show = (cursor) => panel.show(record, lookOf(record), cursor);
  const live = { run: null, forwards: 0, live: true };
  const frames = (milliseconds, each) => new Promise((done) => {
    const intervals = [];
    const from = performance.now();
    let before = from;
    const tick = () => {
      const now = performance.now();
      intervals.push(now - before);
      before = now;
      each?.(now - from);
      if (now - from < milliseconds) requestAnimationFrame(tick);
      else done(intervals.slice(2).sort((a, b) => a - b));
    };
    requestAnimationFrame(tick);
  });
  const told = (intervals) => ({ longest: intervals.at(-1), median: intervals[intervals.length >> 1] });
  const rest = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  feed(1);
  show(live);
  await rest(1000);
  const idle = told(await frames(2000));
  const feeding = setInterval(() => feed(Math.round(500 / 13)), 1000 / 13);
  const showing = setInterval(() => show(live), 250);
  const training = told(await frames(1000 * steps / 500 + 500));
  clearInterval(feeding);
  clearInterval(showing);
  feed(steps);
  show(live);
  await rest(1500);
  const at = (now) => show({ run: null, forwards: (now / 2000) * steps * passes, live: false });
  const scrubbing = told(await frames(2000, at));
  const theme = lookOf(record).theme;
  const picture = () => pictures.lossPicture(record, lookOf(record), "forward passes", new pictures.Frame());
  const graph = document.createElement("div");
  Object.assign(graph.style, { width: "430px", height: "340px" });
  document.body.append(graph);
  const timed = async (curves) => {
    const times = [];
    for (let i = 0; i < 12; i++) {
      const { data, layout } = figureOf({ ...picture(), ...curves?.() }, theme, true);
      const from = performance.now();
      await window.Plotly.react(graph, data, layout, {});
      times.push(performance.now() - from);
    }
    return times.slice(2).sort((a, b) => a - b)[5];
  };
  const thinned = await timed(null);
  const whole = () => picture().curves.map((curve, i) => {
    const { steps: made } = record.runs[Math.floor(i / 3)];
    return curve.weight === "bold" ? curve : { ...curve, x: [...made.forwards], y: [...made.loss] };
  });
  return { idle, training, scrubbing, thinned, whole: await timed(() => ({ curves: whole() })) };
}"""


def main() -> None:
    """Print one JSON line a figure."""
    server = Server(free_port())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
            found = measure(browser.new_page(viewport={"width": 1440, "height": 900}), server.url)
            browser.close()
    finally:
        server.stop()
    training, cursor = found["training"], found["scrubbing"]["longest"]
    report("live curves: longest block, 3 runs train", training["longest"], "ms", "< 100", training["longest"] < 100)
    report("live curves: median frame, 3 runs train", training["median"], "ms", "< 20", training["median"] < 20)
    report("live curves: longest block, cursor over 3 x 5,000 steps", cursor, "ms", "< 100", cursor < 100)
    report("live curves: a drawing of 3 x 5,000 steps", found["thinned"], "ms", "< 100", found["thinned"] < 100)
    report("live curves: the same with every point", found["whole"], "ms", "", True)
    report("live curves: longest block at rest", found["idle"]["longest"], "ms", "", True)


def measure(page: Page, url: str) -> dict:
    """Load the page's modules on an otherwise empty page, and run PAGE."""
    page.goto(f"{url}/assets/style.css")
    styles = "".join(f'<link rel="stylesheet" href="/assets/{name}.css">' for name in ("style", "opt", "opt-panels"))
    panel = '<div class="opt-panel" id="opt-loss" style="width:430px; height:340px"></div>'
    frame = f'<main class="opt planned" style="display: block">{panel}</main>'
    page.set_content(f"<html><head>{styles}</head><body>{frame}</body></html>")
    page.add_script_tag(path=PLOTLY)
    page.evaluate("(known) => (window.labCatalogue = known)", json.loads(json.dumps(catalogue())))
    return page.evaluate(PAGE, {"steps": STEPS, "passes": PASSES})


if __name__ == "__main__":
    main()
