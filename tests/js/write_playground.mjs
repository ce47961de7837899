// node write_playground.mjs COUNT SEED: specs that the Playground writes, each with the names that its link gives, as JSON lines.

import { argv } from "node:process";

import "./catalogue.mjs";
import { catalogue } from "../../viz_app/assets/lab/web/catalogue.mjs";
import { toQuery } from "../../viz_app/assets/lab/playground/link.mjs";
import { addFork, namesText, readNames, running } from "../../viz_app/assets/lab/playground/slots.mjs";
import { pick, random, settingsOf, valueOf, whole } from "./states.mjs";

const EXPRESSIONS = [catalogue.spec.expression, "x^2 + y^2", "exp(-x*x) + abs(y) / 3", "sin(x)*cos(y)+0.1*(x^2+y^2)", "sqrt(x^2+1)+y^4"];
const NAMES = ["fast", "a,b:c", "100 %", "α & β", "<b>", ""];
const { limits } = catalogue;

/** @param {import("./states.mjs").Random} next */
function state(next) {
  const keys = Object.keys(catalogue.functions);
  const family = pick(next, [...keys, "expr"]);
  const known = catalogue.functions[family];
  /** @type {Record<string, number | string>} */
  const parameters = Object.fromEntries((known?.parameters ?? []).map((/** @type {any} */ parameter) => [parameter.name, valueOf(next, { ...parameter, slider: undefined })]));
  if ("d" in parameters) parameters.d = whole(next, 2, 40);
  if ("blocks" in parameters) parameters.blocks = Math.min(Number(parameters.blocks), Number(parameters.d));
  const dim = Number(parameters.d ?? known?.dim ?? 2);
  const steps = whole(next, 2, 60);
  const start = () => Number(((next() - 0.5) * 2).toPrecision(pick(next, [1, 3, 15])));
  const x0 = dim > 2 && next() < 0.5 ? String(start()) : Array.from({ length: dim }, start).join(", ");
  const spec = {
    family,
    text: pick(next, EXPRESSIONS),
    parameters,
    x0,
    steps,
    runs: whole(next, limits.runs[0], 8),
    seed: whole(next, ...limits.seed),
    noise: pick(next, [0, 1e-7, 0.5, 12345.678, limits.noise[1]]),
    slots: /** @type {import("../../viz_app/assets/lab/playground/slots.mjs").Slot[]} */ ([]),
  };
  const methods = Object.keys(catalogue.methods);
  for (const method of methods) {
    const on = next() < 0.7 || (method === methods.at(-1) && !running(spec).length);
    spec.slots.push({ slot: method, method, name: method, on, colour: "", parent: null, step: 0, overrides: {}, past: [], values: settingsOf(next, method, steps), presets: {}, trials: null });
  }
  const forks = whole(next, 0, limits.optimizers[1] - methods.length);
  for (let i = 0; i < forks && steps > 2; i++) {
    const parent = pick(next, running(spec));
    if (parent.step + 1 >= steps) continue;
    const fork = addFork(spec, parent, whole(next, parent.step + 1, steps - 1));
    const kept = new Set(["n", "warmup", "estimator"]); // they depend on each other, and on what the parent has
    fork.overrides = Object.fromEntries(Object.entries(settingsOf(next, fork.method, steps)).filter(([name]) => !kept.has(name) && next() < 0.5));
  }
  for (const slot of running(spec)) slot.given = pick(next, NAMES);
  return spec;
}

const [count, seed] = argv.slice(2).map(Number);
const next = random(seed);
for (let i = 0; i < count; i++) {
  const spec = state(next);
  const names = namesText(spec);
  const given = running(spec).map((slot) => slot.given ?? "");
  for (const slot of spec.slots) slot.given = "";
  readNames(spec, names);
  console.log(JSON.stringify({ query: toQuery(spec), given, read: running(spec).map((slot) => slot.given) }));
}
