// What the lab is asked, and its text: in the address after #lab, and as a query to the server.

import { decoded } from "../web/decoded.mjs";

/** The estimators: name and colour's variable. The same three colours in every chart of the lab. */
export const ESTIMATORS = [
  { key: "paper", colour: "--hizoo" },
  { key: "released", colour: "--extra-1" },
  { key: "multiplicative", colour: "--extra-2" },
];

/** The fields of the lab, in the order in which they are shown; `least` and `most` of a slider in its own unit. */
export const FIELDS = [
  { key: "n", label: "n directions", usual: "8", least: 1, most: 64, scale: "log", integer: true, help: "Random directions whose estimates a step averages. The spread falls as 1/√n." },
  { key: "alpha", label: "α smoothing", usual: "0.1", least: 1e-3, most: 1, scale: "log", help: "Weight of the newest estimate in P. Its time constant is 1/α steps." },
  { key: "steps", label: "T, steps", usual: "300", least: 10, most: 5000, scale: "log", integer: true, help: "Horizon: how many steps P is given to find the diagonal." },
  { key: "mu", label: "μ perturbation", usual: "0.001", least: 1e-6, most: 1, scale: "log", help: "How far from θ the loss is probed, in units of 1/√P." },
  { key: "noise", label: "σ gradient noise", usual: "0", help: "Each step’s loss has a term ξ·θ more, ξ ~ N(0, σ²), as a mini-batch’s has. It is the same for all probes of the step, so it cancels in every second difference: the estimates stay." },
  { key: "seed", label: "Seed", usual: "0", help: "Seeds the random directions." },
];

export const STARTS = [
  { key: "one", label: "P from 1" },
  { key: "truth", label: "P from the truth" },
];

/** @typedef {{f: string, x0: string, coords: string, n: string, alpha: string, steps: string, mu: string, noise: string, seed: string, P: string, estimators: string[]}} Question */

/** @returns {Question} */
export function usual() {
  const fields = Object.fromEntries(FIELDS.map(({ key, usual: value }) => [key, value]));
  return { f: "quadratic:d=10", x0: "", coords: "", ...fields, P: "one", estimators: ESTIMATORS.map(({ key }) => key) };
}

const encode = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%3D/g, "=");
const PLACE = ["f", "x0", "coords"];
const PROBE = ["n", "mu", "noise", "seed"];

/** The question's parts that differ from the usual ones, for the address; without `f` and `x0` where they are `said`. */
export function toHash(question, said = null) {
  const plain = usual();
  const parts = [...PLACE, "P", ...FIELDS.map(({ key }) => key), "estimators"]
    .filter((key) => (said && key in said ? question[key] !== said[key] : key === "f" || String(question[key]) !== String(plain[key])))
    .map((key) => `${key}=${encode(String(question[key]))}`);
  return ["#lab", ...parts].join("&");
}

/** The parts of a question that an address’s hash gives. @returns {Partial<Question>} */
export function fromHash(hash) {
  const [page, ...parts] = hash.split("&");
  if (page !== "#lab") return {};
  const given = parts.map((part) => [part.slice(0, part.indexOf("=")), decoded(part.slice(part.indexOf("=") + 1))]);
  const known = Object.keys(usual());
  return Object.fromEntries(given.filter(([key]) => known.includes(key)).map(([key, text]) => [key, key === "estimators" ? text.split(",").filter(Boolean) : text]));
}

/** A query of `keys` to the server; what is empty is the server’s to choose. */
export function toQuery(question, keys) {
  return keys
    .filter((key) => String(question[key]).trim() !== "")
    .map((key) => `${key}=${encode(String(question[key]).replace(/\s+/g, ""))}`)
    .join("&");
}

/** What each panel depends on. */
export const DEPENDS = {
  about: PLACE,
  distribution: [...PLACE, ...PROBE, "P", "estimators"],
  "against-n": [...PLACE, "mu", "noise", "seed", "estimators"],
  "against-d": [...PROBE, "estimators"],
  running: [...PLACE, ...PROBE, "alpha", "steps", "P", "estimators"],
  "against-alpha": [...PLACE, ...PROBE, "steps", "P", "estimators"],
};

/** What is asked first, to have a picture at once, and then. */
export const LEVELS = {
  distribution: ["samples=512", "samples=8192"],
  "against-n": ["samples=256", "samples=4096"],
  "against-d": ["samples=256", "samples=4096"],
  running: ["runs=8", "runs=64"],
  "against-alpha": ["alphas=7&runs=6", "alphas=13&runs=32"],
};
