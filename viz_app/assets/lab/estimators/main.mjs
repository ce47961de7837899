// The estimator lab: a question in the controls, and six cards that answer it. `open` fills an empty element.

import { AGAIN, SpecError, fetchBytes, trouble } from "../web/latest.mjs";
import { inFrame } from "../web/frame.mjs";
import { functionSpec } from "../playground/link.mjs";
import { count, reading, subscript } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { html, render } from "../vendor/lit.mjs";
import { Controls } from "./controls.mjs";
import { againstAlpha, distribution, entry, moments, running } from "./figures.mjs";
import { facts } from "./catalogue.mjs";
import { fit, ofAlpha, ofDistribution, ofMoments, ofRunning, showNote } from "./notes.mjs";
import { Panel } from "./panel.mjs";
import { DEPENDS, fromHash, toHash, toQuery, usual } from "./state.mjs";
import { Table } from "./table.mjs";

/** @import { ChartName } from "./catalogue.mjs" */
/** @import { Figure, Names, Theme } from "./figures.mjs" */
/** @import { Note } from "./notes.mjs" */
/** @import { About, Moments } from "./panel.mjs" */
/** @import { Family, Question } from "./state.mjs" */

/** The Tuning page's function and θ. @typedef {{family: string, parameters: Record<string, number | string>, text: string, x0: string}} PageState */
/** The place that the page's address names. @typedef {{f: string, x0: string}} Place */

/**
 * @typedef {object} Chart
 * @property {string} title @property {string} help @property {string} subtitle
 * @property {(answer: any, theme: Theme, names: Names, question: Question) => Figure} figure
 * @property {(answer: any, names: Names) => Note} note
 * @property {"alpha" | "n"=} mark what is marked in the chart, whose numbers do not depend on it
 * @property {boolean=} placeless whether it is without names of coordinates
 */

/** @type {Record<ChartName, Chart>} */
const CHARTS = {
  distribution: {
    title: "S, one step’s estimate",
    help: "S is one step's estimate of a diagonal entry ∂²f/∂θⱼ²: the mean over its n directions. Long ticks: means; dashes: the true value. Bins hold 99 % of the samples.",
    subtitle: "% per bin",
    figure: (answer, theme, names) => distribution(answer, theme, names),
    note: ofDistribution,
  },
  running: {
    title: "P, mean of |S|",
    help: "P is the estimate that an optimizer works with: in each step it moves by the share α towards |S|. Drawn relative to the true entry: P/|true|.",
    subtitle: "median, 10–90 %",
    figure: (answer, theme, names, { alpha }) => running(answer, theme, names, Number(alpha)),
    note: ofRunning,
  },
  "against-alpha": {
    title: "Error at step T",
    help: "Root mean square of ln(P/|true entry|) after T steps over runs and entries; 0.1 is about 10 % off. error² = bias² + spread².",
    subtitle: "··· bias  -·- spread",
    figure: (answer, theme, _, { alpha }) => againstAlpha(answer, theme, Number(alpha)),
    note: ofAlpha,
    mark: "alpha",
  },
  "against-n": {
    title: "S against n",
    help: "S relative to the true value of the entries named, all taken together, while P is the true diagonal.",
    subtitle: "",
    figure: (answer, theme, _, { n }) => moments(answer, theme, "n directions", Number(n)),
    note: (answer) => ofMoments(answer, "n"),
    mark: "n",
  },
  "against-d": {
    title: "S against d",
    help: "S relative to the true value on quadratics with curvatures from 1 to 10,000, all entries taken together, while P is the true diagonal. It does not depend on the function and θ of the controls, but on n, μ, σ and the seed.",
    subtitle: "always on quadratics",
    figure: (answer, theme) => moments(answer, theme, "d dimensions", 0),
    note: (answer) => ofMoments(answer, "d"),
    placeless: true,
  },
};

const entries = /** @type {[ChartName, Chart][]} */ (Object.entries(CHARTS));

/** @type {Lab | null} */
let lab = null;
let there = false; // the tab is on, and the address is its own
/** The functions, once they have been asked for. @type {Promise<Family[]> | null} */
let listed = null;

/**
 * Open the lab in an element, at a function and θ: those of the address’s `#lab&…`, or else of the page’s state.
 * @param {HTMLElement} root @param {PageState | null} state the Tuning page’s
 * @param {boolean} linked the address names the question; otherwise the one that it has stays
 */
