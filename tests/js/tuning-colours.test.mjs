import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { place, shade, ticks } from "../../viz_app/assets/lab/tuning/colours.mjs";
import { logTicks, decades } from "../../viz_app/assets/lab/estimators/figures.mjs";

test("few passes and a low loss are at the good end, a bias of 1 is in the middle", () => {
  assert.deepEqual([1, 10, 100].map((value) => Number(place(value, [1, 100], "log").toFixed(9))), [1, 0.5, 0]);
  assert.ok(Math.abs(place(1, [0.01, 100], "ratio") - 0.5) < 1e-12);
  assert.deepEqual([-1, 0.25, 2].map((value) => place(value, [0, 1], "share")), [0, 0.25, 1]);
  assert.equal(place(5, [5, 5], "log"), 1);
  assert.equal(place(0, [-1, 1], "log"), 0.5, "linear where a logarithm is not defined");
});

test("a colour is mixed from its neighbours, and its ink can be read", () => {
  assert.deepEqual(shade(0.5, ["#000000", "#ffffff"]), { fill: "rgb(128, 128, 128)", ink: "#000000" });
  assert.deepEqual(shade(0, ["#000000", "#777777", "#ffffff"]), { fill: "rgb(0, 0, 0)", ink: "#ffffff" });
});

test("ticks are round, inside of the scale, and few", () => {
  assert.deepEqual(ticks([0, 1], "share"), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks([1, 1e6], "log"), [1, 10, 100, 1000, 1e4, 1e5, 1e6]);
  assert.deepEqual(ticks([0.01, 100], "ratio"), [0.01, 0.1, 1, 10, 100]);
  for (const span of /** @type {[number, number][]} */ ([[312, 318], [7, 7], [0.3, 41], [1e-16, 100], [-3, 5]])) {
    const found = ticks(span, "log");
    assert.ok(found.length >= 1 && found.length <= 12, `${span}: ${found}`);
    for (const value of found) assert.ok(value >= span[0] && value <= span[1], `${span}: ${found}`);
  }
});

test("a chart's log axis has at least two ticks over a decade, written without an exponent where that is short", () => {
  for (const count of [2, 3, 4, 7]) for (const low of [-2.3, -0.7, -0.45, 0, 0.4]) assert.ok(logTicks([low, low + 1], count).ticktext.length >= 2, `${count} from ${low}`);
  for (const count of [2, 3, 4, 7]) for (const low of [-4.2, -0.7, 0.4]) for (const span of [1, 1.6, 3, 8]) {
    const { length } = logTicks([low, low + span], count).ticktext;
    assert.ok(length >= 1 && length <= count, `${length} ticks where at most ${count} fit, over ${span} decades from ${low}`);
  }
  assert.deepEqual(logTicks([-4.5, 5.5], 6).ticktext, ["10<sup>−4</sup>", "0.01", "1", "100", "10<sup>4</sup>"]);
});

test("decades hold the values with room, at least one decade and at most so many", () => {
  assert.deepEqual(decades([]), [-1, 1]);
  assert.deepEqual(decades([1]), [-0.5, 0.5]);
  const [low, high] = decades([1e-20, 1], 4);
  assert.ok(Math.abs(high - 0.12) < 1e-12 && Math.abs(high - low - 4) < 1e-12);
  assert.deepEqual(decades([NaN, Infinity, -1, 0]), [-1, 1]);
});
