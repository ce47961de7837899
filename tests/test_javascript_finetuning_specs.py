"""Every fine-tuning spec that the page can write is one that Python reads, as the form meant it."""

from dataclasses import asdict

import pytest

from tests.javascript import written
from viz_app.finetuning import spec as specs


def number(value: str | float) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_python_reads_what_the_form_writes(seed: int):
    forms = written("finetuning", 40, seed)
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
