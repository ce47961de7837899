import assert from "node:assert/strict";
import { test } from "node:test";

import "./catalogue.mjs";
import { catalogue, fieldOf, passes } from "../../viz_app/assets/lab/web/catalogue.mjs";

test("the catalogue says what a step costs and what a setting is called", () => {
  assert.equal(passes(catalogue.methods.hizoo.cost, 4, "auto"), 9);
  assert.equal(passes(catalogue.methods.mezo.cost, 4, 1e-3), 8);
  assert.equal(passes(catalogue.methods.mezo.cost, 4, "auto"), 9);
  assert.equal(passes(catalogue.methods.adam.cost, 4, 1e-3), 3);
  assert.equal(fieldOf("hizoo", "alpha")?.symbol, "α");
  assert.equal(fieldOf("adam", "alpha"), undefined);
  assert.deepEqual(catalogue.limits.optimizers, [1, 8]);
});
