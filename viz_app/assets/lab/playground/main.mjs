// The Playground: controls → spec → trace → pictures. The state is one object; everything drawn follows from it.

import { Address } from "../web/address.mjs";
import { asking, stop } from "../web/asking.mjs";
import { Chart } from "./charts.mjs";
import { drawMoment, dress, neighbour, redraw, setText, settle } from "./drawing.mjs";
import { showForks } from "./forkcards.mjs";
import { Forks } from "./forks.mjs";
import { History } from "./history.mjs";
import { plotlyGraph } from "../web/graph.mjs";
import { Landscape } from "./landscape.mjs";
import { Landscapes } from "../web/landscapes.mjs";
import { fetchBytes } from "../web/latest.mjs";
import { functionSpec, otherFunction, toQuery } from "./link.mjs";
import { busy, complain, message, rowOf, undo } from "../web/messages.mjs";
import { Microscope } from "./microscope/panel.mjs";
import { Opening } from "../web/opening.mjs";
import { CLOCKS, clockKey, element, names, page, timeOf } from "./page.mjs";
import { Player } from "./player.mjs";
import { Readings } from "./readings.mjs";
import { fromSlider, toSlider } from "../web/scale.mjs";
import { address, forget, linkedView, viewOf, watchSharing, zoomedTo } from "./share.mjs";
import { watchSliders } from "../web/sliders.mjs";
import { MOST, adopt, find, readNames, remove, running, settings } from "./slots.mjs";
import { placeStart, startAt } from "./start.mjs";
import { watchSurface } from "./surface.mjs";
import { readTheme } from "../web/theme.mjs";
import { clockLength, decodeTrace } from "./trace.mjs";
import { mark, optimizerOf, presetOf, rangeOf, read, showValue, tuned } from "./values.mjs";
import { noNumber, numberIn, shown } from "../web/widgets.mjs";

const { set_props: setProps } = window.dash_clientside;

let building = null;
let zoomTo = null; // what a link asks for, until the landscape is there

/** People who asked for less motion get the end of a run at once. */
const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---- entries for Dash's callbacks: (values, what triggered) ----

/** A spec was opened: from the address, the function list, a copied optimizer or the history. */
export async function open([opened]) {
  if (!opened) return;
  building ??= build();
  await building;
  const { parts } = page;
  opening.arrived();
  const first = page.state === null;
  const view = linkedView();
  const state = (page.state = { ...opened, view: { coords: view.coords ?? "0,1", target: view.target ?? "" } });
  if (state.view.target && !(Number(state.view.target) > 0)) {
    state.errors.push({ field: "target", message: `target = “${state.view.target}”: must be a number above 0` });
    state.view.target = "";
  }
  page.trace = page.drawn = null;
  landscapes.clear();
  parts.forks.clear();
  adopt(state);
  readNames(state, view.names ?? "");
  if (view.hessian === "sorted") setProps("hessian-view", { value: (page.hessian = "sorted") });
  takeDimension();
  if (state.errors.length) compute(); // the address stays as it was pasted, so that it can be corrected
  else changed();
  lament();
  for (const slot of state.slots) if (!slot.parent) for (const key of Object.keys(slot.values)) mark(slot.slot, key);
  for (const key of Object.keys(state.parameters)) mark("function", key);
  for (const key of ["steps", "runs"]) mark("run", key);
  if ("t" in view) parts.player.seek(Number(view.t) || 0);
  else if (first) parts.player.part = stillness() ? 1 : 0;
  if (CLOCKS.includes(view.clock)) setProps("clock", { value: (page.clock = view.clock) });
  zoomTo = view.x && view.y ? { "xaxis.range": view.x.split(",").map(Number), "yaxis.range": view.y.split(",").map(Number) } : null;
  if (state.dim > 2 && state.view.coords !== "0,1") setProps({ role: "field", slot: "view", name: "coords" }, { value: state.view.coords });
  parts.autoplay = parts.player.part === 0 && !("t" in view);
}

