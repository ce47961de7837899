// The diagonal Hessian of a fine-tuning run: P group by group over time, beside the reference.

/** @import { Overlay } from "../web/overlay.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Asks } from "./main.mjs" */
/** @import { Group } from "./messages.mjs" */
/** @import { Run, Truth } from "./record.mjs" */
/** @import { Shown } from "./hessianpanel.mjs" */
import { html } from "../vendor/lit.mjs";
import { segment, stroke } from "../web/canvas.mjs";
import { count, reading } from "../web/scale.mjs";
import { logarithm, powerTicks } from "./decades.mjs";
import { inOrder, rowLabels } from "./groups.mjs";
import { HessianPanel } from "./hessianpanel.mjs";
import { axisTitle, baseLayout } from "./layout.mjs";
import { PacedFigure } from "./paced.mjs";
import { heldSentence, isDecided, undecidedSentence } from "./reliability.mjs";
import { sharedRange } from "./range.mjs";
import { rankCorrelation } from "./ranks.mjs";
import { budget, hessianAt, latest } from "./record.mjs";
import { switchView } from "./switch.mjs";

/** @typedef {"q50" | "mean"} View */

const COLUMNS = 200; // of the heat map at most
const REFUSAL = 8000; // ms that a refusal is shown
/** @type {Record<View, [string, string]>} */
const VIEWS = {
  q50: ["median", "The median of P over the elements of a group"],
  mean: ["mean", "The mean of P over the elements of a group, as is the reference beside it"],
};
const QUANTILE = { q50: 1, mean: 3 };

export class HessianMap extends HessianPanel {
  /** @type {View} */
  #view = "q50";
  /** The newest reference when another was asked for; null while none is. @type {{before: Truth | undefined} | null} */
  #asked = null;
  /** What the server refused. */
  #refusal = "";

