"""The Tuning page's map as a person uses it, in a real browser."""

import re
from urllib.parse import unquote

import pytest
from conftest import looks, problems_of, unexpected
from playwright.sync_api import Page, expect

from benchmarks.served import Server
from viz_app import parse
from viz_app.tuning import maps
from viz_app.tuning import spec as map_spec

# Small and quick, with cells that diverge (small α from P = 1), that do not reach the target, and that do.
SPEC = (
    "f=stiff_quadratic&x0=1,1&runs=4&seed=3&forwards=1200&target=0.01"
    "&opt=hizoo:alpha=0.3,n=4,lr=0.5,mu=1e-3,warmup=10,estimator=paper,beta=0,floor=1e-12&x=alpha=1e-4:1:6&y=n=2,4,8"
)
COMPLETE = "window.maps.length > 0 && window.maps.at(-1).done === window.maps.at(-1).total"
ALL_THREE = f"{COMPLETE} && document.querySelectorAll('#strip .badge:not(.partial)').length === 3"


class Tuning:
    """The page, and what a person does and sees on it."""

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.problems = problems_of(page)
        page.add_init_script(
            "window.maps = []; document.addEventListener('lab:map', (e) => window.maps.push(e.detail));"
        )

    def open(self, query: str = SPEC, fragment: str = "") -> "Tuning":
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


