import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { rateCurves } from "../../viz_app/assets/lab/playground/rates.mjs";

/** @import { Look } from "../../viz_app/assets/lab/playground/page.mjs" */
/** @import { Trace } from "../../viz_app/assets/lab/playground/trace.mjs" */

const look = /** @type {Look} */ (/** @type {unknown} */ ({ colours: ["blue", "red"], titles: ["MeZO", "HiZOO"] }));

test("only optimizers with lr=auto have curves: η whole, what it was made of dashed, what is not positive left out", () => {
  const step = Float32Array.of(0, 1, 2);
  const rates = Float32Array.of(NaN, 4, 2, NaN, 0, 0, NaN, 8, 8, NaN, NaN, NaN, NaN, 0, 0.5); // s, v, tr, q, η
  const track = { step, forwards: step, frames: 3, n: 1 };
  const trace = /** @type {Trace} */ (/** @type {unknown} */ ({ header: {}, tracks: [track, { ...track, rates }] }));
  const { curves, labels, log, range } = rateCurves(trace, "steps", look);
  assert.deepEqual(curves.map(({ name, dashed }) => [name, dashed]), [["HiZOO, s", true], ["HiZOO, tr", true], ["HiZOO, η", false]]);
  assert.deepEqual(curves[2].x, [1, 2]);
  assert.deepEqual(curves[2].y, [NaN, 0.5]);
  assert.deepEqual((labels ?? []).map(({ text }) => text), ["η", "s", "tr"]);
  assert.ok(log && range[0] <= 0.5 && range[1] >= 8);
});

test("with two optimizers every curve has its name in its colour, and no name covers another", () => {
  const step = Float32Array.of(0, 1, 2);
  const rates = Float32Array.of(NaN, 4, 4, NaN, 4, 4, NaN, 5, 5, NaN, 1e4, 1e4, NaN, 0.5, 0.5);
  const track = { step, forwards: step, frames: 3, n: 1, rates };
  const trace = /** @type {Trace} */ (/** @type {unknown} */ ({ header: {}, tracks: [track, track] }));
  const { labels = [], range } = rateCurves(trace, "steps", look);
  assert.deepEqual(labels.map(({ text, colour }) => `${text} ${colour}`).sort(), ["q", "s", "tr", "v", "η"].flatMap((name) => [`${name} blue`, `${name} red`]));
  const heights = labels.map(({ y }) => Math.log10(y / range[0]) / Math.log10(range[1] / range[0]));
  assert.ok(heights.every((height, i) => height < 1 && (i === 0 || height > heights[i - 1] + 0.074)), String(heights));
});
