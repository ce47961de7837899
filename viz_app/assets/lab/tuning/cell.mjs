// Beside the map: one cell's median run over the contours, its loss, and its P against the true diagonal.

import { Chart } from "../playground/charts.mjs";
import { hessianCurves, lossCurves } from "../playground/curves.mjs";
import { Landscape } from "../playground/landscape.mjs";
import { byId } from "../web/one.mjs";
import { subscript } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { diverged, sentence } from "./measures.mjs";
import { commonRanges, steady } from "./spans.mjs";
import { setting, unbroken } from "./words.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { MapData } from "./grid.mjs" */
/** @import { State } from "./state.mjs" */

const CLOCK = "forwards";

export class CellView {
  /** The map whose axes the charts have. */
  #axesOf = "";
  #title = byId("cell-title");
  #note = byId("cell-note");
  #lossTitle = byId("loss-title");
  #lossKey = byId("loss-key");

  /** @param {PlotlyGraph[]} graphs landscape, loss, Hessian @param {ConstructorParameters<typeof Landscape>[1]} hooks the landscape's */
  constructor([landscape, loss, hessian], hooks) {
    this.landscape = new Landscape(landscape, hooks);
    this.loss = new Chart(loss);
    this.hessian = new Chart(hessian);
    this.hessianCard = /** @type {HTMLElement} */ (hessian.closest(".card"));
  }

  /** The function's surface, and where its minima are. @param {Grid} grid @param {boolean} fresh @param {State} state */
  setGrid(grid, fresh, { dim, minima, localMinima }) {
    const flat = dim === 2;
    const [i, j] = grid.coords;
    this.landscape.theme = readTheme();
    this.landscape.names = flat ? ["x", "y"] : [`θ${subscript(i)}`, `θ${subscript(j)}`];
    this.landscape.minima = flat ? minima : [];
    this.landscape.localMinima = flat ? localMinima : [];
    return this.landscape.setGrid(grid, fresh);
  }

  /**
   * Show a cell. Everything is drawn on the canvases at once; Plotly's charts follow when the pointer rests.
   * @param {MapData} map @param {number} cell @param {{colour: string, name: string}} method
   */
  show(map, cell, { colour, name }) {
    const trace = map.trace(cell);
    if (!trace) return;
    const { header } = map;
    const at = map.at(cell);
    const theme = readTheme();
    const look = { theme, colours: [theme.colour(colour)], titles: [name] };
    this.#title.textContent = `${name}, ${setting(header.x, at.x)}, ${setting(header.y, at.y)}`;
    this.#note.textContent = unbroken(`${map.steps[cell]} steps of ${map.passesPerStep[cell]} passes; ${sentence(map, cell)}`);
    this.#note.classList.toggle("bad", diverged(map, cell));
    Object.assign(this.landscape, look);
    this.landscape.setTrace(trace, CLOCK);
    this.landscape.draw({ time: header.forwards, playing: false });
    const spans = commonRanges(map);
    const loss = lossCurves(trace, CLOCK, look);
    const marks = new Set(loss.curves.flatMap((curve) => curve.marks ?? []).map(({ kind }) => kind));
    const key = [`median, 10–90 % of ${header.runs} runs`, ...(marks.has("cross") ? ["✕ half diverged"] : []), ...(marks.has("below") ? ["▼ below the axis"] : []), ...(marks.has("above") ? ["▲ above the axis"] : [])];
    this.#lossKey.textContent = key.join("; ");
    this.#lossTitle.textContent = header.reference ? "Loss − minimum" : "Loss";
    this.loss.show(steady(loss, spans.loss, header.forwards), look, header.reference ? "loss − minimum" : "loss");
    const estimates = Boolean(trace.tracks[0].h_q);
    this.hessianCard.hidden = !estimates;
    if (estimates) this.hessian.show(steady(hessianCurves(trace, CLOCK, look), spans.curvature, header.forwards), look, "curvature");
    if (this.#axesOf === map.query) return;
    this.#axesOf = map.query; // a new map has other axes: they do not wait for the pointer to rest
    for (const chart of estimates ? [this.loss, this.hessian] : [this.loss]) chart.commit();
  }

  restyle() {
    this.landscape.theme = readTheme();
    return this.landscape.render();
  }
}
