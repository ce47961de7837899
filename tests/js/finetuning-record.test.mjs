import assert from "node:assert/strict";
import { test } from "node:test";

import { budget, emptyRecord, evaluationAt, fold, hessianAt, isOver, keepRebuilt, latest, spent, spentAt, stepAt } from "../../viz_app/assets/lab/finetuning/record.mjs";

/** @import { Evaluation, Message, PlanMessage } from "../../viz_app/assets/lab/finetuning/messages.mjs" */

const run = { label: "mezo", method: "mezo", name: "MeZO", hyperparameters: {}, forwards_per_step: 8, steps: 9, estimates_hessian: false };
const plan = /** @type {PlanMessage} */ (/** @type {unknown} */ ({ type: "plan", runs: [run] }));
const COLUMNS = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"];
const ROWS = [[1, 8, 0.1, 0.7, 1, null, 0.1, 0.1, null], [2, 16, 0.2, 0.6, 1, null, 0.1, 0.1, null]];
/** @param {number} step @returns {Evaluation} */
const evaluated = (step) => ({ step, forwards: 8 * step, seconds: step, loss: 1 / (1 + step), accuracy: 0.5, f1: 0.5, probabilities: [] });

/** @param {Message[]} messages */
function folded(...messages) {
  const record = emptyRecord();
  for (const message of messages) fold(record, message);
  return record;
}

test("rows of steps are read by the names of their columns, in whatever order", () => {
  const order = [3, 0, 8, 1, 2, 5, 4, 7, 6];
  const columns = order.map((i) => COLUMNS[i]);
  const rows = ROWS.map((row) => order.map((i) => row[i]));
  const { steps } = folded(plan, { type: "steps", run: 0, columns: ["another", ...columns], rows: rows.map((row) => [7, ...row]) }).runs[0];
  assert.deepEqual(steps.step, [1, 2]);
  assert.deepEqual(steps.forwards, [8, 16]);
  assert.deepEqual(steps.loss, [0.7, 0.6]);
  assert.deepEqual(steps.curvature, [NaN, NaN], "null is a method without such a number");
});

test("steps that are sent again after a restart replace those from their first on", () => {
  const again = [[2, 16, 0.3, 0.5, 1, null, 0.1, 0.1, null]];
  const { steps } = folded(plan, { type: "steps", run: 0, columns: COLUMNS, rows: ROWS }, { type: "steps", run: 0, columns: COLUMNS, rows: again }).runs[0];
  assert.deepEqual(steps.step, [1, 2]);
  assert.deepEqual(steps.loss, [0.7, 0.5]);
});

test("messages that are sent twice change nothing", () => {
  /** @type {Message[]} */
  const messages = [
    plan,
    { type: "evaluation", run: 0, ...evaluated(0) },
    { type: "steps", run: 0, columns: COLUMNS, rows: ROWS },
    { type: "hessian", run: 0, step: 2, quantiles: [], histogram: { edges: [], counts: [] } },
    { type: "surface", kind: "ends", x: [0, 1], y: [0], cells: [[1, 0, 0.5]], done: false },
    { type: "setting", run: 0, step: 2, lr: 0.2, alpha: null },
  ];
  assert.deepEqual({ ...folded(...messages), version: 0 }, { ...folded(...messages, ...messages), version: 0 });
  assert.equal(folded(...messages, ...messages).surfaces.ends?.filled, 1);
});

test("progress that has come to its end, or is said to be over, is none", () => {
  /** @type {Message} */
  const halfway = { type: "progress", message: "making MeZO's steps again from the log", done: 3, total: 9, unit: "steps" };
  assert.equal(folded(plan, halfway).progress?.unit, "steps");
  assert.equal(folded(plan, halfway, { ...halfway, done: 9 }).progress, null);
  assert.equal(folded(plan, halfway, { type: "progress", message: "", done: 0, total: 0, unit: "" }).progress, null);
});

test("a note stands beside the state, once", () => {
  /** @type {Message} */
  const note = { type: "note", run: null, message: "the memory table failed" };
  const record = folded(plan, { type: "status", state: "running", run: null, message: "" }, note, note);
  assert.deepEqual(record.notes, [{ run: null, message: "the memory table failed" }]);
  assert.equal(record.status.state, "running");
});

test("the state of the job and the end of one run are kept apart", () => {
  const record = folded(plan, { type: "status", state: "running", run: null, message: "" }, { type: "status", state: "failed", run: 0, message: "diverged" });
  assert.equal(record.status.state, "running");
  assert.deepEqual(record.runs[0].ended, { state: "failed", message: "diverged" });
  assert.ok(isOver(record.runs[0]));
});

test("the cursor shows the last evaluation before it, or one that was rebuilt for it", () => {
  const record = folded(plan, { type: "steps", run: 0, columns: COLUMNS, rows: ROWS }, { type: "evaluation", run: 0, ...evaluated(0) }, { type: "evaluation", run: 0, ...evaluated(2) });
  const [only] = record.runs;
  const cursor = { forwards: 9, live: false };
  assert.equal(spent(record), 16);
  assert.equal(stepAt(only, cursor), 1);
  assert.equal(evaluationAt(only, cursor)?.step, 0);
  keepRebuilt(record, 0, { evaluation: evaluated(1), hessian: { type: "hessian", run: 0, step: 1, quantiles: [], histogram: { edges: [], counts: [] } } });
  assert.equal(evaluationAt(only, cursor)?.step, 1);
  assert.equal(hessianAt(only, cursor)?.forwards, 8);
  assert.equal(evaluationAt(only, { forwards: 0, live: true })?.step, 2);
});

test("a run that had texts to read first spends its first passes before its first step", () => {
  const { runs } = folded({ ...plan, runs: [{ ...run, forwards_per_step: 0.5, filling: 4.5 }] });
  const record = { ...emptyRecord(), runs };
  assert.equal(spent(record), 4.5);
  assert.equal(spentAt(runs[0], 9), 9);
  assert.equal(budget(record), 9);
  runs[0].steps.step.push(1, 2, 3);
  const steps = [0, 4.9, 5, 5.4, 6].map((forwards) => stepAt(runs[0], { forwards, live: false }));
  assert.deepEqual(steps, [0, 0, 1, 1, 3]);
  const start = { ...evaluated(0), forwards: 4.5 };
  assert.equal(latest([start], { forwards: 1, live: false }), start, "the start is what there is before the first step");
});
