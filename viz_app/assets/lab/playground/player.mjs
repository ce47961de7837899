// The clock: play, pause, step, scrub, speed. It never asks the server.

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
const icon = (name) => `<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true"><path fill="currentColor" d="${ICONS[name]}"/></svg>`;

export class Player {
  /**
   * @param {HTMLElement} root
   * @param {{draw: (part: number, playing: boolean) => void, settle: () => void, neighbour: (part: number, by: number) => number, fork: () => void}} hooks
   *   `neighbour` tells where the next or previous step lies; `settle` is called when playing stops; `fork` by the key f
   */
  constructor(root, hooks) {
    Object.assign(this, { root, hooks, part: 1, playing: false, speed: 1, moves: 0 });
    root.innerHTML = `
      <button data-do="start" title="To the start (Home)" aria-label="To the start">${icon("start")}</button>
      <button data-do="back" title="One step back (←)" aria-label="One step back">${icon("back")}</button>
      <button data-do="toggle" class="main" title="Play or pause (space)" aria-label="Play">${icon("play")}</button>
      <button data-do="forward" title="One step forward (→)" aria-label="One step forward">${icon("forward")}</button>
      <button data-do="end" title="To the end (End)" aria-label="To the end">${icon("end")}</button>
      <button data-do="fork" aria-pressed="false" disabled aria-label="Fork" title="Fork (f): moving a control re-runs from the cursor's step on, and keeps the old future as a ghost">${icon("fork")}</button>
      <input type="range" min="0" max="1000" step="any" value="1000" aria-label="Time">
      <output></output>
      <select aria-label="Speed" title="Speed: 1× plays a run in ${FULL / 1000} s">
        ${SPEEDS.map((s) => `<option value="${s}"${s === 1 ? " selected" : ""}>${s}×</option>`).join("")}
      </select>`;
    this.scrubber = root.querySelector("input");
    this.output = root.querySelector("output");
    this.button = root.querySelector("[data-do=toggle]");
    const actions = {
      start: () => this.seek(0),
      back: () => this.step(-1),
      toggle: () => this.toggle(),
      forward: () => this.step(1),
      end: () => this.seek(1),
    };
    for (const button of root.querySelectorAll("button")) {
      if (button.dataset.do in actions) button.addEventListener("click", actions[button.dataset.do]);
      button.addEventListener("pointerdown", (event) => event.preventDefault()); // the space bar stays the player's
    }
    this.scrubber.addEventListener("input", () => this.seek(this.scrubber.value / 1000));
    root.querySelector("select").addEventListener("change", (event) => (this.speed = Number(event.target.value)));
    document.addEventListener("keydown", (event) => {
      const name = { " ": "toggle", ArrowLeft: "back", ArrowRight: "forward", Home: "start", End: "end" }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "f" && !event.target.closest?.(OWN_KEYS)) return hooks.fork();
      if (!name) return;
      const owners = event.key === " " ? `${OWN_KEYS}, button, summary` : `${OWN_KEYS}, [role=slider]`;
      if (event.target.closest?.(owners)) return;
      event.preventDefault();
      actions[name]();
    });
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
    const tick = (now) => {
      if (!this.playing) return;
      this.part = Math.min(1, this.part + (Math.min(Math.max(now - before, 0), LONGEST) / FULL) * this.speed);
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

  /** Go to a part of the run, 0 to 1. */
  seek(part) {
    this.moves++; // somebody's doing, unlike a part that follows the race's length
    this.part = Math.min(Math.max(part, 0), 1);
    this.playing = false;
    this.#label();
    this.show();
    this.hooks.settle();
  }

  /** One step back or forward. */
  step(by) {
    this.seek(this.hooks.neighbour(this.part, by));
  }

  /** Draw the present moment. */
  show() {
    this.scrubber.value = this.part * 1000;
    this.scrubber.style.setProperty("--part", `${this.part * 100}%`);
    this.hooks.draw(this.part, this.playing);
  }

  #label() {
    this.button.innerHTML = icon(this.playing ? "pause" : "play");
    this.button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }
}
