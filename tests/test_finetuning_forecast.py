"""The arithmetic of forecasts against what models and sessions are made of; `benchmarks.forecast` measures times."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from functions.language_model import LanguageModelError, NoRoom, adapters, tasks
from functions.language_model import model as models
from viz_app.finetuning import architecture, costs, forecast, lengths, limits
from viz_app.finetuning import spec as specs
from viz_app.finetuning.run import Run
from viz_app.finetuning.store import Log

SPEED = {"flops": 1e10, "bytes": 1e30, "operation": 0.0, "element": 0.0, "walk": 0.0}
NOTES = {"speed:cpu": SPEED, "speed:cpu, one thread": SPEED}


def job(text: str, **speed: float) -> costs.Costs:
    spec = specs.parse(text)
    size = architecture.size(spec.model)
    assert size is not None
    return costs.Costs(spec, size, lengths.of(spec), "cpu", {**SPEED, **speed})


@pytest.fixture
def llama(tmp_path) -> str:
    """A folder with a Llama of two layers, and the bundled model's tokenizer."""
    config = LlamaConfig(
        vocab_size=4096, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng():
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "llama")
    models.load("bundled", "cpu").tokenizer.save_pretrained(tmp_path / "llama")
    return str(tmp_path / "llama")


def test_lengths_are_those_of_the_encoded_texts():
    spec = specs.parse("")
    model = models.load("bundled", "cpu")
    encoded = tasks.encode(tasks.make("reviews"), model.tokenizer, model.context)
    found = lengths.of(spec)
    assert found.train == tuple(sorted(map(len, encoded.train_tokens)))
    assert found.held_out == tuple(sorted(map(len, encoded.held_out_tokens)))
    widths = [encoded.batch(step, 32, 0).ids.shape[1] for step in range(40)]
    assert found.width(32) == pytest.approx(sum(widths) / len(widths), rel=0.05)
    evaluated = encoded.held_out(limits.HELD_OUT_BATCH, 256)
    padded = found.padded(256, limits.HELD_OUT_BATCH)
    assert [texts for texts, _ in padded] == [len(batch.rows) for batch in evaluated]
    tokens = sum(batch.ids.numel() for batch in evaluated)
    assert sum(texts * width for texts, width in padded) == pytest.approx(tokens, rel=0.05)


def test_a_small_table_is_counted_as_it_is():
    body = ("text,label\n" + "".join(f"{'good' if i % 2 else 'bad'} film {i},{i % 2}\n" for i in range(20))).encode()
    spec = specs.parse("task=table&data=upload:x&batch=64&steps=2&opt=mezo:n=1")
    texts = lengths.of(spec, lambda id: body)
    assert (len(texts.train), len(texts.held_out)) == (16, 4)
    table = replace(job(""), spec=spec, lengths=texts)
    assert table.batch()[0] == 16
    assert [count for count, _ in texts.padded(256, limits.HELD_OUT_BATCH)] == [4]
    assert [count for count, _ in texts.padded(0, limits.HELD_OUT_BATCH)] == [4], "0 takes all"
    few = lengths.of(specs.parse("shots=5"))
    assert len(few.train) == 10
    assert len(lengths.of(specs.parse("train=12")).train) == 12
    assert len(lengths.of(specs.parse("task=sst2&train=512")).train) == 512, "the hub's SST-2, which is not read"


def test_of_a_large_table_a_sample_is_made_into_tokens(monkeypatch):
    made = tasks.make("reviews")
    every = lengths.of_task(made, "bundled")
    monkeypatch.setattr(lengths, "SAMPLE", 100)
    some = lengths.of_task(made, "bundled")
    assert (len(some.train), len(some.held_out)) == (len(every.train), len(every.held_out))
    assert some.width(32) == pytest.approx(every.width(32), rel=0.1)


