// The controls that Dash made: sliders, fields and choices write into the state.

import { complain, message, rowOf } from "../web/messages.mjs";
import { fromSlider, toSlider } from "../web/scale.mjs";
import { watchSliders } from "../web/sliders.mjs";
import { markChanged, noNumber, numberIn, put, shown } from "../web/widgets.mjs";

const TEXTS = new Set(["x0", "expr", "target"]);

export class Controls {
  /** @param {HTMLElement} root  @param {(slot: string, name: string) => void} changed */
  constructor(root, changed) {
    Object.assign(this, { changed, state: null });
    watchSliders(root, (slot, name, position) => this.#slid(slot, name, position));
  }

  /** Take another state. */
  open(state) {
    this.state = state;
    for (const [slot, { values }] of Object.entries(state.methods)) for (const name of Object.keys(values)) this.#mark(slot, name);
    for (const name of Object.keys(state.parameters)) this.#mark("function", name);
    for (const name of ["runs", "forwards", "target"]) this.#mark("run", name);
  }

  read(slot, name) {
    if (slot === "function") return name === "expr" ? this.state.text : this.state.parameters[name];
    return slot === "run" ? this.state[name] : this.state.methods[slot]?.values[name];
  }

  #preset(slot, name) {
    if (slot === "function") return this.state.preset.parameters[name];
    if (slot === "run") return this.state.preset[name];
    return this.#tuned(slot)[name];
  }

  #tuned = (slot) => this.state.methods[slot].presets[this.state.methods[slot].values.estimator ?? ""];
  #range = (slot, name) => this.state.ranges[slot]?.[name];

  #slid(slot, name, position) {
    if (!this.state) return;
    const range = this.#range(slot, name);
    if (Math.abs(toSlider(Number(this.read(slot, name)), range) - position) > 1e-9) this.change(slot, name, fromSlider(position, range), "slider");
  }

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
    const option = this.state.methods[slot]?.options.find((each) => each.name === name);
    if (!Number.isFinite(number)) complain([noNumber(slot, name, text)], this.state);
    else if (option && !isAllowed(number, option)) complain([{ field: name, control: [slot, name], message: `${name} = ${text.trim()}: must be ${option.allowed}` }], this.state);
    else this.change(slot, name, number, "field");
  }

  choice(value, slot, name) {
    if (value === this.read(slot, name)) return;
    const isEstimator = name === "estimator";
    const follow = isEstimator && Object.entries(this.#tuned(slot)).every(([key, preset]) => this.read(slot, key) === preset);
    this.change(slot, name, value, "choice");
    // Settings that nobody has touched become those tuned for the new estimator.
    if (follow) for (const [key, preset] of Object.entries(this.#tuned(slot))) this.change(slot, key, preset);
    else if (isEstimator) for (const key of Object.keys(this.state.methods[slot].values)) this.#mark(slot, key);
  }

  reset(slot, name) {
    this.change(slot, name, this.#preset(slot, name));
  }

  /** Take a new value and let the control's other half follow. @param {"slider"|"field"|"choice"=} from */
  change(slot, name, value, from) {
    const { state } = this;
    if (slot === "function") {
      if (name === "expr") state.text = value;
      else state.parameters[name] = value;
      if (name === "d") this.#resize(value);
    } else if (slot === "run") state[name] = value;
    else state.methods[slot].values[name] = value;
    put(slot, name, value, { from, range: this.#range(slot, name), now: () => this.read(slot, name) });
    this.#mark(slot, name);
    rowOf(slot, name)?.classList.remove("tuned");
    message("");
    this.changed(slot, name);
  }

  /** Another number of coordinates: a start with a number for each makes way for the usual one. */
  #resize(d) {
    const { low, high } = this.#range("function", "d");
    if (!(Number.isInteger(d) && d >= low && d <= high)) return; // the server says so
    this.state.dim = d;
    if (this.state.x0.includes(",")) this.change("run", "x0", this.state.preset.x0);
  }

  /** Show the reset button where a value differs from its preset. */
  #mark(slot, name) {
    markChanged(slot, name, this.read(slot, name), this.#preset(slot, name));
  }
}

/** Looked at here too, because a map does not depend on its axes' own controls: the server is not asked about those. */
function isAllowed(value, { integer, low, high, low_open: open }) {
  return (!integer || Number.isInteger(value)) && (low === null || (open ? value > low : value >= low)) && (high === null || value <= high);
}