def luminance(colour: str) -> float:
    """WCAG's relative luminance of rgb(…)."""
    parts = [int(value) / 255 for value in re.findall(r"\d+", colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.fixture
def tuning(page: Page, server: Server):
    lab = Tuning(page, server.url)
    yield lab
    assert not unexpected(lab.problems)


def test_the_map_fills_in_and_says_what_is_best(tuning: Tuning):
    tuning.open()
    computed = [part for part, _ in maps.compute(map_spec.parse(SPEC))]
    cells = {int(cell): float(part.passes[k]) for part in computed for k, cell in enumerate(part.which)}
    safe = {int(cell) for part in computed for k, cell in enumerate(part.which) if part.diverged[k] == 0}
    stays = {int(cell) for part in computed for k, cell in enumerate(part.which) if part.loss[k] <= 0.01}
    best = min((cell for cell in safe & stays if cells[cell] == cells[cell]), key=lambda cell: cells[cell])
    assert f"first reached loss ≤ 0.01 after {cells[best]:,.0f} passes" in tuning.page.inner_text("#map-sentence")
    hatched = {int(cell) for part in computed for k, cell in enumerate(part.which) if part.diverged[k] >= 0.5}
    for cell, passes in cells.items():
        assert (tuning.cell(cell).locator("text").text_content() or "") == (
            "" if passes != passes or cell in hatched else f"{passes:,.0f}{'' if cell in stays else '↑'}"
        )
    assert unquote(tuning.page.url).startswith(
        f"{tuning.url}/tuning?f=stiff_quadratic&x0=1,1&runs=4&seed=3&forwards=1200"
    )
    tuning.next_map(lambda: tuning.type_into("run.runs", "64"))
    query = tuning.next_map(lambda: tuning.type_into("run.forwards", "30000"))
    counts = [detail["done"] for detail in tuning.page.evaluate("window.maps") if detail["query"] == query]
    assert counts == sorted(counts)
    assert len(set(counts)) > 1, "it fills in, message by message"


def test_diverged_cells_are_hatched_missed_ones_grey_and_those_that_rose_darker(tuning: Tuning):
    tuning.open()
    computed = [part for part, _ in maps.compute(map_spec.parse(SPEC))]
    diverged = {int(cell) for part in computed for k, cell in enumerate(part.which) if part.diverged[k] >= 0.5}
    missed = {int(cell) for part in computed for k, cell in enumerate(part.which) if part.passes[k] != part.passes[k]}
    start = 10_001.0
    rose = {int(cell) for part in computed for k, cell in enumerate(part.which) if part.loss[k] > start} - diverged
    assert diverged, "the spec has some"
    assert rose, "and some that ended higher than they began"
    assert missed - diverged - rose, "and some that only miss"
    kinds = tuning.kinds()
    assert {cell for cell, kind in enumerate(kinds) if kind == "diverged"} == diverged
    assert {cell for cell, kind in enumerate(kinds) if kind == "higher"} == rose & missed
    assert {cell for cell, kind in enumerate(kinds) if kind == "none"} == missed - diverged - rose
    expect(tuning.page.locator(".map-key")).to_contain_text("ended higher than it began")
    fill = tuning.cell(min(diverged)).locator("rect").evaluate("(r) => getComputedStyle(r).fill")
    assert "map-hatch" in fill
    for label in ("final loss", "Hessian bias", "diverged"):
        tuning.measure(label)
        tuning.wait_for(f"document.querySelector('#map svg').dataset.hatched === '{len(diverged)}'")
        assert tuning.kinds()[min(diverged)] == "diverged", label
    assert re.fullmatch(r"\d+%", tuning.cell(min(diverged)).locator("text").text_content() or "")
    expect(tuning.page.locator("#map-sentence")).to_contain_text("No run diverged in")
    expect(tuning.page.locator("#map-sentence")).not_to_contain_text("★")


def test_another_measure_shows_other_numbers(tuning: Tuning):
    tuning.open()
    text = tuning.cell(4).locator("text")
    passes = text.text_content()
    tuning.measure("Hessian bias")
    expect(text).to_contain_text("×")
    tuning.measure("final loss")
    expect(text).not_to_contain_text("×")
    assert text.text_content() != passes
    coloured = tuning.page.evaluate(
        """[...document.querySelectorAll('#map [data-kind=value]')]
          .map((cell) => [cell.querySelector('rect').getAttribute('fill'), cell.querySelector('text').style.fill])"""
    )
    assert coloured
    for fill, ink in coloured:
        light, dark = sorted((luminance(fill), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (fill, ink)
    tuning.page.locator("#tuning-method").get_by_text("MeZO").click()
    expect(tuning.page.locator("#tuning-measure").get_by_text("Hessian bias")).to_have_count(0)


def test_hovering_a_cell_shows_its_run_beside_the_map(tuning: Tuning):
    tuning.open()
    page = tuning.page
    title = page.locator("#cell-title")
    ink = "document.querySelector('#loss-chart').closest('.stage').querySelector('canvas').toDataURL()"
    tuning.cell(10).hover()
    expect(title).to_contain_text("n 4")
    page.wait_for_function("document.querySelectorAll('.stage.live').length === 1")  # the charts are Plotly's again
    before = page.evaluate(ink)
    steps = page.locator("#cell-note").inner_text()
    tuning.cell(16).hover()
    expect(title).to_contain_text("n 8")
    assert page.evaluate(ink) != before, "drawn at once"
    assert page.locator("#cell-note").inner_text() != steps
    page.mouse.move(5, 5)
    best = page.locator("#map-sentence strong").inner_text()
    n = re.search(r"n = (\d+)", best)
    assert n
    expect(title).to_contain_text(f"n {n[1]}")


def test_a_click_opens_the_cell_in_the_playground(tuning: Tuning):
    tuning.open()
    spec = map_spec.parse(SPEC)
    tuning.cell(10).click()
    tuning.page.wait_for_url(re.compile(r".*/\?f="))
    tuning.page.wait_for_selector("#readings tbody tr")
    opened = parse(tuning.page.url.partition("?")[2].partition("#")[0])
    assert opened == spec.cell(10)
    passes = next(
        f"{p:,.0f}" for part, _ in maps.compute(spec) for p, at in zip(part.passes, part.which, strict=True) if at == 10
    )
    assert passes in tuning.page.locator("#readings tbody tr td").all_inner_texts(), "counted to the same target"
    tuning.page.go_back()
    tuning.wait_for(f"{COMPLETE} && document.activeElement.dataset.cell === '10'")
    assert map_spec.parse(tuning.page.url.partition("?")[2].partition("#")[0]) == spec, "back is the same map"


def test_arrow_keys_walk_and_enter_opens(tuning: Tuning):
    tuning.open()
    page = tuning.page
    focused = "document.activeElement.dataset.cell === '{}'".format
    for cell in (3, 4):
        page.evaluate(f"location.hash = 'cell={cell}'")  # as a link that is pasted
        tuning.wait_for(focused(cell))
    page.go_back()
    tuning.wait_for(focused(3))
    tuning.cell(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.cell") == "8"
    spec = map_spec.parse(SPEC)
    expect(page.locator("#cell-title")).to_contain_text("n 4")
    assert "n 4" in (tuning.cell(8).get_attribute("aria-label") or "")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r".*/\?f="))
    assert parse(page.url.partition("?")[2].partition("#")[0]) == spec.cell(8)


def test_controls_move_where_you_are_and_do_not_compute_the_same_map_again(tuning: Tuning):
    page = tuning.page
    page.route("**/api/map/stream?*opt=mezo*", lambda route: route.fulfill(status=500))
    tuning.open()
    tuning.wait_for("document.querySelectorAll('#strip .badge:not(.partial)').length === 2")
    expect(page.locator('#strip tr[data-method="mezo"] .badge')).to_have_text("no answer")
    page.unroute("**/api/map/stream?*opt=mezo*")
    place = "document.querySelector('#map .here-mark').getAttribute('transform')"
    before, drawn = tuning.page.evaluate(place), tuning.page.evaluate("window.maps.length")
    tuning.type_into("hizoo.alpha", "0.02")
    tuning.wait_for(f"{place} !== '{before}'")
    assert tuning.page.evaluate("window.maps.length") == drawn
    tuning.wait_for("location.search.includes('alpha=0.02')")
    tuning.wait_for(ALL_THREE)  # MeZO's map is asked for again
    tuning.type_into("hizoo.alpha", "0")
    expect(tuning.page.locator("#map-sentence")).to_contain_text("outside of this map")
    query = tuning.next_map(lambda: tuning.type_into("hizoo.lr", "0.25"))
    assert "lr=0.25" in query


def test_wrong_axes_are_named_beside_them(tuning: Tuning):
    tuning.open()
    page = tuning.page
    for text, words in (("-1", "alpha = -1: must be a number from 0 to 1"), ("nine", "is not a number")):
        tuning.type_into("hizoo.alpha", text)  # on which the map does not depend
        expect(page.locator('[data-field="hizoo.alpha"] .error-text')).to_contain_text(words)
    tuning.type_into("hizoo.alpha", "0.3")
    expect(page.locator(".error-text")).to_have_count(0)
    low = page.locator('[data-field="axis.x"] [data-part=low]')
    low.fill("5")
    low.press("Enter")
    error = page.locator('[data-field="axis.x"] .error-text')
    expect(error).to_have_text("from 5 to 1: “from” must be below “to”")
    wrong = "[...document.querySelectorAll('input.wrong')].map((input) => input.dataset.part).join()"
    assert page.evaluate(wrong) == "low", "only the field concerned is marked"
    count = page.locator('[data-field="axis.x"] [data-part=count]')
    low.fill("1e-4")
    low.press("Enter")
    expect(error).to_have_count(0)
    count.fill("1000")
    count.press("Enter")
    expect(error).to_have_text("1,000 × 3 values make 3,000 cells; a map has up to 2,000")
    assert page.evaluate(wrong) == "count"
    tuning.next_map(lambda: (count.fill("5"), count.press("Enter")))
    expect(error).to_have_count(0)
    assert len(tuning.kinds()) == 15


def test_the_axes_may_be_any_two_and_change_places(tuning: Tuning):
    tuning.open()
    across = tuning.page.locator('[data-field="axis.x"] select')
    query = tuning.next_map(lambda: across.select_option("n"))
    spec = map_spec.parse(query)
    assert (spec.x.name, spec.y.name) == ("n", "alpha")
    tuning.wait_for(ALL_THREE)
    other = (
        "performance.getEntriesByType('resource').filter((e) => /stream.*opt=mezo/.test(decodeURIComponent(e.name)))"
    )
    assert tuning.page.evaluate(f"new Set({other}.map((e) => e.name)).size") == 1, "MeZO's map stays as it is"
    query = tuning.next_map(lambda: across.select_option("lr"))
    assert map_spec.parse(query).x.name == "lr"
    text = tuning.page.evaluate(
        """() => {
          const row = document.querySelector('[data-field="axis.x"]');
          row.querySelector('select').value = 'mu';
          row.querySelector('select').dispatchEvent(new Event('change'));
          const text = [...row.querySelectorAll('.axis-range input')].map(({ value }) => value).join(':');
          row.querySelector('.as-list').click(); // before its map is there
          return text;
        }"""
    )
    box = tuning.page.locator('[data-field="axis.x"] .axis-list')
    expect(box).to_be_visible()  # as soon as the server has said how it spaces them
    spaced = map_spec.parse(SPEC.replace("x=alpha=1e-4:1:6", f"x=mu={text}")).x.values
    assert [float(value) for value in box.input_value().split(",")] == list(spaced)


def test_each_optimizer_gets_a_map_with_as_many_settings(tuning: Tuning):
    tuning.open()
    tuning.wait_for(ALL_THREE)
    page = tuning.page
    assert page.locator("#strip .badge").all_inner_texts() == ["18 settings"] * 3
    assert page.locator("#strip tbody td:nth-child(2)").all_inner_texts() == ["α × n", "η × μ", "η × β₂"]
    page.locator('#strip tr[data-method="adam"]').click()
    tuning.wait_for("document.querySelector('main').dataset.method === 'adam' && location.search.includes('opt=adam')")
    expect(page.locator("#cell-title")).to_contain_text("Adam")
    spec = map_spec.parse(page.url.partition("?")[2].partition("#")[0])
    assert (spec.x.name, spec.y.name, len(spec.settings)) == ("lr", "beta2", 18)
    assert page.locator("#hessian-chart").is_hidden(), "it estimates no Hessian"


def test_where_nothing_reaches_the_target_the_final_loss_is_shown(tuning: Tuning):
    tuning.open(SPEC.replace("target=0.01", "target=1e-300").replace("x=alpha=1e-4:1:6", "x=alpha=0.01,0.1"))
    page = tuning.page
    sentence, active = page.locator("#map-sentence"), page.locator("#tuning-measure label[data-active]")
    expect(sentence).to_contain_text("Nothing reaches the target")
    expect(sentence).to_contain_text("★")
    expect(active).to_have_text("final loss")
    assert "measure" not in page.url, "nobody chose it"
    tuning.measure("passes to target")
    expect(active).to_have_text("passes to target")
    sentence.get_by_role("button").click()
    expect(active).to_have_text("final loss")
    tuning.measure("passes to target")
    tuning.next_map(lambda: tuning.type_into("run.target", "auto"))
    expect(page.locator(".error-text")).to_have_count(0)
    expect(sentence).to_contain_text("first reached loss ≤ 0.01")
    expect(page.locator('[data-field="run.target"] .reset')).to_be_hidden()
    tuning.next_map(lambda: tuning.type_into("run.target", "0.5"))
    tuning.wait_for("location.search.includes('target=0.5')")
    page.locator('[data-field="run.target"] .reset').click()
    expect(page.locator('[data-field="run.target"] input')).to_have_value("auto")
    tuning.wait_for("!location.search.includes('target=')")
    page.evaluate("document.querySelectorAll('#tuning-controls details').forEach((part) => (part.open = true))")
    tuning.next_map(lambda: tuning.type_into("run.x0", "0,0"))
    expect(sentence).to_contain_text("No target: the start is the minimum already")


def test_the_measure_survives_a_reload(tuning: Tuning):
    tuning.open(fragment="measure=bias")
    active = tuning.page.locator("#tuning-measure label[data-active]")
    expect(active).to_have_text("Hessian bias")
    tuning.measure("diverged")
    tuning.page.reload()
    tuning.wait_for(COMPLETE)
    expect(active).to_have_text("diverged")


def test_a_wrong_address_stays_until_it_is_closed(tuning: Tuning):
    page, wrong = tuning.page, "f=expr:foo(x)&opt=hizoo"
    tuning.page.goto(f"{tuning.url}/tuning?{wrong}")
    tuning.wait_for(ALL_THREE)
    page.wait_for_timeout(400)  # longer than the address waits before it follows
    box = page.locator("#message")
    expect(box).to_contain_text("cannot be opened as it is")
    expect(box).to_contain_text("'foo' is unknown")
    assert page.url.endswith(wrong)
    page.get_by_label("Close this message").click()
    expect(box).to_be_hidden()
    tuning.wait_for("location.search.includes('f=stiff_quadratic')")


def test_tune_says_what_it_spent_and_goes_there(tuning: Tuning):
    tuning.open()
    page = tuning.page
    page.fill("#tune-trials", "3")
    page.get_by_role("button", name="Tune").click()
    expect(page.locator('[data-field="tune.trials"] .error-text')).to_contain_text("8 to 1,024")
    assert "stale" not in (page.locator("main").get_attribute("class") or ""), "the map does not depend on it"
    page.fill("#tune-trials", "8")
    page.get_by_role("button", name="Tune").click()
    note = page.locator("#tune-note")
    expect(note).to_contain_text("Nothing better found")
    tuning.next_map(lambda: tuning.type_into("hizoo.lr", "0.01"))
    page.fill("#tune-trials", "16")
    page.get_by_role("button", name="Tune").click()
    expect(note.get_by_role("link")).to_be_visible()
    expect(note).to_contain_text("Spent 16 settings")
    expect(note).to_contain_text("forward passes")
    opened = parse((note.get_by_role("link").get_attribute("href") or "").removeprefix("/?").partition("#")[0])
    expect(note).to_contain_text(re.compile(r"Before: .* → now: "))
    expect(note).to_contain_text(f"n {opened.opts[0].hyperparameters.n},")
    expect(page.locator('[data-field="hizoo.lr"].tuned')).to_have_count(1)
    found = opened.opts[0].hyperparameters
    assert float(page.locator('[data-field="hizoo.alpha"] input').last.input_value()) == pytest.approx(
        found.alpha, 1e-3
    )
    assert int(page.locator('[data-field="hizoo.n"] input').last.input_value()) == found.n
    assert opened.steps == map_spec.steps_of(1200, "hizoo", found)
    note.get_by_role("button", name="Undo").click()
    expect(page.locator('[data-field="hizoo.lr"] input').last).to_have_value("0.01")
    expect(page.locator('[data-field="hizoo.n"] input').last).to_have_value("4")
    expect(page.locator(".tuned")).to_have_count(0)


def test_a_new_setting_cancels_the_map_under_way(tuning: Tuning):
    tuning.open()
    with tuning.page.expect_event(
        "requestfailed", lambda request: "forwards=90000" in request.url and request.url.count("/api/map/stream")
    ):
        tuning.type_into("run.forwards", "90000")
        tuning.type_into("run.runs", "64")
        tuning.page.wait_for_timeout(200)
        tuning.type_into("run.forwards", "600")
    tuning.wait_for("window.maps.at(-1).query.includes('forwards=600&')")
    tuning.wait_for(COMPLETE)


def test_going_back_to_a_map_ends_the_other_and_goes_on_with_the_rest(tuning: Tuning):
    page = tuning.page
    page.route("**/api/map/stream?*opt=adam*", lambda route: None)
    tuning.open()
    page.route("**/api/map/stream?*lr=0.25*", lambda route: None)
    with page.expect_request("**/api/map/stream?*lr=0.25*"):
        tuning.type_into("hizoo.lr", "0.25")
    page.unroute("**/api/map/stream?*opt=adam*")
    with page.expect_event("requestfailed", lambda request: "lr=0.25" in request.url):
        tuning.type_into("hizoo.lr", "0.5")
    tuning.wait_for(ALL_THREE)


def test_the_start_follows_the_dimension_and_a_failed_landscape_is_asked_for_again(tuning: Tuning):
    page = tuning.page
    page.route("**/api/landscape?*", lambda route: route.fulfill(status=500), times=1)
    tuning.open("f=quadratic:d=10&runs=2&forwards=300&opt=adam&x=lr=0.01,0.1&y=beta2=0.9,0.99")
    expect(page.locator("#message")).to_be_hidden()
    expect(page.locator("#cell-title")).to_contain_text("Adam")
    tuning.next_map(lambda: tuning.type_into("function.d", "12"))
    page.wait_for_function("document.querySelectorAll('.stage.live').length === 1")
    box = page.locator("#landscape .nsewdrag").bounding_box()
    assert box
    query = tuning.next_map(lambda: page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"]))
    assert len(map_spec.parse(query).base.x0) == 12
    expect(page.locator(".error-text")).to_have_count(0)


def test_another_function_keeps_the_optimizer_and_its_axes(tuning: Tuning):
    tuning.open()
    tuning.page.locator("#function").click()
    query = tuning.next_map(lambda: tuning.page.get_by_role("option", name="Quadratic", exact=True).click())
    spec = map_spec.parse(query)
    assert spec.base.f.startswith("quadratic")
    assert (str(spec.x), str(spec.y)) == ("alpha=1e-4:1:6", "n=2,4,8")
    expect(tuning.page.locator("#cell-note")).to_contain_text("steps of")
    tuning.cell(3).focus()
    tuning.wait_for("location.hash === '#cell=3'")
    tuning.next_map(lambda: tuning.page.evaluate("dash_clientside.set_props('function', { value: 'booth' })"))
    tuning.page.keyboard.press("ArrowRight")  # the focus has stayed
    tuning.wait_for("location.search.startsWith('?f=booth') && location.hash === '#cell=4'")
    tuning.page.go_back()
    tuning.wait_for("document.activeElement.dataset.cell === '3' && location.hash === '#cell=3'")


def test_the_lab_opens_by_its_hash(tuning: Tuning):
    tuning.page.goto(f"{tuning.url}/tuning?{SPEC}#lab")
    lab = tuning.page.locator("#estimators")
    expect(lab).to_be_visible()
    expect(lab.locator("canvas, svg, table").first).to_be_attached()
    held = []
    tuning.page.route("**/api/map/stream?*", lambda route: held.append(route))
    with tuning.page.expect_request("**/api/map/stream?*"):
        tuning.page.get_by_text("Map", exact=True).first.click()
    expect(lab).to_be_hidden()
    tuning.page.get_by_text("Estimator lab", exact=True).click()
    expect(lab).to_be_visible()
    held[0].continue_()
    tuning.page.unroute("**/api/map/stream?*")
    tuning.wait_for(COMPLETE)
    tuning.page.get_by_text("Map", exact=True).first.click()
    expect(tuning.page.locator("#map")).to_be_visible()
    tuning.wait_for("document.querySelector('svg.map').dataset.here === 'inside'")
    expect(tuning.page.locator("#map-sentence")).not_to_contain_text("outside of this map")
    assert "#lab" not in tuning.page.url
    tuning.measure("final loss")
    tuning.page.evaluate("location.hash = 'lab&n=5'")  # as a link that is pasted
    expect(lab.get_by_label("n directions", exact=True)).to_have_value("5")
    tuning.page.evaluate("location.hash = 'lab&n=6'")
    expect(lab.get_by_label("n directions", exact=True)).to_have_value("6")
    tuning.page.evaluate("location.hash = 'lab'")
    expect(lab.get_by_label("n directions", exact=True)).to_have_value("8")
    tuning.page.go_back()
    expect(lab.get_by_label("n directions", exact=True)).to_have_value("6")
    tuning.page.go_back()
    tuning.page.go_back()
    expect(lab).to_be_hidden()
    tuning.wait_for("location.hash === '#measure=loss'")
    tuning.page.get_by_text("Estimator lab", exact=True).click()
    tuning.wait_for("location.hash.startsWith('#lab')")
    tuning.page.get_by_text("Map", exact=True).first.click()
    tuning.wait_for("location.hash === '#measure=loss'")


def test_the_lab_opens_even_before_the_page_is_there(tuning: Tuning):
    page, held = tuning.page, []

    def hold(route):
        if '"output":"..tuning-controls' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/_dash-update-component*", hold)
    with page.expect_request(lambda request: '"output":"..tuning-controls' in (request.post_data or "")):
        page.goto(f"{tuning.url}/tuning?{SPEC}")
    page.get_by_text("Estimator lab", exact=True).click()
    tuning.wait_for("document.querySelector('main').dataset.tab === 'estimators'")
    held[0].continue_()
    expect(page.locator("#estimators .estimators-cards")).to_be_visible()


def test_the_map_fits(tuning: Tuning, tmp_path):
    page = tuning.page
    tuning.open()
    tuning.wait_for(ALL_THREE)
    for theme, width in looks(page):
        page.screenshot(path=tmp_path / f"tuning-{theme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "no scrolling of the page"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for selector in ("#landscape", "#loss-chart", "#hessian-chart"):
            box = page.locator(f"{selector} .nsewdrag").first.bounding_box()
            assert box, selector
            assert box["width"] > 180, selector
            assert box["height"] > 45, selector
        box = tuning.cell(0).bounding_box()
        assert box
        assert box["width"] > 40
        assert box["height"] > 40
        outside = page.evaluate(
            """() => { const frame = document.querySelector('#map').getBoundingClientRect();
              return [...document.querySelectorAll('#map text')].map((t) => [t.textContent, t.getBoundingClientRect()])
                .filter(([text]) => text)
                .filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1 || b.bottom > frame.bottom + 1)
                .map(([text]) => text) }"""
        )
        assert outside == [], "nothing of the map is cut off"
        cut = page.evaluate(
            """() => [...document.querySelectorAll('.row label, .card h2, #strip th, header button, #map-sentence p')]
              .filter((e) => e.offsetParent && getComputedStyle(e).display !== 'inline')
              .filter((e) => e.scrollWidth > e.clientWidth + 1
                || (e.matches('p') && e.scrollHeight > e.clientHeight + 1))
              .map((e) => e.textContent)"""
        )
        assert cut == [], "labels are not cut off"
