// The picture: contours by Plotly, and over them on a canvas whatever moves.

import { disc, stroke } from "../web/canvas.mjs";
import { Overlay } from "../web/overlay.mjs";
import { fade, readTheme } from "../web/theme.mjs";
import { contour, contourLayout, heights } from "./contours.mjs";
import { drawEllipses, drawProbes, ellipseScale } from "./ellipses.mjs";
import { Pointing } from "./pointing.mjs";
import { frameAt } from "./trace.mjs";
import { GHOST, Ink, framesOf, headOf, plotlyTrails, runLines } from "./trails.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { Point } from "../web/point.mjs" */
/** @import { Look } from "./page.mjs" */
/** @import { Clock, Moment, Trace, Track } from "./trace.mjs" */

const COMET = 30; // frames of a run's recent past that are drawn stronger

export class Landscape {
  // How it is drawn: see Look.
  theme = readTheme();
  /** @type {string[]} */
  colours = [];
  /** @type {string[]} */
  titles = [];
  /** @type {Look["spans"]} */
  spans;

  /** Names of the axes. @type {[string, string]} */
  names = ["x", "y"];
  /** @type {Point[]} */
  minima = [];
  /** @type {Point[]} */
  localMinima = [];

  /** Without ellipses and probes. */
  quiet = false;
  /** How much ellipses and probes are enlarged. */
  scale = 1;
  /** Whether the canvas's trails are shown, and not Plotly's. */
  isLive = false;
  /** Whether the trails on the canvas have to be drawn anew. */
  stale = true;

  /** @type {Clock} */
  clock = "steps";
  /** @type {Trace | null} */
  trace = null;
  /** @type {Grid | null} */
  grid = null;
  /** @type {import("./contours.mjs").Heights | null} */
  #heights = null;
  /** @type {{time: number, playing: boolean} | null} */
  #moment = null;
  /** The function and coordinates that the scale was chosen for. */
  #scaledFor = "";
  #ink = new Ink();

  /** @param {PlotlyGraph} graph @param {import("./pointing.mjs").Hooks} hooks */
  constructor(graph, hooks) {
    this.graph = graph;
    this.overlay = new Overlay(graph, () => this.#again());
    this.pointing = new Pointing(graph, this.overlay, hooks);
  }

  /** The axes, the size or the contours have changed. */
  #again() {
    this.stale = true;
    this.pointing.place();
    this.draw();
  }

  /** The button that shows the whole again. */
  get home() {
    return this.pointing.home;
  }

  /** Show another function's surface. @param {Grid} grid @param {boolean} fresh whether the view is to follow it */
  setGrid(grid, fresh) {
    this.grid = grid;
    if (fresh) this.home.hidden = true;
    this.#heights = heights(grid);
    return this.render(fresh);
  }

