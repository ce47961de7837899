"""The microscope as a person uses it: its numbers hang together, and it moves with the player."""

import re
from urllib.parse import quote

import pytest
from conftest import Playground
from playwright.sync_api import Locator, Page

from viz_app import run

SPEC = (
    "f=double_well&x0=0.4,-0.2&steps=60&runs=3&seed=3"
    "&opt=hizoo:lr=0.1,mu=1e-3,alpha=0.1,n=4,estimator=paper,warmup=10"
    "&opt=mezo:lr=2e-4,mu=1e-3,n=2&opt=adam:lr=0.05&opt=newton_diag:lr=0.5"
)


class Microscope:
    """The open panel."""

    def __init__(self, page: Page):
        self.page = page
        self.panel = page.locator("#microscope")

    @property
    def lines(self) -> Locator:
        return self.panel.locator(".lines li")

    def stepper(self, name: str) -> str:
        return self.panel.locator(f'[data-stepper="{name}"] output').inner_text()

    def next(self, name: str) -> None:
        self.panel.get_by_label(f"Next {name}").click()

    def choose(self, label: str) -> None:
        self.panel.get_by_label("Optimizer", exact=True).select_option(label)

    def wait(self, line: str, step: int) -> None:
        """Until a line of this key stands there, for this step."""
        self.panel.locator(f'[data-key="{line}"]').wait_for()
        self.page.wait_for_function(
            "([step]) => document.querySelector('#microscope [data-stepper=step] output').textContent === String(step)",
            arg=[step],
        )

    def value(self, name: str) -> float:
        return number(self.panel.locator(f'[data-value="{name}"]').inner_text())

    def ink(self, selector: str) -> str:
        return self.page.evaluate(f"document.querySelector('{selector}').toDataURL()")


def number(text: str) -> float:
    """−1.2041·10−3 as shown (its exponent is raised)."""
    lead, _, power = text.replace("−", "-").partition("·10")
    if not power and (only := re.fullmatch(r"10(-?\d+)", lead)) and only[1].startswith("-"):
        return 10.0 ** int(only[1])
    return float(lead) * 10.0 ** int(power or 0)


@pytest.fixture
def microscope(playground: Playground) -> Microscope:
    playground.open(SPEC, fragment=f"t={20 / 60}&clock=steps")
    playground.page.get_by_role("button", name="Microscope", exact=True).click()
    opened = Microscope(playground.page)
    opened.wait("curvature", 20)
    return opened


def test_the_shown_numbers_are_the_formulas_and_the_runs(microscope: Microscope):
    trace = run(SPEC).traces[0]
    c, w0, w1 = ([microscope.value(f"{name}{i}{j}") for i in range(4)] for name, j in (("c", ""), ("w", 0), ("w", 1)))
    for j, weights in ((0, w0), (1, w1)):
        estimate = abs(sum(ci * wi for ci, wi in zip(c, weights, strict=True)) / 8) * trace.h[20, 0, j]
        smoothed = 0.9 * trace.h[20, 0, j] + 0.1 * estimate
        assert smoothed == pytest.approx(trace.h[21, 0, j], rel=1e-2), "S from the listed directions, P from S"
    for direction in range(4):
        assert microscope.stepper("direction") == str(direction + 1)
        plus, minus, centre = (microscope.value(name) for name in ("plus", "minus", "centre"))
        assert microscope.value("g") == pytest.approx((plus - minus) / 2e-3, rel=1e-3)
        assert microscope.value("c") == pytest.approx((plus + minus - 2 * centre) / 1e-6, rel=0.1)
        assert centre == pytest.approx(trace.loss[20, 0], rel=1e-4)
        microscope.next("direction")
    assert microscope.stepper("direction") == "1"
    for j in (0, 1):
        assert microscope.value(f"P{j}") == pytest.approx(trace.h[21, 0, j], rel=1e-3)
        assert microscope.value(f"move{j}") == pytest.approx(trace.theta[21, 0, j] - trace.theta[20, 0, j], rel=1e-3)
    first = microscope.panel.locator('[data-value="centre"]').inner_text()
    microscope.next("run")
    microscope.page.wait_for_function(
        "(first) => document.querySelector('#microscope [data-value=centre]').textContent !== first", arg=first
    )
    assert microscope.stepper("run") == "2"
    assert microscope.value("centre") == pytest.approx(trace.loss[20, 1], rel=1e-4)


