// The Playground: controls → spec → trace → pictures. The state is one object; everything drawn follows from it.

import { Chart } from "./charts.mjs";
import { drawMoment, dress, neighbour, redraw, setText, settle } from "./drawing.mjs";
import { showForks } from "./forkcards.mjs";
import { Forks } from "./forks.mjs";
import { History } from "./history.mjs";
import { plotlyGraph } from "./graph.mjs";
import { Landscape } from "./landscape.mjs";
import { Latest, SpecError, fetchBytes } from "./latest.mjs";
import { functionSpec, otherFunction, toQuery } from "./link.mjs";
import { complain, message, undo } from "./messages.mjs";
import { Microscope } from "./microscope/panel.mjs";
import { CLOCKS, clockKey, element, names, page, timeOf } from "./page.mjs";
import { Player } from "./player.mjs";
import { Readings } from "./readings.mjs";
import { fromSlider, toSlider } from "./scale.mjs";
import { address, viewOf, watchSharing } from "./share.mjs";
import { watchSliders } from "./sliders.mjs";
import { adopt, find, readNames, remove, running, settings } from "./slots.mjs";
import { placeStart, startAt } from "./start.mjs";
import { watchSurface } from "./surface.mjs";
import { readTheme } from "./theme.mjs";
import { clockLength, decode, decodeTrace } from "./trace.mjs";
import { mark, optimizerOf, presetOf, rangeOf, read, showValue, tuned } from "./values.mjs";
import { noNumber, numberIn, shown } from "./widgets.mjs";

const { set_props: setProps } = window.dash_clientside;

let building = null;
let zoomTo = null; // what a link asks for, until the first landscape is there

const MOST = 8; // optimizers in a spec
/** People who asked for less motion get the end of a run at once. */
const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---- entries for Dash's callbacks: (values, what triggered) ----

/** A spec was opened: from the address, the function list, a copied optimizer or the history. */
export async function open([opened]) {
  if (!opened) return;
  building ??= build();
  await building;
  const { parts } = page;
  const first = page.state === null;
  const view = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const state = (page.state = { ...opened, view: { coords: view.coords ?? "0,1", target: view.target ?? "" }, fresh: true });
  if (state.view.target && !(Number(state.view.target) > 0)) {
    state.errors.push({ field: "target", message: `target = “${state.view.target}”: must be a number above 0` });
    state.view.target = "";
  }
  page.trace = null;
  wanted.landscape = "";
  parts.forks.clear();
  adopt(state);
  readNames(state, view.names ?? "");
  Object.assign(parts.landscape, { minima: state.dim === 2 ? state.minima : [], localMinima: state.dim === 2 ? state.localMinima : [] });
  placeStart();
  element("hessian-view").hidden = state.dim === 2; // two coordinates need no sorting
  if (state.dim === 2 && page.hessian === "sorted") setProps("hessian-view", { value: (page.hessian = "over time") });
  if (state.errors.length) compute(); // the address stays as it was pasted, so that it can be corrected
  else changed();
  lament();
  for (const slot of state.slots) if (!slot.parent) for (const key of Object.keys(slot.values)) mark(slot.slot, key);
  for (const key of Object.keys(state.parameters)) mark("function", key);
  for (const key of ["steps", "runs"]) mark("run", key);
  if (first) {
    parts.player.part = "t" in view ? Math.min(Math.max(Number(view.t) || 0, 0), 1) : stillness() ? 1 : 0;
    if (CLOCKS.includes(view.clock)) setProps("clock", { value: (page.clock = view.clock) });
    if (view.hessian === "sorted") setProps("hessian-view", { value: (page.hessian = "sorted") });
    if (view.x && view.y) zoomTo = { "xaxis.range": view.x.split(",").map(Number), "yaxis.range": view.y.split(",").map(Number) };
  }
  if (state.dim > 2 && state.view.coords !== "0,1") setProps({ role: "field", slot: "view", name: "coords" }, { value: state.view.coords });
  parts.autoplay = parts.player.part === 0 && !("t" in view);
}

export function chooseFunction([family]) {
  if (!page.state || family === page.state.family) return;
  page.parts.player.part = stillness() ? 1 : 0;
  go(otherFunction(page.state, family));
}

export function duplicate(_, trigger) {
  const { state } = page;
  const slot = state && trigger && find(state, trigger.slot);
  if (!slot) return;
  if (running(state).length >= MOST) return message(`at most ${MOST} optimizers run side by side`);
  slot.on = true;
  go(`${toQuery(state)}&${toQuery({ ...state, slots: [slot] }).split("&").at(-1)}`, viewOf(state));
}

export function clock([value]) {
  page.clock = value;
  refresh();
}

export function hessianView([value]) {
  page.hessian = value;
  refresh();
}

function refresh() {
  if (!page.trace) return;
  redraw();
  settle();
}

