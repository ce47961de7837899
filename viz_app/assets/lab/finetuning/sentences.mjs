// Held-out sentences and what each run says about them: those whose prediction has flipped since before the training.

/** @import { Look } from "./look.mjs" */
/** @import { Evaluation, PlanMessage, Sentence } from "./messages.mjs" */
/** @import { Cursor, PlannedRecord, Run } from "./record.mjs" */
import { html, nothing, render, repeat } from "../vendor/lit.mjs";
import { evaluationAt } from "./record.mjs";
import { switchView } from "./switch.mjs";

/** @typedef {"flipped" | "wrong" | "all"} Filter */
/** @typedef {NonNullable<ReturnType<typeof historyOf>>} History */

/** @type {Record<Filter, [string, string]>} */
const FILTERS = {
  flipped: ["flipped", "Sentences for which some run now predicts another class than the untrained model"],
  wrong: ["wrong", "Sentences that some run gets wrong now"],
  all: ["all", "All of the held-out sentences that are followed"],
};
/** @type {Record<Filter, string>} */
const NONE = {
  flipped: "No prediction has flipped yet: sentences appear here as runs learn.",
  wrong: "No run gets any of these sentences wrong now.",
  all: "",
};

export class Sentences {
  /** @type {Filter} */
  #filter = "flipped";
  /** Which sentences are shown, in order. @type {number[] | null} */
  #order = null;
  /** What the order follows from. */
  #key = "";
  #plan = "";
  /** @type {[PlannedRecord, Look, Cursor] | null} */
  #shown = null;

  /** @param {HTMLElement} element */
  constructor(element) {
    element.classList.add("panel");
    this.element = element;
  }

