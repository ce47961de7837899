// What the charts show: pure functions from a trace to curves.

import { extent, range as indices } from "../vendor/d3.mjs";
import { subscript } from "../web/scale.mjs";
import { clockAt, clockLength, lastAtMost, shownFrames, stepAt } from "./trace.mjs";

/** @import { Look } from "./page.mjs" */
/** @import { Clock, Trace, Track } from "./trace.mjs" */

const POINTS = 400; // along a curve
const SAMPLE = 60; // coordinates that stand for all in the sorted chart's range

/**
 * @typedef {object} Curve
 * @property {string} name @property {string} colour @property {number[]} x @property {number[]} y
 * @property {number[]=} low @property {number[]=} high the band
 * @property {boolean=} dashed @property {boolean=} faint
 * @property {boolean=} ghost an old future, from which something was forked  @property {boolean=} continued by such a one
 * @property {Mark[]=} marks where its median diverged, or first left the scale
 */

/** @typedef {{kind: "cross" | "below" | "above", x: number, y: number}} Mark */
/** @typedef {Curve & {low: number[], high: number[], marks: Mark[]}} Banded a curve while it is made */

/**
 * @typedef {object} Frame the axes
 * @property {boolean} log whether y is logarithmic @property {[number, number]} range of y
 * @property {number} end of x @property {number=} from its start, 0 unless given @property {string} clock what x is
 */

/** @typedef {Frame & {curves: Curve[], labels?: {text: string, y: number, colour?: string}[]}} Picture */

/** From which step a track is drawn, and from which on as a ghost; a look without forks need not say. @param {Look} look @param {number} index */
const spanOf = (look, index) => look.spans?.[index] ?? { from: 0, ghost: Infinity };

/** @param {string} name @param {string} colour @returns {Banded} */
const emptyCurve = (name, colour) => ({ name, colour, x: [], y: [], low: [], high: [], marks: [] });

/** Loss above the minimum against the clock: median and 10–90 % band over runs. @param {Trace} trace @param {Clock} clock @param {Look} look @returns {Picture} */
export function lossCurves(trace, clock, look) {
  const { log, range } = lossRange(trace, clock);
  const [low, high] = range;
  /** @param {number} value */
  const clip = (value) => (Number.isNaN(value) ? value : Math.min(Math.max(value, low), high));
  const curves = trace.tracks.flatMap((track, index) => {
    const R = track.frames;
    const curve = emptyCurve(look.titles[index], look.colours[index]);
    const { from, ghost } = spanOf(look, index);
    for (const t of thin(shownFrames(track.step, track, trace, clock), [from, ghost].map((step) => lastAtMost(track.step, step)))) {
      if (track.step[t] < from) continue; // until then it is what it was forked from
      const median = track.gap_q[R + t];
      const x = clockAt(track, track.step[t], clock);
      if (!Number.isFinite(median)) {
        curve.marks.push({ kind: "cross", x, y: high });
        if (curve.x.length) {
          curve.x.push(x);
          for (const list of [curve.y, curve.low, curve.high]) list.push(high);
        }
        break;
      }
      if (median < low) markOnce(curve, "below", x, low);
      if (median > high) markOnce(curve, "above", x, high);
      curve.x.push(x);
      curve.y.push(clip(median));
      curve.low.push(clip(track.gap_q[t]));
      curve.high.push(clip(track.gap_q[2 * R + t]));
    }
    return splitAt(curve, clockAt(track, ghost, clock));
  });
  return { curves, log, range, end: clockLength(trace, clock), clock };
}

/** @param {Banded} curve @param {Mark["kind"]} kind @param {number} x @param {number} y */
function markOnce(curve, kind, x, y) {
  if (!curve.marks.some((mark) => mark.kind === kind)) curve.marks.push({ kind, x, y });
}

