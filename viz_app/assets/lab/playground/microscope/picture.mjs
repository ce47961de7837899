// The step on the landscape: probes and ellipses enlarged by one factor, the step itself by another that is stated.

import { disc, segment, stroke } from "../../web/canvas.mjs";
import { Overlay } from "../../web/overlay.mjs";
import { niceBelow } from "../../web/scale.mjs";
import { fade, readTheme } from "../../web/theme.mjs";
import { moveOf, vector } from "./anatomy.mjs";

/** @import { Box } from "../../web/overlay.mjs" */
/** @import { Point } from "../../web/point.mjs" */
/** @import { Direction, Step } from "./anatomy.mjs" */

const FAR = 20000; // px of a semi-axis: beyond it an ellipse is a line anyway
const ARROW = 26; // px: a shorter step is enlarged, by a power of ten
const [SHORT, SEEN, LONG] = [45, 110, 260]; // px of the longest probe: below and above which it is scaled anew, and to what
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** 10, 100, 1000, 10⁴: a power of ten. @param {number} value */
const power = (value) => (value < 1e4 ? value : `10${String(Math.round(Math.log10(value))).replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)])}`);
const VECTOR = 74; // px of a gradient's or a moment's arrow: their direction is what is shown

/**
 * @typedef {object} Scene
 * @property {Step} step @property {number} i the direction @property {number} scale the length that √Σ is enlarged to
 * @property {string} colour @property {string | null} strong the key of what is lit; null: all alike
 * @property {Set<string>} shown keys of what may be drawn
 */

export class Picture {
  /** What is drawn; null for nothing. @type {Scene | null} */
  #scene = null;

  /** @param {PlotlyGraph} graph the landscape's */
  constructor(graph) {
    this.overlay = new Overlay(graph, () => this.draw());
    this.overlay.canvas.classList.add("microscope-layer");
  }

  /** @param {Scene | null} scene */
  show(scene) {
    this.#scene = scene;
    this.overlay.measure();
    this.draw();
  }

  /** The length that √Σ is enlarged to: the landscape's own, unless that leaves the probes too short or too long to see. @param {Step} step @param {number} usual */
  scaleFor({ directions }, usual) {
    const { x, y, box } = this.overlay;
    if (!box || !directions.length) return usual;
    const longest = Math.max(...directions.map(({ z }) => Math.hypot(z[0] * x.scale, z[1] * y.scale)));
    if (!(longest > 0 && longest < Infinity) || (longest * usual > SHORT && longest * usual < LONG)) return usual;
    return niceBelow(1.5 * SEEN / longest);
  }

  /** How much the arrow of the step is enlarged: 1, or the least power of ten that makes it visible. @param {Step} step */
  enlargement(step) {
    const { x, y, box } = this.overlay;
    if (!box) return 1;
    const [dx, dy] = moveOf(step);
    const length = Math.hypot(dx * x.scale, dy * y.scale);
    return length > 0 && length < ARROW ? 10 ** Math.ceil(Math.log10(ARROW / length)) : 1;
  }

  /** Whether θ is within the picture as it is zoomed now. @param {Step} step */
  inSight({ theta: [x, y] }) {
    const { box, px, py } = this.overlay;
    return !box || inside(box, [px(x ?? NaN), py(y ?? NaN)]);
  }

  draw() {
    const context = this.overlay.begin();
    if (!context) return;
    const scene = this.#scene;
    const [x, y] = scene?.step.theta ?? [];
    if (scene && Number.isFinite(x) && Number.isFinite(y)) new Drawing(this.overlay, context, scene, this.enlargement(scene.step)).draw();
    this.overlay.end();
  }
}

/** One drawing of a scene. */
class Drawing {
  #theme = readTheme();
  /** Where names stand already. @type {{x: number, y: number, length: number}[]} */
  #taken = [];

  /** @param {Overlay} overlay @param {CanvasRenderingContext2D} context @param {Scene} scene @param {number} enlargement of the step */
  constructor(overlay, context, scene, enlargement) {
    this.overlay = overlay;
    this.context = context;
    this.scene = scene;
    this.enlargement = enlargement;
  }

  draw() {
    this.#ellipses();
    this.#vectors();
    const direction = this.scene.step.directions.at(this.scene.i);
    if (direction) this.#probes(direction);
    this.#step();
    this.#dot(this.#at([0, 0]), "θ", "centre", false);
  }

