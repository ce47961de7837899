// Fork mode: while it is on, moving a control of a card leaves that optimizer as it is and changes a fork of it.

import { message } from "../web/messages.mjs";
import { one } from "../web/one.mjs";
import { showForks } from "./forkcards.mjs";
import { clockKey, page } from "./page.mjs";
import { MOST, addFork, different, find, held, holder, remove, running, segments, settings } from "./slots.mjs";
import { stepAt } from "./trace.mjs";

/** @import { Settings, Slot } from "./slots.mjs" */

/**
 * @typedef {object} Hooks
 * @property {(card: string, name: string, value: number | string) => void} show puts a value into a card's control
 * @property {() => void} begun fork mode has gone on or off, or a fork has begun to be changed
 * @property {() => void} changed the state has
 * @property {(slot: string) => void} remove the user removes a fork
 * @property {(slot: string, name: string) => void} rename the user names a fork
 */

export class Forks {
  on = false;
  /** By card: the fork that its controls change, and from where the player stood when that began; null if that does not matter. @type {Map<string, {key: string, at: {step: number, moves: number} | null}>} */
  #editing = new Map();

  /** @param {HTMLButtonElement} button @param {Hooks} hooks */
  constructor(button, hooks) {
    this.button = button;
    this.hooks = hooks;
    button.addEventListener("click", () => this.toggle());
  }

  /** Bring the forks' cards in line with the state. */
  showCards() {
    const { remove, rename } = this.hooks;
    showForks({ edited: (card) => this.edited(card), edit: (key) => this.edit(key), remove, rename });
  }

  /** The slot that a card's controls change: itself, or the fork that is being made of it. @param {string} card */
  edited(card) {
    return find(page.state, this.#editing.get(card)?.key) ?? held(page.state, card);
  }

  toggle(on = !this.on) {
    if (on && this.button.disabled) return message("Move the cursor into the run: a fork starts at its step");
    this.#turn(on);
    if (on) message("Fork is on: a control that you move changes a copy of its optimizer, from the cursor's step on.");
  }

  /** @param {boolean} on */
  #turn(on) {
    if (on === this.on) return;
    this.on = on;
    this.button.setAttribute("aria-pressed", String(on));
    one(document, "main").classList.toggle("forking", on);
    if (!on) for (const card of [...this.#editing.keys()]) this.#release(card);
    this.hooks.begun();
  }

  /** Change an existing fork with its parent's controls, wherever the cursor is, or stop doing so. @param {string} key */
  edit(key) {
    const fork = held(page.state, key);
    const card = holder(page.state, fork);
    if (this.#editing.get(card.slot)?.key === key) {
      this.#release(card.slot);
      return this.hooks.begun();
    }
    const before = settings(page.state, this.edited(card.slot));
    this.#turn(true);
    this.button.disabled = false;
    this.#editing.set(card.slot, { key, at: null });
    this.#showAll(card, before, settings(page.state, fork));
    this.hooks.begun();
  }

  /** The fork that a card's control is about to change, made if there is none yet; null if there cannot be one. @param {string} card */
  take(card) {
    const { state } = page;
    const known = this.#editing.get(card);
    if (known) return held(state, known.key);
    const parent = held(state, card);
    const step = stepOf(parent);
    if (step < 1 || step >= state.steps) return refuse(`${parent.name} is at step ${step}: a fork starts at 1 to ${state.steps - 1}`);
    if (running(state).length >= MOST) return refuse(`at most ${MOST} optimizers run side by side`);
    const fork = addFork(state, parent, step);
    this.#editing.set(card, { key: fork.slot, at: { step, moves: page.parts.player.moves } });
    this.hooks.begun();
    return fork;
  }

  /** When the user has moved the cursor to another step, the next change makes a new fork: the cards show their own runs again. */
  #moved() {
    const gone = [...this.#editing].filter(([card, { at }]) => at && at.moves !== page.parts.player.moves && at.step !== stepOf(held(page.state, card)));
    for (const [card] of gone) this.#release(card);
    if (gone.length) this.hooks.begun();
  }

  /** Set one of a fork's settings; what equals its parent's is not its own. @param {Slot} fork @param {string} name @param {number | string} value */
  set(fork, name, value) {
    fork.overrides[name] = value;
    const inherited = segments(page.state, fork).at(-2)?.values;
    if (inherited?.[name] === value) delete fork.overrides[name];
  }

  /** Take a fork out. @param {string} key @returns {() => void} puts it back */
  remove(key) {
    for (const [card, fork] of [...this.#editing]) if (fork.key === key) this.#release(card);
    const back = remove(page.state, key);
    this.hooks.changed();
    return back;
  }

  /** Whether a fork can begin where the player is. @param {number} part */
  cursor(part) {
    const out = !(part > 0 && part < 1) && !this.on;
    if (this.button.disabled !== out) this.button.disabled = out;
    if (this.#editing.size) this.#moved();
  }

  /** Forget everything: another spec is open. */
  clear() {
    this.#editing.clear();
    this.#turn(false);
  }

  /** A card's controls show its own settings again. @param {string} card */
  #release(card) {
    const fork = this.edited(card);
    this.#editing.delete(card);
    const own = find(page.state, card);
    if (own) this.#showAll(own, settings(page.state, fork), settings(page.state, own));
  }

  /** @param {Slot} card @param {Settings} before @param {Settings} after */
  #showAll(card, before, after) {
    for (const [name, value] of Object.entries(different(before, after))) this.hooks.show(card.slot, name, value);
  }
}

/** The step that a slot's run is at. @param {Slot} slot */
function stepOf({ slot }) {
  if (!page.picture) return 0;
  const { trace, drawn } = page.picture;
  const track = trace.tracks[running(drawn).findIndex((other) => other.slot === slot)];
  return track ? Math.round(stepAt(track, page.time, clockKey())) : 0;
}

/** @param {string} text */
function refuse(text) {
  message(text);
  return null;
}
