// The map's picture: one link a cell, axes, colour bar, the best cell and where the controls are.

import { short } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { place, shade, stops, ticks } from "./colours.mjs";
import { MEASURES, extent, kind as kindOf, sentence } from "./measures.mjs";
import { Nearest } from "./nearest.mjs";
import { svg } from "./svg.mjs";

const MARK = 9; // radius of the mark of where the controls are, with its rim
const GUESS = 0.45; // opacity of a cell that borrows its neighbour's colour until it is computed
const STAR = "M0-7 1.7-2.2 6.7-2.2 2.7 1 4.1 5.7 0 2.9-4.1 5.7-2.7 1-6.7-2.2-1.7-2.2Z";

export class Picture {
  /**
   * @param {HTMLElement} root
   * @param {{pick: (cell: number|null, by: "pointer"|"focus") => void, address: (cell: number) => string}} hooks
   */
  constructor(root, hooks) {
    Object.assign(this, { root, hooks, map: null, near: null, size: 0, cells: [], layingOut: false });
    this.svg = svg("svg", { role: "grid", class: "map" });
    root.append(this.svg);
    new ResizeObserver(() => this.#layOut()).observe(root);
    const cellOf = (event) => event.target.closest?.("[data-cell]");
    this.svg.addEventListener("pointerover", (event) => {
      const link = cellOf(event);
      if (link) hooks.pick(Number(link.dataset.cell), "pointer");
    });
    this.svg.addEventListener("pointerleave", () => hooks.pick(null, "pointer"));
    this.svg.addEventListener("focusin", (event) => {
      const link = cellOf(event);
      if (link && !this.layingOut) hooks.pick(Number(link.dataset.cell), "focus");
    });
    this.svg.addEventListener("focusout", (event) => {
      if (!this.layingOut && !this.svg.contains(event.relatedTarget)) hooks.pick(null, "focus");
    });
    this.svg.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show a map, or what has come of it. @param {{measure: string, best: number|null, here: object, picked: number|null}} what */
  show(map, what) {
    const again = this.map?.query !== map.query;
    Object.assign(this, { map, what });
    if (again) this.#layOut();
    else this.#fill();
  }

  /** Ring the cell whose run is shown beside the map. */
  ring(cell) {
    if (!this.ringed) return;
    this.ringed.style.display = cell === null ? "none" : "";
    if (cell === null) return;
    const { left, top, w, h } = this.#box(cell);
    for (const [name, value] of Object.entries({ x: left, y: top, width: w, height: h })) this.ringed.setAttribute(name, value);
  }

  /** Where the controls are; nothing else is drawn anew. @param {{x: number, y: number}} values along the axes */
  here(values) {
    this.what.here = values;
    if (!this.hereMark) return; // there is no room yet
    const { inside, at } = this;
    this.hereMark.style.display = inside ? "" : "none";
    this.svg.dataset.here = inside ? "inside" : "outside";
    if (!inside) return;
    const [x, y] = [this.plot.left + (at[0] + 0.5) * this.plot.w, this.plot.bottom - (at[1] + 0.5) * this.plot.h];
    this.hereMark.setAttribute("transform", `translate(${x} ${y})`);
    this.#clear(Math.round(at[1]) * this.map.nx + Math.round(at[0]), x, y);
  }

  /** The controls' place along both axes, in cells from the first one's centre. @returns {(number | null)[]} */
  get at() {
    const { here } = this.what;
    return ["x", "y"].map((axis) => along(here[axis], this.map.header[axis]));
  }

  /** Whether the controls are in the map. */
  get inside() {
    return !this.at.includes(null);
  }

  /** A number that the mark at (x, y) would cover goes below it, or above it if there is no room. */
  #clear(cell, x, y) {
    this.moved?.setAttribute("dy", "0.35em");
    this.moved = null;
    const text = this.cells[cell]?.text;
    if (!text?.textContent) return;
    const [size, off] = [readTheme().size, y - Number(text.getAttribute("y"))];
    const near = text.getComputedTextLength() / 2 + MARK;
    if (Math.abs(off) > 0.5 * size + MARK || Math.abs(x - Number(text.getAttribute("x"))) > near) return;
    const { top, h } = this.#box(cell);
    const below = y + MARK + size < top + h;
    text.setAttribute("dy", below ? off + MARK + 0.85 * size : off - MARK - 2);
    this.moved = text;
  }

  focus(cell) {
    this.cells[cell]?.link.focus();
  }

  get focused() {
    return this.svg.contains(document.activeElement);
  }

  #box(cell) {
    const { left, bottom, w, h } = this.plot;
    const [ix, iy] = [cell % this.map.nx, Math.floor(cell / this.map.nx)];
    return { left: left + ix * w, top: bottom - (iy + 1) * h, w, h };
  }

