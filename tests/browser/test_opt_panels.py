"""The language-model page's panels, each by itself with an invented record: what a person sees on them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from benchmarks.served import Server
from tests.browser.panels import (
    RISING,
    SENTENCES,
    SURE,
    Panels,
    evaluation,
    hessian,
    plan,
    truth,
)
from viz_app.finetuning import limits


@pytest.fixture(scope="module")
def sheet(browser: BrowserContext, server: Server) -> Iterator[Panels]:
    """One page for all tests, because loading plotly.js takes longer than any of them."""
    page = browser.new_page()
    yield Panels(page, server.url)
    page.close()


@pytest.fixture
def panels(sheet: Panels) -> Iterator[Panels]:
    sheet.open()
    yield sheet
    assert not sheet.problems, sheet.problems


def begin(panels: Panels) -> None:
    panels.tell(plan(), *evaluation(0, 0, SURE, (0, 0)), *evaluation(1, 0, SURE, (0, 0)))


def test_before_the_first_evaluation_each_says_what_will_come(panels: Panels):
    panels.tell(plan())
    panels.show()
    assert "first evaluation" in panels.text("plane", ".panel-empty")
    assert "first evaluation" in panels.text("sentences", ".panel-empty")
    assert "first evaluation" in panels.text("hessian", ".panel-empty")
    assert "first evaluation" in panels.text("memory", ".panel-empty")


def test_without_a_method_that_estimates_it_the_hessian_says_so(panels: Panels):
    panels.tell(plan(runs=plan()["runs"][1:]))
    panels.show()
    for name in ("hessian", "histogram"):
        assert "Add HiZOO" in panels.text(name, ".panel-empty")


def test_sentences_that_flipped_are_counted_and_the_latest_is_on_top(panels: Panels):
    begin(panels)
    panels.show()
    assert panels.rows() == []
    assert "No prediction has flipped yet" in panels.text("sentences", ".panel-empty")
    first = [[0.4, 0.6], *SURE[1:]]
    both = [[0.4, 0.6], SURE[1], [0.3, 0.7], SURE[3]]
    panels.tell(*evaluation(0, 10, first, (1, 0)), *evaluation(0, 20, both, (2, 0)), *evaluation(1, 20, SURE, (0, 1)))
    panels.show()
    assert panels.rows() == [
        ["hardly worth it", "bad", "✓ bad", "✗ good", "✓ bad"],
        ["a film with nothing wrong in it", "good", "✗ bad", "✓ good", "✗ bad"],
    ]
    assert panels.text("sentences", ".panel-reading") == "2 of 4 flipped"
    heads = panels.page.locator("#opt-sentences thead th").all_inner_texts()
    assert heads[3].split("\n") == ["HiZOO", "1 to ✓, 1 to ✗"]
    assert heads[4].split("\n") == ["MeZO", "0 to ✓, 0 to ✗"]
    assert panels.text("sentences", ".panel-badge") == "synthetic"
    bar = panels.page.locator("#opt-sentences tbody tr").nth(1).locator("td").nth(2).locator("i b")
    assert "width: 60%;" in (bar.get_attribute("style") or ""), "the true class's probability"


def test_sentences_at_an_earlier_moment(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, [[0.4, 0.6], *SURE[1:]], (1, 0)), *evaluation(0, 20, SURE, (2, 0)))
    panels.show(100)
    assert [row[0] for row in panels.rows()] == ["a film with nothing wrong in it"]
    panels.show(89)
    assert panels.rows() == []


def test_filters_of_the_sentences(panels: Panels):
    begin(panels)
    panels.show()
    panels.page.locator("#opt-sentences").get_by_role("button", name="wrong").click()
    assert [row[0] for row in panels.rows()] == ["a film with nothing wrong in it", "not a good film"]
    panels.page.locator("#opt-sentences").get_by_role("button", name="all").click()
    assert [row[0] for row in panels.rows()] == [text for text, _ in SENTENCES]


def test_sentences_keep_their_order_while_the_pointer_is_on_them(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, [[0.4, 0.6], *SURE[1:]], (1, 0)))
    panels.show()
    panels.page.locator("#opt-sentences tbody tr").first.hover()
    panels.tell(*evaluation(0, 20, [[0.4, 0.6], [0.8, 0.2], *SURE[2:]], (2, 0)))
    panels.show()
    assert [row[0] for row in panels.rows()] == ["a film with nothing wrong in it"]
    panels.page.mouse.move(5, 890)
    assert [row[0] for row in panels.rows()] == ["not a good film", "a film with nothing wrong in it"]


def test_heads_on_the_plane_are_where_the_runs_are(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, SURE, (3, 1)), *evaluation(1, 10, SURE, (-2, -1)), *evaluation(0, 20, SURE, (4, 2)))
    panels.show()
    panels.until("window.panels.plane.figure.overlay?.box")
    assert panels.pixel("plane", 4, 2) == panels.colour("--hizoo")
    assert panels.pixel("plane", -2, -1) == panels.colour("--mezo")
    note = panels.text("plane", ".panel-note")
    assert "Two fixed random directions" in note
    assert "in it: 10 % of the way at most" in note
    panels.show(45)
    assert panels.pixel("plane", 1.5, 0.5) == panels.colour("--hizoo"), "half of the way to the first evaluation"


def test_the_plane_of_the_ends_takes_over_with_the_loss(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, SURE, (3, 1)), *evaluation(1, 10, SURE, (-2, -1)))
    panels.show()
    ends = [
        {"run": 0, "steps": [0, 10], "points": [[0, 0], [2, 0]]},
        {"run": 1, "steps": [0, 10], "points": [[0, 0], [0, 1]]},
    ]
    panels.tell({"type": "plane", "kind": "ends", "note": "The plane of both ends.", "runs": ends})
    axis = [-1, 0, 1, 2, 3]
    coarse = [[i, j, 1 + i * j] for i in (0, 2, 4) for j in (0, 2, 4)]
    panels.tell({"type": "surface", "kind": "ends", "x": axis, "y": axis, "cells": coarse, "done": False})
    panels.show()
    panels.until("document.querySelector('#opt-plane .graph').data?.[0]?.type === 'heatmap'")
    assert panels.text("plane", ".panel-note") == "Loss on the plane: 9 of 25 points computed. The plane of both ends."
    known = panels.page.evaluate(
        "document.querySelector('#opt-plane .graph').data[0].z.flat().filter((z) => z !== null)"
    )
    assert len(known) == 9, "cells not computed stay empty"
    assert panels.pixel("plane", 2, 0) == panels.colour("--hizoo")
    fine = [[i, j, 1 + i * j] for i in range(5) for j in range(5)]
    panels.tell({"type": "surface", "kind": "ends", "x": axis, "y": axis, "cells": fine, "done": True})
    panels.show()
    panels.until("document.querySelector('#opt-plane .graph').data[0].type === 'contour'")
    assert panels.text("plane", ".panel-note") == "The plane of both ends."
    panels.page.locator("#opt-plane").get_by_role("button", name="random").click()
    panels.until("window.panels.plane.figure.graph.data[0].type === 'scatter'")
    assert panels.pixel("plane", 3, 1) == panels.colour("--hizoo")


def test_the_loss_surface_is_asked_for_with_its_cost(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, SURE, (3, 1)), {"type": "status", "state": "running", "run": None, "message": ""})
    panels.show()
    button = panels.page.locator("#opt-plane [data-do=surface]")
    assert button.count() == 0, "not while steps are made"
    panels.tell({"type": "status", "state": "finished", "run": None, "message": ""})
    panels.show()
    cells, texts = limits.GRID**2, limits.SURFACE
    assert f"{cells:,} loss evaluations of {texts} held-out texts" in (button.get_attribute("data-tip") or "")
    assert panels.pixel("plane", 3, 1) == panels.colour("--hizoo"), "the paths are there without it"
    panels.page.evaluate("window.refusal = 'the worker is gone'")
    button.click()
    panels.until("document.querySelector('#opt-plane .panel-note').textContent.includes('the worker is gone')")
    panels.page.evaluate("window.refusal = ''")
    button.click()
    panels.until("!document.querySelector('#opt-plane .panel-note').textContent.includes('worker')")
    assert panels.page.evaluate("window.posted") == ["surface", "surface"]
    ends = [{"run": 0, "steps": [0, 10], "points": [[0, 0], [2, 0]]}]
    panels.tell({"type": "plane", "kind": "ends", "note": "", "runs": ends})
    panels.tell({"type": "surface", "kind": "ends", "x": [0, 2], "y": [0, 1], "cells": [[0, 0, 1]], "done": False})
    panels.show()
    assert panels.text("plane", ".panel-note").startswith("Loss on the plane: 1 of 4 points computed.")
    whole = [[i, j, 1 + i * j] for i in range(2) for j in range(2)]
    panels.tell({"type": "surface", "kind": "ends", "x": [0, 2], "y": [0, 1], "cells": whole, "done": True})
    panels.show()
    assert button.count() == 0


def test_curves_are_plotlys_and_say_their_values_under_the_pointer(panels: Panels):
    begin(panels)
    for step in (1, 2, 3, 4, 5):
        panels.tell(*evaluation(0, 10 * step, SURE, (step, 1)), *evaluation(1, 10 * step, SURE, (step, 1)))
    panels.show()
    for name in ("loss", "accuracy"):
        panels.until(f"window.panels.{name}.charts[0]?.chart.figure.overlay?.box")
    names = panels.page.evaluate(
        "window.panels.accuracy.charts[0].chart.figure.graph.data.map(({ x, y }) => [x.at(-1), y.at(-1)])"
    )
    assert names == [[450, 100], [400, 100]]
    assert "On 256 held-out synthetic texts" in panels.text("accuracy", ".note"), "as many as an evaluation takes"
    panels.page.locator("#opt-accuracy").scroll_into_view_if_needed()
    x, y = panels.page.evaluate(
        """() => {
          const { overlay, graph } = window.panels.accuracy.charts[0].chart.figure;
          const { left, top } = graph.getBoundingClientRect();
          return [left + overlay.px(270), top + overlay.box.top + 40];
        }"""
    )
    panels.page.mouse.move(x, y)
    panels.until("document.querySelector('#opt-accuracy .hoverlayer')?.textContent.includes('HiZOO: 80.0 %')")
    assert "MeZO: 80.0 %" in panels.page.locator("#opt-accuracy .hoverlayer").text_content()
    panels.page.mouse.click(x, y)
    assert panels.page.evaluate("window.sought.at(-1)") == pytest.approx(270, abs=3)


def test_equal_lengths_on_both_axes_of_the_plane(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, SURE, (3, 1)))
    panels.show()
    panels.until("window.panels.plane.figure.overlay?.box")
    x, y = panels.page.evaluate(
        "[window.panels.plane.figure.overlay.x.scale, window.panels.plane.figure.overlay.y.scale]"
    )
    assert x == pytest.approx(-y, rel=1e-3)


def test_the_heat_map_shows_p_beside_the_reference(panels: Panels):
    begin(panels)
    panels.tell(hessian(0, [1] * 6, 1), *evaluation(0, 10, SURE, (1, 0)), hessian(10, RISING))
    panels.tell(truth(10, [1e-5, 2e-5, -3e-5, 4e-5, 5e-5, 6e-5]))
    panels.show()
    panels.until("document.querySelector('#opt-hessian .graph').data?.length === 4")
    p, true = panels.page.evaluate("window.panels.hessian.figure.graph.data.slice(0, 2).map(({ z }) => z)")
    assert [10 ** row[1] for row in p] == pytest.approx(RISING)
    assert [10 ** row[0] for row in true] == pytest.approx([1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5])
    signs = panels.page.evaluate("window.panels.hessian.figure.graph.data[2].y")
    assert signs == [2], "the negative one is marked"
    note = panels.text("hessian", ".panel-note")
    assert "Rank correlation of P with the reference: 1.00" in note
    assert "Hutchinson's method at step 10, 8 probes" in note
    labels = panels.page.locator("#opt-hessian .ytick text").all_text_contents()
    assert "layer 0 · norms" in labels, "six rows have room for their names"


def test_before_the_reference_was_estimated_there_is_none(panels: Panels):
    begin(panels)
    panels.tell(
        *evaluation(0, 10, SURE, (1, 0)), hessian(10, RISING), *evaluation(0, 20, SURE, (1, 0)), truth(20, RISING)
    )
    panels.show(95)
    assert "before this moment" in panels.text("hessian", ".panel-note")
    panels.show(180)
    assert "at step 20" in panels.text("hessian", ".panel-note")


def test_a_click_on_the_heat_map_goes_to_its_moment(panels: Panels):
    begin(panels)
    panels.tell(
        *evaluation(0, 10, SURE, (1, 0)), hessian(10, RISING), *evaluation(0, 20, SURE, (1, 0)), hessian(20, RISING)
    )
    panels.show()
    panels.until("window.panels.hessian.figure.overlay?.box")
    x, y = panels.page.evaluate(
        """() => {
          const { overlay, graph } = window.panels.hessian.figure;
          const { left, top } = graph.getBoundingClientRect();
          return [left + overlay.px(150), top + overlay.box.top + 20];
        }"""
    )
    panels.page.mouse.click(x, y)
    (sought,) = panels.page.evaluate("window.sought")
    assert sought == pytest.approx(150, abs=8), "a pixel is about four passes wide"


def test_the_reference_is_asked_for_by_the_button_and_a_refusal_is_shown(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, SURE, (1, 0)), hessian(10, RISING))
    panels.tell({"type": "status", "state": "running", "run": None, "message": ""})
    panels.show()
    panels.page.evaluate("window.refusal = 'the worker is gone'")
    panels.page.locator("#opt-hessian").get_by_role("button", name="Estimate reference now").click()
    panels.until("document.querySelector('#opt-hessian .panel-note').textContent.includes('the worker is gone')")
    assert panels.page.evaluate("window.posted") == ["truth?run=0"]


def test_histograms_name_their_spread_and_why_it_is_noise(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, SURE, (1, 0)), hessian(10, RISING, 2))
    panels.show()
    panels.until("window.panels.histogram.figure.overlay?.box")
    note = panels.text("histogram", ".panel-note")
    assert "10–90 % range of a group: a factor of 4." in note
    assert "d/√(2n) = 18,000" in note, "50,000 / √8"
    labels = panels.page.locator("#opt-histogram .ytick text").all_text_contents()
    assert labels == ["emb.", "0", "1", "final"]
    assert panels.pixel("histogram", 0.25, 0.05)[3] > 0, "a curve's top in the first layer"


def test_pooled_p_is_one_line_a_group(panels: Panels):
    pooled = plan()
    pooled["runs"][0]["hyperparameters"]["pool"] = "tensor"
    panels.tell(pooled, *evaluation(0, 0, SURE, (0, 0)), hessian(0, [1.5] * 6, 1))
    panels.show()
    panels.until("window.panels.histogram.figure.overlay?.box")
    assert "One number a group. Pooled: one P for each tensor" in panels.text("histogram", ".panel-note")
    assert panels.pixel("histogram", 0.1761, 0.5)[:3] == pytest.approx(panels.colour("--hizoo")[:3], abs=12)
    assert panels.pixel("histogram", 0.4, 0.5)[3] == 0


def test_memory_is_compared_in_words_and_bars(panels: Panels):
    begin(panels)
    parts = {"weights": 5e6, "activations": 4e6, "gradients": 0, "state": 0, "workspace": 1e6, "peak": 10e6}
    adam = {"weights": 5e6, "activations": 14e6, "gradients": 5e6, "state": 10e6, "workspace": 0, "peak": 34e6}
    rows = [{"name": "mezo", **parts}, {"name": "Adam", **adam}]  # a run by its label, another as it is
    panels.tell({"type": "memory", "rows": rows, "how": "Measured by torch's profiler."})
    panels.show()
    assert panels.text("memory", ".memory-sentence") == "Adam needs 3.4 times as much as MeZO: 34.0 MB against 10.0 MB."
    assert "The forecast beside Start counts all that the job holds" in panels.text("memory", ".memory-part")
    assert panels.text("memory", ".panel-note") == "Measured by torch's profiler."
    widths = [
        [piece["width"] for piece in row]
        for row in panels.page.evaluate(
            """[...document.querySelectorAll('.memory-bar')].map((bar) =>
              [...bar.querySelectorAll('i')].map((piece) => piece.getBoundingClientRect()))"""
        )
    ]
    assert widths[1][1] / widths[0][1] == pytest.approx(3.5, rel=0.05), "activations, in one scale"
    assert "memory (MB)" in panels.text("memory", ".memory-axis")


@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
def test_nothing_is_wider_than_its_panel(panels: Panels, theme: str):
    begin(panels)
    panels.page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
    panels.page.evaluate("document.dispatchEvent(new Event('lab:theme'))")
    panels.tell(*evaluation(0, 10, [[0.4, 0.6], *SURE[1:]], (1, 0)), hessian(10, RISING), truth(10, RISING))
    panels.show()
    panels.until("window.panels.hessian.figure.overlay?.box")
    wide = panels.page.evaluate(
        """[...document.querySelectorAll('.opt-panel')].filter((panel) =>
          [panel, ...panel.querySelectorAll('.sentences, .panel-head')].some((e) => e.scrollWidth > e.clientWidth + 1))
          .map((panel) => panel.id)"""
    )
    assert wide == []


def test_a_figure_has_the_size_of_its_panel_also_where_that_changed_while_it_was_hidden(panels: Panels):
    begin(panels)
    panels.tell(*evaluation(0, 10, [[0.4, 0.6], *SURE[1:]], (1, 0)), hessian(10, RISING))
    panels.show()
    panels.until("window.panels.hessian.figure.overlay?.box")
    resize = "(height) => Object.assign(document.querySelector('#opt-hessian').style, { height, display: 'none' })"
    panels.page.evaluate(resize, "240px")
    panels.page.wait_for_timeout(50)
    panels.page.evaluate("document.querySelector('#opt-hessian').style.display = ''")
    panels.until(
        """(() => { const stage = document.querySelector('#opt-hessian .stage');
          return stage.querySelector('.main-svg').getBoundingClientRect().height === stage.clientHeight; })()"""
    )
