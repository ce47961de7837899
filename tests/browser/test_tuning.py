"""The Tuning page's map as a person sees it, in a real browser."""

import re
from urllib.parse import unquote

from conftest import ALL_THREE, COMPLETE, MAP, Tuning, looks
from playwright.sync_api import expect

from viz_app import parse
from viz_app.tuning import maps
from viz_app.tuning import spec as map_spec


def luminance(colour: str) -> float:
    """WCAG's relative luminance of rgb(…)."""
    parts = [int(value) / 255 for value in re.findall(r"\d+", colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_map_fills_in_and_says_what_is_best(tuning: Tuning):
    tuning.open()
    computed = [part for part, _ in maps.compute(map_spec.parse(MAP))]
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
    computed = [part for part, _ in maps.compute(map_spec.parse(MAP))]
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
    spec = map_spec.parse(MAP)
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
    spec = map_spec.parse(MAP)
    expect(page.locator("#cell-title")).to_contain_text("n 4")
    assert "n 4" in (tuning.cell(8).get_attribute("aria-label") or "")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r".*/\?f="))
    assert parse(page.url.partition("?")[2].partition("#")[0]) == spec.cell(8)


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
    tuning.open(MAP.replace("target=0.01", "target=1e-300").replace("x=alpha=1e-4:1:6", "x=alpha=0.01,0.1"))
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
