// What to train: the left column's controls, made from what the server offers, and the spec that they say.

import { count, fromSlider, short, toSlider } from "../web/scale.mjs";
import { make, setText } from "../web/make.mjs";
import { colourVariables, methodLabels, pairsOf, toSpec } from "./spec.mjs";

const MODELS = ["bundled", "facebook/opt-125m", "facebook/opt-350m", "facebook/opt-1.3b"];
const FIRST = { hizoo: ["alpha", "n", "lr", "estimator", "pool"], hizoo_l: ["alpha", "n", "lr", "estimator"], mezo: ["n", "lr"], adam: ["lr"] };
const MOST = 8; // optimizers in a spec

/** The form's fields in order; `when` says whether one matters, `more` puts it in the fold. */
const FIELDS = [
  { name: "model", label: "Model", kind: "text", list: MODELS, help: "“bundled” is the small OPT model that comes with the app. Or the id of any causal language model on the Hugging Face hub, such as facebook/opt-125m, or a local directory of one." },
  { name: "task", label: "Task", kind: "choice", help: "The texts to classify. The film reviews are synthetic: a seeded grammar makes them. SST-2 is real and comes from the hub or from a folder. Your own file is a CSV or TSV with a text and a label column." },
  { name: "data", label: "Data", kind: "data", when: ({ task }) => task !== "reviews", help: "Path of a CSV or TSV on the server's machine, or upload one: the button, or drop a file here. For SST-2 empty means the hub." },
  { name: "text_column", label: "Text column", kind: "text", when: ({ task }) => task === "table", help: "Name of the column that holds the texts." },
  { name: "label_column", label: "Label column", kind: "text", when: ({ task }) => task === "table", help: "Name of the column that holds the labels: two to ten different ones." },
  { name: "tune", label: "Tuned", kind: "choice", help: "Which parameters change. Zeroth-order noise grows with their number; the model's other weights stay as they are." },
  { name: "rank", label: "LoRA rank", kind: "number", slider: [1, 64], scale: "log", when: ({ tune }) => tune === "lora", help: "Rank of LoRA's low-rank changes: parameters grow in proportion." },
  { name: "prefix", label: "Prefix", kind: "number", slider: [1, 32], scale: "linear", unit: "tokens", when: ({ tune }) => tune === "prefix", help: "Tuned keys and values put in front of every layer's, in tokens." },
  { name: "loss", label: "Loss", kind: "choice", help: "What is minimised. 1 − accuracy and 1 − F1 have no gradient, so Adam cannot take them; zeroth-order methods can, with a larger μ and batch." },
  { name: "budget", label: "Budget,", kind: "budget", slider: [100, 20000], scale: "log", help: "What every optimizer may spend: equal forward passes (fair: a step of HiZOO takes 2n + 1 of them, of MeZO 2n, of Adam about 3), or equal steps." },
  { name: "batch", label: "Batch", kind: "number", slider: [1, 128], scale: "log", unit: "texts", help: "Texts in a step's minibatch, the same ones for every optimizer and for all probes of a step. Larger means less noise and slower steps." },
  { name: "shots", label: "Shots", kind: "number", slider: [0, 256], scale: "linear", unit: "a class", more: true, help: "Few-shot: so many training texts of each class. 0 takes all of them." },
  { name: "template", label: "Template", kind: "text", more: true, help: "How a text becomes a prompt: {text} stands for it, and the label word follows at the end. Empty takes the task's own, “{text} it was”." },
  { name: "words", label: "Label words", kind: "text", more: true, help: "One word for each class, separated by commas, each a single token of the model. Empty takes the task's own." },
  { name: "seed", label: "Seed", kind: "text", more: true, help: "Seeds the minibatches and every random direction. The same seed gives the same run on the same machine." },
  { name: "eval", label: "Evaluate", kind: "number", slider: [20, 2000], scale: "log", unit: "passes", more: true, help: "Evaluate on held-out texts every so many forward passes. Evaluations cost time, but are not counted as passes." },
  { name: "truth", label: "Truth", kind: "number", slider: [0, 20], scale: "linear", unit: "evals", more: true, help: "Estimate the true diagonal of the Hessian every so many evaluations, with Hutchinson's method through autograd. 0: never. It costs tens of passes each time." },
  { name: "device", label: "Device", kind: "choice", more: true, help: "Where it is computed. Auto takes a GPU (CUDA, then MPS) where there is one, else the CPU." },
  { name: "dtype", label: "Precision", kind: "choice", more: true, help: "Of the weights. Auto: float32 on the CPU, bfloat16 or float16 on a GPU; P is always float32." },
];

