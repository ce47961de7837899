import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { mapOf } from "./tuning-map.mjs";
import { best, extent, kind, offered, sentence, touches } from "../../viz_app/assets/lab/tuning/measures.mjs";

test("the best cell has the fewest passes of those that end at the target and in which no run diverged", () => {
  const map = mapOf({ passes: [100, 300, 200, 50], loss: [0.05, 0.05, 0.05, 0.5], diverged: [0.25, 0, 0, 0] });
  assert.equal(best(map, "passes"), 2);
  assert.ok(touches(map, 3), "the last only touched it");
});

test("where a run diverged everywhere, cells with few of them count; where half did, none is the best", () => {
  assert.equal(best(mapOf({ passes: [100, 50], loss: [0, 0], diverged: [0.25, 0.75] }), "passes"), 0);
  assert.equal(best(mapOf({ passes: [100, 50], loss: [0, 0], diverged: [0.75, 0.75] }), "passes"), null);
});

test("losses that are rounding are alike, and then the passes decide", () => {
  const map = mapOf({ loss: [1e-14, 3e-15], passes: [100, 200] });
  assert.equal(best(map, "loss"), 0);
  assert.equal(best(mapOf({ loss: [1e-3, 1e-4], passes: [100, 200] }), "loss"), 1);
});

test("the least bias is the factor nearest to 1, and equal shares of diverged runs have no best", () => {
  assert.equal(best(mapOf({ bias: [4, 0.5, NaN] }), "bias"), 1);
  assert.equal(best(mapOf({ diverged: [0, 0, 0.25] }), "diverged"), null);
});

test("a cell is hatched, coloured, darker or grey", () => {
  const map = mapOf({ passes: [NaN, 100, NaN, NaN], loss: [Infinity, 0, 200, 1], diverged: [0.5, 0, 0, 0] });
  assert.deepEqual([0, 1, 2, 3].map((cell) => kind(map, cell, "passes")), ["diverged", "value", "higher", "none"]);
  assert.equal(kind(map, 2, "loss"), "higher");
});

test("colours span the cells that did not diverge; a bias at least a factor of two, up and down", () => {
  assert.deepEqual(extent(mapOf({ passes: [100, 300, 5], diverged: [0, 0, 0.5] }), "passes"), [100, 300]);
  assert.deepEqual(extent(mapOf({ bias: [1, 1.1] }), "bias"), [0.5, 2]);
  assert.deepEqual(extent(mapOf({ bias: [1, 1e6] }), "bias"), [0.01, 100]);
  assert.deepEqual(extent(mapOf({ loss: [1, 1e9] }), "loss"), [1, 100]);
  assert.equal(extent(mapOf({ passes: [NaN] }), "passes"), null);
});

test("a cell is said in one line", () => {
  const map = mapOf({ passes: [100, NaN], reached: [3, 1], loss: [0.05, 200], diverged: [0.25, 0], bias: [2, NaN] });
  assert.equal(sentence(map, 0), "first reached loss ≤ 0.1 after 100 passes (3 of 4 runs); final loss 0.05; 25 % diverged; P 2× the true diagonal");
  assert.equal(sentence(map, 1), "target not reached (1 of 4 runs); ended higher than it began, at loss 200");
  assert.equal(sentence(mapOf({ diverged: [0.75] }), 0), "75 % of 4 runs diverged");
});

test("a method without a Hessian has no bias", () => {
  assert.deepEqual(offered(false), ["passes", "loss", "diverged"]);
  assert.deepEqual(offered(true), ["passes", "loss", "diverged", "bias"]);
});
