import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Feed } from "../../viz_app/assets/lab/finetuning/feed.mjs";

/** @import { Message } from "../../viz_app/assets/lab/finetuning/messages.mjs" */

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

/**
 * A socket for each list of chunk numbers: it sends them, and is then closed, but for the last one.
 * @param {number[][]} sent @param {number[]} asked filled with the numbers that were asked for
 */
function sockets(sent, asked) {
  return class {
    /** @type {any} */ onopen;
    /** @type {any} */ onclose;
    /** @type {any} */ onmessage;
    #closing = false;

    /** @param {string} url */
    constructor(url) {
      asked.push(Number(new URL(url).searchParams.get("have")));
      const mine = asked.length;
      setTimeout(() => {
        this.onopen();
        for (const seq of sent[mine - 1]) this.onmessage({ data: JSON.stringify({ seq, messages: [seq] }) });
        if (mine < sent.length) this.close();
      });
    }

    close() {
      if (!this.#closing) setTimeout(() => this.onclose());
      this.#closing = true;
    }
  };
}

test("every chunk is taken once and in order, whatever the connection does", () => {
  /** @type {number[]} */ const asked = [];
  /** @type {unknown[]} */ const taken = [];
  /** @type {string[]} */ const lines = [];
  const hooks = {
    messages: (/** @type {Message[]} */ list) => taken.push(...list),
    line: (/** @type {string} */ state, /** @type {number} */ seconds) => lines.push(`${state} ${seconds}`),
    ended: () => false,
  };
  const Socket = sockets([[1, 2, 2], [2, 3, 5], [3, 4, 5, 6]], asked); // closed, then a chunk is missing
  const feed = new Feed("1", hooks, { Socket, base: "http://localhost/opt#run=1" });
  for (let i = 0; i < 40; i++) mock.timers.tick(100);
  feed.close();
  assert.deepEqual(taken, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(asked, [0, 2, 3]);
  assert.deepEqual(lines, ["open 0", "lost 0.5", "open 0", "lost 0.5", "open 0"], "what was taken resets the wait");
});

test("a connection that closes after the job's end is not opened again", () => {
  /** @type {number[]} */ const asked = [];
  const feed = new Feed("1", { messages() {}, line() {}, ended: () => true }, { Socket: sockets([[1], []], asked), base: "https://localhost/opt" });
  for (let i = 0; i < 40; i++) mock.timers.tick(100);
  feed.close();
  assert.deepEqual(asked, [0]);
});
