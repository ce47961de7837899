// The Playground: controls → spec → trace → pictures. The state is one object; everything drawn follows from it.

import { Chart, hessianCurves, lossCurves, sortedCurves, sortedFrame } from "./charts.mjs";
import { whenIdle } from "./idle.mjs";
import { Landscape } from "./landscape.mjs";
import { Latest, SpecError, fetchBytes } from "./latest.mjs";
import { functionSpec, otherFunction, running, toQuery } from "./link.mjs";
import { Player } from "./player.mjs";
import { Readings } from "./readings.mjs";
import { fromSlider, short, subscript, toSlider } from "./scale.mjs";
import { save, savePicture } from "./save.mjs";
import { complain, message, rowOf } from "./messages.mjs";
import { watchSliders } from "./sliders.mjs";
import { closeSurface, openSurface } from "./surface.mjs";
import { fade, readTheme } from "./theme.mjs";
import { clockFactor, clockLength, decode, decodeTrace, frameAt } from "./trace.mjs";

const { set_props: setProps } = window.dash_clientside;
const element = (id) => document.getElementById(id);

/** What the controls say. `view` is how it is looked at; the rest is the spec. */
let state = null;
let parts = null;
let trace = null;
let grid = null;
let clockName = "forward passes";
let hessianMode = "over time";
let building = null;
let zoomTo = null; // what a link asks for, until the first landscape is there

const MOST = 8; // optimizers in a spec
const CLOCKS = ["steps", "forward passes", "seconds"];
/** People who asked for less motion get the end of a run at once. */
const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const clockKey = () => (clockName === "forward passes" ? "forwards" : clockName);

// ---- entries for Dash's callbacks: (values, what triggered) ----

/** A spec was opened: from the address, the function list or a copied optimizer. */
export async function open([page]) {
  if (!page) return;
  building ??= build();
  await building;
  const first = state === null;
  const view = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  state = { ...page, view: { coords: first ? (view.coords ?? "0,1") : "0,1", target: first ? (view.target ?? "") : "" }, fresh: true };
  trace = null;
  wanted.landscape = "";
  complain(page.errors, state);
  Object.assign(parts.landscape, { minima: page.dim === 2 ? page.minima : [], localMinima: page.dim === 2 ? page.localMinima : [] });
  placeStart();
  element("hessian-view").hidden = page.dim === 2; // two coordinates need no sorting
  if (page.dim === 2 && hessianMode === "sorted") setProps("hessian-view", { value: (hessianMode = "over time") });
  changed();
  for (const slot of state.slots) for (const key of Object.keys(slot.values)) mark(slot.slot, key);
  for (const key of Object.keys(state.parameters)) mark("function", key);
  for (const key of ["steps", "runs"]) mark("run", key);
  if (first) {
    parts.player.part = "t" in view ? Math.min(Math.max(Number(view.t) || 0, 0), 1) : stillness() ? 1 : 0;
    if (CLOCKS.includes(view.clock)) setProps("clock", { value: (clockName = view.clock) });
    if (view.hessian === "sorted") setProps("hessian-view", { value: (hessianMode = "sorted") });
    if (view.x && view.y) zoomTo = { "xaxis.range": view.x.split(",").map(Number), "yaxis.range": view.y.split(",").map(Number) };
    if (state.view.coords !== "0,1") setProps({ role: "field", slot: "view", name: "coords" }, { value: state.view.coords });
  }
  parts.autoplay = parts.player.part === 0 && !("t" in view);
}

export function chooseFunction([family]) {
  if (!state || family === state.family) return;
  parts.player.part = stillness() ? 1 : 0;
  go(otherFunction(state, family));
}

export function duplicate(_, trigger) {
  const slot = slotOf(trigger?.slot);
  if (!slot) return;
  if (running(state).length >= MOST) return message(`at most ${MOST} optimizers run side by side`);
  slot.on = true;
  go(`${toQuery(state)}&${toQuery({ ...state, slots: [slot] }).split("&").at(-1)}`);
}

export function clock([value]) {
  clockName = value;
  refresh();
}

export function hessianView([value]) {
  hessianMode = value;
  refresh();
}

function refresh() {
  if (!trace) return;
  redraw();
  settle();
}

