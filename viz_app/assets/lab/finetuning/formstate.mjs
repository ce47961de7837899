// What the form says: values by key, optimizers with their settings, and the presets that follow task, model and tuning
// mode. No DOM, no network.

/** @import { Preset, Values } from "./facts.mjs" */
/** @import { Slot } from "./spec.mjs" */
import { short } from "../web/scale.mjs";
import { facts, methodOf, nameOf, passes } from "./facts.mjs";
import { colourVariables, isReadable, methodLabels, pairsOf, titleOf, toSpec } from "./spec.mjs";

/** @typedef {{values: Values, opts: Record<string, Values>, tuned: string[]}} Start what nobody has changed yet */
/** @typedef {{label: string, title: string, colour: string, passes: number, slot: Slot}} Optimizer */

const MOVING = new Set(["model", "task", "tune"]); // they have presets of their own

export class FormState {
  /** @type {Values} */
  values = {};
  /** @type {Slot[]} */
  slots = [];
  /** A text that the form cannot hold: it is what the form says until something is changed. @type {string | null} */
  unread = null;

  /** Take a spec: what it leaves out takes the preset. @param {string} text */
  open(text) {
    const { keys, opts } = pairsOf(text);
    const { steps, forwards, ...given } = keys;
    const [, layers] = given.tune?.match(/^top:(.*)$/) ?? [];
    if (layers !== undefined) Object.assign(given, { tune: "top", top: layers });
    const { model = "bundled", task = "reviews", tune = "full" } = given;
    const preset = presetOf({ model, task, tune });
    this.values = { ...preset.values, model, task, tune, ...given };
    if (forwards !== undefined) Object.assign(this.values, { budget: forwards, budgetKind: "forwards" });
    if (steps !== undefined) Object.assign(this.values, { budget: steps, budgetKind: "steps" });
    const known = opts.filter(({ method }) => methodOf(method));
    this.slots = (known.length ? known : facts.default_methods.map((method) => ({ method, given: {} })))
      .map(({ method, given: settings }) => ({ method, values: { ...preset.opts[method], ...settings } }));
    if (!("eval" in keys)) this.values.eval = evaluationsOf(this.values, this.slots);
    this.unread = isReadable(text) ? null : text;
  }

  get spec() {
    return this.unread ?? toSpec(this.values, this.slots);
  }

  /** The text of a map of the first optimizer's settings, at as many forward passes. */
  get mapSpec() {
    const [first] = this.slots;
    const { budget, budgetKind } = this.values;
    const spent = budgetKind === "steps" ? Number(budget) * passes(first.method, first.values) : budget;
    const own = new Set(["eval", "truth"]); // a map has its own
    const kept = Object.fromEntries(Object.entries(this.values).filter(([key]) => !own.has(key)));
    return toSpec({ ...kept, budget: spent, budgetKind: "forwards" }, [first]);
  }

  /** The preset of what is chosen. */
  get preset() {
    return presetOf(this.values);
  }

  /** Whether the preset's settings were searched for, for just this case, this loss included. */
  get isTuned() {
    return this.unread === null && this.preset.tuned.length > 0 && this.values.loss === facts.defaults.loss;
  }

  /** The optimizers in order with their labels, names, colours (CSS variables) and passes a step. @returns {Optimizer[]} */
  get optimizers() {
    const methods = this.slots.map(({ method }) => method);
    const colours = colourVariables(methods);
    const labels = methodLabels(methods);
    return this.slots.map((slot, i) => ({
      label: labels[i],
      title: titleOf(nameOf(slot.method), labels[i]),
      colour: colours[i],
      passes: passes(slot.method, slot.values),
      slot,
    }));
  }

  get isFull() {
    return this.slots.length >= facts.limits.optimizers[1];
  }

  /** Change one value. @param {string} name @param {string | number} value */
  set(name, value) {
    this.unread = null;
    if (MOVING.has(name)) return this.#move(name, value);
    this.#followed(() => (this.values[name] = value), name === "eval");
  }

