import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { differences, read } from "../../viz_app/assets/lab/playground/specwords.mjs";
import { called, changes, compared } from "../../viz_app/assets/lab/playground/words.mjs";

test("settings are called by their symbols, or by their labels where a symbol says nothing", () => {
  assert.deepEqual(["alpha", "n", "lr", "warmup", "floor"].map((name) => called("hizoo", name)), ["α", "n", "η", "warm-up", "floor on P"]);
  assert.deepEqual(changes("hizoo", { alpha: 0.1, estimator: "paper" }, { alpha: 0.3, estimator: "released" }), ["α 0.1 → 0.3", "paper → released"]);
});

const before = "f=booth&x0=1,2&steps=100&runs=3&seed=3&opt=hizoo:alpha=0.1,n=4&opt=adam:lr=0.05";

test("what differs between two specs, in words", () => {
  /** @param {string} after */
  const words = (after) => differences(read(before), read(after));
  assert.deepEqual(words(before), []);
  assert.deepEqual(words(before.replace("seed=3", "seed=4&noise=0.5").replace("alpha=0.1", "alpha=0.3")), ["seed 3 → 4", "σ 0 → 0.5", "HiZOO: α 0.1 → 0.3"]);
  assert.deepEqual(words(before.replace("x0=1,2", "x0=0,0")), ["start 1,2 → 0,0"]);
  assert.deepEqual(words(`${before}&opt=mezo:lr=1`), ["+ MeZO"]);
  assert.deepEqual(words(before.split("&opt=adam")[0]), ["− Adam"]);
  assert.deepEqual(words(`${before}&opt=hizoo:alpha=0.1,n=4@50:n=8`), ["+ HiZOO @50 (n 4 → 8)"]);
  assert.deepEqual(words(before.replace("f=booth", "f=beale").replace("steps=100", "steps=9").replace("0.05", "1")), ["booth → beale"]);
});

test("losses are compared by their ratio, or by their difference where they may be negative", () => {
  assert.equal(compared(1, 3.2, 1e-12), "3.2× lower");
  assert.equal(compared(3.2, 1, 1e-12), "3.2× higher");
  assert.equal(compared(1, 1.001, 1e-12), "within 0.5 %");
  assert.equal(compared(1e-14, 1, 1e-12), "lower: solved");
  assert.equal(compared(1e-14, 1e-15, 1e-12), "both solved");
  assert.equal(compared(-2, -1, null), "1 lower");
  assert.deepEqual([compared(NaN, 1, 0), compared(1, Infinity, 0), compared(NaN, NaN, 0)], ["diverged", "the old one diverged", "both diverged"]);
});
