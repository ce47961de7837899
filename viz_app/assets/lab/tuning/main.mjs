// The Tuning page: controls → map's spec → map, cell by cell → pictures. The state is one object.

import { Address } from "../web/address.mjs";
import { asking, stop } from "../web/asking.mjs";
import { inFrame } from "../web/frame.mjs";
import { plotlyGraph } from "../web/graph.mjs";
import { Landscapes } from "../web/landscapes.mjs";
import { SpecError } from "../web/latest.mjs";
import { functionSpec } from "../playground/link.mjs";
import { rowOf } from "../web/messages.mjs";
import { Opening } from "../web/opening.mjs";
import { movedTo, pointOf } from "../web/point.mjs";
import { short } from "../web/scale.mjs";
import { Axes } from "./axes.mjs";
import { axisErrors } from "./axischeck.mjs";
import { CellView } from "./cell.mjs";
import { Controls } from "./controls.mjs";
import { lament, show as complain } from "./errors.mjs";
import { MapData } from "./grid.mjs";
import { MEASURES, best, offered } from "./measures.mjs";
import { Picture } from "./picture.mjs";
import { say } from "./summary.mjs";
import { mapQuery, matchAxes, optimizerSpec, otherFunction, pageQuery, runAddress } from "./spec.mjs";
import { readMessages } from "./stream.mjs";
import { Strip } from "./strip.mjs";
import { Tune } from "./tune.mjs";
import { readView, viewHash } from "./view.mjs";

const { set_props: setProps } = window.dash_clientside;
const element = (id) => document.getElementById(id);
const KEPT = 8; // finished maps that are kept, so that going back needs no computing

/** What the controls say; everything drawn follows from it. */
let state = null;
let parts = null;
let grid = null;
let shown = null; // the map on screen
let building = null;
let lab = null; // the estimator lab's module
let measureName = "passes";
let chosenMeasure = null; // by a person or a link; null: the passes, or where nothing reaches the target the final loss
const pointed = { pointer: null, focus: null };
let chosenCell = null; // opened before, or reached with the keyboard: focused when its map is there
/** Finished maps by query, oldest first. @type {Map<string, MapData>} */
const finished = new Map();

// ---- entries for Dash's callbacks: (values, what triggered) ----

/** A spec was opened: from the address or the function list. */
export async function open([page]) {
  if (!page) return;
  building ??= build(page);
  await building;
  opening.arrived();
  const asked = state === null && !mapIsOn(); // somebody was quicker than the page
  state = page;
  landscapes.clear();
  setProps("tuning-method", { value: state.method });
  const view = readView();
  chosenMeasure = MEASURES[view.measure] ? view.measure : null;
  chosenCell = view.cell;
  parts.controls.open(state);
  takeMethod();
  accept();
  if (shown?.query === mapQuery(state)) {
    chooseMeasure();
    draw();
    parts.picture.focus(chosenCell);
  }
  const wanted = asked || location.hash.startsWith("#lab") ? "estimators" : "map";
  if (wanted !== document.querySelector("main").dataset.tab) setProps("tuning-tab", { value: wanted });
  else tab([wanted]);
}

export function chooseFunction([family]) {
  if (!state) return;
  if (family === state.family) return opening.stay();
  opening.go(`/tuning?${otherFunction(state, family)}${viewHash({ measure: chosenMeasure, cell: null })}`);
}

export function method([chosen]) {
  if (!state || !state.methods[chosen] || chosen === state.method) return;
  state.method = chosen;
  chosenCell = null;
  takeMethod();
  changed();
}

/** A person chose a measure. */
function lookAt(chosen) {
  setProps("tuning-measure", { value: (measureName = chosenMeasure = chosen) });
  addressBar.now();
  draw();
}

