// The halves of a control that Dash made: slider, field or choice, and the button that puts the preset back.

import { whenIdle } from "./idle.mjs";
import { rowOf } from "./messages.mjs";
import { short, toSlider } from "./scale.mjs";

/** @import { FieldError } from "./latest.mjs" */
/** @typedef {number | string | null | undefined} Value what a control holds */

/** @param {DashId} id @param {Record<string, unknown>} properties */
export const setProps = (id, properties) => window.dash_clientside.set_props(id, properties);

/** A value as its field shows it. @param {Value} value */
export const shown = (value) => (typeof value === "number" ? short(value) : String(value ?? ""));

/** The number that a field's text means, 1,000 among them; NaN for any other text. @param {string} text */
export function numberIn(text) {
  const plain = text.trim();
  return plain === "" ? NaN : Number(/^\d{1,3}(,\d{3})+$/.test(plain) ? plain.replace(/,/g, "") : plain);
}

/** The error of a field whose text is no number. @param {string} slot @param {string} name @param {string} text @returns {FieldError} */
export const noNumber = (slot, name, text) => ({ field: name, control: [slot, name], message: `“${text}” is not a number; the decimal point is a dot, as in 0.05 or 5e-2` });

/**
 * Put a value into the halves of its control that it did not come from.
 * @param {string} slot @param {string} name @param {Value} value
 * @param {{from: "slider" | "field" | "choice" | undefined, range: import("./scale.mjs").Range | undefined, now: () => Value}} source
 *   `now` reads the value again: while a slider moves, Dash hears of the last one only
 */
export function put(slot, name, value, { from, range, now }) {
  const row = rowOf(slot, name);
  const isChoice = row?.matches(".choice, .select");
  if (isChoice && from !== "choice") setProps({ role: "choice", slot, name }, { value });
  if (from === "slider") {
    /** @type {HTMLInputElement | null | undefined} */
    const input = row?.querySelector(".mantine-TextInput-input");
    if (input) input.value = shown(value);
    pending.set(`${slot}.${name}`, () => setProps({ role: "field", slot, name }, { value: shown(now()) }));
    flush();
  } else if (!isChoice && from !== "field") setProps({ role: "field", slot, name }, { value: shown(value) });
  if (from !== "slider" && range && typeof value === "number") setProps({ role: "slider", slot, name }, { value: toSlider(value, range) });
}

/** What Dash is to be told, by control. @type {Map<string, () => void>} */
const pending = new Map();
const flush = whenIdle(() => {
  for (const tell of pending.values()) tell();
  pending.clear();
}, 150);

/** Show the reset button where a value differs from its preset. @param {string} slot @param {string} name @param {Value} value @param {Value} preset */
export function markChanged(slot, name, value, preset) {
  rowOf(slot, name)?.classList.toggle("changed", preset !== undefined && shown(value) !== shown(preset));
}
