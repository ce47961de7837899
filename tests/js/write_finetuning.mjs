// node write_finetuning.mjs COUNT SEED: specs that the language-model page's form writes, over random changes, as JSON
// lines: {"spec", "values", "slots"}.

import process from "node:process";

import "./catalogue.mjs";
import { pick, random } from "./states.mjs";

const { facts, matters, methodOf } = await import("../../viz_app/assets/lab/finetuning/facts.mjs");
const { FormState } = await import("../../viz_app/assets/lab/finetuning/formstate.mjs");

const [count, seed] = process.argv.slice(2).map(Number);
const next = random(seed);

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
  (form) => form.set("budgetKind", pick(next, VALUES.budgetKind)),
  (form) => form.reset(pick(next, facts.fields).name),
  (form) => form.isFull || form.add(pick(next, facts.methods).key),
  (form) => form.isFull || form.add(form.slots[0].method, form.slots[0]),
  (form) => form.slots.length > 1 && form.remove(pick(next, form.slots)),
  ...new Array(5).fill(setValue),
  ...new Array(3).fill(setSetting),
];

/** @param {InstanceType<typeof FormState>} form */
function setValue(form) {
  const field = pick(next, facts.fields).name;
  const span = facts.limits[field];
  if (VALUES[field]) form.set(field, pick(next, VALUES[field]));
  else if (span) form.set(field, Math.min(span[0] + Math.floor(next() * 30), span[1]));
}

/** @param {InstanceType<typeof FormState>} form */
function setSetting(form) {
  const slot = pick(next, form.slots);
  const setting = pick(next, methodOf(slot.method)?.hyperparameters ?? []);
  const { name, choices, integer, default: value } = setting;
  if (choices) form.setOf(slot, name, pick(next, choices.filter((choice) => choice !== "multiplicative"))); // which needs n > 1
  else if (!integer) form.setOf(slot, name, Number((Number(value) * (0.5 + 0.4 * next())).toPrecision(3)));
}

for (let walk = 0; walk < count; walk++) {
  const form = new FormState();
  form.open(pick(next, ["", "steps=300&opt=hizoo:n=4&opt=mezo", "tune=lora&rank=3&opt=adam", "task=table&data=upload:1&text_column=a"]));
  for (let i = 0; i < 8; i++) {
    pick(next, ACTIONS)(form);
  }
  if (form.values.task === "table" && form.values.data === "") form.set("data", "upload:3f2a");
  const values = Object.fromEntries(Object.entries(form.values).filter(([key]) => matters(key, form.values)));
  console.log(JSON.stringify({ spec: form.spec, values, slots: form.slots }));
}
