// Pointing at the landscape: a ring that marks the start and can be dragged, clicks, zooming, and the way back.

import { make } from "../web/make.mjs";

/** @import { Ranges } from "../web/landscapes.mjs" */
/** @import { Overlay } from "../web/overlay.mjs" */
/** @import { Point } from "../web/point.mjs" */

const DOUBLE = 250; // ms in which a second click makes a double click, which resets the view
const CLICK = { pixels: 4, ms: 600 }; // a pointer that moves less, and is released sooner, has clicked

/** @typedef {{start: (point: Point, done: boolean) => void, moved: (ranges: Ranges | null) => void}} Hooks `start`: the user points at another start; `moved`: the view has changed, null for the whole */

export class Pointing {
  /** Where the start is. @type {Point | null} */
  #start = null;

  /** @param {PlotlyGraph} graph @param {Overlay} overlay @param {Hooks} hooks */
  constructor(graph, overlay, hooks) {
    this.graph = graph;
    this.overlay = overlay;
    this.hooks = hooks;
    this.handle = make("div", { class: "start-handle", title: "Start: drag me, or click the picture" });
    this.home = make("button", { class: "home", hidden: true, on: { click: () => hooks.moved(null) } }, "Reset view");
    graph.closest(".stage")?.append(this.handle, this.home);
    this.#watchHandle();
    this.#watchClicks();
    graph.on("plotly_relayout", (/** @type {object} */ changes) => {
      if (!Object.keys(changes).some((key) => key.includes(".range"))) return;
      const { xaxis, yaxis } = graph._fullLayout;
      this.home.hidden = false;
      hooks.moved({ xrange: numbers(xaxis.range), yrange: numbers(yaxis.range) });
    });
  }

  /** Mark a start. @param {Point} point */
  setStart(point) {
    this.#start = point;
    this.place();
  }

  /** Put the ring where the start is now. */
  place() {
    const { box } = this.overlay;
    const [x, y] = this.#start && box ? [this.overlay.px(this.#start[0]), this.overlay.py(this.#start[1])] : [NaN, NaN];
    const inside = box !== null && x >= box.left && x <= box.left + box.width && y >= box.top && y <= box.top + box.height;
    this.handle.style.display = inside ? "" : "none";
    if (inside) this.handle.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** The point of the plane under the pointer. @param {PointerEvent} event */
  #at({ clientX, clientY }) {
    const edge = this.graph.getBoundingClientRect();
    return this.overlay.valueAt(clientX - edge.left, clientY - edge.top);
  }

  #watchHandle() {
    const { handle, hooks } = this;
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      /** @param {PointerEvent} moved */
      const move = (moved) => hooks.start(this.#at(moved), false);
      handle.addEventListener("pointermove", move);
      /** @param {PointerEvent} up */
      const release = (up) => {
        handle.removeEventListener("pointermove", move);
        hooks.start(this.#at(up), true);
      };
      handle.addEventListener("pointerup", release, { once: true });
    });
  }

  #watchClicks() {
    const { graph, hooks } = this;
    /** Where and when the plot was pressed. @type {PointerEvent | null} */
    let down = null;
    let clicked = 0;
    let before = -Infinity;
    /** @param {PointerEvent} event */
    const onPlot = ({ target, button }) => button === 0 && target instanceof Element && target.closest(".nsewdrag") !== null;
    graph.addEventListener("pointerdown", (event) => (down = onPlot(event) ? event : null), true);
    /** @param {PointerEvent} event */
    const release = (event) => {
      if (!down) return;
      const still = Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < CLICK.pixels && event.timeStamp - down.timeStamp < CLICK.ms;
      down = null;
      if (!still) return;
      clearTimeout(clicked);
      if (event.timeStamp - before < DOUBLE) hooks.moved(null);
      else {
        const point = this.#at(event);
        clicked = window.setTimeout(() => hooks.start(point, true), DOUBLE);
      }
      before = event.timeStamp;
    };
    window.addEventListener("pointerup", release, true);
  }
}

/** @param {[number, number]} range @returns {[number, number]} */
const numbers = ([from, to]) => [Number(from), Number(to)];
