// What a chart says in numbers: a small table, a row for each estimator in its colour.

import { reading } from "../web/scale.mjs";
import { html, nothing, render } from "../vendor/lit.mjs";
import { colourOf, leastN } from "./catalogue.mjs";
import { rowsOf } from "./figures.mjs";

/** @import { AgainstAlpha, Distribution, Moments, Running } from "./panel.mjs" */
/** @import { Names } from "./figures.mjs" */
/** @typedef {unknown} Cell a text or a template */
/** @typedef {{head: Cell[], rows: {estimator: string, cells: Cell[]}[]}} Note the first of `head` is over the estimators */

/** @param {number} least */
const few = (least) => `needs n ≥ ${least}`;

/** Two digits, and thousands as k. @param {number | null | undefined} value */
function brief(value) {
  if (typeof value !== "number") return reading(value);
  return Math.abs(value) >= 1000 ? `${reading(Number((value / 1000).toPrecision(2)))}k` : reading(Number(value.toPrecision(2)));
}

/** mean ± sd [theory]: the parts in brackets and after ± go where there is no room. @param {number} mean @param {number} sd @param {readonly (number | null)[]} theory */
function about(mean, sd, [m = null, s = null]) {
  const theory = m === null ? "" : `${brief(m)} ± ${brief(s)}`;
  return html`<span title="measured ${brief(mean)} ± ${brief(sd)}${theory && `, theory ${theory}`}">${brief(mean)}<span class="estimators-sd"> ± ${brief(sd)}</span>${theory ? html`<span class="estimators-theory"> [${theory}]</span>` : nothing}</span>`;
}
const aboutHead = html`<span>mean<span class="estimators-sd"> ± sd</span><span class="estimators-theory" title="Exact for quadratics as μ → 0"> [theory]</span></span>`;

/** @param {Distribution[]} answer @param {Names} names @returns {Note} */
export const ofDistribution = (answer, names) => ({
  head: [aboutHead, ...rowsOf(answer).map(({ coordinate }) => names[coordinate])],
  rows: answer.map(({ estimator, least_n: least, coordinates }) => ({ estimator, cells: least ? [few(least)] : coordinates.map((c) => about(c.mean, c.sd, c.theory ?? [])) })),
});

/** @param {Running[]} answer @param {Names} names @returns {Note} */
export const ofRunning = (answer, names) => ({
  head: ["P/|true| at the end", ...rowsOf(answer).map(({ coordinate }) => names[coordinate])],
  rows: answer.map(({ estimator, least_n: least, coordinates }) => ({ estimator, cells: least ? [few(least)] : coordinates.map(({ median }) => reading(median.at(-1))) })),
});

/** @param {AgainstAlpha[]} answer @returns {Note} */
export const ofAlpha = (answer) => ({
  head: ["", "★ best α", "error there"],
  rows: answer.map(({ estimator, least_n: least, alpha, error = [], best }) => {
    if (least) return { estimator, cells: [few(least)] };
    if (!alpha.length) return { estimator, cells: ["every true entry is 0 here"] };
    return { estimator, cells: best === null || best === undefined ? ["no α keeps P finite"] : [reading(alpha[best]), reading(error[best])] };
  }),
});

/** The last point of each curve. @param {Moments[]} answer @param {"n" | "d"} letter @returns {Note} */
export const ofMoments = (answer, letter) => ({
  head: [`at ${letter} = ${answer[0].x.at(-1)}`, aboutHead],
  rows: answer.map(({ estimator, points }) => {
    const point = points.at(-1);
    const none = letter === "n" ? "the true entry is 0 here" : few(leastN);
    return { estimator, cells: [point ? about(point.mean, point.sd, [point.theory_mean, point.theory_sd]) : none] };
  }),
});

/** Fill a chart's note. @param {HTMLElement} place @param {Note} note */
export function showNote(place, { head, rows }) {
  /** A cell alone in its row is a sentence. @param {Cell[]} cells */
  const span = (cells) => (cells.length === 1 ? Math.max(1, head.length - 1) : 1);
  render(
    html`<table><tbody><tr class="estimators-head">${head.map((cell) => html`<th>${cell}</th>`)}</tr>${rows.map(
      ({ estimator, cells }) =>
        html`<tr class="estimators-line" data-estimator=${estimator} style="--colour: var(${colourOf(estimator)})"><th>${estimator}</th>${cells.map((cell) => html`<td colspan=${span(cells)}>${cell}</td>`)}</tr>`,
    )}</tbody></table>`,
    place,
  );
  fit(place);
}

/** Leave out theory, then spread, where the whole does not fit. @param {HTMLElement} place */
export function fit(place) {
  ["", "tight", "tighter"].some((room) => {
    place.dataset.room = room;
    return place.scrollWidth <= place.clientWidth;
  });
}
