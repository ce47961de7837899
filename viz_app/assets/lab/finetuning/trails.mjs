// Where runs go on a plane: their points over time, the part of the plane that is shown, and Plotly's figure of it.

/** @import { Theme } from "../web/theme.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { PlannedRecord, Surface } from "./record.mjs" */
import { scaleLinear } from "../vendor/d3.mjs";
import { escapedInPlotly } from "../web/escaped.mjs";
import { axisTitle, baseLayout } from "./layout.mjs";
import { latest, spentAt } from "./record.mjs";

/** @typedef {"fixed" | "ends"} Kind of a plane: of two fixed random directions, or of the runs' end points */
/** @typedef {[number, number]} Point */
/** @typedef {{run: number, points: Point[], forwards: number[], steps: number[], losses: (number | null)[]}} Trail */
/** @typedef {[left: number, right: number, bottom: number, top: number]} Reach what is shown */

/** Each run's points on a plane with the forward passes, steps and held-out losses that belong to them. @param {PlannedRecord} record @param {Kind} kind @returns {Trail[]} */
export function trailsOf(record, kind) {
  if (kind === "ends" && record.plane) {
    return record.plane.runs.map(({ run: index, steps, points }) => {
      const run = record.runs[index];
      const forwards = steps.map((step) => spentAt(run, step));
      return { run: index, points, forwards, steps, losses: forwards.map((at) => latest(run.evaluations, { forwards: at, live: false })?.loss ?? null) };
    });
  }
  return record.runs.map(({ index, evaluations }) => {
    const known = evaluations.flatMap(({ position, ...rest }) => (position ? [{ position, ...rest }] : []));
    return {
      run: index,
      points: known.map(({ position }) => position),
      forwards: known.map(({ forwards }) => forwards),
      steps: known.map(({ step }) => step),
      losses: known.map(({ loss }) => loss),
    };
  });
}

/** The points up to a moment, and the head: between two points where the moment is between them. @param {Trail} trail @param {number} now forward passes @returns {[Point[], Point]} */
export function until({ points, forwards }, now) {
  const last = Math.max(0, forwards.findLastIndex((at) => at <= now + 1e-6));
  const past = points.slice(0, last + 1);
  const [here, next] = [points[last], points.at(last + 1)];
  if (last + 1 >= points.length || !next) return [past, here];
  const part = Math.max(0, (now - forwards[last]) / (forwards[last + 1] - forwards[last]));
  /** @type {Point} */
  const head = [here[0] + part * (next[0] - here[0]), here[1] + part * (next[1] - here[1])];
  return [[...past, head], head];
}

/** What is shown of the planes of one job: each side grows by leaps and never shrinks, so that nothing creeps while it runs. */
export class Reaches {
  #spec = "";
  /** @type {Map<Kind, [number, number, number, number]>} */
  #sides = new Map();

