// Held-out sentences and what each run says about them: those whose prediction has flipped since before the tuning.

import { make, setText } from "../web/make.mjs";
import { makeSwitch } from "./paced.mjs";
import { evaluationAt } from "./record.mjs";

const FILTERS = {
  flipped: ["flipped", "Sentences for which some run now predicts another class than the untuned model"],
  wrong: ["wrong", "Sentences that some run gets wrong now"],
  all: ["all", "All of the held-out sentences that are followed"],
};
const NONE = {
  flipped: "No prediction has flipped yet: sentences appear here as runs learn.",
  wrong: "No run gets any of these sentences wrong now.",
};

export class Sentences {
  constructor(element) {
    element.classList.add("panel");
    this.filter = "flipped";
    this.badge = make("span", { class: "panel-badge", data: { tip: "These sentences were made by a grammar written for this project" } }, "synthetic");
    this.reading = make("span", { class: "panel-reading", data: { tip: "Held-out sentences: no run trains on them" } });
    this.switch = makeSwitch("Which sentences", FILTERS, this.filter, (filter) => {
      this.filter = filter;
      this.order = null;
      this.show(...this.shown);
    });
    this.scroll = make("div", { class: "sentences", tabindex: 0, role: "region", "aria-label": "Held-out sentences" });
    element.append(make("div", { class: "panel-head" }, this.badge, this.reading, this.switch), this.scroll);
    this.scroll.addEventListener("pointerleave", () => this.shown && this.show(...this.shown)); // what waited while someone read
  }

  show(record, look, cursor) {
    this.shown = [record, look, cursor];
    const { plan, runs } = record;
    this.badge.hidden = !plan.task.synthetic;
    const histories = runs.map((run) => history(run, plan.sentences, cursor));
    this.#build(plan, runs, look);
    histories.forEach((past, index) => this.#head(past, index, plan.sentences.length));
    const flipped = plan.sentences.map((_, s) => histories.some((past) => past?.flipped[s]));
    const wrong = plan.sentences.map(({ label }, s) => histories.some((past) => past && past.now[s] !== label));
    const [only] = histories;
    setText(this.reading, runs.length === 1 && only ? tally(only, plan.sentences.length) : `${flipped.filter(Boolean).length} of ${plan.sentences.length} flipped`);
    const member = { flipped, wrong, all: flipped.map(() => true) }[this.filter];
    const key = `${this.filter} ${member.join()} ${this.filter === "flipped" ? histories.map((past) => past?.flipped.join()) : ""}`;
    if (this.order === null || (key !== this.key && !this.scroll.matches(":hover"))) {
      this.key = key;
      const last = (s) => Math.max(-1, ...histories.map((past) => (past?.flipped[s] ? past.since[s] : -1)));
      this.order = plan.sentences.map((_, s) => s).filter((s) => member[s]);
      if (this.filter === "flipped") this.order.sort((a, b) => last(b) - last(a) || a - b);
      this.body.replaceChildren(...this.order.map((s) => this.rows[s].row));
    }
    for (const s of this.order) this.#row(s, plan, histories);
    const started = histories.some(Boolean);
    setText(this.empty, this.order.length ? "" : started ? NONE[this.filter] : "The first evaluation fills this table.");
    this.empty.hidden = this.order.length > 0;
  }

  /** The table, once for a plan. */
  #build(plan, runs, look) {
    const key = `${plan.spec} ${plan.sentences.length} ${look.titles.join()} ${look.colours.join()}`;
    if (key === this.built) return;
    Object.assign(this, { built: key, order: null });
    this.heads = runs.map(({ index }) => make("th", { scope: "col" }, make("i", { style: `background:${look.colours[index]}` }), make("b", {}, look.titles[index]), make("span")));
    const columns = [
      make("th", { scope: "col" }, "held-out sentence"),
      make("th", { scope: "col" }, "truth"),
      make("th", { scope: "col", title: "What the model predicts before it is tuned" }, "before"),
    ];
    const table = make("table", { class: runs.length > 3 ? "many" : null }, make("thead", {}, make("tr", {}, ...columns, ...this.heads)), make("tbody"));
    this.body = table.tBodies[0];
    this.rows = plan.sentences.map(({ text, label }) => {
      const before = make("td", { class: "said" }, make("span"));
      const cells = runs.map(({ index }) => make("td", { class: "said" }, make("span"), make("i", {}, make("b", { style: `background:${look.colours[index]}` }))));
      const row = make("tr", {}, make("th", { scope: "row", title: text }, make("span", {}, text)), make("td", {}, plan.task.classes[label]), before, ...cells);
      return { row, before, cells };
    });
    this.empty = make("p", { class: "panel-empty" });
    this.scroll.replaceChildren(table, this.empty);
  }

