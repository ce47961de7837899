// The picture: contours by Plotly, and over them on a canvas whatever moves.

import { escapedInPlotly } from "../web/escaped.mjs";
import { Overlay } from "../web/overlay.mjs";
import { niceBelow, reading, short } from "../web/scale.mjs";
import { fade, readTheme } from "../web/theme.mjs";
import { frameAt, frameOf, settingsAt } from "./trace.mjs";

const DOUBLE = 250; // ms in which a second click makes a double click, which resets the view
const COMET = 30; // frames of a run's recent past that are drawn stronger
const GHOST = 0.45; // opacity of an old future, from which something was forked
const COMMITTED = 24000; // points that all thin runs of an optimizer keep when their trails become a Plotly trace

export class Landscape {
  /**
   * @param {HTMLElement} graph
   * @param {{start: (point: number[], done: boolean) => void, moved: (ranges: object) => void}} hooks
   */
  constructor(graph, hooks) {
    Object.assign(this, { graph, hooks, trace: null, grid: null, quiet: false, scale: 1, scaledFor: null, theme: readTheme(), ink: document.createElement("canvas") });
    this.overlay = new Overlay(graph, () => {
      this.stale = true;
      this.#placeHandle();
      this.draw();
    });
    this.#listen();
  }

  /** Show another function's surface. @param {{z: Float32Array, shape: number[], xrange: number[], yrange: number[]}} grid */
  setGrid(grid, fresh) {
    this.grid = grid;
    if (fresh) this.home.hidden = true;
    this.heights = heights(grid);
    return this.render(fresh);
  }

  /** Take a new trace; what was committed of the old one is hidden at once. */
  setTrace(trace, clock) {
    Object.assign(this, { trace, clock, stale: true });
    const place = this.grid && `${this.grid.f} ${this.grid.coords}`;
    if (this.scaledFor !== place) Object.assign(this, { scaledFor: place, scale: ellipseScale(trace, this.grid) }); // steady while a slider moves
    this.live(true);
  }

  /** Hide (live) or show the trails that Plotly holds. */
  live(on) {
    this.isLive = on;
    this.graph.closest(".stage").classList.toggle("live", on);
  }

  /** Draw contours; with `trails`, also commit the trails up to now to Plotly, for hover, zoom and export. */
  async render(fresh = false, trails = []) {
    if (!this.grid) return;
    const { theme, grid } = this;
    const shown = this.graph._fullLayout;
    const axis = (name, range, title) => ({
      title: { text: title, standoff: 4 },
      range: fresh ? range : [...shown[name].range],
      gridcolor: "rgba(0,0,0,0)",
      zeroline: false,
      ticks: "outside",
      tickcolor: theme.grid,
      ticklen: 4,
    });
    const layout = {
      margin: { l: 4.2 * theme.size, r: 10, t: 8, b: 3 * theme.size },
      font: { family: theme.font, size: theme.size, color: theme.muted },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: theme.panel,
      dragmode: "pan",
      hovermode: "closest",
      showlegend: false,
      xaxis: axis("xaxis", grid.xrange, this.names?.[0] ?? "x"),
      yaxis: axis("yaxis", grid.yrange, this.names?.[1] ?? "y"),
    };
    const contour = {
      type: "contour",
      z: this.heights.rows,
      x0: grid.xrange[0],
      dx: (grid.xrange[1] - grid.xrange[0]) / (grid.shape[1] - 1),
      y0: grid.yrange[0],
      dy: (grid.yrange[1] - grid.yrange[0]) / (grid.shape[0] - 1),
      contours: this.heights.levels,
      colorscale: [[0, theme.valley], [1, theme.ridge]],
      line: { width: 0.8, color: theme.contour },
      showscale: false,
      hoverinfo: "skip",
    };
    await window.Plotly.react(this.graph, [contour, ...trails], layout, { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: true });
    this.overlay.measure();
    this.stale = true;
    this.#placeHandle();
    this.draw();
  }

