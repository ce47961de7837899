// Where the runs go: θ_t − θ_0 of each on a plane, with the loss on it where that has been asked for. Plotly draws what
// stands still, a canvas the trails and their heads at the cursor.

/** @import { Box, Overlay } from "../web/overlay.mjs" */
/** @import { Theme } from "../web/theme.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Asks } from "./main.mjs" */
/** @import { Cursor, LabRecord, PlannedRecord, Run } from "./record.mjs" */
/** @import { Kind, Point, Trail } from "./trails.mjs" */
import { html, nothing, render } from "../vendor/lit.mjs";
import { disc, stroke } from "../web/canvas.mjs";
import { one } from "../web/one.mjs";
import { count, reading } from "../web/scale.mjs";
import { facts } from "./facts.mjs";
import { PacedFigure } from "./paced.mjs";
import { evaluationAt } from "./record.mjs";
import { switchView } from "./switch.mjs";
import { Reaches, planeFigure, trailsOf, until } from "./trails.mjs";

/** @typedef {{run: number, text: string, colour: string, x: number, y: number}} Label at a head */

/** @type {Record<Kind, [string, string]>} */
const KINDS = {
  fixed: ["random", "Two fixed random directions, the same for every run: the plane that is drawn while the runs train"],
  ends: ["end points", "The plane of the runs' end points, with the loss on it"],
};
const TITLE_TIP = "θ is all that is trained. Each run's way from the starting weights, seen on one plane: of two fixed random directions, or, once the loss surface has been asked for, of their end points";
const EMPTY = "The runs' way from the starting weights appears here with the first evaluation.";
/** States in which no step is made, so that the worker has time for the loss surface. */
const RESTING = new Set(["paused", "finished", "stopped", "failed"]);

export class Plane {
  /** What the person chose; until then the plane of the ends as soon as it is there. @type {Kind | null} */
  #kind = null;
  #reaches = new Reaches();
  /** @type {Trail[]} */
  #trails = [];
  /** Whether the server has not answered yet to the wish for a loss surface. */
  #isAsking = false;
  #refusal = "";
  /** @type {{record: PlannedRecord, look: Look, cursor: Cursor} | null} */
  #shown = null;
  #isListening = false;

