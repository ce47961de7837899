"""The Playground as a person uses it, in a real browser."""

import csv
import io
import urllib.request

import pytest
from conftest import Playground

from benchmarks.served import Server
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
