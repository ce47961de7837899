// A job of the worker's that is watched: its messages, its state, how long it takes; started and stopped.

import { Feed } from "../finetuning/feed.mjs";
import { ask, inWords } from "../finetuning/server.mjs";

/** @typedef {{type: string, [key: string]: any}} Message */

const EVERY = 3000; // ms between two looks at how long it takes
const OPEN = new Set(["queued", "running", "paused"]);

export class Watched {
  /** @type {number | null} */
  id = null;
  state = "";
  /** What the worker says of its state, and what it is doing. */
  said = "";
  doing = "";
  /** @type {string | null} */
  left = null;
  /** Why nothing is heard. */
  lost = "";
  /** @type {Feed | null} */
  #feed = null;
  #timer = 0;

  /** @param {{message: (message: Message) => void, changed: () => void}} hooks */
  constructor(hooks) {
    this.hooks = hooks;
  }

  get isOpen() {
    return OPEN.has(this.state);
  }

  /** Listen to a job from its beginning; null: to none. @param {number | null} id */
  watch(id) {
    if (id === this.id && this.#feed) return;
    this.leave();
    this.id = id;
    if (id === null) return;
    this.#feed = new Feed(String(id), {
      messages: (messages) => this.#take(messages),
      line: (state, seconds) => {
        if (state === "lost") this.#look(); // it may have been deleted
        this.lost = state === "lost" ? `The server does not answer; next try in ${Math.round(seconds)} s.` : "";
        this.hooks.changed();
      },
      ended: () => false,
    });
    this.#look();
  }

  leave() {
    clearTimeout(this.#timer);
    this.#feed?.close();
    this.#feed = null;
    Object.assign(this, { id: null, state: "", said: "", doing: "", left: null, lost: "" });
  }

  /** Compute what a text says, or go on with it. @param {string} text */
  async start(text) {
    const { id } = await ask("", { method: "POST", body: text, headers: { "Content-Type": "text/plain" } });
    this.watch(id);
    await this.#look();
  }

  async stop() {
    await ask(`/${this.id}/stop`, { method: "POST" });
    await this.#look();
  }

  /** @param {Message[]} messages */
  #take(messages) {
    for (const message of messages) {
      if (message.type === "status") Object.assign(this, { state: message.state, said: message.message });
      else if (message.type === "progress") this.doing = message.message && `${message.message}${message.total ? `: ${message.done.toLocaleString("en")} of ${message.total.toLocaleString("en")} ${message.unit}` : ""}`;
      else this.hooks.message(message);
    }
    this.hooks.changed();
  }

  async #look() {
    clearTimeout(this.#timer);
    const { id } = this;
    if (id === null) return;
    try {
      const job = await ask(`/${id}`);
      if (id !== this.id) return;
      Object.assign(this, { state: job.state, said: job.message, left: job.left });
    } catch (error) {
      if (id !== this.id) return;
      const words = inWords(error);
      if (words.startsWith("there is no run")) this.leave();
      else this.lost = words;
    }
    this.hooks.changed();
    if (this.id !== null && this.isOpen) this.#timer = window.setTimeout(() => this.#look(), EVERY);
  }
}
