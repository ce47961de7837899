// The diagonal Hessian of a fine-tuning run: P group by group over time beside the truth, and how P spreads in a group.

import { count, reading, short } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { make, setText } from "../web/make.mjs";
import { PacedFigure, axisTitle, baseLayout, makeSwitch } from "./paced.mjs";
import { budget, hessianAt, latest } from "./record.mjs";

const COLUMNS = 200; // of the heat map at most
const DEEPEST = 5; // decades below the largest that the truth's colours reach: some biases have no curvature at all
const VIEWS = {
  q50: ["median", "The median of P over the elements of a group"],
  mean: ["mean", "The mean of P over the elements of a group: what the truth beside it is the mean of, too"],
};
const QUANTILE = { q50: 1, mean: 3 };

/** The run whose P both panels show: one choice for the two of them. */
const chosen = { run: null, pointed: null, panels: new Set() };

/** Head of a panel, with the choice of the run where several estimate P. */
class Panel {
  constructor(element) {
    const change = () => {
      chosen.run = Number(this.select.value);
      for (const panel of chosen.panels) panel.again();
    };
    this.swatch = make("i");
    this.select = make("select", { "aria-label": "Whose P is shown", on: { change } });
    this.head = make("div", { class: "panel-head" }, this.swatch, this.select);
    this.empty = make("p", { class: "panel-empty" });
    this.stage = make("div", { class: "stage" }, this.empty);
    this.note = make("p", { class: "panel-note" });
    element.classList.add("panel");
    element.append(this.head, this.stage, this.note);
    this.element = element;
    this.key = null;
    chosen.panels.add(this);
  }

  again() {
    if (this.shown && this.element.offsetParent) this.show(...this.shown);
  }

  /** The run to show: the one pointed at or chosen last, else the first; null where none estimates P. */
  takeRun(record, look, cursor) {
    this.shown = [record, look, cursor];
    const runs = record.runs.filter((run) => run.estimatesHessian);
    if (cursor.run !== chosen.pointed) chosen.run = chosen.pointed = cursor.run;
    const run = runs.find(({ index }) => index === chosen.run) ?? runs[0] ?? null;
    const options = runs.map(({ index }) => `${index} ${look.titles[index]}`).join("\n");
    if (options !== this.options) {
      this.options = options;
      this.select.replaceChildren(...runs.map(({ index }) => new Option(look.titles[index], String(index))));
      this.select.disabled = runs.length < 2;
    }
    if (run) {
      if (this.select.value !== String(run.index)) this.select.value = String(run.index);
      this.swatch.style.background = look.colours[run.index];
    }
    this.head.hidden = !run;
    this.say(
      run
        ? run.hessians.length || run.rebuilt.some(({ hessian }) => hessian)
          ? ""
          : `P of ${look.titles[run.index]} appears here with the first evaluation.`
        : "No run here estimates the diagonal Hessian. Add HiZOO or HiZOO-L, and P appears here, group by group.",
    );
    return run;
  }

  /** Words in place of the picture; none to show it. */
  say(words) {
    setText(this.empty, words);
    this.empty.hidden = !words;
    this.stage.classList.toggle("bare", Boolean(words));
  }
}