  /** Commit the trails and show them in place of the canvas's. */
  async commit() {
    if (!this.trace || !this.moment) return;
    const asked = this.trace;
    const trails = this.trace.tracks.flatMap((track, index) => this.#plotlyTrails(track, index));
    await this.render(false, trails);
    if (asked === this.trace) {
      this.live(false);
      this.draw();
    }
  }

  #plotlyTrails(track, index) {
    const colour = this.colours[index];
    const { frame } = frameAt(track, this.moment.time, this.clock);
    const { first, ghost } = this.#span(track, index);
    const stride = Math.ceil((track.frames * track.runs) / COMMITTED); // of the whole run, so that no trail changes its shape in time
    const [x, y] = [[], []];
    for (let run = 1; run < track.runs; run++) {
      for (let t = first; t <= Math.min(frame, ghost); t += stride) {
        const at = 2 * (t * track.runs + run);
        if (!Number.isFinite(track.path[at])) break;
        x.push(track.path[at]);
        y.push(track.path[at + 1]);
      }
      x.push(null);
      y.push(null);
    }
    const title = escapedInPlotly(this.titles[index]);
    const shown = { x: [], y: [], text: [] };
    const old = { x: [], y: [], text: [] };
    for (let t = first; t <= frame; t++) {
      const at = 2 * t * track.runs;
      if (!Number.isFinite(track.path[at])) break;
      const text = `${title}, run 1<br>step ${track.step[t]}, ${track.forwards[t]} forward passes<br>θ (${short(track.path[at])}, ${short(track.path[at + 1])})<br>loss ${reading(track.gap[t * track.runs])}`;
      for (const list of t < ghost ? [shown] : t === ghost ? [shown, old] : [old]) {
        list.x.push(track.path[at]);
        list.y.push(track.path[at + 1]);
        list.text.push(text);
      }
    }
    const line = { type: "scatter", mode: "lines" };
    const hoverlabel = { bgcolor: this.theme.panel, bordercolor: colour, font: { color: this.theme.ink, family: this.theme.font } };
    return [
      { ...line, x, y, line: { color: fade(colour, this.theme.trail), width: 1 }, hoverinfo: "skip" },
      { ...line, ...shown, line: { color: colour, width: this.theme.line }, hoverinfo: "text", hoverlabel },
      ...(old.x.length ? [{ ...line, ...old, line: { color: fade(colour, GHOST), width: 0.7 * this.theme.line }, hoverinfo: "text", hoverlabel }] : []),
    ];
  }

