// The sentence under the map: what is best, what was spent, and what to look at where nothing reaches the target.

import { count, reading, short } from "../scale.mjs";
import { MEASURES, diverged, sentence } from "./measures.mjs";

/** @param {HTMLElement} root  @param {(measure: string) => void} look switches the measure */
export function say(root, map, measure, found, hereInside, look) {
  const { header } = map;
  const lines = [];
  const axis = ({ symbol, unit }, value) => `${symbol} = ${short(Number(value.toPrecision(4)))}${unit ? ` ${unit}` : ""}`;
  const all = map.complete;
  const unknownMinimum = header.target === null;
  const missed = measure === "passes" && found === null && (all || unknownMinimum);
  if (missed) {
    const why = unknownMinimum ? "The minimum of this function is not known, so there is no target." : `Nothing reaches the target (${header.reference ? "loss − minimum" : "loss"} ≤ ${reading(header.target)}) within ${count(header.forwards)} forward passes.`;
    const button = Object.assign(document.createElement("button"), { textContent: "Look at the final loss instead" });
    button.addEventListener("click", () => look("loss"));
    lines.push(node("strong", why), " ", button);
  } else if (found !== null) {
    const { x, y } = map.at(found);
    lines.push(node("strong", `★ ${axis(header.x, x)}, ${axis(header.y, y)}: `), `${sentence(map, found)}.`.replaceAll("e-", "e\u2011")); // no line breaks inside of a number
  } else if (all) lines.push(node("strong", "Every setting diverged."));
  const hatched = [...map.known.keys()].filter((cell) => map.known[cell] && diverged(map, cell)).length;
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
  if (hatched) mark("hatch", `diverged: more than half of the runs (${count(hatched)})`);
  const { value, none } = MEASURES[measure];
  const bare = (cell) => map.known[cell] && !diverged(map, cell) && !Number.isFinite(value(map, cell));
  if ([...map.known.keys()].some(bare)) mark("none", measure === "passes" && unknownMinimum ? "no target" : none);
  if (found !== null) mark("star", map.diverged[found] > 0 ? "best; some of its runs diverged" : "best, no run diverged");
  mark("ring", hereInside ? "you are here" : "you are here: outside of this map");
  root.replaceChildren(node("p", ...lines, facts), key);
}

function node(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}
