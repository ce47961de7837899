// Where the parts of the map's picture are, in pixels, and which ticks are written.

import { short } from "../web/scale.mjs";

/** @import { MapAxis } from "./grid.mjs" */
/** @typedef {{left: number, right: number, top: number, bottom: number, w: number, h: number}} Plot its edges, and a cell's width and height */

/** Three digits are what a tick can hold. @param {number} value */
export const brief = (value) => short(Number(value.toPrecision(3)));

/** @param {MapAxis} axis */
const longest = ({ values }) => Math.max(...values.map((value) => brief(value).length));

/** @param {number} width @param {number} height @param {number} size of text @param {MapAxis} x @param {MapAxis} y @returns {Plot} */
export function plotIn(width, height, size, x, y) {
  const [left, right, top, bottom] = [1.7 * size + 0.62 * size * longest(y) + 8, width - 7.6 * size, 4, height - 3.3 * size];
  return { left, right, top, bottom, w: (right - left) / x.values.length, h: (bottom - top) / y.values.length };
}

/** The values that have room at their cells: both ends, and between them those that leave room for the last. @param {MapAxis} axis @param {number} step of the cells @param {number} room that a tick takes */
export function written({ values }, step, room) {
  const last = values.length - 1;
  const stride = Math.max(1, Math.ceil(room / step));
  return values.map((value, i) => ({ text: brief(value), i })).filter(({ i }) => i === last || (i % stride === 0 && last - i >= stride));
}

/** The room that a tick takes across. @param {MapAxis} axis @param {number} size of text */
export const tickRoom = (axis, size) => 0.58 * size * longest(axis) + 5;

/** A value's place along an axis, in cells from the first cell's centre; null outside of the map. @param {number} value @param {Pick<MapAxis, "values" | "scale">} axis */
export function along(value, { values, scale }) {
  /** @param {number} v */
  const on = (v) => (scale === "log" && v > 0 ? Math.log(v) : v);
  if (values.length === 1) return value === values[0] ? 0 : null;
  for (let i = 0; i + 1 < values.length; i++) {
    const [from, to] = [values[i], values[i + 1]];
    if ((value >= from && value <= to) || (value <= from && value >= to)) return i + (on(value) - on(from)) / (on(to) - on(from) || 1);
  }
  const close = values.findIndex((v) => Math.abs(v - value) <= 1e-9 * Math.abs(v)); // but for rounding, at one of the ends
  return close < 0 ? null : close;
}
