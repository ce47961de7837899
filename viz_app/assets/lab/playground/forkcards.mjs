// The forks' cards, under the card of what they were forked from: name, settings that differ, difference in loss.

import { html, render } from "../vendor/lit.mjs";
import { make, setText } from "../web/make.mjs";
import { rowOf } from "../web/messages.mjs";
import { byId, one } from "../web/one.mjs";
import { count } from "../web/scale.mjs";
import { clockKey, page } from "./page.mjs";
import { forks, held, holder, pairs, running, segments, settings, title } from "./slots.mjs";
import { clockLength, frameAt } from "./trace.mjs";
import { changes, compared, named } from "./words.mjs";

/** @import { Slot } from "./slots.mjs" */
/** @import { State } from "./page.mjs" */

const SOLVED = 1e-12; // of the first loss: rounding is all that lies below

/** @typedef {{edited: (card: string) => Slot, edit: (slot: string) => void, remove: (slot: string) => void, rename: (slot: string, name: string) => void}} Hooks `edited`: the slot that a card's controls change */

/** @typedef {{now: string, end: string, parent: string}} Difference of a fork's loss from the old future's, at present and at the end, in words */

/** Bring the cards in line with the state. @param {Hooks} hooks */
export function showForks(hooks) {
  const { state } = page;
  const wanted = new Map(forks(state).map(({ fork }) => [fork.slot, fork]));
  for (const card of cards()) if (!wanted.has(keyOf(card))) card.remove();
  for (const [key, fork] of wanted) {
    const parent = fork.parent && held(state, fork.parent);
    if (!parent) continue;
    const card = cardOf(key) ?? newCard(fork, parent, hooks);
    const [before, after] = segments(state, fork).slice(-2);
    const list = changes(fork.method, before.values, after.values);
    const editing = hooks.edited(holder(state, fork).slot) === fork;
    card.classList.toggle("editing", editing);
    one(card, ".edit").setAttribute("aria-pressed", String(editing));
    setText(one(card, ".from"), `from step ${count(fork.step)} of ${title(parent)}`);
    setText(one(card, ".differs"), list.length ? list.join("; ") : "as before: move a control to change it");
    const name = one(card, "input", HTMLInputElement);
    if (document.activeElement !== name) name.value = title(fork);
  }
  for (const slot of state.slots) if (!slot.parent) mark(state, slot, hooks.edited(slot.slot));
}

/** On a card whose controls change a fork: which one, its colour, and the run's own value where the fork has another. @param {State} state @param {Slot} slot @param {Slot} edited */
function mark(state, slot, edited) {
  /** @type {HTMLElement | null} */
  const card = document.querySelector(`.card.optimizer[data-slot="${slot.slot}"]`);
  if (!card) return;
  const forking = edited !== slot;
  card.style.setProperty("--colour", `var(${edited.colour})`);
  let note = card.querySelector(".forked");
  if (forking && !note) {
    note = make("p", { class: "forked" });
    one(card, ".head").after(note);
  }
  if (note) setText(note, forking ? `Fork from step ${count(edited.step)} on: ${title(edited)}` : "");
  const [own, values] = [settings(state, slot), settings(state, edited)];
  for (const [name, value] of Object.entries(values)) {
    const row = rowOf(slot.slot, name);
    if (!row) continue;
    if (forking && value !== own[name]) row.dataset.own = `${slot.name}’s run: ${named(own[name])}`;
    else delete row.dataset.own;
  }
}

/** What each running fork's loss is beside the old future's, by the fork's slot. @returns {Map<string, Difference>} */
export function differences() {
  const { drawn, trace } = page.shown;
  const on = running(drawn);
  const solved = trace.reference === null ? null : SOLVED * trace.header.initial_gap;
  const clock = clockKey();
  /** @param {Slot} slot @param {number} moment */
  const at = (slot, moment) => {
    const track = trace.tracks[on.indexOf(slot)];
    return track.gap_q[track.frames + frameAt(track, moment, clock).frame];
  };
  /** @param {Slot} fork @param {Slot} parent @param {number} moment */
  const difference = (fork, parent, moment) => compared(at(fork, moment), at(parent, moment), solved);
  const end = clockLength(trace, clock);
  return new Map(
    pairs(drawn).map(({ fork, parent }) => [fork.slot, { now: difference(fork, parent, page.time), end: difference(fork, parent, end), parent: title(parent) }]),
  );
}

/** Write the differences into the cards. @param {Map<string, Difference>} found */
export function showDifferences(found) {
  for (const card of cards()) {
    const difference = found.get(keyOf(card));
    setText(one(card, ".now"), difference?.now ?? "–");
    setText(one(card, ".end"), difference?.end ?? "–");
  }
}

const cards = () => document.querySelectorAll(".card.fork");

/** @param {Element} card */
const keyOf = (card) => card.getAttribute("data-slot") ?? "";

/** @param {string} key @returns {HTMLElement | null} */
const cardOf = (key) => document.querySelector(`.card.fork[data-slot="${key}"]`);

/** @param {Slot} fork @param {Slot} parent @param {Hooks} hooks */
function newCard({ slot, colour }, parent, { edit, remove, rename }) {
  const card = make("section", { class: "card optimizer fork", data: { slot } });
  card.style.setProperty("--colour", `var(${colour})`);
  /** @param {Event & {currentTarget: HTMLInputElement}} event */
  const renamed = ({ currentTarget }) => rename(slot, currentTarget.value.trim());
  /** @param {KeyboardEvent & {currentTarget: HTMLInputElement}} event */
  const typed = ({ key, currentTarget }) => key === "Enter" && currentTarget.blur();
  render(
    html`<div class="head">
        <input aria-label="Name of this fork" title="Name of this fork; the link keeps it" maxlength="40" spellcheck="false" @change=${renamed} @keydown=${typed}>
        <button class="edit" title="Change this fork with the controls of the card above; again to stop" @click=${() => edit(slot)}>Edit</button>
        <button class="quiet" title="Remove this fork" aria-label="Remove this fork" @click=${() => remove(slot)}>×</button></div>
      <p class="from"></p><p class="differs"></p>
      <p class="gap" title="Median loss against that of the old future, at the same time of the loss chart's clock. Solved: below 1e-12 of the first loss, where only rounding is left.">loss now <b class="now"></b>, at the end <b class="end"></b></p>`,
    card,
  );
  const place = document.querySelector(`[data-forks="${parent.slot}"]`) ?? cardOf(parent.slot)?.parentElement ?? byId("controls");
  place.append(card);
  return card;
}
