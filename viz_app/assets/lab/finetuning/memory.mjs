// What each method needs to be held in memory, measured, side by side.

import { count, reading } from "../web/scale.mjs";
import { make, setText } from "../web/make.mjs";

const PARTS = {
  weights: "weights",
  activations: "activations",
  gradients: "gradients",
  state: "optimizer state (P, m, v)",
  workspace: "workspace",
};

export class Memory {
  constructor(element) {
    element.classList.add("panel");
    this.sentence = make("p", { class: "memory-sentence" });
    this.bars = make("div", { class: "memory-bars" });
    this.note = make("p", { class: "panel-note" });
    const key = Object.entries(PARTS).map(([part, name]) => make("span", {}, make("i", { class: `part-${part}` }), name));
    key.push(make("span", {}, make("u", { class: "upright" }), "peak"));
    this.root = make("div", { class: "memory" }, this.sentence, make("div", { class: "panel-keys" }, ...key), this.bars, this.note);
    this.empty = make("p", { class: "panel-empty" });
    element.append(this.root, this.empty);
  }

  show(record, look) {
    const { memory } = record;
    setText(this.empty, memory ? "" : "What each method needs is measured here before the first step: weights, activations, gradients, optimizer state and workspace, forward only against Adam.");
    this.empty.hidden = Boolean(memory);
    this.root.hidden = !memory;
    if (!memory || memory === this.shown) return;
    this.shown = memory;
    const { how } = memory;
    const titled = ({ name }) => look.titles[record.runs.findIndex(({ label }) => label === name)] ?? name;
    const rows = memory.rows.map((row) => ({ ...row, name: titled(row) }));
    const most = Math.max(...rows.map((row) => Math.max(row.peak, total(row))));
    const axis = scale(most);
    this.bars.replaceChildren(...rows.map((row) => bar(row, axis)), ruler(axis));
    setText(this.sentence, comparison(rows));
    setText(this.note, how);
    this.note.title = how;
  }
}

const total = (row) => Object.keys(PARTS).reduce((sum, part) => sum + (row[part] ?? 0), 0);

function bar(row, { end }) {
  const width = (value) => `${(100 * value) / end}%`;
  const held = Object.entries(PARTS).filter(([part]) => row[part] > 0);
  const pieces = held.map(([part, title]) =>
    make("i", { class: `part-${part}`, style: `width:${width(row[part])}`, title: `${row.name}, ${title}: ${bytes(row[part])}` }, make("span", {}, bytes(row[part]))),
  );
  const peak = `Peak: ${bytes(row.peak)}. The parts at their own largest come to ${bytes(total(row))}, but not all at the same moment`;
  const mark = make("u", { style: `left:${width(row.peak)}`, title: peak });
  return make("div", { class: "memory-row" }, make("b", { title: row.name }, row.name), make("div", { class: "memory-bar" }, ...pieces, mark), make("strong", { title: peak }, bytes(row.peak)));
}

/** The axis under the bars. */
function ruler({ unit, size, step, end }) {
  const at = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  const ticks = at.map((value) => make("span", { style: `left:${(100 * value) / end}%` }, reading(value / size)));
  return make("div", { class: "memory-row memory-axis" }, make("b"), make("div", {}, ...ticks, make("em", {}, `memory (${unit})`)), make("strong", {}, "peak"));
}

/** Unit, tick distance and length of an axis that holds `most` bytes: 1, 2, 2.5 or 5 times a power of ten a tick. */
export function scale(most) {
  const [unit, size] = most >= 1e9 ? ["GB", 1e9] : most >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  const rough = Math.max(most, 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((lead) => lead * power).find((value) => value >= rough * 0.999);
  return { unit, size, step, end: step * Math.ceil(most / step - 1e-9) };
}

/** Bytes with a unit: 5.2 MB. Powers of ten: 1 MB is 10⁶ bytes. */
export function bytes(value) {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} GB`;
  if (value >= 1e6) return `${value >= 1e8 ? count(value / 1e6) : (value / 1e6).toPrecision(3)} MB`;
  return value >= 1e3 ? `${(value / 1e3).toPrecision(3)} kB` : `${value} B`;
}

/** The most demanding against the least, by their peaks. */
export function comparison(rows) {
  const sorted = rows.toSorted((a, b) => a.peak - b.peak);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (!(least.peak > 0) || least === most) return "";
  const factor = most.peak / least.peak;
  if (factor < 1.05) return `At this size ${rows.map(({ name }) => name).join(", ")} need about the same.`;
  return `${most.name} needs ${factor.toPrecision(2)} times as much as ${least.name}: ${bytes(most.peak)} against ${bytes(least.peak)}.`;
}
