// A chart that grows while it is looked at: Plotly draws axes, curves and what hovers over them, at most twice a second;
// the cursor moves on a canvas over it.

/** @import { Overlay } from "../web/overlay.mjs" */
/** @import { Theme } from "../web/theme.mjs" */
/** @import { Curve, Instant, Picture } from "./pictures.mjs" */
import { disc, segment, stroke } from "../web/canvas.mjs";
import { escapedInPlotly } from "../web/escaped.mjs";
import { decadeStep } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { axisTitle, baseLayout } from "./layout.mjs";
import { PacedFigure } from "./paced.mjs";

const DOTS = 80; // points of a curve that still has dots
const LABELLED = 3; // times the font's size: the room under the plot for the x axis; in opt.css, too
const BARE = 6; // pixels under a plot without it; in opt.css, too

export class LiveChart {
  /** @type {Instant} */
  #instant = { time: null, heads: [] };
  /** @type {Theme | null} */
  #theme = null;
  /** The highest value shown, at which heads beyond it are. */
  #top = Infinity;

  /** @param {HTMLElement} stage @param {(x: number) => void} picked somebody clicked at x @param {boolean} isLabelled whether the chart has its x axis */
  constructor(stage, picked, isLabelled = true) {
    this.isLabelled = isLabelled;
    this.figure = new PacedFigure(stage, (overlay) => this.#paint(overlay));
    this.figure.graph.addEventListener("click", (event) => {
      const value = this.figure.valueAt(event);
      if (value) picked(value[0]);
    });
  }

  /** @param {string} version of the picture @param {() => Picture} make @param {Instant} instant @param {Theme} theme */
  show(version, make, instant, theme) {
    this.#instant = instant;
    this.#theme = theme;
    this.figure.show(version, (_, height) => {
      const picture = make();
      this.#top = picture.range[1];
      return figureOf(picture, theme, this.isLabelled, height);
    });
  }

  /** The moment that is shown. @param {Overlay} overlay */
  #paint(overlay) {
    const context = overlay.begin();
    if (!context || !this.#theme || !overlay.box) return;
    const { ink, panel } = this.#theme;
    const { time, heads } = this.#instant;
    const { top, height } = overlay.box;
    if (time !== null) {
      const x = overlay.px(time);
      stroke(context, ink, { width: 1.1, dash: [3, 3] }, () => segment(context, [x, top], [x, top + height]));
    }
    for (const { x, y, colour } of heads) disc(context, [overlay.px(x), overlay.py(Math.min(y, this.#top))], 4.5, colour, panel);
    overlay.end();
  }
}

/** @param {Picture} picture @param {Theme} theme @param {boolean} isLabelled @param {number} height in pixels */
function figureOf(picture, theme, isLabelled, height) {
  const { curves, levels, marks, log, range, end, clock, xlabel, ylabel, unit } = picture;
  const hoverformat = xlabel === clock ? ",.0f" : ",.3~f"; // of the x axis: parts of a pass are told where there are any
  const order = ["raw", "single", "thin", "bold"];
  const sorted = curves.toSorted((a, b) => order.indexOf(a.weight) - order.indexOf(b.weight));
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, fixedrange: true };
  const margin = { l: 4.5 * theme.size, r: 1.2 * theme.size, t: 8, b: isLabelled ? LABELLED * theme.size : BARE };
  const settings = marks.filter(({ kind }) => kind === "setting");
  const line = (/** @type {object} */ place, /** @type {string} */ color, /** @type {string} */ dash) => ({ type: "line", layer: "below", line: { color, width: 1.2, dash }, ...place });
  return {
    data: [...sorted.flatMap((curve) => band(curve, theme)), ...sorted.map((curve) => trace(curve, picture, theme)), ...marks.map((mark) => ({
      type: "scatter", mode: "markers", x: [mark.x], y: [range[1]], cliponaxis: false,
      marker: { symbol: mark.kind === "setting" ? "triangle-down" : "x", size: 11, color: mark.colour },
      hovertemplate: `${escapedInPlotly(mark.text)}<extra></extra>`,
    }))],
    layout: {
      ...baseLayout(theme),
      margin,
      hovermode: "x unified",
      hoverdistance: -1,
      xaxis: {
        ...axis, range: [0, 1.015 * end], showticklabels: isLabelled, title: axisTitle(isLabelled ? xlabel : "", theme, 4), tickformat: clock === "seconds" ? "~g" : "~s", nticks: 6,
        hoverformat, unifiedhovertitle: { text: `%{x:${hoverformat}} ${xlabel}` }, showspikes: true, spikemode: "across", spikesnap: "hovered data", spikethickness: 1, spikecolor: theme.muted, spikedash: "solid",
      },
      yaxis: {
        ...axis, type: log ? "log" : "linear", range: log ? range.map(Math.log10) : range, exponentformat: "power", nticks: 5, ticksuffix: unit,
        dtick: log ? decadeStep(range, height - margin.t - margin.b, theme.size, 3) : undefined, tickfont: { size: log ? theme.size - 2 : theme.size }, title: axisTitle(0.6 * theme.size * ylabel.length < height - margin.t - margin.b ? ylabel : "", theme, 2), // cut off, it would say nothing
      },
      shapes: [
        ...levels.map((y) => line({ xref: "x domain", x0: 0, x1: 1, y0: y, y1: y }, theme.muted, "6px,4px")),
        ...settings.map(({ x, colour }) => line({ yref: "y domain", x0: x, x1: x, y0: 0, y1: 1 }, colour, "1px,4px")),
      ],
    },
  };
}

/** The band over seeds, where there is one. @param {Curve} curve @param {Theme} theme */
function band({ x, low, high, colour, dash }, theme) {
  if (!low || !high) return [];
  const shared = { type: "scatter", mode: "lines", x, hoverinfo: "skip", line: { width: 0, color: colour } };
  return [{ ...shared, y: low }, { ...shared, y: high, fill: "tonexty", fillcolor: fade(colour, dash ? 0.5 * theme.band : theme.band) }];
}

/** @param {Curve} curve @param {Picture} picture @param {Theme} theme */
function trace({ name, part, colour, x, y, low, high, weight, dash = "", dots }, { format, unit }, theme) {
  const isDotted = dots && x.length <= DOTS;
  return {
    type: "scatter",
    mode: isDotted ? "lines+markers" : "lines",
    x,
    y,
    opacity: { raw: 0.13, single: theme.trail, thin: 0.85, bold: 1 }[weight],
    line: { color: colour, dash: dash || "solid", width: { raw: 1, single: 1, thin: 0.6 * theme.line, bold: theme.line }[weight] },
    marker: { color: colour, size: 5.2 },
    ...(part === null ? { hoverinfo: "skip" } : { hovertemplate: `${escapedInPlotly(`${name} ${part}`.trim())}: <b>%{y:${format}}${unit}</b>${low ? ` (%{customdata[0]:${format}} to %{customdata[1]:${format}})` : ""}<extra></extra>` }),
    ...(low && high ? { customdata: low.map((least, i) => [least, high[i]]) } : {}),
  };
}
