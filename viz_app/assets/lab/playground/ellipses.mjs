// What the probes are drawn from, what the true curvature would give, and this step's probes, on the landscape.

import { disc, segment, stroke } from "../web/canvas.mjs";
import { niceBelow } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { settingsAt } from "./trace.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { Overlay } from "../web/overlay.mjs" */
/** @import { Point } from "../web/point.mjs" */
/** @import { Theme } from "../web/theme.mjs" */
/** @import { Trace, Track } from "./trace.mjs" */

const SHARE = 0.24; // of the picture's shorter side, that the usual ellipse's longer semi-axis takes
const CORNERS = 72;
const FLAT = 1e-9; // a curvature below it gives no ellipse to scale by

/** Eigenvalues of ((a, b), (b, c)), the first one's eigenvector's angle. @param {number} a @param {number} b @param {number} c */
function eigen(a, b, c) {
  const mean = (a + c) / 2;
  const spread = Math.hypot((a - c) / 2, b);
  return { big: mean + spread, small: mean - spread, angle: Math.atan2(2 * b, a - c) / 2 };
}

/** How much ellipses and probes are enlarged: 1, 2 or 5 times a power of ten. @param {Trace} trace @param {Grid | null} grid */
export function ellipseScale(trace, grid) {
  const track = trace.tracks.find((candidate) => candidate.shown_hessian);
  if (!track?.shown_hessian || !grid) return 1;
  const sides = [];
  for (let frame = 0; frame < track.frames; frame += Math.ceil(track.frames / 50)) {
    const [a, b, c] = track.shown_hessian.subarray(3 * frame, 3 * frame + 3);
    const { big, small } = eigen(a, b, c);
    const sizes = [Math.abs(big), Math.abs(small)];
    const flattest = Math.min(...sizes) > FLAT ? Math.min(...sizes) : Math.max(...sizes);
    const fallback = track.shown_h ? Math.min(track.shown_h[2 * frame], track.shown_h[2 * frame + 1]) : 1;
    sides.push(1 / Math.sqrt(flattest > FLAT ? flattest : fallback));
  }
  sides.sort((a, b) => a - b);
  const span = Math.min(grid.xrange[1] - grid.xrange[0], grid.yrange[1] - grid.yrange[0]);
  return niceBelow((SHARE * span) / (sides[sides.length >> 1] || 1)) || 1;
}

/**
 * The ellipse of Σ = 1/P around a run's head, and dashed the one of the true curvature.
 * @param {CanvasRenderingContext2D} context @param {Overlay} overlay @param {Track} track @param {number} frame
 * @param {Point} head in pixels @param {number} scale @param {string} colour @param {Theme} theme
 */
export function drawEllipses(context, overlay, track, frame, head, scale, colour, theme) {
  if (!track.shown_h) return;
  const width = 0.8 * theme.line;
  const h = track.shown_h.subarray(2 * frame, 2 * frame + 2);
  context.fillStyle = fade(colour, 0.13);
  stroke(context, colour, { width }, () => ellipse(context, overlay, head, scale / Math.sqrt(h[0]), scale / Math.sqrt(h[1]), 0));
  context.fill();
  if (!track.shown_hessian) return;
  const [a, b, c] = track.shown_hessian.subarray(3 * frame, 3 * frame + 3);
  const { big, small, angle } = eigen(a, b, c);
  if (!(Math.abs(big) > 1e-12 && Math.abs(small) > 1e-12)) return;
  const negative = big < 0 || small < 0;
  stroke(context, negative ? theme.colour("--warning") : theme.ink, { width, dash: [6, 4] }, () =>
    ellipse(context, overlay, head, scale / Math.sqrt(Math.abs(big)), scale / Math.sqrt(Math.abs(small)), angle),
  );
}

/**
 * An ellipse with semi-axes in data units, turned in data space (the axes may have different scales).
 * @param {CanvasRenderingContext2D} context @param {Overlay} overlay @param {Point} centre @param {number} a @param {number} b @param {number} angle
 */
function ellipse(context, overlay, [x, y], a, b, angle) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  for (let i = 0; i <= CORNERS; i++) {
    const t = (i / CORNERS) * 2 * Math.PI;
    const [u, v] = [a * Math.cos(t), b * Math.sin(t)];
    context.lineTo(x + overlay.x.scale * (u * cos - v * sin), y + overlay.y.scale * (u * sin + v * cos));
  }
}

/**
 * The points that this step evaluates: θ ± Σ^½ u, enlarged like the ellipse (by scale/μ).
 * @param {CanvasRenderingContext2D} context @param {Overlay} overlay @param {Track} track @param {number} frame
 * @param {number} scale @param {string} colour @param {Theme} theme
 */
export function drawProbes(context, overlay, track, frame, scale, colour, theme) {
  if (!track.u) return;
  const most = track.shapes.u[1];
  const n = Number(settingsAt(track, track.step[frame]).n);
  const at = 2 * frame * track.runs;
  const [x, y] = [track.path[at], track.path[at + 1]];
  const [a, b] = track.shown_h ? track.shown_h.subarray(2 * frame, 2 * frame + 2) : [1, 1];
  for (let i = 0; i < n; i++) {
    const [u, v] = track.u.subarray(2 * (frame * most + i), 2 * (frame * most + i) + 2);
    const [dx, dy] = [(scale * u) / Math.sqrt(a), (scale * v) / Math.sqrt(b)];
    /** @param {1 | -1} sign @returns {Point} */
    const end = (sign) => [overlay.px(x + sign * dx), overlay.py(y + sign * dy)];
    const edge = fade(colour, 0.55);
    stroke(context, edge, {}, () => segment(context, end(1), end(-1)));
    for (const sign of /** @type {const} */ ([1, -1])) disc(context, end(sign), 3, theme.panel, edge, 1); // hollow, unlike the heads of runs
  }
}
