// The rows of the form: label, slider, field or choice, the button that puts the preset back, and what is wrong.

/** @import { TemplateResult } from "lit-html" */
import { classMap, html, live, nothing } from "../vendor/lit.mjs";
import { fromSlider, short, toSlider } from "../web/scale.mjs";
import { same, shown, typed } from "./formstate.mjs";

/** @typedef {string | number} Value */
/** @typedef {[value: string, text: string, help?: string]} Choice */

/**
 * @typedef {object} Row
 * @property {string} slot card: "run", or an optimizer's label @property {string} name @property {string} label
 * @property {string} help @property {string} unit
 * @property {Value} value @property {Value | undefined} preset
 * @property {TemplateResult} control  @property {string | undefined} error
 * @property {(value: Value) => void} set @property {() => void} reset
 * @property {boolean=} wide the control has no slider  @property {TemplateResult=} beside the label
 */

/** @param {Pick<Row, "slot" | "name">} row */
export const idOf = ({ slot, name }) => `opt-${slot}-${name}`;

/** @param {Row} row */
export function rowView(row) {
  const text = row.unit ? `${row.label}, ${row.unit}` : row.label;
  const changed = row.preset !== undefined && !same(row.value, row.preset);
  const label = html`<label for=${idOf(row)} data-tip=${row.help}>${text}</label>`;
  return html`<div class=${classMap({ row: true, text: Boolean(row.wide), changed, error: row.error !== undefined })} data-field="${row.slot}.${row.name}">
    ${row.beside ? html`<div class="with-unit">${label}${row.beside}</div>` : label}${row.control}
    <button type="button" class="reset" aria-label="Reset ${text}" data-tip="Back to the preset" @click=${row.reset}>↺</button>
    ${errorView(row.error)}
  </div>`;
}

/** @param {string | undefined} error */
export const errorView = (error) => (error === undefined ? nothing : html`<p class="error-text" role="alert">${error}</p>`);

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value;

/**
 * @param {string} id @param {Value} value @param {(text: string) => void} take
 * @param {{placeholder?: string, list?: string[]}} more
 */
export function textInput(id, value, take, { placeholder, list } = {}) {
  const input = html`<input type="text" id=${id} .value=${live(shown(value))} spellcheck="false" autocomplete="off"
    placeholder=${placeholder ?? nothing} list=${list ? `${id}-list` : nothing} @change=${(/** @type {Event} */ event) => take(valueOf(event))}>`;
  if (!list) return input;
  return html`<div class="listed">${input}<datalist id="${id}-list">${list.map((each) => html`<option value=${each}></option>`)}</datalist></div>`;
}

/**
 * @param {string} id @param {Choice[]} choices @param {Value} value @param {(value: string) => void} take
 * @param {string=} label where there is no other  @param {string=} part
 */
export function select(id, choices, value, take, label, part) {
  /** @type {Choice[]} */
  const known = choices.some(([key]) => key === String(value)) ? choices : [...choices, [String(value), String(value)]];
  return html`<select id=${id} aria-label=${label ?? nothing} data-part=${part ?? nothing} .value=${live(String(value))} @change=${(/** @type {Event} */ event) => take(valueOf(event))}>
    ${known.map(([key, text, title]) => html`<option value=${key} title=${title ?? nothing} ?selected=${key === String(value)}>${text}</option>`)}
  </select>`;
}

/**
 * A slider and a text field for one number.
 * @param {string} id @param {{label: string, unit: string, slider: [number, number], scale: "linear" | "log", integer: boolean}} range
 * @param {Value} value @param {(value: Value) => void} set
 */
export function numberInput(id, { label, unit, slider: [low, high], scale, integer }, value, set) {
  const range = { scale, integer, low, high };
  const [from, to] = scale === "log" ? [Math.log10(low), Math.log10(high)] : [low, high];
  const number = Number(value);
  const at = Number.isNaN(number) ? from : toSlider(number, range);
  const step = scale !== "log" && integer ? 1 : (to - from) / 200;
  return html`<input type="range" min=${from} max=${to} step=${step} aria-label="${`${label}, ${short(low)} to ${short(high)} ${unit}`.trim()}"
      .value=${live(String(at))} style="--part:${(100 * (at - from)) / (to - from)}%" @input=${(/** @type {Event} */ event) => set(fromSlider(Number(valueOf(event)), range))}>
    ${textInput(id, value, (text) => set(typed(text)))}`;
}
