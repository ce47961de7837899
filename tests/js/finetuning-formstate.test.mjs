import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";

const { facts, passes } = await import("../../viz_app/assets/lab/finetuning/facts.mjs");
const { FormState, typed } = await import("../../viz_app/assets/lab/finetuning/formstate.mjs");
const { colourVariables, methodLabels, pairsOf, toSpec } = await import("../../viz_app/assets/lab/finetuning/spec.mjs");

/** @param {string} text */
function opened(text) {
  const form = new FormState();
  form.open(text);
  return form;
}

test("only what was searched for is called tuned", () => {
  assert.ok(opened("").isTuned);
  assert.ok(opened("tune=lora").isTuned);
  for (const text of ["model=facebook/opt-125m", "task=table&data=upload:1", "task=sst2", "loss=f1&opt=hizoo", "loss=accuracy&opt=mezo"]) {
    assert.ok(!opened(text).isTuned, text);
  }
});

test("what the form cannot hold is sent as it stands, until something is changed", () => {
  for (const text of ["opt=hizzo", "opt=hizoo:learning=3", "batsh=3", "batch=3&batch=4", "steps=3&forwards=9", "opt=mezo:n=1,n=2", "batch"]) {
    const form = opened(text);
    assert.equal(form.spec, text);
    form.set("batch", 8);
    assert.notEqual(form.spec, text);
    assert.match(form.spec, /batch=8/);
  }
  assert.match(opened("opt=mezo:n=1").spec, /^model=bundled&task=reviews&.*opt=mezo:n=1,lr=/);
});

test("a text without a known optimizer has the usual ones to go on with, and no preset is called tuned", () => {
  const form = opened("opt=hizzo");
  assert.deepEqual(form.slots.map(({ method }) => method), facts.default_methods);
  assert.ok(!form.isTuned);
  form.set("batch", facts.presets["reviews/full"].batch);
  assert.ok(form.isTuned);
});

test("task and tuning mode bring their preset, but not over what was changed by hand", () => {
  const form = opened("");
  const [hizoo] = form.slots;
  form.setOf(hizoo, "n", 3);
  form.set("tune", "layernorm");
  assert.equal(hizoo.values.lr, facts.presets["reviews/layernorm"].opts.hizoo.lr);
  assert.equal(hizoo.values.n, 3);
  assert.equal(form.values.budget, facts.presets["reviews/layernorm"].forwards);
});

test("evaluations are as many as the server makes, until somebody says else", () => {
  const form = opened("");
  form.set("budget", 4000);
  assert.equal(form.values.eval, 4000 / facts.evaluations);
  form.set("budgetKind", "steps");
  const most = Math.max(...form.optimizers.map((optimizer) => optimizer.passes));
  assert.equal(form.values.eval, Math.floor((4000 * most) / facts.evaluations));
  form.set("eval", 77);
  form.set("budget", 8000);
  assert.equal(form.values.eval, 77);
});

test("a step costs what Python says", () => {
  assert.equal(passes("hizoo", { n: 4 }), 9);
  assert.equal(passes("mezo", { n: "4" }), 8);
  assert.equal(passes("adam", {}), 3);
});

test("settings are those that Python lists, and no others", () => {
  for (const { key, hyperparameters } of facts.methods) {
    const form = opened(`opt=${key}`);
    assert.deepEqual(Object.keys(form.slots[0].values).sort(), hyperparameters.map(({ name }) => name).sort());
  }
});

test("keys that do not matter are left out of the spec", () => {
  const form = opened("");
  assert.ok(!/rank|prefix|column|data|template|words/.test(form.spec));
  form.set("tune", "lora");
  form.set("template", "50 % {text}&x");
  const { keys } = pairsOf(form.spec);
  assert.equal(keys.rank, "8");
  assert.equal(keys.template, "50 % {text}&x");
  assert.equal(toSpec(form.values, form.slots), form.spec);
});

test("copies have labels and colours of their own", () => {
  assert.deepEqual(methodLabels(["hizoo", "mezo", "hizoo", "hizoo"]), ["hizoo", "mezo", "hizoo#2", "hizoo#3"]);
  const colours = colourVariables(["hizoo", "hizoo", "mezo", "hizoo_l", "mezo", "adam"]);
  assert.equal(new Set(colours).size, 6);
  assert.equal(colours[0], "--hizoo");
  assert.equal(colours[2], "--mezo");
});

test("numbers are read as typed", () => {
  assert.deepEqual(["1,000", " 5e-4 ", "many", "", "1,5"].map(typed), [1000, 5e-4, "many", "", "1,5"]);
});
