// Where the runs go: θ_t − θ_0 of each on a plane, with the loss on it where it is known. Plotly draws what stands
// still, a canvas the trails and their heads at the cursor.

import { count, reading } from "../web/scale.mjs";
import { make, setText } from "../web/make.mjs";
import { PacedFigure, axisTitle, baseLayout, makeSwitch } from "./paced.mjs";
import { evaluationAt, latest } from "./record.mjs";

const KINDS = {
  fixed: ["random", "Two fixed random directions, the same for every run: the plane that is drawn while the runs train"],
  ends: ["end points", "The plane of the runs' end points, with the loss on it"],
};

export class Plane {
  /** @param {HTMLElement} element  @param {(forwards: number) => void} seek asked for by a click on a trail */
  constructor(element, seek) {
    this.seek = seek;
    element.classList.add("panel");
    this.kind = null; // what the person chose; until then the plane of the ends as soon as it is there
    this.switch = makeSwitch("Plane", KINDS, "fixed", (kind) => {
      this.kind = kind;
      this.show(...this.shown);
    });
    this.empty = make("p", { class: "panel-empty" });
    this.stage = make("div", { class: "stage" }, this.empty);
    this.note = make("p", { class: "panel-note" });
    const title = make("h2", { data: { tip: "θ is all that is tuned. Each run's way from the starting weights, seen on one plane: of two fixed random directions while the runs train, then of their end points, with the loss on it" } }, "Trajectories, θₜ − θ₀");
    element.append(make("div", { class: "panel-head" }, title, make("span", { class: "panel-keys" }, "◎ start, ● now"), this.switch), this.stage, this.note);
    this.figure = new PacedFigure(this.stage, (overlay) => this.#paint(overlay), { scrollZoom: true });
    this.reach = {};
  }

  show(record, look, cursor) {
    this.shown = [record, look, cursor];
    const kind = record.plane ? (this.kind ?? "ends") : "fixed";
    this.switch.hidden = !record.plane;
    this.switch.press(kind);
    this.trails = trails(record, kind);
    this.surface = record.surfaces[kind];
    const empty = this.trails.every(({ points }) => !points.length);
    setText(this.empty, empty ? "The runs' way from the starting weights appears here with the first evaluation." : "");
    this.empty.hidden = !empty;
    this.stage.classList.toggle("bare", empty);
    setText(this.note, this.#words(record, kind, cursor, look.titles));
    if (empty) return;
    const reach = this.#reach(record, kind);
    const points = this.trails.reduce((sum, trail) => sum + trail.points.length, 0);
    const key = [record.plan.spec, kind, reach.join(), points, this.surface?.filled, this.surface?.done, look.theme.ink, look.theme.size, look.titles.join(), this.stage.clientWidth, this.stage.clientHeight].join();
    this.figure.show(key, () => planeFigure(this.trails, this.surface, kind, reach, look, this.stage.clientHeight));
    this.listening ??= this.figure.graph.on?.("plotly_click", ({ points: [point] }) => point?.customdata && this.seek(point.customdata[2])) ?? null;
  }

  /** What the plane is, and how much of the motion it holds. */
  #words(record, kind, cursor, titles) {
    if (kind === "ends") {
      const { surface } = this;
      const part = surface && !surface.done ? `Loss on the plane: ${count((100 * surface.filled) / (surface.x.length * surface.y.length))} % computed. ` : "";
      return `${part}${titled(record.plane.note, record.runs, titles)}`;
    }
    const shares = record.runs.flatMap((run) => {
      const { position, distance } = evaluationAt(run, cursor) ?? {};
      return position && distance > 0 ? [Math.hypot(...position) / distance] : [];
    });
    const largest = shares.length ? `; in it: ${percent(Math.max(...shares))} of the way at most` : "";
    return `Two fixed random directions: in d = ${size(record.plan.model.tuned)} dimensions most of the motion is outside this plane${largest}.`;
  }

  /** What is shown: each side grows by leaps and never shrinks, so that nothing creeps while it runs. */
  #reach(record, kind) {
    if (this.surface) {
      const { x, y } = this.surface;
      return [x[0], x.at(-1), y[0], y.at(-1)];
    }
    if (this.reach.spec !== record.plan.spec) this.reach = { spec: record.plan.spec };
    const sides = (this.reach[kind] ??= [0, 0, 0, 0]);
    const extent = [0, 0, 0, 0];
    for (const { points } of this.trails) {
      for (const [a, b] of points) [-a, a, -b, b].forEach((value, i) => (extent[i] = Math.max(extent[i], value)));
    }
    const least = 0.3 * Math.max(...extent, 1e-12);
    extent.forEach((value, i) => {
      if (Math.max(value, least) > sides[i] / 1.06) sides[i] = above(1.2 * Math.max(value, least));
    });
    return [-sides[0], sides[1], -sides[2], sides[3]];
  }

