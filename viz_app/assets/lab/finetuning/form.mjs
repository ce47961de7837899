// What to train: the left column's controls, drawn from what they say (formstate.mjs) and what the server offers.

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Field } from "./facts.mjs" */
/** @import { Choice, Row } from "./fields.mjs" */
/** @import { Optimizer } from "./formstate.mjs" */
import { classMap, html, nothing, ref, render, repeat } from "../vendor/lit.mjs";
import { facts, matters, methodOf, nameOf } from "./facts.mjs";
import { errorView, idOf, numberInput, rowView, select, textInput } from "./fields.mjs";
import { FormState, typed } from "./formstate.mjs";
import { Upload } from "./upload.mjs";

/** @typedef {{devices?: {name: string, title: string}[], auto: string | null, transport: {upload: number, paths: boolean}}} Options of GET /api/finetune/options, what depends on the machine */

export class Form {
  state = new FormState();
  upload = new Upload();
  /** What is wrong, by place: run.batch, hizoo#2.lr, adam. @type {Map<string, string>} */
  #errors = new Map();
  #dropping = false;
  /** @type {HTMLInputElement | undefined} */
  #file;

  /** @param {HTMLElement} root @param {Options} options @param {(spec: string) => void} changed */
  constructor(root, options, changed) {
    this.root = root;
    this.options = options;
    this.changed = changed;
    const devices = Object.fromEntries((options.devices ?? []).map(({ name, title }) => [name, title]));
    const auto = options.auto ? `auto: ${devices[options.auto] ?? options.auto}` : "automatic";
    /** @type {Record<string, Choice[]>} */
    this.choices = {
      task: named("task", facts.tasks),
      tune: named("tune", facts.tunes),
      loss: named("loss", facts.losses),
      dtype: facts.dtypes.map((name) => [name, facts.names.dtype[name] ?? name]),
      device: Object.entries({ auto, cpu: "CPU", ...devices }),
    };
  }

  /** Show a spec: what it leaves out takes the preset. @param {string} text */
  open(text) {
    this.upload.clear();
    this.state.open(text);
    this.#told();
  }

  get spec() {
    return this.state.spec;
  }

  /** Errors of a file that the server did not take, none while it is on its way; null where the spec needs no such file. */
  get refusal() {
    return this.state.values.task === "table" ? this.upload.refused : null;
  }