export async function open(root, state, linked) {
  there = true;
  const asked = fromHash(location.hash);
  /** @type {Place} */
  const place = state ? { f: functionSpec(state), x0: String(state.x0).replace(/\s+/g, "") } : { f: usual().f, x0: "" };
  let families;
  try {
    families = await (listed ??= functions());
  } catch (error) {
    listed = null;
    const again = html`<button type="button" @click=${() => open(root, state, linked)}>Try again</button>`;
    return void render(html`<p class="estimators-problem error-text" role="alert">The lab cannot be opened: ${/** @type {Error} */ (error).message}. ${again}</p>`, root);
  }
  while (!window.Plotly) await new Promise((resolve) => setTimeout(resolve, 20));
  // A function of the hash’s own starts at its own start.
  const question = { ...usual(), ...place, ...(asked.f ? { x0: "" } : {}), ...asked };
  if (lab?.isIn(root)) lab.reopen(place, linked ? question : null);
  else lab = new Lab(root, question, place, families);
}

/** Another tab is on: the address is no longer the lab’s. */
export function leave() {
  there = false;
}

/** @returns {Promise<Family[]>} */
async function functions() {
  try {
    return JSON.parse(new TextDecoder().decode(await fetchBytes("/api/list"))).functions;
  } catch (cause) {
    const { status } = /** @type {{status?: number}} */ (cause);
    throw new Error(status ? `the server answered ${status}` : "the server does not answer", { cause });
  }
}

class Lab {
  /** Names of the coordinates shown, by place. @type {Map<string, Names>} */
  #names = new Map();
  /** Of each chart, the value that is marked in it. @type {Map<ChartName, string>} */
  #marked = new Map();
  #again = 0;
  #timer = 0;

