// The landscape's contours, as Plotly draws them.

import { extent, range } from "../vendor/d3.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { Theme } from "../web/theme.mjs" */

const LEVELS = 18;

/** @typedef {{rows: (number | null)[][], levels: {start: number, end: number, size: number}}} Heights */

/** Logarithm of the height over the minimum (or over the lowest point in sight), and contour levels that suit it. @param {Grid} grid @returns {Heights} */
export function heights(grid) {
  const [rows, columns] = grid.shape;
  const [low = Infinity, high = -Infinity] = extent(grid.z);
  const base = grid.minimum === null ? low : Math.min(grid.minimum, low);
  const small = Math.max((high - base) * 1e-5, 1e-12);
  /** @param {number} z */
  const height = (z) => {
    const value = Math.log10(z - base + small);
    return Number.isFinite(value) ? value : null;
  };
  const lines = range(rows).map((row) => Array.from(grid.z.subarray(row * columns, (row + 1) * columns), height));
  const [from = NaN, to = NaN] = extent(lines.flat(), (value) => value);
  return { rows: lines, levels: { start: from, end: to, size: (to - from) / LEVELS || 1 } };
}

/** @param {Grid} grid @param {Heights} heights @param {Theme} theme @returns {PlotlyTrace} */
export function contour(grid, { rows, levels }, theme) {
  return {
    type: "contour",
    z: rows,
    x0: grid.xrange[0],
    dx: (grid.xrange[1] - grid.xrange[0]) / (grid.shape[1] - 1),
    y0: grid.yrange[0],
    dy: (grid.yrange[1] - grid.yrange[0]) / (grid.shape[0] - 1),
    contours: levels,
    colorscale: [[0, theme.valley], [1, theme.ridge]],
    line: { width: 0.8, color: theme.contour },
    showscale: false,
    hoverinfo: "skip",
  };
}

/** @param {{x: [number, number], y: [number, number]}} ranges @param {[string, string]} names of the axes @param {Theme} theme @returns {PlotlyLayout} */
export function contourLayout(ranges, [x, y], theme) {
  /** @param {[number, number]} range @param {string} title */
  const axis = (range, title) => ({
    title: { text: title, standoff: 4 },
    range,
    gridcolor: "rgba(0,0,0,0)",
    zeroline: false,
    ticks: "outside",
    tickcolor: theme.grid,
    ticklen: 4,
  });
  return {
    margin: { l: 4.2 * theme.size, r: 10, t: 8, b: 3 * theme.size },
    font: { family: theme.font, size: theme.size, color: theme.muted },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: theme.panel,
    dragmode: "pan",
    hovermode: "closest",
    showlegend: false,
    xaxis: axis(ranges.x, x),
    yaxis: axis(ranges.y, y),
  };
}
