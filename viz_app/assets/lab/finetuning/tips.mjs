// Tooltips of everything that has a data-tip, beside it or what around it has a data-tip-beside: after a moment under
// the pointer or the keyboard's focus. Rows of the form have tooltips of their own for the pointer; here they get the
// keyboard's, from their label's data-help.

import { around } from "../web/one.mjs";

const DELAY = 350; // ms, as in the Playground
const GAP = 8; // px
const TYPED = "[type=text], textarea, .mantine-TextInput-input, .mantine-Autocomplete-input"; // nothing stands in the way of typing

/** Watch a part of the page. @param {HTMLElement} root */
export function watchTips(root) {
  const bubble = Object.assign(document.createElement("div"), { className: "tip", role: "tooltip", id: "opt-tip", hidden: true });
  root.append(bubble);
  let timer = 0;
  /** What the pointer is on: once it is pressed, its tip does not come again. @type {HTMLElement | null} */
  let over = null;
  const hide = () => {
    clearTimeout(timer);
    bubble.hidden = true;
  };
  const showAt = (/** @type {HTMLElement} */ target) => {
    const text = target.dataset.tip ?? target.dataset.help;
    if (!target.isConnected || !text) return;
    bubble.textContent = text;
    bubble.hidden = false;
    const beside = target.closest("[data-tip-beside], .row") ?? target;
    const [at, size] = [beside.getBoundingClientRect(), bubble.getBoundingClientRect()];
    const right = at.right + GAP + size.width < innerWidth;
    const left = right ? at.right + GAP : Math.max(GAP, Math.min(at.left, innerWidth - size.width - GAP));
    const below = at.bottom + GAP + size.height < innerHeight ? at.bottom + GAP : at.top - GAP - size.height;
    const top = right ? Math.min(at.top, innerHeight - size.height - GAP) : below;
    bubble.style.translate = `${left}px ${top}px`;
  };
  root.addEventListener("pointerover", (event) => {
    const target = around(event, "[data-tip]");
    if (target === over) return;
    over = target;
    hide();
    if (target) timer = window.setTimeout(showAt, DELAY, target);
  });
  root.addEventListener("pointerleave", () => {
    over = null;
    hide();
  });
  let isKeyed = false; // a field that is clicked is :focus-visible too
  root.addEventListener("pointerdown", () => {
    isKeyed = false;
    hide();
  });
  root.addEventListener("scroll", hide, true);
  root.addEventListener("focusin", (event) => {
    const row = around(event, "[data-tip], .row");
    const tipped = row?.matches("[data-tip]") ? row : row?.querySelector("[data-help]");
    const { target } = event;
    hide();
    if (tipped && target instanceof Element && isKeyed && target.matches(":focus-visible") && !target.matches(TYPED)) timer = window.setTimeout(showAt, DELAY, tipped);
  });
  root.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => {
    isKeyed = true;
    if (event.key === "Escape") hide();
  });
}
