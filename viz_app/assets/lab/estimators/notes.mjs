// What a chart of the lab says in numbers: a small table, a row for each estimator in its colour.

import { make } from "../web/make.mjs";
import { reading, subscript } from "../web/scale.mjs";

/** @typedef {{head: string[], rows: {estimator: string, cells: (Node|string)[]}[]}} Note the first of `head` is over the estimators */

const entryOf = (j) => `θ${subscript(j)}`;
const few = (least) => `needs n ≥ ${least}`;

function short(value) {
  if (typeof value !== "number") return reading(value);
  return Math.abs(value) >= 1000 ? `${reading(Number((value / 1000).toPrecision(2)))}k` : reading(Number(value.toPrecision(2)));
}

/** mean ± sd [theory]: the parts in brackets and after ± go where there is no room. */
function about(mean, sd, m, s) {
  const known = m !== undefined && m !== null;
  const theory = known ? [make("span", { class: "lab-theory" }, ` [${short(m)} ± ${short(s)}]`)] : [];
  const title = `measured ${short(mean)} ± ${short(sd)}${known ? `, theory ${short(m)} ± ${short(s)}` : ""}`;
  return make("span", { title }, short(mean), make("span", { class: "lab-sd" }, ` ± ${short(sd)}`), ...theory);
}
const aboutHead = () => make("span", {}, "mean", make("span", { class: "lab-sd" }, " ± sd"), make("span", { class: "lab-theory", title: "Exact for quadratics as μ → 0" }, " [theory]"));

/** The entries that a chart with a row for each has, from the first estimator that has any. */
const entriesOf = (answer) => (answer.find(({ coordinates }) => coordinates.length)?.coordinates ?? []).map(({ coordinate }) => entryOf(coordinate));

const NOTES = {
  distribution: (answer) => ({
    head: [aboutHead(), ...entriesOf(answer)],
    rows: answer.map(({ least_n: least, coordinates }) => (least ? [few(least)] : coordinates.map((c) => about(c.mean, c.sd, ...(c.theory ?? []))))),
  }),
  running: (answer) => ({
    head: ["P/|truth| at the end", ...entriesOf(answer)],
    rows: answer.map(({ least_n: least, coordinates }) => (least ? [few(least)] : coordinates.map(({ median }) => reading(median.at(-1))))),
  }),
  "against-alpha": (answer) => ({
    head: ["", "★ best α", "error there"],
    rows: answer.map(({ least_n: least, alpha, error, best }) => {
      if (least) return [few(least)];
      if (!alpha.length) return ["every true entry is 0 here"];
      return best === null ? ["no α keeps P finite"] : [reading(alpha[best]), reading(error[best])];
    }),
  }),
  "against-n": (answer) => lastPoints(answer, "n", "the truth is 0 here"),
  "against-d": (answer) => lastPoints(answer, "d", few(2)),
};

function lastPoints(answer, letter, none) {
  const at = answer[0].x.at(-1);
  return {
    head: [`at ${letter} = ${at}`, aboutHead()],
    rows: answer.map(({ points }) => {
      const point = points.at(-1);
      return [point ? about(point.mean, point.sd, point.theory_mean, point.theory_sd) : none];
    }),
  };
}

/** Fill a chart's note. @param {HTMLElement} place @param {string} name the chart's */
export function showNote(place, name, answer) {
  const { head, rows } = NOTES[name](answer);
  const line = (cells, i) => {
    const { estimator } = answer[i];
    const span = cells.length === 1 && head.length > 2 ? head.length - 1 : null; // a sentence
    return make("tr", { class: "lab-line", data: { estimator } }, make("th", {}, estimator), ...cells.map((cell) => make("td", { colspan: span }, cell)));
  };
  place.replaceChildren(make("table", {}, make("tr", { class: "lab-head" }, ...head.map((text) => make("th", {}, text))), ...rows.map(line)));
  fit(place);
}

/** Leave out theory, then spread, where the whole does not fit. */
export function fit(place) {
  const left = ["", "tight", "tighter"];
  left.some((room) => {
    place.dataset.room = room;
    return place.scrollWidth <= place.clientWidth;
  });
}