def test_texts_are_cut_to_what_the_model_reads(llama: str, tmp_path):
    """Llama's 64 tokens, the tokenizer's if it reads fewer, and a prefix's take their share of them."""
    (tmp_path / "long.csv").write_text(
        "text,label\n" + "".join(f"{'very ' * 200}{'good' if i % 2 else 'bad'} {i},{i % 2}\n" for i in range(20))
    )
    text = f"model={llama}&task=table&data={tmp_path}/long.csv&steps=1&opt=mezo:n=1"
    assert job(text).batch() == (16, 64)
    assert job(f"{text}&tune=prefix&prefix=10").held_out() == [(4, 54)]
    path = tmp_path / "llama" / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 40}))
    assert job(text).batch() == (16, 40)
    model = models.load(llama, "cpu")
    assert model.context == 40


@pytest.mark.parametrize(("opt", "passes"), [("mezo:n=3", 6), ("hizoo:n=3", 7), ("hizoo_l:n=2", 5), ("adam", 3)])
def test_a_step_costs_its_forward_passes(opt: str, passes: int):
    steps = job(f"tune=full&steps=2&opt={opt}")
    assert steps.step(steps.spec.opts[0]) == pytest.approx(passes * steps.pass_(*steps.batch()))


def test_a_pass_costs_operations_weights_and_elements():
    none = {"flops": 1e30}
    made, batch = job("tune=full&opt=mezo"), job("").batch()
    assert made.pass_(*batch) == pytest.approx(made.size.forward(*batch) / 1e10)
    weights = job("tune=full&opt=mezo", **none, bytes=1e9).pass_(*batch)
    assert weights == pytest.approx(costs.PACKED * 4 * made.size.computing / 1e9)
    alone = job("tune=full&opt=mezo", **none, operation=1e-6).pass_(1, 1)
    assert alone == pytest.approx(made.size.layers * costs.OPERATIONS * 1e-6, rel=1e-6), "of however little"
    lora = job("tune=lora&opt=mezo", **none, operation=1e-6, element=1e-9)
    full = job("tune=full&opt=mezo", **none, operation=1e-6, element=1e-9)
    assert lora.pass_(*batch) > full.pass_(*batch), "its adapters are operations of their own"
    walked = job("tune=full&steps=1&opt=mezo:n=2", **none, walk=1e-9)
    assert walked.step(walked.spec.opts[0]) == pytest.approx(7 * made.size.parameters * 1e-9)


def test_evaluations_and_references_are_in_it():
    """Held-out texts and probes are the session's own constants."""
    count = partial(job, "tune=full&forwards=200&eval=100&truth=1&opt=hizoo:n=2&opt=adam")
    made = count()
    batches = made.held_out()
    assert sum(texts for texts, _ in batches) == 256
    evaluation = sum(made.pass_(*batch) for batch in batches)
    saving = 12 * made.size.parameters / costs.STORING
    assert made.evaluations() == pytest.approx((evaluation, evaluation + saving))
    assert made.loading() == pytest.approx(costs.LOADING + 4 * made.size.parameters / costs.READING + evaluation)
    reference, none = made.references()
    assert none == 0
    assert reference > limits.PROBES * costs.DOUBLE[True] * made.pass_(limits.REFERENCE, 10)
    whole = forecast.forecast(made.spec, NOTES, lambda: made.lengths)
    assert whole is not None
    assert whole.evaluations == (3, 3)  # the start, and after 100 and 200 passes
    assert whole.measuring([1, 1]) == pytest.approx(reference + 2 * evaluation + saving)
    assert whole.measuring([2, 1]) == pytest.approx(2 * reference + 3 * evaluation + saving + made.memory())
    assert whole.seconds == pytest.approx(
        made.loading() + sum(whole.training) + 3 * (reference + 2 * evaluation + saving) + made.memory()
    )


@pytest.mark.parametrize("text", ["steps=7&eval=10", "steps=7&eval=1", "steps=1&eval=1000", "forwards=200&eval=100"])
@pytest.mark.parametrize("opt", ["mezo:n=3", "hizoo:n=2", "adam"])
def test_evaluations_are_as_many_as_a_run_makes(text: str, opt: str):
    spec = specs.parse(f"{text}&opt={opt}")
    run = Run(0, opt, spec.opts[0], spec.steps_of(0), spec.forwards_per_step(0))
    assert costs.evaluations(spec, 0) == sum(run.due(step, spec.eval) for step in range(run.steps + 1))


