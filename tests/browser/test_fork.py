"""Forks: moving a control while Fork is on leaves the old run as a ghost and shows what the change does."""

import urllib.request

from conftest import Playground

from benchmarks.served import Server
from viz_app import parse, run

HIZOO = "hizoo:alpha=0.1,n=2,lr=0.05,mu=1e-3,warmup=10,estimator=paper,beta=0,floor=1e-12"
SPEC = f"f=stiff_quadratic&x0=1,1&steps=200&runs=4&seed=3&opt={HIZOO}&opt=mezo:lr=2e-5,n=1,mu=1e-3"
HALFWAY = "t=0.5&clock=steps"
FORK = '.card.fork[data-slot="hizoo#2"]'


def fork(playground: Playground, field: str, text: str) -> str:
    """Turn Fork on and set a control; the query of the picture with the fork."""
    playground.page.get_by_role("button", name="Fork", exact=True).click()
    query = playground.next_picture(lambda: playground.type_into(field, text))
    playground.settle()
    return query


def curves(playground: Playground, chart: str = "loss-chart") -> dict[str, dict]:
    """A chart's lines by name: their dash, first and last x."""
    return playground.page.evaluate(
        f"""Object.fromEntries(document.querySelector('#{chart} .js-plotly-plot').data.filter((t) => t.name)
        .map((t) => [t.name, {{ dash: t.line.dash, first: t.x[0], last: t.x.at(-1) }}]))"""
    )


def test_a_fork_goes_on_from_the_cursor_and_leaves_the_old_future_as_a_ghost(playground: Playground):
    playground.open(SPEC, HALFWAY)
    query = fork(playground, "hizoo.lr", "0.2")
    old, new, mezo = parse(query).opts
    assert (old, mezo) == parse(SPEC).opts, "the old runs are as they were"
    assert str(new) == f"{old}@100:lr=0.2"
    lines = curves(playground)
    assert lines["HiZOO"]["dash"] == "solid"
    assert lines["HiZOO"]["last"] == 100
    assert lines["HiZOO, as it was"]["dash"] != "solid"
    assert (lines["HiZOO, as it was"]["first"], lines["HiZOO, as it was"]["last"]) == (100, 200)
    assert lines["HiZOO @100"]["dash"] == "solid"
    assert (lines["HiZOO @100"]["first"], lines["HiZOO @100"]["last"]) == (100, 200)


def test_the_difference_in_loss_is_that_of_the_medians(playground: Playground):
    playground.open(SPEC, HALFWAY)
    page = playground.page
    query = fork(playground, "hizoo.lr", "0.2")
    assert page.locator(f"{FORK} .now").inner_text() == "equal", "at the step of the fork nothing has changed yet"
    old, new, _ = run(query).traces
    ratio = sorted_median(old.loss[-1]) / sorted_median(new.loss[-1])
    assert ratio > 1.1
    end = page.locator(f"{FORK} .end").inner_text()
    assert end.endswith("× lower")
    assert abs(float(end.removesuffix("× lower")) / ratio - 1) < 0.06, "two digits of it"
    page.get_by_role("button", name="To the end").click()
    assert page.locator(f"{FORK} .now").inner_text() == end
    row = playground.readings()["hizoo#2"]
    assert end in row[1]
    assert f"{end} than HiZOO" in row[5]


def sorted_median(values) -> float:
    ordered = sorted(values)
    return (ordered[1] + ordered[2]) / 2


def test_moving_on_changes_the_same_fork_and_turning_it_off_changes_the_run_again(playground: Playground):
    playground.open(SPEC, HALFWAY)
    page = playground.page
    fork(playground, "hizoo.lr", "0.2")
    query = playground.next_picture(lambda: playground.type_into("hizoo.alpha", "0.3"))
    assert str(parse(query).opts[1]).endswith("@100:alpha=0.3,lr=0.2")
    assert page.locator(f"{FORK} .differs").inner_text() == "α 0.1 → 0.3; η 0.05 → 0.2"
    page.get_by_role("button", name="Fork", exact=True).click()
    assert playground.row("hizoo.lr").locator("input").last.input_value() == "0.05", (
        "the card shows the run's own again"
    )
    query = playground.next_picture(lambda: playground.type_into("hizoo.mu", "1e-4"))
    old, new, _ = parse(query).opts
    assert (old.hyperparameters.mu, old.hyperparameters.lr) == (1e-4, 0.05)
    assert str(new) == f"{old}@100:alpha=0.3,lr=0.2", "a fork follows what it was forked from"


