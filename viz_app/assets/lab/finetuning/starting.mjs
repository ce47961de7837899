// From the form to a job: what it will take, what is wrong with it, and Start.

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Form } from "./form.mjs" */
import { html, render } from "../vendor/lit.mjs";
import { Latest, SpecError } from "../web/latest.mjs";
import { ask, inWords, sentence } from "./server.mjs";

const REST = 350; // ms after the last change of the form, before it is estimated

export class Starting {
  /** @type {{text: string, bad: boolean}} beside the button */
  #prediction = { text: "", bad: false };
  #isStarting = false;
  /** What stands over the picture because of the form. */
  #said = "";
  #timer = 0;

  /**
   * @param {HTMLElement} root @param {() => Form} form
   * @param {{started: (id: number) => void, message: (text: string) => void, shown: () => string}} hooks
   *   `message` says something over the picture, `shown` is what it says there now
   */
  constructor(root, form, hooks) {
    this.root = root;
    this.form = form;
    this.hooks = hooks;
    /** @type {Latest<string, {sentence: string}>} */
    this.estimates = new Latest(
      (spec, signal) => ask(`/estimate?${spec}`, { signal }),
      (estimate, spec) => {
        if (!this.#isCurrent(spec)) return;
        this.#complain([]);
        this.#predict(estimate.sentence, false);
      },
      (error, spec) => {
        if (!this.#isCurrent(spec)) return;
        if (error instanceof SpecError) return this.#refuse(error.errors);
        this.#complain([]);
        this.#predict(`no prediction: ${inWords(error)}`, false);
      },
    );
    this.#draw();
  }

  /** The form says something else. @param {string} spec */
  changed(spec) {
    clearTimeout(this.#timer);
    const { refusal } = this.form();
    if (refusal) this.#refuse(refusal);
    else this.#timer = window.setTimeout(() => this.estimates.request(spec), REST);
  }

  /** @param {string} spec */
  #isCurrent(spec) {
    const form = this.form();
    return spec === form.spec && !form.refusal;
  }

  async #start() {
    const form = this.form();
    this.#isStarting = true;
    this.#draw();
    try {
      if (form.refusal) throw new SpecError(form.refusal);
      const { id } = await ask("", { method: "POST", body: form.spec, headers: { "Content-Type": "text/plain" } });
      this.#complain([]);
      this.hooks.started(id);
    } catch (error) {
      if (error instanceof SpecError) {
        this.#refuse(error.errors);
        form.reveal();
      } else this.hooks.message(inWords(error));
    } finally {
      this.#isStarting = false;
      this.#draw();
    }
  }

  /** Show errors at their fields, and the rest over the picture, where other messages stay as they are. @param {FieldError[]} errors */
  #complain(errors) {
    const text = this.form().complain(errors).map(sentence).join("\n");
    if (text || this.hooks.shown() === this.#said) this.hooks.message(text);
    this.#said = text;
  }

  /** Errors at their fields, and the first of them beside Start. @param {FieldError[]} errors */
  #refuse(errors) {
    this.#complain(errors);
    this.#predict(errors.length ? sentence(errors[0]) : "", true);
  }

  /** @param {string} text @param {boolean} bad */
  #predict(text, bad) {
    this.#prediction = { text, bad };
    this.#draw();
  }

  #draw() {
    const { text, bad } = this.#prediction;
    render(
      html`<button type="button" class="primary" ?disabled=${this.#isStarting} data-tip="Put these runs into the queue of their device; they train side by side on the same minibatches" @click=${() => this.#start()}>${this.#isStarting ? "Starting …" : "Start"}</button>
        <p id="opt-prediction" role="status" class=${bad ? "bad" : ""}>${text}</p>`,
      this.root,
    );
  }
}
