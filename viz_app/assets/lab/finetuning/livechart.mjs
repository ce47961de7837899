// A chart that grows while it is looked at: Plotly draws its axes, a canvas the curves. It never stops to settle, as
// the Playground's Chart does, because a run that trains never stands still; so it also does its own hovering.

import { Overlay } from "../web/overlay.mjs";
import { make } from "../web/make.mjs";

const NEAR = 14; // px within which a setting's mark is pointed at

/**
 * @typedef {object} Curve
 * @property {string} name of the run @property {string|null} part what it is of the run, null: not to be read
 * @property {string} colour @property {number[]} x @property {number[]} y NaN breaks the line
 * @property {"raw"|"thin"|"bold"} weight  @property {boolean=} dots at every point
 *
 * @typedef {object} Picture
 * @property {Curve[]} curves
 * @property {number[]} levels dashed horizontal lines
 * @property {{x: number, colour: string, text: string, kind: "setting"|"cross"}[]} marks at the top
 * @property {{x: number, y: number, colour: string}[]} heads where each run is at the cursor
 * @property {number|null} time a vertical line
 * @property {boolean} log @property {[number, number]} range @property {number} end of the x axis
 * @property {string} xlabel "" where the chart below has the axis  @property {string} xname @property {string} ylabel @property {(y: number) => string} format
 */

export class LiveChart {
  /**
   * @param {HTMLElement} stage
   * @param {(x: number) => void} picked somebody clicked at x
   */
  constructor(stage, picked) {
    this.stage = stage;
    this.graph = make("div", { class: "graph" });
    this.readout = make("div", { class: "readout", hidden: true });
    stage.replaceChildren(this.graph, this.readout);
    stage.addEventListener("pointermove", (event) => this.#point(event));
    stage.addEventListener("pointerleave", () => this.#leave());
    stage.addEventListener("click", (event) => {
      const x = this.#valueAt(event);
      if (x !== null) picked(x);
    });
  }

  /** @param {Picture} picture */
  async show(picture, theme) {
    Object.assign(this, { picture, theme });
    const { log, range, end, xlabel, ylabel } = picture;
    const frame = [log, ...range, end, xlabel, ylabel, theme.ink, theme.panel, theme.size].join();
    if (frame !== this.frame) {
      this.frame = frame;
      await window.Plotly.react(this.graph, [{ x: [], y: [], type: "scatter" }], axes(picture, theme), { displayModeBar: false, responsive: true });
      this.overlay ??= new Overlay(this.graph, () => this.draw());
      this.overlay.measure();
    }
    this.draw();
  }

  draw() {
    const context = this.overlay?.begin();
    if (!context) return;
    const { picture, theme } = this;
    const { px, py, box } = this.overlay;
    for (const y of picture.levels) {
      stroke(context, theme.muted, 1.2, [6, 4], () => {
        context.moveTo(box.left, py(y));
        context.lineTo(box.left + box.width, py(y));
      });
    }
    for (const weight of ["raw", "thin", "bold"]) for (const curve of picture.curves) if (curve.weight === weight) this.#curve(context, curve);
    for (const mark of picture.marks) this.#mark(context, mark);
    if (picture.time !== null) vertical(context, px(picture.time), box, theme.ink, [3, 3]);
    for (const { x, y, colour } of picture.heads) disc(context, px(x), py(y), 4.5, colour, theme.panel);
    if (this.pointed) vertical(context, this.pointed.x, box, theme.muted, []);
    this.overlay.end();
  }

  #curve(context, { x, y, colour, weight, dots }) {
    const { px, py } = this.overlay;
    const { line } = this.theme;
    context.globalAlpha = { raw: 0.13, thin: 0.85, bold: 1 }[weight];
    stroke(context, colour, { raw: 1, thin: 0.6 * line, bold: line }[weight], [], () => {
      let pen = false;
      for (let i = 0; i < x.length; i++) {
        if (!Number.isFinite(y[i])) pen = false;
        else if (pen) context.lineTo(px(x[i]), py(y[i]));
        else {
          context.moveTo(px(x[i]), py(y[i]));
          pen = true;
        }
      }
    });
    context.globalAlpha = 1;
    if (dots && x.length <= 80) for (let i = 0; i < x.length; i++) disc(context, px(x[i]), py(y[i]), 2.6, colour, colour);
  }

  /** ▾ a setting was changed, ✕ the run broke off. */
  #mark(context, { x, colour, kind }) {
    const [left, top] = [this.overlay.px(x), this.overlay.box.top + 1];
    if (kind === "setting") {
      context.fillStyle = colour;
      context.beginPath();
      context.moveTo(left - 5, top);
      context.lineTo(left + 5, top);
      context.lineTo(left, top + 9);
      context.fill();
      vertical(context, left, this.overlay.box, colour, [1, 4]);
    } else {
      stroke(context, colour, 3, [], () => {
        for (const sign of [1, -1]) {
          context.moveTo(left - 5, top + 7 - 5 * sign);
          context.lineTo(left + 5, top + 7 + 5 * sign);
        }
      });
    }
  }

