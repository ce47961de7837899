// The map's two axes: which hyperparameter, and its values as a range or as a list.

import { axisErrors } from "./axischeck.mjs";
import { isRange } from "./spec.mjs";

/** @typedef {{name: string, text: string}} Axis `text` is LOW:HIGH:COUNT or a list with commas */

const NAMES = { x: "Across", y: "Up" };
const RANGE = [
  ["low", "from"],
  ["high", "to"],
  ["count", "values"],
];

export class Axes {
  /** @param {HTMLElement} root  @param {(axes: Partial<Record<"x"|"y", Axis>>, edited: "x"|"y") => void} changed */
  constructor(root, changed) {
    Object.assign(this, { root, changed, axes: null });
    root.innerHTML = Object.entries(NAMES)
      .map(
        ([which, label]) => `<div class="row axis-row" data-field="axis.${which}"><label>${label}</label>
          <select aria-label="Hyperparameter ${label.toLowerCase()}"></select>
          <button class="quiet as-list" title="Type the values one by one, or give a range"></button>
          <div class="axis-range">${RANGE.map(([key, word]) => `<label>${word}<input data-part="${key}" aria-label="${label}: ${word}" spellcheck="false"></label>`).join("")}</div>
          <input class="axis-list" data-part="list" aria-label="${label}: values" spellcheck="false"></div>`,
      )
      .join("");
    for (const which of Object.keys(NAMES)) this.#listen(which);
  }

  #row(which) {
    const row = this.root.querySelector(`[data-field="axis.${which}"]`);
    return {
      row,
      select: row.querySelector("select"),
      toggle: row.querySelector(".as-list"),
      range: row.querySelector(".axis-range"),
      list: row.querySelector(".axis-list"),
      parts: Object.fromEntries([...row.querySelectorAll(".axis-range input")].map((input) => [input.dataset.part, input])),
    };
  }

  #listen(which) {
    const { select, toggle, list, parts } = this.#row(which);
    select.addEventListener("change", () => {
      const other = which === "x" ? "y" : "x";
      // Both axes the same would be no map: they change places.
      if (select.value === this.axes[other].name) this.changed({ [which]: this.axes[other], [other]: this.axes[which] }, which);
      else this.changed({ [which]: { name: select.value, text: this.options.find(({ name }) => name === select.value).text } }, which);
    });
    const tell = (text) => {
      if (text !== this.axes[which].text) this.changed({ [which]: { name: this.axes[which].name, text } }, which);
    };
    for (const input of Object.values(parts)) {
      input.addEventListener("change", () => tell(["low", "high", "count"].map((key) => parts[key].value.trim()).join(":")));
    }
    list.addEventListener("change", () => tell(list.value.trim().replace(/[\s,]+/g, ",")));
    toggle.addEventListener("click", () => {
      const axis = this.axes[which];
      if (isRange(axis.text)) {
        if (!axisErrors(this.axes, this.options, which).length) tell(spread(axis.text, this.options.find(({ name }) => name === axis.name)).join(","));
      } else {
        const numbers = axis.text.split(",").map(Number);
        tell(`${Math.min(...numbers)}:${Math.max(...numbers)}:${numbers.length}`);
      }
    });
  }

  /** @param {Record<"x"|"y", Axis>} axes  @param {{name: string, label: string, scale: string, integer: boolean, text: string}[]} options what an axis may be, and its usual values */
  show(axes, options) {
    Object.assign(this, { axes: structuredClone(axes), options });
    for (const which of Object.keys(NAMES)) {
      const { select, toggle, range, list, parts } = this.#row(which);
      const chosen = axes[which];
      select.replaceChildren(...options.map(({ name, label }) => new Option(label, name, false, name === chosen.name)));
      const asRange = isRange(chosen.text);
      range.hidden = !asRange;
      list.hidden = asRange;
      toggle.textContent = asRange ? "as list" : "as range";
      if (!asRange) list.value = chosen.text.replaceAll(",", ", ");
      else chosen.text.split(":").forEach((text, i) => (parts[RANGE[i][0]].value = text));
    }
  }
}

/** The values of a sound LOW:HIGH:COUNT, spaced and rounded as viz_app/tuning/spec.py does it. */
function spread(text, { scale, integer }) {
  const [low, high, count] = text.split(":").map(Number);
  const at = (part) => (scale === "log" ? low * (high / low) ** part : low + (high - low) * part);
  const values = Array.from({ length: count }, (_, i) => at(i / (count - 1)));
  if (integer) return [...new Set(values.map((value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value))))];
  const rounded = (value, i) => {
    const near = Math.min(value - values[i], values[i + 2] - value) / 10; // digits enough to tell it from its neighbours
    const digits = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16].find((n) => Math.abs(Number(value.toPrecision(n)) - value) <= near);
    return Number(value.toPrecision(digits ?? 17));
  };
  return [low, ...values.slice(1, -1).map(rounded), high];
}
