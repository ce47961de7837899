// "Tune": the server looks for the best setting within a budget that is stated before, and what it spent is said after.

import { SpecError } from "../latest.mjs";
import { count, reading } from "../scale.mjs";

export class Tune {
  /** @param {HTMLElement} root  @param {{query: () => string, found: (answer: object) => string, label: (name: string) => string, failed: (error: Error) => void}} hooks `found` takes the setting and returns where it opens */
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
      this.#say(answer, this.hooks.found(answer));
    } catch (error) {
      if (controller.signal.aborted) return;
      this.idle(error instanceof SpecError ? "" : `${error.message}. Nothing was changed.`);
      this.hooks.failed(error);
    }
  }

  #say({ spent, score, held_out: heldOut, searched }, address) {
    const result = ({ passes, loss }) => (passes === null || passes === undefined ? `final loss ${reading(loss ?? Infinity)}` : `${count(passes)} passes to the target`);
    const text = (tag, words) => Object.assign(document.createElement(tag), { textContent: words });
    const link = Object.assign(text("a", "Open in the Playground"), { href: address });
    this.note.replaceChildren(
      text("b", `Spent ${count(spent.trials)} settings, ${count(spent.forwards)} forward passes, ${spent.seconds.toFixed(1)} s`),
      ` on ${searched.map(this.hooks.label).join(", ")}. Best: ${result(score)}; with a seed that the search never saw: ${result(heldOut)}. `,
      link,
    );
  }
}
