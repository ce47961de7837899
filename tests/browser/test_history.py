"""The history: the last runs of this browser, what differed, compared in one chart and played again."""

import json
import math

from conftest import Playground

from viz_app import parse

SPEC = "f=stiff_quadratic&x0=1,1&steps=120&runs=4&seed=3&opt=hizoo:alpha=0.1,n=2,lr=0.1,warmup=10,estimator=paper"
STORED = "JSON.parse(localStorage.getItem('lab-history') ?? '[]')"


def kept(playground: Playground, count: int) -> list[dict]:
    """The stored runs, newest first, once there are so many and the newest is the picture's."""
    playground.wait_for(f"{STORED}.length === {count}")
    playground.page.wait_for_timeout(100)
    return playground.page.evaluate(STORED)


def three_runs(playground: Playground) -> None:
    playground.open(SPEC)
    kept(playground, 1)
    playground.next_picture(lambda: playground.type_into("hizoo.alpha", "0.3"))
    kept(playground, 2)
    playground.next_picture(lambda: playground.type_into("run.seed", "4"))
    kept(playground, 3)


def test_runs_that_stood_are_kept_with_what_differs_and_survive_a_reload(playground: Playground):
    three_runs(playground)
    page = playground.page
    page.reload()
    playground.wait_for("window.drawn.length > 0")
    page.get_by_role("button", name="History").click()
    entries = page.locator("#history li")
    assert entries.count() == 3
    assert entries.locator("p").all_inner_texts() == ["seed 3 → 4", "α 0.1 → 0.3", "the oldest that is kept"]
    runs = page.evaluate(STORED)
    assert [parse(run["query"]).seed for run in runs] == [4, 3, 3]
    assert all(run["image"].startswith("data:image/") and len(run["image"]) < 20_000 for run in runs)
    width = "document.querySelector('#history img').naturalWidth"
    playground.wait_for(f"{width} === 160")


def test_a_slider_in_motion_leaves_no_entry_for_each_position(playground: Playground):
    playground.open(SPEC)
    kept(playground, 1)
    for value in ("0.2", "0.25", "0.3"):
        playground.next_picture(lambda value=value: playground.type_into("hizoo.alpha", value))
    runs = kept(playground, 2)
    assert "alpha=0.3," in runs[0]["query"]
    playground.next_picture(lambda: playground.type_into("hizoo.alpha", "0.35"))
    target = playground.page.get_by_label("Target loss", exact=True)
    target.fill("-5")
    target.press("Enter")
    playground.page.get_by_text("Target must be a number above 0, not “-5”", exact=True).wait_for()
    runs = kept(playground, 3)
    assert (runs[0]["query"].count("alpha=0.35,"), runs[0]["view"]) == (1, ""), "as drawn, not as refused"


def test_the_same_run_again_moves_to_the_top(playground: Playground):
    three_runs(playground)
    playground.next_picture(lambda: playground.type_into("run.seed", "3"))
    playground.wait_for(f"{STORED}[0].query.includes('seed=3&')")
    runs = kept(playground, 3)
    assert [parse(run["query"]).seed for run in runs] == [3, 4, 3]


def test_a_click_opens_and_rewind_plays_from_the_start_with_the_same_seed(playground: Playground):
    three_runs(playground)
    page = playground.page
    page.get_by_role("button", name="History").click()
    playground.next_picture(lambda: page.locator("#history li").nth(1).locator(".open").click())
    assert "alpha=0.3," in playground.query
    assert "seed=3&" in playground.query
    assert page.locator("#controls").is_visible()
    before = playground.pictures
    page.route("**/api/list?*", lambda route: route.abort())
    page.locator("#history li").nth(2).get_by_role("button", name="Rewind").click()
    page.get_by_text("The server does not answer").wait_for()
    page.keyboard.press("ArrowLeft")
    assert "step 119 of" in page.locator("#player output").inner_text(), "still in the old picture"
    page.unroute("**/api/list?*")
    playground.wait_for(f"window.drawn.length > {before}")
    assert "alpha=0.1," in playground.query
    assert "seed=3&" in playground.query
    step = "Number(document.querySelector('#player output').textContent.match(/[0-9,]+/)[0].replace(',', ''))"
    playground.wait_for("document.querySelector('#player [aria-label=Pause]') !== null")
    first = page.evaluate(step)
    assert first < 100, "it begins at the start"
    playground.wait_for(f"{step} > {first}")


def test_pinned_runs_are_compared_in_one_chart(playground: Playground):
    three_runs(playground)
    page = playground.page
    page.get_by_role("button", name="History").click()
    compare = page.get_by_role("button", name="Compare")
    assert compare.is_disabled()
    for i in (0, 1):
        page.locator("#history li").nth(i).get_by_role("button", name="Pin").click()
    page.reload()
    playground.wait_for("window.drawn.length > 0")
    page.get_by_role("button", name="History").click()
    assert page.locator("#history [aria-pressed=true]").count() == 2, "pins outlive the page"
    compare.click()
    playground.wait_for("document.querySelector('#history dialog .chart').data?.length === 4")
    lines = page.evaluate(
        "document.querySelector('#history dialog .chart').data.filter((t) => t.name)"
        ".map((t) => ({ name: t.name, dash: t.line.dash, colour: t.line.color, x: t.x.at(-1), y: t.y.at(-1) }))"
    )
    assert [line["name"] for line in lines] == ["1  HiZOO", "2  HiZOO: seed 3 → 4"]
    assert lines[0]["dash"] != lines[1]["dash"]
    assert lines[0]["colour"] != lines[1]["colour"]
    assert [line["x"] for line in lines] == [5 * 120, 5 * 120], "against forward passes"
    assert all(math.isfinite(line["y"]) for line in lines)
    assert lines[0]["y"] != lines[1]["y"]
    page.get_by_role("button", name="Close the comparison").click()


