// A Plotly figure that draws at most twice a second, of several pictures only the newest, and a canvas over it that
// is painted at once.

import { Overlay } from "../web/overlay.mjs";

const PAUSE = 500; // ms between two drawings
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset" };

/** @typedef {{data: PlotlyTrace[], layout: PlotlyLayout}} Figure */

export class PacedFigure {
  /** @type {Overlay | null} */
  overlay = null;
  /** The key of what Plotly has drawn. @type {string | null} */
  #drawn = null;
  /** @type {{key: string, make: () => Figure} | null} */
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
  }

  /** Draw what `make` makes as soon as it may be, unless `key` says that it is drawn already; paint now. @param {string} key @param {() => Figure} make */
  show(key, make) {
    this.#wanted = { key, make };
    clearTimeout(this.#timer);
    if (key !== this.#drawn) {
      const wait = this.#last + PAUSE - performance.now();
      if (wait <= 0) this.#draw();
      else this.#timer = window.setTimeout(() => this.#draw(), wait);
    }
    this.paint();
  }

  /** Paint the canvas again. */
  paint() {
    const { overlay } = this;
    if (overlay && (overlay.measure() || overlay.box)) this.onPaint(overlay);
  }

  #draw() {
    if (!this.#wanted || !this.graph.clientWidth) return; // hidden in a tab: the next show() draws
    const { key, make } = this.#wanted;
    this.#last = performance.now();
    this.#drawn = key;
    const { data, layout } = make();
    window.Plotly.react(this.graph, data, layout, this.config);
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