def test_it_moves_the_player_and_the_player_moves_it(microscope: Microscope):
    output = microscope.page.locator("#player output")
    microscope.next("step")
    microscope.wait("curvature", 21)
    assert "step 21 of 60" in output.inner_text()
    microscope.page.keyboard.press("ArrowLeft")
    microscope.page.keyboard.press("ArrowLeft")
    microscope.wait("curvature", 19)
    assert "step 19 of 60" in output.inner_text()
    microscope.page.keyboard.press("End")
    microscope.wait("curvature", 59)
    assert "last step" in microscope.panel.inner_text()
    microscope.page.keyboard.press("Home")
    microscope.wait("curvature", 0)
    assert "θ stays" in microscope.panel.locator('[data-key="step"]').inner_text(), "warm-up"


def test_by_forward_passes_its_steps_are_those_of_its_own_optimizer(playground: Playground):
    playground.open(SPEC, fragment="t=0&clock=forward passes")
    playground.page.keyboard.press("m")
    microscope = Microscope(playground.page)
    microscope.wait("curvature", 0)
    microscope.choose("mezo")
    microscope.page.keyboard.press("ArrowRight")
    microscope.page.keyboard.press("ArrowRight")
    microscope.wait("slope", 2)
    assert "pass 8 of" in microscope.page.locator("#player output").inner_text()
    assert microscope.panel.locator('[data-key="curvature"]').count() == 0


def test_mezo_measures_two_losses_and_no_curvature(microscope: Microscope):
    microscope.choose("mezo")
    microscope.page.wait_for_function("document.querySelectorAll('#microscope .lines li').length === 4")
    assert microscope.value("g") == pytest.approx(
        (microscope.value("plus") - microscope.value("minus")) / 2e-3, rel=1e-3
    )
    assert microscope.panel.locator('[data-key="curvature"], [data-key="hessian"]').count() == 0
    trace = run(SPEC).traces[1]
    assert microscope.value("move0") == pytest.approx(trace.theta[21, 0, 0] - trace.theta[20, 0, 0], rel=1e-3)


@pytest.mark.parametrize(("label", "which", "keys"), [
    ("adam", 2, ["gradient", "first", "second", "step"]),
    ("newton_diag", 3, ["gradient", "hessian", "step"]),
])  # fmt: skip
def test_methods_with_a_gradient_show_it(microscope: Microscope, label: str, which: int, keys: list[str]):
    microscope.choose(label)
    microscope.page.wait_for_function(f"document.querySelectorAll('#microscope .lines li').length === {len(keys)}")
    assert [line.get_attribute("data-key") for line in microscope.lines.all()] == keys
    assert not microscope.panel.locator('[data-stepper="direction"]').is_visible()
    trace = run(SPEC).traces[which]
    assert microscope.value("move1") == pytest.approx(trace.theta[21, 0, 1] - trace.theta[20, 0, 1], rel=1e-3)
    if label == "adam":
        m, v = microscope.value("m_hat0"), microscope.value("v_hat0")
        assert microscope.value("move0") == pytest.approx(-0.05 * m / v**0.5, rel=5e-3)


def test_lines_and_pictures_light_up_together(microscope: Microscope):
    canvas, layer = "#microscope canvas", "canvas.microscope-layer"
    pictures = {(microscope.ink(canvas), microscope.ink(layer))}
    for k in range(7):
        microscope.page.keyboard.press("ArrowDown")
        lit = microscope.panel.locator("li.lit")
        assert lit.count() == 1
        assert lit.get_attribute("data-key") == microscope.lines.nth(k).get_attribute("data-key")
        assert microscope.panel.locator("li.later").count() == 6 - k
        pictures.add((microscope.ink(canvas), microscope.ink(layer)))
    assert len(pictures) == 8
    microscope.panel.get_by_role("button", name="all").click()
    assert microscope.panel.locator("li.lit, li.later").count() == 0
    microscope.lines.nth(4).hover()
    assert microscope.lines.nth(4).get_attribute("class") == "lit"
    microscope.panel.get_by_role("button", name="all").click()
    near = microscope.ink(canvas)
    microscope.panel.get_by_role("button", name="wide").click()
    assert microscope.ink(canvas) != near