  /** @param {HTMLElement} element @param {Asks} asks */
  constructor(element, asks) {
    super(element);
    this.asks = asks;
    this.figure = new PacedFigure(this.stage, (overlay) => this.#paint(overlay));
    this.figure.graph.addEventListener("click", (event) => {
      const value = this.figure.valueAt(event);
      if (value) asks.seek(value[0]);
    });
  }

  /** @override @param {Run} run @param {Shown} shown */
  head(run, { record }) {
    const last = run.truths.at(-1);
    if (this.#asked && last && last !== this.#asked.before) this.#asked = null;
    const choose = (/** @type {View} */ view) => {
      this.#view = view;
      this.again();
    };
    const tip = `Hutchinson's method at the present step: random signs z and z·Hz through autograd${last ? `; the last one took ${reading(last.seconds)} s (${last.cost})` : "; each probe costs about five forward passes"}`;
    return html`${switchView("Median or mean", VIEWS, this.#view, choose)}
      <button type="button" data-tip=${tip} ?disabled=${this.#asked !== null || record.status.state === "queued"} @click=${() => this.#estimate(run)}>${this.#asked ? "Estimating …" : "Estimate reference now"}</button>`;
  }

  /** What the column of the reference is, and how P's order of groups compares. @override @param {Run} run @param {Shown} shown */
  note(run, { cursor }) {
    if (this.#refusal) return html`${this.#refusal}`;
    const truth = latest(run.truths, cursor);
    const known = html`${heldSentence(hessianAt(run, cursor), run.hyperparameters.floor)}${undecidedSentence(hessianAt(run, cursor))}`;
    if (!truth) return html`${known}No estimate of the true diagonal ${run.truths.length ? "before this moment" : "yet"}. The button makes one at the present step; the run waits for it.`;
    const p = hessianAt(run, { forwards: truth.forwards, live: false });
    const all = p ? truth.groups.map(([mean], g) => /** @type {[number, number]} */ ([p.quantiles[g][3], Math.abs(mean)])) : [];
    const pairs = all.filter((pair) => pair.every(Number.isFinite));
    const rho = pairs.length > 2 ? rankCorrelation(pairs) : NaN;
    const noisy = truth.groups.filter((group) => !isTold(group)).length;
    const tip = `Spearman's rank correlation of P's mean with the absolute value of the reference's, over ${pairs.length} groups. Only order counts, so P's scale does not matter.`;
    const words = Number.isFinite(rho)
      ? html`<b data-tip=${tip}>Rank correlation of P with the reference: ${rho.toFixed(2).replace("-", "−")}</b> (1: the same order of groups, 0: unrelated). `
      : html`${pairs.length > 2 ? "P was the same for all groups then: no order to compare. " : ""}`;
    return html`${known}${words}Reference: Hutchinson's method at step ${count(truth.step)}, ${truth.probes} probes${noisy ? `; ${noisy} of ${truth.groups.length} groups cannot be told from 0` : ""}.`;
  }

  /** @override @param {Run} run @param {Shown} shown */
  draw(run, { record, look, cursor }) {
    const last = run.hessians.at(-1);
    if (!last) return;
    const truth = latest(run.truths, cursor);
    const key = [run.index, run.hessians.length, last.step, truth?.step ?? -1, this.#view, look.theme.ink, look.theme.size, budget(record)].join();
    this.figure.show(key, (...size) => mapFigure(record.plan.groups, run, truth, this.#view, look, budget(record), size));
  }

  /** @param {Overlay} overlay */
  #paint(overlay) {
    const context = overlay.begin();
    if (!context || !overlay.box || !this.shown) return;
    const { cursor } = this.shown;
    const { top, height } = overlay.box;
    const x = overlay.px(cursor.forwards);
    for (const [colour, width] of cursor.live ? [] : /** @type {[string, number][]} */ ([["#000", 3.5], ["#fff", 1.5]])) {
      stroke(context, colour, { width }, () => segment(context, [x, top], [x, top + height]));
    }
    overlay.end();
  }

  /** @param {Run} run */
  async #estimate(run) {
    this.#asked = { before: run.truths.at(-1) };
    this.#refusal = "";
    this.again();
    const problem = await this.asks.post(`truth?run=${run.number}`);
    if (!problem) return;
    this.#asked = null;
    this.#refusal = `No estimate: ${problem}`;
    this.again();
    setTimeout(() => {
      this.#refusal = "";
      this.again();
    }, REFUSAL);
  }
}

/**
 * P's heat map and, beside it, the reference's column, on one axis of groups.
 * @param {Group[]} groups @param {Run} run @param {Truth | null} truth @param {View} view @param {Look} look
 * @param {number} end of the x axis @param {[number, number]} size width and height in pixels
 */
function mapFigure(groups, run, truth, view, { theme }, end, [width, height]) {
  const order = inOrder(groups);
  const columns = thin(run.hessians, COLUMNS);
  const [before, last] = [columns.at(-2), columns[columns.length - 1]];
  const step = before ? last.forwards - before.forwards : end / 40;
  const bar = 3.4 * theme.size + 14;
  const side = Math.max(18, 1.9 * theme.size);
  const [top, bottom] = [1.7 * theme.size, 3 * theme.size];
  const rows = rowLabels(groups, (height - top - bottom) / order.length, theme.size);
  const right = truth ? 0.6 * theme.size : bar;
  const inner = width - rows.width - right;
  const split = 1 - (side + bar + 4) / inner;
  const ticks = Math.max(2, Math.min(5, Math.floor((inner * split) / (3.5 * theme.size))));
  const y = [...order.keys()];
  const axis = { showgrid: false, zeroline: false, fixedrange: true, linecolor: theme.grid };
  const range = sharedRange(columns.flatMap(({ quantiles }) => quantiles.map((each) => each[QUANTILE[view]])), truth);
  return {
    data: [...pTraces(groups, order, columns, step, view, range, colourBar(split, truth ? "P, ref." : "P", theme), theme), ...(truth ? truthTraces(groups, order, truth, range, side) : [])],
    layout: {
      ...baseLayout(theme),
      margin: { l: rows.width, r: right, t: top, b: bottom },
      xaxis: { ...axis, domain: [0, split], range: [0, end + step], title: axisTitle("forward passes", theme), tickformat: "~s", nticks: ticks, ticks: "outside", ticklen: 3, tickcolor: theme.grid },
      xaxis2: { ...axis, domain: [1 - side / inner, 1], range: [0, 1], anchor: "y", tickvals: truth ? [0.5] : [], ticktext: ["step"], title: axisTitle(truth ? count(truth.step) : "", theme, 0) },
      yaxis: { ...axis, range: [y.length - 0.5, -0.5], tickvals: rows.at, ticktext: rows.text, title: axisTitle(rows.title, theme, 2), ticks: "" },
      shapes: rows.borders.flatMap((at) => (truth ? ["x", "x2"] : ["x"]).map((name) => ({
        type: "line", xref: `${name} domain`, x0: 0, x1: 1, yref: "y", y0: at, y1: at, line: { color: theme.panel, width: 1.5 },
      }))),
      annotations: truth
        ? []
        : [{ text: "reference:<br>not estimated", textangle: -90, showarrow: false, xref: "paper", x: 1, xanchor: "left", yref: "paper", y: 0.5, font: { size: theme.size, color: theme.muted } }],
    },
  };
}

/** @param {number} x @param {string} text @param {Look["theme"]} theme @returns {(range: [number, number]) => object} */
const colourBar = (x, text, theme) => ([low, high]) => ({
  x, xanchor: "left", xpad: 4, y: 0.5, yanchor: "middle", len: 1, lenmode: "fraction", ypad: 0, thickness: 9, outlinewidth: 0,
  title: { text, side: "top", font: { color: theme.ink, size: theme.size } },
  ...powerTicks(low, high), tickfont: { size: theme.size, color: theme.muted }, ticks: "outside", ticklen: 3, tickcolor: theme.muted,
});

/** @param {Group[]} groups @param {number[]} order @param {Run["hessians"]} columns @param {number} step width of the last column @param {View} view @param {[number, number]} range @param {ReturnType<typeof colourBar>} bar @param {Look["theme"]} theme */
function pTraces(groups, order, columns, step, view, range, bar, theme) {
  const z = order.map((g) => columns.map(({ quantiles }) => logarithm(quantiles[g][QUANTILE[view]])));
  const x = [...columns.map(({ forwards }) => forwards), columns[columns.length - 1].forwards + step];
  const grey = order.map((g) => columns.map((column) => (isDecided(column, g) ? null : 0)));
  const y = [...order.keys()];
  const map = {
    type: "heatmap", z, y, x, zmin: range[0], zmax: range[1], colorscale: "Viridis", colorbar: bar(range), hoverongaps: false,
    text: order.map((g) => columns.map(() => groups[g].name)),
    customdata: order.map((g) => columns.map(({ quantiles, step: at }) => [...quantiles[g], at])),
    hovertemplate: "<b>%{text}</b>, step %{customdata[4]:,d}<br>median %{customdata[1]:.3g}, mean %{customdata[3]:.3g}<br>10–90 %: %{customdata[0]:.3g} to %{customdata[2]:.3g}<extra></extra>",
  };
  if (grey.every((row) => row.every((cell) => cell === null))) return [map];
  const veil = { type: "heatmap", z: grey, y, x, zmin: 0, zmax: 1, colorscale: [[0, theme.muted], [1, theme.muted]], showscale: false, hoverongaps: false, text: map.text, hovertemplate: "<b>%{text}</b><br>undecided: its curvature cannot be told from noise,<br>so its P follows all that is trained<extra></extra>" };
  return [map, veil];
}

/** The reference's column, with a line on the means below 0. @param {Group[]} groups @param {number[]} order @param {Truth} truth @param {[number, number]} range of the colours @param {number} side its width in pixels */
function truthTraces(groups, order, truth, range, side) {
  const values = order.map((g) => truth.groups[g]);
  const sizes = values.map(([mean]) => logarithm(Math.abs(mean)));
  const y = [...order.keys()];
  const negative = y.filter((row) => values[row][0] < 0);
  const told = (/** @type {number} */ g, /** @type {number} */ row) => {
    const [mean, error] = values[row].map(reading);
    const sign = values[row][0] < 0 ? "<br>negative: coloured by its absolute value" : "";
    return [`<b>${groups[g].name}</b>: mean of the diagonal<br>${mean} ± ${error} (standard error)${sign}<br>estimated by Hutchinson's method, ${truth.probes} probes,<br>step ${count(truth.step)}, took ${reading(truth.seconds)} s`];
  };
  return [
    {
      type: "heatmap", xaxis: "x2", z: sizes.map((size) => [size]), x: [0, 1], y, zmin: range[0], zmax: range[1],
      colorscale: "Viridis", showscale: false, hoverongaps: false, text: order.map(told), hovertemplate: "%{text}<extra></extra>",
    },
    ...[["#000", 4], ["#fff", 1.8]].map(([color, width]) => ({
      type: "scatter", xaxis: "x2", mode: "markers", x: negative.map(() => 0.5), y: negative, hoverinfo: "skip",
      marker: { symbol: "line-ew-open", size: Math.min(11, side / 2), line: { color, width }, color, opacity: negative.map((row) => (isTold(values[row]) ? 1 : 0.35)) },
    })),
  ];
}

/** Whether a mean can be told from 0 by its standard error. @param {[number, number]} group */
const isTold = ([mean, error]) => Math.abs(mean) >= 2 * error;

/** At most `most` of a list, the last one among them. @template Entry @param {Entry[]} list @param {number} most */
function thin(list, most) {
  const stride = Math.ceil(list.length / most);
  return list.filter((_, i) => (list.length - 1 - i) % stride === 0);
}
