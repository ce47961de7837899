// A table of a finished job, read from a file: what `finetune --out` writes as CSV or JSON, on whatever machine. It stays in
// the browser.

/** @import { Single } from "./courses.mjs" */
import { count } from "../web/scale.mjs";

/** @typedef {{spec: string, optimizers: {label: string | null, runs: Single[]}[]}} Imported `label` null where the table names no optimizer */

const NEEDED = ["step", "forwards", "seconds", "train_loss", "val_loss", "val_accuracy"];
const NUMBERS = /** @type {const} */ (["step", "forwards", "seconds", "train_loss", "val_loss", "val_accuracy", "run"]);
export const LARGEST = 20e6; // bytes

/** A file that cannot be laid over, with a sentence. */
export class NoTable extends Error {}

/** @param {string} name of the file @param {string} text @returns {Imported} */
export function readTable(name, text) {
  const { spec, columns } = text.trimStart().startsWith("{") ? fromJson(name, text) : fromCsv(name, text);
  const missing = NEEDED.filter((column) => !(column in columns));
  if (missing.length) {
    const found = Object.keys(columns).slice(0, 8).join(", ");
    throw new NoTable(`${name} has no column ${missing.join(", ")}; it must be a table that “finetune --out” or “Table, CSV” wrote. Its columns: ${found}`);
  }
  const rows = columns.step.length;
  if (!rows) throw new NoTable(`${name} has no rows`);
  /** @type {Record<string, number[]>} */
  const numbers = Object.fromEntries(NUMBERS.filter((column) => column in columns).map((column) => [column, columns[column].map((value, row) => numberIn(name, column, value, row))]));
  /** @type {Map<string | null, Map<number, Single>>} */
  const optimizers = new Map();
  for (let row = 0; row < rows; row++) {
    const label = columns.optimizer ? String(columns.optimizer[row]) : null;
    const runs = optimizers.get(label) ?? new Map();
    optimizers.set(label, runs);
    const run = numbers.run?.[row] ?? 0;
    /** @type {Single} */
    const single = runs.get(run) ?? { steps: { step: [], forwards: [], seconds: [], loss: [] }, evaluations: [], planned: 0 };
    runs.set(run, single);
    const [step, forwards, seconds, loss] = [numbers.step[row], numbers.forwards[row], numbers.seconds[row], numbers.val_loss[row]];
    if (step > 0) for (const [column, value] of Object.entries({ step, forwards, seconds, loss: numbers.train_loss[row] })) single.steps[/** @type {"step"} */ (column)].push(value);
    const accuracy = numbers.val_accuracy[row];
    if (Number.isFinite(accuracy)) single.evaluations.push({ step, forwards, seconds, loss: Number.isFinite(loss) ? loss : null, accuracy });
    single.planned = Math.max(single.planned, step);
  }
  return { spec, optimizers: [...optimizers].map(([label, runs]) => ({ label, runs: [...runs.values()] })) };
}

/** @typedef {{spec: string, columns: Record<string, unknown[]>}} Table */

/** @param {string} name @param {string} text @returns {Table} */
function fromJson(name, text) {
  /** @type {Record<string, unknown>} */
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    throw new NoTable(`${name} is not complete JSON`);
  }
  const { spec, ...columns } = document;
  const lists = /** @type {[string, unknown[]][]} */ (Object.entries(columns).filter(([, value]) => Array.isArray(value)));
  if (new Set(lists.map(([, { length }]) => length)).size > 1) throw new NoTable(`${name} has columns of different lengths`);
  return { spec: typeof spec === "string" ? spec : "", columns: Object.fromEntries(lists) };
}

/** Of labels and numbers no cell needs quotes. @param {string} name @param {string} text @returns {Table} */
function fromCsv(name, text) {
  const [head, ...lines] = text.replace(/^\uFEFF/, "").split(/\r?\n/).filter(Boolean).map((line) => line.split(",").map((cell) => cell.replace(/^"(.*)"$/, "$1")));
  const bad = lines.findIndex(({ length }) => length !== head.length);
  if (bad >= 0) throw new NoTable(`${name}, row ${count(bad + 2)}: ${lines[bad].length} cells in place of ${head.length}`);
  return { spec: "", columns: Object.fromEntries((head ?? []).map((column, i) => [column, lines.map((cells) => cells[i])])) };
}

/** NaN where a cell is empty. @param {string} name @param {string} column @param {unknown} value @param {number} row */
function numberIn(name, column, value, row) {
  if (value === "" || value === null || value === undefined || value === "nan" || value === "NaN") return NaN;
  const number = Number(value);
  if (Number.isNaN(number) || (column === "step" && number < 0)) throw new NoTable(`${name}, row ${count(row + 2)}: ${column} is “${String(value).slice(0, 20)}”, and no number`);
  return number;
}
