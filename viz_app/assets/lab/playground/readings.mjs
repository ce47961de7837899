// The table under the picture: where each optimizer is now, what it has spent, and how it ended.

import { count, reading, short } from "../web/scale.mjs";
import { clockLength, frameAt } from "./trace.mjs";

export class Readings {
  /** @param {HTMLElement} root  @param {(target: string) => void} retarget */
  constructor(root, retarget) {
    root.innerHTML = `<table><thead><tr>
      <th scope="col">Optimizer</th>
      <th scope="col" data-head="gap"></th>
      <th scope="col">forward passes</th>
      <th scope="col"><label title="Forward passes until the loss is first at or below this value, if only for a step: median over runs. Type another.">passes to first ≤ <input aria-label="Target loss" spellcheck="false"></label></th>
      <th scope="col" data-head="distance">distance to minimum</th>
      <th scope="col" title="Of the whole run, wherever the player is">status at the end</th></tr></thead><tbody></tbody></table>`;
    this.body = root.querySelector("tbody");
    this.heads = Object.fromEntries([...root.querySelectorAll("[data-head]")].map((head) => [head.dataset.head, head]));
    this.target = root.querySelector("input");
    this.target.addEventListener("change", () => retarget(this.target.value.trim()));
  }

  /** Take a new trace: one row an optimizer. */
  setTrace(trace, look) {
    this.trace = trace;
    this.heads.gap.textContent = trace.reference === null ? "loss now" : trace.reference === 0 ? "loss now" : "loss − minimum";
    this.heads.gap.title = `Median of ${trace.header.runs} runs at the player's time${trace.reference === null ? "" : `; the minimum is ${reading(trace.reference)}`}`;
    if (document.activeElement !== this.target) this.target.value = trace.header.target === null ? "" : short(trace.header.target);
    if (this.body.children.length !== trace.tracks.length) {
      this.body.innerHTML = trace.tracks.map(() => `<tr><th scope="row"><i></i><span></span><small></small></th><td><span></span><small></small></td><td></td><td></td><td></td><td><span></span></td></tr>`).join("");
    }
    trace.tracks.forEach((track, index) => {
      const row = this.body.children[index];
      row.dataset.label = track.label;
      row.querySelector("i").style.background = look.colours[index];
      set(row.querySelector("span"), look.titles[index]);
      set(row.querySelector("small"), look.origins[index]);
      row.querySelector("small").title = look.origins[index].startsWith("tuned:") ? "The best of so many settings tried for this function beforehand, of each optimizer alike" : /tuned/.test(look.origins[index]) ? "The preset, which was the best without noise, at the function's default parameters and from its default start. Here nothing has been tuned" : "";
      row.children[5].classList.toggle("bad", track.diverged > 0);
    });
  }

  /** The moment's numbers. @param {({now: string, end: string, parent: string} | undefined)[]} differences of forks from their old futures */
  draw(time, clock, differences = []) {
    const budget = clock === "forwards" ? clockLength(this.trace, clock) : Infinity; // beyond it there is no race
    this.trace.tracks.forEach((track, index) => {
      const { frame } = frameAt(track, time, clock);
      const cells = this.body.children[index].children;
      const fork = differences[index];
      set(cells[1].firstChild, reading(track.gap_q[track.frames + frame]));
      set(cells[1].lastChild, fork?.now ?? "");
      set(cells[3], firstReached(track, this.trace.header, budget));
      cells[3].title = reachedBy(track, this.trace.header);
      set(cells[5].firstChild, (cells[5].title = (fork ? ending(fork) : "") + status(track, this.trace)));
      set(cells[2], count(track.forwards[frame]));
      set(cells[4], track.distance ? reading(track.distance[frame]) : "–");
    });
  }
}

function set(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

/** Forward passes to the target, as far as the clock shows the run. */
function firstReached({ passes_to_target: passes }, { target }, budget) {
  if (target === null) return "–";
  if (passes.median === null) return "not reached";
  return passes.median > budget ? `not within ${count(budget)}` : count(passes.median);
}

function reachedBy({ passes_to_target: passes }, { target, runs }) {
  if (target === null) return "";
  return `${passes.reached} of ${runs} runs reached it in the whole run${passes.median === null ? "" : `; the median first did after ${count(passes.median)} forward passes`}`;
}

/** A fork's loss at the end beside its old future's: 3.2× lower than HiZOO. That it diverged is said by its status. */
const ending = ({ end, parent }) => (/(lower|higher)$/.test(end) ? `${end} than ${parent}; ` : "");

/** How the runs ended, in words. */
function status(track, { header }) {
  const words = [];
  const runs = header.runs;
  if (track.diverged > 0) {
    const first = track.statuses.filter(({ kind }) => kind === "diverged").sort((a, b) => a.step - b.step)[0];
    const all = track.diverged === runs;
    const who = runs === 1 ? "" : `${all ? "all" : track.diverged} of ${runs} runs: `;
    words.push(`${who}${track.diverged > 1 ? "first " : ""}${first.sentence}`);
  }
  if (track.diverged < runs) {
    const reached = track.passes_to_target?.reached ?? 0;
    const R = track.frames;
    const [late, last] = [track.gap_q[R + Math.floor(0.8 * (R - 1))], track.gap_q[2 * R - 1]];
    const above = last > header.target ? ", but ended above it" : "";
    if (reached === runs) words.push(`reached the target${above}`);
    else if (reached > 0) words.push(`${reached} of ${runs} runs reached the target${2 * reached >= runs ? above : ""}`);
    else if (!(last < Infinity)) words.push("");
    else if (last < 0.97 * late) words.push("still falling");
    else if (last > 1.03 * late) words.push("rising");
    else words.push("stalled");
  }
  if (track.floor_step !== null && track.floor_step !== undefined) words.push(`floor on P acted at step ${track.floor_step}`);
  return words.filter(Boolean).join("; ");
}
