// What each method needs to be held in memory, measured, side by side.

/** @import { Look } from "./look.mjs" */
/** @import { MemoryRow } from "./messages.mjs" */
/** @import { LabRecord } from "./record.mjs" */
import { html, render } from "../vendor/lit.mjs";
import { reading } from "../web/scale.mjs";
import { bytes, comparison, scale } from "./bytes.mjs";

/** @type {[Exclude<keyof MemoryRow, "name" | "peak">, string][]} */
const PARTS = [
  ["weights", "weights"],
  ["activations", "activations"],
  ["gradients", "gradients"],
  ["state", "optimizer state (P, m, v)"],
  ["workspace", "workspace"],
  ["states", "states of the lower layers"],
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

const EMPTY = html`<p class="panel-empty">What a step of each method needs is measured here after the first evaluation: weights, activations, gradients, optimizer state and workspace, forward only against Adam.</p>`;
/** What tells these numbers from the forecast beside Start. */
const PART = "Counted here: the model and a step of one method. The forecast beside Start counts all that the job holds, with libraries, copies and diagnostics.";

/** @param {{rows: MemoryRow[], how: string}} memory @param {(label: string) => string} titleOf */
function view(memory, titleOf) {
  const rows = memory.rows.map((row) => ({ ...row, name: titleOf(row.name) }));
  const axis = scale(Math.max(1, ...rows.map((row) => Math.max(row.peak, total(row)))));
  return html`<div class="memory">
    <p class="memory-sentence">${comparison(rows)}</p>
    <p class="memory-part">${PART}</p>
    <div class="panel-keys">${PARTS.filter(([part]) => part !== "states" || rows.some(({ states }) => states)).map(([part, name]) => html`<span><i class="part-${part}"></i>${name}</span>`)}<span><u class="upright"></u>peak</span></div>
    <div class="memory-bars">${rows.length ? [...rows.map((row) => bar(row, axis.end)), ruler(axis)] : ""}</div>
    <p class="panel-note" title=${memory.how}>${memory.how}</p>
  </div>`;
}

/** @param {MemoryRow} row */
const total = (row) => PARTS.reduce((sum, [part]) => sum + (row[part] ?? 0), 0);

/** @param {MemoryRow} row @param {number} end */
function bar(row, end) {
  const width = (/** @type {number} */ value) => `${(100 * value) / end}%`;
  const pieces = PARTS.map(([part, title]) => /** @type {const} */ ([part, title, row[part] ?? 0])).filter(([, , size]) => size > 0).map(([part, title, size]) =>
    html`<i class="part-${part}" style="width:${width(size)}" title="${row.name}, ${title}: ${bytes(size)}"><span>${bytes(size)}</span></i>`);
  const peak = `Peak: ${bytes(row.peak)}. The parts at their own largest come to ${bytes(total(row))}, but not all at the same moment`;
  return html`<div class="memory-row"><b title=${row.name}>${row.name}</b><div class="memory-bar">${pieces}<u style="left:${width(row.peak)}" title=${peak}></u></div><strong title=${peak}>${bytes(row.peak)}</strong></div>`;
}

/** The axis under the bars. @param {ReturnType<typeof scale>} axis */
const ruler = ({ unit, size, at, end }) => html`<div class="memory-row memory-axis"><b></b>
  <div>${at.map((value) => html`<span style="left:${(100 * value) / end}%">${reading(value / size)}</span>`)}<em>memory (${unit})</em></div><strong>peak</strong></div>`;
