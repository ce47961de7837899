// Specs that the language-model page's form can write, over random changes, as JSON lines: {"spec", "values", "slots"}.
// tests/test_javascript_finetuning_specs.py parses them.

import process from "node:process";

import "./catalogue.mjs";

const { facts, matters, methodOf } = await import("../../viz_app/assets/lab/finetuning/facts.mjs");
const { FormState } = await import("../../viz_app/assets/lab/finetuning/formstate.mjs");

let state = Number(process.argv[2]);
/** A number from 0 to 1 (mulberry32). */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
/** @template T @param {T[]} list @returns {T} */
const one = (list) => list[Math.floor(random() * list.length)];

/** @type {Record<string, (string | number)[]>} */
const VALUES = {
  model: ["bundled", "facebook/opt-125m", "/models/my own model", "ünï"],
  task: Object.keys(facts.tasks),
  tune: Object.keys(facts.tunes),
  loss: ["cross_entropy"],
  dtype: facts.dtypes,
  device: ["auto", "cpu", "cuda:1"],
  data: ["", "upload:3f2a", "/home/me/a+b & c=d.csv"],
  text_column: ["text", "my text", "a=b"],
  label_column: ["label", "100 %"],
  template: ["", "{text} it was", "Review: {text}\nThis was", "50%{text}&x=1"],
  words: ["", "bad,good", " terrible , great "],
  seed: [0, 7, "4294967295"],
  budgetKind: ["forwards", "steps"],
  budget: [900, 2400, "3000", 20000],
};

/** What somebody may do. @type {((form: InstanceType<typeof FormState>) => void)[]} */
const ACTIONS = [
  (form) => form.set("budgetKind", one(VALUES.budgetKind)),
  (form) => form.reset(one(facts.fields).name),
  (form) => form.isFull || form.add(one(facts.methods).key),
  (form) => form.isFull || form.add(form.slots[0].method, form.slots[0]),
  (form) => form.slots.length > 1 && form.remove(one(form.slots)),
  ...new Array(5).fill(setValue),
  ...new Array(3).fill(setSetting),
];

/** @param {InstanceType<typeof FormState>} form */
function setValue(form) {
  const field = one(facts.fields).name;
  const span = facts.limits[field];
  if (VALUES[field]) form.set(field, one(VALUES[field]));
  else if (span) form.set(field, Math.min(span[0] + Math.floor(random() * 30), span[1]));
}

/** @param {InstanceType<typeof FormState>} form */
function setSetting(form) {
  const slot = one(form.slots);
  const setting = one(methodOf(slot.method)?.hyperparameters ?? []);
  const { name, choices, integer, default: value } = setting;
  if (choices) form.setOf(slot, name, one(choices.filter((choice) => choice !== "multiplicative"))); // which needs n > 1
  else if (!integer) form.setOf(slot, name, Number((Number(value) * (0.5 + 0.4 * random())).toPrecision(3)));
}

for (let walk = 0; walk < 40; walk++) {
  const form = new FormState();
  form.open(one(["", "steps=300&opt=hizoo:n=4&opt=mezo", "tune=lora&rank=3&opt=adam", "task=table&data=upload:1&text_column=a"]));
  for (let i = 0; i < 8; i++) {
    one(ACTIONS)(form);
  }
  if (form.values.task === "table" && form.values.data === "") form.set("data", "upload:3f2a");
  const values = Object.fromEntries(Object.entries(form.values).filter(([key]) => matters(key, form.values)));
  console.log(JSON.stringify({ spec: form.spec, values, slots: form.slots }));
}
