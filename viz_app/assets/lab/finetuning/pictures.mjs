// Loss, accuracy, and what each step was made of, against forward passes, steps or seconds: pure functions from a record
// to pictures.

/** @import { Look } from "./look.mjs" */
/** @import { Clock, Course } from "./courses.mjs" */
/** @import { Cursor, PlannedRecord, Run, Setting } from "./record.mjs" */
import { median, scaleLinear } from "../vendor/d3.mjs";
import { reading } from "../web/scale.mjs";
import { COLUMN, countedIn, coursesOf, evaluationLine, smooth, thin, trainingLine, windowOf } from "./courses.mjs";
import { budget, spentAt, stepAt } from "./record.mjs";
import { optimizersOf } from "./seeds.mjs";

/**
 * @typedef {object} Curve
 * @property {string} name of the run @property {string | null} part what it is of the run, null: not to be read
 * @property {string} colour @property {number[]} x @property {number[]} y NaN breaks the line
 * @property {number[]=} low @property {number[]=} high the band over seeds
 * @property {"raw" | "single" | "thin" | "bold"} weight raw: each step's; single: one of several seeds
 * @property {string=} dash @property {boolean} dots at every point
 *
 * @typedef {{x: number, colour: string, text: string, kind: "setting" | "cross"}} Mark at the top: a setting was changed,
 *   or the run broke off
 *
 * @typedef {object} Picture
 * @property {Curve[]} curves
 * @property {number[]} levels dashed horizontal lines
 * @property {Mark[]} marks
 * @property {boolean} log @property {[number, number]} range of y @property {number} end of the x axis
 * @property {Clock} clock @property {string} xlabel @property {string} ylabel
 * @property {string} format of y, as d3-format has it @property {string} unit of y, after the number
 *
 * @typedef {object} Instant where the cursor is
 * @property {number | null} time on the x axis; null while it follows the newest
 * @property {{x: number, y: number, colour: string}[]} heads where each run is
 */

/** @type {("s" | "v" | "tr" | "q")[]} */
const READINGS = ["s", "v", "tr", "q"];
const CEILING = 2; // times the zero-shot loss: what is higher is drawn at the top edge
const PERCENT = 100;
const SURE = 0.03; // of a run, before its length in seconds is told from it

/** The moment of an evaluation or a setting on the x axis. @param {{step: number, forwards: number, seconds?: number}} entry @param {Clock} clock @param {Run} run */
const at = (entry, clock, run) => entry[COLUMN[clock]] ?? secondsAt(run, entry.step);

/** @param {Run} run @param {number} step */
const secondsAt = ({ steps }, step) => steps.seconds[steps.step.findLastIndex((made) => made <= step)] ?? 0;

/** What "loss" counts where it is not cross-entropy: "accuracy" or "f1". @param {PlannedRecord} record */
export const countedBy = (record) => countedIn(record.plan.spec);

/** All that is drawn: the job's own optimizers, and those of what is laid over. @param {PlannedRecord} record @param {Look} look @returns {Course[]} */
const allCourses = (record, look) => [...coursesOf(record, look, record.plan.spec), ...record.over.flatMap(({ courses }) => courses)];

/** A number of the untrained model: with several seeds the median over them. @param {PlannedRecord} record @param {"loss" | "accuracy"} name */
export const zeroShot = ({ plan, seeds }, name) => median([plan, ...seeds.values()].map(({ zero_shot }) => zero_shot[name])) ?? NaN;

/** What a picture's curves follow from: while it is the same, the picture is. @param {PlannedRecord} record @param {Look} look @param {Clock} clock */
export function versionOf(record, look, clock) {
  const runs = record.runs.map(({ steps, evaluations, settings, ended }) => [steps.step.length, steps.seconds.at(-1), evaluations.length, settings.length, ended?.state]);
  const over = record.over.map(({ version }) => version);
  return [record.plan.spec, clock, look.theme.ink, look.theme.panel, look.theme.size, look.titles, look.colours, runs, over].join();
}

