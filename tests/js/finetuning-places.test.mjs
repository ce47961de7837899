import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";

const { facts } = await import("../../viz_app/assets/lab/finetuning/facts.mjs");
const { FormState } = await import("../../viz_app/assets/lab/finetuning/formstate.mjs");
const { errorPlace, keyOf, meant, placesOf, rangeOf, said, textOf, valueOf } = await import("../../viz_app/assets/lab/finetuning/places.mjs");

/** @param {string} text */
function opened(text) {
  const state = new FormState();
  state.open(text);
  const places = placesOf(state, new Map(state.optimizers.map(({ label, slot }) => [label, slot])));
  /** @param {string} key */
  const at = (key) => {
    const found = places.find((place) => keyOf(place) === key);
    assert.ok(found, key);
    return found;
  };
  return { state, places, at };
}

test("every field and every setting of every optimizer has one place, with a value that its preset is compared with", () => {
  const { places } = opened("opt=hizoo&opt=hizoo&opt=adam");
  const settings = (/** @type {string} */ key) => facts.methods.find((method) => method.key === key)?.hyperparameters.length ?? 0;
  assert.equal(new Set(places.map(keyOf)).size, facts.fields.length + 1 + 2 * settings("hizoo") + settings("adam"));
  for (const place of places) if (place.field.name in place.presets && place.card !== "run") assert.equal(String(valueOf(place)), String(place.presets[place.field.name]), keyOf(place));
});

test("a widget holds a number where there is one, and the text as it is where not", () => {
  const { at } = opened("batch=many&seed=123456789&template=1e3&opt=mezo:lr=1e-3");
  assert.deepEqual([valueOf(at("run.batch")), textOf(at("run.batch"))], ["many", "many"]);
  assert.deepEqual([valueOf(at("mezo.lr")), textOf(at("mezo.lr"))], [1e-3, "0.001"]);
  assert.equal(textOf(at("run.seed")), "123456789", "a seed has no slider: all its digits are shown");
  assert.equal(textOf(at("run.template")), "1e3");
});

test("a widget's text means a number only where a number is wanted", () => {
  const { at } = opened("opt=mezo");
  assert.equal(meant(at("run.batch").field, "1,000"), 1000);
  assert.equal(meant(at("run.seed").field, " 7 "), 7);
  assert.equal(meant(at("run.template").field, " 7 "), "7");
  assert.equal(meant(at("mezo.schedule").field, "cosine"), "cosine");
  assert.equal(rangeOf(at("mezo.schedule").field), undefined);
  assert.deepEqual(rangeOf(at("run.batch").field), { scale: "log", integer: true, low: 1, high: 128 });
});

test("an error belongs to its field, to its optimizer's card, or to no place that is shown", () => {
  const { state } = opened("steps=10&opt=hizoo&opt=hizoo");
  const cases = {
    "batch": ["run", "batch"], "steps": ["run", "budget"], "forwards": ["run", "budget"], "opt.hizoo#2.lr": ["hizoo#2", "lr"], "opt.hizoo": ["hizoo"],
    "rank": null, "opt": null, "batsh": null, "opt.mezo.lr": null, "opt.hizoo.learning": null,
  }; // prettier-ignore
  for (const [field, place] of Object.entries(cases)) assert.deepEqual(errorPlace(field, state), place, field);
  state.set("tune", "lora");
  assert.deepEqual(errorPlace("rank", state), ["run", "rank"]);
});

test("beside Start an error says whose it is", () => {
  const { state } = opened("opt=hizoo&opt=hizoo");
  assert.equal(said({ field: "opt.hizoo#2.lr", message: "η learning rate must be above 0" }, state), "HiZOO 2: η learning rate must be above 0");
  assert.equal(said({ field: "batch", message: "Batch must be above 0" }, state), "Batch must be above 0");
  assert.equal(said({ field: "rank", message: "must be above 0" }, state), "rank: must be above 0", "not on the form");
  const unknown = "There is no optimizer “hizzo”";
  assert.equal(said({ field: "opt.hizzo", message: unknown }, state), unknown);
});
