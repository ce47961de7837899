// What the loss and accuracy charts draw of an optimizer, from whatever job it is: its runs over the seeds, their median and
// their band. Pure functions.

/** @import { Look } from "./look.mjs" */
/** @import { LabRecord, Steps } from "./record.mjs" */
import { median, quantileSorted } from "../vendor/d3.mjs";
import { optimizersOf } from "./seeds.mjs";

/** @typedef {"forward passes" | "steps" | "seconds"} Clock */
/** @typedef {{step: number, forwards: number, seconds: number, loss: number | null, accuracy: number | null}} Measured */
/** @typedef {{steps: Pick<Steps, "step" | "forwards" | "seconds" | "loss">, evaluations: Measured[], planned: number}} Single run */

/**
 * @typedef {object} Course one optimizer of a job
 * @property {string} name @property {string} colour of the optimizer @property {string} dash of the job, "" for the one that
 *   is shown
 * @property {string | null} counted what its training loss counts where it is no cross-entropy: "accuracy" or "f1"
 * @property {Single[]} runs one for each seed that has begun
 *
 * @typedef {{x: number[], y: number[], low?: number[], high?: number[]}} Line with its band, where there are several seeds
 */

/** @type {Record<Clock, "forwards" | "step" | "seconds">} */
export const COLUMN = { "forward passes": "forwards", steps: "step", seconds: "seconds" };

const BAND = [0.1, 0.5, 0.9]; // as in the Playground, and in viz_app/finetuning/comparison.py
const POINTS = 500; // along a curve
const WINDOW = 0.04; // of the planned steps: what the smoothed training loss averages over, as 1/e

/** What "loss" counts where it is no cross-entropy. @param {string} spec */
export const countedIn = (spec) => /(?:^|&)loss=(accuracy|f1)/.exec(spec)?.[1] ?? null;

/** The optimizers of a job. @param {LabRecord} record @param {Look} look @param {string} spec @param {string} [job] before their names @param {string} [dash] @returns {Course[]} */
export function coursesOf({ runs }, look, spec, job = "", dash = "") {
  const count = optimizersOf(/** @type {LabRecord} */ ({ runs }));
  return runs.slice(0, count).map((_, i) => ({
    name: `${job}${look.titles[i]}`,
    colour: look.colours[i],
    dash,
    counted: countedIn(spec),
    runs: runs.filter(({ index, evaluations, steps }) => index % count === i && (index < count || evaluations.length || steps.step.length)),
  }));
}

/** The 10 % quantile, the median and the 90 % quantile of what is finite, as numpy has them. @param {number[]} values */
export function quantiles(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return BAND.map((part) => (sorted.length ? Number(quantileSorted(sorted, part)) : NaN));
}

/** Held-out loss or accuracy over the seeds that have been evaluated at a step. @param {Single[]} runs @param {"loss" | "accuracy"} name @param {Clock} clock @returns {Line} */
export function evaluationLine(runs, name, clock) {
  /** @type {Map<number, Measured[]>} */
  const steps = new Map();
  for (const { evaluations } of runs) for (const entry of evaluations) steps.set(entry.step, [...(steps.get(entry.step) ?? []), entry]);
  const entries = [...steps].sort(([a], [b]) => a - b).map(([, found]) => found);
  return lineOf(entries.map((found) => [found.map((entry) => entry[COLUMN[clock]]), found.map((entry) => entry[name] ?? NaN)]), runs.length > 1);
}

/** Smoothed training loss over the seeds that have made a step. @param {Single[]} runs @param {Clock} clock @returns {Line} */
export function trainingLine(runs, clock) {
  const smoothed = runs.map((run) => ({ x: run.steps[COLUMN[clock]], y: smooth(run.steps.loss, windowOf(run)) }));
  const length = Math.max(0, ...smoothed.map(({ y }) => y.length));
  const places = thinned(length);
  return lineOf(places.map((i) => {
    const made = smoothed.filter(({ y }) => i < y.length);
    return [made.map(({ x }) => x[i]), made.map(({ y }) => y[i])];
  }), runs.length > 1);
}

/** @param {[xs: number[], ys: number[]][]} points @param {boolean} isBanded @returns {Line} */
function lineOf(points, isBanded) {
  const x = points.map(([xs]) => median(xs) ?? NaN);
  if (!isBanded) return { x, y: points.map(([, [y]]) => y) };
  const found = points.map(([, ys]) => quantiles(ys));
  return { x, y: found.map(([, middle]) => middle), low: found.map(([low]) => low), high: found.map(([, , high]) => high) };
}

/** Exponential mean with a memory of `window` entries, started without bias; entries that are NaN are left out. @param {number[]} values @param {number} window */
export function smooth(values, window) {
  const keep = 1 - 1 / window;
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (Number.isFinite(value)) [sum, weight] = [keep * sum + (1 - keep) * value, keep * weight + (1 - keep)];
    return sum / weight;
  });
}

/** How much is smoothed of a run. @param {{planned: number}} run */
export const windowOf = ({ planned }) => Math.max(3, WINDOW * planned);

/** Places of about POINTS of so many, ends included. @param {number} length */
export function thinned(length) {
  const stride = Math.max(1, Math.ceil(length / POINTS));
  return Array.from({ length }, (_, i) => i).filter((i) => i % stride === 0 || i === length - 1);
}

/** At most about POINTS of a curve, ends included. @param {number[]} x @param {number[]} y */
export function thin(x, y) {
  const places = thinned(x.length);
  return { x: places.map((i) => x[i]), y: places.map((i) => y[i]) };
}
