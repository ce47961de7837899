"""The arithmetic of forecasts against what models and sessions are made of; `benchmarks.forecast` measures times."""

from functools import partial

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from functions.language_model import LanguageModelError, NoRoom, adapters, tasks
from functions.language_model import model as models
from viz_app.finetuning import architecture, forecast, lengths, limits
from viz_app.finetuning import spec as specs
from viz_app.finetuning.store import Log

SPEED = {"flops": 1e10, "operation": 0.0, "normal": 0.0}
NOTES = {"speed:cpu": SPEED}


def job(text: str, speed=SPEED) -> forecast._Job:
    spec = specs.parse(text)
    return forecast._Job(spec, architecture.size(spec.model), lengths.of(spec), "cpu", speed)


def test_lengths_are_those_of_the_encoded_texts():
    spec = specs.parse("")
    model = models.load("bundled", "cpu")
    encoded = tasks.encode(tasks.make("reviews"), model.tokenizer, model.context)
    found = lengths.of(spec)
    assert found.train == tuple(sorted(map(len, encoded.train_tokens)))
    assert found.held_out == tuple(sorted(map(len, encoded.held_out_tokens)))
    widths = [encoded.batch(step, 32, 0).ids.shape[1] for step in range(40)]
    assert found.width(32) == pytest.approx(sum(widths) / len(widths), rel=0.05)
    evaluated = encoded.held_out(limits.HELD_OUT_BATCH, limits.HELD_OUT)
    padded = found.padded(limits.HELD_OUT, limits.HELD_OUT_BATCH)
    assert [texts for texts, _ in padded] == [len(batch.rows) for batch in evaluated]
    tokens = sum(batch.ids.numel() for batch in evaluated)
    assert sum(texts * width for texts, width in padded) == pytest.approx(tokens, rel=0.05)


def test_a_small_table_is_counted_as_it_is():
    body = ("text,label\n" + "".join(f"{'good' if i % 2 else 'bad'} film {i},{i % 2}\n" for i in range(20))).encode()
    spec = specs.parse("task=table&data=upload:x&batch=64&steps=2&opt=mezo:n=1")
    texts = lengths.of(spec, lambda id: body)
    assert (len(texts.train), len(texts.held_out)) == (16, 4)
    table = forecast._Job(spec, architecture.size("bundled"), texts, "cpu", SPEED)
    assert table.batch()[0] == 16
    assert [count for count, _ in texts.padded(limits.HELD_OUT, limits.HELD_OUT_BATCH)] == [4]
    few = lengths.of(specs.parse("shots=5"))
    assert len(few.train) == 10


@pytest.mark.parametrize(("opt", "passes"), [("mezo:n=3", 6), ("hizoo:n=3", 7), ("hizoo_l:n=2", 5), ("adam", 3)])
def test_a_step_costs_its_forward_passes(opt: str, passes: int):
    steps = job(f"steps=2&opt={opt}")
    assert steps.step(steps.spec.opts[0]) == pytest.approx(passes * steps.pass_(*steps.batch()))


def test_evaluations_and_references_are_in_it():
    """Held-out texts and probes are the session's own constants."""
    count = partial(job, speed=SPEED)
    without = count("forwards=200&eval=100&truth=0&opt=hizoo:n=2").measuring()
    made = count("forwards=200&eval=100&truth=1&opt=hizoo:n=2")
    batches = made.texts.padded(limits.HELD_OUT, limits.HELD_OUT_BATCH)
    assert sum(texts for texts, _ in batches) == limits.HELD_OUT
    evaluation = sum(made.pass_(*batch) for batch in batches)
    assert without == pytest.approx(4 * evaluation)  # zero-shot, the start, steps 20 and 40
    assert made.measuring() - without > 2 * limits.PROBES * made.pass_(limits.REFERENCE, 10)
    assert count("forwards=200&eval=100&truth=1&opt=mezo").measuring() < made.measuring()


def test_bytes_are_those_of_what_is_held():
    made = job("tune=full&forwards=2400&eval=2400&truth=0&opt=hizoo:pool=none&opt=adam&opt=mezo")
    model = models.load("bundled", "cpu")
    trained = sum(p.numel() * p.element_size() for p in adapters.adapt(model, "full", 0).parameters.values())
    assert made.size.parameters * made.number == trained
    assert [made.state(opt) for opt in made.spec.opts] == [trained, 2 * trained, 0]
    held = 4 * trained + 3 * trained  # θ_0 and the three runs' own; P and two moments
    assert made.beside() == held + made.snapshots(trained, [trained, 2 * trained, 0]) + made.passing(trained)
    assert made.bytes() == made.beside() + trained + forecast.LIBRARIES
    assert job("tune=lora&truth=0&opt=mezo").beside() < made.beside() / 2
    assert job("tune=full&truth=1&opt=hizoo").passing(trained) > job("tune=full&truth=0&opt=hizoo").passing(trained)


def test_what_is_left_is_corrected_by_the_steps_made():
    made = forecast.Forecast(3.0, (100.0, 50.0), 30.0, 0, False)
    assert made.left([0, 0], [0, 0]) == 180
    assert made.left([0.5, 0.5], [50, 25]) == pytest.approx(90), "as forecast"
    assert made.left([0.5, 0.5], [150, 75]) == pytest.approx(3 * 90), "three times as slow"
    assert made.left([0.5, 0], [100, 0]) == pytest.approx(100 + 100 + 60 * 2 / 3), "the second by the first's pace"
    assert made.left([0.5, 0.5], [50, 25], elapsed=75 + 60) == pytest.approx(75 + 60), "measuring takes four times"
    assert made.left([1, 1], [100, 50], elapsed=200) == 0


def test_a_table_that_cannot_be_read_has_no_forecast_but_a_reason(tmp_path):
    (tmp_path / "table.csv").write_text("text,label\n")
    answer = forecast.estimate(specs.parse(f"task=table&data={tmp_path}/table.csv&steps=1"), NOTES)
    assert answer["seconds"] is None
    assert answer["sentence"].startswith("no forecast: ")


def test_a_job_that_does_not_fit_is_refused_before_its_model_is_loaded(tmp_path, monkeypatch):
    """The weights alone would fit."""
    config = LlamaConfig(
        vocab_size=4096, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128,
    )  # fmt: skip
    with torch.random.fork_rng():
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    models.load("bundled", "cpu").tokenizer.save_pretrained(tmp_path)
    spec = specs.parse(f"model={tmp_path}&tune=full&steps=1&opt=hizoo:n=1,pool=none&opt=adam")
    size = architecture.size(str(tmp_path))
    assert size is not None
    needed = 4 * size.parameters + forecast.beside_the_weights(spec)
    monkeypatch.setattr(models, "_module", lambda *_: pytest.fail("it was loaded"))
    from viz_app.finetuning.session import Session

    log = Log(tmp_path / "data")
    monkeypatch.setattr(models, "free_memory", lambda _: needed - 1)
    with pytest.raises(LanguageModelError, match=r"beside it, but cpu has .* free: take tune=lora") as refused:
        Session(log.create_job(spec.query(), "shell"), spec, log).open()
    assert refused.value.field == "model"
    assert isinstance(refused.value, NoRoom), "a worker closes other sessions, and tries again"
    log.close()
