"""The card that gets a real model: the button, how far it is, an error, and the form that takes the model."""

import json

from conftest import problems_of, unexpected
from playwright.sync_api import BrowserContext, Route, expect

from benchmarks.served import Server

MODEL = {"name": "smollm2", "title": "SmolLM2-135M-Instruct", "about": "Real.", "bytes": 92_871_040}
HALF = {"name": "smollm2", "message": "downloading SmolLM2", "done": 46_000_000, "total": 92_871_040, "unit": "bytes"}


def test_a_model_is_got_and_used(server: Server, browser: BrowserContext):
    """The server's answers are the test's; that they come so is for tests/test_getting.py."""
    page = browser.new_page()
    problems = problems_of(page)
    now = {"here": False, "getting": {}}
    asked = []

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            asked.append(route.request.url)
            now["getting"] = HALF
        body = {"models": [MODEL | {"here": now["here"]}], "getting": now["getting"]}
        route.fulfill(status=202 if route.request.method == "POST" else 200, json=body)

    page.route("**/api/finetune/models**", answer)
    page.goto(f"{server.url}/opt")
    card = page.locator("#opt-models")
    card.get_by_text("Real models").click()
    card.get_by_role("button", name="Get it (92.9 MB)").click()
    expect(card.get_by_role("status")).to_have_text("downloading SmolLM2: 46,000,000 of 92,871,040 bytes")
    expect(card.get_by_role("button")).to_be_disabled()
    bar = card.get_by_role("progressbar")
    assert bar.evaluate("(bar) => bar.value / bar.max") == 46_000_000 / 92_871_040
    now["getting"] = {"name": "smollm2", "error": "pip can reach no package index"}
    expect(card.get_by_role("alert")).to_have_text("pip can reach no package index")
    expect(card.get_by_role("button")).to_be_enabled()
    now.update(here=True, getting=HALF)
    card.get_by_role("button").click()
    now["getting"] = {}
    card.get_by_role("button", name="Use it").click()
    model = page.locator("[data-field='run.model'] input:not([type=hidden], [type=file])").last
    expect(model).to_have_value("smollm2")
    assert [url.rpartition("/")[2] for url in asked] == ["smollm2", "smollm2"]
    assert json.dumps(unexpected(problems)) == "[]"
    page.close()


def test_the_states_of_lower_layers_are_cleared(server: Server, browser: BrowserContext):
    """The server's answers are the test's; that they come so is for tests/test_finetuning_top.py."""
    page = browser.new_page()
    problems = problems_of(page)
    now = {"files": 2, "bytes": 31_000_000, "limit": 4_000_000_000}

    def answer(route: Route) -> None:
        if route.request.method == "DELETE":
            now.update(files=0, bytes=0)
        route.fulfill(json=now)

    page.route("**/api/finetune/states", answer)
    page.goto(f"{server.url}/opt")
    card = page.locator("#opt-states")
    expect(card).to_contain_text("States of the layers below top layers: 31.0 MB of at most 4.00 GB on the disk")
    card.get_by_role("button", name="Clear").click()
    expect(card).to_be_hidden()
    assert now["files"] == 0
    assert json.dumps(unexpected(problems)) == "[]"
    page.close()