  /** @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor */
  show(record, look, cursor) {
    this.#shown = [record, look, cursor];
    const { plan, runs } = record;
    const histories = runs.map((run) => historyOf(run, plan.sentences, cursor));
    const { flipped, wrong } = countsOf(plan.sentences, histories);
    this.#sort(plan, histories, { flipped, wrong, all: flipped.map(() => true) }[this.#filter]);
    const order = this.#order ?? [];
    const [only] = histories;
    const total = plan.sentences.length;
    const reading = runs.length === 1 && only ? tally(only, total) : `${flipped.filter(Boolean).length} of ${total} flipped`;
    const choose = (/** @type {Filter} */ filter) => {
      this.#filter = filter;
      this.#order = null;
      this.#again();
    };
    const empty = order.length ? "" : histories.some(Boolean) ? NONE[this.#filter] : "The first evaluation fills this table.";
    render(
      html`<div class="panel-head">
          <span class="panel-badge" ?hidden=${!plan.task.synthetic} data-tip="These sentences were made by a grammar written for this project">synthetic</span>
          <span class="panel-reading" data-tip="Held-out sentences: no run trains on them">${reading}</span>
          ${switchView("Which sentences", FILTERS, this.#filter, choose)}
        </div>
        <div class="sentences" tabindex="0" role="region" aria-label="Held-out sentences" @pointerleave=${() => this.#again()}>
          <table class=${runs.length > 3 ? "many" : ""}>
            <thead><tr>
              <th scope="col">held-out sentence</th><th scope="col">class</th><th scope="col" title="What the model predicts before it is trained">before</th>
              ${histories.map((past, i) => headView(past, look.colours[i], look.titles[i], total))}
            </tr></thead>
            <tbody>${repeat(order, (s) => s, (s) => rowView(s, plan, histories, look.colours))}</tbody>
          </table>
          <p class="panel-empty" ?hidden=${!empty}>${empty}</p>
        </div>`,
      this.element,
    );
  }

  /** What waited while somebody read. */
  #again() {
    if (this.#shown) this.show(...this.#shown);
  }

  /** Sort anew where something has flipped, unless the pointer is on the sentences. @param {PlanMessage} plan @param {(History | null)[]} histories @param {boolean[]} member */
  #sort(plan, histories, member) {
    const planned = `${plan.spec} ${plan.sentences.length}`;
    const key = `${this.#filter} ${member.join()} ${this.#filter === "flipped" ? histories.map((past) => past?.flipped.join()) : ""}`;
    const isRead = this.element.querySelector(".sentences")?.matches(":hover");
    if (this.#order !== null && planned === this.#plan && (key === this.#key || isRead)) return;
    this.#plan = planned;
    this.#key = key;
    const last = (/** @type {number} */ s) => Math.max(-1, ...histories.map((past) => (past?.flipped[s] ? past.since[s] : -1)));
    this.#order = [...plan.sentences.keys()].filter((s) => member[s]);
    if (this.#filter === "flipped") this.#order.sort((a, b) => last(b) - last(a) || a - b);
  }
}

/** @param {Sentence[]} sentences @param {(History | null)[]} histories */
const countsOf = (sentences, histories) => ({
  flipped: sentences.map((_, s) => histories.some((past) => past?.flipped[s])),
  wrong: sentences.map(({ label }, s) => histories.some((past) => past && past.now[s] !== label)),
});

/** @param {History | null} past @param {string} colour @param {string} title @param {number} total */
function headView(past, colour, title, total) {
  const tip = past ? `${tally(past, total)}; ${past.right} of ${total} right now, ${past.rightBefore} before` : nothing;
  return html`<th scope="col" title=${tip}><i style="background:${colour}"></i><b>${title}</b><span>${past ? `${past.toRight} to ✓, ${past.toWrong} to ✗` : "not yet"}</span></th>`;
}

/** @param {number} s @param {PlanMessage} plan @param {(History | null)[]} histories @param {string[]} colours */
function rowView(s, { sentences, task: { classes } }, histories, colours) {
  const { text, label } = sentences[s];
  const first = histories.find((past) => past !== null);
  const said = (/** @type {number} */ predicted) => `${predicted === label ? "✓" : "✗"} ${classes[predicted]}`;
  const inFull = (/** @type {number} */ predicted, /** @type {number} */ chance) =>
    `${predicted === label ? "right" : "wrong"}: predicts ${classes[predicted]}; ${Math.round(100 * chance)} % for the true class, ${classes[label]}`;
  const cell = (/** @type {History | null} */ past, /** @type {number} */ r) => {
    if (!past) return html`<td class="said"><span></span></td>`;
    const [predicted, flipped] = [past.now[s], past.flipped[s]];
    const tip = inFull(predicted, past.chance[s]) + (flipped ? `; flipped at step ${past.flippedAt[s]}` : "");
    return html`<td class="said ${predicted === label ? "" : "wrong"} ${flipped ? "flipped" : ""}" title=${tip}><span>${said(predicted)}</span><i><b style="background:${colours[r]};width: ${100 * past.chance[s]}%;"></b></i></td>`;
  };
  const before = first
    ? html`<td class="said ${first.before[s] === label ? "" : "wrong"}" title=${inFull(first.before[s], first.chanceBefore[s])}><span>${said(first.before[s])}</span></td>`
    : html`<td class="said"><span></span></td>`;
  return html`<tr><th scope="row" title=${text}><span>${text}</span></th><td>${classes[label]}</td>${before}${histories.map(cell)}</tr>`;
}

/** 7 of 24 flipped: 6 to right, 1 to wrong. @param {History} past @param {number} total */
function tally(past, total) {
  const flipped = past.flipped.filter(Boolean).length;
  if (!flipped) return `0 of ${total} flipped`;
  return `${flipped} of ${total} flipped: ${past.toRight} to right, ${past.toWrong} to wrong${past.other ? `, ${past.other} from one wrong class to another` : ""}`;
}

/** What a run has said of each sentence by the cursor; null before its first evaluation. @param {Run} run @param {Sentence[]} sentences @param {Cursor} cursor */
function historyOf(run, sentences, cursor) {
  const now = evaluationAt(run, cursor);
  const first = run.evaluations.at(0);
  if (!now?.probabilities?.length || !first?.probabilities?.length) return null;
  /** @type {Evaluation[]} */
  const all = [...run.evaluations.filter(({ forwards, probabilities }) => forwards < now.forwards && probabilities?.length), now];
  const predicted = all.map(({ probabilities }) => probabilities.map(largest));
  const [before, last] = [first.probabilities.map(largest), predicted[predicted.length - 1]];
  const began = sentences.map((_, s) => {
    let at = predicted.length - 1;
    while (at > 0 && predicted[at - 1][s] === last[s]) at--;
    return at;
  });
  const flipped = sentences.map((_, s) => before[s] !== last[s]);
  const number = (/** @type {(label: number, s: number) => boolean} */ test) => sentences.filter(({ label }, s) => test(label, s)).length;
  return {
    before,
    now: last,
    flipped,
    since: began.map((at) => all[at].forwards),
    flippedAt: began.map((at) => all[at].step),
    chance: sentences.map(({ label }, s) => now.probabilities[s][label]),
    chanceBefore: sentences.map(({ label }, s) => first.probabilities[s][label]),
    right: number((label, s) => last[s] === label),
    rightBefore: number((label, s) => before[s] === label),
    toRight: number((label, s) => flipped[s] && last[s] === label),
    toWrong: number((label, s) => flipped[s] && before[s] === label),
    other: number((label, s) => flipped[s] && last[s] !== label && before[s] !== label),
  };
}

/** @param {number[]} row */
const largest = (row) => row.indexOf(Math.max(...row));
