// The clock: play, pause, step, scrub, speed. It never asks the server.

import { html, render } from "../vendor/lit.mjs";
import { one } from "../web/one.mjs";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
const OWN_KEYS = "input:not(#player input), select, textarea, [role=combobox], [role=menu], dialog[open]"; // they use the keys themselves
const FULL = 8000; // ms for a whole run at 1×
const LONGEST = 100; // ms that a frame counts for: a tab that was hidden plays on from where it was

const ICONS = {
  start: "M6 5h2v14H6zM20 5v14L9 12z",
  back: "M16 5v14L6 12z",
  play: "M8 5v14l11-7z",
  pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  forward: "M8 5v14l10-7z",
  fork: "M10.8 21v-7.2L5.6 8.6V11H3.4V4.6h6.4v2.2H7.2L12 11.6l4.8-4.8h-2.6V4.6h6.4V11h-2.2V8.6l-5.2 5.2V21z",
  end: "M16 5h2v14h-2zM4 5v14l11-7z",
};

/** @param {keyof typeof ICONS} name */
const icon = (name) => html`<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true"><path fill="currentColor" d=${ICONS[name]}></path></svg>`;

/** @typedef {"start" | "back" | "toggle" | "forward" | "end"} Action */

/** @type {Record<string, Action | undefined>} */
const KEYS = { " ": "toggle", ArrowLeft: "back", ArrowRight: "forward", Home: "start", End: "end" };

/**
 * @typedef {object} Hooks
 * @property {(part: number, playing: boolean) => void} draw
 * @property {() => void} settle called when playing stops
 * @property {(part: number, by: number) => number} neighbour where the next or previous step lies
 * @property {() => void} fork the key f, or its button
 */

export class Player {
  /** Where it is in the run, 0 to 1. */
  part = 1;
  playing = false;
  /** How often the user has moved it; a change of `part` that follows the race's length does not count. */
  moves = 0;
  #speed = 1;

  /** @type {Record<Action, () => void>} */
  #actions = {
    start: () => this.seek(0),
    back: () => this.seek(this.hooks.neighbour(this.part, -1)),
    toggle: () => this.toggle(),
    forward: () => this.seek(this.hooks.neighbour(this.part, 1)),
    end: () => this.seek(1),
  };

  /** @param {HTMLElement} root @param {Hooks} hooks */
  constructor(root, hooks) {
    this.hooks = hooks;
    const keep = (/** @type {Event} */ event) => event.preventDefault(); // the space bar stays the player's
    /** @param {Exclude<Action, "toggle">} name @param {string} title @param {string} label */
    const button = (name, title, label) =>
      html`<button data-do=${name} title=${title} aria-label=${label} @click=${this.#actions[name]} @pointerdown=${keep}>${icon(name)}</button>`;
    render(
      html`
        ${button("start", "To the start (Home)", "To the start")}
        ${button("back", "One step back (←)", "One step back")}
        <button data-do="toggle" class="main" title="Play or pause (space)" @click=${this.#actions.toggle} @pointerdown=${keep}></button>
        ${button("forward", "One step forward (→)", "One step forward")}
        ${button("end", "To the end (End)", "To the end")}
        <button data-do="fork" aria-pressed="false" disabled aria-label="Fork" @pointerdown=${keep}
          title="Fork (f): moving a control re-runs from the cursor's step on, and keeps the old future as a ghost">${icon("fork")}</button>
        <input type="range" min="0" max="1000" step="any" value="1000" aria-label="Time">
        <output></output>
        <select aria-label="Speed" title="Speed: 1× plays a run in ${FULL / 1000} s">
          ${SPEEDS.map((speed) => html`<option value=${speed} ?selected=${speed === 1}>${speed}×</option>`)}
        </select>`,
      root,
    );
    this.scrubber = one(root, "input", HTMLInputElement);
    this.output = one(root, "output");
    this.button = one(root, "[data-do=toggle]");
    this.forkButton = one(root, "[data-do=fork]", HTMLButtonElement);
    const speed = one(root, "select", HTMLSelectElement);
    this.scrubber.addEventListener("input", () => this.seek(this.scrubber.valueAsNumber / 1000));
    speed.addEventListener("change", () => (this.#speed = Number(speed.value)));
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#label();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @param {string} owners */
    const isTheirs = (owners) => event.target instanceof Element && event.target.closest(owners) !== null;
    if (event.key === "f" && !isTheirs(OWN_KEYS)) return this.hooks.fork();
    const name = KEYS[event.key];
    if (!name || isTheirs(event.key === " " ? `${OWN_KEYS}, button, summary` : `${OWN_KEYS}, [role=slider]`)) return;
    event.preventDefault();
    this.#actions[name]();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Play, from the start if the end is reached. */
  play() {
    if (this.part >= 1) this.part = 0;
    if (this.playing) return;
    this.playing = true;
    this.moves++;
    this.#label();
    let before = performance.now();
    /** @param {number} now */
    const tick = (now) => {
      if (!this.playing) return;
      this.part = Math.min(1, this.part + (Math.min(Math.max(now - before, 0), LONGEST) / FULL) * this.#speed);
      before = now;
      if (this.part >= 1) this.pause();
      else {
        this.show();
        requestAnimationFrame(tick);
      }
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    this.#label();
    this.show();
    this.hooks.settle();
  }

  /** Go to a part of the run, 0 to 1. @param {number} part */
  seek(part) {
    this.moves++;
    this.part = Math.min(Math.max(part, 0), 1);
    this.pause();
  }

  /** Draw the present moment. */
  show() {
    this.scrubber.valueAsNumber = this.part * 1000;
    this.scrubber.style.setProperty("--part", `${this.part * 100}%`);
    this.hooks.draw(this.part, this.playing);
  }

  #label() {
    render(icon(this.playing ? "pause" : "play"), this.button);
    this.button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }
}
