// The estimators' charts: pure functions from an answer of the server to Plotly's traces and layout.

import { fade } from "../web/theme.mjs";
import { extent, format, range as indices } from "../vendor/d3.mjs";
import { colourOf } from "./catalogue.mjs";

/** @import { AgainstAlpha, Distribution, Moments, Point, Running } from "./panel.mjs" */
/** @typedef {ReturnType<typeof import("../web/theme.mjs").readTheme>} Theme */
/** @typedef {{data: PlotlyTrace[], layout: PlotlyLayout}} Figure */
/** The names of the coordinates shown, by their numbers. @typedef {Record<number, string>} Names */
/** @typedef {[number, number]} Span */
/** @typedef {{title: string, range?: Span, log?: boolean, [option: string]: unknown}} Axis `range` of one with `log` is in decades */

const DASHES = "7px,5px";
const DOTS = "1px,4px";

/** An entry of the diagonal, by its coordinate's name. @param {string} name */
export const entry = (name) => `∂²f/∂${name}²`;

/** @param {string} title @param {string} text a template @param {string} colour @param {Theme} theme */
function hover(title, text, colour, theme) {
  return {
    name: title,
    hovertemplate: `${title}<br>${text}<extra></extra>`,
    hoverlabel: { bgcolor: theme.panel, bordercolor: colour, font: { color: theme.ink, family: theme.font } },
  };
}

/**
 * Layout of charts over one another, each with its own y axis, and an x axis of its own (`xs`) or one that all share.
 * @param {Theme} theme @param {Axis} x @param {Axis[]} ys @param {PlotlyLayout[] | null} xs @returns {PlotlyLayout}
 */
function layout(theme, x, ys, xs = null) {
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, fixedrange: true, automargin: true };
  const most = [7, 4, 3, 2][ys.length - 1] ?? 2;
  const gap = ys.length > 1 ? ((xs ? 2.8 : 1.6) * theme.size) / 300 : 0;
  const height = (1 - gap * (ys.length - 1)) / ys.length;
  /** @type {PlotlyLayout} */
  const figure = {
    margin: { l: 4.6 * theme.size, r: 12, t: 0.6 * theme.size, b: 3.1 * theme.size },
    font: { family: theme.font, size: theme.size, color: theme.muted },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: "closest",
    shapes: [],
    annotations: [],
    xaxis: { ...axis, ...x, title: { text: x.title, standoff: 4 }, anchor: ys.length > 1 ? `y${ys.length}` : "y" },
  };
  xs?.forEach((own, row) => {
    const last = row === ys.length - 1;
    figure[`xaxis${row ? row + 1 : ""}`] = { ...figure.xaxis, ...own, anchor: yaxis(row), title: last ? { text: x.title, standoff: 4 } : undefined };
  });
  ys.forEach(({ title, range, log, ...rest }, row) => {
    figure[`yaxis${row ? row + 1 : ""}`] = {
      ...axis,
      ...(log && range ? { type: "log", ...logTicks(range, most) } : {}),
      ...rest,
      range,
      domain: [1 - (row + 1) * height - row * gap, 1 - row * (height + gap)].map((value) => Math.max(0, Math.min(1, value))),
      title: { text: title, standoff: 3 },
    };
  });
  return figure;
}

/** @param {number} row */
const yaxis = (row) => `y${row ? row + 1 : ""}`;
/** @param {Theme} theme @param {number} y @param {number} row */
const level = (theme, y, row) => ({ type: "line", xref: "paper", x0: 0, x1: 1, yref: yaxis(row), y0: y, y1: y, line: { color: theme.ink, width: 1.4, dash: DASHES } });
/** @param {Theme} theme @param {number} x @param {string} dash */
const upright = (theme, x, dash) => ({ type: "line", xref: "x", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: theme.ink, width: 1.4, dash } });

/** Labelled ticks of a log axis, at most as many as are asked for: 1, 2 and 5 times powers of ten where there is room, else
 * fewer. d3's log ticks keep to no number. @param {Span} decades @param {number} most */
