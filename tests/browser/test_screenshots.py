"""Nothing overlaps, nothing scrolls, nothing is empty, in three themes and two sizes; and the README's picture."""

import pytest
from conftest import Playground

from benchmarks.served import ROOT

STORY = "f=double_well"
SIZES = [(1440, 900), (1280, 720)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
def test_the_page_fits(playground: Playground, theme: str, size: tuple[int, int], tmp_path):
    page = playground.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    playground.open(STORY, fragment=f"t=1&theme={theme}")
    page.get_by_label("Time", exact=True).fill("300")
    playground.settle()
    page.wait_for_timeout(300)
    page.screenshot(path=tmp_path / f"{theme}-{size[0]}.png")
    if size == SIZES[0] and theme != "projector":
        (ROOT / "docs").mkdir(exist_ok=True)
        page.screenshot(path=ROOT / "docs" / f"playground-{theme}.png")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "no scrolling of the page"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for selector in ("#landscape", "#loss-chart", "#hessian-chart"):
        box = page.locator(f"{selector} .nsewdrag").first.bounding_box()
        assert box["width"] > 200, selector
        assert box["height"] > 90, selector
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.row label, .card h2, .passes, #readings th, header button')]
          .filter((e) => e.offsetParent && getComputedStyle(e).display !== 'inline')
          .filter((e) => e.scrollWidth > e.clientWidth + 1)
          .map((e) => e.textContent)"""
    )
    assert cut == [], "labels are not cut off"
