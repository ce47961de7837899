// What curvature could gain at a moment, from the trace alone: bars of R, and one sentence.

import { isLeast, reading } from "../web/scale.mjs";

/** @import { Track } from "./trace.mjs" */

const NOTHING = 1.05; // a gain below it is called none
const LONGEST = 9; // decades on either side of no preconditioner

/**
 * @typedef {object} Bar
 * @property {string} key @property {string} label @property {string} title
 * @property {number} value R @property {[number, number]} span from and to, as parts of the axis
 */

/** @type {WeakMap<Track, [number, number]>} */
const axes = new WeakMap();

/** The axis for a track's whole run, so that bars do not jump: log10 of R over that of no preconditioner. @param {Track} track @returns {[number, number]} */
export function axisOf(track) {
  const known = axes.get(track);
  if (known) return known;
  let [low, high] = [0, 1];
  track.headroom.forEach((log, i) => {
    const gain = log - track.headroom[i - (i % 4)];
    if (Math.abs(gain) < LONGEST) [low, high] = [Math.min(low, gain), Math.max(high, gain)];
  });
  /** @type {[number, number]} */
  const axis = [Math.min(Math.floor(low + 1e-4), -1), Math.ceil(high - 1e-4)];
  axes.set(track, axis);
  return axis;
}

/** The bars at a frame, each from no preconditioner on. @param {Track} track @param {number} frame @param {string} title of the optimizer @returns {Bar[]} */
export function barsOf(track, frame, title) {
  const axis = axisOf(track);
  const [none] = track.headroom.subarray(4 * frame);
  const rows = [
    ["none", "no preconditioner", "Σ = 1: probes and steps alike in all directions, as MeZO's"],
    ["p", `P of ${title}`, "Σ = 1/P, with the estimate P at the cursor"],
    ["exact", "exact diagonal", "Σ = 1/|Hⱼⱼ|, with the exact diagonal of the Hessian"],
    ["most", "any diagonal, at most", "The largest of gⱼ²/Hⱼⱼ: R of no diagonal Σ is above it"],
  ];
  return rows.flatMap(([key, label, what], i) => {
    const log = track.headroom[4 * frame + i];
    if (key === "p" && !track.shown_h) return [];
    return [{ key, label, value: 10 ** log, span: spanOf(log - none, axis), title: what }];
  });
}

/** A bar from a gain of 1 to another, as parts of the axis. @param {number} gain log10 @param {[number, number]} axis @returns {[number, number]} */
export function spanOf(gain, [low, high]) {
  const kept = Number.isNaN(gain) ? 0 : Math.min(Math.max(gain, low), high);
  return [(Math.min(kept, 0) - low) / (high - low), (Math.max(kept, 0) - low) / (high - low)];
}

/** R as text: its logarithm came, so float32 does not end it as it ends a loss. @param {number} value */
export const shown = (value) => (value === Infinity ? "no bound" : isLeast(value) ? value.toExponential(1) : reading(value));

/** How many times as much: 4,100 times. @param {number} ratio */
export function times(ratio) {
  const value = ratio >= 1000 ? Number(ratio.toPrecision(2)) : Number(ratio.toPrecision(ratio < 10 ? 2 : 3));
  return `${ratio >= 1e7 ? reading(ratio) : value.toLocaleString("en")} times`;
}

/**
 * What curvature could gain at a frame, in one sentence.
 * @param {Track} track @param {number} frame @param {string} title of the optimizer @param {number} n its directions a step
 */
export function sentence(track, frame, title, n) {
  const [none, p, exact] = track.headroom.subarray(4 * frame);
  const gains = track.gain.subarray(3 * frame, 3 * frame + 3);
  if (none === -Infinity) return "The slope here is 0: no step gains anything.";
  if (Number.isNaN(none) || Number.isNaN(exact)) return "Here the loss is not convex along the probes: there is no best step to compare.";
  const [own, best] = [gains[1] - gains[0], gains[2] - gains[0]].map((log) => 10 ** log);
  const said =
    best < NOTHING && 10 ** (exact - none) < NOTHING
      ? "Here curvature gains nothing: with the exact diagonal R is "
      : "With the exact diagonal R is ";
  const of = `a step of ${n === 1 ? "one direction" : `${n} directions`} takes`;
  const first = `${said}${times(10 ** (exact - none))} that without, and ${of} ${times(best)} as much off the loss`;
  return track.shown_h ? `${first}; with the P of ${title} ${times(10 ** (p - none))} and ${times(own)}.` : `${first}.`;
}
