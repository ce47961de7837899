import assert from "node:assert/strict";
import { test } from "node:test";

import { catalogue } from "./catalogue.mjs";
import { DEPENDS, familyOf, fromHash, functionWith, parametersOf, toHash, toQuery, usual } from "../../viz_app/assets/lab/estimators/state.mjs";

test("a question's hash gives the question back", () => {
  const question = { ...usual(), f: "expr:x^2 + 3*y^2%", x0: "1, 2", n: "16", P: "truth", estimators: ["paper"] };
  assert.deepEqual({ ...usual(), ...fromHash(toHash(question)) }, question);
});

test("what is usual, and the place that the page names, is left out of the hash", () => {
  assert.equal(toHash(usual()), "#lab&f=quadratic:d=10");
  assert.equal(toHash({ ...usual(), f: "booth", x0: "1,1", n: "2" }, { f: "booth", x0: "1,1" }), "#lab&n=2");
  assert.equal(toHash({ ...usual(), f: "booth" }, { f: "booth", x0: "1,1" }), "#lab&x0=");
});

test("only the tab's own hash is read, and only what it knows", () => {
  assert.deepEqual(fromHash("#cell=3"), {});
  assert.deepEqual(fromHash("#lab&n=5&colour=red&f=expr:x%5"), { n: "5", f: "expr:x%5" });
});

test("a query has what a chart depends on, without spaces, and leaves out what is empty", () => {
  const question = { ...usual(), x0: "1, 2", alpha: "0.5" };
  assert.equal(toQuery(question, DEPENDS.about), "f=quadratic:d=10&x0=1,2");
  assert.ok(!toQuery(question, DEPENDS.distribution).includes("alpha"));
  assert.ok(toQuery(question, DEPENDS.running).includes("alpha=0.5"));
});

test("the server's estimators, fields and levels are all there", () => {
  assert.deepEqual(usual().estimators, Object.keys(catalogue.estimators));
  assert.deepEqual(Object.keys(catalogue.estimatorsTab.levels).sort(), Object.keys(DEPENDS).filter((name) => name !== "about").sort());
});

test("a function's parameters are read and written, the defaults left out", () => {
  const written = String;
  /** @param {string} name @param {number | string} value */
  const parameter = (name, value) => ({ name, label: name, help: "", default: value, choices: null });
  const family = { key: "quadratic", name: "", group: "", parameters: [parameter("d", 10), parameter("condition", 10000)] };
  assert.deepEqual(familyOf("expr:x:y"), { key: "expr", rest: "x:y" });
  assert.deepEqual(parametersOf("quadratic:condition=5", family, written), { d: "10", condition: "5" });
  assert.equal(functionWith(family, { d: "10", condition: "5" }, written), "quadratic:condition=5");
  assert.equal(functionWith(family, { d: "10", condition: "10000" }, written), "quadratic");
});
