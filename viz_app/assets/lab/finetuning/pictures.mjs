// Loss, accuracy, and what each step was made of, against forward passes, steps or seconds: pure functions from a record
// to pictures.

/** @import { Look } from "./look.mjs" */
/** @import { Cursor, PlannedRecord, Run, Setting } from "./record.mjs" */
import { scaleLinear } from "../vendor/d3.mjs";
import { reading } from "../web/scale.mjs";
import { budget, latest, stepAt } from "./record.mjs";

/** @typedef {"forward passes" | "steps" | "seconds"} Clock */

/**
 * @typedef {object} Curve
 * @property {string} name of the run @property {string | null} part what it is of the run, null: not to be read
 * @property {string} colour @property {number[]} x @property {number[]} y NaN breaks the line
 * @property {"raw" | "thin" | "bold"} weight  @property {boolean} dots at every point
 *
 * @typedef {{x: number, colour: string, text: string, kind: "setting" | "cross"}} Mark at the top: a setting was changed,
 *   or the run broke off
 *
 * @typedef {object} Picture
 * @property {Curve[]} curves
 * @property {number[]} levels dashed horizontal lines
 * @property {Mark[]} marks
 * @property {boolean} log @property {[number, number]} range of y @property {number} end of the x axis
 * @property {Clock} clock @property {string} ylabel
 * @property {string} format of y, as d3-format has it @property {string} unit of y, after the number
 *
 * @typedef {object} Instant where the cursor is
 * @property {number | null} time on the x axis; null while it follows the newest
 * @property {{x: number, y: number, colour: string}[]} heads where each run is
 */

/** @type {("s" | "v" | "tr" | "q")[]} */
const READINGS = ["s", "v", "tr", "q"];
const POINTS = 500; // along a curve
const WINDOW = 0.04; // of the planned steps: what the smoothed training loss averages over, as 1/e
const CEILING = 2; // times the zero-shot loss: what is higher is drawn at the top edge
const PERCENT = 100;
const SURE = 0.03; // of a run, before its length in seconds is told from it

/** @type {Record<Clock, "forwards" | "step" | "seconds">} */
const COLUMN = { "forward passes": "forwards", steps: "step", seconds: "seconds" };

/** The moment of an evaluation or a setting on the x axis. @param {{step: number, forwards: number, seconds?: number}} entry @param {Clock} clock @param {Run} run */
const at = (entry, clock, run) => entry[COLUMN[clock]] ?? secondsAt(run, entry.step);

/** @param {Run} run @param {number} step */
const secondsAt = ({ steps }, step) => steps.seconds[steps.step.findLastIndex((made) => made <= step)] ?? 0;

/** What "loss" counts where it is not cross-entropy: "accuracy" or "f1". @param {PlannedRecord} record */
export const countedBy = (record) => /(?:^|&)loss=(accuracy|f1)/.exec(record.plan.spec)?.[1] ?? null;

/** What a picture's curves follow from: while it is the same, the picture is. @param {PlannedRecord} record @param {Look} look @param {Clock} clock */
export function versionOf(record, look, clock) {
  const runs = record.runs.map(({ steps, evaluations, settings, ended }) => [steps.step.length, steps.seconds.at(-1), evaluations.length, settings.length, ended?.state]);
  return [record.plan.spec, clock, look.theme.ink, look.theme.panel, look.theme.size, look.titles, look.colours, runs].join();
}

/** Training loss, raw and smoothed, and held-out loss. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
export function lossPicture(record, look, clock, frame) {
  const zero = record.plan.zero_shot.loss;
  const curves = record.runs.flatMap((run, i) => {
    const shared = { name: look.titles[i], colour: look.colours[i], dots: false };
    const x = run.steps[COLUMN[clock]];
    const smoothed = smooth(run.steps.loss, Math.max(3, WINDOW * run.planned));
    return /** @type {Curve[]} */ ([
      { ...shared, part: null, weight: "raw", ...thin(x, run.steps.loss) },
      { ...shared, part: "training", weight: "thin", ...thin(x, smoothed) },
      { ...shared, part: "held-out", weight: "bold", dots: true, ...evaluations(run, clock, "loss") },
    ]);
  });
  const top = CEILING * zero;
  let [low, high] = [0.85 * zero, zero];
  for (const { weight, y } of curves) {
    for (const value of weight === "raw" ? [] : y) {
      if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, Math.min(value, top))];
    }
  }
  const pad = 0.08 * Math.max(high - low, 0.1 * zero);
  const range = frame.range("loss", [Math.max(0, low - pad), high + pad]);
  for (const curve of curves) curve.y = curve.y.map((value) => Math.min(value, range[1]));
  return { ...common(record, look, clock, frame), curves, levels: [zero], log: false, range, ylabel: countedBy(record) ? "loss" : "cross-entropy", format: ".3f", unit: "" };
}

