// The list of jobs, newest first: which there are, how far they are, open one, delete one.

import { count } from "../web/scale.mjs";
import { make, setText } from "../web/make.mjs";
import { pairsOf } from "./spec.mjs";

export const ENDED = new Set(["finished", "stopped", "failed"]);
const EVERY = 4000; // ms between two looks at the list
const SURE = 3000; // ms to confirm a deletion in
const SHORT = { hizoo: "HiZ", hizoo_l: "HiZ-L", mezo: "MeZ", adam: "Adam" };
const TASKS = { reviews: "reviews", sst2: "SST-2", table: "own file" };
const TUNES = { full: "all", lora: "LoRA", prefix: "prefix", layernorm: "norms" };

export class Jobs {
  /**
   * @param {HTMLElement} root
   * @param {{open: (job: object) => void, gone: (id: string) => void, failed: (text: string) => void, names: (method: string) => string}} hooks
   */
  constructor(root, hooks) {
    Object.assign(this, { root, hooks, list: [], note: null, current: null, part: null, sure: null });
    this.rows = make("ul", {});
    this.remark = make("p", { class: "remark" });
    root.append(make("h2", {}, "Runs"), this.rows, this.remark);
    this.timer = setInterval(() => root.isConnected ? document.hidden || this.refresh() : clearInterval(this.timer), EVERY);
  }

  /** Ask the server. Returns the list; the old one if the server does not answer. */
  async refresh() {
    try {
      const response = await fetch("/api/finetune");
      if (response.ok) ({ jobs: this.list, note: this.note } = await response.json());
    } catch {
      return this.list; // the feed's line says it
    }
    this.#draw();
    return this.list;
  }

  find(id) {
    return this.list.find((job) => String(job.id) === String(id));
  }

  /** Mark the job that is shown, with the part of it that is done (0 to 1). */
  show(id, state, part) {
    const job = this.find(id);
    if (job && state) job.state = state;
    Object.assign(this, { current: id, part });
    this.#draw();
  }

  #draw() {
    const key = JSON.stringify([this.list.map(({ id, state, message }) => [id, state, message]), this.current, this.part?.toFixed(2), this.sure, this.note]);
    if (key === this.drawn) return;
    this.drawn = key;
    this.root.hidden = this.list.length === 0;
    const focused = document.activeElement?.closest?.("#opt-jobs [data-job]")?.dataset;
    setText(this.remark, this.note ?? "");
    this.rows.replaceChildren(...this.list.map((job) => this.#row(job)));
    if (focused) this.rows.querySelector(`[data-job="${CSS.escape(focused.job)}"] button`)?.focus();
  }

  #row(job) {
    const here = String(job.id) === String(this.current);
    const { keys } = pairsOf(job.spec);
    const what = `${TASKS[keys.task] ?? keys.task}, ${TUNES[keys.tune] ?? keys.tune}`;
    const state = here && job.state === "running" && this.part !== null ? `${Math.round(100 * this.part)} %` : job.state;
    const running = !ENDED.has(job.state) && job.state !== "queued";
    const sure = this.sure === job.id;
    return make("li", { class: here ? "here" : null, data: { job: job.id, state: job.state, tipBeside: "" } },
      make("button", { type: "button", class: "open", "aria-current": here ? "true" : null, data: { tip: essentials(job, this.hooks.names) }, on: { click: () => this.hooks.open(job) } },
        make("i", {}), make("strong", {}, `#${job.id}`), make("b", {}, inShort(job.spec)), make("span", {}, what), make("em", {}, state)),
      make("button", {
        type: "button", class: `quiet${sure ? " sure" : ""}`, disabled: running, "aria-label": sure ? `Really delete run ${job.id}` : `Delete run ${job.id}`,
        data: { tip: running ? "Stop it before deleting it" : "Delete this run, its log and its curves" }, on: { click: () => this.#remove(job) },
      }, sure ? "delete?" : "×"),
    );
  }

  async #remove({ id }) {
    if (this.sure !== id) {
      this.sure = id;
      this.#draw();
      setTimeout(() => {
        if (this.sure === id) this.sure = null;
        this.#draw();
      }, SURE);
      return;
    }
    this.sure = null;
    const response = await fetch(`/api/finetune/${id}`, { method: "DELETE" }).catch(() => null);
    if (!response?.ok) this.hooks.failed((await response?.json().catch(() => null))?.errors?.[0].message ?? `Run ${id} could not be deleted.`);
    await this.refresh();
    if (!this.find(id)) this.hooks.gone(id);
  }
}

/** The optimizers of a spec where there is little room: HiZ ×2, MeZ. */
function inShort(spec) {
  const methods = pairsOf(spec).opts.map(({ method }) => method);
  const copies = (method) => methods.filter((other) => other === method).length;
  return [...new Set(methods)].map((method) => `${SHORT[method] ?? method}${copies(method) > 1 ? ` ×${copies(method)}` : ""}`).join(", ");
}

/** What tells a job from others, for its tooltip. */
function essentials({ id, spec, state, message }, names) {
  const { keys, opts } = pairsOf(spec);
  const budget = keys.steps ? `${count(Number(keys.steps))} steps` : `${count(Number(keys.forwards))} passes`;
  const settings = ({ n, lr }) => [n && `n ${n}`, lr && `η ${lr}`].filter(Boolean).join(", ");
  const runs = opts.map(({ method, given }) => `${names(method)}: ${settings(given)}`);
  return [`Run ${id}, ${keys.model}: ${TASKS[keys.task] ?? keys.task}, ${TUNES[keys.tune] ?? keys.tune}; ${budget}, batch ${keys.batch}`, ...runs, message || state].join("\n");
}
