import assert from "node:assert/strict";
import { test } from "node:test";

import { emptyRecord, fold, latest } from "../../viz_app/assets/lab/finetuning/record.mjs";

/** @import { Message } from "../../viz_app/assets/lab/finetuning/messages.mjs" */

const plan = { type: "plan", runs: [{ label: "mezo", method: "mezo", name: "MeZO", hyperparameters: {}, forwards_per_step: 2, steps: 9, estimates_hessian: false }] };
/** @param {number} step @param {number} rounds */
const measured = (step, rounds) => ({ type: "headroom", run: 0, step, rounds, groups: [], R: [], sentence: "", cost: "" });

test("a later measurement of the same step, which holds the earlier one's rounds, takes its place", () => {
  const record = emptyRecord();
  for (const message of [plan, measured(4, 4), measured(0, 4), measured(4, 8)]) fold(record, /** @type {Message} */ (/** @type {unknown} */ (message)));
  const { headrooms } = record.runs[0];
  assert.deepEqual(headrooms.map(({ step, rounds }) => [step, rounds]), [[0, 4], [4, 8]]);
  assert.equal(latest(headrooms, { forwards: 7, live: false })?.step, 0);
  assert.equal(latest(headrooms, { forwards: 8, live: false })?.rounds, 8);
});
