import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";

const { coursesOf, evaluationLine, quantiles, trainingLine } = await import("../../viz_app/assets/lab/finetuning/courses.mjs");
const { differences } = await import("../../viz_app/assets/lab/finetuning/differences.mjs");
const { readTable } = await import("../../viz_app/assets/lab/finetuning/imported.mjs");
const { Frame, countedPicture, lossPicture } = await import("../../viz_app/assets/lab/finetuning/pictures.mjs");
const { emptyRecord, fold } = await import("../../viz_app/assets/lab/finetuning/record.mjs");
const { comeSoFar, ofSeed, optimizersOf, seedsOf, shownSeed } = await import("../../viz_app/assets/lab/finetuning/seeds.mjs");

/** @import { PlannedRecord } from "../../viz_app/assets/lab/finetuning/record.mjs" */
/** @import { Look } from "../../viz_app/assets/lab/finetuning/look.mjs" */
/** @import { Message } from "../../viz_app/assets/lab/finetuning/messages.mjs" */

const COLUMNS = ["step", "forwards", "seconds", "loss", "slope", "curvature", "length", "lr", "alpha"];
const ZERO = { loss: 0.7, accuracy: 0.5, f1: 0.5 };
const look = /** @type {Look} */ (/** @type {unknown} */ ({ theme: {}, colours: ["red", "blue", "red", "blue", "red", "blue"], titles: ["MeZO", "HiZOO", "MeZO", "HiZOO", "MeZO", "HiZOO"] }));
const cursor = { run: null, repetition: null, forwards: 0, live: true };

/** Two optimizers, three seeds, of which two have run: losses 0.6 − 0.1 repetition − 0.05 optimizer. @param {string} loss @returns {PlannedRecord} */
function record(loss = "cross_entropy", training = 0.5) {
  const made = emptyRecord();
  const labels = /** @type {const} */ (["mezo", "hizoo"]);
  const runs = [0, 1, 2].flatMap((repetition) => labels.map((label) => ({ label, repetition, seed: 5 + repetition, method: label, name: label, hyperparameters: {}, forwards_per_step: 2, steps: 2, estimates_hessian: false })));
  /** @param {object} message */
  const take = (message) => fold(made, /** @type {Message} */ (message));
  take({ type: "plan", spec: `model=bundled&loss=${loss}&runs=3`, runs, sentences: [{ text: "first", label: 0 }], zero_shot: ZERO });
  take({ type: "seed", repetition: 1, seed: 6, sentences: [{ text: "second", label: 1 }], zero_shot: { ...ZERO, loss: 0.9 } });
  for (let run = 0; run < 4; run++) {
    const value = 0.6 - 0.1 * Math.floor(run / 2) - 0.05 * (run % 2);
    take({ type: "steps", run, columns: COLUMNS, rows: [[1, 2, 0.1, training, 1, null, 1, 1, null], [2, 4, 0.2 + run, training, 1, null, 1, 1, null]] });
    for (const step of [0, 2]) take({ type: "evaluation", run, step, forwards: 2 * step, seconds: step, loss: step ? value : 0.7, accuracy: 0.8, f1: 0.8, probabilities: [] });
  }
  const plan = made.plan;
  if (!plan) throw new Error("no plan");
  return { ...made, plan, over: [], own: { title: "#1", words: "" } };
}

test("quantiles are those of numpy, of what is finite", () => {
  assert.deepEqual(quantiles([4, NaN, 1, 3, 2]).map((value) => Number(value.toFixed(12))), [1.3, 2.5, 3.7]);
  assert.ok(quantiles([NaN]).every(Number.isNaN));
});

test("an optimizer's runs over the seeds that have begun, with median and band", () => {
  const [mezo, hizoo] = coursesOf(record(), look, "");
  assert.deepEqual([mezo.runs.length, hizoo.runs.length], [2, 2]);
  const line = evaluationLine(hizoo.runs, "loss", "forward passes");
  assert.deepEqual(line.x, [0, 4]);
  assert.deepEqual(line.y.map((value) => Number(value.toFixed(6))), [0.7, 0.5]);
  assert.deepEqual([line.low?.[1].toFixed(6), line.high?.[1].toFixed(6)], ["0.460000", "0.540000"]);
  assert.deepEqual(trainingLine(mezo.runs, "seconds").x, [0.1, 1.2], "seconds are the median, too");
  assert.equal(evaluationLine(mezo.runs.slice(0, 1), "loss", "steps").low, undefined);
});

test("panels of one seed see a job of that seed alone", () => {
  const whole = record();
  assert.deepEqual([seedsOf(whole), optimizersOf(whole), shownSeed(whole, cursor)], [[5, 6, 7], 2, 1]);
  const { record: second, look: own } = ofSeed(whole, look, cursor);
  assert.deepEqual(second.runs.map(({ index, number, seed }) => [index, number, seed]), [[0, 2, 6], [1, 3, 6]]);
  assert.equal(second.plan.sentences[0].text, "second");
  assert.equal(own.titles.length, 2);
  assert.equal(ofSeed(whole, look, cursor).record.plan, second.plan, "the same plan each time");
  assert.equal(ofSeed(whole, look, { ...cursor, repetition: 0 }).record.plan.sentences[0].text, "first");
});

