// The map's picture: one link a cell, axes, colour bar, the best cell and where the controls are.

import { readTheme } from "../web/theme.mjs";
import { nothing, render, svg } from "../vendor/lit.mjs";
import { lowIsBest, place, shade, stops, ticks } from "./colours.mjs";
import { along, brief, plotIn, tickRoom, written } from "./layout.mjs";
import * as ofFunctions from "./measures.mjs";
import { Nearest } from "./nearest.mjs";

/** @import { Span } from "./colours.mjs" */
/** @import { Scale } from "./colours.mjs" */
/** @import { MapAxis } from "./grid.mjs" */
/** @import { Plot } from "./layout.mjs" */

/**
 * What is drawn of a map. `isOver`: whether a known cell's figures will not change.
 * @typedef {{query: string, header: {x: MapAxis, y: MapAxis}, nx: number, ny: number, total: number, known: ArrayLike<number>,
 *   figures: Record<string, ArrayLike<number>>, complete: boolean, done: number, at: (cell: number) => {x: number, y: number},
 *   isOver?: (cell: number) => boolean}} Pictured
 */
/** @typedef {{scale: Scale, title: (map: any) => string, text: (value: number, map: any, cell: number) => string, tick: (value: number) => string}} Measure */
/**
 * The measures of a kind of map, and what is said of its cells: for functions `tuning/measures.mjs`.
 * @typedef {{MEASURES: Record<string, Measure>, extent: (map: any, measure: any) => Span | null, kind: (map: any, cell: number, measure: any) => string, sentence: (map: any, cell: number) => string}} Measuring
 */
/** @typedef {{measure: string, best: number | null, here: {x: number, y: number}, picked: number | null}} What is shown of a map; `here` are the controls' values along its axes */
/** @typedef {{pick: (cell: number | null, by: "pointer" | "focus") => void, address: (cell: number) => string}} Hooks */
/** What is said of a cell that is known: it stays. @typedef {{address: string, words: string}} Told */

const MARK = 9; // radius of the mark of where the controls are, with its rim
const GUESS = 0.45; // opacity of a cell that borrows its neighbour's colour until it is computed
const STAR = "M0-7 1.7-2.2 6.7-2.2 2.7 1 4.1 5.7 0 2.9-4.1 5.7-2.7 1-6.7-2.2-1.7-2.2Z";
/** Cells across and up. @type {Record<string, (nx: number, ny: number) => [number, number]>} */
const MOVES = {
  ArrowLeft: () => [-1, 0],
  ArrowRight: () => [1, 0],
  ArrowUp: () => [0, 1],
  ArrowDown: () => [0, -1],
  Home: (nx) => [-nx, 0],
  End: (nx) => [nx, 0],
  PageUp: (_, ny) => [0, ny],
  PageDown: (_, ny) => [0, -ny],
};

/** @param {MapAxis} axis */
const words = (axis) => `${axis.label}${axis.unit ? `, ${axis.unit}` : ""}`;

/** The cell that an event is of, if it is of one. @param {Event} event */
const cellOf = ({ target }) => {
  const link = target instanceof Element ? target.closest("[data-cell]") : null;
  return link instanceof SVGElement ? Number(link.dataset.cell) : null;
};

export class Picture {
  /** @type {Pictured | null} */
  #map = null;
  /** @type {What} */
  #what = { measure: "passes", best: null, here: { x: NaN, y: NaN }, picked: null };
  /** @type {Plot | null} */
  #plot = null;
  /** The cells' links by number. @type {SVGElement[]} */
  #links = [];
  /** @type {(Told | undefined)[]} */
  #told = [];
  /** @type {Nearest | null} */
  #near = null;
  /** The cell that is the tab stop. */
  #roving = 0;
  /** What has the focus keeps it meanwhile, which is nobody's choice of a cell. */
  #layingOut = false;
  /** The number that made way for the mark. @type {Element | null} */
  #moved = null;
  /** Whether the cells have room for numbers. */
  texts = false;