/** Where nobody has chosen: the passes to the target, and the final loss if nothing reaches it. */
function chooseMeasure() {
  if (chosenMeasure && offered(current().estimates).includes(chosenMeasure)) return;
  const name = best(shown, "passes") !== null ? "passes" : shown.complete || shown.header.target === null ? "loss" : measureName;
  if (name !== measureName) setProps("tuning-measure", { value: (measureName = name) });
}

export function tab([chosen]) {
  addressBar.flush();
  document.querySelector("main").dataset.tab = chosen;
  if (!state) return; // `open` will see to it
  if (chosen === "estimators") return openLab();
  lab?.leave();
  if (location.hash.startsWith("#lab")) history.replaceState(history.state, "", `${location.pathname}${location.search}`);
  if (state.errors.length) refresh(); // the address stays as it was pasted, so that it can be corrected
  else {
    changed();
    addressBar.now();
  }
}
const mapIsOn = () => document.querySelector("main").dataset.tab === "map";

/** The map's address; the lab writes its own. */
const addressBar = new Address(() => (state && mapIsOn() && !state.errors.length ? `/tuning?${pageQuery(state)}${viewHash({ measure: chosenMeasure, cell: chosenCell })}` : null));
const opening = new Opening("tuning-go", {
  flush: () => addressBar.flush(),
  drop() {
    addressBar.drop();
    lab?.leave(); // it is on again when what was asked for is there
  },
}, () => state && setProps("function", { value: state.family }));

export const field = ([text], { slot, name }) => state && parts.controls.field(text, slot, name);
export const choice = ([value], { slot, name }) => state && parts.controls.choice(value, slot, name);
export const reset = ([clicks], { slot, name }) => clicks && state && parts.controls.reset(slot, name);

// ---- state ----

const current = () => state.methods[state.method];

/** Another optimizer is on: its card, its axes, the measures it has. */
function takeMethod() {
  const main = document.querySelector("main");
  main.dataset.method = state.method;
  main.style.setProperty("--colour", `var(${current().colour})`);
  const keys = offered(current().estimates);
  if (keys.includes(chosenMeasure)) measureName = chosenMeasure;
  else if (!keys.includes(measureName)) measureName = "passes";
  setProps("tuning-measure", { data: keys.map((value) => ({ value, label: MEASURES[value].label })), value: measureName });
  parts.axes.show(current().axes, current().options);
}

function setAxes(axes, edited) {
  Object.assign(current().axes, axes);
  current().edited = edited;
  current().touched = true;
  parts.axes.show(current().axes, current().options);
  changed();
}

/** The state has changed: the address follows, and what is drawn. */
function changed() {
  state.errors = [];
  addressBar.later();
  refresh();
}

/** All is well with the controls; what was wrong with the address is still said. */
function accept() {
  complain([], state);
  lament(state.errors, changed);
}

/** Ask for the state's map, and for the landscape if that changed too. */
function refresh() {
  if (!mapIsOn()) return; // it is computed when it is looked at
  const wrong = axisErrors(current().axes, current().options, current().edited);
  if (wrong.length) return complain(wrong, state);
  const query = mapQuery(state);
  landscapes.request();
  if (shown?.query === query) {
    accept();
    stand();
    if (!shown.complete) return maps.request(query); // it may be under way already
    stop(maps);
    return background.resume();
  }
  background.stop();
  parts.tune.stop();
  if (!finished.has(query)) return maps.request(query);
  stop(maps);
  complete(finished.get(query));
}

const landscapes = new Landscapes({
  place: () => `f=${encodeURIComponent(functionSpec(state))}${state.dim > 2 ? "&coords=0,1" : ""}`,
  take(answer, whole) {
    grid = answer;
    parts.cell.setGrid(answer, whole, state).then(showCell);
    placeStart();
  },
  refused: (error) => complain(error.errors, state),
});

