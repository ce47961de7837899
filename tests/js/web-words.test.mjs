import assert from "node:assert/strict";
import { test } from "node:test";

import { decode } from "../../viz_app/assets/lab/web/binary.mjs";
import { escapedInPlotly } from "../../viz_app/assets/lab/web/escaped.mjs";
import { movedTo, pointOf } from "../../viz_app/assets/lab/web/point.mjs";
import { count, niceBelow, reading, subscript } from "../../viz_app/assets/lab/web/scale.mjs";
import { fade } from "../../viz_app/assets/lab/web/theme.mjs";

test("readings have three digits, counts have commas", () => {
  assert.deepEqual([0, 1234.56, 1e-7, 123456, 1e-39, Infinity, NaN, null].map(reading), ["0", "1230", "1.0e-7", "1.2e5", "< 1.2e-38", "diverged", "–", "–"]);
  assert.deepEqual([0, 999.6, 1234567].map(count), ["0", "1,000", "1,234,567"]);
  assert.equal(subscript(107), "₁₀₇");
});

test("niceBelow is 1, 2 or 5 times a power of ten", () => {
  assert.deepEqual([1, 1.9, 4.9, 5, 99, 0.3].map(niceBelow).map((value) => Number(value.toPrecision(3))), [1, 1, 2, 5, 50, 0.2]);
});

test("a start's shown coordinates move, the others stay", () => {
  const grid = { xrange: /** @type {[number, number]} */ ([0, 10]), yrange: /** @type {[number, number]} */ ([0, 0.1]) };
  assert.equal(movedTo([1.2345, 0.012345], "0, 0", 2, [0, 1], grid), "1.2, 0.012");
  assert.equal(movedTo([1, 2], "7", 4, [1, 3], grid), "7, 1, 7, 2");
  assert.deepEqual(pointOf("3", [0, 1]), [3, 3]);
  assert.deepEqual(pointOf("1, 2, 3", [2, 0]), [3, 1]);
});

test("names are no markup for Plotly, and no variables", () => {
  assert.equal(escapedInPlotly("<b>%{x}</b>"), "&#60;b&#62;%&#123;x}&#60;/b&#62;");
  assert.equal(fade("#ff8000", 0.5), "rgba(255, 128, 0, 0.5)");
});

test("a binary answer is a header and views of its numbers", () => {
  const header = new TextEncoder().encode('{"a":1}');
  const buffer = new ArrayBuffer(4 + 8 + 8);
  new DataView(buffer).setUint32(0, 8, true);
  new Uint8Array(buffer, 4).set([...header, 32]);
  new Float32Array(buffer, 12).set([1.5, 2.5]);
  const { header: read, view } = decode(buffer);
  assert.deepEqual([read, [...view({ offset: 4, shape: [1] })]], [{ a: 1 }, [2.5]]);
});
