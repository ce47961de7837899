// A chart: new curves go on a canvas over it at once; Plotly draws them when nothing has come for a while.

import { cross, disc, polyline, segment, stroke, triangle } from "../web/canvas.mjs";
import { escapedInPlotly } from "../web/escaped.mjs";
import { whenIdle } from "../web/idle.mjs";
import { Overlay } from "../web/overlay.mjs";
import { decadeStep } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";

/** @import { Theme } from "../web/theme.mjs" */
/** @import { Curve, Mark, Picture } from "./curves.mjs" */

const GHOST = 0.4; // of a band's opacity
const SETTLE = 260; // ms without news before Plotly draws
const FAINT = 0.75; // opacity of the second coordinate's curve
const ENLARGED = 1.25; // by Plotly: powers of ten at an axis

/** How a curve is drawn, on the canvas and by Plotly. @param {Curve} curve @param {Theme} theme */
function penOf({ dashed, ghost, faint }, theme) {
  const width = dashed ? 1.4 : ghost ? 0.7 * theme.line : theme.line;
  return { width, dash: dashed ? [7, 5] : ghost ? [2, 3] : [], opacity: faint ? FAINT : 1 };
}

/** @param {Curve} curve @param {Theme} theme */
const bandColour = ({ colour, ghost }, theme) => fade(colour, ghost ? GHOST * theme.band : theme.band);

export class Chart {
  /** @type {Picture | null} */
  picture = null;
  /** @type {Theme | null} */
  #theme = null;
  #ylabel = "";
  /** Where the player's time is. @type {number | null} */
  #time = null;
  #live = false;

  /** @param {PlotlyGraph} graph */
  constructor(graph) {
    this.graph = graph;
    this.overlay = new Overlay(graph, () => this.draw());
    this.settle = whenIdle(() => this.commit(), SETTLE);
  }

  /** @param {Picture} picture curves and frame  @param {{theme: Theme}} look @param {string} ylabel */
  show(picture, { theme }, ylabel) {
    this.picture = picture;
    this.#theme = theme;
    this.#ylabel = ylabel;
    this.setLive(true);
    this.draw();
    this.settle();
  }

  /** Draw the curves on the canvas (live), or leave them to Plotly. @param {boolean} live */
  setLive(live) {
    this.#live = live;
    this.graph.closest(".stage")?.classList.toggle("live", live);
  }

