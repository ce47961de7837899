// One chart of the lab: a card that asks the server, coarsely and then finely, and draws what comes.

import { Latest, fetchBytes } from "../web/latest.mjs";

const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

export class Panel {
  /**
   * @param {HTMLElement} card @param {string} door the endpoint's name @param {string[]} levels what is added to the query, in turn
   * @param {(answer: any, fine: boolean) => void} draw
   * @param {(error: Error) => void} failed
   */
  constructor(card, door, levels, draw, failed) {
    Object.assign(this, { card, door, levels, draw, query: null, answer: null });
    this.latest = new Latest(
      async (key, signal) => decode(await fetchBytes(`/api/lab/${key}`, signal)),
      (answer, key) => this.#arrived(answer, key),
      (error, key) => {
        if (this.#level(key) < 0) return; // of a question that is no longer asked
        this.query = null; // so that it is asked again
        delete card.dataset.wait;
        failed(error);
      },
    );
  }

  /** Ask anew, unless the question is the same. */
  ask(query) {
    if (query === this.query) return;
    this.query = query;
    this.card.dataset.wait = "computing …";
    this.latest.request(this.#key(0));
  }

  /** Draw again, in another theme or with another mark. */
  redraw() {
    if (this.answer) this.draw(this.answer, false);
  }

  #key(level) {
    return `${this.door}?${this.query}&${this.levels[level]}`;
  }

  /** Which level of the present question a key asks for; −1 if it belongs to another. */
  #level(key) {
    return this.levels.findIndex((_, i) => this.#key(i) === key);
  }

  #arrived(answer, key) {
    const level = this.#level(key);
    if (level < 0) return;
    this.answer = answer;
    const fine = level === this.levels.length - 1;
    if (fine) delete this.card.dataset.wait;
    else {
      this.card.dataset.wait = "coarse …"; // the numbers will change
      this.latest.request(this.#key(level + 1));
    }
    this.draw(answer, fine);
  }
}