def test_slow_motion_goes_through_the_lines_by_itself(microscope: Microscope):
    microscope.panel.get_by_role("button", name="Slow motion").click()
    microscope.page.wait_for_function("document.querySelector('#microscope li.lit')?.dataset.key === 'centre'")
    microscope.page.wait_for_function("document.querySelector('#microscope li.lit')?.dataset.key === 'minus'")
    microscope.panel.get_by_role("button", name="Slow motion").click()


def test_a_moved_slider_changes_its_numbers(microscope: Microscope, playground: Playground):
    before = microscope.value("P0")
    playground.next_picture(lambda: playground.type_into("hizoo.alpha", "0.3"))
    microscope.page.wait_for_function(
        "(before) => document.querySelector('#microscope [data-value=P0]').textContent !== before", arg=str(before)
    )
    microscope.page.wait_for_function(
        "document.querySelector('#microscope [data-key=hessian]').textContent.includes('0.3')"
    )
    trace = run(playground.query).traces[0]
    assert microscope.value("P0") == pytest.approx(trace.h[21, 0, 0], rel=1e-3)


def test_it_closes_three_ways_and_leaves_nothing_on_the_landscape(microscope: Microscope):
    blank = "(() => { const c = document.querySelector('canvas.microscope-layer');"
    blank += " return !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x); })()"
    ways = (
        lambda: microscope.page.keyboard.press("Escape"),
        lambda: microscope.page.keyboard.press("m"),
        lambda: microscope.panel.get_by_label("Close the microscope").click(),
    )
    for close in ways:
        assert microscope.panel.is_visible()
        assert not microscope.page.evaluate(blank)
        close()
        assert not microscope.panel.is_visible()
        assert microscope.page.evaluate(blank)
        microscope.page.keyboard.press("m")
        microscope.page.wait_for_function(f"!{blank}")


def test_it_stays_open_over_themes_functions_and_fewer_optimizers(microscope: Microscope, playground: Playground):
    page = microscope.page
    light = microscope.ink("#microscope canvas")
    page.locator("#theme").get_by_text("Dark").click()
    page.wait_for_function("(light) => document.querySelector('#microscope canvas').toDataURL() !== light", arg=light)
    microscope.choose("mezo")
    page.wait_for_function("document.querySelectorAll('#microscope .lines li').length === 4")
    playground.next_picture(lambda: page.locator('.card[data-slot="mezo"] .mantine-Switch-track').click())
    page.wait_for_function("document.querySelectorAll('#microscope .lines li').length === 7")
    page.locator("#function").click()
    playground.next_picture(lambda: page.get_by_role("option", name="Rosenbrock", exact=True).click())
    page.wait_for_function("document.querySelectorAll('#microscope .lines li').length > 0")
    microscope.panel.get_by_label("Next step").wait_for()
    trace = run(playground.query).traces[0]
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('#microscope [data-stepper=step] output').textContent === '0'")
    assert microscope.value("centre") == pytest.approx(trace.loss[0, 0], rel=1e-4)
    page.get_by_label("Speed", exact=True).select_option("0.25")
    page.get_by_label("Play", exact=True).click()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/api/step?" in request.url else None)
    page.locator("#function").click()
    playground.next_picture(lambda: page.get_by_role("option", name="Booth", exact=True).click())
    microscope.panel.get_by_text("Shown when the player stops").wait_for()
    assert microscope.lines.count() == 0, "no numbers of the other function"
    assert not microscope.panel.locator('[data-stepper="step"]').is_visible()
    assert not asked
    page.get_by_label("Pause", exact=True).click()
    microscope.panel.locator('[data-value="centre"]').wait_for()
    step = int(microscope.stepper("step").replace(",", ""))
    assert microscope.value("centre") == pytest.approx(run(playground.query).traces[0].loss[step, 0], rel=1e-4)