def test_a_fork_shows_on_its_card_and_a_moved_cursor_starts_another(playground: Playground):
    playground.open(SPEC, "t=0.2&clock=steps")
    page = playground.page
    card = page.locator('.card[data-slot="hizoo"]')
    n, lr = (playground.row(field).locator("input").last for field in ("hizoo.n", "hizoo.lr"))
    fork(playground, "hizoo.n", "6")
    assert "from step 40 on: HiZOO @40" in card.inner_text()
    assert playground.row("hizoo.n").get_attribute("data-own") == "HiZOO’s run: 2"
    assert playground.row("hizoo.lr").get_attribute("data-own") is None
    colour = "(s) => getComputedStyle(document.querySelector(s)).getPropertyValue('--colour')"
    assert page.evaluate(colour, '.card[data-slot="hizoo"]') == page.evaluate(colour, FORK)
    page.get_by_label("Time", exact=True).fill("400")
    playground.wait_for("document.querySelector('[data-field=\"hizoo.n\"] input:not([type=hidden])').value === '2'")
    assert "on: HiZOO @40" not in card.inner_text()
    query = playground.next_picture(lambda: playground.type_into("hizoo.lr", "0.2"))
    old, first, second, _ = parse(query).opts
    assert (str(first), str(second)) == (f"{old}@40:n=6", f"{old}@80:lr=0.2")
    assert "from step 80 on: HiZOO @80" in card.inner_text()
    page.get_by_role("button", name="Fork", exact=True).click()
    assert (n.input_value(), lr.input_value()) == ("2", "0.05"), "the run's own values"
    assert "on: HiZOO @" not in card.inner_text()


def test_a_ratio_to_rounding_zero_is_not_shown(playground: Playground):
    spec = "f=isotropic_bowl&x0=1,1&steps=100&runs=1&seed=3&opt=newton_diag:lr=0.5&opt=newton_diag:lr=0.5@50:lr=0.6"
    playground.open(spec)
    playground.wait_for("document.querySelector('.card.fork .end').textContent === 'both solved'")


def test_a_fork_of_another_n_pays_its_own_price(playground: Playground, server: Server):
    playground.open(SPEC, HALFWAY)
    query = fork(playground, "hizoo.n", "8")
    playground.page.get_by_role("button", name="To the end").click()
    readings = playground.readings()
    assert readings["hizoo"][2] == f"{5 * 200:,}"
    assert readings["hizoo#2"][2] == f"{5 * 100 + 17 * 100:,}"
    with urllib.request.urlopen(f"{server.url}/api/run.csv?{query}") as answer:
        table = answer.read().decode().splitlines()
    last = [line for line in table if line.startswith("hizoo#2,0,200,")]
    assert last[0].split(",")[3] == "2200", "the table says the same"


def test_several_forks_stand_side_by_side_and_are_removed(playground: Playground):
    playground.open(SPEC, HALFWAY)
    page = playground.page
    fork(playground, "hizoo.lr", "0.2")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("f")
    page.keyboard.press("f")
    playground.next_picture(lambda: playground.type_into("hizoo.n", "6"))
    playground.settle()
    assert set(playground.readings()) == {"hizoo", "hizoo#2", "hizoo#3", "mezo"}
    assert {"HiZOO @100", "HiZOO @100 (2)", "HiZOO, as it was"} <= set(curves(playground))
    whole = playground.query
    held = []
    page.route("**/api/trace?*", lambda route: held.append(route))
    page.locator(FORK).get_by_label("Remove this fork").click()
    page.wait_for_timeout(800)  # longer than it takes until the page says that it computes
    assert page.get_by_role("button", name="Undo").is_visible(), "the way back stays"
    playground.next_picture(held[0].continue_)
    page.unroute("**/api/trace?*")
    assert playground.next_picture(lambda: page.get_by_role("button", name="Undo").click()) == whole
    page.keyboard.press("f")
    playground.next_picture(lambda: page.locator(FORK).get_by_label("Remove this fork").click())
    playground.next_picture(lambda: playground.type_into("hizoo.alpha", "0.3"))
    query = playground.next_picture(lambda: page.get_by_role("button", name="Undo").click())
    old, first, second, _ = parse(query).opts
    assert old.hyperparameters.alpha == 0.3, "what was changed since stays"
    assert (str(first), str(second)) == (f"{old}@100:lr=0.2", f"{old}@100:n=6")
    playground.next_picture(lambda: page.locator(FORK).get_by_label("Remove this fork").click())
    playground.settle()
    assert page.locator(".card.fork").count() == 1
    assert set(playground.readings()) == {"hizoo", "hizoo#2", "mezo"}
    assert "n=6" in str(parse(playground.query).opts[1])


