// What is known of a fine-tuning job: its messages, folded into one record that every panel reads. No DOM, no network.

/**
 * @typedef {object} Plan the "plan" message as sent: spec, model, device, dtype, task, sentences, runs, groups, zero_shot
 *
 * @typedef {object} Steps columns, one entry per step made; NaN where a method has no such number
 * @property {number[]} step from 1  @property {number[]} forwards passes spent after it  @property {number[]} seconds
 * @property {number[]} loss @property {number[]} slope @property {number[]} curvature
 * @property {number[]} length ‖θ_{t+1} − θ_t‖  @property {number[]} lr @property {number[]} alpha
 *
 * @typedef {object} Evaluation
 * @property {number} step from 0 @property {number} forwards @property {number} seconds
 * @property {number} loss held-out cross-entropy @property {number} accuracy @property {number} f1
 * @property {number[][]} probabilities per sentence of the plan, per class
 * @property {[number, number]=} position on the fixed plane  @property {number=} distance ‖θ − θ_0‖
 *
 * @typedef {object} Hessian
 * @property {number} step @property {number} forwards
 * @property {number[][]} quantiles [q10, q50, q90, mean] per group of the plan
 * @property {{edges: number[], counts: number[][]}} histogram edges are log10 of P, counts per group
 *
 * @typedef {object} Truth Hutchinson's estimate of the true diagonal
 * @property {number} step @property {number} forwards @property {[number, number][]} groups mean and standard error
 * @property {number} probes @property {number} seconds @property {string} cost
 *
 * @typedef {object} Setting a change of lr or α while it ran, from the step after `step` on
 * @property {number} step @property {number} forwards @property {number|null} lr @property {number|null} alpha
 *
 * @typedef {object} Run
 * @property {number} index in the spec @property {string} label hizoo#2 @property {string} method @property {string} name
 * @property {object} hyperparameters @property {number} forwardsPerStep @property {number} planned steps in all
 * @property {boolean} estimatesHessian
 * @property {Steps} steps @property {Evaluation[]} evaluations by step @property {Hessian[]} hessians by step
 * @property {Truth[]} truths by step @property {Setting[]} settings
 * @property {{evaluation: Evaluation, hessian: Hessian|null}[]} rebuilt steps rebuilt from the log for the cursor, by step
 * @property {{state: string, message: string}|null} ended why this run alone ended
 *
 * @typedef {object} Surface loss on a plane, filled in bit by bit
 * @property {"fixed"|"ends"} kind @property {number[]} x @property {number[]} y
 * @property {number[][]} z z[iy][ix], NaN where not computed yet  @property {number} filled cells known @property {boolean} done
 *
 * @typedef {object} Record
 * @property {Plan|null} plan @property {Run[]} runs in the spec's order
 * @property {{kind: string, note: string, runs: {run: number, steps: number[], points: number[][]}[]}|null} plane
 *   the plane of the runs' end points, once all have ended; while it runs, positions are in the evaluations
 * @property {{fixed: Surface|null, ends: Surface|null}} surfaces
 * @property {{rows: object[], how: string}|null} memory
 * @property {{state: string, message: string}} status of the job
 * @property {{message: string, done: number, total: number}|null} progress of loading and the like
 * @property {{run: number, step: number}|null} rebuilding the step that is being rebuilt from the log, for the cursor
 * @property {number} version grows with every message
 *
 * @typedef {object} Cursor the moment that everything shows
 * @property {number|null} run the run that was pointed at, null for all  @property {number} forwards passes spent by then
 * @property {boolean} live follows the newest
 */

const COLUMNS = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"];

/** A record of nothing yet. @returns {Record} */
export function emptyRecord() {
  return {
    plan: null,
    runs: [],
    plane: null,
    surfaces: { fixed: null, ends: null },
    memory: null,
    status: { state: "queued", message: "" },
    progress: null,
    rebuilding: null,
    version: 0,
  };
}

/** Fold one message into a record, in place; the same message twice changes nothing more. @param {Record} record */
export function fold(record, message) {
  FOLDS[message.type]?.(record, message);
  record.version++;
}

