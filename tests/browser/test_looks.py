"""All pages in all themes, from a phone to a large projector: nothing is cut off, and nothing lies over another."""

import pytest
from conftest import ALL_THREE, Playground, Tuning
from fits import faults
from playwright.sync_api import Page

from benchmarks.served import Server

SIZES = ((1280, 720), (1440, 900), (1920, 1080), (375, 812))
THEMES = ("light", "dark", "projector")


def unreadable(page: Page) -> dict[str, list[str]]:
    """What cannot be read, by theme and width. The panels follow a theme and a size within a moment."""
    found = {}
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            page.locator("header").get_by_text(theme.capitalize(), exact=True).click()
            page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
            page.wait_for_timeout(1000)
            found[f"{theme} {width}"] = faults(page)
    return {look: wrong for look, wrong in found.items() if wrong}


def test_the_playground_can_be_read(playground: Playground):
    playground.open("f=double_well&runs=4", "t=0.4")
    assert unreadable(playground.page) == {}


def test_the_map_can_be_read(tuning: Tuning):
    tuning.open("f=stiff_quadratic&runs=4")
    tuning.wait_for(ALL_THREE)
    assert unreadable(tuning.page) == {}


def test_the_estimators_can_be_read(page: Page, server: Server):
    page.goto(f"{server.url}/tuning?f=stiff_quadratic#lab")
    page.wait_for_function("document.querySelectorAll('.estimators-card .main-svg').length >= 5")
    page.wait_for_function("document.querySelectorAll('.estimators-card[data-wait]').length === 0")
    assert unreadable(page) == {}


@pytest.mark.parametrize("tabs", [("loss", "hessian"), ("accuracy", "histogram"), ("steps", "memory")])
def test_a_finished_training_can_be_read(page: Page, server: Server, trained: int, tabs: tuple[str, str]):
    page.goto(f"{server.url}/opt#run={trained}")
    page.wait_for_function("document.querySelector('main.planned') !== null")
    for tab in tabs:
        page.locator(f"#opt-{tab}-tab").click()
    page.locator(f"#opt-{tabs[0]} .main-svg").first.wait_for(state="attached")
    assert unreadable(page) == {}