  /** Let Plotly draw the curves, for hover, zoom and export. */
  async commit() {
    const { picture } = this;
    if (!picture || !this.#theme) return;
    await window.Plotly.react(this.graph, plotlyTraces(picture, this.#theme), plotlyLayout(picture, this.#theme, this.#ylabel, this.graph.clientHeight), {
      displayModeBar: false,
      responsive: true,
      doubleClick: "reset",
    });
    if (picture !== this.picture) return;
    this.overlay.measure();
    this.setLive(false);
    this.draw();
  }

  /** Where the player's time is: one vertical line. @param {number | null} time null for none */
  cursor(time) {
    this.#time = time;
    this.draw();
  }

  draw() {
    const context = this.overlay.begin();
    if (!context) return;
    if (this.picture && this.#theme) this.#draw(context, this.picture.curves, this.#theme);
    this.overlay.end();
  }

  /** @param {CanvasRenderingContext2D} context @param {Curve[]} curves @param {Theme} theme */
  #draw(context, curves, theme) {
    const { px, box } = this.overlay;
    if (this.#live) for (const curve of curves) this.#curve(context, curve, theme);
    for (const { marks = [], colour } of curves) for (const mark of marks) this.#mark(context, mark, colour);
    if (this.#time === null || !box) return;
    const x = px(this.#time);
    stroke(context, theme.ink, { width: 1.2, dash: [3, 3] }, () => segment(context, [x, box.top], [x, box.top + box.height]));
    for (const curve of curves) if (!curve.dashed) this.#head(context, curve, this.#time, theme);
  }

  /** The curve's point at the cursor. @param {CanvasRenderingContext2D} context @param {Curve} curve @param {number} time @param {Theme} theme */
  #head(context, { x, y, colour, continued }, time, theme) {
    const last = x.at(-1);
    if (last === undefined || time < x[0] || (continued && time > last)) return;
    const after = x.findIndex((value) => value > time);
    const height = y[(after < 0 ? x.length : after) - 1];
    if (Number.isFinite(height)) disc(context, [this.overlay.px(Math.min(time, last)), this.overlay.py(height)], 4.5, colour, theme.panel);
  }

  /** @param {CanvasRenderingContext2D} context @param {Curve} curve @param {Theme} theme */
  #curve(context, curve, theme) {
    const { px, py } = this.overlay;
    const { x, y, low, high, colour } = curve;
    if (low && high) {
      context.fillStyle = bandColour(curve, theme);
      context.beginPath();
      for (let i = 0; i < x.length; i++) context.lineTo(px(x[i]), py(high[i]));
      for (let i = x.length - 1; i >= 0; i--) context.lineTo(px(x[i]), py(low[i]));
      context.fill();
    }
    const pen = penOf(curve, theme);
    context.globalAlpha = pen.opacity;
    stroke(context, colour, pen, () => polyline(context, x, y, px, py));
    context.globalAlpha = 1;
  }

  /** ✕ at the top: diverged. ▼ at the bottom, ▲ at the top: goes on beyond the axis. @param {CanvasRenderingContext2D} context @param {Mark} mark @param {string} colour */
  #mark(context, { kind, x, y }, colour) {
    const [cx, cy] = [this.overlay.px(x), this.overlay.py(y)];
    if (kind === "cross") return stroke(context, colour, { width: 3 }, () => cross(context, [cx, cy + 8]));
    context.fillStyle = colour;
    if (kind === "below") triangle(context, [cx, cy - 6], 1);
    else triangle(context, [cx, cy + 6], -1);
  }
}

/** @param {Picture} picture @param {Theme} theme @returns {PlotlyTrace[]} */
function plotlyTraces({ curves }, theme) {
  return curves.flatMap((curve) => {
    const { x, y, low, high, colour } = curve;
    const title = escapedInPlotly(curve.name);
    const pen = penOf(curve, theme);
    const band = low && high && {
      type: "scatter",
      x: [...x, ...x.toReversed()],
      y: [...high, ...low.toReversed()],
      fill: "toself",
      fillcolor: bandColour(curve, theme),
      line: { width: 0 },
      mode: "lines",
      hoverinfo: "skip",
    };
    const line = {
      type: "scatter",
      mode: "lines",
      x,
      y,
      name: title,
      opacity: pen.opacity,
      line: { color: colour, width: pen.width, dash: pen.dash.length ? pen.dash.map((length) => `${length}px`).join() : "solid" },
      hovertemplate: `${title}<br>%{y:.3g} at %{x:,.6~g}<extra></extra>`,
      hoverlabel: { bgcolor: theme.panel, bordercolor: colour, font: { color: theme.ink, family: theme.font } },
    };
    return band ? [band, line] : [line];
  });
}

/** @param {Picture} picture @param {Theme} theme @param {string} ylabel @param {number} height in pixels @returns {PlotlyLayout} */
function plotlyLayout({ log, range, end, clock, from = 0, labels = [] }, theme, ylabel, height) {
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, fixedrange: true };
  const margin = { l: 5 * theme.size, r: 1.2 * theme.size, t: 6, b: 3 * theme.size };
  return {
    margin,
    font: { family: theme.font, size: theme.size, color: theme.muted },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: "closest",
    xaxis: { ...axis, range: [from, end], title: { text: clock, standoff: 4 }, tickformat: clock.startsWith("seconds") ? "~g" : "~s", nticks: 6 },
    yaxis: {
      ...axis,
      type: log ? "log" : "linear",
      range: log ? range.map(Math.log10) : range,
      exponentformat: "power",
      dtick: log ? decadeStep(range, height - margin.t - margin.b, ENLARGED * theme.size, 6) : undefined,
      title: { text: ylabel, standoff: 2 },
    },
    annotations: labels.map(({ text, y, colour }) => ({
      text,
      xref: "paper",
      x: 0.99,
      xanchor: "right",
      y: Math.log10(y),
      yanchor: "bottom",
      showarrow: false,
      font: { color: colour ?? theme.ink, size: theme.size },
    })),
  };
}
