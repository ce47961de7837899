// "Tune": the server looks for the best setting within a budget that is stated before, and what it spent is said after.

import { SpecError } from "../web/latest.mjs";
import { count, reading } from "../web/scale.mjs";

export class Tune {
  /**
   * @param {HTMLElement} root
   * @param {{query: () => string, values: () => object, found: (answer: object) => string, put: (settings: object) => void, words: (name: string, value: number) => string, failed: (error: Error) => void}} hooks
   *   `values` are the controls' settings; `found` moves them to the best and returns where it opens, `put` moves them; `words` names a setting
   */
  constructor(root, hooks) {
    Object.assign(this, { hooks, controller: null });
    root.innerHTML = `<div class="head"><h2>Tune</h2></div>
      <div class="row tune-row" data-field="tune.trials"><label for="tune-trials">Budget, settings</label>
      <input id="tune-trials" inputmode="numeric" value="64" spellcheck="false"><button id="tune-go"></button></div>
      <p id="tune-note" class="note" role="status"></p>`;
    this.trials = root.querySelector("input");
    this.button = root.querySelector("button");
    this.note = root.querySelector("#tune-note");
    this.button.addEventListener("click", () => (this.controller ? this.stop() : this.start()));
    this.trials.addEventListener("keydown", (event) => event.key === "Enter" && this.start());
    this.idle("Searches learning rate, α, n … for the best setting at this budget of forward passes.");
  }

  idle(note) {
    this.controller = null;
    this.button.textContent = "Tune";
    this.note.textContent = note;
  }

  /** Stop a search; the server hears of it. */
  stop() {
    if (!this.controller) return;
    this.controller.abort();
    this.idle("Stopped.");
  }

  async start() {
    this.controller?.abort();
    this.#wrong("");
    const controller = (this.controller = new AbortController());
    this.button.textContent = "Stop";
    this.note.textContent = `Trying ${this.trials.value} settings …`;
    try {
      const response = await fetch(`/api/tune?${this.hooks.query()}&trials=${encodeURIComponent(this.trials.value.trim())}`, { signal: controller.signal });
      if (response.status === 422) throw new SpecError((await response.json()).errors);
      if (!response.ok) throw new Error(`The server answered ${response.status}`);
      const answer = await response.json();
      if (controller.signal.aborted) return;
      this.idle("");
      this.#say(answer);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.idle(error instanceof SpecError ? "" : `${error.message}. Nothing was changed.`);
      if (!(error instanceof SpecError)) return;
      const own = error.errors.find(({ field }) => field === "trials");
      if (own) this.#wrong(own.message.replace(/^trials = /, "")); // the map does not depend on it
      else this.hooks.failed(error);
    }
  }

  #wrong(text) {
    const row = this.trials.closest(".row");
    row.classList.toggle("error", Boolean(text));
    row.querySelector(".error-text")?.remove();
    if (text) row.append(Object.assign(document.createElement("p"), { className: "error-text", role: "alert", textContent: text }));
  }

  #say(answer) {
    const { spent, best, searched, target } = answer;
    const [before, now] = [answer.before, answer.held_out].map((figures) => result(figures, target));
    const text = (tag, words) => Object.assign(document.createElement(tag), { textContent: words });
    const named = searched.filter((name) => name in best).map((name) => this.hooks.words(name, best[name])).join(", ");
    const cost = text("b", `Spent ${count(spent.trials)} settings, ${count(spent.forwards)} forward passes, ${spent.seconds.toFixed(1)} s. `);
    const own = { ...this.hooks.values() };
    const same = searched.every((name) => best[name] === own[name]);
    if (same || !answer.better) {
      const words = same ? `the setting that was there stays (${before}).` : `on random numbers that the search never saw its best, ${named}, has ${now}; the setting that was there has ${before} and stays.`;
      return this.note.replaceChildren(cost, text("b", "Nothing better found: "), words);
    }
    const link = Object.assign(text("a", "Open in the Playground"), { href: this.hooks.found(answer) });
    const back = text("button", "Undo");
    back.addEventListener("click", () => {
      this.hooks.put(own);
      this.note.replaceChildren(cost, "The controls are where they were.");
    });
    this.note.replaceChildren(cost, "Best: ", text("b", named), `; the controls are there now. Before: ${before} → now: ${now}, on random numbers that the search never saw. `, link, " ", back);
    this.note.scrollIntoView({ block: "nearest" });
  }
}

const reaches = ({ passes }) => passes !== null && passes !== undefined;
const leaves = ({ loss }, target) => !(loss <= target); // which it had reached
const result = (figures, target) => `${reaches(figures) ? `${count(figures.passes)} passes to the target${leaves(figures, target) ? `, but final loss ${reading(figures.loss ?? Infinity)}` : ""}` : `final loss ${reading(figures.loss ?? Infinity)}`}${figures.diverged > 0 ? `, ${Math.round(100 * figures.diverged)} % diverged` : ""}`;
