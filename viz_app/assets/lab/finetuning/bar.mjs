// Under the pictures: pause, resume and stop; the moment that everything shows; and a table of the runs, in which
// learning rate and α can be changed while they train.

/** @import { State } from "./messages.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Cursor, LabRecord, Run } from "./record.mjs" */
import { classMap, html, live, nothing, ref, render } from "../vendor/lit.mjs";
import { count, reading, short } from "../web/scale.mjs";
import { ENDED } from "./shown.mjs";
import { quantiles } from "./courses.mjs";
import { budget, evaluationAt, isOver, latest, spent, spentAt, stepAt } from "./record.mjs";
import { comeSoFar, optimizersOf, seedsOf, shownSeed } from "./seeds.mjs";

/** @type {["lr" | "alpha", string][]} */
const SETTINGS = [["lr", "learning rate"], ["alpha", "α"]];

/** @param {number | string} value */
const said = (value) => (value === "auto" ? value : short(Number(value)));
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
/** Of several seeds. @type {Record<string, string>} */
const OF_SEEDS = {
  loss: "Cross-entropy on the held-out texts, at the last evaluation before this moment: median over the seeds that have come so far (live: that are done, once one is), and their 10–90 % band",
  accuracy: "Share of the held-out texts that are classified correctly, at the same evaluations: median over the seeds, and their 10–90 % band",
  step: "Updates made in the newest seed",
  passes: "Forward passes spent in the newest seed, or their equivalent: a backward pass counts as two",
  seconds: "Training time of this optimizer over all seeds, without evaluations",
  "η": "Learning rate before the schedule",
  "α": "Smoothing of P, before the schedule",
};
const COMPARED = "Runs of one seed share minibatches and directions, so the optimizers are compared seed by seed, at their last evaluation: the mean of the differences and its 95 % interval (Student's t). An interval that holds 0 is a tie. Seeds in which one of the two diverged or ran out of memory are left out; at least three are needed. Accuracies are counted on so many texts, so a difference of a single text is taken as within rounding";

