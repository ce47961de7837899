// The microscope: the step at the player's cursor in slow motion, in place of the charts on the right.

import { Latest, SpecError, fetchBytes, trouble } from "../../web/latest.mjs";
import { count, short } from "../../web/scale.mjs";
import { clockAt, stepAt } from "../trace.mjs";
import { linesOf } from "./lines.mjs";
import { number } from "./numbers.mjs";
import { Picture } from "./picture.mjs";
import { drawSlice } from "./slice.mjs";

const PACE = 1700; // ms that slow motion stays on a line
const TYPING = "input:not([type=range]), select, textarea, [role=combobox], dialog[open]";

const stepper = (name, label, unit) => `
  <span class="stepper" data-stepper="${name}"><span>${label}</span>
  <button data-by="-1" aria-label="Previous ${name}">‹</button><output></output><button data-by="1" aria-label="Next ${name}">›</button><span>${unit}</span></span>`;

export class Microscope {
  /**
   * @param {HTMLElement} root an empty section over the charts
   * @param {HTMLElement} bar the player, which gets the button that opens it
   * @param {import("../landscape.mjs").Landscape} landscape
   * @param {{moment: () => object|null, seek: (time: number) => void}} hooks `moment` says what is drawn now: trace, clock, time, look and names; `seek` moves the player
   */
  constructor(root, bar, landscape, hooks) {
    Object.assign(this, { root, landscape, hooks, label: null, run: 0, direction: 0, lit: null, reached: Infinity, span: "near", timer: 0 });
    Object.assign(this, { options: "", place: "", traced: "", asked: null, answer: null, scale: null, lines: null, written: null });
    root.innerHTML = `
      <div class="head">
        <h2>Microscope</h2>
        <select aria-label="Optimizer"></select>
        ${stepper("run", "run", "")}
        <button class="quiet" data-do="close" title="Close (Esc)" aria-label="Close the microscope">✕</button>
      </div>
      <div class="steppers">${stepper("step", "step", "")}${stepper("direction", "direction", "")}</div>
      <p class="remark" role="status"></p>
      <div class="slice"><canvas role="img"></canvas>
        <span class="spans"><button data-span="near" title="A few μ around θ: what the optimizer measures">near</button><button data-span="wide" title="As far as the picture enlarges the probes: where the parabola stops describing the loss">wide</button></span></div>
      <p class="legend"></p>
      <div class="motion">
        <button data-do="play" aria-label="Slow motion">▶ slow motion</button>
        <button data-do="back" aria-label="Previous line" title="Previous line (↑)">‹</button>
        <button data-do="forward" aria-label="Next line" title="Next line (↓)">›</button>
        <span class="place"></span>
        <button data-do="all" title="Show every line at once">all</button>
      </div>
      <ol class="lines"></ol>`;
    this.button = document.createElement("button");
    this.button.id = "open-microscope";
    this.button.textContent = "Microscope";
    this.button.title = "This step in slow motion (m)";
    bar.append(this.button);
    this.canvas = root.querySelector("canvas");
    this.list = root.querySelector(".lines");
    this.chooser = root.querySelector("select");
    this.picture = new Picture(landscape.graph);
    this.steps = new Latest(
      async (query, signal) => JSON.parse(new TextDecoder().decode(await fetchBytes(`/api/step?${query}`, signal))),
      (answer, query) => this.#take(answer, query),
      (error, query) => this.#failed(error, query),
    );
    this.#listen();
  }

  get open() {
    return !this.root.hidden;
  }

  /** The index of the optimizer under the microscope, whose steps the player then makes; 0 while it is closed. */
  get index() {
    const tracks = this.hooks.moment()?.trace.tracks ?? [];
    return this.open ? Math.max(0, tracks.findIndex(({ label }) => label === this.label)) : 0;
  }

  toggle(on = !this.open) {
    const moment = this.hooks.moment();
    if (on === this.open || (on && !moment)) return;
    this.root.hidden = !on;
    this.button.classList.toggle("on", on);
    this.landscape.quiet = on;
    this.#stop();
    this.#light(null, Infinity);
    if (on) this.hooks.seek(moment.time); // which pauses
    else {
      this.picture.show(null);
      this.asked = null; // an answer that comes now is not taken
    }
    this.landscape.draw();
    if (!on) this.button.focus();
  }

