import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { axisErrors } from "../../viz_app/assets/lab/tuning/axischeck.mjs";
import { along, written } from "../../viz_app/assets/lab/tuning/layout.mjs";

/** @param {string} name */
const scaleOf = (name) => (name === "warmup" ? "linear" : "log");
/** @param {string} x @param {string} [y] */
const axes = (x, y = "1,2") => ({ x: { name: "alpha", text: x }, y: { name: "n", text: y } });

test("sound axes have no errors", () => {
  for (const text of ["1e-4:1:12", "0.1", "0.1,0.2"]) assert.deepEqual(axisErrors(axes(text), scaleOf), []);
  assert.deepEqual(axisErrors({ ...axes("0.1"), y: { name: "warmup", text: "0:100:5" } }, scaleOf), [], "0 on a linear axis");
});

test("an error names the part of the axis that is wrong", () => {
  /** @type {[text: string, part: string, words: RegExp][]} */
  const wrong = [
    ["a:1:5", "low", /^From must be a number, not “a”$/],
    ["1e-4::5", "high", /^To must be a number, not empty$/],
    ["0:1:5", "low", /^From must be above 0, since this axis is logarithmic, not 0$/],
    ["1:0.1:5", "low", /^From must be below 0.1, not 1$/],
    ["0.1:1:1", "count", /^Values must be a whole number from 2 to 2,000, not 1$/],
    ["0.1:1:2.5", "count", /whole number/],
    ["0.1,", "list", /^Each value must be a number, not empty$/],
    ["0.1,b", "list", /^Each value must be a number, not “b”$/],
  ];
  for (const [text, part, words] of wrong) {
    const [error] = axisErrors(axes(text), scaleOf);
    assert.equal(error.part, part, text);
    assert.deepEqual(error.control, ["axis", "x"]);
    assert.match(error.message, words, text);
  }
});

test("too many cells are an error of the axis that was changed last", () => {
  const [error] = axisErrors(axes("0.1:1:1000", "1,2,3"), scaleOf, "y");
  assert.deepEqual([error.field, error.part], ["y", "list"]);
  assert.equal(error.message, "1,000 × 3 values make 3,000 cells; a map has up to 2,000");
  assert.deepEqual(axisErrors(axes("0.1:1:1000", "1,2"), scaleOf), []);
});

test("a value's place along an axis is in cells, by the axis's scale, in whatever order its values are", () => {
  assert.equal(along(1, { values: [0.1, 10], scale: "log" })?.toFixed(9), "0.500000000");
  assert.equal(along(1, { values: [0, 2, 4], scale: "linear" }), 0.5);
  assert.equal(along(3, { values: [4, 2], scale: "linear" }), 0.5);
  assert.equal(along(5, { values: [4, 2], scale: "linear" }), null);
  assert.equal(along(0.3, { values: [0.1 + 0.2, 1], scale: "linear" }), 0, "but for rounding");
  assert.deepEqual([along(2, { values: [2], scale: "log" }), along(3, { values: [2], scale: "log" })], [0, null]);
});

test("both ends of an axis are written, and between them what has room", () => {
  const axis = { name: "n", label: "n", symbol: "n", unit: "", scale: "log", values: [1, 2, 3, 4, 5, 6, 7, 8] };
  assert.deepEqual(written(axis, 20, 50).map(({ text }) => text), ["1", "4", "8"]);
  assert.equal(written(axis, 60, 50).length, 8);
});
