// A run in 160 × 100 pixels: the landscape's heights, and every optimizer's first run on it.

import { extent } from "../vendor/d3.mjs";
import { drawing } from "../web/canvas.mjs";
import { frameOf } from "./trace.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { Theme } from "../web/theme.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Trace } from "./trace.mjs" */

const [WIDTH, HEIGHT] = [160, 100];

/** @param {Grid} grid @param {Trace} trace @param {Look} look @returns {string} a data URL of a few kilobytes */
export function thumbnail(grid, trace, { theme, colours, spans }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const context = drawing(canvas);
  context.putImageData(relief(grid, theme, context.createImageData(WIDTH, HEIGHT)), 0, 0);
  /** @param {number} value */
  const x = (value) => ((value - grid.xrange[0]) / (grid.xrange[1] - grid.xrange[0])) * WIDTH;
  /** @param {number} value */
  const y = (value) => (1 - (value - grid.yrange[0]) / (grid.yrange[1] - grid.yrange[0])) * HEIGHT;
  context.lineWidth = 2;
  context.lineJoin = "round";
  trace.tracks.forEach((track, index) => {
    context.strokeStyle = colours[index];
    context.beginPath();
    const from = spans?.[index].from ?? 0;
    for (let t = from && frameOf(track, from); t < track.frames; t++) {
      const [a, b] = track.path.subarray(2 * t * track.runs, 2 * t * track.runs + 2);
      if (!Number.isFinite(a) || Math.abs(x(a)) > 1e4 || Math.abs(y(b)) > 1e4) break;
      context.lineTo(x(a), y(b));
    }
    context.stroke();
  });
  return canvas.toDataURL("image/webp", 0.7);
}

/** Heights over the lowest point on a log scale, in bands like the contours', from the valley's colour to the ridge's. @param {Grid} grid @param {Theme} theme @param {ImageData} image */
function relief({ z, shape: [rows, columns] }, theme, image) {
  const [low = NaN, high = NaN] = extent(z.filter(Number.isFinite));
  const small = (high - low) * 1e-5 || 1;
  const [from, to] = [Math.log(small), Math.log(high - low + small)];
  const [valley, ridge] = [theme.valley, theme.ridge].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  for (let row = 0; row < HEIGHT; row++)
    for (let column = 0; column < WIDTH; column++) {
      const i = Math.floor((1 - (row + 0.5) / HEIGHT) * rows) * columns + Math.floor(((column + 0.5) / WIDTH) * columns);
      const part = (Math.log(z[i] - low + small) - from) / (to - from || 1);
      const band = Number.isFinite(part) ? Math.round(part * 12) / 12 : 1;
      const at = 4 * (row * WIDTH + column);
      for (let k = 0; k < 3; k++) image.data[at + k] = valley[k] + band * (ridge[k] - valley[k]);
      image.data[at + 3] = 255;
    }
  return image;
}
