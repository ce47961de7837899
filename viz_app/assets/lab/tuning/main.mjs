// The Tuning page: controls → map's spec → map, cell by cell → pictures. The state is one object.

import { functionSpec } from "../playground/link.mjs";
import { catalogue, fieldOf, passes } from "../web/catalogue.mjs";
import { plotlyGraph } from "../web/graph.mjs";
import { Landscapes } from "../web/landscapes.mjs";
import { rowOf } from "../web/messages.mjs";
import { byId } from "../web/one.mjs";
import { Opening } from "../web/opening.mjs";
import { movedTo, pointOf } from "../web/point.mjs";
import { shown as written } from "../web/widgets.mjs";
import { AxisControls } from "./axes.mjs";
import { axisErrors } from "./axischeck.mjs";
import { fieldAlong } from "./catalogue.mjs";
import { CellView } from "./cell.mjs";
import { Controls } from "./controls.mjs";
import { addressOf, chooseMeasure, draw, lookAt, point, showCell, stand, strip, takeMethod } from "./drawing.mjs";
import { lament, show as complain } from "./errors.mjs";
import { Maps } from "./maps.mjs";
import { MEASURES, best } from "./measures.mjs";
import { main, mapIsOn, page } from "./page.mjs";
import { Picture } from "./picture.mjs";
import { mapQuery, matchAxes, otherFunction, pageQuery, runAddress } from "./spec.mjs";
import { current } from "./state.mjs";
import { Strip } from "./strip.mjs";
import { Tune } from "./tune.mjs";
import { readView, viewHash } from "./view.mjs";

/** @import { Point } from "../web/point.mjs" */
/** @import { MapData } from "./grid.mjs" */
/** @import { MeasureName } from "./measures.mjs" */
/** @import { Axes, Settings, State } from "./state.mjs" */
/** @import { Answer } from "./tune.mjs" */
/** A control's card and name. @typedef {{slot: string, name: string}} Place */

/** @param {string} id @param {Record<string, unknown>} properties */
const setProps = (id, properties) => window.dash_clientside.set_props(id, properties);

/** The page's parts, once they are asked for. @type {Promise<void> | null} */
let building = null;

const { promise: ready, resolve: isReady } = Promise.withResolvers();
/** Kept when a spec has been opened for the first time. */
export { ready };

/** The estimators' tab. @type {typeof import("../estimators/main.mjs") | null} */
let estimators = null;

// ---- entries for Dash's callbacks: (values, what triggered) ----

/** A spec was opened: from the address or the function list. @param {[State | null]} values */
export async function open([opened]) {
  if (!opened) return;
  await (building ??= build());
  opening.arrived();
  const asked = page.opened === null && !mapIsOn(); // somebody was quicker than the page
  page.opened = opened;
  landscapes.clear();
  setProps("tuning-method", { value: opened.method });
  const view = readView();
  page.chosenMeasure = view.measure && Object.hasOwn(MEASURES, view.measure) ? /** @type {MeasureName} */ (view.measure) : null;
  page.chosenCell = view.cell;
  const { parts, shown } = page;
  parts.controls.open();
  takeMethod();
  accept();
  if (shown?.query === mapQuery(opened)) {
    chooseMeasure(shown);
    draw();
    parts.picture.focus(page.chosenCell);
  }
  const wanted = asked || location.hash.startsWith("#lab") ? "estimators" : "map";
  if (wanted !== main().dataset.tab) setProps("tuning-tab", { value: wanted });
  else tab([wanted]);
  isReady(null);
}

/** @param {[string]} values */
export function chooseFunction([family]) {
  if (!page.opened) return;
  if (family === page.state.family) return opening.stay();
  opening.go(`/tuning?${otherFunction(page.state, family)}${viewHash({ measure: page.chosenMeasure, cell: null })}`);
}

/** @param {[string]} values */
export function method([chosen]) {
  if (!page.opened || !page.state.methods[chosen] || chosen === page.state.method) return;
  page.state.method = chosen;
  page.chosenCell = null;
  takeMethod();
  changed();
}

