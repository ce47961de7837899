// The page's state as a spec: the text that the address, the server and the shell share.

import { catalogue } from "../web/catalogue.mjs";
import { different, running, segments } from "./slots.mjs";

/** @import { Settings, Slot, Slots } from "./slots.mjs" */

/** @typedef {{family: string, text: string, parameters: Settings}} Chosen a function: its key (or "expr"), the text of an expression, its parameters */
/** @typedef {Chosen & Slots & {x0: string, steps: number, runs: number, seed: number, noise: number}} Spec what a spec says */

const { keys, unescaped, expression } = catalogue.spec;
const KEPT = new Set(Array.from(unescaped, (sign) => encodeURIComponent(sign)));

/** A value, escaped for a query. @param {string} text */
export const encode = (text) => encodeURIComponent(text).replace(/%../g, (code) => (KEPT.has(code) ? decodeURIComponent(code) : code));

/** The function's part: `quadratic:d=10,condition=10000` or `expr:x^2+y^2`. @param {Chosen} state */
export function functionSpec({ family, text, parameters }) {
  if (family === "expr") return `expr:${text}`;
  const given = Object.entries(parameters);
  return family + (given.length ? `:${given.map(([name, value]) => `${name}=${value}`).join(",")}` : "");
}

/** Settings as a spec's words. @param {Settings} values */
function words(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.map(([name, value]) => `${name}=${value}`).join(",");
}

/** One optimizer's part: hizoo:lr=0.1,n=4, and for each later change @120:lr=0.05, with what differs. @param {Slots} state @param {Slot} slot */
export function optimizerSpec(state, slot) {
  const [first, ...later] = segments(state, slot);
  let text = `${slot.method}:${words(first.values)}`;
  let before = first.values;
  for (const { step, values } of later) {
    const differs = words(different(before, values));
    text += `@${step}${differs && `:${differs}`}`;
    before = values;
  }
  return text;
}

/** The whole spec. @param {Spec} state */
export function toQuery(state) {
  const { steps, runs, seed, noise } = state;
  /** @type {Record<string, (string | number)[]>} */
  const values = {
    f: [functionSpec(state)],
    x0: [state.x0.replace(/\s+/g, "")],
    steps: [steps],
    runs: [runs],
    seed: [seed],
    noise: Number(noise) === 0 ? [] : [noise],
    opt: running(state).map((slot) => optimizerSpec(state, slot)),
  };
  const parts = keys.flatMap((key) => values[key].filter((value) => value !== "").map((value) => `${key}=${encode(String(value))}`));
  return parts.join("&");
}

/** A spec that opens another function with its presets and the same optimizers. @param {Spec} state @param {string} family */
export function otherFunction(state, family) {
  const f = family === "expr" ? `expr:${expression}` : family;
  const kept = running(state).filter(({ parent }) => !parent); // a fork belongs to its run
  const options = kept.map(({ method, slot, values }) =>
    slot.includes("#") && values.estimator ? `opt=${method}:estimator=${values.estimator}` : `opt=${method}`,
  );
  return [`f=${encode(f)}`, `seed=${state.seed}`, ...options].join("&");
}
