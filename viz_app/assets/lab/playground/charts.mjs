// The two charts: pure functions from a trace to what is drawn, and a chart that can draw it at once or for good.

import { escapedInPlotly } from "../web/escaped.mjs";
import { whenIdle } from "../web/idle.mjs";
import { Overlay } from "../web/overlay.mjs";
import { subscript } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { clockAt, clockLength, lastAtMost, shownFrames, stepAt } from "./trace.mjs";

const POINTS = 400; // along a curve
const GHOST = 0.4; // of a band's opacity
const SETTLE = 260; // ms without news before Plotly draws

/**
 * @typedef {object} Curve
 * @property {string} name @property {string} colour @property {number[]} x @property {number[]} y
 * @property {number[]=} low @property {number[]=} high the band
 * @property {boolean=} dashed
 * @property {boolean=} ghost an old future, from which something was forked  @property {boolean=} continued by such a one
 * @property {{kind: "cross"|"below"|"above", x: number, y: number}[]=} marks where its median diverged, or first left the scale
 */

/** From which step a track is drawn, and from which on as a ghost; a look without forks need not say. */
const spanOf = (look, index) => look.spans?.[index] ?? { from: 0, ghost: Infinity };

/** Loss above the minimum against the clock: median and 10–90 % band over runs. */
export function lossCurves(trace, clock, look) {
  const gaps = trace.tracks.map((track) => {
    const shown = shownFrames(track.step, track, trace, clock);
    return [0, 1, 2].flatMap((q) => Array.from(track.gap_q.subarray(q * track.frames, q * track.frames + shown)));
  });
  let [low, high, initial] = [Infinity, -Infinity, trace.tracks[0].gap_q[trace.tracks[0].frames]];
  let log = true;
  for (const gap of gaps)
    for (const value of gap) {
      if (value <= 0 && trace.reference === null) log = false;
      if (Number.isFinite(value) && (value > 0 || !log)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
  if (log) {
    low = 10 ** Math.floor(Math.log10(Math.max(low, initial * 1e-14)) + 1e-9);
    high = 10 ** Math.ceil(Math.log10(Math.min(Math.max(high, initial), initial * 1e4)) - 1e-9);
  } else {
    const least = Math.min(...gaps.map((gap) => Math.min(...gap.filter(Number.isFinite))));
    high = Math.max(initial, 0) + 0.1 * Math.max(Math.abs(initial), 1);
    low = Math.max(least, initial - 50 * Math.max(Math.abs(initial), 1));
    low -= 0.05 * (high - low);
  }
  const clip = (value) => (value === value ? Math.min(Math.max(value, low), high) : value);
  const curves = trace.tracks.map((track, index) => {
    const R = track.frames;
    const curve = { name: look.titles[index], colour: look.colours[index], x: [], y: [], low: [], high: [], marks: [] };
    const { from, ghost } = spanOf(look, index);
    for (const t of thin(shownFrames(track.step, track, trace, clock), [from, ghost].map((step) => lastAtMost(track.step, step)))) {
      if (track.step[t] < from) continue; // until then it is what it was forked from
      const median = track.gap_q[R + t];
      if (!Number.isFinite(median)) {
        const x = clockAt(track, track.step[t], clock);
        curve.marks.push({ kind: "cross", x, y: high });
        if (curve.x.length) {
          curve.x.push(x);
          for (const list of [curve.y, curve.low, curve.high]) list.push(high);
        }
        break;
      }
      for (const [kind, is, y] of [["below", median < low, low], ["above", median > high, high]])
        if (is && !curve.marks.some((mark) => mark.kind === kind)) curve.marks.push({ kind, x: clockAt(track, track.step[t], clock), y });
      curve.x.push(clockAt(track, track.step[t], clock));
      curve.y.push(clip(median));
      curve.low.push(clip(track.gap_q[t]));
      curve.high.push(clip(track.gap_q[2 * R + t]));
    }
    return splitAt(curve, clockAt(track, ghost, clock));
  }).flat();
  return { curves, log, range: [low, high], end: clockLength(trace, clock), clock };
}

/** P against the truth over time, at the shown coordinates. Truth: the modulus of the exact diagonal along the first estimating optimizer's runs. */
export function hessianCurves(trace, clock, look) {
  const coordinates = trace.header.coords;
  const curves = [];
  const labels = [];
  const estimating = trace.tracks.map((track, index) => [track, index]).filter(([track]) => track.h_q);
  let [low, high] = [Infinity, -Infinity];
  const see = (value) => {
    if (value > 1e-12 && value < 1e15) [low, high] = [Math.min(low, value), Math.max(high, value)];
  };
  const truthOf = estimating[0]?.[0] ?? trace.tracks[0];
  const d = trace.dim;
  coordinates.forEach((j, which) => {
    const truth = { name: `true diagonal, ${name(j, d)}`, colour: look.theme.ink, dashed: true, x: [], y: [] };
    const negative = { ...truth, name: "true diagonal is negative: its modulus", colour: look.theme.colour("--warning"), x: [], y: [] };
    for (const t of thin(shownFrames(truthOf.hStep, truthOf, trace, clock))) {
      const value = truthOf.true_h[t * d + j];
      const size = Math.abs(value) > 1e-12 ? Math.abs(value) : NaN;
      const x = clockAt(truthOf, truthOf.hStep[t], clock);
      truth.x.push(x);
      negative.x.push(x);
      truth.y.push(value > 0 ? size : NaN);
      negative.y.push(value < 0 ? size : NaN);
      see(size);
    }
    if (truth.y.some(Number.isFinite)) curves.push(truth);
    if (negative.y.some(Number.isFinite)) curves.push(negative);
    let top = NaN;
    for (const [track, index] of estimating) {
      const R = track.hStep.length;
      const curve = { name: `${look.titles[index]}, P ${name(j, d)}`, colour: look.colours[index], faint: which === 1, x: [], y: [], low: [], high: [] };
      const { from, ghost } = spanOf(look, index);
      const corners = [from, ghost].map((step) => lastAtMost(track.hStep, step));
      for (const t of thin(shownFrames(track.hStep, track, trace, clock), corners)) {
        if (track.hStep[t] < from) continue;
        const at = (q) => track.h_q[(q * R + t) * d + j];
        if (!(at(1) > 0)) break;
        curve.x.push(clockAt(track, track.hStep[t], clock));
        curve.y.push(at(1));
        curve.low.push(at(0));
        curve.high.push(at(2));
        see(at(0));
        see(at(2));
      }
      curves.push(...splitAt(curve, clockAt(track, ghost, clock)));
      top = 1.3 * curve.y[Math.floor(curve.y.length * 0.9)] || top;
    }
    const last = top || truth.y.findLast(Number.isFinite);
    if (last > 0) labels.push({ text: name(j, d), y: last });
  });
  if (!(low < Infinity)) [low, high] = [0.1, 10];
  const range = [10 ** Math.floor(Math.log10(low) - 0.15), 10 ** Math.ceil(Math.log10(high) + 0.25)];
  const [first, second] = labels;
  if (second && Math.abs(Math.log10(first.y / second.y)) < 0.09 * Math.log10(range[1] / range[0])) {
    labels.splice(0, 2, { text: `${first.text}, ${second.text}`, y: Math.max(first.y, second.y) });
  }
  return { curves, labels, log: true, range, end: clockLength(trace, clock), clock };
}

/** P against the truth over all coordinates, sorted by the truth, at one moment. */
export function sortedCurves(trace, time, clock, look) {
  const d = trace.dim;
  const estimating = trace.tracks.map((track, index) => [track, index]).filter(([track]) => track.h_q);
  const truthOf = estimating[0]?.[0] ?? trace.tracks[0];
  const at = (track) => lastAtMost(track.hStep, stepAt(track, time, clock) + 1e-6);
  const truth = truthOf.true_h.subarray(at(truthOf) * d, (at(truthOf) + 1) * d);
  const order = Array.from(truth.keys()).sort((i, j) => truth[j] - truth[i]);
  const x = order.map((_, rank) => rank + 1);
  const positive = (value) => (value > 1e-12 ? value : NaN);
  const curves = [{ name: "true diagonal (modulus)", colour: look.theme.ink, dashed: true, x, y: order.map((j) => positive(Math.abs(truth[j]))) }];
  for (const [track, index] of estimating) {
    const t = at(track);
    const R = track.hStep.length;
    const q = (k) => order.map((j) => positive(track.h_q[(k * R + t) * d + j]));
    curves.push({ name: `${look.titles[index]}, P`, colour: look.colours[index], x, y: q(1), low: q(0), high: q(2) });
  }
  return { curves, order };
}

/** The range of the sorted chart: fixed for a trace, so that nothing jumps while it plays. */
export function sortedFrame(trace, look) {
  const { range } = hessianCurves({ ...trace, header: { ...trace.header, coords: Array.from({ length: Math.min(trace.dim, 60) }, (_, i) => Math.floor((i * trace.dim) / Math.min(trace.dim, 60))) } }, "steps", look);
  return { log: true, range, end: trace.dim, clock: "coordinates, by true curvature", from: 1 };
}

/** ∂²f/∂x² in two dimensions, ∂²f/∂θ₇² in more. */
const name = (j, d) => (d === 2 ? `∂²f/∂${"xy"[j]}²` : `∂²f/∂θ${subscript(j)}²`);

/** Some of the frames 0 … length − 1: the first, the last, and those of `corners` that are among them. */
function thin(length, corners = []) {
  const stride = Math.max(1, Math.ceil(length / POINTS));
  const chosen = new Set([length - 1, ...corners.filter((frame) => frame < length)]);
  for (let i = 0; i < length; i += stride) chosen.add(i);
  chosen.delete(-1);
  return [...chosen].sort((a, b) => a - b);
}

/** A curve of which something was forked at `x`: as it is up to there, a ghost from there on. Infinity: all as it is. */
function splitAt(curve, at) {
  const cut = curve.x.findIndex((x) => x >= at);
  if (cut < 0 || cut >= curve.x.length - 1) return [curve];
  const slice = (from, to) => Object.fromEntries(["x", "y", "low", "high"].map((key) => [key, curve[key].slice(from, to)]));
  return [
    { ...curve, ...slice(0, cut + 1), marks: [], continued: true },
    { ...curve, ...slice(cut), name: `${curve.name}, as it was`, ghost: true },
  ];
}

/** A chart: new curves go on the canvas at once; Plotly draws them when nothing has come for a while. */
export class Chart {
  constructor(graph) {
    Object.assign(this, { graph, picture: null, cursors: [], live: false });
    this.overlay = new Overlay(graph, () => this.draw());
    this.settle = whenIdle(() => this.commit(), SETTLE);
  }

  /** @param {object} picture curves and frame  @param {string} ylabel */
  show(picture, look, ylabel) {
    Object.assign(this, { picture, look, ylabel });
    this.setLive(true);
    this.draw();
    this.settle();
  }

  /** Draw the curves on the canvas (live), or leave them to Plotly. */
  setLive(live) {
    this.live = live;
    this.graph.closest(".stage").classList.toggle("live", live);
  }

  /** Let Plotly draw the curves, for hover, zoom and export. */
  async commit() {
    const { picture, look } = this;
    if (!picture) return;
    await window.Plotly.react(this.graph, plotlyTraces(picture, look), plotlyLayout(picture, look, this.ylabel), {
      displayModeBar: false,
      responsive: true,
      doubleClick: "reset",
    });
    if (picture !== this.picture) return;
    this.overlay.measure();
    this.setLive(false);
    this.draw();
  }

  /** Where the player's time is: one vertical line. Null for none. */
  cursor(time) {
    this.time = time;
    this.draw();
  }

  draw() {
    const context = this.overlay.begin();
    if (!context || !this.picture) {
      if (context) this.overlay.end();
      return;
    }
    if (this.live) for (const curve of this.picture.curves) this.#curve(context, curve);
    for (const { marks = [], colour } of this.picture.curves) for (const mark of marks) this.#mark(context, mark, colour);
    if (this.time !== null && this.time !== undefined) {
      const x = this.overlay.px(this.time);
      context.strokeStyle = this.look.theme.ink;
      context.lineWidth = 1.2;
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(x, this.overlay.box.top);
      context.lineTo(x, this.overlay.box.top + this.overlay.box.height);
      context.stroke();
      context.setLineDash([]);
      for (const curve of this.picture.curves) if (!curve.dashed) this.#marker(context, curve);
    }
    this.overlay.end();
  }

  #marker(context, { x, y, colour, continued }) {
    if (!x.length || this.time < x[0] || (continued && this.time > x[x.length - 1])) return;
    let i = x.findIndex((value) => value > this.time);
    if (i < 0) i = x.length;
    if (!Number.isFinite(y[i - 1])) return;
    context.fillStyle = colour;
    context.strokeStyle = this.look.theme.panel;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(this.overlay.px(Math.min(this.time, x[x.length - 1])), this.overlay.py(y[i - 1]), 4.5, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }

  #curve(context, { x, y, low, high, colour, dashed, faint, ghost }) {
    const { px, py } = this.overlay;
    const { theme } = this.look;
    if (low) {
      context.fillStyle = fade(colour, ghost ? GHOST * theme.band : theme.band);
      context.beginPath();
      for (let i = 0; i < x.length; i++) context.lineTo(px(x[i]), py(high[i]));
      for (let i = x.length - 1; i >= 0; i--) context.lineTo(px(x[i]), py(low[i]));
      context.fill();
    }
    context.strokeStyle = colour;
    context.globalAlpha = faint ? 0.75 : 1;
    context.lineWidth = dashed ? 1.4 : ghost ? 0.7 * theme.line : theme.line;
    if (dashed) context.setLineDash([7, 5]);
    if (ghost) context.setLineDash([2, 3]);
    context.beginPath();
    let pen = false;
    for (let i = 0; i < x.length; i++) {
      if (!Number.isFinite(y[i])) pen = false;
      else if (pen) context.lineTo(px(x[i]), py(y[i]));
      else {
        context.moveTo(px(x[i]), py(y[i]));
        pen = true;
      }
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** ✕ at the top: diverged. ▼ at the bottom, ▲ at the top: goes on beyond the axis. */
  #mark(context, { kind, x, y }, colour) {
    const down = kind === "below" ? 1 : -1;
    const [cx, cy] = [this.overlay.px(x), this.overlay.py(y) + (kind === "cross" ? 8 : -6 * down)];
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 3;
    context.beginPath();
    if (kind !== "cross") {
      context.moveTo(cx - 6, cy - 4 * down);
      context.lineTo(cx + 6, cy - 4 * down);
      context.lineTo(cx, cy + 5 * down);
      context.fill();
      return;
    }
    for (const sign of [1, -1]) {
      context.moveTo(cx - 5, cy - 5 * sign);
      context.lineTo(cx + 5, cy + 5 * sign);
    }
    context.stroke();
  }
}

function plotlyTraces({ curves }, { theme }) {
  return curves.flatMap(({ name, x, y, low, high, colour, dashed, faint, ghost }) => {
    const title = escapedInPlotly(name);
    const band = low && {
      type: "scatter",
      x: [...x, ...x.toReversed()],
      y: [...high, ...low.toReversed()],
      fill: "toself",
      fillcolor: fade(colour, ghost ? GHOST * theme.band : theme.band),
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
      opacity: faint ? 0.75 : 1,
      line: { color: colour, width: dashed ? 1.4 : ghost ? 0.7 * theme.line : theme.line, dash: dashed ? "7px,5px" : ghost ? "2px,3px" : "solid" },
      hovertemplate: `${title}<br>%{y:.3g} at %{x:,.6~g}<extra></extra>`,
      hoverlabel: { bgcolor: theme.panel, bordercolor: colour, font: { color: theme.ink, family: theme.font } },
    };
    return band ? [band, line] : [line];
  });
}

function plotlyLayout({ log, range, end, clock, from = 0, labels = [] }, { theme }, ylabel) {
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, fixedrange: true };
  return {
    margin: { l: 4.5 * theme.size, r: 10, t: 6, b: 3 * theme.size },
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
      dtick: log ? Math.max(1, Math.ceil(Math.log10(range[1] / range[0]) / 6)) : undefined,
      title: { text: ylabel, standoff: 2 },
    },
    annotations: labels.map(({ text, y }) => ({
      text,
      xref: "paper",
      x: 0.99,
      xanchor: "right",
      y: Math.log10(y),
      yanchor: "bottom",
      showarrow: false,
      font: { color: theme.ink, size: theme.size },
    })),
  };
}
