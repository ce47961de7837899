// From the page's map to its pictures: what is shown of it, and what is looked at.

import { catalogue } from "../web/catalogue.mjs";
import { byId } from "../web/one.mjs";
import { facts } from "./catalogue.mjs";
import { MEASURES, best, offered } from "./measures.mjs";
import { main, page } from "./page.mjs";
import { mapQuery, optimizerSpec, runAddress } from "./spec.mjs";
import { current } from "./state.mjs";
import { say } from "./summary.mjs";

/** @import { MapData } from "./grid.mjs" */
/** @import { MeasureName } from "./measures.mjs" */

const setMeasure = (/** @type {Record<string, unknown>} */ properties) => window.dash_clientside.set_props("tuning-measure", properties);

/** The measures that the optimizer on screen has. */
const measures = () => offered(catalogue.methods[page.state.method].estimatesHessian);

/** Another optimizer is on: its colour, its axes, the measures that it has. */
export function takeMethod() {
  const { method } = page.state;
  main().dataset.method = method;
  main().style.setProperty("--colour", `var(${catalogue.methods[method].colour})`);
  const keys = measures();
  if (page.chosenMeasure && keys.includes(page.chosenMeasure)) page.measure = page.chosenMeasure;
  else if (!keys.includes(page.measure)) page.measure = "passes";
  setMeasure({ data: keys.map((value) => ({ value, label: facts.measures[value] })), value: page.measure });
  page.parts.axes.show();
}

/** A person chose a measure. @param {string} chosen */
export function lookAt(chosen) {
  if (!Object.hasOwn(MEASURES, chosen)) return;
  page.measure = page.chosenMeasure = /** @type {MeasureName} */ (chosen);
  setMeasure({ value: chosen });
  page.address.now();
  draw();
}

/** Where nobody has chosen: the passes to the target, and the final loss if nothing reaches it. @param {MapData} map */
export function chooseMeasure(map) {
  if (page.chosenMeasure && measures().includes(page.chosenMeasure)) return;
  const name = best(map, "passes") !== null ? "passes" : map.complete || map.header.target === null ? "loss" : page.measure;
  if (name !== page.measure) setMeasure({ value: (page.measure = name) });
}

/** The cell that is shown beside the map. @param {MapData} map */
function picked(map) {
  const { pointer, focus } = page.pointed;
  return pointer ?? focus ?? best(map, page.measure) ?? best(map, "loss") ?? map.cells.at(0) ?? null;
}

/** The controls' values along a map's axes. @param {MapData} map */
function here({ header }) {
  const { values } = current(page.state);
  return { x: Number(values[header.x.name]), y: Number(values[header.y.name]) };
}

export function draw() {
  const map = page.shown;
  if (!map) return;
  page.parts.picture.show(map, { measure: page.measure, best: best(map, page.measure), here: here(map), picked: picked(map) });
  tell(map);
  strip();
  showCell();
}

/** Only where the controls are has moved. @param {MapData} map */
export function stand(map) {
  const { picture } = page.parts;
  const { inside } = picture;
  picture.here(here(map));
  if (inside !== picture.inside) tell(map);
}

/** @param {MapData} map */
function tell(map) {
  const { inside, texts } = page.parts.picture;
  say(byId("map-sentence"), map, { measure: page.measure, automatic: page.chosenMeasure === null, found: best(map, page.measure), inside, texts, look: lookAt });
}

/** What the best of each optimizer's map achieves. */
export function strip() {
  const { state, parts, shown } = page;
  parts.strip.show(
    Object.entries(state.methods).map(([method, { axes }]) => {
      const query = mapQuery(state, method);
      const map = shown?.query === query ? shown : parts.maps.of(query);
      const { name, colour } = catalogue.methods[method];
      return { method, name, colour, axes, map, status: parts.maps.why(query), current: method === state.method };
    }),
  );
}

export function showCell() {
  const map = page.shown;
  if (!map || !page.grid || map.query !== mapQuery(page.state)) return;
  const cell = picked(map);
  if (cell === null) return;
  page.parts.cell.show(map, cell, catalogue.methods[page.state.method]);
  page.parts.picture.ring(cell);
}

/** A cell is under the pointer, or has the focus. @param {number | null} cell @param {"pointer" | "focus"} by */
export function point(cell, by) {
  page.pointed[by] = cell !== null && page.shown?.known[cell] ? cell : null;
  if (by === "focus" && cell !== page.chosenCell) {
    page.chosenCell = cell;
    page.address.later();
  }
  if (by === "focus" && cell !== null) page.parts.picture.rove(cell);
  showCell();
}

/** The Playground with a cell's settings. @param {number} cell */
export function addressOf(cell) {
  const map = /** @type {MapData} */ (page.shown);
  return runAddress(page.state, map.steps[cell], optimizerSpec(map.header.method, map.settings(cell)), map.header.target);
}
