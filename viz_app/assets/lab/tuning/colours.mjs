// From a measure's value to a colour; the stops stand in tuning.css.

const STOPS = 5;
const EVEN = Math.sqrt(1.05 * 0.05) - 0.05; // the luminance on which black and white contrast alike

const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

/** Relative luminance, as WCAG 2 defines it. */
function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Where a value lies between the ends of its scale: 0 is the worst or lowest colour's end. */
export function place(value, [low, high], scale) {
  if (high === low) return 1;
  const log = scale === "ratio" || (scale === "log" && low > 0);
  const on = (v) => (log ? Math.log(Math.max(v, low)) : v);
  const part = Math.min(Math.max((on(value) - on(low)) / (on(high) - on(low)), 0), 1);
  return scale === "log" ? 1 - part : part; // few passes and a low loss are best
}

/** The colours of a scale, from 0 to 1. @param {"log"|"share"|"ratio"} scale */
export function stops(theme, scale) {
  const family = { log: "map", share: "share", ratio: "ratio" }[scale];
  return Array.from({ length: STOPS }, (_, i) => theme.colour(`--${family}-${i}`));
}

/** A colour of the scale, and the ink that can be read on it. */
export function shade(part, colours) {
  const at = part * (colours.length - 1);
  const i = Math.min(Math.floor(at), colours.length - 2);
  const [from, to] = [channels(colours[i]), channels(colours[i + 1])];
  const mixed = from.map((value, k) => Math.round(value + (to[k] - value) * (at - i)));
  return { fill: `rgb(${mixed.join(" ")})`, ink: luminance(mixed) > EVEN ? "#000000" : "#ffffff" };
}

/** Round values for a colour bar's ticks, both ends' neighbourhood included. */
export function ticks([low, high], scale) {
  if (scale === "share") return [0, 0.25, 0.5, 0.75, 1];
  if (!(low > 0) || high / low < 1.0001) return high === low ? [low] : [low, (low + high) / 2, high];
  const decades = Math.log10(high / low);
  const leads = decades > 2.2 ? [1] : decades > 0.9 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const every = Math.max(1, Math.ceil(decades / 6));
  const result = [];
  const first = Math.floor(Math.log10(low));
  for (let power = first; power <= Math.log10(high) + 1; power++) {
    if (decades > 2.2 && (power - Math.ceil(Math.log10(low))) % every) continue;
    for (const lead of leads) {
      const value = Number((lead * 10 ** power).toPrecision(6));
      if (value >= low * 0.999 && value <= high * 1.001) result.push(value);
    }
  }
  return result.length ? result : [low, high];
}
