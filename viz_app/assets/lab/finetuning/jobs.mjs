// The list of jobs, newest first: which there are, how far they are, open one, delete one.

/** @import { State } from "./messages.mjs" */
/** @import { Overlays } from "./over.mjs" */
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

/** @typedef {{id: number, spec: string, state: State, message: string, labels: string[], left: string | null, search: string | null}} Job as GET
 *   /api/finetune lists it; `left`: "about 3 min left"; `search`: what a map or a search varies, null of a single job */

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
   * @param {{open: (job: Job) => void, gone: (id: number) => void, failed: (text: string) => void, over: Overlays, lay: (job: Job) => void, file: (file: File) => void}} hooks
   *   `lay`: lay a job over the one that is shown, or take it away; `file`: lay a table over
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
    render(html`<h2>Runs</h2><ul>${repeat(this.list, ({ id }) => id, (job) => this.#row(job))}</ul>${this.#current === null ? nothing : this.#files()}<p class="remark">${this.note ?? ""}</p>`, this.root);
  }

  /** Tables that are laid over, and the button for another. */
  #files() {
    const chosen = (/** @type {Event} */ { target }) => {
      const input = /** @type {HTMLInputElement} */ (target);
      const [file] = input.files ?? [];
      if (file) this.hooks.file(file);
      input.value = "";
    };
    const open = (/** @type {Event} */ { currentTarget }) => /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (currentTarget).previousElementSibling).click();
    return html`<div class="files">${this.hooks.over.files.map(({ key, name }) => html`<p><span title=${name}>${name}</span><button type="button" class="quiet" aria-label="Take ${name} away" data-tip="Take it away from the charts" @click=${() => this.hooks.over.remove(key)}>×</button></p>`)}
      <input type="file" accept=".csv,.json" hidden @change=${chosen}><button type="button" data-do="compare" data-tip="Lay a table over the charts of loss and accuracy: CSV or JSON that finetune --out or “Table, CSV” wrote, of this machine or another. It stays in this browser. A file can also be dropped on the charts" @click=${open}>Compare with a file…</button></div>`;
  }

  /** The button that lays a job over the one that is shown. @param {Job} job */
  #layButton(job) {
    const { over } = this.hooks;
    const isOver = over.has(String(job.id));
    const isFull = !isOver && over.isFull;
    const tip = isOver ? "Take it away from the charts" : isFull ? "No more can be laid over: take one away first" : "Lay its curves over the charts of loss and accuracy";
    return html`<button type="button" class="quiet lay" aria-pressed=${String(isOver)} ?disabled=${isFull} aria-label="Run ${job.id} in the charts too" data-tip=${tip} @click=${() => this.hooks.lay(job)}>${isOver ? "✓" : "+"}</button>`;
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
      <button type="button" class="open" aria-current=${here ? "true" : nothing} data-tip=${essentials(job)} @click=${() => (job.search ? location.assign(`/tuning?${job.spec}`) : this.hooks.open(job))}>
        <i></i><strong>#${id}</strong><b>${optimizers(opts.map(({ method }) => method))}</b><span>${job.search ? `${job.search.split(" ")[0]}, ` : ""}${what(keys)}</span>
        <em title=${isDone ? "of the forward passes of all its optimizers" : nothing}>${state}</em>
      </button>
      ${this.#current !== null && !here && !job.search ? this.#layButton(job) : nothing}
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
function essentials({ id, spec, state, message, search }) {
  const { keys, opts } = pairsOf(spec);
  const { task, tune } = facts.names;
  const seeds = Number(keys.runs) > 1 ? `; ${keys.runs} seeds` : "";
  const budget = keys.steps ? `${count(Number(keys.steps))} steps` : `${count(Number(keys.forwards))} passes`;
  if (search) return `Run ${id}: ${search}, of ${keys.model}, ${task[keys.task] ?? keys.task}, ${tune[keys.tune] ?? keys.tune}; ${budget} a run. Opens on the Tuning page\n${message || state}`;
  const settings = (/** @type {Record<string, string>} */ { n, lr }) => [n && `n ${n}`, lr && `η ${lr}`].filter(Boolean).join(", ");
  const runs = opts.map(({ method, given }) => `${nameOf(method)}: ${settings(given)}`);
  return [`Run ${id}, ${keys.model}: ${task[keys.task] ?? keys.task}, ${tune[keys.tune] ?? keys.tune}; ${budget}, batch ${keys.batch}${seeds}`, ...runs, message || state].join("\n");
}
