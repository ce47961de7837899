// What the page says in place of the pictures: what a job waits for, and before it starts, what Start will do.

/** @import { LabRecord } from "./record.mjs" */
/** @import { FormState } from "./formstate.mjs" */
import { html, nothing } from "../vendor/lit.mjs";
import { count } from "../web/scale.mjs";
import { facts } from "./facts.mjs";
import { progressLine, STATES } from "./status.mjs";

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
