// A job's spec as text: reading and writing it, and what follows from its optimizers.

/** @import { Values } from "./facts.mjs" */
import { facts, matters, methodOf } from "./facts.mjs";

/** @typedef {{method: string, values: Values}} Slot an optimizer of the form */

/** @param {string} text */
const encode = (text) => encodeURIComponent(text).replace(/%(2C|3A|3D|2F)/g, decodeURIComponent);

/**
 * The parts of a spec, decoded; "+" is a plus. `lost`: whether the text says anything that these parts do not hold.
 * @param {string} text
 */
export function pairsOf(text) {
  /** @type {Record<string, string>} */
  const keys = {};
  /** @type {{method: string, given: Record<string, string>}[]} */
  const opts = [];
  let lost = false;
  for (const part of text.replace(/^\?/, "").split("&").filter(Boolean)) {
    const [key, value] = cut(part, "=").map(decode);
    if (key !== "opt") {
      lost ||= key in keys || !part.includes("=");
      keys[key] = value;
    } else {
      const [method, settings] = cut(value, ":");
      const items = settings.split(",").filter(Boolean);
      const given = Object.fromEntries(items.map((item) => cut(item, "=")));
      lost ||= Object.keys(given).length < items.length;
      opts.push({ method, given });
    }
  }
  return { keys, opts, lost };
}

/** @param {string} text @param {string} mark @returns {[string, string]} */
function cut(text, mark) {
  const place = text.indexOf(mark);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone percent sign: the server says what is wrong
  }
}

/** Whether a form can say all that a text says: if not, the text itself goes to the server. @param {string} text */
export function isReadable(text) {
  const { keys, opts, lost } = pairsOf(text);
  if (lost || ("steps" in keys && "forwards" in keys) || opts.length > facts.limits.optimizers[1]) return false;
  const known = opts.every(({ method, given }) => {
    const names = methodOf(method)?.hyperparameters.map(({ name }) => name);
    return names && Object.keys(given).every((name) => names.includes(name));
  });
  return known && Object.keys(keys).every((key) => facts.keys.includes(key));
}

/** Keys that a spec leaves out where they are empty. */
const OPTIONAL = new Set(["data", "template", "words"]);

/** The spec that a form's values and its optimizers say. @param {Values} values @param {Slot[]} slots */
export function toSpec(values, slots) {
  const said = { ...values, [values.budgetKind]: values.budget };
  const written = facts.keys.filter((key) => key in said && matters(key, values) && !(OPTIONAL.has(key) && said[key] === ""));
  const keys = written.map((key) => `${key}=${encode(String(said[key]))}`);
  const opts = slots.map(({ method, values: settings }) => {
    const items = Object.entries(settings).map(([name, value]) => `${name}=${encode(String(value))}`);
    return `opt=${method}:${items.join(",")}`;
  });
  return [...keys, ...opts].join("&");
}

/** Unique labels of methods, in order: hizoo, mezo, hizoo#2. @param {string[]} methods */
export function methodLabels(methods) {
  return methods.map((method, i) => {
    const before = methods.slice(0, i).filter((other) => other === method).length;
    return before ? `${method}#${before + 1}` : method;
  });
}

/** A run's name on screen: HiZOO 2 for hizoo#2. @param {string} name @param {string} label */
export const titleOf = (name, label) => (label.includes("#") ? `${name} ${label.split("#")[1]}` : name);

/** One CSS variable of a colour for each optimizer: the first of a method has the method's own, copies take the spare ones. @param {string[]} methods */
export function colourVariables(methods) {
  const own = methods.map((method, i) => (methods.indexOf(method) === i ? methodOf(method)?.colour : undefined));
  const all = [...facts.spareColours, ...facts.methods.map(({ colour }) => colour)];
  const spare = [...new Set(all)].filter((colour) => !own.includes(colour));
  let next = 0;
  return own.map((colour) => colour ?? spare[next++ % spare.length]);
}