/** Read a map, and call `drawn` as it grows, at most once a frame: an error in drawing is none of the server's. */
async function read(query, signal, drawn) {
  let map = null;
  const asked = performance.now();
  const soon = inFrame(() => signal.aborted || drawn(map));
  await readMessages(`/api/map/stream?${query}`, signal, (answer) => {
    const { kind } = answer.header;
    if (kind === "map") map = new MapData(answer.header, query);
    else if (kind === "cells") map.take(answer);
    else map.finish(answer.header, (performance.now() - asked) / 1000);
    if (kind !== "map") soon();
  });
  return map;
}

const maps = asking(
  (query, signal) => read(query, signal, (map) => {
    if (mapQuery(state) === query && !map.drawn) take(map);
  }),
  (map, query) => {
    keep(map);
    if (mapQuery(state) === query) complete(map);
  },
  (error, query) => mapQuery(state) === query && complain(error.errors, state),
);

function keep(map) {
  finished.delete(map.query);
  finished.set(map.query, map);
  if (finished.size > KEPT) finished.delete(finished.keys().next().value);
}

/** A map is on screen and complete: the other optimizers' turn. */
function complete(map) {
  if (shown !== map || !map.drawn) take(map);
  background.start();
}

function take(map) {
  accept();
  if (shown !== map) Object.assign(pointed, { pointer: null, focus: null });
  shown = map;
  chooseMeasure();
  map.drawn = map.complete;
  draw();
  if (map.known[chosenCell] && (document.activeElement === document.body || parts.picture.focused)) parts.picture.focus(chosenCell);
  document.dispatchEvent(new CustomEvent("lab:map", { detail: { query: map.query, done: map.done, total: map.total } }));
}

/** The other optimizers' maps, one after another, while nothing else is asked for. */
const background = {
  controller: null,
  /** Why there is none, by query. @type {Map<string, string>} */
  failed: new Map(),
  stop() {
    this.controller?.abort();
    this.controller = null;
  },
  /** Start, unless it has been started and neither stopped nor failed since. */
  resume() {
    if (!this.controller) this.start();
  },
  async start() {
    this.stop();
    matchAxes(state, [shown.nx, shown.ny]);
    this.failed.clear();
    const { signal } = (this.controller = new AbortController());
    let away = false;
    for (const other of Object.keys(state.methods)) {
      const query = mapQuery(state, other);
      if (other === state.method || finished.has(query)) continue;
      try {
        keep(await read(query, signal, (map) => parts.strip.show(other, map, "", state.method, state.methods[other])));
      } catch (error) {
        if (signal.aborted) return;
        const refused = error instanceof SpecError;
        away ||= !refused;
        this.failed.set(query, refused ? error.errors[0].message : "no answer");
      }
      if (signal.aborted) return;
      strip();
    }
    if (away) this.controller = null;
  },
};

// ---- drawing ----

const picked = () => pointed.pointer ?? pointed.focus ?? best(shown, measureName) ?? best(shown, "loss") ?? firstKnown();
const firstKnown = () => {
  const cell = shown.known.indexOf(1);
  return cell < 0 ? null : cell;
};

function here() {
  const { values } = current();
  return { x: Number(values[shown.header.x.name]), y: Number(values[shown.header.y.name]) };
}

function draw() {
  if (!shown) return;
  parts.picture.show(shown, { measure: measureName, best: best(shown, measureName), here: here(), picked: picked() });
  tell();
  strip();
  showCell();
}

/** Only where the controls are has moved. */
function stand() {
  const { inside } = parts.picture;
  parts.picture.here(here());
  if (inside !== parts.picture.inside) tell();
}

const tell = () => say(element("map-sentence"), shown, { measure: measureName, automatic: chosenMeasure === null, found: best(shown, measureName), inside: parts.picture.inside, texts: parts.picture.texts, look: lookAt });

function strip() {
  for (const [key, { method: name }] of Object.entries(state.methods)) {
    const query = mapQuery(state, name);
    parts.strip.show(key, shown?.query === query ? shown : (finished.get(query) ?? null), background.failed.get(query) ?? "waiting", state.method, state.methods[key]);
  }
}

