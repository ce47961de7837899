// What a map may show of a cell: its number, which of two is better, and how it is written.

import { count, isLeast, reading, short } from "../web/scale.mjs";

const REACH = 100; // a bias beyond this factor, up or down, has the colour of this factor
const DECADES = 1e-16; // of the loss at the start: what is lower is rounding

const SOLVED = 1e-12; // of the loss at the start: losses below it are equal

/** Half of a cell's runs diverged, or more: it is hatched, whatever else is known of it. */
export const diverged = (map, cell) => map.diverged[cell] >= 0.5;

/** The median run ended above the loss at the start, by more than the rounding of what was sent. */
export const higher = ({ loss, header }, cell) => loss[cell] > header.initial_gap + 1e-6 * Math.abs(header.initial_gap);

/** The target was first reached, and the median run also ended there: a loss that is noisy may touch it once. */
const stays = (map, cell) => map.passes[cell] >= 0 && map.loss[cell] <= map.header.target;
export const touches = (map, cell) => map.passes[cell] >= 0 && !stays(map, cell);

/** "loss" or "loss − minimum": what the numbers of a map are. */
export const above = ({ header }) => (header.reference ? "loss − minimum" : "loss");
/** A number that fits into a cell: two digits. */
function compact(value) {
  if (isLeast(value)) return "<2e-38";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-2 || size >= 1e4)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(2)));
}
const percent = (share) => `${Math.round(100 * share)} %`;

/**
 * @typedef {object} Measure
 * @property {string} label on the switch
 * @property {"log"|"share"|"ratio"} scale of its colours; "ratio" is centred on 1
 * @property {(map: object, cell: number) => number} value NaN: there is none
 * @property {(map: object, cell: number) => number[]} cost what the best cell has least of, by the first that differs; NaN first for none
 * @property {(map: object) => string} title of the colour bar, with its unit
 * @property {(value: number, map: object, cell: number) => string} text of a value, in its cell  @property {(value: number) => string} tick at the colour bar
 * @property {string} none what it means that a cell has no value
 */

/** @type {Record<string, Measure>} */
export const MEASURES = {
  passes: {
    label: "passes to target",
    scale: "log",
    value: (map, cell) => map.passes[cell],
    cost: (map, cell) => [map.passes[cell], map.loss[cell]],
    title: (map) => `forward passes to ${above(map)} ≤ ${reading(map.header.target)}`,
    text: (value, map, cell) => `${count(value)}${touches(map, cell) ? "↑" : ""}`,
    tick: (value) => count(value),
    none: "not reached",
  },
  loss: {
    label: "final loss",
    scale: "log",
    value: (map, cell) => map.loss[cell],
    cost: (map, cell) => [solved(map.loss[cell], map), fewest(map, cell)],
    title: (map) => `${above(map)} after ${count(map.header.forwards)} forward passes`,
    text: compact,
    tick: short,
    none: "no median: half of the runs diverged",
  },
  diverged: {
    label: "diverged",
    scale: "share",
    value: (map, cell) => map.diverged[cell],
    cost: (map, cell) => [map.diverged[cell]],
    title: (map) => `share of ${map.header.runs} runs that diverged`,
    text: (value) => percent(value).replace(" ", ""),
    tick: percent,
    none: "unknown",
  },
  bias: {
    label: "Hessian bias",
    scale: "ratio",
    value: (map, cell) => map.bias[cell],
    cost: (map, cell) => [map.bias[cell] > 0 ? Math.abs(Math.log(map.bias[cell])) : NaN, fewest(map, cell)],
    title: () => "P / true diagonal, geometric mean",
    text: (value) => `${compact(value)}×`,
    tick: (value) => `${short(value)}×`,
    none: "the true curvature is zero",
  },
};

/** A loss, those that are rounding alike. */
const solved = (loss, { header }) => (header.reference === null ? loss : Math.max(loss, SOLVED * header.initial_gap));
const fewest = (map, cell) => (stays(map, cell) ? map.passes[cell] : Infinity);

/** How a cell is drawn under a measure: hatched, coloured, as one that ended above its start, or as one without value. */
export function kind(map, cell, key) {
  if (diverged(map, cell)) return "diverged";
  const known = Number.isFinite(MEASURES[key].value(map, cell));
  if (higher(map, cell) && ((key === "loss" && known) || (key === "passes" && !known))) return "higher";
  return known ? "value" : "none";
}

/** The measures that make sense for a method. */
export const offered = (estimates) => Object.keys(MEASURES).filter((key) => key !== "bias" || estimates);

/**
 * The best cell by a measure, null if there is none: of those in which no run diverged, else of those in which few did;
 * of those that end at the target, else of those that only touch it. In shares of runs many are equal: none is the best.
 */
export function best(map, key) {
  const { cost, scale } = MEASURES[key];
  const groups = key === "passes" ? [stays, touches] : [() => true];
  for (const belongs of groups)
    for (const most of [0, 0.5]) {
      let [found, least, ties] = [null, null, 0];
      for (let cell = 0; cell < map.total; cell++) {
        if (!map.known[cell] || map.diverged[cell] > most || !belongs(map, cell)) continue;
        const own = cost(map, cell);
        if (Number.isNaN(own[0])) continue;
        const order = least ? compare(own, least) : -1;
        if (order < 0) [found, least, ties] = [cell, own, 0];
        else if (order === 0) ties += 1;
      }
      if (found !== null) return scale === "share" && ties ? null : found;
    }
  return null;
}

function compare(mine, other) {
  const at = mine.findIndex((value, i) => value !== other[i]);
  return at < 0 ? 0 : mine[at] - other[at];
}

/** The lowest and the highest value of the cells that have one and did not diverge; null if there is none. */
export function extent(map, key) {
  const { value, scale } = MEASURES[key];
  if (scale === "share") return [0, 1];
  let [low, high] = [Infinity, -Infinity];
  for (let cell = 0; cell < map.total; cell++) {
    if (!map.known[cell] || diverged(map, cell)) continue;
    const v = value(map, cell);
    if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
  }
  if (!(low <= high)) return null;
  if (scale === "ratio") {
    const reach = Math.min(Math.max(2, high, 1 / Math.max(low, 1e-30)), REACH);
    return [1 / reach, reach];
  }
  const start = map.header.initial_gap;
  if (key !== "loss" || !(start > 0) || low < 0) return [low, high];
  const top = Math.min(high, start); // what ends above its start is as bad as can be
  return [Math.max(low, Math.min(start * DECADES, top)), Math.max(low, top)];
}

/** What a cell says in one line. */
export function sentence(map, cell) {
  const { header } = map;
  const parts = [];
  if (diverged(map, cell)) parts.push(`${percent(map.diverged[cell])} of ${header.runs} runs diverged`);
  else {
    if (header.target !== null) {
      const runs = `${map.reached[cell]} of ${header.runs} runs`;
      parts.push(map.passes[cell] >= 0 ? `first reached ${above(map)} ≤ ${reading(header.target)} after ${count(map.passes[cell])} passes (${runs})` : `target not reached (${runs})`);
    }
    const how = touches(map, cell) ? "but ended above it, at" : higher(map, cell) ? "ended higher than it began, at" : "final";
    parts.push(`${how} ${above(map)} ${reading(map.loss[cell])}`);
    if (map.diverged[cell] > 0) parts.push(`${percent(map.diverged[cell])} diverged`);
    if (map.bias[cell] > 0) parts.push(`P ${reading(map.bias[cell])}× the truth`);
  }
  return parts.join("; ");
}
