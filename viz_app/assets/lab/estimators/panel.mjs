// One chart: a card that asks the server, coarsely and then finely, and draws what comes.

import { Latest, fetchBytes } from "../web/latest.mjs";

/** What /api/lab/about says of the place, for each of `coords`. @typedef {{d: number, coords: number[], names: string[], truth: number[]}} About */

/** Of one entry of the diagonal. @typedef {{coordinate: number, truth: number, edges: number[], share: number[], mean: number, sd: number, theory: [number, number] | null}} Histogram */
/** @typedef {{estimator: string, least_n?: number, coordinates: Histogram[]}} Distribution */

/** One estimator's P / |true entry| over the steps. @typedef {{coordinate: number, low: number[], median: number[], high: number[]}} Band */
/** @typedef {{estimator: string, least_n?: number, step?: number[], coordinates: Band[]}} Running */

/** @typedef {{estimator: string, least_n?: number, alpha: number[], bias: number[], spread: number[], error?: number[], best?: number | null}} AgainstAlpha */

/** Mean and standard deviation of S over the true entry, with standard errors. @typedef {Record<"mean" | "mean_se" | "sd" | "sd_se" | "absolute" | "absolute_se", number> & {theory_mean: number | null, theory_sd: number | null}} Point */
/** @typedef {{estimator: string, coords?: number[], x: number[], points: (Point | null)[]}} Moments */

/** @param {ArrayBuffer} bytes */
const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** @template Answer */
export class Panel {
  /** What is asked. @type {string | null} */
  query = null;
  /** What is drawn, of what was asked then. @type {{answer: Answer, query: string, fine: boolean} | null} */
  drawn = null;

  /**
   * @param {HTMLElement} card @param {string} endpoint under /api/lab @param {Record<string, number>[]} levels what is added to the query, in turn
   * @param {(answer: Answer, query: string, fine: boolean) => void} draw @param {(error: Error) => void} failed
   */
  constructor(card, endpoint, levels, draw, failed) {
    this.card = card;
    this.endpoint = endpoint;
    this.levels = levels;
    this.draw = draw;
    this.latest = new Latest(
      async (/** @type {string} */ key, /** @type {AbortSignal} */ signal) => decode(await fetchBytes(`/api/lab/${key}`, signal)),
      (/** @type {Answer} */ answer, /** @type {string} */ key) => this.#arrived(answer, key),
      (/** @type {Error} */ error, /** @type {string} */ key) => {
        if (this.#level(key) < 0) return; // of a question that is no longer asked
        this.query = null; // so that it is asked again
        delete card.dataset.wait;
        failed(error);
      },
    );
  }

  /** Ask anew, unless the question is the same. @param {string} query */
  ask(query) {
    if (query === this.query) return;
    this.query = query;
    this.card.dataset.wait = "computing …";
    this.latest.request(this.#key(0));
  }

  /** Draw again, in another theme or with another mark. */
  redraw() {
    if (this.drawn) this.draw(this.drawn.answer, this.drawn.query, this.drawn.fine);
  }

  /** @param {number} level */
  #key(level) {
    const more = Object.entries(this.levels[level]).map(([name, value]) => `&${name}=${value}`);
    return `${this.endpoint}?${this.query}${more.join("")}`;
  }

  /** Which level of the present question a key asks for; −1 if it belongs to another. @param {string} key */
  #level(key) {
    return this.levels.findIndex((_, i) => this.#key(i) === key);
  }

  /** @param {Answer} answer @param {string} key */
  #arrived(answer, key) {
    const level = this.#level(key);
    if (level < 0 || this.query === null) return;
    const fine = level === this.levels.length - 1;
    this.drawn = { answer, query: this.query, fine };
    if (fine) delete this.card.dataset.wait;
    else {
      this.card.dataset.wait = "coarse …"; // the numbers will change
      this.latest.request(this.#key(level + 1));
    }
    this.redraw();
  }
}
