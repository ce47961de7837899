// What a control holds: its value in the state, its preset, and what its slider and its field show.

import { whenIdle } from "./idle.mjs";
import { rowOf } from "./messages.mjs";
import { page } from "./page.mjs";
import { short, toSlider } from "./scale.mjs";
import { find, settings } from "./slots.mjs";

const { set_props: setProps } = window.dash_clientside;

export const optimizerOf = (slot) => find(page.state, slot);
export const rangeOf = (slot, name) => page.state.ranges[optimizerOf(slot)?.method ?? slot]?.[name];
export const shown = (value) => (typeof value === "number" ? short(value) : String(value ?? ""));

export function read(slot, name) {
  const { state } = page;
  if (slot === "function") return name === "expr" ? state.text : state.parameters[name];
  if (slot === "run") return state[name];
  if (slot === "view") return state.view[name];
  return settings(state, page.parts.forks.edited(slot))[name];
}

export function presetOf(slot, name) {
  if (slot === "function") return page.state.preset.parameters[name];
  if (slot === "run") return page.state.preset[name];
  return optimizerOf(slot) && tuned(slot)[name];
}

/** What was tuned for a card's optimizer with the estimator that it has. */
export const tuned = (slot) => optimizerOf(slot).presets[read(slot, "estimator") ?? ""];

/** Put a value into the halves of its control that it did not come from. */
export function showValue(slot, name, value, from) {
  const range = rangeOf(slot, name);
  const isChoice = rowOf(slot, name)?.classList.contains("choice");
  if (isChoice && from !== "choice") setProps({ role: "choice", slot, name }, { value });
  if (from === "slider") showInField(slot, name, value);
  else if (!isChoice && from !== "field") setProps({ role: "field", slot, name }, { value: shown(value) });
  if (from !== "slider" && range && typeof value === "number") setProps({ role: "slider", slot, name }, { value: toSlider(value, range) });
  mark(slot, name);
}

/** While a slider moves, its field's text is set directly; Dash hears of the last value only. */
function showInField(slot, name, value) {
  const input = rowOf(slot, name).querySelector("input:not([type=hidden])");
  if (input) input.value = shown(value);
  pending.set(`${slot}.${name}`, () => setProps({ role: "field", slot, name }, { value: shown(read(slot, name)) }));
  flush();
}
const pending = new Map();
const flush = whenIdle(() => {
  for (const tell of pending.values()) tell();
  pending.clear();
}, 150);

/** Show the reset button where a value differs from its preset. */
export function mark(slot, name) {
  const preset = presetOf(slot, name);
  rowOf(slot, name)?.classList.toggle("changed", preset !== undefined && shown(read(slot, name)) !== shown(preset));
}
