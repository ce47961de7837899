// A map's numbers: what has come of it, cell by cell, and each cell as a trace that the charts can draw.

const SCALARS = ["passes", "reached", "loss", "diverged", "bias"];
const CURVES = ["step", "path", "gap_q", "h_q", "true_h", "shown_h", "shown_hessian"];

export class MapData {
  /** @param {object} header the stream's first message  @param {string} query */
  constructor(header, query) {
    Object.assign(this, { header, query, done: 0, end: null, pieces: new Array(header.cells), traces: new Map() });
    this.known = new Uint8Array(header.cells);
    this.steps = new Uint32Array(header.cells);
    this.passesPerStep = new Uint32Array(header.cells);
    for (const name of SCALARS) this[name] = new Float32Array(header.cells).fill(NaN);
  }

  get nx() {
    return this.header.x.values.length;
  }
  get ny() {
    return this.header.y.values.length;
  }
  get total() {
    return this.header.cells;
  }
  get complete() {
    return this.end !== null;
  }

  /** Take some cells. @param {{header: object, view: (place: object) => Float32Array}} message */
  take({ header, view }) {
    const arrays = Object.fromEntries(Object.entries(header.arrays).map(([name, place]) => [name, view(place)]));
    header.cells.forEach((cell, k) => {
      this.known[cell] = 1;
      this.steps[cell] = header.steps[k];
      this.passesPerStep[cell] = header.passes_per_step[k];
      for (const name of SCALARS) if (arrays[name]) this[name][cell] = arrays[name][k];
      this.pieces[cell] = { arrays, k, count: header.cells.length };
    });
    this.done = header.done;
  }

  /** @param {{spent: number}} header the last message  @param {number} seconds from the request to it */
  finish(header, seconds) {
    this.end = { ...header, seconds };
  }

  /** The settings of a cell along the axes. */
  at(cell) {
    return { x: this.header.x.values[cell % this.nx], y: this.header.y.values[Math.floor(cell / this.nx)] };
  }

  /** All settings of a cell. */
  settings(cell) {
    const { x, y } = this.at(cell);
    return { ...this.header.hyperparameters, [this.header.x.name]: x, [this.header.y.name]: y };
  }

  /** A cell as a trace of one optimizer with one run, the median one; null while it is not computed. */
  trace(cell) {
    const piece = this.pieces[cell];
    if (!piece) return null;
    if (!this.traces.has(cell)) this.traces.set(cell, this.#trace(cell, piece));
    return this.traces.get(cell);
  }

  #trace(cell, { arrays, k, count }) {
    const { coords, method, hyperparameters, function: f } = this.header;
    const slice = (name) => arrays[name]?.subarray((k * arrays[name].length) / count, ((k + 1) * arrays[name].length) / count);
    const own = Object.fromEntries(CURVES.map((name) => [name, slice(name)]));
    const frames = recorded(own.step);
    const cut = (values, rows, width) => values && rowsOf(values, rows, own.step.length, width, frames);
    const step = own.step.subarray(0, frames);
    const passes = this.passesPerStep[cell];
    const gap_q = cut(own.gap_q, 3, 1);
    // The charts find a coordinate's curve by its number, so beyond two dimensions the shown pair is put in its place.
    const dim = f.dim === 2 ? 2 : Math.max(3, ...coords.map((j) => j + 1));
    const spread = (values) => (values && dim > 2 ? inPlace(values, coords, dim) : values);
    const track = {
      label: method,
      method,
      n: hyperparameters.n ?? null,
      passes_per_step: passes,
      hyperparameters: this.settings(cell),
      runs: 1,
      frames,
      step,
      hStep: step,
      forwards: step.map((t) => t * passes),
      path: own.path.subarray(0, 2 * frames),
      gap_q,
      gap: gap_q.subarray(frames, 2 * frames),
      h_q: spread(cut(own.h_q, 3, 2)),
      true_h: spread(own.true_h.subarray(0, 2 * frames)),
      shown_h: own.shown_h?.subarray(0, 2 * frames),
      shown_hessian: own.shown_hessian?.subarray(0, 3 * frames),
      shapes: {},
      changes: [],
    };
    for (const name of ["h_q", "shown_h", "shown_hessian"]) if (!track[name]) delete track[name];
    const { runs, target, reference } = this.header;
    return { header: { coords, runs, target, reference, function: f }, tracks: [track], dim, reference };
  }
}

/** How many steps a cell recorded: a cell with few steps fills its row's end with NaN or with its last step. */
function recorded(step) {
  let frames = 1;
  while (frames < step.length && step[frames] > step[frames - 1]) frames++;
  return frames;
}

/** The first `frames` of each of `rows` rows of values (rows, F, width). */
function rowsOf(values, rows, F, width, frames) {
  if (frames === F) return values;
  const result = new Float32Array(rows * frames * width);
  for (let row = 0; row < rows; row++) result.set(values.subarray(row * F * width, (row * F + frames) * width), row * frames * width);
  return result;
}

/** (…, 2) to (…, dim): the two at their coordinates, NaN elsewhere. */
function inPlace(values, [a, b], dim) {
  const result = new Float32Array((values.length / 2) * dim).fill(NaN);
  for (let i = 0; 2 * i < values.length; i++) {
    result[i * dim + a] = values[2 * i];
    result[i * dim + b] = values[2 * i + 1];
  }
  return result;
}
