import assert from "node:assert/strict";
import { test } from "node:test";

import { statusLine } from "../../viz_app/assets/lab/finetuning/status.mjs";
import { emptyRecord } from "../../viz_app/assets/lab/finetuning/record.mjs";

/** @import { ShownJob } from "../../viz_app/assets/lab/finetuning/shown.mjs" */
/** @import { State } from "../../viz_app/assets/lab/finetuning/messages.mjs" */

/** @param {State} state @param {object} more @returns {ShownJob} */
const job = (state, more = {}) => /** @type {ShownJob} */ (/** @type {unknown} */ ({ record: { ...emptyRecord(), status: { state, message: "" } }, look: { titles: [] }, line: "", cannot: "", isFindingPlane: false, ...more }));

test("a job that trains says how long it still takes", () => {
  assert.equal(statusLine(job("running"), "about 3 min left"), "Training, about 3 min left");
  assert.equal(statusLine(job("running"), null), "Training");
  assert.equal(statusLine(job("paused"), "about 3 min left"), "Paused", "what was left when it was listed last");
  assert.match(statusLine(job("running", { isFindingPlane: true }), "about 1 s left"), /^All runs have ended/);
});
