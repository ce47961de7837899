"""The Playground's slots: which optimizer of a spec is a fork of which, and what their settings were tried against."""

from viz_app.playground.page import open_spec
from viz_app.spec.runs import parse
from viz_app.web import controls


def slots(text: str) -> dict[str, dict]:
    return {slot["slot"]: slot for slot in controls.slots(parse(text)) if slot["on"]}


def test_a_fork_belongs_to_what_runs_alike_before_it():
    base = "hizoo:lr=0.1,n=4,estimator=paper"
    found = slots(
        f"f=booth&steps=300&opt={base}&opt={base}@120:lr=0.05&opt={base}@120:n=8&opt={base}@120:n=8@200:n=2&opt=adam"
    )
    assert {key: slot["parent"] for key, slot in found.items()} == {
        "hizoo": None,
        "hizoo#2": "hizoo",
        "hizoo#3": "hizoo",
        "hizoo#4": "hizoo#3",
        "adam": None,
    }
    fork = found["hizoo#4"]
    assert (fork["step"], fork["values"]["n"]) == (200, 2)
    assert [(held["step"], held["values"]["n"]) for held in fork["past"]] == [(0, 4), (120, 8)]
    assert len({slot["colour"] for slot in found.values()}) == 5


def test_a_fork_of_settings_that_do_not_run_stands_by_itself():
    found = slots("f=booth&steps=300&opt=hizoo:lr=0.1,estimator=paper&opt=hizoo:lr=0.2,estimator=paper@9:lr=0.3")
    assert found["hizoo#2"]["parent"] is None
    assert found["hizoo#2"]["step"] == 9


def test_the_page_knows_how_many_settings_were_tried_and_the_noise():
    tuned = open_spec("?f=booth&noise=0.5&opt=adam", None)["page"]
    assert tuned["noise"] == 0.5
    assert all(slot["trials"] > 1 for slot in tuned["slots"])
    own = open_spec("?f=expr:x^2%2By^2&opt=adam", None)["page"]
    assert all(slot["trials"] is None for slot in own["slots"]), "nobody has tuned anything for this function"
