// One request at a time, and after it only the newest of those that came meanwhile: no queue of stale answers.

const PATIENCE = 400; // ms before a request under way gives way to a newer one
export const AGAIN = 2000; // ms before one that failed is repeated

/** @typedef {string | {query: string}} Key what is asked; one with the same query may stand for another */

/** @template {Key} K what is asked @template A its answer */
export class Latest {
  /** What is asked for now. @type {K | null} */
  #key = null;
  /** @type {K | null} */
  #waiting = null;
  /** @type {AbortController | null} */
  #controller = null;
  #since = 0;
  #giveWay = 0;
  #repeat = 0;

  /**
   * @param {(key: K, signal: AbortSignal) => Promise<A>} load
   * @param {(answer: A, key: K) => void} done
   * @param {(error: Error, key: K) => void} failed
   */
  constructor(load, done, failed) {
    this.load = load;
    this.done = done;
    this.failed = failed;
  }

  /** Whether an answer is on its way. */
  get busy() {
    return this.#controller !== null;
  }

  /** Ask for `key`, in place of whatever else waits. @param {K} key */
  request(key) {
    this.#forget();
    if (!this.#controller) return void this.#start(key);
    if (same(key, this.#key) && !this.#controller.signal.aborted) return void (this.#key = key); // its answer is on the way
    this.#waiting = key;
    const left = Math.max(0, this.#since + PATIENCE - performance.now());
    this.#giveWay = window.setTimeout(() => this.#controller?.abort(), left);
  }

  /** After a failure: ask for `key` once more in a while, unless something else is asked for before. @param {K} key */
  again(key) {
    if (this.#controller) return;
    this.#forget();
    this.#repeat = window.setTimeout(() => this.request(key), AGAIN);
  }

  /** Ask for nothing any more. */
  cancel() {
    this.#forget();
    this.#controller?.abort();
  }

  #forget() {
    clearTimeout(this.#giveWay);
    clearTimeout(this.#repeat);
    this.#waiting = null;
  }

  /** @param {K} key */
  async #start(key) {
    const controller = (this.#controller = new AbortController());
    this.#key = key;
    this.#since = performance.now();
    /** @type {((asked: K) => void) | null} */
    let outcome = null;
    try {
      const answer = await this.load(key, controller.signal);
      outcome = (asked) => this.done(answer, asked);
    } catch (error) {
      if (!controller.signal.aborted) outcome = (asked) => this.failed(/** @type {Error} */ (error), asked);
    }
    const asked = this.#key ?? key; // or what was asked in the same words since
    clearTimeout(this.#giveWay);
    this.#controller = null;
    const next = this.#waiting;
    this.#waiting = null;
    if (next !== null) this.#start(next);
    outcome?.(asked);
  }
}

/** @param {Key | null} key */
const queryOf = (key) => (typeof key === "object" ? key?.query : key);

/** @param {Key} a @param {Key | null} b */
const same = (a, b) => queryOf(a) === queryOf(b);

/**
 * @typedef {object} FieldError what is wrong with a field of a spec
 * @property {string} field @property {string} message
 * @property {number} [position] the place in an expression
 * @property {[slot: string | undefined, name: string | undefined]} [control] where it is shown, if that is known already
 */

/** An answer that lists what is wrong with a spec. */
export class SpecError extends Error {
  /** @param {FieldError[]} errors */
  constructor(errors) {
    super(errors.map(({ field, message }) => `${field}: ${message}`).join("; "));
    this.errors = errors;
  }
}

/** An answer with any other status than 200 or 422. */
export class StatusError extends Error {
  /** @param {Response} response */
  constructor({ status, statusText }) {
    super(statusText);
    this.status = status;
  }
}

/** What to say of any failure but a SpecError. @param {Error} error */
export const trouble = (error) => (error instanceof StatusError ? `The server answered ${error.status}` : "The server does not answer");

/** Fetch; a 422 becomes a SpecError, any other status than 200 a StatusError. @param {string} url @param {AbortSignal} [signal] */
export async function fetchSound(url, signal) {
  const response = await fetch(url, { signal });
  if (response.status === 422) throw new SpecError((await response.json()).errors);
  if (!response.ok) throw new StatusError(response);
  return response;
}

/** The same for bytes. @param {string} url @param {AbortSignal} [signal] */
export const fetchBytes = async (url, signal) => (await fetchSound(url, signal)).arrayBuffer();