  /** Take a new trace; what was committed of the old one is hidden at once. @param {Trace} trace @param {Clock} clock */
  setTrace(trace, clock) {
    Object.assign(this, { trace, clock, stale: true });
    const place = this.grid ? `${this.grid.f} ${this.grid.coords}` : "";
    if (this.#scaledFor !== place) this.scale = ellipseScale(trace, this.grid); // steady while a slider moves
    this.#scaledFor = place;
    this.live(true);
  }

  /** Hide (live) or show the trails that Plotly holds. @param {boolean} on */
  live(on) {
    this.isLive = on;
    this.graph.closest(".stage")?.classList.toggle("live", on);
  }

  /**
   * Draw contours; with `trails`, also commit the trails up to now to Plotly, for hover, zoom and export.
   * @param {boolean} [fresh] whether to show the whole surface @param {PlotlyTrace[]} [trails]
   */
  async render(fresh = false, trails = []) {
    const { grid, theme } = this;
    if (!grid || !this.#heights) return;
    const { xaxis, yaxis } = this.graph._fullLayout;
    /** @type {{x: [number, number], y: [number, number]}} */
    const ranges = fresh ? { x: grid.xrange, y: grid.yrange } : { x: [...xaxis.range], y: [...yaxis.range] };
    await window.Plotly.react(this.graph, [contour(grid, this.#heights, theme), ...trails], contourLayout(ranges, this.names, theme), {
      displayModeBar: false,
      scrollZoom: true,
      doubleClick: false,
      responsive: true,
    });
    this.overlay.measure();
    this.#again();
  }

  /** Commit the trails and show them in place of the canvas's. */
  async commit() {
    const { trace, theme } = this;
    if (!trace || !this.#moment) return;
    const { time } = this.#moment;
    const trails = trace.tracks.flatMap((track, index) =>
      plotlyTrails(track, frameAt(track, time, this.clock).frame, framesOf(track, this.spans, index), this.titles[index], this.colours[index], theme),
    );
    await this.render(false, trails);
    if (trace === this.trace) {
      this.live(false);
      this.draw();
    }
  }

  /** Draw a moment. @param {{time: number, playing: boolean} | null} [moment] the last one unless given */
  draw(moment = this.#moment) {
    this.#moment = moment;
    const context = this.overlay.begin();
    if (!context) return;
    this.#stars(context);
    if (this.trace && moment) this.#draw(context, this.trace, moment);
    this.overlay.end();
  }

  /** @param {CanvasRenderingContext2D} context @param {Trace} trace @param {{time: number, playing: boolean}} moment */
  #draw(context, trace, { time, playing }) {
    const { overlay, theme, colours, spans } = this;
    const places = trace.tracks.map((track) => frameAt(track, time, this.clock));
    if (this.isLive) {
      this.#ink.to(overlay, trace, places, this, this.stale);
      this.stale = false;
      context.drawImage(this.#ink.canvas, 0, 0, overlay.width, overlay.height);
    }
    const drawn = trace.tracks.map((track, index) => {
      const { first, ghost } = framesOf(track, spans, index);
      const place = places[index];
      return { track, place, first, colour: colours[index], old: place.frame > ghost };
    });
    const present = drawn.filter(({ place, first }) => place.frame >= first);
    for (const { track, place, colour, old } of present) {
      const head = headOf(overlay, track, 0, place);
      if (head && !this.quiet && !old) drawEllipses(context, overlay, track, place.frame, head, this.scale, colour, theme);
    }
    for (const { track, place, first, colour, old } of present) {
      if (!this.quiet && !old && !playing) drawProbes(context, overlay, track, place.frame, this.scale, colour, theme);
      context.globalAlpha = old ? GHOST : 1;
      this.#heads(context, track, colour, place, first, playing);
      context.globalAlpha = 1;
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {Track} track @param {string} colour @param {Moment} place @param {number} first @param {boolean} playing */
  #heads(context, track, colour, place, first, playing) {
    const { theme, overlay } = this;
    const from = Math.max(first, place.frame - COMET);
    if (playing && track.runs > 1) {
      stroke(context, fade(colour, Math.min(1, theme.trail * 1.6)), { width: 1.4 }, () => runLines(context, overlay, track, [1, track.runs], from, place.frame));
    }
    for (let run = 1; run < track.runs; run++) {
      const head = headOf(overlay, track, run, place);
      if (head) disc(context, head, 2.4 + theme.line / 4, fade(colour, 0.75));
    }
    const head = headOf(overlay, track, 0, place);
    if (head) disc(context, head, 4.5 + theme.line, colour, theme.panel, 2);
  }

  /** @param {CanvasRenderingContext2D} context */
  #stars(context) {
    const { px, py } = this.overlay;
    /** @param {Point} point @param {string} fill @param {string} edge */
    const star = ([x, y], fill, edge) => {
      context.fillStyle = fill;
      stroke(context, edge, { width: 1.2 }, () => {
        for (let i = 0; i < 10; i++) {
          const [r, angle] = [i % 2 ? 3.6 : 8.5, (i * Math.PI) / 5 - Math.PI / 2];
          context.lineTo(px(x) + r * Math.cos(angle), py(y) + r * Math.sin(angle));
        }
        context.closePath();
        context.fill();
      });
    };
    for (const point of this.localMinima) star(point, this.theme.panel, this.theme.ink);
    for (const point of this.minima) star(point, this.theme.ink, this.theme.panel);
  }

  /** The ring that marks the start and can be dragged. @param {Point} point */
  setStart(point) {
    this.pointing.setStart(point);
  }
}
