// The cards of the left column: the job, the map's axes, computing it, and the search.

import { html, nothing, render } from "../vendor/lit.mjs";
import { byId } from "../web/one.mjs";
import { count, reading } from "../web/scale.mjs";
import { methodOf, nameOf } from "../finetuning/facts.mjs";
import { facts, withKeys } from "./text.mjs";

/** @import { About, ModelMap } from "./data.mjs" */
/** @import { Watched } from "./watched.mjs" */

/**
 * @typedef {object} Found what a search says at its end (viz_app/finetuning/search_results.py)
 * @property {string} opt @property {number | null} loss @property {boolean} same @property {boolean} better @property {string} sentence
 * @property {number} known @property {number} made @property {number} forwards @property {number} seconds
 */

/** @param {Event} event */
const typed = ({ target }) => /** @type {HTMLInputElement | HTMLSelectElement} */ (target).value.trim();
/** @param {string} opt */
const optimizer = (opt) => ({ opt });

/** Whether a setting is its method's default, which goes without saying. @param {string} method @param {string} name @param {string} value */
const isUsual = (method, name, value) => name !== "lr" && String(methodOf(method)?.hyperparameters.find((each) => each.name === name)?.default) === value;

const NAMES = { x: "Across", y: "Up" };

/**
 * @typedef {object} Hooks
 * @property {(changes: Record<string, string | number>) => void} changed keys of the map's text
 * @property {() => void} compute start it, or stop it @property {(over: string, trials: string) => void} tune the same of the search
 */

/** The job and its budget. @param {About} about @param {Hooks} hooks */
export function showJob(about, { changed }) {
  const row = (/** @type {string} */ key, /** @type {string} */ label, /** @type {number} */ value, /** @type {string} */ unit, /** @type {string} */ help) =>
    html`<div class="row mm-row" data-field="run.${key}" title=${help}><label for="mm-${key}">${label}</label><input id="mm-${key}" inputmode="numeric" spellcheck="false" .value=${String(value)} @change=${(/** @type {Event} */ event) => changed({ [key]: typed(event).replaceAll(",", "") })}><span>${unit}</span></div>`;
  render(
    html`<h2>Job</h2><dl class="mm-facts">${facts(about.base, (method, name, value) => ![about.x.name, about.y.name].includes(name) && !isUsual(method, name, value)).map(([name, value]) => html`<dt>${nameOf(name)}</dt><dd>${value}</dd>`)}</dl>
      <p><a href="/opt?${about.base}">Change it on the Language model page</a></p>
      ${row("forwards", "Budget", about.forwards, "passes", "Forward passes of every run of every cell: cells are compared at equal passes")}
      ${row("seeds", "Seeds", about.seeds, "a cell", "Runs of every cell, with seeds of their own: the map shows their median, and says where cells are tied")}`,
    byId("mm-job"),
  ); // prettier-ignore
}

/** The two axes. @param {About} about @param {Hooks} hooks */
export function showAxes(about, { changed }) {
  const row = (/** @type {"x" | "y"} */ which) => {
    const axis = about[which];
    const other = which === "x" ? "y" : "x";
    const choose = (/** @type {Event} */ event) => {
      const name = typed(event);
      const usual = about.usual.find((each) => each.name === name)?.text ?? "";
      // Both axes the same would be no map: they change places.
      if (name === about[other].name) changed({ [which]: `${name}=${about[other].text}`, [other]: `${axis.name}=${axis.text}` });
      else changed({ [which]: `${name}=${usual}` });
    };
    return html`<div class="row axis-row mm-axis" data-field="axis.${which}"><label>${NAMES[which]}</label>
      <select aria-label="Hyperparameter ${NAMES[which].toLowerCase()}" @change=${choose}>${about.usual.map(({ name, label }) => html`<option value=${name} .selected=${name === axis.name}>${label}</option>`)}</select>
      <input class="axis-list" aria-label="${NAMES[which]}: values" title="Values with commas between them, or from:to:how many" spellcheck="false" .value=${axis.text} @change=${(/** @type {Event} */ event) => changed({ [which]: `${axis.name}=${typed(event).replace(/[\s,]+/g, ",")}` })}></div>`;
  };
  render(html`<h2>Axes</h2>${row("x")}${row("y")}`, byId("axes"));
}

