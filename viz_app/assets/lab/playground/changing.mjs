// From the controls to the state: a new value, the control's other half, and what else follows from it.

import { message, undo } from "../web/messages.mjs";
import { Opening } from "../web/opening.mjs";
import { fromSlider, toSlider } from "../web/scale.mjs";
import { addressBar, changed } from "./answers.mjs";
import { dress, redraw } from "./drawing.mjs";
import { functionSpec, toQuery } from "./link.mjs";
import { page } from "./page.mjs";
import { viewOf } from "./share.mjs";
import { MOST, find, held, remove, running } from "./slots.mjs";
import { placeStart } from "./start.mjs";
import { optimizerOf, rangeOf, read, showValue } from "./values.mjs";

/** @param {DashId} id @param {Record<string, unknown>} properties */
export const setProps = (id, properties) => window.dash_clientside.set_props(id, properties);

const LEAST = "at least one optimizer stays on";
export const FULL = `at most ${MOST} optimizers run side by side`;

export const opening = new Opening("go", addressBar, () => page.isOpen && setProps("function", { value: page.state.family }));

/**
 * Open another spec.
 * @param {string} query
 * @param {Record<string, string>} [view] how it is looked at: names of optimizers (see slots.mjs), coords and target
 * @param {() => void} [then] done when it is there
 */
export function go(query, view = {}, then) {
  const fragment = new URLSearchParams(view).toString();
  opening.go(`/?${query}${fragment && `#${fragment}`}`, then);
}

/** A slider has moved. @param {string} slot @param {string} name @param {number} position */
export function slide(slot, name, position) {
  const range = rangeOf(slot, name);
  if (Math.abs(toSlider(Number(read(slot, name)), range) - position) > 1e-9) change(slot, name, fromSlider(position, range), "slider");
}

/**
 * Take a new value, let the control's other half follow, and compute.
 * @param {string} slot @param {string} name @param {number | string} value @param {"slider" | "field" | "choice"} [from]
 */
export function change(slot, name, value, from) {
  const { state, parts } = page;
  if (slot === "function") {
    if (name === "expr") state.text = String(value);
    else state.parameters[name] = value;
    if (name === "d") changeDimension(Number(value));
  } else if (slot === "run") Object.assign(state, { [name]: value });
  else if (slot === "view") Object.assign(state.view, { [name]: String(value).replace(/\s+/g, "") });
  else if (parts.forks.on) {
    const fork = parts.forks.take(slot);
    if (!fork) return showValue(slot, name, read(slot, name));
    parts.forks.set(fork, name, value);
  } else held(state, slot).values[name] = value;
  showValue(slot, name, value, from);
  if (slot === "function") setProps("f", { data: functionSpec(state) });
  if (name === "x0") placeStart();
  changed();
}

/** Another number of coordinates: a start with a number for each makes way for the usual one. @param {number} d */
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
export function takeDimension() {
  const { state, parts } = page;
  const flat = state.dim === 2;
  Object.assign(parts.landscape, { minima: flat ? state.minima : [], localMinima: flat ? state.localMinima : [] });
  placeStart();
  const views = ["over time", ...(flat ? [] : ["sorted"]), "headroom", "auto η"]; // two coordinates need no sorting
  if (!views.includes(page.hessian)) page.hessian = "over time";
  setProps("hessian-view", { data: views, value: page.hessian });
}

/** Turn an optimizer on or off; the last one stays on. @param {string} slot @param {boolean} on */
export function turn(slot, on) {
  const found = find(page.state, slot);
  if (!found || found.on === on) return;
  if (!on && running(page.state).length === 1) {
    setProps({ role: "switch", slot }, { checked: true });
    return message(LEAST);
  }
  found.on = on;
  document.querySelector(`.card[data-slot="${slot}"]`)?.classList.toggle("off", !on);
  changed();
}

/** Take an optimizer's card away; the server makes the others anew. @param {string} slot */
export function removeCard(slot) {
  if (running(page.state).length === 1 && optimizerOf(slot)?.on) return message(LEAST);
  const state = structuredClone(page.state);
  remove(state, slot);
  go(toQuery(state), viewOf(state));
}

/** Take a fork away, with a way back. @param {string} slot */
export function removeFork(slot) {
  const { state } = page;
  if (running(state).length === 1) return message(LEAST);
  const back = page.parts.forks.remove(slot);
  undo("The fork is removed.", () => {
    if (page.state !== state) return;
    if (running(state).length >= MOST) return message(FULL);
    back();
    changed();
  });
}

/** Give a fork a name. @param {string} slot @param {string} name */
export function renameFork(slot, name) {
  held(page.state, slot).given = name;
  addressBar.now();
  if (!page.picture) return;
  Object.assign(find(page.picture.drawn, slot) ?? {}, { given: name });
  dress();
  page.parts.readings.setTrace(page.picture.trace, page.look);
  redraw();
  page.parts.forks.showCards();
}
