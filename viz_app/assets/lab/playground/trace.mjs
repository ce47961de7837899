// What the server computed: a JSON header, then float32 arrays (viz_app/playground/wire.py writes it).

/**
 * @typedef {object} Track one optimizer's runs
 * @property {string} label
 * @property {string} method
 * @property {number} frames recorded steps R
 * @property {number} runs B
 * @property {Float32Array} step (R,)
 * @property {Float32Array} path (R, B, 2) the two shown coordinates
 * @property {Float32Array} gap_q (3, R) 10 %, 50 %, 90 % of the loss above the minimum
 * @property {Float32Array=} h_q (3, H, d) the same of P
 */

/** Decode a binary answer into its header and arrays. Arrays are views: nothing is copied. */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = 4 + length;
  const view = ({ offset, shape }) => new Float32Array(buffer, start + offset, shape.reduce((a, b) => a * b, 1));
  return { header, view };
}

/** A trace: its header and one Track an optimizer. */
export function decodeTrace(buffer) {
  const { header, view } = decode(buffer);
  const tracks = header.optimizers.map((optimizer) => {
    const arrays = {};
    const shapes = {};
    for (const [name, place] of Object.entries(optimizer.arrays)) {
      arrays[name] = view(place);
      shapes[name] = place.shape;
    }
    return {
      ...optimizer,
      ...arrays,
      shapes,
      frames: shapes.step[0],
      runs: header.runs,
      hStep: arrays.h_step ?? arrays.step,
    };
  });
  return { header, tracks, dim: header.function.dim, reference: header.reference };
}

/**
 * What the clock shows at each of a track's frames. A fork with another n pays another price a step, so that passes, and
 * the seconds that are shared out by them, are a line with corners.
 * @returns {Float32Array | Float64Array} (R,)
 */
function times(track, clock) {
  if (clock === "steps") return track.step;
  if (clock === "forwards") return track.forwards;
  const second = track.seconds / (track.forwards[track.frames - 1] || 1);
  return (track.inSeconds ??= Float64Array.from(track.forwards, (passes) => passes * second));
}

/** Where `value` of the rising `from` lies in `to`, straight between two entries. */
function between(from, to, value) {
  const i = Math.min(lastAtMost(from, value), from.length - 2);
  if (i < 0) return to[0];
  const part = from[i + 1] > from[i] ? (value - from[i]) / (from[i + 1] - from[i]) : 0;
  return to[i] + Math.min(Math.max(part, 0), 1) * (to[i + 1] - to[i]);
}

/** The clock at a step of a track. */
export const clockAt = (track, step, clock) => (clock === "steps" ? step : between(track.step, times(track, clock), step));

/** The step of a track, not rounded, at a time of the clock; the last one when the clock goes on after its end. */
export const stepAt = (track, time, clock) => between(times(track, clock), track.step, time);

/** The hyperparameters of the step that leaves `step`: a fork's are others from its step on. */
export const settingsAt = (track, step) => track.changes.findLast((change) => change.step <= step)?.hyperparameters ?? track.hyperparameters;

/** The frame of the last recorded step at or before `step`. */
export const frameOf = (track, step) => lastAtMost(track.step, step);

/**
 * Where the clock ends. By forward passes the race is over when the first of the zeroth-order methods has spent its own:
 * what another does beyond that budget is no comparison (the clock of steps shows it). Otherwise it ends with the last.
 */
export function clockLength(trace, clock) {
  const length = (track) => times(track, clock)[track.frames - 1];
  if (clock !== "forwards") return Math.max(...trace.tracks.map(length));
  const racing = trace.tracks.filter((track) => track.n !== null);
  return Math.min(...(racing.length ? racing : trace.tracks).map(length));
}

/** How many of a track's steps (frames, or those of its curvature) the clock shows: up to the first at or after its end. */
export function shownFrames(steps, track, trace, clock) {
  const last = lastAtMost(steps, stepAt(track, clockLength(trace, clock), clock) + 1e-6);
  return Math.min(last + 2, steps.length);
}

/** Last index whose entry is at most `value`, in a rising array. */
export function lastAtMost(array, value) {
  let low = 0;
  let high = array.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (array[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A track's frame at a time of the clock, with the fraction on the way to the next. */
export function frameAt(track, time, clock) {
  const step = stepAt(track, time, clock) + 1e-6;
  const frame = lastAtMost(track.step, step);
  const next = Math.min(frame + 1, track.frames - 1);
  const gap = track.step[next] - track.step[frame];
  return { frame, part: gap > 0 ? Math.min((step - track.step[frame]) / gap, 1) : 0, step: Math.min(step, track.step[track.frames - 1]) };
}
