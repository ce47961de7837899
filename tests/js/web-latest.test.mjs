import assert from "node:assert/strict";
import { test } from "node:test";

Object.assign(globalThis, { window: globalThis });
const { Latest } = await import("../../viz_app/assets/lab/web/latest.mjs");

/** One that answers when it is told to. */
function held() {
  /** @type {string[]} */
  const done = [];
  /** @type {Record<string, () => void>} */
  const answer = {};
  /** @param {string} key @returns {Promise<string>} */
  const load = (key) => new Promise((resolve) => (answer[key] = () => resolve(key)));
  return { done, answer, latest: new Latest(load, (text, key) => done.push(`${text} ${key}`), () => assert.ok(false)) };
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("of those that come while an answer is on its way, only the newest is asked", async () => {
  const { latest, done, answer } = held();
  for (const key of ["a", "b", "c"]) latest.request(key);
  assert.deepEqual(Object.keys(answer), ["a"]);
  answer.a();
  await turn();
  assert.deepEqual([done, Object.keys(answer), latest.busy], [["a a"], ["a", "c"], true]);
  answer.c();
  await turn();
  assert.deepEqual([done, latest.busy], [["a a", "c c"], false]);
});

test("the same question is not asked twice while it is under way", async () => {
  const { latest, done, answer } = held();
  latest.request("a");
  latest.request("b");
  latest.request("a");
  answer.a();
  await turn();
  assert.deepEqual([done, Object.keys(answer)], [["a a"], ["a"]]);
});

test("a failure is told with its key, unless it was cancelled", async () => {
  /** @type {string[]} */
  const failed = [];
  const latest = new Latest(
    (/** @type {string} */ key, signal) => new Promise((_, reject) => (key === "bad" ? reject(Error("no")) : signal.addEventListener("abort", () => reject(Error("stopped"))))),
    () => assert.ok(false),
    (error, key) => failed.push(`${key}: ${error.message}`),
  );
  latest.request("bad");
  await turn();
  latest.request("slow");
  latest.cancel();
  await turn();
  assert.deepEqual(failed, ["bad: no"]);
});
