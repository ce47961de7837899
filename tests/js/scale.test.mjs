import assert from "node:assert/strict";
import { test } from "node:test";

import { decadeStep, fromSlider, short, toSlider } from "../../viz_app/assets/lab/web/scale.mjs";

test("a slider's position and its value are each other's inverse", () => {
  for (const range of [
    { scale: "log", low: 1e-4, high: 10, integer: false },
    { scale: "linear", low: 0, high: 100, integer: false },
    { scale: "linear", low: 0, high: 100, integer: true },
  ]) {
    for (const value of [range.low, 3, range.high]) assert.equal(fromSlider(toSlider(value, range), range), value);
  }
});

test("short writes four significant digits, and small and large numbers with an exponent", () => {
  assert.deepEqual([0, 0.00003, 123456, 0.12345, 1e-4, 12345, 3, -2e-4].map(short), ["0", "3e-5", "1.235e5", "0.1235", "1e-4", "12350", "3", "-2e-4"]);
});

test("powers of ten at an axis stand so far apart that none lies over another", () => {
  assert.equal(decadeStep([1, 1e6], 600, 15, 6), 1);
  assert.equal(decadeStep([1, 1e12], 600, 15, 6), 2, "six are enough");
  for (const pixels of [5, 40, 100, 300]) {
    const step = decadeStep([1e-8, 1e6], pixels, 15, 6);
    assert.ok(step >= 14 || (step * pixels) / 14 >= 1.7 * 15, `${pixels} px`);
  }
});