/** @param {[string]} values "map" or "estimators" */
export function tab([chosen]) {
  page.address.flush();
  main().dataset.tab = chosen;
  if (!page.opened) return; // `open` will see to it
  if (chosen === "estimators") return openEstimators();
  estimators?.leave();
  if (location.hash.startsWith("#lab")) history.replaceState(history.state, "", `${location.pathname}${location.search}`);
  if (page.state.errors.length) refresh(); // the address stays as it was pasted, so that it can be corrected
  else {
    changed();
    page.address.now();
  }
}

const opening = new Opening(
  "tuning-go",
  {
    flush: () => page.address.flush(),
    drop() {
      page.address.drop();
      estimators?.leave(); // it is on again when what was asked for is there
    },
  },
  () => page.opened && setProps("function", { value: page.state.family }),
);

/** @param {[string | null]} values @param {Place} place */
export const field = ([text], { slot, name }) => page.opened && page.parts.controls.field(text, slot, name);
/** @param {[string]} values @param {Place} place */
export const choice = ([value], { slot, name }) => page.opened && page.parts.controls.choice(value, slot, name);
/** @param {[number | null]} values @param {Place} place */
export const reset = ([clicks], { slot, name }) => clicks && page.opened && page.parts.controls.reset(slot, name);

// ---- from the state to its map ----

/** @param {Partial<Axes>} axes @param {"x" | "y"} edited */
function setAxes(axes, edited) {
  const slot = current(page.state);
  Object.assign(slot.axes, axes);
  Object.assign(slot, { edited, touched: true });
  page.parts.axes.show();
  changed();
}

/** The state has changed: the address follows, and what is drawn. */
function changed() {
  page.state.errors = [];
  page.address.later();
  refresh();
}

/** All is well with the controls; what was wrong with the address is still said. */
function accept() {
  complain([], page.state);
  lament(page.state.errors, changed);
}

/** Ask for the state's map, and for the landscape if that changed too. */
function refresh() {
  if (!mapIsOn()) return; // it is computed when it is looked at
  const { state, shown, parts } = page;
  const { axes, edited } = current(state);
  const wrong = axisErrors(axes, (name) => fieldAlong(state.method, name).scale, edited);
  if (wrong.length) return complain(wrong, state);
  landscapes.request();
  if (shown?.query === mapQuery(state)) {
    accept();
    stand(shown);
    return parts.maps.resume(shown);
  }
  parts.tune.stop();
  parts.maps.ask();
}

const landscapes = new Landscapes({
  place: () => `f=${encodeURIComponent(functionSpec(page.state))}${page.state.dim > 2 ? "&coords=0,1" : ""}`,
  take(grid, whole) {
    page.grid = grid;
    page.parts.cell.setGrid(grid, whole, page.state).then(showCell);
    placeStart();
  },
  refused: (error) => complain(error.errors, page.state),
});

/** A map that is wanted has grown, or is complete. @param {MapData} map */
function take(map) {
  if (page.shown === map && map.drawn) return;
  accept();
  if (page.shown !== map) page.pointed = { pointer: null, focus: null };
  page.shown = map;
  chooseMeasure(map);
  map.drawn = map.complete;
  draw();
  const { picture } = page.parts;
  const cell = page.chosenCell;
  if (cell !== null && map.known[cell] && (document.activeElement === document.body || picture.focused)) picture.focus(cell);
  document.dispatchEvent(new CustomEvent("lab:map", { detail: { query: map.query, done: map.done, total: map.total } }));
}

/** The queries of the other optimizers' maps, each with as many settings as the one on screen. */
function others() {
  const { state, shown } = page;
  if (shown) matchAxes(state, [shown.nx, shown.ny]);
  return Object.keys(state.methods).filter((name) => name !== state.method).map((name) => mapQuery(state, name));
}

// ---- tuning and the start ----

