// Under the pictures: pause, resume and stop; the moment that everything shows; and a table of the runs, in which
// learning rate and α can be changed while they train.

/** @import { State } from "./messages.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Cursor, LabRecord, Run } from "./record.mjs" */
import { classMap, html, live, nothing, ref, render } from "../vendor/lit.mjs";
import { count, reading, short } from "../web/scale.mjs";
import { ENDED } from "./shown.mjs";
import { budget, evaluationAt, isOver, latest, spent, spentAt, stepAt } from "./record.mjs";

/** @type {["lr" | "alpha", string][]} */
const SETTINGS = [["lr", "learning rate"], ["alpha", "α"]];
const HEADS = [
  ["", ""],
  ["loss", "Cross-entropy on the held-out texts, at the last evaluation before this moment"],
  ["accuracy", "Share of the held-out texts that are classified correctly, at the same evaluation"],
  ["step", "Updates made"],
  ["passes", "Forward passes spent, or their equivalent: a backward pass counts as two"],
  ["seconds", "Training time of this run alone, without evaluations"],
  ["η", "Learning rate before the schedule. Type another to change it from the next step on; the change is recorded in the log"],
  ["α", "Smoothing of P, before the schedule. Type another to change it from the next step on"],
  ["status", ""],
];

/**
 * @typedef {object} Hooks
 * @property {(verb: "pause" | "resume" | "stop") => void} act
 * @property {(forwards: number | null) => void} seek null: follow the newest
 * @property {(run: number) => void} point @property {(run: number, name: string, value: string) => void} set
 * @property {(what: "table" | "weights") => void} save @property {() => void} link
 */

export class Bar {
  /** @type {HTMLDetailsElement | undefined} */
  #menu;

  /** @param {HTMLElement} root @param {Hooks} hooks */
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
    document.addEventListener("pointerdown", ({ target }) => this.#menu?.contains(/** @type {Node} */ (target)) || this.#menu?.removeAttribute("open"));
  }

  /**
   * @param {LabRecord} record @param {Look} look @param {Cursor} cursor
   * @param {string} line what is to be said about the job  @param {number} runs how many it will have, before its plan is there
   */
  show(record, look, cursor, line, runs) {
    const { state } = record.status;
    const height = record.runs.length || runs; // keeps its place, so that nothing jumps
    render(
      html`<div class="controls">${this.#buttons(state)}${this.#time(record, cursor, ENDED.has(state))}${this.#menuView()}</div>
        <p class="line" role="status" title=${line}>${line}</p>
        <div class="runs" style="--runs:${height}"><table>
          <thead><tr>${HEADS.map(([text, tip]) => html`<th scope="col" class=${text || nothing} data-tip=${tip || nothing}>${text}</th>`)}</tr></thead>
          <tbody>${record.runs.map((run) => this.#row(run, look, cursor, state))}</tbody>
        </table></div>`,
      this.root,
    );
  }

