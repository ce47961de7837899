// The optimizers of the page's state, and their forks. A fork runs as its parent does up to a step, and from there on
// with other settings; it holds those only (`overrides`), so that it follows what is changed in its parent.

import { catalogue } from "../web/catalogue.mjs";
import { decoded } from "../web/decoded.mjs";

/** @typedef {Record<string, number | string>} Settings a method's hyperparameters by name */

/** @typedef {{step: number, values: Settings}} Segment settings, and the step from which they hold */

/**
 * @typedef {object} Slot one optimizer, with a card of its own or, as a fork, a card under its parent's
 * @property {string} slot its key: `hizoo`, `hizoo#2`
 * @property {string} method @property {string} name @property {string=} given the name that a person gave it
 * @property {boolean} on @property {string} colour a CSS variable
 * @property {string | null} parent the slot that it was forked from, while that is in the state
 * @property {number} step from which its last settings hold  @property {Settings} overrides a fork's own settings
 * @property {Settings} values the settings of one without a parent  @property {Segment[]} past those before
 * @property {Record<string, Settings>} presets tuned settings by estimator, under "" where the method has none
 * @property {number | null} trials how many settings were tried for them; null if nothing was tuned
 */

/** @typedef {{slots: Slot[]}} Slots */

/** Optimizers in a spec. */
export const MOST = catalogue.limits.optimizers[1];

/** @param {Slots} state @param {string | null | undefined} key */
export const find = (state, key) => state.slots.find(({ slot }) => slot === key);

/** The same, of a key that is known to be there. @param {Slots} state @param {string} key */
export function held(state, key) {
  const slot = find(state, key);
  if (!slot) throw new Error(`no optimizer ${key}`);
  return slot;
}

/** The optimizers that run, in the order of the spec. @param {Slots} state */
export const running = (state) => state.slots.filter((slot) => slot.on);

/** All settings of a slot, each with the step from which it holds. @param {Slots} state @param {Slot} slot @returns {[Segment, ...Segment[]]} */
export function segments(state, slot) {
  const parent = find(state, slot.parent);
  const last = { step: slot.step, values: slot.values };
  const [first, ...more] = parent ? segments(state, parent).filter(({ step }) => step < slot.step) : slot.past;
  if (!first) return [last];
  if (!parent) return [first, ...more, last];
  return [first, ...more, { step: slot.step, values: { ...(more.at(-1) ?? first).values, ...slot.overrides } }];
}

/** The settings at the end of a slot's run: what its controls show. @param {Slots} state @param {Slot} slot */
export function settings(state, slot) {
  const all = segments(state, slot);
  return all[all.length - 1].values;
}

/** The slot whose card holds a slot's controls: itself, or what it was forked from. @param {Slots} state @param {Slot} slot @returns {Slot} */
export function holder(state, slot) {
  const parent = find(state, slot.parent);
  return parent ? holder(state, parent) : slot;
}

/** What `after` has that differs from `before`. @param {Settings} before @param {Settings} after @returns {Settings} */
export const different = (before, after) => Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name]));

/** Make the forks of an opened spec follow their parents. @param {Slots} state */
export function adopt(state) {
  for (const slot of state.slots) {
    if (!slot.parent) continue;
    slot.overrides = {};
    slot.overrides = different(settings(state, slot), slot.values);
    slot.name = forkName(state, slot.slot, held(state, slot.parent), slot.step);
  }
}

/** HiZOO @120; the second one at the same step HiZOO @120 (2). @param {Slots} state @param {string} own @param {Slot} parent @param {number} step */
function forkName(state, own, parent, step) {
  const name = `${parent.name} @${step}`;
  const taken = new Set(state.slots.filter(({ slot }) => slot !== own).map((other) => other.name));
  let number = 1;
  while (taken.has(number === 1 ? name : `${name} (${number})`)) number++;
  return number === 1 ? name : `${name} (${number})`;
}