/** Held-out loss of every optimizer. @param {Course[]} courses @param {"loss" | "accuracy"} name @param {Clock} clock @returns {Curve[]} */
function heldOut(courses, name, clock) {
  return courses.flatMap(({ name: title, colour, dash, runs }) => {
    const shared = { name: title, colour, dash, dots: false };
    const singles = runs.length > 1 && !dash ? runs.map((run) => ({ ...shared, part: null, weight: /** @type {const} */ ("single"), ...evaluationLine([run], name, clock) })) : [];
    const part = runs.length > 1 ? `held-out, median of ${runs.length}` : "held-out";
    return [...singles, { ...shared, part, weight: /** @type {const} */ ("bold"), dots: !dash, ...evaluationLine(runs, name, clock) }];
  });
}

/** Training loss, smoothed, and of a single run of each optimizer each step's, too. @param {PlannedRecord} record @param {Course[]} courses @param {Clock} clock @returns {Curve[]} */
function training(record, courses, clock) {
  const counted = countedBy(record);
  return courses.filter((course) => course.counted === counted).flatMap(({ name, colour, dash, runs }) => {
    const shared = { name, colour, dash, dots: false };
    const raw = runs.length === 1 && !record.over.length ? [{ ...shared, part: null, weight: /** @type {const} */ ("raw"), ...thin(runs[0].steps[COLUMN[clock]], runs[0].steps.loss) }] : [];
    const { x, y } = trainingLine(runs, clock);
    return [...raw, { ...shared, part: "training", weight: /** @type {const} */ ("thin"), x, y }];
  });
}

/** All y of some curves that are to be seen in full, bands included. @param {Curve[]} curves */
const valuesOf = (curves) => curves.flatMap(({ weight, y, low = [], high = [] }) => (weight === "raw" ? [] : [...y, ...low, ...high].filter(Number.isFinite)));

/** Keep a curve below the top. @param {Curve} curve @param {number} top @returns {Curve} */
function capped(curve, top) {
  const cap = (/** @type {number[] | undefined} */ values) => values?.map((value) => Math.min(value, top));
  return { ...curve, y: curve.y.map((value) => Math.min(value, top)), low: cap(curve.low), high: cap(curve.high) };
}

/** Held-out cross-entropy, and the training loss where it is cross-entropy too. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
export function lossPicture(record, look, clock, frame) {
  const zero = zeroShot(record, "loss");
  const courses = allCourses(record, look);
  const curves = [...heldOut(courses, "loss", clock), ...(countedBy(record) ? [] : training(record, courses, clock))];
  const top = CEILING * zero;
  let [low, high] = [0.85 * zero, zero];
  for (const value of valuesOf(curves)) [low, high] = [Math.min(low, value), Math.max(high, Math.min(value, top))];
  const pad = 0.08 * Math.max(high - low, 0.1 * zero);
  const range = frame.range("loss", [Math.max(0, low - pad), high + pad]);
  return { ...common(record, look, clock, frame), curves: curves.map((curve) => capped(curve, range[1])), levels: [zero], log: false, range, ylabel: "cross-entropy", format: ".3f", unit: "" };
}

/** What a training loss is that has no gradient, in words. @param {string} counted */
export const countedWords = (counted) => `1 − ${counted === "f1" ? "F1" : "accuracy"}`;

/** The training loss where it counts errors, on an axis of its own: linear, since it may be 0. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
export function countedPicture(record, look, clock, frame) {
  const curves = training(record, allCourses(record, look), clock);
  const values = curves.flatMap(({ y }) => y.filter(Number.isFinite));
  const range = frame.range("counted", [0, Math.min(1, 1.1 * values.reduce((most, value) => Math.max(most, value), 0.1))]);
  return { ...common(record, look, clock, frame), marks: [], curves: curves.map((curve) => capped(curve, range[1])), levels: [], log: false, range, ylabel: countedWords(countedBy(record) ?? ""), format: ".3f", unit: "" };
}

/** Held-out accuracy in percent. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
export function accuracyPicture(record, look, clock, frame) {
  const zero = PERCENT * zeroShot(record, "accuracy");
  const percent = (/** @type {number[] | undefined} */ values) => values?.map((value) => PERCENT * value);
  const curves = heldOut(allCourses(record, look), "accuracy", clock).map((curve) => ({
    ...curve, y: curve.y.map((value) => PERCENT * value), low: percent(curve.low), high: percent(curve.high), part: curve.part?.replace(/^held-out(, )?/, "") ?? null,
  }));
  const values = [zero, ...valuesOf(curves)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const range = frame.range("accuracy", [Math.max(0, low - 4), Math.min(100.5, Math.max(high + 3, low + 12))]);
  return { ...common(record, look, clock, frame), curves, levels: [zero], log: false, range, ylabel: "held-out accuracy", format: ".1f", unit: " %" };
}