  /** Pause, or resume: also what was stopped or has failed. @param {State} state */
  #buttons(state) {
    const resumes = state === "paused" || state === "stopped" || state === "failed";
    const tip = resumes
      ? "Go on from the last step in the log: nothing that the log holds is lost"
      : "Pause after the step that is being made; resume goes on from there, and nothing is computed twice";
    return html`
      <button type="button" data-do="toggle" data-verb=${resumes ? "resume" : "pause"} data-tip=${tip} ?disabled=${!resumes && state !== "running"} @click=${() => this.hooks.act(resumes ? "resume" : "pause")}>${resumes ? "Resume" : "Pause"}</button>
      <button type="button" data-do="stop" data-tip="End these runs. What has been computed stays and can be looked at" ?disabled=${ENDED.has(state) || state === ""} @click=${() => this.hooks.act("stop")}>Stop</button>`;
  }

  /** The slider of the moment; its right end is the newest: there it is live. @param {LabRecord} record @param {Cursor} cursor @param {boolean} hasEnded */
  #time(record, cursor, hasEnded) {
    const [most, whole] = [spent(record), budget(record)];
    const first = record.runs.length ? Math.min(...record.runs.map((run) => run.filling)) : 0; // so that all steps can be reached
    const now = cursor.live ? most : Math.max(first, cursor.forwards);
    const along = (/** @type {number} */ spent) => `${(100 * (spent - first)) / (whole - first)}%`;
    const step = Math.min(...record.runs.map((run) => run.forwardsPerStep), whole);
    const seek = (/** @type {Event} */ { target }) => {
      const forwards = Number(/** @type {HTMLInputElement} */ (target).value);
      this.hooks.seek(forwards >= most ? null : forwards);
    };
    return html`
      <input type="range" min=${first} max=${whole} step=${step} .value=${live(String(now))} ?disabled=${most === first} aria-label="Time, in forward passes" aria-valuetext="${passes(now)} of ${passes(whole)} forward passes"
        style="--part:${along(now)};--spent:${along(most)}" data-tip="The moment that curves, trajectories, sentences and Hessian show, in forward passes. Drag it back to travel in time" @input=${seek}>
      <button type="button" data-do="live" data-tip="Follow the newest step" aria-pressed=${String(cursor.live)} @click=${() => this.hooks.seek(null)}>${hasEnded ? "end" : "live"}</button>
      <output>${record.plan ? `${passes(now)} / ${passes(whole)} passes` : ""}</output>`;
  }

  #menuView() {
    const item = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ tip, /** @type {() => void} */ action) => {
      const chosen = () => {
        this.#menu?.removeAttribute("open");
        action();
      };
      return html`<button type="button" data-do=${name} data-tip=${tip} @click=${chosen}>${text}</button>`;
    };
    const escape = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      this.#menu?.removeAttribute("open");
      this.#menu?.querySelector("summary")?.focus();
    };
    return html`<details class="menu" ${ref((menu) => (this.#menu = /** @type {HTMLDetailsElement} */ (menu)))} @keydown=${escape}>
      <summary aria-label="Link and downloads" data-tip="Link and downloads">⋯</summary>
      <div>
        ${item("link", "Copy link", "A link that opens these settings and this run", this.hooks.link)}
        ${item("table", "Table, CSV", "Every step's loss, slope, curvature and P, and the evaluations", () => this.hooks.save("table"))}
        ${item("weights", "Weights, safetensors", "The trained weights at the moment shown, rebuilt from the log; of the run that is marked in the table, else of the first", () => this.hooks.save("weights"))}
      </div>
    </details>`;
  }

  /** @param {Run} run @param {Look} look @param {Cursor} cursor @param {State} state */
  #row(run, look, cursor, state) {
    const title = look.titles[run.index];
    const step = stepAt(run, cursor);
    const evaluation = evaluationAt(run, cursor);
    const at = run.steps.step.findLastIndex((made) => made <= step);
    const cells = {
      loss: evaluation ? fixed(evaluation.loss) : "–",
      accuracy: evaluation ? `${(100 * evaluation.accuracy).toFixed(1)} %` : "–",
      step: count(step),
      passes: passes(spentAt(run, step)),
      seconds: at < 0 ? "0 s" : `${run.steps.seconds[at].toFixed(1)} s`,
    };
    const status = statusOf(run, state);
    const isFailed = run.ended?.state === "failed";
    return html`<tr data-run=${run.index} data-label=${run.label} class=${classMap({ pointed: run.index === cursor.run })}>
      <th scope="row"><button type="button" class="quiet" data-tip="Mark this run: panels that show one run show this one. Again: unmark" @click=${() => this.hooks.point(run.index)}><i style="background:${look.colours[run.index]}"></i>${title}</button></th>
      ${Object.entries(cells).map(([name, text]) => html`<td class=${name} data-cell=${name}>${text}</td>`)}
      ${SETTINGS.map(([name, label]) => (name in run.hyperparameters ? this.#setting(run, name, `${label} of ${title}`, step, cursor, state) : html`<td>–</td>`))}
      <td data-cell="status"><span class=${isFailed ? "bad" : ""} title=${status}>${status}</span></td>
    </tr>`;
  }

  /** @param {Run} run @param {"lr" | "alpha"} name @param {string} label @param {number} step @param {Cursor} cursor @param {State} state */
  #setting(run, name, label, step, cursor, state) {
    const changed = run.settings.findLast((setting) => Number.isFinite(setting[name]) && setting.step <= step)?.[name];
    const isUnderWay = !ENDED.has(state) && !isOver(run);
    const tip = isUnderWay && !cursor.live ? "Go live to change it: a change takes effect from the next step on" : nothing;
    const value = short(Number(changed ?? run.hyperparameters[name]));
    const set = (/** @type {Event} */ { target }) => this.hooks.set(run.index, name, /** @type {HTMLInputElement} */ (target).value.trim());
    // Not .value=${live(…)}: that would take away what is being typed.
    const shown = ref((input) => {
      if (input && input !== document.activeElement) /** @type {HTMLInputElement} */ (input).value = value;
    });
    return html`<td data-tip=${tip}><input type="text" spellcheck="false" aria-label=${label} data-name=${name} ?disabled=${!isUnderWay || !cursor.live} @change=${set} ${shown}></td>`;
  }
}

/** Forward passes, which may be parts of one. @param {number} spent */
const passes = (spent) => (Number.isInteger(spent) || spent >= 1e3 ? count(spent) : reading(spent));

/** Three decimals, so that nothing jumps; a loss beyond all scales as it is. @param {number} loss */
const fixed = (loss) => (Math.abs(loss) < 100 ? loss.toFixed(3) : reading(loss));

/** @param {Run} run @param {State} state */
function statusOf(run, state) {
  if (run.ended?.message) return run.ended.message;
  const made = run.steps.step.at(-1) ?? 0;
  if (made >= run.planned) return "finished";
  if (ENDED.has(state)) return `${state} after ${count(made)} of ${count(run.planned)} steps`;
  return latest(run.evaluations, { live: true, forwards: 0 }) ? `${count(run.planned - made)} left` : "waiting";
}
