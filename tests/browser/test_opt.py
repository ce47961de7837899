"""The language-model page as a person uses it, in a real browser, with runs of a few seconds."""

import json
import urllib.request

from conftest import PASSES, OptPage, looks
from playwright.sync_api import expect

SHORT = "tune=layernorm&batch=4&shots=16&eval=60&truth=0"
LONG = f"{SHORT}&steps=3000&opt=mezo:n=1,lr=1e-3&opt=hizoo:n=1,lr=1e-3,alpha=1e-2"


def drawn(opt: OptPage, panel: str) -> int:
    """The largest x of a chart's curves, as Plotly has them."""
    return opt.page.evaluate(
        "(panel) => Math.max(0, ...document.querySelector(`#${panel} .graph`).data.flatMap(({ x }) => [...x]))", panel
    )


def test_before_any_run_the_page_says_what_start_will_do(opt: OptPage):
    opt.open("forwards=900&opt=hizoo:n=4&opt=mezo:n=4")
    words = opt.page.locator("#opt-plane-empty").inner_text()
    assert "film reviews (synthetic)" in words
    assert "HiZOO 100 steps of 9 forward passes" in words
    opt.wait_for("document.querySelector('#opt-prediction').textContent.includes('MB')")
    assert opt.page.locator(".js-plotly-plot:visible").count() == 0, "no blank axes"


def test_task_and_tuning_mode_bring_their_preset_unless_changed_by_hand(opt: OptPage):
    opt.open()
    presets = json.load(urllib.request.urlopen(f"{opt.url}/api/finetune/options"))["presets"]
    opt.type_into("hizoo.n", "3")
    preset = presets["reviews/layernorm"]["opts"]["hizoo"]
    opt.choose("run.tune", "norms and biases")
    expect(opt.field("hizoo.lr")).to_have_value(str(preset["lr"]))
    expect(opt.field("hizoo.n")).to_have_value("3")
    opt.row("hizoo.n").get_by_role("button").click()
    expect(opt.field("hizoo.n")).to_have_value(str(preset["n"]))


def test_start_leads_to_an_error_in_a_fold(opt: OptPage):
    opt.open("opt=mezo&seed=never")
    opt.page.get_by_role("button", name="Start").click()
    opt.wait_for("document.activeElement?.closest('[data-field]')?.dataset.field === 'run.seed'")


def test_a_link_with_an_unknown_optimizer_shows_an_error_and_trains_nothing(opt: OptPage):
    opt.open("opt=hizzo:n=2&opt=mezo")
    opt.wait_for("document.querySelector('#opt-prediction.bad')?.textContent.includes('hizzo')")
    expect(opt.page.get_by_role("button", name="Start")).to_be_disabled()
    assert "opt=hizzo" in opt.page.url, "the address stays as it is"
    opt.type_into("mezo.n", "1")
    opt.wait_for("document.querySelector('#opt-prediction:not(.bad)')?.textContent.includes('MB')")
    expect(opt.page.get_by_role("button", name="Start")).to_be_enabled()
    assert opt.page.locator("#opt-message").inner_text() == ""


def test_a_link_with_no_known_optimizer_shows_the_usual_ones(opt: OptPage):
    opt.open("opt=hizzo")
    expect(opt.page.locator("#opt-form .optimizer h2")).to_have_text(["HiZOO", "MeZO", "Adam"])
    opt.wait_for("document.querySelector('#opt-prediction.bad')?.textContent.includes('hizzo')")
    sentence = opt.page.locator("#opt-prediction").inner_text()
    assert opt.page.locator("body").inner_text().count(sentence) == 1
    expect(opt.page.locator(".badge")).to_have_count(0)
    expect(opt.page.get_by_role("button", name="Start")).to_be_disabled()
    opt.page.get_by_role("button", name="Remove Adam").click()
    opt.wait_for("!location.search.includes('hizzo') && location.search.includes('opt=mezo')")
    expect(opt.page.locator(".badge")).to_have_text("tuned preset")
    expect(opt.page.get_by_role("button", name="Start")).to_be_enabled()


def test_a_preset_that_nobody_tuned_is_not_called_tuned(opt: OptPage):
    opt.open()
    badge = opt.page.locator(".badge")
    expect(badge).to_have_text("tuned preset")
    opt.choose("run.loss", "1 − F1")
    expect(badge).to_have_text("not tuned")  # and without a gradient no automatic η
    opt.choose("run.loss", "cross-entropy")
    expect(badge).to_have_text("tuned preset")
    opt.type_into("run.model", "facebook/opt-125m")
    expect(badge).to_have_text("automatic η")