export function field([text], { slot, name }) {
  if (text === null || text === undefined || text === shown(read(slot, name))) return;
  const isText = slot === "view" || name === "x0" || name === "expr";
  const preset = name === "seed" ? 0 : presetOf(slot, name);
  if (text.trim() === "" && preset !== undefined) return change(slot, name, preset);
  if (isText) return change(slot, name, text.trim(), "field");
  const number = Number(/^\d{1,3}(,\d{3})+$/.test(text.trim()) ? text.replace(/,/g, "") : text);
  if (Number.isFinite(number)) return change(slot, name, number, "field");
  complain([{ control: [slot, name], message: `“${text}” is not a number; the decimal point is a dot, as in 0.05 or 5e-2` }], state);
}

export function choice([value], { slot, name }) {
  if (value === read(slot, name)) return;
  const optimizer = slotOf(slot);
  const follow = name === "estimator" && Object.entries(tuned(optimizer)).every(([key, preset]) => optimizer.values[key] === preset);
  change(slot, name, value, "choice");
  // Settings that nobody has touched become those tuned for the new estimator.
  if (follow) for (const [key, preset] of Object.entries(tuned(optimizer))) change(slot, key, preset);
  else if (name === "estimator") for (const key of Object.keys(optimizer.values)) mark(slot, key);
}

export function reset([clicks], { slot, name }) {
  if (clicks) change(slot, name, presetOf(slot, name));
}

const switchSlot = ([on], { slot }) => {
  const found = slotOf(slot);
  if (!found || found.on === on) return;
  if (!on && running(state).length === 1) {
    setProps({ role: "switch", slot }, { checked: true });
    return message("at least one optimizer stays on");
  }
  found.on = on;
  document.querySelector(`.card[data-slot="${slot}"]`).classList.toggle("off", !on);
  changed();
};
export { switchSlot as switch };

// ---- state ----

const slotOf = (slot) => state.slots.find((candidate) => candidate.slot === slot);
const rangeOf = (slot, name) => state.ranges[slotOf(slot)?.method ?? slot][name];
const shown = (value) => (typeof value === "number" ? short(value) : String(value ?? ""));

function read(slot, name) {
  if (slot === "function") return name === "expr" ? state.text : state.parameters[name];
  if (slot === "run") return state[name];
  if (slot === "view") return state.view[name];
  return slotOf(slot).values[name];
}

function presetOf(slot, name) {
  if (slot === "function") return state.preset.parameters[name];
  if (slot === "run") return state.preset[name];
  return slotOf(slot) && tuned(slotOf(slot))[name];
}

/** What was tuned for a slot with the estimator that it has. */
const tuned = ({ presets, values }) => presets[values.estimator ?? ""];

function sliderMoved(slot, name, position) {
  const range = rangeOf(slot, name);
  if (Math.abs(toSlider(Number(read(slot, name)), range) - position) > 1e-9) change(slot, name, fromSlider(position, range), "slider");
}

/** Take a new value, let the control's other half follow, and compute. */
function change(slot, name, value, from) {
  if (slot === "function") {
    if (name === "expr") state.text = value;
    else state.parameters[name] = value;
    if (name === "d" && state.x0.includes(",")) state.x0 = "";
  } else if (slot === "run") state[name] = value;
  else if (slot === "view") state.view[name] = value.replace(/\s+/g, "");
  else slotOf(slot).values[name] = value;
  const range = state.ranges[slotOf(slot)?.method ?? slot]?.[name];
  const isChoice = rowOf(slot, name)?.classList.contains("choice");
  if (isChoice && from !== "choice") setProps({ role: "choice", slot, name }, { value });
  if (from === "slider") showInField(slot, name, value);
  else if (!isChoice && from !== "field") setProps({ role: "field", slot, name }, { value: shown(value) });
  if (from !== "slider" && range && typeof value === "number") setProps({ role: "slider", slot, name }, { value: toSlider(value, range) });
  if (slot === "function") setProps("f", { data: functionSpec(state) });
  mark(slot, name);
  if (name === "x0") placeStart();
  changed();
}

/** While a slider moves, its field's text is set directly; Dash hears of the last value only. */
function showInField(slot, name, value) {
  const input = rowOf(slot, name).querySelector("input:not([type=hidden])");
  if (input) input.value = shown(value);
  pending.set(`${slot}.${name}`, () => setProps({ role: "field", slot, name }, { value: shown(read(slot, name)) }));
  flush();
}
const pending = new Map();
const flush = whenIdle(() => {
  for (const tell of pending.values()) tell();
  pending.clear();
}, 150);

