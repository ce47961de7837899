"""What a job's materials hold of its texts."""

from types import SimpleNamespace

import pytest

from viz_app.finetuning import loading, spec


@pytest.mark.parametrize(("asked", "looked_at"), [(3, 3), (0, 512), (1000, 512)])
def test_an_evaluation_looks_at_the_first_held_out_texts(asked: int, looked_at: int):
    made = spec.parse(f"held_out={asked}&steps=1&opt=mezo:n=1")
    materials = loading.load(made, "cpu", None, lambda *_: None)
    assert sum(len(batch.rows) for batch in materials.held_out) == looked_at
    zero = SimpleNamespace(figures={"loss": 0.5, "accuracy": 0.5, "f1": 0.5})
    plan = loading.plan(made, materials, materials.adapted(), [], zero, {}, 0)
    assert (plan["task"]["evaluated"], plan["task"]["held_out"]) == (looked_at, 512)
