"""Nothing overlaps, nothing scrolls, nothing is empty, in three themes and two sizes."""

from conftest import Playground, looks

STORY = "f=double_well"


def test_the_page_fits(playground: Playground, tmp_path):
    page = playground.page
    playground.open(STORY, fragment="t=0.3")
    for theme, width in looks(page):
        playground.settle()
        page.screenshot(path=tmp_path / f"{theme}-{width}.png")
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
        assert cut == [], f"labels are not cut off ({theme}, {width})"
