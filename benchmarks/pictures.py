"""The manual's pictures: the three pages in a Chromium, at 1440 × 900.

python -m benchmarks.pictures                  all of them; the language-model page trains for two minutes
python -m benchmarks.pictures tuning-light     this one
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import closing_app
from benchmarks.served import CHROMIUM_FLAGS, ROOT, chromium

STILL = 1500  # ms in which charts become Plotly's own, and what appears has appeared
TRAINING = 600_000  # ms


def playground(page: Page, url: str, theme: str) -> None:
    """A run of the double well, a third of its way."""
    page.goto(f"{url}/?f=double_well#t=0.3&theme={theme}")
    page.wait_for_selector("#landscape .contourlayer path", state="attached")


def tuning(page: Page, url: str, theme: str) -> None:
    """The usual map, with its best cell."""
    page.goto(f"{url}/tuning?f=stiff_quadratic#theme={theme}")
    page.wait_for_function("document.querySelectorAll('#strip .badge:not(.partial)').length === 3")
    page.wait_for_selector("#landscape .contourlayer path", state="attached")


def opt(page: Page, url: str, theme: str) -> None:
    """A run of the bundled model, nearly at its end."""
    page.goto(f"{url}/opt?forwards=800#theme={theme}")
    page.locator("#opt-form .optimizer").first.wait_for()
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("parseInt(document.querySelector('#opt-bar output')?.textContent) >= 650")


PICTURES: dict[str, tuple[Callable[[Page, str, str], None], str]] = {
    "playground-light": (playground, "light"),
    "tuning-light": (tuning, "light"),
    "opt-light": (opt, "light"),
}


def main() -> None:
    """Write the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description="Write the manual's pictures into docs/pictures/.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PICTURES)} (default: all)", metavar="NAME")
    names = parser.parse_args().names or list(PICTURES)
    if unknown := [name for name in names if name not in PICTURES]:
        parser.error(f"{unknown[0]!r} is no picture: one of {', '.join(PICTURES)}")
    with closing_app() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        for name in names:
            show, theme = PICTURES[name]
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(TRAINING)
            show(page, server.url, theme)
            page.wait_for_timeout(STILL)
            page.screenshot(path=ROOT / "docs" / "pictures" / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
