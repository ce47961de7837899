// What Python knows of fine-tuning (viz_app/finetuning/catalogue.py): methods, the form's fields, presets, the spec's keys.

/** @import { Field as Setting } from "../web/catalogue.mjs" */
import { catalogue } from "../web/catalogue.mjs";

/** @typedef {Record<string, string | number>} Values of a form, by key; texts as typed where they are no numbers */

/**
 * @typedef {object} Method
 * @property {string} key @property {string} name @property {string} summary @property {string} colour a CSS variable
 * @property {{fixed: number, perDirection: number, auto: number}} cost forward passes of a step; `auto`: more of them with lr=auto
 * @property {Setting[]} hyperparameters
 */

/**
 * @typedef {object} Field of the form
 * @property {string} name @property {string} label @property {"choice" | "text" | "number" | "budget" | "data"} kind
 * @property {string} help @property {[number, number] | null} slider @property {"linear" | "log"} scale
 * @property {string} unit @property {boolean} more in the fold
 */

/**
 * @typedef {object} Preset
 * @property {number} forwards @property {number} batch @property {Record<string, Values>} opts settings by method
 * @property {number=} truth evaluations between estimates of the reference
 * @property {number} top layers that are trained (0: all)
 * @property {string[]} tuned methods whose settings were searched for, for just this case
 */

/**
 * @typedef {object} Facts
 * @property {Method[]} methods @property {string[]} default_methods @property {string[]} spareColours CSS variables
 * @property {Record<string, string>} tasks name → help @property {Record<string, string>} tunes
 * @property {Record<string, string>} losses @property {string[]} dtypes
 * @property {Record<string, [number, number]>} limits @property {Values} defaults
 * @property {Record<string, Preset>} presets by "task/tune" for the bundled model, "other/tune" for any other
 * @property {Field[]} fields @property {Record<string, Record<string, string>>} names of choices' values
 * @property {Record<string, Record<string, string[] | null>[]>} only keys that matter only where, in one of these cases, others have one of these values; null: any but an empty one
 * @property {string[]} keys of a spec, in order @property {number} evaluations of a run whose spec does not say
 * @property {{cells: number, texts: number}} surface points of the loss surface, and texts of the loss at each
 */

export const { finetuning: facts } = /** @type {{finetuning: Facts}} */ (/** @type {unknown} */ (catalogue));

const methods = new Map(facts.methods.map((method) => [method.key, method]));

/** A method's facts; undefined for a name that is no method's. @param {string} key */
export const methodOf = (key) => methods.get(key);

/** A method's name; the key itself for what a newer version wrote. @param {string} key */
export const nameOf = (key) => methods.get(key)?.name ?? key;

/** Forward passes of a step. @param {string} method @param {Values} values its settings */
export function passes(method, values) {
  const { fixed, perDirection, auto } = methods.get(method)?.cost ?? { fixed: 0, perDirection: 0, auto: 0 };
  return fixed + (perDirection ? perDirection * (Number(values.n) || 1) : 0) + (values.lr === "auto" ? auto : 0);
}

/** Whether a key of the spec, or a field of the form, matters beside these values. @param {string} key @param {Values} values */
export const matters = (key, values) =>
  (facts.only[key] ?? [{}]).some((found) =>
    Object.entries(found).every(([other, allowed]) => (allowed ? allowed.includes(String(values[other])) : values[other] !== "")),
  );