export function logTicks([low, high], most) {
  /** @param {number[]} leads @param {number} step */
  const inside = (leads, step) =>
    indices(step * Math.ceil(Math.floor(low) / step), high + 1, step)
      .flatMap((power) => leads.map((lead) => Number(`${lead}e${power}`)))
      .filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  const choices = [[1, 2, 5], [1, 3]].map((leads) => inside(leads, 1)).concat([1, 2, 3, 4, 6, 8].map((step) => inside([1], step)));
  const tickvals = choices.find((each) => each.length <= most) ?? choices[choices.length - 1];
  return { tickvals, ticktext: tickvals.map(tick) };
}

/** 0.02, 3000, 2·10⁵ in Plotly's markup. @param {number} value */
function tick(value) {
  const [lead, power] = value.toExponential(0).split("e").map(Number);
  if (power > -4 && power < 4) return format("~g")(value);
  return `${lead === 1 ? "" : `${lead}·`}10<sup>${String(power).replace("-", "−")}</sup>`;
}

/** Range of a log axis around values, in decades. @param {number[]} values @returns {Span} */
export function decades(values, most = 8) {
  const [least, greatest] = extent(values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10));
  if (least === undefined || greatest === undefined) return [-1, 1];
  const high = greatest + 0.12;
  const low = Math.max(least - 0.12, high - most);
  return high - low < 1 ? [(high + low) / 2 - 0.5, (high + low) / 2 + 0.5] : [low, high];
}

/** The coordinates that an answer has charts of. @template {{coordinate: number}} Row @param {{coordinates: Row[]}[]} answer */
export const rowsOf = (answer) => answer.find(({ coordinates }) => coordinates.length)?.coordinates ?? [];

/** The distribution of one step's S: one chart per shown entry. @param {Distribution[]} answer @param {Theme} theme @param {Names} names @returns {Figure} */
export function distribution(answer, theme, names) {
  const rows = rowsOf(answer);
  const spans = rows.map((_, row) => {
    const edges = answer.flatMap(({ coordinates }) => (coordinates[row] ? [coordinates[row].edges[0], coordinates[row].edges[coordinates[row].edges.length - 1]] : []));
    const range = [Math.min(...edges, -1), Math.max(...edges, 2)];
    return { range, nticks: range[1] - range[0] > 1000 ? 3 : 5, tickformat: ",~g", tickangle: 0 };
  });
  const figure = layout(
    theme,
    { title: "S / |true entry|" },
    rows.map(({ coordinate }) => ({ title: names[coordinate], ticksuffix: " %", rangemode: "tozero", nticks: rows.length > 2 ? 2 : 4 })),
    spans,
  );
  /** @type {PlotlyTrace[]} */
  const data = [];
  rows.forEach(({ truth }, row) => {
    const x = `x${row ? row + 1 : ""}`;
    if (truth !== 0) figure.shapes.push({ ...upright(theme, Math.sign(truth), DASHES), xref: x, yref: `${yaxis(row)} domain` });
    for (const { estimator, coordinates } of answer) {
      const each = coordinates[row];
      if (!each) continue;
      const colour = theme.colour(colourOf(estimator));
      data.push({
        type: "scatter",
        mode: "lines",
        x: each.edges,
        y: [...each.share.map((share) => 100 * share), 0],
        xaxis: x,
        yaxis: yaxis(row),
        line: { color: colour, width: theme.line, shape: "hv" },
        fill: "tozeroy",
        fillcolor: fade(colour, 0.6 * theme.band),
        ...hover(estimator, "%{y:.2g} % of the samples in the bin from %{x:.3g} on", colour, theme),
      });
      figure.shapes.push({
        type: "line", xref: x, x0: each.mean, x1: each.mean, yref: `${yaxis(row)} domain`, y0: 0, y1: 0.16, line: { color: colour, width: 2 * theme.line },
      }); // prettier-ignore
    }
  });
  return { data, layout: figure };
}

