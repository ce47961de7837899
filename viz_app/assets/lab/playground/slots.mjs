// The optimizers of the page's state, and their forks. A fork runs as its parent does up to a step, and from there on
// with other settings; it holds those only (`overrides`), so that it follows what is changed in its parent.

import { decoded } from "../web/decoded.mjs";

/**
 * @typedef {object} Slot one optimizer, with a card of its own or, as a fork, a card under its parent's
 * @property {string} slot its key: `hizoo`, `hizoo#2`
 * @property {string} method @property {string} name @property {string=} given the name that a person gave it
 * @property {boolean} on @property {string} colour a CSS variable
 * @property {string | null} parent the slot that it was forked from, while that is in the state
 * @property {number} step from which its last settings hold  @property {object} overrides a fork's own settings
 * @property {object} values the settings of one without a parent  @property {{step: number, values: object}[]} past those before
 */

export const MOST = 8; // optimizers in a spec
const EXTRA = 4; // spare colours in style.css

export const find = (state, key) => state.slots.find(({ slot }) => slot === key);

/** The optimizers that run, in the order of the spec. */
export const running = (state) => state.slots.filter((slot) => slot.on);

/** All settings of a slot, each with the step from which it holds. */
export function segments(state, slot) {
  const parent = slot.parent && find(state, slot.parent);
  if (!parent) return [...slot.past, { step: slot.step, values: slot.values }];
  const before = segments(state, parent).filter(({ step }) => step < slot.step);
  return [...before, { step: slot.step, values: { ...before.at(-1).values, ...slot.overrides } }];
}

/** The settings at the end of a slot's run: what its controls show. */
export const settings = (state, slot) => segments(state, slot).at(-1).values;

/** The slot whose card holds a slot's controls: itself, or what it was forked from. */
export function holder(state, slot) {
  const parent = slot.parent && find(state, slot.parent);
  return parent ? holder(state, parent) : slot;
}

/** What `after` has that differs from `before`. */
export const different = (before, after) => Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name]));

/** Make the forks of an opened spec follow their parents. */
export function adopt(state) {
  for (const slot of state.slots) {
    if (!slot.parent) continue;
    slot.overrides = {};
    slot.overrides = different(settings(state, slot), slot.values);
    slot.name = forkName(state, slot);
  }
}

/** HiZOO @120; the second one at the same step HiZOO @120 (2). */
function forkName(state, { slot: own, parent, step }) {
  const name = `${find(state, parent).name} @${step}`;
  const taken = new Set(state.slots.filter(({ slot }) => slot !== own).map((other) => other.name));
  let number = 1;
  while (taken.has(number === 1 ? name : `${name} (${number})`)) number++;
  return number === 1 ? name : `${name} (${number})`;
}

/** Add a fork of `parent` at a step, with its parent's settings so far. */
export function addFork(state, parent, step) {
  const slot = {
    ...parent,
    ...unused(state, parent.method),
    given: undefined,
    on: true,
    parent: parent.slot,
    step,
    past: [],
    overrides: {},
  };
  slot.name = forkName(state, slot);
  state.slots.splice(state.slots.findLastIndex(({ method }) => method === parent.method) + 1, 0, slot);
  return slot;
}

/** A key that no slot has, and a colour, another one if there are enough. */
function unused(state, method) {
  let copy = 2;
  while (find(state, `${method}#${copy}`)) copy++;
  const spare = Array.from({ length: EXTRA }, (_, i) => `--extra-${i + 1}`);
  const colour = spare.find((name) => state.slots.every((slot) => slot.colour !== name)) ?? spare[(copy - 2) % EXTRA];
  return { slot: `${method}#${copy}`, colour };
}

/**
 * Take a slot out; what was forked from it keeps the settings that it has now.
 * @returns {() => void} puts it back, and leaves the rest of the state as it is by then
 */
export function remove(state, key) {
  const at = state.slots.findIndex(({ slot }) => slot === key);
  const [gone] = state.slots.splice(at, 1);
  const children = state.slots.filter(({ parent }) => parent === key);
  const before = children.map(({ past, values }) => ({ past, values }));
  for (const child of children) {
    const all = segments({ slots: [...state.slots, gone] }, child);
    Object.assign(child, { past: all.slice(0, -1), values: all.at(-1).values, parent: null });
  }
  return () => {
    if (find(state, gone.slot)) Object.assign(gone, unused(state, gone.method)); // a newer fork has taken its place
    state.slots.splice(Math.min(at, state.slots.length), 0, gone);
    children.forEach((child, i) => Object.assign(child, before[i], { parent: gone.slot }));
  };
}

/** The running forks, each with its parent where that runs too. */
export function forks(state) {
  const on = running(state);
  return on.filter(({ parent }) => parent).map((fork) => ({ fork, parent: on.find(({ slot }) => slot === fork.parent) ?? null }));
}

/** From which step on each running slot is drawn, and from which on as a ghost, because something was forked from it. */
export function spans(state) {
  const pairs = forks(state).filter(({ parent }) => parent);
  return running(state).map((slot) => ({
    from: pairs.find(({ fork }) => fork === slot)?.fork.step ?? 0,
    ghost: Math.min(Infinity, ...pairs.filter(({ parent }) => parent === slot).map(({ fork }) => fork.step)),
  }));
}

/** The names by which the server knows the running slots: hizoo, mezo, hizoo#2. */
export function labels(state) {
  const seen = {};
  return running(state).map(({ method }) => {
    seen[method] = (seen[method] ?? 0) + 1;
    return seen[method] === 1 ? method : `${method}#${seen[method]}`;
  });
}

/** The name to show. */
export const title = (slot) => slot.given || slot.name;

/** The given names as a link's text: hizoo#2:fast,mezo:slow, each part escaped. */
export function namesText(state) {
  const known = labels(state);
  const given = running(state).map((slot, i) => slot.given && `${known[i]}:${slot.given.replace(/[%,:]/g, encodeURIComponent)}`);
  return given.filter(Boolean).join(",");
}

/** Give the slots the names of a link's text. */
export function readNames(state, text) {
  const given = new Map(text.split(",").map((part) => part.split(":")));
  labels(state).forEach((label, i) => {
    const name = given.get(label);
    if (name) running(state)[i].given = decoded(name).slice(0, 40);
  });
}
