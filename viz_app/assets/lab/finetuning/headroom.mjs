// What curvature could gain for a fine-tuning run at one of its steps: R of each preconditioner, and r of each tensor.

/** @import { Asks } from "./main.mjs" */
/** @import { Measured } from "./messages.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Cursor, Headroom, PlannedRecord, Run } from "./record.mjs" */
import { html, live, render } from "../vendor/lit.mjs";
import { count, reading } from "../web/scale.mjs";
import { inOrder } from "./groups.mjs";
import { latest, stepAt } from "./record.mjs";

const TIPS = {
  none: "Σ = 1: MeZO's probes and steps",
  P: "Σ = 1/P, with HiZOO's P at this step",
  tensor: "Σ = 1/h: one number a tensor, the mean of the exact diagonal (Fisher) over its elements",
  "F^-1/2": "Σ = F^-½: the exact diagonal (Fisher) element by element, to the power −½ as in Adam",
  "F^-1": "Σ = 1/F: the exact diagonal (Fisher) element by element",
};

/** @typedef {{low: number, high: number}} Axis */

/** The axis that holds all numbers with their errors, and 0. @param {Measured[]} pairs @returns {Axis} */
export function axisOf(pairs) {
  const ends = pairs.flatMap(([value, error]) => (value === null ? [] : [value - (error ?? 0), value + (error ?? 0)]));
  return { low: Math.min(0, ...ends), high: Math.max(0, ...ends) || 1 };
}

/** A number with its error. @param {Measured | null} pair */
export const shown = (pair) => (pair === null || pair[0] === null ? "–" : pair[1] === null ? reading(pair[0]) : `${reading(pair[0])} ± ${Number(pair[1].toPrecision(1)) < 1e-3 ? pair[1].toExponential(0) : Number(pair[1].toPrecision(1))}`);

/** What measuring takes, before it is done. @param {PlannedRecord} record @param {Run} run */
export function cost({ plan }, run) {
  const planned = plan.headroom;
  if (!planned) return "";
  const { forwards, seconds } = run.steps;
  const pace = Number(seconds.at(-1)) / (Number(forwards.at(-1)) - run.filling);
  const passes = planned.passes * (plan.model.share ?? 1);
  return `${count(planned.texts)} texts, twice forward and backward ≈ ${count(passes)} forward passes${pace > 0 ? `, about ${reading(Number((passes * pace).toPrecision(1)))} s or more` : ""}`;
}

export class HeadroomPanel {
  /** @type {number | null} */
  #run = null;
  /** @type {number | null} */
  #pointed = null;
  /** What was known when another was asked for. @type {{run: number, rounds: number, notes: number} | null} */
  #asked = null;
  #refusal = "";
  /** @type {(() => void) | null} */
  #again = null;

  /** @param {HTMLElement} element @param {Asks} asks */
  constructor(element, asks) {
    element.classList.add("panel");
    this.element = element;
    this.asks = asks;
  }

  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    this.#again = () => this.show(record, look, cursor);
    if (cursor.run !== this.#pointed) this.#run = this.#pointed = cursor.run;
    const run = record.runs[this.#run ?? 0] ?? record.runs[0];
    if (this.#asked && (rounds(record.runs[this.#asked.run]) !== this.#asked.rounds || record.notes.length > this.#asked.notes)) this.#asked = null;
    const found = latest(run.headrooms, cursor);
    const step = stepAt(run, cursor);
    const choose = (/** @type {Event} */ { target }) => {
      this.#run = Number(/** @type {HTMLSelectElement} */ (target).value);
      this.#again?.();
    };
    const before = cost(record, run);
    const word = found?.step === step ? "Measure more" : "Measure headroom";
    render(
      html`<div class="panel-head">
          <i style="background:${look.colours[run.index]}"></i>
          <select aria-label="Whose headroom is shown" ?disabled=${record.runs.length < 2} .value=${live(String(run.index))} @change=${choose}>
            ${record.runs.map(({ index }) => html`<option value=${index} ?selected=${index === run.index}>${look.titles[index]}</option>`)}
          </select>
          <button type="button" data-tip="At step ${count(step)}, with true gradients: ${before}. The run waits for it." ?disabled=${this.#asked !== null || record.status.state === "queued"}
            @click=${() => this.#measure(run, step, record.notes.length)}>${this.#asked ? "Measuring …" : word}</button>
        </div>
        <div class="headroom-body" tabindex="0" role="group" aria-label="Headroom">${found ? picture(found, record, look.colours[run.index]) : html`<p>What curvature could gain here at most: measured when the button is pressed, at the step that is shown.</p><p>${before}.</p>`}</div>
        <p class="panel-note">${this.#refusal || (found ? `Step ${count(found.step)}, ${found.rounds} rounds: ${found.cost}.` : "")}</p>`,
      this.element,
    );
  }

  /** @param {Run} run @param {number} step @param {number} notes */
  async #measure(run, step, notes) {
    this.#asked = { run: run.index, rounds: rounds(run), notes };
    this.#refusal = "";
    this.#again?.();
    const problem = await this.asks.post(`headroom?run=${run.index}&step=${step}`);
    if (!problem) return;
    this.#asked = null;
    this.#refusal = `Not measured: ${problem}`;
    this.#again?.();
  }
}

/** All rounds of a run. @param {Run} run */
const rounds = (run) => run.headrooms.reduce((sum, { rounds: more }) => sum + more, 0);

/** @param {Headroom} found @param {PlannedRecord} record @param {string} colour */
function picture(found, { plan }, colour) {
  const whole = axisOf(found.R.map(({ value }) => value));
  const each = axisOf(found.groups);
  return html`<p class="headroom-sentence">${found.sentence}</p>
    <dl>${found.R.map(({ key, name, value, gain }) => html`<div data-key=${key} data-tip="${TIPS[key]}${gain ? `: ${shown(gain)} times R without one` : ""}"><dt>${name}</dt>${bar(value, whole, key === "P" ? colour : "")}<dd class="value">${shown(value)}</dd></div>`)}</dl>
    <h3 data-tip="r = ‖g‖² / tr H of a tensor, with standard error: where it is the same for all, no preconditioner gains anything">r of each tensor</h3>
    <dl>${inOrder(plan.groups).map((g) => html`<div><dt>${plan.groups[g].name}</dt>${bar(found.groups[g], each, "")}<dd class="value">${shown(found.groups[g])}</dd></div>`)}</dl>`;
}

/** @param {Measured} pair @param {Axis} axis @param {string} colour */
function bar([value, error], { low, high }, colour) {
  const at = (/** @type {number} */ x) => (100 * (x - low)) / (high - low);
  const zero = at(0);
  if (value === null) return html`<dd class="whisker" style="--zero:${zero}%"></dd>`;
  const end = at(value);
  const [from, to] = [value - (error ?? 0), value + (error ?? 0)].map(at);
  return html`<dd class="whisker" style="--zero:${zero}%"><i style="left:${Math.min(zero, end)}%;width:${Math.abs(end - zero)}%;${colour && `background:${colour}`}"></i><u style="left:${from}%;width:${to - from}%"></u></dd>`;
}
