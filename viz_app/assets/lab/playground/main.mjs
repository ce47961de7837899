// The Playground: controls → spec → trace → pictures. The state is one object; everything drawn follows from it.
// These are the entries for Dash's callbacks: (values, what triggered).

import { stop } from "../web/asking.mjs";
import { fieldOf } from "../web/catalogue.mjs";
import { message, rowOf } from "../web/messages.mjs";
import { noNumber, numberIn, shown } from "../web/widgets.mjs";
import { mustBe } from "../web/wrong.mjs";
import { changed, compute, explainErrors, landscapes, traces, zoomTo } from "./answers.mjs";
import { build } from "./build.mjs";
import { FULL, change, go, opening, setProps, takeDimension, turn } from "./changing.mjs";
import { redraw, settle } from "./drawing.mjs";
import { complain } from "./errors.mjs";
import { otherFunction, toQuery } from "./link.mjs";
import { CLOCKS, page } from "./page.mjs";
import { forget, linkedView, viewOf } from "./share.mjs";
import { MOST, adopt, find, readNames, running, settings } from "./slots.mjs";
import { mark, optimizerOf, presetOf, read, tuned } from "./values.mjs";

/** @import { State } from "./page.mjs" */
/** @typedef {{slot: string, name: string}} Place a control's card and name */

/** @type {Promise<void> | null} */
let building = null;

const { promise: ready, resolve: isReady } = Promise.withResolvers();
/** Kept when a spec has been opened for the first time. */
export { ready };

/** Users who asked for less motion see the end of a run at once. */
const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A spec was opened: from the address, the function list, a copied optimizer or the history. @param {[State | null]} values */
export async function open([opened]) {
  if (!opened) return;
  building ??= build();
  await building;
  const { parts } = page;
  opening.arrived();
  const first = !page.isOpen;
  const view = linkedView();
  const state = (page.state = { ...opened, view: { coords: view.coords ?? "0,1", target: view.target ?? "" } });
  if (state.view.target && !(Number(state.view.target) > 0)) {
    state.errors.push({ field: "target", message: mustBe("Target", "a number above 0", state.view.target) });
    state.view.target = "";
  }
  page.picture = null;
  landscapes.clear();
  parts.forks.clear();
  adopt(state);
  readNames(state, view.names ?? "");
  if (["sorted", "headroom"].includes(view.hessian)) page.hessian = view.hessian;
  takeDimension();
  if (state.errors.length) compute(); // the address stays as it was pasted, so that it can be corrected
  else changed();
  explainErrors();
  for (const slot of state.slots) if (!slot.parent) for (const key of Object.keys(slot.values)) mark(slot.slot, key);
  for (const key of Object.keys(state.parameters)) mark("function", key);
  for (const key of ["steps", "runs"]) mark("run", key);
  if ("t" in view) parts.player.seek(Number(view.t) || 0);
  else if (first) parts.player.part = stillness() ? 1 : 0;
  if (CLOCKS.includes(view.clock)) setProps("clock", { value: (page.clock = view.clock) });
  zoomTo(view.x && view.y ? { "xaxis.range": view.x.split(",").map(Number), "yaxis.range": view.y.split(",").map(Number) } : null);
  if (state.dim > 2 && state.view.coords !== "0,1") setProps({ role: "field", slot: "view", name: "coords" }, { value: state.view.coords });
  page.autoplay = parts.player.part === 0 && !("t" in view);
  isReady(null);
}

/** @param {[string]} values */
export function chooseFunction([family]) {
  if (!page.isOpen) return;
  if (family === page.state.family) return opening.stay();
  go(otherFunction(page.state, family), {}, () => (page.parts.player.part = stillness() ? 1 : 0));
}

/** @param {unknown} _ @param {{slot: string} | undefined} trigger */
export function duplicate(_, trigger) {
  if (!page.isOpen || !trigger) return;
  const state = structuredClone(page.state);
  const slot = find(state, trigger.slot);
  if (!slot) return;
  if (running(state).length >= MOST) return message(FULL);
  slot.on = true;
  go(`${toQuery(state)}&${toQuery({ ...state, slots: [slot] }).split("&").at(-1)}`, viewOf(state));
}

/** @param {[string]} values */
export function clock([value]) {
  if (value !== page.clock) forget("clock");
  page.clock = value;
  refresh();
}

/** @param {[string]} values */
export function hessianView([value]) {
  if (value !== page.hessian) forget("hessian");
  page.hessian = value;
  refresh();
}

function refresh() {
  if (!page.picture) return;
  redraw();
  settle();
}

/** @param {[string | null | undefined]} values @param {Place} place */
export function field([text], { slot, name }) {
  if (text === null || text === undefined) return;
  if (text === shown(read(slot, name))) {
    if (rowOf(slot, name)?.classList.contains("error")) compute(); // it is right again
    return;
  }
  const isText = slot === "view" || name === "x0" || name === "expr";
  const preset = name === "seed" || name === "noise" ? 0 : presetOf(slot, name);
  if (text.trim() === "" && preset !== undefined && preset !== null) return change(slot, name, preset);
  if (isText) return change(slot, name, text.trim(), "field");
  if (text.trim() === "auto" && fieldOf(optimizerOf(slot)?.method ?? "", name)?.auto) return change(slot, name, "auto", "field");
  const number = numberIn(text);
  if (Number.isFinite(number)) return change(slot, name, number, "field");
  stop(traces); // its answer would take back what is said here
  complain([noNumber(slot, name, text)], page.state);
}

/** @param {[string]} values @param {Place} place */
export function choice([value], { slot, name }) {
  if (value === read(slot, name)) return;
  const { forks } = page.parts;
  const own = settings(page.state, forks.edited(slot));
  const follow = name === "estimator" && !forks.on && Object.entries(tuned(slot)).every(([key, preset]) => own[key] === preset);
  change(slot, name, value, "choice");
  // Settings that the user has not changed become those tuned for the new estimator.
  if (follow) for (const [key, preset] of Object.entries(tuned(slot))) change(slot, key, preset);
  else if (name === "estimator") for (const key of Object.keys(own)) mark(slot, key);
}

/** @param {[number | undefined]} values @param {Place} place */
export function reset([clicks], { slot, name }) {
  const preset = presetOf(slot, name);
  if (clicks && preset !== undefined && preset !== null) change(slot, name, preset);
}

/** @param {[boolean]} values @param {{slot: string}} place */
const switchSlot = ([on], { slot }) => page.isOpen && turn(slot, on);
export { switchSlot as switch };
