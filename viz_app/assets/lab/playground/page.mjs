// What the Playground's modules share: one object, and what follows from it directly.

import { subscript } from "../web/scale.mjs";
import { clockLength } from "./trace.mjs";

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { Range } from "../web/scale.mjs" */
/** @import { Theme } from "../web/theme.mjs" */
/** @import { Point } from "../web/point.mjs" */
/** @import { Spec } from "./link.mjs" */
/** @import { Settings, Span } from "./slots.mjs" */
/** @import { Clock, Trace } from "./trace.mjs" */

/**
 * @typedef {object} Opened what Python says of an opened spec, besides the spec
 * @property {number} dim
 * @property {Record<string, Record<string, Range>>} ranges of sliders, by card and name
 * @property {{steps: number, runs: number, x0: string, parameters: Settings}} preset
 * @property {Point[]} minima @property {Point[]} localMinima
 * @property {FieldError[]} errors what is wrong with the address
 */

/** @typedef {Spec & Opened & {view: {coords: string, target: string}}} State what the controls say, and under `view` how it is looked at */

/**
 * @typedef {object} Look how the optimizers are drawn, in the order of the trace
 * @property {Theme} theme @property {string[]} colours @property {string[]} titles
 * @property {Span[]=} spans absent where nothing is forked
 */

/**
 * @typedef {object} Parts the pictures, the player and the panels
 * @property {import("./landscape.mjs").Landscape} landscape
 * @property {import("./charts.mjs").Chart} loss @property {import("./charts.mjs").Chart} hessian
 * @property {import("./player.mjs").Player} player
 * @property {import("./forks.mjs").Forks} forks
 * @property {import("./history.mjs").History} history
 * @property {import("./readings.mjs").Readings} readings
 * @property {import("./microscope/panel.mjs").Microscope} microscope
 */

/** @template T @param {T | null} value @param {string} what @returns {T} */
function there(value, what) {
  if (value === null) throw new Error(`${what} is not there yet`);
  return value;
}

class Page {
  /** @type {State | null} */
  #state = null;
  /** @type {Parts | null} */
  #parts = null;
  /** @type {(Look & {origins: string[]}) | null} */
  #look = null;

  /**
   * The newest trace, and the state that it was asked for, by which it is drawn. They differ from `state` while an answer
   * is on its way, or the controls say what the server refuses.
   * @type {{trace: Trace, drawn: State} | null}
   */
  picture = null;

  /** The newest surface. @type {Grid | null} */
  grid = null;

  /** The player's time, in the clock's unit. */
  time = 0;

  /** One of CLOCKS. */
  clock = "forward passes";

  /** The view of the diagonal Hessian: "over time", "sorted" or "headroom"; in its place "auto η". */
  hessian = "over time";

  /** Whether the next trace is to be played. */
  autoplay = false;

  /** Whether a spec is open. */
  get isOpen() {
    return this.#state !== null;
  }

  /** What the controls say. */
  get state() {
    return there(this.#state, "the spec");
  }

  set state(state) {
    this.#state = state;
  }

  get parts() {
    return there(this.#parts, "the page");
  }

  set parts(parts) {
    this.#parts = parts;
  }

  /** How the picture's optimizers are drawn. */
  get look() {
    return there(this.#look, "the picture");
  }

  set look(look) {
    this.#look = look;
  }

  /** The picture, where there must be one. */
  get shown() {
    return there(this.picture, "the picture");
  }
}

export const page = new Page();

export const CLOCKS = ["steps", "forward passes", "seconds"];

/** The clock's name in trace.mjs. @returns {Clock} */
export const clockKey = () => (page.clock === "steps" || page.clock === "seconds" ? page.clock : "forwards");

/** A part of the run, 0 to 1, in the clock's unit. @param {number} part */
export const timeOf = (part) => part * clockLength(page.shown.trace, clockKey());

/** Names of the two coordinates shown. @param {Grid} grid @returns {[string, string]} */
export const names = ({ coords: [i, j] }) => (page.state.dim === 2 ? ["x", "y"] : [`θ${subscript(i)}`, `θ${subscript(j)}`]);
