// What a map may show of a cell: its number, which of two is better, and how it is written.

import { count, isLeast, reading, short } from "../web/scale.mjs";
import { facts } from "./catalogue.mjs";

/** @import { MapHeader } from "./grid.mjs" */
/** @import { Scale, Span } from "./colours.mjs" */

/** @typedef {"passes" | "loss" | "diverged" | "bias"} MeasureName */
/** What the measures need of a map. @typedef {{total: number, known: ArrayLike<number>, header: Pick<MapHeader, "runs" | "forwards" | "target" | "reference" | "initial_gap">, figures: Record<MeasureName | "reached", ArrayLike<number>>}} Figures */

const REACH = 100; // a bias beyond this factor, up or down, has the colour of this factor
const ROUNDING = 1e-16; // of the loss at the start: what is lower is rounding
const SOLVED = 1e-12; // of the loss at the start: losses below it are equal

/** Half of a cell's runs diverged, or more: it is hatched, whatever else is known of it. @param {Figures} map @param {number} cell */
export const diverged = (map, cell) => map.figures.diverged[cell] >= 0.5;

/** The median run ended above the loss at the start, by more than the rounding of what was sent. @param {Figures} map @param {number} cell */
export const higher = ({ figures, header }, cell) => figures.loss[cell] > header.initial_gap + 1e-6 * Math.abs(header.initial_gap);

/** The target was first reached, and the median run also ended there: a loss that is noisy may touch it once. @param {Figures} map @param {number} cell */
const stays = ({ figures, header }, cell) => figures.passes[cell] >= 0 && header.target !== null && figures.loss[cell] <= header.target;
/** It was reached, but is not at the end. @param {Figures} map @param {number} cell */
export const touches = (map, cell) => map.figures.passes[cell] >= 0 && !stays(map, cell);

/** "loss" or "loss − minimum": what the numbers of a map are. @param {Pick<Figures, "header">} map */
export const above = ({ header }) => (header.reference ? "loss − minimum" : "loss");

/** A number that fits into a cell: two digits. @param {number} value */
function compact(value) {
  if (isLeast(value)) return "<2e-38";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-2 || size >= 1e4)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(2)));
}
/** @param {number} share */
const percent = (share) => `${Math.round(100 * share)} %`;

/**
 * @typedef {object} Measure
 * @property {string} label on the switch
 * @property {Scale} scale of its colours
 * @property {(map: Figures, cell: number) => number[]} cost what the best cell has least of, by the first that differs; NaN first for none
 * @property {(map: Figures) => string} title of the colour bar, with its unit
 * @property {(value: number, map: Figures, cell: number) => string} text of a value, in its cell
 * @property {(value: number) => string} tick at the colour bar
 * @property {string} none what it means that a cell has no value
 */

/** @type {Record<MeasureName, Measure>} */
export const MEASURES = {
  passes: {
    label: facts.measures.passes,
    scale: "log",
    cost: ({ figures }, cell) => [figures.passes[cell], figures.loss[cell]],
    title: (map) => `forward passes to ${above(map)} ≤ ${reading(map.header.target)}`,
    text: (value, map, cell) => `${count(value)}${touches(map, cell) ? "↑" : ""}`,
    tick: count,
    none: "not reached",
  },
  loss: {
    label: facts.measures.loss,
    scale: "log",
    cost: (map, cell) => [solved(map.figures.loss[cell], map), fewest(map, cell)],
    title: (map) => `${above(map)} after ${count(map.header.forwards)} forward passes`,
    text: compact,
    tick: short,
    none: "no median: half of the runs diverged",
  },
  diverged: {
    label: facts.measures.diverged,
    scale: "share",
    cost: ({ figures }, cell) => [figures.diverged[cell]],
    title: (map) => `share of ${map.header.runs} runs that diverged`,
    text: (value) => percent(value).replace(" ", ""),
    tick: percent,
    none: "unknown",
  },
  bias: {
    label: facts.measures.bias,
    scale: "ratio",
    cost: (map, cell) => [map.figures.bias[cell] > 0 ? Math.abs(Math.log(map.figures.bias[cell])) : NaN, fewest(map, cell)],
    title: () => "P / true diagonal, geometric mean",
    text: (value) => `${compact(value)}×`,
    tick: (value) => `${short(value)}×`,
    none: "the true curvature is zero",
  },
};