  /** @param {HTMLElement} root @param {Question} question @param {Place} place @param {Family[]} families */
  constructor(root, question, place, families) {
    this.root = root;
    this.question = question;
    this.place = place;
    render(
      html`<div class="estimators"><aside class="estimators-controls" aria-label="Controls of the estimator lab"><p class="estimators-problem error-text" role="alert"></p><div class="estimators-groups"></div></aside>
        <div class="estimators-cards">${entries.map(([name, { title, help, subtitle }]) => html`<section class="card estimators-card" id="estimators-${name}"><div class="head" title=${help}><h2>${title}</h2><span class="estimators-subtitle">${subtitle}</span></div>
          <div class="estimators-chart"></div><div class="note"></div></section>`)}<section class="card estimators-card" id="estimators-table"></section></div></div>`,
      root,
    ); // prettier-ignore
    this.element = this.#part(".estimators");
    this.problem = this.#part(".estimators-problem");
    new Table(this.#part("#estimators-table"));
    const groups = this.#part(".estimators-groups");
    this.panels = entries.map(([name, chart]) => {
      const card = this.#part(`#estimators-${name}`);
      /** @type {Panel<any>} */
      const panel = new Panel(card, name, facts.levels[name], (answer, query, fine) => this.#draw(card, name, chart, answer, query, fine), (error) => this.#failed(error));
      return { name, chart, panel };
    });
    /** @type {Panel<About>} */
    this.about = new Panel(groups, "about", [{}], (answer, query) => this.#told(answer, query), (error) => this.#failed(error));
    this.controls = new Controls(groups, question, families, () => this.changed());
    const resized = new ResizeObserver((changes) => {
      for (const { target } of changes) if (target instanceof HTMLElement && "_fullLayout" in target && target.clientHeight) window.Plotly.Plots.resize(target);
      for (const note of root.querySelectorAll(".estimators-card > .note")) fit(/** @type {HTMLElement} */ (note));
    });
    for (const chart of root.querySelectorAll(".estimators-chart")) resized.observe(chart);
    document.addEventListener("lab:theme", () => this.panels.forEach(({ panel }) => panel.redraw()));
    this.changed();
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    const found = this.root.querySelector(selector);
    if (!(found instanceof HTMLElement)) throw new Error(`${selector} is missing`);
    return found;
  }

  /** Whether it still fills this element. @param {HTMLElement} root */
  isIn(root) {
    return this.root === root && root.contains(this.element);
  }

  /** The tab is on again: at a question, if one is given, and else at the page's place, if that has moved. @param {Place} place @param {Question | null} question */
  reopen(place, question) {
    if (question) Object.assign(this.question, question);
    else if (place.f !== this.place.f || place.x0 !== this.place.x0) Object.assign(this.question, { ...place, coords: "" });
    this.place = place;
    this.controls.show();
    this.changed();
  }

  /** The question has changed: ask what is new in it. */
  changed() {
    clearTimeout(this.#again);
    this.controls.complain([]);
    this.problem.textContent = "";
    this.root.classList.remove("estimators-stale");
    this.about.ask(toQuery(this.question, DEPENDS.about));
    for (const { name, panel } of this.panels) panel.ask(toQuery(this.question, DEPENDS[name]));
    this.#mark();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => there && history.replaceState(history.state, "", this.#address()), 250);
  }

  /** @param {Error} error */
  #failed(error) {
    this.root.classList.add("estimators-stale"); // the charts are of the last good question
    if (error instanceof SpecError) this.problem.textContent = this.controls.complain(error.errors).map(({ message }) => message).join(" ");
    else {
      this.problem.textContent = `${trouble(error)}. Trying again every two seconds.`;
      clearTimeout(this.#again);
      this.#again = setTimeout(() => there && this.changed(), AGAIN);
    }
  }

  /** What the place is like: also the names that the charts wait for. @param {About} answer @param {string} query */
  #told({ d, coords, truth, names }, query) {
    const indexed = names.map((name) => name.replace(/_(\d+)$/, (_, j) => subscript(Number(j))));
    this.#names.set(placeOf(query), Object.fromEntries(coords.map((j, k) => [j, indexed[k]])));
    const values = coords.map((_, k) => `${entry(indexed[k])} = ${reading(truth[k])}`).join(", ");
    this.controls.tell(`d = ${count(d)}. True values: ${values}${truth.some((value) => value < 0) ? " (negative: P finds the absolute value)" : ""}`);
    for (const { panel } of this.panels) panel.redraw();
  }

  /** @param {HTMLElement} card @param {ChartName} name @param {Chart} chart @param {any} answer @param {string} query @param {boolean} fine */
  async #draw(card, name, chart, answer, query, fine) {
    const names = chart.placeless ? {} : this.#names.get(placeOf(query));
    if (!names) return; // they are on their way
    const { data, layout } = chart.figure(answer, readTheme(), names, this.question);
    if (chart.mark) this.#marked.set(name, this.question[chart.mark]);
    const [subtitle, note, place] = [".estimators-subtitle", ".note", ".estimators-chart"].map((part) => /** @type {HTMLElement} */ (card.querySelector(part)));
    subtitle.textContent = name === "against-n" ? together(answer, names) : chart.subtitle;
    showNote(note, chart.note(answer, names));
    await window.Plotly.react(place, data, layout, { displayModeBar: false });
    if (fine) document.dispatchEvent(new CustomEvent("lab:estimators", { detail: { panel: name, query } }));
  }

  /** Where the controls are, in the charts where that has moved. */
  #mark = inFrame(() => {
    for (const { name, chart, panel } of this.panels) {
      if (!chart.mark || !panel.drawn || this.#marked.get(name) === this.question[chart.mark]) continue;
      this.#marked.set(name, this.question[chart.mark]);
      const { shapes } = chart.figure(panel.drawn.answer, readTheme(), {}, this.question).layout;
      window.Plotly.relayout(this.#part(`#estimators-${name} .estimators-chart`), { shapes });
    }
  });

  /** One place is named: the page’s, by its spec, or the lab’s own, and then the page’s spec goes. */
  #address() {
    const { question, place } = this;
    const same = place.f === question.f && place.x0 === question.x0;
    return `${location.pathname}${same ? `${location.search}${toHash(question, place)}` : toHash(question)}`;
  }
}

/** The place of a question's query. @param {string} query */
function placeOf(query) {
  const given = new URLSearchParams(query);
  return DEPENDS.about.map((key) => given.get(key)).join("&");
}

/** Which entries are taken together. @param {Moments[]} answer @param {Names} names */
function together([first], names) {
  const coords = first.coords ?? [];
  return coords.length ? `of ${coords.map((j) => names[j]).join(", ")}${coords.length > 1 ? " together" : ""}` : "";
}
