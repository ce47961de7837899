// The panels of loss, accuracy, and what each step was made of.

/** @import { Asks } from "./main.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Clock, Picture } from "./pictures.mjs" */
/** @import { Cursor, PlannedRecord } from "./record.mjs" */
import { html, render } from "../vendor/lit.mjs";
import { one } from "../web/one.mjs";
import { count } from "../web/scale.mjs";
import { LiveChart } from "./livechart.mjs";
import { Frame, accuracyPicture, countedBy, forwardsAt, instantOf, lossPicture, readingsPicture, stepPicture, versionOf } from "./pictures.mjs";

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

/** A chart and a line under it. */
class OneChart extends Curves {
  /** @param {HTMLElement} element @param {Asks} asks */
  constructor(element, asks) {
    super(element, asks);
    this.#note("");
    this.chart = new LiveChart(one(element, ".stage"), (x) => this.pick(x));
  }

  /** @param {string} text */
  #note(text) {
    render(html`<div class="stage"></div><p class="note">${text}</p>`, this.element);
  }

  /**
   * @param {"loss" | "accuracy"} name @param {(record: PlannedRecord, look: Look, clock: Clock, frame: Frame) => Picture} picture @param {string} note
   * @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor
   */
  showOne(name, picture, note, record, look, cursor) {
    this.take(record, cursor);
    const { clock, frame } = this;
    this.chart.show(versionOf(record, look, clock), () => picture(record, look, clock, frame), instantOf(name, record, look, cursor, clock), look.theme);
    this.#note(`${note} Click to go to a moment.`);
  }
}

export class LossCurves extends OneChart {
  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    const counted = countedBy(record);
    const training = counted ? `training (1 − ${counted === "f1" ? "F1" : "accuracy"}; another scale)` : "training, smoothed";
    const note = `Dashed: zero-shot, ${record.plan.zero_shot.loss.toFixed(3)}. Bold: held-out. Thin: ${training}; faint: each step's minibatch.`;
    this.showOne("loss", lossPicture, note, record, look, cursor);
  }
}

export class AccuracyCurves extends OneChart {
  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    const { zero_shot: zero, task } = record.plan;
    const note = `Dashed: zero-shot, ${(100 * zero.accuracy).toFixed(1)} %. On ${count(task.evaluated)} held-out ${task.synthetic ? "synthetic " : ""}texts.`;
    this.showOne("accuracy", accuracyPicture, note, record, look, cursor);
  }
}

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
