// Specs that the language-model page's form can write, over random changes, as JSON lines: {"spec", "values", "slots"}.
// tests/test_javascript_finetuning_specs.py parses them.

import "./catalogue.mjs";

const { facts, matters } = await import("../../viz_app/assets/lab/finetuning/facts.mjs");
const { FormState } = await import("../../viz_app/assets/lab/finetuning/formstate.mjs");

let state = Number(process.argv[2] ?? 1);
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

for (let walk = 0; walk < 40; walk++) {
  const form = new FormState();
  form.open(one(["", "steps=300&opt=hizoo:n=4&opt=mezo", "tune=lora&rank=3&opt=adam", "task=table&data=upload:1&text_column=a"]));
  for (let i = 0; i < 8; i++) {
    const field = one(facts.fields).name;
    const span = facts.limits[field];
    const value = VALUES[field] ? one(VALUES[field]) : span ? Math.min(span[0] + Math.floor(random() * 30), span[1]) : null;
    if (random() < 0.5 && value !== null) form.set(field, value);
    else if (random() < 0.2) form.set("budgetKind", one(VALUES.budgetKind));
    else if (random() < 0.3) form.reset(field);
    else if (random() < 0.4 && !form.isFull) form.add(one(facts.methods).key, one([null]));
    else if (random() < 0.3 && !form.isFull) form.add(form.slots[0].method, form.slots[0]);
    else if (random() < 0.3 && form.slots.length > 1) form.remove(one(form.slots));
    else {
      const slot = one(form.slots);
      const name = one(Object.keys(slot.values));
      const setting = facts.methods.find(({ key }) => key === slot.method)?.hyperparameters.find((other) => other.name === name);
      if (setting?.choices) form.setOf(slot, name, one(setting.choices.filter((choice) => choice !== "multiplicative")));
      else if (setting && name !== "warmup") form.setOf(slot, name, setting.integer ? setting.default : Number((Number(setting.default) * (0.5 + 0.4 * random())).toPrecision(3)));
    }
  }
  if (form.values.task === "table" && form.values.data === "") form.set("data", "upload:3f2a");
  const values = Object.fromEntries(Object.entries(form.values).filter(([key]) => matters(key, form.values)));
  console.log(JSON.stringify({ spec: form.spec, values, slots: form.slots }));
}
