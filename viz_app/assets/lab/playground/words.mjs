// Settings and differences in words.

import { reading, short } from "../web/scale.mjs";

const SYMBOLS = { lr: "η", mu: "μ", alpha: "α", beta: "β", beta1: "β₁", beta2: "β₂", eps: "ε", warmup: "warm-up", floor: "floor on P", noise: "σ" };

/** A setting's value. */
export const named = (value) => (typeof value === "number" ? short(value) : value === undefined ? "–" : String(value).replaceAll("_", " "));

/** α 0.1 → 0.03, for one setting. The estimator's name says enough by itself. */
export function arrow(name, before, after) {
  const symbol = name === "estimator" ? "" : `${SYMBOLS[name] ?? name} `;
  return `${symbol}${named(before)} → ${named(after)}`;
}

/** α 0.1 → 0.03; n 4 → 8: what differs between two sets of settings. */
export function changes(before, after) {
  return Object.keys({ ...before, ...after })
    .filter((name) => before[name] !== after[name])
    .map((name) => arrow(name, before[name], after[name]));
}

/**
 * How a loss compares with another: 3.2× lower. Of losses that may be negative a ratio means nothing: their difference.
 * @param {number|null} solved a loss below which nothing but rounding differs; null where losses may be negative
 */
export function compared(mine, other, solved) {
  const [lost, gone] = [mine, other].map((value) => !Number.isFinite(value));
  if (lost && gone) return "both diverged";
  if (lost) return "diverged";
  if (gone) return "the old one diverged";
  if (solved !== null && Math.max(mine, other) <= solved) return "both solved";
  if (mine === other) return "equal";
  const word = mine < other ? "lower" : "higher";
  if (solved === null) return `${reading(Math.abs(mine - other))} ${word}`;
  const [least, most] = [Math.min(mine, other), Math.max(mine, other)];
  if (least <= solved || least <= 0) return `${word}: ${mine < other ? "solved" : "the old one is solved"}`;
  const ratio = most / least;
  if (ratio < 1.005) return "within 0.5 %";
  if (ratio < 1.1) return `${Number((100 * Math.abs(1 - mine / other)).toPrecision(2))} % ${word}`;
  return `${ratio < 1e4 ? Number(ratio.toPrecision(ratio < 10 ? 2 : 3)) : reading(ratio)}× ${word}`;
}
