// A canvas over a Plotly figure: what moves is drawn here, in the figure's own coordinates.

import { drawing } from "./canvas.mjs";

const FAR = 20000;

/** @param {number} pixel */
const cut = (pixel) => (pixel > FAR ? FAR : pixel < -FAR ? -FAR : pixel);

/** @typedef {{left: number, top: number, width: number, height: number}} Box pixels within the figure */
/** @typedef {{scale: number, shift: number, log: boolean}} Axis pixel = scale × value + shift, of the value's logarithm if `log` */

/** @param {PlotlyAxis} axis @param {boolean} flip @returns {Axis} */
function along(axis, flip) {
  const { _offset: offset, _length: length } = axis;
  const [from, to] = axis.range.map(Number);
  const scale = (flip ? -length : length) / (to - from);
  return { scale, shift: (flip ? offset + length : offset) - from * scale, log: axis.type === "log" };
}

export class Overlay {
  /** Of the figure, in CSS pixels. */
  width = 0;
  height = 0;
  /** The plot's area; null while there is no figure. @type {Box | null} */
  box = null;
  /** @type {Axis} */
  x = { scale: 1, shift: 0, log: false };
  /** @type {Axis} */
  y = { scale: 1, shift: 0, log: false };
  #view = "";

  /** @param {PlotlyGraph} graph Plotly's div  @param {() => void} redraw called when axes or size have changed */
  constructor(graph, redraw) {
    this.graph = graph;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "overlay";
    graph.closest(".stage")?.append(this.canvas);
    this.context = drawing(this.canvas);
    const changed = () => {
      this.measure();
      redraw();
    };
    for (const event of ["plotly_relayout", "plotly_relayouting", "plotly_afterplot"]) graph.on(event, changed);
    new ResizeObserver(changed).observe(graph);
    this.measure();
  }

  /** Read size and axes from the figure. Returns whether anything has changed. */
  measure() {
    const layout = this.graph._fullLayout;
    if (!layout?.xaxis) return false;
    const { xaxis, yaxis } = layout;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.graph;
    if (!width || !height) return false; // hidden: as it was
    const view = [ratio, width, height, xaxis._offset, xaxis._length, yaxis._offset, yaxis._length, ...xaxis.range, ...yaxis.range, yaxis.type].join();
    if (view === this.#view) return false;
    this.#view = view;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    Object.assign(this, { width, height });
    this.box = { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length };
    this.x = along(xaxis, false);
    this.y = along(yaxis, true);
    return true;
  }

  // Pixel of a value; far outside is cut to where it cannot be seen, because canvases slow down on huge numbers.

  /** @param {number} value */
  px = (value) => cut(this.x.scale * (this.x.log ? Math.log10(value) : value) + this.x.shift);

  /** @param {number} value */
  py = (value) => cut(this.y.scale * (this.y.log ? Math.log10(value) : value) + this.y.shift);

  /** Value at a pixel, relative to the figure. @param {number} pixelX @param {number} pixelY @returns {[number, number]} */
  valueAt(pixelX, pixelY) {
    return [(pixelX - this.x.shift) / this.x.scale, (pixelY - this.y.shift) / this.y.scale];
  }

  /** Clear, and clip to the plot's area. Returns null where there is no figure yet, or one that is hidden. */
  begin() {
    if (!this.box || !this.canvas.width || !this.canvas.height) return null;
    const { context, canvas, box } = this;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    return context;
  }

  /** Undo the clip. */
  end() {
    this.context.restore();
  }
}
