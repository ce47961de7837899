// The surface under the trajectories: asked for when the function, its shown coordinates or the view has changed.

import { asking } from "./asking.mjs";
import { decode } from "./binary.mjs";
import { fetchBytes } from "./latest.mjs";

const STILL = 120; // ms without a movement of the view

/**
 * @typedef {object} Grid loss on a grid over two coordinates
 * @property {string} f the function's spec
 * @property {[number, number]} coords the two coordinates
 * @property {[number, number]} xrange @property {[number, number]} yrange
 * @property {[number, number]} shape rows (along y) and columns
 * @property {Float32Array} z (rows × columns), row by row from the least y
 * @property {number | null} minimum of the function, where it is known
 */

/** @typedef {{xrange: [number, number], yrange: [number, number]}} Ranges a part of the plane */

/**
 * @typedef {object} Hooks
 * @property {() => string} place what of the state a surface depends on, as a query
 * @property {(grid: Grid, whole: boolean) => void} take a surface; `whole` if the view is to follow it
 * @property {(error: import("./latest.mjs").SpecError) => void} refused
 */

export class Landscapes {
  /** What was asked for last. @type {string | null} */
  #asked = null;
  #whole = true;
  #family = "";
  #timer = 0;

  /** @param {Hooks} hooks */
  constructor({ place, take, refused }) {
    this.place = place;
    this.latest = asking(
      /** @param {string} query @returns {Promise<Grid>} */
      async (query, signal) => {
        const { header, view } = decode(await fetchBytes(`/api/landscape?${query}`, signal));
        return { ...header, z: view(header.arrays.z) };
      },
      (grid, query) => {
        const [family] = grid.f.split(":");
        const whole = this.#whole || (!query.includes("xrange=") && family !== this.#family);
        this.#whole = false;
        this.#family = family;
        take(grid, whole);
      },
      (error, query) => `${query}&`.startsWith(`${this.place()}&`) && refused(error), // errors of a state that has changed since are not shown
    );
  }

  /** Ask for the state's surface, if it is another. */
  request() {
    const place = this.place();
    if (place === this.#asked) return;
    this.#asked = place;
    this.latest.request(place);
  }

  /** Another spec is open: its surface is asked for, and shown whole, even if it is the same. */
  clear() {
    clearTimeout(this.#timer);
    this.#asked = null;
    this.#whole = true;
  }

  /** The view has moved: its part in more detail. @param {Ranges | null} ranges null: the whole again */
  moved(ranges) {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      if (!ranges) {
        this.clear();
        return this.request();
      }
      this.#asked = this.place();
      this.latest.request(`${this.#asked}&xrange=${ranges.xrange.join(",")}&yrange=${ranges.yrange.join(",")}`);
    }, STILL);
  }
}