export class HessianMap extends Panel {
  /** @param {HTMLElement} element  @param {(forwards: number) => void} seek asked for by a click */
  constructor(element, seek) {
    super(element);
    this.view = "q50";
    this.switch = makeSwitch("Median or mean", VIEWS, this.view, (view) => {
      this.view = view;
      this.again();
    });
    this.button = make("button", { type: "button", on: { click: () => this.#estimate() } }, "Estimate truth now");
    this.head.append(this.switch, this.button);
    this.figure = new PacedFigure(this.stage, (overlay) => this.#paint(overlay));
    this.figure.graph.addEventListener("click", ({ clientX }) => {
      const { box } = this.figure.overlay ?? {};
      const x = clientX - this.figure.graph.getBoundingClientRect().left;
      if (box && x >= box.left && x <= box.left + box.width) seek(this.figure.overlay.valueAt(x, 0)[0]);
    });
    this.answer = "";
  }

  show(record, look, cursor) {
    const run = this.takeRun(record, look, cursor);
    this.run = run;
    if (!run) return setText(this.note, "");
    const truth = latest(run.truths, cursor);
    const last = run.truths.at(-1);
    if (this.asked && last && last !== this.asked.before) this.asked = null;
    this.button.disabled = Boolean(this.asked) || record.status.state === "queued";
    setText(this.button, this.asked ? "Estimating …" : "Estimate truth now");
    this.button.dataset.tip = `Hutchinson's method at the present step: random signs z and z·Hz through autograd${last ? `; the last one took ${reading(last.seconds)} s (${last.cost})` : "; each probe costs about five forward passes"}`;
    this.#tell(run, truth);
    if (!run.hessians.length) return;
    const key = [run.index, run.hessians.length, run.hessians.at(-1).step, truth?.step ?? -1, this.view, look.theme.ink, look.theme.size, this.stage.clientWidth, this.stage.clientHeight, budget(record)].join();
    this.figure.show(key, () => mapFigure(record.plan.groups, run, truth, this.view, look, budget(record), [this.stage.clientWidth, this.stage.clientHeight]));
  }

  /** What the column of the truth is, and how P's order of groups compares. */
  #tell(run, truth) {
    if (this.answer) return setText(this.note, this.answer);
    if (!truth) {
      const when = run.truths.length ? "before this moment" : "yet";
      setText(this.note, `No estimate of the true diagonal ${when}. The button makes one at the present step; the run waits for it.`);
      return;
    }
    const p = hessianAt(run, { forwards: truth.forwards, live: false });
    const pairs = p ? truth.groups.map(([mean], g) => [p.quantiles[g][3], Math.abs(mean)]).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)) : [];
    const rho = pairs.length > 2 ? rankCorrelation(pairs) : NaN;
    const noisy = truth.groups.filter((group) => !told(group)).length;
    const tip = `Spearman's rank correlation of P's mean with the modulus of the true diagonal's, over ${pairs.length} groups. Only order counts, so P's scale does not matter.`;
    const known = Number.isFinite(rho);
    const words = [
      !known && pairs.length > 2 ? "P was the same for all groups then: no order to compare. " : known ? `Rank correlation of P with the truth: ${rho.toFixed(2).replace("-", "−")}` : "",
      known ? " (1: the same order of groups, 0: unrelated). " : "",
      `Truth: Hutchinson's method at step ${count(truth.step)}, ${truth.probes} probes, took ${reading(Number(truth.seconds.toPrecision(2)))} s${noisy ? `; ${noisy} of ${truth.groups.length} groups cannot be told from 0` : ""}.`,
    ];
    if (this.note.textContent !== words.join("")) this.note.replaceChildren(make("b", { data: { tip } }, words[0]), ...words.slice(1));
  }

  #paint(overlay) {
    const context = overlay.begin();
    if (!context) return;
    const [, , cursor] = this.shown;
    if (!cursor.live) {
      const x = overlay.px(cursor.forwards);
      for (const [colour, width] of [["#000", 3.5], ["#fff", 1.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        context.moveTo(x, overlay.box.top);
        context.lineTo(x, overlay.box.top + overlay.box.height);
        context.stroke();
      }
    }
    overlay.end();
  }

  async #estimate() {
    const { run } = this;
    this.asked = { before: run.truths.at(-1) };
    this.answer = "";
    this.again();
    const problem = await this.estimateTruth(run.index);
    if (!problem) return;
    this.asked = null;
    this.answer = problem;
    this.again();
    setTimeout(() => {
      this.answer = "";
      this.again();
    }, 8000);
  }

  /** Ask the server for the truth of a run of the job that the address names. Returns what went wrong, in words, or "". */
  async estimateTruth(run) {
    const job = new URLSearchParams(location.hash.slice(1)).get("run");
    const response = await fetch(`/api/finetune/${job}/truth?run=${run}`, { method: "POST" }).catch(() => null);
    if (response?.ok) return "";
    const body = await response?.json().catch(() => null);
    return `No estimate: ${body?.errors?.map(({ message }) => message).join("; ") ?? body?.message ?? body?.detail ?? "the server does not answer"}`;
  }
}

/** P's heat map and, beside it, the truth's column, on one axis of groups. */
export function mapFigure(groups, run, truth, view, look, end, [width, height]) {
  const { theme } = look;
  const order = inOrder(groups);
  const columns = thin(run.hessians, COLUMNS);
  const q = QUANTILE[view];
  const step = columns.length > 1 ? columns.at(-1).forwards - columns.at(-2).forwards : end / 40;
  const z = order.map((g) => columns.map(({ quantiles }) => logarithm(quantiles[g][q])));
  const range = decades(z.flat());
  const bar = 3.4 * theme.size + 14;
  const side = Math.max(18, 1.9 * theme.size);
  const margin = { l: 0, r: bar, t: 1.7 * theme.size, b: 3 * theme.size };
  const rowHeight = (height - margin.t - margin.b) / order.length;
  const rows = rowLabels(groups, order, rowHeight, theme.size);
  margin.l = rows.width;
  const inner = width - margin.l - margin.r;
  const split = 1 - (side + bar + 4) / inner;
  const y = order.map((_, row) => row);
  const colorbar = (x, title, [low, high]) => ({
    x, xanchor: "left", xpad: 4, y: 0.5, yanchor: "middle", len: 1, lenmode: "fraction", ypad: 0, thickness: 9, outlinewidth: 0,
    title: { text: title, side: "top", font: { color: theme.ink, size: theme.size } },
    ...ticks(low, high), tickfont: { size: theme.size, color: theme.muted }, ticks: "outside", ticklen: 3, tickcolor: theme.muted,
  });
  const data = [
    {
      type: "heatmap", z, y, x: [...columns.map(({ forwards }) => forwards), columns.at(-1).forwards + step],
      zmin: range[0], zmax: range[1], colorscale: "Viridis", colorbar: colorbar(split, "P", range), hoverongaps: false,
      text: order.map((g) => columns.map(() => groups[g].name)),
      customdata: order.map((g) => columns.map(({ quantiles, step }) => [...quantiles[g], step])),
      hovertemplate: `<b>%{text}</b>, step %{customdata[4]:,d}<br>median %{customdata[1]:.3g}, mean %{customdata[3]:.3g}<br>10–90 %%: %{customdata[0]:.3g} to %{customdata[2]:.3g}<extra></extra>`.replace("%%", "%"),
    },
  ];
  if (truth) {
    const values = order.map((g) => truth.groups[g]);
    const sizes = values.map(([mean]) => logarithm(Math.abs(mean)));
    const shown = decades(sizes);
    shown[0] = Math.max(shown[0], shown[1] - DEEPEST);
    data.push({
      type: "heatmap", xaxis: "x2", z: sizes.map((size) => [size]), x: [0, 1], y, zmin: shown[0], zmax: shown[1],
      colorscale: "Viridis", colorbar: colorbar(1, "truth", shown), hoverongaps: false,
      text: order.map((g, row) => [
        `<b>${groups[g].name}</b>: mean of the true diagonal<br>${reading(values[row][0])} ± ${reading(values[row][1])} (standard error)${values[row][0] < 0 ? "<br>negative: coloured by its modulus" : ""}<br>estimated by Hutchinson's method, ${truth.probes} probes,<br>step ${count(truth.step)}, took ${reading(truth.seconds)} s`,
      ]),
      hovertemplate: "%{text}<extra></extra>",
    });
    const negative = y.filter((row) => values[row][0] < 0);
    const sure = negative.map((row) => (told(values[row]) ? 1 : 0.35));
    for (const [color, width] of [["#000", 4], ["#fff", 1.8]]) {
      data.push({
        type: "scatter", xaxis: "x2", mode: "markers", x: negative.map(() => 0.5), y: negative, hoverinfo: "skip",
        marker: { symbol: "line-ew-open", size: Math.min(11, side / 2), line: { color, width }, color, opacity: sure },
      });
    }
  }
  const axis = { showgrid: false, zeroline: false, fixedrange: true, linecolor: theme.grid };
  return {
    data,
    layout: {
      ...baseLayout(look),
      margin,
      xaxis: { ...axis, domain: [0, split], range: [0, end + step], title: axisTitle("forward passes", look), tickformat: "~s", nticks: 5, ticks: "outside", ticklen: 3, tickcolor: theme.grid },
      xaxis2: { ...axis, domain: [1 - side / inner, 1], range: [0, 1], anchor: "y", tickvals: truth ? [0.5] : [], ticktext: ["step"], title: axisTitle(truth ? count(truth.step) : "", look, 0) },
      yaxis: { ...axis, range: [order.length - 0.5, -0.5], tickvals: rows.at, ticktext: rows.text, title: axisTitle(rows.title, look, 2), ticks: "" },
      shapes: rows.borders.flatMap((at) => (truth ? [0, 1] : [0]).map((second) => ({
        type: "line", xref: second ? "x2 domain" : "x domain", x0: 0, x1: 1, yref: "y", y0: at, y1: at, line: { color: theme.panel, width: 1.5 },
      }))),
      annotations: truth
        ? []
        : [{ text: "truth: not<br>estimated", textangle: -90, showarrow: false, xref: "paper", x: 1, xanchor: "left", yref: "paper", y: 0.5, font: { size: theme.size, color: theme.muted } }],
    },
  };
}

export class Histogram extends Panel {
  constructor(element) {
    super(element);
    this.head.append(make("span", { class: "panel-keys" }, make("span", {}, make("u"), "matrices"), make("span", {}, make("u", { class: "dashed" }), "norms, biases")));
    this.figure = new PacedFigure(this.stage, (overlay) => this.#paint(overlay));
    this.tip = make("div", { class: "panel-tip", hidden: true });
    element.append(this.tip);
    this.stage.addEventListener("pointermove", (event) => this.#point(event));
    this.stage.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.frame = { list: null, length: 0, low: Infinity, high: -Infinity };
  }

  show(record, look, cursor) {
    const run = this.takeRun(record, look, cursor);
    this.hessian = run && hessianAt(run, cursor);
    if (!run) return setText(this.note, "");
    if (!this.hessian) return setText(this.note, "");
    this.colour = look.colours[run.index];
    this.pooled = run.hyperparameters.pool === "tensor";
    const { groups } = record.plan;
    this.layers = byLayer(groups);
    const [low, high] = this.#range(run);
    const factors = this.hessian.quantiles.map(([a, , b]) => b / a).filter(Number.isFinite).sort((a, b) => a - b);
    const factor = factors[factors.length >> 1];
    const words = [factor > 1.001 ? `10–90 % range of a group: a factor of ${short(Number(factor.toPrecision(2)))}.` : "One number a group.", ` ${noiseSentence(record.plan, run)}`];
    const tip = `At step ${count(this.hessian.step)}: how many times larger P's 90 % quantile is than its 10 % quantile within a group, median over ${factors.length} groups`;
    if (this.note.textContent !== words.join("")) this.note.replaceChildren(make("b", { data: { tip } }, words[0]), words[1]);
    const key = [run.index, low, high, this.layers.length, look.theme.ink, look.theme.size, this.stage.clientWidth, this.stage.clientHeight].join();
    this.figure.show(key, () => this.#axes(low, high, look));
  }

  /** Half decades that hold every P of the run so far: fixed while one scrubs. */
  #range({ hessians }) {
    const { frame } = this;
    if (frame.list !== hessians || frame.length > hessians.length) this.frame = { list: hessians, length: 0, low: Infinity, high: -Infinity };
    for (const { histogram: { edges, counts } } of hessians.slice(this.frame.length)) {
      for (const row of counts) {
        const first = row.findIndex((n) => n > 0);
        if (first < 0) continue;
        this.frame.low = Math.min(this.frame.low, edges[first]);
        this.frame.high = Math.max(this.frame.high, edges[row.findLastIndex((n) => n > 0) + 1]);
      }
    }
    this.frame.length = hessians.length;
    if (!(this.frame.low < Infinity)) return [-1, 1];
    const low = Math.floor(2 * (this.frame.low - 0.1)) / 2;
    return [low, Math.max(Math.ceil(2 * (this.frame.high + 0.1)) / 2, low + 1)];
  }

  #axes(low, high, look) {
    const { theme } = look;
    const { layers } = this;
    const axis = { zeroline: false, fixedrange: true, linecolor: theme.grid };
    const every = Math.max(1, Math.ceil((layers.length * 1.25 * theme.size) / (this.stage.clientHeight - 4.4 * theme.size)));
    return {
      data: [{ type: "scatter", x: [], y: [] }],
      layout: {
        ...baseLayout(look),
        hovermode: false,
        margin: { l: 5 * theme.size, r: 5 * theme.size, t: 1.5 * theme.size, b: 3 * theme.size },
        xaxis: { ...axis, range: [low, high], ...ticks(low, high, 9), gridcolor: theme.grid, title: axisTitle("P (loss per θ², log scale)", look) },
        yaxis: {
          ...axis, range: [layers.length, 0], showgrid: false, title: axisTitle("layer", look, 2),
          tickvals: layers.map((_, i) => i + 0.5).filter((_, i) => i % every === 0), ticktext: layers.map(({ label }) => label).filter((_, i) => i % every === 0),
        },
        shapes: layers.slice(1).map((_, i) => ({ type: "line", xref: "x domain", x0: 0, x1: 1, yref: "y", y0: i + 1, y1: i + 1, line: { color: theme.grid, width: 1 } })),
      },
    };
  }

  #paint(overlay) {
    const context = overlay.begin();
    if (!context) return;
    const [, { theme }] = this.shown;
    const { edges, counts } = this.hessian.histogram;
    const margins = [];
    this.layers.forEach(({ groups }, band) => {
      const [base, top] = [overlay.py(band + 1) - 0.5, overlay.py(band) + 1.5];
      for (const { index, fine } of groups) this.#curve(context, overlay, edges, counts[index], this.hessian.quantiles[index][1], base, top, fine, theme);
      const factors = groups.map(({ index }) => this.hessian.quantiles[index]).map(([a, , b]) => b / a).filter(Number.isFinite).sort((a, b) => a - b);
      if (factors.length) margins.push([factors[factors.length >> 1], (base + top) / 2]);
    });
    overlay.end();
    const room = overlay.box.height / this.layers.length;
    if (room < theme.size) return;
    context.font = `${theme.size}px ${theme.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = theme.muted;
    const x = overlay.box.left + overlay.box.width + 6;
    context.fillText("10–90 %", x - 4, overlay.box.top - 0.75 * theme.size);
    context.fillStyle = theme.ink;
    for (const [factor, y] of margins) context.fillText(factor > 1.001 ? `× ${short(Number(factor.toPrecision(2)))}` : "× 1", x, y);
  }

  /** One group's histogram: heights against its own fullest bin. One value for a whole tensor is a line. */
  #curve(context, overlay, edges, row, median, base, top, fine, theme) {
    const most = Math.max(...row);
    if (!(most > 0)) return;
    const filled = [...row.keys()].filter((bin) => row[bin] > 0);
    context.strokeStyle = this.colour;
    context.globalAlpha = fine ? 0.6 : 0.95;
    context.lineWidth = theme.line * (fine ? 0.45 : 0.7);
    context.setLineDash(fine ? [4, 3] : []);
    context.beginPath();
    if (this.pooled || filled.length === 1) {
      context.lineWidth = theme.line;
      for (const bin of filled) {
        const x = overlay.px(filled.length === 1 ? Math.log10(median) : (edges[bin] + edges[bin + 1]) / 2);
        context.moveTo(x, base);
        context.lineTo(x, top);
      }
    } else {
      context.moveTo(overlay.px(edges[0]), base);
      row.forEach((n, bin) => context.lineTo(overlay.px((edges[bin] + edges[bin + 1]) / 2), base + (n / most) * (top - base)));
      context.lineTo(overlay.px(edges.at(-1)), base);
      if (!fine) {
        context.fillStyle = fade(this.colour, theme.band * 0.6);
        context.fill();
      }
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** The numbers of the layer under the pointer. */
  #point(event) {
    const { overlay } = this.figure;
    const box = this.stage.getBoundingClientRect();
    const band = overlay?.box ? Math.floor(overlay.valueAt(event.clientX - box.left, event.clientY - box.top)[1]) : -1;
    const layer = this.layers?.[band];
    this.tip.hidden = !layer || !this.hessian;
    if (this.tip.hidden) return;
    const lines = layer.groups.map(({ index, name }) => {
      const [low, median, high] = this.hessian.quantiles[index];
      return `${name.replace(/^layer \d+ · /, "")}: median ${reading(median)}${high / low > 1.001 ? `, 10–90 % ${reading(low)} to ${reading(high)}` : ""}`;
    });
    const title = /^\d/.test(layer.label) ? [`layer ${layer.label}`] : [];
    setText(this.tip, [...title, ...lines].join("\n"));
    const upper = event.clientY - box.top < box.height / 2;
    this.tip.style.top = upper ? "auto" : "0";
    this.tip.style.bottom = upper ? "0" : "auto";
  }
}

/** Why the spread inside a group is not curvature (METHOD, standard error of one element's estimate). */
export function noiseSentence(plan, run) {
  const { n, pool, estimator } = run.hyperparameters;
  const d = plan.model.tuned;
  if (run.method === "hizoo_l") return "P of a matrix is kept as row means times column means, so its spread is between rows and columns; lines without spread are single numbers.";
  if (pool === "tensor") return "Pooled: one P for each tensor, drawn as a line. Averaging over a tensor removes most of the noise that one element's estimate has.";
  const pooled = pool === "row" ? " Pooled over rows: the noise of a row's one number is smaller by up to the root of its length." : "";
  const relative = {
    paper: ["d/√(2n)", d / Math.sqrt(2 * n)],
    multiplicative: ["√(d/n)", Math.sqrt(d / n)],
  }[estimator];
  if (!relative) return `Mostly noise: every step scales an element by its own u², and the trace over all d = ${count(d)} elements hides its own curvature.${pooled}`;
  return `Mostly noise: one step's estimate of one element has a standard error of about ${relative[0]} = ${count(Number(relative[1].toPrecision(2)))} times its size (d = ${count(d)}, n = ${n}).${pooled}`;
}

/** Spearman's rank correlation of pairs; ties share their mean rank. */
export function rankCorrelation(pairs) {
  const ranks = (values) => {
    const sorted = [...values.keys()].sort((i, j) => values[i] - values[j]);
    const result = new Array(values.length);
    for (let i = 0; i < sorted.length; ) {
      let j = i;
      while (j + 1 < sorted.length && values[sorted[j + 1]] === values[sorted[i]]) j++;
      for (let k = i; k <= j; k++) result[sorted[k]] = (i + j) / 2;
      i = j + 1;
    }
    return result;
  };
  const [a, b] = [ranks(pairs.map(([x]) => x)), ranks(pairs.map(([, y]) => y))];
  const mean = (pairs.length - 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < pairs.length; i++) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) ** 2;
    bb += (b[i] - mean) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Indices of the groups by layer: embeddings first, the final norm last. */
const inOrder = (groups) => [...groups.keys()].sort((a, b) => groups[a].layer - groups[b].layer);

/** The groups of each layer; `fine` are norms and biases. */
function byLayer(groups) {
  const layers = [];
  for (const g of inOrder(groups)) {
    if (layers.at(-1)?.layer !== groups[g].layer) layers.push({ layer: groups[g].layer, label: layerLabel(groups, groups[g]), groups: [] });
    layers.at(-1).groups.push({ index: g, name: groups[g].name, fine: /norm|bias/.test(groups[g].kind + groups[g].name) });
  }
  return layers;
}

function layerLabel(groups, group) {
  if (group.layer < 0) return "emb.";
  const named = /layer (\d+)/.exec(group.name);
  return named ? named[1] : "final";
}

/** Names where rows are high enough for them, else one label a layer; the rows between which a layer ends. */
function rowLabels(groups, order, rowHeight, size) {
  const layers = byLayer(groups);
  const borders = [];
  let row = 0;
  const at = layers.map(({ groups: { length } }) => {
    row += length;
    borders.push(row - 0.5);
    return row - length / 2 - 0.5;
  });
  borders.pop();
  if (rowHeight >= 1.15 * size) {
    const text = order.map((g) => groups[g].name);
    return { at: text.map((_, i) => i), text, borders, title: "", width: Math.min(15, 0.56 * Math.max(...text.map((name) => name.length)) + 0.8) * size };
  }
  const every = Math.max(1, Math.ceil((1.2 * size * layers.length) / (rowHeight * order.length)));
  return {
    at: at.filter((_, i) => i % every === 0),
    text: layers.map(({ label }) => label).filter((_, i) => i % every === 0),
    borders: rowHeight * order.length > 8 * layers.length ? borders : [],
    title: "layer",
    width: 4.6 * size,
  };
}

/** Whether a mean can be told from 0 by its standard error. */
const told = ([mean, error]) => Math.abs(mean) >= 2 * error;

const logarithm = (value) => (value > 0 && Number.isFinite(value) ? Math.log10(value) : null);

/** Half decades around the values, so that colours change their meaning seldom. */
function decades(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (!(low < Infinity)) return [-1, 1];
  [low, high] = [Math.floor(2 * low) / 2, Math.ceil(2 * high) / 2];
  return high - low < 1 ? [low - 0.5, low + 0.5] : [low, high];
}

/** Ticks of a logarithmic scale that holds exponents: powers of ten; where they are few, unnamed or named ones between. */
function ticks(low, high, most = 6) {
  const inside = (at) => at >= low - 1e-9 && at <= high + 1e-9;
  const power = (k) => `10<sup>${String(k).replace("-", "−")}</sup>`;
  const around = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => Math.floor(low) + i);
  const whole = around.filter(inside);
  if (whole.length > 3) {
    const every = Math.ceil(whole.length / most);
    const shown = whole.filter((k) => k % every === 0);
    return { tickvals: shown, ticktext: shown.map(power) };
  }
  const plain = high - low <= 1.5 && low > -3 && high < 4;
  const named = (k, lead) => (plain ? String(Number(`${lead}e${k}`)) : lead === 1 ? power(k) : whole.length < 2 ? `${lead}·${power(k)}` : "");
  const shown = around.flatMap((k) => [1, 2, 5].map((lead) => [k + Math.log10(lead), named(k, lead)])).filter(([at]) => inside(at));
  return { tickvals: shown.map(([at]) => at), ticktext: shown.map(([, text]) => text) };
}

/** At most `most` of a list, the last one among them. */
function thin(list, most) {
  const stride = Math.ceil(list.length / most);
  return list.filter((_, i) => (list.length - 1 - i) % stride === 0);
}
