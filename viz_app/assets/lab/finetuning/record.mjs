// What is known of a fine-tuning job: its messages, folded into one record that every panel reads. No DOM, no network.

/** @import { Over } from "./over.mjs" */
/**
 * @import { Compared, Evaluation, HeadroomMessage, HessianMessage, MemoryRow, Message, Path, PlanMessage, PlannedRun, ProgressMessage, RateMessage, SeedMessage, SettingMessage, State, TruthMessage } from "./messages.mjs"
 */

/**
 * @typedef {Record<Column, number[]>} Steps columns, one entry per step made; NaN where a method has no such number
 * @typedef {"step" | "forwards" | "seconds" | "loss" | "slope" | "curvature" | "length" | "lr" | "alpha"} Column
 *   step: from 1; forwards: passes spent after it; length: ‖θ_{t+1} − θ_t‖
 *
 * @typedef {Omit<HessianMessage, "type" | "run"> & {forwards: number}} Hessian
 * @typedef {Omit<TruthMessage, "type" | "run"> & {forwards: number}} Truth Hutchinson's estimate of the true diagonal
 * @typedef {Omit<HeadroomMessage, "type" | "run"> & {forwards: number}} Headroom
 * @typedef {Omit<SettingMessage, "type" | "run"> & {forwards: number}} Setting a change of lr or α while it ran, from
 *   the step after `step` on
 *
 * @typedef {object} Run
 * @property {number} index among the runs that are shown @property {number} number among all of the job, as the server counts
 * @property {number} repetition of its seed, from 0 @property {number} seed @property {string} label hizoo#2 @property {string} method @property {string} name
 * @property {Record<string, number | string>} hyperparameters
 * @property {number} forwardsPerStep @property {number} filling spent before the first step @property {number} planned steps in all
 * @property {boolean} estimatesHessian
 * @property {Steps} steps @property {Evaluation[]} evaluations by step @property {Hessian[]} hessians by step
 * @property {Truth[]} truths by step @property {Headroom[]} headrooms by step @property {Setting[]} settings
 * @property {Omit<RateMessage, "type" | "run">[]} rates what lr=auto went by, by step; empty without
 * @property {Rebuilt[]} rebuilt steps rebuilt from the log for the cursor, by step
 * @property {{state: State, message: string} | null} ended why this run alone ended
 *
 * @typedef {{evaluation: Evaluation, hessian: Hessian | null}} Rebuilt
 *
 * @typedef {object} Surface loss on a plane, filled in bit by bit
 * @property {"fixed" | "ends"} kind @property {number[]} x @property {number[]} y
 * @property {number[][]} z z[iy][ix], NaN where not computed yet  @property {number} filled cells known
 * @property {boolean} done
 *
 * @typedef {object} LabRecord
 * @property {PlanMessage | null} plan @property {Run[]} runs in the spec's order, seed by seed
 * @property {Map<number, SeedMessage>} seeds by repetition, of those beyond the first that have begun
 * @property {{seeds: number, pairs: Compared[]} | null} comparison of the optimizers over the seeds that are done
 * @property {{kind: string, note: string, runs: Path[]} | null} plane
 *   the plane of the runs' end points, once all have ended; while it runs, positions are in the evaluations
 * @property {{fixed: Surface | null, ends: Surface | null}} surfaces
 * @property {{rows: MemoryRow[], how: string} | null} memory
 * @property {{state: State, message: string}} status of the job
 * @property {Omit<ProgressMessage, "type"> | null} progress of what takes its time and is no training
 * @property {{run: number | null, message: string}[]} notes what failed or wants a look beside the training
 * @property {{run: number, step: number} | null} rebuilding the step that is being rebuilt from the log, for the cursor
 * @property {number} version grows with every message
 *
 * @typedef {LabRecord & {plan: PlanMessage, over: Over[], own: {title: string, words: string}}} PlannedRecord what panels
 *   are given: with what is laid over, and how the job itself is called beside that
 *
 * @typedef {object} Cursor the moment that everything shows
 * @property {number | null} run the optimizer that was pointed at, null for all
 * @property {number | null} repetition the seed that panels of one seed show, null for the newest
 * @property {number} forwards passes spent by then
 * @property {boolean} live follows the newest
 *
 * @typedef {Pick<Cursor, "forwards" | "live">} Moment
 */

/** @type {Column[]} */
const COLUMNS = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"];

