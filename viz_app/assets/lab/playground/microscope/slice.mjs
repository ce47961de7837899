// The loss along one direction: its curve, the values that were measured, and what was concluded from them.

import { readTheme } from "../../web/theme.mjs";

const TICKS = 5;

/**
 * @typedef {object} Slice
 * @property {{from: number, to: number, loss: (number|null)[]}} samples evenly spaced along s
 * @property {number} unit of the axis: μ, or 1 where s counts steps
 * @property {[string, string, string]} axis its name: before what is raised, that, and after it
 * @property {number} base loss that heights are counted from
 * @property {number} level height of the parabola at s = 0, above base
 * @property {number|null} slope @property {number|null} curvature of the parabola at s = 0; without a curvature it is the tangent
 * @property {{key: string, s: number, loss: number, label: [string, string]=, measured: boolean}[]} points
 * @property {string} tangent key of the line that states the slope
 * @property {string} height what its heights are @property {string} colour
 */

/** Draw a slice. `strong` is what is lit (null: all alike), `shown` what may be drawn. @param {HTMLCanvasElement} canvas @param {Slice} slice */
export function drawSlice(canvas, slice, strong, shown) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const theme = readTheme();
  const frame = frameOf(slice, width, height, theme);
  axes(context, frame, slice, theme);
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.width, frame.height);
  context.clip();
  const weight = (key, plain) => (strong === key ? plain * 1.9 : plain);
  const dim = (...keys) => (strong === null || keys.includes(strong) ? 1 : 0.4);

  curve(context, frame, sampled(slice), theme.ink, 1.4 * theme.line * 0.6, []);
  if (shown.has("curvature") && slice.curvature !== null) {
    context.globalAlpha = dim("curvature");
    curve(context, frame, polynomial(slice, slice.curvature), slice.colour, weight("curvature", theme.line), [9, 4]);
  }
  if (shown.has(slice.tangent) && slice.slope !== null) {
    context.globalAlpha = dim(slice.tangent);
    curve(context, frame, polynomial(slice, 0), slice.colour, weight(slice.tangent, 0.75 * theme.line), slice.curvature === null ? [9, 4] : [2, 3]);
  }
  context.globalAlpha = 1;
  context.restore();
  points(context, frame, slice, strong, shown, theme);
}

