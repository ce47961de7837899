"""The headroom on the Playground, live at the cursor, and on the language-model page, measured when asked for."""

import pytest
from conftest import Playground
from playwright.sync_api import Page, expect
from test_looks import unreadable

from benchmarks.served import Server

# From (0, 1) the slope lies along the flat direction: curvature can gain 5,000 times. From (1, 1), along the stiff one.
RUN = (
    "f=stiff_quadratic&x0={}&steps=60&runs=2&seed=1"
    "&opt=hizoo:lr=0.1,mu=1e-3,alpha=0.1,n=4,estimator=paper,warmup=20&opt=mezo"
)


def sentence(playground: Playground) -> str:
    return playground.page.locator("#headroom .sentence").inner_text()


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("0,1", "R is 5,000 times that without, and a step of 4 directions takes 1,400 times"),
        ("1,1", "Here curvature gains nothing"),
    ],
)
def test_it_says_what_curvature_could_gain_at_the_start(playground: Playground, start: str, says: str):
    playground.open(RUN.format(start), "t=0&clock=steps&hessian=headroom")
    assert says in sentence(playground)


def test_it_follows_the_player_and_asks_the_server_nothing(playground: Playground):
    playground.open(RUN.format("0,1"), "t=0&clock=steps")
    page = playground.page
    page.locator("#hessian-view").get_by_text("headroom").click()
    values = page.locator("#headroom .value")
    expect(values).to_have_text(["2.0e-4", "2.0e-4", "1", "2", "R"])  # P starts at 1
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Time", exact=True).focus()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('#headroom .value').textContent !== '2.0e-4'")
    assert values.nth(1).inner_text() != values.nth(0).inner_text(), "P has learned"
    assert [url for url in asked if "/api/" in url] == []


def test_the_gauge_can_be_read_everywhere(playground: Playground):
    playground.open("f=rosenbrock&runs=4", "t=0.4&hessian=headroom")
    assert unreadable(playground.page) == {}


def test_a_training_is_measured_at_the_step_that_is_shown(page: Page, server: Server, trained: int):
    page.goto(f"{server.url}/opt#run={trained}")
    page.wait_for_function("document.querySelector('main.planned') !== null")
    page.locator("#opt-headroom-tab").click()
    panel = page.locator("#opt-headroom")
    assert "32 texts, twice forward and backward" in panel.locator(".headroom-body").inner_text(), "cost before"
    panel.get_by_role("button", name="Measure headroom").click()
    panel.locator(".headroom-sentence").wait_for()
    assert "rounds: 32 texts" in panel.locator(".panel-note").inner_text(), "cost after"
    kinds = panel.locator("[data-key]").evaluate_all("rows => rows.map((row) => row.dataset.key)")
    assert kinds == ["none", "P", "tensor", "F^-1/2", "F^-1"]
    assert panel.locator("dl").last.locator(".whisker u").count() > 5, "each tensor with its error"
