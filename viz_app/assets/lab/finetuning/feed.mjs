// A job's chunks over a WebSocket: each exactly once and in order, whatever happens to the connection or to the server.

/** @import { Chunk, Message } from "./messages.mjs" */

const FIRST_WAIT = 500; // ms before the first new attempt; doubles up to LONGEST_WAIT
const LONGEST_WAIT = 8000;

/**
 * @typedef {object} Hooks
 * @property {(messages: Message[]) => void} messages
 * @property {(state: "open" | "lost", seconds: number) => void} line whether the server is there, and if not, in how many
 *   seconds it is tried again
 * @property {() => boolean} ended whether the job has, so that a closed connection is no loss
 */

/** @typedef {Pick<WebSocket, "close" | "onopen" | "onclose" | "onmessage">} Socket what is used of a WebSocket */

export class Feed {
  #have = 0;
  #wait = FIRST_WAIT;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Socket} */
  #socket;

  /** @param {string} job @param {Hooks} hooks @param {{Socket?: new (url: string) => Socket, base?: string}} options */
  constructor(job, hooks, { Socket = WebSocket, base = location.href } = {}) {
    this.job = job;
    this.hooks = hooks;
    this.Socket = Socket;
    this.base = base;
    this.#socket = this.#connect();
  }

  /** Leave for good. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #connect() {
    const url = new URL(`/api/finetune/${this.job}/live?have=${this.#have}`, this.base);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = ""; // which a WebSocket's address must not have
    const socket = (this.#socket = new this.Socket(url.href));
    socket.onopen = () => this.hooks.line("open", 0);
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket && !this.#closed) this.#take(JSON.parse(data), socket);
    };
    socket.onclose = () => {
      if (this.#closed || socket !== this.#socket || this.hooks.ended()) return;
      this.hooks.line("lost", this.#wait / 1000);
      this.#timer = setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    };
    return socket;
  }

  /** @param {Chunk} chunk @param {Socket} socket */
  #take({ seq, messages }, socket) {
    if (seq <= this.#have) return; // known already
    if (seq > this.#have + 1) return socket.close(); // one is missing: ask again from there
    this.#have = seq;
    this.#wait = FIRST_WAIT;
    this.hooks.messages(messages);
  }
}