test("a table's medians leave out the seed that is still on its way", () => {
  const { runs } = record();
  const mezo = runs.filter(({ label }) => label === "mezo");
  const numbers = (/** @type {typeof cursor} */ at) => comeSoFar(mezo, at).map(({ number }) => number);
  assert.deepEqual(numbers(cursor), [0, 2]);
  mezo[1].steps.step.pop();
  mezo[1].steps.forwards.pop();
  assert.deepEqual(numbers(cursor), [0]);
  assert.deepEqual(numbers({ ...cursor, live: false, forwards: 2 }), [0, 2]);
  assert.deepEqual(comeSoFar([mezo[1]], cursor).length, 1);
});

test("a loss that counts errors has an axis of its own, linear, from 0", () => {
  for (const training of [0, 0.25]) {
    const counted = record("f1", training);
    const own = countedPicture(counted, look, "steps", new Frame());
    assert.deepEqual([own.log, own.range[0], own.ylabel], [false, 0, "1 − F1"]);
    assert.ok(own.range[1] >= training && own.range[1] <= 1 && own.range[1] > 0);
    assert.ok(own.curves.every(({ part }) => part === "training"));
    const loss = lossPicture(counted, look, "steps", new Frame());
    assert.equal(loss.ylabel, "cross-entropy");
    assert.ok(loss.curves.every(({ part }) => part === null || part.startsWith("held-out")));
  }
});

test("a dashed line of the untrained model is the median over the seeds", () => {
  assert.deepEqual(lossPicture(record(), look, "steps", new Frame()).levels, [0.8]);
});

test("jobs are told apart by what differs in their specs", () => {
  const shared = "model=bundled&tune=full&device=cpu";
  assert.deepEqual(differences([`${shared}&batch=32&opt=hizoo:lr=1e-3,n=4`, `${shared}&batch=64&opt=hizoo:lr=2e-3,n=4&opt=mezo:lr=1`]), ["HiZOO, batch 32, HiZOO η 1e-3", "HiZOO + MeZO, batch 64, HiZOO η 2e-3"]);
  assert.deepEqual(differences([shared, `${shared}&eval=5`]), ["", ""], "how often it was measured makes no other job");
  assert.deepEqual(differences([shared]), [""]);
});

const HEAD = "optimizer,run,step,forwards,seconds,train_loss,val_loss,val_accuracy,slope";
const ROWS = ["mezo,0,0,0,0,,0.7,0.5,", "mezo,0,1,2,0.1,0.6,,,1", "mezo,1,0,0,0,,0.7,0.5,", "mezo,1,1,2,0.1,0.5,0.4,0.75,1"];

test("a table of a finished job is read, by optimizer and run", () => {
  const { optimizers, spec } = readTable("a.csv", [HEAD, ...ROWS].join("\r\n"));
  assert.equal(spec, "");
  assert.deepEqual(optimizers.map(({ label, runs }) => [label, runs.length]), [["mezo", 2]]);
  assert.deepEqual(optimizers[0].runs[1], {
    steps: { step: [1], forwards: [2], seconds: [0.1], loss: [0.5] }, planned: 1,
    evaluations: [{ step: 0, forwards: 0, seconds: 0, loss: 0.7, accuracy: 0.5 }, { step: 1, forwards: 2, seconds: 0.1, loss: 0.4, accuracy: 0.75 }],
  });
  const json = { spec: "batch=32&opt=adam", step: [0, 1], forwards: [0, 3], seconds: [0, 1], train_loss: [null, 0.5], val_loss: [0.7, null], val_accuracy: [0.5, null] };
  const alone = readTable("a.json", JSON.stringify(json));
  assert.deepEqual([alone.spec, alone.optimizers[0].label, alone.optimizers[0].runs[0].evaluations.length], [json.spec, null, 1]);
});

test("what is no such table is refused with a sentence", () => {
  const wrong = /** @type {[string, RegExp][]} */ ([
    ["optimizer,run,step,loss\nmezo,0,0,1", /has no column forwards, seconds, train_loss, val_loss, val_accuracy; .* Its columns: optimizer, run, step, loss/],
    ["", /has no column step/],
    [HEAD, /has no rows/],
    [`${HEAD}\nmezo,0,0,0,0,,0.7`, /row 2: 7 cells in place of 9/],
    [`${HEAD}\nmezo,0,zero,0,0,,0.7,0.5,`, /row 2: step is “zero”, and no number/],
    ["{\"step\": [1", /is not complete JSON/],
    ["{\"step\": [1], \"forwards\": []}", /columns of different lengths/],
  ]);
  for (const [text, sentence] of wrong) assert.throws(() => readTable("b.csv", text), sentence);
});
