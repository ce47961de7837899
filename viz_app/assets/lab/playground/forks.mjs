// Fork mode: while it is on, moving a control of a card leaves that optimizer as it is and changes a fork of it.

import { message } from "../web/messages.mjs";
import { clockKey, page } from "./page.mjs";
import { MOST, addFork, different, find, holder, remove, running, segments, settings } from "./slots.mjs";
import { stepAt } from "./trace.mjs";

export class Forks {
  /**
   * @param {HTMLButtonElement} button
   * @param {{show: (card: string, name: string, value: any) => void, begun: () => void, changed: () => void}} hooks
   *   `show` puts a value into a card's control; `begun` is called when fork mode goes on or off
   */
  constructor(button, hooks) {
    // By card: the fork that its controls change, and from where the player stood when that began; null if that does not matter.
    Object.assign(this, { button, hooks, on: false, editing: new Map() });
    button.addEventListener("click", () => this.toggle());
  }

  /** The slot that a card's controls change: itself, or the fork that is being made of it. */
  edited(card) {
    return find(page.state, this.editing.get(card)?.key) ?? find(page.state, card);
  }

  toggle(on = !this.on) {
    if (on && this.button.disabled) return message("Move the cursor into the run: a fork starts at its step");
    this.#turn(on);
    if (on) message("Fork is on: a control that you move changes a copy of its optimizer, from the cursor's step on.");
  }

  #turn(on) {
    if (on === this.on) return;
    this.on = on;
    this.button.setAttribute("aria-pressed", String(on));
    document.querySelector("main").classList.toggle("forking", on);
    if (!on) for (const card of [...this.editing.keys()]) this.#release(card);
    this.hooks.begun();
  }

  /** Change an existing fork with its parent's controls, wherever the cursor is, or stop doing so. */
  edit(key) {
    const fork = find(page.state, key);
    const card = holder(page.state, fork);
    if (this.editing.get(card.slot)?.key === key) {
      this.#release(card.slot);
      return this.hooks.begun();
    }
    const before = settings(page.state, this.edited(card.slot));
    this.#turn(true);
    this.button.disabled = false;
    this.editing.set(card.slot, { key, at: null });
    this.#showAll(card, before, settings(page.state, fork));
    this.hooks.begun();
  }

  /** The fork that a card's control is about to change, made if there is none yet; null if there cannot be one. */
  take(card) {
    const { state } = page;
    const known = this.editing.get(card);
    if (known) return find(state, known.key);
    const parent = find(state, card);
    const step = stepOf(parent);
    if (step < 1 || step >= state.steps) return refuse(`${parent.name} is at step ${step}: a fork starts at 1 to ${state.steps - 1}`);
    if (running(state).length >= MOST) return refuse(`at most ${MOST} optimizers run side by side`);
    const fork = addFork(state, parent, step);
    this.editing.set(card, { key: fork.slot, at: { step, moves: page.parts.player.moves } });
    this.hooks.begun();
    return fork;
  }

  /** Where somebody has moved the cursor to another step, the next change makes a new fork: the cards show their own runs again. */
  #moved() {
    const gone = [...this.editing].filter(([card, { at }]) => at && at.moves !== page.parts.player.moves && at.step !== stepOf(find(page.state, card)));
    for (const [card] of gone) this.#release(card);
    if (gone.length) this.hooks.begun();
  }

  /** Set one of a fork's settings; what equals its parent's is not its own. */
  set(fork, name, value) {
    fork.overrides[name] = value;
    const { state } = page;
    const inherited = segments(state, fork).at(-2).values;
    if (inherited[name] === value) delete fork.overrides[name];
  }

  /** Take a fork out. @returns {() => void} puts it back */
  remove(key) {
    for (const [card, fork] of [...this.editing]) if (fork.key === key) this.#release(card);
    const back = remove(page.state, key);
    this.hooks.changed();
    return back;
  }

  /** Whether a fork can begin where the player is. */
  cursor(part) {
    const out = !(part > 0 && part < 1) && !this.on;
    if (this.button.disabled !== out) this.button.disabled = out;
    if (this.editing.size) this.#moved();
  }

  /** Forget everything: another spec is open. */
  clear() {
    this.editing.clear();
    this.#turn(false);
  }

  /** A card's controls show its own settings again. */
  #release(card) {
    const [fork, own] = [this.edited(card), find(page.state, card)];
    this.editing.delete(card);
    if (own) this.#showAll(own, settings(page.state, fork), settings(page.state, own));
  }

  #showAll(card, before, after) {
    for (const [name, value] of Object.entries(different(before, after))) this.hooks.show(card.slot, name, value);
  }
}

/** The step that a slot's run is at. */
function stepOf(slot) {
  const track = page.trace?.tracks[running(page.drawn).findIndex((drawn) => drawn.slot === slot.slot)];
  return track ? Math.round(stepAt(track, page.time, clockKey())) : 0;
}

function refuse(text) {
  message(text);
  return null;
}
