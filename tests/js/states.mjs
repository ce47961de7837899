// Random states of the Playground: any that its controls can make.

import { catalogue } from "./catalogue.mjs";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). @param {number} seed @returns {() => number} */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** @typedef {ReturnType<typeof random>} Random */

/** @template T @param {Random} next @param {readonly T[]} list @returns {T} */
export const pick = (next, list) => list[Math.floor(next() * list.length)];

/** A whole number of a range. @param {Random} next @param {number} low @param {number} high */
export const uniform = (next, low, high) => low + Math.floor(next() * (high - low + 1));

/** A whole number of a range, its ends more often than not by chance alone. @param {Random} next @param {number} low @param {number} high */
export const whole = (next, low, high) => pick(next, [low, high, ...Array.from({ length: 4 }, () => uniform(next, low, high))]);

/** A value that a setting's control may hold: at its bounds, anywhere between, or with many digits. @param {Random} next @param {any} field @returns {number | string} */
export function valueOf(next, field) {
  if (field.choices) return pick(next, field.choices);
  const [low, high] = field.slider ?? [field.low, field.high];
  if (field.integer) return whole(next, Math.max(field.low ?? low, low), Math.min(field.high ?? high, high));
  const between = field.scale === "log" && low > 0 ? low * (high / low) ** next() : low + (high - low) * next();
  return pick(next, [low, high, between, Number(between.toPrecision(3)), ...(field.low_open || field.low === null ? [] : [field.low]), field.high ?? high]);
}

/** Settings of a method that belong together. @param {Random} next @param {string} method @param {number} steps @returns {Record<string, number | string>} */
export function settingsOf(next, method, steps) {
  const { fields } = catalogue.methods[method];
  const values = Object.fromEntries(fields.map((/** @type {any} */ field) => [field.name, valueOf(next, field)]));
  if ("warmup" in values) values.warmup = Math.min(Number(values.warmup), steps);
  if ("estimator" in values) values.n = Math.max(Number(values.n), catalogue.estimators[values.estimator].leastN);
  return values;
}
