// The runs in localStorage, newest first. A storage that is full, forbidden or spoilt loses entries, never the page.

const KEY = "lab-history";
const MOST = 40;
const without = (runs, gone) => runs.filter(({ query }) => !gone.some((run) => run.query === query));

export class Store {
  #kept = []; // what could not be stored is kept while the page is open
  #forbidden = false;

  /** @returns {import("./history.mjs").Run[]} */
  runs() {
    if (this.#forbidden) return this.#kept;
    try {
      const runs = JSON.parse(localStorage.getItem(KEY) ?? "[]");
      return Array.isArray(runs) ? runs.filter((run) => typeof run?.query === "string") : [];
    } catch {
      return this.#kept;
    }
  }

  /** Put a run at the top; the same one again moves there. Returns what went wrong, in words, or null. */
  add(run) {
    const others = this.runs();
    const pinned = others.find(({ query }) => query === run.query)?.pinned;
    return this.#write([{ ...run, pinned }, ...without(others, [run])].slice(0, MOST));
  }

  /** Mark a run to be compared, or unmark it. */
  pin(query, pinned) {
    this.#write(this.runs().map((run) => (run.query === query ? { ...run, pinned } : run)));
  }

  remove(runs) {
    this.#write(without(this.runs(), runs));
  }

  /** Put runs back where they were. */
  restore(runs) {
    this.#write([...without(runs, this.runs()), ...this.runs()].sort((a, b) => b.at - a.at).slice(0, MOST));
  }

  /** Write the runs; of a full storage the oldest half is given up until the rest fits. */
  #write(runs) {
    this.#kept = runs;
    for (let kept = runs; ; kept = kept.slice(0, kept.length >> 1)) {
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
