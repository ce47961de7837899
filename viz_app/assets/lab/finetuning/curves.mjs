// Loss, accuracy, and what each step was made of, against forward passes, steps or seconds: pure functions from a
// record to pictures, and the three panels that draw them.

import { reading } from "../web/scale.mjs";
import { LiveChart } from "./livechart.mjs";
import { make, setText } from "../web/make.mjs";
import { budget, latest, stepAt } from "./record.mjs";

const POINTS = 500; // along a curve
const WINDOW = 0.04; // of the planned steps: what the smoothed training loss averages over, as 1/e
const CEILING = 2; // times the zero-shot loss: what is higher is drawn at the top edge
const PERCENT = 100;
const SURE = 0.03; // of a run, before its length in seconds is told from it

export const CLOCKS = ["forward passes", "steps", "seconds"];
const COLUMN = { "forward passes": "forwards", steps: "step", seconds: "seconds" };

/** The same moment of a run on the x axis: from its steps' columns, an evaluation, or a setting. */
const at = (entry, clock, run) => entry[COLUMN[clock]] ?? secondsAt(run, entry.step);

const secondsAt = ({ steps }, step) => steps.seconds[steps.step.findLastIndex((made) => made <= step)] ?? 0;

/** Training loss, raw and smoothed, and held-out loss. */
export function lossPicture(record, look, cursor, clock, frame) {
  const zero = record.plan.zero_shot.loss;
  const sameScale = !/(^|&)loss=(accuracy|f1)/.test(record.plan.spec);
  const curves = record.runs.flatMap((run, i) => {
    const colour = look.colours[i];
    const x = run.steps[COLUMN[clock]];
    const smoothed = smooth(run.steps.loss, Math.max(3, WINDOW * run.planned));
    return [
      { name: look.titles[i], part: null, colour, weight: "raw", ...thin(x, run.steps.loss) },
      { name: look.titles[i], part: "training", colour, weight: "thin", ...thin(x, smoothed) },
      { name: look.titles[i], part: "held-out", colour, weight: "bold", dots: true, ...evaluations(run, clock, "loss") },
    ];
  });
  const top = CEILING * zero;
  let [low, high] = [0.85 * zero, zero];
  for (const { weight, y } of curves) {
    const values = (weight === "raw" ? [] : y).filter(Number.isFinite);
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, Math.min(value, top))];
  }
  const pad = 0.08 * Math.max(high - low, 0.1 * zero);
  const range = frame.range("loss", [Math.max(0, low - pad), high + pad]);
  for (const curve of curves) curve.y = curve.y.map((value) => Math.min(value, range[1]));
  return {
    ...common(record, look, cursor, clock, frame, (run) => bold(run, clock, "loss", cursor, range[1])),
    curves,
    levels: [zero],
    log: false,
    range,
    ylabel: sameScale ? "cross-entropy" : "loss",
    format: (y) => y.toFixed(3),
  };
}

/** Held-out accuracy in percent. */
export function accuracyPicture(record, look, cursor, clock, frame) {
  const zero = PERCENT * record.plan.zero_shot.accuracy;
  const curves = record.runs.map((run, i) => {
    const { x, y } = evaluations(run, clock, "accuracy");
    return { name: look.titles[i], part: "", colour: look.colours[i], weight: "bold", dots: true, x, y: y.map((value) => PERCENT * value) };
  });
  let [low, high] = [zero, zero];
  for (const { y } of curves) for (const value of y) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const range = frame.range("accuracy", [Math.max(0, low - 4), Math.min(100.5, Math.max(high + 3, low + 12))]);
  return {
    ...common(record, look, cursor, clock, frame, (run) => PERCENT * bold(run, clock, "accuracy", cursor, Infinity)),
    curves,
    levels: [zero],
    log: false,
    range,
    percent: true,
    ylabel: "held-out accuracy",
    format: (y) => `${y.toFixed(1)} %`,
  };
}

