// What the server says of maps (viz_app/tuning/catalogue.py), and of the hyperparameters that an axis may vary.

import { catalogue, fieldOf } from "../web/catalogue.mjs";

/** @import { Axis } from "./state.mjs" */

/**
 * @typedef {object} Facts
 * @property {number} cells how many a map may have
 * @property {Record<"passes" | "loss" | "diverged" | "bias", string>} measures their names on the switch
 * @property {string} auto a target's text where none is given
 * @property {{allowed: [number, number], usual: number}} trials of a search
 * @property {Record<string, {usual: Record<"x" | "y", Axis>, options: (Axis & {allowed: string})[]}>} axes by method: those of its usual map, and all that there are, with the allowed values in words
 */

export const facts = /** @type {{tuning: Facts}} */ (/** @type {unknown} */ (catalogue)).tuning;

/** A method's hyperparameter that an axis varies. @param {string} method @param {string} name */
export function fieldAlong(method, name) {
  const field = fieldOf(method, name);
  if (!field) throw new Error(`${method} has no ${name}`);
  return field;
}

/** A hyperparameter's symbol, or its name where it has none. @param {string} method @param {string} name */
export const symbolOf = (method, name) => fieldOf(method, name)?.symbol || name;
