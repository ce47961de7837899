// What the estimators are asked, and its text: in the address after #lab, and as a query to the server.

import { decoded } from "../web/decoded.mjs";
import { facts } from "./catalogue.mjs";

/** @import { ChartName } from "./catalogue.mjs" */

/**
 * @typedef {object} Question all as typed
 * @property {string} f a function's spec @property {string} x0 θ, empty for the function's start
 * @property {string} coords the entries shown, empty for the server's choice
 * @property {string} n @property {string} alpha @property {string} steps @property {string} mu @property {string} noise
 * @property {string} seed @property {string} P where P starts @property {string[]} estimators those that are on
 */

/** @returns {Question} */
export function usual() {
  const fields = /** @type {Pick<Question, "n" | "alpha" | "steps" | "mu" | "noise" | "seed">} */ (Object.fromEntries(facts.fields.map(({ key, usual: value }) => [key, value])));
  return { f: facts.function, x0: "", coords: "", ...fields, P: facts.starts[0].key, estimators: facts.estimators.map(({ key }) => key) };
}

/** @param {string} text */
const encode = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%3D/g, "=");

/** @type {(keyof Question)[]} */
const PLACE = ["f", "x0", "coords"];
/** @type {(keyof Question)[]} */
const PROBE = ["n", "mu", "noise", "seed"];

/**
 * The question's parts that differ from the usual ones, for the address; without `f` and `x0` where they are `said`.
 * @param {Question} question @param {Partial<Question>=} said
 */
export function toHash(question, said = {}) {
  const plain = usual();
  /** @type {(keyof Question)[]} */
  const keys = [...PLACE, "P", ...facts.fields.map(({ key }) => key), "estimators"];
  const parts = keys
    .filter((key) => (key in said ? question[key] !== said[key] : key === "f" || String(question[key]) !== String(plain[key])))
    .map((key) => `${key}=${encode(String(question[key]))}`);
  return ["#lab", ...parts].join("&");
}

/** The parts of a question that an address’s hash gives. @param {string} hash @returns {Partial<Question>} */
export function fromHash(hash) {
  const [page, ...parts] = hash.split("&");
  if (page !== "#lab") return {};
  const known = Object.keys(usual());
  const given = parts.map((part) => [part.slice(0, part.indexOf("=")), decoded(part.slice(part.indexOf("=") + 1))]);
  return Object.fromEntries(given.filter(([key]) => known.includes(key)).map(([key, text]) => [key, key === "estimators" ? text.split(",").filter(Boolean) : text]));
}

/** A query of `keys` to the server; what is empty is the server’s to choose. @param {Question} question @param {(keyof Question)[]} keys */
export function toQuery(question, keys) {
  return keys
    .filter((key) => String(question[key]).trim() !== "")
    .map((key) => `${key}=${encode(String(question[key]).replace(/\s+/g, ""))}`)
    .join("&");
}

/** What each chart depends on, and what is said of the place. @type {Record<ChartName | "about", (keyof Question)[]>} */
export const DEPENDS = {
  about: PLACE,
  distribution: [...PLACE, ...PROBE, "P", "estimators"],
  "against-n": [...PLACE, "mu", "noise", "seed", "estimators"],
  "against-d": [...PROBE, "estimators"],
  running: [...PLACE, ...PROBE, "alpha", "steps", "P", "estimators"],
  "against-alpha": [...PLACE, ...PROBE, "steps", "P", "estimators"],
};

/**
 * @typedef {object} Family a function of /api/list, or several by their parameters
 * @property {string} key @property {string} name @property {string} group
 * @property {{name: string, label: string, help: string, default: number | string, choices: string[] | null}[]} parameters
 */

/** A function's spec as its family's key and what follows it. @param {string} f */
export function familyOf(f) {
  const at = f.indexOf(":");
  return at < 0 ? { key: f, rest: "" } : { key: f.slice(0, at), rest: f.slice(at + 1) };
}

/**
 * The texts of a family's parameters in a function's spec, by their names; the defaults, as `written`, where it gives none.
 * @param {string} f @param {Family | undefined} family @param {(value: number | string) => string} written @returns {Record<string, string>}
 */
export function parametersOf(f, family, written) {
  const given = Object.fromEntries(familyOf(f).rest.split(",").filter((part) => part.includes("=")).map((part) => part.split("=")));
  return Object.fromEntries((family?.parameters ?? []).map((each) => [each.name, given[each.name] ?? written(each.default)]));
}

/** A family's spec with these parameters. @param {Family} family @param {Record<string, string>} texts @param {(value: number | string) => string} written */
export function functionWith(family, texts, written) {
  const words = family.parameters.filter((each) => texts[each.name] !== written(each.default)).map(({ name }) => `${name}=${texts[name]}`);
  return words.length ? `${family.key}:${words.join(",")}` : family.key;
}