/** Show the reset button where a value differs from its preset. */
function mark(slot, name) {
  const preset = presetOf(slot, name);
  rowOf(slot, name)?.classList.toggle("changed", preset !== undefined && shown(read(slot, name)) !== shown(preset));
}

function go(query) {
  history.pushState(null, "", `/?${query}`);
  setProps("go", { data: { query, at: Date.now() } });
}

/** The state has changed: ask for its trace, and for the landscape if that changed too. */
function changed() {
  const query = toQuery(state);
  const view = [];
  if (state.dim > 2) view.push(`coords=${state.view.coords}`);
  if (state.view.target) view.push(`target=${state.view.target}`);
  traces.request([query, ...view].join("&"));
  clearTimeout(changed.timer);
  changed.timer = setTimeout(() => history.replaceState(history.state, "", `/?${query}${location.hash}`), 300);
  requestLandscape();
}

const wanted = { landscape: "" };

function requestLandscape(ranges = null) {
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
    complain(state.errors ?? [], state);
    state.errors = null;
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
    const zoomed = query.includes("xrange=");
    const fresh = grid === null || (!zoomed && answer.f.split(":")[0] !== grid.f.split(":")[0]) || state.fresh;
    state.fresh = false;
    grid = answer;
    parts.landscape.theme = readTheme();
    parts.landscape.names = names();
    parts.landscape.setGrid(answer, fresh).then(() => {
      if (zoomTo) window.Plotly.relayout(parts.landscape.graph, zoomTo);
      zoomTo = null;
    });
    if (trace) takeTrace(trace);
  },
  failed,
);

function failed(error, query) {
  if (error instanceof SpecError) return complain(error.errors, state);
  const what = error.status ? `The server answered ${error.status}` : "The server does not answer";
  message(`${what}. Trying again every two seconds; the picture is the last good one.`, true);
  setTimeout(() => (query.includes("steps=") ? changed() : requestLandscape()), 2000);
}

// ---- drawing ----

const names = () => {
  if (state.dim === 2) return ["x", "y"];
  return grid.coords.map((j) => `θ${subscript(j)}`);
};

function look() {
  const theme = readTheme();
  const slots = running(state);
  return { theme, colours: slots.map((slot) => theme.colour(slot.colour)), titles: slots.map((slot) => slot.name) };
}

function takeTrace(answer, query) {
  trace = answer;
  if (trace.tracks.length !== running(state).length) return; // a newer one is on its way
  dress();
  parts.landscape.setTrace(trace, clockKey());
  parts.readings.setTrace(trace, parts.look);
  for (const [index, slot] of running(state).entries()) {
    const label = document.querySelector(`[data-passes="${slot.slot}"]`);
    if (label) setText(label, `${trace.tracks[index].passes_per_step} passes a step`);
  }
  redraw();
  if (query) document.dispatchEvent(new CustomEvent("lab:drawn", { detail: { query } }));
  if (parts.autoplay && grid) {
    parts.autoplay = false;
    parts.player.play();
  } else settle();
}

/** Take names and colours anew: after a trace, a theme. */
function dress() {
  parts.look = look();
  Object.assign(parts.landscape, parts.look);
}

/** Draw charts and moment anew: after a trace, a theme, a clock. */
function redraw() {
  const { landscape, loss, hessian, player } = parts;
  landscape.clock = clockKey();
  loss.show(lossCurves(trace, clockKey(), parts.look), parts.look, trace.reference ? "loss − minimum" : "loss");
  loss.picture.clock = clockLabel();
  const sorted = hessianMode === "sorted";
  const picture = sorted ? { ...sortedFrame(trace, parts.look), ...sortedCurves(trace, timeOf(player.part), clockKey(), parts.look) } : hessianCurves(trace, clockKey(), parts.look);
  if (!sorted) picture.clock = clockLabel();
  hessian.show(picture, parts.look, "curvature");
  notes();
  player.show();
}

const clockLabel = () => (clockName === "seconds" ? "seconds (all runs together)" : clockName);

