// The job that is shown: its record, fed by the live socket, the cursor, and what can be asked of it.

/** @import { Cursor } from "./record.mjs" */
/** @import { State } from "./messages.mjs" */
import { count } from "../web/scale.mjs";
import { Feed } from "./feed.mjs";
import { lookOf } from "./look.mjs";
import { emptyRecord, fold, isOver, keepRebuilt, spent, stepAt } from "./record.mjs";
import { optimizersOf, shownSeed } from "./seeds.mjs";
import { ask, inWords } from "./server.mjs";

const REST = 350; // ms that the cursor must rest before a step is rebuilt

/** States after which nothing is computed any more, unless it is resumed. @type {Set<State>} */
export const ENDED = new Set(["finished", "stopped", "failed"]);

export class ShownJob {
  record = emptyRecord();
  /** @type {Cursor} */
  cursor = { run: null, repetition: null, forwards: 0, live: true };
  /** What the connection has to say. */
  line = "";
  /** Why a step was not rebuilt. */
  cannot = "";
  /** @type {AbortController | null} */
  #rebuilding = null;
  #timer = 0;

  /**
   * @param {string} id @param {State} state
   * @param {{drawSoon: () => void, draw: () => void, moved: () => void}} hooks
   *   `moved`: it is in another state
   */
  constructor(id, state, hooks) {
    this.id = id;
    this.hooks = hooks;
    this.record.status.state = state;
    this.feed = new Feed(id, {
      messages: (messages) => {
        const before = this.record.status.state;
        for (const message of messages) fold(this.record, message);
        if (this.record.status.state !== before) hooks.moved();
        hooks.drawSoon();
      },
      line: (connection, seconds) => {
        this.line = connection === "open" ? "" : `No connection to the server; trying again in ${seconds} s. Training does not depend on this page.`;
        hooks.drawSoon();
      },
      ended: () => this.hasEnded,
    });
  }

  get hasEnded() {
    return ENDED.has(this.record.status.state);
  }

  /** Part of the passes of all runs' steps that has been made, 0 to 1; null before its plan is there. */
  get part() {
    const { runs } = this.record;
    if (!runs.length) return null;
    const all = runs.reduce((sum, run) => sum + run.planned * run.forwardsPerStep, 0);
    return runs.reduce((sum, run) => sum + (run.steps.step.at(-1) ?? 0) * run.forwardsPerStep, 0) / all;
  }

  /** Whether nothing trains any more in a job that has not ended. */
  get isFindingPlane() {
    const { status, runs } = this.record;
    return status.state === "running" && runs.length > 0 && runs.every(isOver);
  }

  get look() {
    return lookOf(this.record);
  }

  /** Leave it for good. */
  close() {
    this.feed.close();
    clearTimeout(this.#timer);
    this.#rebuilding?.abort();
  }

  /** Ask the worker for something: pause, set?run=0&lr=0.1. Returns what went wrong, in words, or "". @param {string} path */
  async post(path) {
    try {
      await ask(`/${this.id}/${path}`, { method: "POST" });
      return "";
    } catch (error) {
      return inWords(error);
    }
  }

  // ---- the cursor ----

  /** Go to a number of forward passes, or with null to the newest. @param {number | null} forwards */
  seek(forwards) {
    const most = spent(this.record);
    const live = forwards === null || forwards >= most;
    this.cursor = { ...this.cursor, live, forwards: live ? most : Math.max(0, forwards) };
    clearTimeout(this.#timer);
    this.#rebuilding?.abort();
    this.record.rebuilding = null;
    this.cannot = "";
    if (!live) this.#timer = window.setTimeout(() => this.#rebuild(), REST);
    this.hooks.draw();
  }

  /** Mark a run, or unmark it. @param {number} run */
  point(run) {
    this.cursor = { ...this.cursor, run: this.cursor.run === run ? null : run };
    this.hooks.draw();
  }

  /** Show a seed where one is shown. @param {number} repetition */
  choose(repetition) {
    this.cursor = { ...this.cursor, repetition };
    if (this.cursor.live) this.hooks.draw();
    else this.seek(this.cursor.forwards);
  }

  /** The cursor rests on steps of which nothing was sent: have them rebuilt from the log, one run after another. */
  async #rebuild() {
    const { record, cursor, hooks } = this;
    const { signal } = (this.#rebuilding = new AbortController());
    const first = shownSeed(record, cursor) * optimizersOf(record);
    const pointed = first + (cursor.run ?? 0);
    const order = record.runs.slice(first, first + optimizersOf(record)).sort((a, b) => Number(b.index === pointed) - Number(a.index === pointed));
    for (const run of order) {
      const step = stepAt(run, cursor);
      if (run.evaluations.some((known) => known.step === step) || run.rebuilt.some(({ evaluation }) => evaluation.step === step)) continue;
      record.rebuilding = { run: run.index, step };
      hooks.draw();
      try {
        keepRebuilt(record, run.index, await ask(`/${this.id}/at?run=${run.index}&step=${step}`, { signal }));
      } catch (error) {
        if (signal.aborted) return;
        this.cannot = `${this.look.titles[run.index]} at step ${count(step)}: ${inWords(error)}`;
      }
      record.rebuilding = null;
      hooks.draw();
    }
  }
}
