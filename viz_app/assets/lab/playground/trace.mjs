// A run as the server computed it (viz_app/playground/wire.py says what each array is), and its clocks.

import { bisectRight } from "../vendor/d3.mjs";
import { decode } from "../web/binary.mjs";

/** @import { Settings } from "./slots.mjs" */
/** @import { Place } from "../web/binary.mjs" */

/** @typedef {"steps" | "forwards" | "seconds"} Clock what time is counted in */

/** @typedef {{kind: "finished" | "diverged", step: number | null, sentence: string, floor_step: number | null}} Status how a run ended */

/**
 * @typedef {object} Readings what the header says of an optimizer
 * @property {string} label @property {string} method
 * @property {number} passes_per_step @property {number} seconds of all runs together
 * @property {number | null} n directions, null where there are none
 * @property {Settings} hyperparameters
 * @property {{step: number, passes_per_step: number, hyperparameters: Settings}[]} changes a fork's later settings
 * @property {Status[]} statuses of the runs
 * @property {number} diverged how many did @property {number | null} floor_step
 * @property {{median: number | null, reached: number} | null} passes_to_target
 */

/**
 * @typedef {object} Arrays R recorded steps, B runs, d dimensions
 * @property {Float32Array} step (R,)
 * @property {Float32Array} forwards (R,) forward passes spent
 * @property {Float32Array} path (R, B, 2) the two shown coordinates
 * @property {Float32Array} gap (R, B) loss above the minimum
 * @property {Float32Array} gap_q (3, R) its 10, 50 and 90 % over runs
 * @property {Float32Array=} distance (R,) to the nearest minimum
 * @property {Float32Array=} h_step (H,) the steps of h_q and true_h, where they are fewer
 * @property {Float32Array=} h_q (3, H, d) 10, 50 and 90 % of P
 * @property {Float32Array} true_h (H, d) the exact diagonal Hessian
 * @property {Float32Array=} shown_h (R, 2) run 0: P at the shown coordinates
 * @property {Float32Array=} shown_hessian (R, 3) run 0: H_aa, H_ab, H_bb
 * @property {Float32Array=} rates (5, R) medians of what lr=auto went by: s, v, tr, q, and η
 * @property {Float32Array} headroom (R, 4) run 0: log10 of R of no preconditioner, of P, of the exact diagonal, and the most of any
 * @property {Float32Array} gain (R, 3) run 0: log10 of what a step takes off the loss with the first three
 * @property {Float32Array=} u (R, n, 2) run 0: the directions at the shown coordinates
 */

/**
 * @typedef {object} Sizes
 * @property {number} frames recorded steps R @property {number} runs B
 * @property {Record<string, number[]>} shapes of the arrays
 * @property {Float32Array} hStep the steps of h_q and true_h
 * @property {Float64Array=} inSeconds the clock of seconds, once it has been asked for
 */

/** @typedef {Readings & Arrays & Sizes} Track one optimizer's runs */

/**
 * @typedef {object} Header
 * @property {string} spec canonical
 * @property {{name: string, dim: number}} function
 * @property {number[]} coords the two shown
 * @property {number} runs @property {number} steps
 * @property {number | null} reference the minimum, if it is known
 * @property {number | null} target @property {number} initial_gap
 */

/** @typedef {{header: Header, tracks: Track[], dim: number, reference: number | null}} Trace */

/** A trace: its header and one Track an optimizer. @param {ArrayBuffer} buffer @returns {Trace} */
export function decodeTrace(buffer) {
  const { header, view } = decode(buffer);
  const tracks = header.optimizers.map((/** @type {Readings & {arrays: Record<string, Place>}} */ optimizer) => {
    const places = Object.entries(optimizer.arrays);
    const arrays = Object.fromEntries(places.map(([name, place]) => [name, view(place)]));
    const shapes = Object.fromEntries(places.map(([name, { shape }]) => [name, shape]));
    return { ...optimizer, ...arrays, shapes, frames: shapes.step[0], runs: header.runs, hStep: arrays.h_step ?? arrays.step };
  });
  return { header, tracks, dim: header.function.dim, reference: header.reference };
}

