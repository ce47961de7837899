// How P spreads in each group of parameters, one band a layer.

/** @import { Overlay } from "../web/overlay.mjs" */
/** @import { Layer } from "./groups.mjs" */
/** @import { Shown } from "./hessianpanel.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { PlanMessage, Quantiles } from "./messages.mjs" */
/** @import { Hessian, Run } from "./record.mjs" */
import { median } from "../vendor/d3.mjs";
import { html, nothing } from "../vendor/lit.mjs";
import { segment } from "../web/canvas.mjs";
import { count, reading, short } from "../web/scale.mjs";
import { fade } from "../web/theme.mjs";
import { powerTicks } from "./decades.mjs";
import { byLayer } from "./groups.mjs";
import { HessianPanel } from "./hessianpanel.mjs";
import { axisTitle, baseLayout } from "./layout.mjs";
import { PacedFigure } from "./paced.mjs";
import { hessianAt } from "./record.mjs";

export class Histogram extends HessianPanel {
  /** What is drawn. @type {{hessian: Hessian, layers: Layer[], colour: string, isPooled: boolean, theme: Look["theme"]} | null} */
  #drawn = null;
  /** Exponents that hold every P of a run so far. @type {{list: Hessian[] | null, length: number, low: number, high: number}} */
  #range = { list: null, length: 0, low: Infinity, high: -Infinity };

