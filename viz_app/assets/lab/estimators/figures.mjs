// The lab's charts: pure functions from an answer of the server to Plotly's traces and layout.

import { subscript } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { ESTIMATORS } from "./state.mjs";

/** @typedef {{data: object[], layout: object}} Figure */

const colourOf = (key, theme) => theme.colour(ESTIMATORS.find((each) => each.key === key).colour);
export const entry = (j) => `∂²f/∂θ${subscript(j)}²`;
const percent = (values) => values.map((value) => 100 * value);

function hover(title, text, colour, theme) {
  return {
    name: title,
    hovertemplate: `${title}<br>${text}<extra></extra>`,
    hoverlabel: { bgcolor: theme.panel, bordercolor: colour, font: { color: theme.ink, family: theme.font } },
  };
}

/** Layout of charts over one another, each with its own y axis, and an x axis of its own (`xs`) or one that all share. */
function layout(theme, x, ys, xs = null) {
  const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, fixedrange: true, automargin: true };
  const ticks = [7, 4, 3, 2][ys.length - 1] ?? 2;
  const gap = ys.length > 1 ? ((xs ? 2.8 : 1.6) * theme.size) / 300 : 0;
  const height = (1 - gap * (ys.length - 1)) / ys.length;
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
  ys.forEach(({ title, range, log: isLog, ...rest }, row) => {
    figure[`yaxis${row ? row + 1 : ""}`] = {
      ...axis,
      ...(isLog ? { type: "log", ...logTicks(range, ticks) } : {}),
      ...rest,
      range,
      domain: [1 - (row + 1) * height - row * gap, 1 - row * (height + gap)].map((value) => Math.max(0, Math.min(1, value))),
      title: { text: title, standoff: 3 },
    };
  });
  return figure;
}

const yaxis = (row) => `y${row ? row + 1 : ""}`;
const level = (theme, y, row, x = "paper") => ({ type: "line", xref: x, x0: 0, x1: 1, yref: yaxis(row), y0: y, y1: y, line: { color: theme.ink, width: 1.4, dash: "7px,5px" } });
const upright = (theme, x, dash = "7px,5px") => ({ type: "line", xref: "x", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: theme.ink, width: 1.4, dash } });

/** Labelled ticks of a log axis over `range` in decades: 1, 2 and 5 times powers of ten while there is room, else powers. */
function logTicks([low, high], most) {
  const inside = (leads, step = 1) => {
    const found = [];
    for (let power = Math.floor(low); power <= high; power++) if (power % step === 0) found.push(...leads.map((lead) => [lead, power]));
    return found.filter(([lead, power]) => Math.log10(lead) + power >= low && Math.log10(lead) + power <= high);
  };
  const choices = [inside([1, 2, 5]), inside([1, 3]), inside([1]), ...[2, 3, 4, 6, 8].map((step) => inside([1], step))];
  const chosen = choices.find((each) => each.length <= most) ?? choices.at(-1);
  const text = (lead, power) => (power > -4 && power < 4 ? String(Number((lead * 10 ** power).toPrecision(1))) : `${lead === 1 ? "" : `${lead}·`}10<sup>${String(power).replace("-", "−")}</sup>`);
  return { tickvals: chosen.map(([lead, power]) => lead * 10 ** power), ticktext: chosen.map(([lead, power]) => text(lead, power)) };
}

/** Range of a log axis around values, in decades. */
function decades(values, most = 8) {
  const sound = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  if (!sound.length) return [-1, 1];
  const high = Math.max(...sound) + 0.12;
  const low = Math.max(Math.min(...sound) - 0.12, high - most);
  return high - low < 1 ? [(high + low) / 2 - 0.5, (high + low) / 2 + 0.5] : [low, high];
}

