// Beside the map: one cell's median run over the contours, its loss, and its P against the truth.

import { Chart, hessianCurves, lossCurves } from "../playground/charts.mjs";
import { Landscape } from "../playground/landscape.mjs";
import { short, subscript } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { diverged, sentence } from "./measures.mjs";

const CLOCK = "forwards";
const CLOSE = 0.15; // of the axis: a line of text
const WILD = 1e3; // P further than this factor from every true curvature leaves the axis

export class CellView {
  /** @param {HTMLElement[]} graphs landscape, loss, Hessian  @param {object} hooks the landscape's */
  constructor([landscape, loss, hessian], hooks) {
    this.landscape = new Landscape(landscape, hooks);
    this.loss = new Chart(loss);
    this.hessian = new Chart(hessian);
    this.title = document.getElementById("cell-title");
    this.note = document.getElementById("cell-note");
    this.lossTitle = document.getElementById("loss-title");
    this.lossKey = document.getElementById("loss-key");
    this.hessianCard = document.getElementById("hessian-chart").closest(".card");
  }

  /** The function's surface, and where its minima and the start are. */
  setGrid(grid, fresh, { dim, minima, localMinima }) {
    const flat = dim === 2;
    Object.assign(this.landscape, { theme: readTheme(), names: flat ? ["x", "y"] : grid.coords.map((j) => `θ${subscript(j)}`), minima: flat ? minima : [], localMinima: flat ? localMinima : [] });
    return this.landscape.setGrid(grid, fresh);
  }

  /** Show a cell. Everything is drawn on the canvases at once; Plotly's charts follow when the pointer rests. */
  show(map, cell, { colour, name }) {
    const trace = map.trace(cell);
    if (!trace) return;
    const { header } = map;
    const at = map.at(cell);
    const theme = readTheme();
    const look = { theme, colours: [theme.colour(colour)], titles: [name] };
    const axis = ({ symbol, unit }, value) => `${symbol} ${short(Number(value.toPrecision(4)))}${unit ? ` ${unit}` : ""}`;
    this.title.textContent = `${name}, ${axis(header.x, at.x)}, ${axis(header.y, at.y)}`;
    this.note.textContent = `${map.steps[cell]} steps of ${map.passesPerStep[cell]} passes; ${sentence(map, cell)}`.replaceAll("e-", "e\u2011"); // no line breaks inside of a number
    this.note.classList.toggle("bad", diverged(map, cell));
    Object.assign(this.landscape, look);
    this.landscape.setTrace(trace, CLOCK);
    this.landscape.draw({ time: header.forwards, playing: false });
    const spans = commonRanges(map);
    const loss = lossCurves(trace, CLOCK, look);
    const marks = new Set(loss.curves.flatMap((curve) => curve.marks ?? []).map(({ kind }) => kind));
    const key = [`median, 10–90 % of ${header.runs} runs`, ...(marks.has("cross") ? ["✕ half diverged"] : []), ...(marks.has("below") ? ["▼ below the axis"] : []), ...(marks.has("above") ? ["▲ above the axis"] : [])];
    this.lossKey.textContent = key.join("; ");
    this.lossTitle.textContent = header.reference ? "Loss − minimum" : "Loss";
    this.loss.show(steady(loss, spans.loss, header.forwards), look, header.reference ? "loss − minimum" : "loss");
    const estimates = Boolean(trace.tracks[0].h_q);
    this.hessianCard.hidden = !estimates;
    if (estimates) this.hessian.show(steady(hessianCurves(trace, CLOCK, look), spans.curvature, header.forwards), look, "curvature");
    if (this.axesOf === map.query) return;
    this.axesOf = map.query; // a new map has other axes: they do not wait for the pointer to rest
    for (const chart of estimates ? [this.loss, this.hessian] : [this.loss]) chart.commit();
  }

  restyle() {
    this.landscape.theme = readTheme();
    return this.landscape.render();
  }
}

/** A picture on the axes that all cells of a map share, so that nothing jumps from cell to cell. */
function steady(picture, common, end) {
  const range = common && picture.log ? common : picture.range;
  return { ...picture, range, labels: apart(picture.labels ?? [], range), end, clock: "forward passes" };
}

/** Labels of curves so close that they would lie on each other become one. */
function apart(labels, range) {
  const result = [];
  for (const label of labels.toSorted((a, b) => a.y - b.y)) {
    const last = result.at(-1);
    if (last && Math.log10(label.y / last.y) < CLOSE * Math.log10(range[1] / range[0])) result[result.length - 1] = { text: `${last.text}, ${label.text}`, y: label.y };
    else result.push(label);
  }
  return result;
}

/** The ranges of loss and curvature over the cells so far, widened to decades. */
function commonRanges(map) {
  const held = (map.spans ??= { done: 0, next: [], loss: [Infinity, -Infinity], curvature: [Infinity, -Infinity], seen: new Uint8Array(map.total) });
  if (held.done !== map.done) {
    const initial = map.header.initial_gap;
    for (let cell = 0; cell < map.total; cell++) {
      if (!map.known[cell] || held.seen[cell]) continue;
      held.seen[cell] = 1;
      const [track] = map.trace(cell).tracks;
      widen(held.loss, track.gap_q, initial * 1e-14, initial * 1e4);
      if (!track.h_q || diverged(map, cell)) continue;
      const truth = [Infinity, -Infinity];
      widen(truth, track.true_h.map(Math.abs), 1e-9, 1e12);
      if (!(truth[0] <= truth[1])) truth.splice(0, 2, 1, 1);
      widen(held.curvature, truth, 0, Infinity);
      widen(held.curvature, track.h_q.subarray(track.h_q.length / 3, (2 * track.h_q.length) / 3), truth[0] / WILD, truth[1] * WILD);
    }
    held.done = map.done;
  }
  return { loss: decades(held.loss), curvature: decades(held.curvature) };
}

function widen(span, values, least, most) {
  for (const value of values) {
    if (!(value > 0)) continue;
    const kept = Math.min(Math.max(value, least), most);
    if (kept < span[0]) span[0] = kept;
    if (kept > span[1]) span[1] = kept;
  }
}

const decades = ([low, high]) => (low <= high ? [10 ** Math.floor(Math.log10(low) - 0.1), 10 ** Math.ceil(Math.log10(high) + 0.1)] : null);
