// Beside the map: a cell's runs in numbers, and their curves.

import { LiveChart } from "../finetuning/livechart.mjs";
import { methodOf, nameOf } from "../finetuning/facts.mjs";
import { html, nothing, render } from "../vendor/lit.mjs";
import { setting, unbroken } from "../tuning/words.mjs";
import { byId } from "../web/one.mjs";
import { count, reading } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { median } from "./data.mjs";
import { sentence, stopped } from "./measures.mjs";

/** @import { Picture } from "../finetuning/pictures.mjs" */
/** @import { Cell, ModelMap } from "./data.mjs" */

/** Where a curve's numbers are in a cell's `curve`. */
const COLUMN = { loss: 1, accuracy: 2 };
const ROOM = 0.06; // of the range of y, above and below
const NO_INSTANT = { time: null, heads: [] };

export class CellView {
  #root = byId("mm-cell");
  #charts = { loss: new LiveChart(byId("mm-loss"), () => {}), accuracy: new LiveChart(byId("mm-accuracy"), () => {}) };

  /** @param {ModelMap} map @param {number | null} cell @param {(cell: number) => string} address */
  show(map, cell, address) {
    const { header } = map;
    if (cell === null) {
      render(html`<h2>Cell</h2><p class="note">The curves of a cell's runs are shown here as soon as one is computed.</p>`, this.#root);
      return;
    }
    const at = map.at(cell);
    const jobs = map.jobs[cell];
    const title = `${nameOf(header.method)}, ${setting(header.x, at.x)}, ${setting(header.y, at.y)}`;
    render(
      html`<h2 id="cell-title">${title}</h2><p id="mm-note" class="note ${stopped(map, cell) ? "bad" : ""}">${unbroken(sentence(map, cell))}.</p>
        ${jobs.length > 1 ? html`<ul class="mm-seeds">${jobs.map((job) => html`<li>seed ${job.seed}: ${job.stopped ?? html`loss ${reading(job.loss ?? NaN)}, accuracy ${(100 * (job.accuracy ?? NaN)).toFixed(1)} %`}, ${count(job.forwards)} passes</li>`)}</ul>` : nothing}
        <p><a href=${address(cell)}>Open as a run on the Language model page</a></p>`,
      this.#root,
    ); // prettier-ignore
    const theme = readTheme();
    const colour = theme.colour(methodOf(header.method)?.colour ?? "--ink");
    for (const name of /** @type {const} */ (["loss", "accuracy"])) {
      const picture = pictureOf(map, cell, name, colour);
      const version = JSON.stringify([picture, theme.ink, theme.panel, theme.size]);
      this.#charts[name].show(version, () => picture, NO_INSTANT, theme);
    }
  }
}

/** A cell's curves: each seed thin, their median bold. The axis is the whole map's, so that cells can be compared. @param {ModelMap} map @param {number} cell @param {"loss" | "accuracy"} name @param {string} colour @returns {Picture} */
export function pictureOf(map, cell, name, colour) {
  const factor = name === "accuracy" ? 100 : 1;
  const column = COLUMN[name];
  const points = (/** @type {Cell} */ job) => job.curve.map((row) => factor * (row[column] ?? NaN));
  const jobs = map.jobs[cell];
  const shared = jobs.length > 1 ? Math.min(...jobs.map(({ curve }) => curve.length)) : 0;
  const middle = Array.from({ length: shared }, (_, i) => median(jobs.map((job) => points(job)[i])));
  const weight = /** @type {"bold" | "thin"} */ (shared ? "thin" : "bold");
  /** @type {Picture["curves"]} */
  const curves = jobs.map((job) => ({ name: `seed ${job.seed}`, part: "", colour, x: job.curve.map(([passes]) => passes), y: points(job), weight, dots: jobs.length === 1 }));
  const all = map.jobs.flatMap((others, other) => (stopped(map, other) ? [] : others)).concat(jobs).flatMap(points).filter(Number.isFinite); // prettier-ignore
  const [low, high] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
  const room = ROOM * (high - low || 1);
  return {
    curves: shared ? [...curves, { name: "median", part: "", colour, x: jobs[0].curve.slice(0, shared).map(([passes]) => passes), y: middle, weight: "bold", dots: true }] : curves,
    levels: jobs.length ? [points(jobs[0])[0]] : [],
    marks: [],
    log: false,
    range: [low - room, high + room],
    end: map.header.forwards,
    clock: "forward passes",
    xlabel: "forward passes",
    ylabel: name === "accuracy" ? "accuracy" : "loss",
    format: name === "accuracy" ? ".1f" : ".3f",
    unit: name === "accuracy" ? " %" : "",
  };
}
