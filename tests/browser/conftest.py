"""A served app and a real Chromium, one of each for the session; a page for each test, and nothing stored before it."""

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from benchmarks.served import CHROMIUM_FLAGS, Server, chromium, free_port

PATIENCE = 120_000  # ms: a busy machine may take ten seconds to open a page, and longer to import torch
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server(free_port())
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser with a profile on disk, as a person's has: it keeps the libraries compiled from page to page."""
    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("profile")
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium(), args=CHROMIUM_FLAGS, viewport={"width": 1440, "height": 900}
        )
        browser.set_default_timeout(PATIENCE)
        yield browser
        browser.close()


def looks(page: Page) -> Iterator[tuple[str, int]]:
    """Show the page that is open in three themes and two sizes, one after another: the theme, and the width."""
    for width, height in ((1440, 900), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark", "projector"):
            page.locator("header").get_by_text(theme.capitalize(), exact=True).click()
            page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
            page.wait_for_timeout(800)  # charts follow when nothing has changed for a while
            yield theme, width


def problems_of(page: Page) -> list[str]:
    """What goes wrong on a page from now on: uncaught errors, and those in its console."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"page error: {error.stack}"))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    return problems


def unexpected(problems: list[str]) -> list[str]:
    """Without those that the browser itself reports for every 422."""
    return [problem for problem in problems if not any(word in problem for word in ("422", "Failed to load resource"))]


class Playground:
    """A page, and what a person does and sees on it."""

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.problems = problems_of(page)
        page.add_init_script(
            "window.drawn = []; document.addEventListener('lab:drawn', (e) => window.drawn.push(e.detail));"
        )

    def open(self, query: str = "", fragment: str = "t=1&clock=steps") -> "Playground":
        """Open a spec and wait for its picture: at its end, by the clock of steps, unless the fragment says else."""
        self.page.goto(f"{self.url}/{'?' + query if query else ''}#{fragment}")
        self.wait_for("window.drawn.length > 0 && document.querySelector('#landscape .contourlayer path') !== null")
        self.settle()
        return self

    def wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def settle(self) -> None:
        """Wait until the trails are Plotly's own, which happens a moment after the last change."""
        self.wait_for("document.querySelector('#landscape').parentElement.classList.contains('live') === false")
        self.wait_for("document.querySelectorAll('.stage.live').length === 0")

    @property
    def query(self) -> str:
        """The spec of the newest picture."""
        return self.page.evaluate("window.drawn.at(-1)?.query ?? ''")

    @property
    def pictures(self) -> int:
        """How many traces have been drawn."""
        return self.page.evaluate("window.drawn.length")

    def row(self, field: str):
        """A control's row, by `card.name`."""
        return self.page.locator(f'[data-field="{field}"]')

    def type_into(self, field: str, text: str) -> None:
        box = self.row(field).locator("input[type=text], input:not([type])").last
        box.fill(text)
        box.press("Enter")

    def next_picture(self, action) -> str:
        """Do something and wait for the next trace; returns its query."""
        before = self.pictures
        action()
        self.wait_for(f"window.drawn.length > {before}")
        return self.query

    def readings(self) -> dict[str, list[str]]:
        """The table: cells by optimizer's label."""
        rows = self.page.locator("#readings tbody tr")
        return {
            row.get_attribute("data-label"): row.locator("th, td").all_inner_texts()
            for row in (rows.nth(i) for i in range(rows.count()))
        }


@pytest.fixture
def page(browser: BrowserContext, server: Server) -> Iterator[Page]:
    page = browser.new_page()
    browser.new_cdp_session(page).send(
        "Storage.clearDataForOrigin", {"origin": server.url, "storageTypes": "local_storage"}
    )
    yield page
    page.close()


@pytest.fixture
def playground(page: Page, server: Server) -> Iterator[Playground]:
    lab = Playground(page, server.url)
    yield lab
    assert not unexpected(lab.problems)


# Small and quick, with cells that diverge (small α from P = 1), that do not reach the target, and that do.
MAP = (
    "f=stiff_quadratic&x0=1,1&runs=4&seed=3&forwards=1200&target=0.01"
    "&opt=hizoo:alpha=0.3,n=4,lr=0.5,mu=1e-3,warmup=10,estimator=paper,beta=0,floor=1e-12&x=alpha=1e-4:1:6&y=n=2,4,8"
)
COMPLETE = "window.maps.length > 0 && window.maps.at(-1).done === window.maps.at(-1).total"
ALL_THREE = f"{COMPLETE} && document.querySelectorAll('#strip .badge:not(.partial)').length === 3"


class Tuning:
    """The Tuning page, and what a person does and sees on it."""

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.problems = problems_of(page)
        page.add_init_script(
            "window.maps = []; document.addEventListener('lab:map', (e) => window.maps.push(e.detail));"
        )

    def open(self, query: str = MAP, fragment: str = "") -> "Tuning":
        self.page.goto(f"{self.url}/tuning?{query}#{fragment}")
        self.wait_for(COMPLETE)
        for drawn in ("#landscape .contourlayer path", "#loss-chart .scatterlayer .trace"):
            self.page.wait_for_selector(drawn, state="attached")
        return self

    def wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def cell(self, index: int):
        return self.page.locator(f'#map [data-cell="{index}"]')

    def kinds(self) -> list[str]:
        """How each cell is drawn, in the order of their numbers."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll('#map [data-cell]')]
              .sort((a, b) => a.dataset.cell - b.dataset.cell).map((cell) => cell.dataset.kind)"""
        )

    def next_map(self, action) -> str:
        """Do something and wait until the map that it asks for is complete; returns its query."""
        before = self.page.evaluate("window.maps.length")
        action()
        self.wait_for(f"window.maps.length > {before} && {COMPLETE}")
        return self.page.evaluate("window.maps.at(-1).query")

    def measure(self, label: str) -> None:
        self.page.locator("#tuning-measure").get_by_text(label, exact=True).click()

    def type_into(self, field: str, text: str) -> None:
        box = self.page.locator(f'[data-field="{field}"] input:not([type=hidden])').last
        box.fill(text)
        box.press("Enter")


