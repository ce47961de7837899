// What the layers below top layers have computed and the server keeps on its disk: how much, and a button that clears it.

import { html, render } from "../vendor/lit.mjs";
import { bytes } from "./bytes.mjs";
import { ask, inWords } from "./server.mjs";

const EVERY = 10_000; // ms between looks: a job may have added some

/** @typedef {{files: number, bytes: number, limit: number}} Stored of GET /api/finetune/states */

export class LowerStates {
  /** @param {HTMLElement} root hidden while there is nothing */
  constructor(root) {
    this.root = root;
    this.#look();
    const timer = setInterval(() => (root.isConnected ? this.#look() : clearInterval(timer)), EVERY);
  }

  /** Ask how much there is, or with the method DELETE clear it. @param {RequestInit=} init */
  async #look(init) {
    try {
      this.#draw(await ask("/states", init), "");
    } catch (error) {
      if (init) this.#draw({ files: 0, bytes: 0, limit: 0 }, inWords(error));
    }
  }

  /** @param {Stored} stored @param {string} trouble */
  #draw({ files, bytes: size, limit }, trouble) {
    this.root.hidden = files === 0 && !trouble;
    render(trouble
      ? html`<p class="error-text" role="alert">${trouble}</p>`
      : html`<p>States of the layers below top layers: ${bytes(size)} of at most ${bytes(limit)} on the disk</p>
        <button type="button" data-tip="Remove them from the disk. Nothing is lost: a job that needs them computes them again" @click=${() => this.#look({ method: "DELETE" })}>Clear</button>`, this.root);
  }
}
