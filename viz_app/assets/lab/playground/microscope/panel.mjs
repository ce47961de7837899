// The microscope: the step at the player's cursor in slow motion, in place of the charts on the right.

import { html, nothing, render } from "../../vendor/lit.mjs";
import { Latest, SpecError, fetchBytes, trouble } from "../../web/latest.mjs";
import { make, setText } from "../../web/make.mjs";
import { one } from "../../web/one.mjs";
import { count, short } from "../../web/scale.mjs";
import { clockAt, stepAt } from "../trace.mjs";
import { setting } from "./anatomy.mjs";
import { SPANS, STEPPED, drawFrame, watchKeys } from "./frame.mjs";
import { linesOf } from "./lines.mjs";
import { Motion } from "./motion.mjs";
import { number } from "./numbers.mjs";
import { Picture } from "./picture.mjs";
import { drawSlice } from "./slice.mjs";
import { sliceOf } from "./slices.mjs";

/** @import { Look } from "../page.mjs" */
/** @import { Clock, Status, Trace } from "../trace.mjs" */
/** @import { Step } from "./anatomy.mjs" */
/** @import { Stepped } from "./frame.mjs" */
/** @import { Line } from "./lines.mjs" */
/** @import { Slice } from "./slices.mjs" */

/** @typedef {{trace: Trace, clock: Clock, time: number, look: Look, names: [string, string]}} Moment what is drawn now */
/** @typedef {{moment: () => Moment | null, seek: (time: number) => void}} Hooks `seek` moves the player, and pauses it */

export class Microscope {
  /** The optimizer under the microscope. */
  #label = "";
  #run = 0;
  #direction = 0;
  /** @type {"near" | "wide"} */
  #span = "near";
  /** The function and coordinates of what is shown. */
  #place = "";
  /** What of the query does not depend on the step. */
  #traced = "";
  /** @type {string | null} */
  #asked = null;
  /** @type {Step | null} */
  #answer = null;
  /** The length that √Σ is enlarged to, if not the landscape's. @type {number | null} */
  #scale = null;
  /** @type {Line[]} */
  #lines = [];

