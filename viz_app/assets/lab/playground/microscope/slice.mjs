// The loss along one direction: its curve, the values that were measured, and what was concluded from them.

import { extent, range, ticks } from "../../vendor/d3.mjs";
import { disc, drawing, polyline, segment, stroke } from "../../web/canvas.mjs";
import { short } from "../../web/scale.mjs";
import { readTheme } from "../../web/theme.mjs";

/** @import { Theme } from "../../web/theme.mjs" */
/** @import { Point, Raised, Slice } from "./slices.mjs" */

const TICKS = 5;
const SAMPLES = 121; // of the parabola
const APART = 45; // px between θ and a probe, from which on they have names

/** @typedef {{left: number, top: number, width: number, height: number, low: number, high: number, from: number, to: number, x: (s: number) => number, y: (height: number) => number}} Frame the chart's area in pixels, what it spans, and pixels of values */

/** @typedef {{context: CanvasRenderingContext2D, frame: Frame, slice: Slice, theme: Theme}} Chart */

/**
 * Draw a slice.
 * @param {HTMLCanvasElement} canvas @param {Slice} slice @param {string} colour
 * @param {string | null} strong the key of what is lit; null: all alike @param {Set<string>} shown keys of what may be drawn
 */
export function drawSlice(canvas, slice, colour, strong, shown) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = drawing(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const theme = readTheme();
  const frame = frameOf(slice, width, height, theme);
  const chart = { context, frame, slice, theme };
  axes(chart);
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.width, frame.height);
  context.clip();
  /** @param {string} key @param {number} plain */
  const weight = (key, plain) => (strong === key ? plain * 1.9 : plain);
  /** @param {string} key */
  const dim = (key) => (strong === null || key === strong ? 1 : 0.4);
  const { from, to, loss } = slice.samples;
  const along = loss.map((_, k) => from + ((to - from) * k) / (loss.length - 1));
  curve(chart, along, loss.map((value) => (value ?? NaN) - slice.base), theme.ink, 1.4 * theme.line * 0.6, []);
  if (shown.has("curvature") && slice.curvature !== null) {
    context.globalAlpha = dim("curvature");
    parabola(chart, slice.curvature, colour, weight("curvature", theme.line), [9, 4]);
  }
  if (shown.has(slice.tangent) && slice.slope !== null) {
    context.globalAlpha = dim(slice.tangent);
    parabola(chart, 0, colour, weight(slice.tangent, 0.75 * theme.line), slice.curvature === null ? [9, 4] : [2, 3]);
  }
  context.globalAlpha = 1;
  context.restore();
  points(chart, colour, strong, shown);
}

/** @param {Slice} slice @param {number} width @param {number} height @param {Theme} theme @returns {Frame} */
function frameOf(slice, width, height, theme) {
  const { from, to, loss } = slice.samples;
  const inside = slice.points.filter(({ s }) => s >= from && s <= to).map((point) => point.loss);
  const heights = [...loss, ...inside].map((value) => (value ?? NaN) - slice.base);
  let [low = 0, high = 0] = extent(heights.filter(Number.isFinite)); // none of a run that has diverged
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const room = 0.16 * (high - low);
  [low, high] = [low - room, high + room];
  const left = 4.9 * theme.size;
  const [top, bottom] = [4, 2.7 * theme.size];
  const box = { left, top, width: width - left - 8, height: height - top - bottom };
  return {
    ...box,
    low,
    high,
    from,
    to,
    x: (s) => box.left + ((s - from) / (to - from)) * box.width,
    y: (value) => box.top + ((high - value) / (high - low)) * box.height,
  };
}

