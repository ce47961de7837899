// What to train: the left column's widgets, which Python makes (viz_app/finetuning/form.py), filled and read here.

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Slot } from "./spec.mjs" */
import { html, render } from "../vendor/lit.mjs";
import { setText } from "../web/make.mjs";
import { rowOf, showErrors } from "../web/messages.mjs";
import { around, one } from "../web/one.mjs";
import { fromSlider, toSlider } from "../web/scale.mjs";
import { watchSliders } from "../web/sliders.mjs";
import { markChanged, put, setProps } from "../web/widgets.mjs";
import { facts, matters, nameOf } from "./facts.mjs";
import { FormState } from "./formstate.mjs";
import { RUN, errorPlace, keyOf, meant, placesOf, rangeOf, textOf, valueOf } from "./places.mjs";
import { Upload } from "./upload.mjs";

/** @typedef {{devices?: {name: string, title: string}[], auto: string | null, transport: {upload: number, paths: boolean}}} Options of GET /api/finetune/options, what depends on the machine */
/** @typedef {{number: number, cards: Map<string, Slot>, held: Map<string, string>, then: () => void}} Made widgets: the optimizers by card, and what each widget holds */

const AGAIN = 2000; // ms after which widgets that have not come are asked for again

export class Form {
  state = new FormState();
  upload = new Upload();
  /** The widgets that there are. @type {Made} */
  #now = { number: 0, cards: new Map(), held: new Map(), then: () => {} };
  /** Those that were asked for last. */
  #next = this.#now;
  #again = 0;
  /** What is wrong. @type {FieldError[]} */
  #errors = [];

  /** @param {HTMLElement} root @param {Options} options @param {(spec: string) => void} changed */
  constructor(root, options, changed) {
    this.root = root;
    this.options = options;
    this.changed = changed;
    watchSliders(root, (card, name, position) => this.#slid(card, name, position));
    root.addEventListener("click", (event) => this.#clicked(event));
    for (const kind of /** @type {const} */ (["dragover", "dragleave", "drop"])) root.addEventListener(kind, (event) => this.#dragged(event));
  }

  /** Show a spec: what it leaves out takes the preset. @param {string} text */
  open(text) {
    this.upload.clear();
    this.state.open(text);
    this.#make();
  }

  get spec() {
    return this.state.spec;
  }

  /** Errors of a file that the server did not take, none while it is on its way; null where the spec needs no such file. */
  get refusal() {
    return this.state.values.task === "table" ? this.upload.refused : null;
  }

  // ---- the widgets ----

  /** Have widgets made for what the form says. @param {() => void} then done when they are there */
  #make(then = () => {}) {
    const { state } = this;
    const cards = new Map(state.optimizers.map(({ label, slot }) => [label, slot]));
    const places = placesOf(state, cards);
    const held = new Map(places.map((place) => [keyOf(place), textOf(place)]));
    this.#next = { number: this.#next.number + 1, cards, held, then };
    const values = (/** @type {string} */ card) => Object.fromEntries(places.filter((place) => place.card === card).map((place) => [place.field.name, valueOf(place)]));
    this.#ask({
      number: this.#next.number,
      values: values(RUN),
      hidden: facts.fields.map(({ name }) => name).filter((name) => !matters(name, state.values)),
      devices: this.#devices,
      optimizers: state.optimizers.map(({ label, title, colour, passes, slot }) => ({ slot: label, method: slot.method, name: title, colour, passes, values: values(label) })),
      full: state.isFull,
    });
    this.changed(this.spec);
  }

  /** Dash does not say when the server is away. @param {object} asked */
  #ask(asked) {
    clearTimeout(this.#again);
    this.#again = window.setTimeout(() => this.#ask(asked), AGAIN);
    setProps("opt-asked", { data: { ...asked, at: Date.now() } });
  }

