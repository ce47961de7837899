"""The Playground as a person uses it, in a real browser."""

import csv
import io
import urllib.request
from urllib.parse import unquote

import pytest
from conftest import Playground

from benchmarks.served import Server, free_port
from viz_app import parse, run

SPEC = "f=stiff_quadratic&x0=1,1&steps=120&runs=4&seed=3&opt=hizoo:alpha=0.1,n=4,lr=0.1,warmup=10&opt=mezo:lr=2e-5,n=1"


def thumb(playground: Playground, field: str):
    return playground.row(field).locator("[role=slider]")


def drag(playground: Playground, field: str, by: float) -> None:
    """Drag a slider's thumb sideways by some pixels, a step at a time."""
    box = thumb(playground, field).bounding_box()
    mouse = playground.page.mouse
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    for step in range(1, 9):
        mouse.move(x + by * step / 8, y)
        playground.page.wait_for_timeout(25)
    mouse.up()


def alpha(query: str) -> float:
    return float(query.split("alpha=")[1].split(",")[0])


def test_opens_with_a_picture_a_table_and_charts(playground: Playground):
    playground.open()
    table = playground.readings()
    assert set(table) == {"hizoo", "mezo", "adam"}
    assert all(row[1] not in ("", "–") for row in table.values())
    for chart in ("#loss-chart", "#hessian-chart"):
        assert playground.page.locator(f"{chart} .scatterlayer path.js-line").count() >= 3
    assert playground.page.locator(".formula mjx-container, .formula .MathJax").count() == 1


def test_dragging_a_slider_recomputes_while_dragging(playground: Playground):
    playground.open(SPEC)
    before, drawn = alpha(SPEC), playground.pictures
    drag(playground, "hizoo.alpha", -40)
    playground.wait_for(f"window.drawn.length > {drawn + 2}")
    playground.settle()
    field = playground.row("hizoo.alpha").locator("input").last.input_value()
    assert alpha(playground.query) < before
    assert float(field) == alpha(playground.query), "field and picture agree"
    assert playground.page.url.count("alpha=") == 1
    assert alpha(playground.page.url) == alpha(playground.query), "the address follows"


def test_reset_puts_the_preset_back(playground: Playground):
    playground.open("f=stiff_quadratic&steps=100&opt=hizoo")
    preset = playground.row("hizoo.lr").locator("input").last.input_value()
    playground.next_picture(lambda: playground.type_into("hizoo.lr", "0.0123"))
    assert "lr=0.0123" in playground.query
    playground.next_picture(lambda: playground.row("hizoo.lr").locator("button.reset").click())
    assert playground.row("hizoo.lr").locator("input").last.input_value() == preset


def test_an_estimator_comes_with_the_settings_tuned_for_it(playground: Playground):
    playground.open("f=quadratic&steps=60&runs=2&opt=hizoo")
    card = playground.page.locator('.card[data-slot="hizoo"]')
    playground.next_picture(lambda: card.get_by_text("multiplicative", exact=True).click())
    playground.wait_for("window.drawn.at(-1).query.includes('estimator=multiplicative')")
    tuned = parse("f=quadratic&opt=hizoo:estimator=multiplicative").opts[0]
    playground.wait_for(f"window.drawn.at(-1).query.includes('alpha={tuned.hyperparameters.alpha:g},')")
    assert parse(playground.query.split("&coords=")[0]).opts[0] == tuned