export function field([text], { slot, name }) {
  if (text === null || text === undefined || text === shown(read(slot, name))) return;
  const isText = slot === "view" || name === "x0" || name === "expr";
  const preset = name === "seed" || name === "noise" ? 0 : presetOf(slot, name);
  if (text.trim() === "" && preset !== undefined) return change(slot, name, preset);
  if (isText) return change(slot, name, text.trim(), "field");
  const number = numberIn(text);
  if (Number.isFinite(number)) return change(slot, name, number, "field");
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
    if (name === "d" && state.x0.includes(",")) state.x0 = "";
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

/** Open another spec; `view` is how it is looked at: names of optimizers (see slots.mjs), coords and target. */
function go(query, view = {}) {
  const fragment = new URLSearchParams(view).toString();
  history.pushState(null, "", `/?${query}${fragment && `#${fragment}`}`);
  setProps("go", { data: { query, at: Date.now() } });
}

/** Take an optimizer's card away; the server makes the others anew. */
function removeCard(slot) {
  if (running(page.state).length === 1 && optimizerOf(slot).on) return message("at least one optimizer stays on");
  remove(page.state, slot);
  go(toQuery(page.state), viewOf(page.state));
}

const forkHooks = {
  edited: (card) => page.parts.forks.edited(card),
  edit: (slot) => page.parts.forks.edit(slot),
  remove: (slot) => {
    if (running(page.state).length === 1) return message("at least one optimizer stays on");
    const { state } = page;
    const before = structuredClone(state.slots);
    page.parts.forks.remove(slot);
    undo("The fork is removed.", () => {
      if (page.state !== state) return;
      state.slots = before;
      changed();
    });
  },
  rename(slot, name) {
    optimizerOf(slot).given = name;
    history.replaceState(history.state, "", address());
    if (!page.trace) return;
    dress();
    page.parts.readings.setTrace(page.trace, page.parts.look);
    redraw();
    showForks(forkHooks);
  },
};

/** The state has changed: the address follows, and what is drawn. */
function changed() {
  page.state.errors = [];
  clearTimeout(changed.timer);
  changed.timer = setTimeout(() => history.replaceState(history.state, "", address()), 300);
  compute();
}

/** Ask for the state's trace, and for its landscape if that changed too. */
function compute() {
  const { state } = page;
  const view = [];
  if (state.dim > 2) view.push(`coords=${state.view.coords}`);
  if (state.view.target) view.push(`target=${state.view.target}`);
  traces.request([toQuery(state), ...view].join("&"));
  requestLandscape();
  showForks(forkHooks);
}

const wanted = { landscape: "" };

function requestLandscape(ranges = null) {
  const { state } = page;
  const query = [`f=${encodeURIComponent(functionSpec(state))}`];
  if (state.dim > 2) query.push(`coords=${state.view.coords}`);
  const key = query.join("&");
  if (!ranges && key === wanted.landscape) return;
  wanted.landscape = key;
  if (ranges) query.push(`xrange=${ranges.xrange.join(",")}`, `yrange=${ranges.yrange.join(",")}`);
  landscapes.request(query.join("&"));
}

const traces = new Latest(
  async (query, signal) => {
    const busy = setTimeout(() => message("Computing …", true), 600);
    try {
      return decodeTrace(await fetchBytes(`/api/trace?${query}`, signal));
    } finally {
      clearTimeout(busy);
    }
  },
  (answer, query) => {
    lament();
    takeTrace(answer, query);
  },
  failed,
);

const landscapes = new Latest(
  async (query, signal) => {
    const { header, view } = decode(await fetchBytes(`/api/landscape?${query}`, signal));
    return { ...header, z: view(header.arrays.z) };
  },
  (answer, query) => {
    const { state, parts, grid } = page;
    const zoomed = query.includes("xrange=");
    const fresh = grid === null || (!zoomed && answer.f.split(":")[0] !== grid.f.split(":")[0]) || state.fresh;
    state.fresh = false;
    page.grid = answer;
    parts.landscape.theme = readTheme();
    parts.landscape.names = names();
    parts.landscape.setGrid(answer, fresh).then(() => {
      if (zoomTo) window.Plotly.relayout(parts.landscape.graph, zoomTo);
      zoomTo = null;
    });
    if (page.trace) takeTrace(page.trace);
  },
  failed,
);

function failed(error, query) {
  if (error instanceof SpecError) return complain(error.errors, page.state);
  const what = error.status ? `The server answered ${error.status}` : "The server does not answer";
  message(`${what}. Trying again every two seconds; the picture is the last good one.`, true);
  setTimeout(() => (query.includes("steps=") ? compute() : requestLandscape()), 2000);
}

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
  const { state, parts, time } = page;
  const slots = running(state);
  page.trace = trace;
  if (trace.tracks.length !== slots.length) return; // a newer one is on its way
  // A fork of another n may end the race sooner: the cursor stays where the fork begins.
  if (parts.forks.on) parts.player.part = Math.min(1, time / clockLength(trace, clockKey()));
  dress();
  parts.landscape.setTrace(trace, clockKey());
  parts.readings.setTrace(trace, parts.look);
  for (const [index, slot] of slots.entries()) {
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
      clearTimeout(build.timer);
      build.timer = setTimeout(() => {
        if (!ranges) page.state.fresh = true;
        if (!ranges) wanted.landscape = "";
        requestLandscape(ranges);
      }, 120);
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