@pytest.fixture
def tuning(page: Page, server: Server):
    lab = Tuning(page, server.url)
    yield lab
    assert not unexpected(lab.problems)


TRAINING = "tune=layernorm&batch=4&shots=16&steps=30&eval=30&truth=1&opt=hizoo:n=1,alpha=0.0011&opt=mezo:n=1&opt=adam"


@pytest.fixture(scope="session")
def trained(server: Server) -> int:
    """The number of a finished run of three optimizers."""
    asked = urllib.request.Request(f"{server.url}/api/finetune", data=TRAINING.encode(), method="POST")
    with urllib.request.urlopen(asked) as answer:
        run = json.load(answer)["id"]
    while True:
        with urllib.request.urlopen(f"{server.url}/api/finetune/{run}") as answer:
            job = json.load(answer)
        assert job["state"] != "failed", job["message"]
        if job["state"] == "finished":
            return run
        time.sleep(0.5)


class OptPage:
    """A page, and what a person does and sees on it."""

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error.stack}"))

    def open(self, query: str = "", fragment: str = "") -> "OptPage":
        self.page.goto(f"{self.url}/opt?{query}#{fragment}")
        self.page.locator("#opt-form .optimizer").first.wait_for()
        return self

    def wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def start(self) -> None:
        """Start what the form says and wait for the first steps."""
        self.page.get_by_role("button", name="Start").click()
        self.wait_for("document.querySelector('main.planned') !== null")
        self.wait_for(f"{PASSES} > 0")

    def row(self, field: str):
        return self.page.locator(f'[data-field="{field}"]')

    def type_into(self, field: str, text: str) -> None:
        box = self.field(field)
        box.fill(text)
        box.press("Enter")

    def field(self, field: str):
        """The text field of a row, which may have a list too."""
        return self.row(field).locator("input:not([type=hidden], [type=file])").last

    def choose(self, field: str, label: str) -> None:
        """Take a value of a list that opens."""
        self.field(field).click()
        self.page.get_by_role("listbox").get_by_role("option", name=label, exact=True).click()

    @property
    def passes(self) -> int:
        """Forward passes at the cursor."""
        return self.page.evaluate(PASSES)

    @property
    def jobs(self) -> list[dict]:
        with urllib.request.urlopen(f"{self.url}/api/finetune") as answer:
            return json.load(answer)["jobs"]

    def stop(self) -> None:
        """End the run that is shown, so that the next test finds the worker idle."""
        self.page.locator("#opt-bar [data-do=stop]").click()
        self.wait_for("['stopped', 'finished'].includes(document.querySelector('#opt-jobs li.here')?.dataset.state)")


PASSES = "Number((document.querySelector('#opt-bar output').textContent.split('/')[0] || '0').replaceAll(',', ''))"


@pytest.fixture
def opt(page: Page, server: Server) -> Iterator[OptPage]:
    shown = OptPage(page, server.url)
    yield shown
    assert not shown.problems, shown.problems
