// The runs in localStorage, newest first. A storage that is full, forbidden or spoilt loses entries, never the page.

import { read } from "./specwords.mjs";

const KEY = "lab-history";
const MOST = 40;

/**
 * @typedef {object} Run one entry
 * @property {string} query the canonical spec @property {string} names @property {string} view
 * @property {string} name of the function @property {number} at in ms since 1970 @property {string} image a data URL
 * @property {boolean} [pinned]
 */

/** An entry that the panel can show: another program, or another version of this one, may have written there. @param {Partial<Run> | null} run @returns {run is Run} */
function sound(run) {
  if (!run || ![run.query, run.name, run.image].every((text) => typeof text === "string") || !Number.isFinite(run.at)) return false;
  const { values, opts } = read(String(run.query));
  return Boolean(values.f && opts.length);
}

/** At most so many: the oldest are given up, those that are not pinned before those that are. @param {Run[]} runs @param {number} most */
function newest(runs, most) {
  const inTurn = [...runs.filter(({ pinned }) => !pinned).toReversed(), ...runs.filter(({ pinned }) => pinned).toReversed()];
  const gone = new Set(inTurn.slice(0, Math.max(0, runs.length - most)));
  return runs.filter((run) => !gone.has(run));
}

/** @param {Run[]} runs @param {Run[]} gone */
const without = (runs, gone) => runs.filter(({ query }) => !gone.some((run) => run.query === query));

export class Store {
  /** What could not be stored is kept while the page is open. @type {Run[]} */
  #kept = [];
  #forbidden = false;

  /** @returns {Run[]} */
  runs() {
    if (this.#forbidden) return this.#kept;
    try {
      const runs = JSON.parse(localStorage.getItem(KEY) ?? "[]");
      return Array.isArray(runs) ? runs.filter(sound) : [];
    } catch {
      return this.#kept;
    }
  }

  /** Put a run at the top; the same one again moves there. Returns what went wrong, in words, or null. @param {Run} run */
  add(run) {
    const others = this.runs();
    const pinned = others.find(({ query }) => query === run.query)?.pinned;
    const fresh = { ...run, pinned };
    const runs = newest([fresh, ...without(others, [run])], MOST);
    const problem = this.#write(runs);
    return runs.includes(fresh) ? problem : `${MOST} runs are pinned, as many as the history holds: this one is not kept.`;
  }

  /** Mark a run to be compared, or unmark it. @param {string} query @param {boolean} pinned */
  pin(query, pinned) {
    this.#write(this.runs().map((run) => (run.query === query ? { ...run, pinned } : run)));
  }

  /** @param {Run[]} runs */
  remove(runs) {
    this.#write(without(this.runs(), runs));
  }

  /** Put runs back where they were. @param {Run[]} runs */
  restore(runs) {
    this.#write(newest([...without(runs, this.runs()), ...this.runs()].sort((a, b) => b.at - a.at), MOST));
  }

  /** Write the runs; of a full storage half is given up until the rest fits. @param {Run[]} runs @returns {string | null} */
  #write(runs) {
    this.#kept = runs;
    for (let kept = runs; ; kept = newest(kept, kept.length >> 1)) {
      try {
        localStorage.setItem(KEY, JSON.stringify(kept));
        return kept.length < runs.length ? `The browser's storage is full: the history keeps ${kept.length} of ${runs.length} runs.` : null;
      } catch {
        if (kept.length) continue;
        if (this.#forbidden) return null; // said once
        this.#forbidden = true;
        return "The browser does not store the history: it lasts until this page is closed.";
      }
    }
  }
}