/**
 * What the clock shows at each of a track's frames. A fork with another n pays another price a step, so that passes, and
 * the seconds that are shared out by them, are a line with corners.
 * @param {Track} track @param {Clock} clock
 * @returns {Float32Array | Float64Array} (R,)
 */
function times(track, clock) {
  if (clock === "steps") return track.step;
  if (clock === "forwards") return track.forwards;
  const second = track.seconds / (track.forwards[track.frames - 1] || 1);
  return (track.inSeconds ??= Float64Array.from(track.forwards, (passes) => passes * second));
}

/** Where `value` of the rising `from` lies in `to`, straight between two entries. @param {ArrayLike<number>} from @param {ArrayLike<number>} to @param {number} value */
function between(from, to, value) {
  const i = Math.min(lastAtMost(from, value), from.length - 2);
  if (i < 0) return to[0];
  const part = from[i + 1] > from[i] ? (value - from[i]) / (from[i + 1] - from[i]) : 0;
  return to[i] + Math.min(Math.max(part, 0), 1) * (to[i + 1] - to[i]);
}

/** The clock at a step of a track. @param {Track} track @param {number} step @param {Clock} clock */
export const clockAt = (track, step, clock) => (clock === "steps" ? step : between(track.step, times(track, clock), step));

/** The step of a track, not rounded, at a time of the clock; the last one when the clock goes on after its end. @param {Track} track @param {number} time @param {Clock} clock */
export const stepAt = (track, time, clock) => between(times(track, clock), track.step, time);

/** The hyperparameters of the step that leaves `step`: a fork's are others from its step on. @param {Track} track @param {number} step */
export const settingsAt = (track, step) => track.changes.findLast((change) => change.step <= step)?.hyperparameters ?? track.hyperparameters;

/** The frame of the last recorded step at or before `step`. @param {Track} track @param {number} step */
export const frameOf = (track, step) => lastAtMost(track.step, step);

/**
 * Where the clock ends. By forward passes the race is over when the first of the zeroth-order methods has spent its own:
 * what another does beyond that budget is no comparison (the clock of steps shows it). Otherwise it ends with the last.
 * @param {Trace} trace @param {Clock} clock
 */
export function clockLength(trace, clock) {
  /** @param {Track} track */
  const length = (track) => times(track, clock)[track.frames - 1];
  if (clock !== "forwards") return Math.max(...trace.tracks.map(length));
  const racing = trace.tracks.filter((track) => track.n !== null);
  return Math.min(...(racing.length ? racing : trace.tracks).map(length));
}

/** How many of a track's steps (frames, or those of its curvature) the clock shows: up to the first at or after its end. @param {ArrayLike<number>} steps @param {Track} track @param {Trace} trace @param {Clock} clock */
export function shownFrames(steps, track, trace, clock) {
  const last = lastAtMost(steps, stepAt(track, clockLength(trace, clock), clock) + 1e-6);
  return Math.min(last + 2, steps.length);
}

/** Last index whose entry is at most `value`, in a rising array; 0 where there is none. @param {ArrayLike<number>} array @param {number} value */
export const lastAtMost = (array, value) => Math.max(0, bisectRight(array, value) - 1);

/** @typedef {{frame: number, part: number, step: number}} Moment a frame, and the fraction of the way to the next */

/** Where a track is at a time of the clock. @param {Track} track @param {number} time @param {Clock} clock @returns {Moment} */
export function frameAt(track, time, clock) {
  const step = stepAt(track, time, clock) + 1e-6;
  const frame = lastAtMost(track.step, step);
  const next = Math.min(frame + 1, track.frames - 1);
  const gap = track.step[next] - track.step[frame];
  return { frame, part: gap > 0 ? Math.min((step - track.step[frame]) / gap, 1) : 0, step: Math.min(step, track.step[track.frames - 1]) };
}
