"""Every fine-tuning spec that the page can write is one that Python reads, as the form meant it."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from viz_app.finetuning import spec as specs

ROOT = Path(__file__).resolve().parent.parent
NODE = Path(sys.executable).with_name("node")


def written(seed: int) -> list[dict]:
    command = [NODE, "tests/js/write-finetuning-specs.mjs", str(seed)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where node finds this Python
    run = subprocess.run(command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def number(value: str | float) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_python_reads_what_the_form_writes(seed: int):
    forms = written(seed)
    assert len(forms) == 40
    for form in forms:
        spec = specs.parse(form["spec"])
        values = form["values"]
        kind = values.pop("budgetKind")
        assert getattr(spec, kind) == int(values.pop("budget")), form["spec"]
        words = tuple(word.strip() for word in values.pop("words").split(",") if word.strip())
        assert (spec.words or ()) == words
        assert (spec.template or "") == values.pop("template")
        for name, value in values.items():
            assert str(getattr(spec, name)) == str(value), (name, form["spec"])
        assert [opt.method for opt in spec.opts] == [slot["method"] for slot in form["slots"]]
        for opt, slot in zip(spec.opts, form["slots"], strict=True):
            assert asdict(opt.hyperparameters) == {name: number(value) for name, value in slot["values"].items()}
        assert specs.parse(spec.query()) == spec
