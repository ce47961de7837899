import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";

const { Frame } = await import("../../viz_app/assets/lab/finetuning/pictures.mjs");
const { smooth, thin } = await import("../../viz_app/assets/lab/finetuning/courses.mjs");
const { bytes, comparison, scale } = await import("../../viz_app/assets/lab/finetuning/bytes.mjs");
const { rankCorrelation } = await import("../../viz_app/assets/lab/finetuning/ranks.mjs");
const { decades, powerTicks } = await import("../../viz_app/assets/lab/finetuning/decades.mjs");
const { until } = await import("../../viz_app/assets/lab/finetuning/trails.mjs");

test("a smoothed curve starts without bias and leaves out what is not a number", () => {
  assert.deepEqual(smooth([2, 2, NaN, 2], 4).map((value) => Number(value.toFixed(12))), [2, 2, 2, 2]);
  assert.equal(smooth([0, 1], 2)[1].toFixed(4), (0.5 / 0.75).toFixed(4));
});

test("a long curve is thinned, with its last point", () => {
  const x = Array.from({ length: 1234 }, (_, i) => i);
  const thinned = thin(x, x);
  assert.ok(thinned.x.length <= 501);
  assert.equal(thinned.y.at(-1), 1233);
});

test("an axis only grows, to round numbers", () => {
  const frame = new Frame();
  const first = frame.range("loss", [0.311, 0.702]);
  assert.ok(first[0] <= 0.311 && first[1] >= 0.702);
  assert.deepEqual(frame.range("loss", [0.4, 0.6]), first);
  assert.ok(frame.range("loss", [0.1, 0.6])[0] <= 0.1);
  assert.equal(frame.range("loss", [0.4, 0.6])[1], first[1]);
});

test("the axis of memory holds the largest, in its unit", () => {
  for (const most of [3, 999, 34e6, 1.5e9]) {
    const { at, end } = scale(most);
    assert.ok(end >= most && at[0] === 0 && at.at(-1) === end, String(most));
  }
  assert.equal(scale(34e6).unit, "MB");
  assert.deepEqual([12, 5.2e6, 123e6, 3.456e9].map(bytes), ["12 B", "5.20 MB", "123 MB", "3.46 GB"]);
});

test("the most demanding method is compared with the least", () => {
  const row = { weights: 0, activations: 0, gradients: 0, state: 0, workspace: 0 };
  const rows = [{ ...row, name: "MeZO", peak: 10e6 }, { ...row, name: "Adam", peak: 34e6 }];
  assert.equal(comparison(rows), "Adam needs 3.4 times as much as MeZO: 34.0 MB against 10.0 MB.");
  assert.equal(comparison([rows[0]]), "");
});

test("ranks: the same order, the opposite one, ties", () => {
  assert.equal(rankCorrelation([[1, 10], [2, 20], [3, 90]]), 1);
  assert.equal(rankCorrelation([[1, 9], [2, 5], [3, 1]]), -1);
  assert.equal(rankCorrelation([[1, 1], [1, 2], [2, 1], [2, 2]]), 0);
  assert.ok(Number.isNaN(rankCorrelation([[1, 1], [1, 2]])));
});

test("decades around exponents, and their ticks", () => {
  assert.deepEqual(decades([null, -3.2, 0.4]), [-3.5, 0.5]);
  assert.deepEqual(decades([null]), [-1, 1]);
  assert.deepEqual(powerTicks(-6, 0, 9).ticktext.slice(0, 2), ["10<sup>−6</sup>", "10<sup>−5</sup>"]);
  assert.deepEqual(powerTicks(0, 1).ticktext, ["1", "2", "5", "10"]);
});

test("a head is between two points where the moment is", () => {
  /** @type {import("../../viz_app/assets/lab/finetuning/trails.mjs").Trail} */
  const trail = { run: 0, points: [[0, 0], [4, 2]], forwards: [0, 100], steps: [0, 10], losses: [null, null] };
  assert.deepEqual(until(trail, 25)[1], [1, 0.5]);
  assert.deepEqual(until(trail, Infinity)[1], [4, 2]);
  assert.deepEqual(until(trail, 0)[0], [[0, 0], [0, 0]]);
});
