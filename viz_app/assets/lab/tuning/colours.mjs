// From a measure's value to a colour; the stops are in tuning.css.

import { range as indices, scaleLinear, scaleLog } from "../vendor/d3.mjs";

/** @typedef {"log" | "low" | "high" | "share" | "ratio"} Scale of a measure's colours: "log" and "low" are best where they are low, "high" where it is high; "ratio" is centred on 1 */
/** @typedef {[number, number]} Span */

const STOPS = 5;
const TICKS = 6; // about as many at a colour bar
const EVEN = Math.sqrt(1.05 * 0.05) - 0.05; // the luminance on which black and white have the same contrast
const FAMILY = { log: "map", low: "map", high: "map", share: "share", ratio: "ratio" };

/** Relative luminance of rgb(…), as WCAG 2 defines it. @param {string} colour */
function luminance(colour) {
  const channels = (colour.match(/\d+/g) ?? []).map((text) => Number(text) / 255);
  const [r, g, b] = channels.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Whether the lowest values have the best colours. @param {Scale} scale */
export const lowIsBest = (scale) => scale === "log" || scale === "low";

/** Where a value is between the ends of its scale: 0 is the worst or lowest colour's end. @param {number} value @param {Span} ends @param {Scale} scale */
export function place(value, [low, high], scale) {
  if (high === low) return 1;
  const log = scale === "ratio" || (scale === "log" && low > 0);
  const part = (log ? scaleLog : scaleLinear)([low, high], [0, 1]).clamp(true)(log ? Math.max(value, low) : value);
  return lowIsBest(scale) ? 1 - part : part; // few passes and a low loss
}

/** The colours of a scale, from 0 to 1. @param {{colour: (variable: string) => string}} theme @param {Scale} scale */
export const stops = (theme, scale) => indices(STOPS).map((i) => theme.colour(`--${FAMILY[scale]}-${i}`));

/** A colour of the scale, and the ink that can be read on it. @param {number} part from 0 to 1 @param {string[]} colours */
export function shade(part, colours) {
  const at = indices(colours.length).map((i) => i / (colours.length - 1));
  const fill = scaleLinear(at, colours).clamp(true)(part);
  return { fill, ink: luminance(fill) > EVEN ? "#000000" : "#ffffff" };
}

/** Round values for a colour bar's ticks. @param {Span} ends @param {Scale} scale */
export function ticks([low, high], scale) {
  if (scale === "share" || scale === "low" || scale === "high" || !(low > 0)) return scaleLinear([low, high], [0, 1]).ticks(TICKS - 1);
  const axis = scaleLog([low, high], [0, 1]);
  const written = axis.tickFormat(TICKS, "~g");
  return axis.ticks(TICKS).filter((value) => written(value));
}
