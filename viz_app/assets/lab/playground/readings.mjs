// The table under the picture: where each optimizer is now, what it has spent, and how it ended.

import { html, render } from "../vendor/lit.mjs";
import { setText } from "../web/make.mjs";
import { one } from "../web/one.mjs";
import { count, reading, short } from "../web/scale.mjs";
import { clockLength, frameAt } from "./trace.mjs";
import { status } from "./words.mjs";

/** @import { Difference } from "./forkcards.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Clock, Header, Trace, Track } from "./trace.mjs" */

export class Readings {
  /** @type {Trace | null} */
  #trace = null;
  /** The cells that the moment changes, by track. @type {Cells[]} */
  #cells = [];

  /** @param {HTMLElement} root  @param {(target: string) => void} retarget */
  constructor(root, retarget) {
    render(
      html`<table><thead><tr>
        <th scope="col">Optimizer</th>
        <th scope="col" data-head="gap"></th>
        <th scope="col">forward passes</th>
        <th scope="col"><label title="Forward passes until the loss is first at or below this value, if only for a step: median over runs. Type another.">passes to first ≤ <input aria-label="Target loss" spellcheck="false"></label></th>
        <th scope="col">distance to minimum</th>
        <th scope="col" title="Of the whole run, wherever the player is">status at the end</th></tr></thead><tbody></tbody></table>`,
      root,
    );
    this.body = one(root, "tbody");
    this.gap = one(root, "[data-head=gap]");
    this.target = one(root, "input", HTMLInputElement);
    this.target.addEventListener("change", () => retarget(this.target.value.trim()));
  }

  /** Take a new trace: one row an optimizer. @param {Trace} trace @param {Look & {origins: string[]}} look */
  setTrace(trace, look) {
    this.#trace = trace;
    const { header, reference, tracks } = trace;
    setText(this.gap, reference ? "loss − minimum" : "loss now");
    this.gap.title = `Median of ${header.runs} runs at the player's time${reference === null ? "" : `; the minimum is ${reading(reference)}`}`;
    if (document.activeElement !== this.target) this.target.value = header.target === null ? "" : short(header.target);
    const rows = tracks.map((track, index) => {
      const origin = look.origins[index];
      return html`<tr data-label=${track.label}>
        <th scope="row"><i style="background:${look.colours[index]}"></i><span>${look.titles[index]}</span><small title=${explained(origin)}>${origin}</small></th>
        <td><span data-cell="gap"></span><small data-cell="difference"></small></td>
        <td data-cell="forwards"></td><td data-cell="reached"></td><td data-cell="distance"></td>
        <td class=${track.diverged > 0 ? "bad" : ""}><span data-cell="status"></span></td></tr>`;
    });
    render(rows, this.body);
    this.#cells = [...this.body.children].map(cellsOf);
  }

  /** The moment's numbers. @param {number} time @param {Clock} clock @param {(Difference | undefined)[]} [differences] of forks from their old futures */
  draw(time, clock, differences = []) {
    if (!this.#trace) return;
    const { header, tracks } = this.#trace;
    const budget = clock === "forwards" ? clockLength(this.#trace, clock) : Infinity; // beyond it there is no race
    tracks.forEach((track, index) => {
      const { frame } = frameAt(track, time, clock);
      const cells = this.#cells[index];
      const fork = differences[index];
      const words = (fork ? ending(fork) : "") + status(track, header);
      setText(cells.gap, reading(track.gap_q[track.frames + frame]));
      setText(cells.difference, fork?.now ?? "");
      setText(cells.forwards, count(track.forwards[frame]));
      setText(cells.reached, firstReached(track, header, budget));
      cells.reached.title = reachedBy(track, header);
      setText(cells.distance, track.distance ? reading(track.distance[frame]) : "–");
      setText(cells.status, words);
      /** @type {HTMLElement} */ (cells.status.parentElement).title = words;
    });
  }
}

/** @typedef {Record<"gap" | "difference" | "forwards" | "reached" | "distance" | "status", HTMLElement>} Cells */

/** @param {Element} row @returns {Cells} */
function cellsOf(row) {
  /** @param {string} name */
  const cell = (name) => one(row, `[data-cell=${name}]`);
  return { gap: cell("gap"), difference: cell("difference"), forwards: cell("forwards"), reached: cell("reached"), distance: cell("distance"), status: cell("status") };
}

/** What an origin means. @param {string} origin */
function explained(origin) {
  if (origin.startsWith("tuned:")) return "The best of so many settings tried for this function beforehand, of each optimizer alike";
  if (!origin.includes("tuned")) return "";
  return "The preset, which was the best without noise, at the function's default parameters and from its default start. Here nothing has been tuned";
}

/** Forward passes to the target, as far as the clock shows the run. @param {Track} track @param {Header} header @param {number} budget */
function firstReached({ passes_to_target: passes }, { target }, budget) {
  if (target === null || !passes) return "–";
  if (passes.median === null) return "not reached";
  return passes.median > budget ? `not within ${count(budget)}` : count(passes.median);
}

/** @param {Track} track @param {Header} header */
function reachedBy({ passes_to_target: passes }, { target, runs }) {
  if (target === null || !passes) return "";
  return `${passes.reached} of ${runs} runs reached it in the whole run${passes.median === null ? "" : `; the median first did after ${count(passes.median)} forward passes`}`;
}

/** A fork's loss at the end beside its old future's: 3.2× lower than HiZOO. That it diverged is said by its status. @param {Difference} difference */
const ending = ({ end, parent }) => (/(lower|higher)$/.test(end) ? `${end} than ${parent}; ` : "");
