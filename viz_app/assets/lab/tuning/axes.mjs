// The map's two axes: which hyperparameter, and its values as a range or as a list.

import { extent } from "../vendor/d3.mjs";
import { html, render } from "../vendor/lit.mjs";
import { axisErrors } from "./axischeck.mjs";
import { facts, fieldAlong } from "./catalogue.mjs";
import { current, isRange } from "./state.mjs";

/** @import { Axes, State } from "./state.mjs" */
/** @typedef {"x" | "y"} Which */

const NAMES = { x: "Across", y: "Up" };
const RANGE = [
  ["low", "from"],
  ["high", "to"],
  ["count", "values"],
];

/** @param {Event} event */
const typed = ({ target }) => /** @type {HTMLInputElement | HTMLSelectElement} */ (target).value.trim();

export class AxisControls {
  /**
   * @param {HTMLElement} root
   * @param {{state: () => State, changed: (axes: Partial<Axes>, edited: Which) => void, values: (which: Which) => Promise<number[]>}} hooks
   *   `values` are those of a range, as the server spaces them
   */
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
  }

  /** Show the axes of the optimizer whose map is on. */
  show() {
    render(html`${this.#row("x")}${this.#row("y")}`, this.root);
  }

  get #axes() {
    return current(this.hooks.state()).axes;
  }

  /** @param {Which} which */
  #row(which) {
    const { method } = this.hooks.state();
    const axis = this.#axes[which];
    const [label, range] = [NAMES[which], isRange(axis.text)];
    const parts = range ? axis.text.split(":") : ["", "", ""];
    const option = (/** @type {{name: string}} */ { name }) => html`<option value=${name} .selected=${name === axis.name}>${fieldAlong(method, name).label}</option>`;
    /** @param {number} i */
    const part = (i) => (/** @type {Event} */ event) => this.#tell(which, parts.with(i, typed(event)).join(":"));
    return html`<div class="row axis-row" data-field="axis.${which}"><label>${label}</label>
      <select aria-label="Hyperparameter ${label.toLowerCase()}" @change=${(/** @type {Event} */ event) => this.#choose(which, typed(event))}>${facts.axes[method].options.map(option)}</select>
      <button class="quiet as-list" title="Type the values one by one, or give a range" @click=${() => (range ? this.#list(which) : this.#span(which))}>${range ? "as list" : "as range"}</button>
      <div class="axis-range" ?hidden=${!range}>${RANGE.map(([key, word], i) => html`<label>${word}<input data-part=${key} aria-label="${label}: ${word}" spellcheck="false" .value=${parts[i]} @change=${part(i)}></label>`)}</div>
      <input class="axis-list" data-part="list" aria-label="${label}: values" spellcheck="false" ?hidden=${range} .value=${range ? "" : axis.text.replaceAll(",", ", ")} @change=${(/** @type {Event} */ event) => this.#tell(which, typed(event).replace(/[\s,]+/g, ","))}></div>`;
  }

  /** @param {Which} which @param {string} name */
  #choose(which, name) {
    const axes = this.#axes;
    const other = which === "x" ? "y" : "x";
    const option = facts.axes[this.hooks.state().method].options.find((each) => each.name === name);
    // Both axes the same would be no map: they change places.
    if (name === axes[other].name) this.hooks.changed({ [which]: axes[other], [other]: axes[which] }, which);
    else if (option) this.hooks.changed({ [which]: { name, text: option.text } }, which);
  }

  /** @param {Which} which @param {string} text */
  #tell(which, text) {
    const { name, text: before } = this.#axes[which];
    if (text !== before) this.hooks.changed({ [which]: { name, text } }, which);
  }

  /** From a range to the list of its values. @param {Which} which */
  async #list(which) {
    const { method } = this.hooks.state();
    const axis = this.#axes[which];
    if (axisErrors(this.#axes, (name) => fieldAlong(method, name).scale, which).length) return;
    const values = await this.hooks.values(which);
    if (this.#axes[which] === axis) this.#tell(which, values.join(","));
  }

  /** From a list to a range over its values. @param {Which} which */
  #span(which) {
    const numbers = this.#axes[which].text.split(",").map(Number);
    this.#tell(which, [...extent(numbers), numbers.length].join(":"));
  }
}