export class Form {
  /**
   * @param {HTMLElement} root @param {object} options of /api/finetune/options
   * @param {(spec: string) => void} changed
   */
  constructor(root, options, changed) {
    Object.assign(this, { root, options, changed });
    this.methods = Object.fromEntries(options.methods.map((method) => [method.key, method]));
    const named = (texts, names) => Object.entries(texts).map(([key, text]) => [key, names[key] ?? key, text]);
    const devices = Object.fromEntries((options.devices ?? []).map(({ name, title }) => [name, title]));
    this.choices = {
      task: named(options.tasks, TASK_NAMES),
      tune: named(options.tunes, TUNE_NAMES),
      loss: named(options.losses, LOSS_NAMES),
      device: Object.entries({ auto: options.auto ? `auto: ${devices[options.auto] ?? options.auto}` : "automatic", cpu: "CPU", ...devices }),
      dtype: options.dtypes.map((name) => [name, name === "auto" ? "automatic" : name]),
    };
  }

  /** Show a spec: what it leaves out takes the preset. */
  open(text) {
    Object.assign(this, { file: null, refused: null, summary: "", classes: null });
    const { keys, opts } = pairsOf(text);
    const where = { model: keys.model ?? "bundled", task: keys.task ?? "reviews", tune: keys.tune ?? "full" };
    const preset = this.#preset(where);
    this.values = { ...preset.values, ...where, ...keys };
    if ("steps" in keys) Object.assign(this.values, { budget: keys.steps, budgetKind: "steps" });
    else if ("forwards" in keys) Object.assign(this.values, { budget: keys.forwards, budgetKind: "forwards" });
    this.slots = (opts.length ? opts : this.options.default_methods.map((method) => ({ method, given: {} })))
      .filter(({ method }) => this.methods[method])
      .map(({ method, given }) => ({ method, values: { ...preset.opts[method], ...given } }));
    if (!("eval" in keys)) this.values.eval = this.#evaluations;
    this.render();
    this.#told();
  }

  get spec() {
    return toSpec(this.values, this.slots);
  }

  /** Errors of a file that the server did not take, none while it is on its way; null where the spec needs no such file. */
  get refusal() {
    return this.values.task === "table" ? this.refused : null;
  }

  /** Names, colours (CSS variables) and passes a step of the optimizers, in order. */
  get optimizers() {
    const colours = colourVariables(this.slots.map(({ method }) => method));
    const names = methodLabels(this.slots.map(({ method }) => method));
    return this.slots.map(({ method, values }, i) => ({
      label: names[i],
      title: `${this.methods[method].name}${names[i].includes("#") ? ` ${names[i].split("#")[1]}` : ""}`,
      colour: colours[i],
      passes: passes(method, Number(values.n)),
    }));
  }

  // ---- presets ----

