"""Every spec that the browser's modules can write is parsed, and its canonical form is stable: over random states.

A page's writer is a program for node in tests/js, `write_<page>.mjs COUNT SEED`, which prints a JSON list of
{"query": …}; the catalogue that it reads is this server's (tests/js/catalogue.mjs).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from viz_app.spec.runs import parse

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent  # node is installed beside Python


def written(page: str, count: int, seed: int) -> list[dict[str, Any]]:
    """What a page's writer writes from `count` random states."""
    command = [str(BIN / "node"), str(ROOT / "tests" / "js" / f"write_{page}.mjs"), str(count), str(seed)]
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def playground() -> list[dict[str, Any]]:
    return written("playground", 300, seed=1)


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
