// A map's numbers: what has come of it, cell by cell, and each cell as a trace that the charts can draw.

/** @import { Settings } from "./state.mjs" */
/** @import { Trace } from "../playground/trace.mjs" */
/** @import { Message } from "./stream.mjs" */

/** @typedef {{name: string, label: string, symbol: string, unit: string, scale: string, values: number[]}} MapAxis */

/**
 * @typedef {object} MapHeader the stream's first message
 * @property {string} spec canonical @property {string} method @property {Settings} hyperparameters of the controls
 * @property {MapAxis} x @property {MapAxis} y
 * @property {number} forwards the budget of a run @property {number} runs in every cell
 * @property {number | null} target @property {number | null} reference the minimum, if it is known
 * @property {number} initial_gap the loss at the start above it
 * @property {{spec: string, name: string, dim: number, minimum: number | null}} function
 * @property {[number, number]} coords shown @property {number} cells how many
 */

/** Arrays of a message with cells, by name (viz_app/tuning/maps.py says what each is). @typedef {Record<string, Float32Array | undefined>} Arrays */
/** Where a cell's arrays are: the k-th of `count` cells. @typedef {{arrays: Arrays, k: number, count: number}} Piece */

const CURVES = /** @type {const} */ (["step", "path", "gap_q", "h_q", "true_h", "shown_h", "shown_hessian"]);

export class MapData {
  /** How many cells have come. */
  done = 0;
  /** Its last message, with the seconds from the request to it. @type {{spent: number, seconds: number} | null} */
  end = null;
  /** Whether the complete map has been drawn. */
  drawn = false;
  /** @type {(Piece | undefined)[]} */
  #pieces;
  /** @type {Map<number, Trace>} */
  #traces = new Map();

  /** @param {MapHeader} header @param {string} query */
  constructor(header, query) {
    this.header = header;
    this.query = query;
    this.total = header.cells;
    this.nx = header.x.values.length;
    this.ny = header.y.values.length;
    this.#pieces = new Array(header.cells);
    /** 1 for a cell that has come. */
    this.known = new Uint8Array(header.cells);
    this.steps = new Uint32Array(header.cells);
    this.passesPerStep = new Uint32Array(header.cells);
    const numbers = () => new Float32Array(header.cells).fill(NaN);
    /** The figures of each cell, NaN while there are none. */
    this.figures = { passes: numbers(), reached: numbers(), loss: numbers(), diverged: numbers(), bias: numbers() };
  }

  get complete() {
    return this.end !== null;
  }

  /** Take some cells. @param {Message} message */
  take({ header, view }) {
    /** @type {Arrays} */
    const arrays = Object.fromEntries(Object.entries(header.arrays).map(([name, place]) => [name, view(/** @type {import("../web/binary.mjs").Place} */ (place))]));
    header.cells.forEach((/** @type {number} */ cell, /** @type {number} */ k) => {
      this.known[cell] = 1;
      this.steps[cell] = header.steps[k];
      this.passesPerStep[cell] = header.passes_per_step[k];
      for (const [name, values] of Object.entries(this.figures)) values[cell] = arrays[name]?.[k] ?? NaN;
      this.#pieces[cell] = { arrays, k, count: header.cells.length };
    });
    this.done = header.done;
  }

  /** @param {{spent: number}} header the last message @param {number} seconds from the request to it */
  finish(header, seconds) {
    this.end = { ...header, seconds };
  }

  /** The cells that have come. */
  get cells() {
    return [...this.known.keys()].filter((cell) => this.known[cell]);
  }

  /** The settings of a cell along the axes. @param {number} cell */
  at(cell) {
    return { x: this.header.x.values[cell % this.nx], y: this.header.y.values[Math.floor(cell / this.nx)] };
  }

  /** All settings of a cell. @param {number} cell @returns {Settings} */
  settings(cell) {
    const { x, y } = this.at(cell);
    return { ...this.header.hyperparameters, [this.header.x.name]: x, [this.header.y.name]: y };
  }

