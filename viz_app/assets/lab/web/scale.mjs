// Numbers between a slider, a field and the spec, and as readings.

import { format } from "../vendor/d3.mjs";

/** @typedef {{scale: string, integer: boolean, low: number, high: number}} Range what a slider spans, and how */

/** The value that a slider's position means. @param {number} position @param {Pick<Range, "scale" | "integer">} range */
export function fromSlider(position, range) {
  const value = range.scale === "log" ? 10 ** position : position;
  if (range.integer) return Math.round(value);
  return Number(value.toPrecision(3));
}

/** The slider's position for a value, kept within the slider. @param {number} value @param {Pick<Range, "scale" | "low" | "high">} range */
export function toSlider(value, { scale, low, high }) {
  const kept = Math.min(Math.max(value, low), high);
  return scale === "log" ? Math.log10(kept) : kept;
}

/** A number for a field: four significant digits, `3e-5` rather than `0.00003`. @param {number} value */
export function short(value) {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = Number(value.toPrecision(4));
  return size < 1e-3 || size >= 1e5 ? digits.toExponential().replace("e+", "e") : String(digits);
}

const LEAST = 1.1755e-38; // what the server sends of a smaller number that is not 0: float32 has no other

/** Whether a number came as the least that float32 has: it may be smaller. @param {number} value */
export const isLeast = (value) => value > 0 && value < LEAST;

/** A reading: three significant digits. Infinity is a loss that left every scale. @param {number | null | undefined} value */
export function reading(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "diverged";
  if (value === 0) return "0";
  if (isLeast(value)) return "< 1.2e-38";
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(1).replace("e+", "e") : String(Number(value.toPrecision(3)));
}

/** A coordinate's number as an index below the line. @param {number} j */
export const subscript = (j) => String(j).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]);

/** A count, with thousands separated. @type {(value: number) => string} */
export const count = format(",.0f");

/** The largest 1, 2 or 5 times a power of ten that is at most `value`. @param {number} value */
export function niceBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}

const POWER = 1.7; // heights of the font that a power of ten needs at an axis, exponent and gap included

/**
 * Every how many decades a power of ten stands at an upright logarithmic axis.
 * @param {[number, number]} range of the axis @param {number} pixels its length @param {number} size of the font in pixels @param {number} most how many there may be
 */
export function decadeStep([low, high], pixels, size, most) {
  const decades = Math.log10(high / low);
  return Math.max(1, Math.ceil(decades / most), Math.ceil((POWER * size * decades) / Math.max(1, pixels)));
}