  get #devices() {
    const { auto, devices = [] } = this.options;
    const titles = Object.fromEntries(devices.map(({ name, title }) => [name, title]));
    const chosen = auto ? `auto: ${titles[auto] ?? auto}` : "automatic";
    return Object.entries({ auto: chosen, cpu: "CPU", ...titles }).map(([value, label]) => ({ value, label }));
  }

  /** Widgets are there. @param {number} number */
  made(number) {
    if (number !== this.#next.number) return;
    clearTimeout(this.#again);
    this.#now = this.#next;
    this.#show();
    this.complain(this.#errors);
    this.#now.then();
  }

  /** Bring the widgets in line with the state. @param {string} [slid] the setting whose slider is being moved */
  #show(slid) {
    const { state, root } = this;
    const { cards, held } = this.#now;
    if (!this.#now.number) return;
    for (const place of placesOf(state, cards)) {
      const { card, field, values, presets } = place;
      const [key, value, text] = [keyOf(place), valueOf(place), textOf(place)];
      if (held.get(key) !== text) put(card, field.name, value, { from: key === slid ? "slider" : undefined, range: rangeOf(field), now: () => valueOf(place) });
      held.set(key, text);
      markChanged(card, field.name, value, presets[field.name]);
      const row = card === RUN && rowOf(card, field.name);
      if (row) row.hidden = !matters(field.name, values);
    }
    for (const { label, passes } of state.optimizers) {
      const place = root.querySelector(`[data-passes="${CSS.escape(label)}"]`);
      if (place) setText(place, `${passes} passes a step`);
    }
    this.#showBadge();
    this.#showData();
  }

  #showBadge() {
    const { state } = this;
    const searched = state.preset.tuned.map(nameOf).join(", ");
    const badge = state.isTuned
      ? html`<span class="badge" tabindex="0" data-tip="The settings of ${searched} were searched for with equal budgets for this model, task and tuning mode.">tuned preset</span>`
      : state.slots.some(({ values }) => values.lr === "auto")
      ? html`<span class="badge" tabindex="0" data-tip="Nobody has searched for settings for this combination: learning rates that say auto are found while training, from the passes that a step makes anyway.">automatic η</span>`
      : html`<span class="badge untuned" tabindex="0" data-tip="Nobody has searched for good settings for this combination: take them as a place to start.">not tuned</span>`;
    render(state.unread === null ? badge : "", one(this.root, "#opt-badge"));
  }

  /** What stands in empty fields, and what came of a file. */
  #showData() {
    const { upload, root } = this;
    const { task } = this.state.values;
    const classes = upload.classes?.join(",");
    const own = task === "table" ? `one per class, e.g. ${classes ?? "bad,good"}` : "the task's own";
    const data = task === "sst2" ? "empty: the hub" : this.options.transport.paths ? "path, or upload" : "upload a table";
    for (const [name, text] of Object.entries({ template: "{text} it was", words: own, data })) one(root, `[data-field="run.${name}"] input`, HTMLInputElement).placeholder = text;
    const chosen = (/** @type {Event} */ { target }) => this.#send(/** @type {HTMLInputElement} */ (target).files?.[0]);
    render(html`<input type="file" accept=".csv,.tsv,.txt" hidden @change=${chosen}><p>${upload.summary}</p>`, one(root, ".uploaded"));
  }

  // ---- changes ----

  /** A widget holds another text. @param {string} text @param {string} card @param {string} name */
  took(text, card, name) {
    const { cards, held } = this.#now;
    const place = placesOf(this.state, cards).find((each) => each.card === card && each.field.name === name);
    if (!place || held.get(keyOf(place)) === text) return;
    held.set(keyOf(place), text);
    if (keyOf(place) === "run.data") this.upload.clear();
    this.#set(card, name, meant(place.field, text));
  }

  /** Take what is typed, and not yet left. */
  settle() {
    for (const { card, field } of placesOf(this.state, this.#now.cards)) {
      /** @type {HTMLInputElement | null | undefined} */
      const input = rowOf(card, field.name)?.querySelector(".mantine-TextInput-input, .mantine-Autocomplete-input");
      if (input) this.took(input.value, card, field.name);
    }
  }

  /** @param {string} card @param {string} name @param {number} position */
  #slid(card, name, position) {
    if (this.#now !== this.#next) return; // its widget is being made anew
    const place = placesOf(this.state, this.#now.cards).find((each) => each.card === card && each.field.name === name);
    const range = place && rangeOf(place.field);
    if (!range || Math.abs(toSlider(Number(valueOf(place)), range) - position) <= 1e-9) return;
    this.#set(card, name, fromSlider(position, range), `${card}.${name}`);
  }

  /** Back to the preset. @param {string} card @param {string} name */
  reset(card, name) {
    const slot = this.#now.cards.get(card);
    if (card === RUN) this.state.reset(name);
    else if (slot) this.state.setOf(slot, name, this.state.preset.opts[slot.method][name]);
    this.#told();
  }

  /** @param {string} card @param {string} name @param {string | number} value @param {string} [slid] */
  #set(card, name, value, slid) {
    const slot = this.#now.cards.get(card);
    if (slot) this.state.setOf(slot, name, value);
    else this.state.set(name, value);
    const { file } = this.upload;
    if (file && (name === "text_column" || name === "label_column")) this.#send(file);
    else this.#told(slid);
  }

  /** @param {string} [slid] */
  #told(slid) {
    this.#show(slid);
    this.changed(this.spec);
  }

  /** @param {Event} event */
  #clicked(event) {
    if (around(event, "[data-do=upload]")) return one(this.root, "input[type=file]").click();
    const method = around(event, "[data-add]")?.dataset.add;
    if (method) return this.#add(method);
    const slot = this.#now.cards.get(around(event, "[data-remove]")?.dataset.remove ?? "");
    if (!slot) return;
    this.state.remove(slot);
    this.#make();
  }

  /** @param {string} card */
  duplicate(card) {
    const slot = this.#now.cards.get(card);
    if (slot) this.#add(slot.method, slot);
  }

  /** @param {string} method @param {Slot | null} copied */
  #add(method, copied = null) {
    const place = this.state.add(method, copied);
    const { label } = this.state.optimizers[place];
    this.#make(() => one(this.root, `.card[data-slot="${CSS.escape(label)}"]`).scrollIntoView({ block: "nearest" }));
  }

  /** A file is dragged over the first card, or dropped. @param {DragEvent} event */
  #dragged(event) {
    const card = around(event, '[data-slot="run"]');
    if (!card) return;
    event.preventDefault();
    card.classList.toggle("dropping", event.type === "dragover");
    if (event.type === "drop") this.#send(event.dataTransfer?.files[0]);
  }

  /** @param {File | undefined} file */
  async #send(file) {
    if (!file) return;
    const most = this.options.transport.upload;
    if (file.size > most) return void this.complain([{ field: "data", message: `${file.name} has ${megabytes(file.size)} MB; allowed: up to ${megabytes(most)} MB` }]);
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
    this.#errors = errors;
    showErrors(this.root, errors, ({ field }) => {
      const [card, name] = errorPlace(field, this.state) ?? [];
      return name ? rowOf(card, name) : card ? this.root.querySelector(`.card[data-slot="${CSS.escape(card)}"]`) : null;
    });
    return errors.filter(({ field }) => errorPlace(field, this.state) === null);
  }

  /** Bring the first field with an error into view, and the keyboard to it. */
  reveal() {
    const place = this.root.querySelector(".error-text")?.parentElement;
    place?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement | null | undefined} */ (place?.querySelector("input:not([type=hidden], .unit *)"))?.focus({ preventScroll: true });
  }
}

/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
