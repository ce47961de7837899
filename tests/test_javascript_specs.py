"""Every spec that the Playground can write is parsed, and its canonical form is stable: over random states."""

from typing import Any

import pytest

from tests.javascript import written
from viz_app.spec.runs import parse


@pytest.fixture(scope="module")
def playground() -> list[dict[str, Any]]:
    return written("playground", 300, 1)


def test_what_the_playground_writes_is_parsed(playground: list[dict[str, Any]]):
    for state in playground:
        spec = parse(state["query"])
        assert parse(spec.query()) == spec
        assert parse(spec.query()).query() == spec.query()


def test_its_states_are_of_all_kinds(playground: list[dict[str, Any]]):
    specs = [parse(state["query"]) for state in playground]
    assert len({spec.f.partition(":")[0] for spec in specs}) > 15
    assert {opt.method for spec in specs for opt in spec.opts} == {"hizoo", "mezo", "adam", "newton_diag"}
    assert max(len(opt.segments) for spec in specs for opt in spec.opts) > 2
    assert any(spec.noise for spec in specs)


def test_names_that_a_link_gives_are_read_as_they_were(playground: list[dict[str, Any]]):
    for state in playground:
        assert state["read"] == state["given"]
