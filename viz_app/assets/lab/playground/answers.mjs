// From the state to the server's answers, and from these to the picture.

import { Address } from "../web/address.mjs";
import { asking } from "../web/asking.mjs";
import { Landscapes } from "../web/landscapes.mjs";
import { fetchBytes } from "../web/latest.mjs";
import { setText } from "../web/make.mjs";
import { busy, message } from "../web/messages.mjs";
import { one } from "../web/one.mjs";
import { readTheme } from "../web/theme.mjs";
import { dress, redraw, settle } from "./drawing.mjs";
import { complain } from "./errors.mjs";
import { functionSpec, toQuery } from "./link.mjs";
import { clockKey, names, page } from "./page.mjs";
import { address } from "./share.mjs";
import { find, running } from "./slots.mjs";
import { clockLength, decodeTrace } from "./trace.mjs";

/** @import { State } from "./page.mjs" */
/** @import { Trace } from "./trace.mjs" */

const SLOW = 600; // ms

/** What a link asks to be shown of the plane, until the landscape is there. @type {PlotlyLayout | null} */
let zoom = null;

/** Show a part of the plane as soon as there is a landscape. @param {PlotlyLayout | null} ranges */
export const zoomTo = (ranges) => (zoom = ranges);

export const addressBar = new Address(address);

/** @typedef {{query: string, state: State, asked: State}} Question the state, and a copy of what it said */

export const traces = asking(
  /** @param {Question} question */
  async ({ query }, signal) => {
    const slow = setTimeout(() => busy("Computing …"), SLOW);
    try {
      return decodeTrace(await fetchBytes(`/api/trace?${query}`, signal));
    } finally {
      clearTimeout(slow);
    }
  },
  (trace, { query, state, asked }) => {
    if (state !== page.state) return; // another spec has been opened
    explainErrors();
    for (const slot of asked.slots) slot.given = find(state, slot.slot)?.given; // a name needs no answer: it may be newer
    takeTrace(trace, asked);
    document.dispatchEvent(new CustomEvent("lab:drawn", { detail: { query } }));
    page.parts.history.drawn();
  },
  (error) => complain(error.errors, page.state),
);

export const landscapes = new Landscapes({
  place: () => `f=${encodeURIComponent(functionSpec(page.state))}${page.state.dim > 2 ? `&coords=${page.state.view.coords}` : ""}`,
  take(grid, whole) {
    const { landscape } = page.parts;
    page.grid = grid;
    Object.assign(landscape, { theme: readTheme(), names: names(grid) });
    landscape.setGrid(grid, whole).then(() => {
      if (zoom) window.Plotly.relayout(landscape.graph, zoom);
      zoom = null;
    });
    if (page.picture) takeTrace(page.picture.trace, page.picture.drawn);
  },
  refused: (error) => complain(error.errors, page.state),
});

/** The state has changed: the address follows, and what is drawn. */
export function changed() {
  page.state.errors = [];
  addressBar.later();
  compute();
}

/** Ask for the state's trace, and for its landscape if that changed too. */
export function compute() {
  const { state } = page;
  const view = [];
  if (state.dim > 2) view.push(`coords=${state.view.coords}`);
  if (state.view.target) view.push(`target=${state.view.target}`);
  traces.request({ query: [toQuery(state), ...view].join("&"), state, asked: structuredClone(state) });
  landscapes.request();
  page.parts.forks.showCards();
}

/** What is wrong with the address: said until something is changed or the line is closed. */
export function explainErrors() {
  const { state } = page;
  complain(state.errors, state);
  if (!state.errors.length) return;
  one(document, "main").classList.remove("stale"); // what is shown is what the controls say
  const list = state.errors.map((error) => error.message).join("\n");
  message(`This address cannot be opened as it stands; shown are presets instead.\n${list}`, true, ["✕", () => (state.errors = [])]);
}

/** Draw a trace. @param {Trace} trace @param {State} drawn the state that it was asked for */
function takeTrace(trace, drawn) {
  const { parts, time } = page;
  page.picture = { trace, drawn };
  // A fork of another n may end the race sooner: the cursor stays where the fork begins.
  if (parts.forks.on) parts.player.part = Math.min(1, time / clockLength(trace, clockKey()));
  dress();
  parts.landscape.setTrace(trace, clockKey());
  parts.readings.setTrace(trace, page.look);
  for (const [index, { slot }] of running(drawn).entries()) {
    const label = document.querySelector(`[data-passes="${slot}"]`);
    const { passes_per_step: passes } = trace.tracks[index].changes.at(-1) ?? trace.tracks[index];
    if (label) setText(label, `${passes} passes a step`);
  }
  redraw();
  if (page.autoplay && page.grid) {
    page.autoplay = false;
    parts.player.play();
  } else settle();
}
