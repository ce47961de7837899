// From the form to a job: what it will take, what is wrong with it, and Start.

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Form } from "./form.mjs" */
import { Latest, SpecError } from "../web/latest.mjs";
import { setText } from "../web/make.mjs";
import { byId } from "../web/one.mjs";
import { said } from "./places.mjs";
import { ask, inWords } from "./server.mjs";

const REST = 350; // ms after the last change of the form, before it is estimated

export class Starting {
  #isStarting = false;
  /** Whether something is wrong that is no field's, to which Start could lead. */
  #isStuck = false;
  #timer = 0;
  #button = byId("opt-go", HTMLButtonElement);

  /**
   * @param {() => Form} form
   * @param {{started: (id: number) => void, message: (text: string) => void}} hooks `message` says something over the picture
   */
  constructor(form, hooks) {
    this.form = form;
    this.hooks = hooks;
    /** @type {Latest<string, {sentence: string}>} */
    this.estimates = new Latest(
      (spec, signal) => ask(`/estimate?${spec}`, { signal }),
      (estimate, spec) => this.#isCurrent(spec) && this.#predict(estimate.sentence),
      (error, spec) => {
        if (!this.#isCurrent(spec)) return;
        if (error instanceof SpecError) this.#refuse(error.errors);
        else this.#predict(`no prediction: ${inWords(error)}`);
      },
    );
    this.#button.addEventListener("click", () => this.#start());
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
    form.settle();
    this.#isStarting = true;
    this.#showButton();
    try {
      if (form.refusal) throw new SpecError(form.refusal);
      const { id } = await ask("", { method: "POST", body: form.spec, headers: { "Content-Type": "text/plain" } });
      form.complain([]);
      this.hooks.started(id);
    } catch (error) {
      if (error instanceof SpecError) {
        this.#refuse(error.errors);
        form.reveal();
      } else this.hooks.message(inWords(error));
    } finally {
      this.#isStarting = false;
      this.#showButton();
    }
  }

  /** Errors at their fields; beside Start those that have none, or else the first. @param {FieldError[]} errors */
  #refuse(errors) {
    const form = this.form();
    const others = form.complain(errors);
    const first = others.length ? others : errors.slice(0, 1);
    this.#say(first.map((error) => said(error, form.state)).join("\n"), true, others.length > 0);
  }

  /** What it will take: nothing is wrong. @param {string} text */
  #predict(text) {
    this.form().complain([]);
    this.#say(text, false, false);
  }

  /** Beside the button. @param {string} text @param {boolean} isBad @param {boolean} isStuck */
  #say(text, isBad, isStuck) {
    const place = byId("opt-prediction");
    setText(place, text);
    place.classList.toggle("bad", isBad);
    this.#isStuck = isStuck;
    this.#showButton();
  }

  #showButton() {
    setText(this.#button, this.#isStarting ? "Starting …" : "Start");
    this.#button.disabled = this.#isStarting || this.#isStuck;
  }
}