  #paint(overlay) {
    const context = overlay.begin();
    if (!context) return;
    const [record, { theme, colours, titles }, cursor] = this.shown;
    const { px, py } = overlay;
    const labels = [];
    for (const { run, points, forwards } of this.trails) {
      if (!points.length) continue;
      const now = cursor.live ? Infinity : cursor.forwards;
      const [past, head] = until(points, forwards, now);
      const line = (list) => {
        context.beginPath();
        for (const [a, b] of list) context.lineTo(px(a), py(b));
        context.stroke();
      };
      context.lineJoin = "round";
      context.strokeStyle = colours[run];
      context.globalAlpha = 0.35;
      context.lineWidth = 0.6 * theme.line;
      line(points);
      context.globalAlpha = 1;
      context.strokeStyle = theme.panel;
      context.lineWidth = theme.line + 2;
      line(past);
      context.strokeStyle = colours[run];
      context.lineWidth = theme.line;
      line(past);
      const ended = record.status.state === "finished" || record.runs[run].ended || record.plane;
      labels.push({ run, text: titles[run], colour: colours[run], x: px(head[0]), y: py(head[1]), end: ended && now >= forwards.at(-1) });
    }
    this.#start(context, px(0), py(0), theme);
    context.strokeStyle = theme.panel;
    context.lineWidth = 2;
    for (const { run, colour, x, y } of labels) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(x, y, (cursor.run === null || cursor.run === run ? 4.5 : 3.5) + theme.line, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    place(labels, context, overlay.box, theme);
    overlay.end();
  }

  /** The starting weights: a ring with a dot, as in the Playground. */
  #start(context, x, y, theme) {
    context.strokeStyle = theme.panel;
    context.lineWidth = 5;
    context.beginPath();
    context.arc(x, y, 7, 0, 2 * Math.PI);
    context.stroke();
    context.strokeStyle = context.fillStyle = theme.ink;
    context.lineWidth = 2.2;
    context.stroke();
    context.beginPath();
    context.arc(x, y, 3, 0, 2 * Math.PI);
    context.fill();
  }
}