  #head(past, index, total) {
    const cell = this.heads[index].children[2];
    setText(cell, past ? `${past.toRight} to ✓, ${past.toWrong} to ✗` : "not yet");
    if (past) this.heads[index].title = `${tally(past, total)}; ${past.right} of ${total} right now, ${past.rightBefore} before`;
  }

  #row(s, plan, histories) {
    const { before, cells } = this.rows[s];
    const { label } = plan.sentences[s];
    const said = (cell, predicted, chance) => {
      const right = predicted === label;
      setText(cell.firstChild, `${right ? "✓" : "✗"} ${plan.task.classes[predicted]}`);
      cell.classList.toggle("wrong", !right);
      return `${right ? "right" : "wrong"}: predicts ${plan.task.classes[predicted]}; ${Math.round(100 * chance)} % for the true class, ${plan.task.classes[label]}`;
    };
    const first = histories.find(Boolean);
    if (first) before.title = said(before, first.before[s], first.chanceBefore[s]);
    histories.forEach((past, r) => {
      if (!past) return;
      const cell = cells[r];
      cell.title = said(cell, past.now[s], past.chance[s]) + (past.flipped[s] ? `; flipped at step ${past.flippedAt[s]}` : "");
      cell.classList.toggle("flipped", past.flipped[s]);
      cell.children[1].firstChild.style.width = `${100 * past.chance[s]}%`;
    });
  }
}

/** 7 of 24 flipped: 6 to right, 1 to wrong. */
function tally(past, total) {
  const flipped = past.flipped.filter(Boolean).length;
  if (!flipped) return `0 of ${total} flipped`;
  return `${flipped} of ${total} flipped: ${past.toRight} to right, ${past.toWrong} to wrong${past.other ? `, ${past.other} from one wrong class to another` : ""}`;
}

/** What a run has said of each sentence by the cursor; null before its first evaluation. */
function history(run, sentences, cursor) {
  const now = evaluationAt(run, cursor);
  const first = run.evaluations[0];
  if (!now?.probabilities?.length || !first?.probabilities?.length) return null;
  const known = run.evaluations.filter(({ forwards, probabilities }) => forwards < now.forwards && probabilities?.length);
  const predicted = [...known, now].map(({ probabilities }) => probabilities.map(largest));
  const steps = [...known, now].map(({ step }) => step);
  const passes = [...known, now].map(({ forwards }) => forwards);
  const [before, last] = [first.probabilities.map(largest), predicted.at(-1)];
  const began = sentences.map((_, s) => {
    let at = predicted.length - 1;
    while (at > 0 && predicted[at - 1][s] === last[s]) at--;
    return at;
  });
  const flipped = sentences.map((_, s) => before[s] !== last[s]);
  const number = (test) => sentences.filter(({ label }, s) => test(label, s)).length;
  return {
    before,
    now: last,
    flipped,
    since: began.map((at) => passes[at]),
    flippedAt: began.map((at) => steps[at]),
    chance: sentences.map(({ label }, s) => now.probabilities[s][label]),
    chanceBefore: sentences.map(({ label }, s) => first.probabilities[s][label]),
    right: number((label, s) => last[s] === label),
    rightBefore: number((label, s) => before[s] === label),
    toRight: number((label, s) => flipped[s] && last[s] === label),
    toWrong: number((label, s) => flipped[s] && before[s] === label),
    other: number((label, s) => flipped[s] && last[s] !== label && before[s] !== label),
  };
}

const largest = (row) => row.indexOf(Math.max(...row));