  /** A cell as a trace of one optimizer with one run, the median one; null while it is not computed. @param {number} cell */
  trace(cell) {
    const piece = this.#pieces[cell];
    if (!piece) return null;
    const trace = this.#traces.get(cell) ?? this.#trace(cell, piece);
    this.#traces.set(cell, trace);
    return trace;
  }

  /** @param {number} cell @param {Piece} piece @returns {Trace} */
  #trace(cell, { arrays, k, count }) {
    const { header } = this;
    const { coords, method, function: f } = header;
    const [step = none, path = none, gapQ = none, hQ, trueH = none, shownH, shownHessian] = CURVES.map((name) => {
      const all = arrays[name];
      return all?.subarray((k * all.length) / count, ((k + 1) * all.length) / count);
    });
    const frames = recorded(step);
    const passes = this.passesPerStep[cell];
    const gap_q = rowsOf(gapQ, 3, step.length, 1, frames);
    // The charts find a coordinate's curve by its number, so beyond two dimensions the shown pair is put in its place.
    const dim = f.dim === 2 ? 2 : Math.max(3, ...coords.map((j) => j + 1));
    const spread = (/** @type {Float32Array} */ values) => (dim > 2 ? inPlace(values, coords, dim) : values);
    const steps = step.subarray(0, frames);
    const settings = this.settings(cell);
    const track = {
      label: method,
      method,
      n: typeof settings.n === "number" ? settings.n : null,
      passes_per_step: passes,
      hyperparameters: settings,
      runs: 1,
      frames,
      step: steps,
      hStep: steps,
      forwards: steps.map((t) => t * passes),
      path: path.subarray(0, 2 * frames),
      gap_q,
      gap: gap_q.subarray(frames, 2 * frames),
      true_h: spread(trueH.subarray(0, 2 * frames)),
      ...(hQ && { h_q: spread(rowsOf(hQ, 3, step.length, 2, frames)) }),
      ...(shownH && { shown_h: shownH.subarray(0, 2 * frames) }),
      ...(shownHessian && { shown_hessian: shownHessian.subarray(0, 3 * frames) }),
      shapes: {},
      changes: [],
      // Of single runs, which a map does not have:
      seconds: NaN,
      statuses: [],
      diverged: 0,
      floor_step: null,
      passes_to_target: null,
      headroom: none,
      gain: none,
    };
    const { spec, runs, target, reference, initial_gap } = header;
    return { header: { spec, coords, runs, target, reference, initial_gap, steps: this.steps[cell], function: f }, tracks: [track], dim, reference };
  }
}

const none = new Float32Array(0);

/** How many steps a cell recorded: a cell with few steps fills its row's end with NaN or with its last step. @param {Float32Array} step */
function recorded(step) {
  let frames = 1;
  while (frames < step.length && step[frames] > step[frames - 1]) frames++;
  return frames;
}

/**
 * The first `frames` of each of `rows` rows of values (rows, F, width).
 * @param {Float32Array} values @param {number} rows @param {number} F @param {number} width @param {number} frames
 */
function rowsOf(values, rows, F, width, frames) {
  if (frames === F) return values;
  const result = new Float32Array(rows * frames * width);
  for (let row = 0; row < rows; row++) result.set(values.subarray(row * F * width, (row * F + frames) * width), row * frames * width);
  return result;
}

/** (…, 2) to (…, dim): the two at their coordinates, NaN elsewhere. @param {Float32Array} values @param {[number, number]} coords @param {number} dim */
function inPlace(values, [a, b], dim) {
  const result = new Float32Array((values.length / 2) * dim).fill(NaN);
  for (let i = 0; 2 * i < values.length; i++) {
    result[i * dim + a] = values[2 * i];
    result[i * dim + b] = values[2 * i + 1];
  }
  return result;
}
