// What each method needs to be held in memory, measured, side by side.

/** @import { Look } from "./look.mjs" */
/** @import { MemoryRow } from "./messages.mjs" */
/** @import { LabRecord } from "./record.mjs" */
import { html, render } from "../vendor/lit.mjs";
import { ticks } from "../vendor/d3.mjs";
import { count, reading } from "../web/scale.mjs";

/** @type {[Exclude<keyof MemoryRow, "name" | "peak">, string][]} */
const PARTS = [
  ["weights", "weights"],
  ["activations", "activations"],
  ["gradients", "gradients"],
  ["state", "optimizer state (P, m, v)"],
  ["workspace", "workspace"],
];

export class Memory {
  /** @param {HTMLElement} element */
  constructor(element) {
    element.classList.add("panel");
    this.element = element;
  }

  /** @param {LabRecord} record @param {Look} look */
  show({ memory, runs }, look) {
    render(memory ? view(memory, (label) => look.titles[runs.findIndex((run) => run.label === label)] ?? label) : EMPTY, this.element);
  }
}

const EMPTY = html`<p class="panel-empty">What each method needs is measured here before the first step: weights, activations, gradients, optimizer state and workspace, forward only against Adam.</p>`;

/** @param {{rows: MemoryRow[], how: string}} memory @param {(label: string) => string} titleOf */
function view(memory, titleOf) {
  const rows = memory.rows.map((row) => ({ ...row, name: titleOf(row.name) }));
  const axis = scale(Math.max(1, ...rows.map((row) => Math.max(row.peak, total(row)))));
  return html`<div class="memory">
    <p class="memory-sentence">${comparison(rows)}</p>
    <div class="panel-keys">${PARTS.map(([part, name]) => html`<span><i class="part-${part}"></i>${name}</span>`)}<span><u class="upright"></u>peak</span></div>
    <div class="memory-bars">${rows.length ? [...rows.map((row) => bar(row, axis.end)), ruler(axis)] : ""}</div>
    <p class="panel-note" title=${memory.how}>${memory.how}</p>
  </div>`;
}

/** @param {MemoryRow} row */
const total = (row) => PARTS.reduce((sum, [part]) => sum + (row[part] ?? 0), 0);

/** @param {MemoryRow} row @param {number} end */
function bar(row, end) {
  const width = (/** @type {number} */ value) => `${(100 * value) / end}%`;
  const pieces = PARTS.filter(([part]) => row[part] > 0).map(([part, title]) =>
    html`<i class="part-${part}" style="width:${width(row[part])}" title="${row.name}, ${title}: ${bytes(row[part])}"><span>${bytes(row[part])}</span></i>`);
  const peak = `Peak: ${bytes(row.peak)}. The parts at their own largest come to ${bytes(total(row))}, but not all at the same moment`;
  return html`<div class="memory-row"><b title=${row.name}>${row.name}</b><div class="memory-bar">${pieces}<u style="left:${width(row.peak)}" title=${peak}></u></div><strong title=${peak}>${bytes(row.peak)}</strong></div>`;
}

/** The axis under the bars. @param {ReturnType<typeof scale>} axis */
const ruler = ({ unit, size, at, end }) => html`<div class="memory-row memory-axis"><b></b>
  <div>${at.map((value) => html`<span style="left:${(100 * value) / end}%">${reading(value / size)}</span>`)}<em>memory (${unit})</em></div><strong>peak</strong></div>`;

/** Unit, ticks and length of an axis that holds `most` bytes. @param {number} most */
export function scale(most) {
  const [unit, size] = most >= 1e9 ? ["GB", 1e9] : most >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  const at = ticks(0, most, 5);
  const step = at.length > 1 ? at[1] : most;
  if ((at.at(-1) ?? 0) < most * (1 - 1e-9)) at.push((at.at(-1) ?? 0) + step);
  return { unit: /** @type {string} */ (unit), size: Number(size), at, end: at.at(-1) ?? most };
}

/** Bytes with a unit: 5.2 MB. Powers of ten: 1 MB is 10⁶ bytes. @param {number} value */
export function bytes(value) {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} GB`;
  if (value >= 1e6) return `${value >= 1e8 ? count(value / 1e6) : (value / 1e6).toPrecision(3)} MB`;
  return value >= 1e3 ? `${(value / 1e3).toPrecision(3)} kB` : `${value} B`;
}

/** The most demanding against the least, by their peaks. @param {MemoryRow[]} rows */
export function comparison(rows) {
  const sorted = rows.toSorted((a, b) => a.peak - b.peak);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (!least || !most || !(least.peak > 0) || least === most) return "";
  const factor = most.peak / least.peak;
  if (factor < 1.05) return `At this size ${rows.map(({ name }) => name).join(", ")} need about the same.`;
  return `${most.name} needs ${factor.toPrecision(2)} times as much as ${least.name}: ${bytes(most.peak)} against ${bytes(least.peak)}.`;
}
