// The list of jobs, newest first: which there are, how far they are, open one, delete one.

/** @import { State } from "./messages.mjs" */
import { html, nothing, render, repeat } from "../vendor/lit.mjs";
import { count } from "../web/scale.mjs";
import { facts, nameOf } from "./facts.mjs";
import { ask, inWords } from "./server.mjs";
import { ENDED } from "./shown.mjs";
import { pairsOf } from "./spec.mjs";

const EVERY = 4000; // ms between two looks at the list
const SURE = 3000; // ms to confirm a deletion in
/** Tasks and tuning modes where there is little room. @type {Record<string, string>} */
const SHORT = { reviews: "reviews", sst2: "SST-2", table: "own file", full: "all", lora: "LoRA", prefix: "prefix", layernorm: "norms" };

/** @typedef {{id: number, spec: string, state: State, message: string, labels: string[], left: string | null}} Job as GET
 *   /api/finetune lists it; `left`: "about 3 min left" */

export class Jobs {
  /** @type {Job[]} */
  list = [];
  /** What the server has to say about the list. @type {string | null} */
  note = null;
  /** The job that is shown, and the part of it that is done, 0 to 1. @type {string | null} */
  #current = null;
  /** @type {number | null} */
  #part = null;
  /** The job whose deletion waits for a second click. @type {number | null} */
  #sure = null;

  /**
   * @param {HTMLElement} root
   * @param {{open: (job: Job) => void, gone: (id: number) => void, failed: (text: string) => void}} hooks
   */
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
    const timer = setInterval(() => {
      if (!root.isConnected) clearInterval(timer);
      else if (!document.hidden) this.refresh();
    }, EVERY);
  }

  /** Ask the server. Returns the list; the old one if the server does not answer. */
  async refresh() {
    try {
      ({ jobs: this.list, note: this.note } = await ask(""));
    } catch {
      return this.list; // the feed's line says it
    }
    this.#draw();
    return this.list;
  }

  /** @param {string | number} id */
  find(id) {
    return this.list.find((job) => String(job.id) === String(id));
  }

  /** Mark the job that is shown, with the part of it that is done. @param {string | null} id @param {State | null} state @param {number | null} part */
  show(id, state, part) {
    const job = id === null ? undefined : this.find(id);
    if (job && state) job.state = state;
    this.#current = id;
    this.#part = part;
    this.#draw();
  }

  #draw() {
    this.root.hidden = this.list.length === 0;
    render(html`<h2>Runs</h2><ul>${repeat(this.list, ({ id }) => id, (job) => this.#row(job))}</ul><p class="remark">${this.note ?? ""}</p>`, this.root);
  }

  /** @param {Job} job */
  #row(job) {
    const { id } = job;
    const here = String(id) === this.#current;
    const { keys, opts } = pairsOf(job.spec);
    const isDone = here && job.state === "running" && this.#part !== null;
    const state = isDone ? `${Math.round(100 * (this.#part ?? 0))} %` : job.state;
    const isRunning = !ENDED.has(job.state) && job.state !== "queued";
    const isSure = this.#sure === id;
    return html`<li class=${here ? "here" : ""} data-job=${id} data-state=${job.state} data-tip-beside="">
      <button type="button" class="open" aria-current=${here ? "true" : nothing} data-tip=${essentials(job)} @click=${() => this.hooks.open(job)}>
        <i></i><strong>#${id}</strong><b>${optimizers(opts.map(({ method }) => method))}</b><span>${what(keys)}</span>
        <em title=${isDone ? "of the forward passes of all its optimizers" : nothing}>${state}</em>
      </button>
      <button type="button" class="quiet ${isSure ? "sure" : ""}" ?disabled=${isRunning} aria-label="${isSure ? "Really delete" : "Delete"} run ${id}"
        data-tip=${isRunning ? "Stop it before deleting it" : "Delete this run, its log and its curves"} @click=${() => this.#remove(id)}>${isSure ? "delete?" : "×"}</button>
    </li>`;
  }

  /** @param {number} id */
  async #remove(id) {
    if (this.#sure !== id) {
      this.#sure = id;
      this.#draw();
      setTimeout(() => {
        if (this.#sure === id) this.#sure = null;
        this.#draw();
      }, SURE);
      return;
    }
    this.#sure = null;
    try {
      await ask(`/${id}`, { method: "DELETE" });
    } catch (error) {
      this.hooks.failed(inWords(error));
    }
    await this.refresh();
    if (!this.find(id)) this.hooks.gone(id);
  }
}

/** @param {Record<string, string>} keys */
const what = ({ task, tune }) => `${SHORT[task] ?? task}, ${SHORT[tune] ?? tune}`;

/** The optimizers of a spec: HiZOO ×2, MeZO. @param {string[]} methods */
function optimizers(methods) {
  const copies = (/** @type {string} */ method) => methods.filter((other) => other === method).length;
  return [...new Set(methods)].map((method) => `${nameOf(method)}${copies(method) > 1 ? ` ×${copies(method)}` : ""}`).join(", ");
}

/** What tells a job from others, for its tooltip. @param {Job} job */
function essentials({ id, spec, state, message }) {
  const { keys, opts } = pairsOf(spec);
  const { task, tune } = facts.names;
  const budget = keys.steps ? `${count(Number(keys.steps))} steps` : `${count(Number(keys.forwards))} passes`;
  const settings = (/** @type {Record<string, string>} */ { n, lr }) => [n && `n ${n}`, lr && `η ${lr}`].filter(Boolean).join(", ");
  const runs = opts.map(({ method, given }) => `${nameOf(method)}: ${settings(given)}`);
  return [`Run ${id}, ${keys.model}: ${task[keys.task] ?? keys.task}, ${tune[keys.tune] ?? keys.tune}; ${budget}, batch ${keys.batch}`, ...runs, message || state].join("\n");
}
