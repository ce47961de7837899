// Settings, differences and endings in words.

import { catalogue, fieldOf } from "../web/catalogue.mjs";
import { reading, short } from "../web/scale.mjs";

/** @import { Settings } from "./slots.mjs" */
/** @import { Header, Track } from "./trace.mjs" */

/** A setting's value. @param {number | string | null | undefined} value */
export const named = (value) => (typeof value === "number" ? short(value) : value === null || value === undefined ? "–" : value.replaceAll("_", " "));

/** What a setting is called in few words: the symbol that its label starts with, or else the label. @param {string} method @param {string} name */
export function called(method, name) {
  const field = fieldOf(method, name);
  if (!field) return name;
  return field.label.startsWith(field.symbol) ? field.symbol : field.label;
}

/** What a key of a spec is called. @param {string} key */
export const keyCalled = (key) => catalogue.spec.symbols[key] ?? key;

/** α 0.1 → 0.03. @param {string} name "" where the values say enough @param {number | string | undefined} before @param {number | string | undefined} after */
export const arrow = (name, before, after) => `${name && `${name} `}${named(before)} → ${named(after)}`;

/** α 0.1 → 0.03; n 4 → 8: what differs between two sets of settings of a method. @param {string} method @param {Settings} before @param {Settings} after */
export function changes(method, before, after) {
  return Object.keys({ ...before, ...after })
    .filter((name) => before[name] !== after[name])
    .map((name) => arrow(fieldOf(method, name)?.choices ? "" : called(method, name), before[name], after[name]));
}

/**
 * How a loss compares with another: 3.2× lower. Of losses that may be negative a ratio means nothing: their difference.
 * @param {number} mine @param {number} other
 * @param {number | null} solved a loss below which nothing but rounding differs; null where losses may be negative
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

/** How the runs ended, in words. @param {Track} track @param {Header} header */
export function status(track, { runs, target }) {
  const words = [];
  if (track.diverged > 0) {
    const [first] = track.statuses.filter(({ kind }) => kind === "diverged").sort((a, b) => Number(a.step) - Number(b.step));
    const who = runs === 1 ? "" : `${track.diverged === runs ? "all" : track.diverged} of ${runs} runs: `;
    words.push(`${who}${track.diverged > 1 ? "first " : ""}${first.sentence}`);
  }
  if (track.diverged < runs) {
    const reached = track.passes_to_target?.reached ?? 0;
    const R = track.frames;
    const [late, last] = [track.gap_q[R + Math.floor(0.8 * (R - 1))], track.gap_q[2 * R - 1]];
    const above = target !== null && last > target ? ", but ended above it" : "";
    if (reached === runs) words.push(`reached the target${above}`);
    else if (reached > 0) words.push(`${reached} of ${runs} runs reached the target${2 * reached >= runs ? above : ""}`);
    else if (!(last < Infinity)) words.push("");
    else if (last < 0.97 * late) words.push("still falling");
    else if (last > 1.03 * late) words.push("rising");
    else words.push("stalled");
  }
  if (track.floor_step !== null) words.push(`floor on P acted at step ${track.floor_step}`);
  return words.filter(Boolean).join("; ");
}
