// What is wrong with an axis as typed, in the page's words, and in which of its fields.

import { count } from "../web/scale.mjs";
import { isRange } from "./spec.mjs";

const CELLS = 2000; // as viz_app/tuning/spec.py has it
const number = (text) => (text.trim() === "" ? NaN : Number(text));

/**
 * Errors as the server's, each with the control and the part of it that is wrong; the empty list if the axes may be asked for.
 * @param {Record<"x"|"y", {name: string, text: string}>} axes
 * @param {{name: string, scale: string}[]} options  @param {"x"|"y"} edited the axis that was changed last
 */
export function axisErrors(axes, options, edited = "x") {
  const errors = Object.entries(axes).flatMap(([which, { name, text }]) => {
    const found = isRange(text) ? rangeError(text.split(":"), options.find((option) => option.name === name)) : listError(text.split(","));
    return found ? [{ field: which, control: ["axis", which], part: found[0], message: found[1] }] : [];
  });
  if (errors.length) return errors;
  const [nx, ny] = ["x", "y"].map((which) => size(axes[which].text));
  if (nx * ny <= CELLS) return [];
  const part = isRange(axes[edited].text) ? "count" : "list";
  return [{ field: edited, control: ["axis", edited], part, message: `${count(nx)} × ${count(ny)} values make ${count(nx * ny)} cells; a map has up to ${count(CELLS)}` }];
}

function rangeError(texts, { scale }) {
  const [low, high, values] = texts.map(number);
  if (Number.isNaN(low)) return ["low", `from “${texts[0]}”: must be a number`];
  if (Number.isNaN(high)) return ["high", `to “${texts[1]}”: must be a number`];
  if (scale === "log" && low <= 0) return ["low", `from ${texts[0]}: must be above 0, as this axis is logarithmic`];
  if (!(low < high)) return ["low", `from ${texts[0]} to ${texts[1]}: “from” must be below “to”`];
  if (!Number.isInteger(values) || values < 2 || values > CELLS) return ["count", `values “${texts[2]}”: must be a whole number from 2 to ${count(CELLS)}`];
  return null;
}

function listError(texts) {
  const wrong = texts.find((text) => Number.isNaN(number(text)));
  return wrong === undefined ? null : ["list", wrong.trim() === "" ? "values: one is missing" : `“${wrong}”: must be a number`];
}

const size = (text) => (isRange(text) ? Number(text.split(":")[2]) : text.split(",").length);