def test_one_run_and_all_runs_are_forgotten(playground: Playground):
    three_runs(playground)
    page = playground.page
    page.get_by_role("button", name="History").click()
    page.keyboard.press("Escape")
    assert page.locator("#history").is_hidden()
    page.keyboard.press("Enter")
    page.locator("#history li").nth(1).get_by_label("Delete this run").focus()
    page.evaluate("window.dispatchEvent(new Event('storage'))")  # as when another tab has added a run
    focus = "[...document.querySelectorAll('#history li')].indexOf(document.activeElement.closest('li'))"
    assert page.evaluate(focus) == 1
    for undone in (True, False):
        page.locator("#history li").nth(1).get_by_label("Delete this run").click()
        assert page.locator("#history li").count() == 2
        assert page.evaluate(focus) == 1, "the entry that took its place"
        if undone:
            page.get_by_role("button", name="Undo").click()
            assert page.locator("#history li p").all_inner_texts()[:2] == ["seed 3 → 4", "α 0.1 → 0.3"]
    assert page.locator("#history li p").first.inner_text() == "seed 3 → 4; α 0.1 → 0.3"
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#history li").count() == 0
    assert page.evaluate(STORED) == []


def test_a_forbidden_storage_is_said_and_survived(playground: Playground):
    playground.page.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('no', 'QuotaExceededError'); };"
    )
    playground.open(SPEC)
    playground.page.get_by_text("The browser does not store the history").wait_for()
    playground.page.get_by_role("button", name="History").click()
    assert playground.page.locator("#history li").count() == 1


def test_a_full_storage_gives_up_the_oldest_and_a_spoilt_one_starts_anew(playground: Playground):
    old = [
        {"query": f"f=booth&x0=1,1&steps=5&runs=1&seed={i}&opt=adam:lr=0.1", "name": "Booth", "at": 0}
        for i in range(40)
    ]
    old = [{**run, "image": "x" * 100, "names": "", "view": "", "pinned": i == 39} for i, run in enumerate(old)]
    playground.page.add_init_script(
        f"if (!sessionStorage.begun) localStorage.setItem('lab-history', {json.dumps(json.dumps(old))});"
        "sessionStorage.begun = 1; const write = Storage.prototype.setItem;"
        "Storage.prototype.setItem = function (key, text) {"
        " if (!window.roomy && JSON.parse(text).length > 20) throw new DOMException('no', 'QuotaExceededError');"
        " write.call(this, key, text); };"
    )
    playground.open(SPEC)
    playground.page.get_by_text("storage is full: the history keeps 20 of 40 runs").wait_for()
    assert "stiff_quadratic" in playground.page.evaluate(f"{STORED}[0].query")
    assert "seed=39&" in playground.page.evaluate(f"{STORED}.find((run) => run.pinned).query"), "pinned ones go last"
    spoilt = [*({**old[0], "query": query} for query in ("v2!abc", "f=x&y=%")), {"query": old[1]["query"]}, old[2]]
    playground.page.evaluate("(runs) => (localStorage['lab-history'] = JSON.stringify(runs))", spoilt)
    playground.page.get_by_role("button", name="History").click()
    assert playground.page.locator("#history li").count() == 1
    playground.page.evaluate("localStorage['lab-history'] = '{not json'")
    playground.next_picture(lambda: playground.type_into("run.seed", "9"))
    playground.wait_for("localStorage['lab-history'].includes('seed=9')")
    assert playground.page.evaluate(f"{STORED}.length") >= 1
    pinned = [{**run, "pinned": True} for run in old]
    playground.page.evaluate(
        "(runs) => { window.roomy = true; localStorage['lab-history'] = JSON.stringify(runs); }", pinned
    )
    playground.next_picture(lambda: playground.type_into("run.seed", "8"))
    playground.page.get_by_text("40 runs are pinned").wait_for()


def test_a_run_opens_with_the_coordinates_and_the_target_that_it_was_seen_with(playground: Playground):
    spec = "f=quadratic:d=6&x0=1&steps=40&runs=2&seed=1&opt=adam:lr=0.1"
    playground.open(spec, "t=1&clock=steps&coords=2,4&target=0.5")
    kept(playground, 1)
    page = playground.page
    page.locator("#function").click()
    playground.next_picture(lambda: page.get_by_role("option", name="Booth", exact=True).click())
    kept(playground, 2)
    page.get_by_role("button", name="History").click()
    query = playground.next_picture(lambda: page.locator("#history li").nth(1).locator(".open").click())
    assert query.endswith("&coords=2,4&target=0.5")
    playground.wait_for("document.querySelector('[data-field=\"view.coords\"] input').value === '2,4'")
    assert page.locator(".error-text").count() == 0