/** Move the controls; those that moved. @param {Settings} settings */
function put(settings) {
  const { method: key } = page.state;
  const moved = Object.entries(settings).filter(([name, value]) => value !== current(page.state).values[name]);
  for (const [name, value] of moved) page.parts.controls.change(key, name, value);
  return moved.map(([name]) => name);
}

/** Move the controls to what the search found, and mark those that moved. @param {Answer} answer */
function found({ opt, best: settings, target }) {
  const { state } = page;
  for (const name of put(settings)) rowOf(state.method, name)?.classList.add("tuned");
  const n = Number(settings.n ?? current(state).values.n ?? 1);
  return runAddress(state, Math.floor(state.forwards / passes(catalogue.methods[state.method].cost, n, settings.lr)), opt, target);
}

/** Why a cell on screen is better than what was found, by what the map shows, if one is. @param {Answer} answer */
function beaten({ score, target }) {
  const { shown, measure } = page;
  if (!shown || target === null || (measure !== "loss" && measure !== "passes")) return "";
  const cell = best(shown, measure);
  const [mine, its] = [score[measure] ?? Infinity, cell === null ? Infinity : shown.figures[measure][cell]];
  if (!(its < mine * (1 - 1e-5))) return ""; // the map's numbers are rounded
  return measure === "loss" ? "★ on the map has a lower final loss: the search looks for the fewest passes to the target, and the map shows the loss. " : "★ on the map needs fewer passes, but some of its runs diverge, or it was computed after the search. ";
}

/** @param {string} name @param {number | string} value */
function settingWords(name, value) {
  const { label, symbol } = fieldOf(page.state.method, name) ?? { label: name, symbol: "" };
  return `${symbol && label.includes(symbol) ? symbol : label} ${written(value)}`;
}

/** The coordinates in the picture. @type {[number, number]} */
const SHOWN = [0, 1];

const placeStart = () => page.parts.cell.landscape.setStart(pointOf(page.state.x0, SHOWN));

/** @param {Point} at @param {boolean} done */
function moveStart(at, done) {
  if (!done || !page.grid) return page.parts.cell.landscape.setStart(at);
  page.parts.controls.change("run", "x0", movedTo(at, page.state.x0, page.state.dim, SHOWN, page.grid));
}

async function openEstimators() {
  const linked = location.hash.startsWith("#lab");
  if (!linked) history.replaceState(history.state, "", `${location.pathname}${location.search}#lab`);
  estimators = await import("../estimators/main.mjs");
  if (!mapIsOn()) estimators.open(byId("estimators"), page.state, linked);
}

// ---- once ----

async function build() {
  const graphs = await Promise.all(["landscape", "loss-chart", "hessian-chart"].map(plotlyGraph));
  page.built = {
    cell: new CellView(graphs, { start: moveStart, moved: (ranges) => landscapes.moved(ranges) }),
    picture: new Picture(byId("map"), { pick: point, address: addressOf }),
    axes: new AxisControls(byId("axes"), { state: () => page.state, changed: setAxes, values: async (which) => (await page.parts.maps.header())[which].values }),
    strip: new Strip(byId("strip"), (chosen) => setProps("tuning-method", { value: chosen })),
    tune: new Tune(byId("tune"), { query: () => pageQuery(page.state), values: () => current(page.state).values, found, put, words: settingWords, beaten, failed: (error) => complain(error.errors, page.state) }),
    controls: new Controls(byId("tuning-controls"), () => page.opened, (_, name) => {
      if (name === "x0") placeStart();
      changed();
    }),
    maps: new Maps({ wanted: () => mapQuery(page.state), take, refused: (error) => complain(error.errors, page.state), others, told: strip }),
  }; // prettier-ignore
  byId("map").addEventListener("click", () => page.address.flush(), true); // before the cell's link is followed
  // The page sets this switch too; an event of the browser's is a person's choice.
  byId("tuning-measure").addEventListener("change", ({ target }) => target instanceof HTMLInputElement && lookAt(target.value));
  document.addEventListener("lab:theme", () => {
    if (!page.shown) return;
    page.parts.picture.restyle();
    page.parts.cell.restyle().then(draw);
  });
}
