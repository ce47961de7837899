// The facts that Python knows (viz_app/catalogue.py): limits, methods with their settings and costs, functions, the spec.

/**
 * @typedef {object} Field one setting of a method
 * @property {string} name @property {string} label @property {string} symbol @property {string} help
 * @property {number | string} default
 * @property {number | null} low @property {number | null} high bounds; null where there is none
 * @property {boolean} low_open whether `low` itself is excluded
 * @property {[number, number]} slider the range that a slider spans
 * @property {"linear" | "log"} scale @property {boolean} integer
 * @property {string[] | null} choices @property {string} unit @property {boolean} auto whether "auto" is a value too
 */

/**
 * @typedef {object} Method
 * @property {string} name @property {string} summary @property {string} colour a CSS variable
 * @property {{fixed: number, perDirection: number, auto: number}} cost forward passes of a step; `auto`: more of them with lr=auto
 * @property {boolean} estimatesHessian
 * @property {Field[]} fields
 */

/** @typedef {[number, number]} Span lowest and highest allowed value */

/**
 * @typedef {object} Catalogue
 * @property {Record<"steps" | "runs" | "seed" | "noise" | "dimensions" | "optimizers", Span> & {changes: number, work: number}} limits
 * @property {Record<string, Method>} methods
 * @property {Record<string, {leastN: number}>} estimators
 * @property {Record<string, {name: string, dim: number, parameters: object[]}>} functions
 * @property {string[]} spareColours CSS variables, for copies and forks
 * @property {{keys: string[], unescaped: string, expression: string, symbols: Record<string, string>}} spec
 */

/** @returns {Catalogue} */
function given() {
  // In node there is no page: tests/js/catalogue.mjs puts the same object here.
  const { labCatalogue } = /** @type {{labCatalogue?: Catalogue}} */ (globalThis);
  return labCatalogue ?? JSON.parse(document.getElementById("catalogue")?.textContent ?? "");
}

export const catalogue = given();

/** @param {string} method @param {string} name @returns {Field | undefined} */
export const fieldOf = (method, name) => catalogue.methods[method]?.fields.find((field) => field.name === name);

/** Forward passes of one step. @param {{fixed: number, perDirection: number, auto: number}} cost @param {number} n directions @param {unknown} lr */
export const passes = ({ fixed, perDirection, auto }, n, lr) => fixed + perDirection * n + (lr === "auto" ? auto : 0);
