// The controls that Dash made: sliders, fields and choices write into the state.

import { catalogue, fieldOf } from "../web/catalogue.mjs";
import { complain, message, rowOf } from "../web/messages.mjs";
import { fromSlider, toSlider } from "../web/scale.mjs";
import { watchSliders } from "../web/sliders.mjs";
import { markChanged, noNumber, numberIn, put, shown } from "../web/widgets.mjs";
import { mustBe } from "../web/wrong.mjs";
import { facts } from "./catalogue.mjs";

/** @import { Field } from "../web/catalogue.mjs" */
/** @import { State } from "./state.mjs" */
/** @typedef {number | string} Value */
/** The run's own controls. @typedef {"runs" | "seed" | "noise" | "forwards" | "target" | "x0"} RunName */

const TEXTS = new Set(["x0", "expr", "target"]);

export class Controls {
  /** @param {HTMLElement} root @param {() => State | null} state @param {(slot: string, name: string) => void} changed */
  constructor(root, state, changed) {
    this.get = state;
    this.changed = changed;
    watchSliders(root, (slot, name, position) => this.#slid(slot, name, position));
  }

  get #state() {
    const state = this.get();
    if (!state) throw new Error("no map is open");
    return state;
  }

  /** Another state is there: mark what differs from its presets. */
  open() {
    for (const [slot, { values }] of Object.entries(this.#state.methods)) for (const name of Object.keys(values)) this.#mark(slot, name);
    for (const name of Object.keys(this.#state.parameters)) this.#mark("function", name);
    for (const name of ["runs", "forwards", "target"]) this.#mark("run", name);
  }

  /** @param {string} slot @param {string} name @returns {Value | undefined} */
  read(slot, name) {
    const state = this.#state;
    if (slot === "function") return name === "expr" ? state.text : state.parameters[name];
    return slot === "run" ? state[/** @type {RunName} */ (name)] : state.methods[slot]?.values[name];
  }

  /** @param {string} slot @param {string} name @returns {Value | undefined} */
  #preset(slot, name) {
    const { preset } = this.#state;
    if (slot === "function") return preset.parameters[name];
    return slot === "run" ? preset[/** @type {"runs" | "forwards" | "target" | "x0"} */ (name)] : this.#tuned(slot)[name];
  }

  /** The tuned settings for the estimator that is chosen. @param {string} slot */
  #tuned(slot) {
    const { presets, values } = this.#state.methods[slot];
    return presets[values.estimator ?? ""];
  }

  /** @param {string} slot @param {string} name */
  #range(slot, name) {
    return this.#state.ranges[slot]?.[name];
  }

  /** @param {string} slot @param {string} name @param {number} position */
  #slid(slot, name, position) {
    if (!this.get()) return;
    const range = this.#range(slot, name);
    if (Math.abs(toSlider(Number(this.read(slot, name)), range) - position) > 1e-9) this.change(slot, name, fromSlider(position, range), "slider");
  }

  /** @param {string | null | undefined} text @param {string} slot @param {string} name */
  field(text, slot, name) {
    if (text === null || text === undefined) return;
    if (text === shown(this.read(slot, name))) {
      if (rowOf(slot, name)?.classList.contains("error")) this.changed(slot, name); // it is right again
      return;
    }
    const preset = this.#preset(slot, name);
    if (text.trim() === "" && preset !== undefined) return this.change(slot, name, preset);
    if (TEXTS.has(name)) return this.change(slot, name, text.trim(), "field");
    const number = numberIn(text);
    const field = slot in catalogue.methods ? fieldOf(slot, name) : undefined;
    if (!Number.isFinite(number)) complain([noNumber(slot, name, text)], this.#state);
    else if (field && !isAllowed(number, field)) complain([{ field: name, control: [slot, name], message: mustBe(field.label, facts.axes[slot].options.find((each) => each.name === name)?.allowed ?? "", text) }], this.#state);
    else this.change(slot, name, number, "field");
  }

  /** @param {string} value @param {string} slot @param {string} name */
  choice(value, slot, name) {
    if (value === this.read(slot, name)) return;
    const isEstimator = name === "estimator";
    const follow = isEstimator && Object.entries(this.#tuned(slot)).every(([key, preset]) => this.read(slot, key) === preset);
    this.change(slot, name, value, "choice");
    // Settings that nobody has touched become those tuned for the new estimator.
    if (follow) for (const [key, preset] of Object.entries(this.#tuned(slot))) this.change(slot, key, preset);
    else if (isEstimator) for (const key of Object.keys(this.#state.methods[slot].values)) this.#mark(slot, key);
  }

  /** @param {string} slot @param {string} name */
  reset(slot, name) {
    const preset = this.#preset(slot, name);
    if (preset !== undefined) this.change(slot, name, preset);
  }

  /** Take a new value and let the control's other half follow. @param {string} slot @param {string} name @param {Value} value @param {"slider" | "field" | "choice"=} from */
  change(slot, name, value, from) {
    const state = this.#state;
    if (slot === "function") {
      if (name === "expr") state.text = String(value);
      else state.parameters[name] = value;
      if (name === "d") this.#resize(Number(value));
    } else if (slot === "run") Object.assign(state, { [name]: value });
    else state.methods[slot].values[name] = value;
    put(slot, name, value, { from, range: this.#range(slot, name), now: () => this.read(slot, name) });
    this.#mark(slot, name);
    rowOf(slot, name)?.classList.remove("tuned");
    message("");
    this.changed(slot, name);
  }

  /** Another number of coordinates: a start with a number for each makes way for the usual one. @param {number} d */
  #resize(d) {
    const { low, high } = this.#range("function", "d");
    if (!(Number.isInteger(d) && d >= low && d <= high)) return; // the server says so
    this.#state.dim = d;
    if (this.#state.x0.includes(",")) this.change("run", "x0", this.#state.preset.x0);
  }

  /** Show the reset button where a value differs from its preset. @param {string} slot @param {string} name */
  #mark(slot, name) {
    markChanged(slot, name, this.read(slot, name), this.#preset(slot, name));
  }
}

/** Looked at here too, because a map does not depend on its axes' own controls: the server is not asked about those. @param {number} value @param {Field} field */
function isAllowed(value, { integer, low, high, low_open: open }) {
  return (!integer || Number.isInteger(value)) && (low === null || (open ? value > low : value >= low)) && (high === null || value <= high);
}