/**
 * @typedef {object} Hooks
 * @property {(verb: "pause" | "resume" | "stop") => void} act
 * @property {(forwards: number | null) => void} seek null: follow the newest
 * @property {(repetition: number) => void} choose the seed that panels of one seed show
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
    const count = optimizersOf(record);
    const seeds = seedsOf(record);
    const height = count || runs; // keeps its place, so that nothing jumps
    const rows = record.runs.slice(0, count).map((run, i) => (seeds.length > 1 ? this.#rowOfSeeds(record.runs.filter(({ index }) => index % count === i), look, cursor, state) : this.#row(run, look, cursor, state)));
    render(
      html`<div class="controls">${this.#buttons(state)}${this.#time(record, cursor, ENDED.has(state))}${this.#menuView()}</div>
        <p class="line" role="status" title=${line}>${line}</p>
        <div class="runs ${seeds.length > 1 ? "of-seeds" : ""}" style="--runs:${height}"><table>
          <thead><tr>${heads(seeds.length > 1).map(([text, tip]) => html`<th scope="col" class=${text || nothing} data-tip=${tip || nothing}>${text}</th>`)}</tr></thead>
          <tbody>${rows}</tbody>
        </table></div>
        ${seeds.length > 1 ? this.#seeds(record, cursor, seeds) : nothing}`,
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

  /** An optimizer's runs over several seeds. @param {Run[]} runs @param {Look} look @param {Cursor} cursor @param {State} state */
  #rowOfSeeds(runs, look, cursor, state) {
    const [{ index, label, planned }] = runs;
    const here = comeSoFar(runs, cursor);
    const found = here.flatMap((run) => evaluationAt(run, cursor) ?? []);
    const begun = runs.filter((run) => run.steps.step.length || run.evaluations.length);
    const last = begun.at(-1) ?? runs[0];
    const step = stepAt(last, cursor);
    const seconds = begun.map((run) => run.steps.seconds[run.steps.step.findLastIndex((made) => made <= stepAt(run, cursor))] ?? 0);
    const cells = {
      loss: interval(found.map(({ loss }) => loss), fixed, ""),
      accuracy: interval(found.map(({ accuracy }) => 100 * accuracy), (value) => value.toFixed(1), " %"),
      step: count(step),
      passes: passes(spentAt(last, step)),
      seconds: `${seconds.reduce((sum, each) => sum + each, 0).toFixed(1)} s`,
    };
    const status = statusOfSeeds(runs, state, planned);
    const isBad = runs.some(({ ended }) => ended?.state === "failed");
    return html`<tr data-run=${index} data-label=${label} class=${classMap({ pointed: index === cursor.run })}>
      <th scope="row"><button type="button" class="quiet" data-tip="Mark this optimizer: panels that show one run show its run. Again: unmark" @click=${() => this.hooks.point(index)}><i style="background:${look.colours[index]}"></i>${look.titles[index]}</button></th>
      ${Object.entries(cells).map(([name, text]) => html`<td class=${name} data-cell=${name}>${text}</td>`)}
      ${SETTINGS.map(([name]) => html`<td data-cell=${name} data-tip="With several seeds the settings stay as they are, so that the runs can be compared">${name in runs[0].hyperparameters ? said(runs[0].hyperparameters[name]) : "–"}</td>`)}
      <td data-cell="status"><span class=${isBad ? "bad" : ""} title=${status}>${status}</span></td>
    </tr>`;
  }

  /** Which seed the panels of one seed show, and how the optimizers compare. @param {LabRecord} record @param {Cursor} cursor @param {number[]} seeds */
  #seeds(record, cursor, seeds) {
    const shown = shownSeed(record, cursor);
    const choose = (/** @type {Event} */ { target }) => this.hooks.choose(Number(/** @type {HTMLSelectElement} */ (target).value));
    const { comparison } = record;
    const compared = comparison ? comparison.pairs.map(({ sentence }) => html`<li>${sentence}.</li>`) : html`<li>The optimizers are compared once three seeds are done.</li>`;
    return html`<div class="seeds">
      <label data-tip="Trajectories, sentences, Hessian, memory and each step's numbers are those of one seed; loss and accuracy show all">Other panels show seed
        <select data-do="seed" .value=${live(String(shown))} @change=${choose}>${seeds.map((seed, i) => html`<option value=${i} ?selected=${i === shown}>${seed}</option>`)}</select></label>
      <ul aria-label="Comparison of the optimizers" tabindex="0" data-tip=${COMPARED}>${optimizersOf(record) > 1 ? compared : nothing}</ul>
    </div>`;
  }

  /** @param {Run} run @param {"lr" | "alpha"} name @param {string} label @param {number} step @param {Cursor} cursor @param {State} state */
  #setting(run, name, label, step, cursor, state) {
    const changed = run.settings.findLast((setting) => Number.isFinite(setting[name]) && setting.step <= step)?.[name];
    const isUnderWay = !ENDED.has(state) && !isOver(run);
    const tip = isUnderWay && !cursor.live ? "Go live to change it: a change takes effect from the next step on" : nothing;
    const value = said(changed ?? run.hyperparameters[name]);
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

/** Heads of the table; of several seeds the numbers are medians. @param {boolean} isOfSeeds */
const heads = (isOfSeeds) => (isOfSeeds ? HEADS.map(([text, tip]) => [text, OF_SEEDS[text] ?? tip]) : HEADS);

/** Median and 10–90 % band. @param {(number | null)[]} values @param {(value: number) => string} written @param {string} unit */
function interval(values, written, unit) {
  const [low, middle, high] = quantiles(values.map((value) => value ?? NaN));
  if (!Number.isFinite(middle)) return "–";
  return html`${written(middle)}${unit}${values.length > 1 ? html` <small>${written(low)}–${written(high)}</small>` : nothing}`;
}

/** How many seeds are done, and what became of them. @param {Run[]} runs @param {State} state @param {number} planned */
function statusOfSeeds(runs, state, planned) {
  const over = runs.filter(isOver);
  const failed = runs.filter(({ ended }) => ended?.state === "failed");
  const now = runs.find((run) => !isOver(run));
  const made = now?.steps.step.at(-1) ?? 0;
  const parts = [over.length === runs.length ? `finished, ${runs.length} seeds` : `${over.length} of ${runs.length} seeds`];
  if (failed.length) parts.push(`${failed.length} diverged: seed ${failed.map(({ seed }) => seed).join(", ")}`);
  if (now && ENDED.has(state)) parts.push(`${state} in seed ${now.seed}`);
  else if (now && made) parts.push(`seed ${now.seed}: ${count(planned - made)} left`);
  return parts.join("; ");
}

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
