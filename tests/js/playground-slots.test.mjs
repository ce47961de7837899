import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { functionSpec, optimizerSpec, otherFunction, toQuery } from "../../viz_app/assets/lab/playground/link.mjs";
import { adopt, addFork, find, forks, held, holder, labels, namesText, readNames, remove, running, segments, settings, spans } from "../../viz_app/assets/lab/playground/slots.mjs";

/** @import { Settings, Slot } from "../../viz_app/assets/lab/playground/slots.mjs" */

/** @param {string} slot @param {Settings} values @param {Partial<Slot>} [more] @returns {Slot} */
const slot = (slot, values, more) => ({ slot, method: slot.split("#")[0], name: slot, on: true, colour: `--${slot}`, parent: null, step: 0, overrides: {}, values, past: [], presets: {}, trials: null, ...more });

const state = () => ({
  family: "booth", text: "", parameters: {}, x0: "1, 2", steps: 100, runs: 3, seed: 0, noise: 0,
  slots: [slot("hizoo", { lr: 0.1, n: 4 }), slot("mezo", { lr: 0.01 }), slot("adam", { lr: 1 }, { on: false })],
});

test("a fork holds what differs, and follows its parent in the rest", () => {
  const spec = state();
  const parent = held(spec, "hizoo");
  const fork = addFork(spec, parent, 20);
  fork.overrides.lr = 0.5;
  parent.values.n = 8;
  assert.deepEqual(settings(spec, fork), { lr: 0.5, n: 8 });
  assert.deepEqual(segments(spec, fork).map(({ step }) => step), [0, 20]);
  assert.equal(optimizerSpec(spec, fork), "hizoo:lr=0.1,n=8@20:lr=0.5");
  assert.deepEqual(spans(spec), [{ from: 0, ghost: 20 }, { from: 20, ghost: Infinity }, { from: 0, ghost: Infinity }]);
  const second = addFork(spec, fork, 60);
  assert.equal(holder(spec, second), parent);
  assert.deepEqual(segments(spec, second).map(({ step }) => step), [0, 20, 60]);
  assert.deepEqual(labels(spec), ["hizoo", "hizoo#2", "hizoo#3", "mezo"]);
  assert.equal(new Set(spec.slots.map(({ colour }) => colour)).size, spec.slots.length);
  assert.equal(addFork(spec, parent, 20).name, "hizoo @20 (2)");
});

test("a removed parent's fork keeps its settings, and the parent can come back", () => {
  const spec = state();
  const fork = addFork(spec, held(spec, "hizoo"), 20);
  fork.overrides.lr = 0.5;
  const before = toQuery(spec);
  const back = remove(spec, "hizoo");
  assert.equal(find(spec, "hizoo"), undefined);
  assert.equal(optimizerSpec(spec, fork), "hizoo:lr=0.1,n=4@20:lr=0.5");
  assert.deepEqual(forks(spec), []);
  back();
  assert.equal(toQuery(spec), before);
});

test("an opened spec's forks follow their parents", () => {
  const spec = state();
  spec.slots.push(slot("hizoo#2", { lr: 0.1, n: 2 }, { parent: "hizoo", step: 30, past: [{ step: 0, values: { lr: 0.1, n: 4 } }] }));
  adopt(spec);
  assert.deepEqual(held(spec, "hizoo#2").overrides, { n: 2 });
  assert.equal(held(spec, "hizoo#2").name, "hizoo @30");
});

test("the spec has its keys in the parser's order, and no noise of 0", () => {
  assert.equal(toQuery(state()), "f=booth&x0=1,2&steps=100&runs=3&seed=0&opt=hizoo:lr=0.1,n=4&opt=mezo:lr=0.01");
  assert.equal(toQuery({ ...state(), noise: 0.5, family: "expr", text: "x^2 + y" }).split("&opt")[0], "f=expr:x%5E2%20%2B%20y&x0=1,2&steps=100&runs=3&seed=0&noise=0.5");
  assert.equal(functionSpec({ family: "quadratic", text: "", parameters: { d: 10, condition: 1e4 } }), "quadratic:d=10,condition=10000");
});

test("another function takes the optimizers along, without forks and settings", () => {
  const spec = state();
  addFork(spec, held(spec, "hizoo"), 20);
  assert.equal(otherFunction(spec, "beale"), "f=beale&seed=0&opt=hizoo&opt=mezo");
});

test("given names survive a link", () => {
  const spec = state();
  running(spec)[0].given = "50 %: a,b";
  const text = namesText(spec);
  running(spec)[0].given = undefined;
  readNames(spec, text);
  assert.deepEqual(running(spec).map(({ given }) => given), ["50 %: a,b", undefined]);
});