  #preset({ model, task, tune }) {
    const { presets, defaults } = this.options;
    const found = presets[`${model === "bundled" ? task : "other"}/${tune}`] ?? presets["reviews/full"];
    const opts = Object.fromEntries(
      this.options.methods.map(({ key, hyperparameters }) => [
        key,
        { ...Object.fromEntries(hyperparameters.map(({ name, default: value }) => [name, value])), ...found.opts[key] },
      ]),
    );
    const values = { ...defaults, template: "", words: "", budgetKind: "forwards", budget: found.forwards, batch: found.batch, truth: found.truth };
    return { values: { ...values, eval: evalOf(values, []) }, opts, tuned: found.tuned };
  }

  /** Task, model or tuning mode change: what nobody has touched takes the new preset. */
  #move(name, value) {
    const before = this.#preset(this.values);
    this.values[name] = value;
    const after = this.#preset(this.values);
    for (const key of Object.keys(after.values)) {
      if (same(this.values[key], before.values[key])) this.values[key] = after.values[key];
    }
    for (const { method, values } of this.slots) {
      for (const key of Object.keys(values)) if (same(values[key], before.opts[method][key])) values[key] = after.opts[method][key];
    }
    this.render();
    this.#told();
  }

  get #evaluations() {
    return evalOf(this.values, this.slots);
  }

  // ---- drawing ----

  render() {
    const open = [...this.root.querySelectorAll("details[open]")].map((fold) => fold.closest("[data-slot]").dataset.slot);
    const focus = document.activeElement?.closest("[data-field]")?.dataset.field;
    const preset = this.#preset(this.values);
    const shown = FIELDS.filter(({ when }) => !when || when(this.values));
    const rows = (more) => shown.filter((field) => Boolean(field.more) === more).map((field) => this.#row("run", field, this.values, preset.values));
    const badge = preset.tuned
      ? make("span", { class: "badge", data: { tip: "The settings were searched for with equal budgets for this model, task and tuning mode." } }, "tuned preset")
      : make("span", { class: "badge untuned", tabindex: "0", data: { tip: "Nobody has searched for good settings for this combination: take them as a place to start." } }, "not tuned");
    const train = make("section", { class: "card", data: { slot: "run" } },
      make("div", { class: "head" }, make("h2", {}, "Train"), badge),
      ...rows(false),
      make("details", { open: open.includes("run") }, make("summary", {}, "few-shot, prompt, seed, intervals, device"), ...rows(true)),
    );
    this.#dropZone(train);
    const optimizers = this.optimizers;
    const cards = this.slots.map((slot, i) => this.#card(slot, i, optimizers[i], preset, open));
    const add = make("div", { class: "adders", role: "group", "aria-label": "Add an optimizer" },
      make("span", {}, "Add"),
      ...this.options.methods.map(({ key, name, summary }) =>
        make("button", { type: "button", disabled: this.slots.length >= MOST, style: `--colour:var(${colourVariables([key])[0]})`, data: { tip: `${name}: ${summary}`, add: key }, on: { click: () => this.#add(key) } }, name),
      ),
    );
    this.root.replaceChildren(train, ...cards, add);
    if (focus) this.root.querySelector(`[data-field="${CSS.escape(focus)}"] :is(select, input[type=text])`)?.focus();
  }

  #card(slot, i, { label, title, colour, passes: cost }, preset, open) {
    const method = this.methods[slot.method];
    const first = FIRST[slot.method] ?? ["lr"];
    const fields = Object.fromEntries(method.hyperparameters.map((field) => [field.name, { ...field, kind: field.choices ? "choice" : "number", pairs: field.choices?.map((choice) => [choice, choice.replaceAll("_", " ")]) }]));
    const row = (name) => this.#row(label, fields[name], slot.values, preset.opts[slot.method], i);
    const rest = Object.keys(fields).filter((name) => !first.includes(name));
    return make("section", { class: "card optimizer", style: `--colour:var(${colour})`, data: { slot: label } },
      make("div", { class: "head" },
        make("h2", { data: { tip: method.summary } }, title),
        make("span", { class: "passes" }, `${cost} passes a step`),
        make("button", { type: "button", class: "quiet", "aria-label": `Copy ${title}`, disabled: this.slots.length >= MOST, data: { tip: "Add a copy of this optimizer, to compare other settings" }, on: { click: () => this.#add(slot.method, i) } }, "+"),
        make("button", { type: "button", class: "quiet", "aria-label": `Remove ${title}`, disabled: this.slots.length === 1, data: { tip: "Remove this optimizer" }, on: { click: () => this.#remove(i) } }, "×"),
      ),
      ...first.filter((name) => fields[name]).map(row),
      rest.length ? make("details", { open: open.includes(label) }, make("summary", {}, "more"), ...rest.map(row)) : null,
    );
  }

  /** One control; `values` and `preset` are where its value and its preset's stand. */
  #row(slot, field, values, preset) {
    const { name } = field;
    const help = name === "words" && values.task === "table" && this.classes ? `${field.help} The classes of your file, in this order: ${this.classes.join(", ")}.` : field.help;
    const kind = KINDS[field.kind];
    const text = `${field.label}${field.unit ? `, ${field.unit}` : ""}`;
    const id = `opt-${slot}-${name}`;
    const row = make("div", { class: `row ${field.kind === "number" || field.kind === "budget" ? "" : "text"}`, data: { field: `${slot}.${name}` } });
    const reset = make("button", { type: "button", class: "reset", "aria-label": `Reset ${text}`, data: { tip: "Back to the preset" } }, "↺");
    const changed = () => row.classList.toggle("changed", preset[name] !== undefined && !same(values[name], preset[name]));
    const set = (value, key = name) => {
      if (slot === "run" && ["model", "task", "tune"].includes(key)) return this.#move(key, value);
      const followed = same(this.values.eval, this.#evaluations); // twenty a run, unless somebody said else
      values[key] = value;
      if (followed && key !== "eval" && this.values.eval !== this.#evaluations) {
        this.values.eval = this.#evaluations;
        this.#show("run.eval", this.values.eval);
      }
      changed();
      if (this.file && (key === "text_column" || key === "label_column")) this.upload(this.file);
      else this.#told(slot);
    };
    const label = make("label", { for: id, data: { tip: help } }, text);
    row.append(field.kind === "budget" ? make("div", { class: "with-unit" }, label, budgetUnit(id, values, set)) : label, ...kind(this, field, id, values, set), reset);
    reset.addEventListener("click", () => {
      set(preset[name]);
      if (name === "budget") set(preset.budgetKind, "budgetKind");
      this.#show(`${slot}.${name}`, preset[name]);
    });
    changed();
    return row;
  }

  /** Put a value into a control that is on screen. */
  #show(place, value) {
    const row = this.root.querySelector(`[data-field="${CSS.escape(place)}"]`);
    for (const input of row?.querySelectorAll("input[type=text], select:not([data-part])") ?? []) input.value = shown(value);
    for (const slider of row?.querySelectorAll("input[type=range]") ?? []) slider.place(value);
    for (const unit of row?.querySelectorAll("[data-part]") ?? []) unit.value = this.values.budgetKind;
  }

  #add(method, copied = null) {
    const values = copied === null ? this.#preset(this.values).opts[method] : this.slots[copied].values;
    const place = this.slots.findLastIndex((slot) => slot.method === method);
    this.slots.splice(place < 0 ? this.slots.length : place + 1, 0, { method, values: { ...values } });
    this.render();
    this.#told();
    const label = this.optimizers[place < 0 ? this.slots.length - 1 : place + 1].label;
    this.root.querySelector(`[data-slot="${CSS.escape(label)}"]`).scrollIntoView({ block: "nearest" });
  }

  #remove(i) {
    this.slots.splice(i, 1);
    this.render();
    this.#told();
  }

  #told(slot) {
    const optimizer = this.optimizers.find(({ label }) => label === slot);
    if (optimizer) setText(this.root.querySelector(`[data-slot="${CSS.escape(slot)}"] .passes`), `${optimizer.passes} passes a step`);
    this.changed(this.spec);
  }

  // ---- a file of one's own ----

  #dropZone(card) {
    const over = (on) => (event) => {
      event.preventDefault();
      card.classList.toggle("dropping", on);
    };
    card.addEventListener("dragover", over(true));
    card.addEventListener("dragleave", over(false));
    card.addEventListener("drop", (event) => {
      over(false)(event);
      const [file] = event.dataTransfer.files;
      if (file) this.upload(file);
    });
  }

  async upload(file) {
    const most = this.options.transport.upload;
    if (file.size > most) return this.complain([{ field: "data", message: `${file.name} has ${megabytes(file.size)} MB; allowed: up to ${megabytes(most)} MB` }]);
    Object.assign(this, { file, refused: [] }); // the file is sent again if a column's name changes
    if (this.values.task !== "table") this.#move("task", "table");
    this.#uploaded(`Uploading ${file.name} …`);
    this.#told();
    const { text_column, label_column } = this.values;
    const overtaken = () => this.file !== file || this.values.text_column !== text_column || this.values.label_column !== label_column;
    const query = new URLSearchParams({ name: file.name, text_column, label_column });
    let [response, answer] = [null, null];
    try {
      response = await fetch(`/api/finetune/upload?${query}`, { method: "POST", body: file });
      answer = await response.json();
    } catch {
      answer = { errors: [{ field: "data", message: "The server does not answer: upload the file again." }] };
    }
    if (overtaken()) return;
    this.refused = response?.ok ? null : answer.errors;
    if (this.refused) {
      const { columns } = this.refused[0];
      this.#uploaded(columns ? `${file.name} has the columns ${columns.join(", ")}` : file.name);
      return this.#told();
    }
    this.values.data = `upload:${answer.id}`;
    this.classes = answer.classes.map(({ name }) => name);
    this.summary = `${file.name}: ${count(answer.rows)} rows; ${answer.classes.map(({ name, count: size }) => `${name} ${count(size)}`).join(", ")}`;
    this.render();
    this.#told();
  }

  #uploaded(text) {
    this.summary = text;
    const note = this.root.querySelector(".uploaded");
    if (note) setText(note, text);
  }

  // ---- what is wrong ----

  /** Show each error at its field; returns those that have none. @param {{field: string, message: string}[]} errors */
  complain(errors) {
    for (const old of this.root.querySelectorAll(".error-text")) old.remove();
    for (const old of this.root.querySelectorAll(".row.error")) old.classList.remove("error");
    return errors.filter(({ field, message }) => {
      const row = this.root.querySelector(`[data-field="${CSS.escape(placeOf(field))}"], .optimizer[data-slot="${CSS.escape(placeOf(field))}"]`);
      if (!row) return true;
      row.closest("details")?.setAttribute("open", "");
      if (row.matches(".row")) row.classList.add("error");
      row.append(make("p", { class: "error-text", role: "alert" }, message));
      return false;
    });
  }

  /** Bring the first field with an error into view, and the keyboard to it. */
  reveal() {
    const place = this.root.querySelector(".error-text")?.parentElement;
    place?.scrollIntoView({ block: "nearest" });
    place?.querySelector("input[type=text], select:not([data-part])")?.focus({ preventScroll: true });
  }
}

/** `opt.hizoo#2.lr` → hizoo#2.lr, `steps` → run.budget, `batch` → run.batch. */
function placeOf(field) {
  if (field.startsWith("opt.")) return field.slice(4);
  return `run.${field === "steps" || field === "forwards" ? "budget" : field}`;
}

const EVALUATIONS = 20; // of a run

/** Forward passes between evaluations where nobody says else, as the server has it. */
function evalOf({ budget, budgetKind }, slots) {
  const dearest = budgetKind === "steps" ? Math.max(1, ...slots.map(({ method, values }) => passes(method, Number(values.n)))) : 1;
  return Math.max(1, Math.floor((Number(budget) * dearest) / EVALUATIONS) || 1);
}

const TASK_NAMES = { reviews: "film reviews (synthetic)", sst2: "SST-2 film reviews", table: "your own file" };
const TUNE_NAMES = { full: "everything", lora: "LoRA", prefix: "a prefix", layernorm: "norms and biases" };
const LOSS_NAMES = { cross_entropy: "cross-entropy", accuracy: "1 − accuracy", f1: "1 − F1" };

/** What a step costs in forward-pass equivalents. */
const passes = (method, n) => ({ hizoo: 2 * n + 1, hizoo_l: 2 * n + 1, mezo: 2 * n }[method] ?? 3);

const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
const shown = (value) => (typeof value === "number" ? short(value) : String(value ?? ""));
const same = (a, b) => shown(a) === shown(b) || (String(a).trim() !== "" && Number(a) === Number(b));

/** A number as typed, or the text if it is none: the server says what is wrong with it. */
const typed = (text) => {
  const plain = /^\d{1,3}(,\d{3})+$/.test(text.trim()) ? text.replaceAll(",", "") : text.trim();
  return plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : plain;
};

function slider(field, id, values, set, follow) {
  const [low, high] = field.slider;
  const range = { scale: field.scale, integer: field.integer ?? true, low, high };
  const [from, to] = field.scale === "log" ? [Math.log10(low), Math.log10(high)] : [low, high];
  const element = make("input", { type: "range", min: from, max: to, step: field.scale !== "log" && range.integer ? 1 : (to - from) / 200, "aria-label": `${field.label}, ${short(low)} to ${short(high)} ${field.unit ?? ""}`.trim() });
  element.place = (value) => {
    element.value = toSlider(Number(value), range);
    element.style.setProperty("--part", `${(100 * (element.value - from)) / (to - from)}%`);
  };
  element.place(values[field.name]);
  element.addEventListener("input", () => {
    const value = fromSlider(Number(element.value), range);
    element.style.setProperty("--part", `${(100 * (element.value - from)) / (to - from)}%`);
    follow(value);
    set(value);
  });
  return element;
}

/** Beside the budget's label: what it counts. */
function budgetUnit(id, values, set) {
  const kinds = [["forwards", "passes"], ["steps", "steps"]];
  return select(`${id}-kind`, kinds, values.budgetKind, (kind) => set(kind, "budgetKind"), { "aria-label": "Unit of the budget", "data-part": "unit" });
}

function textInput(id, value, take, more = {}) {
  return make("input", { type: "text", id, value: shown(value), spellcheck: "false", autocomplete: "off", ...more, on: { change: ({ target }) => take(target.value) } });
}

function select(id, pairs, value, take, more = {}) {
  const known = pairs.some(([key]) => key === value) ? pairs : [...pairs, [value, value]];
  const options = known.map(([key, text, title]) => make("option", { value: key, title: title ?? null, selected: key === value }, text));
  return make("select", { id, ...more, on: { change: ({ target }) => take(target.value) } }, ...options);
}

/** What a row holds between its label and its reset button, by kind of field. */
const KINDS = {
  number(form, field, id, values, set) {
    const input = textInput(id, values[field.name], (text) => {
      track.place(typed(text));
      set(typed(text));
    });
    const track = slider(field, id, values, set, (value) => (input.value = shown(value)));
    return [track, input];
  },
  budget: (form, field, id, values, set) => KINDS.number(form, field, id, values, set),
  choice(form, field, id, values, set) {
    return [select(id, field.pairs ?? form.choices[field.name], values[field.name], set)];
  },
  text(form, field, id, values, set) {
    const take = (text) => set(field.name === "seed" ? typed(text) : text.trim());
    const input = textInput(id, values[field.name], take, { list: field.list ? `${id}-list` : null, placeholder: { template: "{text} it was", words: values.task === "table" ? "one per class, e.g. bad,good" : "the task's own" }[field.name] ?? null });
    return field.list ? [make("div", { class: "listed" }, input, make("datalist", { id: `${id}-list` }, ...field.list.map((value) => make("option", { value }))))] : [input];
  },
  data(form, field, id, values, set) {
    const file = make("input", { type: "file", accept: ".csv,.tsv,.txt", hidden: true, on: { change: ({ target }) => target.files[0] && form.upload(target.files[0]) } });
    const input = textInput(id, values.data, (text) => {
      Object.assign(form, { summary: "", file: null, refused: null, classes: null });
      set(text.trim());
    }, { placeholder: values.task === "sst2" ? "empty: the hub" : form.options.transport.paths ? "path, or upload" : "upload a table" });
    const button = make("button", { type: "button", data: { tip: "Upload a CSV or TSV of at most 50,000 rows; or drop it on this card" }, on: { click: () => file.click() } }, "Upload…");
    return [make("div", { class: "data" }, input, button, file, make("p", { class: "uploaded" }, form.summary ?? ""))];
  },
};
