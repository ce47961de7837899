// Numbers inside formulas: a true minus, powers of ten raised, and as many digits as a difference needs.

import { html } from "../../vendor/lit.mjs";

/** @typedef {string | import("../../vendor/lit.mjs").TemplateResult} Written */

const HELD = 16; // significant decimal digits of a float64
const PLAIN = { least: -3, most: 5 }; // decimal exponents that are written without a power of ten

/** @param {string} text */
const signed = (text) => text.replace("-", "−");

/** @param {string} lead "" for the power alone @param {number} exponent @returns {Written} */
const raised = (lead, exponent) => html`${lead && `${signed(lead)}·`}10<sup>${signed(String(exponent))}</sup>`;

/**
 * A number's significant digits, and the power of ten that they are multiplied by: null where it needs none.
 * @param {number} value @param {number} digits
 */
function parts(value, digits) {
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (value === 0 || (exponent >= PLAIN.least && exponent < PLAIN.most)) return { lead: String(Number(value.toPrecision(digits))), exponent: null };
  const [mantissa, shown] = value.toExponential(digits - 1).split("e");
  return { lead: String(Number(mantissa)), exponent: Number(shown) };
}

/** A number with some significant digits: 0.0125, −3.1·10⁻⁷. @param {number | null} value @param {number} [digits] @returns {Written} */
export function number(value, digits = 4) {
  if (value === null || !Number.isFinite(value)) return "not finite";
  const { lead, exponent } = parts(value, digits);
  return exponent === null ? signed(lead) : raised(lead === "1" ? "" : lead, exponent);
}

/** A number within a product or under a fraction's bar: in parentheses where it is negative or a product itself. @param {number | null} value @param {number} [digits] @returns {Written} */
export function factor(value, digits = 4) {
  const text = number(value, digits);
  if (value === null || !Number.isFinite(value)) return text;
  const { lead, exponent } = parts(value, digits);
  return value < 0 || (exponent !== null && lead !== "1") ? html`(${text})` : text;
}

/**
 * How to write numbers that are subtracted from each other: one exponent for all, and decimals enough for some
 * significant digits in each of the differences, if float64 holds that many.
 * @param {(number | null)[]} values @param {[size: number, digits: number][]} differences
 * @returns {(value: number | null) => Written}
 */
export function together(values, differences) {
  const finite = values.flatMap((value) => (value !== null && Number.isFinite(value) ? [Math.abs(value)] : []));
  const exponent = Math.floor(Math.log10(Math.max(...finite, Number.MIN_VALUE)));
  const isRaised = exponent < PLAIN.least || exponent > PLAIN.most;
  const unit = isRaised ? 10 ** exponent : 1;
  const most = HELD - 1 - (isRaised ? 0 : Math.max(exponent, 0));
  const wanted = differences.filter(([size]) => Number.isFinite(size) && size !== 0).map(([size, digits]) => Math.ceil(Math.log10(unit / Math.abs(size))) + digits - 1);
  const decimals = Math.min(Math.max(3, ...wanted), Math.max(most, 0));
  return (value) => {
    if (value === null || !Number.isFinite(value)) return "not finite";
    const lead = (value / unit).toFixed(decimals);
    if (value && !Number(lead)) return number(value); // too small beside the others is not 0
    return isRaised ? raised(lead, exponent) : signed(lead);
  };
}

/** Whether a difference is within the last digits of the numbers that it is taken of. @param {number} difference @param {number | null} size */
export const lostInRounding = (difference, size) => Math.abs(difference) <= 8 * Number.EPSILON * Math.abs(size ?? NaN);
