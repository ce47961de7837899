import assert from "node:assert/strict";
import { test } from "node:test";

import { readView, viewHash } from "../../viz_app/assets/lab/tuning/view.mjs";

test("a view is read as it was written, beside what others wrote", () => {
  const text = viewHash({ measure: "loss", cell: 12 }, "#theme=dark&cell=3");
  assert.equal(text, "#theme=dark&cell=12&measure=loss");
  assert.deepEqual(readView(text), { measure: "loss", cell: 12 });
});

test("nothing chosen leaves nothing in the address, and the estimators' hash is not the map's", () => {
  assert.equal(viewHash({ measure: null, cell: null }, "#cell=3&measure=loss"), "");
  assert.equal(viewHash({ measure: null, cell: 1 }, "#lab&n=5"), "#cell=1");
  assert.deepEqual(readView("#lab&cell=5"), { measure: null, cell: null });
  assert.deepEqual(readView("#cell=-1"), { measure: null, cell: null });
});
