// The estimator lab: a question in the controls, and six panels that answer it. `open` fills an empty element once.

import { SpecError } from "../../latest.mjs";
import { functionSpec } from "../../link.mjs";
import { make } from "../../opt/make.mjs";
import { count, reading, subscript } from "../../scale.mjs";
import { readTheme } from "../../theme.mjs";
import { Controls } from "./controls.mjs";
import { againstAlpha, distribution, entry, moments, running } from "./figures.mjs";
import { Panel } from "./panel.mjs";
import { DEPENDS, LEVELS, fromHash, toHash, toQuery, usual } from "./state.mjs";
import { Table } from "./table.mjs";

const CARDS = [
  ["distribution", "One step’s S"],
  ["running", "P over the steps"],
  ["against-alpha", "Error after T steps"],
  ["against-n", "S against n"],
  ["against-d", "S against d"],
  ["table", "Table"],
];

const SUBTITLES = {
  distribution: "mean ± sd [theory]",
  running: "P/truth: median, 10–90 %",
  "against-alpha": "★ best α",
  "against-n": "over the truth, P there",
  "against-d": "over the truth, P there",
};

let lab = null;

/**
 * Open the lab in an element, at a function and θ: those of the address’s `#lab&…`, or of the page’s state.
 * @param {HTMLElement} root @param {object=} state the Tuning page’s: family, parameters, text, x0
 */
export async function open(root, state) {
  const asked = fromHash(location.hash);
  const place = state ? { f: functionSpec(state), x0: String(state.x0).replace(/\s+/g, "") } : {};
  if (lab && lab.root === root && root.childElementCount) {
    if (!asked && lab.place !== JSON.stringify(place)) Object.assign(lab.question, { ...place, coords: "" });
    lab.place = JSON.stringify(place);
    lab.controls.build();
    return lab.changed();
  }
  const question = asked ?? { ...usual(), ...place };
  root.replaceChildren();
  const families = (await (await fetch("/api/list")).json()).functions;
  while (!window.Plotly) await new Promise((resolve) => setTimeout(resolve, 20));
  lab = build(root, question, families);
  lab.place = JSON.stringify(place);
  lab.changed();
}

function build(root, question, families) {
  const aside = make("div", { class: "lab-groups" });
  const problem = make("p", { class: "lab-problem error-text", role: "alert" });
  const cards = Object.fromEntries(CARDS.map(([name, title]) => [name, card(name, title)]));
  const left = make("aside", { class: "lab-controls", "aria-label": "Controls of the estimator lab" }, problem, aside);
  root.append(make("div", { class: "lab" }, left, make("div", { class: "lab-cards" }, ...Object.values(cards))));
  new Table(cards.table);

  const failed = (error) => {
    if (!(error instanceof SpecError)) return void (problem.textContent = `No answer: ${error.message}`);
    problem.textContent = controls.complain(error.errors).map(({ message }) => message).join(" ");
    root.classList.add("lab-stale"); // the charts are of the last good question
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
        cards[name].querySelector(".note").replaceChildren(...note(name, answer, question));
        await window.Plotly.react(cards[name].querySelector(".lab-chart"), data, layout, { displayModeBar: false });
        if (fine) document.dispatchEvent(new CustomEvent("lab:estimators", { detail: { panel: name, query: panels[name].query } }));
      };
      return [name, new Panel(cards[name], name, LEVELS[name], draw, failed)];
    }),
  );
  const about = new Panel(aside, "about", [""], (answer) => (controls.truth.textContent = truths(answer)), failed);

  const changed = () => {
    controls.complain([]);
    problem.textContent = "";
    root.classList.remove("lab-stale");
    about.ask(toQuery(question, DEPENDS.about));
    for (const [name, panel] of Object.entries(panels)) {
      panel.ask(toQuery(question, DEPENDS[name]));
      if (name === "against-alpha" || name === "against-n") panel.redraw(); // where the controls stand is marked in them
    }
    clearTimeout(changed.timer);
    changed.timer = setTimeout(() => history.replaceState(history.state, "", `${location.pathname}${location.search}${toHash(question)}`), 250);
  };
  const controls = new Controls(aside, question, families, changed);
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target._fullLayout && target.clientHeight) window.Plotly.Plots.resize(target);
  });
  for (const chart of root.querySelectorAll(".lab-chart")) resized.observe(chart);
  document.addEventListener("lab:theme", () => Object.values(panels).forEach((panel) => panel.redraw()));
  return { root, question, controls, changed };
}

function card(name, title) {
  const head = make("div", { class: "head" }, make("h2", {}, title));
  const body = name === "table" ? [] : [make("div", { class: "lab-chart" }), make("div", { class: "note" })];
  if (SUBTITLES[name]) head.append(make("span", { class: "lab-subtitle" }, SUBTITLES[name]));
  return make("section", { class: "card lab-card", id: `lab-${name}` }, head, ...body);
}

const truths = ({ d, coords, truth }) =>
  `d = ${count(d)}. Truth: ${coords.map((j, k) => `${entry(j)} = ${reading(truth[k])}`).join(", ")}${truth.some((value) => value < 0) ? " (negative: P finds the modulus)" : ""}`;

/** What the chart says in numbers: lines of the estimators’ colours. */
function note(name, answer, question) {
  const line = (estimator, text) => make("span", { class: "lab-line", title: text, data: { estimator } }, make("b", {}, estimator), ` ${text}`);
  const few = ({ least_n: least }) => `needs n ≥ ${least}`;
  const short = (value) => (Math.abs(value) >= 1000 ? `${reading(Number((value / 1000).toPrecision(2)))}k` : reading(Number(value.toPrecision(2))));
  const about = (mean, sd, m, s) => `${short(mean)} ± ${short(sd)}${m === undefined || m === null ? "" : ` [${short(m)} ± ${short(s)}]`}`;
  if (name === "distribution")
    return answer.map((each) => {
      const entries = each.coordinates.map((c) => `θ${subscript(c.coordinate)} ${about(c.mean, c.sd, ...(c.theory ?? []))}`);
      return line(each.estimator, each.least_n ? few(each) : entries.join(", "));
    });
  if (name === "running")
    return answer.map((each) => line(each.estimator, each.least_n ? few(each) : each.coordinates.map((c) => `θ${subscript(c.coordinate)} ends at ${reading(c.median.at(-1))}`).join(", ")));
  if (name === "against-alpha")
    return answer.map((each) =>
      line(each.estimator, each.least_n ? few(each) : !each.alpha.length ? "every true entry is 0 here" : each.best === null ? "no α keeps P finite" : `★ ${reading(each.alpha[each.best])}: error ${reading(each.error[each.best])}`),
    );
  return answer.map(({ estimator, x, points }) => {
    const last = points.findLastIndex(Boolean);
    if (last < 0) return line(estimator, name === "against-d" ? `needs n ≥ 2` : "the truth is 0 here");
    const { mean, sd, theory_mean: m, theory_sd: s } = points[last];
    return line(estimator, `${name === "against-n" ? "n" : "d"} = ${x[last]}: ${about(mean, sd, m, s)}`);
  });
}
