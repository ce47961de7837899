// The sentence under the map: what is best, what was spent, and what to look at where nothing reaches the target.

import { count, reading } from "../web/scale.mjs";
import { html, nothing, render } from "../vendor/lit.mjs";
import { MEASURES, above, best, diverged, kind, sentence, touches } from "./measures.mjs";
import { setting, unbroken } from "./words.mjs";

/** @import { MapData } from "./grid.mjs" */
/** @import { MeasureName } from "./measures.mjs" */

/**
 * @typedef {object} What
 * @property {MeasureName} measure what the map shows @property {boolean} automatic nobody has chosen it
 * @property {number | null} found the best cell @property {boolean} inside whether the controls are on the map
 * @property {boolean} texts whether the cells have numbers @property {(measure: MeasureName) => void} look switches the measure
 */

/** @param {HTMLElement} root @param {MapData} map @param {What} what */
export function say(root, map, what) {
  const { header } = map;
  const spent = map.end
    ? `${count(map.total)} settings × ${header.runs} runs × ${count(header.forwards)} forward passes, ${Number(map.end.seconds.toPrecision(2))} s.`
    : `Computing: ${count(map.done)} of ${count(map.total)} settings.`;
  const key = marks(map, what).map(([symbol, words]) => html`<span><i class=${symbol}></i>${words}</span>`);
  render(html`<p>${missed(map, what)}${finding(map, what)}<span> ${spent}</span></p><div class="map-key">${key}</div>`, root);
}

/** Why there are no passes to a target, where there are none. @param {MapData} map @param {What} what */
function missed(map, { measure, automatic, look }) {
  const { header } = map;
  const untargeted = header.target === null;
  if (!(map.complete || untargeted) || best(map, "passes") !== null || !(measure === "passes" || (measure === "loss" && automatic))) return nothing;
  const why = untargeted
    ? `No target: ${header.reference === null ? "the minimum of this function is not known" : "the start is the minimum already"}`
    : `Nothing reaches the target (${above(map)} ≤ ${reading(header.target)}) within ${count(header.forwards)} forward passes`;
  const button = measure === "passes" ? html`<button @click=${() => look("loss")}>Look at the final loss instead</button>` : nothing;
  return html`<strong>${unbroken(why)}${measure === "loss" ? "; shown is the final loss." : "."}</strong> ${button}`;
}

/** What is best, or what there is instead. @param {MapData} map @param {What} what */
function finding(map, { measure, found }) {
  const { header } = map;
  if (found !== null) {
    const { x, y } = map.at(found);
    return html`<strong>★ ${unbroken(`${setting(header.x, x, " = ")}, ${setting(header.y, y, " = ")}`)}: </strong>${unbroken(sentence(map, found))}.`;
  }
  if (!map.complete) return nothing;
  if (measure === "diverged") {
    const shares = map.cells.map((cell) => map.figures.diverged[cell]);
    const least = Math.min(...shares);
    const ties = shares.filter((share) => share === least).length;
    return `${least === 0 ? "No run diverged" : `At least ${MEASURES.diverged.text(least, map, 0)} of the runs diverged`} in ${count(ties)} of ${count(map.total)} settings.`;
  }
  return measure === "passes" ? nothing : html`<strong>Every setting diverged.</strong>`;
}

/** The key of what is seen in the map: class of the mark, and words. @param {MapData} map @param {What} what @returns {[mark: string, words: string][]} */
function marks(map, { measure, found, inside, texts }) {
  const { cells } = map;
  const hatched = cells.filter((cell) => diverged(map, cell)).length;
  const kinds = new Set(cells.map((cell) => kind(map, cell, measure)));
  /** @type {[mark: string, words: string][]} */
  const key = [];
  if (hatched) key.push(["hatch", `diverged: half of the runs or more (${count(hatched)})`]);
  if (kinds.has("higher")) key.push(["higher", "ended higher than it began"]);
  if (kinds.has("none")) key.push(["none", measure === "passes" && map.header.target === null ? "no target" : MEASURES[measure].none]);
  if (measure === "passes" && texts && cells.some((cell) => touches(map, cell))) key.push(["touched", "reached, but ended above it"]);
  if (found !== null) key.push(["star", map.figures.diverged[found] > 0 ? "best; some of its runs diverged" : "best, no run diverged"]);
  return [...key, ["ring", inside ? "you are here" : "you are here: outside of this map"]];
}