/** The axis of the loss: logarithmic, in decades, unless there are losses that have no logarithm. @param {Trace} trace @param {Clock} clock @returns {Pick<Frame, "log" | "range">} */
function lossRange(trace, clock) {
  const shown = trace.tracks.flatMap((track) => {
    const frames = shownFrames(track.step, track, trace, clock);
    return [0, 1, 2].flatMap((q) => Array.from(track.gap_q.subarray(q * track.frames, q * track.frames + frames)));
  });
  const finite = shown.filter(Number.isFinite);
  const initial = trace.tracks[0].gap_q[trace.tracks[0].frames];
  if (trace.reference === null && shown.some((value) => value <= 0)) {
    const top = Math.max(initial, 0) + 0.1 * Math.max(Math.abs(initial), 1);
    const least = finite.reduce((a, b) => Math.min(a, b), Infinity);
    const bottom = Math.max(least, initial - 50 * Math.max(Math.abs(initial), 1));
    return { log: false, range: [bottom - 0.05 * (top - bottom), top] };
  }
  const [low = Infinity, high = -Infinity] = extent(finite.filter((value) => value > 0));
  const bottom = Math.floor(Math.log10(Math.max(low, initial * 1e-14)) + 1e-9);
  const top = Math.ceil(Math.log10(Math.min(Math.max(high, initial), initial * 1e4)) - 1e-9);
  return { log: true, range: [10 ** bottom, 10 ** top] };
}

/** Those that estimate the Hessian, and the track along whose runs the exact one is shown. @param {Trace} trace */
function estimating({ tracks }) {
  const found = tracks.flatMap((track, index) => (track.h_q ? [{ track, index, h: track.h_q }] : []));
  return { found, exact: found[0]?.track ?? tracks[0] };
}

/**
 * P beside the exact diagonal over time, at the shown coordinates: the absolute value of the exact diagonal along the runs
 * of the first optimizer that estimates it.
 * @param {Trace} trace @param {Clock} clock @param {Look} look @param {number[]} [coordinates] others than the shown ones
 * @returns {Picture}
 */
export function hessianCurves(trace, clock, look, coordinates = trace.header.coords) {
  /** @type {Curve[]} */
  const curves = [];
  const labels = [];
  const { found, exact } = estimating(trace);
  let [low, high] = [Infinity, -Infinity];
  /** @param {number} value */
  const see = (value) => {
    if (value > 1e-12 && value < 1e15) [low, high] = [Math.min(low, value), Math.max(high, value)];
  };
  const d = trace.dim;
  for (const [which, j] of coordinates.entries()) {
    /** @type {Curve} */
    const positive = { name: `true diagonal, ${name(j, d)}`, colour: look.theme.ink, dashed: true, x: [], y: [] };
    /** @type {Curve} */
    const negative = { ...positive, name: "true diagonal is negative: its absolute value", colour: look.theme.colour("--warning"), x: [], y: [] };
    for (const t of thin(shownFrames(exact.hStep, exact, trace, clock))) {
      const value = exact.true_h[t * d + j];
      const size = Math.abs(value) > 1e-12 ? Math.abs(value) : NaN;
      const x = clockAt(exact, exact.hStep[t], clock);
      positive.x.push(x);
      negative.x.push(x);
      positive.y.push(value > 0 ? size : NaN);
      negative.y.push(value < 0 ? size : NaN);
      see(size);
    }
    curves.push(...[positive, negative].filter(({ y }) => y.some(Number.isFinite)));
    let top = NaN;
    for (const { track, index, h } of found) {
      const R = track.hStep.length;
      const curve = { ...emptyCurve(`${look.titles[index]}, P ${name(j, d)}`, look.colours[index]), faint: which === 1 };
      const { from, ghost } = spanOf(look, index);
      const corners = [from, ghost].map((step) => lastAtMost(track.hStep, step));
      for (const t of thin(shownFrames(track.hStep, track, trace, clock), corners)) {
        if (track.hStep[t] < from) continue;
        const [least, median, most] = [0, 1, 2].map((q) => h[(q * R + t) * d + j]);
        if (!(median > 0)) break;
        curve.x.push(clockAt(track, track.hStep[t], clock));
        curve.y.push(median);
        curve.low.push(least);
        curve.high.push(most);
        see(least);
        see(most);
      }
      curves.push(...splitAt(curve, clockAt(track, ghost, clock)));
      top = 1.3 * curve.y[Math.floor(curve.y.length * 0.9)] || top;
    }
    const last = top || positive.y.findLast(Number.isFinite);
    if (last && last > 0) labels.push({ text: name(j, d), y: last });
  }
  if (!(low < Infinity)) [low, high] = [0.1, 10];
  /** @type {[number, number]} */
  const range = [10 ** Math.floor(Math.log10(low) - 0.15), 10 ** Math.ceil(Math.log10(high) + 0.25)];
  const [first, second] = labels;
  if (second && Math.abs(Math.log10(first.y / second.y)) < 0.09 * Math.log10(range[1] / range[0])) {
    labels.splice(0, 2, { text: `${first.text}, ${second.text}`, y: Math.max(first.y, second.y) });
  }
  return { curves, labels, log: true, range, end: clockLength(trace, clock), clock };
}

