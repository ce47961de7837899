// The step on the landscape: probes and ellipses enlarged by one factor, the step itself by another that is stated.

import { Overlay } from "../../web/overlay.mjs";
import { niceBelow } from "../../web/scale.mjs";
import { fade, readTheme } from "../../web/theme.mjs";
import { less } from "./numbers.mjs";

const ARROW = 26; // px: a shorter step is enlarged, by a power of ten
const [SHORT, SEEN, LONG] = [45, 110, 260]; // px of the longest probe: below and above which it is scaled anew, and to what
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** 10, 100, 1000, 10⁴: a power of ten. */
const power = (value) => (value < 1e4 ? value : `10${String(Math.round(Math.log10(value))).replace(/\d/g, (digit) => SUPERSCRIPTS[digit])}`);
const VECTOR = 74; // px of a gradient's or a moment's arrow: their direction is what is shown

export class Picture {
  /** @param {HTMLElement} graph the landscape's Plotly div */
  constructor(graph) {
    this.scene = null;
    this.overlay = new Overlay(graph, () => this.draw());
    this.overlay.canvas.classList.add("microscope-layer");
  }

  /**
   * @param {object|null} scene null for nothing
   *   step: the server's answer; i: the direction; scale: length of √Σ enlarged; colour; strong, shown: as in slice.mjs
   */
  show(scene) {
    this.scene = scene;
    this.overlay.measure();
    this.draw();
  }

  /** The length that √Σ is enlarged to: the landscape's own, unless that leaves the probes too short or too long to see. */
  scaleFor(step, usual) {
    const { x, y } = this.overlay;
    if (!x || !step.directions.length) return usual;
    const longest = Math.max(...step.directions.map(({ z }) => Math.hypot(z[0] * x.scale, z[1] * y.scale)));
    if (!(longest > 0 && longest < Infinity) || (longest * usual > SHORT && longest * usual < LONG)) return usual;
    return niceBelow(1.5 * SEEN / longest);
  }

  /** How much the arrow of the step is enlarged: 1, or the least power of ten that makes it visible. */
  enlargement(step) {
    const { x, y } = this.overlay;
    if (!x) return 1;
    const [dx, dy] = moveOf(step);
    const length = Math.hypot(dx * x.scale, dy * y.scale);
    return length > 0 && length < ARROW ? 10 ** Math.ceil(Math.log10(ARROW / length)) : 1;
  }

  /** Whether a point of the shown plane is within the picture as it is zoomed now. */
  inSight([x, y]) {
    const { box, px, py } = this.overlay;
    return !box || inside(box, [px(x), py(y)]);
  }

  draw() {
    const context = this.overlay.begin();
    if (!context) return;
    const { scene } = this;
    if (scene?.step.theta.every(Number.isFinite)) {
      this.theme = readTheme();
      this.taken = [];
      this.context = context;
      this.#ellipses();
      this.#vectors();
      this.#probes();
      this.#step();
      this.#dot(this.#at([0, 0]), "θ", "centre", false);
    }
    this.overlay.end();
  }

