// The settings on the form, each in its place: a card, and a name in it. What its widget holds, and where an error belongs.

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Field as Setting } from "../web/catalogue.mjs" */
/** @import { Field, Values } from "./facts.mjs" */
/** @import { FormState } from "./formstate.mjs" */
/** @import { Slot } from "./spec.mjs" */
import { facts, matters, methodOf } from "./facts.mjs";
import { shown, typed } from "./formstate.mjs";
import { sentence } from "./server.mjs";

/** The first card. */
export const RUN = "run";

/** @typedef {Pick<Field, "name" | "slider" | "scale"> & Partial<Pick<Setting, "integer" | "choices">>} Described a field of the form, or a method's setting */
/** @typedef {{card: string, field: Described, values: Values, presets: Values}} Place `values` has the setting's value, `presets` its preset where it has one */

/** Of the budget: passes or steps. @type {Described} */
const UNIT = { name: "budgetKind", slider: null, scale: "linear" };

/** All settings of the form. @param {FormState} state @param {Map<string, Slot>} cards optimizers by their cards @returns {Place[]} */
export function placesOf(state, cards) {
  const { values, opts } = state.preset;
  const own = [...cards].flatMap(([card, slot]) => settingsOf(slot.method).map((field) => ({ card, field, values: slot.values, presets: opts[slot.method] })));
  return [...[...facts.fields, UNIT].map((field) => ({ card: RUN, field, values: state.values, presets: values })), ...own];
}

/** @param {string} method */
const settingsOf = (method) => methodOf(method)?.hyperparameters ?? [];

/** @param {Pick<Place, "card" | "field">} place */
export const keyOf = ({ card, field }) => `${card}.${field.name}`;

/** Whether a slider and a field hold it. @param {Described} field */
const isNumber = ({ slider, choices }) => Boolean(slider) && !choices;

/** What a widget holds: a number, or text where it is none. @param {Place} place */
export const valueOf = ({ field, values }) => (isNumber(field) ? typed(String(values[field.name])) : String(values[field.name]));

/** The same as it is shown. @param {Place} place */
export const textOf = (place) => shown(valueOf(place));

/** The value that a widget's text means. @param {Described} field @param {string} text */
export const meant = (field, text) => (isNumber(field) || field.name === "seed" ? typed(text) : text.trim());

/** What its slider spans; undefined where it has none. @param {Described} field */
export function rangeOf(field) {
  if (!field.slider || !isNumber(field)) return undefined;
  const [low, high] = field.slider;
  return { scale: field.scale, integer: field.integer ?? true, low, high };
}

/**
 * Card and name of the setting that an error is about; a card alone where it is about an optimizer; null where the form
 * has no such place. `opt.hizoo#2.lr` → hizoo#2, lr; `steps` → run, budget.
 * @param {string} field @param {FormState} state @returns {[card: string, name?: string] | null}
 */
export function errorPlace(field, state) {
  if (!field.startsWith("opt.")) {
    const name = field === "steps" || field === "forwards" ? "budget" : field;
    return facts.fields.some((each) => each.name === name) && matters(name, state.values) ? [RUN, name] : null;
  }
  const [, label, name] = field.split(".");
  const found = state.optimizers.find((optimizer) => optimizer.label === label);
  if (!found) return null;
  if (name === undefined) return [label];
  return settingsOf(found.slot.method).some((each) => each.name === name) ? [label, name] : null;
}

/** An error beside Start: whose it is, where that is an optimizer, or its key in the spec, where no field of the form is. @param {FieldError} error @param {FormState} state */
export function said({ field, message }, state) {
  const place = errorPlace(field, state);
  const found = state.optimizers.find(({ label }) => label === place?.[0]);
  return found ? `${found.title}: ${message}` : place ? message : sentence({ field, message });
}
