import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { MapData } from "../../viz_app/assets/lab/tuning/grid.mjs";
import { Nearest } from "../../viz_app/assets/lab/tuning/nearest.mjs";

/** A map's first message of 3 × 2 cells. @param {object} [more] */
const header = (more) => ({
  spec: "",
  method: "hizoo",
  hyperparameters: { n: 4, lr: 0.1 },
  x: { name: "alpha", label: "", symbol: "α", unit: "", scale: "log", values: [0.1, 0.2, 0.3] },
  y: { name: "n", label: "", symbol: "n", unit: "", scale: "log", values: [1, 2] },
  forwards: 100,
  runs: 3,
  target: 0.1,
  reference: 0,
  initial_gap: 10,
  function: { spec: "f", name: "f", dim: 2, minimum: 0 },
  coords: /** @type {[number, number]} */ ([0, 1]),
  cells: 6,
  ...more,
});

/** A message with cells 4 and 1, of which the second recorded two frames of three. */
function message() {
  const values = {
    passes: [50, NaN], reached: [3, 1], loss: [0.05, 2], diverged: [0, 0.5],
    step: [0, 5, 10, 0, 5, NaN],
    path: [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],
    gap_q: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19],
    true_h: [1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4],
  }; // prettier-ignore
  const arrays = Object.fromEntries(Object.entries(values).map(([name, list]) => [name, Float32Array.from(list)]));
  return {
    header: { kind: "cells", cells: [4, 1], steps: [10, 5], passes_per_step: [3, 5], done: 2, total: 6, arrays },
    view: (/** @type {any} */ place) => place, // the arrays themselves
  };
}

test("cells are taken wherever they belong", () => {
  const map = new MapData(header(), "q");
  map.take(message());
  assert.deepEqual(map.cells, [1, 4]);
  assert.deepEqual([map.done, map.complete, map.steps[4], map.passesPerStep[1]], [2, false, 10, 5]);
  assert.equal(map.figures.loss[1], 2);
  assert.ok(Number.isNaN(map.figures.bias[4]), "a method without a Hessian sends none");
  assert.deepEqual(map.at(4), { x: 0.2, y: 2 });
  assert.deepEqual(map.settings(4), { n: 2, lr: 0.1, alpha: 0.2 });
  map.finish({ spent: 7 }, 1.5);
  assert.deepEqual(map.end, { spent: 7, seconds: 1.5 });
});

test("a cell is a trace with as many frames as it recorded", () => {
  const map = new MapData(header(), "q");
  assert.equal(map.trace(1), null);
  map.take(message());
  const [track] = map.trace(1)?.tracks ?? [];
  assert.equal(track.frames, 2);
  assert.deepEqual([...track.step], [0, 5]);
  assert.deepEqual([...track.forwards], [0, 25]);
  assert.deepEqual([...track.path], [4, 4, 5, 5]);
  assert.deepEqual([...track.gap_q], [11, 12, 14, 15, 17, 18]);
  assert.deepEqual([...track.gap], [14, 15]);
  assert.equal(track.n, 1, "of its own settings");
  assert.equal(track.h_q, undefined);
  assert.equal(map.trace(1), map.trace(1));
});

test("beyond two dimensions the shown coordinates are at their places", () => {
  const map = new MapData(header({ function: { spec: "f", name: "f", dim: 10, minimum: 0 }, coords: [1, 3] }), "q");
  map.take(message());
  const trace = map.trace(4);
  assert.equal(trace?.dim, 4);
  assert.deepEqual([...(trace?.tracks[0].true_h ?? [])].slice(0, 4), [NaN, 1, NaN, 2]);
});

test("an empty cell borrows from the nearest one that is known", () => {
  const map = { total: 6, nx: 3, known: [0, 0, 0, 0, 0, 0] };
  const nearest = new Nearest(map);
  assert.deepEqual([...nearest.update()], [-1, -1, -1, -1, -1, -1]);
  map.known[0] = 1;
  assert.deepEqual([...nearest.update()], [0, 0, 0, 0, 0, 0]);
  map.known[5] = 1;
  assert.deepEqual([...nearest.update()], [0, 0, 5, 0, 5, 5]);
});