/** A loss, those that are rounding alike. @param {number} loss @param {Figures} map */
const solved = (loss, { header }) => (header.reference === null ? loss : Math.max(loss, SOLVED * header.initial_gap));
/** @param {Figures} map @param {number} cell */
const fewest = (map, cell) => (stays(map, cell) ? map.figures.passes[cell] : Infinity);

/**
 * How a cell is drawn under a measure: hatched, coloured, as one that ended above its start, or as one without value.
 * @param {Figures} map @param {number} cell @param {MeasureName} key @returns {"diverged" | "higher" | "value" | "none"}
 */
export function kind(map, cell, key) {
  if (diverged(map, cell)) return "diverged";
  const known = Number.isFinite(map.figures[key][cell]);
  if (higher(map, cell) && ((key === "loss" && known) || (key === "passes" && !known))) return "higher";
  return known ? "value" : "none";
}

/** The measures that make sense for a method. @param {boolean} estimates whether it estimates the Hessian */
export const offered = (estimates) => /** @type {MeasureName[]} */ (Object.keys(MEASURES)).filter((key) => key !== "bias" || estimates);

/**
 * The best cell by a measure, null if there is none: of those in which no run diverged, else of those in which few did;
 * of those that end at the target, else of those that only touch it. In shares of runs many are equal: none is the best.
 * @param {Figures} map @param {MeasureName} key
 */
export function best(map, key) {
  const { cost, scale } = MEASURES[key];
  const groups = key === "passes" ? [stays, touches] : [() => true];
  for (const belongs of groups)
    for (const most of [0, 0.5]) {
      /** @type {{cell: number, cost: number[], ties: number} | null} */
      let found = null;
      for (let cell = 0; cell < map.total; cell++) {
        if (!map.known[cell] || map.figures.diverged[cell] > most || !belongs(map, cell)) continue;
        const own = cost(map, cell);
        if (Number.isNaN(own[0])) continue;
        const order = found ? compare(own, found.cost) : -1;
        if (order < 0) found = { cell, cost: own, ties: 0 };
        else if (order === 0 && found) found.ties += 1;
      }
      if (found) return scale === "share" && found.ties ? null : found.cell;
    }
  return null;
}

/** @param {number[]} mine @param {number[]} other */
function compare(mine, other) {
  const at = mine.findIndex((value, i) => value !== other[i]);
  return at < 0 ? 0 : mine[at] - other[at];
}

/** The ends of a measure's colours: over the cells that have a value and did not diverge; null if there is none. @param {Figures} map @param {MeasureName} key @returns {Span | null} */
export function extent(map, key) {
  const { scale } = MEASURES[key];
  if (scale === "share") return [0, 1];
  let [low, high] = [Infinity, -Infinity];
  for (let cell = 0; cell < map.total; cell++) {
    if (!map.known[cell] || diverged(map, cell)) continue;
    const value = map.figures[key][cell];
    if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  if (!(low <= high)) return null;
  if (scale === "ratio") {
    const reach = Math.min(Math.max(2, high, 1 / Math.max(low, 1e-30)), REACH);
    return [1 / reach, reach];
  }
  const start = map.header.initial_gap;
  if (key !== "loss" || !(start > 0) || low < 0) return [low, high];
  const top = Math.min(high, start); // what ends above its start is as bad as can be
  return [Math.max(low, Math.min(start * ROUNDING, top)), Math.max(low, top)];
}

/** What a cell says in one line. @param {Figures} map @param {number} cell */
export function sentence(map, cell) {
  const { header, figures } = map;
  if (diverged(map, cell)) return `${percent(figures.diverged[cell])} of ${header.runs} runs diverged`;
  const parts = [];
  if (header.target !== null) {
    const runs = `${figures.reached[cell]} of ${header.runs} runs`;
    parts.push(figures.passes[cell] >= 0 ? `first reached ${above(map)} ≤ ${reading(header.target)} after ${count(figures.passes[cell])} passes (${runs})` : `target not reached (${runs})`);
  }
  const how = touches(map, cell) ? "but ended above it, at" : higher(map, cell) ? "ended higher than it began, at" : "final";
  parts.push(`${how} ${above(map)} ${reading(figures.loss[cell])}`);
  if (figures.diverged[cell] > 0) parts.push(`${percent(figures.diverged[cell])} diverged`);
  if (figures.bias[cell] > 0) parts.push(`P ${reading(figures.bias[cell])}× the true diagonal`);
  return parts.join("; ");
}