/** The server's sentence, which names runs by their labels, with their titles. */
function titled(note, runs, titles) {
  return note.replace(/[a-z_]+(#\d+)?/g, (word) => titles[runs.findIndex(({ label }) => label === word)] ?? word);
}

/** Each run's points on a plane with the forward passes, steps and held-out losses that belong to them. */
function trails(record, kind) {
  if (kind === "fixed") {
    return record.runs.map((run) => {
      const known = run.evaluations.filter(({ position }) => position);
      return {
        run: run.index,
        points: known.map(({ position }) => position),
        forwards: known.map(({ forwards }) => forwards),
        steps: known.map(({ step }) => step),
        losses: known.map(({ loss }) => loss),
      };
    });
  }
  return record.plane.runs.map(({ run: index, steps, points }) => {
    const run = record.runs[index];
    const forwards = steps.map((step) => step * run.forwardsPerStep);
    return { run: index, points, forwards, steps, losses: forwards.map((at) => latest(run.evaluations, { forwards: at, live: false })?.loss ?? null) };
  });
}

/** Surface and (invisible, for the pointer) points. */
export function planeFigure(trails, surface, kind, [left, right, bottom, top], look, height) {
  const { theme } = look;
  const data = [];
  const margin = { l: 5.8 * theme.size, r: surface?.filled ? 4.6 * theme.size : 10, t: surface?.filled ? 1.7 * theme.size : 8, b: 3.1 * theme.size };
  if (surface?.filled) data.push(...surfaceTraces(surface, theme));
  for (const { run, points, steps, losses, forwards } of trails) {
    data.push({
      type: "scatter", mode: "markers", x: points.map(([a]) => a), y: points.map(([, b]) => b),
      marker: { color: look.colours[run], size: 8, opacity: 0 },
      customdata: steps.map((step, i) => [step, losses[i], forwards[i]]),
      hovertemplate: `<b>${look.titles[run]}</b>, step %{customdata[0]:,d}<br>held-out loss %{customdata[1]:.3f}<extra></extra>`,
      hoverlabel: { bordercolor: look.colours[run] },
    });
  }
  const name = kind === "fixed" ? "random direction" : "direction";
  const axis = (range, title) => ({
    range, constrain: "range", tickangle: 0, title: axisTitle(title, look), zeroline: false, gridcolor: surface?.filled ? "rgba(0,0,0,0)" : theme.grid,
    ticks: "outside", ticklen: 3, tickcolor: theme.grid, tickformat: "~g", nticks: 7, exponentformat: "power",
  });
  return {
    data,
    layout: {
      ...baseLayout(look),
      margin,
      dragmode: "pan",
      uirevision: `${kind} ${left} ${right}`,
      xaxis: axis([left, right], `${name} 1 (norm of the change)`),
      yaxis: { ...axis([bottom, top], height > 24 * theme.size ? `${name} 2 (norm of the change)` : "direction 2 (norm)"), scaleanchor: "x" },
    },
  };
}

/** The loss where it is known: cells while it is being filled in, contours when it is complete. */
function surfaceTraces({ x, y, z, done }, theme) {
  const finite = z.flat().filter(Number.isFinite).sort((a, b) => a - b);
  const low = finite[0];
  const high = finite[Math.floor(0.97 * (finite.length - 1))]; // a corner where the loss explodes must not flatten the rest
  const span = high - low || 1;
  const cells = z.map((row) => row.map((loss) => (Number.isNaN(loss) ? null : Math.min(loss, high))));
  const shared = {
    x, y, z: cells, zmin: low, zmax: low + span, hoverinfo: "skip",
    colorscale: [[0, theme.colour("--loss-low")], [1, theme.colour("--loss-high")]],
    colorbar: {
      x: 1, xpad: 6, y: 0.5, len: 1, ypad: 0, thickness: 9, outlinewidth: 1, outlinecolor: theme.grid, nticks: 6, tickformat: ".2~f",
      title: { text: "loss", side: "top", font: { color: theme.ink, size: theme.size } }, tickfont: { size: theme.size, color: theme.muted },
    },
  };
  if (!done) return [{ type: "heatmap", ...shared, hoverongaps: false }];
  return [{ type: "contour", ...shared, contours: { start: low, end: low + span, size: span / 16 }, line: { width: 0.8, color: theme.contour } }];
}

/** The points up to a moment, and the head: between two points where the moment is between them. */
function until(points, forwards, now) {
  let last = forwards.findLastIndex((at) => at <= now + 1e-6);
  if (last < 0) last = 0;
  const past = points.slice(0, last + 1);
  if (last + 1 >= points.length) return [past, points[last]];
  const part = Math.max(0, (now - forwards[last]) / (forwards[last + 1] - forwards[last]));
  const head = points[last].map((value, i) => value + part * (points[last + 1][i] - value));
  return [[...past, head], head];
}

/** Names beside the heads, apart from each other, and inside the picture. */
function place(labels, context, box, theme) {
  context.font = `600 ${theme.size}px ${theme.font}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.lineJoin = "round";
  const height = 1.25 * theme.size;
  const set = [];
  for (const label of labels.filter(({ x, y }) => x > box.left && x < box.left + box.width && y > box.top && y < box.top + box.height).sort((a, b) => a.y - b.y)) {
    const text = label.end ? `${label.text}: end` : label.text;
    const width = context.measureText(text).width;
    const gap = 9 + theme.line;
    const x = label.x + gap + width < box.left + box.width - 4 ? label.x + gap : label.x - gap - width;
    let y = label.y;
    for (const other of set) if (x < other.x + other.width + 4 && other.x < x + width + 4 && y - other.y < height) y = other.y + height;
    y = Math.min(y, box.top + box.height - height / 2);
    set.push({ x, y, width });
    context.strokeStyle = theme.panel;
    context.lineWidth = 4;
    context.strokeText(text, x, y);
    context.fillStyle = label.colour;
    context.fillText(text, x, y);
  }
}

/** The next of 1, 1.5, 2, 3, 5, 7 times a power of ten. */
function above(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 5, 7, 10].find((lead) => lead * power >= value);
}

const percent = (share) => `${reading(Number((100 * share).toPrecision(2)))} %`;

/** 1.3 M, 125 M, 6,912. */
const size = (d) => (d >= 1e6 ? `${reading(d / 1e6)} M` : count(d));
