"""Figures of the page in headless Chromium: from a slider's movement to the new picture, and frames a second.

python -m benchmarks.browser
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from benchmarks.served import CHROMIUM_FLAGS, Server, chromium, free_port

SPEC = "f=stiff_quadratic&steps=500&runs=16&opt=hizoo&opt=mezo&opt=adam"
DRAGS = 50
SECONDS = 5

# A movement of the mouse on the slider is timed where the page first hears of it; its picture, in the first animation
# frame after the overlay was drawn for a spec that the movement asked for.
PROBE = """
window.moves = []; window.frames = [];
addEventListener('pointermove', () => window.moves.push(performance.now()), true);
document.addEventListener('lab:drawn', (event) =>
  requestAnimationFrame(() => window.frames.push({ query: event.detail.query, at: performance.now() })));
"""


def main() -> None:
    """Print one JSON line a benchmark."""
    with open_page() as (page, url):
        page.goto(f"{url}/?{SPEC}#t=1")
        page.wait_for_function("window.frames.length > 0 && document.querySelectorAll('.stage.live').length === 0")
        page.wait_for_timeout(1000)
        latencies = sorted(drag(page))
        p95 = latencies[int(0.95 * len(latencies))]
        report("drag to picture, 95th percentile", p95, "ms", "< 100", p95 < 100)
        report("drag to picture, median", statistics.median(latencies), "ms", "", True)
        page.wait_for_timeout(1000)
        rate = frames_a_second(page)
        report("animation", rate, "frames/s", ">= 55", rate >= 55)


def drag(page: Page) -> list[float]:
    """Milliseconds from each of DRAGS movements of the α slider to its picture."""
    box = page.locator('[data-field="hizoo.alpha"] [role=slider]').bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    field = page.locator('[data-field="hizoo.alpha"] input').last
    latencies, alpha = [], float(field.input_value())
    for i in range(DRAGS):
        moves = page.evaluate("window.moves.length")
        page.mouse.move(x - 30 + (i * 7) % 41, y)
        before, alpha = alpha, float(field.input_value())
        assert alpha != before, "every movement asks for another α"
        page.wait_for_function(f"/alpha={alpha:g}(,|&|$)/.test(window.frames.at(-1).query)", polling=5)
        latencies.append(page.evaluate(f"window.frames.at(-1).at - window.moves[{moves}]"))
        page.wait_for_timeout(30)
    page.mouse.up()
    return latencies


def frames_a_second(page: Page) -> float:
    """Animation frames in which the player drew, while it plays at its slowest speed that lasts long enough."""
    page.get_by_label("Speed").select_option("0.5")
    page.get_by_role("button", name="To the start").click()
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(500)
    return page.evaluate(
        """(seconds) => new Promise((done) => {
          const scrubber = document.querySelector('#player input');
          let drawn = 0, before = scrubber.value;
          const from = performance.now();
          const tick = () => {
            if (scrubber.value !== before) drawn += 1;
            before = scrubber.value;
            const spent = performance.now() - from;
            if (spent >= 1000 * seconds) done((1000 * drawn) / spent);
            else requestAnimationFrame(tick);
          };
          requestAnimationFrame(tick);
        })""",
        SECONDS,
    )


@contextmanager
def open_page() -> Iterator[tuple[Page, str]]:
    """A page of a Chromium that notes movements and pictures, and the app's address; both are ended with the block."""
    with closing_app() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(PROBE)
        yield page, server.url
        browser.close()


@contextmanager
def closing_app() -> Iterator[Server]:
    """The app, ended with the block."""
    server = Server(free_port())
    try:
        yield server
    finally:
        server.stop()


def report(name: str, value: float, unit: str, goal: str, met: bool) -> None:
    """Print one benchmark's line."""
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit, "goal": goal, "met": met}), flush=True)


if __name__ == "__main__":
    main()