const FOLDS = {
  plan(record, message) {
    record.plan = message;
    record.progress = null;
    record.runs = message.runs.map((run, index) => ({ ...emptyRun(run, index), ...kept(record.runs[index]) }));
  },

  steps(record, { run, rows }) {
    const { steps } = record.runs[run];
    for (const row of rows) {
      if (row[0] <= (steps.step.at(-1) ?? 0)) cut(steps, row[0]); // sent again after a restart
      COLUMNS.forEach((name, i) => steps[name].push(row[i] ?? NaN));
    }
    record.progress = null;
  },

  evaluation(record, { type: _, run, ...evaluation }) {
    put(record.runs[run].evaluations, evaluation);
  },

  hessian(record, { type: _, run, ...hessian }) {
    put(record.runs[run].hessians, timed(record.runs[run], hessian));
  },

  truth(record, { type: _, run, ...truth }) {
    put(record.runs[run].truths, timed(record.runs[run], truth));
  },

  setting(record, { type: _, run, ...setting }) {
    put(record.runs[run].settings, timed(record.runs[run], setting));
  },

  memory(record, { rows, how }) {
    record.memory = { rows, how };
  },

  plane(record, { kind, note, runs }) {
    record.plane = { kind, note, runs };
  },

  surface(record, { kind, x, y, cells, done }) {
    const same = record.surfaces[kind]?.x.join() === x.join() && record.surfaces[kind].y.join() === y.join();
    const surface = same ? record.surfaces[kind] : { kind, x, y, z: y.map(() => x.map(() => NaN)), filled: 0, done };
    for (const [ix, iy, loss] of cells) {
      if (Number.isNaN(surface.z[iy][ix])) surface.filled++;
      surface.z[iy][ix] = loss ?? Infinity;
    }
    surface.done = done;
    record.surfaces[kind] = surface;
  },

  status(record, { state, run, message }) {
    if (run === null || run === undefined) record.status = { state, message };
    else record.runs[run].ended = { state, message };
    if (state !== "queued" && state !== "running") record.progress = null;
  },

  progress(record, { message, done, total }) {
    record.progress = message ? { message, done, total } : null; // an empty one: it is over
  },
};

/** What /at answered for a step of a run: kept beside what was sent, for the cursor only. */
export function keepRebuilt(record, run, { evaluation, hessian }) {
  const { rebuilt } = record.runs[run];
  if (rebuilt.some((known) => known.evaluation.step === evaluation.step)) return;
  rebuilt.push({ evaluation, hessian: hessian && timed(record.runs[run], hessian) });
  rebuilt.sort((a, b) => a.evaluation.step - b.evaluation.step);
  record.version++;
}

/** The last step a run has made by the cursor: 0 before the first. */
export function stepAt(run, cursor) {
  const made = run.steps.step.at(-1) ?? 0;
  return cursor.live ? made : Math.min(Math.floor(cursor.forwards / run.forwardsPerStep + 1e-9), made);
}

/** The last of a run's evaluations, hessians, truths or settings at or before the cursor; null if there is none yet. */
export function latest(list, cursor) {
  if (cursor.live) return list.at(-1) ?? null;
  return list.findLast(({ forwards }) => forwards <= cursor.forwards + 1e-6) ?? null;
}

/** The evaluation to show at the cursor: of that very step where it was sent or rebuilt, else the last one before it. */
export const evaluationAt = (run, cursor) => withRebuilt(run.evaluations, run, cursor, "evaluation");

/** The same for P. */
export const hessianAt = (run, cursor) => withRebuilt(run.hessians, run, cursor, "hessian");

function withRebuilt(list, run, cursor, kind) {
  const sent = latest(list, cursor);
  if (cursor.live) return sent;
  const step = stepAt(run, cursor);
  const rebuilt = run.rebuilt.findLast((known) => known.evaluation.step <= step && known[kind])?.[kind];
  return rebuilt && rebuilt.step > (sent?.step ?? -1) ? rebuilt : sent;
}

/** Forward passes that the furthest run has spent. */
export const spent = (record) => Math.max(0, ...record.runs.map(({ steps }) => steps.forwards.at(-1) ?? 0));

/** Forward passes that the longest run will have spent. */
export const budget = (record) => Math.max(1, ...record.runs.map((run) => run.planned * run.forwardsPerStep));

function emptyRun({ label, method, name, hyperparameters, forwards_per_step, steps, estimates_hessian }, index) {
  return {
    index,
    label,
    method,
    name,
    hyperparameters,
    forwardsPerStep: forwards_per_step,
    planned: steps,
    estimatesHessian: estimates_hessian,
    ended: null,
    ...kept({}),
  };
}

/** What a plan that is sent again must not lose. */
function kept(run) {
  if (!run) return {};
  const none = () => Object.fromEntries(COLUMNS.map((name) => [name, []]));
  const { steps = none(), evaluations = [], hessians = [], truths = [], settings = [], rebuilt = [] } = run;
  return { steps, evaluations, hessians, truths, settings, rebuilt };
}

/** Forget a run's steps from `first` on. */
function cut(steps, first) {
  const length = steps.step.findIndex((step) => step >= first);
  for (const name of COLUMNS) steps[name].length = length;
}

const timed = (run, message) => ({ ...message, forwards: message.step * run.forwardsPerStep });

/** Add to a list in the order of steps; one of the same step gives way. */
function put(list, entry) {
  const place = list.findIndex(({ step }) => step >= entry.step);
  if (place < 0) list.push(entry);
  else list.splice(place, list[place].step === entry.step ? 1 : 0, entry);
}

/** Whether a run makes no more steps, though its job may go on. */
export const isOver = ({ ended, steps, planned }) => ended !== null || (steps.step.at(-1) ?? 0) >= planned;
