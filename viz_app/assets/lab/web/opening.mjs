// From one spec to another. The server makes its controls, and the address names it when they are there: until then, and
// while the server is away, the page and its address stay as they are. Back, and a link pasted into the tab, come here too.

import { asking, isAway, stop } from "./asking.mjs";
import { fetchSound } from "./latest.mjs";
import { busy, message, unsay } from "./messages.mjs";

const SLOW = 600; // ms
const LOST = 10_000; // ms after which no controls are expected any more
const BUSY = "Opening …";

/** @typedef {{query: string, address?: string, then?: () => void}} Next what is to be opened */

export class Opening {
  /** What is waited for. @type {Next | null} */
  #next = null;
  /** What the server makes the controls of; `#next` may be newer by now. @type {Next | null} */
  #sent = null;
  #slow = 0;
  #lost = 0;

  /**
   * @param {string} store the dcc.Store through which the server is asked
   * @param {{flush: () => void, drop: () => void}} address that of what is on the page: see address.mjs
   * @param {() => void} failed the page stays as it is
   */
  constructor(store, address, failed) {
    this.address = address;
    this.failed = failed;
    // Dash says nothing of a callback that fails: whether the server is there is asked before.
    this.latest = asking(
      /** @param {Next} _ */
      (_, signal) => fetchSound(`/api/list?at=${Date.now()}`, signal), // past the browser's cache
      (_, next) => {
        if (next !== this.#next) return;
        this.#sent = next;
        clearTimeout(this.#lost);
        this.#lost = window.setTimeout(() => this.#giveUp(), LOST);
        window.dash_clientside.set_props(store, { data: { query: next.query, at: Date.now() } });
      },
    );
    window.addEventListener("popstate", () => {
      address.drop();
      this.#sent = null; // the address is another's by now
      this.#ask({ query: location.search.slice(1) });
    });
  }

  /** Open an address of this page. `then` is done when it is there. @param {string} address @param {() => void} [then] */
  go(address, then = () => {}) {
    this.#ask({ address, then, query: new URL(address, location.origin).search.slice(1) });
  }

  /** @param {Next} next */
  #ask(next) {
    this.#next = next;
    clearTimeout(this.#slow);
    this.#slow = window.setTimeout(() => isAway(this.latest) || busy(BUSY), SLOW);
    this.latest.request(next);
  }

  /** Stay, unless the server makes the controls already. */
  stay() {
    if (this.#next === this.#sent) return;
    stop(this.latest);
    this.#end();
  }

  /** What was asked for is there. */
  arrived() {
    const { address, then } = this.#sent ?? {};
    if (this.#next === this.#sent) this.#end();
    clearTimeout(this.#lost);
    this.#sent = null;
    if (!address) return;
    this.address.flush();
    history.pushState(null, "", address);
    then?.();
  }

  #giveUp() {
    if (this.#next !== this.#sent) return; // it is another that is waited for
    this.#end();
    message("The server does not answer.", true);
    this.failed();
  }

  #end() {
    this.#next = null;
    clearTimeout(this.#slow);
    unsay(BUSY);
  }
}
