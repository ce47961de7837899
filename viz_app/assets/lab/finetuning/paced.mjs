// A Plotly figure that draws at most twice a second, of several pictures only the newest, and in the size that its element
// has; and a canvas over it that is painted at once.

import { Overlay } from "../web/overlay.mjs";

const PAUSE = 500; // ms between two drawings
const CONFIG = { displayModeBar: false, doubleClick: "reset" };

/** @typedef {{data: PlotlyTrace[], layout: PlotlyLayout}} Figure */
/** @typedef {(width: number, height: number) => Figure} Make a figure of a size in pixels */

export class PacedFigure {
  /** @type {Overlay | null} */
  overlay = null;
  /** Key and size of what Plotly has drawn. @type {string | null} */
  #drawn = null;
  /** @type {{key: string, make: Make} | null} */
  #wanted = null;
  #last = -Infinity;
  #timer = 0;

  /**
   * @param {HTMLElement} stage of class "stage"  @param {(overlay: Overlay) => void} paint what goes on the canvas
   * @param {Record<string, unknown>} config Plotly's, beyond the page's own
   */
  constructor(stage, paint, config = {}) {
    this.stage = stage;
    this.onPaint = paint;
    this.config = { ...CONFIG, ...config };
    this.graph = /** @type {PlotlyGraph} */ (/** @type {HTMLElement} */ (document.createElement("div")));
    this.graph.className = "graph";
    stage.append(this.graph);
    new ResizeObserver(() => this.#update()).observe(this.graph);
  }

  /** Draw what `make` makes as soon as it may be, unless `key` says that it is drawn already; paint now. @param {string} key @param {Make} make */
  show(key, make) {
    this.#wanted = { key, make };
    this.#update();
    this.paint();
  }

  #update() {
    clearTimeout(this.#timer);
    if (this.#key === this.#drawn) return;
    const wait = this.#last + PAUSE - performance.now();
    this.#timer = window.setTimeout(() => this.#draw(), wait); // in a task of its own: several in one would block the page
  }

  get #key() {
    return `${this.#wanted?.key} ${this.graph.clientWidth} ${this.graph.clientHeight}`;
  }

  /** Paint the canvas again. */
  paint() {
    const { overlay } = this;
    if (overlay && (overlay.measure() || overlay.box)) this.onPaint(overlay);
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.graph;
    if (!this.#wanted || !width) return; // hidden in a tab: drawn when it is shown
    this.#last = performance.now();
    this.#drawn = this.#key;
    const { data, layout } = this.#wanted.make(width, height);
    window.Plotly.react(this.graph, data, { ...layout, width, height }, this.config);
    this.overlay ??= new Overlay(this.graph, () => this.paint());
    this.paint();
  }

  /** The value at the pointer, null outside of the x axis. @param {MouseEvent} event @returns {[number, number] | null} */
  valueAt({ clientX, clientY }) {
    const { overlay, graph } = this;
    if (!overlay?.box) return null;
    const edge = graph.getBoundingClientRect();
    const x = clientX - edge.left;
    if (x < overlay.box.left || x > overlay.box.left + overlay.box.width) return null;
    return overlay.valueAt(x, clientY - edge.top);
  }
}