function notes() {
  const { theme } = parts.look;
  const kinds = new Set(parts.loss.picture.curves.flatMap(({ marks }) => marks.map(({ kind }) => kind)));
  const remarks = [
    `median and 10–90 % of ${trace.header.runs} runs`,
    ...(kinds.has("cross") ? ["✕ half diverged"] : []),
    ...(kinds.has("below") ? ["▼ below the axis"] : []),
  ];
  if (clockName === "forward passes" && trace.tracks.filter(({ n }) => n !== null).length > 1) {
    remarks.push("ends with the first spent budget");
  }
  setText(element("loss-note"), remarks.join("; "));
  const estimating = trace.tracks.some((track) => track.h_q);
  setHtml(element("hessian-note"), estimating ? `<b>—</b> HiZOO's P &nbsp; <b>- -</b> the truth along its runs` : "no optimizer that estimates the Hessian is on; <b>- -</b> the truth");
  const scale = parts.landscape.scale;
  const key = [];
  trace.tracks.forEach((track, index) => {
    if (track.shown_h) key.push(`<span title="Its probes are drawn from this ellipse: Σ = 1/P"><i class="ring" style="border-color:${parts.look.colours[index]};background:${fade(parts.look.colours[index], 0.15)}"></i>Σ of ${parts.look.titles[index]}</span>`);
  });
  if (trace.tracks.some((track) => track.shown_h)) key.push(`<span title="What the probes would be drawn from if P were the exact Hessian, off-diagonal part and all"><i class="ring dashed" style="border-color:${theme.ink}"></i>inverse true Hessian${hasNegative() ? " <em>(brown: negative curvature)</em>" : ""}</span>`);
  if (state.minima.length && state.dim === 2) key.push(`<span>★ minimum</span>`);
  if (trace.tracks.some((track) => track.u)) key.push(`<span title="θ ± Σ^½u, enlarged by the ellipses' factor over μ">○ this step's probes, on pause</span>`);
  key.push(`<span>bold: run 1 of ${trace.header.runs}${scale === 1 ? "" : `; ellipses × ${short(scale)}`}</span>`);
  setHtml(element("key"), key.join(""));
}

function hasNegative() {
  return trace.tracks.some((track) => track.shown_h && track.shown_hessian?.some((value, i) => value < 0 && i % 3 !== 1));
}

// Writing to the page makes the browser lay it out again, even if nothing has changed.
const written = new WeakMap();
function setHtml(target, html) {
  if (written.get(target) !== html) target.innerHTML = html;
  written.set(target, html);
}
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const timeOf = (part) => part * clockLength(trace, clockKey());

function drawMoment(part, playing) {
  if (!trace) return;
  const { landscape, loss, hessian, readings, player } = parts;
  const time = timeOf(part);
  if (playing && !landscape.isLive) landscape.live(true);
  landscape.draw({ time, playing });
  loss.cursor(time);
  if (hessianMode === "sorted") {
    hessian.picture = { ...hessian.picture, ...sortedCurves(trace, time, clockKey(), parts.look) };
    if (playing) hessian.setLive(true);
    hessian.cursor(null);
  } else hessian.cursor(time);
  readings.draw(time, clockKey());
  const lead = trace.tracks[0];
  const { frame } = frameAt(lead, time, clockKey());
  const last = lead.step[lead.frames - 1];
  player.output.title = `Time runs in the loss chart's clock: ${clockName}. ${parts.look.titles[0]} is at step ${lead.step[frame]} of ${last}.`;
  const length = clockLength(trace, clockKey());
  if (clockName === "forward passes") setText(player.output, `pass ${Math.round(time).toLocaleString("en-US")} of ${length.toLocaleString("en-US")}`);
  else setText(player.output, `step ${lead.step[frame].toLocaleString("en-US")} of ${last.toLocaleString("en-US")}`);
}

/** When nothing has moved for a while, commit what is on the canvas to Plotly. */
const settle = whenIdle(() => {
  if (parts.player.playing || !trace) return;
  parts.landscape.commit();
  if (hessianMode === "sorted") parts.hessian.commit();
}, 300);

/** The next or previous step of the first optimizer. */
function neighbour(part, by) {
  if (!trace) return part;
  const lead = trace.tracks[0];
  const factor = clockFactor(lead, clockKey());
  const length = clockLength(trace, clockKey());
  const { frame } = frameAt(lead, part * length, clockKey());
  const atFrame = Math.abs(lead.step[frame] * factor - part * length) < 1e-3 * factor;
  const target = Math.min(Math.max(frame + (by < 0 && !atFrame ? 0 : by), 0), lead.frames - 1);
  return (lead.step[target] * factor) / length;
}

// ---- the start ----

function placeStart() {
  const numbers = String(state.x0).split(",").map(Number);
  const [i, j] = state.dim > 2 ? state.view.coords.split(",").map(Number) : [0, 1];
  parts.landscape.setStart(numbers.length === 1 ? [numbers[0], numbers[0]] : [numbers[i], numbers[j]]);
}