function frameOf(slice, width, height, theme) {
  const { from, to, loss } = slice.samples;
  const heights = loss.filter((value) => value !== null).map((value) => value - slice.base);
  for (const { s, loss: at } of slice.points) if (s >= from && s <= to && Number.isFinite(at)) heights.push(at - slice.base);
  if (!heights.length) heights.push(0); // a run that has diverged
  let [low, high] = [Math.min(...heights), Math.max(...heights)];
  if (!(high > low)) [low, high] = [(low || 0) - 1, (high || 0) + 1];
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

function axes(context, frame, slice, theme) {
  context.font = `${theme.size}px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.strokeStyle = theme.grid;
  context.lineWidth = 1;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of ticks(frame.from / slice.unit, frame.to / slice.unit)) {
    const x = frame.x(tick * slice.unit);
    line(context, [x, frame.top], [x, frame.top + frame.height]);
    context.fillText(written(tick), x, frame.top + frame.height + 3);
  }
  const width = raisedWidth(context, slice.axis, theme, 400);
  raised(context, slice.axis, frame.left + (frame.width - width) / 2, frame.top + frame.height + 4 + 1.9 * theme.size, theme, 400);
  context.font = `${theme.size}px ${theme.font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of ticks(frame.low, frame.high)) {
    const y = frame.y(tick);
    line(context, [frame.left, y], [frame.left + frame.width, y]);
    context.fillText(written(tick), frame.left - 4, Math.max(y, frame.top + theme.size / 2));
  }
  context.save();
  context.translate(theme.size * 0.6, frame.top + frame.height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(slice.height, 0, 0);
  context.restore();
}

function sampled({ samples: { from, to, loss }, base }) {
  return loss.map((value, k) => [from + ((to - from) * k) / (loss.length - 1), value === null ? NaN : value - base]);
}

function polynomial({ samples: { from, to }, level, slope }, curvature) {
  return Array.from({ length: 121 }, (_, k) => {
    const s = from + ((to - from) * k) / 120;
    return [s, level + slope * s + 0.5 * curvature * s * s];
  });
}

function curve(context, frame, list, colour, width, dash) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  let pen = false;
  for (const [s, value] of list) {
    if (!Number.isFinite(value)) pen = false;
    else {
      const y = Math.min(Math.max(frame.y(value), -2000), 4000);
      if (pen) context.lineTo(frame.x(s), y);
      else context.moveTo(frame.x(s), y);
      pen = true;
    }
  }
  context.stroke();
  context.setLineDash([]);
}

function points(context, frame, slice, strong, shown, theme) {
  const near = Math.abs(frame.x(slice.unit) - frame.x(0)) > 45; // wide out, they are one dot or nearly
  for (const { key, s, loss, label, measured } of slice.points) {
    if (!shown.has(key) || !Number.isFinite(loss)) continue;
    const lit = strong === key || (measured && ((strong === "slope" && s !== 0) || strong === "curvature"));
    const [x, y] = [frame.x(s), frame.y(loss - slice.base)];
    context.globalAlpha = strong === null || lit ? 1 : 0.45;
    context.fillStyle = measured ? slice.colour : theme.panel;
    context.strokeStyle = measured ? theme.panel : slice.colour;
    context.lineWidth = measured ? 1.5 : 2;
    context.beginPath();
    context.arc(x, y, (lit ? 6.5 : 4.5) + theme.line / 3, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    if (near && label) named(context, frame, label, x, y, s, lit, theme);
  }
  context.globalAlpha = 1;
}

const fonts = (theme, weight) => [`${weight} ${theme.size}px ${theme.font}`, `${weight} ${0.75 * theme.size}px ${theme.font}`];

/** How wide a text is whose middle part is raised. */
function raisedWidth(context, parts, theme, weight) {
  return parts.reduce((sum, text, k) => {
    context.font = fonts(theme, weight)[k % 2];
    return sum + context.measureText(text).width;
  }, 0);
}

/** Write it, from x on along a base line. */
function raised(context, parts, x, base, theme, weight) {
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  parts.forEach((text, k) => {
    context.font = fonts(theme, weight)[k % 2];
    context.fillText(text, x, base - (k === 1 ? 0.35 * theme.size : 0));
    x += context.measureText(text).width;
  });
}

/** A point's name, over a patch of the panel's colour: that of θ below its point, the probes' above theirs. */
function named(context, frame, label, x, y, s, lit, theme) {
  const weight = lit ? 700 : 400;
  const total = raisedWidth(context, label, theme, weight);
  const at = Math.min(Math.max(x - total / 2, frame.left + 2), frame.left + frame.width - total - 2);
  const above = y - frame.top > 2.2 * theme.size;
  const base = s === 0 ? (y + 2 * theme.size < frame.top + frame.height ? y + 1.5 * theme.size : y - 0.9 * theme.size) : above ? y - 0.95 * theme.size : y + 1.6 * theme.size;
  context.fillStyle = theme.panel;
  context.save();
  context.globalAlpha *= 0.82;
  context.fillRect(at - 2, base - 0.95 * theme.size, total + 4, 1.25 * theme.size);
  context.restore();
  context.fillStyle = theme.ink;
  raised(context, label, at, base, theme, weight);
}

function line(context, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

/** Round numbers within a span. */
function ticks(low, high) {
  const raw = (high - low) / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((lead) => lead * power >= raw) * power;
  const list = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) list.push(k * step);
  return list;
}

function written(value) {
  if (Math.abs(value) < 1e-300) return "0";
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(3));
  return (size < 1e-3 || size >= 1e5 ? rounded.toExponential().replace("e+", "e") : String(rounded)).replace(/-/g, "−");
}
