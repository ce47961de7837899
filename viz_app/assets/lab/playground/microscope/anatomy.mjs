// One step taken apart, as /api/step answers it (viz_app/playground/microscope.py). Numbers that are not finite are null.

/** @import { Point } from "../../web/point.mjs" */
/** @import { Settings } from "../slots.mjs" */

/** @typedef {[number | null, number | null]} Pair a vector at the two shown coordinates */
/** @typedef {{from: number, to: number, loss: (number | null)[]}} Samples the loss along a direction, evenly spaced */

/**
 * @typedef {object} Direction
 * @property {[number, number]} u @property {[number, number]} z the direction u, and Σ^½ u, at the shown coordinates
 * @property {number | null} centre @property {number | null} plus @property {number | null} minus losses; `centre` is null too where it is not measured
 * @property {number | null} g @property {number | null} c slope and curvature along z
 * @property {Samples} near @property {Samples} wide
 */

/**
 * @typedef {object} Step
 * @property {string} method @property {number} run @property {number} step @property {number} steps of the run
 * @property {[number, number]} coords @property {number} dim
 * @property {Settings} hyperparameters in force
 * @property {Pair} theta @property {Pair} theta_next
 * @property {number | null} loss @property {number | null} loss_next
 * @property {Record<string, Pair | undefined>} state the method's own vectors (P, m, v) before the step
 * @property {Record<string, Pair | undefined>} state_next and after it
 * @property {Record<string, Pair | undefined>} terms what its formulas name on the way
 * @property {Record<string, Pair | undefined>} seen gradient and Hessian, where it asks for them
 * @property {Pair | null} tilt of the step's noise
 * @property {boolean} warming
 * @property {Direction[]} directions empty for a method that does not probe
 * @property {{slope: number | null, near: Samples, wide: Samples}} [path] along the step, of such a method
 */

const ABSENT = /** @type {Pair} */ ([null, null]);

/** A vector of a step; nulls where the method has none of this name. @param {Record<string, Pair | undefined>} vectors @param {string} name */
export const vector = (vectors, name) => vectors[name] ?? ABSENT;

/** A setting that is a number. @param {Step} step @param {string} name */
export const setting = ({ hyperparameters }, name) => Number(hyperparameters[name]);

/** a − b; NaN where one of them is the server's null. @param {number | null} a @param {number | null} b */
export const less = (a, b) => (a === null || b === null ? NaN : a - b);

/** The step at the shown coordinates. @param {Step} step @returns {Point} */
export const moveOf = ({ theta, theta_next: next }) => [less(next[0], theta[0]), less(next[1], theta[1])];