/** The distribution of one step's S: one chart per shown entry. @returns {Figure} */
export function distribution(answer, theme) {
  const rows = answer.find(({ coordinates }) => coordinates.length)?.coordinates ?? [];
  const spans = rows.map((_, row) => {
    const edges = answer.flatMap(({ coordinates }) => (coordinates[row] ? [coordinates[row].edges[0], coordinates[row].edges.at(-1)] : []));
    const range = [Math.min(...edges, -1), Math.max(...edges, 2)];
    return { range, nticks: range[1] - range[0] > 1000 ? 3 : 5, tickformat: ",~g", tickangle: 0 };
  });
  const figure = layout(
    theme,
    { title: "S / |truth|" },
    rows.map(({ coordinate }) => ({ title: `θ${subscript(coordinate)}`, ticksuffix: " %", rangemode: "tozero", nticks: rows.length > 2 ? 2 : 4 })),
    spans,
  );
  const data = [];
  rows.forEach(({ truth }, row) => {
    const x = `x${row ? row + 1 : ""}`;
    if (truth !== 0) figure.shapes.push({ ...upright(theme, Math.sign(truth)), xref: x, yref: `${yaxis(row)} domain` });
    for (const { estimator, coordinates } of answer) {
      const each = coordinates[row];
      if (!each) continue;
      const colour = colourOf(estimator, theme);
      data.push({
        type: "scatter",
        mode: "lines",
        x: each.edges,
        y: [...percent(each.share), 0],
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

/** Mean (above) and standard deviation (below) of S/truth against n or d. @returns {Figure} */
export function moments(answer, theme, xtitle, here) {
  const mean = [];
  const sd = [];
  const data = [];
  for (const { estimator, x, points } of answer) {
    const colour = colourOf(estimator, theme);
    const at = x.map((value, i) => [value, points[i]]).filter(([, point]) => point);
    const series = (key) => at.map(([, point]) => point[key]);
    const points_ = (key, row, title, marker) => ({
      type: "scatter",
      mode: "markers",
      x: at.map(([value]) => value),
      y: series(key),
      yaxis: yaxis(row),
      error_y: { type: "data", array: series(`${key}_se`).map((se) => 2 * se), color: colour, thickness: 1.2, width: 3 },
      marker: { color: colour, size: 2.4 + 2.4 * theme.line, ...marker },
      ...hover(title, "%{y:.3g} ± %{error_y.array:.2g} (2 standard errors) at %{x}", colour, theme),
    });
    const line = (key, row, title, dash) => ({
      type: "scatter",
      mode: "lines",
      x: at.map(([value]) => value),
      y: series(key),
      yaxis: yaxis(row),
      line: { color: colour, width: 0.8 * theme.line, dash },
      ...hover(title, "%{y:.3g} at %{x}", colour, theme),
    });
    data.push(line("theory_mean", 0, `${estimator}, theory`, "7px,5px"), line("theory_sd", 1, `${estimator}, theory`, "7px,5px"));
    data.push(points_("mean", 0, `${estimator}, mean of S`), points_("sd", 1, `${estimator}, standard deviation of S`));
    if (estimator === "paper") {
      data.push(line("modulus", 0, "paper, mean of |S|", "2px,3px"), points_("modulus", 0, "paper, mean of |S|: what P is given", { symbol: "circle-open" }));
      mean.push(...series("modulus"));
    }
    mean.push(...series("mean").filter((value) => value > 0.3));
    sd.push(...series("sd"));
  }
  const xs = answer[0].x;
  const ticks = { tickvals: xs, ticktext: xs.map(String) };
  const figure = layout(theme, { title: xtitle, type: "log", range: [Math.log10(xs[0]) - 0.06, Math.log10(xs.at(-1)) + 0.06], ...ticks }, [
    { title: "mean", log: true, range: decades([0.7, 1.6, ...mean]) },
    { title: "sd", log: true, range: decades(sd) },
  ]);
  figure.shapes.push(level(theme, 1, 0));
  if (here >= xs[0] && here <= xs.at(-1)) figure.shapes.push({ ...upright(theme, here, "1px,4px") });
  return { data, layout: figure };
}

/** P / truth over the steps, one chart per shown entry. @returns {Figure} */
export function running(answer, theme, alpha) {
  const rows = answer.find(({ coordinates }) => coordinates.length)?.coordinates ?? [];
  const end = answer.find(({ step }) => step)?.step.at(-1) ?? 1;
  const data = [];
  const seen = rows.map(() => [0.8, 1.25]);
  for (const { estimator, step, coordinates } of answer) {
    const colour = colourOf(estimator, theme);
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
        ...hover(estimator, "median P = %{y:.3g} × truth at step %{x:,}", colour, theme),
      });
    });
  }
  const figure = layout(
    theme,
    { title: "steps", range: [0, end], tickformat: "~s", nticks: 7 },
    rows.map(({ coordinate }, row) => ({ title: `θ${subscript(coordinate)}`, log: true, range: decades(seen[row], 9) })),
  );
  rows.forEach((_, row) => figure.shapes.push(level(theme, 1, row)));
  figure.margin.t = 1.8 * theme.size; // for the time constant's name
  const constant = 1 / alpha;
  if (constant < end) {
    figure.shapes.push(upright(theme, constant, "1px,4px"));
    const right = constant > 0.7 * end;
    figure.annotations.push({
      text: `1/α = ${constant < 10 ? constant.toPrecision(2) : Math.round(constant)} steps`, xref: "x", x: constant, yref: "paper", y: 1, yanchor: "bottom",
      xanchor: right ? "right" : "left", showarrow: false, font: { color: theme.ink, size: theme.size },
    }); // prettier-ignore
  }
  return { data, layout: figure };
}

/** The error of ln(P / truth) after T steps, and its parts bias and spread, against α. @returns {Figure} */
export function againstAlpha(answer, theme, alpha) {
  const data = [];
  const seen = [];
  const stars = [];
  for (const { estimator, alpha: x, bias, spread, error = [], best } of answer) {
    const colour = colourOf(estimator, theme);
    for (const [title, y, dash, width] of [
      ["bias", bias, "2px,3px", 0.8],
      ["spread", spread, "8px,3px,2px,3px", 0.8],
      ["error", error, "solid", 1.2],
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
    { title: "α smoothing", type: "log", range: [Math.log10(xs[0]) - 0.05, Math.log10(xs.at(-1)) + 0.05], dtick: 1, exponentformat: "power" },
    [{ title: "error of ln(P/|truth|)", log: true, range: decades(seen, 4) }],
  );
  figure.shapes.push(upright(theme, alpha, "1px,4px"));
  return { data: [...data, ...stars], layout: figure };
}