/** P beside the exact diagonal over all coordinates, sorted by the latter, at one moment. @param {Trace} trace @param {number} time @param {Clock} clock @param {Look} look */
export function sortedCurves(trace, time, clock, look) {
  const d = trace.dim;
  const { found, exact } = estimating(trace);
  /** @param {Track} track */
  const at = (track) => lastAtMost(track.hStep, stepAt(track, time, clock) + 1e-6);
  const diagonal = exact.true_h.subarray(at(exact) * d, (at(exact) + 1) * d);
  const order = indices(d).sort((i, j) => diagonal[j] - diagonal[i]);
  const x = order.map((_, rank) => rank + 1);
  /** @param {number} value */
  const positive = (value) => (value > 1e-12 ? value : NaN);
  /** @type {Curve[]} */
  const curves = [{ name: "true diagonal (absolute value)", colour: look.theme.ink, dashed: true, x, y: order.map((j) => positive(Math.abs(diagonal[j]))) }];
  for (const { track, index, h } of found) {
    const [t, R] = [at(track), track.hStep.length];
    const [low, y, high] = [0, 1, 2].map((q) => order.map((j) => positive(h[(q * R + t) * d + j])));
    curves.push({ name: `${look.titles[index]}, P`, colour: look.colours[index], x, y, low, high });
  }
  return { curves, order };
}

/** The axes of the sorted chart: fixed for a trace, so that nothing jumps while it plays. @param {Trace} trace @param {Look} look @returns {Frame} */
export function sortedFrame(trace, look) {
  const some = Math.min(trace.dim, SAMPLE);
  const { range } = hessianCurves(trace, "steps", look, indices(some).map((i) => Math.floor((i * trace.dim) / some)));
  return { log: true, range, end: trace.dim, clock: "coordinates, by true curvature", from: 1 };
}

/** ∂²f/∂x² in two dimensions, ∂²f/∂θ₇² in more. @param {number} j @param {number} d */
const name = (j, d) => (d === 2 ? `∂²f/∂${"xy"[j]}²` : `∂²f/∂θ${subscript(j)}²`);

/** Some of the frames 0 … length − 1: the first, the last, and those of `corners` that are among them. @param {number} length @param {number[]} [corners] */
function thin(length, corners = []) {
  if (length < 1) return [];
  const stride = Math.max(1, Math.ceil(length / POINTS));
  const chosen = new Set([...indices(0, length, stride), length - 1, ...corners.filter((frame) => frame < length)]);
  return [...chosen].sort((a, b) => a - b);
}

/** A curve of which something was forked at `x`: as it is up to there, a ghost from there on. Infinity: all as it is. @param {Banded} curve @param {number} at @returns {Curve[]} */
function splitAt(curve, at) {
  const cut = curve.x.findIndex((x) => x >= at);
  if (cut < 0 || cut >= curve.x.length - 1) return [curve];
  /** @param {number} from @param {number} [to] */
  const slice = (from, to) => ({ x: curve.x.slice(from, to), y: curve.y.slice(from, to), low: curve.low.slice(from, to), high: curve.high.slice(from, to) });
  return [
    { ...curve, ...slice(0, cut + 1), marks: [], continued: true },
    { ...curve, ...slice(cut), name: `${curve.name}, as it was`, ghost: true },
  ];
}
