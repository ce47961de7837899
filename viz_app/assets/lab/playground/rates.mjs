// What lr=auto went by, and the learning rate that it made of it, over time.

import { extent } from "../vendor/d3.mjs";
import { clockAt, clockLength, shownFrames } from "./trace.mjs";

/** @import { Curve, Picture } from "./curves.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Clock, Trace } from "./trace.mjs" */

/** The rows of a track's `rates` (hizoo_core.auto_rate.READINGS). */
export const ROWS = ["s", "v", "tr", "q", "η"];
const POINTS = 400; // along a curve

/** Median η of each optimizer with lr=auto, and dashed what it was made of. @param {Trace} trace @param {Clock} clock @param {Look} look @returns {Picture} */
export function rateCurves(trace, clock, look) {
  /** @type {Curve[]} */
  const curves = [];
  /** @type {{text: string, y: number}[]} */
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
      labels.push({ text: symbol, y: curve.y.findLast(Number.isFinite) ?? NaN });
    }
  }
  const [low = 0.1, high = 10] = extent(curves.flatMap(({ y }) => y.filter(Number.isFinite)));
  const range = /** @type {[number, number]} */ ([10 ** Math.floor(Math.log10(low) - 0.15), 10 ** Math.ceil(Math.log10(high) + 0.25)]);
  return { curves, labels: trace.tracks.filter(({ rates }) => rates).length === 1 ? labels : [], log: true, range, end: clockLength(trace, clock), clock };
}
