"""What a page shows that cannot be read: text that its box cuts off, and text over other text."""

from playwright.sync_api import Page

FAULTS = """() => {
  const known = {contentVisibilityAuto: true, visibilityProperty: true, opacityProperty: true};
  const faults = [];
  const shown = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("script, style, option") || !element.checkVisibility(known)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width < 1 || box.height < 1) continue;
    const words = node.data.trim().slice(0, 50);
    let isWhole = true;
    for (let around = element; around !== document.documentElement; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const frame = around.getBoundingClientRect();
      const wide = Math.max(frame.left - box.left, box.right - frame.right);
      const high = Math.max(frame.top - box.top, box.bottom - frame.bottom);
      const scrolls = (overflow) => ["auto", "scroll"].includes(overflow);
      const isMeant = [style.textOverflow, style.webkitLineClamp].some((value) => !["clip", "none"].includes(value));
      if (wide > 1.5 || high > 3) {
        isWhole = false;
        const reach = wide > 1.5 ? scrolls(style.overflowX) : scrolls(style.overflowY);
        if (!reach && !isMeant && !around.closest(".formula, .MathJax")) faults.push(`cut off: ${words}`);
        break;
      }
    }
    if (isWhole) shown.push({box, element, words});
  }
  const over = ({box: a, element: one}, {box: b, element: other}) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4
    && !one.contains(other) && !other.contains(one)
    && !["text", ".MathJax", "p"].some((kind) => one.closest(kind) && one.closest(kind) === other.closest(kind));
  shown.forEach((one, i) => shown.slice(i + 1).forEach((other) => {
    if (over(one, other)) faults.push(`over each other: ${one.words} / ${other.words}`);
  }));
  for (const input of document.querySelectorAll("input:is([type=text], :not([type])), #opt-bar input"))
    if (input.checkVisibility(known) && input.scrollWidth > input.clientWidth + 1)
      faults.push(`cut off in its field: ${input.value}`);
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the window");
  return [...new Set(faults)];
}"""


def faults(page: Page) -> list[str]:
    """Texts that are cut off (but for those with an ellipsis, and what can be scrolled to) or lie over one another."""
    return page.evaluate(FAULTS)