function moveStart(point, done) {
  const [low, high] = [0, 1].map((k) => (k === 0 ? grid.xrange : grid.yrange));
  const rounded = point.map((value, k) => {
    const range = k === 0 ? low : high;
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(range[1] - range[0]))));
    return Number(value.toFixed(digits));
  });
  if (state.dim === 2) change("run", "x0", rounded.join(", "));
  else {
    const numbers = String(state.x0).split(",").map(Number);
    const all = numbers.length === 1 ? new Array(state.dim).fill(numbers[0]) : numbers;
    const [i, j] = state.view.coords.split(",").map(Number);
    [all[i], all[j]] = rounded;
    change("run", "x0", all.join(", "));
  }
  if (done) settle();
}

// ---- once ----

async function build() {
  const graphs = await Promise.all(["landscape", "loss-chart", "hessian-chart"].map(plotlyGraph));
  const landscape = new Landscape(graphs[0], {
    start: moveStart,
    moved: (ranges) => {
      clearTimeout(build.timer);
      build.timer = setTimeout(() => {
        if (!ranges) state.fresh = true;
        if (!ranges) wanted.landscape = "";
        requestLandscape(ranges);
      }, 120);
    },
  });
  parts = { landscape, loss: new Chart(graphs[1]), hessian: new Chart(graphs[2]) };
  parts.player = new Player(element("player"), { draw: drawMoment, settle, neighbour });
  parts.readings = new Readings(element("readings"), (target) => {
    state.view.target = target;
    changed();
  });
  watchSliders(element("controls"), sliderMoved);
  element("copy-link").addEventListener("click", copyLink);
  element("show-3d").addEventListener("click", show3d);
  element("close-3d").addEventListener("click", () => element("dialog-3d").close());
  element("dialog-3d").addEventListener("close", () => closeSurface(element("surface")));
  element("download-csv").closest("button").addEventListener("click", () => save(`/api/run.csv?${toQuery(state)}`, "hizoo-lab.csv"));
  element("download-parquet").closest("button").addEventListener("click", () => save(`/api/run.parquet?${toQuery(state)}`, "hizoo-lab.parquet"));
  element("download-png").closest("button").addEventListener("click", download);
  // A clicked switch gives the arrow keys back to the player; who walks by keyboard keeps them.
  document.addEventListener("click", (event) => event.detail > 0 && document.activeElement?.type === "radio" && document.activeElement.blur());
  document.addEventListener("lab:theme", () => {
    if (!trace || !grid) return;
    dress();
    parts.readings.setTrace(trace, parts.look);
    redraw();
    parts.landscape.live(true);
    parts.landscape.render().then(settle);
  });
}

async function copyLink() {
  const view = { t: Number(parts.player.part.toFixed(4)), clock: clockName, hessian: hessianMode };
  if (!parts.landscape.home.hidden) {
    const { xaxis, yaxis } = parts.landscape.graph._fullLayout;
    Object.assign(view, { x: xaxis.range.map(short).join(), y: yaxis.range.map(short).join() });
  }
  if (state.dim > 2) view.coords = state.view.coords;
  if (state.view.target) view.target = state.view.target;
  const link = `${location.origin}/?${toQuery(state)}#${new URLSearchParams(view)}`;
  history.replaceState(history.state, "", link);
  try {
    await navigator.clipboard.writeText(link);
    message("Link copied: it opens exactly this picture.");
  } catch {
    message("The browser does not let the page copy. The address bar holds the link.");
  }
}

function show3d() {
  if (!trace || !grid) return;
  element("dialog-3d").showModal();
  openSurface(element("surface"), { grid, trace, moment: { time: timeOf(parts.player.part) }, clock: clockKey(), look: parts.look, names: names() });
}

async function download() {
  parts.player.pause();
  await Promise.all([parts.landscape.commit(), parts.loss.commit(), parts.hessian.commit()]);
  const stages = [...document.querySelectorAll(".stage")];
  await savePicture(stages, parts.look, "hizoo-lab.png", `HiZOO Lab  ${decodeURIComponent(toQuery(state))}`);
}

/** Plotly's div, once dcc.Graph has made it. */
async function plotlyGraph(id) {
  for (;;) {
    const graph = element(id)?.querySelector(".js-plotly-plot");
    if (graph?._fullLayout?.xaxis && graph.on) return graph;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
