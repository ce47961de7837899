// One request at a time, and after it only the newest of those that came meanwhile: no queue of stale answers.

const PATIENCE = 400; // ms before a request under way gives way to a newer one
export const AGAIN = 2000; // ms before one that failed is repeated

export class Latest {
  /**
   * @template {string | {query: string}} Key what is asked; one with the same query may stand for another
   * @param {(key: Key, signal: AbortSignal) => Promise<any>} load
   * @param {(answer: any, key: Key) => void} done
   * @param {(error: Error, key: Key) => void} failed
   */
  constructor(load, done, failed) {
    Object.assign(this, { load, done, failed, key: null, waiting: null, controller: null, since: 0 });
  }

  /** Ask for `key`, in place of whatever else waits. */
  request(key) {
    this.#forget();
    if (!this.controller) return void this.#start(key);
    if (same(key, this.key) && !this.controller.signal.aborted) return void (this.key = key); // its answer is on the way
    this.waiting = key;
    const left = Math.max(0, this.since + PATIENCE - performance.now());
    this.giveWay = setTimeout(() => this.controller?.abort(), left);
  }

  /** After a failure: ask for `key` once more in a while, unless something else is asked for before. */
  again(key) {
    if (this.controller) return;
    this.#forget();
    this.repeat = setTimeout(() => this.request(key), AGAIN);
  }

  /** Ask for nothing any more. */
  cancel() {
    this.#forget();
    this.controller?.abort();
  }

  #forget() {
    clearTimeout(this.giveWay);
    clearTimeout(this.repeat);
    this.waiting = null;
  }

  async #start(key) {
    const controller = (this.controller = new AbortController());
    this.key = key;
    this.since = performance.now();
    let outcome;
    try {
      const answer = await this.load(key, controller.signal);
      outcome = (asked) => this.done(answer, asked);
    } catch (error) {
      outcome = controller.signal.aborted ? null : (asked) => this.failed(error, asked);
    }
    const asked = this.key; // or what was asked in the same words since
    clearTimeout(this.giveWay);
    this.controller = null;
    const next = this.waiting;
    this.waiting = null;
    if (next !== null) this.#start(next);
    outcome?.(asked);
  }
}

const same = (a, b) => (a.query ?? a) === (b.query ?? b);

/** An answer that lists what is wrong with a spec. */
export class SpecError extends Error {
  constructor(errors) {
    super(errors.map(({ field, message }) => `${field}: ${message}`).join("; "));
    this.errors = errors;
  }
}

/** What to say of any other failure. */
export const trouble = (error) => (error.status ? `The server answered ${error.status}` : "The server does not answer");

/** Fetch; a 422 becomes a SpecError, any other failure an error with its status. */
export async function fetchSound(url, signal) {
  const response = await fetch(url, { signal });
  if (response.status === 422) throw new SpecError((await response.json()).errors);
  if (!response.ok) throw Object.assign(new Error(response.statusText), { status: response.status });
  return response;
}

/** The same for bytes. */
export const fetchBytes = async (url, signal) => (await fetchSound(url, signal)).arrayBuffer();