  /** The player's moment, the trace or the theme has changed. While it plays the step at which that began stays. */
  update(playing = false) {
    const moment = this.hooks.moment();
    if (!this.open || !moment) return;
    const { trace, look } = moment;
    if (!trace.tracks.some(({ label }) => label === this.label)) this.label = trace.tracks[0].label;
    const options = JSON.stringify([look.titles, trace.tracks.map(({ label }) => label), this.label]);
    if (this.options !== options) this.chooser.replaceChildren(...trace.tracks.map(({ label }, k) => new Option(look.titles[k], label, false, label === this.label)));
    this.options = options;
    this.root.style.setProperty("--colour", look.colours[this.index]);
    this.run = Math.min(this.run, trace.header.runs - 1);
    const { coords, spec } = trace.header;
    const place = `${spec.split("&")[0]} ${coords}`;
    if (this.place !== place) {
      Object.assign(this, { place, answer: null, scale: null }); // another landscape: what was seen on the old one goes
      this.picture.show(null);
    }
    const traced = `${spec}&coords=${coords.join(",")}`;
    const another = this.traced !== traced;
    this.traced = traced;
    if (!playing) this.#ask(this.#step());
    else if (another) this.#clear("Shown when the player stops.");
  }

  #ask(step) {
    const query = `${this.traced}&of=${encodeURIComponent(this.label)}&step=${step}&run=${this.run}&reach=${this.scale ?? this.landscape.scale}`;
    if (query === this.asked) return this.draw();
    this.asked = query;
    this.steps.request(query);
  }

  #track() {
    return this.hooks.moment().trace.tracks[this.index];
  }

  /** The last step that the chosen run makes. */
  #last() {
    const { steps } = this.hooks.moment().trace.header;
    return (this.#track().statuses[this.run].step ?? steps) - 1;
  }

  /** The step that the cursor is at; at the end of the run, the one that led there. */
  #step() {
    const { time, clock } = this.hooks.moment();
    return Math.max(0, Math.min(Math.floor(stepAt(this.#track(), time, clock) + 1e-3), this.#last()));
  }

  #take(answer, query) {
    if (query !== this.asked || !this.open) return;
    this.answer = answer;
    this.direction = Math.min(this.direction, Math.max(answer.directions.length - 1, 0));
    this.draw();
    const scale = this.picture.scaleFor(answer, this.landscape.scale);
    if (scale === this.scale) return;
    this.scale = scale; // the wide slice reaches as far as the picture's probes
    this.#ask(answer.step);
  }

  /** No numbers, and why: those of another step would be taken for this one's. The player's next move asks again. */
  #clear(remark) {
    Object.assign(this, { asked: null, answer: null, lines: null, written: null });
    this.#stop();
    this.picture.show(null);
    this.canvas.width = 0; // which empties it
    for (const place of [this.list, ...this.root.querySelectorAll(".legend, .place")]) place.replaceChildren();
    for (const stepper of this.root.querySelectorAll(".stepper")) stepper.hidden = true;
    this.#remark(remark);
  }

  #failed(error, query) {
    if (query !== this.asked) return;
    this.#clear(error instanceof SpecError ? error.message : `${trouble(error)}. It is asked again when the player moves.`);
    const { header } = this.hooks.moment()?.trace ?? {};
    if (!header) return;
    this.#stepper("step", count(this.#step()), `of ${count(header.steps)}`, true);
    this.#stepper("run", this.run + 1, `of ${header.runs}`, header.runs > 1);
  }

  /** Write the numbers and draw the pictures of the present answer. */
  draw() {
    if (!this.open || !this.answer || !this.hooks.moment()) return;
    const { answer } = this;
    const { names, trace } = this.hooks.moment();
    const several = answer.directions.length;
    this.#stepper("step", count(answer.step), `of ${count(answer.steps)}`, true);
    this.#stepper("run", answer.run + 1, `of ${trace.header.runs}`, trace.header.runs > 1);
    this.#stepper("direction", this.direction + 1, `of ${several}`, several > 1);
    this.lines = linesOf(answer, this.direction, names);
    const html = this.lines.map(({ key, title, html }) => `<li tabindex="0" data-key="${key}" aria-label="${title}">${html}</li>`).join("");
    if (this.written !== html) this.#write(html);
    this.#remark(this.#remarks());
    this.#show();
  }

  /** Replace the lines; what was unfolded stays so, and the focus is where it was. */
  #write(html) {
    const unfolded = this.list.querySelector("details")?.open;
    const held = this.list.contains(document.activeElement) ? document.activeElement : null;
    const [key, within] = [held?.closest("li").dataset.key, held?.matches("summary")];
    this.list.innerHTML = this.written = html;
    if (unfolded) this.list.querySelector("details")?.setAttribute("open", "");
    const line = key && this.list.querySelector(`[data-key="${key}"]`);
    if (line) ((within && line.querySelector("summary")) || line).focus({ preventScroll: true });
  }

  #remarks() {
    const { answer } = this;
    const words = [];
    const status = this.#track().statuses[this.run];
    if (status.step !== null && answer.step === status.step - 1) words.push(`Run ${this.run + 1} ${status.sentence}: this is its last step.`);
    else if (answer.step === answer.steps - 1) words.push("The last step of the run.");
    if (!this.picture.inSight(answer.theta)) words.push("θ lies outside the picture.");
    if (answer.tilt) words.push("All losses of a step carry the same noise ξ·θ.");
    return words.join(" ");
  }

  /** The pictures, with what is lit and what has been reached. */
  #show() {
    if (!this.lines || !this.answer || !this.hooks.moment()) return;
    const { answer, lines } = this;
    const shown = new Set(["theta", ...lines.slice(0, this.reached + 1).map(({ key }) => key)]);
    [...this.list.children].forEach((item, k) => {
      item.classList.toggle("lit", item.dataset.key === this.lit);
      item.classList.toggle("later", k > this.reached);
    });
    const at = lines.findIndex(({ key }) => key === this.lit);
    this.root.querySelector(".place").textContent = at >= 0 ? `${at + 1} of ${lines.length}` : "";
    for (const button of this.root.querySelectorAll("[data-span]")) button.classList.toggle("on", button.dataset.span === this.span);
    const { look } = this.hooks.moment();
    const colour = look.colours[this.index];
    const scale = this.scale ?? this.landscape.scale;
    const slice = sliceOf(answer, this.direction, this.span);
    drawSlice(this.canvas, { ...slice, colour }, this.lit, shown);
    this.canvas.setAttribute("aria-label", `Loss along ${answer.directions.length ? `direction ${this.direction + 1}` : "the step"}`);
    this.picture.show({ step: answer, i: this.direction, scale, colour, strong: this.lit, shown });
    this.root.querySelector(".legend").innerHTML = this.#legend(slice, scale);
  }

  #legend(slice, scale) {
    const { answer } = this;
    const factor = this.picture.enlargement(answer);
    const step = answer.warming ? "" : `, step × ${number(factor)}`;
    const parabola = slice.curvature === null ? `<i class="tangent"></i>slope` : `<i class="parabola"></i>parabola <i class="dots"></i>slope`;
    const what = `<i class="loss"></i>loss ${parabola}`;
    if (!answer.directions.length) return `${what}<span>Picture: step × ${number(factor)}; other arrows show directions only</span>`;
    return `${what}<span>Picture: probes × ${number(scale / answer.hyperparameters.mu, 2)} (μ as ${short(scale)}${answer.state.P ? ", like the ellipses" : ""})${step}</span>`;
  }

  #stepper(name, value, unit, shown) {
    const element = this.root.querySelector(`[data-stepper="${name}"]`);
    element.hidden = !shown;
    element.querySelector("output").textContent = value;
    element.lastElementChild.textContent = unit;
  }

  #remark(text) {
    const element = this.root.querySelector(".remark");
    if (element.textContent !== text) element.textContent = text;
  }

  #move(name, by) {
    if (!this.hooks.moment()) return;
    const around = (value, length) => (value + by + length) % length;
    if (name === "step") this.#goTo(this.#step() + by);
    if (name === "run") {
      this.run = around(this.run, this.hooks.moment().trace.header.runs);
      this.update();
    }
    if (name === "direction" && this.answer) {
      this.direction = around(this.direction, this.answer.directions.length);
      this.draw();
    }
  }

  #goTo(step) {
    const { clock } = this.hooks.moment();
    this.hooks.seek(clockAt(this.#track(), Math.min(Math.max(step, 0), this.#last()), clock));
  }

  // ---- slow motion ----

  /** Light a line; those behind `reached` are not drawn yet. */
  #light(key, reached) {
    Object.assign(this, { lit: key, reached });
    this.#show();
  }

  #go(at) {
    if (!this.lines) return;
    const place = (at + this.lines.length) % this.lines.length;
    this.#light(this.lines[place].key, place);
    this.list.children[place].scrollIntoView({ block: "nearest" });
  }

  #at() {
    return this.lines?.findIndex(({ key }) => key === this.lit) ?? -1;
  }

  #play() {
    if (this.timer) return this.#stop();
    if (!this.lines) return;
    this.root.querySelector("[data-do=play]").textContent = "❚❚ pause";
    this.#go(this.#at() < 0 || this.#at() === this.lines.length - 1 ? 0 : this.#at() + 1);
    this.timer = setInterval(() => {
      if (document.hidden) return;
      if (this.#at() >= this.lines.length - 1) this.#stop();
      else this.#go(this.#at() + 1);
    }, PACE);
  }

  #stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.root.querySelector("[data-do=play]").textContent = "▶ slow motion";
  }

  // ---- once ----

  #listen() {
    const { root } = this;
    const actions = {
      close: () => this.toggle(false),
      play: () => this.#play(),
      back: () => this.#walk(-1),
      forward: () => this.#walk(1),
      all: () => {
        this.#stop();
        this.#light(null, Infinity);
      },
    };
    this.button.addEventListener("click", () => this.toggle());
    root.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.do) actions[button.dataset.do]();
      if (button?.dataset.by) this.#move(button.closest(".stepper").dataset.stepper, Number(button.dataset.by));
      if (button?.dataset.span) {
        this.span = button.dataset.span;
        this.#show();
      }
    });
    for (const button of root.querySelectorAll("button")) button.addEventListener("pointerdown", (event) => event.preventDefault()); // keys stay the player's
    this.chooser.addEventListener("change", () => {
      this.label = this.chooser.value;
      this.direction = 0;
      this.#stop();
      this.#light(null, Infinity);
      this.update();
    });
    const light = ({ target }) => {
      const key = target.closest("li")?.dataset.key;
      if (key && !this.timer) this.#light(key, Infinity);
    };
    this.list.addEventListener("pointerover", light);
    this.list.addEventListener("focusin", light);
    for (const gone of ["pointerleave", "focusout"]) this.list.addEventListener(gone, () => !this.timer && this.#light(null, Infinity));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING)) return;
      if (event.key === "m") this.toggle();
      else if (!this.open || document.querySelector("dialog[open]")) return;
      else if (event.key === "Escape") this.toggle(false);
      else if (event.target.closest?.("input, [role=slider]")) return;
      else if (event.key === "ArrowDown") this.#walk(1);
      else if (event.key === "ArrowUp") this.#walk(-1);
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.open && this.#show()).observe(this.canvas.parentElement);
  }

  #walk(by) {
    this.#stop();
    const at = this.#at();
    this.#go(at < 0 ? (by > 0 ? 0 : -1) : at + by);
  }
}

