import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { axisOf, barsOf, sentence, shown, times } from "../../viz_app/assets/lab/playground/headroom.mjs";

/** @import { Track } from "../../viz_app/assets/lab/playground/trace.mjs" */

/** @param {number[][]} rows R of no preconditioner, P, the exact diagonal, and the most, by frame @param {boolean} [estimates] */
const track = (rows, estimates = true) => {
  const gains = rows.flatMap(([none, p, exact]) => [none, p / 2, exact / 2]);
  const [headroom, gain] = [rows.flat(), gains].map((values) => Float32Array.from(values.map(Math.log10)));
  return /** @type {Track} */ (/** @type {unknown} */ ({ headroom, gain, shown_h: estimates ? new Float32Array(2) : undefined }));
};

const START = [2e-4, 0.82, 1, 2];

test("bars stand on one logarithmic axis for the whole run, and begin where nothing is gained", () => {
  const run = track([START, [2e-8, 2e-9, 1e-6, 1e-6]]);
  assert.deepEqual(axisOf(run), [-1, 4]);
  const bars = barsOf(run, 0, "HiZOO");
  assert.deepEqual(bars.map(({ key, span }) => [key, ...span.map((part) => Number(part.toFixed(2)))]), [["none", 0.2, 0.2], ["p", 0.2, 0.92], ["exact", 0.2, 0.94], ["most", 0.2, 1]]);
  assert.deepEqual(bars.map(({ value }) => Number(value.toPrecision(3))), START);
  assert.deepEqual(barsOf(run, 1, "HiZOO")[1].span.map((part) => Number(part.toFixed(2))), [0, 0.2]);
  assert.deepEqual(barsOf(track([START], false), 0, "MeZO").map(({ key }) => key), ["none", "exact", "most"]);
});

/** @param {number[]} row @param {boolean} [estimates] */
const said = (row, estimates) => sentence(track([row], estimates), 0, "HiZOO", 4);

test("one sentence says what curvature gains in R and in a step, and what the estimate gets of it", () => {
  const exact = "With the exact diagonal R is 5,000 times that without, and a step of 4 directions takes 2,500 times as much off the loss";
  assert.equal(said(START), `${exact}; with the P of HiZOO 4,100 times and 2,100 times.`);
  assert.equal(said(START, false), `${exact}.`);
  assert.equal(said([20000, 12000, 10000, 20000], false), "Here curvature gains nothing: with the exact diagonal R is 0.5 times that without, and a step of 4 directions takes 0.25 times as much off the loss.");
});

test("where there is no slope, or no convex loss, it says so", () => {
  assert.equal(said([0, 0, 0, 0]), "The slope here is 0: no step gains anything.");
  assert.equal(said([2, 3, NaN, Infinity]), "Here the loss is not convex along the probes: there is no best step to compare.");
  assert.equal(times(5.04e9), "5.0e9 times");
});

test("an R below the least number of float32 is a number, so that four rows near the minimum are not the same text", () => {
  assert.deepEqual([0.5, 1.24e-40, 0, Infinity].map(shown), ["0.5", "1.2e-40", "0", "no bound"]);
});