export function chooseFunction([family]) {
  if (!page.state) return;
  if (family === page.state.family) return opening.stay();
  go(otherFunction(page.state, family), {}, () => (page.parts.player.part = stillness() ? 1 : 0));
}

export function duplicate(_, trigger) {
  if (!page.state || !trigger) return;
  const state = structuredClone(page.state);
  const slot = find(state, trigger.slot);
  if (!slot) return;
  if (running(state).length >= MOST) return message(`at most ${MOST} optimizers run side by side`);
  slot.on = true;
  go(`${toQuery(state)}&${toQuery({ ...state, slots: [slot] }).split("&").at(-1)}`, viewOf(state));
}

export function clock([value]) {
  if (value !== page.clock) forget("clock");
  page.clock = value;
  refresh();
}

export function hessianView([value]) {
  if (value !== page.hessian) forget("hessian");
  page.hessian = value;
  refresh();
}

function refresh() {
  if (!page.trace) return;
  redraw();
  settle();
}

export function field([text], { slot, name }) {
  if (text === null || text === undefined) return;
  if (text === shown(read(slot, name))) {
    if (rowOf(slot, name)?.classList.contains("error")) compute(); // it is right again
    return;
  }
  const isText = slot === "view" || name === "x0" || name === "expr";
  const preset = name === "seed" || name === "noise" ? 0 : presetOf(slot, name);
  if (text.trim() === "" && preset !== undefined) return change(slot, name, preset);
  if (isText) return change(slot, name, text.trim(), "field");
  const number = numberIn(text);
  if (Number.isFinite(number)) return change(slot, name, number, "field");
  stop(traces); // its answer would take back what is said here
  complain([noNumber(slot, name, text)], page.state);
}

export function choice([value], { slot, name }) {
  if (value === read(slot, name)) return;
  const own = settings(page.state, page.parts.forks.edited(slot));
  const follow = name === "estimator" && !page.parts.forks.on && Object.entries(tuned(slot)).every(([key, preset]) => own[key] === preset);
  change(slot, name, value, "choice");
  // Settings that nobody has touched become those tuned for the new estimator.
  if (follow) for (const [key, preset] of Object.entries(tuned(slot))) change(slot, key, preset);
  else if (name === "estimator") for (const key of Object.keys(own)) mark(slot, key);
}

export function reset([clicks], { slot, name }) {
  if (clicks) change(slot, name, presetOf(slot, name));
}

const switchSlot = ([on], { slot }) => {
  const found = page.state && find(page.state, slot);
  if (!found || found.on === on) return;
  if (!on && running(page.state).length === 1) {
    setProps({ role: "switch", slot }, { checked: true });
    return message("at least one optimizer stays on");
  }
  found.on = on;
  document.querySelector(`.card[data-slot="${slot}"]`).classList.toggle("off", !on);
  changed();
};
export { switchSlot as switch };

// ---- state ----

function sliderMoved(slot, name, position) {
  const range = rangeOf(slot, name);
  if (Math.abs(toSlider(Number(read(slot, name)), range) - position) > 1e-9) change(slot, name, fromSlider(position, range), "slider");
}

/** Take a new value, let the control's other half follow, and compute. */
function change(slot, name, value, from) {
  const { state, parts } = page;
  if (slot === "function") {
    if (name === "expr") state.text = value;
    else state.parameters[name] = value;
    if (name === "d") changeDimension(value);
  } else if (slot === "run") state[name] = value;
  else if (slot === "view") state.view[name] = value.replace(/\s+/g, "");
  else if (parts.forks.on) {
    const fork = parts.forks.take(slot);
    if (!fork) return showValue(slot, name, read(slot, name));
    parts.forks.set(fork, name, value);
  } else optimizerOf(slot).values[name] = value;
  showValue(slot, name, value, from);
  if (slot === "function") setProps("f", { data: functionSpec(state) });
  if (name === "x0") placeStart();
  changed();
}