def test_play_pause_step_and_scrub(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    output = page.locator("#player output")
    page.get_by_role("button", name="To the start").click()
    assert "step 0 of 120" in output.inner_text()
    page.get_by_role("button", name="One step forward").click()
    assert "step 1 of 120" in output.inner_text()
    page.keyboard.press("Escape")
    page.locator("#landscape").focus()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "step 3 of 120" in output.inner_text()
    page.keyboard.press("ArrowLeft")
    assert "step 2 of 120" in output.inner_text()
    page.keyboard.press(" ")
    page.wait_for_timeout(600)
    page.keyboard.press(" ")
    paused = output.inner_text()
    assert 2 < int(paused.split("step ")[1].split(" ")[0]) < 120
    page.wait_for_timeout(300)
    assert output.inner_text() == paused, "paused means paused"
    scrubber = page.get_by_label("Time", exact=True)
    scrubber.fill("500")
    assert "step 60 of 120" in output.inner_text()
    assert playground.readings()["hizoo"][2] == f"{60 * 9:,}", "forward passes at the cursor"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/step" in request.url else None)
    with page.expect_response("**/api/step?*step=60&*"):
        page.keyboard.press("m")
    page.locator("#microscope li").first.wait_for()
    before = len(asked)
    page.keyboard.press(" ")
    playground.wait_for("document.querySelector('#player input').value > 600")
    assert len(asked) == before, "the microscope waits while the run plays"
    with page.expect_request("**/api/step?*"):
        page.keyboard.press(" ")


def test_pause_commits_the_trails_to_plotly(playground: Playground):
    playground.open(SPEC)
    lines = playground.page.evaluate(
        "document.querySelector('#landscape .js-plotly-plot').data.filter((t) => t.type === 'scatter')"
        ".map((t) => t.x.filter((x) => x !== null).length)"
    )
    assert len(lines) == 4, "thin runs and the shown run, for two optimizers"
    assert lines[1] == 121


def test_clicking_the_picture_sets_the_start(playground: Playground):
    playground.open(SPEC)
    box = playground.page.locator("#landscape .nsewdrag").bounding_box()
    playground.next_picture(
        lambda: playground.page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.3 * box["height"])
    )
    x0 = [float(v) for v in playground.query.split("x0=")[1].split("&")[0].split(",")]
    low, high = playground.page.evaluate("document.querySelector('#landscape .js-plotly-plot')._fullLayout.xaxis.range")
    assert abs(x0[0] - (low + 0.25 * (high - low))) < 0.02 * (high - low)
    assert playground.row("run.x0").locator("input").input_value().replace(" ", "") == ",".join(f"{v:g}" for v in x0)


def test_dragging_the_ring_moves_the_start(playground: Playground):
    playground.open(SPEC)
    before = playground.query
    box = playground.page.locator(".start-handle").bounding_box()
    mouse = playground.page.mouse
    mouse.move(box["x"] + 9, box["y"] + 9)
    mouse.down()
    mouse.move(box["x"] - 31, box["y"] + 49, steps=5)
    mouse.up()
    playground.wait_for("window.drawn.length > 2")
    assert playground.query.split("x0=")[1].split("&")[0] != before.split("x0=")[1].split("&")[0]


def test_a_value_out_of_range_is_explained_beside_its_control(playground: Playground):
    playground.open(SPEC)
    good = playground.readings()
    playground.type_into("hizoo.alpha", "7")
    error = playground.row("hizoo.alpha").locator(".error-text")
    error.wait_for()
    assert "7" in error.inner_text()
    assert "1" in error.inner_text()
    assert playground.readings() == good, "the last good picture stays"
    page = playground.page
    with page.expect_response("**/api/trace?*"):
        page.locator('[data-slot="mezo"] .mantine-Switch-track').first.click()
    page.get_by_role("button", name="To the start").click()
    assert "step 0 of 120" in page.locator("#player output").inner_text(), "and plays, whatever the controls say"
    page.locator("#theme").get_by_text("Dark").click()
    playground.settle()
    page.get_by_role("button", name="To the end").click()
    assert playground.readings() == good
    playground.next_picture(lambda: playground.type_into("hizoo.alpha", "0.2"))
    assert playground.page.locator(".error-text").count() == 0
    assert set(playground.readings()) == {"hizoo"}


