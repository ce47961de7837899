// What the two panels of the diagonal Hessian share: one choice of the run whose P they show, and their frame.

/** @import { TemplateResult } from "lit-html" */
/** @import { Look } from "./look.mjs" */
/** @import { Cursor, PlannedRecord, Run } from "./record.mjs" */
import { html, live, nothing, render } from "../vendor/lit.mjs";
import { one } from "../web/one.mjs";

/** @typedef {{record: PlannedRecord, look: Look, cursor: Cursor}} Shown */

/** The run whose P is shown: one choice for all panels. @type {{run: number | null, pointed: number | null, panels: Set<HessianPanel>}} */
const chosen = { run: null, pointed: null, panels: new Set() };

export class HessianPanel {
  /** @type {Shown | null} */
  shown = null;

  /** @param {HTMLElement} element */
  constructor(element) {
    element.classList.add("panel");
    this.element = element;
    this.#frame(null, [], "", nothing, nothing);
    this.stage = one(element, ".stage");
    chosen.panels.add(this);
  }

  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    this.shown = { record, look, cursor };
    const runs = record.runs.filter((each) => each.estimatesHessian);
    if (cursor.run !== chosen.pointed) chosen.run = chosen.pointed = cursor.run;
    const run = runs.find(({ index }) => index === chosen.run) ?? runs.at(0) ?? null;
    this.#frame(run, runs, emptyWords(run, look), run ? this.head(run, this.shown) : nothing, run ? this.note(run, this.shown) : nothing);
    if (run) this.draw(run, this.shown);
  }

  /** Show the same again. */
  again() {
    if (this.shown && this.element.offsetParent) this.show(this.shown.record, this.shown.look, this.shown.cursor);
  }

  /** What the panel has in its head, beside the choice of the run. @type {(run: Run, shown: Shown) => TemplateResult | typeof nothing} */
  head() {
    return nothing;
  }

  /** What it says under the picture. @type {(run: Run, shown: Shown) => TemplateResult | typeof nothing} */
  note() {
    return nothing;
  }

  /** Draw the picture. @type {(run: Run, shown: Shown) => void} */
  draw() {}

  /**
   * @param {Run | null} run @param {Run[]} runs to choose from @param {string} empty words in place of the picture
   * @param {TemplateResult | typeof nothing} head @param {TemplateResult | typeof nothing} note
   */
  #frame(run, runs, empty, head, note) {
    const { titles, colours } = this.shown?.look ?? { titles: [], colours: [] };
    const change = (/** @type {Event} */ { target }) => {
      chosen.run = Number(/** @type {HTMLSelectElement} */ (target).value);
      for (const panel of chosen.panels) panel.again();
    };
    render(
      html`<div class="panel-head" ?hidden=${!run}>
          <i style="background:${run ? colours[run.index] : ""}"></i>
          <select aria-label="Whose P is shown" ?disabled=${runs.length < 2} .value=${live(String(run?.index))} @change=${change}>
            ${runs.map(({ index }) => html`<option value=${index} ?selected=${index === run?.index}>${titles[index]}</option>`)}
          </select>
          ${head}
        </div>
        <div class="stage ${empty ? "bare" : ""}"><p class="panel-empty" ?hidden=${!empty}>${empty}</p></div>
        <p class="panel-note">${note}</p>`,
      this.element,
    );
  }
}

/** @param {Run | null} run @param {Look} look */
function emptyWords(run, { titles }) {
  if (!run) return "No run here estimates the diagonal Hessian. Add HiZOO or HiZOO-L, and P appears here, group by group.";
  if (run.hessians.length || run.rebuilt.some(({ hessian }) => hessian)) return "";
  return `P of ${titles[run.index]} appears here with the first evaluation.`;
}
