// What a control holds: its value in the state, its preset, and what its slider and its field show.

import { page } from "./page.mjs";
import { find, settings } from "./slots.mjs";
import { markChanged, put } from "../web/widgets.mjs";

export const optimizerOf = (slot) => find(page.state, slot);
export const rangeOf = (slot, name) => page.state.ranges[optimizerOf(slot)?.method ?? slot]?.[name];

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
  put(slot, name, value, { from, range: rangeOf(slot, name), now: () => read(slot, name) });
  mark(slot, name);
}

/** Show the reset button where a value differs from its preset. */
export const mark = (slot, name) => markChanged(slot, name, read(slot, name), presetOf(slot, name));