def test_a_loss_too_small_beside_its_probes_is_not_written_as_zero(playground: Playground):
    playground.open("f=isotropic_bowl&x0=1e-15,0&steps=5&runs=1&seed=1&opt=hizoo:lr=0,mu=1e-3,n=1", "t=0&clock=steps")
    playground.page.keyboard.press("m")
    microscope = Microscope(playground.page)
    microscope.wait("centre", 0)
    centre, plus = microscope.value("centre"), microscope.value("plus")
    assert 0 < centre < 1e-29 < 1e-9 < plus


def test_what_was_not_answered_is_asked_again(microscope: Microscope):
    page = microscope.page
    page.route("**/api/step?*", lambda route: route.fulfill(status=500))
    page.keyboard.press("ArrowRight")
    microscope.panel.get_by_text("The server answered 500").wait_for()
    assert microscope.lines.count() == 0, "no numbers of another step"
    assert microscope.stepper("step") == "21"
    motion = microscope.panel.get_by_role("button", name="Slow motion")
    motion.click()
    assert "slow motion" in motion.inner_text(), "nothing to play"
    page.unroute("**/api/step?*")
    page.keyboard.press("ArrowRight")
    microscope.wait("curvature", 22)
    page.keyboard.press("ArrowLeft")
    microscope.wait("curvature", 21)
    held = []
    page.route("**/api/step?*", lambda route: held.append(route))
    with page.expect_request("**/api/step?*step=20&*"):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    with page.expect_response("**/api/step?*step=20&*"):
        held[0].continue_()
    page.unroute("**/api/step?*")
    page.keyboard.press("m")
    microscope.wait("curvature", 20)


def test_keys_belong_to_what_has_the_focus(microscope: Microscope):
    page = microscope.page
    microscope.lines.nth(3).focus()
    page.keyboard.press("ArrowRight")
    microscope.wait("curvature", 21)
    assert page.evaluate("document.activeElement.dataset.key") == "slope"
    folded = page.locator("#controls details summary").first
    unfolded = folded.evaluate("(summary) => summary.parentElement.open")
    folded.focus()
    page.keyboard.press(" ")
    assert folded.evaluate("(summary) => summary.parentElement.open") != unfolded
    assert page.locator("#player").get_by_label("Play", exact=True).is_visible()
    folded.blur()
    # A frame that comes a minute late, as after another tab: it plays on from where it was.
    page.evaluate(
        "() => { const frame = requestAnimationFrame;"
        " window.requestAnimationFrame = (f) => frame((t) => f(t + 60_000)); }"
    )
    page.keyboard.press(" ")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.locator("#player").get_by_label("Pause").is_visible()


def test_names_are_no_markup_and_a_loss_that_leaves_every_scale_does_not_fall(playground: Playground):
    names = {"adam": "<img src=x onerror=hit=1>", "hizoo": "<b>%{x}</b>"}
    given = quote(",".join(f"{label}:{quote(name)}" for label, name in names.items()))
    spec = "f=expr:exp(x^2%2By^2)&x0=2,1&steps=60&runs=1&seed=3&opt=hizoo:lr=0.01&opt=adam:lr=100"
    playground.open(spec, f"t=1&clock=steps&names={given}")
    page = playground.page
    page.keyboard.press("m")
    microscope = Microscope(page)
    microscope.choose("adam")
    microscope.panel.get_by_text("this is its last step").wait_for()
    assert "loss diverges: 148.413 → not finite" in microscope.panel.locator('[data-key="step"]').inner_text()
    assert microscope.panel.locator("select option").all_inner_texts() == [names["hizoo"], names["adam"]]
    assert page.locator("#microscope img").count() == 0
    page.keyboard.press("Escape")
    playground.settle()
    hover = "(chart) => Plotly.Fx.hover(chart, [{ curveNumber: chart.data.findIndex((t) => t.name), pointNumber: 1 }])"
    page.locator("#loss-chart .js-plotly-plot").evaluate(hover)
    assert names["hizoo"] in page.locator("#loss-chart .hoverlayer").text_content()
    assert page.evaluate("window.hit") is None
