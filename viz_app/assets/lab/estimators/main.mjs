// The estimator lab: a question in the controls, and six panels that answer it. `open` fills an empty element once.

import { AGAIN, SpecError, fetchBytes, trouble } from "../web/latest.mjs";
import { functionSpec } from "../playground/link.mjs";
import { make } from "../web/make.mjs";
import { count, reading, subscript } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { Controls } from "./controls.mjs";
import { againstAlpha, distribution, entry, moments, running } from "./figures.mjs";
import { fit, showNote } from "./notes.mjs";
import { Panel } from "./panel.mjs";
import { DEPENDS, LEVELS, fromHash, toHash, toQuery, usual } from "./state.mjs";
import { Table } from "./table.mjs";

const CARDS = [
  ["distribution", "S, one step’s estimate", "S is what one step says of a diagonal entry ∂²f/∂θⱼ²: the mean over its n directions. Long ticks: means; dashes: the truth. Bins hold 99 % of the samples."],
  ["running", "P, mean of |S|", "P is what an optimizer works with: from step to step it takes over the share α of |S|. Drawn over the truth: P/|truth|."],
  ["against-alpha", "Error at step T", "Root mean square of ln(P/|truth|) after T steps over runs and entries, 0.1 being 10 % off; error² = bias² + spread²."],
  ["against-n", "S against n", "S over the truth of the entries named, taken together, with P at the truth."],
  ["against-d", "S against d", "S over the truth on quadratics with curvatures from 1 to 10,000, all entries taken together, with P at the truth. The function and θ of the controls have no part in it; n, μ, σ and the seed have."],
  ["table", "Table", "Fixed settings, whatever the controls say."],
];

/** What is said beside a title, of an answer or before it. */
const SUBTITLES = {
  distribution: () => "% per bin",
  running: () => "median, 10–90 %",
  "against-alpha": () => "··· bias  -·- spread",
  "against-n": (answer) => (answer?.[0]?.coords.length ? `of ${answer[0].coords.map((j) => `θ${subscript(j)}`).join(", ")}${answer[0].coords.length > 1 ? " together" : ""}` : ""),
  "against-d": () => "always on quadratics",
};

/** What is marked in a chart whose numbers do not depend on it. */
const MARKS = { "against-alpha": "alpha", "against-n": "n" };

let lab = null;
let there = false; // the lab is on, and the address is its own
let listed = null; // the functions, once they have been asked for

/**
 * Open the lab in an element, at a function and θ: those of the address’s `#lab&…`, or else of the page’s state.
 * @param {HTMLElement} root @param {object} state the Tuning page’s: family, parameters, text, x0
 * @param {boolean} linked the address names the lab’s question; otherwise the one that it has stays
 */
export async function open(root, state, linked) {
  there = true;
  const asked = fromHash(location.hash);
  const place = state ? { f: functionSpec(state), x0: String(state.x0).replace(/\s+/g, "") } : {};
  let families;
  try {
    families = await (listed ??= functions());
  } catch (error) {
    listed = null;
    const again = make("button", { type: "button", on: { click: () => open(root, state, linked) } }, "Try again");
    return root.replaceChildren(make("p", { class: "lab-problem error-text", role: "alert" }, `The lab cannot be opened: ${error.message}. `, again));
  }
  while (!window.Plotly) await new Promise((resolve) => setTimeout(resolve, 20));
  // A function of the hash’s own starts at its own start.
  const question = { ...usual(), ...place, ...(asked.f ? { x0: "" } : {}), ...asked };
  if (lab?.root === root && root.contains(lab.element)) {
    const moved = place.f !== lab.place.f || place.x0 !== lab.place.x0;
    if (linked) Object.assign(lab.question, question);
    else if (moved) Object.assign(lab.question, { ...place, coords: "" });
    lab.place = place;
    lab.controls.build();
    return lab.changed();
  }
  root.replaceChildren();
  lab = build(root, question, families);
  lab.place = place;
  lab.changed();
}

/** Another tab is on: the address is no longer the lab’s. */
export function leave() {
  there = false;
}

async function functions() {
  try {
    return JSON.parse(new TextDecoder().decode(await fetchBytes("/api/list"))).functions;
  } catch (error) {
    throw new Error(error.status ? `the server answered ${error.status}` : "the server does not answer");
  }
}

