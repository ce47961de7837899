// What the page says about a job in a line: its state, what is done beside the training, how long it still takes.

/** @import { LabRecord } from "./record.mjs" */
/** @import { ShownJob } from "./shown.mjs" */
/** @import { State } from "./messages.mjs" */
import { count } from "../web/scale.mjs";
import { seedsOf } from "./seeds.mjs";

/** @type {Record<State, string>} */
export const STATES = { "": "", queued: "Waiting for its turn", running: "Training", paused: "Paused", finished: "Finished", stopped: "Stopped", failed: "Failed" };

/**
 * The line of the live bar: the connection, the cursor's step, loading, or the state.
 * @param {ShownJob} job @param {string | null} left how long it will still train
 */
export function statusLine(job, left) {
  const { record } = job;
  const { titles } = job.look;
  if (job.line) return job.line;
  if (record.rebuilding) return `Rebuilding step ${count(record.rebuilding.step)} of ${titles[record.rebuilding.run]} from the log …`;
  if (job.cannot) return job.cannot;
  if (record.progress) return progressLine(record.progress);
  const { plan, status } = record;
  const place = plan ? `${plan.model.title}; ${plan.device.title}; ${plan.dtype}; ${large(plan.model.tuned)} trainable parameters${plan.clock ? `. ${plan.clock}` : ""}` : "";
  const failures = record.runs.filter(({ ended }) => ended?.state === "failed").map(({ index, seed, ended }) => `${titles[index]}${seedsOf(record).length > 1 ? ` with seed ${seed}` : ""} ${ended?.message}`);
  const notes = record.notes.map(({ run, message }) => (run === null ? message : `${titles[run]}: ${message}`));
  const state = status.message || (job.isFindingPlane ? "All runs have ended; projecting their paths on the plane of their end points" : STATES[status.state]);
  const goesOn = left && status.state === "running" && !job.isFindingPlane ? left : "";
  return [[state, goesOn].filter(Boolean).join(", "), ...failures, ...notes, place].filter(Boolean).map((text) => text.replace(/\.$/, "")).join(". ");
}

/** What is waited for, and how much of it is done, in what it counts. @param {NonNullable<LabRecord["progress"]>} progress */
export const progressLine = ({ message, done, total, unit }) => (total > 0 ? `${message}: ${count(done)} of ${count(total)} ${unit}` : message);

/** 1.33 M @param {number} value */
const large = (value) => (value < 1e5 ? count(value) : value < 1e9 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e9).toPrecision(3)} G`);