def test_an_expression_of_ones_own_and_a_bad_one(playground: Playground):
    playground.open("f=expr:x^2%2B3*y^2&steps=60&runs=2&opt=hizoo&opt=adam")
    good = playground.readings()
    playground.type_into("function.expr", "x^2 + __import__('os')")
    error = playground.row("function.expr").locator(".error-text")
    error.wait_for()
    assert "^" in error.locator("pre").inner_text()
    assert playground.readings() == good
    playground.next_picture(lambda: playground.type_into("function.expr", "(1-x)^2 + 20*(y-x^2)^2"))
    assert playground.page.locator(".error-text").count() == 0


def test_a_diverging_run_says_when_and_why(playground: Playground):
    playground.open("f=stiff_quadratic&x0=1,1&steps=200&runs=3&opt=mezo:lr=0.1,n=1&opt=adam:lr=0.05")
    table = playground.readings()
    assert "diverged at step" in table["mezo"][5]
    assert "diverged" not in table["adam"][5]
    scale = playground.page.evaluate("document.querySelector('#loss-chart .js-plotly-plot')._fullLayout.yaxis.range")
    assert scale[1] < 12, "the diverged run does not squash the others"


def test_a_link_opens_the_same_picture(playground: Playground, page):
    playground.open(SPEC)
    playground.next_picture(lambda: playground.type_into("hizoo.n", "8"))
    playground.settle()
    page.wait_for_timeout(400)
    page.get_by_label("Time", exact=True).fill("400")
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_timeout(600)
    link, table, picture = page.url, playground.readings(), overlay(playground)
    page.goto("about:blank")
    query, fragment = link.split("?")[1].split("#")
    playground.open(query, fragment)
    page.wait_for_timeout(400)
    assert playground.readings() == table
    assert overlay(playground) == picture


def overlay(playground: Playground) -> str:
    """The moving layer over the landscape, pixel by pixel."""
    return playground.page.evaluate("document.querySelector('.picture canvas.overlay').toDataURL()")


def test_by_forward_passes_the_race_ends_for_all_at_once(playground: Playground):
    playground.open(SPEC, fragment="t=1")
    spent = {label: int(row[2].replace(",", "")) for label, row in playground.readings().items()}
    assert spent == {"hizoo": 234, "mezo": 240}, "MeZO's 120 steps of 2 passes; 26 of HiZOO's of 9"


def test_first_reached_is_neither_beyond_the_race_nor_the_end(playground: Playground):
    # HiZOO's 40 steps of 5 passes end the race at 200; MeZO gets to the target later.
    spec = "f=isotropic_bowl&x0=1,1&steps=40&runs=1&seed=3&opt=hizoo:lr=0,n=2&opt=mezo:lr=0.005,n=4"
    playground.open(spec, "t=1&target=1")
    result = run(spec)
    mezo = result.traces[1]
    passes = int(mezo.forwards[(mezo.loss[:, 0] <= 1).argmax()])
    assert 200 < passes < 320
    cell = playground.page.locator('#readings tr[data-label="mezo"] td').nth(2)
    assert cell.inner_text() == "not within 200"
    assert f"{passes:,}" in cell.get_attribute("title")
    playground.page.locator("#clock").get_by_text("steps", exact=True).click()
    playground.wait_for("!document.querySelector('#readings tr[data-label=mezo]').textContent.includes('not within')")
    assert cell.inner_text() == f"{passes:,}"


def test_who_reached_the_target_and_left_it_says_so(playground: Playground):
    spec = "f=isotropic_bowl&x0=1,1&steps=40&runs=1&opt=adam:lr=0.3"
    trace = run(spec).traces[0]
    step = int(trace.loss[:20, 0].argmin())
    target = 1.01 * trace.loss[step, 0]
    assert trace.loss[-1, 0] > target
    playground.open(spec, f"t=1&target={target}")
    assert "reached the target, but ended above it" in playground.readings()["adam"][5]


