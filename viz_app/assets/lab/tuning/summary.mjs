// The sentence under the map: what is best, what was spent, and what to look at where nothing reaches the target.

import { count, reading, short } from "../web/scale.mjs";
import { MEASURES, above, best, diverged, kind, sentence, touches } from "./measures.mjs";

/**
 * @param {HTMLElement} root  @param {object} map
 * @param {object} what
 * @param {string} what.measure what the map shows  @param {boolean} what.automatic nobody has chosen it
 * @param {number|null} what.found the best cell  @param {boolean} what.inside whether the controls are on the map
 * @param {boolean} what.texts whether the cells have numbers  @param {(measure: string) => void} what.look switches the measure
 */
export function say(root, map, { measure, automatic, found, inside, texts, look }) {
  const { header } = map;
  const lines = [];
  const axis = ({ symbol, unit }, value) => `${symbol} = ${short(Number(value.toPrecision(4)))}${unit ? ` ${unit}` : ""}`;
  const all = map.complete;
  const untargeted = header.target === null;
  const missed = (all || untargeted) && best(map, "passes") === null;
  if (missed && (measure === "passes" || (measure === "loss" && automatic))) {
    const why = untargeted ? `No target: ${header.reference === null ? "the minimum of this function is not known" : "the start is the minimum already"}` : `Nothing reaches the target (${above(map)} ≤ ${reading(header.target)}) within ${count(header.forwards)} forward passes`;
    lines.push(node("strong", measure === "loss" ? `${why}; shown is the final loss.` : `${why}.`), " ");
    if (measure === "passes") {
      const button = Object.assign(document.createElement("button"), { textContent: "Look at the final loss instead" });
      button.addEventListener("click", () => look("loss"));
      lines.push(button);
    }
  }
  const cells = [...map.known.keys()].filter((cell) => map.known[cell]);
  if (found !== null) {
    const { x, y } = map.at(found);
    lines.push(node("strong", `★ ${axis(header.x, x)}, ${axis(header.y, y)}: `), `${sentence(map, found)}.`);
  } else if (measure === "diverged" && all) {
    const least = Math.min(...cells.map((cell) => map.diverged[cell]));
    const ties = cells.filter((cell) => map.diverged[cell] === least).length;
    lines.push(`${least === 0 ? "No run diverged" : `At least ${MEASURES.diverged.text(least)} of the runs diverged`} in ${count(ties)} of ${count(map.total)} settings.`);
  } else if (all && measure !== "passes") lines.push(node("strong", "Every setting diverged."));
  for (const [i, line] of lines.entries()) if (typeof line === "string") lines[i] = line.replaceAll("e-", "e\u2011"); // no line breaks inside of a number
  const hatched = cells.filter((cell) => diverged(map, cell)).length;
  const spent = all
    ? `${count(map.total)} settings × ${header.runs} runs × ${count(header.forwards)} forward passes, ${Number(map.end.seconds.toPrecision(2))} s.`
    : `Computing: ${count(map.done)} of ${count(map.total)} settings.`;
  const facts = node("span", ` ${spent}`);
  const key = node("div", "");
  key.className = "map-key";
  const mark = (symbol, words) => {
    const item = node("span", words);
    item.prepend(Object.assign(document.createElement("i"), { className: symbol }));
    key.append(item);
  };
  if (hatched) mark("hatch", `diverged: half of the runs or more (${count(hatched)})`);
  const kinds = new Set(cells.map((cell) => kind(map, cell, measure)));
  if (kinds.has("higher")) mark("higher", "ended higher than it began");
  if (kinds.has("none")) mark("none", measure === "passes" && untargeted ? "no target" : MEASURES[measure].none);
  if (measure === "passes" && texts && cells.some((cell) => touches(map, cell))) mark("touched", "reached, but ended above it");
  if (found !== null) mark("star", map.diverged[found] > 0 ? "best; some of its runs diverged" : "best, no run diverged");
  mark("ring", inside ? "you are here" : "you are here: outside of this map");
  root.replaceChildren(node("p", ...lines, facts), key);
}

function node(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}
