// What the server says of the estimators and of a question's parts (viz_app/estimators/catalogue.py).

import { catalogue } from "../web/catalogue.mjs";

/** @typedef {"distribution" | "running" | "against-alpha" | "against-n" | "against-d"} ChartName */

/**
 * @typedef {object} Field a number of the question
 * @property {"n" | "alpha" | "steps" | "mu" | "noise" | "seed"} key @property {string} label @property {string} help
 * @property {string} usual its text where nobody has changed it
 * @property {[number, number] | null} slider the range of its slider, if it has one, in its own unit
 * @property {"linear" | "log"} scale @property {boolean} integer both of the slider
 */

/**
 * @typedef {object} Facts
 * @property {{key: string, colour: string, leastN: number}[]} estimators name, a CSS variable, and the lowest n that it works with
 * @property {string} function the function that the tab opens with
 * @property {number} coordinates how many entries of the diagonal may be shown
 * @property {Field[]} fields in the order in which they are shown
 * @property {{key: string, label: string}[]} starts where P may start
 * @property {Record<ChartName, Record<string, number>[]>} levels of each chart what is asked first, and then
 * @property {number} rows of the table of estimators
 */

export const facts = /** @type {{estimatorsTab: Facts}} */ (/** @type {unknown} */ (catalogue)).estimatorsTab;

/** An estimator's CSS variable. @param {string} key */
export const colourOf = (key) => facts.estimators.find((each) => each.key === key)?.colour ?? "--ink";

/** The lowest n for which all estimators work. */
export const leastN = Math.max(...facts.estimators.map((each) => each.leastN));