def test_the_speed_is_that_of_the_threads_that_the_model_gets():
    notes = {"speed:cpu": SPEED, "speed:cpu, one thread": {**SPEED, "flops": 5e9}}
    spec = specs.parse("tune=full&steps=10&opt=mezo")
    given = ({"speed:cpu": SPEED}, notes)
    made, slow = (forecast.forecast(spec, notes, lambda: lengths.of(spec)) for notes in given)
    assert made is not None
    assert slow is not None
    typical = job("tune=full&steps=10&opt=mezo", **forecast.TYPICAL)
    assert made.training[0] == pytest.approx(10 * typical.step(spec.opts[0])), "no note for one thread"
    slower = job("tune=full&steps=10&opt=mezo", flops=5e9)
    assert slow.training[0] == pytest.approx(10 * slower.step(spec.opts[0]))


def test_bytes_are_those_of_what_is_held():
    made = job("tune=full&forwards=2400&eval=2400&truth=0&opt=hizoo:pool=none&opt=adam&opt=mezo")
    model = models.load("bundled", "cpu")
    trained = sum(p.numel() * p.element_size() for p in adapters.adapt(model, "full", 0).parameters.values())
    assert made.size.parameters * made.number == trained == made.own
    states = [made.state(opt) for opt in made.spec.opts]
    assert states == [trained, 2 * trained, 0]
    two = job("tune=full&opt=hizoo:pool=none,estimator=multiplicative,n=2&opt=hizoo:estimator=reliable")
    assert [two.state(opt) for opt in two.spec.opts] == [2 * trained, 2 * trained], "P, and m or e"
    assert made.snapshots(states) == 3 * trained + (2 + 3 + 1) * trained, "θ at the start, θ and the state at the end"
    held = 4 * trained + 3 * trained  # θ_0 and the three runs' own; P and two moments
    assert made.beside() == held + made.snapshots(states) + made.passing()
    assert made.passing() >= costs.CHECKPOINT * 3 * trained
    assert made.bytes() == made.beside() + trained + costs.LIBRARIES
    assert job("tune=lora&truth=0&opt=mezo").beside() < made.beside() / 2
    assert job("tune=full&truth=1&opt=hizoo").passing() > job("tune=full&truth=0&opt=hizoo").passing()


def test_rebuilding_a_step_needs_less_than_the_job():
    made = job("tune=full&truth=1&opt=hizoo&opt=adam&opt=mezo")
    alone = job("tune=full&truth=0&opt=adam")  # which also keeps its state from step to step
    assert made.rebuilding() < made.beside()
    assert made.rebuilding() == alone.rebuilding(), "the run that needs most"


def test_the_device_is_the_one_that_is_meant():
    spec = specs.parse("tune=lora&steps=10&opt=mezo&device=cuda")
    texts = lengths.of(spec)
    notes = {"speed:cuda:0, one thread": SPEED, "devices": {"auto": "cuda:0"}}
    made, auto = (forecast.forecast(replace(spec, device=name), notes, lambda: texts) for name in ("cuda", "auto"))
    assert made == auto
    assert made is not None
    assert made.training[0] == pytest.approx(10 * job("tune=lora&steps=10&opt=mezo").step(spec.opts[0]))
    assert made.sentence.endswith("of cuda:0's memory (estimate)")
    on_cpu, on_gpu = (forecast.beside_the_weights(specs.parse("tune=full"), texts, name) for name in ("cpu", "cuda:0"))
    assert on_gpu < on_cpu / 1.9, "bfloat16, and the snapshots are the computer's"