/**
 * One of slope, curvature and step length on a log axis; a negative curvature is shown by its absolute value.
 * @param {"slope" | "curvature" | "length" | "lr"} name
 * @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture}
 */
export function stepPicture(name, record, look, clock, frame) {
  const curves = record.runs.flatMap((run, i) => {
    const values = run.steps[name].map((value) => Math.abs(value) || NaN);
    if (!values.some(Number.isFinite)) return [];
    const shared = { name: look.titles[i], colour: look.colours[i], dots: false };
    const x = run.steps[COLUMN[clock]];
    const logs = smooth(values.map(Math.log), windowOf(run));
    return /** @type {Curve[]} */ ([
      { ...shared, part: null, weight: "raw", ...thin(x, values) },
      { ...shared, part: "", weight: "bold", ...thin(x, logs.map(Math.exp)) },
    ]);
  });
  return onLogAxis(name, curves, record, look, clock, frame);
}

/** What lr=auto went by: s, v, tr and q of each run, smoothed. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
export function readingsPicture(record, look, clock, frame) {
  const curves = record.runs.flatMap((run, i) =>
    READINGS.flatMap((name) => {
      const values = run.rates.map((rate) => rate[name] || NaN);
      if (!values.some(Number.isFinite)) return [];
      const x = run.rates.map(({ step }) => run.steps[COLUMN[clock]][step - 1]);
      return /** @type {Curve[]} */ ([{ name: `${look.titles[i]}, ${name}`, part: "", colour: look.colours[i], dots: false, weight: "bold", ...thin(x, values) }]);
    }),
  );
  return onLogAxis("readings", curves, record, look, clock, frame);
}

/** @param {string} name @param {Curve[]} curves @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
function onLogAxis(name, curves, record, look, clock, frame) {
  const smoothed = curves.filter(({ weight }) => weight === "bold").flatMap(({ y }) => y.filter(Number.isFinite));
  const [low, high] = smoothed.length ? [Math.min(...smoothed), Math.max(...smoothed)] : [0.1, 10];
  const [bottom, top] = [low / 2, high * 2].map(Math.log10);
  const [from, to] = frame.range(name, [Math.min(bottom, Math.floor(top)), top]); // at least one power of ten, as only those are written at the axis
  /** @type {[number, number]} */
  const range = [10 ** from, 10 ** to];
  for (const curve of curves) curve.y = curve.y.map((value) => Math.min(Math.max(value, range[0]), range[1]));
  return { ...common(record, look, clock, frame), curves, levels: [], log: true, range, ylabel: "", format: ".3~g", unit: "" };
}

/** What all pictures share: the x axis and marks. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame */
function common(record, look, clock, frame) {
  const over = record.over.flatMap(({ courses }) => courses.flatMap(({ runs }) => runs));
  const last = (/** @type {"forwards" | "step" | "seconds"} */ column) => over.map(({ steps }) => steps[column].at(-1) ?? 0);
  const seconds = Math.max(1, ...record.runs.map(secondsInAll), ...last("seconds"));
  const steps = Math.max(1, ...record.runs.map(({ planned }) => planned), ...last("step"));
  const passes = Math.max(budget(record), ...last("forwards"));
  const end = { "forward passes": passes, steps, seconds: frame.end("seconds", seconds) }[clock];
  const seeds = record.runs.length > optimizersOf(record);
  const marks = record.runs.flatMap((run, i) => {
    const [colour, title] = [look.colours[i], `${look.titles[i]}${seeds ? ` with seed ${run.seed}` : ""}`];
    /** @type {Mark[]} */
    const settings = run.settings.map((setting) => ({ kind: "setting", colour, x: at(setting, clock, run), text: settingText(setting, title) }));
    if (run.ended?.state === "failed") settings.push({ kind: "cross", colour, x: run.steps[COLUMN[clock]].at(-1) ?? 0, text: `${title}: ${run.ended.message}` });
    return settings;
  });
  return { marks, end, clock, xlabel: clock === "forward passes" && record.plan.clock ? "forward passes of the whole model" : clock };
}

