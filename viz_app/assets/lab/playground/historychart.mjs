// The loss curves of several runs in one chart, against forward passes.

import { extent } from "../vendor/d3.mjs";
import { catalogue } from "../web/catalogue.mjs";
import { escapedInPlotly } from "../web/escaped.mjs";
import { fetchBytes } from "../web/latest.mjs";
import { fade, readTheme } from "../web/theme.mjs";
import { when } from "../web/when.mjs";
import { differences, family, read } from "./specwords.mjs";
import { decodeTrace } from "./trace.mjs";

/** @import { Theme } from "../web/theme.mjs" */
/** @import { Run } from "./historystore.mjs" */
/** @import { Opt, Words } from "./specwords.mjs" */
/** @import { Track } from "./trace.mjs" */

const DASHES = ["solid", "8px,4px", "2px,3px", "12px,4px,2px,4px"]; // a run's
const SPARE = [1, 0, 2, 3]; // of the catalogue's spare colours: those least like the optimizers' own first

/** @typedef {{of: number[], opt: Opt, spec: Words, track: Track, dash: string, colour: string}} Line what one or more runs have: `of` numbers them from 1 */

/**
 * Draw the runs, oldest first, into `root`. Returns what they differ in, as a sentence.
 * @param {HTMLElement} root @param {Run[]} runs
 */
export async function compare(root, runs) {
  const traces = await Promise.all(runs.map(async ({ query }) => decodeTrace(await fetchBytes(`/api/trace?${query}`))));
  const theme = readTheme();
  const specs = runs.map(({ query }) => read(query));
  /** What several runs share is drawn once. @type {Map<string, Line>} */
  const drawn = new Map();
  specs.forEach((spec, i) => {
    const where = catalogue.spec.keys.map((key) => spec.values[key]).join("&");
    spec.opts.forEach((opt, index) => {
      const key = `${where}&${opt.text}`;
      const known = drawn.get(key);
      if (known) known.of.push(i + 1);
      else drawn.set(key, { of: [i + 1], opt, spec, track: traces[i].tracks[index], dash: DASHES[i % DASHES.length], colour: "" });
    });
  });
  const curves = [...drawn.values()];
  const seen = new Set();
  let spare = 0;
  for (const curve of curves) {
    const { method } = curve.opt;
    const variable = seen.has(method) ? catalogue.spareColours[SPARE[spare++ % SPARE.length]] : catalogue.methods[method].colour;
    curve.colour = theme.colour(variable);
    seen.add(method);
  }
  const lines = curves.flatMap((curve) => plotted(curve, specs[0], theme).slice(runs.length > 2 ? 1 : 0)); // more bands hide each other
  await window.Plotly.react(root, lines, layout(theme, curves.every(positive) ? decades(curves) : null), { displayModeBar: false, responsive: true });
  const times = runs.map(({ name, at }, i) => `${i + 1}: ${name}, ${when(at)}`).join("; ");
  return `${times}. ${specs.slice(1).map((spec, i) => `${i + 2} against 1: ${differences(specs[0], spec).join("; ") || "the same"}`).join(". ")}.`;
}

/** @param {Line} line */
const positive = ({ track }) => track.gap.every((value) => !(value < 0));

/** @param {Line} line @param {Words} reference @param {Theme} theme @returns {PlotlyTrace[]} */
function plotted({ of, opt, spec, track, dash, colour }, reference, theme) {
  const R = track.frames;
  const x = Array.from(track.forwards);
  /** @param {0 | 1 | 2} q */
  const at = (q) => Array.from(track.gap_q.subarray(q * R, (q + 1) * R), (value) => (Number.isFinite(value) ? value : null));
  const [low, median, high] = [at(0), at(1), at(2)];
  const whole = median.map((value, i) => (value !== null && low[i] !== null && high[i] !== null ? i : -1)).filter((i) => i >= 0);
  const name = escapedInPlotly(`${of.join(", ")}  ${opt.label}${own(opt, spec, reference)}`);
  return [
    {
      type: "scatter",
      mode: "lines",
      x: [...whole.map((i) => x[i]), ...whole.toReversed().map((i) => x[i])],
      y: [...whole.map((i) => high[i]), ...whole.toReversed().map((i) => low[i])],
      fill: "toself",
      fillcolor: fade(colour, 0.5 * theme.band),
      line: { width: 0 },
      hoverinfo: "skip",
      showlegend: false,
    },
    {
      type: "scatter",
      mode: "lines",
      x,
      y: median,
      name,
      line: { color: colour, width: theme.line, dash },
      hovertemplate: `${name}<br>%{y:.3g} at %{x:,} forward passes<extra></extra>`,
    },
  ];
}

/** What an optimizer of another run has that the first run's has not. @param {Opt} opt @param {Words} spec @param {Words} reference */
function own(opt, spec, reference) {
  if (spec === reference) return "";
  if (family(spec) !== family(reference)) return ` on ${family(spec)}`;
  const words = differences({ ...reference, opts: reference.opts.filter(({ method }) => method === opt.method).slice(0, 1) }, { ...spec, opts: [opt] });
  const text = words.filter((word) => !word.startsWith("+ ")).join("; "); // that it is there, its line says
  return text ? `: ${text.length > 70 ? `${text.slice(0, 69)}…` : text}` : "";
}

/** Powers of ten for the axis: as deep as 14 below a start, and no more than 4 above, where diverging runs go. @param {Line[]} curves @returns {[number, number]} */
function decades(curves) {
  const starts = curves.map(({ track }) => track.gap_q[track.frames]).filter((value) => value > 0);
  const medians = curves.flatMap(({ track }) => Array.from(track.gap_q.subarray(track.frames, 2 * track.frames))).filter((value) => value > 0 && value < Infinity);
  const [least = 1, most = 1] = extent(medians);
  const [lowest = 1, highest = 1] = extent(starts);
  const low = Math.max(least, 1e-14 * lowest);
  const high = Math.min(most, 1e4 * highest);
  return [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high) + 0.1)];
}

/** @param {Theme} theme @param {[number, number] | null} range @returns {PlotlyLayout} */
function layout(theme, range) {
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid };
  return {
    autosize: true,
    margin: { l: 5.5 * theme.size, r: 14, t: 8, b: 3.4 * theme.size },
    font: { family: theme.font, size: theme.size, color: theme.ink },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    legend: { orientation: "h", y: -0.18, yanchor: "top", x: 0 },
    hovermode: "closest",
    xaxis: { ...axis, title: { text: "forward passes", standoff: 4 }, tickformat: "~s", rangemode: "tozero" },
    yaxis: { ...axis, type: range ? "log" : "linear", ...(range && { range }), exponentformat: "power", title: { text: "loss − minimum", standoff: 4 } },
  };
}
