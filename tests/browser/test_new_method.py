"""A method added to METHODS appears on the pages by itself: card, controls, colour, curve, table; nothing in
JavaScript knows it. Its server runs in this process, which alone has the method.
"""

from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest
import uvicorn
from conftest import Playground
from playwright.sync_api import Page, expect

from benchmarks.served import free_port
from hizoo_core import METHODS, describe, training_methods
from viz_app.server import create_app

SPEC = (
    "f=booth&x0=4,4&steps=40&runs=4&seed=1&opt=toy:lr=0.02,mu=1e-3,n=3"
    "&opt=hizoo:lr=0.1,n=3,estimator=paper&opt=mezo:lr=0.02,mu=1e-3,n=3"
)


@pytest.fixture
def toy_url(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    summary = "MeZO under another name, as a method that the page has never heard of."
    monkeypatch.setitem(METHODS, "toy", replace(METHODS["mezo"], key="toy", name="Toy descent", summary=summary))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(tmp_path).server, port=port, log_level="warning"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server has ended"
        thread.join(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def test_a_method_in_the_registry_is_on_the_page(page: Page, toy_url: str):
    playground = Playground(page, toy_url).open(SPEC)
    card = page.locator('.card.optimizer[data-slot="toy"]')
    expect(card.locator("h2")).to_have_text("Toy descent")
    expect(card.locator(".passes")).to_have_text("6 passes a step")
    assert card.locator("[data-field]").count() == 3
    colour = card.evaluate("(card) => getComputedStyle(card).getPropertyValue('--colour')")
    mezo = page.locator('.card.optimizer[data-slot="mezo"]').evaluate(
        "(card) => getComputedStyle(card).getPropertyValue('--colour')"
    )
    assert colour not in ("", mezo)
    curves = page.evaluate(
        "document.querySelector('#loss-chart .js-plotly-plot').data.filter((t) => t.name)"
        ".map((t) => [t.name, t.line.color])"
    )
    assert [name for name, _ in curves] == ["HiZOO", "MeZO", "Toy descent"]
    assert len({colour for _, colour in curves}) == 3
    cells = playground.readings()
    assert cells["toy"][2] == "240"
    assert cells["toy"][1] == cells["mezo"][1], "the same formula, the same numbers"
    assert cells["toy"][0].startswith("Toy descent")
    query = playground.next_picture(lambda: playground.type_into("toy.n", "2"))
    assert "opt=toy:n=2" in query
    expect(card.locator(".passes")).to_have_text("4 passes a step")


def test_its_step_is_taken_apart_and_its_run_compared(page: Page, toy_url: str):
    playground = Playground(page, toy_url).open(SPEC, fragment="t=0.5&clock=steps")
    page.keyboard.press("m")
    page.locator("#microscope").get_by_label("Optimizer", exact=True).select_option("toy")
    page.wait_for_function(
        "JSON.stringify([...document.querySelectorAll('#microscope .lines li')].map((line) => line.dataset.key))"
        " === JSON.stringify(['plus', 'minus', 'slope', 'step'])"
    )
    assert playground.problems == []


def test_it_is_in_the_form_of_the_language_model_page(page: Page, toy_url: str):
    page.goto(f"{toy_url}/opt?tune=layernorm&opt=mezo")
    page.get_by_role("button", name="Toy descent", exact=True).click()
    card = page.locator('#opt-form .optimizer[data-slot="toy"]')
    expect(card.locator("h2")).to_have_text("Toy descent")
    settings = describe(training_methods.METHODS["toy"].hyperparameters)
    assert card.locator("[data-field]").count() == len(settings)
    colours = page.locator("#opt-form .optimizer").evaluate_all(
        "(cards) => cards.map((card) => getComputedStyle(card).getPropertyValue('--colour'))"
    )
    assert len(set(colours)) == 2
    assert all(colours)
    directions = card.locator('[data-field="toy.n"] .mantine-TextInput-input')
    directions.fill("3")
    directions.press("Enter")
    expect(card.locator(".passes")).to_have_text("6 passes a step")
    page.wait_for_function("location.search.includes('opt=toy:n=3,')")