@pytest.mark.parametrize(
    ("query", "words"), [("f=expr:foo(x)", "'foo' is unknown"), ("f=booth&opt=hizzo", "did you mean hizoo")]
)
def test_an_address_with_an_error_stays_until_something_changes(playground: Playground, query: str, words: str):
    playground.open(query)
    page = playground.page
    box = page.locator("#message")
    page.wait_for_timeout(700)
    assert words in box.inner_text()
    assert page.url.endswith(f"/?{query}#t=1&clock=steps")
    playground.next_picture(lambda: playground.type_into("run.seed", "7"))
    playground.wait_for("location.search.includes('seed=7')")
    assert not box.is_visible()


def test_a_target_in_the_address_is_kept_and_a_bad_one_explained(playground: Playground):
    playground.open(SPEC, "t=1&clock=steps&target=0.01")
    field = playground.page.get_by_label("Target loss")
    assert field.input_value() == "0.01"
    field.fill("0.5")
    playground.next_picture(lambda: field.press("Enter"))
    playground.wait_for("location.hash.includes('target=0.5')")
    playground.page.goto("about:blank")
    playground.open(SPEC, "t=1&clock=steps&target=abc")
    assert "must be a number above 0" in playground.page.inner_text("#message")
    playground.page.get_by_label("Close this message").click()
    assert not playground.page.locator("#message").is_visible()


def test_a_theme_in_a_link_is_for_one_visit(playground: Playground):
    theme, page = "document.documentElement.dataset.theme", playground.page
    playground.open(SPEC)
    page.locator("#theme").get_by_text("Projector").click()
    page.goto("about:blank")
    playground.open(SPEC, "t=1&theme=dark")
    assert page.evaluate(theme) == "dark"
    page.goto("about:blank")
    playground.open(SPEC)
    assert page.evaluate(theme) == "projector"


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900)])
def test_the_player_fits_on_a_projector(playground: Playground, width: int, height: int):
    page = playground.page
    page.set_viewport_size({"width": width, "height": height})
    playground.open(SPEC, "t=1&theme=projector")
    page.keyboard.press("m")
    player = page.locator("#player").bounding_box()
    for part in page.locator("#player > *").all():
        box = part.bounding_box()
        assert player["x"] < box["x"]
        assert box["x"] + box["width"] < player["x"] + player["width"]
        assert box["y"] + box["height"] < player["y"] + player["height"]
    assert page.get_by_label("Time", exact=True).bounding_box()["width"] > 150
    rows = {round(part.bounding_box()["y"] / 20) for part in page.locator("#player button").all()}
    assert len(rows) == 1


