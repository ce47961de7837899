// The page's state as a map's spec (the text that the address, the server and the shell share), and a cell's as a run's.

import { functionSpec } from "../playground/link.mjs";
import { catalogue } from "../web/catalogue.mjs";
import { facts } from "./catalogue.mjs";
import { current, isRange } from "./state.mjs";

/** @import { Axis, MethodState, Settings, State } from "./state.mjs" */
/** @typedef {[key: string, value: string | number][]} Pairs */

const kept = new Set([...catalogue.spec.unescaped].map(encodeURIComponent));
/** @param {string} text */
const encode = (text) => encodeURIComponent(text).replace(/%[\dA-F]{2}/g, (sign) => (kept.has(sign) ? decodeURIComponent(sign) : sign));
/** @param {Pairs} pairs */
const join = (pairs) => pairs.map(([key, value]) => `${key}=${encode(String(value))}`).join("&");

/** The shortest text that reads back as the same number, written as the spec writes it. @param {number | string} value */
const plain = (value) => String(value).replace("e+", "e");

/** An optimizer with settings: `hizoo:lr=0.1,n=4`. @param {string} method @param {Settings} values */
export function optimizerSpec(method, values) {
  const given = Object.entries(values).map(([name, value]) => `${name}=${plain(value)}`);
  return given.length ? `${method}:${given.join(",")}` : method;
}

/** What a map shares with the maps of the other optimizers, and with a run of one of its cells. @param {State} state @returns {Pairs} */
const shared = (state) => [
  ["f", functionSpec(state)],
  ...(state.x0 === "" ? [] : /** @type {Pairs} */ ([["x0", state.x0.replace(/\s+/g, "")]])),
  ["runs", state.runs],
  ["seed", state.seed],
];
/** @param {State} state @returns {Pairs} */
const noise = (state) => (state.noise ? [["noise", plain(state.noise)]] : []);

/** Everything on screen: the map, and where the controls are on it. @param {State} state */
export const pageQuery = (state) => query(state, state.method, current(state).values);

/** The map alone: where the controls are along its axes does not change it. @param {State} state @param {string} method */
export function mapQuery(state, method = state.method) {
  const { values, axes } = state.methods[method];
  return query(state, method, Object.fromEntries(Object.entries(values).filter(([name]) => name !== axes.x.name && name !== axes.y.name)));
}

/** @param {State} state @param {string} method @param {Settings} values */
function query(state, method, values) {
  return join([
    ...shared(state),
    ["forwards", state.forwards],
    ...(state.target === facts.auto ? [] : /** @type {Pairs} */ ([["target", state.target]])),
    ...noise(state),
    ["opt", optimizerSpec(method, values)],
    ...axesOf(state, method),
  ]);
}

/**
 * The axes. An untouched usual one is left to the server, which then leaves out values that the estimator forbids.
 * @param {State} state @param {string} method @returns {Pairs}
 */
function axesOf(state, method) {
  const { axes } = state.methods[method];
  const { usual } = facts.axes[method];
  const own = /** @type {const} */ (["x", "y"]).filter((which) => axes[which].name !== usual[which].name || axes[which].text !== usual[which].text);
  return own.map((which) => [which, `${axes[which].name}=${axes[which].text}`]);
}

/**
 * Give the axes of every other optimizer that nobody has touched as many settings as this one's map has, where they
 * have a range: a comparison is fair only if each was given the same number. Which of them lies across does not matter.
 * @param {State} state @param {[number, number]} size of this one's map
 */
export function matchAxes(state, [nx, ny]) {
  for (const [method, slot] of Object.entries(state.methods)) {
    if (method === state.method || slot.touched) continue;
    const { x, y } = facts.axes[method].usual;
    const rows = isRange(y.text) ? Math.max(2, Math.min(nx, ny)) : y.text.split(",").length;
    if (isRange(y.text)) slot.axes.y = resized(y, rows);
    slot.axes.x = resized(x, Math.max(2, Math.round((nx * ny) / rows)));
  }
}

/** @param {Axis} axis a range @param {number} count @returns {Axis} */
const resized = ({ name, text }, count) => ({ name, text: [...text.split(":").slice(0, 2), count].join(":") });

/** Another function with its presets, the optimizer and the axes as they are. @param {State} state @param {string} family */
export function otherFunction(state, family) {
  const { values } = current(state);
  return join([
    ["f", family === "expr" ? `expr:${catalogue.spec.expression}` : family],
    ["runs", state.runs],
    ["seed", state.seed],
    ["forwards", state.forwards],
    ...noise(state),
    ["opt", optimizerSpec(state.method, values.estimator ? { estimator: values.estimator } : {})],
    ...axesOf(state, state.method),
  ]);
}

/**
 * A run in the Playground with these settings, its passes counted to the same target.
 * @param {State} state @param {number} steps @param {string} optimizer as a spec has it @param {number | null} target
 */
export function runAddress(state, steps, optimizer, target) {
  return `/?${join([...shared(state), ["steps", steps], ...noise(state), ["opt", optimizer]])}${target === null ? "" : `#target=${target}`}`;
}