  /**
   * @param {HTMLElement} root an empty section over the charts
   * @param {HTMLElement} bar the player, which gets the button that opens it
   * @param {import("../landscape.mjs").Landscape} landscape
   * @param {Hooks} hooks
   */
  constructor(root, bar, landscape, hooks) {
    this.root = root;
    this.landscape = landscape;
    this.hooks = hooks;
    this.motion = new Motion({ keys: () => this.#lines.map(({ key }) => key), changed: () => this.#show() });
    const { motion } = this;
    drawFrame(root, {
      close: () => this.toggle(false),
      choose: () => this.#choose(),
      spread: (span) => this.#spread(span),
      move: (name, by) => this.#move(name, by),
      play: () => motion.toggle(),
      walk: (by) => motion.walk(by),
      all: () => motion.all(),
      light: (key) => motion.playing || motion.light(key, Infinity),
    });
    this.button = make("button", { id: "open-microscope", title: "This step in slow motion (m)", on: { click: () => this.toggle() } }, "Microscope");
    bar.append(this.button);
    this.canvas = one(root, "canvas", HTMLCanvasElement);
    this.list = one(root, ".lines");
    this.chooser = one(root, "select", HTMLSelectElement);
    this.picture = new Picture(landscape.graph);
    this.steps = new Latest(
      /** @param {string} query @returns {Promise<Step>} */
      async (query, signal) => JSON.parse(new TextDecoder().decode(await fetchBytes(`/api/step?${query}`, signal))),
      (answer, query) => this.#take(answer, query),
      (error, query) => this.#failed(error, query),
    );
    watchKeys({ isOpen: () => this.open, toggle: () => this.toggle(), walk: (by) => motion.walk(by) });
    new ResizeObserver(() => this.open && this.#show()).observe(one(root, ".slice"));
  }

  get open() {
    return !this.root.hidden;
  }

  /** The index of the optimizer under the microscope, whose steps the player then makes; 0 while it is closed. */
  get index() {
    const tracks = this.hooks.moment()?.trace.tracks ?? [];
    return this.open ? Math.max(0, tracks.findIndex(({ label }) => label === this.#label)) : 0;
  }

  toggle(on = !this.open) {
    const moment = this.hooks.moment();
    if (on === this.open || (on && !moment)) return;
    this.root.hidden = !on;
    this.button.classList.toggle("on", on);
    this.landscape.quiet = on;
    this.motion.all();
    if (on && moment) this.hooks.seek(moment.time); // which pauses
    else {
      this.picture.show(null);
      this.#asked = null; // an answer that comes now is not taken
    }
    this.landscape.draw();
    if (!on) this.button.focus();
  }

  /** The player's moment, the trace or the theme has changed. While it plays the step at which that began stays. */
  update(playing = false) {
    const moment = this.hooks.moment();
    if (!this.open || !moment) return;
    const { trace, look } = moment;
    if (!trace.tracks.some(({ label }) => label === this.#label)) this.#label = trace.tracks[0].label;
    render(trace.tracks.map(({ label }, k) => html`<option value=${label} .selected=${label === this.#label}>${look.titles[k]}</option>`), this.chooser);
    this.root.style.setProperty("--colour", look.colours[this.index]);
    this.#run = Math.min(this.#run, trace.header.runs - 1);
    const { coords, spec } = trace.header;
    const place = `${spec.split("&")[0]} ${coords}`;
    if (this.#place !== place) {
      this.#place = place; // another landscape: what was seen on the old one goes
      this.#answer = null;
      this.#scale = null;
      this.picture.show(null);
    }
    const traced = `${spec}&coords=${coords.join(",")}`;
    const another = this.#traced !== traced;
    this.#traced = traced;
    if (!playing) this.#ask(this.#step(moment));
    else if (another) this.#clear("Shown when the player stops.");
  }

  /** @param {number} step */
  #ask(step) {
    const query = `${this.#traced}&of=${encodeURIComponent(this.#label)}&step=${step}&run=${this.#run}&reach=${this.#scale ?? this.landscape.scale}`;
    if (query === this.#asked) return this.draw();
    this.#asked = query;
    this.steps.request(query);
  }

  /** The last step that the chosen run makes. @param {Moment} moment */
  #last({ trace }) {
    return (trace.tracks[this.index].statuses[this.#run].step ?? trace.header.steps) - 1;
  }

  /** The step that the cursor is at; at the end of the run, the one that led there. @param {Moment} moment */
  #step(moment) {
    const step = stepAt(moment.trace.tracks[this.index], moment.time, moment.clock);
    return Math.max(0, Math.min(Math.floor(step + 1e-3), this.#last(moment)));
  }

  /** @param {Step} answer @param {string} query */
  #take(answer, query) {
    if (query !== this.#asked || !this.open) return;
    this.#answer = answer;
    this.#direction = Math.min(this.#direction, Math.max(answer.directions.length - 1, 0));
    this.draw();
    const scale = this.picture.scaleFor(answer, this.landscape.scale);
    if (scale === this.#scale) return;
    this.#scale = scale; // the wide slice reaches as far as the picture's probes
    this.#ask(answer.step);
  }

  /** No numbers, and why: those of another step would be taken for this one's. The player's next move asks again. @param {string} remark */
  #clear(remark) {
    this.#asked = this.#answer = null;
    this.#lines = [];
    this.motion.stop();
    this.picture.show(null);
    this.canvas.width = 0; // which empties it
    for (const place of [this.list, one(this.root, ".legend")]) render(nothing, place);
    setText(one(this.root, ".place"), "");
    for (const name of STEPPED) this.#stepper(name, "", "", false);
    setText(one(this.root, ".remark"), remark);
  }

  /** @param {Error} error @param {string} query */
  #failed(error, query) {
    if (query !== this.#asked) return;
    this.#clear(error instanceof SpecError ? error.message : `${trouble(error)}. It is asked again when the player moves.`);
    const moment = this.hooks.moment();
    if (!moment) return;
    const { steps, runs } = moment.trace.header;
    this.#stepper("step", count(this.#step(moment)), `of ${count(steps)}`, true);
    this.#stepper("run", count(this.#run + 1), `of ${runs}`, runs > 1);
  }

  /** Write the numbers and draw the pictures of the present answer. */
  draw() {
    const moment = this.hooks.moment();
    if (!this.open || !this.#answer || !moment) return;
    const answer = this.#answer;
    const { runs } = moment.trace.header;
    const several = answer.directions.length;
    this.#stepper("step", count(answer.step), `of ${count(answer.steps)}`, true);
    this.#stepper("run", count(answer.run + 1), `of ${runs}`, runs > 1);
    this.#stepper("direction", count(this.#direction + 1), `of ${several}`, several > 1);
    this.#lines = linesOf(answer, this.#direction, moment.names);
    render(this.#lines.map(({ key, title, text }) => html`<li tabindex="0" data-key=${key} aria-label=${title}>${text}</li>`), this.list);
    setText(one(this.root, ".remark"), remarks(answer, moment.trace.tracks[this.index].statuses[this.#run], this.picture.inSight(answer)));
    this.#show();
  }

  /** The pictures, with what is lit and what has been reached. */
  #show() {
    const { lit, reached, playing, at } = this.motion;
    setText(one(this.root, "[data-do=play]"), playing ? "❚❚ pause" : "▶ slow motion");
    const moment = this.hooks.moment();
    if (!this.#answer || !this.#lines.length || !moment) return;
    const answer = this.#answer;
    const shown = new Set(["theta", ...this.#lines.slice(0, reached + 1).map(({ key }) => key)]);
    for (const [k, item] of [...this.list.children].entries()) {
      item.classList.toggle("lit", k === at);
      item.classList.toggle("later", k > reached);
    }
    if (reached < Infinity) this.list.children[at]?.scrollIntoView({ block: "nearest" });
    setText(one(this.root, ".place"), at >= 0 ? `${at + 1} of ${this.#lines.length}` : "");
    for (const { key } of SPANS) one(this.root, `[data-span=${key}]`).classList.toggle("on", key === this.#span);
    const colour = moment.look.colours[this.index];
    const scale = this.#scale ?? this.landscape.scale;
    const slice = sliceOf(answer, this.#direction, this.#span);
    drawSlice(this.canvas, slice, colour, lit, shown);
    this.canvas.setAttribute("aria-label", `Loss along ${answer.directions.length ? `direction ${this.#direction + 1}` : "the step"}`);
    this.picture.show({ step: answer, i: this.#direction, scale, colour, strong: lit, shown });
    render(legend(answer, slice, scale, this.picture.enlargement(answer)), one(this.root, ".legend"));
  }

  /** @param {Stepped} name @param {string} value @param {string} unit @param {boolean} shown */
  #stepper(name, value, unit, shown) {
    const element = one(this.root, `[data-stepper="${name}"]`);
    element.hidden = !shown;
    setText(one(element, "output"), value);
    setText(one(element, ".unit"), unit);
  }

  /** @param {Stepped} name @param {1 | -1} by */
  #move(name, by) {
    const moment = this.hooks.moment();
    if (!moment) return;
    /** @param {number} value @param {number} length */
    const next = (value, length) => (value + by + length) % length;
    if (name === "step") {
      const step = Math.min(Math.max(this.#step(moment) + by, 0), this.#last(moment));
      this.hooks.seek(clockAt(moment.trace.tracks[this.index], step, moment.clock));
    } else if (name === "run") {
      this.#run = next(this.#run, moment.trace.header.runs);
      this.update();
    } else if (this.#answer) {
      this.#direction = next(this.#direction, this.#answer.directions.length);
      this.draw();
    }
  }

  /** Another optimizer. */
  #choose() {
    this.#label = this.chooser.value;
    this.#direction = 0;
    this.motion.all();
    this.update();
  }

  /** How far the slice reaches. @param {"near" | "wide"} span */
  #spread(span) {
    this.#span = span;
    this.#show();
  }
}

/** What is to be said of a step. @param {Step} answer @param {Status} status of its run @param {boolean} inSight whether θ is in the picture */
function remarks(answer, status, inSight) {
  const words = [];
  if (status.step !== null && answer.step === status.step - 1) words.push(`Run ${answer.run + 1} ${status.sentence}: this is its last step.`);
  else if (answer.step === answer.steps - 1) words.push("The last step of the run.");
  if (!inSight) words.push("θ lies outside the picture.");
  if (answer.tilt) words.push("All losses of a step carry the same noise ξ·θ.");
  return words.join(" ");
}

/** @param {Step} answer @param {Slice} slice @param {number} scale of the probes @param {number} enlargement of the step */
function legend(answer, slice, scale, enlargement) {
  const enlarged = number(enlargement);
  const parabola = slice.curvature === null ? html`<i class="tangent"></i>slope` : html`<i class="parabola"></i>parabola <i class="dots"></i>slope`;
  const probes = html`Picture: probes × ${number(scale / setting(answer, "mu"), 2)} (μ as ${short(scale)}${answer.state.P ? ", like the ellipses" : ""})`;
  const picture = answer.directions.length ? html`${probes}${answer.warming ? "" : html`, step × ${enlarged}`}` : html`Picture: step × ${enlarged}; other arrows show directions only`;
  return html`<i class="loss"></i>loss ${parabola}<span>${picture}</span>`;
}
