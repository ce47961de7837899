// node write_tuning.mjs SEED: specs that the Tuning page writes, as JSON lines. On standard input: the states that Python opens.

import { readFileSync } from "node:fs";
import process from "node:process";

import { catalogue } from "./catalogue.mjs";
import { pick, random, uniform } from "./states.mjs";

const { facts } = await import("../../viz_app/assets/lab/tuning/catalogue.mjs");
const { axisErrors } = await import("../../viz_app/assets/lab/tuning/axischeck.mjs");
const { mapQuery, matchAxes, optimizerSpec, otherFunction, pageQuery, runAddress } = await import("../../viz_app/assets/lab/tuning/spec.mjs");
const { fieldAlong } = await import("../../viz_app/assets/lab/tuning/catalogue.mjs");
const estimators = await import("../../viz_app/assets/lab/estimators/state.mjs");
const { facts: lab } = await import("../../viz_app/assets/lab/estimators/catalogue.mjs");

/** @import { Axis, State } from "../../viz_app/assets/lab/tuning/state.mjs" */

/** @type {State[]} */
const given = JSON.parse(readFileSync(0, "utf8"));

const next = random(Number(process.argv[2]));

/** A value that a slider can have, with three digits or with all that there are. @param {string} method @param {string} name */
function valueOf(method, name) {
  const { slider, scale, integer } = fieldAlong(method, name);
  const [low, high] = slider;
  if (integer) return uniform(next, Math.max(2, low), Math.min(32, high)); // some estimators need two directions
  const value = scale === "log" ? low * (high / low) ** next() : low + (high - low) * next();
  return next() < 0.5 ? value : Math.min(high, Math.max(low, Number(value.toPrecision(3))));
}

/** @param {string} method @param {string} other the hyperparameter of the other axis @returns {Axis} */
function axisOf(method, other) {
  const { name, text } = pick(next, facts.axes[method].options.filter((option) => option.name !== other && option.name !== "warmup"));
  if (next() < 0.3 && name !== "n") return { name, text };
  const values = [...new Set([valueOf(method, name), valueOf(method, name), valueOf(method, name)])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return { name, text: next() < 0.5 && low < high && low > 0 ? `${low}:${high}:${uniform(next, 2, 6)}` : values.join(",") };
}

/** Do what a person may do with the controls. @param {State} state */
function change(state) {
  const method = (state.method = pick(next, Object.keys(state.methods)));
  const slot = state.methods[method];
  for (const name of Object.keys(slot.values)) {
    if (name === "estimator") slot.values[name] = pick(next, Object.keys(slot.presets));
    else if (name !== "warmup" && next() < 0.5) slot.values[name] = valueOf(method, name);
  }
  if ("n" in slot.values) slot.values.n = Math.max(2, Number(slot.values.n));
  if (next() < 0.7) {
    slot.axes.x = axisOf(method, slot.axes.y.name);
    if (next() < 0.5) slot.axes.y = axisOf(method, slot.axes.x.name);
  }
  state.runs = uniform(next, 1, 16);
  state.seed = pick(next, [0, 7, 4294967295]);
  state.forwards = uniform(next, 2000, 20000);
  state.noise = pick(next, [0, 0.5, 1e-7, 0.1 + 0.2]);
  state.target = pick(next, [facts.auto, "0.01", "1e-7"]);
  if (state.family === "expr") state.text = pick(next, ["x^2 + y^2", "100*(y-x^2)^2+(1-x)^2", "sin(x)&y%2".replace("&", "*").replace("%", "+")]);
  if (state.parameters.d) state.parameters.d = state.dim = uniform(next, 2, 12);
  state.x0 = pick(next, ["1", " 0.5", Array.from({ length: state.dim }, () => uniform(next, -3, 3) / 4).join(", "), ""]);
}

for (const opened of given)
  for (let walk = 0; walk < 12; walk++) {
    /** @type {State} */
    const state = structuredClone(opened);
    change(state);
    const { method } = state;
    const { axes, values } = state.methods[method];
    const problems = axisErrors(axes, (name) => fieldAlong(method, name).scale);
    if (problems.length) throw new Error(`${problems[0].message} of ${JSON.stringify(axes)}`);
    const own = structuredClone(state);
    const queries = { page: pageQuery(state), map: mapQuery(state), other: otherFunction(state, pick(next, ["expr", ...Object.keys(catalogue.functions)])) };
    const settings = { ...values, ...(values.n ? { n: 3 } : {}) };
    const run = runAddress(state, 50, optimizerSpec(method, settings), pick(next, [null, 0.01])).replace(/^\/\?/, "").replace(/#.*$/, "");
    matchAxes(state, [4, 3]);
    const others = Object.keys(state.methods).filter((name) => name !== method).map((name) => ({ method: name, query: mapQuery(state, name), axes: state.methods[name].axes }));
    console.log(JSON.stringify({ kind: "map", state: own, ...queries, run, settings, others }));
  }

const KEYS = [...new Set(Object.values(estimators.DEPENDS).flat())];
const FUNCTIONS = ["quadratic:d=4", "quadratic:d=30,condition=100", "booth", "expr:x^2 + 3*y^2", "expr:exp(x)+y^2"];
for (let walk = 0; walk < 40; walk++) {
  const question = estimators.usual();
  question.f = pick(next, FUNCTIONS);
  question.x0 = pick(next, ["", "0.5", " 1 "]);
  question.coords = pick(next, ["", "0", "1, 0"]);
  for (const { key, slider, integer } of lab.fields) if (slider && next() < 0.5) question[key] = String(integer ? uniform(next, ...slider) : slider[0] + (slider[1] - slider[0]) * next());
  question.noise = pick(next, ["0", "0.5", "1e-3"]);
  question.seed = pick(next, ["0", "12", "4294967295"]);
  question.P = pick(next, lab.starts).key;
  question.estimators = question.estimators.filter(() => next() < 0.6);
  if (!question.estimators.length) question.estimators = [pick(next, lab.estimators).key];
  const back = { ...estimators.usual(), ...estimators.fromHash(estimators.toHash(question)) };
  console.log(JSON.stringify({ kind: "estimators", question, back, query: estimators.toQuery(question, KEYS) }));
}