/** Held-out accuracy in percent. @param {PlannedRecord} record @param {Look} look @param {Clock} clock @param {Frame} frame @returns {Picture} */
export function accuracyPicture(record, look, clock, frame) {
  const zero = PERCENT * record.plan.zero_shot.accuracy;
  /** @type {Curve[]} */
  const curves = record.runs.map((run, i) => {
    const { x, y } = evaluations(run, clock, "accuracy");
    return { name: look.titles[i], part: "", colour: look.colours[i], weight: "bold", dots: true, x, y: y.map((value) => PERCENT * value) };
  });
  const values = [zero, ...curves.flatMap(({ y }) => y.filter(Number.isFinite))];
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
    const logs = smooth(values.map(Math.log), Math.max(3, WINDOW * run.planned));
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
  const seconds = Math.max(1, ...record.runs.map(secondsInAll));
  const steps = Math.max(1, ...record.runs.map(({ planned }) => planned));
  const end = { "forward passes": budget(record), steps, seconds: frame.end("seconds", seconds) }[clock];
  const marks = record.runs.flatMap((run, i) => {
    const [colour, title] = [look.colours[i], look.titles[i]];
    /** @type {Mark[]} */
    const settings = run.settings.map((setting) => ({ kind: "setting", colour, x: at(setting, clock, run), text: settingText(setting, title) }));
    if (run.ended?.state === "failed") settings.push({ kind: "cross", colour, x: run.steps[COLUMN[clock]].at(-1) ?? 0, text: `${title}: ${run.ended.message}` });
    return settings;
  });
  return { marks, end, clock };
}

/** Where the cursor is on a picture of the loss or the accuracy; heads are none while it follows the newest, or without a `name`. @param {"loss" | "accuracy" | null} name @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor @param {Clock} clock @returns {Instant} */
export function instantOf(name, record, look, cursor, clock) {
  if (cursor.live) return { time: null, heads: [] };
  const heads = record.runs.flatMap((run, i) => {
    const last = latest(run.evaluations, cursor);
    const y = name && last ? last[name] * (name === "accuracy" ? PERCENT : 1) : NaN;
    return last && Number.isFinite(y) ? [{ x: at(last, clock, run), y, colour: look.colours[i] }] : [];
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
  const { steps, forwardsPerStep } = record.runs[run ?? 0];
  if (clock === "steps") return x * forwardsPerStep;
  return steps.forwards[steps.seconds.findLastIndex((seconds) => seconds <= x)] ?? 0;
}

/** @param {Setting} setting @param {string} title */
function settingText({ step, lr, alpha }, title) {
  const changes = [["learning rate", lr], ["α", alpha]].filter(([, value]) => value !== null && value !== undefined);
  return `${title}: from step ${step + 1} on ${changes.map(([name, value]) => `${name} ${reading(Number(value))}`).join(", ")}`;
}

/** @param {Run} run @param {Clock} clock @param {"loss" | "accuracy"} name */
function evaluations(run, clock, name) {
  return { x: run.evaluations.map((entry) => at(entry, clock, run)), y: run.evaluations.map((entry) => entry[name] ?? NaN) };
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

/** At most about POINTS of a curve, ends included. @param {number[]} x @param {number[]} y */
export function thin(x, y) {
  const stride = Math.max(1, Math.ceil(x.length / POINTS));
  if (stride === 1) return { x, y };
  const take = (/** @type {number[]} */ list) => list.filter((_, i) => i % stride === 0 || i === list.length - 1);
  return { x: take(x), y: take(y) };
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

