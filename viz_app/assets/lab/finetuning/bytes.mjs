// Bytes: with a unit, on an axis, and compared.

/** @import { MemoryRow } from "./messages.mjs" */
import { ticks } from "../vendor/d3.mjs";
import { count } from "../web/scale.mjs";

/** Unit, ticks and length of an axis that holds `most` bytes. @param {number} most */
export function scale(most) {
  const [unit, size] = most >= 1e9 ? ["GB", 1e9] : most >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  const at = ticks(0, most, 5);
  const step = at.length > 1 ? at[1] : most;
  if ((at.at(-1) ?? 0) < most * (1 - 1e-9)) at.push((at.at(-1) ?? 0) + step);
  return { unit: /** @type {string} */ (unit), size: Number(size), at, end: at.at(-1) ?? most };
}

/** Bytes with a unit: 5.2 MB. Powers of ten: 1 MB is 10⁶ bytes. @param {number} value */
export function bytes(value) {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} GB`;
  if (value >= 1e6) return `${value >= 1e8 ? count(value / 1e6) : (value / 1e6).toPrecision(3)} MB`;
  return value >= 1e3 ? `${(value / 1e3).toPrecision(3)} kB` : `${value} B`;
}

/** The most demanding against the least, by their peaks. @param {MemoryRow[]} rows */
export function comparison(rows) {
  const sorted = rows.toSorted((a, b) => a.peak - b.peak);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (!least || !most || !(least.peak > 0) || least === most) return "";
  const factor = most.peak / least.peak;
  if (factor < 1.05) return `At this size ${rows.map(({ name }) => name).join(", ")} need about the same.`;
  return `${most.name} needs ${factor.toPrecision(2)} times as much as ${least.name}: ${bytes(most.peak)} against ${bytes(least.peak)}.`;
}
