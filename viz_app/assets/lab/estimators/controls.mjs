// The estimators' controls: the function, θ, and how the estimators are looked at. They change a question in place.

import { fromSlider, short, toSlider } from "../web/scale.mjs";
import { shown } from "../web/widgets.mjs";
import { catalogue } from "../web/catalogue.mjs";
import { html, nothing, render } from "../vendor/lit.mjs";
import { facts } from "./catalogue.mjs";
import { familyOf, functionWith, parametersOf } from "./state.mjs";

/** @import { Field } from "./catalogue.mjs" */
/** @import { Family, Question } from "./state.mjs" */
/** What is wrong with a part of the question. @typedef {{field: string, message: string}} Wrong */

const OWN_HELP = "Numbers, x, y, + - * / ^ and parentheses; sin, cos, tan, exp, log, sqrt, abs, tanh …; pi, e. Example: 100*(y-x^2)^2 + (1-x)^2";
const QUIET = "σ cancels here: the noise is linear in θ, and second differences do not contain it. S and P stay the same.";
const KEY = { points: "measured, ± 2 s.e.", dashes: "theory; exact", hollow: "|S|, which P takes over", here: "chosen value" };

/** @param {Event} event */
const typed = (event) => /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value.trim();

/** A slider's range in its own unit, if the field has one. @param {Field} field */
const rangeOf = ({ slider, scale, integer }) => slider && { scale, integer, low: slider[0], high: slider[1] };

export class Controls {
  /** @type {Wrong[]} */
  #errors = [];
  /** What is said of the place that is looked at. */
  #place = "";

  /** @param {HTMLElement} root @param {Question} question changed in place @param {Family[]} families of /api/list @param {() => void} changed */
  constructor(root, question, families, changed) {
    this.root = root;
    this.question = question;
    this.families = families;
    this.changed = changed;
    this.show();
  }

