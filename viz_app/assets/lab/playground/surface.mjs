// The surface in three dimensions, made on demand: browsers allow few WebGL contexts, so it is purged when closed.

import { extent } from "../vendor/d3.mjs";
import { escapedInPlotly } from "../web/escaped.mjs";
import { byId } from "../web/one.mjs";
import { frameAt } from "./trace.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Clock, Trace } from "./trace.mjs" */

/** @typedef {{grid: Grid, trace: Trace, time: number, clock: Clock, look: Look, names: [string, string]}} Shown what is on screen */

/** Connect the button and the dialog. @param {() => Shown | null} shown null while nothing is */
export function watchSurface(shown) {
  const dialog = byId("dialog-3d", HTMLDialogElement);
  const root = byId("surface");
  byId("show-3d").addEventListener("click", () => {
    const picture = shown();
    if (!picture) return;
    dialog.showModal();
    openSurface(root, picture);
  });
  byId("close-3d").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => window.Plotly.purge(root)); // gives the WebGL context back
}

/** Fill `root` with the landscape and every optimizer's first run up to the moment. @param {HTMLElement} root @param {Shown} shown */
async function openSurface(root, { grid, trace, time, clock, look, names }) {
  const { theme } = look;
  const [rows, columns] = grid.shape;
  /** @param {[number, number]} range @param {number} n */
  const along = (range, n) => Array.from({ length: n }, (_, i) => range[0] + ((range[1] - range[0]) * i) / (n - 1));
  const x = along(grid.xrange, columns);
  const y = along(grid.yrange, rows);
  const heights = relief(grid);
  /** @param {number} px @param {number} py */
  const heightAt = (px, py) => {
    const column = Math.round(((px - grid.xrange[0]) / (grid.xrange[1] - grid.xrange[0])) * (columns - 1));
    const row = Math.round(((py - grid.yrange[0]) / (grid.yrange[1] - grid.yrange[0])) * (rows - 1));
    return heights.rows[row]?.[column] ?? null;
  };
  const surface = {
    type: "surface",
    x,
    y,
    z: heights.rows,
    colorscale: [[0, theme.deep], [1, theme.valley]],
    showscale: false,
    lighting: { ambient: 0.75, diffuse: 0.5, specular: 0.05 },
    contours: { z: { show: true, color: theme.contour, start: heights.from, end: heights.to, size: (heights.to - heights.from) / 14 } },
    hoverinfo: "skip",
  };
  const lines = trace.tracks.map((track, index) => {
    const { frame } = frameAt(track, time, clock);
    /** @type {{x: number[], y: number[], z: number[]}} */
    const points = { x: [], y: [], z: [] };
    for (let t = 0; t <= frame; t++) {
      const [px, py] = track.path.subarray(2 * t * track.runs, 2 * t * track.runs + 2);
      const z = heightAt(px, py);
      if (z === null) continue;
      points.x.push(px);
      points.y.push(py);
      points.z.push(z + 0.02 * (heights.to - heights.from));
    }
    return { type: "scatter3d", mode: "lines", name: escapedInPlotly(look.titles[index]), ...points, line: { color: look.colours[index], width: 6 } };
  });
  /** @param {string} text */
  const axis = (text) => ({ title: { text }, color: theme.muted, gridcolor: theme.grid, backgroundcolor: theme.panel });
  await window.Plotly.newPlot(
    root,
    [surface, ...lines],
    {
      margin: { l: 0, r: 0, t: 0, b: 0 },
      paper_bgcolor: theme.panel,
      font: { family: theme.font, size: theme.size, color: theme.ink },
      legend: { x: 0.02, y: 0.98 },
      scene: { xaxis: axis(names[0]), yaxis: axis(names[1]), zaxis: axis("log₁₀(loss above the lowest point + 0.3 % of the range)") },
    },
    { displaylogo: false, displayModeBar: false, responsive: true },
  );
}

/** Logarithmic heights, less steep than the contours': a well stays a bowl instead of a needle. @param {Grid} grid */
function relief({ z, shape: [rows, columns] }) {
  const [low = NaN, high = NaN] = extent(z.filter(Number.isFinite));
  const small = 0.003 * (high - low) || 1;
  /** @param {number} value */
  const level = (value) => Math.log10(value - low + small);
  const lines = Array.from({ length: rows }, (_, row) => Array.from(z.subarray(row * columns, (row + 1) * columns), (value) => (Number.isFinite(value) ? level(value) : null)));
  return { rows: lines, from: level(low), to: level(high) };
}
