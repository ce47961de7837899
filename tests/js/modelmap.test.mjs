import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";

const { FormState } = await import("../../viz_app/assets/lab/finetuning/formstate.mjs");
const { ModelMap, lossOf, median } = await import("../../viz_app/assets/lab/modelmap/data.mjs");
const { best, extent, kind, sentence, ties } = await import("../../viz_app/assets/lab/modelmap/measures.mjs");
const { facts, pairs, withKeys } = await import("../../viz_app/assets/lab/modelmap/text.mjs");

/** @param {string} name @param {number[]} values */
const axis = (name, values) => ({ name, label: name, symbol: name, unit: "", scale: "log", values, text: values.join(",") });

/** @param {Record<string, unknown>} more */
const about = (more = {}) =>
  /** @type {import("../../viz_app/assets/lab/modelmap/data.mjs").About} */ ({
    text: "t", base: "b", job: null, x: axis("lr", [0.001, 0.01]), y: axis("n", [1, 2]), method: "mezo", hyperparameters: {},
    forwards: 24, seeds: 2, seed: 0, loss: "cross_entropy", over: [], trials: 0, usual: [], sentence: "", ...more,
  }); // prettier-ignore

/** @param {number} lr @param {number} n @param {number} seed @param {number | null} loss @param {string | null} stopped */
const cell = (lr, n, seed, loss, stopped = null) => ({
  spec: `lr=${lr},n=${n},seed=${seed}`, values: { lr, n, mu: 1e-3 }, seed, steps: 12, forwards: 24, loss, accuracy: 0.75, f1: 0.6, stopped, curve: [],
}); // prettier-ignore

test("a cell is the median of its seeds, and complete with the last of them", () => {
  const map = new ModelMap(about());
  map.take(cell(0.01, 2, 0, 0.5));
  assert.equal(map.isOver(3), false);
  assert.equal(best(map), null, "half of its seeds do not make it the best");
  assert.match(sentence(map, 3), /1 of 2 seeds so far/);
  map.take(cell(0.01, 2, 1, 0.7));
  map.take(cell(0.01, 2, 1, 0.7)); // told again after a lost connection
  assert.equal(map.figures.loss[3], 0.6);
  assert.deepEqual([map.done, map.cells, best(map)], [1, [3], 3]);
  assert.match(sentence(map, 3), /held-out loss 0.6 \(median of 2 seeds, 0.5 to 0.7\), accuracy 75.0 %, after 24 passes \(12 steps\)/);
  map.take(cell(0.5, 2, 0, 0.1)); // of a search beside it, not of this map
  assert.equal(map.done, 1);
});

test("a cell that was stopped early is complete, has no colour, and is never the best", () => {
  const map = new ModelMap(about());
  map.take(cell(0.001, 1, 0, 0.1, "the held-out loss is 2.5 after 8 passes"));
  for (const seed of [0, 1]) map.take(cell(0.01, 1, seed, 0.6));
  assert.ok(map.isOver(0));
  assert.equal(kind(map, 0, "loss"), "diverged");
  assert.equal(best(map), 1);
  assert.deepEqual(extent(map, "loss"), [0.6, 0.6]);
  assert.equal(sentence(map, 0), "stopped early: the held-out loss is 2.5 after 8 passes");
});

test("cells whose seeds overlap with the best one's are a tie", () => {
  const map = new ModelMap(about());
  for (const [lr, n, losses] of /** @type {[number, number, number[]][]} */ ([[0.001, 1, [0.5, 0.6]], [0.01, 1, [0.55, 0.7]], [0.01, 2, [0.61, 0.62]]]))
    losses.forEach((loss, seed) => map.take(cell(lr, n, seed, loss)));
  assert.equal(best(map), 0);
  assert.equal(ties(map, 0), 1);
  assert.equal(ties(new ModelMap(about({ seeds: 1 })), 0), 0, "one seed says nothing");
});

test("a job that minimises 1 − accuracy is judged by that", () => {
  assert.equal(lossOf(cell(1, 1, 0, 0.5), "accuracy"), 0.25);
  assert.equal(lossOf(cell(1, 1, 0, 0.5), "f1"), 0.4);
  assert.ok(Number.isNaN(lossOf(cell(1, 1, 0, null), "cross_entropy")));
  assert.deepEqual([median([3, 1, 2]), median([4, 1])], [2, 2.5]);
});

test("a map's text takes other values, and is said in a few words", () => {
  const text = "model=bundled&task=reviews&train=0&tune=top&top=2&loss=cross_entropy&batch=4&opt=mezo:n=1,lr=1e-3,mu=0.01&x=lr=1e-3,1e-2";
  assert.deepEqual(pairs(withKeys(text, { x: null, seeds: 3 })).slice(-2), [["opt", "mezo:n=1,lr=1e-3,mu=0.01"], ["seeds", "3"]]);
  const said = Object.fromEntries(facts(text, (_, name) => name !== "lr"));
  assert.deepEqual(said, { model: "bundled", texts: "reviews, batch 4", trained: "top, top 2", mezo: "n=1, mu=0.01" });
});

test("the map of a job on the form has its budget in passes, and its first optimizer", () => {
  const form = new FormState();
  form.open("tune=layernorm&steps=50&truth=3&opt=hizoo:n=2,lr=0.01&opt=mezo");
  const keys = pairs(form.mapSpec);
  assert.deepEqual(keys.filter(([key]) => key === "forwards"), [["forwards", "250"]]);
  assert.deepEqual(keys.filter(([key]) => ["steps", "eval", "truth"].includes(key)), []);
  assert.equal(keys.filter(([key]) => key === "opt").length, 1);
});