/** @param {Chart} chart */
function axes({ context, frame, slice, theme }) {
  const { left, top, width, height } = frame;
  context.font = `${theme.size}px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of ticks(frame.from / slice.unit, frame.to / slice.unit, TICKS)) {
    const x = frame.x(tick * slice.unit);
    stroke(context, theme.grid, {}, () => segment(context, [x, top], [x, top + height]));
    context.fillText(written(tick), x, top + height + 3);
  }
  const wide = raisedWidth(context, slice.axis, theme, 400);
  raised(context, slice.axis, left + (width - wide) / 2, top + height + 4 + 1.9 * theme.size, theme, 400);
  context.font = `${theme.size}px ${theme.font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of ticks(frame.low, frame.high, TICKS)) {
    const y = frame.y(tick);
    stroke(context, theme.grid, {}, () => segment(context, [left, y], [left + width, y]));
    context.fillText(written(tick), left - 4, Math.max(y, top + theme.size / 2));
  }
  context.save();
  context.translate(theme.size * 0.6, top + height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(slice.height, 0, 0);
  context.restore();
}

/** A tick's number, with a true minus. @param {number} value */
const written = (value) => short(value).replace(/-/g, "−");

/** @param {Chart} chart @param {number[]} along @param {number[]} heights @param {string} colour @param {number} width @param {number[]} dash */
function curve({ context, frame }, along, heights, colour, width, dash) {
  const { x, y } = frame;
  stroke(context, colour, { width, dash }, () => polyline(context, along, heights, x, (value) => Math.min(Math.max(y(value), -2000), 4000)));
}

/** @param {Chart} chart @param {number} curvature @param {string} colour @param {number} width @param {number[]} dash */
function parabola(chart, curvature, colour, width, dash) {
  const { samples, level, slope } = chart.slice;
  const along = range(SAMPLES).map((k) => samples.from + ((samples.to - samples.from) * k) / (SAMPLES - 1));
  curve(chart, along, along.map((s) => level + (slope ?? NaN) * s + 0.5 * curvature * s * s), colour, width, dash);
}

/** @param {Chart} chart @param {string} colour @param {string | null} strong @param {Set<string>} shown */
function points(chart, colour, strong, shown) {
  const { context, frame, slice, theme } = chart;
  const near = Math.abs(frame.x(slice.unit) - frame.x(0)) > APART; // wide out, they are one dot or nearly
  for (const point of slice.points) {
    const { key, s, loss, measured } = point;
    if (!shown.has(key) || loss === null) continue;
    const lit = strong === key || (measured && ((strong === "slope" && s !== 0) || strong === "curvature"));
    const [x, y] = [frame.x(s), frame.y(loss - slice.base)];
    context.globalAlpha = strong === null || lit ? 1 : 0.45;
    const [fill, edge, width] = measured ? [colour, theme.panel, 1.5] : [theme.panel, colour, 2];
    disc(context, [x, y], (lit ? 6.5 : 4.5) + theme.line / 3, fill, edge, width);
    if (near) named(chart, point, x, y, lit);
  }
  context.globalAlpha = 1;
}

/** Fonts of the plain parts and of the raised one. @param {Theme} theme @param {number} weight */
const fonts = (theme, weight) => [`${weight} ${theme.size}px ${theme.font}`, `${weight} ${0.75 * theme.size}px ${theme.font}`];

/** How wide a text is whose middle part is raised. @param {CanvasRenderingContext2D} context @param {Raised} parts @param {Theme} theme @param {number} weight */
function raisedWidth(context, parts, theme, weight) {
  return parts.reduce((sum, text, k) => {
    context.font = fonts(theme, weight)[k % 2];
    return sum + context.measureText(text).width;
  }, 0);
}

/** Write it, from x on along a base line. @param {CanvasRenderingContext2D} context @param {Raised} parts @param {number} x @param {number} base @param {Theme} theme @param {number} weight */
function raised(context, parts, x, base, theme, weight) {
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  parts.forEach((text, k) => {
    context.font = fonts(theme, weight)[k % 2];
    context.fillText(text, x, base - (k === 1 ? 0.35 * theme.size : 0));
    x += context.measureText(text).width;
  });
}

/** A point's name, over a patch of the panel's colour: that of θ below its point, the probes' above theirs. @param {Chart} chart @param {Point} point @param {number} x @param {number} y @param {boolean} lit */
function named({ context, frame, theme }, { label, s }, x, y, lit) {
  const { size } = theme;
  const weight = lit ? 700 : 400;
  const total = raisedWidth(context, label, theme, weight);
  const at = Math.min(Math.max(x - total / 2, frame.left + 2), frame.left + frame.width - total - 2);
  const isAbove = s === 0 ? y + 2 * size >= frame.top + frame.height : y - frame.top > 2.2 * size;
  const [up, down] = s === 0 ? [0.9, 1.5] : [0.95, 1.6];
  const base = isAbove ? y - up * size : y + down * size;
  context.fillStyle = theme.panel;
  context.save();
  context.globalAlpha *= 0.82;
  context.fillRect(at - 2, base - 0.95 * size, total + 4, 1.25 * size);
  context.restore();
  context.fillStyle = theme.ink;
  raised(context, label, at, base, theme, weight);
}