def test_a_link_to_a_run_that_is_gone_says_so(opt: OptPage):
    opt.open("", "run=999")
    opt.wait_for("/[MG]B/.test(document.querySelector('#opt-prediction').textContent)")
    assert opt.page.locator("#opt-message").inner_text().startswith("Run 999 is no longer here")


def test_start_takes_what_is_typed_and_not_yet_left(opt: OptPage):
    opt.open("opt=mezo")
    before = opt.jobs
    opt.field("run.batch").fill("many")
    opt.page.evaluate("document.querySelector('#opt-go').click()")  # without a blur before
    opt.row("run.batch").locator(".error-text").wait_for()
    assert opt.jobs == before


def test_a_slider_moves_its_field_and_the_address(opt: OptPage):
    opt.open("opt=mezo")
    before = float(opt.field("mezo.lr").input_value())
    opt.row("mezo.lr").get_by_role("slider").press("ArrowRight")
    opt.wait_for(f"!location.search.includes('lr={before},')")
    moved = float(opt.field("mezo.lr").input_value())
    assert moved > before
    assert f"lr={moved}," in opt.page.evaluate("location.search")
    opt.row("mezo.lr").get_by_label("Reset η learning rate").click()
    opt.wait_for(f"location.search.includes('lr={before},')")
    assert float(opt.field("mezo.lr").input_value()) == before


def test_the_keyboard_shows_what_a_setting_is(opt: OptPage):
    opt.open("opt=mezo")
    opt.page.keyboard.press("Tab")
    opt.row("run.batch").get_by_role("slider").focus()
    expect(opt.page.locator("#opt-tip")).to_contain_text("Texts in a step's minibatch")


def test_copies_and_removal_of_optimizers_are_in_the_spec(opt: OptPage):
    opt.open("opt=hizoo:alpha=0.01&opt=mezo")
    opt.page.get_by_role("button", name="Duplicate HiZOO").click()
    opt.row("hizoo#2.alpha").wait_for()
    opt.type_into("hizoo#2.alpha", "0.2")
    opt.page.get_by_role("button", name="Remove MeZO").click()
    opt.wait_for("location.search.includes('alpha=0.2,') && !location.search.includes('mezo')")
    first, second = opt.page.evaluate("location.search").split("&opt=")[1:]
    assert first.startswith("hizoo:alpha=0.01,")
    assert second.startswith("hizoo:alpha=0.2,")


def test_errors_stand_at_their_fields(opt: OptPage):
    opt.open("opt=mezo&opt=adam")
    before = opt.jobs
    opt.type_into("mezo.lr", "-1")
    opt.type_into("run.batch", "many")
    opt.page.get_by_role("button", name="Start").click()
    opt.row("mezo.lr").locator(".error-text").wait_for()
    batch = "Batch must be a whole number from 1 to 512, not “many”"
    assert opt.page.locator("#opt-prediction").inner_text().startswith(batch)
    rate = opt.row("mezo.lr").locator(".error-text").inner_text()
    assert rate == "η learning rate must be a number from 0 to 1,000,000, or auto, not -1"
    assert opt.row("run.batch").locator(".error-text").inner_text() == batch
    assert opt.jobs == before
    opt.type_into("mezo.lr", "0.001")
    opt.type_into("run.batch", "8")
    opt.wait_for("document.querySelectorAll('.error-text').length === 0")
    opt.choose("run.loss", "1 − accuracy")
    opt.page.locator('.optimizer[data-slot="adam"] .error-text').wait_for()


def test_a_table_is_uploaded_and_a_missing_column_is_named(opt: OptPage):
    opt.open()
    opt.choose("run.task", "your own file")
    lines = [
        f"{text} {i},{label}" for i in range(20) for text, label in (("a fine film", "good"), ("a dull film", "bad"))
    ]
    table = "\n".join(["review,label", *lines]).encode()
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": table}
    opt.page.locator("#opt-form input[type=file]").set_input_files(file)
    opt.page.locator("#opt-form .error-text").first.wait_for()
    assert "review" in opt.page.locator(".uploaded").inner_text(), "the columns that there are"
    opt.type_into("run.text_column", "revue")
    opt.row("run.text_column").locator(".error-text", has_text="revue").wait_for()
    opt.page.wait_for_timeout(600)
    assert opt.page.locator("#opt-form .error-text").count() == 1, "and nothing about a missing file"
    opt.type_into("run.text_column", "review")
    opt.wait_for("document.querySelector('.uploaded').textContent.includes('40 rows')")
    opt.wait_for("location.search.includes('data=upload')")