  /** @param {HTMLElement} element @param {Asks} asks */
  constructor(element, asks) {
    element.classList.add("panel");
    this.element = element;
    this.asks = asks;
    this.#frame(nothing, nothing, "", "");
    this.stage = one(element, ".stage");
    this.figure = new PacedFigure(this.stage, (overlay) => this.#paint(overlay), { scrollZoom: true });
  }

  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    this.#shown = { record, look, cursor };
    const kind = record.plane ? (this.#kind ?? "ends") : "fixed";
    const surface = record.surfaces[kind];
    const choose = (/** @type {Kind} */ chosen) => {
      this.#kind = chosen;
      this.#again();
    };
    const isEmpty = (this.#trails = trailsOf(record, kind)).every(({ points }) => !points.length);
    this.#frame(record.plane ? switchView("Plane", KINDS, kind, choose) : nothing, this.#button(record), isEmpty ? EMPTY : "", this.#refusal || words(record, kind, cursor, look.titles));
    if (isEmpty) return;
    const reach = this.#reaches.of(record.plan.spec, kind, this.#trails, surface);
    const points = this.#trails.reduce((sum, trail) => sum + trail.points.length, 0);
    const key = [record.plan.spec, kind, reach.join(), points, surface?.filled, surface?.done, look.theme.ink, look.theme.size, look.titles.join()].join();
    this.figure.show(key, (...size) => planeFigure(this.#trails, surface, kind, reach, look, size));
    if (this.#isListening || !this.figure.overlay) return;
    this.#isListening = true;
    this.figure.graph.on("plotly_click", ({ points: [clicked] }) => clicked?.customdata && this.asks.seek(clicked.customdata[2]));
  }

  #again() {
    if (this.#shown) this.show(this.#shown.record, this.#shown.look, this.#shown.cursor);
  }

  /** The button that asks for the loss surface; none while steps are made, and when it is complete. @param {LabRecord} record */
  #button({ status, surfaces, runs }) {
    if (runs[0]?.repetition || surfaces.ends?.done || !RESTING.has(status.state) || !runs.some(({ steps }) => steps.step.length)) return nothing;
    const { cells, texts } = facts.surface;
    const tip = `The loss on the plane of the runs' end points: ${count(cells)} loss evaluations of ${count(texts)} held-out texts each, ${count(cells * texts)} texts in all. It is computed while no job trains, and can be left out`;
    return html`<button type="button" data-do="surface" data-tip=${tip} ?disabled=${this.#isAsking} @click=${() => this.#compute()}>${this.#isAsking ? "Asking …" : "Compute loss surface"}</button>`;
  }

  async #compute() {
    this.#isAsking = true;
    this.#again();
    const problem = await this.asks.post("surface");
    this.#isAsking = false;
    this.#refusal = problem ? `No loss surface: ${problem}` : "";
    this.#again();
  }

  /** @param {unknown} planes @param {unknown} button @param {string} empty @param {string} note */
  #frame(planes, button, empty, note) {
    render(
      html`<div class="panel-head"><h2 data-tip=${TITLE_TIP}>Trajectories, θₜ − θ₀</h2><span class="panel-keys">◎ start, ● now</span>${button}${planes}</div>
        <div class="stage ${empty ? "bare" : ""}"><p class="panel-empty" ?hidden=${!empty}>${empty}</p></div>
        <p class="panel-note">${note}</p>`,
      this.element,
    );
  }

  /** @param {Overlay} overlay */
  #paint(overlay) {
    const context = overlay.begin();
    if (!context || !overlay.box || !this.#shown) return;
    const { record, look: { theme, colours, titles }, cursor } = this.#shown;
    const pixel = (/** @type {Point} */ [a, b]) => /** @type {Point} */ ([overlay.px(a), overlay.py(b)]);
    const draw = (/** @type {Point[]} */ points, /** @type {string} */ colour, /** @type {number} */ width) =>
      stroke(context, colour, { width }, () => points.forEach((point) => context.lineTo(...pixel(point))));
    /** @type {Label[]} */
    const labels = [];
    for (const trail of this.#trails) {
      const { run, points, forwards } = trail;
      if (!points.length) continue;
      const now = cursor.live ? Infinity : cursor.forwards;
      const [past, head] = until(trail, now);
      context.globalAlpha = 0.35;
      draw(points, colours[run], 0.6 * theme.line);
      context.globalAlpha = 1;
      draw(past, theme.panel, theme.line + 2);
      draw(past, colours[run], theme.line);
      const isOver = record.status.state === "finished" || record.runs[run].ended || record.plane;
      const [x, y] = pixel(head);
      labels.push({ run, text: isOver && now >= forwards[forwards.length - 1] ? `${titles[run]}: end` : titles[run], colour: colours[run], x, y });
    }
    drawStart(context, pixel([0, 0]), theme);
    for (const { run, colour, x, y } of labels) disc(context, [x, y], (cursor.run === null || cursor.run === run ? 4.5 : 3.5) + theme.line, colour, theme.panel, 2);
    drawLabels(context, labels, overlay.box, theme);
    overlay.end();
  }
}

/** The starting weights: a ring with a dot, as in the Playground. @param {CanvasRenderingContext2D} context @param {Point} centre @param {Theme} theme */
function drawStart(context, centre, theme) {
  for (const [colour, width] of /** @type {[string, number][]} */ ([[theme.panel, 5], [theme.ink, 2.2]])) stroke(context, colour, { width }, () => context.arc(...centre, 7, 0, 2 * Math.PI));
  disc(context, centre, 3, theme.ink);
}

/** What the plane is, and how much of the motion it holds. @param {PlannedRecord} record @param {Kind} kind @param {Cursor} cursor @param {string[]} titles */
function words(record, kind, cursor, titles) {
  if (kind === "ends" && record.plane) {
    const { ends } = record.surfaces;
    const cells = ends ? ends.x.length * ends.y.length : facts.surface.cells;
    const part = ends && !ends.done ? `Loss on the plane: ${count(ends.filled)} of ${count(cells)} points computed. ` : "";
    return `${part}${titled(record.plane.note, record.runs, titles)}`;
  }
  const shares = record.runs.flatMap((run) => {
    const { position, distance } = evaluationAt(run, cursor) ?? {};
    return position && distance ? [Math.hypot(...position) / distance] : [];
  });
  const largest = shares.length ? `; in it: ${percent(Math.max(...shares))} of the way at most` : "";
  return `Two fixed random directions: in d = ${size(record.plan.model.tuned)} dimensions most of the motion is outside this plane${largest}.`;
}

/** The server's sentence, which names runs by their labels, with their titles. @param {string} note @param {Run[]} runs @param {string[]} titles */
const titled = (note, runs, titles) => note.replace(/[a-z_]+(#\d+)?/g, (word) => titles[runs.findIndex(({ label }) => label === word)] ?? word);

/** Names beside the heads, apart from each other, and inside the picture. @param {CanvasRenderingContext2D} context @param {Label[]} labels @param {Box} box @param {Theme} theme */
function drawLabels(context, labels, box, theme) {
  Object.assign(context, { font: `600 ${theme.size}px ${theme.font}`, textBaseline: "middle", textAlign: "left", lineJoin: "round" });
  const height = 1.25 * theme.size;
  /** @type {{x: number, y: number, width: number}[]} */
  const set = [];
  const inside = labels.filter(({ x, y }) => x > box.left && x < box.left + box.width && y > box.top && y < box.top + box.height);
  for (const label of inside.sort((a, b) => a.y - b.y)) {
    const width = context.measureText(label.text).width;
    const gap = 9 + theme.line;
    const x = label.x + gap + width < box.left + box.width - 4 ? label.x + gap : label.x - gap - width;
    let y = label.y;
    for (const other of set) if (x < other.x + other.width + 4 && other.x < x + width + 4 && y - other.y < height) y = other.y + height;
    y = Math.min(y, box.top + box.height - height / 2);
    set.push({ x, y, width });
    Object.assign(context, { strokeStyle: theme.panel, lineWidth: 4, fillStyle: label.colour });
    context.strokeText(label.text, x, y);
    context.fillText(label.text, x, y);
  }
}

/** @param {number} share */
const percent = (share) => `${reading(Number((100 * share).toPrecision(2)))} %`;

/** 1.3 M, 125 M, 6,912. @param {number} d */
const size = (d) => (d >= 1e6 ? `${reading(d / 1e6)} M` : count(d));
