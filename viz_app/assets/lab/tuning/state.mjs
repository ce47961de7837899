// What the Tuning page's controls say: viz_app/tuning/page.py opens it, the controls change it.

/** @typedef {{name: string, text: string}} Axis a hyperparameter and its values: `text` is LOW:HIGH:COUNT or a list with commas */
/** @typedef {Record<"x" | "y", Axis>} Axes */
/** @typedef {Record<string, number | string>} Settings */

/**
 * @typedef {object} MethodState one optimizer
 * @property {Settings} values its controls
 * @property {Record<string, Settings>} presets its tuned settings by estimator, under "" where it has none
 * @property {Axes} axes of its map
 * @property {"x" | "y"=} edited the axis that was changed last @property {boolean=} touched whether one was
 */

/**
 * @typedef {object} State
 * @property {string} family the function's @property {string} text an own formula @property {Settings} parameters the function's
 * @property {number} dim coordinates @property {string} x0 the start as typed
 * @property {number} runs in every cell @property {number} seed @property {number} noise @property {number} forwards the budget
 * @property {string} target as typed
 * @property {string} method the optimizer whose map is shown @property {Record<string, MethodState>} methods
 * @property {Record<string, Record<string, import("../web/scale.mjs").Range>>} ranges of sliders, by card and name
 * @property {{runs: number, forwards: number, target: string, x0: string, parameters: Settings}} preset
 * @property {[number, number][]} minima @property {[number, number][]} localMinima of a function of two coordinates
 * @property {import("../web/latest.mjs").FieldError[]} errors what is wrong with the address
 */

/** The optimizer whose map is shown. @param {State} state */
export const current = (state) => state.methods[state.method];

/** Whether an axis is LOW:HIGH:COUNT, not a list. @param {string} text */
export const isRange = (text) => text.split(":").length === 3;

