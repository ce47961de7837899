// What the page says about a job in words: its state, what it waits for, and before it starts, what Start will do.

/** @import { LabRecord } from "./record.mjs" */
/** @import { FormState } from "./formstate.mjs" */
/** @import { ShownJob } from "./shown.mjs" */
/** @import { State } from "./messages.mjs" */
import { html, nothing } from "../vendor/lit.mjs";
import { count } from "../web/scale.mjs";
import { facts } from "./facts.mjs";

/** @type {Record<State, string>} */
const STATES = { "": "", queued: "Waiting for its turn", running: "Training", paused: "Paused", finished: "Finished", stopped: "Stopped", failed: "Failed" };

/** The line of the live bar: the connection, the cursor's step, loading, or the state. @param {ShownJob} job */
export function statusLine(job) {
  const { record } = job;
  const { titles } = job.look;
  if (job.line) return job.line;
  if (record.rebuilding) return `Rebuilding step ${count(record.rebuilding.step)} of ${titles[record.rebuilding.run]} from the log …`;
  if (job.cannot) return job.cannot;
  if (record.progress) return progressLine(record.progress);
  const { plan, status } = record;
  const place = plan ? `${plan.model.title}; ${plan.device.title}; ${plan.dtype}; ${large(plan.model.tuned)} trainable parameters` : "";
  const failures = record.runs.filter(({ ended }) => ended?.state === "failed").map(({ index, ended }) => `${titles[index]} ${ended?.message}`);
  const notes = record.notes.map(({ run, message }) => (run === null ? message : `${titles[run]}: ${message}`));
  const state = status.message || (job.isFindingPlane ? "All runs have ended; projecting their paths on the plane of their end points" : STATES[status.state]);
  return [state, ...failures, ...notes, place].filter(Boolean).map((text) => text.replace(/\.$/, "")).join(". ");
}

/** What is waited for, and how much of it is done, in what it counts. @param {NonNullable<LabRecord["progress"]>} progress */
const progressLine = ({ message, done, total, unit }) => (total > 0 ? `${message}: ${count(done)} of ${count(total)} ${unit}` : message);

/** 1.33 M @param {number} value */
const large = (value) => (value < 1e5 ? count(value) : value < 1e9 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e9).toPrecision(3)} G`);

/** In place of the largest picture while a job has no plan yet. @param {LabRecord} record */
export function waiting({ progress, status }) {
  const text = progress ? progressLine(progress) : status.message || STATES[status.state] || "Waiting for the server";
  const bar = progress && progress.total > 0 ? html`<progress max=${progress.total} value=${progress.done} aria-label=${text}></progress>` : nothing;
  return html`<p class="large">${text}</p>${bar}`;
}

/** In place of the largest picture while there is no job: what Start will do. @param {FormState} state */
export function intention(state) {
  const { budget, budgetKind, model, task } = state.values;
  const amount = Number(budget);
  const steps = (/** @type {number} */ passes) => (budgetKind === "steps" ? `${count(amount)} steps` : `${count(Math.floor(amount / passes))} steps of ${passes} forward passes`);
  const texts = task === "table" ? "your own texts" : facts.names.task[task] ?? task;
  return html`
    <p class="large">Start trains ${model === "bundled" ? "the bundled OPT model" : model} to classify ${texts}, once with each optimizer, on the same minibatches:</p>
    <ul>${state.optimizers.map(({ title, colour, passes }) => html`<li><i style="background:var(${colour})"></i><b>${title}</b> ${steps(passes)}</li>`)}</ul>
    <p>Here you will see how far each of them gets from the start, on a plane through the space of all trainable parameters, over the loss on that plane.</p>`;
}