  /** Value under the pointer, null outside of the axes. */
  #valueAt(event) {
    const { overlay } = this;
    if (!overlay?.box || !this.picture) return null;
    const edge = this.graph.getBoundingClientRect();
    const x = event.clientX - edge.left;
    if (x < overlay.box.left || x > overlay.box.left + overlay.box.width) return null;
    return overlay.valueAt(x, 0)[0];
  }

  #point(event) {
    const value = this.#valueAt(event);
    if (value === null) return this.#leave();
    const { picture, overlay } = this;
    const x = overlay.px(value);
    this.pointed = { x };
    const byRun = new Map();
    for (const { name, part, colour, x: along, y } of picture.curves) {
      const i = part === null ? -1 : nearest(along, value);
      if (i < 0 || !Number.isFinite(y[i])) continue;
      if (!byRun.has(name)) byRun.set(name, make("p", {}, make("i", { style: `background:${colour}` }), name));
      byRun.get(name).append(` ${part} `, make("b", {}, picture.format(y[i])));
    }
    const lines = [...byRun.values()];
    for (const mark of picture.marks) if (Math.abs(overlay.px(mark.x) - x) < NEAR) lines.push(make("p", {}, mark.text));
    this.readout.replaceChildren(make("p", { class: "when" }, `${Math.round(value).toLocaleString("en-US")} ${picture.xname}`), ...lines);
    this.readout.hidden = lines.length === 0;
    const { left, width } = overlay.box;
    const onRight = x > left + width / 2;
    this.readout.style.left = onRight ? "" : `${x + 10}px`;
    this.readout.style.right = onRight ? `${overlay.width - x + 10}px` : "";
    this.draw();
  }

  #leave() {
    if (!this.pointed) return;
    this.pointed = null;
    this.readout.hidden = true;
    this.draw();
  }
}

/** Index of the last point at or before x, or the first; −1 if there is none. */
function nearest(list, x) {
  if (!list.length) return -1;
  let [low, high] = [0, list.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (list[middle] <= x) low = middle;
    else high = middle - 1;
  }
  return low + 1 < list.length && list[low + 1] - x < x - list[low] ? low + 1 : low;
}

function stroke(context, colour, width, dash, path) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash);
  context.beginPath();
  path();
  context.stroke();
  context.setLineDash([]);
}

const vertical = (context, x, box, colour, dash) =>
  stroke(context, colour, 1.1, dash, () => {
    context.moveTo(x, box.top);
    context.lineTo(x, box.top + box.height);
  });

function disc(context, x, y, radius, fill, edge) {
  context.fillStyle = fill;
  context.strokeStyle = edge;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

function axes({ log, range, end, xlabel, ylabel, percent }, theme) {
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, fixedrange: true };
  const decades = Math.log10(range[1] / range[0]);
  return {
    margin: { l: 4.5 * theme.size, r: 10, t: 6, b: xlabel ? 3 * theme.size : 6 },
    font: { family: theme.font, size: theme.size, color: theme.muted },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: false,
    xaxis: { ...axis, range: [0, 1.015 * end], showticklabels: xlabel !== "", title: { text: xlabel, standoff: 4, font: { size: theme.size } }, tickformat: xlabel === "seconds" ? "~g" : "~s", nticks: 6 },
    yaxis: {
      ...axis,
      type: log ? "log" : "linear",
      range: log ? range.map(Math.log10) : range,
      exponentformat: "power",
      nticks: 5,
      ticksuffix: percent ? " %" : "",
      dtick: log ? Math.max(1, Math.ceil(decades / 3)) : undefined,
      tickfont: { size: log ? theme.size - 2 : theme.size },
      title: { text: ylabel, standoff: 2, font: { size: theme.size } },
    },
  };
}
