// The forks' cards, under the card of what they were forked from: name, settings that differ, difference in loss.

import { page, clockKey, element } from "./page.mjs";
import { rowOf } from "../web/messages.mjs";
import { find, forks, holder, running, segments, settings, title } from "./slots.mjs";
import { clockLength, frameAt } from "./trace.mjs";
import { changes, compared, named } from "./words.mjs";

const SOLVED = 1e-12; // of the first loss: rounding is all that lies below

/**
 * Bring the cards in line with the state.
 * @param {{edited: (card: string) => import("./slots.mjs").Slot, edit: (slot: string) => void, remove: (slot: string) => void, rename: (slot: string, name: string) => void}} hooks
 */
export function showForks(hooks) {
  const { state } = page;
  const wanted = new Map(forks(state).map(({ fork }) => [fork.slot, fork]));
  for (const card of document.querySelectorAll(".card.fork")) if (!wanted.has(card.dataset.slot)) card.remove();
  for (const [key, fork] of wanted) {
    const card = cardOf(key) ?? make(fork, hooks);
    const parent = find(state, fork.parent);
    const [before, after] = segments(state, fork).slice(-2);
    const list = changes(before.values, after.values);
    const editing = hooks.edited(holder(state, fork).slot) === fork;
    card.classList.toggle("editing", editing);
    card.querySelector(".edit").setAttribute("aria-pressed", String(editing));
    write(card, ".from", `from step ${fork.step.toLocaleString("en-US")} of ${title(parent)}`);
    write(card, ".differs", list.length ? list.join("; ") : "as before: move a control to change it");
    const name = card.querySelector("input");
    if (document.activeElement !== name) name.value = title(fork);
  }
  for (const slot of state.slots) if (!slot.parent) mark(state, slot, hooks.edited(slot.slot));
}

/** On a card whose controls change a fork: which one, its colour, and the run's own value where the fork has another. */
function mark(state, slot, edited) {
  const card = document.querySelector(`.card.optimizer[data-slot="${slot.slot}"]`);
  if (!card) return;
  const forking = edited !== slot;
  card.style.setProperty("--colour", `var(${edited.colour})`);
  let note = card.querySelector(".forked");
  if (forking && !note) {
    note = document.createElement("p");
    note.className = "forked";
    card.querySelector(".head").after(note);
  }
  if (note) note.textContent = forking ? `Fork from step ${edited.step.toLocaleString("en-US")} on: ${title(edited)}` : "";
  const [own, values] = [settings(state, slot), settings(state, edited)];
  for (const [name, value] of Object.entries(values)) {
    const row = rowOf(slot.slot, name);
    if (!row) continue;
    if (forking && value !== own[name]) row.dataset.own = `${slot.name}’s run: ${named(own[name])}`;
    else delete row.dataset.own;
  }
}

/** What each running fork's loss is beside the old future's, now and at the end, by the fork's slot. */
export function differences() {
  const { drawn, trace, time } = page;
  const on = running(drawn);
  const solved = trace.reference === null ? null : SOLVED * trace.header.initial_gap;
  const clock = clockKey();
  const at = (slot, moment) => {
    const track = trace.tracks[on.indexOf(slot)];
    return track.gap_q[track.frames + frameAt(track, moment, clock).frame];
  };
  const end = clockLength(trace, clock);
  const pairs = forks(drawn).filter(({ parent }) => parent);
  return new Map(
    pairs.map(({ fork, parent }) => [
      fork.slot,
      { now: compared(at(fork, time), at(parent, time), solved), end: compared(at(fork, end), at(parent, end), solved), parent: title(parent) },
    ]),
  );
}

/** Write the differences into the cards. */
export function showDifferences(found) {
  for (const card of document.querySelectorAll(".card.fork")) {
    const difference = found.get(card.dataset.slot);
    write(card, ".now", difference ? difference.now : "–");
    write(card, ".end", difference ? difference.end : "–");
  }
}

const cardOf = (key) => document.querySelector(`.card.fork[data-slot="${key}"]`);

function make(fork, { edit, remove, rename }) {
  const card = document.createElement("section");
  card.className = "card optimizer fork";
  card.dataset.slot = fork.slot;
  card.style.setProperty("--colour", `var(${fork.colour})`);
  card.innerHTML = `<div class="head"><input aria-label="Name of this fork" title="Name of this fork; the link keeps it" maxlength="40" spellcheck="false">
      <button class="edit" title="Change this fork with the controls of the card above; again to stop">Edit</button>
      <button class="quiet" title="Remove this fork" aria-label="Remove this fork">×</button></div>
    <p class="from"></p><p class="differs"></p>
    <p class="gap" title="Median loss against that of the old future, at the same time of the loss chart's clock. Solved: below 1e-12 of the first loss, where only rounding is left.">loss now <b class="now"></b>, at the end <b class="end"></b></p>`;
  const name = card.querySelector("input");
  name.addEventListener("change", () => rename(fork.slot, name.value.trim()));
  name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
  card.querySelector(".edit").addEventListener("click", () => edit(fork.slot));
  card.querySelector(".quiet").addEventListener("click", () => remove(fork.slot));
  const root = find(page.state, fork.parent);
  const place = document.querySelector(`[data-forks="${root.slot}"]`) ?? cardOf(root.slot)?.parentElement ?? element("controls");
  place.append(card);
  return card;
}

function write(card, selector, text) {
  const target = card.querySelector(selector);
  if (target.textContent !== text) target.textContent = text;
}
