// The server's binary answers: a JSON header, then float32 arrays (viz_app/playground/wire.py writes them).

/** @typedef {{offset: number, shape: number[]}} Place where an array lies */

/**
 * Decode an answer into its header and arrays. Arrays are views: nothing is copied.
 * @param {ArrayBuffer} buffer
 * @returns {{header: any, view: (place: Place) => Float32Array}} the header's keys depend on what was asked
 */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = 4 + length;
  return { header, view: ({ offset, shape }) => new Float32Array(buffer, start + offset, shape.reduce((a, b) => a * b, 1)) };
}