  /** The first frame of a track that is drawn (before it, a fork is what it was forked from), and the one from which on it is a ghost. */
  #span(track, index) {
    const { from, ghost } = this.spans?.[index] ?? { from: 0, ghost: Infinity };
    return { first: from ? frameOf(track, from) : 0, ghost: ghost === Infinity ? Infinity : frameOf(track, ghost) };
  }

  /** Draw a moment. @param {{time: number, playing: boolean}=} moment */
  draw(moment = this.moment) {
    this.moment = moment;
    const context = this.overlay.begin();
    if (!context) return;
    this.#stars(context);
    if (this.trace && moment) {
      const places = this.trace.tracks.map((track) => frameAt(track, moment.time, this.clock));
      if (this.isLive) this.#inkTo(places);
      if (this.isLive) context.drawImage(this.ink, 0, 0, this.overlay.width, this.overlay.height);
      const here = this.trace.tracks.map((track, index) => this.#span(track, index));
      const present = this.trace.tracks.map((track, index) => [track, index]).filter(([, index]) => places[index].frame >= here[index].first);
      for (const [track, index] of present) {
        if (!this.quiet && places[index].frame <= here[index].ghost) this.#ellipses(context, track, this.colours[index], places[index], moment.playing);
      }
      for (const [track, index] of present) {
        const old = places[index].frame > here[index].ghost;
        if (!this.quiet && !old && !moment.playing) this.#probes(context, track, this.colours[index], places[index]);
        context.globalAlpha = old ? GHOST : 1;
        this.#heads(context, track, this.colours[index], places[index], here[index].first, moment.playing);
        context.globalAlpha = 1;
      }
    }
    this.overlay.end();
  }

  /** Add to the ink (trails so far) what is new; start over when the view has changed or time went back. */
  #inkTo(places) {
    const { ink, overlay, trace } = this;
    const again = this.stale || this.inked?.trace !== trace || places.some((p, i) => p.frame < this.inked.frames[i]);
    const context = ink.getContext("2d");
    if (again) {
      ink.width = overlay.canvas.width;
      ink.height = overlay.canvas.height;
      const ratio = window.devicePixelRatio || 1;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.inked = { trace, frames: places.map(() => 0) };
      this.stale = false;
    }
    trace.tracks.forEach((track, index) => {
      const { first, ghost } = this.#span(track, index);
      const from = Math.max(this.inked.frames[index], first);
      const to = places[index].frame;
      this.inked.frames[index] = to;
      if (to <= from) return;
      const colour = this.colours[index];
      const end = Math.min(to, Math.max(from, ghost));
      if (end > from) {
        if (track.runs > 1) stroke(context, fade(colour, this.theme.trail), 1, () => this.#lines(context, track, 1, track.runs, from, end));
        stroke(context, colour, this.theme.line, () => this.#lines(context, track, 0, 1, from, end));
      }
      if (to > end) stroke(context, fade(colour, GHOST), 0.7 * this.theme.line, () => this.#lines(context, track, 0, 1, end, to));
    });
  }

  /** Add the polylines of runs [first, last) between two frames to the path; steps under a pixel are left out. */
  #lines(context, track, first, last, from, to) {
    const { path, runs } = track;
    const { px, py } = this.overlay;
    for (let run = first; run < last; run++) {
      let at = 2 * (from * runs + run);
      let [x, y] = [px(path[at]), py(path[at + 1])];
      if (!(x === x)) continue;
      context.moveTo(x, y);
      for (let t = from + 1; t <= to; t++) {
        at = 2 * (t * runs + run);
        const [nextX, nextY] = [px(path[at]), py(path[at + 1])];
        if (!(nextX === nextX)) break;
        if (t < to && Math.abs(nextX - x) + Math.abs(nextY - y) < 0.8) continue;
        context.lineTo(nextX, nextY);
        [x, y] = [nextX, nextY];
      }
    }
  }

  #heads(context, track, colour, place, first, playing) {
    const { theme } = this;
    const from = Math.max(first, place.frame - COMET);
    if (playing && track.runs > 1) {
      stroke(context, fade(colour, Math.min(1, theme.trail * 1.6)), 1.4, () => this.#lines(context, track, 1, track.runs, from, place.frame));
    }
    context.fillStyle = fade(colour, 0.75);
    for (let run = 1; run < track.runs; run++) {
      const head = this.#head(track, run, place);
      if (head) dot(context, head, 2.4 + theme.line / 4);
    }
    const head = this.#head(track, 0, place);
    if (!head) return;
    context.fillStyle = colour;
    context.strokeStyle = theme.panel;
    context.lineWidth = 2;
    dot(context, head, 4.5 + theme.line);
    context.stroke();
  }

  /** Where a run is, between two frames; null after it stopped. */
  #head(track, run, { frame, part }) {
    const at = 2 * (frame * track.runs + run);
    const next = 2 * (Math.min(frame + 1, track.frames - 1) * track.runs + run);
    const mix = (i) => {
      const [a, b] = [track.path[at + i], track.path[next + i]];
      return Number.isFinite(b) ? a + (b - a) * part : a;
    };
    const [x, y] = [this.overlay.px(mix(0)), this.overlay.py(mix(1))];
    return Number.isFinite(x) && Number.isFinite(y) ? [x, y] : null;
  }

  /** What the probes are drawn from, and what the true curvature would give. */
  #ellipses(context, track, colour, place) {
    const head = this.#head(track, 0, place);
    if (!head || !track.shown_h) return;
    const h = [track.shown_h[2 * place.frame], track.shown_h[2 * place.frame + 1]];
    const trail = (a, b, angle) => this.#ellipse(context, head, a * this.scale, b * this.scale, angle);
    context.fillStyle = fade(colour, 0.13);
    stroke(context, colour, this.theme.line * 0.8, () => trail(1 / Math.sqrt(h[0]), 1 / Math.sqrt(h[1]), 0));
    context.fill();
    if (!track.shown_hessian) return;
    const [a, b, c] = track.shown_hessian.subarray(3 * place.frame, 3 * place.frame + 3);
    const [big, small, angle] = eigen(a, b, c);
    if (!(Math.abs(big) > 1e-12 && Math.abs(small) > 1e-12)) return;
    context.setLineDash([6, 4]);
    const negative = big < 0 || small < 0;
    stroke(context, negative ? this.theme.colour("--warning") : this.theme.ink, this.theme.line * 0.8, () => trail(1 / Math.sqrt(Math.abs(big)), 1 / Math.sqrt(Math.abs(small)), angle));
    context.setLineDash([]);
  }

  /** An ellipse with semi-axes in data units, turned in data space (the axes may have different scales). */
  #ellipse(context, [x, y], a, b, angle) {
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    for (let i = 0; i <= 72; i++) {
      const t = (i / 72) * 2 * Math.PI;
      const [u, v] = [a * Math.cos(t), b * Math.sin(t)];
      context.lineTo(x + this.overlay.x.scale * (u * cos - v * sin), y + this.overlay.y.scale * (u * sin + v * cos));
    }
  }

  /** The points that this step evaluates: θ ± Σ^½ u, enlarged like the ellipse (by scale/μ). */
  #probes(context, track, colour, place) {
    if (!track.u) return;
    const most = track.shapes.u[1];
    const n = settingsAt(track, track.step[place.frame]).n;
    const at = 2 * place.frame * track.runs;
    const centre = [track.path[at], track.path[at + 1]];
    const h = track.shown_h ? track.shown_h.subarray(2 * place.frame, 2 * place.frame + 2) : [1, 1];
    for (let i = 0; i < n; i++) {
      const u = track.u.subarray(2 * (place.frame * most + i), 2 * (place.frame * most + i) + 2);
      const offset = [(this.scale * u[0]) / Math.sqrt(h[0]), (this.scale * u[1]) / Math.sqrt(h[1])];
      const ends = [1, -1].map((sign) => [this.overlay.px(centre[0] + sign * offset[0]), this.overlay.py(centre[1] + sign * offset[1])]);
      stroke(context, fade(colour, 0.55), 1, () => {
        context.moveTo(...ends[0]);
        context.lineTo(...ends[1]);
      });
      context.fillStyle = this.theme.panel; // hollow, unlike the heads of runs
      for (const end of ends) {
        dot(context, end, 3);
        context.stroke();
      }
    }
  }

  #stars(context) {
    const { px, py } = this.overlay;
    const star = ([x, y], filled) => {
      context.beginPath();
      for (let i = 0; i < 10; i++) {
        const [r, angle] = [i % 2 ? 3.6 : 8.5, (i * Math.PI) / 5 - Math.PI / 2];
        context.lineTo(px(x) + r * Math.cos(angle), py(y) + r * Math.sin(angle));
      }
      context.closePath();
      context.fillStyle = filled ? this.theme.ink : this.theme.panel;
      context.strokeStyle = filled ? this.theme.panel : this.theme.ink;
      context.lineWidth = 1.2;
      context.fill();
      context.stroke();
    };
    for (const point of this.localMinima ?? []) star(point, false);
    for (const point of this.minima ?? []) star(point, true);
  }

  /** The ring that marks the start and can be dragged. */
  setStart(point) {
    this.start = point;
    this.#placeHandle();
  }

  #placeHandle() {
    const { left, top, width, height } = this.overlay.box ?? {};
    const [x, y] = this.start && left !== undefined ? [this.overlay.px(this.start[0]), this.overlay.py(this.start[1])] : [-1, -1];
    const inside = x >= left && x <= left + width && y >= top && y <= top + height;
    this.handle.style.display = inside ? "" : "none";
    if (inside) this.handle.style.transform = `translate(${x}px, ${y}px)`;
  }

  #listen() {
    const { graph, overlay } = this;
    this.handle = document.createElement("div");
    this.handle.className = "start-handle";
    this.handle.title = "Start: drag me, or click the picture";
    graph.closest(".stage").append(this.handle);
    const at = (event) => {
      const box = graph.getBoundingClientRect();
      return overlay.valueAt(event.clientX - box.left, event.clientY - box.top);
    };
    this.handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.handle.setPointerCapture(event.pointerId);
      const move = (e) => this.hooks.start(at(e), false);
      this.handle.addEventListener("pointermove", move);
      this.handle.addEventListener(
        "pointerup",
        (e) => {
          this.handle.removeEventListener("pointermove", move);
          this.hooks.start(at(e), true);
        },
        { once: true },
      );
    });
    let down = null;
    let clicked = 0;
    let before = -Infinity;
    const onPlot = (event) => event.target.closest?.(".nsewdrag");
    graph.addEventListener("pointerdown", (event) => (down = onPlot(event) && event.button === 0 ? [event.clientX, event.clientY, event.timeStamp] : null), true);
    window.addEventListener("pointerup", (event) => {
      if (!down) return;
      const still = Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 4 && event.timeStamp - down[2] < 600;
      down = null;
      if (!still) return;
      clearTimeout(clicked);
      if (event.timeStamp - before < DOUBLE) this.hooks.moved(null);
      else {
        const point = at(event);
        clicked = setTimeout(() => this.hooks.start(point, true), DOUBLE);
      }
      before = event.timeStamp;
    }, true);
    this.home = document.createElement("button");
    this.home.className = "home";
    this.home.textContent = "Reset view";
    this.home.hidden = true;
    this.home.addEventListener("click", () => this.hooks.moved(null));
    graph.closest(".stage").append(this.home);
    graph.on("plotly_relayout", (changes) => {
      if (!Object.keys(changes).some((key) => key.includes(".range"))) return;
      const { xaxis, yaxis } = graph._fullLayout;
      this.home.hidden = false;
      this.hooks.moved({ xrange: xaxis.range.map(Number), yrange: yaxis.range.map(Number) });
    });
  }
}

