import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { heights } from "../../viz_app/assets/lab/playground/contours.mjs";
import { hessianCurves, lossCurves, sortedCurves } from "../../viz_app/assets/lab/playground/curves.mjs";
import { status } from "../../viz_app/assets/lab/playground/words.mjs";

/** @import { Look } from "../../viz_app/assets/lab/playground/page.mjs" */
/** @import { Trace, Track } from "../../viz_app/assets/lab/playground/trace.mjs" */

/** Three recorded steps of two coordinates. @param {number[][]} gap_q its three quantiles @param {object} [more] @returns {Trace} */
function traced(gap_q, more) {
  const step = Float32Array.of(0, 1, 2);
  const h = { h_q: Float32Array.from([...Array(6).fill(1), ...Array(6).fill(2), ...Array(6).fill(4)]), true_h: Float32Array.of(3, -5, 3, -5, 3, -5) };
  const track = { step, hStep: step, forwards: step, frames: 3, runs: 1, n: 1, gap_q: Float32Array.from(gap_q.flat()), ...h, ...more };
  const header = { coords: [0, 1], runs: 4, target: 1e-3 };
  return /** @type {Trace} */ (/** @type {unknown} */ ({ header, dim: 2, reference: 0, tracks: [track] }));
}

/** @type {Look} */
const look = { theme: /** @type {Look["theme"]} */ (/** @type {unknown} */ ({ ink: "ink", colour: (/** @type {string} */ name) => name })), colours: ["red"], titles: ["HiZOO"] };

test("losses are cut at the axis, which is whole decades, and say where they left it", () => {
  const { curves, log, range } = lossCurves(traced([[50, 5, 1e-20], [50, 6, 1e-20], [50, 7, 1e-20]]), "steps", look);
  assert.deepEqual([log, range.map(Math.log10).map(Math.round)], [true, [-13, 2]]);
  assert.equal(curves[0].y[2], range[0]);
  assert.deepEqual(curves[0].marks, [{ kind: "below", x: 2, y: range[0] }]);
});

test("a median that diverges ends in a cross at the top", () => {
  const { curves, range } = lossCurves(traced([[5, 5, 5], [5, Infinity, Infinity], [5, Infinity, Infinity]]), "steps", look);
  assert.deepEqual(curves[0].marks, [{ kind: "cross", x: 1, y: range[1] }]);
  assert.deepEqual(curves[0].x, [0, 1]);
});

test("losses that may be negative have a linear axis", () => {
  const negative = { ...traced([[1, 0, -1], [1, 0, -1], [1, 0, -1]]), reference: null };
  const { log, range } = lossCurves(negative, "steps", look);
  assert.equal(log, false);
  assert.ok(range[0] < -1 && range[1] > 1);
});

test("from a fork on, the old future is a ghost", () => {
  const spans = [{ from: 0, ghost: 1 }];
  const { curves } = lossCurves(traced([[9, 5, 1], [9, 5, 1], [9, 5, 1]]), "steps", { ...look, spans });
  assert.deepEqual(curves.map(({ x, ghost = false }) => [x, ghost]), [[[0, 1], false], [[1, 2], true]]);
});

test("P stands beside the exact diagonal's absolute value, its negative part in another colour", () => {
  const { curves, labels } = hessianCurves(traced([[9, 5, 1], [9, 5, 1], [9, 5, 1]]), "steps", look);
  assert.deepEqual(curves.map(({ colour, y }) => [colour, y[0]]), [["ink", 3], ["red", 2], ["--warning", 5], ["red", 2]]);
  assert.equal(labels?.length, 1, "two labels at one height become one");
});

test("sorted, the largest comes first", () => {
  const { curves, order } = sortedCurves(traced([[9, 5, 1], [9, 5, 1], [9, 5, 1]]), 1, "steps", look);
  assert.deepEqual(order, [0, 1]);
  assert.deepEqual(curves.map(({ y }) => y), [[3, 5], [2, 2]]);
});

test("contours are logarithms above the minimum; what is not finite is a hole", () => {
  const grid = { f: "f", coords: /** @type {[number, number]} */ ([0, 1]), xrange: /** @type {[number, number]} */ ([0, 1]), yrange: /** @type {[number, number]} */ ([0, 1]), shape: /** @type {[number, number]} */ ([2, 2]), z: Float32Array.of(2, 3, NaN, 102), minimum: 2 };
  const { rows, levels } = heights(grid);
  assert.deepEqual(rows.map((row) => row.map((value) => value && Math.round(value))), [[-3, 0], [null, 2]]);
  assert.equal(levels.end, rows[1][1]);
});

test("the table says how the runs ended", () => {
  const { tracks: [track], header } = traced([[9, 5, 1], [9, 5, 1], [9, 5, 1]]);
  /** @param {Partial<Track>} more */
  const words = (more) => status({ ...track, diverged: 0, statuses: [], floor_step: null, passes_to_target: { median: 3, reached: 0 }, ...more }, header);
  assert.equal(words({}), "still falling");
  assert.equal(words({ passes_to_target: { median: 3, reached: 4 } }), "reached the target, but ended above it");
  assert.equal(words({ passes_to_target: { median: null, reached: 1 }, floor_step: 7 }), "1 of 4 runs reached the target; floor on P acted at step 7");
  const gone = { kind: /** @type {const} */ ("diverged"), step: 1, sentence: "diverged at step 1: loss is not finite", floor_step: null };
  assert.equal(words({ diverged: 4, statuses: [gone, gone, gone, gone] }), "all of 4 runs: first diverged at step 1: loss is not finite");
});
