"""Downloads of the language-model page say that they are under way, and what the server refuses."""

import pytest
from playwright.sync_api import Page, expect

from benchmarks.served import Server


@pytest.mark.parametrize(("what", "under_way"), [("table", "the server writes it"), ("weights", "rebuilds them")])
def test_a_download_says_that_it_is_under_way_and_when_it_is_saved(
    page: Page, server: Server, trained: int, what: str, under_way: str
):
    held = []
    address = f"**/api/finetune/{trained}/{what}*"
    page.route(address, lambda route: held.append(route))
    page.goto(f"{server.url}/opt#run={trained}")
    page.wait_for_function("document.querySelector('main.planned') !== null")
    page.locator("#opt-bar .menu summary").click()
    with page.expect_request(address):
        page.locator(f"#opt-bar [data-do={what}]").click()
    message = page.locator("#opt-message")
    expect(message).to_contain_text(under_way)
    with page.expect_download() as download:
        held[0].continue_()
    expect(message).to_contain_text(f"Saved as {download.value.suggested_filename}")
    assert download.value.path().stat().st_size > 1000


def test_a_refused_download_says_why(page: Page, server: Server, trained: int):
    refusal = {"errors": [{"field": "worker", "message": "the worker ended"}]}
    page.route(f"**/api/finetune/{trained}/weights*", lambda route: route.fulfill(status=503, json=refusal))
    page.goto(f"{server.url}/opt#run={trained}")
    page.wait_for_function("document.querySelector('main.planned') !== null")
    page.locator("#opt-bar .menu summary").click()
    page.locator("#opt-bar [data-do=weights]").click()
    expect(page.locator("#opt-message")).to_contain_text("the worker ended")