/** Add a fork of `parent` at a step, with its parent's settings so far. @param {Slots} state @param {Slot} parent @param {number} step */
export function addFork(state, parent, step) {
  const fresh = unused(state, parent.method);
  const name = forkName(state, fresh.slot, parent, step);
  /** @type {Slot} */
  const slot = { ...parent, ...fresh, name, given: undefined, on: true, parent: parent.slot, step, past: [], overrides: {} };
  state.slots.splice(state.slots.findLastIndex(({ method }) => method === parent.method) + 1, 0, slot);
  return slot;
}

/** A key that no slot has, and a colour, another one if there are enough. @param {Slots} state @param {string} method */
function unused(state, method) {
  let copy = 2;
  while (find(state, `${method}#${copy}`)) copy++;
  const spare = catalogue.spareColours;
  const colour = spare.find((name) => state.slots.every((slot) => slot.colour !== name)) ?? spare[(copy - 2) % spare.length];
  return { slot: `${method}#${copy}`, colour };
}

/**
 * Take a slot out; what was forked from it keeps the settings that it has now.
 * @param {Slots} state @param {string} key
 * @returns {() => void} puts it back, and leaves the rest of the state as it is by then
 */
export function remove(state, key) {
  const at = state.slots.findIndex(({ slot }) => slot === key);
  const [gone] = state.slots.splice(at, 1);
  const children = state.slots.filter(({ parent }) => parent === key);
  const before = children.map(({ past, values }) => ({ past, values }));
  for (const child of children) {
    const all = segments({ slots: [...state.slots, gone] }, child);
    Object.assign(child, { past: all.slice(0, -1), values: all[all.length - 1].values, parent: null });
  }
  return () => {
    if (find(state, gone.slot)) Object.assign(gone, unused(state, gone.method)); // a newer fork has taken its place
    state.slots.splice(Math.min(at, state.slots.length), 0, gone);
    children.forEach((child, i) => Object.assign(child, before[i], { parent: gone.slot }));
  };
}

/** The running forks, each with its parent where that runs too. @param {Slots} state */
export function forks(state) {
  const on = running(state);
  return on.filter(({ parent }) => parent).map((fork) => ({ fork, parent: on.find(({ slot }) => slot === fork.parent) ?? null }));
}

/** The running forks whose parents run too. @param {Slots} state */
export const pairs = (state) => forks(state).flatMap(({ fork, parent }) => (parent ? [{ fork, parent }] : []));

/** @typedef {{from: number, ghost: number}} Span the step from which a run is drawn, and that from which on it is a ghost (or Infinity) */

/** What of each running slot is drawn, and what is a ghost, because something was forked from it. @param {Slots} state @returns {Span[]} */
export function spans(state) {
  const found = pairs(state);
  return running(state).map((slot) => ({
    from: found.find(({ fork }) => fork === slot)?.fork.step ?? 0,
    ghost: Math.min(Infinity, ...found.filter(({ parent }) => parent === slot).map(({ fork }) => fork.step)),
  }));
}

/** The names by which the server knows the running slots: hizoo, mezo, hizoo#2. @param {Slots} state */
export function labels(state) {
  /** @type {Record<string, number>} */
  const seen = {};
  return running(state).map(({ method }) => {
    seen[method] = (seen[method] ?? 0) + 1;
    return seen[method] === 1 ? method : `${method}#${seen[method]}`;
  });
}

/** The name to show. @param {Slot} slot */
export const title = (slot) => slot.given || slot.name;

/** The given names as a link's text: hizoo#2:fast,mezo:slow, each part escaped. @param {Slots} state */
export function namesText(state) {
  const known = labels(state);
  const given = running(state).map((slot, i) => slot.given && `${known[i]}:${slot.given.replace(/[%,:]/g, encodeURIComponent)}`);
  return given.filter(Boolean).join(",");
}

/** Give the slots the names of a link's text. @param {Slots} state @param {string} text */
export function readNames(state, text) {
  const given = new Map(text.split(",").map((part) => /** @type {[string, string]} */ (part.split(":"))));
  labels(state).forEach((label, i) => {
    const name = given.get(label);
    if (name) running(state)[i].given = decoded(name).slice(0, 40);
  });
}