function stroke(context, colour, width, path) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.beginPath();
  path();
  context.stroke();
}

function dot(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** Eigenvalues of ((a, b), (b, c)), the first one's eigenvector's angle. */
function eigen(a, b, c) {
  const mean = (a + c) / 2;
  const spread = Math.hypot((a - c) / 2, b);
  return [mean + spread, mean - spread, Math.atan2(2 * b, a - c) / 2];
}

/** Logarithm of the height over the minimum (or over the lowest point in sight), and contour levels that suit it. */
function heights(grid) {
  const [rows, columns] = grid.shape;
  let low = Infinity;
  let high = -Infinity;
  for (const z of grid.z) {
    if (z < low) low = z;
    if (z > high) high = z;
  }
  const base = grid.minimum === null || grid.minimum === undefined ? low : Math.min(grid.minimum, low);
  const small = Math.max((high - base) * 1e-5, 1e-12);
  const result = [];
  let [from, to] = [Infinity, -Infinity];
  for (let row = 0; row < rows; row++) {
    const line = new Array(columns);
    for (let column = 0; column < columns; column++) {
      const value = Math.log10(grid.z[row * columns + column] - base + small);
      line[column] = Number.isFinite(value) ? value : null;
      if (value < from) from = value;
      if (value > to && Number.isFinite(value)) to = value;
    }
    result.push(line);
  }
  return { rows: result, levels: { start: from, end: to, size: (to - from) / 18 || 1 } };
}

/** How much ellipses and probes are enlarged, for a fifth of the picture: 1, 2 or 5 times a power of ten. */
function ellipseScale(trace, grid) {
  const track = trace.tracks.find((candidate) => candidate.shown_hessian) ?? null;
  if (!track || !grid) return 1;
  const sides = [];
  for (let frame = 0; frame < track.frames; frame += Math.ceil(track.frames / 50)) {
    const [a, b, c] = track.shown_hessian.subarray(3 * frame, 3 * frame + 3);
    const [big, small] = eigen(a, b, c).map(Math.abs);
    const flattest = Math.min(big, small) > 1e-9 ? Math.min(big, small) : Math.max(big, small);
    const fallback = track.shown_h ? Math.min(track.shown_h[2 * frame], track.shown_h[2 * frame + 1]) : 1;
    sides.push(1 / Math.sqrt(flattest > 1e-9 ? flattest : fallback));
  }
  sides.sort((a, b) => a - b);
  const span = Math.min(grid.xrange[1] - grid.xrange[0], grid.yrange[1] - grid.yrange[0]);
  return niceBelow((0.24 * span) / (sides[sides.length >> 1] || 1)) || 1;
}