  /** @param {HTMLElement} element */
  constructor(element) {
    super(element);
    this.figure = new PacedFigure(this.stage, (overlay) => this.#paint(overlay));
    this.tip = Object.assign(document.createElement("div"), { className: "panel-tip", hidden: true });
    element.append(this.tip);
    this.stage.addEventListener("pointermove", (event) => this.#point(event));
    this.stage.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  /** @override */
  head() {
    return html`<span class="panel-keys"><span><u></u>matrices</span><span><u class="dashed"></u>norms, biases</span></span>`;
  }

  /** @override @param {Run} run @param {Shown} shown */
  note(run, { record, cursor }) {
    const hessian = hessianAt(run, cursor);
    if (!hessian) return nothing;
    const factor = spread(hessian.quantiles);
    const tip = `At step ${count(hessian.step)}: how many times larger P's 90 % quantile is than its 10 % quantile within a group, median over ${hessian.quantiles.length} groups`;
    return html`<b data-tip=${tip}>${factor > 1.001 ? `10–90 % range of a group: a factor of ${short(Number(factor.toPrecision(2)))}.` : "One number a group."}</b> ${noiseSentence(record.plan, run)}`;
  }

  /** @override @param {Run} run @param {Shown} shown */
  draw(run, { record, look, cursor }) {
    const hessian = hessianAt(run, cursor);
    this.#drawn = hessian && { hessian, layers: byLayer(record.plan.groups), colour: look.colours[run.index], isPooled: run.hyperparameters.pool === "tensor" && run.hyperparameters.estimator !== "reliable", theme: look.theme };
    if (!this.#drawn) return;
    const [low, high] = this.#rangeOf(run);
    const { layers } = this.#drawn;
    const key = [run.index, low, high, layers.length, look.theme.ink, look.theme.size].join();
    this.figure.show(key, (_, height) => axesFigure([low, high], layers, look.theme, height));
  }

  /** Half decades that hold every P of the run so far: fixed while one scrubs. @param {Run} run @returns {[number, number]} */
  #rangeOf({ hessians }) {
    if (this.#range.list !== hessians || this.#range.length > hessians.length) this.#range = { list: hessians, length: 0, low: Infinity, high: -Infinity };
    const found = this.#range;
    for (const { histogram: { edges, counts } } of hessians.slice(found.length)) {
      for (const row of counts) {
        const first = row.findIndex((n) => n > 0);
        if (first < 0) continue;
        found.low = Math.min(found.low, edges[first]);
        found.high = Math.max(found.high, edges[row.findLastIndex((n) => n > 0) + 1]);
      }
    }
    found.length = hessians.length;
    if (!(found.low < Infinity)) return [-1, 1];
    const low = Math.floor(2 * (found.low - 0.1)) / 2;
    return [low, Math.max(Math.ceil(2 * (found.high + 0.1)) / 2, low + 1)];
  }

  /** @param {Overlay} overlay */
  #paint(overlay) {
    const context = overlay.begin();
    if (!context || !overlay.box || !this.#drawn) return;
    const { hessian: { quantiles }, layers, theme } = this.#drawn;
    const room = overlay.box.height / layers.length;
    layers.forEach(({ groups }, band) => {
      for (const { index, fine } of groups) this.#curve(context, overlay, index, overlay.py(band + 1) - 0.5, overlay.py(band) + 1.5, fine);
    });
    overlay.end();
    if (room < theme.size) return;
    Object.assign(context, { font: `${theme.size}px ${theme.font}`, textBaseline: "middle", textAlign: "left", fillStyle: theme.muted });
    const x = overlay.box.left + overlay.box.width + 6;
    context.fillText("10–90 %", x - 4, overlay.box.top - 0.75 * theme.size);
    context.fillStyle = theme.ink;
    layers.forEach(({ groups }, band) => {
      const factor = spread(groups.map(({ index }) => quantiles[index]));
      if (Number.isFinite(factor)) context.fillText(factor > 1.001 ? `× ${short(Number(factor.toPrecision(2)))}` : "× 1", x, overlay.py(band + 0.5));
    });
  }

  /**
   * One group's histogram: heights against its own fullest bin. One value for a whole tensor is a line.
   * @param {CanvasRenderingContext2D} context @param {Overlay} overlay @param {number} index of the group
   * @param {number} base @param {number} top in pixels @param {boolean} fine
   */
  #curve(context, overlay, index, base, top, fine) {
    if (!this.#drawn) return;
    const { hessian: { histogram: { edges, counts }, quantiles }, colour, isPooled, theme } = this.#drawn;
    const row = counts[index];
    const most = Math.max(...row);
    if (!(most > 0)) return;
    const filled = [...row.keys()].filter((bin) => row[bin] > 0);
    const isLine = isPooled || filled.length === 1;
    const middle = (/** @type {number} */ bin) => (edges[bin] + edges[bin + 1]) / 2;
    Object.assign(context, { strokeStyle: colour, globalAlpha: fine ? 0.6 : 0.95, lineWidth: theme.line * (isLine ? 1 : fine ? 0.45 : 0.7) });
    context.setLineDash(fine ? [4, 3] : []);
    context.beginPath();
    if (isLine) {
      for (const bin of filled) {
        const x = overlay.px(filled.length === 1 ? Math.log10(quantiles[index][1]) : middle(bin));
        segment(context, [x, base], [x, top]);
      }
    } else {
      context.moveTo(overlay.px(edges[0]), base);
      row.forEach((n, bin) => context.lineTo(overlay.px(middle(bin)), base + (n / most) * (top - base)));
      context.lineTo(overlay.px(edges[edges.length - 1]), base);
      if (!fine) {
        context.fillStyle = fade(colour, theme.band * 0.6);
        context.fill();
      }
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** The numbers of the layer under the pointer. @param {PointerEvent} event */
  #point(event) {
    const value = this.figure.valueAt(event);
    const layer = value && this.#drawn?.layers[Math.floor(value[1])];
    this.tip.hidden = !layer;
    if (!layer || !this.#drawn) return;
    const { quantiles } = this.#drawn.hessian;
    const lines = layer.groups.map(({ index, name }) => {
      const [low, middle, high] = quantiles[index];
      return `${name.replace(/^layer \d+ · /, "")}: median ${reading(middle)}${high / low > 1.001 ? `, 10–90 % ${reading(low)} to ${reading(high)}` : ""}`;
    });
    this.tip.textContent = [...(/^\d/.test(layer.label) ? [`layer ${layer.label}`] : []), ...lines].join("\n");
    const box = this.stage.getBoundingClientRect();
    const isUpper = event.clientY - box.top < box.height / 2;
    Object.assign(this.tip.style, { top: isUpper ? "auto" : "0", bottom: isUpper ? "0" : "auto" });
  }
}

/** How many times larger the 90 % quantile is than the 10 % quantile: the median over groups; NaN where none has both. @param {Quantiles[]} quantiles */
const spread = (quantiles) => median(quantiles.map(([low, , high]) => high / low).filter(Number.isFinite)) ?? NaN;

/** @param {[number, number]} range exponents @param {Layer[]} layers @param {Look["theme"]} theme @param {number} height in pixels */
function axesFigure([low, high], layers, theme, height) {
  const axis = { zeroline: false, fixedrange: true, linecolor: theme.grid };
  const every = Math.max(1, Math.ceil((layers.length * 1.25 * theme.size) / (height - 4.4 * theme.size)));
  const labelled = [...layers.keys()].filter((i) => i % every === 0);
  return {
    data: [{ type: "scatter", x: [], y: [] }],
    layout: {
      ...baseLayout(theme),
      hovermode: false,
      margin: { l: 5 * theme.size, r: 5 * theme.size, t: 1.5 * theme.size, b: 3 * theme.size },
      xaxis: { ...axis, range: [low, high], ...powerTicks(low, high, 9), gridcolor: theme.grid, title: axisTitle("P (loss per θ², log scale)", theme) },
      yaxis: { ...axis, range: [layers.length, 0], showgrid: false, title: axisTitle("layer", theme, 2), tickvals: labelled.map((i) => i + 0.5), ticktext: labelled.map((i) => layers[i].label) },
      shapes: layers.slice(1).map((_, i) => ({ type: "line", xref: "x domain", x0: 0, x1: 1, yref: "y", y0: i + 1, y1: i + 1, line: { color: theme.grid, width: 1 } })),
    },
  };
}

/** Why the spread inside a group is not curvature (METHOD, standard error of one element's estimate). @param {PlanMessage} plan @param {Run} run */
function noiseSentence(plan, run) {
  const { pool, estimator } = run.hyperparameters;
  const n = Number(run.hyperparameters.n);
  const d = plan.model.tuned;
  if (run.method === "hizoo_l") return "P of a matrix is kept as row means times column means, so its spread is between rows and columns; lines without spread are single numbers.";
  if (estimator === "reliable") return "Every group's P differs from the others' only as far as its curvature was told from noise: a group that is undecided follows all that is trained, and so do its elements.";
  if (pool === "tensor") return "Pooled: one P for each tensor, drawn as a line. Averaging over a tensor removes most of the noise that one element's estimate has.";
  const pooled = pool === "row" ? " Pooled over rows: the noise of a row's one number is smaller by up to the root of its length." : "";
  /** @type {Record<string, [string, number]>} */
  const errors = { paper: ["d/√(2n)", d / Math.sqrt(2 * n)], multiplicative: ["√(d/n)", Math.sqrt(d / n)] };
  const relative = errors[estimator];
  if (!relative) return `Mostly noise: every step scales an element by its own u², and the trace over all d = ${count(d)} elements hides its own curvature.${pooled}`;
  return `Mostly noise: one step's estimate of one element has a standard error of about ${relative[0]} = ${count(Number(relative[1].toPrecision(2)))} times its size (d = ${count(d)}, n = ${n}).${pooled}`;
}
