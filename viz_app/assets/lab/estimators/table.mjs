// The table of estimators: computed row by row on a button, beside the figures that are quoted elsewhere.

import { count } from "../web/scale.mjs";
import { make } from "../web/make.mjs";

const HEADS = [
  ["d", "dimensions"],
  ["n", "directions"],
  ["α", "smoothing"],
  ["estimator", ""],
  ["P/|truth|", "geometric mean over entries, runs and the second half of the steps"],
  ["notes", "the figures that the method’s notes give, by a prototype"],
  ["sd", "of ln(P / |truth|), over entries and runs"],
  ["entries", "the least and the greatest entry’s own geometric mean"],
];
/** Under the table; before anything is computed it is all that the card holds. */
const ABOUT = [
  "How far off P ends, in 14 fixed settings. The controls have no part in it: every row has its own d, n and α, on quadratics with curvatures from 1 to 10,000, P from 1.",
  "P/|truth|: 1 is right; geometric mean over entries, runs and the second half of the steps. notes: what a prototype gave, for comparison. sd: of ln(P/|truth|). entries: the least and the greatest entry’s own mean.",
];
const figure = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const range = (low, high) => (figure(low) === figure(high) ? figure(low) : `${figure(low)}–${figure(high)}`);

export class Table {
  constructor(card) {
    this.button = make("button", { type: "button", id: "lab-compute" }, "Compute");
    this.state = make("span", { class: "note", "aria-live": "polite" }, "14 settings, some 20 s");
    this.bar = make("progress", { hidden: true });
    this.body = make("tbody");
    const head = make("tr", {}, ...HEADS.map(([text, title]) => make("th", { title }, text)));
    card.querySelector(".head").append(this.button, this.bar, this.state);
    card.append(make("div", { class: "lab-scroll" }, make("table", {}, make("caption", {}, ...ABOUT.map((text) => make("p", {}, text))), make("thead", {}, head), this.body)));
    this.button.addEventListener("click", () => (this.controller ? this.controller.abort() : this.compute()));
  }

  /** Ask for row after row; the button stops it meanwhile. */
  async compute() {
    const { signal } = (this.controller = new AbortController());
    this.button.textContent = "Stop";
    this.body.replaceChildren();
    let row = 0;
    try {
      for (let rows = 1; row < rows; row++) {
        const response = await fetch(`/api/lab/table?row=${row}`, { signal });
        if (!response.ok) throw new Error(`row ${row}: ${response.status} ${response.statusText}`);
        const answer = await response.json();
        rows = answer.rows;
        Object.assign(this.bar, { hidden: false, max: rows, value: row + 1 });
        this.state.textContent = `${row + 1} of ${rows}`;
        this.body.append(this.#row(answer.row));
      }
      this.state.textContent = "computed just now";
    } catch (error) {
      this.state.textContent = signal.aborted ? `stopped after ${row} rows` : error.message;
    }
    this.bar.hidden = true;
    this.button.textContent = "Compute";
    this.controller = null;
    document.dispatchEvent(new CustomEvent("lab:table", { detail: { rows: row } }));
  }

  #row({ d, n, alpha, estimator, geometric, low, high, spread, quoted, note, steps, runs }) {
    const texts = [d, n, alpha, estimator, figure(geometric), range(...quoted), spread.toFixed(2), range(low, high)];
    const data = { key: `${d},${n},${alpha},${estimator}`, estimator, geometric, low, high, spread };
    const title = `${count(steps)} steps, ${runs} runs; read off over the second half of the steps${note && `; ${note}`}`;
    return make("tr", { title, data }, ...texts.map((text) => make("td", {}, String(text))));
  }
}
