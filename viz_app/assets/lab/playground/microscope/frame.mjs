// What stands in the microscope's panel, whatever is shown: its buttons, and the places for numbers and pictures.

import { html, render } from "../../vendor/lit.mjs";
import { around } from "../../web/one.mjs";

const TYPING = "input:not([type=range]), select, textarea, [role=combobox], dialog[open]"; // they use the keys themselves

/** @type {{key: "near" | "wide", title: string}[]} */
export const SPANS = [
  { key: "near", title: "A few μ around θ: what the optimizer measures" },
  { key: "wide", title: "As far as the picture enlarges the probes: where the parabola stops describing the loss" },
];

/** @typedef {"step" | "run" | "direction"} Stepped */
/** @type {Stepped[]} */
export const STEPPED = ["step", "run", "direction"];

/**
 * @typedef {object} Actions
 * @property {() => void} close @property {() => void} choose another optimizer is chosen
 * @property {(span: "near" | "wide") => void} spread
 * @property {(name: Stepped, by: 1 | -1) => void} move to the next or previous step, run or direction
 * @property {() => void} play @property {(by: 1 | -1) => void} walk @property {() => void} all slow motion's
 * @property {(key: string | null) => void} light a line is pointed at, or none any more
 */

/** @param {HTMLElement} root @param {Actions} actions */
export function drawFrame(root, { close, choose, spread, move, play, walk, all, light }) {
  const keep = (/** @type {Event} */ event) => around(event, "button") && event.preventDefault(); // keys stay the player's
  /** @param {Stepped} name */
  const stepper = (name) => html`<span class="stepper" data-stepper=${name}><span>${name}</span>
    <button aria-label="Previous ${name}" @click=${() => move(name, -1)}>‹</button><output></output><button aria-label="Next ${name}" @click=${() => move(name, 1)}>›</button><span class="unit"></span></span>`;
  const point = (/** @type {Event} */ event) => {
    const key = around(event, "li")?.dataset.key;
    if (key) light(key);
  };
  const leave = () => light(null);
  render(
    html`<div class="head" @pointerdown=${keep}>
        <h2>Microscope</h2>
        <select aria-label="Optimizer" @change=${choose}></select>
        ${stepper("run")}
        <button class="quiet" data-do="close" title="Close (Esc)" aria-label="Close the microscope" @click=${close}>✕</button>
      </div>
      <div class="steppers" @pointerdown=${keep}>${stepper("step")}${stepper("direction")}</div>
      <p class="remark" role="status"></p>
      <div class="slice"><canvas role="img"></canvas>
        <span class="spans" @pointerdown=${keep}>${SPANS.map(({ key, title }) => html`<button data-span=${key} title=${title} @click=${() => spread(key)}>${key}</button>`)}</span></div>
      <p class="legend"></p>
      <div class="motion" @pointerdown=${keep}>
        <button data-do="play" aria-label="Slow motion" @click=${play}></button>
        <button aria-label="Previous line" title="Previous line (↑)" @click=${() => walk(-1)}>‹</button>
        <button aria-label="Next line" title="Next line (↓)" @click=${() => walk(1)}>›</button>
        <span class="place"></span>
        <button title="Show every line at once" @click=${all}>all</button>
      </div>
      <ol class="lines" @pointerover=${point} @focusin=${point} @pointerleave=${leave} @focusout=${leave}></ol>`,
    root,
  );
}

/** The panel's keys: m and Escape, up and down. @param {{isOpen: () => boolean, toggle: () => void, walk: (by: 1 | -1) => void}} actions */
export function watchKeys({ isOpen, toggle, walk }) {
  document.addEventListener("keydown", (event) => {
    /** @param {string} owners */
    const isTheirs = (owners) => event.target instanceof Element && event.target.closest(owners) !== null;
    if (event.ctrlKey || event.metaKey || event.altKey || isTheirs(TYPING)) return;
    if (event.key === "m") toggle();
    else if (!isOpen() || document.querySelector("dialog[open]")) return;
    else if (event.key === "Escape") toggle();
    else if (isTheirs("input, [role=slider]")) return;
    else if (event.key === "ArrowDown") walk(1);
    else if (event.key === "ArrowUp") walk(-1);
    else return;
    event.preventDefault();
  });
}
