// Under the map: what the best setting of each optimizer's own map achieves, at equal forward passes.

import { count, reading, short } from "../web/scale.mjs";
import { above, best } from "./measures.mjs";

export class Strip {
  /** @param {HTMLElement} root  @param {{method: string, name: string, colour: string, axes: object, options: object[]}[]} methods  @param {(method: string) => void} open */
  constructor(root, methods, open) {
    root.innerHTML = `<table><thead><tr><th scope="col">Best of each map</th><th scope="col" title="The two settings that the map varies">varied</th><th scope="col">settings tried</th><th scope="col">best setting;<br>the rest as set</th>
      <th scope="col" data-head="passes">passes to target</th><th scope="col" data-head="loss">final loss</th></tr></thead><tbody></tbody></table>`;
    this.heads = Object.fromEntries([...root.querySelectorAll("[data-head]")].map((head) => [head.dataset.head, head]));
    this.rows = Object.fromEntries(
      methods.map(({ method, name, colour }) => {
        const row = document.createElement("tr");
        row.dataset.method = method;
        row.innerHTML = `<th scope="row"><button class="quiet"><i></i><span></span></button></th><td></td><td><span class="badge"></span></td><td></td><td></td><td></td>`;
        row.querySelector("i").style.background = `var(${colour})`;
        row.querySelector("th span").textContent = name;
        row.addEventListener("click", () => open(method));
        row.title = `Open the map of ${name}`;
        root.querySelector("tbody").append(row);
        return [method, row];
      }),
    );
  }

  /** @param {string} method  @param {object|null} map  @param {string} status what to say while there is none */
  show(method, map, status, current, { axes, options }) {
    for (const [key, row] of Object.entries(this.rows)) row.classList.toggle("current", key === current);
    const cells = this.rows[method].children;
    const symbol = ({ name }) => options.find((option) => option.name === name)?.symbol || name;
    cells[1].textContent = `${symbol(axes.x)} × ${symbol(axes.y)}`;
    cells[1].title = `Its map varies ${cells[1].textContent}; every other setting is as in its card`;
    const badge = cells[2].firstChild;
    badge.classList.toggle("partial", !map?.complete);
    if (!map) {
      badge.textContent = status;
      for (const cell of [cells[3], cells[4], cells[5]]) cell.textContent = "–";
      return;
    }
    const { header } = map;
    badge.textContent = map.complete ? `${header.cells} settings` : `${map.done} of ${header.cells} settings`;
    this.heads.passes.textContent = header.target === null ? "passes to target" : `passes to ${above(map)} ≤ ${reading(header.target)}`;
    this.heads.loss.textContent = `${above(map)} after ${count(header.forwards)} passes`;
    const found = best(map, "passes") ?? best(map, "loss");
    if (found === null) {
      cells[3].textContent = map.complete ? "all diverged" : "–";
      cells[4].textContent = cells[5].textContent = "–";
      return;
    }
    const at = map.at(found);
    const setting = (axis, value) => `${symbol(axis)} ${short(Number(value.toPrecision(3)))}`;
    cells[3].textContent = `${setting(header.x, at.x)}, ${setting(header.y, at.y)}`;
    const passes = map.passes[found];
    cells[4].textContent = header.target === null ? "–" : passes === passes ? count(passes) : "not reached";
    cells[4].title = header.target === null ? "" : `median; first reached by ${map.reached[found]} of ${header.runs} runs`;
    cells[5].textContent = reading(map.loss[found]);
  }
}