  /** @param {HTMLElement} root @param {Hooks} hooks @param {Measuring} measuring */
  constructor(root, hooks, measuring = ofFunctions) {
    this.measuring = measuring;
    this.root = root;
    this.hooks = hooks;
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("role", "grid");
    this.svg.setAttribute("class", "map");
    root.append(this.svg);
    new ResizeObserver(() => this.restyle()).observe(root);
    this.svg.addEventListener("pointerover", (event) => {
      const cell = cellOf(event);
      if (cell !== null) hooks.pick(cell, "pointer");
    });
    this.svg.addEventListener("pointerleave", () => hooks.pick(null, "pointer"));
    this.svg.addEventListener("focusin", (event) => {
      const cell = cellOf(event);
      if (cell !== null && !this.#layingOut) hooks.pick(cell, "focus");
    });
    this.svg.addEventListener("focusout", ({ relatedTarget }) => {
      if (!this.#layingOut && !this.svg.contains(/** @type {Node | null} */ (relatedTarget))) hooks.pick(null, "focus");
    });
    this.svg.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show a map, or what has come of it. @param {Pictured} map @param {What} what */
  show(map, what) {
    const again = this.#map?.query !== map.query;
    if (this.#map !== map) this.#told = [];
    this.#map = map;
    this.#what = what;
    if (again) this.restyle();
    else this.#fill();
  }

  /** Everything anew: for a new map, a new size, a new theme. */
  restyle() {
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!this.#map || !(width > 0 && height > 0)) return;
    const { x, y } = this.#map.header;
    const held = this.focused;
    const size = readTheme().size - 0.5;
    this.#layingOut = true;
    this.#plot = plotIn(width, height, size, x, y);
    this.texts = this.#plot.w > 3 * size && this.#plot.h > 1.7 * size;
    const attributes = { width, height, "font-size": size, "aria-label": `Map of ${words(x)} and ${words(y)}`, "aria-colcount": this.#map.nx, "aria-rowcount": this.#map.ny };
    for (const [name, value] of Object.entries(attributes)) this.svg.setAttribute(name, String(value));
    this.#roving = Math.min(this.#roving, this.#map.total - 1);
    this.#links = []; // others, or in another order
    this.#fill();
    if (held) this.focus(this.#roving);
    this.#layingOut = false;
  }

  /** Ring the cell whose run is shown beside the map. @param {number | null} cell */
  ring(cell) {
    const ring = this.#mark(".ringed");
    if (!ring) return;
    ring.style.display = cell === null ? "none" : "";
    if (cell === null) return;
    const { left, top, w, h } = this.#box(cell);
    for (const [name, value] of Object.entries({ x: left, y: top, width: w, height: h })) ring.setAttribute(name, String(value));
  }

  /** Where the controls are; nothing else is drawn anew. @param {{x: number, y: number}} values along the axes */
  here(values) {
    this.#what.here = values;
    const mark = this.#mark(".here-mark");
    if (!mark || !this.#plot || !this.#map) return; // there is no room yet
    const [across, up] = this.#at();
    this.svg.dataset.here = this.inside ? "inside" : "outside";
    mark.style.display = this.inside ? "" : "none";
    if (across === null || up === null) return;
    const [x, y] = [this.#plot.left + (across + 0.5) * this.#plot.w, this.#plot.bottom - (up + 0.5) * this.#plot.h];
    mark.setAttribute("transform", `translate(${x} ${y})`);
    this.#clear(Math.round(up) * this.#map.nx + Math.round(across), x, y);
  }

  /** Whether the controls are in the map. */
  get inside() {
    return !this.#at().includes(null);
  }

  /** Give a cell the focus. @param {number | null} cell */
  focus(cell) {
    if (cell !== null) this.#links[cell]?.focus();
  }

  get focused() {
    return this.svg.contains(document.activeElement);
  }

  /** Only one cell is a tab stop. @param {number} cell */
  rove(cell) {
    this.#links[this.#roving]?.setAttribute("tabindex", "-1");
    this.#roving = Math.min(cell, this.#links.length - 1);
    this.#links[this.#roving]?.setAttribute("tabindex", "0");
  }

  /** The controls' place along both axes, in cells from the first one's centre. */
  #at() {
    const { here } = this.#what;
    const header = this.#map?.header;
    return header ? [along(here.x, header.x), along(here.y, header.y)] : [null, null];
  }

  /** @param {string} selector @returns {SVGElement | null} */
  #mark(selector) {
    return this.svg.querySelector(selector);
  }

  /** A number that the mark at (x, y) would cover goes below it, or above it if there is no room. @param {number} cell @param {number} x @param {number} y */
  #clear(cell, x, y) {
    this.#moved?.setAttribute("dy", "0.35em");
    this.#moved = null;
    const text = this.#links[cell]?.querySelector("text");
    if (!text?.textContent) return;
    const [size, off] = [readTheme().size, y - Number(text.getAttribute("y"))];
    const near = text.getComputedTextLength() / 2 + MARK;
    if (Math.abs(off) > 0.5 * size + MARK || Math.abs(x - Number(text.getAttribute("x"))) > near) return;
    const { top, h } = this.#box(cell);
    const below = y + MARK + size < top + h;
    text.setAttribute("dy", String(below ? off + MARK + 0.85 * size : off - MARK - 2));
    this.#moved = text;
  }

  /** @param {number} cell */
  #box(cell) {
    const { left, bottom, w, h } = /** @type {Plot} */ (this.#plot);
    const nx = this.#map?.nx ?? 1;
    return { left: left + (cell % nx) * w, top: bottom - (Math.floor(cell / nx) + 1) * h, w, h };
  }

  /** Cells, axes and marks: for new cells or another measure. */
  #fill() {
    const map = this.#map;
    const plot = this.#plot;
    if (!map || !plot) return;
    const what = this.#what;
    const measure = this.measuring.MEASURES[what.measure];
    const colours = stops(readTheme(), measure.scale);
    const range = this.measuring.extent(map, what.measure);
    if (this.#near?.map !== map) this.#near = new Nearest(map);
    const lenders = map.complete ? null : this.#near.update();
    const rows = Array.from({ length: map.ny }, (_, row) => {
      const cells = Array.from({ length: map.nx }, (__, column) => this.#cell(map, row * map.nx + column, lenders, range, colours));
      return svg`<g role="row">${cells}</g>`;
    });
    render(
      svg`<defs><pattern id="map-hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" class="hatch-ground"></rect><rect width="2.2" height="7" class="hatch-line"></rect></pattern></defs>
        ${rows.toReversed()}${this.#axes(map, plot)}<g>${this.#colourBar(map, plot, measure, range, colours)}</g>
        <rect class="ringed" pointer-events="none"></rect>${what.best === null ? nothing : svg`<path d=${STAR} class="best-mark" pointer-events="none" transform=${this.#starAt(what.best)}></path>`}
        <g class="here-mark" pointer-events="none"><circle r="6.5" class="rim"></circle><circle r="6.5"></circle></g>`, // rows: a reader goes through them from the top
      this.svg,
    ); // prettier-ignore
    if (!this.#links.length) {
      const links = /** @type {SVGElement[]} */ ([...this.svg.querySelectorAll("[data-cell]")]);
      this.#links = links.sort((a, b) => Number(a.dataset.cell) - Number(b.dataset.cell));
    }
    this.svg.dataset.hatched = String(this.#links.filter(({ dataset }) => dataset.kind === "diverged").length);
    this.svg.dataset.done = String(map.done);
    this.ring(what.picked);
    this.here(what.here);
  }

  /** @param {Pictured} map @param {number} cell @param {Int32Array | null} lenders @param {Span | null} range @param {string[]} colours */
  #cell(map, cell, lenders, range, colours) {
    const { measure: name } = this.#what;
    const measure = this.measuring.MEASURES[name];
    const known = map.known[cell] === 1;
    const from = known ? cell : (lenders?.[cell] ?? -1);
    const kind = from < 0 ? "empty" : this.measuring.kind(map, from, name);
    const colour = kind === "value" && range ? shade(place(map.figures[name][from], range, measure.scale), colours) : null;
    const { left, top, w, h } = this.#box(cell);
    const gap = this.#gap();
    const size = readTheme().size - 0.5;
    const own = known && (kind === "value" || (kind === "higher" && name === "loss") || (kind === "diverged" && name === "diverged"));
    const text = this.texts
      ? svg`<text x=${left + w / 2} y=${top + Math.min(0.9 * size, h / 2)} dy="0.35em" text-anchor="middle" class="on-${kind}" style=${colour ? `fill: ${colour.ink}` : ""}>${own ? measure.text(map.figures[name][cell], map, cell) : ""}</text>`
      : nothing;
    const told = known ? (this.#told[cell] ?? this.#tell(map, cell)) : null;
    if (told && (map.isOver?.(cell) ?? true)) this.#told[cell] = told;
    return svg`<a data-cell=${cell} data-kind=${known ? kind : nothing} role="gridcell" tabindex=${cell === this.#roving ? 0 : -1} href=${told?.address ?? nothing} aria-label=${told?.words ?? nothing}><rect x=${left} y=${top} width=${Math.max(w - gap, 0.5)} height=${Math.max(h - gap, 0.5)} class=${kind} opacity=${known ? 1 : GUESS} fill=${colour?.fill ?? ""}></rect>${text}</a>`;
  }

  /** Between cells. */
  #gap() {
    return this.#plot && Math.min(this.#plot.w, this.#plot.h) > 9 ? 1 : 0;
  }

  /** @param {Pictured} map @param {number} cell @returns {Told} */
  #tell(map, cell) {
    const { x, y } = map.at(cell);
    return { address: this.hooks.address(cell), words: `${map.header.x.symbol} ${brief(x)}, ${map.header.y.symbol} ${brief(y)}: ${this.measuring.sentence(map, cell)}` };
  }

  /** @param {number} best */
  #starAt(best) {
    const { left, top, w, h } = this.#box(best);
    const grown = Math.min(1.15, w / 15, h / 15);
    const at = this.texts ? [left + w - this.#gap() - 8 * grown, top + h - this.#gap() - 8 * grown] : [left + w / 2, top + h / 2];
    return `translate(${at}) scale(${grown})`;
  }

  /** @param {Pictured} map @param {Plot} plot */
  #axes({ header: { x, y } }, { left, right, top, bottom, w, h }) {
    const size = readTheme().size - 0.5;
    const across = written(x, w, tickRoom(x, size)).map(({ text, i }) => svg`<text x=${left + (i + 0.5) * w} y=${bottom + 1.15 * size} text-anchor="middle" class="tick">${text}</text>`);
    const up = written(y, h, 1.15 * size).map(({ text, i }) => svg`<text x=${left - 5} y=${bottom - (i + 0.5) * h} dy="0.35em" text-anchor="end" class="tick">${text}</text>`);
    return svg`${across}${up}<text x=${(left + right) / 2} y=${bottom + 2.7 * size} text-anchor="middle" class="axis">${words(x)}</text>
      <text transform="translate(${0.95 * size} ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle" class="axis">${words(y)}</text>`;
  }

  /** @param {Pictured} map @param {Plot} plot @param {Measure} measure @param {Span | null} range @param {string[]} colours */
  #colourBar(map, { right, top, bottom }, measure, range, colours) {
    if (!range) return nothing;
    const size = readTheme().size - 0.5;
    const low = lowIsBest(measure.scale);
    const reversed = low ? colours.toReversed() : colours; // low values below
    const labels = ticks(range, measure.scale).map((value) => {
      const part = place(value, range, measure.scale);
      const y = bottom - (low ? 1 - part : part) * (bottom - top);
      return svg`<line x1=${right + 21} x2=${right + 25} y1=${y} y2=${y} class="bar"></line><text x=${right + 28} y=${Math.min(Math.max(y, top + 0.4 * size), bottom - 0.3 * size)} dy="0.35em" class="tick">${measure.tick(value)}</text>`;
    });
    return svg`<linearGradient id="map-bar" x1="0" x2="0" y1="1" y2="0">${reversed.map((colour, i) => svg`<stop offset=${i / (colours.length - 1)} stop-color=${colour}></stop>`)}</linearGradient>
      <text transform="translate(${this.root.clientWidth - 0.35 * size} ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle" class="tick">${measure.title(map)}</text>
      <rect x=${right + 9} y=${top} width="12" height=${bottom - top} fill="url(#map-bar)" class="bar"></rect>${labels}`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const move = MOVES[event.key];
    if (!move || !this.#map || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { nx, ny } = this.#map;
    const [right, up] = move(nx, ny);
    /** @param {number} value @param {number} most */
    const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
    this.rove(clamp(Math.floor(this.#roving / nx) + up, ny) * nx + clamp((this.#roving % nx) + right, nx));
    this.focus(this.#roving);
  }
}
