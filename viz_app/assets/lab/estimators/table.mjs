// The table of estimators: computed row by row on a button, beside the figures that are quoted elsewhere.

import { count } from "../web/scale.mjs";
import { html, render } from "../vendor/lit.mjs";
import { colourOf, facts } from "./catalogue.mjs";

/**
 * @typedef {object} Row of /api/lab/table
 * @property {number} d @property {number} n @property {number} alpha @property {string} estimator
 * @property {number} geometric @property {number} low @property {number} high @property {number} spread
 * @property {[number, number]} quoted @property {string} note @property {number} steps @property {number} runs
 */

const HEADS = [
  ["d", "dimensions"],
  ["n", "directions"],
  ["α", "smoothing"],
  ["estimator", ""],
  ["P/|true|", "geometric mean over entries, runs and the second half of the steps"],
  ["notes", "the figures in the method’s notes, computed by a prototype"],
  ["sd", "of ln(P/|true entry|), over entries and runs"],
  ["entries", "the least and the greatest entry’s own geometric mean"],
];
/** Under the table; before anything is computed it is all that the card holds. */
const ABOUT = [
  `How far P is from the true diagonal at the end of a run, in ${facts.rows} fixed settings. The controls do not change them: every row has its own d, n and α, on quadratics with curvatures from 1 to 10,000, P from 1.`,
  "P/|true|: 1 is right; geometric mean over entries, runs and the second half of the steps. notes: the value of a prototype, for comparison. sd: of ln(P/|true entry|). entries: the least and the greatest entry’s own mean.",
];
/** @param {number} value */
const figure = (value) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
/** @param {number} low @param {number} high */
const range = (low, high) => (figure(low) === figure(high) ? figure(low) : `${figure(low)}–${figure(high)}`);

export class Table {
  /** @type {Row[]} */
  #rows = [];
  /** @type {AbortController | null} */
  #controller = null;
  #state = `${facts.rows} settings, about 20 s`;

  /** @param {HTMLElement} card */
  constructor(card) {
    this.card = card;
    this.#show();
  }

  /** Ask for row after row; the button stops it meanwhile. */
  async compute() {
    const controller = (this.#controller = new AbortController());
    this.#rows = [];
    this.#show();
    try {
      for (let rows = facts.rows; this.#rows.length < rows; ) {
        const response = await fetch(`/api/lab/table?row=${this.#rows.length}`, { signal: controller.signal });
        if (!response.ok) throw new Error(`row ${this.#rows.length}: ${response.status} ${response.statusText}`);
        const answer = await response.json();
        rows = answer.rows;
        this.#rows.push(answer.row);
        this.#state = `${this.#rows.length} of ${rows}`;
        this.#show();
      }
      this.#state = "computed just now";
    } catch (error) {
      this.#state = controller.signal.aborted ? `stopped after ${this.#rows.length} rows` : /** @type {Error} */ (error).message;
    }
    this.#controller = null;
    this.#show();
  }

  #show() {
    const computing = this.#controller !== null;
    render(
      html`<div class="head" title="Fixed settings that do not depend on the controls."><h2>Table</h2>
          <button type="button" id="estimators-compute" @click=${() => (this.#controller ? this.#controller.abort() : this.compute())}>${computing ? "Stop" : "Compute"}</button>
          <progress ?hidden=${!computing} max=${facts.rows} value=${this.#rows.length}></progress><span class="note" aria-live="polite">${this.#state}</span></div>
        <div class="estimators-scroll"><table><caption>${ABOUT.map((text) => html`<p>${text}</p>`)}</caption>
          <thead><tr>${HEADS.map(([text, title]) => html`<th title=${title}>${text}</th>`)}</tr></thead><tbody>${this.#rows.map(line)}</tbody></table></div>`,
      this.card,
    ); // prettier-ignore
  }
}

/** @param {Row} row */
function line({ d, n, alpha, estimator, geometric, low, high, spread, quoted, note, steps, runs }) {
  const texts = [d, n, alpha, estimator, figure(geometric), range(...quoted), spread.toFixed(2), range(low, high)];
  const title = `${count(steps)} steps, ${runs} runs; mean over the second half of the steps${note && `; ${note}`}`;
  return html`<tr title=${title} data-estimator=${estimator} style="--colour: var(${colourOf(estimator)})">${texts.map((text) => html`<td>${text}</td>`)}</tr>`;
}