  /** @param {() => unknown} change */
  #do(change) {
    change();
    this.#told();
  }

  #told() {
    this.render();
    this.changed(this.spec);
  }

  // ---- drawing ----

  render() {
    const { state } = this;
    const shown = facts.fields.filter(({ name }) => matters(name, state.values));
    const rows = (/** @type {boolean} */ more) => repeat(shown.filter((field) => field.more === more), ({ name }) => name, (field) => this.#field(field));
    const searched = state.preset.tuned.map(nameOf).join(", ");
    const badge = state.isTuned
      ? html`<span class="badge" data-tip="The settings of ${searched} were searched for with equal budgets for this model, task and tuning mode.">tuned preset</span>`
      : html`<span class="badge untuned" tabindex="0" data-tip="Nobody has searched for good settings for this combination: take them as a place to start.">not tuned</span>`;
    const drag = (/** @type {boolean} */ on) => (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      this.#dropping = on;
      this.render();
    };
    const drop = (/** @type {DragEvent} */ event) => {
      drag(false)(event);
      this.#send(event.dataTransfer?.files[0]);
    };
    render(
      html`
        <section class=${classMap({ card: true, dropping: this.#dropping })} data-slot="run" @dragover=${drag(true)} @dragleave=${drag(false)} @drop=${drop}>
          <div class="head"><h2>Train</h2>${badge}</div>
          ${rows(false)}
          <details><summary>few-shot, prompt, seed, intervals, device</summary>${rows(true)}</details>
        </section>
        ${repeat(state.optimizers, ({ slot }) => slot, (optimizer) => this.#card(optimizer))}
        <div class="adders" role="group" aria-label="Add an optimizer">
          <span>Add</span>
          ${facts.methods.map(({ key, name, summary, colour }) => html`<button type="button" ?disabled=${state.isFull} style="--colour:var(${colour})" data-tip="${name}: ${summary}" data-add=${key} @click=${() => this.#add(key)}>${name}</button>`)}
        </div>`,
      this.root,
    );
  }

  /** @param {Optimizer} optimizer */
  #card({ slot, label, title, colour, passes }) {
    const { state } = this;
    const method = methodOf(slot.method);
    const preset = state.preset.opts[slot.method];
    const settings = method?.hyperparameters ?? [];
    const rows = (/** @type {boolean} */ primary) => settings
      .filter(({ name }) => facts.primary.includes(name) === primary)
      .sort((a, b) => facts.primary.indexOf(a.name) - facts.primary.indexOf(b.name))
      .map((setting) => {
        const { name, choices } = setting;
        const value = slot.values[name];
        const set = (/** @type {string | number} */ next) => this.#do(() => state.setOf(slot, name, next));
        const id = idOf({ slot: label, name });
        const control = choices
          ? select(id, choices.map((choice) => [choice, choice.replaceAll("_", " ")]), value, set)
          : numberInput(id, setting, value, set);
        return this.#row({ ...setting, slot: label, value, preset: preset[name], wide: choices !== null, control, set });
      });
    const more = settings.some(({ name }) => !facts.primary.includes(name)) ? html`<details><summary>more</summary>${rows(false)}</details>` : nothing;
    return html`<section class="card optimizer" style="--colour:var(${colour})" data-slot=${label}>
      <div class="head">
        <h2 data-tip=${method?.summary ?? ""}>${title}</h2>
        <span class="passes">${passes} passes a step</span>
        <button type="button" class="quiet" aria-label="Copy ${title}" ?disabled=${state.isFull} data-tip="Add a copy of this optimizer, to compare other settings" @click=${() => this.#add(slot.method, slot)}>+</button>
        <button type="button" class="quiet" aria-label="Remove ${title}" ?disabled=${state.slots.length === 1} data-tip="Remove this optimizer" @click=${() => this.#do(() => state.remove(slot))}>×</button>
      </div>
      ${rows(true)}${more}${errorView(this.#errors.get(label))}
    </section>`;
  }

  /** A row of the first card. @param {Field} field */
  #field(field) {
    const { name, kind } = field;
    const { state } = this;
    const { classes } = this.upload;
    const help = name === "words" && state.values.task === "table" && classes ? `${field.help} The classes of your file, in this order: ${classes.join(", ")}.` : field.help;
    const set = (/** @type {string | number} */ value) => this.#set(name, value);
    const beside = kind === "budget"
      ? select(`${idOf({ slot: "run", name })}-kind`, [["forwards", "passes"], ["steps", "steps"]], state.values.budgetKind, (value) => this.#set("budgetKind", value), "Unit of the budget", "unit")
      : undefined;
    const wide = kind !== "number" && kind !== "budget";
    return this.#row({ slot: "run", name, label: field.label, unit: field.unit, help, value: state.values[name], preset: state.preset.values[name], wide, beside, set, control: this.#control(field) });
  }

  /** @param {Field} field */
  #control(field) {
    const { name, kind, slider } = field;
    const value = this.state.values[name];
    const id = idOf({ slot: "run", name });
    const set = (/** @type {string | number} */ next) => this.#set(name, next);
    if (slider) return numberInput(id, { ...field, slider, integer: true }, value, set);
    if (kind === "choice") return select(id, this.choices[name], value, set);
    if (kind === "data") return this.#dataControl(id);
    const own = this.state.values.task === "table" ? "one per class, e.g. bad,good" : "the task's own";
    const placeholder = { template: "{text} it was", words: own }[name];
    return textInput(id, value, (text) => set(name === "seed" ? typed(text) : text.trim()), { placeholder, list: name === "model" ? facts.models : undefined });
  }

  /** @param {string} id */
  #dataControl(id) {
    const { values } = this.state;
    const placeholder = values.task === "sst2" ? "empty: the hub" : this.options.transport.paths ? "path, or upload" : "upload a table";
    const take = (/** @type {string} */ text) => {
      this.upload.clear();
      this.#set("data", text.trim());
    };
    const chosen = (/** @type {Event} */ event) => this.#send(/** @type {HTMLInputElement} */ (event.target).files?.[0]);
    return html`<div class="data">
      ${textInput(id, values.data, take, { placeholder })}
      <button type="button" data-tip="Upload a CSV or TSV of at most 50,000 rows; or drop it on this card" @click=${() => this.#file?.click()}>Upload…</button>
      <input type="file" accept=".csv,.tsv,.txt" hidden ${ref((file) => (this.#file = /** @type {HTMLInputElement} */ (file)))} @change=${chosen}>
      <p class="uploaded">${this.upload.summary}</p>
    </div>`;
  }

  /** @param {Omit<Row, "error" | "reset">} row */
  #row(row) {
    const reset = () => {
      if (row.slot === "run") this.#do(() => this.state.reset(row.name));
      else if (row.preset !== undefined) row.set(row.preset);
    };
    return rowView({ ...row, reset, error: this.#errors.get(`${row.slot}.${row.name}`) });
  }

  // ---- changes ----

  /** @param {string} name @param {string | number} value */
  #set(name, value) {
    this.state.set(name, value);
    const { file } = this.upload;
    if (file && (name === "text_column" || name === "label_column")) this.#send(file);
    else this.#told();
  }

  /** @param {string} method @param {import("./spec.mjs").Slot | null} copied */
  #add(method, copied = null) {
    const place = this.state.add(method, copied);
    this.#told();
    const label = this.state.optimizers[place].label;
    this.root.querySelector(`[data-slot="${CSS.escape(label)}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {File | undefined} file */
  async #send(file) {
    if (!file) return;
    const most = this.options.transport.upload;
    if (file.size > most) return this.complain([{ field: "data", message: `${file.name} has ${megabytes(file.size)} MB; allowed: up to ${megabytes(most)} MB` }]);
    if (this.state.values.task !== "table") this.state.set("task", "table");
    const sent = this.upload.send(file, this.state.values);
    this.#told();
    const data = await sent;
    if (data !== null) this.state.set("data", data);
    this.#told();
  }

  // ---- what is wrong ----

  /** Show each error at its field; returns those that have none. @param {FieldError[]} errors */
  complain(errors) {
    this.#errors = new Map(errors.map(({ field, message }) => [placeOf(field), message]));
    this.render();
    const shown = new Set();
    for (const text of this.root.querySelectorAll(".error-text")) {
      const holder = /** @type {HTMLElement} */ (text.parentElement);
      text.closest("details")?.setAttribute("open", "");
      shown.add(holder.dataset.field ?? holder.dataset.slot);
    }
    return errors.filter(({ field }) => !shown.has(placeOf(field)));
  }

  /** Bring the first field with an error into view, and the keyboard to it. */
  reveal() {
    const place = this.root.querySelector(".error-text")?.parentElement;
    place?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement | null | undefined} */ (place?.querySelector("input[type=text], select:not([data-part])"))?.focus({ preventScroll: true });
  }
}

/** @param {string} field @param {Record<string, string>} helps @returns {Choice[]} */
const named = (field, helps) => Object.entries(helps).map(([key, help]) => [key, facts.names[field][key] ?? key, help]);

/** `opt.hizoo#2.lr` → hizoo#2.lr, `steps` → run.budget, `batch` → run.batch. @param {string} field */
function placeOf(field) {
  if (field.startsWith("opt.")) return field.slice(4);
  return `run.${field === "steps" || field === "forwards" ? "budget" : field}`;
}

/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
