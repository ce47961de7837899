// The controls that Dash made: sliders, fields and choices write into the state.

import { whenIdle } from "../idle.mjs";
import { complain, message, rowOf } from "../messages.mjs";
import { fromSlider, short, toSlider } from "../scale.mjs";
import { watchSliders } from "../sliders.mjs";

const { set_props: setProps } = window.dash_clientside;
const written = (value) => (typeof value === "number" ? short(value) : String(value ?? ""));
const TEXTS = new Set(["x0", "expr", "target"]);

export class Controls {
  /** @param {HTMLElement} root  @param {(slot: string, name: string) => void} changed */
  constructor(root, changed) {
    Object.assign(this, { changed, state: null, pending: new Map() });
    watchSliders(root, (slot, name, position) => this.#slid(slot, name, position));
    this.flush = whenIdle(() => {
      for (const tell of this.pending.values()) tell();
      this.pending.clear();
    }, 150);
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
    if (text === null || text === undefined || text === written(this.read(slot, name))) return;
    const preset = this.#preset(slot, name);
    if (text.trim() === "" && preset !== undefined) return this.change(slot, name, preset);
    if (TEXTS.has(name)) return this.change(slot, name, text.trim(), "field");
    const number = Number(/^\d{1,3}(,\d{3})+$/.test(text.trim()) ? text.replace(/,/g, "") : text);
    if (text.trim() !== "" && Number.isFinite(number)) return this.change(slot, name, number, "field");
    complain([{ control: [slot, name], message: `“${text}” is not a number; the decimal point is a dot, as in 0.05 or 5e-2` }], this.state);
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
      if (name === "d" && state.x0.includes(",")) this.change("run", "x0", "");
    } else if (slot === "run") state[name] = value;
    else state.methods[slot].values[name] = value;
    const range = this.#range(slot, name);
    const isChoice = rowOf(slot, name)?.classList.contains("choice");
    if (isChoice && from !== "choice") setProps({ role: "choice", slot, name }, { value });
    if (from === "slider") this.#showInField(slot, name, value);
    else if (!isChoice && from !== "field") setProps({ role: "field", slot, name }, { value: written(value) });
    if (from !== "slider" && range && typeof value === "number") setProps({ role: "slider", slot, name }, { value: toSlider(value, range) });
    this.#mark(slot, name);
    rowOf(slot, name)?.classList.remove("tuned");
    message("");
    this.changed(slot, name);
  }

  /** While a slider moves, its field's text is set directly; Dash hears of the last value only. */
  #showInField(slot, name, value) {
    const input = rowOf(slot, name).querySelector("input:not([type=hidden])");
    if (input) input.value = written(value);
    this.pending.set(`${slot}.${name}`, () => setProps({ role: "field", slot, name }, { value: written(this.read(slot, name)) }));
    this.flush();
  }

  /** Show the reset button where a value differs from its preset. */
  #mark(slot, name) {
    const preset = this.#preset(slot, name);
    rowOf(slot, name)?.classList.toggle("changed", preset !== undefined && written(this.read(slot, name)) !== written(preset));
  }
}
