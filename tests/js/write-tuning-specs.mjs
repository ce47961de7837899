// Specs that the Tuning page's modules can write, as JSON lines. On standard input: {"seed", "states": what Python opens}.
// tests/test_javascript_tuning_specs.py parses them.

import { readFileSync } from "node:fs";

import { catalogue } from "./catalogue.mjs";

const { facts } = await import("../../viz_app/assets/lab/tuning/catalogue.mjs");
const { axisErrors } = await import("../../viz_app/assets/lab/tuning/axischeck.mjs");
const { mapQuery, matchAxes, optimizerSpec, otherFunction, pageQuery, runAddress } = await import("../../viz_app/assets/lab/tuning/spec.mjs");
const { fieldAlong } = await import("../../viz_app/assets/lab/tuning/catalogue.mjs");
const estimators = await import("../../viz_app/assets/lab/estimators/state.mjs");
const { facts: lab } = await import("../../viz_app/assets/lab/estimators/catalogue.mjs");

/** @import { Axis, State } from "../../viz_app/assets/lab/tuning/state.mjs" */

const given = JSON.parse(readFileSync(0, "utf8"));

let seed = Number(given.seed);
/** A number from 0 to 1 (mulberry32). */
function random() {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
/** @template T @param {readonly T[]} list @returns {T} */
const one = (list) => list[Math.floor(random() * list.length)];
/** @param {number} low @param {number} high */
const whole = (low, high) => low + Math.floor(random() * (high - low + 1));

/** A value that a slider can have, with three digits or with all that there are. @param {string} method @param {string} name */
function valueOf(method, name) {
  const { slider, scale, integer } = fieldAlong(method, name);
  const [low, high] = slider;
  if (integer) return whole(Math.max(2, low), Math.min(32, high)); // some estimators need two directions
  const value = scale === "log" ? low * (high / low) ** random() : low + (high - low) * random();
  return random() < 0.5 ? value : Math.min(high, Math.max(low, Number(value.toPrecision(3))));
}

/** @param {string} method @param {string} other the hyperparameter of the other axis @returns {Axis} */
function axisOf(method, other) {
  const { name, text } = one(facts.axes[method].options.filter((option) => option.name !== other && option.name !== "warmup"));
  if (random() < 0.3 && name !== "n") return { name, text };
  const values = [...new Set([valueOf(method, name), valueOf(method, name), valueOf(method, name)])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return { name, text: random() < 0.5 && low < high && low > 0 ? `${low}:${high}:${whole(2, 6)}` : values.join(",") };
}

/** Do what a person may do with the controls. @param {State} state */
function change(state) {
  const method = (state.method = one(Object.keys(state.methods)));
  const slot = state.methods[method];
  for (const name of Object.keys(slot.values)) {
    if (name === "estimator") slot.values[name] = one(Object.keys(slot.presets));
    else if (name !== "warmup" && random() < 0.5) slot.values[name] = valueOf(method, name);
  }
  if ("n" in slot.values) slot.values.n = Math.max(2, Number(slot.values.n));
  if (random() < 0.7) {
    slot.axes.x = axisOf(method, slot.axes.y.name);
    if (random() < 0.5) slot.axes.y = axisOf(method, slot.axes.x.name);
  }
  state.runs = whole(1, 16);
  state.seed = one([0, 7, 4294967295]);
  state.forwards = whole(2000, 20000);
  state.noise = one([0, 0.5, 1e-7, 0.1 + 0.2]);
  state.target = one([facts.auto, "0.01", "1e-7"]);
  if (state.family === "expr") state.text = one(["x^2 + y^2", "100*(y-x^2)^2+(1-x)^2", "sin(x)&y%2".replace("&", "*").replace("%", "+")]);
  if (state.parameters.d) state.parameters.d = state.dim = whole(2, 12);
  state.x0 = one(["1", " 0.5", Array.from({ length: state.dim }, () => whole(-3, 3) / 4).join(", "), ""]);
}

for (const opened of given.states)
  for (let walk = 0; walk < 12; walk++) {
    /** @type {State} */
    const state = structuredClone(opened);
    change(state);
    const { method } = state;
    const { axes, values } = state.methods[method];
    const problems = axisErrors(axes, (name) => fieldAlong(method, name).scale);
    if (problems.length) throw new Error(`${problems[0].message} of ${JSON.stringify(axes)}`);
    const own = structuredClone(state);
    const queries = { page: pageQuery(state), map: mapQuery(state), other: otherFunction(state, one(["expr", ...Object.keys(catalogue.functions)])) };
    const settings = { ...values, ...(values.n ? { n: 3 } : {}) };
    const run = runAddress(state, 50, optimizerSpec(method, settings), one([null, 0.01])).replace(/^\/\?/, "").replace(/#.*$/, "");
    matchAxes(state, [4, 3]);
    const others = Object.keys(state.methods).filter((name) => name !== method).map((name) => ({ method: name, query: mapQuery(state, name), axes: state.methods[name].axes }));
    console.log(JSON.stringify({ kind: "map", state: own, ...queries, run, settings, others }));
  }

const KEYS = [...new Set(Object.values(estimators.DEPENDS).flat())];
const FUNCTIONS = ["quadratic:d=4", "quadratic:d=30,condition=100", "booth", "expr:x^2 + 3*y^2", "expr:exp(x)+y^2"];
for (let walk = 0; walk < 40; walk++) {
  const question = estimators.usual();
  question.f = one(FUNCTIONS);
  question.x0 = one(["", "0.5", " 1 "]);
  question.coords = one(["", "0", "1, 0"]);
  for (const { key, slider, integer } of lab.fields) if (slider && random() < 0.5) question[key] = String(integer ? whole(...slider) : slider[0] + (slider[1] - slider[0]) * random());
  question.noise = one(["0", "0.5", "1e-3"]);
  question.seed = one(["0", "12", "4294967295"]);
  question.P = one(lab.starts).key;
  question.estimators = question.estimators.filter(() => random() < 0.6);
  if (!question.estimators.length) question.estimators = [one(lab.estimators).key];
  const back = { ...estimators.usual(), ...estimators.fromHash(estimators.toHash(question)) };
  console.log(JSON.stringify({ kind: "estimators", question, back, query: estimators.toQuery(question, KEYS) }));
}