/** A record of nothing yet. @returns {LabRecord} */
export function emptyRecord() {
  return {
    plan: null,
    runs: [],
    seeds: new Map(),
    comparison: null,
    plane: null,
    surfaces: { fixed: null, ends: null },
    memory: null,
    status: { state: "queued", message: "" },
    progress: null,
    notes: [],
    rebuilding: null,
    version: 0,
  };
}

/** Fold one message into a record, in place; the same message twice changes nothing more. @param {LabRecord} record @param {Message} message */
export function fold(record, message) {
  const run = "run" in message && message.run !== null ? record.runs[message.run] : null;
  record.version++;
  switch (message.type) {
    case "plan":
      record.plan = message;
      record.progress = null;
      record.runs = message.runs.map((planned, index) => ({ ...emptyRun(planned, index), ...kept(record.runs[index]) }));
      break;
    case "seed":
      record.seeds.set(message.repetition, message);
      break;
    case "comparison":
      record.comparison = { seeds: message.seeds, pairs: message.pairs };
      break;
    case "steps":
      if (run) addSteps(run.steps, message.columns, message.rows);
      record.progress = null;
      break;
    case "evaluation":
      if (run) put(run.evaluations, message);
      break;
    case "hessian":
      if (run) put(run.hessians, timed(run, message));
      break;
    case "truth":
      if (run) put(run.truths, timed(run, message));
      break;
    case "headroom":
      if (run) put(run.headrooms, timed(run, message));
      break;
    case "setting":
      if (run) put(run.settings, timed(run, message));
      break;
    case "rate":
      if (run) put(run.rates, message);
      break;
    case "memory":
      record.memory = { rows: message.rows, how: message.how };
      break;
    case "plane":
      record.plane = { kind: message.kind, note: message.note, runs: message.runs };
      break;
    case "surface":
      addCells(record, message);
      break;
    case "status":
      if (run) run.ended = { state: message.state, message: message.message };
      else {
        record.status = { state: message.state, message: message.message };
        if (message.state !== "queued" && message.state !== "running") record.progress = null;
      }
      break;
    case "note":
      if (!record.notes.some((note) => note.run === message.run && note.message === message.message)) {
        record.notes.push({ run: message.run, message: message.message });
      }
      break;
    case "progress": {
      const { message: text, done, total, unit } = message;
      const isOver = text === "" || (total > 0 && done >= total);
      record.progress = isOver ? null : { message: text, done, total, unit };
      break;
    }
  }
}

/** Add rows, whose columns the message names, in place of those of the same steps. @param {Steps} steps @param {string[]} columns @param {(number | null)[][]} rows */
function addSteps(steps, columns, rows) {
  const places = COLUMNS.map((name) => columns.indexOf(name));
  for (const row of rows) {
    const step = row[places[0]] ?? NaN;
    if (step <= (steps.step.at(-1) ?? 0)) cut(steps, step); // sent again after a restart
    COLUMNS.forEach((name, i) => steps[name].push(row[places[i]] ?? NaN));
  }
}

/** Forget a run's steps from `first` on. @param {Steps} steps @param {number} first */
function cut(steps, first) {
  const length = steps.step.findIndex((step) => step >= first);
  for (const name of COLUMNS) steps[name].length = length;
}

/** @param {LabRecord} record @param {import("./messages.mjs").SurfaceMessage} message */
function addCells(record, { kind, x, y, cells, done }) {
  const known = record.surfaces[kind];
  const surface = known && known.x.join() === x.join() && known.y.join() === y.join()
    ? known
    : { kind, x, y, z: y.map(() => x.map(() => NaN)), filled: 0, done };
  for (const [ix, iy, loss] of cells) {
    if (Number.isNaN(surface.z[iy][ix])) surface.filled++;
    surface.z[iy][ix] = loss ?? Infinity;
  }
  surface.done = done;
  record.surfaces[kind] = surface;
}

/**
 * What /at answered for a step of a run: kept beside what was sent, for the cursor only.
 * @param {LabRecord} record @param {number} run
 * @param {{evaluation: Evaluation, hessian: HessianMessage | null}} answer
 */
export function keepRebuilt(record, run, { evaluation, hessian }) {
  const { rebuilt } = record.runs[run];
  if (rebuilt.some((known) => known.evaluation.step === evaluation.step)) return;
  rebuilt.push({ evaluation, hessian: hessian && timed(record.runs[run], hessian) });
  rebuilt.sort((a, b) => a.evaluation.step - b.evaluation.step);
  record.version++;
}

