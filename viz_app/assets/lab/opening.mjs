// From one spec to another. The server makes its controls, and the address names it when they are there: until then, and
// while the server is away, the page and its address stay as they are. Back, and a link pasted into the tab, come here too.

import { asking, isAway, stop } from "./answers.mjs";
import { fetchSound } from "./latest.mjs";
import { busy } from "./messages.mjs";

const SLOW = 600; // ms
const { set_props: setProps } = window.dash_clientside;

export class Opening {
  /**
   * @param {string} store the dcc.Store through which the server is asked
   * @param {{flush: () => void, drop: () => void}} address that of what is on the page: see address.mjs
   */
  constructor(store, address) {
    Object.assign(this, { address, next: null, timer: 0 });
    // Dash says nothing of a callback that fails: whether the server is there is asked before.
    this.latest = asking(
      (_, signal) => fetchSound(`/api/list?at=${Date.now()}`, signal), // past the browser's cache
      (_, query) => setProps(store, { data: { query, at: Date.now() } }),
    );
    window.addEventListener("popstate", () => {
      address.drop();
      this.#ask({ query: location.search.slice(1) });
    });
  }

  /** Open an address of this page. `then` is done when it is there. */
  go(address, then = () => {}) {
    this.#ask({ address, then, query: new URL(address, location.origin).search.slice(1) });
  }

  #ask(next) {
    this.next = next;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => isAway(this.latest) || busy("Opening …"), SLOW);
    this.latest.request(next.query);
  }

  /** Stay, if the server is still away. */
  stay() {
    if (!isAway(this.latest)) return;
    stop(this.latest);
    clearTimeout(this.timer);
    this.next = null;
  }

  /** What was asked for is there. */
  arrived() {
    clearTimeout(this.timer);
    const { address, then } = this.next ?? {};
    this.next = null;
    if (!address) return;
    this.address.flush();
    history.pushState(null, "", address);
    then();
  }
}
