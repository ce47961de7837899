// Logarithmic scales that hold exponents of ten: their range, and their ticks.

import { range } from "../vendor/d3.mjs";

/** The exponent of a positive number, else null. @param {number} value */
export const logarithm = (value) => (value > 0 && Number.isFinite(value) ? Math.log10(value) : null);

/** Half decades around exponents, so that colours change their meaning seldom. @param {(number | null)[]} values @returns {[number, number]} */
export function decades(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (!(low < Infinity)) return [-1, 1];
  [low, high] = [Math.floor(2 * low) / 2, Math.ceil(2 * high) / 2];
  return high - low < 1 ? [low - 0.5, low + 0.5] : [low, high];
}

/** Plotly's ticks between two exponents: powers of ten; where they are few, unnamed or named ones between. @param {number} low @param {number} high */
export function powerTicks(low, high, most = 6) {
  const inside = (/** @type {number} */ at) => at >= low - 1e-9 && at <= high + 1e-9;
  const power = (/** @type {number} */ k) => `10<sup>${String(k).replace("-", "−")}</sup>`;
  const around = range(Math.floor(low), Math.ceil(high) + 1);
  const whole = around.filter(inside);
  if (whole.length > 3) {
    const every = Math.ceil(whole.length / most);
    const shown = whole.filter((k) => k % every === 0);
    return { tickvals: shown, ticktext: shown.map(power) };
  }
  const isPlain = high - low <= 1.5 && low > -3 && high < 4;
  const name = (/** @type {number} */ k, /** @type {number} */ lead) => {
    if (isPlain) return String(Number(`${lead}e${k}`));
    if (lead === 1) return power(k);
    return whole.length < 2 ? `${lead}·${power(k)}` : "";
  };
  const shown = around.flatMap((k) => [1, 2, 5].map((lead) => ({ at: k + Math.log10(lead), text: name(k, lead) }))).filter(({ at }) => inside(at));
  return { tickvals: shown.map(({ at }) => at), ticktext: shown.map(({ text }) => text) };
}
