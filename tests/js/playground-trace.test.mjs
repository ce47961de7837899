import assert from "node:assert/strict";
import { test } from "node:test";

import { clockAt, clockLength, decodeTrace, frameAt, lastAtMost, shownFrames, stepAt } from "../../viz_app/assets/lab/playground/trace.mjs";

/** @param {object} header @param {number[]} numbers @returns {ArrayBuffer} as viz_app/playground/wire.py packs them */
function packed(header, numbers) {
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  const text = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(32);
  text.set(bytes);
  const buffer = new ArrayBuffer(4 + text.length + 4 * numbers.length);
  new DataView(buffer).setUint32(0, text.length, true);
  new Uint8Array(buffer).set(text, 4);
  new Float32Array(buffer, 4 + text.length).set(numbers);
  return buffer;
}

const optimizer = { label: "hizoo", method: "hizoo", n: 1, seconds: 6, hyperparameters: {}, changes: [], statuses: [] };
const header = {
  function: { name: "f", dim: 2 },
  reference: 0,
  runs: 2,
  optimizers: [{ ...optimizer, arrays: { step: { offset: 0, shape: [3] }, forwards: { offset: 12, shape: [3] }, path: { offset: 24, shape: [3, 2, 2] } } }],
};
const trace = decodeTrace(packed(header, [0, 10, 20, 0, 30, 80, ...Array.from({ length: 12 }, (_, i) => i)]));
const [track] = trace.tracks;

test("a trace's arrays are where its header says", () => {
  assert.deepEqual([...track.step], [0, 10, 20]);
  assert.deepEqual([...track.path.subarray(4, 8)], [4, 5, 6, 7]);
  assert.deepEqual([track.frames, track.runs, trace.dim], [3, 2, 2]);
  assert.equal(track.hStep, track.step);
});

test("the clocks are lines with corners, and each other's inverse", () => {
  assert.equal(clockAt(track, 15, "forwards"), 55);
  assert.equal(stepAt(track, 55, "forwards"), 15);
  assert.equal(stepAt(track, 1000, "forwards"), 20);
  assert.equal(clockAt(track, 20, "seconds"), 6);
  assert.deepEqual(frameAt(track, 15, "steps"), { frame: 1, part: 0.5000001, step: 15.000001 });
});

test("by forward passes the race ends with the first zeroth-order method", () => {
  const gradient = { ...track, n: null, forwards: Float32Array.of(0, 10, 20) };
  const longer = { ...track, forwards: Float32Array.of(0, 100, 200) };
  const all = { ...trace, tracks: [longer, track, gradient] };
  assert.equal(clockLength(all, "forwards"), 80);
  assert.equal(clockLength(all, "steps"), 20);
  assert.equal(shownFrames(longer.step, longer, all, "forwards"), 2);
});

test("lastAtMost finds the last entry that is not above a value", () => {
  const rising = [1, 2, 2, 5];
  assert.deepEqual([0, 1, 2, 4.9, 5, 9].map((value) => lastAtMost(rising, value)), [0, 0, 2, 2, 3, 3]);
});
