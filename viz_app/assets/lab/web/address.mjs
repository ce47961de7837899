// The address follows what is on the page, a moment after the last change: browsers refuse a page that writes it too often.

const REST = 300; // ms

export class Address {
  #timer = 0;

  /** @param {() => string | null} text what the address should say; null while it is to stay */
  constructor(text) {
    this.text = text;
  }

  /** Write it soon. */
  later() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.now(), REST);
  }

  now() {
    this.drop();
    const text = this.text();
    if (text !== null) history.replaceState(history.state, "", text);
  }

  /** Write now what waits. */
  flush() {
    if (this.#timer) this.now();
  }

  /** It is another page's already: what waits is not written. */
  drop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }
}
