"""What a person waits for in the page's instruments, in headless Chromium: the map's cells, the microscope, the fork.

python -m benchmarks.instruments

Each time is from the browser's own event to the animation frame after the picture was drawn. Runs of 500 steps, 16 of
each of three optimizers; a map of 12 × 6 cells.
"""

from __future__ import annotations

from playwright.sync_api import Page

from benchmarks.browser import SPEC, drag, open_page, report
from benchmarks.maps import QUERY

TIMES = 50

# From an event to the animation frame after an element's text has changed.
WATCH = """
([selector, event]) => {
  window.times = [];
  let since = 0;
  addEventListener(event, () => (since = performance.now()), true);
  new MutationObserver(() => {
    const from = since;
    since = 0;
    if (from) requestAnimationFrame(() => window.times.push(performance.now() - from));
  }).observe(document.querySelector(selector), { subtree: true, childList: true, characterData: true });
}
"""


def main() -> None:
    """Print one JSON line a benchmark."""
    with open_page() as (page, url):
        page.goto(f"{url}/tuning?{QUERY}")
        page.wait_for_function("document.querySelectorAll('#map a').length === 72")
        page.wait_for_timeout(3000)
        line("hovering a cell to its trajectory", hover(page), "< 50", 50)
        page.goto(f"{url}/?{SPEC}#t=0.1&clock=steps")
        page.wait_for_function("window.frames.length > 0")
        page.wait_for_timeout(2000)
        line("microscope, a key to the next step's numbers", magnify(page), "< 100", 100)
        page.goto(f"{url}/?{SPEC}#t=0.5&clock=steps&again")
        page.reload()
        page.wait_for_function("window.frames.length > 0")
        page.wait_for_timeout(2000)
        page.keyboard.press("f")
        line("fork, a slider's movement to the picture", sorted(drag(page)), "< 100", 100)


def line(name: str, times: list[float], goal: str, bound: float) -> None:
    """Report the 95th percentile of sorted milliseconds."""
    p95 = times[int(0.95 * len(times))]
    report(f"{name}, 95th percentile", p95, "ms", goal, p95 < bound)


def hover(page: Page) -> list[float]:
    """Milliseconds from each of TIMES movements of the mouse to another cell's picture."""
    page.evaluate(WATCH, ["#cell-title", "pointerover"])
    cells = page.locator("#map a")
    boxes = [cells.nth(i).bounding_box() for i in range(cells.count())]
    for i in range(TIMES):
        box = boxes[(i * 29) % len(boxes)]
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_function(f"window.times.length > {i}", polling=5)
        page.wait_for_timeout(60)
    return sorted(page.evaluate("window.times"))[:TIMES]


def magnify(page: Page) -> list[float]:
    """Milliseconds from each of TIMES presses of the right arrow to the next step's formulas."""
    page.keyboard.press("m")
    page.wait_for_selector("#microscope .lines li")
    page.wait_for_timeout(1000)
    page.evaluate(WATCH, ["#microscope .lines", "keydown"])
    for i in range(TIMES):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"window.times.length > {i}", polling=5)
        page.wait_for_timeout(60)
    return sorted(page.evaluate("window.times"))[:TIMES]


if __name__ == "__main__":
    main()
