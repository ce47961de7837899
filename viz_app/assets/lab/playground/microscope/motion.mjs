// Slow motion through the lines: one is lit, those behind the last one reached are not drawn yet.

const PACE = 1700; // ms that it stays on a line

/** @typedef {{keys: () => string[], changed: () => void}} Hooks `keys` of the lines, in their order; `changed`: another line is lit, or it has begun or stopped */

export class Motion {
  /** The key of the line that is lit; null for none. @type {string | null} */
  lit = null;
  /** The last line that is drawn. */
  reached = Infinity;
  #timer = 0;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
  }

  get playing() {
    return this.#timer !== 0;
  }

  /** Where the lit line is, −1 if none is. */
  get at() {
    return this.lit === null ? -1 : this.hooks.keys().indexOf(this.lit);
  }

  /** Light a line, and draw those up to `reached`. @param {string | null} key @param {number} reached */
  light(key, reached) {
    this.lit = key;
    this.reached = reached;
    this.hooks.changed();
  }

  /** Everything at once. */
  all() {
    this.stop();
    this.light(null, Infinity);
  }

  /** Go to a line; beyond the last one to the first. @param {number} at */
  #go(at) {
    const keys = this.hooks.keys();
    if (!keys.length) return;
    const place = (at + keys.length) % keys.length;
    this.light(keys[place], place);
  }

  /** To the next or previous line. @param {1 | -1} by */
  walk(by) {
    this.stop();
    this.#go(this.at < 0 ? (by > 0 ? 0 : -1) : this.at + by);
  }

  /** Begin, or stop. */
  toggle() {
    if (this.playing) return this.stop();
    const last = this.hooks.keys().length - 1;
    if (last < 0) return;
    this.#timer = window.setInterval(() => {
      if (document.hidden) return;
      if (this.at >= this.hooks.keys().length - 1) this.stop();
      else this.#go(this.at + 1);
    }, PACE);
    this.#go(this.at === last ? 0 : this.at + 1);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.hooks.changed();
  }
}
