// What a control holds: its value in the state, its preset, and what its slider and its field show.

import { markChanged, put } from "../web/widgets.mjs";
import { page } from "./page.mjs";
import { find, held, settings } from "./slots.mjs";

/** @import { Value } from "../web/widgets.mjs" */

/** @param {string} slot */
export const optimizerOf = (slot) => find(page.state, slot);

/** @param {string} slot @param {string} name */
export const rangeOf = (slot, name) => page.state.ranges[optimizerOf(slot)?.method ?? slot]?.[name];

/** @param {string} slot @param {string} name @returns {Value} */
export function read(slot, name) {
  const { state } = page;
  if (slot === "function") return name === "expr" ? state.text : state.parameters[name];
  if (slot === "run") return { x0: state.x0, steps: state.steps, runs: state.runs, seed: state.seed, noise: state.noise }[name];
  if (slot === "view") return { coords: state.view.coords, target: state.view.target }[name];
  return settings(state, page.parts.forks.edited(slot))[name];
}

/** @param {string} slot @param {string} name @returns {Value} */
export function presetOf(slot, name) {
  const { preset } = page.state;
  if (slot === "function") return preset.parameters[name];
  if (slot === "run") return { x0: preset.x0, steps: preset.steps, runs: preset.runs }[name];
  return optimizerOf(slot) && tuned(slot)[name];
}

/** What was tuned for a card's optimizer with the estimator that it has. @param {string} slot */
export const tuned = (slot) => held(page.state, slot).presets[read(slot, "estimator") ?? ""];

/** Put a value into the halves of its control that it did not come from. @param {string} slot @param {string} name @param {Value} value @param {"slider" | "field" | "choice"} [from] */
export function showValue(slot, name, value, from) {
  put(slot, name, value, { from, range: rangeOf(slot, name), now: () => read(slot, name) });
  mark(slot, name);
}

/** Show the reset button where a value differs from its preset. @param {string} slot @param {string} name */
export const mark = (slot, name) => markChanged(slot, name, read(slot, name), presetOf(slot, name));