  /** Show the question as it is. */
  show() {
    const { question } = this;
    render(
      html`<section class="card"><h2>Where</h2>${this.#functions()}<div>${this.#parameters()}</div>
          ${this.#text("x0", "θ", "the function’s start", "Where the estimators are looked at: numbers separated by commas, or one for all coordinates.")}
          ${this.#text("coords", "Entries shown", "least and greatest", `Which entries of the diagonal are drawn: coordinates, counted from 0, at most ${facts.coordinates}.`)}
          <p class="note" id="estimators-truth">${this.#place}</p></section>
        <section class="card"><h2>How</h2>${facts.fields.map((field) => this.#field(field))}
          <div class="estimators-starts" role="radiogroup" aria-label="Where P starts" title="The value of P when a single step is looked at, and its start when it runs. In the charts against n and d, P is always the true diagonal.">
            ${facts.starts.map(({ key, label }) => html`<label><input type="radio" name="estimators-start" value=${key} .checked=${key === question.P} @change=${() => this.#set("P", key)}>${label}</label>`)}</div></section>
        <section class="card"><h2>Estimators</h2>${facts.estimators.map((each) => this.#switch(each))}
          <p class="note" id="estimators-only-one" ?hidden=${question.estimators.length > 1}>At least one estimator stays on.</p>
          <div class="estimators-key">${Object.entries(KEY).map(([kind, text]) => html`<span class="key-${kind}">${text}</span>`)}<p>theory: exact for quadratics as μ → 0</p></div></section>`,
      this.root,
    ); // prettier-ignore
  }

  /** Say what the place is like. @param {string} text */
  tell(text) {
    this.#place = text;
    this.show();
  }

  /** Show what is wrong beside the controls; what belongs to none is returned. @param {Wrong[]} errors */
  complain(errors) {
    this.#errors = errors;
    this.show();
    return errors.filter(({ field }) => !this.root.querySelector(`[data-field="estimators.${field}"]`));
  }

  /** @param {Partial<Question>} parts */
  #take(parts) {
    Object.assign(this.question, parts);
    this.show();
    this.changed();
  }

  /** @param {keyof Question} key @param {string} text */
  #set(key, text) {
    this.#take({ [key]: text });
  }

  /** A control's row with what is wrong with it. @param {string} field @param {string} kind of row @param {string} help @param {string} label @param {unknown} body */
  #row(field, kind, help, label, body) {
    const wrong = this.#errors.filter((error) => error.field === field);
    return html`<div class="row ${kind} ${wrong.length ? "error" : ""}" data-field="estimators.${field}"><label title=${help}>${label}</label>${body}${wrong.map(({ message }) => html`<p class="error-text" role="alert">${message}</p>`)}</div>`;
  }

  #functions() {
    const { key } = familyOf(this.question.f);
    const groups = Object.entries(Object.groupBy(this.families, ({ group }) => group));
    /** @param {Event} event */
    const choose = (event) => {
      const chosen = typed(event);
      this.#take({ f: chosen === "expr" ? `expr:${catalogue.spec.expression}` : chosen, x0: "", coords: "" });
    };
    /** @param {{key: string, name: string}} each */
    const option = (each) => html`<option value=${each.key} .selected=${each.key === key}>${each.name}</option>`;
    return html`<select id="estimators-function" aria-label="Function" @change=${choose}>
      ${groups.map(([group, families = []]) => html`<optgroup label=${group}>${families.map(option)}</optgroup>`)}${option({ key: "expr", name: "your own f(x, y)" })}</select>`;
  }

  #parameters() {
    const { f } = this.question;
    const { key, rest } = familyOf(f);
    if (key === "expr") {
      const input = html`<input .value=${rest} aria-label="f(x, y)" spellcheck="false" @change=${(/** @type {Event} */ event) => this.#set("f", `expr:${typed(event)}`)}>`;
      return this.#row("f", "text", OWN_HELP, "f(x, y)", input);
    }
    const family = this.families.find((each) => each.key === key);
    if (!family) return nothing;
    const texts = parametersOf(f, family, shown);
    return family.parameters.map(({ name, label, help, choices }) => {
      /** @param {Event} event */
      const change = (event) =>
        this.#take({ f: functionWith(family, { ...texts, [name]: typed(event) }, shown), coords: "", ...(name === "d" ? { x0: "" } : {}) });
      const input = choices
        ? html`<select aria-label=${label} @change=${change}>${choices.map((value) => html`<option value=${value} .selected=${value === texts[name]}>${value.replace("_", " ")}</option>`)}</select>`
        : html`<input .value=${texts[name]} aria-label=${label} @change=${change}>`;
      return this.#row(`f.${name}`, "text", help, label, input);
    });
  }

  /** @param {"x0" | "coords"} key @param {string} label @param {string} empty what an empty field means @param {string} help */
  #text(key, label, empty, help) {
    const input = html`<input .value=${this.question[key]} placeholder=${empty} aria-label=${label} @change=${(/** @type {Event} */ event) => this.#set(key, typed(event))}>`;
    return this.#row(key, "text", help, label, input);
  }

  /** @param {Field} field */
  #field(field) {
    const { key, label, help } = field;
    const range = rangeOf(field);
    const text = html`<input .value=${this.question[key]} aria-label=${label} class="estimators-number" @change=${(/** @type {Event} */ event) => this.#set(key, typed(event))}>`;
    const quiet = key === "noise" && Number(this.question.noise) > 0 ? html`<p class="note estimators-quiet">${QUIET}</p>` : nothing;
    if (!range) return this.#row(key, "text", help, label, [text, quiet]);
    const [low, high] = range.scale === "log" ? [Math.log10(range.low), Math.log10(range.high)] : [range.low, range.high];
    const slider = html`<input type="range" min=${low} max=${high} step=${(high - low) / 200} aria-label="${label}, slider" .value=${String(toSlider(Number(this.question[key]), range))}
      @input=${(/** @type {Event} */ event) => this.#set(key, short(fromSlider(Number(typed(event)), range)))}>`;
    return this.#row(key, "", help, label, [slider, text]);
  }

  /** @param {{key: string, colour: string}} estimator */
  #switch({ key, colour }) {
    const { estimators } = this.question;
    const on = estimators.includes(key);
    const chosen = facts.estimators.map((each) => each.key).filter((each) => (each === key ? !on : estimators.includes(each)));
    // The last one that is on cannot be switched off.
    return html`<label class="estimators-switch" style="--colour: var(${colour})"><input type="checkbox" .checked=${on} ?disabled=${on && estimators.length === 1} @change=${() => this.#take({ estimators: chosen })}><i></i>${key}</label>`;
  }
}
