// A language model's map in numbers: what the server says of it, and its cells as the worker tells of them.

/** @import { MapAxis } from "../tuning/grid.mjs" */

/** @typedef {Record<string, number | string>} Settings */

/**
 * @typedef {object} Cell one job (viz_app/finetuning/search_results.py): a setting with one seed
 * @property {string} spec @property {Settings} values @property {number} seed @property {number} steps @property {number} forwards
 * @property {number | null} loss @property {number | null} accuracy @property {number | null} f1 @property {string | null} stopped
 * @property {[number, number | null, number | null][]} curve forward passes, held-out loss, accuracy
 */

/**
 * @typedef {object} About a map or a search (viz_app/finetuning/search_routes.py)
 * @property {string} text canonical @property {string} base a single job's @property {number | null} job
 * @property {MapAxis & {text: string}} x @property {MapAxis & {text: string}} y
 * @property {string} method @property {Settings} hyperparameters @property {number} forwards @property {number} seeds
 * @property {number} seed the first @property {string} loss what is minimised @property {string[]} over @property {number} trials
 * @property {{name: string, label: string, text: string}[]} usual @property {string} sentence
 */

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length ? (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2 : NaN;
}

/** A job's held-out loss, of the kind that it minimises: 1 − accuracy where that is. @param {Cell} cell @param {string} loss */
export function lossOf(cell, loss) {
  const found = loss === "cross_entropy" ? cell.loss : { accuracy: cell.accuracy, f1: cell.f1 }[loss];
  return found === null || found === undefined ? NaN : loss === "cross_entropy" ? found : 1 - found;
}

export class ModelMap {
  /** The cells' jobs, by setting. @type {Cell[][]} */
  jobs;
  /** The loss at the start, by seed. @type {Map<number, number>} */
  starts = new Map();
  /** Of the whole: that of the worker. */
  complete = false;
  /** Nothing is left to be drawn in the place of. */
  drawn = false;

  /** @param {About} about */
  constructor(about) {
    this.header = about;
    this.query = about.text;
    this.nx = about.x.values.length;
    this.ny = about.y.values.length;
    this.total = this.nx * this.ny;
    this.jobs = Array.from({ length: this.total }, () => []);
    /** 1 for a setting of which there is at least one job. */
    this.known = new Uint8Array(this.total);
    const numbers = () => new Float64Array(this.total).fill(NaN);
    /** Medians over the seeds; `stopped` is 1 where one was stopped early. */
    this.figures = { loss: numbers(), low: numbers(), high: numbers(), accuracy: numbers(), stopped: new Float64Array(this.total) };
  }

  /** Settings that need no more jobs. */
  get done() {
    return this.jobs.filter((_, cell) => this.isOver(cell)).length;
  }

  /** @param {number} cell */
  isOver(cell) {
    return this.figures.stopped[cell] === 1 || this.jobs[cell].length === this.header.seeds;
  }

  /** The place of a setting; −1 where it is not on the map. @param {Settings} values */
  placeOf(values) {
    const { x, y } = this.header;
    const [ix, iy] = [x.values.indexOf(Number(values[x.name])), y.values.indexOf(Number(values[y.name]))];
    return ix < 0 || iy < 0 ? -1 : iy * this.nx + ix;
  }

  /** @param {Cell} job */
  take(job) {
    const cell = this.placeOf(job.values);
    if (cell < 0) return;
    this.jobs[cell] = [...this.jobs[cell].filter(({ seed }) => seed !== job.seed), job];
    this.known[cell] = 1;
    const { figures, header } = this;
    const losses = this.jobs[cell].map((each) => lossOf(each, header.loss));
    figures.stopped[cell] = this.jobs[cell].some(({ stopped }) => stopped) ? 1 : 0;
    figures.loss[cell] = median(losses);
    figures.low[cell] = Math.min(...losses);
    figures.high[cell] = Math.max(...losses);
    figures.accuracy[cell] = median(this.jobs[cell].map(({ accuracy }) => accuracy ?? NaN));
  }

  /** The settings of a cell along the axes. @param {number} cell */
  at(cell) {
    return { x: this.header.x.values[cell % this.nx], y: this.header.y.values[Math.floor(cell / this.nx)] };
  }

  get cells() {
    return [...this.known.keys()].filter((cell) => this.known[cell]);
  }
}