  /** Axes and empty cells: for a new map, a new size, a new theme. */
  #layOut() {
    if (!this.map) return;
    const [width, height] = [this.root.clientWidth, this.root.clientHeight];
    if (!(width > 0 && height > 0)) return;
    const held = this.focused ? this.roving : null;
    this.layingOut = true; // what has the focus keeps it, which is nobody's choice of a cell
    const { map } = this;
    const { x, y } = map.header;
    const size = readTheme().size - 0.5;
    const digits = Math.max(...y.values.map((value) => short(rounded(value)).length));
    const [left, right, top, under] = [1.7 * size + 0.62 * size * digits + 8, 7.6 * size, 4, 3.3 * size];
    this.size = width;
    const plot = { left, right: width - right, top, bottom: height - under };
    plot.w = (plot.right - plot.left) / map.nx;
    plot.h = (plot.bottom - plot.top) / map.ny;
    this.plot = plot;
    this.svg.replaceChildren();
    for (const [name, value] of Object.entries({ width, height, "font-size": size, "aria-label": `Map of ${words(x)} and ${words(y)}`, "aria-colcount": map.nx, "aria-rowcount": map.ny })) {
      this.svg.setAttribute(name, value);
    }
    this.svg.append(
      svg("defs", {}, [
        svg("pattern", { id: "map-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, [
          svg("rect", { width: 7, height: 7, class: "hatch-ground" }),
          svg("rect", { width: 2.2, height: 7, class: "hatch-line" }),
        ]),
        svg("linearGradient", { id: "map-bar", x1: 0, x2: 0, y1: 1, y2: 0 }),
      ]),
    );
    this.gap = Math.min(plot.w, plot.h) > 9 ? 1 : 0;
    this.texts = plot.w > 3 * size && plot.h > 1.7 * size;
    const rows = Array.from({ length: map.ny }, () => svg("g", { role: "row" }));
    this.cells = Array.from({ length: map.total }, (_, cell) => {
      const { left: cx, top: cy, w, h } = this.#box(cell);
      const rect = svg("rect", { x: cx, y: cy, width: Math.max(w - this.gap, 0.5), height: Math.max(h - this.gap, 0.5) });
      const text = this.texts ? svg("text", { x: cx + w / 2, y: cy + Math.min(0.9 * size, h / 2), dy: "0.35em", "text-anchor": "middle" }) : null;
      const link = svg("a", { "data-cell": cell, role: "gridcell", tabindex: -1 }, text ? [rect, text] : [rect]);
      rows[Math.floor(cell / map.nx)].append(link);
      return { link, rect, text };
    });
    this.svg.append(...rows.toReversed()); // a reader goes through them from the top
    this.#axes(x, y, size);
    this.bar = svg("g", {});
    this.ringed = svg("rect", { class: "ringed", "pointer-events": "none" });
    this.bestMark = svg("path", { d: STAR, class: "best-mark", "pointer-events": "none" });
    this.hereMark = svg("g", { class: "here-mark", "pointer-events": "none" }, [svg("circle", { r: 6.5, class: "rim" }), svg("circle", { r: 6.5 })]);
    this.svg.append(this.bar, this.ringed, this.bestMark, this.hereMark);
    this.rove(this.roving ?? 0);
    this.#fill();
    if (held !== null) this.focus(this.roving);
    this.layingOut = false;
  }

  #axes(x, y, size) {
    const { map } = this;
    const { left, right, top, bottom, w, h } = this.plot;
    const every = (step, room) => Math.max(1, Math.ceil(room / step));
    const label = (text, attributes) => svg("text", { ...attributes, class: "tick" }, [text]);
    const longest = Math.max(...x.values.map((value) => short(rounded(value)).length));
    const strideX = every(w, 0.58 * size * longest + 5);
    // Both ends are written, and between them those that leave room for the last.
    const written = (i, last, stride) => i === last || (i % stride === 0 && last - i >= stride);
    x.values.forEach((value, i) => {
      if (written(i, map.nx - 1, strideX)) this.svg.append(label(short(rounded(value)), { x: left + (i + 0.5) * w, y: bottom + 1.15 * size, "text-anchor": "middle" }));
    });
    const strideY = every(h, 1.15 * size);
    y.values.forEach((value, i) => {
      if (written(i, map.ny - 1, strideY)) this.svg.append(label(short(rounded(value)), { x: left - 5, y: bottom - (i + 0.5) * h, dy: "0.35em", "text-anchor": "end" }));
    });
    this.svg.append(
      svg("text", { x: (left + right) / 2, y: bottom + 2.7 * size, "text-anchor": "middle", class: "axis" }, [words(x)]),
      svg("text", { transform: `translate(${0.95 * size} ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis" }, [words(y)]),
    );
  }

  /** Colours, texts and marks: for new cells or another measure. */
  #fill() {
    if (!this.plot || !this.cells.length) return;
    const { map, what } = this;
    const measure = MEASURES[what.measure];
    const theme = readTheme();
    const colours = stops(theme, measure.scale);
    const range = extent(map, what.measure);
    if (this.near?.map !== map) this.near = new Nearest(map);
    const lenders = map.complete ? null : this.near.update();
    let hatched = 0;
    this.cells.forEach((entry, cell) => {
      const { link, rect, text } = entry;
      const known = map.known[cell] === 1;
      const from = known ? cell : (lenders?.[cell] ?? -1);
      const kind = from < 0 ? "empty" : kindOf(map, from, what.measure);
      const colour = kind === "value" ? shade(place(measure.value(map, from), range, measure.scale), colours) : null;
      const [again, anew] = [differs(entry, "kind", kind), differs(entry, "known", known)];
      if (again) rect.setAttribute("class", kind);
      if (anew) rect.setAttribute("opacity", known ? 1 : GUESS);
      if (differs(entry, "fill", colour?.fill ?? "")) rect.setAttribute("fill", entry.fill);
      if (known && kind === "diverged") hatched += 1;
      if (text) {
        const value = measure.value(map, cell);
        const own = kind === "value" || (kind === "higher" && what.measure === "loss") || (kind === "diverged" && what.measure === "diverged");
        if (differs(entry, "written", known && own ? measure.text(value, map, cell) : "")) text.textContent = entry.written;
        if (differs(entry, "ink", colour?.ink ?? "")) text.style.fill = entry.ink;
        if (again) text.setAttribute("class", `on-${kind}`);
      }
      if (!known) return;
      if (again || anew) link.dataset.kind = kind;
      if (!anew) return; // a cell that is known stays as it is
      link.setAttribute("href", this.hooks.address(cell));
      const { x, y } = map.at(cell);
      link.setAttribute("aria-label", `${map.header.x.symbol} ${short(rounded(x))}, ${map.header.y.symbol} ${short(rounded(y))}: ${sentence(map, cell)}`);
    });
    this.svg.dataset.hatched = hatched;
    this.svg.dataset.done = map.done;
    this.#colourBar(measure, range, colours, theme);
    this.bestMark.style.display = what.best === null ? "none" : "";
    if (what.best !== null) {
      const { left, top, w, h } = this.#box(what.best);
      const grown = Math.min(1.15, w / 15, h / 15);
      const at = this.texts ? [left + w - this.gap - 8 * grown, top + h - this.gap - 8 * grown] : [left + w / 2, top + h / 2];
      this.bestMark.setAttribute("transform", `translate(${at}) scale(${grown})`);
    }
    this.ring(what.picked);
    this.here(what.here);
  }

  #colourBar(measure, range, colours, theme) {
    const { right, top, bottom } = this.plot;
    const size = theme.size - 0.5;
    this.bar.replaceChildren();
    const reversed = measure.scale === "log" ? colours.toReversed() : colours; // low values below
    const gradient = this.svg.querySelector("#map-bar");
    gradient.replaceChildren(...reversed.map((colour, i) => svg("stop", { offset: i / (colours.length - 1), "stop-color": colour })));
    if (!range) return;
    const at = `translate(${this.size - 0.35 * size} ${(top + bottom) / 2}) rotate(-90)`;
    this.bar.append(svg("text", { transform: at, "text-anchor": "middle", class: "tick" }, [measure.title(this.map)]));
    this.bar.append(svg("rect", { x: right + 9, y: top, width: 12, height: bottom - top, fill: "url(#map-bar)", class: "bar" }));
    for (const value of ticks(range, measure.scale)) {
      const part = place(value, range, measure.scale);
      const y = bottom - (measure.scale === "log" ? 1 - part : part) * (bottom - top);
      this.bar.append(
        svg("line", { x1: right + 21, x2: right + 25, y1: y, y2: y, class: "bar" }),
        svg("text", { x: right + 28, y: Math.min(Math.max(y, top + 0.4 * size), bottom - 0.3 * size), dy: "0.35em", class: "tick" }, [measure.tick(value)]),
      );
    }
  }

  /** Only one cell is a tab stop. */
  rove(cell) {
    const next = Math.min(cell, this.cells.length - 1);
    this.cells[this.roving]?.link.setAttribute("tabindex", -1);
    this.roving = next;
    this.cells[next]?.link.setAttribute("tabindex", 0);
  }

  #key(event) {
    const { nx, ny } = this.map;
    const [ix, iy] = [this.roving % nx, Math.floor(this.roving / nx)];
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], Home: [-nx, 0], End: [nx, 0], PageUp: [0, ny], PageDown: [0, -ny] };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
    this.rove(clamp(iy + move[1], ny) * nx + clamp(ix + move[0], nx));
    this.focus(this.roving);
  }

  /** Colours have changed: everything anew. */
  restyle() {
    this.#layOut();
  }
}

/** Take a value; whether it is another. Writing what stands there already costs the browser as much as a change. */
function differs(entry, key, value) {
  const other = entry[key] !== value;
  entry[key] = value;
  return other;
}

const words = (axis) => `${axis.label}${axis.unit ? `, ${axis.unit}` : ""}`;

/** Three digits are what a tick can hold. */
const rounded = (value) => (typeof value === "number" ? Number(value.toPrecision(3)) : value);

/** A value's place along an axis, in cells from the first cell's centre; null outside of the map. */
function along(value, { values, scale }) {
  const on = (v) => (scale === "log" && v > 0 ? Math.log(v) : v);
  if (values.length === 1) return value === values[0] ? 0 : null;
  for (let i = 0; i + 1 < values.length; i++) {
    const [from, to] = [values[i], values[i + 1]];
    if ((value >= from && value <= to) || (value <= from && value >= to)) return i + (on(value) - on(from)) / (on(to) - on(from) || 1);
  }
  // Half a cell beyond the first and the last centre is still their cells.
  const close = values.findIndex((v) => Math.abs(v - value) <= 1e-9 * Math.abs(v));
  return close < 0 ? null : close;
}