  /** Change a setting of an optimizer. @param {Slot} slot @param {string} name @param {string | number} value */
  setOf(slot, name, value) {
    this.unread = null;
    this.#followed(() => (slot.values[name] = value));
  }

  /** Back to the preset. @param {string} name */
  reset(name) {
    const { values } = this.preset;
    if (!(name in values)) return; // model, task and tuning mode choose the preset
    if (name === "budget") this.set("budgetKind", values.budgetKind);
    this.set(name, values[name]);
  }

  /** Add an optimizer with its preset's settings, or a copy of one. Returns its place. @param {string} method @param {Slot | null} copied */
  add(method, copied = null) {
    this.unread = null;
    const values = copied?.values ?? this.preset.opts[method];
    const last = this.slots.findLastIndex((slot) => slot.method === method);
    const place = last < 0 ? this.slots.length : last + 1;
    this.#followed(() => this.slots.splice(place, 0, { method, values: { ...values } }));
    return place;
  }

  /** @param {Slot} slot */
  remove(slot) {
    this.unread = null;
    this.#followed(() => (this.slots = this.slots.filter((other) => other !== slot)));
  }

  /** Task, model or tuning mode change: what nobody has touched takes the new preset. @param {string} name @param {string | number} value */
  #move(name, value) {
    const before = this.preset;
    this.#followed(() => {
      this.values[name] = value;
      const after = this.preset;
      moved(this.values, before.values, after.values);
      for (const { method, values } of this.slots) moved(values, before.opts[method], after.opts[method]);
    });
  }

  /** A change after which the interval of evaluations is still what follows from the rest, if it was. @param {() => unknown} change @param {boolean} of of the interval itself */
  #followed(change, of = false) {
    const followed = same(this.values.eval, evaluationsOf(this.values, this.slots));
    change();
    if (followed && !of) this.values.eval = evaluationsOf(this.values, this.slots);
  }
}

/** @param {Values} values @param {Values} before @param {Values} after */
function moved(values, before, after) {
  for (const key of Object.keys(after)) if (!MOVING.has(key) && same(values[key], before[key])) values[key] = after[key];
}

/** @param {Values} values @returns {Start} */
function presetOf({ model, task, tune }) {
  /** @type {Preset} */
  const found = facts.presets[`${model === "bundled" ? task : "other"}/${tune}`] ?? facts.presets["reviews/full"];
  const opts = Object.fromEntries(
    facts.methods.map(({ key, hyperparameters }) => [
      key,
      { ...Object.fromEntries(hyperparameters.map(({ name, default: value }) => [name, value])), ...found.opts[key] },
    ]),
  );
  const values = { ...facts.defaults, template: "", words: "", budgetKind: "forwards", budget: found.forwards, batch: found.batch, top: found.top, truth: found.truth ?? facts.defaults.truth };
  return { values: { ...values, eval: evaluationsOf(values, []) }, opts, tuned: found.tuned };
}

/** Forward passes between evaluations where nobody says else, as `finetuning.spec.parse` has it. @param {Values} values @param {Slot[]} slots */
function evaluationsOf({ budget, budgetKind }, slots) {
  const each = budgetKind === "steps" ? Math.max(1, ...slots.map(({ method, values }) => passes(method, values))) : 1;
  const interval = Math.floor((Number(budget) * each) / facts.evaluations) || 1;
  return Math.min(Math.max(1, interval), facts.limits.eval[1]);
}

/** A value as its field shows it. @param {string | number | undefined} value */
export const shown = (value) => (typeof value === "number" ? short(value) : String(value ?? ""));

/** Whether two values mean the same: 0.001 and "1e-3". @param {string | number} a @param {string | number} b */
const same = (a, b) => shown(a) === shown(b) || (String(a).trim() !== "" && Number(a) === Number(b));

/** A number as typed, or the text if it is none: the server says what is wrong with it. @param {string} text */
export function typed(text) {
  const plain = /^\d{1,3}(,\d{3})+$/.test(text.trim()) ? text.replaceAll(",", "") : text.trim();
  return plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : plain;
}
