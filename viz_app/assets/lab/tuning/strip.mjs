// Under the map: what the best setting of each optimizer's own map achieves, at equal forward passes.

import { count, reading, short } from "../web/scale.mjs";
import { html, render } from "../vendor/lit.mjs";
import { symbolOf } from "./catalogue.mjs";
import { above, best } from "./measures.mjs";

/** @import { MapAxis, MapData } from "./grid.mjs" */
/** @import { Axes } from "./state.mjs" */

/** @typedef {{method: string, name: string, colour: string, axes: Axes, map: MapData | null, status: string, current: boolean}} Entry `status` is said while there is no map */

/** @param {MapAxis} axis @param {number} value */
const setting = ({ name, symbol }, value) => `${symbol || name} ${short(Number(value.toPrecision(3)))}`;

export class Strip {
  /** @param {HTMLElement} root @param {(method: string) => void} open */
  constructor(root, open) {
    this.root = root;
    this.open = open;
  }

  /** @param {Entry[]} entries one an optimizer */
  show(entries) {
    const shown = (entries.find(({ current, map }) => current && map) ?? entries.find(({ map }) => map))?.map;
    const target = shown?.header.target;
    render(
      html`<table><thead><tr><th scope="col">Best of each map</th><th scope="col" title="The two settings that the map varies">varied</th><th scope="col">settings tried</th><th scope="col">best setting;<br>the rest as set</th>
        <th scope="col">passes to ${shown && typeof target === "number" ? `${above(shown)} ≤ ${reading(target)}` : "target"}</th><th scope="col">${shown ? `${above(shown)} after ${count(shown.header.forwards)} passes` : "final loss"}</th></tr></thead>
        <tbody>${entries.map((entry) => this.#row(entry))}</tbody></table>`,
      this.root,
    ); // prettier-ignore
  }

  /** @param {Entry} entry */
  #row(entry) {
    const { method, name, colour, axes, map, status, current } = entry;
    const varied = `${symbolOf(method, axes.x.name)} × ${symbolOf(method, axes.y.name)}`;
    const tried = !map ? status : map.complete ? `${map.total} settings` : `${map.done} of ${map.total} settings`;
    const { where, passes, runs, loss } = bestOf(map);
    return html`<tr data-method=${method} class=${current ? "current" : ""} title="Open the map of ${name}" @click=${() => this.open(method)}>
      <th scope="row"><button class="quiet"><i style="background: var(${colour})"></i><span>${name}</span></button></th><td title="Its map varies ${varied}; every other setting is as in its card">${varied}</td>
      <td><span class="badge ${map?.complete ? "" : "partial"}">${tried}</span></td><td>${where}</td><td title=${runs}>${passes}</td><td>${loss}</td></tr>`;
  }
}

/** What the best cell of a map achieves, in words. @param {MapData | null} map */
function bestOf(map) {
  const found = map && (best(map, "passes") ?? best(map, "loss"));
  if (!map || found === null) return { where: map?.complete ? "all diverged" : "–", passes: "–", runs: "", loss: "–" };
  const { header, figures } = map;
  const at = map.at(found);
  const passes = figures.passes[found];
  return {
    where: `${setting(header.x, at.x)}, ${setting(header.y, at.y)}`,
    passes: header.target === null ? "–" : Number.isNaN(passes) ? "not reached" : count(passes),
    runs: header.target === null ? "" : `median; first reached by ${figures.reached[found]} of ${header.runs} runs`,
    loss: reading(figures.loss[found]),
  };
}