  /** A key's opacity: gone while it has not been reached, dim while another is lit. */
  #alpha(...keys) {
    const { strong, shown } = this.scene;
    if (!keys.some((key) => shown.has(key))) return 0;
    return strong === null || keys.includes(strong) ? 1 : 0.35;
  }

  #at([dx, dy], factor = 1) {
    const { theta } = this.scene.step;
    return [this.overlay.px(theta[0] + factor * dx), this.overlay.py(theta[1] + factor * dy)];
  }

  #probes() {
    const { step, i, scale, colour, strong } = this.scene;
    const direction = step.directions[i];
    if (!direction) return;
    const { context } = this;
    for (const [k, other] of step.directions.entries()) {
      if (k === i) continue;
      context.globalAlpha = 0.3 * this.#alpha("plus", "minus", "step");
      this.#segment(this.#at(other.z, scale), this.#at(other.z, -scale), 1, fade(colour, 0.6));
    }
    const ends = [this.#at(direction.z, scale), this.#at(direction.z, -scale)];
    context.globalAlpha = this.#alpha("plus", "minus", "slope", "curvature");
    this.#segment(ends[0], ends[1], strong === "slope" || strong === "curvature" ? 1.6 * this.theme.line : this.theme.line * 0.7, colour);
    if (this.scene.shown.has("slope") && direction.g) {
      // Downhill along the direction: where the two losses say that it falls.
      context.globalAlpha = this.#alpha("slope");
      this.#arrow(this.#at([0, 0]), ends[direction.g > 0 ? 1 : 0], strong === "slope" ? 1.6 * this.theme.line : this.theme.line, colour, 0.62);
    }
    const both = ["slope", "curvature"];
    this.#dot(ends[0], "L₊", "plus", true, both);
    this.#dot(ends[1], "L₋", "minus", true, both);
  }

  #ellipses() {
    const { step, scale, colour, strong, shown } = this.scene;
    if (!shown.has("hessian")) return;
    const { context, theme } = this;
    const ring = (h, width, dash, fill) => {
      const [a, b] = h.map((value) => scale / Math.sqrt(value));
      const [x, y] = this.#at([0, 0]);
      context.beginPath();
      context.ellipse(x, y, Math.min(Math.abs(a * this.overlay.x.scale), 20000), Math.min(Math.abs(b * this.overlay.y.scale), 20000), 0, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      if (fill) {
        context.fillStyle = fade(colour, 0.12);
        context.fill();
      }
      context.stroke();
      context.setLineDash([]);
    };
    context.globalAlpha = this.#alpha("hessian");
    if (step.state.P) {
      ring(step.state.P, theme.line * 0.7, [3, 4], false);
      ring(step.state_next.P, strong === "hessian" ? 1.7 * theme.line : theme.line, [], true);
    } else if (step.terms.divisor) ring(step.terms.divisor, theme.line, [], true);
  }

  /** Adam's gradient, mean gradient and root mean square; the exact diagonal's gradient. Their lengths are not to scale. */
  #vectors() {
    const { step, colour } = this.scene;
    const { gradient } = step.seen;
    if (!gradient) return;
    const { context, theme } = this;
    const arrow = (vector, key, label, width) => {
      const [dx, dy] = [vector[0] * this.overlay.x.scale, vector[1] * this.overlay.y.scale];
      const length = Math.hypot(dx, dy);
      if (!(length > 0) || !this.#alpha(key)) return;
      const from = this.#at([0, 0]);
      const to = [from[0] + (VECTOR * dx) / length, from[1] + (VECTOR * dy) / length];
      context.globalAlpha = this.#alpha(key);
      this.#arrow(from, to, width, key === "gradient" ? theme.ink : colour);
      this.#label(label, to[0] + (8 * dx) / length, to[1] + (12 * dy) / length);
    };
    arrow(gradient.map((g) => -g), "gradient", "−∇L", theme.line);
    if (step.terms.m_hat) arrow(step.terms.m_hat.map((m) => -m), "first", "−m̂", theme.line);
    if (step.terms.v_hat && this.#alpha("second")) {
      const roots = step.terms.v_hat.map((v, k) => [this.overlay.x.scale, -this.overlay.y.scale][k] / Math.sqrt(v || Infinity));
      const largest = Math.max(...roots, Number.MIN_VALUE);
      context.globalAlpha = this.#alpha("second");
      context.strokeStyle = colour;
      context.lineWidth = theme.line * 0.8;
      context.setLineDash([3, 4]);
      context.beginPath();
      context.ellipse(...this.#at([0, 0]), (VECTOR * roots[0]) / largest, (VECTOR * roots[1]) / largest, 0, 0, 2 * Math.PI);
      context.stroke();
      context.setLineDash([]);
      this.#label("1/√v̂", this.#at([0, 0])[0], this.#at([0, 0])[1] - (VECTOR * roots[1]) / largest - 6);
    }
  }

  #step() {
    const { step, strong, shown } = this.scene;
    if (!shown.has("step") || step.warming) return;
    const factor = this.enlargement(step);
    const move = moveOf(step);
    if (!move.every(Number.isFinite) || !move.some((part) => part)) return;
    this.context.globalAlpha = this.#alpha("step");
    const to = this.#at(move, factor);
    this.#arrow(this.#at([0, 0]), to, (strong === "step" ? 2 : 1.3) * this.theme.line, this.theme.ink);
    const from = this.#at([0, 0]);
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
    const [dx, dy] = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
    const aside = 1.1 * this.theme.size * (dx < 0 ? -1 : 1); // under the arrow's head, where no other name is
    this.#label(factor === 1 ? "Δθ" : `Δθ × ${power(factor)}`, to[0] - aside * dy, to[1] + aside * dx + 0.35 * this.theme.size);
  }

  /** A point, with its name on the side away from θ. */
  #dot([x, y], label, key, hollow, also = []) {
    const { colour, strong } = this.scene;
    const { context, theme } = this;
    const alpha = this.#alpha(key, ...also);
    if (key !== "centre" && !alpha) return;
    const lit = strong === key || also.includes(strong);
    context.globalAlpha = key === "centre" ? 1 : alpha;
    context.fillStyle = hollow ? theme.panel : colour;
    context.strokeStyle = hollow ? colour : theme.panel;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, (lit ? 6.5 : 4.5) + theme.line / 2, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    const centre = this.#at([0, 0]);
    const length = Math.hypot(x - centre[0], y - centre[1]);
    const [dx, dy] = length > 0 ? [(x - centre[0]) / length, (y - centre[1]) / length] : this.#aside();
    const room = theme.size + 3;
    this.#label(label, x + room * dx - 0.6 * theme.size, y + room * dy + 0.35 * theme.size, lit);
  }

  /** Where the name of θ stands: at right angles to the probes, on the side that the step does not go to. */
  #aside() {
    const { step, i } = this.scene;
    const { x, y } = this.overlay;
    const move = moveOf(step).map((part, j) => part * [x.scale, y.scale][j]);
    const z = step.directions[i]?.z ?? [move[1] * y.scale, -move[0] * x.scale];
    const across = [-z[1] * y.scale, z[0] * x.scale];
    const length = Math.hypot(...across) || 1;
    const sign = across[0] * move[0] + across[1] * move[1] > 0 ? -1 : 1;
    return across.map((value) => (sign * value) / length);
  }

  #segment(from, to, width, colour) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  }

  #arrow(from, to, width, colour, part = 1) {
    const end = [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
    const angle = Math.atan2(end[1] - from[1], end[0] - from[0]);
    const head = 6 + 2 * width;
    const { context } = this;
    this.#segment(from, [end[0] - 0.7 * head * Math.cos(angle), end[1] - 0.7 * head * Math.sin(angle)], width, colour);
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(...end);
    for (const turn of [-0.42, 0.42]) context.lineTo(end[0] - head * Math.cos(angle + turn), end[1] - head * Math.sin(angle + turn));
    context.fill();
  }

  /** Text with a halo of the panel's colour, kept inside the picture and below what it would cover. */
  #label(text, x, y, lit = false) {
    if (!inside(this.overlay.box, [x, y])) return;
    const { context, theme } = this;
    const { left, top, width, height } = this.overlay.box;
    context.font = `${lit ? 700 : 600} ${theme.size}px ${theme.font}`;
    const length = context.measureText(text).width;
    const place = [Math.min(Math.max(x, left + 3), left + width - length - 3), Math.min(Math.max(y, top + theme.size + 2), top + height - 4)];
    const overlaps = (other) => Math.abs(other.y - place[1]) < 1.15 * theme.size && place[0] < other.x + other.length && other.x < place[0] + length;
    for (let tries = 0; tries < 4 && this.taken.some(overlaps); tries++) place[1] += 1.2 * theme.size;
    this.taken.push({ x: place[0], y: place[1], length });
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.strokeStyle = theme.panel;
    context.lineWidth = 3.5;
    context.lineJoin = "round";
    context.strokeText(text, ...place);
    context.fillStyle = theme.ink;
    context.fillText(text, ...place);
  }
}

/** The step at the shown coordinates. */
const moveOf = ({ theta, theta_next: next }) => [0, 1].map((j) => less(next[j], theta[j]));

const inside = ({ left, top, width, height }, [x, y]) => x >= left && x <= left + width && y >= top && y <= top + height;
