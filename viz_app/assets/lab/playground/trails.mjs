// The trails of the runs: on a canvas while time moves, Plotly's own when it rests.

import { drawing, stroke } from "../web/canvas.mjs";
import { escapedInPlotly } from "../web/escaped.mjs";
import { reading, short } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { frameOf } from "./trace.mjs";

/** @import { Overlay } from "../web/overlay.mjs" */
/** @import { Point } from "../web/point.mjs" */
/** @import { Theme } from "../web/theme.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Moment, Trace, Track } from "./trace.mjs" */

export const GHOST = 0.45; // opacity of an old future, from which something was forked
const COMMITTED = 24000; // points that all thin runs of an optimizer keep when their trails become a Plotly trace

/** @typedef {{first: number, ghost: number}} Frames the first that is drawn (before it, a fork is what it was forked from), and the one from which on it is a ghost */

/** @param {Track} track @param {Look["spans"]} spans @param {number} index @returns {Frames} */
export function framesOf(track, spans, index) {
  const { from, ghost } = spans?.[index] ?? { from: 0, ghost: Infinity };
  return { first: from ? frameOf(track, from) : 0, ghost: ghost === Infinity ? Infinity : frameOf(track, ghost) };
}

/** Where a run is, in pixels, between two frames; null after it stopped. @param {Overlay} overlay @param {Track} track @param {number} run @param {Moment} moment @returns {Point | null} */
export function headOf(overlay, track, run, { frame, part }) {
  const at = 2 * (frame * track.runs + run);
  const next = 2 * (Math.min(frame + 1, track.frames - 1) * track.runs + run);
  /** @param {0 | 1} i */
  const mix = (i) => {
    const [a, b] = [track.path[at + i], track.path[next + i]];
    return Number.isFinite(b) ? a + (b - a) * part : a;
  };
  const [x, y] = [overlay.px(mix(0)), overlay.py(mix(1))];
  return Number.isFinite(x) && Number.isFinite(y) ? [x, y] : null;
}

/**
 * Add the polylines of runs [first, last) between two frames to the path; steps under a pixel are left out.
 * @param {CanvasRenderingContext2D} context @param {Overlay} overlay @param {Track} track
 * @param {[number, number]} of runs @param {number} from @param {number} to
 */
export function runLines(context, { px, py }, { path, runs }, [first, last], from, to) {
  for (let run = first; run < last; run++) {
    let at = 2 * (from * runs + run);
    let [x, y] = [px(path[at]), py(path[at + 1])];
    if (Number.isNaN(x)) continue;
    context.moveTo(x, y);
    for (let t = from + 1; t <= to; t++) {
      at = 2 * (t * runs + run);
      const [nextX, nextY] = [px(path[at]), py(path[at + 1])];
      if (Number.isNaN(nextX)) break;
      if (t < to && Math.abs(nextX - x) + Math.abs(nextY - y) < 0.8) continue;
      context.lineTo(nextX, nextY);
      [x, y] = [nextX, nextY];
    }
  }
}

/** The trails so far, on a canvas of their own: what is new is added to it. */
export class Ink {
  canvas = document.createElement("canvas");
  #context = drawing(this.canvas);
  /** @type {{trace: Trace, frames: number[]} | null} */
  #inked = null;

  /**
   * Add what is new; start over if `again`, if the trace is another, or if time went back.
   * @param {Overlay} overlay @param {Trace} trace @param {Moment[]} places @param {Look} look @param {boolean} again
   */
  to(overlay, trace, places, { theme, colours, spans }, again) {
    const context = this.#context;
    if (again || this.#inked?.trace !== trace || places.some((place, i) => place.frame < (this.#inked?.frames[i] ?? 0))) {
      this.canvas.width = overlay.canvas.width;
      this.canvas.height = overlay.canvas.height;
      const ratio = window.devicePixelRatio || 1;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.#inked = { trace, frames: places.map(() => 0) };
    }
    const { frames } = this.#inked;
    trace.tracks.forEach((track, index) => {
      const { first, ghost } = framesOf(track, spans, index);
      const from = Math.max(frames[index], first);
      const to = places[index].frame;
      frames[index] = to;
      if (to <= from) return;
      const colour = colours[index];
      const end = Math.min(to, Math.max(from, ghost));
      if (end > from) {
        if (track.runs > 1) stroke(context, fade(colour, theme.trail), {}, () => runLines(context, overlay, track, [1, track.runs], from, end));
        stroke(context, colour, { width: theme.line }, () => runLines(context, overlay, track, [0, 1], from, end));
      }
      if (to > end) stroke(context, fade(colour, GHOST), { width: 0.7 * theme.line }, () => runLines(context, overlay, track, [0, 1], end, to));
    });
  }
}

/**
 * A track's trails up to a frame, for Plotly: all runs but the first in one line, then the first, and its old future.
 * @param {Track} track @param {number} frame @param {Frames} frames @param {string} name @param {string} colour @param {Theme} theme
 * @returns {PlotlyTrace[]}
 */
export function plotlyTrails(track, frame, { first, ghost }, name, colour, theme) {
  const stride = Math.ceil((track.frames * track.runs) / COMMITTED); // of the whole run, so that no trail changes its shape in time
  /** @type {{x: (number | null)[], y: (number | null)[]}} */
  const others = { x: [], y: [] };
  for (let run = 1; run < track.runs; run++) {
    for (let t = first; t <= Math.min(frame, ghost); t += stride) {
      const at = 2 * (t * track.runs + run);
      if (!Number.isFinite(track.path[at])) break;
      others.x.push(track.path[at]);
      others.y.push(track.path[at + 1]);
    }
    others.x.push(null);
    others.y.push(null);
  }
  const title = escapedInPlotly(name);
  /** @type {{x: number[], y: number[], text: string[]}} */
  const shown = { x: [], y: [], text: [] };
  /** @type {typeof shown} */
  const old = { x: [], y: [], text: [] };
  for (let t = first; t <= frame; t++) {
    const at = 2 * t * track.runs;
    if (!Number.isFinite(track.path[at])) break;
    const text = `${title}, run 1<br>step ${track.step[t]}, ${track.forwards[t]} forward passes<br>θ (${short(track.path[at])}, ${short(track.path[at + 1])})<br>loss ${reading(track.gap[t * track.runs])}`;
    for (const list of t < ghost ? [shown] : t === ghost ? [shown, old] : [old]) {
      list.x.push(track.path[at]);
      list.y.push(track.path[at + 1]);
      list.text.push(text);
    }
  }
  const line = { type: "scatter", mode: "lines" };
  const hoverlabel = { bgcolor: theme.panel, bordercolor: colour, font: { color: theme.ink, family: theme.font } };
  return [
    { ...line, ...others, line: { color: fade(colour, theme.trail), width: 1 }, hoverinfo: "skip" },
    { ...line, ...shown, line: { color: colour, width: theme.line }, hoverinfo: "text", hoverlabel },
    ...(old.x.length ? [{ ...line, ...old, line: { color: fade(colour, GHOST), width: 0.7 * theme.line }, hoverinfo: "text", hoverlabel }] : []),
  ];
}