/** The last step a run has made by the cursor: 0 before the first. @param {Run} run @param {Moment} cursor */
export function stepAt(run, cursor) {
  const made = run.steps.step.at(-1) ?? 0;
  return cursor.live ? made : Math.max(0, Math.min(Math.floor((cursor.forwards - run.filling) / run.forwardsPerStep + 1e-9), made));
}

/**
 * The last of a run's evaluations, hessians, truths or settings at or before the cursor; null if there is none yet. That
 * of step 0 holds for all that is before the first step.
 * @template {{step: number, forwards: number}} Entry
 * @param {Entry[]} list @param {Moment} cursor @returns {Entry | null}
 */
export function latest(list, cursor) {
  if (cursor.live) return list.at(-1) ?? null;
  return list.findLast(({ step, forwards }) => step === 0 || forwards <= cursor.forwards + 1e-6) ?? null;
}

/** The evaluation to show at the cursor: of that very step where it was sent or rebuilt, else the last one before it. @param {Run} run @param {Moment} cursor */
export const evaluationAt = (run, cursor) => newer(latest(run.evaluations, cursor), rebuiltAt(run, cursor)?.evaluation);

/** The same for P. @param {Run} run @param {Moment} cursor */
export const hessianAt = (run, cursor) => newer(latest(run.hessians, cursor), rebuiltAt(run, cursor)?.hessian);

/** @param {Run} run @param {Moment} cursor */
function rebuiltAt(run, cursor) {
  if (cursor.live) return null;
  const step = stepAt(run, cursor);
  return run.rebuilt.findLast(({ evaluation }) => evaluation.step <= step);
}

/**
 * @template {{step: number}} Entry
 * @param {Entry | null} sent @param {Entry | null | undefined} rebuilt @returns {Entry | null}
 */
const newer = (sent, rebuilt) => (rebuilt && rebuilt.step > (sent?.step ?? -1) ? rebuilt : sent);

/** Forward passes that the furthest run has spent. @param {LabRecord} record */
export const spent = (record) => Math.max(0, ...record.runs.map(({ steps, filling }) => steps.forwards.at(-1) ?? filling));

/** Forward passes that the longest run will have spent. @param {LabRecord} record */
export const budget = (record) => Math.max(1, ...record.runs.map((run) => spentAt(run, run.planned)));

/** Forward passes of the whole model that a run has spent after a step. @param {Run} run @param {number} step */
export const spentAt = (run, step) => run.filling + step * run.forwardsPerStep;

/** Whether a run makes no more steps, though its job may go on. @param {Run} run */
export const isOver = ({ ended, steps, planned }) => ended !== null || (steps.step.at(-1) ?? 0) >= planned;

/** @param {PlannedRun} planned @param {number} index @returns {Run} */
function emptyRun({ repetition = 0, seed = 0, label, method, name, hyperparameters, forwards_per_step, filling, steps, estimates_hessian }, index) {
  return {
    index,
    number: index,
    repetition,
    seed,
    label,
    method,
    name,
    hyperparameters,
    forwardsPerStep: forwards_per_step,
    filling: filling ?? 0,
    planned: steps,
    estimatesHessian: estimates_hessian,
    ended: null,
    steps: { step: [], forwards: [], seconds: [], loss: [], slope: [], curvature: [], length: [], lr: [], alpha: [] },
    evaluations: [],
    hessians: [],
    truths: [],
    headrooms: [],
    settings: [],
    rates: [],
    rebuilt: [],
  };
}

/** What a plan that is sent again must not lose. @param {Run | undefined} run */
function kept(run) {
  if (!run) return {};
  const { steps, evaluations, hessians, truths, headrooms, settings, rates, rebuilt } = run;
  return { steps, evaluations, hessians, truths, headrooms, settings, rates, rebuilt };
}

/**
 * @template {{step: number}} Entry
 * @param {Run} run @param {Entry} entry @returns {Entry & {forwards: number}}
 */
const timed = (run, entry) => ({ ...entry, forwards: spentAt(run, entry.step) });

/**
 * Add to a list in the order of steps; one of the same step gives way.
 * @template {{step: number}} Entry
 * @param {Entry[]} list @param {Entry} entry
 */
function put(list, entry) {
  const place = list.findIndex(({ step }) => step >= entry.step);
  if (place < 0) list.push(entry);
  else list.splice(place, list[place].step === entry.step ? 1 : 0, entry);
}
