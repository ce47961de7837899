// What a language model's map shows of a cell, in the form that the picture of maps takes.

import { count, reading, short } from "../web/scale.mjs";

/** @import { ModelMap } from "./data.mjs" */
/** @typedef {"loss" | "accuracy"} MeasureName */

/** @type {Record<string, string>} */
export const LOSS = { cross_entropy: "held-out loss", accuracy: "held-out 1 − accuracy", f1: "held-out 1 − F1" };

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(1)} %`;
/** @param {number} value */
const digits = (value) => value.toPrecision(3);

/** A cell that was stopped early is neither coloured nor the best. @param {ModelMap} map @param {number} cell */
export const stopped = (map, cell) => map.figures.stopped[cell] === 1;

/** @param {ModelMap} map @param {number} cell @param {MeasureName} key */
export function kind(map, cell, key) {
  if (stopped(map, cell)) return "diverged";
  return Number.isFinite(map.figures[key][cell]) ? "value" : "none";
}

/** The ends of a measure's colours; null where there are none. @param {ModelMap} map @param {MeasureName} key @returns {[number, number] | null} */
export function extent(map, key) {
  const values = map.cells.filter((cell) => kind(map, cell, key) === "value").map((cell) => map.figures[key][cell]);
  return values.length ? [Math.min(...values), Math.max(...values)] : null;
}

/** The best complete cell, by the loss whatever is shown; null if there is none. @param {ModelMap} map */
export function best(map) {
  const good = map.cells.filter((cell) => map.isOver(cell) && kind(map, cell, "loss") === "value");
  return good.length ? good.reduce((a, b) => (map.figures.loss[b] < map.figures.loss[a] ? b : a)) : null;
}

/** How many other cells have seeds that overlap with the best one's: a tie. @param {ModelMap} map @param {number} found */
export function ties(map, found) {
  if (map.header.seeds < 2) return 0;
  return map.cells.filter((cell) => cell !== found && kind(map, cell, "loss") === "value" && map.figures.low[cell] <= map.figures.high[found]).length;
}

/** What a cell says in one line. @param {ModelMap} map @param {number} cell */
export function sentence(map, cell) {
  const { figures, header } = map;
  const jobs = map.jobs[cell];
  if (stopped(map, cell)) return `stopped early: ${jobs.find((job) => job.stopped)?.stopped}`;
  const seeds = header.seeds > 1 ? ` (${jobs.length < header.seeds ? `${jobs.length} of ${header.seeds} seeds so far` : `median of ${header.seeds} seeds`}${jobs.length > 1 ? `, ${reading(figures.low[cell])} to ${reading(figures.high[cell])}` : ""})` : "";
  return `${LOSS[header.loss]} ${reading(figures.loss[cell])}${seeds}, accuracy ${percent(figures.accuracy[cell])}, after ${count(jobs[0].forwards)} passes (${count(jobs[0].steps)} steps)`;
}

/** As `tuning/measures.mjs` describes measures, for the picture. */
export const MEASURES = {
  loss: { label: "held-out loss", scale: /** @type {const} */ ("low"), title: (/** @type {ModelMap} */ { header }) => `${LOSS[header.loss]} after ${count(header.forwards)} forward passes`, text: digits, tick: short },
  accuracy: { label: "accuracy", scale: /** @type {const} */ ("high"), title: () => "held-out accuracy", text: percent, tick: percent },
};
