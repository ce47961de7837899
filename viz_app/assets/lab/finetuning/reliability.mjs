// Which groups' P is known apart from the others', and which stand at a bound: in words.

/** @import { Quantiles } from "./messages.mjs" */
import { count } from "../web/scale.mjs";

/** @typedef {{quantiles: Quantiles[], reliability?: number[]}} Known */

const DECIDED = 0.5; // half of what was uncertain at the start has been removed by measurements
const NEAR = 1.001; // times a bound: float32 rounds it

/** Whether a group's curvature can be told from noise; true of an estimator that does not say. @param {Known} hessian @param {number} group */
export const isDecided = ({ reliability }, group) => !reliability || reliability[group] >= DECIDED;

/** How many groups are undecided; "" where none is. @param {Known | null} hessian */
export function undecidedSentence(hessian) {
  if (!hessian?.reliability) return "";
  const [all, some] = [hessian.quantiles.length, hessian.quantiles.filter((_, g) => !isDecided(hessian, g)).length];
  return some ? `${count(some)} of ${count(all)} groups are undecided (grey): their curvature cannot be told from noise. ` : "";
}

/** Which groups' medians stand at a bound of P, floor or 1/floor; "" where none does. @param {Known | null} hessian @param {unknown} floor */
export function heldSentence(hessian, floor) {
  const low = Number(floor);
  if (!hessian || !(low > 0)) return "";
  const medians = hessian.quantiles.map(([, middle]) => middle);
  const all = count(medians.length);
  const at = (/** @type {number} */ some, /** @type {string} */ which, /** @type {number} */ bound, /** @type {string} */ so) =>
    some ? `${count(some)} of ${all} groups stand at P's ${which} bound ${bound.toExponential().replace("e+", "e")}: ${so}. ` : "";
  return at(medians.filter((P) => P >= 1 / (low * NEAR)).length, "upper", 1 / low, "they hardly move any more")
    + at(medians.filter((P) => P <= low * NEAR).length, "lower", low, "their steps are as long as P lets them be");
}
