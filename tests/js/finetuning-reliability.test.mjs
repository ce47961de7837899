import assert from "node:assert/strict";
import { test } from "node:test";

import { heldSentence, isDecided, undecidedSentence } from "../../viz_app/assets/lab/finetuning/reliability.mjs";
import { sharedRange } from "../../viz_app/assets/lab/finetuning/range.mjs";

/** @param {number} median @returns {[number, number, number, number]} */
const group = (median) => [median, median, median, median];

test("groups below a reliability of one half are undecided; an estimator that tells none has none", () => {
  const hessian = { quantiles: [group(1), group(2), group(3)], reliability: [0.2, 0.5, 0.9] };
  assert.deepEqual([0, 1, 2].map((g) => isDecided(hessian, g)), [false, true, true]);
  assert.match(undecidedSentence(hessian), /^1 of 3 groups are undecided \(grey\)/);
  assert.equal(undecidedSentence({ quantiles: [group(1)] }), "");
  assert.equal(isDecided({ quantiles: [group(1)] }, 0), true);
});

test("groups at a bound of P are counted in words, within float32's rounding", () => {
  const hessian = { quantiles: [group(1e12), group(999999995904), group(1), group(1e-12)] };
  const words = heldSentence(hessian, 1e-12);
  assert.match(words, /2 of 4 groups stand at P's upper bound 1e12: they hardly move any more\./);
  assert.match(words, /1 of 4 groups stand at P's lower bound 1e-12/);
  assert.equal(heldSentence({ quantiles: [group(1)] }, 1e-12), "");
});

test("P and the reference share one range of colours, which cuts off what is far below the reference's largest", () => {
  const truth = { groups: /** @type {[number, number][]} */ ([[1e-2, 0], [-1e2, 0], [1e-9, 0]]) };
  assert.deepEqual(sharedRange([1, 10], truth), [-3, 2]);
  assert.deepEqual(sharedRange([1e-4, 1e4], truth), [-4, 4]);
  assert.deepEqual(sharedRange([1, 1e3], null), [0, 3]);
});