/** What the chart shows of an answer. @returns {import("./slice.mjs").Slice} */
function sliceOf(answer, i, span) {
  const direction = answer.directions[i];
  if (!direction) {
    const points = [
      { key: "gradient", s: 0, loss: answer.loss, label: ["L(θ)", "", ""], measured: true },
      { key: "step", s: 1, loss: answer.loss_next, label: ["L(θ + Δθ)", "", ""], measured: false },
    ];
    return { samples: answer.path[span], unit: 1, axis: ["s / step: along Δθ", "", ""], height: "L(θ + sΔθ) − L(θ)", base: answer.loss, level: 0, slope: answer.path.slope, tangent: "gradient", curvature: null, points };
  }
  const { mu } = answer.hyperparameters;
  const { centre, plus, minus, g, c } = direction;
  const root = answer.method === "hizoo" ? ["Σ", "½"] : ["", ""];
  const probe = (key, sign, loss) => ({ key, s: sign * mu, loss, label: [`L(θ ${sign > 0 ? "+" : "−"} μ${root[0]}`, root[1], "u)"], measured: true });
  const base = centre ?? answer.loss;
  const points = [probe("plus", 1, plus), probe("minus", -1, minus)];
  points.push(centre === null ? { key: "theta", s: 0, loss: answer.loss, label: ["L(θ), not measured", "", ""], measured: false } : { key: "centre", s: 0, loss: centre, label: ["L(θ)", "", ""], measured: true });
  const samples = direction[span];
  const level = centre === null ? (plus + minus) / 2 - base : 0; // MeZO's secant goes through its two points
  const axis = [`s / μ: along ${root[0]}`, root[1], `u${answer.directions.length > 1 ? `, direction ${i + 1}` : ""}`];
  return { samples, unit: mu, axis, height: "loss − L(θ)", base, level, slope: g, tangent: "slope", curvature: c, points };
}