/**
 * Mean (above) and standard deviation (below) of S over the true entry against n or d; `here` is marked.
 * @param {Moments[]} answer @param {Theme} theme @param {string} xtitle @param {number} here @returns {Figure}
 */
export function moments(answer, theme, xtitle, here) {
  /** @type {number[]} */
  const means = [];
  /** @type {number[]} */
  const deviations = [];
  /** @type {PlotlyTrace[]} */
  const data = [];
  for (const { estimator, x, points } of answer) {
    const colour = theme.colour(colourOf(estimator));
    const known = indices(x.length).flatMap((i) => (points[i] ? [{ x: x[i], point: points[i] }] : []));
    /** @param {keyof Point} key */
    const series = (key) => known.map(({ point }) => point[key]);
    /** @param {keyof Point} key */
    const numbers = (key) => series(key).filter((value) => value !== null);
    const common = { type: "scatter", x: known.map((each) => each.x) };
    /** @param {"mean" | "sd" | "absolute"} key @param {number} row @param {string} title @param {object=} marker */
    const measured = (key, row, title, marker) => ({
      ...common,
      mode: "markers",
      y: series(key),
      yaxis: yaxis(row),
      error_y: { type: "data", array: numbers(`${key}_se`).map((se) => 2 * se), color: colour, thickness: 1.2, width: 3 },
      marker: { color: colour, size: 2.4 + 2.4 * theme.line, ...marker },
      ...hover(title, "%{y:.3g} ± %{error_y.array:.2g} (2 standard errors) at %{x}", colour, theme),
    });
    /** @param {keyof Point} key @param {number} row @param {string} title @param {string} dash */
    const line = (key, row, title, dash) => ({
      ...common,
      mode: "lines",
      y: series(key),
      yaxis: yaxis(row),
      line: { color: colour, width: 0.8 * theme.line, dash },
      ...hover(title, "%{y:.3g} at %{x}", colour, theme),
    });
    data.push(line("theory_mean", 0, `${estimator}, theory`, DASHES), line("theory_sd", 1, `${estimator}, theory`, DASHES));
    data.push(measured("mean", 0, `${estimator}, mean of S`), measured("sd", 1, `${estimator}, standard deviation of S`));
    if (estimator === "paper") {
      data.push(line("absolute", 0, "paper, mean of |S|", "2px,3px"), measured("absolute", 0, "paper, mean of |S|, which P takes over", { symbol: "circle-open" }));
      means.push(...numbers("absolute"));
    }
    means.push(...numbers("mean").filter((value) => value > 0.3));
    deviations.push(...numbers("sd"));
  }
  const xs = answer[0].x;
  const last = xs[xs.length - 1];
  const x = { title: xtitle, type: "log", range: /** @type {Span} */ ([Math.log10(xs[0]) - 0.06, Math.log10(last) + 0.06]), tickvals: xs, ticktext: xs.map(String) };
  const figure = layout(theme, x, [
    { title: "mean", log: true, range: decades([0.7, 1.6, ...means]) },
    { title: "sd", log: true, range: decades(deviations) },
  ]);
  figure.shapes.push(level(theme, 1, 0));
  if (here >= xs[0] && here <= last) figure.shapes.push(upright(theme, here, DOTS));
  return { data, layout: figure };
}