  /** A key's opacity: gone while it has not been reached, dim while another is lit. @param {...string} keys */
  #alpha(...keys) {
    const { strong, shown } = this.scene;
    if (!keys.some((key) => shown.has(key))) return 0;
    return strong === null || keys.includes(strong) ? 1 : 0.35;
  }

  /** The pixel at a distance from θ. @param {Point} distance @param {number} [factor] @returns {Point} */
  #at([dx, dy], factor = 1) {
    const [x, y] = this.scene.step.theta;
    return [this.overlay.px(Number(x) + factor * dx), this.overlay.py(Number(y) + factor * dy)];
  }

  /** @param {Direction} direction the chosen one */
  #probes(direction) {
    const { step, scale, colour, strong, shown } = this.scene;
    const { line } = this.#theme;
    for (const other of step.directions) {
      if (other === direction) continue;
      this.context.globalAlpha = 0.3 * this.#alpha("plus", "minus", "step");
      this.#segment(this.#at(other.z, scale), this.#at(other.z, -scale), 1, fade(colour, 0.6));
    }
    const [plus, minus] = [this.#at(direction.z, scale), this.#at(direction.z, -scale)];
    this.context.globalAlpha = this.#alpha("plus", "minus", "slope", "curvature");
    this.#segment(plus, minus, strong === "slope" || strong === "curvature" ? 1.6 * line : line * 0.7, colour);
    if (shown.has("slope") && direction.g) {
      // Downhill along the direction: where the two losses say that it falls.
      this.context.globalAlpha = this.#alpha("slope");
      this.#arrow(this.#at([0, 0]), direction.g > 0 ? minus : plus, strong === "slope" ? 1.6 * line : line, colour, 0.62);
    }
    const both = ["slope", "curvature"];
    this.#dot(plus, "L₊", "plus", true, both);
    this.#dot(minus, "L₋", "minus", true, both);
  }

  #ellipses() {
    const { step, strong, shown } = this.scene;
    if (!shown.has("hessian")) return;
    const { line } = this.#theme;
    this.context.globalAlpha = this.#alpha("hessian");
    if (step.state.P) {
      this.#ring(step.state.P, line * 0.7, [3, 4], false);
      this.#ring(vector(step.state_next, "P"), strong === "hessian" ? 1.7 * line : line, [], true);
    } else if (step.terms.divisor) this.#ring(step.terms.divisor, line, [], true);
  }

  /** The ellipse of a diagonal. @param {import("./anatomy.mjs").Pair} diagonal @param {number} width @param {number[]} dash @param {boolean} filled */
  #ring(diagonal, width, dash, filled) {
    const { scale, colour } = this.scene;
    const [a, b] = diagonal.map((value) => scale / Math.sqrt(value ?? NaN));
    const { x, y } = this.overlay;
    stroke(this.context, colour, { width, dash }, () => {
      this.context.ellipse(...this.#at([0, 0]), Math.min(Math.abs(a * x.scale), FAR), Math.min(Math.abs(b * y.scale), FAR), 0, 0, 2 * Math.PI);
      this.context.fillStyle = fade(colour, 0.12);
      if (filled) this.context.fill();
    });
  }

  /** Adam's gradient, mean gradient and root mean square; the exact diagonal's gradient. Their lengths are not to scale. */
  #vectors() {
    const { step, colour } = this.scene;
    const { ink, line } = this.#theme;
    const { x, y } = this.overlay;
    if (!step.seen.gradient) return;
    this.#vector(step.seen.gradient, "gradient", "−∇L", ink);
    if (step.terms.m_hat) this.#vector(step.terms.m_hat, "first", "−m̂", colour);
    if (!step.terms.v_hat || !this.#alpha("second")) return;
    const [v, w] = step.terms.v_hat;
    const roots = [x.scale / Math.sqrt(v || Infinity), -y.scale / Math.sqrt(w || Infinity)];
    const [a, b] = roots.map((root) => (VECTOR * root) / Math.max(...roots, Number.MIN_VALUE));
    const centre = this.#at([0, 0]);
    this.context.globalAlpha = this.#alpha("second");
    stroke(this.context, colour, { width: line * 0.8, dash: [3, 4] }, () => this.context.ellipse(...centre, a, b, 0, 0, 2 * Math.PI));
    this.#label("1/√v̂", centre[0], centre[1] - b - 6);
  }

  /** An arrow against a vector. @param {import("./anatomy.mjs").Pair} vector @param {string} key @param {string} label @param {string} colour */
  #vector([a, b], key, label, colour) {
    const [dx, dy] = [-(a ?? NaN) * this.overlay.x.scale, -(b ?? NaN) * this.overlay.y.scale];
    const length = Math.hypot(dx, dy);
    if (!(length > 0) || !this.#alpha(key)) return;
    const [x, y] = this.#at([0, 0]);
    /** @type {Point} */
    const to = [x + (VECTOR * dx) / length, y + (VECTOR * dy) / length];
    this.context.globalAlpha = this.#alpha(key);
    this.#arrow([x, y], to, this.#theme.line, colour);
    this.#label(label, to[0] + (8 * dx) / length, to[1] + (12 * dy) / length);
  }

  #step() {
    const { step, strong, shown } = this.scene;
    if (!shown.has("step") || step.warming) return;
    const move = moveOf(step);
    if (!move.every(Number.isFinite) || !move.some((part) => part)) return;
    this.context.globalAlpha = this.#alpha("step");
    const [from, to] = [this.#at([0, 0]), this.#at(move, this.enlargement)];
    const { ink, line, size } = this.#theme;
    this.#arrow(from, to, (strong === "step" ? 2 : 1.3) * line, ink);
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
    const [dx, dy] = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
    const aside = 1.1 * size * (dx < 0 ? -1 : 1); // under the arrow's head, where no other name is
    const label = this.enlargement === 1 ? "Δθ" : `Δθ × ${power(this.enlargement)}`;
    this.#label(label, to[0] - aside * dy, to[1] + aside * dx + 0.35 * size);
  }

  /** A point, with its name on the side away from θ. @param {Point} point @param {string} label @param {string} key @param {boolean} hollow @param {string[]} [also] keys of other lines that light it */
  #dot([x, y], label, key, hollow, also = []) {
    const { colour, strong } = this.scene;
    const { line, panel, size } = this.#theme;
    const alpha = key === "centre" ? 1 : this.#alpha(key, ...also);
    if (!alpha) return;
    const lit = strong !== null && (strong === key || also.includes(strong));
    this.context.globalAlpha = alpha;
    disc(this.context, [x, y], (lit ? 6.5 : 4.5) + line / 2, hollow ? panel : colour, hollow ? colour : panel, 2);
    const centre = this.#at([0, 0]);
    const length = Math.hypot(x - centre[0], y - centre[1]);
    const [dx, dy] = length > 0 ? [(x - centre[0]) / length, (y - centre[1]) / length] : this.#aside();
    const room = size + 3;
    this.#label(label, x + room * dx - 0.6 * size, y + room * dy + 0.35 * size, lit);
  }

  /** Where the name of θ stands: at right angles to the probes, on the side that the step does not go to. */
  #aside() {
    const { step, i } = this.scene;
    const { x, y } = this.overlay;
    const [dx, dy] = moveOf(step);
    const move = [dx * x.scale, dy * y.scale];
    const z = step.directions.at(i)?.z ?? [move[1] * y.scale, -move[0] * x.scale];
    const across = [-z[1] * y.scale, z[0] * x.scale];
    const length = Math.hypot(...across) || 1;
    const sign = across[0] * move[0] + across[1] * move[1] > 0 ? -1 : 1;
    return across.map((value) => (sign * value) / length);
  }

  /** @param {Point} from @param {Point} to @param {number} width @param {string} colour */
  #segment(from, to, width, colour) {
    stroke(this.context, colour, { width }, () => segment(this.context, from, to));
  }

  /** @param {Point} from @param {Point} to @param {number} width @param {string} colour @param {number} [part] of the way that it goes */
  #arrow(from, to, width, colour, part = 1) {
    const [x, y] = [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
    const angle = Math.atan2(y - from[1], x - from[0]);
    const head = 6 + 2 * width;
    const { context } = this;
    this.#segment(from, [x - 0.7 * head * Math.cos(angle), y - 0.7 * head * Math.sin(angle)], width, colour);
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(x, y);
    for (const turn of [-0.42, 0.42]) context.lineTo(x - head * Math.cos(angle + turn), y - head * Math.sin(angle + turn));
    context.fill();
  }

  /** Text with a halo of the panel's colour, kept inside the picture and below what it would cover. @param {string} text @param {number} x @param {number} y @param {boolean} [lit] */
  #label(text, x, y, lit = false) {
    const { box } = this.overlay;
    if (!box || !inside(box, [x, y])) return;
    const { context } = this;
    const { size, font, panel, ink } = this.#theme;
    context.font = `${lit ? 700 : 600} ${size}px ${font}`;
    const length = context.measureText(text).width;
    const place = { x: Math.min(Math.max(x, box.left + 3), box.left + box.width - length - 3), y: Math.min(Math.max(y, box.top + size + 2), box.top + box.height - 4), length };
    /** @param {typeof place} other */
    const overlaps = (other) => Math.abs(other.y - place.y) < 1.15 * size && place.x < other.x + other.length && other.x < place.x + length;
    for (let tries = 0; tries < 4 && this.#taken.some(overlaps); tries++) place.y += 1.2 * size;
    this.#taken.push(place);
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.strokeStyle = panel;
    context.lineWidth = 3.5;
    context.lineJoin = "round";
    context.strokeText(text, place.x, place.y);
    context.fillStyle = ink;
    context.fillText(text, place.x, place.y);
  }
}

/** @param {Box} box @param {Point} point */
const inside = ({ left, top, width, height }, [x, y]) => x >= left && x <= left + width && y >= top && y <= top + height;
