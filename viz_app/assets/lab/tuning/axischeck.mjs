// What is wrong with an axis as typed, in the page's words, and in which of its fields.

import { count } from "../web/scale.mjs";
import { mustBe } from "../web/wrong.mjs";
import { facts } from "./catalogue.mjs";
import { isRange } from "./state.mjs";

/** @import { Axes, Axis } from "./state.mjs" */
/** @typedef {import("../web/latest.mjs").FieldError & {control: [string, string], part: string}} AxisError `part` is the field of the control */

/** @param {string} text */
const number = (text) => (text.trim() === "" ? NaN : Number(text));

/**
 * The empty list if the axes may be asked for.
 * @param {Axes} axes @param {(name: string) => string} scaleOf a hyperparameter: "log" or "linear"
 * @param {"x" | "y"} edited the axis that was changed last @returns {AxisError[]}
 */
export function axisErrors(axes, scaleOf, edited = "x") {
  const errors = /** @type {["x" | "y", Axis][]} */ (Object.entries(axes)).flatMap(([which, { name, text }]) => {
    const found = isRange(text) ? rangeError(text.split(":"), scaleOf(name)) : listError(text.split(","));
    return found ? [error(which, ...found)] : [];
  });
  if (errors.length) return errors;
  const [nx, ny] = [size(axes.x.text), size(axes.y.text)];
  if (nx * ny <= facts.cells) return [];
  const message = `${count(nx)} × ${count(ny)} values make ${count(nx * ny)} cells; a map has up to ${count(facts.cells)}`;
  return [error(edited, isRange(axes[edited].text) ? "count" : "list", message)];
}

/** @param {"x" | "y"} which @param {string} part @param {string} message @returns {AxisError} */
const error = (which, part, message) => ({ field: which, control: ["axis", which], part, message });

/** @param {string[]} texts @param {string} scale @returns {[part: string, message: string] | null} */
function rangeError(texts, scale) {
  const [low, high, values] = texts.map(number);
  if (Number.isNaN(low)) return ["low", mustBe("From", "a number", texts[0])];
  if (Number.isNaN(high)) return ["high", mustBe("To", "a number", texts[1])];
  if (scale === "log" && low <= 0) return ["low", mustBe("From", "above 0, since this axis is logarithmic", texts[0])];
  if (!(low < high)) return ["low", mustBe("From", `below ${texts[1].trim()}`, texts[0])];
  if (!Number.isInteger(values) || values < 2 || values > facts.cells) return ["count", mustBe("Values", `a whole number from 2 to ${count(facts.cells)}`, texts[2])];
  return null;
}

/** @param {string[]} texts @returns {[part: string, message: string] | null} */
function listError(texts) {
  const wrong = texts.find((text) => Number.isNaN(number(text)));
  return wrong === undefined ? null : ["list", mustBe("Each value", "a number", wrong)];
}

/** @param {string} text */
const size = (text) => (isRange(text) ? Number(text.split(":")[2]) : text.split(",").length);