def test_choosing_a_function_opens_its_preset(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    page.get_by_role("combobox", name="Function to minimise").or_(page.locator("#function")).first.click()
    playground.next_picture(lambda: page.get_by_role("option", name="Rosenbrock", exact=True).click())
    assert playground.query.startswith("f=rosenbrock")
    page.go_back()
    playground.wait_for("window.drawn.at(-1).query.startsWith('f=stiff_quadratic')")


def choose_function(playground: Playground, name: str) -> None:
    playground.page.locator("#function").click()
    playground.page.get_by_role("option", name=name, exact=True).click()


def test_back_and_pasted_links_open_what_they_name(playground: Playground):
    playground.open(SPEC)
    page, output = playground.page, playground.page.locator("#player output")
    playground.wait_for("location.search.includes('warmup=')")
    page.reload()  # the address is now as the page itself writes it
    playground.wait_for("window.drawn.length > 0")
    playground.next_picture(lambda: choose_function(playground, "Rosenbrock"))
    playground.wait_for("location.search.startsWith('?f=rosenbrock')")
    playground.next_picture(page.go_back)
    assert playground.query.startswith("f=stiff_quadratic")
    assert page.locator("#function").input_value() == "Stiff quadratic"
    playground.next_picture(lambda: page.evaluate("location.hash = 't=0.25&clock=steps'"))
    assert "step 30 of 120" in output.inner_text()
    assert "t=0.25" in page.url
    page.get_by_role("button", name="To the end").click()
    assert page.url.endswith("#clock=steps"), "the link's moment is no longer the page's"
    page.route("**/api/list?*", lambda route: route.abort())
    choose_function(playground, "Booth")
    page.get_by_text("The server does not answer").wait_for()
    assert "f=stiff_quadratic" in page.url
    page.unroute("**/api/list?*")
    playground.wait_for("window.drawn.at(-1).query.startsWith('f=booth')")
    playground.wait_for("location.search.startsWith('?f=booth')")
    assert not page.locator("#message").is_visible()
    held = []
    page.route("**/api/list?*", lambda route: held.append(route))
    choose_function(playground, "Rosenbrock")
    page.get_by_text("Opening …").wait_for()
    choose_function(playground, "Booth")
    page.get_by_text("Opening …").wait_for(state="hidden")
    assert len(held) == 1
    page.unroute("**/api/list?*")
    dash = []
    page.route(
        "**/_dash-update-component*",
        lambda route: dash.append(route) if '"go.data"' in (route.request.post_data or "") else route.continue_(),
    )
    with page.expect_request(lambda request: '"go.data"' in (request.post_data or "")):
        choose_function(playground, "Rosenbrock")
    page.route("**/api/list?*", lambda route: held.append(route))
    with page.expect_request("**/api/list?*"):
        choose_function(playground, "Beale")
    playground.next_picture(dash[0].continue_)
    page.unroute("**/_dash-update-component*")
    assert playground.query.startswith("f=rosenbrock")
    assert "f=rosenbrock" in page.url, "what is on the page, though another is asked for by now"
    playground.next_picture(held[-1].continue_)
    page.unroute("**/api/list?*")
    playground.wait_for("location.search.startsWith('?f=beale')")
    playground.next_picture(page.go_back)
    assert playground.query.startswith("f=rosenbrock")
    page.evaluate("((set) => { window.setTimeout = (f, ms) => set(f, ms === 10000 ? 1000 : ms); })(setTimeout)")
    page.route("**/_dash-update-component*", lambda route: None)
    choose_function(playground, "Booth")
    page.get_by_text("The server does not answer").wait_for()
    assert page.locator("#function").input_value() == "Rosenbrock"
    page.unroute("**/_dash-update-component*")
    playground.next_picture(lambda: choose_function(playground, "Booth"))
    assert not page.locator("#message").is_visible()


def test_a_failed_landscape_is_asked_for_again(playground: Playground):
    playground.open("f=quadratic:d=10&x0=1,1,1,1,1,2,2,2,2,2&steps=40&runs=1&opt=adam")
    page = playground.page
    page.route("**/api/landscape?*", lambda route: route.fulfill(status=500), times=1)
    with page.expect_response(lambda response: "/api/landscape" in response.url and response.ok) as asked:
        playground.type_into("function.condition", "5")
        page.get_by_text("The server answered 500").wait_for()
    assert "condition=5" in unquote(asked.value.url)
    page.get_by_text("The server answered 500").wait_for(state="hidden")
    page.route("**/api/landscape?*", lambda route: route.fulfill(status=500))
    playground.type_into("function.condition", "6")
    page.get_by_text("The server answered 500").wait_for()
    playground.next_picture(lambda: playground.type_into("adam.lr", "0.02"))
    assert page.get_by_text("The server answered 500").is_visible(), "a trace's answer does not unsay it"
    page.unroute("**/api/landscape?*")
    page.get_by_text("The server answered 500").wait_for(state="hidden")
    playground.next_picture(lambda: playground.type_into("function.d", "12"))
    assert playground.row("run.x0").locator("input").input_value() == "1"
    playground.settle()
    box = page.locator("#landscape .nsewdrag").bounding_box()
    playground.next_picture(lambda: page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"]))
    assert len(parse(playground.query.split("&coords=")[0]).x0) == 12
    assert page.locator(".error-text").count() == 0
    waiting = page.evaluate(
        """async () => {
          const { Latest } = await import('/assets/lab/web/latest.mjs');
          const [set, clear, live] = [setTimeout, clearTimeout, new Set()];
          window.setTimeout = (f, ms) => { const id = set(f, ms); if (ms === 2000) live.add(id); return id; };
          window.clearTimeout = (id) => { live.delete(id); clear(id); };
          const latest = new Latest(() => Promise.reject(Error()), () => {}, (_, key) => latest.again(key));
          for (let i = 0; i < 5; i++) { latest.request(i); await new Promise((done) => set(done, 0)); }
          const count = live.size;
          latest.cancel();
          Object.assign(window, { setTimeout: set, clearTimeout: clear });
          return [count, live.size];
        }"""
    )
    assert waiting == [1, 0], "however often it has failed, it is repeated once"
    refused = page.evaluate(
        """async () => {
          const [{ Landscapes }, ask, said] = [await import('/assets/lab/web/landscapes.mjs'), window.fetch, []];
          let place = 'f=a:d=12';
          window.fetch = async () => new Response('{"errors": []}', { status: 422 });
          const landscapes = new Landscapes({ place: () => place, take() {}, refused: () => said.push(place) });
          for (const next of [place, 'f=a:d=1']) {
            landscapes.request();
            place = next;
            while (landscapes.latest.controller) await new Promise((done) => setTimeout(done, 0));
          }
          window.fetch = ask;
          return said;
        }"""
    )
    assert refused == ["f=a:d=12"], "what is refused of a place that is another by now is not said"


def test_many_dimensions_show_a_projection_and_the_sorted_diagonal(playground: Playground):
    playground.open("f=quadratic:d=20&steps=60&runs=4&opt=hizoo:n=8&opt=adam")
    page = playground.page
    page.locator("#hessian-view").get_by_text("sorted").click()
    page.wait_for_timeout(700)
    points = page.evaluate("document.querySelector('#hessian-chart .js-plotly-plot').data.map((t) => t.x.length)")
    assert 20 in points
    playground.next_picture(lambda: playground.type_into("view.coords", "3, 7"))
    assert "coords=3,7" in playground.query


def test_a_ninth_optimizer_is_refused_and_nothing_is_lost(playground: Playground):
    playground.open("f=booth&x0=2,2&steps=20&runs=1" + "&opt=hizoo" * 8)
    playground.page.locator('[data-slot="hizoo"] button[aria-label^="Duplicate"]').first.click()
    playground.page.get_by_text("at most 8 optimizers").wait_for()
    assert len(playground.readings()) == 8
    assert playground.row("run.x0").locator("input").input_value() == "2, 2"


def test_after_clicking_a_switch_the_arrow_keys_are_still_the_players(playground: Playground):
    playground.open(SPEC, fragment="t=0&clock=steps")
    page = playground.page
    page.locator("#theme").get_by_text("Dark").click()
    page.keyboard.press("ArrowRight")
    assert "step 1 of 120" in page.locator("#player output").inner_text()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_double_click_resets_the_view_and_leaves_the_start(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    box = page.locator("#landscape .nsewdrag").bounding_box()
    middle = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.4
    axis = "document.querySelector('#landscape .js-plotly-plot')._fullLayout.xaxis.range"
    span = f"({axis}[1] - {axis}[0])"
    whole = page.evaluate(span)
    page.mouse.move(*middle)
    for _ in range(4):
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(60)
    playground.wait_for(f"{span} < {0.9 * whole}")
    page.wait_for_timeout(600)
    page.mouse.dblclick(*middle)
    playground.wait_for(f"Math.abs({span} - {whole}) < 1e-6")
    page.wait_for_timeout(400)
    assert "x0=1,1&" in playground.query


def test_a_comma_in_a_number_is_explained_beside_its_field(playground: Playground):
    playground.open(SPEC, "t=0.5&clock=steps")
    playground.type_into("hizoo.alpha", "0,5")
    error = playground.row("hizoo.alpha").get_by_text("not a number")
    error.wait_for()
    assert "alpha=0.1" in playground.query
    page, held = playground.page, []
    playground.type_into("hizoo.alpha", "0.1")
    error.wait_for(state="detached")
    page.route("**/api/trace?*", lambda route: held.append(route))
    with page.expect_request("**/api/trace?*seed=4&*"):
        playground.type_into("run.seed", "4")
    with page.expect_event("requestfailed", lambda request: "seed=4" in request.url):
        playground.type_into("hizoo.alpha", "0,5")  # that answer would take this one's error away
    error.wait_for()
    page.get_by_role("button", name="Fork", exact=True).click()
    held.clear()
    with page.expect_request("**/api/trace?*seed=4&*"):
        playground.type_into("hizoo.alpha", "0.3")
    name = page.locator(".card.fork input")
    name.fill("fast")
    name.press("Enter")
    playground.next_picture(held[-1].continue_)
    page.unroute("**/api/trace?*")
    assert error.count() == 0
    assert "fast" in playground.readings()["hizoo#2"][0], "a name given while its runs were on their way"


def test_switching_an_optimizer_off_and_copying_one(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    playground.next_picture(lambda: page.locator('[data-slot="mezo"] .mantine-Switch-track').first.click())
    assert set(playground.readings()) == {"hizoo"}
    playground.next_picture(lambda: page.locator('[data-slot="hizoo"] button[aria-label^="Duplicate"]').click())
    playground.wait_for("document.querySelectorAll('#readings tbody tr').length === 2")
    assert set(playground.readings()) == {"hizoo", "hizoo#2"}


def test_the_downloaded_table_is_the_shells(playground: Playground, server: Server):
    playground.open(SPEC)
    page = playground.page
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="Table, CSV").click()
    table = list(csv.DictReader(io.StringIO(started.value.path().read_text())))
    assert table[0]["optimizer"] == "hizoo"
    assert len(table) == 2 * 4 * 121
    with urllib.request.urlopen(f"{server.url}/api/run.csv?{playground.query}") as answer:
        assert answer.read() == started.value.path().read_bytes()


def test_the_picture_is_saved_as_png(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="Picture, PNG").click()
    data = started.value.path().read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") > 1500, "twice the screen's resolution"


def test_the_surface_opens_and_closes(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    page.get_by_role("button", name="3-D").click()
    playground.wait_for("document.querySelector('#surface').data?.length === 3")
    page.get_by_role("button", name="Close").click()
    playground.wait_for("!document.querySelector('#surface').data")


def test_zoom_keeps_the_overlay_true(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    box = page.locator("#landscape .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.4)
    for _ in range(4):
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(60)
    page.wait_for_timeout(500)
    place = page.evaluate(
        """() => {
          const axes = document.querySelector('#landscape .js-plotly-plot')._fullLayout;
          const handle = document.querySelector('.start-handle');
          const [, x, y] = handle.style.transform.match(/translate\\(([-.\\d]+)px, ([-.\\d]+)px\\)/).map(Number);
          const at = (axis) => axis._offset + axis.l2p(1);
          return [x, y, at(axes.xaxis), at(axes.yaxis), axes.xaxis.range];
        }"""
    )
    assert abs(place[0] - place[2]) < 1
    assert abs(place[1] - place[3]) < 1
    assert place[4][1] - place[4][0] < 3, "it did zoom"


def test_themes_are_kept(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    page.locator("#theme").get_by_text("Projector").click()
    playground.wait_for("document.documentElement.dataset.theme === 'projector'")
    playground.open(SPEC)
    assert page.evaluate("document.documentElement.dataset.theme") == "projector"


def test_a_killed_server_is_named_and_its_return_noticed(page):
    running = Server(free_port())
    playground = Playground(page, running.url)
    try:
        playground.open(SPEC)
        table = playground.readings()
        running.stop()
        playground.type_into("hizoo.alpha", "0.2")
        page.get_by_text("The server does not answer").wait_for()
        assert playground.readings() == table
        running = Server(running.port)
        playground.wait_for("window.drawn.at(-1).query.includes('alpha=0.2')")
        playground.wait_for("!document.querySelector('#message').classList.contains('shown')")
    finally:
        running.stop()
