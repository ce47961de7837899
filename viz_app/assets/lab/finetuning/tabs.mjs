// Tabs inside a card: one list of buttons, one panel for each.

import { around, byId } from "../web/one.mjs";

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/** Make the tab lists under `root` work; `changed()` is called after another panel is shown. @param {HTMLElement} root @param {() => void} changed */
export function watchTabs(root, changed) {
  for (const list of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[role=tablist]"))) {
    const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
    const select = (/** @type {HTMLElement} */ tab) => {
      for (const other of tabs) {
        const on = other === tab;
        other.setAttribute("aria-selected", String(on));
        other.tabIndex = on ? 0 : -1;
        byId(other.getAttribute("aria-controls") ?? "").hidden = !on;
      }
      changed();
    };
    list.addEventListener("click", (event) => {
      const tab = around(event, "[role=tab]");
      if (tab) select(tab);
    });
    list.addEventListener("keydown", (event) => {
      const by = STEPS[event.key];
      if (!by) return;
      event.preventDefault();
      const here = tabs.findIndex((tab) => tab === document.activeElement);
      const next = tabs[(here + by + tabs.length) % tabs.length];
      next.focus();
      select(next);
    });
  }
}
