// The panels of loss, accuracy, and what each step was made of.

/** @import { Asks } from "./main.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Clock } from "./courses.mjs" */
/** @import { Picture } from "./pictures.mjs" */
/** @import { Cursor, PlannedRecord } from "./record.mjs" */
import { html, nothing, render } from "../vendor/lit.mjs";
import { count } from "../web/scale.mjs";
import { LiveChart } from "./livechart.mjs";
import { Frame, accuracyPicture, countedBy, countedPicture, countedWords, forwardsAt, instantOf, lossPicture, readingsPicture, stepPicture, versionOf, zeroShot } from "./pictures.mjs";
import { seedsOf } from "./seeds.mjs";

/** @typedef {(record: PlannedRecord, look: Look, clock: Clock, frame: Frame) => Picture} MakePicture */
/** @typedef {{name: "loss" | "accuracy" | null, picture: MakePicture, title: string}} Part a chart; `name`: of its heads */

class Curves {
  /** @type {Clock} */
  clock = "forward passes";
  frame = new Frame();
  /** @type {[PlannedRecord, Cursor] | null} */
  #shown = null;

  /** @param {HTMLElement} element @param {Asks} asks */
  constructor(element, asks) {
    this.element = element;
    this.asks = asks;
  }

  /** Go to the moment at x. @param {number} x */
  pick(x) {
    if (!this.#shown) return;
    const [record, cursor] = this.#shown;
    this.asks.seek(forwardsAt(record, cursor.run, x, this.clock));
  }

  /** @param {PlannedRecord} record @param {Cursor} cursor */
  take(record, cursor) {
    if (record.plan !== this.#shown?.[0].plan) this.frame.forget();
    this.#shown = [record, cursor];
  }
}

/** Charts, one under the other, and what their lines are. */
class NotedCurves extends Curves {
  /** @type {{chart: LiveChart, name: "loss" | "accuracy" | null, picture: MakePicture}[]} */
  charts = [];

  /**
   * @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor
   * @param {Part[]} parts @param {string} note
   */
  showAll(record, look, cursor, parts, note) {
    this.take(record, cursor);
    const { clock, frame } = this;
    const titles = parts.map(({ title }) => title);
    render(
      html`${titles.map((title) => html`<h3 ?hidden=${!title}>${title}</h3><div class="stage"></div>`)}
        ${legend(record)}<p class="note">${note} Click to go to a moment.</p>`,
      this.element,
    );
    const stages = /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll(".stage"));
    if (this.charts.length !== parts.length) {
      this.charts = parts.map(({ name, picture }, i) => {
        stages[i].replaceChildren();
        return { name, picture, chart: new LiveChart(stages[i], (x) => this.pick(x), i === parts.length - 1) };
      });
    }
    for (const { chart, name, picture } of this.charts) chart.show(versionOf(record, look, clock), () => picture(record, look, clock, frame), instantOf(name, record, look, cursor, clock), look.theme);
  }
}

/** Which line is whose, where other jobs are laid over. @param {PlannedRecord} record */
function legend({ over, own }) {
  if (!over.length) return nothing;
  const line = (/** @type {string} */ dash) => html`<svg width="34" height="8" aria-hidden="true"><path d="M1 4H33" stroke-dasharray=${dash.replaceAll("px", "") || nothing}></path></svg>`;
  return html`<ul class="over" aria-label="Jobs in this chart">
    <li data-tip="This job, with unbroken lines${own.words ? `: ${own.words}` : ""}. Colours are the optimizers', as in the table">${line("")}<b>${own.title}</b> ${own.words}</li>
    ${over.map(({ title, words, dash }) => html`<li data-tip="Laid over: ${title}${words ? `; ${words}` : ""}. Only its curves are shown; the rest of the page is about the job that is open">${line(dash)}<b>${title}</b> ${words}</li>`)}
  </ul>`;
}

export class LossCurves extends NotedCurves {
  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    const counted = countedBy(record);
    const zero = `Dashed: zero-shot, ${zeroShot(record, "loss").toFixed(3)}.`;
    if (counted) {
      const words = countedWords(counted);
      const parts = [{ name: LOSS, picture: lossPicture, title: "Held-out cross-entropy" }, { name: null, picture: countedPicture, title: `Training loss: ${words} of each minibatch` }];
      return this.showAll(record, look, cursor, parts, `${zero} What is minimised is ${words}: it counts errors, has no gradient, and is drawn on an axis of its own.${seedsNote(record)}`);
    }
    const faint = seedsOf(record).length > 1 ? "" : " Faint: each step's minibatch.";
    this.showAll(record, look, cursor, [{ name: LOSS, picture: lossPicture, title: "" }], `${zero} Bold: held-out. Thin: training, smoothed.${faint}${seedsNote(record)}`);
  }
}

export class AccuracyCurves extends NotedCurves {
  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    const { task } = record.plan;
    const note = `Dashed: zero-shot, ${(100 * zeroShot(record, "accuracy")).toFixed(1)} %. On ${count(task.evaluated)} held-out ${task.synthetic ? "synthetic " : ""}texts.`;
    this.showAll(record, look, cursor, [{ name: "accuracy", picture: accuracyPicture, title: "" }], `${note}${seedsNote(record)}`);
  }
}

const LOSS = /** @type {const} */ ("loss");

/** @param {PlannedRecord} record */
const seedsNote = (record) => (seedsOf(record).length > 1 ? " Lines: median over the seeds that have come so far; bands: 10–90 %; faint: each seed." : "");

/** @type {["slope" | "curvature" | "length" | "lr" | "readings", string, string][]} */
const STEP_CHARTS = [
  ["slope", "Slope g", "Root mean square over the directions of (ℓ₊ − ℓ₋) / 2μ"],
  ["curvature", "Curvature c", "Mean over the directions of (ℓ₊ + ℓ₋ − 2ℓ₀) / μ², by its absolute value; only of methods that estimate P"],
  ["length", "Step length ‖Δθ‖", "Distance in parameter space that a step covers"],
  ["lr", "Learning rate η", "After its schedule, or what lr=auto found for the step; absolute value where it took a step back"],
  ["readings", "What auto goes by", "s: the slope's square without noise; v: the noise of the minibatch in it; tr: the curvature along a probe; q: its part along the slope. Only with lr=auto"],
];

export class StepCurves extends Curves {
  /** @param {HTMLElement} element @param {Asks} asks */
  constructor(element, asks) {
    super(element, asks);
    this.#legend({ titles: [], colours: [] });
    const stages = /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll(".stage"));
    this.charts = [...stages].map((stage, i) => new LiveChart(stage, (x) => this.pick(x), i === stages.length - 1));
  }

  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    this.take(record, cursor);
    const { clock, frame } = this;
    const version = versionOf(record, look, clock);
    const instant = instantOf(null, record, look, cursor, clock);
    STEP_CHARTS.forEach(([name], i) => this.charts[i].show(version, () => (name === "readings" ? readingsPicture(record, look, clock, frame) : stepPicture(name, record, look, clock, frame)), instant, look.theme));
    this.#legend(look);
  }

  /** The charts' frame, which colour is whose, and what the two kinds of lines are. @param {Pick<Look, "titles" | "colours">} look */
  #legend({ titles, colours }) {
    render(
      html`${STEP_CHARTS.map(([, title, tip]) => html`<h3 tabindex="0" data-tip=${tip}>${title}</h3><div class="stage"></div>`)}
        <p class="note panel-keys">${titles.map((title, i) => html`<span><i style="background:${colours[i]}"></i>${title}</span>`)}<span>bold: smoothed, faint: each step</span></p>`,
      this.element,
    );
  }
}