def test_an_older_fork_is_changed_with_its_edit_button(playground: Playground):
    playground.open(f"{SPEC}&opt={HIZOO}@50:lr=0.2", "t=1&clock=steps")
    page = playground.page
    page.locator(FORK).get_by_role("button", name="Edit").click()
    assert playground.row("hizoo.lr").locator("input").last.input_value() == "0.2"
    playground.next_picture(lambda: playground.type_into("hizoo.lr", "0.4"))
    opts = parse(playground.query).opts
    assert len(opts) == 3
    assert str(opts[1]) == f"{opts[0]}@50:lr=0.4"


def test_names_survive_the_link(playground: Playground):
    playground.open(SPEC, HALFWAY)
    page = playground.page
    fork(playground, "hizoo.lr", "0.2")
    name = page.get_by_label("Name of this fork")
    assert name.input_value() == "HiZOO @100"
    name.fill("longer, 100 % <b>bold</b>")
    name.press("Enter")
    assert "longer, 100 % <b>bold</b>" in playground.readings()["hizoo#2"][0]
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied").or_(page.get_by_text("does not let the page copy")).wait_for()
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    playground.wait_for("window.drawn?.length > 0")
    playground.settle()
    assert page.get_by_label("Name of this fork").input_value() == "longer, 100 % <b>bold</b>"
    assert "from step 100 of HiZOO" in playground.readings()["hizoo#2"][0]
    assert page.locator("#key b").count() == 0, "a name is text, not markup"


def test_there_is_no_fork_at_the_start_and_none_at_the_end(playground: Playground):
    playground.open(SPEC)
    page = playground.page
    button = page.get_by_role("button", name="Fork", exact=True)
    assert button.is_disabled()
    page.get_by_label("Time", exact=True).fill("500")
    assert button.is_enabled()
    page.get_by_role("button", name="To the start").click()
    assert button.is_disabled()
    page.keyboard.press("f")
    page.get_by_text("Move the cursor into the run").wait_for()


def test_a_copied_optimizer_can_be_removed_and_its_fork_stays(playground: Playground):
    playground.open(f"{SPEC}&opt={HIZOO.replace('lr=0.05', 'lr=0.3')}&opt={HIZOO.replace('lr=0.05', 'lr=0.3')}@80:n=4")
    page = playground.page
    assert page.locator(".card.fork").count() == 1
    playground.next_picture(lambda: page.get_by_label("Remove HiZOO 2").click())
    playground.wait_for("document.querySelectorAll('#readings tbody tr').length === 3")
    playground.wait_for("document.querySelectorAll('.card.fork').length === 0")
    opts = parse(playground.query).opts
    assert [opt.method for opt in opts] == ["hizoo", "hizoo", "mezo"]
    assert str(opts[1]).endswith("@80:n=4")


def test_the_table_says_how_settings_were_found(playground: Playground):
    playground.open("f=booth&steps=50&runs=2&opt=hizoo&opt=mezo:lr=0.0123")
    table = playground.readings()
    assert "tuned: " in table["hizoo"][0]
    assert "settings" in table["hizoo"][0]
    assert "set by hand" in table["mezo"][0]
    playground.next_picture(lambda: playground.type_into("run.noise", "5"))
    assert "tuned without noise" in playground.readings()["hizoo"][0]
    playground.next_picture(lambda: playground.type_into("run.x0", "2, 2"))
    assert "not tuned here" in playground.readings()["hizoo"][0]


def test_gradient_noise_is_a_control_like_others(playground: Playground):
    playground.open(SPEC)
    query = playground.next_picture(lambda: playground.type_into("run.noise", "0.5"))
    assert parse(query).noise == 0.5
    playground.type_into("run.noise", "-1")
    playground.row("run.noise").get_by_text("must be a number from 0 to 1,000,000").wait_for()
    query = playground.next_picture(lambda: playground.type_into("run.noise", "0"))
    assert "noise" not in query
