// Numbers between a slider, a field and the spec.

/** The value that a slider's position means. @param {{scale: string, integer: boolean}} range */
export function fromSlider(position, range) {
  const value = range.scale === "log" ? 10 ** position : position;
  if (range.integer) return Math.round(value);
  return Number(value.toPrecision(3));
}

/** The slider's position for a value, kept within the slider. */
export function toSlider(value, range) {
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  if (range.scale !== "log") return clamp(value, range.low, range.high);
  return value > 0 ? clamp(Math.log10(value), Math.log10(range.low), Math.log10(range.high)) : Math.log10(range.low);
}

/** A number for a field: four significant digits, `3e-5` rather than `0.00003`. */
export function short(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = Number(value.toPrecision(4));
  return size < 1e-3 || size >= 1e5 ? digits.toExponential().replace("e+", "e") : String(digits);
}

const LEAST = 1.1755e-38; // what the server sends of a smaller number that is not 0: float32 has no other

/** Whether a number came as the least that float32 has: it may be smaller. */
export const isLeast = (value) => value > 0 && value < LEAST;

/** A reading: three significant digits. Infinity is a loss that left every scale. */
export function reading(value) {
  if (Number.isNaN(value) || value === undefined || value === null) return "–";
  if (!Number.isFinite(value)) return "diverged";
  if (value === 0) return "0";
  if (isLeast(value)) return "< 1.2e-38";
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(1).replace("e+", "e") : String(Number(value.toPrecision(3)));
}

/** A coordinate's number as an index below the line. */
export const subscript = (j) => String(j).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

/** A count, with thousands separated. */
export const count = (value) => Math.round(value).toLocaleString("en-US");

/** The largest 1, 2 or 5 times a power of ten that is at most `value`. */
export function niceBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}