  /** @param {string} spec of the job @param {Kind} kind @param {Trail[]} trails @param {Surface | null} surface @returns {Reach} */
  of(spec, kind, trails, surface) {
    if (surface) return [surface.x[0], surface.x[surface.x.length - 1], surface.y[0], surface.y[surface.y.length - 1]];
    if (spec !== this.#spec) this.#sides.clear();
    this.#spec = spec;
    const sides = this.#sides.get(kind) ?? [0, 0, 0, 0];
    this.#sides.set(kind, sides);
    const points = trails.flatMap((trail) => trail.points);
    const extent = [(/** @type {Point} */ [a]) => -a, (/** @type {Point} */ [a]) => a, (/** @type {Point} */ [, b]) => -b, (/** @type {Point} */ [, b]) => b]
      .map((side) => Math.max(0, ...points.map(side)));
    const least = 0.3 * Math.max(...extent, 1e-12);
    extent.forEach((value, i) => {
      if (Math.max(value, least) > sides[i] / 1.06) sides[i] = scaleLinear().domain([0, 1.2 * Math.max(value, least)]).nice(3).domain()[1];
    });
    return [-sides[0], sides[1], -sides[2], sides[3]];
  }
}

/**
 * Surface and (invisible, for the pointer) points.
 * @param {Trail[]} trails @param {Surface | null} surface @param {Kind} kind @param {Reach} reach @param {Look} look @param {[number, number]} size width and height in pixels
 */
export function planeFigure(trails, surface, kind, [left, right, bottom, top], { theme, titles, colours }, [width, height]) {
  const known = surface?.filled ? surface : null;
  const name = kind === "fixed" ? "random direction" : "direction";
  const axis = (/** @type {number[]} */ range, /** @type {number} */ length, /** @type {1 | 2} */ which) => ({
    range, constrain: "range", tickangle: 0, title: axisTitle(length > 24 * theme.size ? `${name} ${which} (norm of the change)` : `direction ${which}${length > 11 * theme.size ? " (norm)" : ""}`, theme), zeroline: false, gridcolor: known ? "rgba(0,0,0,0)" : theme.grid,
    ticks: "outside", ticklen: 3, tickcolor: theme.grid, tickformat: "~g", nticks: Math.min(7, Math.ceil(length / (5.5 * theme.size))), exponentformat: "power",
  });
  const margin = { l: 5.8 * theme.size, r: known ? 4.6 * theme.size : 1.2 * theme.size, t: known ? 1.7 * theme.size : 8, b: 3.1 * theme.size };
  return {
    data: [
      ...(known ? [surfaceTrace(known, theme)] : []),
      ...trails.map(({ run, points, steps, losses, forwards }) => ({
        type: "scatter", mode: "markers", x: points.map(([a]) => a), y: points.map(([, b]) => b),
        marker: { color: colours[run], size: 8, opacity: 0 },
        customdata: steps.map((step, i) => [step, losses[i], forwards[i]]),
        hovertemplate: `<b>${escapedInPlotly(titles[run])}</b>, step %{customdata[0]:,d}<br>held-out loss %{customdata[1]:.3f}<extra></extra>`,
        hoverlabel: { bordercolor: colours[run] },
      })),
    ],
    layout: {
      ...baseLayout(theme),
      margin,
      dragmode: "pan",
      uirevision: `${kind} ${left} ${right}`,
      xaxis: axis([left, right], width - margin.l - margin.r, 1),
      yaxis: { ...axis([bottom, top], height, 2), scaleanchor: "x" },
    },
  };
}

/** The loss where it is known: cells while it is being filled in, contours when it is complete. @param {Surface} surface @param {Theme} theme */
function surfaceTrace({ x, y, z, done }, theme) {
  const finite = z.flat().filter(Number.isFinite).sort((a, b) => a - b);
  const low = finite[0];
  const high = finite[Math.floor(0.97 * (finite.length - 1))]; // a corner where the loss explodes must not flatten the rest
  const span = high - low || 1;
  const shared = {
    x, y, z: z.map((row) => row.map((loss) => (Number.isNaN(loss) ? null : Math.min(loss, high)))), zmin: low, zmax: low + span, hoverinfo: "skip",
    colorscale: [[0, theme.colour("--loss-low")], [1, theme.colour("--loss-high")]],
    colorbar: {
      x: 1, xpad: 6, y: 0.5, len: 1, ypad: 0, thickness: 9, outlinewidth: 1, outlinecolor: theme.grid, nticks: 6, tickformat: ".2~f",
      title: { text: "loss", side: "top", font: { color: theme.ink, size: theme.size } }, tickfont: { size: theme.size, color: theme.muted },
    },
  };
  if (!done) return { type: "heatmap", ...shared, hoverongaps: false };
  return { type: "contour", ...shared, contours: { start: low, end: low + span, size: span / 16 }, line: { width: 0.8, color: theme.contour } };
}