/** One of slope, curvature and step length on a log axis; a negative curvature is shown by its modulus. */
export function stepPicture(name, record, look, cursor, clock, frame) {
  const curves = record.runs.flatMap((run, i) => {
    const values = run.steps[name].map((value) => Math.abs(value) || NaN);
    if (!values.some(Number.isFinite)) return [];
    const colour = look.colours[i];
    const x = run.steps[COLUMN[clock]];
    const logs = smooth(values.map(Math.log), Math.max(3, WINDOW * run.planned));
    return [
      { name: look.titles[i], part: null, colour, weight: "raw", ...thin(x, values) },
      { name: look.titles[i], part: "", colour, weight: "bold", ...thin(x, logs.map(Math.exp)) },
    ];
  });
  const bold = curves.filter(({ weight }) => weight === "bold").flatMap(({ y }) => y.filter(Number.isFinite));
  const [low, high] = bold.length ? [Math.min(...bold), Math.max(...bold)] : [0.1, 10];
  const [bottom, top] = [low / 2, high * 2].map(Math.log10);
  const decades = [Math.min(bottom, Math.floor(top)), top]; // at least one power of ten, as only those are written at the axis
  const range = frame.range(name, decades).map((decade) => 10 ** decade);
  for (const curve of curves) curve.y = curve.y.map((value) => Math.min(Math.max(value, range[0]), range[1]));
  return {
    ...common(record, look, cursor, clock, frame, () => NaN),
    curves,
    levels: [],
    log: true,
    range,
    ylabel: "",
    format: (y) => reading(y),
  };
}

/** What all pictures share: the x axis, marks, the cursor. `height(run)` is where a run is at the cursor. */
function common(record, look, cursor, clock, frame, height) {
  const seconds = Math.max(1, ...record.runs.map(secondsInAll));
  const steps = Math.max(1, ...record.runs.map(({ planned }) => planned));
  const end = { "forward passes": budget(record), steps, seconds: frame.end("seconds", seconds) }[clock];
  const marks = record.runs.flatMap((run, i) => [
    ...run.settings.map((setting) => ({ kind: "setting", colour: look.colours[i], x: at(setting, clock, run), text: settingText(setting, look.titles[i]) })),
    ...(run.ended?.state === "failed" ? [{ kind: "cross", colour: look.colours[i], x: run.steps[COLUMN[clock]].at(-1) ?? 0, text: `${look.titles[i]}: ${run.ended.message}` }] : []),
  ]);
  const heads = cursor.live
    ? []
    : record.runs.flatMap((run, i) => {
        const last = latest(run.evaluations, cursor);
        const y = height(run);
        return last && Number.isFinite(y) ? [{ x: at(last, clock, run), y, colour: look.colours[i] }] : [];
      });
  return { marks, heads, time: cursor.live ? null : timeOf(record, cursor, clock), end, xlabel: clock, xname: clock };
}

/** How long a run will have taken, as far as one can tell. */
function secondsInAll({ steps, planned, ended }) {
  const spent = steps.seconds.at(-1) ?? 0;
  const made = steps.step.length / planned;
  return ended || made < SURE ? spent : spent / made;
}

/** The cursor on the x axis: forward passes are one number; steps and seconds are those of the run pointed at. */
function timeOf(record, cursor, clock) {
  if (clock === "forward passes") return cursor.forwards;
  const run = record.runs[cursor.run ?? 0];
  const step = stepAt(run, cursor);
  return clock === "steps" ? step : secondsAt(run, step);
}

/** Forward passes of a moment on the x axis. */
export function forwardsAt(record, run, x, clock) {
  if (clock === "forward passes") return x;
  const { steps, forwardsPerStep } = record.runs[run ?? 0];
  if (clock === "steps") return x * forwardsPerStep;
  return steps.forwards[steps.seconds.findLastIndex((seconds) => seconds <= x)] ?? 0;
}

const bold = (run, clock, name, cursor, top) => Math.min(latest(run.evaluations, cursor)?.[name] ?? NaN, top);