/** Another number of coordinates: a start with a number for each makes way for the usual one. */
function changeDimension(d) {
  const { state } = page;
  const { low, high } = rangeOf("function", "d");
  if (!(Number.isInteger(d) && d >= low && d <= high)) return; // the server says so
  state.dim = d;
  if (state.x0.includes(",")) {
    state.x0 = state.preset.x0;
    showValue("run", "x0", state.x0);
  }
  takeDimension();
}

/** What is shown of two coordinates only, and of more. */
function takeDimension() {
  const { state, parts } = page;
  const flat = state.dim === 2;
  Object.assign(parts.landscape, { minima: flat ? state.minima : [], localMinima: flat ? state.localMinima : [] });
  placeStart();
  element("hessian-view").hidden = flat; // two coordinates need no sorting
  if (flat && page.hessian === "sorted") setProps("hessian-view", { value: (page.hessian = "over time") });
}

const addressBar = new Address(address);
const opening = new Opening("go", addressBar, () => page.state && setProps("function", { value: page.state.family }));

/**
 * Open another spec; `view` is how it is looked at: names of optimizers (see slots.mjs), coords and target. `then` is done
 * when it is there.
 */
function go(query, view = {}, then) {
  const fragment = new URLSearchParams(view).toString();
  opening.go(`/?${query}${fragment && `#${fragment}`}`, then);
}

/** Take an optimizer's card away; the server makes the others anew. */
function removeCard(slot) {
  if (running(page.state).length === 1 && optimizerOf(slot).on) return message("at least one optimizer stays on");
  const state = structuredClone(page.state);
  remove(state, slot);
  go(toQuery(state), viewOf(state));
}

const forkHooks = {
  edited: (card) => page.parts.forks.edited(card),
  edit: (slot) => page.parts.forks.edit(slot),
  remove: (slot) => {
    if (running(page.state).length === 1) return message("at least one optimizer stays on");
    const { state } = page;
    const back = page.parts.forks.remove(slot);
    undo("The fork is removed.", () => {
      if (page.state !== state) return;
      if (running(state).length >= MOST) return message(`at most ${MOST} optimizers run side by side`);
      back();
      changed();
    });
  },
  rename(slot, name) {
    optimizerOf(slot).given = name;
    addressBar.now();
    if (!page.trace) return;
    Object.assign(find(page.drawn, slot) ?? {}, { given: name });
    dress();
    page.parts.readings.setTrace(page.trace, page.parts.look);
    redraw();
    showForks(forkHooks);
  },
};

/** The state has changed: the address follows, and what is drawn. */
function changed() {
  page.state.errors = [];
  addressBar.later();
  compute();
}

/** Ask for the state's trace, and for its landscape if that changed too. */
function compute() {
  const { state } = page;
  const view = [];
  if (state.dim > 2) view.push(`coords=${state.view.coords}`);
  if (state.view.target) view.push(`target=${state.view.target}`);
  traces.request({ query: [toQuery(state), ...view].join("&"), state, asked: structuredClone(state) });
  landscapes.request();
  showForks(forkHooks);
}

const refused = (error) => complain(error.errors, page.state);

const traces = asking(
  async ({ query }, signal) => {
    const slow = setTimeout(() => busy("Computing …"), 600);
    try {
      return decodeTrace(await fetchBytes(`/api/trace?${query}`, signal));
    } finally {
      clearTimeout(slow);
    }
  },
  (answer, { query, state, asked }) => {
    if (state !== page.state) return; // another spec has been opened
    lament();
    for (const slot of asked.slots) slot.given = find(state, slot.slot)?.given; // a name needs no answer: it may be newer
    page.drawn = asked;
    takeTrace(answer, query);
  },
  refused,
);

const landscapes = new Landscapes({
  place: () => `f=${encodeURIComponent(functionSpec(page.state))}${page.state.dim > 2 ? `&coords=${page.state.view.coords}` : ""}`,
  take(grid, whole) {
    const { landscape } = page.parts;
    page.grid = grid;
    landscape.theme = readTheme();
    landscape.names = names();
    landscape.setGrid(grid, whole).then(() => {
      if (zoomTo) window.Plotly.relayout(landscape.graph, zoomTo);
      zoomTo = null;
    });
    if (page.trace) takeTrace(page.trace);
  },
  refused,
});

/** What is wrong with the address: said until something is changed or the line is closed. */
function lament() {
  const { state } = page;
  complain(state.errors, state);
  if (!state.errors.length) return;
  document.querySelector("main").classList.remove("stale"); // what is shown is what the controls say
  const list = state.errors.map(({ message }) => message).join("\n");
  message(`This address cannot be opened as it stands; shown are presets instead.\n${list}`, true, ["✕", () => (state.errors = [])]);
}

function takeTrace(trace, query) {
  const { drawn, parts, time } = page;
  page.trace = trace;
  // A fork of another n may end the race sooner: the cursor stays where the fork begins.
  if (parts.forks.on) parts.player.part = Math.min(1, time / clockLength(trace, clockKey()));
  dress();
  parts.landscape.setTrace(trace, clockKey());
  parts.readings.setTrace(trace, parts.look);
  for (const [index, slot] of running(drawn).entries()) {
    const label = document.querySelector(`[data-passes="${slot.slot}"]`);
    const { passes_per_step: passes } = trace.tracks[index].changes.at(-1) ?? trace.tracks[index];
    if (label) setText(label, `${passes} passes a step`);
  }
  redraw();
  if (query) {
    document.dispatchEvent(new CustomEvent("lab:drawn", { detail: { query } }));
    parts.history.drawn();
  }
  if (parts.autoplay && page.grid) {
    parts.autoplay = false;
    parts.player.play();
  } else settle();
}

// ---- once ----

async function build() {
  const graphs = await Promise.all(["landscape", "loss-chart", "hessian-chart"].map(plotlyGraph));
  const landscape = new Landscape(graphs[0], {
    start: (point, done) => {
      change("run", "x0", startAt(point));
      if (done) settle();
    },
    moved: (ranges) => {
      zoomedTo(ranges);
      landscapes.moved(ranges);
    },
  });
  const parts = (page.parts = { landscape, loss: new Chart(graphs[1]), hessian: new Chart(graphs[2]) });
  parts.player = new Player(element("player"), { draw: drawMoment, settle, neighbour, fork: () => parts.forks.toggle() });
  parts.forks = new Forks(element("player").querySelector("[data-do=fork]"), {
    show: showValue,
    begun: () => {
      if (parts.player.playing) parts.player.pause();
      showForks(forkHooks);
    },
    changed,
  });
  parts.history = new History(element("history"), element("show-history"), { open: go, play: () => parts.player.play(), seek: (part) => parts.player.seek(part) });
  parts.readings = new Readings(element("readings"), (target) => {
    page.state.view.target = target;
    changed();
  });
  parts.microscope = new Microscope(element("microscope"), element("player"), landscape, {
    moment: () => page.trace && page.grid && parts.look && { trace: page.trace, clock: clockKey(), time: timeOf(parts.player.part), look: parts.look, names: names() },
    seek: (time) => parts.player.seek(time / clockLength(page.trace, clockKey())),
  });
  watchSliders(element("controls"), sliderMoved);
  watchSharing();
  element("controls").addEventListener("click", (event) => {
    const slot = event.target.closest("[data-remove]")?.dataset.remove;
    if (slot) removeCard(slot);
  });
  watchSurface(() => page.trace && page.grid && { grid: page.grid, trace: page.trace, moment: { time: timeOf(parts.player.part) }, clock: clockKey(), look: parts.look, names: names() });
  // A clicked switch gives the arrow keys back to the player; who walks by keyboard keeps them.
  document.addEventListener("click", (event) => event.detail > 0 && document.activeElement?.type === "radio" && document.activeElement.blur());
  document.addEventListener("lab:theme", () => {
    if (!page.trace || !page.grid) return;
    dress();
    parts.readings.setTrace(page.trace, parts.look);
    redraw();
    parts.landscape.live(true);
    parts.landscape.render().then(settle);
  });
}
