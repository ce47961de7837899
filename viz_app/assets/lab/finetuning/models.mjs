// Real models that this machine can get, each with a button and, while it is got, how far that is.

import { html, nothing, render } from "../vendor/lit.mjs";
import { bytes } from "./bytes.mjs";
import { ask, inWords } from "./server.mjs";
import { progressLine } from "./status.mjs";

const EVERY = 500; // ms between looks while a model is being got

/** @typedef {{name: string, title: string, about: string, bytes: number, here: boolean}} RealModel */
/** @typedef {{name?: string, message: string, done: number, total: number, unit: string}} Progress */
/** @typedef {{models: RealModel[], getting: Progress | {name?: string, error?: string}}} Listed of GET /api/finetune/models; `getting` is empty if nothing is being got */

export class RealModels {
  /** @type {Listed} */
  #listed = { models: [], getting: {} };
  /** What went wrong with an answer. */
  #trouble = "";

  /** @param {HTMLElement} root @param {{use: (name: string) => void, got: () => void}} hooks `use` puts a model into the form */
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
    this.#look("/models");
  }

  /** Ask how it stands, again and again while a model is being got. @param {string} path @param {RequestInit=} init */
  async #look(path, init) {
    const before = this.#progress;
    try {
      this.#listed = await ask(path, init);
      this.#trouble = "";
    } catch (error) {
      this.#trouble = inWords(error);
    }
    if (!this.root.isConnected) return;
    this.#draw();
    if (this.#progress) setTimeout(() => this.#look("/models"), EVERY);
    else if (before) this.hooks.got();
  }

  /** How far the model is that is being got. */
  get #progress() {
    const { getting } = this.#listed;
    return "message" in getting ? getting : null;
  }

  #draw() {
    const { models, getting } = this.#listed;
    this.root.hidden = models.length === 0 && !this.#trouble;
    const unfolded = getting.name !== undefined || this.#trouble !== "";
    render(html`<details ?open=${unfolded}><summary>Real models</summary>${models.map((model) => this.#model(model))}${problem(this.#trouble)}</details>`, this.root);
  }

  /** @param {RealModel} model */
  #model({ name, title, about, bytes: size, here }) {
    const { getting } = this.#listed;
    const progress = getting.name === name ? this.#progress : null;
    const use = html`<button type="button" data-tip="Put it into the form" @click=${() => this.hooks.use(name)}>Use it</button>`;
    const get = html`<button type="button" ?disabled=${this.#progress !== null} data-tip="Download it from the package index that pip is configured for, and convert it"
      @click=${() => this.#look(`/models/${name}`, { method: "POST" })}>Get it (${bytes(size)})</button>`;
    return html`<p><b>${title}</b>. ${about}</p>${here ? use : get}${progress ? bar(progress) : nothing}
      ${problem(getting.name === name && "error" in getting ? getting.error : "")}`;
  }
}

/** @param {Progress} progress */
function bar(progress) {
  const text = progressLine(progress);
  return html`<p role="status">${text}</p><progress max=${progress.total || 1} value=${progress.total ? progress.done : nothing} aria-label=${text}></progress>`;
}

/** @param {string | undefined} text */
const problem = (text) => (text ? html`<p class="error-text" role="alert">${text}</p>` : nothing);
