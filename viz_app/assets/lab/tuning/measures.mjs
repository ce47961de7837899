// What a map may show of a cell: its number, which of two is better, and how it is written.

import { count, reading, short } from "../scale.mjs";

const REACH = 100; // a bias beyond this factor, up or down, has the colour of this factor
const DECADES = 1e-16; // of the loss at the start: what is lower is rounding

/** More than half of a cell's runs diverged: it is hatched, whatever else is known of it. */
export const diverged = (map, cell) => map.diverged[cell] > 0.5;

const above = (map) => (map.header.reference === null ? "loss" : map.header.reference === 0 ? "loss" : "loss − minimum");
/** A number that fits into a cell: two digits. */
function compact(value) {
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
 * @property {(map: object, cell: number) => number} cost what the best cell has least of, Infinity for none
 * @property {(map: object) => string} title of the colour bar, with its unit
 * @property {(value: number) => string} text of a value, in its cell  @property {(value: number) => string} tick at the colour bar
 * @property {string} none what it means that a cell has no value
 */

/** @type {Record<string, Measure>} */
export const MEASURES = {
  passes: {
    label: "passes to target",
    scale: "log",
    value: (map, cell) => map.passes[cell],
    // Two cells may need the same number of passes: then the lower final loss is the better.
    cost: (map, cell) => (map.passes[cell] > 0 || map.passes[cell] === 0 ? map.passes[cell] * (1 + 1e-6 * rank(map.loss[cell])) : Infinity),
    title: (map) => `forward passes to ${above(map)} ≤ ${reading(map.header.target)}`,
    text: (value) => count(value),
    tick: (value) => count(value),
    none: "not reached",
  },
  loss: {
    label: "final loss",
    scale: "log",
    value: (map, cell) => map.loss[cell],
    cost: (map, cell) => (map.loss[cell] === map.loss[cell] ? map.loss[cell] : Infinity),
    title: (map) => `${above(map)} after ${count(map.header.forwards)} forward passes`,
    text: compact,
    tick: short,
    none: "no median: half of the runs diverged",
  },
  diverged: {
    label: "diverged",
    scale: "share",
    value: (map, cell) => map.diverged[cell],
    cost: (map, cell) => map.diverged[cell] + 1e-6 * rank(map.loss[cell]),
    title: (map) => `share of ${map.header.runs} runs that diverged`,
    text: percent,
    tick: percent,
    none: "unknown",
  },
  bias: {
    label: "Hessian bias",
    scale: "ratio",
    value: (map, cell) => map.bias[cell],
    cost: (map, cell) => (map.bias[cell] > 0 ? Math.abs(Math.log(map.bias[cell])) : Infinity),
    title: () => "P / true diagonal, geometric mean",
    text: (value) => `${compact(value)}×`,
    tick: (value) => `${short(value)}×`,
    none: "the true curvature is zero",
  },
};

/** A loss as a number from 0 (none left) to 1, for breaking ties. */
function rank(loss) {
  if (!(loss < Infinity)) return 1;
  return loss <= 0 ? 0 : Math.min(Math.max((Math.log10(loss) + 45) / 90, 0), 1);
}

/** The measures that make sense for a method. */
export const offered = (estimates) => Object.keys(MEASURES).filter((key) => key !== "bias" || estimates);

/** The best cell by a measure, null if there is none: of those in which no run diverged, else of those in which few did. */
export function best(map, key) {
  const { cost } = MEASURES[key];
  for (const most of [0, 0.5]) {
    let [found, least] = [null, Infinity];
    for (let cell = 0; cell < map.total; cell++) {
      if (!map.known[cell] || map.diverged[cell] > most) continue;
      const value = cost(map, cell);
      if (value < least) [found, least] = [cell, value];
    }
    if (found !== null) return found;
  }
  return null;
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
      parts.push(map.passes[cell] === map.passes[cell] ? `${count(map.passes[cell])} passes to the target (${map.reached[cell]} of ${header.runs} runs)` : `target not reached (${map.reached[cell]} of ${header.runs} runs)`);
    }
    parts.push(`final ${above(map)} ${reading(map.loss[cell])}`);
    if (map.diverged[cell] > 0) parts.push(`${percent(map.diverged[cell])} diverged`);
    if (map.bias[cell] > 0) parts.push(`P ${reading(map.bias[cell])}× the truth`);
  }
  return parts.join("; ");
}