/** Where the cursor is on a picture of the loss or the accuracy; heads are none while it follows the newest, or without a `name`. @param {"loss" | "accuracy" | null} name @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor @param {Clock} clock @returns {Instant} */
export function instantOf(name, record, look, cursor, clock) {
  if (cursor.live) return { time: null, heads: [] };
  const courses = name ? coursesOf(record, look, record.plan.spec) : [];
  const heads = courses.flatMap(({ runs, colour }) => {
    const past = runs.map((run) => ({ ...run, evaluations: run.evaluations.filter(({ forwards }) => forwards <= cursor.forwards + 1e-6) }));
    const line = evaluationLine(past, name ?? "loss", clock);
    const [x = NaN, y = NaN] = [line.x.at(-1), line.y.at(-1)];
    return Number.isFinite(y) ? [{ x, y: y * (name === "accuracy" ? PERCENT : 1), colour }] : [];
  });
  return { time: timeOf(record, cursor, clock), heads };
}

/** How long a run will have taken, as far as one can tell. @param {Run} run */
function secondsInAll({ steps, planned, ended }) {
  const spent = steps.seconds.at(-1) ?? 0;
  const made = steps.step.length / planned;
  return ended || made < SURE ? spent : spent / made;
}

/** The cursor on the x axis: forward passes are one number; steps and seconds are those of the run pointed at. @param {PlannedRecord} record @param {Cursor} cursor @param {Clock} clock */
function timeOf(record, cursor, clock) {
  if (clock === "forward passes") return cursor.forwards;
  const run = record.runs[cursor.run ?? 0];
  const step = stepAt(run, cursor);
  return clock === "steps" ? step : secondsAt(run, step);
}

/** Forward passes of a moment on the x axis. @param {PlannedRecord} record @param {number | null} run @param {number} x @param {Clock} clock */
export function forwardsAt(record, run, x, clock) {
  if (clock === "forward passes") return x;
  const chosen = record.runs[run ?? 0];
  if (clock === "steps") return spentAt(chosen, x);
  const { steps } = chosen;
  return steps.forwards[steps.seconds.findLastIndex((seconds) => seconds <= x)] ?? 0;
}

/** @param {Setting} setting @param {string} title */
function settingText({ step, lr, alpha }, title) {
  const changes = [["learning rate", lr], ["α", alpha]].filter(([, value]) => value !== null && value !== undefined);
  return `${title}: from step ${step + 1} on ${changes.map(([name, value]) => `${name} ${reading(Number(value))}`).join(", ")}`;
}

/** Axes that only grow while one job is looked at, in round numbers, so that nothing jumps. */
export class Frame {
  /** @type {Map<string, [number, number]>} */
  #known = new Map();

  forget() {
    this.#known.clear();
  }

  /** @param {string} name @param {[number, number]} values lowest and highest @returns {[number, number]} */
  range(name, [low, high]) {
    const known = this.#known.get(name);
    if (known && known[0] <= low && known[1] >= high) return known;
    const [least, most] = known ? [Math.min(low, known[0]), Math.max(high, known[1])] : [low, high];
    const [from, to] = scaleLinear().domain([least, most]).nice(10).domain();
    this.#known.set(name, [from, to]);
    return [from, to];
  }

  /** @param {string} name @param {number} value */
  end(name, value) {
    const known = this.#known.get(name)?.[1] ?? 0;
    return value <= known ? known : this.range(name, [0, 1.1 * value])[1];
  }
}

