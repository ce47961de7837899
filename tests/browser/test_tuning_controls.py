"""The Tuning page's controls, its addresses and its two tabs, in a real browser."""

import re

import pytest
from conftest import ALL_THREE, COMPLETE, MAP, Tuning
from playwright.sync_api import expect

from viz_app import parse
from viz_app.tuning import spec as map_spec


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
    for text, words in (("-1", "α smoothing must be a number from 0 to 1, not -1"), ("nine", "is not a number")):
        tuning.type_into("hizoo.alpha", text)  # on which the map does not depend
        expect(page.locator('[data-field="hizoo.alpha"] .error-text')).to_contain_text(words)
    tuning.type_into("hizoo.alpha", "0.3")
    expect(page.locator(".error-text")).to_have_count(0)
    low = page.locator('[data-field="axis.x"] [data-part=low]')
    low.fill("5")
    low.press("Enter")
    error = page.locator('[data-field="axis.x"] .error-text')
    expect(error).to_have_text("From must be below 1, not 5")
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
    spaced = map_spec.parse(MAP.replace("x=alpha=1e-4:1:6", f"x=mu={text}")).x.values
    assert [float(value) for value in box.input_value().split(",")] == list(spaced)


def test_a_wrong_address_stays_until_it_is_closed(tuning: Tuning):
    page, wrong = tuning.page, "f=expr:foo(x)&opt=hizoo"
    tuning.page.goto(f"{tuning.url}/tuning?{wrong}")
    tuning.wait_for(ALL_THREE)
    page.wait_for_timeout(400)  # longer than the address waits before it follows
    box = page.locator("#message")
    expect(box).to_contain_text("cannot be opened as it is")
    expect(box).to_contain_text("“foo” is not known")
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
    expect(note).to_contain_text(re.compile(r"Started from \d+ settings of the map"))
    expect(note).to_contain_text("on the map's seed")
    note.get_by_role("button", name="Undo").click()
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
    tuning.page.goto(f"{tuning.url}/tuning?{MAP}#lab")
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
        page.goto(f"{tuning.url}/tuning?{MAP}")
    page.get_by_text("Estimator lab", exact=True).click()
    tuning.wait_for("document.querySelector('main').dataset.tab === 'estimators'")
    held[0].continue_()
    expect(page.locator("#estimators .estimators-cards")).to_be_visible()