def test_live_pause_time_travel_reload_stop(opt: OptPage):
    opt.open(LONG)
    opt.start()
    page = opt.page
    # It moves while it trains.
    before = opt.passes
    opt.wait_for(f"{PASSES} > {before}")
    opt.wait_for("document.querySelector('tr[data-label=mezo] [data-cell=loss]').textContent !== '–'")
    opt.wait_for("document.querySelector('#opt-loss .graph').data?.some(({ x }) => x.length > 1)")
    reached = drawn(opt, "opt-loss")
    opt.wait_for(f"{PASSES} > {opt.passes}")
    page.wait_for_timeout(1200)
    assert drawn(opt, "opt-loss") > reached

    # A setting changes while it trains.
    rate = page.get_by_label("learning rate of MeZO", exact=True)
    rate.fill("5e-4")
    rate.press("Enter")
    page.locator("#opt-bar").click(position={"x": 3, "y": 3})
    opt.wait_for("document.querySelector('tr[data-label=mezo] input').value === '5e-4'")

    # Paused means paused.
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    page.wait_for_timeout(500)
    paused = opt.passes
    page.wait_for_timeout(1500)
    assert opt.passes == paused

    # Time travel: a step that was not evaluated is rebuilt from the log.
    slider = page.get_by_label("Time, in forward passes")
    slider.fill(str(opt.page.evaluate("Number(document.querySelector('#opt-bar .controls > input').step)") * 2))
    assert 0 < opt.passes < paused
    assert rate.is_disabled(), "a change would take effect now, not then"
    opt.wait_for("document.querySelector('#opt-bar .line').textContent.startsWith('Rebuilding')")
    opt.wait_for("!document.querySelector('#opt-bar .line').textContent.startsWith('Rebuilding')")
    assert page.locator("tr[data-label=mezo] [data-cell=step]").inner_text() != "0"
    page.get_by_role("button", name="live", exact=True).click()
    assert opt.passes == paused

    # A reload finds the run, and it goes on.
    run = page.url.split("#run=")[1]
    page.reload()
    opt.wait_for("document.querySelector('main.planned') !== null")
    opt.wait_for(f"{PASSES} >= {paused}")
    assert page.url.endswith(f"#run={run}")
    page.get_by_role("button", name="Resume").click()
    opt.wait_for(f"{PASSES} > {paused}")

    # Without an address, the page finds the run that is under way.
    opt.open()
    opt.wait_for("document.querySelector('#opt-jobs li.here')?.dataset.state === 'running'")
    opt.stop()
    assert opt.jobs[0]["state"] == "stopped"

    # What was stopped can be resumed, from where it stood.
    stopped = opt.passes
    assert stopped >= paused
    page.get_by_role("button", name="Resume").click()
    opt.wait_for(f"{PASSES} > {stopped}")
    opt.wait_for("!document.querySelector('#opt-bar .line').textContent.includes('again from the log')")
    opt.stop()


def test_a_finished_run_can_be_opened_and_deleted(opt: OptPage):
    opt.open(f"{SHORT}&steps=3&opt=adam")
    opt.start()
    opt.wait_for("document.querySelector('#opt-jobs li.here')?.dataset.state === 'finished'")
    count = len(opt.jobs)
    here = opt.page.locator("#opt-jobs li.here")
    here.locator("button.quiet").click()
    opt.page.get_by_role("button", name="Really delete").click()
    opt.wait_for("document.querySelector('main.planned') === null")
    assert len(opt.jobs) == count - 1


def test_the_page_fits(opt: OptPage):
    opt.open("", "")
    for theme, width in looks(opt.page):
        assert opt.page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "no scrolling of the page"
        assert opt.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        cut = opt.page.evaluate(
            """() => [...document.querySelectorAll('.row label, .card h2, .passes, .segments button, .adders button')]
              .filter((e) => e.offsetParent && getComputedStyle(e).display !== 'inline')
              .filter((e) => e.scrollWidth > e.clientWidth + 1)
              .map((e) => e.textContent)"""
        )
        assert cut == [], f"labels are not cut off ({theme}, {width})"