function showCell() {
  if (!shown || shown.query !== mapQuery(state)) return;
  const cell = picked();
  if (cell === null || !grid) return;
  parts.cell.show(shown, cell, current());
  parts.picture.ring(cell);
}

function point(cell, by) {
  pointed[by] = cell !== null && shown?.known[cell] ? cell : null;
  if (by === "focus" && cell !== chosenCell) {
    chosenCell = cell;
    addressBar.later();
  }
  if (by === "focus" && cell !== null) parts.picture.rove(cell);
  if (shown && grid) showCell();
}

/** The Playground with a cell's settings. */
function address(cell) {
  const settings = Object.fromEntries(Object.entries(shown.settings(cell)).map(([name, value]) => [name, typeof value === "number" ? plain(value) : value]));
  return runAddress(state, shown.steps[cell], optimizerSpec(shown.header.method, settings), shown.header.target);
}

/** The shortest text that reads back as the same number, written as the spec writes it. */
const plain = (value) => String(value).replace("e+", "e");

// ---- tuning and the start ----

/** Move the controls; those that moved. */
function put(settings) {
  const moved = Object.entries(settings).filter(([name, value]) => value !== current().values[name]);
  for (const [name, value] of moved) parts.controls.change(state.method, name, value);
  return moved.map(([name]) => name);
}

/** Move the controls to what the search found, and mark those that moved. */
function found({ opt, best: settings, target }) {
  for (const name of put(settings)) rowOf(state.method, name)?.classList.add("tuned");
  const { fixed, perDirection } = current().passes;
  const steps = Math.floor(state.forwards / (fixed + perDirection * (settings.n ?? current().values.n ?? 1)));
  return runAddress(state, steps, opt, target);
}

function settingWords(name, value) {
  const { label, symbol } = current().options.find((option) => option.name === name) ?? { label: name };
  return `${symbol && label.includes(symbol) ? symbol : label} ${short(value)}`;
}

const SHOWN = [0, 1]; // the coordinates in the picture

const placeStart = () => parts.cell.landscape.setStart(pointOf(state.x0, SHOWN));

function moveStart(point, done) {
  if (!done) return parts.cell.landscape.setStart(point);
  parts.controls.change("run", "x0", movedTo(point, state.x0, state.dim, SHOWN, grid));
}

async function openLab() {
  const linked = location.hash.startsWith("#lab");
  if (!linked) history.replaceState(history.state, "", `${location.pathname}${location.search}#lab`);
  lab = await import("../estimators/main.mjs");
  if (!mapIsOn()) lab.open(element("estimators"), state, linked);
}

// ---- once ----

async function build(page) {
  const graphs = await Promise.all(["landscape", "loss-chart", "hessian-chart"].map(plotlyGraph));
  const cell = new CellView(graphs, {
    start: moveStart,
    moved: (ranges) => landscapes.moved(ranges),
  });
  parts = {
    cell,
    picture: new Picture(element("map"), { pick: point, address }),
    axes: new Axes(element("axes"), setAxes),
    strip: new Strip(element("strip"), Object.values(page.methods), (chosen) => setProps("tuning-method", { value: chosen })),
    tune: new Tune(element("tune"), { query: () => pageQuery(state), values: () => current().values, found, put, words: settingWords, failed: (error) => complain(error.errors, state) }),
    controls: new Controls(element("tuning-controls"), (slot, name) => {
      if (name === "x0") placeStart();
      changed();
    }),
  };
  element("map").addEventListener("click", () => addressBar.flush(), true); // before the cell's link is followed
  // The page sets this switch too; an event of the browser's is a person's choice.
  element("tuning-measure").addEventListener("change", (event) => lookAt(event.target.value));
  document.addEventListener("lab:theme", () => {
    if (!shown) return;
    parts.picture.restyle();
    parts.cell.restyle().then(draw);
  });
}