function build(root, question, families) {
  const aside = make("div", { class: "lab-groups" });
  const problem = make("p", { class: "lab-problem error-text", role: "alert" });
  const cards = Object.fromEntries(CARDS.map(([name, ...words]) => [name, card(name, ...words)]));
  const left = make("aside", { class: "lab-controls", "aria-label": "Controls of the estimator lab" }, problem, aside);
  const element = make("div", { class: "lab" }, left, make("div", { class: "lab-cards" }, ...Object.values(cards)));
  root.append(element);
  new Table(cards.table);

  const chartOf = (name) => cards[name].querySelector(".lab-chart");
  const marked = {}; // of each chart, the value that is marked in it
  const failed = (error) => {
    root.classList.add("lab-stale"); // the charts are of the last good question
    if (error instanceof SpecError) problem.textContent = controls.complain(error.errors).map(({ message }) => message).join(" ");
    else {
      problem.textContent = `${trouble(error)}. Trying again every two seconds.`;
      clearTimeout(changed.again);
      changed.again = setTimeout(() => there && changed(), AGAIN);
    }
  };
  const figures = {
    distribution: (answer, theme) => distribution(answer, theme),
    running: (answer, theme) => running(answer, theme, Number(question.alpha)),
    "against-alpha": (answer, theme) => againstAlpha(answer, theme, Number(question.alpha)),
    "against-n": (answer, theme) => moments(answer, theme, "n directions", Number(question.n)),
    "against-d": (answer, theme) => moments(answer, theme, "d dimensions", 0),
  };
  const panels = Object.fromEntries(
    Object.entries(figures).map(([name, figure]) => {
      const draw = async (answer, fine) => {
        const { data, layout } = figure(answer, readTheme());
        marked[name] = question[MARKS[name]];
        cards[name].querySelector(".lab-subtitle").textContent = SUBTITLES[name](answer);
        showNote(cards[name].querySelector(".note"), name, answer);
        await window.Plotly.react(chartOf(name), data, layout, { displayModeBar: false });
        if (fine) document.dispatchEvent(new CustomEvent("lab:estimators", { detail: { panel: name, query: panels[name].query } }));
      };
      return [name, new Panel(cards[name], name, LEVELS[name], draw, failed)];
    }),
  );
  const about = new Panel(aside, "about", [""], (answer) => (controls.truth.textContent = truths(answer)), failed);

  const changed = () => {
    clearTimeout(changed.again);
    controls.complain([]);
    problem.textContent = "";
    root.classList.remove("lab-stale");
    about.ask(toQuery(question, DEPENDS.about));
    for (const [name, panel] of Object.entries(panels)) panel.ask(toQuery(question, DEPENDS[name]));
    marks.frame ??= requestAnimationFrame(marks);
    clearTimeout(changed.timer);
    changed.timer = setTimeout(() => there && history.replaceState(history.state, "", address()), 250);
  };
  /** Where the controls stand, in the charts where that has moved. */
  const marks = () => {
    marks.frame = null;
    for (const [name, key] of Object.entries(MARKS)) {
      const { answer } = panels[name];
      if (!answer || marked[name] === question[key]) continue;
      marked[name] = question[key];
      window.Plotly.relayout(chartOf(name), { shapes: figures[name](answer, readTheme()).layout.shapes });
    }
  };
  /** One place is named: the page’s, by its spec, or the lab’s own, and then the page’s spec goes. */
  const address = () => {
    const { f, x0 } = lab.place;
    const same = f === question.f && x0 === question.x0;
    return `${location.pathname}${same ? `${location.search}${toHash(question, { f, x0 })}` : toHash(question)}`;
  };
  const controls = new Controls(aside, question, families, changed);
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target._fullLayout && target.clientHeight) window.Plotly.Plots.resize(target);
    for (const place of root.querySelectorAll(".lab-card > .note")) fit(place);
  });
  for (const chart of root.querySelectorAll(".lab-chart")) resized.observe(chart);
  document.addEventListener("lab:theme", () => Object.values(panels).forEach((panel) => panel.redraw()));
  return { root, element, question, controls, changed };
}

function card(name, title, help) {
  const head = make("div", { class: "head", title: help }, make("h2", {}, title));
  const body = name === "table" ? [] : [make("div", { class: "lab-chart" }), make("div", { class: "note" })];
  if (SUBTITLES[name]) head.append(make("span", { class: "lab-subtitle" }, SUBTITLES[name](null)));
  return make("section", { class: "card lab-card", id: `lab-${name}` }, head, ...body);
}

const truths = ({ d, coords, truth }) =>
  `d = ${count(d)}. Truth: ${coords.map((j, k) => `${entry(j)} = ${reading(truth[k])}`).join(", ")}${truth.some((value) => value < 0) ? " (negative: P finds the modulus)" : ""}`;
