// What tells jobs apart that are drawn in one chart: the words of their specs that are not the same in all of them.

import { nameOf } from "./facts.mjs";
import { methodLabels, pairsOf, titleOf } from "./spec.mjs";

const LONG = 24; // characters of a value
/** Keys that say how it is computed, or measured, and not what. */
const ASIDE = new Set(["device", "eval", "truth"]);
/** @type {Record<string, string>} */
const SYMBOLS = { lr: "η", mu: "μ", alpha: "α" };

/** For each of some specs what differs in it from the others: batch 64, HiZOO η 1e-3. "" where nothing does. Settings are
 * compared of optimizers that all have; where they do not have the same ones, those are named. @param {string[]} specs */
export function differences(specs) {
  const all = specs.map(wordsOf);
  const names = [...new Set(all.flatMap(({ words }) => [...words.keys()]))];
  const isSetting = (/** @type {string} */ name) => all.some(({ titles }) => titles.some((title) => name.startsWith(`${title} `)));
  const shared = (/** @type {string} */ name) => !isSetting(name) || all.every(({ words }) => words.has(name));
  const differing = names.filter((name) => shared(name) && new Set(all.map(({ words }) => words.get(name))).size > 1);
  const sameMethods = new Set(all.map(({ titles }) => titles.join())).size === 1;
  return all.map(({ titles, words }) => [
    ...(sameMethods ? [] : [titles.join(" + ")]),
    ...differing.filter((name) => words.has(name)).map((name) => `${name} ${short(words.get(name) ?? "")}`.trim()),
  ].filter(Boolean).join(", "));
}

/** A spec's words by what they are about, and its optimizers. @param {string} spec */
function wordsOf(spec) {
  const { keys, opts } = pairsOf(spec);
  const labels = methodLabels(opts.map(({ method }) => method));
  const titles = opts.map(({ method }, i) => titleOf(nameOf(method), labels[i]));
  const words = new Map(Object.entries(keys).filter(([key]) => !ASIDE.has(key)));
  opts.forEach(({ given }, i) => {
    for (const [name, value] of Object.entries(given)) words.set(`${titles[i]} ${SYMBOLS[name] ?? name}`, value);
  });
  return { titles, words };
}

/** @param {string} text */
const short = (text) => (text.length > LONG ? `…${text.slice(1 - LONG)}` : text);
