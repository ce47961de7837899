// The axes that all cells of a map share, so that nothing jumps from cell to cell.

import { diverged } from "./measures.mjs";

/** @import { MapData } from "./grid.mjs" */
/** @import { Picture } from "../playground/curves.mjs" */
/** @typedef {[number, number]} Span */

const CLOSE = 0.15; // of the axis: a line of text
const WILD = 1e3; // P further than this factor from every true curvature leaves the axis

/** Ranges over the cells that have been seen. */
class Spans {
  done = 0;
  /** @type {Span} */
  loss = [Infinity, -Infinity];
  /** @type {Span} */
  curvature = [Infinity, -Infinity];
  /** @param {number} cells */
  constructor(cells) {
    this.seen = new Uint8Array(cells);
  }
}

/** @type {WeakMap<MapData, Spans>} */
const held = new WeakMap();

/** The ranges of loss and curvature over the cells so far, widened to decades; null without any. @param {MapData} map */
export function commonRanges(map) {
  const spans = held.get(map) ?? new Spans(map.total);
  held.set(map, spans);
  if (spans.done !== map.done) {
    for (const cell of map.cells) {
      if (spans.seen[cell]) continue;
      spans.seen[cell] = 1;
      see(spans, map, cell);
    }
    spans.done = map.done;
  }
  return { loss: decades(spans.loss), curvature: decades(spans.curvature) };
}

/** @param {Spans} spans @param {MapData} map @param {number} cell */
function see(spans, map, cell) {
  const [track] = map.trace(cell)?.tracks ?? [];
  if (!track) return;
  const initial = map.header.initial_gap;
  widen(spans.loss, track.gap_q, initial * 1e-14, initial * 1e4);
  if (!track.h_q || diverged(map, cell)) return;
  /** @type {Span} */
  const truth = [Infinity, -Infinity];
  widen(truth, track.true_h.map(Math.abs), 1e-9, 1e12);
  if (!(truth[0] <= truth[1])) truth.splice(0, 2, 1, 1);
  widen(spans.curvature, truth, 0, Infinity);
  widen(spans.curvature, track.h_q.subarray(track.h_q.length / 3, (2 * track.h_q.length) / 3), truth[0] / WILD, truth[1] * WILD);
}

/** @param {Span} span @param {Iterable<number>} values @param {number} least @param {number} most */
function widen(span, values, least, most) {
  for (const value of values) {
    if (!(value > 0)) continue;
    const kept = Math.min(Math.max(value, least), most);
    if (kept < span[0]) span[0] = kept;
    if (kept > span[1]) span[1] = kept;
  }
}

/** @param {Span} span @returns {Span | null} */
const decades = ([low, high]) => (low <= high ? [10 ** Math.floor(Math.log10(low) - 0.1), 10 ** Math.ceil(Math.log10(high) + 0.1)] : null);

/** A picture on common axes. @param {Picture} picture @param {Span | null} common @param {number} end @returns {Picture} */
export function steady(picture, common, end) {
  const range = common && picture.log ? common : picture.range;
  return { ...picture, range, labels: apart(picture.labels ?? [], range), end, clock: "forward passes" };
}

/** Labels of curves so close that they would be over each other become one. @param {{text: string, y: number}[]} labels @param {Span} range */
function apart(labels, [low, high]) {
  /** @type {typeof labels} */
  const result = [];
  for (const label of labels.toSorted((a, b) => a.y - b.y)) {
    const last = result.at(-1);
    if (last && Math.log10(label.y / last.y) < CLOSE * Math.log10(high / low)) result[result.length - 1] = { text: `${last.text}, ${label.text}`, y: label.y };
    else result.push(label);
  }
  return result;
}
