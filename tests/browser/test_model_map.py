"""The Tuning page of a language-model job, in a real browser: a map of four cells, each a run of a second or so."""

from pathlib import Path

import pytest
from conftest import looks, problems_of, unexpected
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.served import Server, free_port
from viz_app.finetuning.store import Log

JOB = "tune=layernorm&batch=2&shots=8&forwards=24&eval=24&opt=mezo:n=1,lr=1e-3"
MAP = f"{JOB}&x=lr=1e-3,1e-2&y=n=1,2"


@pytest.fixture
def page(browser: BrowserContext):
    page = browser.new_page()
    yield page
    page.close()


def cells(page: Page) -> int:
    return page.locator("#map [data-kind]").count()


def test_a_map_is_computed_by_the_worker_survives_a_restart_and_opens_its_cells(page: Page, tmp_path: Path):
    problems = problems_of(page)
    first = Server(free_port(), tmp_path)
    try:
        # From the Language model page, with this job.
        page.goto(f"{first.url}/opt?{JOB}")
        link = page.locator("#opt-map")
        expect(link).to_contain_text("of this job (MeZO)")
        link.click()
        page.wait_for_selector("#mm-status")
        expect(page.locator("#mm-status")).to_contain_text("runs of 24 passes")
        page.goto(f"{first.url}/tuning?{MAP}")
        page.locator("#mm-go").click()
        expect(page.locator("#map [data-kind]").first).to_be_visible()
        expect(page.locator("#mm-status")).to_contain_text("4 of 4 runs")
        expect(page.locator("#map-sentence")).to_contain_text("held-out loss")
        assert page.locator(".right .chart:visible").count() == 2
        assert page.locator("main .empty").count() == 0
    finally:
        first.stop()
    with Log(tmp_path) as log:
        (job,) = log.jobs()
        assert job.state == "finished"
        stored = [m for m in log.messages(job.id) if m["type"] == "cell"]
        assert len(stored) == 4
    again = Server(free_port(), tmp_path)
    try:
        page.goto(f"{again.url}/tuning?{MAP}")
        expect(page.locator("#mm-status")).to_contain_text("4 of 4 runs")
        expect(page.locator("#mm-go")).to_be_hidden()
        # Hover says the cell's figures; the curves are there.
        page.locator('#map [data-cell="3"]').hover()
        expect(page.locator("#cell-title")).to_have_text("MeZO, η 0.01, n 2")
        expect(page.locator("#mm-note")).to_contain_text("accuracy")
        expect(page.locator("#mm-loss .scatterlayer .trace").first).to_be_attached()
        # The search starts from the map, and is no worse than its best cell.
        page.locator("#tune-trials").fill("2")
        page.locator("#tune-go").click()
        expect(page.locator("#tune-note")).to_contain_text("Started from 4 known settings")
        with Log(tmp_path) as log:
            found = next(m for m in log.messages(2) if m["type"] == "found")
            assert found["loss"] <= min(cell["loss"] for cell in stored)
            assert len([m for m in log.messages(2) if m["type"] == "cell" and "from" in m]) == 4
        # A click opens the cell as a job on the Language model page, where the list of runs has the map.
        page.locator('#map [data-cell="3"]').click()
        page.wait_for_url("**/opt?**")
        page.locator("#opt-form .optimizer").first.wait_for()
        assert "lr=0.01" in page.url
        assert "n=2" in page.url
        row = page.locator('#opt-jobs [data-job="1"]')
        expect(row).to_contain_text("map, ")
        row.locator("button.open").click()
        page.wait_for_url("**/tuning?**")
        expect(page.locator("#mm-status")).to_contain_text("4 of 4 runs")
    finally:
        again.stop()
    assert not [each for each in unexpected(problems) if "WebSocket" not in each], "but of the server that was gone"


def test_a_map_that_is_stopped_goes_on_and_what_is_wrong_is_said(page: Page, server: Server):
    problems = problems_of(page)
    long = MAP.replace("forwards=24", "forwards=4000")
    page.goto(f"{server.url}/tuning?{long}")
    page.locator("#mm-go").click()
    expect(page.locator("#mm-go")).to_have_text("Stop")
    expect(page.locator("#mm-status")).to_contain_text("lr=")
    page.locator("#mm-go").click()
    expect(page.locator("#mm-status")).to_contain_text("stopped")
    expect(page.locator("#mm-go")).not_to_have_text("Stop")
    page.locator("#mm-forwards").fill("1")
    page.locator("#mm-forwards").press("Enter")
    expect(page.locator("#message")).to_contain_text("Budget must be at least 2, which one step of mezo takes, not 1")
    page.goto(f"{server.url}/tuning?{MAP}&y=n=1")
    expect(page.locator("#message")).to_contain_text("y is given twice")
    page.goto(f"{server.url}/tuning?f=booth")
    page.locator(".kinds").get_by_text("Language model").click()
    page.wait_for_selector("main.modelmap")
    page.locator(".kinds").get_by_text("Function").click()
    page.wait_for_selector("#tuning-controls")
    assert not unexpected(problems)


def test_nothing_overflows_in_any_theme(page: Page, server: Server):
    page.goto(f"{server.url}/tuning?{MAP}")
    page.wait_for_selector("#map svg")
    for theme, width in looks(page):
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{theme}, {width}"
        cards = "[...document.querySelectorAll('main.modelmap .card')]"
        over = page.evaluate(f"{cards}.filter((c) => c.scrollWidth > c.clientWidth + 1).map((c) => c.id)")
        assert over == [], f"{theme}, {width}"
