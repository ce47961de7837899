// The page's state as a map's spec (the text that the address, the server and the shell share), and a cell's as a run's.

import { functionSpec } from "../playground/link.mjs";

const encode = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%3D/g, "=");
const join = (pairs) => pairs.map(([key, value]) => `${key}=${encode(String(value))}`).join("&");

/** An optimizer with settings: `hizoo:lr=0.1,n=4`. @param {Record<string, any>} values */
export function optimizerSpec(method, values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `${method}:${given.map(([name, value]) => `${name}=${value}`).join(",")}` : method;
}

/** What a map shares with the maps of the other optimizers, and with a run of one of its cells. */
const shared = (state) => [
  ["f", functionSpec(state)],
  ...(state.x0 === "" ? [] : [["x0", state.x0.replace(/\s+/g, "")]]),
  ["runs", state.runs],
  ["seed", state.seed],
];
const noise = (state) => (Number(state.noise) ? [["noise", state.noise]] : []);

/** Everything on screen: the map, and where the controls are on it. */
export function pageQuery(state) {
  return query(state, state.method, state.methods[state.method].values);
}

/** The map alone: where the controls are along its axes does not change it. */
export function mapQuery(state, method = state.method) {
  const { values, axes } = state.methods[method];
  const kept = Object.entries(values).filter(([name]) => name !== axes.x.name && name !== axes.y.name);
  return query(state, method, Object.fromEntries(kept));
}

function query(state, method, values) {
  return join([
    ...shared(state),
    ["forwards", state.forwards],
    ...(state.target === "auto" ? [] : [["target", state.target]]),
    ...noise(state),
    ["opt", optimizerSpec(method, values)],
    ...axesOf(state.methods[method]),
  ]);
}

/** The axes. An untouched usual one is left to the server, which then leaves out values that the estimator forbids. */
function axesOf({ axes, usual }) {
  const same = (which) => axes[which].name === usual[which].name && axes[which].text === usual[which].text;
  return ["x", "y"].filter((which) => !same(which)).map((which) => [which, `${axes[which].name}=${axes[which].text}`]);
}

/**
 * Give the axes of every other optimizer that nobody has touched as many settings as this one's map has, where they
 * have a range: a comparison is fair only if each was given the same number. Which of them lies across does not matter.
 */
export function matchAxes(state, [nx, ny]) {
  for (const [method, slot] of Object.entries(state.methods)) {
    if (method === state.method || slot.touched) continue;
    const { x, y } = slot.usual;
    const rows = isRange(y.text) ? Math.max(2, Math.min(nx, ny)) : y.text.split(",").length;
    if (isRange(y.text)) slot.axes.y = resized(y, rows);
    slot.axes.x = resized(x, Math.max(2, Math.round((nx * ny) / rows)));
  }
}

/** Whether an axis is LOW:HIGH:COUNT, not a list. */
export const isRange = (text) => text.split(":").length === 3;
const resized = ({ name, text }, count) => ({ name, text: [...text.split(":").slice(0, 2), count].join(":") });

/** Another function with its presets, the optimizer and the axes as they are. */
export function otherFunction(state, family) {
  const f = family === "expr" ? "expr:100*(y-x^2)^2+(1-x)^2" : family;
  const { values, axes } = state.methods[state.method];
  const estimator = values.estimator ? { estimator: values.estimator } : {};
  return join([
    ["f", f],
    ["runs", state.runs],
    ["seed", state.seed],
    ["forwards", state.forwards],
    ...noise(state),
    ["opt", optimizerSpec(state.method, estimator)],
    ["x", `${axes.x.name}=${axes.x.text}`],
    ["y", `${axes.y.name}=${axes.y.text}`],
  ]);
}

/** A run in the Playground with these settings, its passes counted to the same target. */
export function runAddress(state, steps, optimizer, target) {
  return `/?${join([...shared(state), ["steps", steps], ...noise(state), ["opt", optimizer]])}${target === null ? "" : `#target=${target}`}`;
}
