// Numbers inside formulas, as HTML: a true minus, powers of ten raised, and as many digits as a difference needs.

const HELD = 16; // significant decimal digits of a float64

const sign = (text) => text.replace("-", "−");
const power = (exponent) => `·10<sup>${sign(String(exponent))}</sup>`;

/** A number with some significant digits: 0.0125, −3.1·10⁻⁷. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "not finite";
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -3 && exponent < 5) return sign(String(Number(value.toPrecision(digits))));
  const [mantissa, shown] = value.toExponential(digits - 1).split("e");
  const lead = Number(mantissa);
  return lead === 1 ? power(Number(shown)).slice(1) : sign(String(lead)) + power(Number(shown));
}

/** a − b; not a number where one of them is the server's null, which is not finite (and which JavaScript takes for 0). */
export const less = (a, b) => (a === null || b === null ? NaN : a - b);

/** A number within a product or under a fraction's bar: in parentheses where it is negative or a product itself. */
export function factor(value, digits) {
  const text = number(value, digits);
  return value < 0 || text.includes("·") ? `(${text})` : text;
}

/**
 * How to write numbers that are subtracted from each other: one exponent for all, and decimals enough for some
 * significant digits in each of the differences, if float64 holds that many.
 * @param {number[]} values @param {[number, number][]} differences each with its digits
 * @returns {(value: number) => string}
 */
export function together(values, differences) {
  const finite = values.filter(Number.isFinite).map(Math.abs);
  const largest = Math.max(...finite, Number.MIN_VALUE);
  const exponent = Math.floor(Math.log10(largest));
  const raised = exponent < -3 || exponent >= 6;
  const unit = raised ? 10 ** exponent : 1;
  const most = HELD - 1 - (raised ? 0 : Math.max(exponent, 0));
  const wanted = differences.filter(([size]) => Number.isFinite(size) && size !== 0).map(([size, digits]) => Math.ceil(Math.log10(unit / Math.abs(size))) + digits - 1);
  const decimals = Math.min(Math.max(3, ...wanted), Math.max(most, 0));
  return (value) => {
    if (!Number.isFinite(value)) return "not finite";
    const lead = (value / unit).toFixed(decimals);
    return value && !Number(lead) ? number(value) : sign(lead) + (raised ? power(exponent) : ""); // too small beside the others is not 0
  };
}

/** Whether a difference is within the last digits of the numbers that it is taken of. */
export const lostInRounding = (difference, size) => Math.abs(difference) <= 8 * Number.EPSILON * Math.abs(size);
