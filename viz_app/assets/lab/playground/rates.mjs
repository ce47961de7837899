// What lr=auto went by, and the learning rate that it made of it, over time.

import { extent } from "../vendor/d3.mjs";
import { clockAt, clockLength, shownFrames } from "./trace.mjs";

/** @import { Curve, Picture } from "./curves.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Clock, Trace } from "./trace.mjs" */

/** The rows of a track's `rates` (hizoo_core.auto_rate.READINGS). */
export const ROWS = ["s", "v", "tr", "q", "η"];
const POINTS = 400; // along a curve
const APART = 0.075; // of the axis, at least, between the names of two curves

/** Median η of each optimizer with lr=auto, and dashed what it was made of. @param {Trace} trace @param {Clock} clock @param {Look} look @returns {Picture} */
export function rateCurves(trace, clock, look) {
  /** @type {Curve[]} */
  const curves = [];
  /** @type {{text: string, y: number, colour: string}[]} */
  const labels = [];
  for (const [index, track] of trace.tracks.entries()) {
    const { rates } = track;
    if (!rates) continue;
    const shown = shownFrames(track.step, track, trace, clock);
    const stride = Math.max(1, Math.ceil(shown / POINTS));
    for (const [row, symbol] of ROWS.entries()) {
      const input = symbol !== "η";
      /** @type {Curve} */
      const curve = { name: `${look.titles[index]}, ${symbol}`, colour: look.colours[index], dashed: input, faint: input, x: [], y: [] };
      for (let t = 1; t < shown; t += stride) {
        const value = rates[row * track.frames + t];
        curve.x.push(clockAt(track, track.step[t], clock));
        curve.y.push(value > 0 ? value : NaN);
      }
      if (!curve.y.some(Number.isFinite)) continue;
      curves.push(curve);
      labels.push({ text: symbol, y: curve.y.findLast(Number.isFinite) ?? NaN, colour: curve.colour });
    }
  }
  const [low = 0.1, high = 10] = extent(curves.flatMap(({ y }) => y.filter(Number.isFinite)));
  const range = /** @type {[number, number]} */ ([10 ** Math.floor(Math.log10(low) - 0.15), 10 ** Math.ceil(Math.log10(high) + 0.25)]);
  return { curves, labels: apart(labels, range), log: true, range, end: clockLength(trace, clock), clock };
}

/** Names of curves moved up as far as they would cover one below, then down from the top. @template {{y: number}} L @param {L[]} labels @param {[number, number]} range @returns {L[]} */
function apart(labels, [low, high]) {
  const gap = APART * Math.log10(high / low);
  const sorted = labels.map((label) => ({ ...label, y: Math.log10(label.y) })).sort((a, b) => a.y - b.y);
  sorted.forEach((label, i) => i && (label.y = Math.max(label.y, sorted[i - 1].y + gap)));
  sorted.toReversed().forEach((label, i, down) => (label.y = Math.min(label.y, (i ? down[i - 1].y : Math.log10(high)) - gap)));
  return sorted.map((label) => ({ ...label, y: 10 ** label.y }));
}
