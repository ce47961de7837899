"""What opens the Playground's pictures: links, the list of functions, Back; and a server that fails on the way."""

from urllib.parse import unquote

import pytest
from conftest import Playground

from benchmarks.served import Server, free_port
from viz_app import parse

SPEC = "f=stiff_quadratic&x0=1,1&steps=120&runs=4&seed=3&opt=hizoo:alpha=0.1,n=4,lr=0.1,warmup=10&opt=mezo:lr=2e-5,n=1"


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


@pytest.mark.parametrize(
    ("query", "words"), [("f=expr:foo(x)", "“foo” is not known"), ("f=booth&opt=hizzo", "Did you mean hizoo?")]
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
    assert "Target must be a number above 0, not “abc”" in playground.page.inner_text("#message")
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
            while (landscapes.latest.busy) await new Promise((done) => setTimeout(done, 0));
          }
          window.fetch = ask;
          return said;
        }"""
    )
    assert refused == ["f=a:d=12"], "what is refused of a place that is another by now is not said"


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


FORMULA = "x^2+5*y^2"


def test_a_formula_that_is_typed_before_the_page_is_open_is_taken(playground: Playground):
    modules = "**/playground/build.mjs"
    held = []
    playground.page.route(modules, lambda route: held.append(route))
    with playground.page.expect_request(modules):
        playground.page.goto(f"{playground.url}/?f=expr:x%5E2%2By%5E2#t=1")
    box = playground.row("function.expr").locator("input")
    box.fill(FORMULA)
    box.press("Enter")
    playground.page.wait_for_timeout(100)
    held[0].continue_()
    playground.wait_for("window.drawn.length > 0 && window.drawn.at(-1).query.includes('f=expr:x%5E2%2B5*y%5E2&')")
    assert box.input_value() == FORMULA


def test_enter_takes_a_formula_again_that_was_refused_before(playground: Playground):
    playground.open("f=expr:x%5E2%2By%5E2")
    refuse = {"errors": [{"field": "f", "message": "Formula: refused"}]}
    playground.page.route("**/api/trace?*", lambda route: route.fulfill(status=422, json=refuse))
    playground.type_into("function.expr", FORMULA)
    error = playground.row("function.expr").locator(".error-text")
    error.wait_for()
    playground.page.unroute("**/api/trace?*")
    playground.next_picture(lambda: playground.type_into("function.expr", FORMULA))
    assert error.count() == 0