const settingText = ({ step, lr, alpha }, title) =>
  `${title}: from step ${step + 1} on ${[["learning rate", lr], ["α", alpha]].filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name} ${reading(value)}`).join(", ")}`;

function evaluations(run, clock, name) {
  return { x: run.evaluations.map((entry) => at(entry, clock, run)), y: run.evaluations.map((entry) => entry[name] ?? NaN) };
}

/** Exponential mean with a memory of `window` entries, started without bias; entries that are NaN are left out. */
export function smooth(values, window) {
  const keep = 1 - 1 / window;
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (Number.isFinite(value)) [sum, weight] = [keep * sum + (1 - keep) * value, keep * weight + (1 - keep)];
    return sum / weight;
  });
}

/** At most POINTS of a curve, ends included. */
function thin(x, y) {
  const stride = Math.max(1, Math.ceil(x.length / POINTS));
  if (stride === 1) return { x, y };
  const take = (list) => list.filter((_, i) => i % stride === 0 || i === list.length - 1);
  return { x: take(x), y: take(y) };
}

/** Axes that only grow while one job is looked at, in round numbers, so that nothing jumps. */
export class Frame {
  #known = {};

  forget() {
    this.#known = {};
  }

  range(name, [low, high]) {
    const known = this.#known[name];
    if (known && known[0] <= low && known[1] >= high) return known;
    const [least, most] = known ? [Math.min(low, known[0]), Math.max(high, known[1])] : [low, high];
    const step = roundAbove((most - least) / 10);
    return (this.#known[name] = [Math.floor(least / step + 1e-9) * step, Math.ceil(most / step - 1e-9) * step]);
  }

  end(name, value) {
    const known = this.#known[name] ?? 0;
    return value <= known ? known : (this.#known[name] = Math.ceil((1.1 * value) / roundAbove(value / 5)) * roundAbove(value / 5));
  }
}

/** The smallest 1, 2 or 5 times a power of ten that is at least `value`. */
function roundAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((lead) => lead * power >= value * (1 - 1e-9)) * power;
}

class Panel {
  /** @param {HTMLElement} element  @param {(forwards: number) => void} seek asked for by a click */
  constructor(element, seek) {
    Object.assign(this, { element, seek, clock: CLOCKS[0], frame: new Frame(), plan: null });
  }

  pick(x) {
    if (this.record) this.seek(forwardsAt(this.record, this.cursor.run, x, this.clock));
  }

  take(record, cursor) {
    if (record.plan !== this.plan) this.frame.forget();
    Object.assign(this, { record, cursor, plan: record.plan });
  }
}

/** A chart and a line under it. */
class OneChart extends Panel {
  constructor(element, seek) {
    super(element, seek);
    const stage = make("div", { class: "stage" });
    this.note = make("p", { class: "note" });
    element.replaceChildren(stage, this.note);
    this.chart = new LiveChart(stage, (x) => this.pick(x));
  }
}

export class LossCurves extends OneChart {
  show(record, look, cursor) {
    this.take(record, cursor);
    this.chart.show(lossPicture(record, look, cursor, this.clock, this.frame), look.theme);
    const counted = /(^|&)loss=(accuracy|f1)/.exec(record.plan.spec)?.[2];
    const training = counted ? `training (1 − ${counted === "f1" ? "F1" : "accuracy"}; another scale)` : "training, smoothed";
    setText(this.note, `Dashed: zero-shot, ${record.plan.zero_shot.loss.toFixed(3)}. Bold: held-out. Thin: ${training}; faint: each step's minibatch. Click to go to a moment.`);
  }
}

export class AccuracyCurves extends OneChart {
  show(record, look, cursor) {
    this.take(record, cursor);
    this.chart.show(accuracyPicture(record, look, cursor, this.clock, this.frame), look.theme);
    setText(this.note, `Dashed: zero-shot, ${(PERCENT * record.plan.zero_shot.accuracy).toFixed(1)} %. On ${record.plan.task.held_out.toLocaleString("en-US")} held-out ${record.plan.task.synthetic ? "synthetic " : ""}texts. Click to go to a moment.`);
  }
}

const STEP_CHARTS = [
  ["slope", "Slope g", "Root mean square over the directions of (ℓ₊ − ℓ₋) / 2μ"],
  ["curvature", "Curvature c", "Mean over the directions of (ℓ₊ + ℓ₋ − 2ℓ₀) / μ², by its modulus; methods that estimate P only"],
  ["length", "Step length ‖Δθ‖", "Distance in parameter space that a step covers"],
];

export class StepCurves extends Panel {
  constructor(element, seek) {
    super(element, seek);
    this.charts = STEP_CHARTS.map(([name, title, tip]) => {
      const stage = make("div", { class: "stage" });
      const heading = make("h3", { tabindex: "0", data: { tip } }, title);
      element.append(heading, stage);
      return { name, heading, chart: new LiveChart(stage, (x) => this.pick(x)) };
    });
    this.legend = make("p", { class: "note panel-keys" });
    element.append(this.legend);
  }

  show(record, look, cursor) {
    this.take(record, cursor);
    this.charts.forEach(({ name, chart }, i) => {
      const picture = stepPicture(name, record, look, cursor, this.clock, this.frame);
      if (i < this.charts.length - 1) picture.xlabel = "";
      chart.show(picture, look.theme);
    });
    this.#legend(look);
  }

  /** Which colour is whose, and what the two kinds of lines are. */
  #legend({ titles, colours }) {
    const key = [...titles, ...colours].join();
    if (key === this.key) return;
    this.key = key;
    const names = titles.map((title, i) => make("span", {}, make("i", { style: `background:${colours[i]}` }), title));
    this.legend.replaceChildren(...names, make("span", {}, "bold: smoothed, faint: each step"));
  }
}