/** Computing the map. @param {About} about @param {ModelMap} map @param {Watched} job @param {Hooks} hooks */
export function showRun(about, map, job, { compute }) {
  const runs = map.jobs.flat().length;
  const all = map.total * about.seeds;
  const isDone = job.state === "finished";
  const label = job.isOpen ? "Stop" : runs && !isDone ? "Go on" : "Compute the map";
  const status = job.lost || (job.isOpen ? [job.state === "running" ? "" : job.state, job.left, job.said, job.doing].filter(Boolean).join("; ") : isDone ? "" : job.state ? `${job.state}${job.said ? `: ${job.said}` : ""}` : about.sentence); // prettier-ignore
  render(
    html`<div class="head"><h2>Compute</h2><button id="mm-go" class=${job.isOpen ? "" : "primary"} ?hidden=${isDone} @click=${compute}>${label}</button></div>
      ${runs ? html`<progress max=${all} value=${isDone ? all : runs} aria-label="Runs computed"></progress>` : nothing}
      <p id="mm-status" class="note" role="status">${[runs ? `${count(runs)} of ${count(all)} runs` : "", status].filter(Boolean).join("; ")}</p>
      ${runs ? html`<p><a href="/api/finetune/${job.id}/table.csv" download>Table (CSV)</a></p>` : nothing}`,
    byId("mm-run"),
  ); // prettier-ignore
}

/** The search. @param {About} about @param {Watched} job @param {{over: string, trials: string, error: string, found: Found | null, made: number, why: string}} search @param {Hooks} hooks */
export function showTune(about, job, search, { tune, changed }) {
  const { found } = search;
  const over = () => byId("tune-over", HTMLInputElement).value.trim();
  const trials = () => byId("tune-trials", HTMLInputElement).value.trim();
  const go = () => tune(over(), trials());
  const spent = found && `Started from ${count(found.known)} known settings; tried ${count(found.made)} more: ${count(found.forwards)} forward passes, ${reading(Math.round(found.seconds))} s. `;
  const result = found
    ? html`${spent}<b>${found.sentence}.</b> ${search.why} ${found.same ? nothing : html`<button id="tune-take" @click=${() => changed(optimizer(found.opt))}>Move the controls there</button> <a href="/opt?${withKeys(about.base, optimizer(found.opt))}">Train it</a>`}`
    : job.isOpen
      ? `${[job.left, job.said].filter(Boolean).join("; ") || job.state}. ${count(search.made)} runs so far. ${job.doing}`
      : job.state && job.state !== "finished"
        ? `${job.state}: ${job.said}`
        : "Looks for the best setting at this budget and these seeds; starts from the cells that are computed.";
  render(
    html`<div class="head"><h2>Tune</h2></div>
      <div class="row mm-row" data-field="tune.over"><label for="tune-over">Vary</label><input id="tune-over" spellcheck="false" title="Names with commas between them: ${about.usual.map(({ name }) => name).join(", ")}" .value=${search.over}></div>
      <div class="row tune-row ${search.error && "error"}" data-field="tune.trials"><label for="tune-trials">Budget, settings</label><input id="tune-trials" inputmode="numeric" spellcheck="false" .value=${search.trials}><button id="tune-go" @click=${go}>${job.isOpen ? "Stop" : "Tune"}</button>
      ${search.error ? html`<p class="error-text" role="alert">${search.error}</p>` : nothing}</div><p id="tune-note" class="note" role="status">${result}</p>`,
    byId("tune"),
  ); // prettier-ignore
}