/** P over |true entry| over the steps, one chart per shown entry. @param {Running[]} answer @param {Theme} theme @param {Names} names @param {number} alpha @returns {Figure} */
export function running(answer, theme, names, alpha) {
  const rows = rowsOf(answer);
  const end = answer.find(({ step }) => step)?.step?.at(-1) ?? 1;
  /** @type {PlotlyTrace[]} */
  const data = [];
  const seen = rows.map(() => [0.8, 1.25]);
  for (const { estimator, step = [], coordinates } of answer) {
    const colour = theme.colour(colourOf(estimator));
    coordinates.forEach(({ low, median, high }, row) => {
      seen[row].push(...low, ...high);
      data.push({
        type: "scatter",
        x: [...step, ...step.toReversed()],
        y: [...high, ...low.toReversed()],
        yaxis: yaxis(row),
        fill: "toself",
        fillcolor: fade(colour, theme.band),
        line: { width: 0 },
        mode: "lines",
        hoverinfo: "skip",
      });
      data.push({
        type: "scatter",
        mode: "lines",
        x: step,
        y: median,
        yaxis: yaxis(row),
        line: { color: colour, width: theme.line },
        ...hover(estimator, "median P = %{y:.3g} × |true entry| at step %{x:,}", colour, theme),
      });
    });
  }
  const figure = layout(
    theme,
    { title: "steps", range: [0, end], tickformat: "~s", nticks: 7 },
    rows.map(({ coordinate }, row) => ({ title: names[coordinate], log: true, range: decades(seen[row], 9) })),
  );
  rows.forEach((_, row) => figure.shapes.push(level(theme, 1, row)));
  figure.margin.t = 1.8 * theme.size; // for the time constant's name
  const constant = 1 / alpha;
  if (constant < end) {
    figure.shapes.push(upright(theme, constant, DOTS));
    const right = constant > 0.7 * end;
    figure.annotations.push({
      text: `1/α = ${constant < 10 ? constant.toPrecision(2) : Math.round(constant)} steps`, xref: "x", x: constant, yref: "paper", y: 1, yanchor: "bottom",
      xanchor: right ? "right" : "left", showarrow: false, font: { color: theme.ink, size: theme.size },
    }); // prettier-ignore
  }
  return { data, layout: figure };
}

/** The error of ln(P / |true entry|) after T steps, and its parts bias and spread, against α. @param {AgainstAlpha[]} answer @param {Theme} theme @param {number} alpha @returns {Figure} */
export function againstAlpha(answer, theme, alpha) {
  /** @type {PlotlyTrace[]} */
  const data = [];
  /** @type {number[]} */
  const seen = [];
  /** @type {PlotlyTrace[]} */
  const stars = [];
  for (const { estimator, alpha: x, bias, spread, error = [], best } of answer) {
    const colour = theme.colour(colourOf(estimator));
    for (const { title, y, dash, width } of [
      { title: "bias", y: bias, dash: "2px,3px", width: 0.8 },
      { title: "spread", y: spread, dash: "8px,3px,2px,3px", width: 0.8 },
      { title: "error", y: error, dash: "solid", width: 1.2 },
    ]) {
      data.push({
        type: "scatter",
        mode: "lines",
        x,
        y: y.map((value) => (value > 0 ? value : null)),
        connectgaps: false,
        line: { color: colour, width: width * theme.line, dash },
        ...hover(`${estimator}: ${title}`, "%{y:.2g} at α = %{x:.3g}", colour, theme),
      });
    }
    seen.push(...error, ...spread);
    if (best === null || best === undefined) continue;
    stars.push({
      type: "scatter",
      mode: "markers",
      x: [x[best]],
      y: [error[best]],
      marker: { symbol: "star", size: 6 + 4 * theme.line, color: colour, line: { color: theme.panel, width: 1.5 } },
      ...hover(`${estimator}: best α`, "α = %{x:.3g}: error %{y:.2g}", colour, theme),
    });
  }
  const xs = answer.find(({ alpha: list }) => list.length)?.alpha ?? [1e-3, 1];
  const figure = layout(
    theme,
    { title: "α smoothing", type: "log", range: [Math.log10(xs[0]) - 0.05, Math.log10(xs[xs.length - 1]) + 0.05], dtick: 1, exponentformat: "power" },
    [{ title: "error of ln P", log: true, range: decades(seen, 4) }],
  );
  figure.shapes.push(upright(theme, alpha, DOTS));
  return { data: [...data, ...stars], layout: figure };
}
