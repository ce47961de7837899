// "Tune": the server looks for the best setting within a budget that is stated before, and what it spent is said after.

import { SpecError, fetchSound, trouble } from "../web/latest.mjs";
import { count, reading } from "../web/scale.mjs";
import { html, nothing, render } from "../vendor/lit.mjs";
import { facts } from "./catalogue.mjs";

/** @import { Settings } from "./state.mjs" */

/** What a setting achieved. @typedef {{passes?: number | null, loss: number | null, diverged: number}} Result */
/**
 * @typedef {object} Answer of /api/tune
 * @property {{trials: number, forwards: number, seconds: number}} spent @property {string[]} searched hyperparameters
 * @property {Settings} best @property {string} opt the same as a spec has it @property {boolean} better than what was there
 * @property {Result} before @property {Result} held_out both on random numbers that the search did not use
 * @property {Result} score of the best, with the map's seed
 * @property {{best: Settings, score: Result, again: Result} | null} passed_over a setting whose score is better, and what it reached on another seed
 * @property {number} known settings that maps had computed @property {number | null} target
 */
/**
 * @typedef {object} Hooks
 * @property {() => string} query the map's @property {() => Settings} values the controls' settings
 * @property {(answer: Answer) => string} found moves the controls to the best, and returns where it opens
 * @property {(settings: Settings) => void} put moves the controls
 * @property {(name: string, value: number | string) => string} words names a setting
 * @property {(answer: Answer) => string} beaten why a cell on screen is better by what the map shows; "" if none is
 * @property {(error: SpecError) => void} failed
 */

export class Tune {
  #trials = String(facts.trials.usual);
  #wrong = "";
  /** @type {AbortController | null} */
  #controller = null;
  /** @type {unknown} */
  #note = "Searches learning rate, α, n … for the best setting at this budget of forward passes.";

  /** @param {HTMLElement} root @param {Hooks} hooks */
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
    this.#show();
  }

  /** Stop a search; the server hears of it. */
  stop() {
    if (!this.#controller) return;
    this.#controller.abort();
    this.#say("Stopped.");
  }

  async start() {
    this.#controller?.abort();
    const { signal } = (this.#controller = new AbortController());
    this.#wrong = "";
    this.#note = `Trying ${this.#trials} settings …`;
    this.#show();
    try {
      const response = await fetchSound(`/api/tune?${this.hooks.query()}&trials=${encodeURIComponent(this.#trials)}`, signal);
      /** @type {Answer} */
      const answer = await response.json();
      if (!signal.aborted) this.#say(this.#outcome(answer));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SpecError)) return this.#say(`${trouble(/** @type {Error} */ (error))}. Nothing was changed.`);
      const own = error.errors.find(({ field }) => field === "trials"); // the map does not depend on it
      this.#wrong = own ? own.message : "";
      this.#say("");
      if (!own) this.hooks.failed(error);
    }
  }

  /** The search is over. @param {unknown} note */
  #say(note) {
    this.#controller = null;
    this.#note = note;
    this.#show();
  }

  #show() {
    const click = () => (this.#controller ? this.stop() : this.start());
    /** @param {Event} event */
    const input = ({ target }) => (this.#trials = /** @type {HTMLInputElement} */ (target).value.trim());
    /** @param {KeyboardEvent} event */
    const key = (event) => event.key === "Enter" && this.start();
    render(
      html`<div class="head"><h2>Tune</h2></div>
        <div class="row tune-row ${this.#wrong && "error"}" data-field="tune.trials"><label for="tune-trials">Budget, settings</label>
          <input id="tune-trials" inputmode="numeric" value=${facts.trials.usual} spellcheck="false" @input=${input} @keydown=${key}><button id="tune-go" @click=${click}>${this.#controller ? "Stop" : "Tune"}</button>
          ${this.#wrong ? html`<p class="error-text" role="alert">${this.#wrong}</p>` : nothing}</div>
        <p id="tune-note" class="note" role="status">${this.#note}</p>`,
      this.root,
    ); // prettier-ignore
  }

  /** What came of it, with the controls moved if it is better. @param {Answer} answer */
  #outcome(answer) {
    const { spent, best, searched, target, known, passed_over: over } = answer;
    const [before, now] = [answer.before, answer.held_out].map((figures) => achieved(figures, target));
    const names = (/** @type {Settings} */ setting) => searched.filter((name) => name in setting).map((name) => this.hooks.words(name, setting[name])).join(", "); // prettier-ignore
    const cost = html`<b>${known ? `Started from ${count(known)} settings of the map. ` : ""}Spent ${count(spent.trials)} settings, ${count(spent.forwards)} forward passes, ${spent.seconds.toFixed(1)} s. </b>`;
    const passed = over ? `On the map's seed ${names(over.best)} is better (${achieved(over.score, target)}), but on another seed it has ${achieved(over.again, target)}: it is passed over. ` : this.hooks.beaten(answer);
    const own = { ...this.hooks.values() };
    const same = searched.every((name) => best[name] === own[name]);
    if (same) return html`${cost}<b>Nothing better found: </b>the setting that was there stays (${before}). ${passed}`;
    if (!answer.better) return html`${cost}<b>Nothing better found: </b>on random numbers that the search did not use, its best, ${names(best)}, has ${now}; the setting that was there has ${before} and stays. ${passed}`;
    const address = this.hooks.found(answer);
    const undo = () => {
      this.hooks.put(own);
      this.#say(html`${cost}The controls are where they were.`);
    };
    setTimeout(() => this.root.querySelector("#tune-note")?.scrollIntoView({ block: "nearest" }));
    return html`${cost}Best: <b>${names(best)}</b>: ${achieved(answer.score, target)} on the map's seed; the controls are there now. Before: ${before} → now: ${now}, on random numbers that the search did not use. ${passed}<a href=${address}>Open in the Playground</a> <button @click=${undo}>Undo</button>`;
  }
}

/** @param {Result} result @param {number | null} target */
function achieved({ passes, loss, diverged }, target) {
  const final = `final loss ${reading(loss ?? Infinity)}`;
  const leaves = target === null || loss === null || loss > target; // what it had reached
  const what = passes === null || passes === undefined ? final : `${count(passes)} passes to the target${leaves ? `, but ${final}` : ""}`;
  return `${what}${diverged > 0 ? `, ${Math.round(100 * diverged)} % diverged` : ""}`;
}