def test_states_of_lower_layers_are_the_computers_memory_and_not_the_devices():
    spec = specs.parse("tune=top:1&steps=10&batch=8&opt=mezo&device=cuda")
    texts = lengths.of(spec)
    notes = {"speed:cuda:0, one thread": SPEED, "speed:cpu, one thread": SPEED}
    on_gpu = forecast.forecast(spec, notes, lambda: texts)
    on_cpu = forecast.forecast(replace(spec, device="cpu"), notes, lambda: texts)
    assert on_gpu is not None
    assert on_cpu is not None
    made = job("tune=top:1&steps=10&batch=8&opt=mezo")
    states = 2 * (256 + 80) * made.texts.width(1) * made.size.hidden
    assert (on_gpu.host, on_cpu.host) == (int(states), 0)
    assert f"of cuda:0's memory and {forecast.amount(states)} of this computer's" in on_gpu.sentence
    assert "computer's" not in on_cpu.sentence
    assert made.cached_here() == on_gpu.host


def test_a_pace_is_found_under_the_devices_name():
    spec = specs.parse("tune=lora&steps=10&eval=100&opt=mezo:n=1&device=cuda")
    note = forecast.pace({}, spec, [20.0], 3.0, 25.0)
    assert note == {"loading": 3.0, "evaluation": 2.5, "methods": {"mezo": 1.0}}, "evaluated at both ends"
    made = forecast.estimate(spec, {forecast.pace_key(spec, "cuda:0"): note})
    assert (made["measured"], made["seconds"]) == (True, 3 + 20 + 5)
    keys = [forecast.pace_key(spec, "cuda:0")]
    for other in ({"train": 8}, {"shots": 4}, {"top": 1}, {"truth": 1}, {"template": "{text} so"}):
        keys.append(forecast.pace_key(replace(spec, **other), "cuda:0"))
    assert len(set(keys)) == len(keys), "what takes another time has a pace of its own"


def test_the_sentence_says_whose_memory_and_in_powers_of_ten():
    sentence = forecast.estimate(specs.parse("steps=10&opt=mezo"), NOTES)["sentence"]
    assert sentence.endswith("MB for the whole process (estimate)")
    assert list(map(forecast.amount, (64e7, 9.94e8, 9.96e8, 2.5e9))) == ["640 MB", "990 MB", "1.0 GB", "2.5 GB"]


def test_a_table_that_cannot_be_read_has_no_forecast_but_a_reason(tmp_path):
    (tmp_path / "table.csv").write_text("text,label\n")
    answer = forecast.estimate(specs.parse(f"task=table&data={tmp_path}/table.csv&steps=1"), NOTES)
    assert answer["seconds"] is None
    assert answer["sentence"].startswith("no forecast: ")


def refused(log: Log, spec: specs.FinetuneSpec, training: bool) -> pytest.ExceptionInfo[LanguageModelError]:
    from viz_app.finetuning.session import Session

    with pytest.raises(LanguageModelError, match=r"beside it, but cpu has .* free: take tune=lora") as found:
        Session(log.create_job(spec.query(), "shell"), spec, log).open(training)
    return found


def test_a_job_that_does_not_fit_is_refused_before_its_model_is_loaded(llama: str, tmp_path, monkeypatch):
    """The weights alone would fit; and where the job does not, a step of it may be rebuilt all the same."""
    spec = specs.parse(f"model={llama}&tune=full&steps=1&opt=hizoo:n=1,pool=none&opt=adam")
    texts, size = lengths.of(spec), architecture.size(llama)
    assert size is not None
    log = Log(tmp_path / "data")
    needed, less = (4 * size.parameters + forecast.beside_the_weights(spec, texts, "cpu", it) for it in (True, False))
    assert less < needed
    loaded = []
    monkeypatch.setattr(models, "module_of", lambda *_: loaded.append(1) or pytest.fail("it was loaded"))
    monkeypatch.setattr(models, "free_memory", lambda _: needed - 1)
    found = refused(log, spec, training=True)
    assert found.value.field == "model"
    assert isinstance(found.value, NoRoom), "a worker closes other sessions, and tries again"
    with pytest.raises(pytest.fail.Exception, match="it was loaded"):
        refused(log, spec, training=False)
    monkeypatch.setattr(models, "free_memory", lambda _: less - 1)
    refused(log, spec, training=False)
    assert len(loaded) == 1
    log.close()
